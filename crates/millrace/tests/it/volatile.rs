//! Models whose SQL gives other rows with each run are built with each run, and those that read them.

use crate::millrace::Project;

const MANIFEST: &str = "name: tiny\nenvironments: {dev: {type: duckdb, path: .millrace/t.duckdb}}\n";

fn project(model: &str) -> Project {
    Project::of(&[
        ("millrace.yml", MANIFEST),
        ("sources/files.yml", "type: ndjson\npath: data/n.ndjson\nstreams: {n: {}}\n"),
        ("data/n.ndjson", "{\"id\": 1}\n{\"id\": 2}\n"),
        ("models/a.sql", model),
        ("models/b.sql", "select * from a"),
        ("models/c.sql", "select id from files.n"),
    ])
}

/// How each model ended in a second run in which nothing was new.
fn second(model: &str) -> (Vec<String>, String) {
    let project = project(model);
    project.run_json(0, &[]);
    let again = project.run_json(0, &[]);
    let models = again["models"].as_array().expect("models");
    let status = |at: usize| models[at]["status"].as_str().expect("a status").to_owned();
    ((0..3).map(status).collect(), models[0]["reason"].as_str().expect("a reason").to_owned())
}

#[test]
fn what_changes_by_itself_is_built_each_time() {
    for (sql, call) in [
        ("select id, now() as at from files.n", "now()"),
        ("select id, current_timestamp as at from files.n", "current_timestamp"),
        ("select id, random() as r from files.n", "random()"),
        ("select id, gen_random_uuid() as u from files.n where id > 0", "gen_random_uuid()"),
        ("with x as (select id, uuid() as u from files.n) select * from x", "uuid()"),
        ("select id, age(timestamp '2020-01-01') as a from files.n", "age()"),
        ("select id from files.n using sample 50%", "tablesample"),
        (
            "{% macro m() %}localtimestamp{% endmacro %}select id, {{ m() }} as at from files.n",
            "localtimestamp",
        ),
    ] {
        let (status, reason) = second(sql);
        assert_eq!(status, ["built", "built", "unchanged"], "{sql}");
        assert!(reason.contains(&format!("it calls `{call}`")), "{sql}: {reason}");
    }
}

#[test]
fn what_changes_with_the_day_or_never_is_not() {
    for sql in [
        "select id, current_date as day from files.n",
        "select id, today() as day from files.n",
        "select id, age(timestamp '2020-01-01', timestamp '2021-01-01') as a from files.n",
        "select id, 'now()' as word, date_trunc('day', timestamp '2020-01-01') as d from files.n -- now()",
    ] {
        // A day may end between the two runs.
        let twice = [second(sql).0, second(sql).0];
        assert!(twice.contains(&["unchanged"; 3].map(str::to_owned).to_vec()), "{sql}: {twice:?}");
    }
}

/// Some warehouses make the present moment of words, when the model is built.
#[test]
fn words_that_become_times_count_for_the_warehouse_that_knows_them() {
    let server = millrace_testkit::postgres::PostgresServer::shared();
    let manifest = format!(
        "name: tiny\nenvironments: {{prod: {{type: postgres, url: \"{}\"}}}}\n",
        server.url(&server.database())
    );
    let project = project("select id, cast('now' as timestamp) as at, date 'today' as day from files.n");
    project.write("millrace.yml", manifest);
    project.run_json(0, &[]);
    let again = project.run_json(0, &[]);
    assert_eq!(again["models"][0]["status"], "built", "{again}");
    let reason = again["models"][0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("it calls `'now'`"), "{reason}");
    assert_eq!(again["models"][2]["status"], "unchanged", "{again}");
}

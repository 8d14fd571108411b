//! Drops of files that are loaded once each, into both warehouses, whatever happens on the way.

use std::os::unix::process::ExitStatusExt as _;

use millrace_testkit::postgres::PostgresServer;

use crate::millrace::{Project, binary};

const SOURCE: &str = "type: ndjson\npath: drop/*.ndjson\nstreams: {events: {mode: append}}\n";

fn project() -> Project {
    let postgres = PostgresServer::shared();
    let manifest = format!(
        "name: tiny\nenvironments:\n  dev: {{type: duckdb, path: .millrace/t.duckdb}}\n  prod: {{type: postgres, url: \"{}\"}}\n",
        postgres.url(&postgres.database())
    );
    Project::of(&[
        ("millrace.yml", manifest.as_str()),
        ("sources/files.yml", SOURCE),
        ("models/events.sql", "select * from files.events"),
        ("drop/1.ndjson", "{\"id\": 1, \"n\": 1}\n{\"id\": 1, \"n\": 1}\n"),
    ])
}

/// A run that has to load so many rows, and leave so many in the table.
fn go(project: &Project, env: &str, loaded: u64, in_table: u64) {
    let summary = project.run_json(0, &["--env", env]);
    let stream = &summary["streams"][0];
    assert_eq!(
        (&stream["rows_loaded"], &stream["rows_in_table"]),
        (&loaded.into(), &in_table.into()),
        "{env}: {summary}"
    );
}

#[test]
fn each_file_is_loaded_once() {
    let project = project();
    for env in ["dev", "prod"] {
        go(&project, env, 2, 2);
        assert_eq!(project.run_json(0, &["--env", env])["status"], "unchanged");
        project.write("drop/2.ndjson", "{\"id\": 2, \"n\": 2}\n");
        go(&project, env, 1, 3);
        // Wider numbers, and a column that is new; the folder is emptied.
        std::fs::remove_file(project.path().join("drop/1.ndjson")).expect("it was there");
        std::fs::remove_file(project.path().join("drop/2.ndjson")).expect("it was there");
        assert_eq!(project.run_json(0, &["--env", env])["status"], "unchanged");
        project.write("drop/3.ndjson", "{\"id\": 3, \"n\": 2.5, \"new\": \"x\"}\n");
        go(&project, env, 1, 4);
        let rows = project.rows_in(env, "select id, cast(n as varchar), new from events order by id");
        assert_eq!(
            rows,
            [["1", "1.0", "NULL"], ["1", "1.0", "NULL"], ["2", "2.0", "NULL"], ["3", "2.5", "x"]]
        );
        // It comes once, so what has changed nobody can load.
        project.write("drop/3.ndjson", "{\"id\": 4, \"n\": 2.5, \"new\": \"x\"}\n");
        let changed = project.run(&["run", "--env", env]);
        assert_eq!(changed.code, 4, "{}", changed.stderr);
        assert!(changed.stderr.contains("file `drop/3.ndjson` has changed since"), "{}", changed.stderr);
        assert_eq!(project.rows_in(env, "select count(*) from events"), [["4"]]);
        go_anew(&project, env);
        std::fs::remove_file(project.path().join("drop/3.ndjson")).expect("it was there");
        project.write("drop/1.ndjson", "{\"id\": 1, \"n\": 1}\n{\"id\": 1, \"n\": 1}\n");
    }
}

fn go_anew(project: &Project, env: &str) {
    let summary = project.run_json(0, &["--env", env, "--full-refresh"]);
    assert_eq!(summary["streams"][0]["rows_in_table"], 1);
    assert_eq!(project.rows_in(env, "select id from events"), [["4"]]);
}

#[test]
fn a_death_neither_loses_nor_doubles_a_file() {
    let project = project();
    for env in ["dev", "prod"] {
        for name in ["2", "3"] {
            let _ = std::fs::remove_file(project.path().join(format!("drop/{name}.ndjson")));
        }
        go(&project, env, 2, 2);
        for (point, name, loaded, in_table) in
            [("load-rows-written", "2", 1, 3), ("load-committed", "3", 0, 4)]
        {
            project.write(&format!("drop/{name}.ndjson"), format!("{{\"id\": {name}, \"n\": 2}}\n"));
            let mut run = binary();
            run.args(["run", "--env", env, "--project"]).arg(project.path()).env("MILLRACE_FAULT", point);
            let died = run.output().expect("the binary starts");
            assert_eq!(died.status.signal(), Some(6), "nothing comes by `{point}`");
            go(&project, env, loaded, in_table);
        }
        assert_eq!(project.rows_in(env, "select count(*), count(distinct id) from events"), [["4", "3"]]);
    }
}

#[test]
fn what_is_appended_cannot_be_merged() {
    let project = project();
    go(&project, "dev", 2, 2);
    project.write("sources/files.yml", SOURCE.replace("append", "upsert, key: [id]"));
    let refused = project.run(&["run"]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.stderr.contains("was appended to"), "{}", refused.stderr);
    project.run_json(0, &["--full-refresh"]);
    assert_eq!(project.rows("select count(*) from events"), [["1"]]);
    project.write("sources/files.yml", SOURCE);
    let refused = project.run(&["run"]);
    assert!(refused.stderr.contains("the key was `id`"), "{}", refused.stderr);
    let dump = "type: mysql_dump\npath: drop/crm.sql\nstreams: {t: {mode: append}}\n";
    project.write("sources/crm.yml", dump);
    project.write("drop/crm.sql", "create table t (id int);\n");
    let checked = project.run(&["check"]);
    assert!(checked.stderr.contains("has no `mode: append`"), "{}", checked.stderr);
}

#[test]
fn a_folder_may_be_emptied_of_what_was_loaded() {
    let project = project();
    let empty = || std::fs::remove_file(project.path().join("drop/1.ndjson")).expect("it was there");
    go(&project, "dev", 2, 2);
    empty();
    assert_eq!(project.run_json(0, &[])["status"], "unchanged");
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    let warning = "none of the files of stream `files.events` is there, and it has no captured schema";
    assert!(checked.stderr.contains(warning), "{}", checked.stderr);
    assert!(checked.stderr.contains("Run `millrace capture files`"), "{}", checked.stderr);
    let looked = project.run(&["doctor", "files"]);
    assert_eq!(looked.code, 0, "{}{}", looked.stdout, looked.stderr);
    assert!(looked.stdout.contains("What was loaded stays"), "{}", looked.stdout);
    // What nobody has loaded before is asked for in vain.
    let never = project.run(&["capture"]);
    assert_eq!(never.code, 3, "{}", never.stderr);
    assert!(never.stderr.contains("no file matches `path: drop/*.ndjson`"), "{}", never.stderr);
    // What is captured stays so.
    project.write("drop/1.ndjson", "{\"id\": 1, \"n\": 1}\n{\"id\": 1, \"n\": 1}\n");
    assert_eq!(project.run(&["capture"]).code, 0);
    empty();
    let captured = project.run(&["capture"]);
    assert_eq!(captured.code, 0, "{}", captured.stderr);
    assert!(captured.stderr.contains("2 columns, unchanged"), "{}", captured.stderr);
    let checked = project.run(&["check"]);
    assert!(checked.code == 0 && !checked.stderr.contains("warning"), "{}", checked.stderr);
    // Where nothing is kept there is nothing without files.
    project.write("sources/files.yml", SOURCE.replace("append", "full"));
    let refused = project.run(&["run"]);
    assert_eq!(refused.code, 3, "{}", refused.stderr);
}

#[test]
fn rows_that_nothing_published_reads_are_not_called_nothing() {
    let project = project();
    go(&project, "dev", 2, 2);
    project.write("sources/more.yml", "type: csv\npath: more.csv\n");
    project.write("more.csv", "a\n1\n2\n3\n");
    let ran = project.run(&["run"]);
    let said = "unchanged: 3 rows loaded, which nothing published reads; data version 1";
    assert!(ran.code == 0 && ran.stderr.contains(said), "{}", ran.stderr);
    let again = project.run(&["run"]);
    assert!(again.stderr.contains("unchanged: nothing is new; data version 1"), "{}", again.stderr);
}

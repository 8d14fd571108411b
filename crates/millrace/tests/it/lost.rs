//! What a source has lost holds the run: rows, streams, columns that models read. Everything stays as it was, and each run looks again.

use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::postgres::PostgresServer;
use serde_json::Value as Json;

use crate::millrace::{Project, notices};

fn environments() -> String {
    let postgres = PostgresServer::shared();
    format!(
        "environments:\n  dev: {{type: duckdb, path: .millrace/t.duckdb}}\n  prod: {{type: postgres, url: \"{}\"}}\n",
        postgres.url(&postgres.database())
    )
}

const SOURCE: &str = "type: ndjson\npath: data/n.ndjson\nstreams: {n: {}}\n";

fn project(manifest: &str, source: &str, model: &str) -> Project {
    let manifest = format!("name: tiny\n{}{manifest}", environments());
    Project::of(&[
        ("millrace.yml", manifest.as_str()),
        ("sources/files.yml", source),
        ("data/n.ndjson", &records(10)),
        ("models/numbers.sql", model),
    ])
}

fn records(count: u32) -> String {
    (1..=count).map(|id| format!("{{\"id\": {id}, \"amount\": {id}.5}}\n")).collect::<Vec<_>>().concat()
}

/// What holds a run, by code.
fn problems(summary: &Json) -> Vec<&str> {
    assert_eq!(
        (&summary["status"], &summary["held"]["by"]),
        (&"held".into(), &"sources".into()),
        "{summary}"
    );
    let problems = summary["held"]["problems"].as_array().expect("problems");
    problems.iter().map(|problem| problem["code"].as_str().expect("a code")).collect()
}

#[test]
fn a_stream_that_lost_all_its_rows_holds_the_run_until_told_otherwise() {
    let project = project("", SOURCE, "select sum(amount) as total from files.n");
    for env in ["dev", "prod"] {
        project.write("data/n.ndjson", records(10));
        project.run_json(0, &["--env", env]);
        project.write("data/n.ndjson", "");
        for _ in 0..2 {
            let held = project.run_json(1, &["--env", env]);
            assert_eq!(problems(&held), ["stream-emptied"]);
            assert_eq!(held["held"]["problems"][0]["stream"], "files.n");
            assert_eq!(held["models"], Json::Array(Vec::new()));
        }
        assert_eq!(project.rows_in(env, "select cast(total as varchar) from numbers"), [["60.0"]]);
        let status = project.run(&["status", "--env", env]);
        assert!(
            status.stdout.contains("stream `files.n` has no rows any more; it had 10"),
            "{}",
            status.stdout
        );
        // Rows that come back end it by themselves.
        project.write("data/n.ndjson", records(11));
        assert_eq!(project.run_json(0, &["--env", env])["status"], "succeeded");
        project.write("data/n.ndjson", "");
        project.run_json(1, &["--env", env]);
        assert_eq!(project.run_json(0, &["--env", env, "--allow-empty"])["status"], "succeeded");
        assert_eq!(project.rows_in(env, "select total from numbers"), [["NULL"]]);
        // From nothing to nothing nothing is lost.
        project.write("data/n.ndjson", "\n");
        project.run_json(0, &["--env", env]);
    }
    project.write(
        "sources/files.yml",
        "type: ndjson\npath: data/n.ndjson\ndefaults: {allow_empty: true}\nstreams: {n: {}}\n",
    );
    project.write("data/n.ndjson", records(3));
    project.run_json(0, &[]);
    project.write("data/n.ndjson", "");
    project.run_json(0, &[]);
}

#[test]
fn a_stream_that_no_model_reads_is_held_too_and_others_go_on() {
    let source = "type: ndjson\nstreams:\n  n: {path: data/n.ndjson}\n  m: {path: data/m.ndjson}\n";
    let project = project("", source, "select id from files.n");
    project.write("data/m.ndjson", records(4));
    project.run_json(0, &[]);
    project.write("data/m.ndjson", "");
    project.write("data/n.ndjson", records(12));
    let held = project.run(&["run"]);
    assert_eq!(held.code, 1, "{}", held.stderr);
    assert!(held.stderr.contains("error[stream-emptied]: stream `files.m`"), "{}", held.stderr);
    assert!(!held.stderr.contains("nothing is new"), "{}", held.stderr);
    assert_eq!(project.value("select count(*) from numbers"), "10");
    let let_pass = project.run(&["run", "--allow-empty"]);
    assert_eq!(let_pass.code, 0, "{}", let_pass.stderr);
    assert_eq!(project.value("select count(*) from numbers"), "12");
    project.write("data/m.ndjson", records(4));
    project.run_json(0, &[]);
    project.write("data/m.ndjson", "");
    let let_pass = project.run(&["run", "--allow-empty"]);
    let about = |stream: &str| let_pass.stderr.lines().find(|line| line.contains(stream)).unwrap_or_default();
    assert!(about("files.m").contains("0 rows"), "{}", let_pass.stderr);
}

#[test]
fn a_smaller_fall_is_a_warning_or_held_as_the_project_says() {
    let project = project("", SOURCE, "select id from files.n");
    project.run_json(0, &[]);
    project.write("data/n.ndjson", records(5));
    assert!(notices(&project.run_json(0, &[])).is_empty(), "half of it is no more than half");
    project.write("data/n.ndjson", records(2));
    let fallen = project.run_json(0, &[]);
    assert_eq!(notices(&fallen), ["stream-shrunk"]);
    assert_eq!(fallen["notices"][0]["stream"], "files.n");
    let status = project.run(&["status"]);
    assert!(
        status.stdout.contains("stream-shrunk: stream `files.n` has lost 3 of its 5 rows"),
        "{}",
        status.stdout
    );
    project
        .write("sources/files.yml", "type: ndjson\npath: data/n.ndjson\nstreams: {n: {max_shrink: 10%}}\n");
    project.write("data/n.ndjson", records(10));
    project.run_json(0, &[]);
    project.write("data/n.ndjson", records(9));
    project.run_json(0, &[]);
    project.write("data/n.ndjson", records(7));
    let held = project.run_json(1, &[]);
    assert_eq!(problems(&held), ["stream-emptied"]);
    assert_eq!(project.value("select count(*) from numbers"), "9");
    project.run_json(0, &["--allow-empty"]);
    assert_eq!(project.value("select count(*) from numbers"), "7");
}

#[test]
fn a_fall_that_the_project_forbids_holds_the_run() {
    let project = project("max_shrink: 10%\n", SOURCE, "select id from files.n");
    project.run_json(0, &[]);
    project.write("data/n.ndjson", records(9));
    project.run_json(0, &[]);
    project.write("data/n.ndjson", records(7));
    let held = project.run_json(1, &[]);
    assert_eq!(problems(&held), ["stream-emptied"]);
    assert_eq!(project.value("select count(*) from numbers"), "9");
    // What the stream says goes before it.
    project
        .write("sources/files.yml", "type: ndjson\npath: data/n.ndjson\nstreams: {n: {max_shrink: 30%}}\n");
    project.run_json(0, &[]);
    assert_eq!(project.value("select count(*) from numbers"), "7");
}

#[test]
fn a_column_that_models_read_and_that_is_gone_holds_the_run() {
    let project = project("", SOURCE, "select sum(n.amount) as total from files.n as n");
    assert_eq!(project.run(&["capture"]).code, 0);
    for env in ["dev", "prod"] {
        project.write("data/n.ndjson", records(10));
        project.run_json(0, &["--env", env]);
        // One that nobody reads may come and go, and that is said.
        project.write("data/n.ndjson", records(10).replace("\"id\"", "\"number\""));
    }
    let schema = project.read("sources/files.schema.yml").replace("nullable: false", "nullable: true");
    project.write("sources/files.schema.yml", &schema);
    for env in ["dev", "prod"] {
        project.write("data/n.ndjson", records(10));
        project.run_json(0, &["--env", env]);
        project.write("data/n.ndjson", records(10).replace("\"id\"", "\"number\""));
        assert_eq!(notices(&project.run_json(0, &["--env", env])), ["schema-drift"]);
        project.write("data/n.ndjson", records(9).replace("amount", "betrag"));
        for _ in 0..2 {
            let held = project.run_json(1, &["--env", env]);
            assert_eq!(problems(&held), ["column-vanished"]);
            assert!(notices(&held).contains(&"schema-drift"), "{held}");
            let problem = &held["held"]["problems"][0];
            assert!(problem["hint"].as_str().expect("a hint").contains("`betrag`"), "{problem}");
        }
        assert_eq!(project.rows_in(env, "select cast(total as varchar) from numbers"), [["60.0"]]);
    }
    // What the source has now is accepted, and the model changed.
    assert_eq!(project.run(&["capture"]).code, 0);
    project.write("models/numbers.sql", "select sum(n.betrag) as total from files.n as n");
    project.run_json(0, &[]);
    assert_eq!(project.value("select cast(total as varchar) from numbers"), "49.5");
}

#[test]
fn without_a_captured_schema_rows_that_stay_are_compared() {
    let source = "type: ndjson\npath: data/n.ndjson\nstreams: {n: {mode: upsert, key: [id]}}\n";
    let project = project("", source, "select * from files.n");
    project.run_json(0, &[]);
    project.write("data/n.ndjson", records(12).replace("amount", "betrag"));
    assert_eq!(problems(&project.run_json(1, &[])), ["column-vanished"]);
    project.write("models/numbers.sql", "select id from files.n");
    assert_eq!(project.run_json(0, &[])["status"], "succeeded");
}

#[test]
fn a_server_that_lost_its_tables_or_its_rows_holds_the_run() {
    let server = MariaDb::start(&[]);
    server.run(
        "create database shop; create user reader identified by 'lecteur'; grant select on shop.* to reader; use shop; \
         create table orders (id int primary key, total decimal(10, 2), changed_at datetime not null); \
         insert into orders select seq, seq / 4, '2026-01-01' + interval seq minute from seq_1_to_1000;",
    );
    let run = |sql: &str| server.run(&format!("use shop; {sql}"));
    let manifest = format!("name: tiny\n{}", environments());
    let source = "type: mysql\nurl: \"${CRM_URL}\"\ndefaults: {mode: incremental, cursor: changed_at, deletes: reconcile}\n";
    let project = Project::of(&[
        ("millrace.yml", manifest.as_str()),
        (".env", format!("CRM_URL=mysql://reader:lecteur@127.0.0.1:{}/shop\n", server.port()).as_str()),
        ("sources/crm.yml", source),
    ]);
    for env in ["dev", "prod"] {
        let args = ["--env", env];
        run("replace into orders select seq, seq / 4, '2026-01-01' + interval seq minute from seq_1_to_1000");
        project.run_json(0, &[&args[..], &["--full-refresh"]].concat());
        run("delete from orders where id > 400");
        let fallen = project.run_json(0, &args);
        assert_eq!(
            (notices(&fallen), &fallen["streams"][0]["rows_removed"]),
            (vec!["stream-shrunk"], &600.into())
        );
        run("delete from orders");
        for _ in 0..2 {
            let held = project.run_json(1, &args);
            assert_eq!(problems(&held), ["stream-emptied"]);
            assert_eq!(held["streams"][0]["rows_in_table"], 400);
        }
        let raw = project.rows_in(env, "select raw_table from _millrace.streams");
        let count = format!("select count(*) from raw.\"{}\"", raw[0][0]);
        assert_eq!(project.rows_in(env, &count), [["400"]]);
        run("rename table orders to \"gone\"".replace('"', "`").as_str());
        run("drop table `gone`");
        let held = project.run_json(1, &args);
        assert_eq!(problems(&held), ["stream-emptied"]);
        assert!(held["held"]["problems"][0]["message"].as_str().expect("a message").contains("source `crm`"));
        run("create table orders (id int primary key, total decimal(10, 2), changed_at datetime not null)");
        let let_pass = project.run_json(0, &[&args[..], &["--allow-empty"]].concat());
        assert_eq!(let_pass["streams"][0]["rows_in_table"], 0);
    }
}

#[test]
fn records_that_lost_all_of_their_fields_hold_the_run() {
    let project = project("", SOURCE, "select sum(n.amount) as total from files.n as n");
    let emptied = "{}\n".repeat(1_000);
    // Without a captured schema nobody knows of a column; with one all of them are gone.
    for captured in [false, true] {
        project.write("data/n.ndjson", records(10));
        if captured {
            assert_eq!(project.run(&["capture"]).code, 0);
            let schema = project.read("sources/files.schema.yml");
            project.write("sources/files.schema.yml", schema.replace(", nullable: false", ""));
        }
        for env in ["dev", "prod"] {
            project.write("data/n.ndjson", records(10));
            project.run_json(0, &["--env", env]);
            project.write("data/n.ndjson", &emptied);
            let ended = project.run(&["run", "--env", env]);
            let (code, told) = if captured {
                (1, "column `amount` of stream `files.n` is gone")
            } else {
                (3, "none of the 1,000 records of stream `files.n` has a field")
            };
            assert_eq!(ended.code, code, "{env}: {}", ended.stderr);
            assert!(ended.stderr.contains(told), "{env}: {}", ended.stderr);
            assert_eq!(project.rows_in(env, "select cast(total as varchar) from numbers"), [["60.0"]]);
        }
    }
    // An empty file is told of as one that lost its rows.
    project.write("data/n.ndjson", "");
    assert_eq!(problems(&project.run_json(1, &[])), ["stream-emptied"]);
}

#[test]
fn a_column_that_never_had_values_holds_no_run_and_is_told() {
    let project = project("", SOURCE, "select sum(n.amount) as total from files.n as n");
    assert_eq!(project.run(&["capture"]).code, 0);
    let schema = project.read("sources/files.schema.yml").replace(", nullable: false", "");
    project.write("sources/files.schema.yml", &schema);
    project.write("data/n.ndjson", records(10).replace("amount", "betrag"));
    for env in ["dev", "prod"] {
        // There is no load yet, and the next has none of its values.
        for _ in 0..2 {
            let summary = project.run_json(0, &["--env", env, "--full-refresh"]);
            assert!(notices(&summary).contains(&"column-vanished"), "{summary}");
        }
        assert_eq!(project.rows_in(env, "select total from numbers"), [["NULL"]]);
    }
    // A column that was captured after the last load.
    let schema =
        format!("{}      - {{name: discount, type: int64}}\n", project.read("sources/files.schema.yml"));
    project.write("data/n.ndjson", records(10));
    project.run_json(0, &[]);
    project.write("sources/files.schema.yml", &schema);
    project.write(
        "models/numbers.sql",
        "select sum(n.amount) as total, max(discount) as discount from files.n as n",
    );
    let summary = project.run_json(0, &[]);
    assert!(notices(&summary).contains(&"column-vanished"), "{summary}");
}

#[test]
fn files_that_were_moved_away_take_no_column_with_them() {
    let source = "type: ndjson\npath: data/*.ndjson\nstreams: {n: {mode: append}}\n";
    let project = project("", source, "select sum(n.amount) as total, count(*) as rows from files.n as n");
    for env in ["dev", "prod"] {
        project.write("data/n.ndjson", records(10));
        project.run_json(0, &["--env", env]);
        std::fs::remove_file(project.path().join("data/n.ndjson")).expect("it was there");
        // A field that may be missing is missing in each record of the day.
        project.write("data/m.ndjson", "{\"id\": 11}\n{\"id\": 12}\n");
        let summary = project.run_json(0, &["--env", env]);
        assert_eq!(notices(&summary), ["column-vanished"], "{summary}");
        assert_eq!(
            project.rows_in(env, "select cast(total as varchar), rows from numbers"),
            [["60.0", "12"]]
        );
        std::fs::remove_file(project.path().join("data/m.ndjson")).expect("it was there");
    }
}

#[test]
fn what_holds_a_run_is_told_also_where_another_stream_fails_it() {
    let source = "type: ndjson\nstreams:\n  a: {path: data/n.ndjson}\n  b: {path: data/b.ndjson}\n";
    let project = project("", source, "select id from files.a");
    project.write("data/b.ndjson", records(4));
    for env in ["dev", "prod"] {
        project.write("data/n.ndjson", records(10));
        project.write("data/b.ndjson", records(4));
        project.run_json(0, &["--env", env]);
        project.write("data/n.ndjson", "");
        std::fs::remove_file(project.path().join("data/b.ndjson")).expect("it was there");
        let ended = project.run(&["run", "--env", env]);
        assert_eq!(ended.code, 3, "{}", ended.stderr);
        assert!(
            ended.stderr.contains("stream `files.a` has no rows any more; it had 10"),
            "{}",
            ended.stderr
        );
        assert!(ended.stderr.contains("data/b.ndjson"), "{}", ended.stderr);
        let failed = project.run_json(3, &["--env", env]);
        assert_eq!(notices(&failed), ["stream-emptied"], "{failed}");
        assert_eq!(failed["notices"][0]["stream"], "files.a");
    }
}

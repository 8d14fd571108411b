//! Quarantine is what is wrong now: its rows end when they load, when their file is another one, when their stream is taken out.

use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::peak_memory;
use millrace_testkit::postgres::PostgresServer;

use crate::millrace::{Project, binary, notices};

fn manifest() -> String {
    let postgres = PostgresServer::shared();
    format!(
        "name: tiny\nmax_quarantine: 100%\nenvironments:\n  dev: {{type: duckdb, path: .millrace/t.duckdb}}\n  prod: {{type: postgres, url: \"{}\"}}\n",
        postgres.url(&postgres.database())
    )
}

const SCHEMA: &str = "streams:\n  n:\n    columns:\n      - {name: id, type: int64, nullable: false}\n      - {name: n, type: int64, nullable: true}\n";

fn project(mode: &str) -> Project {
    let source = format!(
        "type: ndjson\npath: data/*.ndjson\nstreams: {{n: {{{mode}contract: {{types: quarantine}}}}}}\n"
    );
    Project::of(&[
        ("millrace.yml", manifest().as_str()),
        ("sources/files.yml", source.as_str()),
        ("sources/files.schema.yml", SCHEMA),
        ("data/1.ndjson", "{\"id\": 1, \"n\": 1}\n{\"id\": 2, \"n\": \"x\"}\n{\"id\": 3, \"n\": 3}\n"),
        ("models/numbers.sql", "select * from files.n"),
    ])
}

fn in_quarantine(project: &Project, env: &str) -> Vec<Vec<String>> {
    project.rows_in(env, "select file, line from _millrace.quarantine order by 1, 2")
}

#[test]
fn a_file_that_is_mended_or_gone_leaves_nothing_in_quarantine() {
    for (mode, gone) in [("", true), ("mode: upsert, key: [id], ", false)] {
        let project = project(mode);
        for env in ["dev", "prod"] {
            let args = ["--env", env];
            project.write(
                "data/1.ndjson",
                "{\"id\": 1, \"n\": 1}\n{\"id\": 2, \"n\": \"x\"}\n{\"id\": 3, \"n\": 3}\n",
            );
            project.write("data/2.ndjson", "{\"id\": 4, \"n\": \"y\"}\n{\"id\": 5, \"n\": 5}\n");
            project.run_json(0, &args);
            assert_eq!(in_quarantine(&project, env), [["data/1.ndjson", "2"], ["data/2.ndjson", "1"]]);
            project.write(
                "data/1.ndjson",
                "{\"id\": 1, \"n\": 1}\n{\"id\": 2, \"n\": 2}\n{\"id\": 3, \"n\": 3}\n",
            );
            project.run_json(0, &args);
            assert_eq!(in_quarantine(&project, env), [["data/2.ndjson", "1"]], "{mode} {env}");
            std::fs::remove_file(project.path().join("data/2.ndjson")).expect("it was there");
            project.write("data/3.ndjson", "{\"id\": 6, \"n\": 6}\n");
            project.run_json(0, &args);
            // Where rows stay, nobody has loaded that one yet.
            assert_eq!(in_quarantine(&project, env).is_empty(), gone, "{mode} {env}");
            project.write("data/3.ndjson", "{\"id\": 4, \"n\": 4}\n");
            project.run_json(0, &args);
            assert!(in_quarantine(&project, env).is_empty(), "its key is loaded");
            std::fs::remove_file(project.path().join("data/3.ndjson")).expect("it was there");
            project.run_json(0, &[&args[..], &["--full-refresh"]].concat());
        }
    }
}

#[test]
fn a_share_in_quarantine_that_grew_is_said() {
    let project = project("");
    let write = |bad: usize, good: usize| {
        let bad = (0..bad).map(|id| format!("{{\"id\": {id}, \"n\": \"x\"}}\n"));
        let good = (0..good).map(|id| format!("{{\"id\": {}, \"n\": 1}}\n", id + 1000));
        project.write("data/1.ndjson", bad.chain(good).collect::<String>());
    };
    for (bad, good, grew) in
        [(1, 9, false), (1, 9, false), (2, 18, false), (2, 17, true), (0, 19, false), (1, 40, true)]
    {
        write(bad, good);
        let summary = project.run_json(0, &[]);
        assert_eq!(notices(&summary).contains(&"quarantine-grew"), grew, "{bad} of {good}: {summary}");
    }
    let said = project.run(&["status"]);
    assert!(said.stdout.contains("1 of 41 rows (2.4 %)"), "{}", said.stdout);
}

#[test]
fn a_stream_that_is_taken_out_goes_after_the_publications_that_were_made_with_it() {
    let project = project("");
    for env in ["dev", "prod"] {
        let args = ["--env", env];
        let source = project.read("sources/files.yml");
        project.run_json(0, &args);
        assert_eq!(in_quarantine(&project, env).len(), 1);
        let raw = |project: &Project| {
            project
                .rows_in(env, "select table_name from information_schema.tables where table_schema = 'raw'")
                .len()
        };
        std::fs::remove_file(project.path().join("sources/files.yml")).expect("it was there");
        std::fs::remove_file(project.path().join("sources/files.schema.yml")).expect("it was there");
        project.write("models/numbers.sql", "select 1 as n");
        let without = project.run_json(0, &args);
        assert_eq!(notices(&without), ["stream-removed"]);
        assert_eq!((in_quarantine(&project, env).len(), raw(&project)), (0, 1));
        // Back again, it is as if it had never been away.
        project.write("sources/files.yml", &source);
        project.write("sources/files.schema.yml", SCHEMA);
        project.run_json(0, &args);
        // The table that this load replaces goes at the beginning of the next run, since nothing was published.
        project.run_json(0, &args);
        assert_eq!((in_quarantine(&project, env).len(), raw(&project)), (1, 1));
        std::fs::remove_file(project.path().join("sources/files.yml")).expect("it was there");
        std::fs::remove_file(project.path().join("sources/files.schema.yml")).expect("it was there");
        for number in 2..5 {
            assert_eq!(raw(&project), 1);
            project.write("models/numbers.sql", format!("select {number} as n"));
            project.run_json(0, &args);
        }
        assert_eq!(raw(&project), 0);
        assert!(project.rows_in(env, "select stream from _millrace.streams").is_empty());
        project.write("sources/files.yml", &source);
        project.write("sources/files.schema.yml", SCHEMA);
        project.write("models/numbers.sql", "select * from files.n");
    }
}

#[test]
fn a_row_of_a_server_ends_when_its_key_is_loaded() {
    let server = MariaDb::start(&[]);
    server.run(
        "create database shop; create user reader identified by 'lecteur'; grant select on shop.* to reader; use shop; \
         set sql_mode = ''; create table orders (id int primary key, day date, changed_at datetime not null); \
         insert into orders select seq, '2026-01-01', '2026-01-01' + interval seq minute from seq_1_to_100; \
         update orders set day = '2026-00-00', changed_at = '2026-02-01' where id = 7;",
    );
    let run = |sql: &str| server.run(&format!("use shop; set sql_mode = ''; {sql}"));
    let project = Project::of(&[
        ("millrace.yml", manifest().as_str()),
        (".env", format!("CRM_URL=mysql://reader:lecteur@127.0.0.1:{}/shop\n", server.port()).as_str()),
        (
            "sources/crm.yml",
            "type: mysql\nurl: \"${CRM_URL}\"\nstreams: {orders: {mode: incremental, cursor: changed_at, deletes: ignore}}\n",
        ),
    ]);
    for env in ["dev", "prod"] {
        let args = ["--env", env];
        let count = || project.rows_in(env, "select count(*) from _millrace.quarantine")[0][0].clone();
        project.run_json(0, &args);
        assert_eq!(count(), "1");
        // Still wrong, in another way: it is one row.
        run("update orders set day = '2027-00-00', changed_at = changed_at + interval 1 hour where id = 7");
        project.run_json(0, &args);
        assert_eq!(count(), "1");
        run("update orders set day = '2026-01-01', changed_at = changed_at + interval 1 hour where id = 7");
        project.run_json(0, &args);
        assert_eq!(count(), "0");
        run("update orders set day = '2026-00-00', changed_at = changed_at + interval 1 hour where id = 7");
    }
}

/// A run of bad rows alone, of about 8 KB each, into PostgreSQL: DuckDB keeps what a transaction writes in memory of its own, within its limit.
/// Returns the most memory that the run had, in MB.
fn peak_of(bad_rows: usize) -> f64 {
    let (project, env) = (project(""), "prod");
    let filler = "é".repeat(4000);
    let rows = (0..bad_rows).map(|id| format!("{{\"id\": {id}, \"n\": \"x\", \"note\": \"{filler}\"}}\n"));
    let rows = rows.collect::<Vec<_>>().concat();
    project.write("data/1.ndjson", rows + "{\"id\": -1, \"n\": 1}\n");
    let mut run = binary();
    run.args(["run", "--env", env, "--project"]).arg(project.path()).stderr(Stdio::null());
    let mut run = run.spawn().expect("the binary starts");
    let mut peak = 0.0_f64;
    while run.try_wait().expect("a child").is_none() {
        peak = peak.max(peak_memory(run.id()).unwrap_or_default());
        sleep(Duration::from_millis(5));
    }
    assert!(run.wait().expect("it ended").success());
    let kept =
        project.rows_in(env, "select count(*), sum(length(raw)) > 4000 * count(*) from _millrace.quarantine");
    assert_eq!(kept[0], [bad_rows.to_string(), "true".to_owned()]);
    peak
}

#[test]
fn a_load_of_many_bad_rows_needs_little_more_memory_than_one_of_few() {
    let (few, many) = (peak_of(500), peak_of(20_000));
    // Their text alone is 160 MB.
    assert!(many < few + 100.0, "{few:.0} MB for 500 rows in quarantine, {many:.0} MB for 20,000");
}

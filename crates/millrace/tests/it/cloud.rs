//! A whole run against what stands before a cloud's server, and the environment's variables that lead there.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use millrace_testkit::cloud::Front;
use millrace_testkit::postgres::{HOST, PgBouncer, PostgresServer};

use crate::millrace::Project;

/// A project with one table, in an environment with that URL.
fn project(url: &str) -> Project {
    Project::of(&[
        ("millrace.yml", &format!("name: tiny\nenvironments:\n  prod: {{type: postgres, url: \"{url}\"}}\n")),
        ("sources/files.yml", "source: files\ntype: ndjson\nstreams:\n  n: {path: data/n.ndjson}\n"),
        ("data/n.ndjson", "{\"id\": 1}\n{\"id\": 2}\n"),
        ("models/numbers.sql", "select id from files.n"),
        ("models/numbers.yml", "models:\n  - {name: numbers, materialization: table}\n"),
    ])
}

fn assert_runs(project: &Project) {
    assert_eq!(project.run_json(0, &[])["status"], "succeeded");
    assert_eq!(project.value("select count(*) from numbers"), "2");
    project.write("data/n.ndjson", "{\"id\": 1}\n{\"id\": 2}\n{\"id\": 3}\n");
    assert_eq!(project.run_json(0, &[])["status"], "succeeded");
    assert_eq!(project.value("select count(*) from numbers"), "3");
}

/// It answers only to who names a server in TLS, hangs up while that wakes, and then takes its time.
#[test]
fn a_server_that_is_told_by_its_name_and_wakes_late() {
    let server = PostgresServer::shared();
    let database = server.database();
    let front = Front {
        asleep: 2,
        wakes_in: Duration::from_millis(700),
        domain: ".cloud.millrace.test",
        ..Front::default()
    };
    let front = front.start(server.port());
    let root = server.file("root.crt").display().to_string();
    let at = |host: &str, rest: &str| {
        format!(
            "postgres://postgres@{host}:{}/{database}?hostaddr=127.0.0.1&sslrootcert={root}{rest}",
            front.port()
        )
    };
    let (pooled, direct) = ("ep-shop-pooler.cloud.millrace.test", "ep-shop.cloud.millrace.test");
    let project = project(&at(pooled, ""));
    assert_runs(&project);
    assert!(front.asked(pooled) > 0 && front.asked(direct) > 0, "{front:?}");
    assert_eq!(front.refused(), 0);
    // Without a name there is no way in.
    let mut nameless = TcpStream::connect(("127.0.0.1", front.port())).expect("a connection");
    nameless.write_all(&[0, 0, 0, 8, 0, 3, 0, 0]).expect("written");
    assert_eq!(nameless.read(&mut [0; 8]).expect("an end"), 0);
    assert_eq!(front.refused(), 1);
}

#[test]
fn a_pooler_in_transaction_mode() {
    let server = PostgresServer::shared();
    let database = server.database();
    let pooler = PgBouncer::start(server, 2);
    assert_runs(&project(&pooler.url(&database)));
}

#[test]
fn variables_of_libpq_lead_to_the_server() {
    let server = PostgresServer::shared();
    let database = server.database();
    let (port, root) = (server.port().to_string(), server.file("root.crt").display().to_string());
    let project = project("postgres://");
    let all = [
        ("PGHOST", HOST),
        ("PGHOSTADDR", "127.0.0.1"),
        ("PGPORT", port.as_str()),
        ("PGDATABASE", database.as_str()),
        ("PGUSER", "postgres"),
        ("PGPASSWORD", "hunter2"),
        ("PGSSLROOTCERT", root.as_str()),
        ("PGAPPNAME", "nightly"),
    ];
    let ended = project.run_with(&all, &["run"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let sql = "select current_setting('application_name') as name, ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let ended = project.run_with(&all, &["query", "--json", sql]);
    assert_eq!(ended.json()["rows"][0], serde_json::json!(["nightly", true]), "{}", ended.stderr);

    // `PGSSLMODE` is asked for by somebody: it may be less than the default, and is never taken for another.
    let with = |name, value| [&all[..], &[(name, value)]].concat();
    let ended = project.run_with(&with("PGSSLMODE", "disable"), &["query", "--json", sql]);
    assert_eq!(ended.json()["rows"][0][1], serde_json::json!(false), "{}", ended.stderr);
    let ended = project.run_with(&with("PGSSLMODE", "verify"), &["query", sql]);
    assert!(
        ended.code == 2 && ended.stderr.contains("the environment's `PGSSLMODE` is none that there is"),
        "{}",
        ended.stderr
    );
    // Also from `.env`, below the environment itself.
    let lines: Vec<String> = all.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    project.write(".env", lines.concat());
    let ended = project.run_with(&[("PGAPPNAME", "other")], &["query", "--json", sql]);
    assert_eq!(ended.json()["rows"][0][0], serde_json::json!("other"), "{}", ended.stderr);
    for said in [ended.stdout, ended.stderr] {
        assert!(!said.contains("hunter2"), "{said}");
    }
}

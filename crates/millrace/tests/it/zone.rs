//! The project's time zone is changed under a server: readers have the days of the project that they are served, and no others.

use std::thread::sleep;
use std::time::{Duration, Instant};

use millrace_testkit::postgres::PostgresServer;
use serde_json::{Value as Json, json};

use crate::millrace::Project;
use crate::server::Server;

/// An order of half past eleven in the evening, in UTC: in Paris it is the day after.
fn project() -> Project {
    let postgres = PostgresServer::shared();
    let manifest = format!(
        "name: days\ntime_zone: UTC\nenvironments:\n  dev: {{type: duckdb, path: .millrace/t.duckdb}}\n  prod: {{type: postgres, url: \"{}\"}}\n",
        postgres.url(&postgres.database())
    );
    Project::of(&[
        ("millrace.yml", manifest.as_str()),
        ("sources/files.yml", "type: ndjson\npath: data/n.ndjson\nstreams: {n: {}}\n"),
        (
            "sources/files.schema.yml",
            "streams: {n: {columns: [{name: id, type: int64, nullable: false}, {name: at, type: timestamptz, nullable: false}]}}\n",
        ),
        ("data/n.ndjson", "{\"id\": 1, \"at\": \"2026-01-31T23:30:00Z\"}\n"),
        ("models/orders.sql", "select id, \"at\" from files.n"),
        (
            "metrics/sales.yml",
            "semantic_view: sales\nbase: orders\ntime: at\nmetrics:\n  orders: {sql: count(*)}\n",
        ),
        (
            "dashboards/sales.yml",
            "dashboard: sales\ntitle: Sales\nsemantic_view: sales\ntime: {range: all, grain: day}\nrows: [[{line: orders, by: at}]]\n",
        ),
    ])
}

/// The days that the page's only tile shows, as somebody asks for it who has chosen nothing.
fn days(server: &Server) -> Vec<String> {
    let page = server.page("sales", &json!({"range": "all"}));
    let tile = page.iter().find(|line| line["type"] == "tile").expect("a tile");
    let days = tile["result"]["data"][0].as_array().unwrap_or_else(|| panic!("no days: {tile}"));
    days.iter().map(|day| day.as_str().expect("a day").to_owned()).collect()
}

fn zone(server: &Server) -> Json {
    server.get("/api/v1/project")["time_zone"].clone()
}

/// Waits until the server serves the project of that zone: a run of another process tells it, and does not wait.
fn taken_up(server: &Server, name: &str) {
    let until = Instant::now() + Duration::from_mins(1);
    while zone(server) != name {
        assert!(Instant::now() < until, "it still serves the project of {}", zone(server));
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_page_has_the_days_of_the_project_that_it_shows() {
    for env in ["dev", "prod"] {
        let project = project();
        let manifest = project.read("millrace.yml");
        let elsewhere = manifest.replace("time_zone: UTC", "time_zone: Europe/Paris");
        project.run_json(0, &["--env", env]);
        let server = Server::start_in(&project, env);
        assert_eq!(days(&server), ["2026-01-31"], "{env}");
        // A run that is held leaves readers what they had, whatever they ask meanwhile and afterwards.
        project.write("millrace.yml", &elsewhere);
        project.write(
            "models/orders.yml",
            "models: [{name: orders, columns: [{name: id, data_tests: [{accepted_values: {values: [2], quote: false}}]}]}]\n",
        );
        project.run_json(1, &["--env", env]);
        assert_eq!((days(&server), zone(&server)), (vec!["2026-01-31".to_owned()], json!("UTC")), "{env}");
        // One that publishes takes them along.
        project.write("models/orders.yml", "models: []\n");
        project.run_json(0, &["--env", env]);
        taken_up(&server, "Europe/Paris");
        assert_eq!(days(&server), ["2026-02-01"], "{env}");
        // And back.
        project.write("millrace.yml", &manifest);
        project.run_json(0, &["--env", env]);
        taken_up(&server, "UTC");
        assert_eq!(days(&server), ["2026-01-31"], "{env}");
    }
}

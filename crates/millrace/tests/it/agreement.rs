//! `check` and `run` say the same of a project: of sound ones and of ones in which something was spoilt.

use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::web::{Reply, WebServer};

use crate::millrace::Project;

/// A file of the shop, what stands in it, and what is put in its place.
const SPOILT: [(&str, &str, &str); 14] = [
    ("metrics/sales.yml", "sql: sum(amount)", "sql: sum(amuont)"),
    ("metrics/sales.yml", "sql: sum(quantity)", "sql: sum(status)"),
    ("metrics/sales.yml", "ratio: [revenue, valid_orders]", "ratio: [revenue, orders]"),
    ("metrics/sales.yml", "dim_clients.city", "dim_clients.town"),
    ("metrics/sales.yml", "on: product_id", "on: quantity"),
    ("metrics/payments.yml", "time: paid_on", "time: status"),
    ("metrics/payments.yml", "\"status = 'Encaisse'\"", "\"statut = 'Encaisse'\""),
    ("dashboards/sales.yml", "bar: revenue", "bar: revenu"),
    ("dashboards/sales.yml", "range: last 30 days", "range: last month"),
    ("models/marts/marts.yml", "not_null", "notnull"),
    ("models/marts/fact_orders.sql", "select", "select nothing_of_this_name,"),
    ("millrace.yml", "name: shop", "name: shop\nmax_quarantine: none"),
    ("millrace.yml", "time_zone: UTC", "time_zone: Europe/Paris"),
    ("sources/files.yml", "type: json", "type: jsno"),
];

#[test]
fn a_run_refuses_what_check_refuses_and_before_it_begins() {
    let mut refused = 0;
    for (path, from, to) in SPOILT {
        let project = Project::shop();
        let text = project.read(path);
        assert!(text.contains(from), "{path} has no `{from}`");
        project.write(path, text.replacen(from, to, 1));
        let (checked, ran) = (project.run(&["check"]), project.run(&["run", "--json"]));
        let begun = project.path().join(".millrace/shop.duckdb").exists();
        if checked.code == 2 {
            refused += 1;
            assert_eq!(ran.code, 2, "{path} {to}: {}", ran.stderr);
            assert!(!begun, "{path} {to}: the warehouse was touched");
        } else {
            assert_eq!(checked.code, 0, "{path} {to}: {}", checked.stderr);
            // Held by a data test at most, which only data can fail.
            assert!(ran.code <= 1, "{path} {to}: check was content, and run was not: {}", ran.stderr);
        }
    }
    assert!(refused >= 9, "only {refused} were refused");
}

#[test]
fn a_stream_without_a_captured_schema_is_no_excuse() {
    let project = Project::of(&[
        ("millrace.yml", "name: p\nenvironments: {dev: {type: duckdb, path: w.duckdb}}\n"),
        ("sources/files.yml", "type: csv\npath: data/o.csv\nstreams: {orders: }\n"),
        ("data/o.csv", "id,status\n1,open\n2,done\n"),
        ("models/fact.sql", "select * from files.orders"),
        ("metrics/m.yml", "semantic_view: m\nbase: fact\nmetrics: {words: {sql: sum(status)}}\n"),
    ]);
    let (checked, ran) = (project.run(&["check"]), project.run(&["run"]));
    assert_eq!((checked.code, ran.code), (2, 2), "{}\n{}", checked.stderr, ran.stderr);
    assert!(!project.path().join("w.duckdb").exists(), "the warehouse was touched");
    project.write("metrics/m.yml", "semantic_view: m\nbase: fact\nmetrics: {words: {sql: count(status)}}\n");
    assert_eq!(project.run(&["run"]).code, 0);
}

#[test]
fn a_file_that_cannot_be_read_ends_both_alike() {
    // The column of the model is not among those of the file's beginning, so that all of the file is looked at; and a quote in it is not closed.
    let records = (0..150_000).map(|id| format!("{id},neither new nor done nor anything between\n"));
    let data = format!("id,status\n{}150000,\"no end\n150001,new\n", records.collect::<String>());
    assert!(data.len() > 4 << 20, "longer than what is looked at first");
    let project = Project::of(&[
        ("millrace.yml", "name: p\nenvironments: {dev: {type: duckdb, path: w.duckdb}}\n"),
        ("sources/files.yml", "type: csv\npath: data/o.csv\nstreams: {orders: }\n"),
        ("data/o.csv", &data),
        ("models/fact.sql", "select id, paid_on from files.orders"),
    ]);
    for verb in ["check", "run"] {
        let ended = project.run(&[verb]);
        assert_eq!(ended.code, 3, "{verb}: {}", ended.stderr);
        assert!(ended.stderr.contains("source-unreadable"), "{verb}: {}", ended.stderr);
    }
    assert!(!project.path().join("w.duckdb").exists(), "the warehouse was touched");
}

#[test]
fn missing_files_are_told_by_check() {
    let project = Project::shop();
    std::fs::remove_file(project.path().join("data/produits.csv")).expect("it was there");
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, 0, "the schema is captured: {}", checked.stderr);
    assert!(checked.stderr.contains("produits.csv"), "{}", checked.stderr);
    assert_eq!(project.run(&["run"]).code, 3);
}

/// How often the server was connected to.
fn connections(server: &MariaDb) -> u64 {
    let said = server.run("show global status like 'Connections'");
    said.split_whitespace().last().and_then(|count| count.parse().ok()).expect("a count")
}

#[test]
fn a_run_asks_nobody_more_where_no_schema_is_captured() {
    let server = MariaDb::start(&[]);
    server.run(
        "create database shop; create user reader identified by 'lecteur'; grant select on shop.* to reader; \
         create table shop.orders (id int primary key, total int); insert into shop.orders values (1, 2)",
    );
    let web = WebServer::start(|request| {
        let body = "id,total\n1,2\n";
        match request.target.as_str() {
            "/o.csv" => Reply::of(200, body).with("ETag", "\"one\""),
            _ => Reply::of(404, ""),
        }
    });
    let csv = format!("type: csv\npath: {}\nstreams: {{orders: {{}}}}\n", web.address("/o.csv"));
    let project = Project::of(&[
        ("millrace.yml", "name: p\nenvironments: {dev: {type: duckdb, path: w.duckdb}}\n"),
        (".env", format!("CRM_URL=mysql://reader:lecteur@127.0.0.1:{}/shop\n", server.port()).as_str()),
        ("sources/crm.yml", "type: mysql\nurl: \"${CRM_URL}\"\nstreams: {orders: {}}\n"),
        ("sources/web.yml", csv.as_str()),
        ("models/a.sql", "select id, total from crm.orders"),
        ("models/b.sql", "select id, total from web.orders"),
    ]);
    let counts = || {
        let (before, _) = (connections(&server), web.requests());
        project.run_json(0, &[]);
        // The count itself connects once.
        (connections(&server) - before - 1, web.requests().len())
    };
    counts();
    let without = counts();
    assert_eq!(project.run(&["capture"]).code, 0);
    counts();
    assert_eq!(without, counts(), "connections and requests of a run");
}

#[test]
fn what_was_found_sound_is_not_checked_again_until_something_changes() {
    const MARK: &str = ".millrace/checked.dev";
    let project = Project::of(&[
        ("millrace.yml", "name: p\nenvironments: {dev: {type: duckdb, path: w.duckdb}}\n"),
        ("sources/files.yml", "type: csv\nstreams: {a: {path: data/a.csv}, b: {path: data/b.csv}}\n"),
        ("sources/files.schema.yml", "streams: {b: {columns: [{name: id, type: int64}]}}\n"),
        ("data/a.csv", "id,status\n1,open\n"),
        ("data/b.csv", "id\n1\n"),
        ("models/fact.sql", "select a.id, status from files.a join files.b using (id)"),
        ("models/fact.yml", "models: [{name: fact, columns: [{name: id, data_tests: [unique]}]}]\n"),
        ("metrics/m.yml", "semantic_view: m\nbase: fact\nmetrics: {words: {sql: count(status)}}\n"),
        ("dashboards/d.yml", "dashboard: d\nsemantic_view: m\nrows: [[{kpi: words}]]\n"),
    ]);
    // Files that were written just now are told from nothing.
    let settle = || {
        for path in ["data/a.csv", "data/b.csv"] {
            while std::fs::metadata(project.path().join(path))
                .and_then(|about| about.modified())
                .is_ok_and(|at| at.elapsed().is_ok_and(|age| age < std::time::Duration::from_millis(200)))
            {
                std::thread::yield_now();
            }
        }
    };
    settle();
    project.run_json(0, &[]);
    let mark = project.read(MARK);
    let changed = || {
        std::fs::metadata(project.path().join(MARK)).and_then(|about| about.modified()).expect("it is there")
    };
    let written = changed();
    project.run_json(0, &[]);
    assert_eq!((project.read(MARK), changed()), (mark.clone(), written), "it was checked again");
    // What is odd counts for nothing.
    project.write(MARK, "odd");
    project.run_json(0, &[]);
    assert_eq!(project.read(MARK), mark);
    for (path, from, to) in [
        ("models/fact.sql", "status", "statut"),
        ("models/fact.yml", "name: id", "name: ide"),
        ("metrics/m.yml", "count(status)", "sum(status)"),
        ("dashboards/d.yml", "kpi: words", "kpi: word"),
        ("sources/files.schema.yml", "name: id", "name: ref"),
        ("sources/files.yml", "b: {", "b: {rename: {id: ref}, "),
        // Without a captured schema the file itself counts.
        ("data/a.csv", "status", "statut"),
    ] {
        let text = project.read(path);
        project.write(path, text.replacen(from, to, 1));
        let refused = project.run(&["run"]);
        assert_eq!(refused.code, 2, "{path}: {}", refused.stderr);
        project.write(path, &text);
        project.run_json(0, &[]);
    }
}

#[test]
fn only_what_reads_a_guess_is_looked_at_again() {
    // The file is cut off, which only a look at all of it finds.
    let records = (0..100_000).map(|id| format!("{{\"id\": {id}, \"status\": \"neither new nor done\"}},\n"));
    let data = format!("[\n{}", records.collect::<String>());
    assert!(data.len() > 4 << 20, "longer than what is looked at first");
    let project = Project::of(&[
        ("millrace.yml", "name: p\nenvironments: {dev: {type: duckdb, path: w.duckdb}}\n"),
        ("sources/a.yml", "type: json\nstreams: {a: {path: data/a.json}}\n"),
        ("sources/b.yml", "type: csv\nstreams: {b: {path: data/b.csv}}\n"),
        ("sources/b.schema.yml", "streams: {b: {columns: [{name: id, type: int64}]}}\n"),
        ("data/a.json", &data),
        ("data/b.csv", "id\n1\n"),
        ("models/guessed.sql", "select id from a.a"),
        ("models/known.sql", "select ide from b.b"),
    ]);
    let ended = project.run(&["run"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(!ended.stderr.contains("source-unreadable"), "{}", ended.stderr);
    project.write("models/guessed.sql", "select paid_on from a.a");
    let ended = project.run(&["run"]);
    assert!(ended.stderr.contains("source-unreadable"), "{}", ended.stderr);
}

#[test]
fn plan_and_run_agree_on_a_stream_that_was_out_of_the_project() {
    let source = "type: csv\nstreams:\n  a: {path: data/a.csv}\n  b: {path: data/b.csv}\n";
    let project = Project::of(&[
        ("millrace.yml", "name: p\nenvironments: {dev: {type: duckdb, path: w.duckdb}}\n"),
        ("sources/files.yml", source),
        ("data/a.csv", "id\n1\n"),
        ("data/b.csv", "id\n1\n"),
        ("models/fact.sql", "select * from files.a"),
    ]);
    project.run_json(0, &[]);
    project.write("sources/files.yml", source.replace("  b: {path: data/b.csv}\n", ""));
    project.run_json(0, &[]);
    project.write("sources/files.yml", source);
    let plan = project.run(&["plan", "--json"]).json();
    let steps = plan["steps"].as_array().expect("steps");
    let load = |name: &str| {
        steps.iter().find(|step| step["kind"] == "load" && step["name"] == name).expect("a load")
    };
    assert_eq!(load("files.a")["needed"], false, "{plan}");
    assert_eq!(load("files.b")["needed"], true, "{plan}");
    assert_eq!(load("files.b")["reason"], "it was out of the project", "{plan}");
    let ran = project.run_json(0, &[]);
    let streams = ran["streams"].as_array().expect("streams");
    assert_eq!(streams[1]["rows_loaded"], 1, "{ran}");
}

//! `check` and `run` say the same of a project: of sound ones and of ones in which something was spoilt.

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
fn missing_files_are_told_by_check() {
    let project = Project::shop();
    std::fs::remove_file(project.path().join("data/produits.csv")).expect("it was there");
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, 0, "the schema is captured: {}", checked.stderr);
    assert!(checked.stderr.contains("produits.csv"), "{}", checked.stderr);
    assert_eq!(project.run(&["run"]).code, 3);
}

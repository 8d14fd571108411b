//! Data tests: none stands in for another, and joins are held to what they promise.

use serde_json::Value as Json;

use crate::millrace::Project;

const MANIFEST: &str = "name: p\nenvironments: {dev: {type: duckdb, path: w.duckdb}}\n";

fn tests(summary: &Json) -> Vec<(String, String, u64)> {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let tests = summary["tests"].as_array().expect("tests").iter();
    tests
        .map(|test| (text(&test["test"]), text(&test["severity"]), test["rows"].as_u64().unwrap_or_default()))
        .collect()
}

#[test]
fn tests_of_one_name_both_run() {
    let project = Project::of(&[
        ("millrace.yml", MANIFEST),
        ("sources/files.yml", "type: csv\npath: data/o.csv\nstreams: {orders: }\n"),
        ("data/o.csv", "id,status\n1,a\n2,b\n3,c\n4,d\n"),
        ("models/fact.sql", "select * from files.orders"),
        (
            "models/fact.yml",
            "models:\n  - name: fact\n    columns:\n      - name: status\n        data_tests:\n\
             \x20         - accepted_values: {values: [a], severity: warn}\n\
             \x20         - accepted_values: {values: [a, b, c], severity: error}\n\
             \x20         - accepted_values: {values: [a], severity: warn}\n\
             \x20         - accepted_values: {values: [d], where: \"id > 3\"}\n\
             \x20         - not_null: {name: every order has a status}\n",
        ),
    ]);
    let summary = project.run_json(1, &[]);
    let told = tests(&summary);
    assert_eq!(told.len(), 4, "{told:?}");
    let rows: Vec<(&str, u64)> = told.iter().map(|(_, severity, rows)| (severity.as_str(), *rows)).collect();
    assert_eq!(rows, [("warn", 3), ("error", 1), ("error", 0), ("error", 0)]);
    let names: std::collections::BTreeSet<&String> = told.iter().map(|(name, ..)| name).collect();
    assert_eq!(names.len(), 4, "{told:?}");
    assert!(told.iter().any(|(name, ..)| name == "every order has a status"), "{told:?}");
    let rows = project.run(&["status", "--rows"]).stdout;
    assert!(rows.contains(" 3 rows") && rows.contains(" 1 row"), "{rows}");
}

#[test]
fn rows_of_a_test_say_where_values_are_cut() {
    let long = "x".repeat(500);
    let project = Project::of(&[
        ("millrace.yml", MANIFEST),
        ("sources/files.yml", "type: csv\npath: data/o.csv\nstreams: {orders: }\n"),
        ("data/o.csv", &format!("id,remark\n1,short\n1,{long}\n")),
        ("models/fact.sql", "select * from files.orders"),
        ("models/fact.yml", "models: [{name: fact, columns: [{name: id, data_tests: [unique]}]}]\n"),
    ]);
    project.run_json(1, &[]);
    let status = project.run(&["status", "--rows"]);
    assert!(status.stdout.contains("xxx…") && !status.stdout.contains(&long), "{}", status.stdout);
    assert!(
        status.stderr.contains("1 long value ends with `…`; `--json` has all of it"),
        "{}",
        status.stderr
    );
    assert!(project.run(&["status", "--rows", "--json"]).stdout.contains(&long));
}

const RATES: &str = "semantic_view: sales\nbase: orders\njoins:\n  - {to: rates, on: {day: day, currency: code}, cardinality: many_to_one}\n\
    dimensions: {rate: {column: rates.rate}}\nmetrics: {revenue: {sql: sum(amount)}}\n";

fn rates(doubled: &str, more: &[(&str, &str)]) -> Project {
    let rates = format!("day,code,rate\n2026-01-01,EUR,1\n2026-01-01,USD,2\n2026-01-02,EUR,3\n{doubled}");
    let mut files = vec![
        ("millrace.yml", MANIFEST),
        (
            "sources/files.yml",
            "type: csv\nstreams: {orders: {path: data/o.csv}, rates: {path: data/r.csv}}\n",
        ),
        ("data/o.csv", "id,day,currency,amount\n1,2026-01-01,EUR,30\n2,2026-01-01,USD,5\n"),
        ("data/r.csv", &rates),
        ("models/orders.sql", "select * from files.orders"),
        ("models/rates.sql", "select * from files.rates"),
        ("metrics/sales.yml", RATES),
    ];
    files.extend_from_slice(more);
    Project::of(&files)
}

#[test]
fn a_join_by_several_columns_counts_no_row_twice() {
    let summary = rates("", &[]).run_json(0, &[]);
    assert_eq!(tests(&summary), [("unique(rates.day, code)".to_owned(), "error".to_owned(), 0)]);
    let project = rates("2026-01-01,EUR,7\n", &[]);
    let summary = project.run_json(1, &[]);
    assert_eq!(tests(&summary), [("unique(rates.day, code)".to_owned(), "error".to_owned(), 2)]);
    assert_eq!(summary["status"], "held");
    let rows = project.run(&["status", "--rows"]).stdout;
    assert!(rows.contains("unique(rates.day, code): 2 rows"), "{rows}");
    // NULL meets no row, so that it is no reason to hold.
    rates("2026-01-01,,7\n2026-01-01,,8\n", &[]).run_json(0, &[]);
}

#[test]
fn a_warning_of_somebody_does_not_stand_in_for_what_a_join_needs() {
    let metrics = RATES.replace("{day: day, currency: code}", "{currency: code}");
    let warns =
        "models: [{name: rates, columns: [{name: code, data_tests: [{unique: {severity: warn}}]}]}]\n";
    let project = rates("", &[("metrics/sales.yml", &metrics), ("models/rates.yml", warns)]);
    let summary = project.run_json(1, &[]);
    let severities: Vec<String> = tests(&summary).into_iter().map(|(_, severity, _)| severity).collect();
    assert_eq!(severities, ["warn", "error"], "{summary}");
}

#[test]
fn parts_of_a_ratio_are_compared_by_their_conditions() {
    let metrics = "semantic_view: sales\nbase: orders\nmetrics:\n\
        \x20 filtered: {sql: sum(filtered_amount)}\n  odd: {sql: 'sum(\"ẞfilter\")'}\n  count: {sql: count(*)}\n\
        \x20 distinct: {sql: count(distinct filtered_amount), where: \"id > 1\"}\n\
        \x20 large: {sql: sum(id), where: \"(ID>1) /* not the first */\"}\n  own: {sql: count(*) filter (where id > 1)}\n\
        \x20 other: {sql: count(*) filter (where id > 2)}\n\
        \x20 a: {ratio: [filtered, count]}\n  b: {ratio: [odd, count]}\n  c: {ratio: [large, own]}\n  d: {ratio: [distinct, own]}\n\
        \x20 e: {ratio: [own, other]}\n  f: {ratio: [own, count]}\n";
    let project = Project::of(&[
        ("millrace.yml", &format!("{MANIFEST}naming: source\n")),
        ("sources/files.yml", "type: csv\npath: data/o.csv\nstreams: {orders: }\n"),
        ("data/o.csv", "id,filtered_amount,ẞfilter\n1,30,2\n2,5,3\n"),
        ("models/orders.sql", "select * from files.orders"),
        ("metrics/sales.yml", metrics),
    ]);
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    let told = checked.stderr.lines().filter(|line| line.contains("[ratio-of-different-filters]"));
    let metrics: Vec<&str> = told.filter_map(|line| line.split('`').nth(1)).collect();
    assert_eq!(metrics, ["e", "f"], "{}", checked.stderr);
}

#[test]
fn one_to_one_holds_both_sides() {
    let metrics = RATES.replace("many_to_one", "one_to_one");
    let summary = rates("", &[("metrics/sales.yml", &metrics)]).run_json(0, &[]);
    let names: Vec<String> = tests(&summary).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["unique(rates.day, code)", "unique(orders.day, currency)"]);
}

#[test]
fn numbers_are_accepted_with_all_of_their_digits() {
    use millrace_testkit::postgres::PostgresServer;

    let server = PostgresServer::shared();
    let manifest = format!(
        "name: p\nenvironments:\n  dev: {{type: duckdb, path: w.duckdb}}\n  prod: {{type: postgres, url: \"{}\"}}\n",
        server.url(&server.database())
    );
    let accepts = |column: &str, values: &str| {
        format!(
            "      - {{name: {column}, data_tests: [{{accepted_values: {{values: {values}, quote: false, severity: warn}}}}]}}\n"
        )
    };
    let columns = [
        accepts("id", "[9007199254740993, 1, 3e0]"),
        accepts("rate", "[0.7, 1.50, -2]"),
        accepts("price", "[0.10, 12345678901234567.25]"),
        accepts("word", "[7, 8.0, 10]"),
    ];
    let project = Project::of(&[
        ("millrace.yml", &manifest),
        ("sources/files.yml", "type: csv\npath: data/o.csv\nstreams: {orders: }\n"),
        // The second id is the first one as a double; the fourth price is the third one.
        (
            "data/o.csv",
            "id,rate,price,word\n9007199254740993,0.7,0.10,7\n9007199254740992,1.5,0.1,8\n1,-2,12345678901234567.25,9\n3,0.71,12345678901234567.26,10.0\n",
        ),
        (
            "models/fact.sql",
            "select id, cast(rate as double precision) as rate, price, cast(word as varchar) as word from files.orders",
        ),
        ("models/fact.yml", &format!("models:\n  - name: fact\n    columns:\n{}", columns.concat())),
    ]);
    for env in ["dev", "prod"] {
        let summary = project.run_json(0, &["--env", env]);
        let rows: Vec<u64> = tests(&summary).into_iter().map(|(_, _, rows)| rows).collect();
        assert_eq!(rows, [1, 1, 1, 1], "{env}: {summary}");
        let rows = project.run(&["status", "--rows", "--env", env]).stdout;
        assert!(rows.contains("9007199254740992"), "{env}: {rows}");
    }
}

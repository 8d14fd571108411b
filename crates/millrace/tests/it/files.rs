//! Files of every kind into both warehouses.

use millrace_testkit::postgres::PostgresServer;

use crate::millrace::Project;

fn project(files: &[(&str, &str)]) -> Project {
    let postgres = PostgresServer::shared();
    let manifest = format!(
        "name: tiny\nenvironments:\n  dev: {{type: duckdb, path: .millrace/t.duckdb}}\n  prod: {{type: postgres, url: \"{}\"}}\n",
        postgres.url(&postgres.database())
    );
    let project = Project::of(files);
    project.write("millrace.yml", manifest);
    project
}

/// What another program has written: DuckDB, asked by a hook.
#[test]
fn parquet_is_the_same_in_both() {
    let writer = Project::of(&[(
        "millrace.yml",
        "name: w\nenvironments: {dev: {type: duckdb, path: .millrace/t.duckdb}}\n",
    )]);
    let file = writer.path().join("orders.parquet");
    let select = "select i::integer as id, (i * 1.25)::decimal(20, 2) as price, ''é'' || i as name, date ''2024-02-29'' as day, \
        timestamp ''2024-02-29 10:00:00.000001'' as moment, timestamptz ''2024-02-29 10:00:00+01'' as seen, i::ubigint as big, \
        [i, null] as tags, {''a'': i} as inside from range(1, 50001) t(i)";
    writer.write(
        "models/made.sql",
        format!(
            "{{{{ config(post_hook=\"copy ({}) to '{}' (format parquet, compression zstd, row_group_size 10000)\") }}}}select 1 as n",
            select.replace("''", "'"),
            file.display()
        ),
    );
    writer.run_json(0, &[]);
    let project = project(&[
        ("sources/lake.yml", "type: parquet\npath: lake/*.parquet\nstreams: {orders: {key: [id]}}\n"),
        ("models/orders.sql", "select * from lake.orders"),
    ]);
    project.write("lake/a.parquet", std::fs::read(file).expect("it was written"));
    let captured = project.run(&["capture"]);
    assert_eq!(captured.code, 0, "{}", captured.stderr);
    let schema = project.read("sources/lake.schema.yml");
    for column in
        ["name: price, type: \"decimal(20,2)\"", "name: big, type: uint64", "name: tags, type: json"]
    {
        assert!(schema.contains(column), "{schema}");
    }
    for env in ["dev", "prod"] {
        assert_eq!(project.run_json(0, &["--env", env])["streams"][0]["rows_in_table"], 50_000);
        assert_eq!(project.run_json(0, &["--env", env])["status"], "unchanged");
        let sums = "select count(*), cast(sum(price) as varchar), cast(sum(big) as varchar), min(name), max(day), max(moment), max(seen) from orders";
        let expected = [
            "50000",
            "1562531250.00",
            "1250025000",
            "é1",
            "2024-02-29",
            "2024-02-29T10:00:00.000001",
            "2024-02-29T09:00:00Z",
        ];
        assert_eq!(project.rows_in(env, sums), [expected], "{env}");
        let one = "select cast(tags as varchar), cast(inside as varchar) from orders where id = 7";
        let one = project.rows_in(env, one).remove(0).join(" ").replace(' ', "");
        assert_eq!(one, "[7,null]{\"a\":7}", "{env}");
    }
}

#[test]
fn an_order_and_its_lines_are_two_streams() {
    let project = project(&[
        (
            "sources/shop.yml",
            "type: json\npath: data/orders.json\nstreams:\n  orders: {key: [id], exclude_columns: [lines], nested: flatten}\n  \
             order_lines: {records: \"$[*].lines\", parent: {order_id: id}, index: line, key: [order_id, line], mode: upsert, max_quarantine: 1}\n",
        ),
        (
            "data/orders.json",
            "[{\"id\": 1, \"to\": {\"city\": \"Lyon\"}, \"lines\": [{\"sku\": \"a\", \"n\": 2}, {\"sku\": \"b\", \"n\": 1}, 9]},\n \
             {\"id\": 2, \"to\": null, \"lines\": [{\"sku\": \"a\", \"n\": 5}]}]",
        ),
        (
            "models/sold.sql",
            "select o.to_city, l.sku, sum(l.n) as n from shop.order_lines l join shop.orders o on o.id = l.order_id group by 1, 2",
        ),
    ]);
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    for env in ["dev", "prod"] {
        project.run_json(0, &["--env", env]);
        assert_eq!(
            project.rows_in(env, "select to_city, sku, n from sold order by to_city, sku"),
            [["Lyon", "a", "2"], ["Lyon", "b", "1"], ["NULL", "a", "5"]]
        );
        let aside = "select stream, line, raw from _millrace.quarantine";
        assert_eq!(project.rows_in(env, aside), [["order_lines", "1", "9"]]);
    }
}

/// What is captured from a part, the rest may not have; a run sees that, and loses nothing.
#[test]
fn a_sample_is_captured_and_the_rest_is_seen() {
    let project = project(&[
        (
            "sources/files.yml",
            "type: ndjson\npath: data/n.ndjson\nsample: 2\nstreams: {n: {contract: {types: evolve}}}\n",
        ),
        ("data/n.ndjson", "{\"id\": 1}\n{\"id\": 2}\n{\"id\": 2.5, \"late\": \"x\"}\n{}\n"),
        ("models/numbers.sql", "select * from files.n"),
    ]);
    let captured = project.run(&["capture"]);
    assert_eq!(captured.code, 0, "{}", captured.stderr);
    let schema = project.read("sources/files.schema.yml");
    assert!(
        schema.contains("{name: id, type: int64, nullable: true}") && !schema.contains("late"),
        "{schema}"
    );
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("column `late` is new"), "{}", ran.stderr);
    let rows = project.rows("select cast(id as varchar), late from numbers order by id nulls last");
    assert_eq!(rows, [["1.0", "NULL"], ["2.0", "NULL"], ["2.5", "x"], ["NULL", "NULL"]]);
}

fn on_this_machine(files: &[(&str, &str)]) -> Project {
    let project = Project::of(files);
    project.write("millrace.yml", "name: t\nenvironments: {dev: {type: duckdb, path: .millrace/t.duckdb}}\n");
    project
}

#[test]
fn a_file_that_was_emptied_leaves_its_table() {
    for (kind, text) in [("json", "[{\"id\": 1}, {\"id\": 2}]"), ("csv", "id\n1\n2\n")] {
        let project = on_this_machine(&[
            ("sources/s.yml", &format!("type: {kind}\npath: data/s\n")),
            ("data/s", text),
            ("models/m.sql", "select count(*) as n from s.s"),
        ]);
        assert_eq!(project.run(&["capture"]).code, 0, "{kind}");
        project.run_json(0, &[]);
        project.write("data/s", "");
        let ran = project.run(&["run"]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains("file `data/s` is empty"), "{}", ran.stderr);
        assert_eq!(project.rows("select n from m"), [["2"]], "{kind}");
    }
}

#[test]
fn what_a_quote_hides_is_loaded_or_told() {
    let with = |first: &str, last: &str| {
        let lines = (2..500).map(|id| format!("{id};ok;{id}\n")).collect::<Vec<_>>().concat();
        let project = on_this_machine(&[
            ("sources/s.yml", "type: csv\npath: data/s.csv\ndelimiter: \";\"\n"),
            ("data/s.csv", &format!("id;name;n\n1;{first};1\n{lines}500;{last};500\n")),
            ("models/m.sql", "select * from s.s"),
        ]);
        assert_eq!(project.run(&["capture"]).code, 0);
        project
    };
    // The quote is one too many.
    let project = with("\"Le Petit", "5\" tube");
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(project.rows("select count(*), sum(n) from m"), [["499", "125249"]]);
    assert_eq!(project.rows("select line, raw from _millrace.quarantine"), [["2", "1;\"Le Petit;1"]]);
    // By the rules it is a text of many lines.
    let project = with("\"Le Petit", "Prince\"");
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("warning[long-record]: `data/s.csv` has a record over 500 lines, from line 2 on"),
        "{}",
        ran.stderr
    );
}

#[test]
fn nothing_is_captured_of_a_stream_without_rows() {
    let project =
        on_this_machine(&[("sources/s.yml", "type: json\npath: data/s.json\n"), ("data/s.json", "[]")]);
    let captured = project.run(&["capture"]);
    assert_eq!(captured.code, 0, "{}", captured.stderr);
    assert!(
        captured.stderr.contains("stream `s.s` has no rows to learn columns from"),
        "{}",
        captured.stderr
    );
    assert!(!project.path().join("sources/s.schema.yml").exists());
    // As an older version has written it.
    project.write("sources/s.schema.yml", "streams:\n  s:\n    columns: []\n");
    let ran = project.run(&["run"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("is empty and has no captured schema"), "{}", ran.stderr);
}

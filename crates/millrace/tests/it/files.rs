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

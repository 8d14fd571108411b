//! Environments with schemas of their own.

use crate::millrace::Project;

const MANIFEST: &str = "name: tiny
environments:
  dev: {type: duckdb, path: .millrace/t.duckdb}
  mine: {type: duckdb, path: .millrace/t.duckdb, schemas: {raw: \"${WHO}_raw\", build: \"${WHO}_build\", publish: \"${WHO}\", state: \"${WHO}_state\"}}
  clash: {type: duckdb, path: .millrace/t.duckdb, schemas: {publish: bi}}
";

fn project() -> Project {
    Project::of(&[
        ("millrace.yml", MANIFEST),
        (".env", "WHO=ana\n"),
        ("sources/files.yml", "type: ndjson\npath: data/n.ndjson\nstreams: {n: {key: [id]}}\n"),
        ("data/n.ndjson", "{\"id\": 1}\n{\"id\": null}\n"),
        ("models/numbers.sql", "select id from files.n"),
    ])
}

#[test]
fn each_set_is_apart() {
    let project = project();
    project.run_json(0, &["--max-quarantine", "1"]);
    project.run_json(0, &["--max-quarantine", "1", "--env", "mine"]);
    let schemas = "select distinct table_schema from information_schema.tables order by 1";
    assert_eq!(
        project.rows(schemas).concat(),
        ["_millrace", "ana", "ana_build", "ana_raw", "ana_state", "build", "publish", "raw"]
    );
    assert_eq!(project.rows_in("mine", "select id from numbers"), [["1"]]);
    assert_eq!(project.rows_in("mine", "select count(*) from ana_state.quarantine"), [["1"]]);
    // What one set does leaves the other alone.
    project.write("data/n.ndjson", "{\"id\": 2}\n");
    project.run_json(0, &["--env", "mine"]);
    assert_eq!(project.rows_in("mine", "select id from numbers"), [["2"]]);
    assert_eq!(project.rows("select id from numbers"), [["1"]]);
    assert_eq!(project.rows("select count(*) from build.numbers__r1"), [["1"]]);
    let status = project.run(&["status", "--env", "mine"]);
    assert!(status.stdout.starts_with("mine: data version 2"), "{}", status.stdout);
}

#[test]
fn a_state_belongs_to_one_set() {
    let project = project();
    project.run_json(0, &["--max-quarantine", "1"]);
    let refused = project.run(&["run", "--json", "--env", "clash"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("error[other-schemas]"), "{}", refused.stderr);
    assert!(refused.stderr.contains("schemas: {state: …}"), "{}", refused.stderr);
    assert_eq!(project.rows("select count(*) from numbers"), [["1"]]);
    assert_eq!(
        project.rows("select count(*) from information_schema.schemata where schema_name = 'bi'"),
        [["0"]]
    );
}

#[test]
fn a_state_belongs_to_one_project() {
    let project = project();
    project.run_json(0, &["--max-quarantine", "1"]);
    project.write("millrace.yml", MANIFEST.replace("name: tiny", "name: other"));
    let refused = project.run(&["run", "--max-quarantine", "1"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("belongs to the project `tiny`, not to `other`"), "{}", refused.stderr);
    assert!(refused.stderr.contains("set project = 'other'"), "{}", refused.stderr);
    assert_eq!(project.run(&["rollback"]).code, 2);
    project.write("millrace.yml", MANIFEST);
    assert_eq!(project.run_json(0, &["--max-quarantine", "1"])["status"], "unchanged");
    // A state of another name would not know whose the tables are, and drop them.
    project.write("millrace.yml", MANIFEST.replace("{publish: bi}", "{state: fresh}"));
    let refused = project.run(&["run", "--max-quarantine", "1", "--env", "clash"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("such as `files__n__r1`"), "{}", refused.stderr);
    assert_eq!(project.rows("select count(*) from numbers"), [["1"]]);
}

#[test]
fn names_that_cannot_be_are_told() {
    let project = project();
    project.write(
        "millrace.yml",
        "name: tiny\nenvironments:\n  dev: {type: duckdb, path: t.duckdb, schemas: {raw: pg_raw, build: a, publish: a}}\n",
    );
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, 2);
    assert!(checked.stderr.contains("`pg_raw` cannot name a schema"), "{}", checked.stderr);
    assert!(checked.stderr.contains("two of the schemas are named `a`"), "{}", checked.stderr);
}

//! Going back to what was published before, and forward again.

use crate::millrace::Project;

fn project() -> Project {
    Project::of(&[
        ("millrace.yml", "name: tiny\nenvironments: {dev: {type: duckdb, path: .millrace/tiny.duckdb}}\n"),
        ("sources/files.yml", "type: ndjson\npath: data/n.ndjson\nstreams: {n: {key: [id]}}\n"),
        ("data/n.ndjson", "{\"id\": 1}\n"),
        ("models/numbers.sql", "select id from files.n"),
        ("models/fixed.sql", "select 7 as seven"),
    ])
}

fn publish(project: &Project, id: u32) -> serde_json::Value {
    project.write("data/n.ndjson", format!("{{\"id\": {id}}}\n"));
    project.run_json(0, &[])
}

#[test]
fn back_and_forward() {
    let project = project();
    for id in 1..=3 {
        assert_eq!(publish(&project, id)["data_version"], id);
    }
    let back = project.run(&["rollback", "--json"]);
    assert_eq!(back.code, 0, "{}", back.stderr);
    assert_eq!(
        back.json(),
        serde_json::json!({"status": "rolled_back", "data_version": 4, "rollback_to": 2, "pinned": true})
    );
    assert_eq!(project.value("select id from numbers"), "2");
    // Runs build and test, and publish nothing until somebody says so.
    project.write("data/n.ndjson", "{\"id\": 5}\n");
    let held = project.run_json(1, &[]);
    assert_eq!((&held["status"], &held["held"]["by"]), (&"held".into(), &"rollback".into()));
    assert_eq!(project.value("select id from numbers"), "2");
    let released = project.run(&["rollback", "--release", "--json"]);
    assert_eq!(released.json()["status"], "released", "{}", released.stderr);
    assert_eq!(project.value("select id from numbers"), "2");
    let summary = project.run_json(0, &[]);
    assert_eq!((&summary["status"], &summary["data_version"]), (&"succeeded".into(), &5.into()));
    assert_eq!(project.value("select id from numbers"), "5");
    let again = project.run(&["rollback", "--release"]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("error[no-publication]"), "{}", again.stderr);
}

/// The view that only runs read is gone by then; what is published over it is as it was.
#[test]
fn back_to_what_was_built_over_a_view() {
    let project = project();
    let staged = |sql: &str| {
        let text = format!("{{{{ config(materialized='view') }}}}{sql}");
        project.write("models/staged.sql", text);
    };
    staged("select id from files.n");
    project.write("models/numbers.sql", "select id from staged");
    project.run_json(0, &[]);
    staged("select id + 1 as id from files.n");
    project.run_json(0, &[]);
    assert_eq!(project.run(&["rollback"]).code, 0);
    staged("select id from files.n");
    project.write("models/numbers.sql", "select id, id * 10 as ten from staged");
    assert_eq!(project.run_json(1, &[])["held"]["by"], "rollback");
    assert_eq!(project.run(&["rollback", "--release"]).code, 0);
    project.run_json(0, &[]);
    assert_eq!(project.rows("select id, ten from numbers"), [["1", "10"]]);
}

#[test]
fn history_says_what_changed_and_what_is_kept() {
    let project = project();
    let nothing = project.run(&["history", "--json"]);
    assert_eq!(nothing.json()["publications"], serde_json::json!([]));
    for id in 1..=5 {
        publish(&project, id);
    }
    let history = project.run(&["history", "--json"]).json();
    let list = history["publications"].as_array().expect("publications");
    let told: Vec<_> = list
        .iter()
        .map(|p| (p["data_version"].as_u64(), p["kept"].as_bool(), p["changed"].to_string()))
        .collect();
    let one = |number, kept| (Some(number), Some(kept), "[\"numbers\"]".to_owned());
    // The fixed model is built once and shared ever after.
    assert_eq!(
        told,
        [
            one(5, true),
            one(4, true),
            one(3, true),
            one(2, false),
            (Some(1), Some(false), "[\"fixed\",\"numbers\"]".to_owned())
        ]
    );
    let gone = project.run(&["rollback", "--to", "2"]);
    assert_eq!(gone.code, 2);
    assert!(
        gone.stderr.contains("no longer kept") && gone.stderr.contains("can go to: 4, 3"),
        "{}",
        gone.stderr
    );
    for never in ["99", "0"] {
        let said = project.run(&["rollback", "--to", never]);
        assert_eq!(said.code, 2);
        assert!(
            said.stderr.contains(&format!("there has never been a data version {never}; the newest is 5")),
            "{}",
            said.stderr
        );
    }
    assert_eq!(project.run(&["rollback", "--to", "3"]).code, 0);
    assert_eq!(project.value("select id from numbers"), "3");
    assert_eq!(project.run(&["rollback", "--to", "6"]).code, 2, "readers see it already");
    let table = project.run(&["history", "--limit", "2"]);
    assert!(table.stdout.contains("brought 3 back"), "{}", table.stdout);
    assert!(
        table.stdout.lines().next().is_some_and(|head| head.ends_with("tables  note")),
        "{}",
        table.stdout
    );
}

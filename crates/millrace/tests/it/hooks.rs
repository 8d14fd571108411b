//! `post_hook`: on the table just built, before its tests, before anybody sees it.

use crate::millrace::Project;

const ORDERS: &str = concat!(
    "{\"CommandeID\": 1, \"DateCommande\": \"2024-06-30\", \"Montant\": 10.00}\n",
    "{\"CommandeID\": 2, \"DateCommande\": \"2024-06-30\", \"Montant\": 12.50}\n",
    "{\"CommandeID\": 3, \"DateCommande\": \"2024-06-30\", \"Montant\": 1.25}\n",
);

/// The old system's own statement, as it stands there.
const SPREAD: &str = "UPDATE {{ this }} SET \"DateCommande\" = \"DateCommande\" - (FLOOR(RANDOM() * 30) || ' days')::INTERVAL;";

fn project(model: &str, yaml: &str) -> Project {
    Project::of(&[
        (
            "millrace.yml",
            "name: old\nnaming: source\nenvironments: {dev: {type: duckdb, path: .millrace/old.duckdb}}\n",
        ),
        ("sources/files.yml", "type: ndjson\npath: data/o.ndjson\nstreams: {orders: {key: [CommandeID]}}\n"),
        ("data/o.ndjson", ORDERS),
        ("models/commandes.sql", model),
        ("models/models.yml", yaml),
    ])
}

#[test]
fn the_old_systems_update_runs_as_it_is() {
    let yaml = format!("models:\n  - name: commandes\n    post_hook:\n      - |\n        {SPREAD}\n");
    let project = project("select * from files.orders", &yaml);
    assert_eq!(project.run_json(0, &[])["status"], "succeeded");
    let spread = "select count(*) from commandes where \"DateCommande\" between date '2024-06-01' and date '2024-06-30'";
    assert_eq!(project.value(spread), "3");
    assert_eq!(project.value("select sum(\"Montant\") from commandes"), "23.75");
    // What has not changed is not spread again.
    let before = project.rows("select * from commandes order by 1");
    assert_eq!(project.run_json(0, &[])["status"], "unchanged");
    assert_eq!(project.rows("select * from commandes order by 1"), before);
}

#[test]
fn tests_see_what_the_hook_has_made() {
    let model = "{{ config(post_hook=[\"update {{ this }} set \\\"Montant\\\" = null where \\\"CommandeID\\\" = 1\"]) }}\n\
                 select * from files.orders";
    let yaml = "models: [{name: commandes, columns: [{name: Montant, data_tests: [not_null]}]}]\n";
    let project = project(model, yaml);
    let summary = project.run_json(1, &[]);
    assert_eq!((&summary["status"], &summary["held"]["by"]), (&"held".into(), &"tests".into()));
    assert_eq!(summary["tests"][0]["rows"], 1);
}

#[test]
fn a_hook_that_fails_publishes_nothing() {
    let yaml = "models: [{name: commandes, post_hook: \"update {{ this }} set nothing = 1\"}]\n";
    let project = project("select * from files.orders", yaml);
    let ended = project.run(&["run", "--json"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("a `post_hook` of model `commandes`"), "{}", ended.stderr);
    assert_eq!(ended.json()["data_version"], serde_json::Value::Null);
    // A view has no rows of its own to change.
    project.write("models/models.yml", yaml.replace("post_hook", "materialization: view, post_hook"));
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, 2);
    assert!(checked.stderr.contains("is a view, on which no `post_hook` can run"), "{}", checked.stderr);
}

//! `millrace demo`: what was made is what was loaded, to the row.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::millrace::{Project, command};

fn demo(project: &Project, orders: &str) -> Json {
    let dir = project.path().to_str().expect("a path in text");
    let ended = command(&["demo", dir, "--no-serve", "--json", "--orders", orders]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    ended.json()
}

#[test]
fn every_row_is_loaded_or_in_quarantine() {
    let project = Project::empty();
    let said = demo(&project, "5000");
    let streams: BTreeMap<&str, (u64, u64)> = said["run"]["streams"]
        .as_array()
        .expect("streams")
        .iter()
        .map(|s| {
            let number = |key: &str| s[key].as_u64().expect("a number");
            (s["stream"].as_str().expect("a name"), (number("rows_loaded"), number("rows_quarantined")))
        })
        .collect();
    let made = |key: &str| said["made"][key].as_u64().expect("a number");
    let faulty = made("faulty_orders");
    assert!(faulty >= 6);
    assert_eq!(streams["files.orders"], (5000 - faulty, faulty));
    assert_eq!(streams["crm.clients"], (made("clients"), 0));
    assert_eq!(streams["payments.payments"], (made("payments"), 0));
    let products = streams["catalogue.products"];
    assert_eq!((products.0 + products.1, products.1), (made("products"), 1));
    assert_eq!(project.value("select count(*) from fact_orders"), (5000 - faulty).to_string());
    assert_eq!(project.value("select count(*) from _millrace.quarantine"), (faulty + 1).to_string());
    // Each with its place and its text.
    assert_eq!(project.value("select count(*) from _millrace.quarantine where line < 2 or reason = '' or raw is null or file = ''"), "0");
    assert_eq!(project.value("select count(*) from fact_orders where amount is null"), "0");
    let again = Project::empty();
    demo(&again, "5000");
    assert_eq!(
        project.read("data/commandes.json"),
        again.read("data/commandes.json"),
        "the same bytes for the same N and seed"
    );
}

#[test]
fn a_folder_with_somebody_s_files_is_left_alone() {
    let project = Project::of(&[("notes.txt", "mine")]);
    let dir = project.path().to_str().expect("a path in text");
    let ended = command(&["demo", dir, "--no-serve"]);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert_eq!(std::fs::read_dir(project.path()).expect("a folder").count(), 1);
}

//! Any bytes as a file of a project: what is said of it lies within the file, can be shown, names no secret, and is said again the next time.
#![no_main]

use std::collections::BTreeMap;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use millrace_core::project::{Connectors, ProjectFile, load};
use millrace_core::render::{to_json, to_terminal};
use millrace_engine::ports::registry::Registry;

const PATHS: [&str; 7] = [
    "millrace.yml",
    "sources/crm.yml",
    "sources/crm.schema.yml",
    "models/orders.yml",
    "models/orders.sql",
    "metrics/sales.yml",
    "dashboards/sales.yml",
];

/// The value of a variable, which is in no file and must be in no message.
const SECRET: &str = "s3~cr3t";

fn connectors() -> &'static Connectors {
    static CONNECTORS: OnceLock<Connectors> = OnceLock::new();
    CONNECTORS.get_or_init(|| {
        let mut registry = Registry::default();
        millrace_connectors::register(&mut registry);
        let mut connectors = Connectors::default();
        for source in registry.sources() {
            connectors.add_source(source.kind(), source.source_spec(), source.stream_spec());
        }
        for warehouse in registry.warehouses() {
            connectors.add_warehouse(warehouse.kind(), warehouse.spec());
        }
        connectors
    })
}

fuzz_target!(|data: &[u8]| {
    let Some((which, bytes)) = data.split_first() else { return };
    let file = |path: &str, bytes: &[u8]| ProjectFile { path: path.to_owned(), bytes: bytes.to_vec() };
    let path = PATHS[usize::from(*which) % PATHS.len()];
    let mut files = vec![file(path, bytes)];
    if path != "millrace.yml" {
        files.insert(
            0,
            file("millrace.yml", b"name: shop\nenvironments: {dev: {type: postgres, url: \"${URL}\"}}\n"),
        );
    }
    let variables =
        BTreeMap::from([("URL".to_owned(), SECRET.to_owned()), ("X".to_owned(), SECRET.to_owned())]);
    let (project, diagnostics) = load(&files, connectors(), &variables);
    let mut said = String::new();
    for diagnostic in &diagnostics {
        said.push_str(&to_terminal(diagnostic, &project.texts, false));
        said.push_str(&to_json(diagnostic, &project.texts).to_string());
    }
    let written = String::from_utf8_lossy(bytes);
    assert!(written.contains(SECRET) || !said.contains(SECRET), "a message has the value of a variable");
    let (same, again) = load(&files, connectors(), &variables);
    assert_eq!(format!("{diagnostics:?}"), format!("{again:?}"));
    assert_eq!(project.models.len(), same.models.len());
});

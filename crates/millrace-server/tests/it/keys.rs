//! No key of a project file is accepted and ignored: for each there is a change that makes a difference to what is refused, loaded,
//! built, tested, published or answered. A key that a specification has and this table lacks fails the test.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use millrace_core::name::Ident;
use millrace_core::project::spec::{KeyKind, MapSpec};
use millrace_core::project::{
    Connectors, ProjectFile, captured, dashboard_file, load, manifest, model_file, semantic_file, source_file,
};
use millrace_engine::cancel::Cancel;
use millrace_engine::compile::check::{Depth, check};
use millrace_engine::compile::compiled::{Choices, Compiled, compile};
use millrace_engine::ports::registry::Registry;
use millrace_engine::ports::warehouse::{QueryLimits, Statement, Warehouse};
use millrace_engine::run::{RunOptions, run};
use millrace_engine::state::lease::Holder;
use millrace_engine::state::trigger::{Trigger, TriggerKind};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::shop::Shop;

mod base;
mod held;
mod table;
mod tested;

use base::BASE;
use table::KEYS;
use tested::TESTED;

/// Files, what stands there, and what is put in its place.
type Change = &'static [(&'static str, &'static str, &'static str)];

/// How a key is known to do something.
enum Proof {
    /// The project looks different with the change.
    Change(Change),
    /// It does so where both have what is said first.
    Beside(Change, Change),
    /// In that file there is a test of that name which sets it.
    Test(&'static str, &'static str),
}

fn registry() -> Registry {
    let mut registry = Registry::default();
    millrace_connectors::register(&mut registry);
    registry
}

/// All keys with their proofs.
fn proofs() -> impl Iterator<Item = &'static (&'static str, Proof)> {
    KEYS.iter().chain(TESTED)
}

/// Every key of every mapping, as `place/key`.
fn keys(registry: &Registry) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut places: Vec<(String, &MapSpec)> = vec![
        ("millrace.yml".into(), &manifest::MANIFEST),
        ("source".into(), &source_file::SOURCE),
        ("stream".into(), &source_file::STREAM),
        ("captured".into(), &captured::CAPTURED),
        ("models".into(), &model_file::MODELS),
        ("metrics".into(), &semantic_file::SEMANTIC_VIEW),
        ("dashboard".into(), &dashboard_file::DASHBOARD),
    ];
    for connector in registry.warehouses() {
        places.push((connector.kind().into(), connector.spec()));
    }
    for connector in registry.sources() {
        places.push((format!("{} source", connector.kind()), connector.source_spec()));
        places.push((format!("{} stream", connector.kind()), connector.stream_spec()));
    }
    for (place, spec) in places {
        walk(&place, spec, &mut found);
    }
    found
}

fn walk(place: &str, spec: &MapSpec, found: &mut BTreeSet<String>) {
    for key in spec.keys {
        let name = format!("{place}/{}", key.name);
        // The same tests may stand in four places.
        let inner = if matches!(key.name, "data_tests" | "tests") { "data_test" } else { &name };
        walk_kind(inner, &key.kind, found);
        found.insert(name);
    }
}

fn walk_kind(place: &str, kind: &KeyKind, found: &mut BTreeSet<String>) {
    match kind {
        KeyKind::Map(spec) => walk(place, spec, found),
        KeyKind::MapOf(inner) | KeyKind::ListOf(inner) => walk_kind(place, inner, found),
        KeyKind::AnyOf(kinds) => kinds.iter().for_each(|kind| walk_kind(place, kind, found)),
        _ => {}
    }
}

/// Everything that can be seen of a project: what is said of it, what a run of it does, and what a server answers.
async fn seen(files: &BTreeMap<String, String>) -> String {
    let folder = TempDir::new().expect("a scratch folder");
    for (path, text) in files {
        let place = folder.path().join(path);
        std::fs::create_dir_all(place.parent().expect("a folder")).expect("it can be made");
        std::fs::write(place, text).expect("it can be written");
    }
    let registry = registry();
    base::write_parquet(&registry.portable().expect("an engine").1().expect("it opens"), folder.path()).await;
    let mut connectors = Connectors::default();
    for connector in registry.warehouses() {
        connectors.add_warehouse(connector.kind(), connector.spec());
    }
    for connector in registry.sources() {
        connectors.add_source(connector.kind(), connector.source_spec(), connector.stream_spec());
    }
    let data = |path: &str| path.starts_with("data/");
    let of_project: Vec<ProjectFile> = files
        .iter()
        .filter(|(path, _)| !data(path))
        .map(|(path, text)| ProjectFile { path: path.clone(), bytes: text.clone().into() })
        .collect();
    let variables = BTreeMap::from([("SALT".to_owned(), "0123456789abcdef".to_owned())]);
    let (project, mut diagnostics) = load(&of_project, &connectors, &variables);
    let compiled = compile(project, folder.path(), &Choices::default(), &registry, &mut diagnostics)
        .await
        .expect("it compiles");
    let checked = check(&compiled, &registry, Depth::Whole, &mut diagnostics).await;
    let mut out = format!("{checked:?}\n");
    for diagnostic in &diagnostics {
        let _ = writeln!(out, "{} {} {:?}", diagnostic.code.as_str(), diagnostic.message, diagnostic.hint);
    }
    for model in &compiled.graph.models {
        let _ = writeln!(
            out,
            "{} {:?} {:?} {}",
            model.name, model.materialization, model.indexes, model.published
        );
    }
    if millrace_core::diagnostic::has_errors(&diagnostics) {
        return out;
    }
    match compiled.open_warehouse(&registry) {
        Ok(warehouse) => out.push_str(&of_a_run(Arc::new(compiled), warehouse).await),
        Err(refused) => {
            out.push_str(&format!("{:?}", refused.iter().map(|d| &d.message).collect::<Vec<_>>()));
        }
    }
    // The folder has another name each time.
    out.replace(&folder.path().display().to_string(), "")
}

async fn of_a_run(compiled: Arc<Compiled>, warehouse: Arc<dyn Warehouse>) -> String {
    let process = std::process::id();
    let holder = Holder { machine: "m".into(), host: "h".into(), process, started: String::new() };
    let options = RunOptions {
        max_quarantine: None,
        allow_empty: false,
        full_refresh: false,
        trigger: Trigger::by(TriggerKind::Command),
        holder,
        is_gone: |_| false,
        wait: Duration::ZERO,
        cancel: Cancel::default(),
        observer: Arc::new(|_| {}),
    };
    let (summary, error) = run(&compiled, &warehouse, &options).await;
    let mut out = format!("{:?} {:?}\n", summary.status, error.map(|error| error.to_string()));
    for stream in &summary.streams {
        let _ = writeln!(out, "{:?} {} {}", stream.stream, stream.rows_loaded, stream.rows_quarantined);
    }
    for test in &summary.tests {
        let _ = writeln!(out, "{} {:?} {}", test.test, test.severity, test.rows);
    }
    let mut ask = async |sql: String| {
        let rows = warehouse.query(&Statement::new(sql), QueryLimits::STATE).await;
        let shown = rows.map(|rows| (rows.columns, rows.data)).map_err(|error| error.to_string());
        let _ = writeln!(out, "{shown:?}");
    };
    let schemas = &compiled.schemas;
    for model in compiled.graph.models.iter().filter(|model| model.published) {
        ask(format!(
            "select * from {}.{} order by all",
            Ident::new(&schemas.publish),
            Ident::new(&model.name)
        ))
        .await;
    }
    ask(format!(
        "select view_name, comment from duckdb_views() where schema_name = '{}' order by 1",
        schemas.publish
    ))
    .await;
    ask(format!(
        "select column_name, comment from duckdb_columns() where schema_name = '{}' order by 1, 2",
        schemas.publish
    ))
    .await;
    ask("select current_setting('memory_limit'), current_setting('threads'), current_setting('TimeZone')"
        .into())
    .await;
    ask("select tags from duckdb_databases() where database_name = current_database()".into()).await;
    ask(format!("select count(*) from duckdb_tables() where schema_name = '{}'", schemas.raw)).await;
    out.push_str(&answers(compiled, warehouse).await);
    out
}

/// What a server says of it.
async fn answers(compiled: Arc<Compiled>, warehouse: Arc<dyn Warehouse>) -> String {
    let names: Vec<String> =
        compiled.project.dashboards.iter().map(|dashboard| dashboard.name.text.clone()).collect();
    let shop = match Shop::over(compiled, warehouse, ([127, 0, 0, 1], 4321).into(), 20_000) {
        Ok(shop) => shop,
        Err(refused) => return refused.message,
    };
    let mut out = String::new();
    let (status, _, _) = shop.send("GET", "/healthz", &[("host", "other.example")], "").await;
    let _ = writeln!(out, "{status}");
    let (status, mut project) = shop.json("GET", "/api/v1/project", &Json::Null).await;
    if status != StatusCode::OK {
        return format!("{out}{status}");
    }
    for changing in ["publication", "last_run", "last_result"] {
        project[changing] = Json::Null;
    }
    let _ = writeln!(out, "{project}");
    for name in names {
        let (status, document) = shop.json("GET", &format!("/api/v1/dashboards/{name}"), &Json::Null).await;
        let _ = writeln!(out, "{status} {document}");
        let path = format!("/api/v1/dashboards/{name}/data");
        let (status, _, body) = shop.send("POST", &path, &[], "{}").await;
        let _ = writeln!(out, "{status}");
        for line in String::from_utf8(body).expect("UTF-8").lines() {
            let mut line: Json = serde_json::from_str(line).expect("JSON");
            for changing in ["duration_ms", "published_at"] {
                if line.get(changing).is_some() {
                    line[changing] = Json::Null;
                }
            }
            let _ = writeln!(out, "{line}");
        }
    }
    out
}

fn edited(change: &[(&str, &str, &str)]) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> =
        BASE.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    for (path, from, to) in change {
        let file = files.entry((*path).to_owned()).or_default();
        assert!(from.is_empty() || file.contains(from), "{path} has no `{from}`");
        *file = if from.is_empty() { (*to).to_owned() } else { file.replacen(from, to, 1) };
    }
    files
}

#[test]
fn no_key_is_missing_from_the_table() {
    let keys = keys(&registry());
    let told: BTreeSet<String> =
        proofs().flat_map(|(places, ..)| places.split(", ").map(str::to_owned)).collect();
    let untold: Vec<&String> = keys.difference(&told).collect();
    assert!(untold.is_empty(), "keys that nothing is known to depend on: {untold:#?}");
    let gone: Vec<&String> = told.difference(&keys).collect();
    assert!(gone.is_empty(), "keys that no specification has: {gone:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_makes_a_difference() {
    let mut known: BTreeMap<BTreeMap<String, String>, String> = BTreeMap::new();
    let mut ignored = Vec::new();
    for (places, proof) in proofs() {
        let (before, after) = match proof {
            Proof::Test(path, test) => {
                let keys = places.split(", ").filter_map(|place| place.rsplit('/').next());
                ignored.extend(keys.filter_map(|key| held::sets(path, test, key).err()));
                continue;
            }
            Proof::Change(change) => (edited(&[]), edited(change)),
            Proof::Beside(setup, change) => {
                let all: Vec<_> = setup.iter().chain(*change).copied().collect();
                (edited(setup), edited(&all))
            }
        };
        let said = match known.get(&before) {
            Some(said) => said.clone(),
            None => seen(&before).await,
        };
        known.insert(before, said.clone());
        if said == seen(&after).await {
            ignored.push(format!("{places}: {}", said.lines().take(4).collect::<Vec<_>>().join(" | ")));
        }
    }
    assert!(ignored.is_empty(), "these keys change nothing: {ignored:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_base_is_a_sound_project_that_looks_the_same_twice() {
    let (first, second) = (seen(&edited(&[])).await, seen(&edited(&[])).await);
    assert!(first.contains("Succeeded"), "{first}");
    assert_eq!(first, second);
}

//! The plan of a run: what it would do and why, without doing it. Reads the state and the positions
//! of streams.

use std::collections::{BTreeMap, BTreeSet};

use millrace_core::graph::Input;
use millrace_core::name::StreamName;
use millrace_core::sql::volatile::Changes;
use serde::Serialize;

use crate::compile::compiled::Compiled;
use crate::error::Result;
use crate::load::reconcile::deletes::is_due;
use crate::load::sync::goes_on;
use crate::ports::warehouse::Warehouse;
use crate::run::clock::{self, Clock};
use crate::run::models;
use crate::state::migrations::STATE_VERSION;
use crate::state::{BuiltModel, LoadedStream, State};

/// A step of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// `load`, `reconcile`, `build`, `test` or `publish`.
    pub kind: &'static str,
    /// The stream, the model, or what is tested and published.
    pub name: String,
    /// Whether a run would do it.
    pub needed: bool,
    /// Why, or why not.
    pub reason: String,
}

impl Step {
    fn new(kind: &'static str, name: impl Into<String>, needed: bool, reason: impl Into<String>) -> Self {
        Self { kind, name: name.into(), needed, reason: reason.into() }
    }
}

/// Plans a run. The plan is a forecast: sources can change until the run, and a load can turn out
/// to have nothing new. Fails if a source or the warehouse does not answer.
pub async fn plan(compiled: &Compiled, warehouse: &dyn Warehouse) -> Result<Vec<Step>> {
    let state = State::of(warehouse, &compiled.schemas);
    let version = state.version().await?;
    let fresh = version.is_none();
    // A state of an earlier version may lack what a comparison looks at; the run migrates it first.
    let compares = version.is_some_and(|version| version >= STATE_VERSION);
    let now = jiff::Timestamp::now().as_microsecond();
    let loaded = if fresh { Vec::new() } else { state.streams().await? };
    let before = if fresh { None } else { state.publications(1).await?.into_iter().next() };
    let mut steps = Vec::new();
    let mut changed: BTreeSet<StreamName> = BTreeSet::new();
    for stream in compiled.catalog.streams.values() {
        let last = loaded.iter().find(|known| known.name == stream.name);
        let spec = stream.fingerprint(compiled.project.manifest.naming);
        let (needed, reason) = match last {
            None => (true, "never loaded"),
            Some(last) if last.spec != spec => (true, "its settings have changed"),
            Some(last) if !goes_on(last, &spec) => (true, "it was out of the project"),
            Some(last) => match &last.position {
                None => (true, "it keeps no position"),
                Some(end) => match stream.source.position(&stream.request(), end).await? {
                    Some(now) if now.is_at(end) => (false, "nothing is new"),
                    _ => (true, "it has something new"),
                },
            },
        };
        if needed {
            changed.insert(stream.name.clone());
        }
        steps.push(Step::new("load", stream.name.to_string(), needed, reason));
        if compares && last.is_some() && is_due(stream, &state, now).await? {
            let reason = "rows that its source has deleted are looked for";
            steps.push(Step::new("reconcile", stream.name.to_string(), true, reason));
        }
    }
    let by_name: BTreeMap<StreamName, LoadedStream> =
        loaded.into_iter().map(|known| (known.name.clone(), known)).collect();
    // No run has this id, so models that change with each run are always rebuilt.
    let clock = Clock::of("", &compiled.graph, warehouse).await?;
    let mut rebuilt: BTreeSet<&str> = BTreeSet::new();
    let mut built: Vec<BuiltModel> = Vec::new();
    for model in &compiled.graph.models {
        let known = before.as_ref().and_then(|publication| publication.model(&model.name));
        let upstream = model.inputs().into_iter().find_map(|input| match input {
            Input::Stream(name) => changed.contains(name).then(|| name.to_string()),
            Input::Model(name) => rebuilt.contains(name.as_str()).then(|| name.clone()),
        });
        let (needed, reason) = match (known, upstream) {
            (None, _) => (true, "never built".to_owned()),
            (_, Some(name)) => (true, format!("`{name}` changes")),
            (Some(known), None)
                if known.fingerprint == models::fingerprint(model, &clock, &by_name, &built) =>
            {
                (false, "nothing it reads is new".to_owned())
            }
            (Some(_), None) if model.changes == Changes::Never => (true, "its SQL has changed".to_owned()),
            (Some(_), None) => (true, clock::reason(model)),
        };
        if needed {
            rebuilt.insert(&model.name);
        }
        built.extend(known.cloned());
        steps.push(Step::new("build", &model.name, needed, reason));
    }
    let anything = steps.iter().any(|step| step.needed);
    let reason = if anything { "tables change" } else { "nothing changes, unless a data test did" };
    steps.push(Step::new("test", data_tests(compiled.tests.len()), anything, reason));
    let next = before.as_ref().map_or(1, |publication| publication.publication + 1);
    steps.push(Step::new("publish", format!("data version {next}"), anything, reason));
    Ok(steps)
}

/// `1 data test`, `2 data tests`.
pub(crate) fn data_tests(count: usize) -> String {
    format!("{count} data test{}", if count == 1 { "" } else { "s" })
}

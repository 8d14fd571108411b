//! Builds one model: its SQL becomes a physical table or view in the build schema, beside whatever
//! is published.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use millrace_core::digest::hex;
use millrace_core::graph::{Input, Model};
use millrace_core::materialization::Materialization;
use millrace_core::name::{Relation, StreamName};
use millrace_core::sql::column_names::KnownColumns;
use millrace_core::sql::text;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result, Retry};
use crate::fault;
use crate::ports::warehouse::{QueryLimits, Statement, Warehouse};
use crate::run::clock::Clock;
use crate::state::lease::Lease;
use crate::state::{BuiltModel, LoadedStream, State};

/// How far a build is known to have come, which decides where a retry continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing has been created.
    Nothing,
    /// The outcome of the creating transaction is unknown: the table does not exist, or it exists
    /// with all of its rows.
    Unknown,
    /// The table exists. Hooks of the model may have run on it, or not.
    Created,
    /// Everything is done.
    Finished,
}

/// The build of one model. It survives failed attempts, so that a retry knows what exists.
pub(crate) struct Building<'a> {
    state: &'a State<'a>,
    lease: &'a Lease,
    model: &'a Model,
    relation: Relation,
    /// Replacements in the model's SQL: byte ranges and their texts.
    replacements: Vec<(Range<usize>, String)>,
    stage: Mutex<Stage>,
}

impl<'a> Building<'a> {
    /// A build into `relation`, whose name belongs to this run alone. `physical` gives the tables
    /// of the inputs, `known` their columns.
    pub(crate) fn new(
        state: &'a State<'a>,
        lease: &'a Lease,
        model: &'a Model,
        relation: Relation,
        physical: impl Fn(&Input) -> Relation,
        known: &KnownColumns,
    ) -> Self {
        let replacements = model.replacements(physical, known);
        Self { state, lease, model, relation, replacements, stage: Mutex::new(Stage::Nothing) }
    }

    fn stage(&self) -> Stage {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn comes_to(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    fn is_view(&self) -> bool {
        self.model.materialization == Materialization::View
    }

    /// Builds the model, runs its hooks, and returns its number of rows; `None` for a view. May be
    /// called again after an error: it continues after what is known to exist, and queries the
    /// warehouse if that is unknown. Hooks need not be idempotent: if they may have run on a table,
    /// the table is rebuilt.
    pub(crate) async fn attempt(&self) -> Result<Option<u64>> {
        let warehouse = self.state.warehouse();
        match self.stage() {
            Stage::Nothing => self.create().await?,
            Stage::Unknown if self.is_there().await? => self.comes_to(Stage::Created),
            Stage::Unknown => {
                if let Err(error) = self.create().await {
                    // The server may have committed the earlier transaction only after the look
                    // above.
                    if error.kind().policy().retry == Retry::Now || !self.is_there().await? {
                        return Err(error);
                    }
                    self.comes_to(Stage::Created);
                }
            }
            Stage::Created if self.model.post_hooks.is_empty() => {}
            Stage::Created => {
                let kind = if self.is_view() { "view" } else { "table" };
                let drop = Statement::new(format!("drop {kind} if exists {}", self.relation));
                warehouse.transact(&[drop, self.lease.guard()]).await?;
                self.create().await?;
            }
            Stage::Finished => {}
        }
        if self.stage() != Stage::Finished {
            // Hooks run in a transaction of their own, after the one that created the table.
            run_hooks(warehouse, self.lease, self.model, &self.relation).await?;
            self.comes_to(Stage::Finished);
        }
        if self.is_view() {
            return Ok(None);
        }
        let count = Statement::new(format!("select count(*) from {}", self.relation));
        let counted = warehouse.query(&count, QueryLimits::WORK).await?;
        Ok(counted.row(0)[0].as_int().map(|n| n as u64))
    }

    /// Creates the table or view in one transaction with the guard. Sets the stage to `Unknown`
    /// before it, because the answer can get lost.
    async fn create(&self) -> Result<()> {
        let sql = text::replace(&self.model.sql, &self.replacements);
        let kind = if self.is_view() { "view" } else { "table" };
        let head = format!("create {kind} {} as\n", self.relation);
        let create = Statement::new(format!("{head}{sql}"));
        self.comes_to(Stage::Unknown);
        let done = self.state.warehouse().transact(&[create, self.lease.guard()]).await;
        done.map_err(|error| at_model(error, self.model, &self.replacements, head.len()))?;
        self.comes_to(Stage::Created);
        Ok(())
    }

    async fn is_there(&self) -> Result<bool> {
        let present = self.state.relations(&self.relation.schema).await?;
        Ok(present.iter().any(|(relation, _)| *relation == self.relation))
    }

    /// The record of the model. Its columns are left empty for the caller to fill.
    pub(crate) fn built(self, rows: Option<u64>, fingerprint: String) -> BuiltModel {
        BuiltModel {
            model: self.model.name.clone(),
            is_view: self.is_view(),
            published: self.model.published,
            relation: self.relation,
            fingerprint,
            rows,
            columns: Vec::new(),
        }
    }
}

/// The fingerprint of a model's contents: its own SQL and settings, the versions of the loads and
/// models that it reads, and the day or run if its SQL depends on time. An equal fingerprint means
/// that an existing table can be reused. `built` must contain the models before it.
pub(crate) fn fingerprint(
    model: &Model,
    clock: &Clock,
    loaded: &BTreeMap<StreamName, LoadedStream>,
    built: &[BuiltModel],
) -> String {
    let mut hasher = Sha256::new();
    // Covers the SQL, the materialization, hooks and indexes, and the time zone if it matters.
    hasher.update(&model.fingerprint);
    for input in model.inputs() {
        match input {
            Input::Stream(name) => {
                let number = loaded.get(name).map(|stream| stream.load_number);
                hasher.update(format!("\nstream {name} {number:?}"));
            }
            Input::Model(name) => {
                let version =
                    built.iter().find(|built| built.model == *name).map(|built| built.fingerprint.as_str());
                hasher.update(format!("\nmodel {name} {version:?}"));
            }
        }
    }
    if let Some(version) = clock.version(model) {
        hasher.update(format!("\nclock {version}"));
    }
    hex(&hasher.finalize())
}

/// Runs all hooks of a model in one transaction. Only this run sees the table until then.
async fn run_hooks(warehouse: &dyn Warehouse, lease: &Lease, model: &Model, table: &Relation) -> Result<()> {
    if model.post_hooks.is_empty() {
        return Ok(());
    }
    let mut statements: Vec<Statement> =
        model.post_hooks.iter().map(|hook| Statement::new(hook.on(table))).collect();
    statements.push(lease.guard());
    warehouse.transact(&statements).await.map_err(|error| {
        error.context(format!("a `post_hook` of model `{}` ({}) failed", model.name, model.file))
    })?;
    fault::reach("hooks-done");
    Ok(())
}

/// Puts the model and the line of its SQL into the message of an engine's error. `head` is the
/// length of the text before the SQL in the statement, in bytes.
fn at_model(error: Error, model: &Model, replacements: &[(Range<usize>, String)], head: usize) -> Error {
    let place = error.position().and_then(|at| at.checked_sub(head)).map(|at| {
        let at = text::original_position(replacements, at);
        let line = model.sql.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
        format!(" at line {line} of its SQL")
    });
    let message =
        format!("model `{}` ({}) cannot be built{}", model.name, model.file, place.unwrap_or_default());
    if error.kind() == ErrorKind::Data {
        return error
            .context(message)
            .hint("A value does not fit where the SQL puts it; `try_cast` or a `where` can keep it out.");
    }
    error.context(message)
}

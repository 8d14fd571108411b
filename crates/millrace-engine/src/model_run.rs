//! One model into a physical table or view of the build schema.

use std::collections::BTreeMap;
use std::time::Instant;

use millrace_core::digest::hex;
use millrace_core::graph::{Input, Model};
use millrace_core::materialization::Materialization;
use millrace_core::name::{Naming, Relation, StreamName};
use millrace_core::sql::column_names::KnownColumns;
use millrace_core::sql::text;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::fault;
use crate::lease::Lease;
use crate::state::{BuiltModel, LoadedStream};
use crate::warehouse::{QueryLimits, Statement, Warehouse};

/// Builds a model beside whatever is published, and runs its hooks. `physical` gives the tables of its inputs.
pub async fn build(
    warehouse: &dyn Warehouse,
    lease: &Lease,
    model: &Model,
    relation: Relation,
    fingerprint: String,
    physical: impl Fn(&Input) -> Relation,
    known: &KnownColumns,
) -> Result<(BuiltModel, u64)> {
    let started = Instant::now();
    let replacements = model.replacements(physical, known);
    let sql = text::replace(&model.sql, &replacements);
    let is_view = model.materialization == Materialization::View;
    let head = format!("create {} {relation} as\n", if is_view { "view" } else { "table" });
    let create = Statement::new(format!("{head}{sql}"));
    warehouse
        .transact(&[create, lease.guard()])
        .await
        .map_err(|error| at_model(error, model, &replacements, head.len()))?;
    run_hooks(warehouse, lease, model, &relation).await?;
    let mut rows = None;
    if !is_view {
        let counted = warehouse
            .query(&Statement::new(format!("select count(*) from {relation}")), QueryLimits::WORK)
            .await?;
        rows = counted.row(0)[0].as_int().map(|n| n as u64);
    }
    let built = BuiltModel {
        model: model.name.clone(),
        relation,
        is_view,
        published: model.published,
        fingerprint,
        rows,
    };
    Ok((built, started.elapsed().as_millis() as u64))
}

/// The columns of what a model reads, as the warehouse spells them, where loaded ones may have upper-case letters: without any an
/// unquoted name means the same everywhere.
pub(crate) async fn known_columns(
    warehouse: &dyn Warehouse,
    naming: Naming,
    model: &Model,
    physical: impl Fn(&Input) -> Relation,
) -> Result<KnownColumns> {
    let mut known = KnownColumns::default();
    for input in model.inputs().into_iter().filter(|_| naming == Naming::Source) {
        let described = warehouse.describe(&format!("select * from {}", physical(input))).await?;
        known.add(described.into_iter().map(|column| column.name));
    }
    Ok(known)
}

/// What decides on a model's content: its own SQL, and the loads and models that it reads.
pub(crate) fn fingerprint(
    model: &Model,
    loaded: &BTreeMap<StreamName, LoadedStream>,
    built: &[BuiltModel],
) -> String {
    let mut hasher = Sha256::new();
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
    hex(&hasher.finalize())
}

/// All hooks of a model in one transaction. Until they are through nobody but this run sees the table.
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

fn at_model(
    error: Error,
    model: &Model,
    replacements: &[(std::ops::Range<usize>, String)],
    head: usize,
) -> Error {
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

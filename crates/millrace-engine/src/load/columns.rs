//! Decides with which columns a stream is loaded, and loads it.
//!
//! Candidates in order: the captured schema, the columns of the last load, those that the beginning
//! of the stream suggests, and those that a full discovery finds. With any of the first three the
//! stream is read only once. If the read ends with `SchemaDrift`, nothing was loaded, and the
//! stream is discovered and read again.

use std::sync::{Mutex, PoisonError};

use millrace_core::diagnostic::Diagnostic;
use millrace_core::name::StreamName;
use millrace_core::project::source_file::{OnChange, ReadMode, StreamOptions};
use millrace_core::schema::{Column, StreamSchema};
use millrace_core::visible::grouped;

use crate::compile::catalog::Stream;
use crate::compile::contract::{Observed, against, reconcile, wider};
use crate::compile::unknown_columns::unknown_columns;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::load::dropped_columns;
use crate::load::sync::{LoadContext, Reading, load};
use crate::load::transaction::LoadDone;
use crate::ports::keys::RowKeys;
use crate::ports::source::{Discovered, Drift};
use crate::ports::warehouse::QueryLimits;
use crate::state::LoadedStream;
use crate::state::raw_column::RawColumn;

/// A load whose connection was lost during the commit, so that it may have been committed or not.
pub(crate) type Unknown = Mutex<Option<LoadDone>>;

/// Finds the columns of a stream and loads it with them, in one pass if possible. If an earlier
/// attempt turns out to have committed, returns that load. Called again after lost connections.
pub(crate) async fn attempt(
    stream: &Stream,
    before: Option<&LoadedStream>,
    spec: &str,
    context: &LoadContext<'_>,
    unknown: &Unknown,
) -> Result<LoadDone> {
    if let Some(done) = settled(context, unknown).await? {
        return Ok(done);
    }
    let at_once = match &stream.captured {
        Some(captured) => as_captured(stream, captured, before, spec, context, unknown).await?,
        None => match loaded_as(before, stream, spec, context) {
            Some(loaded) => as_loaded(stream, &loaded, before, spec, context, unknown).await?,
            None => as_glanced(stream, before, spec, context, unknown).await?,
        },
    };
    match at_once {
        Some(done) => Ok(done),
        None => as_discovered(stream, before, spec, context, unknown).await,
    }
}

/// The load that an earlier attempt left with an unknown outcome, if it was committed. Consumes the
/// note once the warehouse has answered.
async fn settled(context: &LoadContext<'_>, unknown: &Unknown) -> Result<Option<LoadDone>> {
    let open = || unknown.lock().unwrap_or_else(PoisonError::into_inner);
    let question = open().as_ref().map(|done| context.tables.find_load(&done.loaded, context.run));
    let Some(question) = question else { return Ok(None) };
    let found = context.warehouse.query(&question, QueryLimits::STATE).await?;
    let is_there = !found.is_empty() && found.row(0)[0].as_int() == Some(1);
    Ok(open().take().filter(|_| is_there))
}

/// Loads the rows of some keys into the table of the last load. If an earlier attempt turns out to
/// have committed, returns that load. Fails with `SchemaDrift` if the columns have changed since.
pub(crate) async fn rows(
    stream: &Stream,
    before: &LoadedStream,
    keys: &RowKeys,
    context: &LoadContext<'_>,
    unknown: &Unknown,
) -> Result<LoadDone> {
    if let Some(done) = settled(context, unknown).await? {
        return Ok(done);
    }
    let discovered = stream.discover().await?;
    let (name, options, captured) = (&stream.name, &stream.options, stream.captured.as_ref());
    let schema = against(&discovered, captured);
    let observed = Observed::of(&discovered, &schema);
    // Notices about the columns were given when the stream was loaded, so these are dropped.
    let target = reconcile(name, options, captured, observed, context.naming, &mut Vec::new())?;
    load(stream, Some(before), &target, &before.spec, Reading::Rows(keys), context, unknown).await
}

/// Loads a stream with its captured columns. The read watches for the changes on which the contract
/// would have to decide.
async fn as_captured(
    stream: &Stream,
    captured: &StreamSchema,
    before: Option<&LoadedStream>,
    spec: &str,
    context: &LoadContext<'_>,
    unknown: &Unknown,
) -> Result<Option<LoadDone>> {
    let contract = stream.options.contract;
    let columns = contract.columns != OnChange::Quarantine;
    let evolves = contract.types == OnChange::Evolve;
    let drift = Drift { columns, gone: true, numbers: evolves, ..Drift::default() };
    // Wider types of the last load are kept, so that wide numbers do not cause drift in each run.
    let same = before.filter(|before| evolves && before.spec == spec && !context.full_refresh);
    let wide = same.and_then(|before| before.columns.as_deref());
    let wide = wide.map(|loaded| as_wide_as(captured, &stream.options, loaded));
    let known = Known { captured, schema: wide.as_ref().unwrap_or(captured) };
    as_known(stream, known, drift, before, spec, context, unknown).await
}

/// Loads more rows of a stream with the columns of earlier loads. No contract fixes them, so every
/// difference requires a discovery.
async fn as_loaded(
    stream: &Stream,
    loaded: &StreamSchema,
    before: Option<&LoadedStream>,
    spec: &str,
    context: &LoadContext<'_>,
    unknown: &Unknown,
) -> Result<Option<LoadDone>> {
    let drift = Drift { columns: true, types: true, missing: true, ..Drift::default() };
    as_known(stream, Known { captured: loaded, schema: loaded }, drift, before, spec, context, unknown).await
}

/// Columns that are known before a stream is read.
#[derive(Clone, Copy)]
struct Known<'a> {
    captured: &'a StreamSchema,
    /// The captured columns, with numeric types as wide as the last load needed them.
    schema: &'a StreamSchema,
}

/// Loads a stream with known columns and without a discovery. Returns `None` if discovery is cheap
/// anyway, if the settings name unknown columns, or if the stream turned out to differ; then
/// nothing was loaded.
async fn as_known(
    stream: &Stream,
    Known { captured, schema }: Known<'_>,
    drift: Drift,
    before: Option<&LoadedStream>,
    spec: &str,
    context: &LoadContext<'_>,
    unknown: &Unknown,
) -> Result<Option<LoadDone>> {
    if !stream.source.discovers_by_reading() {
        return Ok(None);
    }
    // Errors in the settings are reported after a discovery, with all columns that the stream has.
    if !unknown_columns(stream, schema, false).is_empty() {
        return Ok(None);
    }
    // Kept back until the load succeeds: after drift, the discovery gives its own notices.
    let mut notices = Vec::new();
    let target =
        reconcile(&stream.name, &stream.options, Some(captured), schema, context.naming, &mut notices)?;
    match load(stream, before, &target, spec, Reading::Grown(drift), context, unknown).await {
        Ok(done) => {
            tell(context, notices);
            Ok(Some(done))
        }
        Err(error) if error.kind() == ErrorKind::SchemaDrift => Ok(None),
        Err(error) => Err(error),
    }
}

/// Loads a stream with the columns that its beginning suggests, without a discovery. Returns `None`
/// if the source makes no such guess, or if a discovery would find other columns; then nothing was
/// loaded.
async fn as_glanced(
    stream: &Stream,
    before: Option<&LoadedStream>,
    spec: &str,
    context: &LoadContext<'_>,
    unknown: &Unknown,
) -> Result<Option<LoadDone>> {
    // An incremental load reads only new rows, but the guess is made from the beginning of the
    // stream.
    if before.is_some() && stream.options.mode.keeps() && !context.full_refresh {
        return Ok(None);
    }
    // The guess does not know the chosen types.
    if !stream.options.types.is_empty() {
        return Ok(None);
    }
    let Some(schema) = stream.source.glance(&stream.request()).await? else { return Ok(None) };
    if !unknown_columns(stream, &schema, true).is_empty() {
        return Ok(None);
    }
    let reconciled = reconcile(&stream.name, &stream.options, None, &schema, context.naming, &mut Vec::new());
    let Ok(target) = reconciled else { return Ok(None) };
    if target.source_columns.is_empty() {
        return Ok(None);
    }
    let drift = Drift { columns: true, guessed: true, ..Drift::default() };
    match load(stream, before, &target, spec, Reading::Grown(drift), context, unknown).await {
        Ok(done) => Ok(Some(done)),
        // Too many rows that do not fit a guess are the fault of the guess, not of the stream.
        Err(error) if matches!(error.kind(), ErrorKind::SchemaDrift | ErrorKind::ContractBroken) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The columns of the last load, if new rows are added to its rows. Then the existing rows need no
/// discovery. `None` also if columns are masked.
fn loaded_as(
    before: Option<&LoadedStream>,
    stream: &Stream,
    spec: &str,
    context: &LoadContext<'_>,
) -> Option<StreamSchema> {
    let (before, mode) = (before.filter(|_| !context.full_refresh)?, stream.options.mode);
    let same = mode == ReadMode::Append || (mode.keeps() && before.spec == spec);
    let columns = before.columns.as_ref().filter(|_| same)?;
    // The table has the type of the masks, not that of the values.
    if columns.iter().any(|column| column.masked.is_some()) || !stream.options.choice.masked.is_empty() {
        return None;
    }
    loaded_schema(before)
}

/// The columns of a load under the source's names.
fn loaded_schema(before: &LoadedStream) -> Option<StreamSchema> {
    let columns = before.columns.as_ref()?;
    let column = |raw: &RawColumn| Column {
        name: raw.source.clone(),
        data_type: raw.data_type,
        nullable: raw.nullable,
    };
    Some(StreamSchema { columns: columns.iter().map(column).collect(), primary_key: Vec::new() })
}

/// Loads a stream with the columns that a full discovery finds, as far as its contract allows.
/// Refuses unknown columns in the settings, vanished columns that models read, and a stream without
/// any column.
async fn as_discovered(
    stream: &Stream,
    before: Option<&LoadedStream>,
    spec: &str,
    context: &LoadContext<'_>,
    unknown: &Unknown,
) -> Result<LoadDone> {
    let mut discovered = stream.discover().await?;
    let mut drift = unknown_columns(stream, &discovered.schema, true);
    if let Some(wrong) = drift.iter().find(|diagnostic| diagnostic.is_error()) {
        let error = Error::new(ErrorKind::ContractBroken, wrong.message.clone());
        return Err(match &wrong.hint {
            Some(hint) => error.hint(hint),
            None => error,
        });
    }
    let schema = against(&discovered, stream.captured.as_ref());
    let (captured, observed) = (stream.captured.as_ref(), Observed::of(&discovered, &schema));
    let mut target =
        reconcile(&stream.name, &stream.options, captured, observed, context.naming, &mut drift)?;
    drift.append(&mut discovered.notices);
    tell(context, drift);
    // Before the load, so that nothing of the stream changes if it is refused.
    dropped_columns::refuse(stream, before, &target, &discovered, context).await?;
    if discovered.is_empty()
        && target.source_columns.is_empty()
        && let Some(loaded) = before.and_then(loaded_schema)
    {
        // Loaded as an empty stream with its former columns; the shrink check decides whether it
        // may lose all rows.
        target = reconcile(&stream.name, &stream.options, None, &loaded, context.naming, &mut Vec::new())?;
    }
    if target.source_columns.is_empty() {
        return Err(no_columns(&stream.name, &discovered));
    }
    let seen = Reading::Discovered(discovered.position.as_ref());
    load(stream, before, &target, spec, seen, context, unknown).await
}

/// The captured schema with numeric types as wide as the last load needed them, so that they need
/// not be discovered again.
fn as_wide_as(captured: &StreamSchema, options: &StreamOptions, loaded: &[RawColumn]) -> StreamSchema {
    let mut schema = captured.clone();
    for column in &mut schema.columns {
        let before = loaded.iter().find(|raw| raw.source == column.name && raw.masked.is_none());
        let Some(before) = before.filter(|_| options.chosen_type(&column.name).is_none()) else { continue };
        if wider(column.data_type, before.data_type) == Some(before.data_type) {
            column.data_type = before.data_type;
        }
    }
    schema
}

/// The error for a stream whose columns are unknown or all excluded.
fn no_columns(name: &StreamName, discovered: &Discovered) -> Error {
    if discovered.is_empty() {
        let message =
            format!("stream `{name}` is empty and has no captured schema, so its columns are unknown");
        return Error::new(ErrorKind::SourceUnreadable, message)
            .hint(format!("Run `millrace capture {}` once when it has rows.", name.source));
    }
    let (message, hint) = match discovered.records {
        Some(records) if discovered.schema.columns.is_empty() => (
            format!("none of the {} records of stream `{name}` has a field", grouped(records)),
            "Look at the source: its records have lost all that was in them.",
        ),
        _ => (
            format!("no column of stream `{name}` is left to load"),
            "Load one at least: `columns:` and `exclude_columns:` of the stream say which.",
        ),
    };
    Error::new(ErrorKind::SourceUnreadable, message).hint(hint)
}

/// Sends diagnostics to the observer.
fn tell(context: &LoadContext<'_>, notices: Vec<Diagnostic>) {
    for notice in notices {
        (context.observer)(Event::Notice(Box::new(notice)));
    }
}

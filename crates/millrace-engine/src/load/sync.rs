//! The load of one stream: looks whether there is anything new, connects source and warehouse by a
//! queue, and reports the result.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use millrace_core::code::Code;
use millrace_core::cursor::Cursor;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::graph::Model;
use millrace_core::name::{Naming, StreamName};
use millrace_core::project::manifest::QuarantineLimit;
use millrace_core::project::shrink::Shrink;
use millrace_core::project::source_file::{OnChange, OnNul, ReadMode};
use millrace_core::visible::grouped;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::compile::catalog::Stream;
use crate::compile::contract::{Target, no_append};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer, StepKind};
use crate::load::columns::Unknown;
use crate::load::destination::Destination;
use crate::load::resolved::Resolved;
use crate::load::shrink::ShrinkCheck;
use crate::load::transaction::{LoadDone, StreamLoad, parts};
use crate::load::transform::mask;
use crate::load::transform::nul::Stripped;
use crate::load::{columns, quarantine_share};
use crate::ports::batch::{Batch, batch_queue};
use crate::ports::keys::RowKeys;
use crate::ports::source::{Conversion, Drift, ReadOutcome, ReadRequest};
use crate::ports::warehouse::{LoadMode, LoadRequest, QueryLimits, Warehouse};
use crate::retry;
use crate::state::lease::Lease;
use crate::state::quarantine_buffer::QuarantineBuffer;
use crate::state::run_summary::StreamSummary;
use crate::state::unfinished::Unfinished;
use crate::state::{LoadedStream, Tables};

/// Capacity of the queue of batches between source and warehouse, in bytes.
const QUEUE_BYTES: usize = 48 * 1024 * 1024;

/// The result of loading a stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamOutcome {
    /// The stream's name.
    pub name: StreamName,
    /// The checkpoint after the load: of this run, or of an earlier one if nothing was new.
    pub loaded: LoadedStream,
    /// Accepted rows that this run loaded.
    pub rows: u64,
    /// Rows that this run put into quarantine.
    pub quarantined: u64,
    /// Rows that this run removed, because the source has deleted them.
    pub removed: u64,
    /// Whether there was nothing new.
    pub unchanged: bool,
    /// Lossy conversions that the settings allow.
    pub conversions: Vec<Conversion>,
    /// Duration in milliseconds.
    pub duration_ms: u64,
}

impl StreamOutcome {
    /// The entry in the record of the run.
    pub(crate) fn summary(&self) -> StreamSummary {
        StreamSummary {
            stream: self.name.to_string(),
            status: if self.unchanged { "unchanged" } else { "loaded" }.to_owned(),
            rows_loaded: self.rows,
            rows_quarantined: self.quarantined,
            rows_removed: self.removed,
            rows_in_table: self.loaded.rows,
            moments: self.loaded.moments,
            duration_ms: self.duration_ms,
        }
    }
}

/// What the loads of a run have in common.
pub struct LoadContext<'a> {
    /// The warehouse that rows go to.
    pub warehouse: &'a dyn Warehouse,
    /// The id of the run.
    pub run: &'a str,
    /// The lease of the run, whose guard ends each transaction.
    pub lease: &'a Lease,
    /// The tables of checkpoints and quarantine.
    pub tables: &'a Tables,
    /// The schema of raw tables.
    pub raw_schema: &'a str,
    /// How columns are named in the warehouse.
    pub naming: Naming,
    /// The quarantine limit of streams that have none of their own.
    pub max_quarantine: QuarantineLimit,
    /// Whether the limit comes from the command line and overrides those of streams.
    pub max_quarantine_forced: bool,
    /// The share of rows that streams without a limit of their own may lose.
    pub max_shrink: Option<Shrink>,
    /// Whether streams may lose any number of rows in this run.
    pub allow_empty: bool,
    /// Whether to load streams that have not changed, too.
    pub full_refresh: bool,
    /// All models; some of them read the stream.
    pub models: &'a [Model],
    /// Streams with an incomplete load: left by an earlier run, or by this one before its
    /// connection broke.
    pub unfinished: Mutex<BTreeSet<StreamName>>,
    /// Time of the run, in microseconds since 1970 UTC.
    pub now: i64,
    /// Receives events.
    pub observer: &'a Observer,
}

/// Loads a stream, or finds that there is nothing new. `before` is its last committed load. Retries
/// after lost connections.
pub async fn load_stream(
    stream: &Stream,
    before: Option<&LoadedStream>,
    context: &LoadContext<'_>,
) -> Result<StreamOutcome> {
    let started = Instant::now();
    let name = stream.name.to_string();
    let spec = stream.fingerprint(context.naming);
    let what = format!("the load of stream `{name}`");
    if let Some(before) = before.filter(|before| !context.full_refresh && goes_on(before, &spec))
        && let Some(last) = &before.position
        && let Some(now) = position(stream, last, &what, context).await?
        && now.is_at(last)
    {
        // The source may know more about the same position, for example the stamp of a file;
        // stored, it makes the next look cheaper.
        let mut loaded = before.clone();
        if now != *last {
            loaded.position = Some(now);
            remember(&loaded, &what, context).await?;
        }
        let reason = "nothing is new".to_owned();
        (context.observer)(Event::Skipped { kind: StepKind::Load, name, reason });
        return Ok(StreamOutcome {
            name: stream.name.clone(),
            loaded,
            rows: 0,
            quarantined: 0,
            removed: 0,
            unchanged: true,
            conversions: Vec::new(),
            duration_ms: started.elapsed().as_millis() as u64,
        });
    }
    (context.observer)(Event::Started { kind: StepKind::Load, name: name.clone() });
    let unknown = Mutex::new(None);
    let attempt = || columns::attempt(stream, before, &spec, context, &unknown);
    let LoadDone { loaded, outcome, quarantined, conversions, how } =
        retry::while_lost(&what, context.observer, sleep, attempt)
            .await
            .map_err(|error| about(&stream.name, error))?;
    if quarantined > 0 {
        quarantine_share::watch(before, &loaded, &what, context).await?;
    }
    let duration_ms = started.elapsed().as_millis() as u64;
    let mut words = format!("{} rows", grouped(outcome.rows_read));
    if quarantined > 0 {
        words.push_str(&format!(", {} in quarantine", grouped(quarantined)));
    }
    for conversion in &conversions {
        words.push_str(&format!(
            ", {} {} in `{}`",
            grouped(conversion.rows),
            conversion.what,
            conversion.column
        ));
    }
    words.extend(how.map(|how| format!(", {how}")));
    (context.observer)(Event::Done { kind: StepKind::Load, name, outcome: words, duration_ms });
    Ok(StreamOutcome {
        name: stream.name.clone(),
        loaded,
        rows: outcome.rows_read,
        quarantined,
        removed: 0,
        unchanged: false,
        conversions,
        duration_ms,
    })
}

/// Whether a load with these settings continues after the last one; otherwise the stream is loaded
/// even if its source has nothing new.
pub(crate) fn goes_on(before: &LoadedStream, spec: &str) -> bool {
    // Its rows in quarantine were deleted when the project lost the stream, and only reading
    // everything again restores them.
    before.spec == spec && (before.removed_in.is_none() || !before.is_read_whole())
}

/// The present position of the source; retries after lost connections.
async fn position(
    stream: &Stream,
    last: &Cursor,
    what: &str,
    context: &LoadContext<'_>,
) -> Result<Option<Cursor>> {
    let request = stream.request();
    retry::while_lost(what, context.observer, sleep, || stream.source.position(&request, last)).await
}

/// Replaces the position of a checkpoint whose rows are unchanged.
async fn remember(loaded: &LoadedStream, what: &str, context: &LoadContext<'_>) -> Result<()> {
    let statements = [context.tables.record_position(loaded)?, context.lease.guard()];
    retry::while_lost(what, context.observer, sleep, || context.warehouse.transact(&statements)).await?;
    Ok(())
}

/// Which rows a load reads.
#[derive(Clone, Copy)]
pub(crate) enum Reading<'a> {
    /// What the stream's mode asks for; the given differences from the columns end the read.
    Grown(Drift),
    /// The same, with columns that were derived from a discovery of this position.
    Discovered(Option<&'a Cursor>),
    /// The rows of some keys, into the table of the last load. Counts as another load only if there
    /// are any.
    Rows(&'a RowKeys),
}

/// Loads a stream with the given columns. Source and warehouse run concurrently in this task. Fails
/// with `ContractBroken` if the mode needs a key or an ability of the source that is missing.
pub(crate) async fn load(
    stream: &Stream,
    before: Option<&LoadedStream>,
    target: &Target,
    spec: &str,
    reading: Reading<'_>,
    context: &LoadContext<'_>,
    unknown: &Unknown,
) -> Result<LoadDone> {
    let number = before.map_or(1, |before| before.load_number + 1);
    let mode = stream.options.mode;
    if mode.merges() && target.key.is_empty() {
        let message = format!("stream `{}` is merged by its key, and it has none", stream.name);
        return Err(Error::new(ErrorKind::ContractBroken, message).hint("Add `key: [column]`."));
    }
    if mode == ReadMode::Append && !stream.source.appends() {
        return Err(no_append(&stream.name));
    }
    let joined = before.filter(|_| mode.keeps() && !context.full_refresh);
    // Merged rows may differ under other settings, so all are read again. Appended rows stay as
    // they are.
    let since = joined.filter(|before| mode == ReadMode::Append || before.spec == spec);
    let since = since.and_then(|before| before.position.clone());
    let Destination { table, columns, mode, continues } = match joined {
        Some(before) => Destination::joining(stream, before, target, spec, context)?,
        None => Destination::fresh(stream, target, context),
    };
    let by_key = match reading {
        Reading::Grown(_) | Reading::Discovered(_) => None,
        // Rows by keys can only go into the table of the last load: a new one would lack all
        // others.
        Reading::Rows(keys) => Some((
            keys,
            before.filter(|before| before.table == table).ok_or_else(|| {
                let message =
                    format!("the columns of stream `{}` have changed since it was loaded", stream.name);
                Error::new(ErrorKind::SchemaDrift, message)
            })?,
        )),
    };
    // A merge into an existing table is a single transaction (ADR 21).
    let in_parts = !continues;
    // An incomplete load is resumed only with the same columns, and if the source can resume at its
    // mark.
    let other = unfinished(stream, continues, context).await?;
    let unfinished = match &other {
        Some(unfinished) if in_parts && unfinished.columns == columns => {
            let there = stream.source.position(&stream.request(), &unfinished.position).await?;
            other.as_ref().filter(|_| there.is_some_and(|there| there.is_at(&unfinished.position)))
        }
        _ => None,
    };
    let key = if stream.options.mode.merges() { target.key.clone() } else { Vec::new() };
    let (table, mode) = match unfinished {
        Some(unfinished) => {
            (unfinished.table.clone(), LoadMode::Continue { rows: unfinished.rows, key: key.clone() })
        }
        None => (table, mode),
    };
    // Transformations run in the order in which they are added, so masks are applied last.
    let (mut sender, receiver) = batch_queue(QUEUE_BYTES);
    let mark = unfinished.map(|unfinished| &unfinished.position);
    let stripped = (stream.options.nul == OnNul::Strip).then(|| Stripped::of(&target.source_columns, mark));
    if let Some(stripped) = stripped.clone() {
        let counted = Arc::clone(&stripped);
        sender = sender.noting(Arc::new(move |mark| counted.note(mark)));
        sender = sender.through(Arc::new(move |batch| {
            Ok(Batch { rows: stripped.strip(batch.rows)?, quarantined: batch.quarantined })
        }));
    }
    let sender = mask::masking(stream, sender, &target.source_columns)?;
    let (ended, has_ended) = oneshot::channel();
    let mut runs = unfinished.map(|unfinished| unfinished.runs.clone()).unwrap_or_default();
    if !runs.iter().any(|run| run == context.run) {
        runs.push(context.run.to_owned());
    }
    let mut resolved = Resolved::of(stream, target);
    if continues {
        resolved.look_up(stream, context.tables, context.warehouse).await?;
    }
    let finish = StreamLoad {
        stream: LoadedStream {
            name: stream.name.clone(),
            table: table.clone(),
            load_number: number,
            spec: spec.to_owned(),
            position: None,
            rows: 0,
            columns: Some(columns),
            moments: match (unfinished, by_key) {
                (Some(unfinished), _) => unfinished.moments + 1,
                (None, Some((_, before))) => before.moments,
                (None, None) => 1,
            },
            quarantined: None,
            removed_in: None,
        },
        counts_empty: by_key.is_none(),
        runs,
        committed: unfinished.map(|unfinished| unfinished.rows),
        forget: match (unfinished, &other) {
            (None, Some(other)) => other.forgotten(context.tables).to_vec(),
            _ => Vec::new(),
        },
        tables: context.tables.clone(),
        guard: context.lease.guard(),
        now: context.now,
        freeze_types: stream.options.contract.types == OnChange::Freeze,
        hide_raw: stream.options.choice.hides(),
        keep_quarantine: continues,
        limit: match stream.options.max_quarantine {
            Some(own) if !context.max_quarantine_forced => own,
            _ => context.max_quarantine,
        },
        // Missing rows may be mostly those that were quarantined before, so the limit refers to all
        // rows of the table.
        rows: unfinished
            .map(|unfinished| unfinished.rows)
            .or(by_key.map(|(_, before)| before.rows))
            .unwrap_or_default(),
        refused: 0,
        shrink: ShrinkCheck::of(stream, before.map_or(0, |before| before.rows), context),
        quarantined_before: unfinished.map_or(0, |unfinished| unfinished.quarantined),
        buffer: QuarantineBuffer::default(),
        resolved,
        since: since.clone().filter(|_| continues),
        stripped,
        has_ended,
        rest: None,
        report: None,
        observer: Arc::clone(context.observer),
    };
    if unfinished.is_some() {
        (context.observer)(Event::Notice(Box::new(several_moments(&finish.stream))));
    }
    let read = ReadRequest {
        stream: stream.request(),
        columns: target.source_columns.clone(),
        key: stream.options.key.clone(),
        quarantine_unknown_columns: stream.options.contract.columns == OnChange::Quarantine,
        quarantine_nul: stream.options.nul == OnNul::Quarantine,
        cursor: match unfinished {
            Some(unfinished) => Some(unfinished.position.clone()),
            None => since.filter(|_| continues),
        },
        drift: if let Reading::Grown(drift) = reading { drift } else { Drift::default() },
        seen: if let Reading::Discovered(seen) = reading { seen.cloned() } else { None },
    };
    let reading = async {
        let outcome = match by_key {
            None => stream.source.read(read, sender).await,
            // The backfill leaves the stream's position as it is.
            Some((keys, before)) => {
                let outcome = stream.source.read_rows(read, keys, sender).await;
                outcome.map(|outcome| ReadOutcome { cursor: before.position.clone(), ..outcome })
            }
        };
        let failed = outcome.as_ref().err().cloned();
        // Fails only if the load has failed before.
        let _ = ended.send(outcome);
        failed
    };
    let request = LoadRequest { table, columns: target.warehouse_columns.clone(), mode };
    let loading = parts(context.warehouse, request, receiver, finish, &key, in_parts, unknown);
    let (read_error, loaded) = futures::future::join(reading, loading).await;
    loaded.map_err(|error| {
        // The source's error is the cause; the load only saw that the batches ended.
        let cause = read_error.filter(|read| read.kind() != ErrorKind::Cancelled);
        about(&stream.name, cause.unwrap_or(error))
    })
}

/// Adds the stream's name to an error that does not mention it.
fn about(name: &StreamName, error: Error) -> Error {
    let named = format!("`{name}`");
    let says_so = |text: &str| text.contains(&named);
    let is_of_the_run = matches!(
        error.kind(),
        ErrorKind::SchemaDrift | ErrorKind::Superseded | ErrorKind::Cancelled | ErrorKind::Internal
    );
    if is_of_the_run || says_so(error.message()) || error.causes().iter().any(|cause| says_so(cause)) {
        return error;
    }
    error.context(format!("stream `{name}` cannot be loaded"))
}

/// The incomplete load of a stream, if there is one. Unless this load continues an earlier table,
/// it is noted as possibly incomplete from here on, for a later attempt.
async fn unfinished(
    stream: &Stream,
    continues: bool,
    context: &LoadContext<'_>,
) -> Result<Option<Unfinished>> {
    let name = &stream.name;
    let may_be = {
        let mut known = context.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        if continues { known.contains(name) } else { !known.insert(name.clone()) }
    };
    if !may_be {
        return Ok(None);
    }
    let found = context.warehouse.query(&context.tables.find_unfinished(name), QueryLimits::STATE).await?;
    Ok(Unfinished::all(&found)?.into_iter().next())
}

/// The warning that a load is resumed, so that its rows were read at several points in time.
fn several_moments(stream: &LoadedStream) -> Diagnostic {
    let message = format!(
        "the load of stream `{}` goes on where an earlier one has ended; its rows will be of {} moments",
        stream.name, stream.moments
    );
    Diagnostic::warning(Code::SeveralMoments, message)
        .hint("`millrace run --full-refresh` reads all of it anew.")
}

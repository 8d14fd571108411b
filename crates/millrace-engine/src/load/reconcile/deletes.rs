//! Finds rows that a source has deleted, by comparing its keys with those of the raw table. See ADR
//! 0014.
//!
//! Only this run writes to the raw table, and it read the source before it asks for the source's
//! keys. A key that is in the table and no longer in the source therefore belongs to a deleted row.
//! A row that arrives meanwhile is in the source and not yet in the table, so it is never removed.
//!
//! First the checksums of parts of both key sets are compared. The source then sends the keys of
//! differing parts into a staging table, and the transaction of that load deletes the rows of these
//! parts whose keys are not among them, and records the comparison.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use millrace_core::name::{Ident, Relation, StreamName};
use millrace_core::project::deletes::Deletes;
use millrace_core::project::source_file::ReadMode;
use millrace_core::quarantine::QuarantineCode;
use millrace_core::schema::Column;
use millrace_core::value::Value;
use millrace_core::visible::grouped;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::compile::catalog::Stream;
use crate::compile::table_names;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, StepKind};
use crate::fault;
use crate::load::reconcile::backfill::MissingRows;
use crate::load::shrink::ShrinkCheck;
use crate::load::sync::{LoadContext, StreamOutcome};
use crate::load::transaction::end_of_read;
use crate::load::transform::mask;
use crate::ports::batch::{Batch, batch_queue};
use crate::ports::keys::{
    KeyHash, KeyParts, KeyRequest, MOST_PARTS, Summed, differing, digits, hash, sums, sums_query, text_of,
};
use crate::ports::source::StreamRequest;
use crate::ports::warehouse::{
    FinishLoad, LoadMode, LoadOutcome, LoadRequest, QueryLimits, Statement, Statements, made,
};
use crate::retry::while_lost;
use crate::state::raw_column::RawColumn;
use crate::state::{LoadedStream, State};

/// Capacity of the queue of keys between source and warehouse, in bytes.
const QUEUE_BYTES: usize = 8 * 1024 * 1024;

/// The result of a comparison of a stream's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// When it was made, in microseconds since 1970 UTC.
    pub at: i64,
    /// Rows that it removed from the raw table.
    pub removed: u64,
    /// Keys that the source had and the raw table lacked: of rows in quarantine, or that arrived
    /// after they were last read.
    pub missing: u64,
    /// Rows that it did not remove because they were more than the stream may lose.
    pub withheld: u64,
}

impl State<'_> {
    /// The last comparison of a stream's keys; `None` if there was none.
    pub async fn last_comparison(&self, stream: &StreamName) -> Result<Option<Comparison>> {
        let sql = format!(
            "select compared_at, removed, missing, withheld from {} where source = $1 and stream = $2",
            self.tables().table("key_comparisons")
        );
        let rows = self.warehouse().query(&Statement::with(sql, stream.params()), QueryLimits::STATE).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let row = rows.row(0);
        let number = |value: &Value| value.as_int().unwrap_or_default() as u64;
        let Value::TimestampTz(at) = row[0] else { return Ok(None) };
        Ok(Some(Comparison {
            at: *at,
            removed: number(row[1]),
            missing: number(row[2]),
            withheld: number(row[3]),
        }))
    }
}

/// Whether a run at `now` (microseconds since 1970 UTC) has to compare the keys of a stream. A
/// stream that is read in full needs no comparison.
pub async fn is_due(stream: &Stream, state: &State<'_>, now: i64) -> Result<bool> {
    let wanted = matches!(stream.options.deletes, Deletes::Reconciled { .. });
    if !wanted || stream.options.mode == ReadMode::Full {
        return Ok(false);
    }
    let last = state.last_comparison(&stream.name).await?;
    // After withheld rows every run compares, until somebody decides or the rows are back.
    if last.is_some_and(|last| last.withheld > 0) {
        return Ok(true);
    }
    let since = last.map(|last| Duration::from_micros(now.saturating_sub(last.at).unsigned_abs()));
    Ok(stream.options.deletes.is_due(since))
}

/// Removes rows that the source has deleted, if the project asks for it and a comparison is due,
/// and updates `outcome`. `before` is the load of an earlier run. Fails with
/// [`ErrorKind::StreamEmptied`] and removes nothing if the stream would lose more rows than the
/// project allows.
pub(crate) async fn remove(
    stream: &Stream,
    before: Option<&LoadedStream>,
    outcome: &mut StreamOutcome,
    state: &State<'_>,
    context: &LoadContext<'_>,
) -> Result<()> {
    if !is_due(stream, state, context.now).await? {
        return Ok(());
    }
    let loaded = &outcome.loaded;
    let is_new = before.is_none_or(|before| {
        // An upsert that takes over the rows of a former table also creates a new one, but reads
        // only new rows; its keys must be compared.
        stream.options.mode == ReadMode::Incremental && before.table != loaded.table
    });
    let key: Vec<RawColumn> = loaded.columns.iter().flatten().filter(|column| column.key).cloned().collect();
    let shrink = ShrinkCheck::of(stream, loaded.rows, context);
    let comparer = Comparer { stream, state, context, loaded, key, shrink: shrink.clone() };
    if comparer.key.is_empty() {
        // An earlier version loaded it without recording the key; the next load of new rows records
        // it.
        return Ok(());
    }
    let what = format!("the comparison of the keys of stream `{}`", stream.name);
    // A table that was just read in full has no deleted rows.
    let parts =
        if is_new { None } else { while_lost(&what, context.observer, sleep, || comparer.parts()).await? };
    if is_new || parts.as_ref().is_some_and(|parts| parts.names.is_empty()) {
        let mut statements = comparer.record("0", "0", &[]).to_vec();
        statements.push(context.lease.guard());
        while_lost(&what, context.observer, sleep, || context.warehouse.transact(&statements)).await?;
        return Ok(());
    }
    let started = Instant::now();
    let name = stream.name.to_string();
    (context.observer)(Event::Started { kind: StepKind::Load, name: format!("deletes of {name}") });
    let is_again = AtomicBool::new(false);
    let compare = || comparer.compare(parts.clone(), is_again.swap(true, Ordering::Relaxed));
    let compared = while_lost(&what, context.observer, sleep, compare).await?;
    let missing = MissingRows { stream, context, keys: comparer.staging(), key: comparer.key };
    if compared.withheld > 0 {
        missing.forget().await?;
        return Err(shrink.withheld(compared.withheld));
    }
    let (before, removed) = (outcome.loaded.rows, compared.removed);
    if let Some(warning) = shrink.to(before.saturating_sub(removed)).ok().flatten() {
        (context.observer)(Event::Notice(Box::new(warning)));
    }
    outcome.removed = compared.removed;
    if compared.removed > 0 {
        outcome.unchanged = false;
        // As the transaction has done it in the state.
        outcome.loaded.rows -= compared.removed.min(outcome.loaded.rows);
        outcome.loaded.load_number += 1;
    }
    let mut words = format!("{} rows removed", grouped(compared.removed));
    words.push_str(&missing.read(compared.missing, outcome).await?);
    let duration_ms = started.elapsed().as_millis() as u64;
    let name = format!("deletes of {name}");
    (context.observer)(Event::Done { kind: StepKind::Load, name, outcome: words, duration_ms });
    Ok(())
}

/// Compares the keys of one stream.
struct Comparer<'a> {
    stream: &'a Stream,
    state: &'a State<'a>,
    context: &'a LoadContext<'a>,
    loaded: &'a LoadedStream,
    /// The key columns of the raw table.
    key: Vec<RawColumn>,
    /// How many of its rows may be removed.
    shrink: ShrinkCheck,
}

/// The rows whose keys are compared: those of some parts with the SQL of their hash, or all.
struct Scope {
    parts: Option<(KeyParts, String)>,
}

impl Scope {
    /// The SQL condition for rows of the raw table `t` within the scope. The names of the parts are
    /// the parameters from `$first` on.
    fn condition(&self, first: usize) -> String {
        let Some((parts, hash)) = &self.parts else { return "true".to_owned() };
        let places: Vec<String> = (0..parts.names.len()).map(|at| format!("${}", at + first)).collect();
        format!("substr({hash}, 1, {}) in ({})", parts.digits, places.join(", "))
    }

    fn params(&self) -> Vec<Value> {
        self.parts.iter().flat_map(|(parts, _)| &parts.names).map(Value::text).collect()
    }
}

impl Comparer<'_> {
    /// The staging table for the source's keys. After a comparison it holds those that the raw
    /// table lacks.
    fn staging(&self) -> Relation {
        table_names::of_keys(self.context.raw_schema, &self.stream.name, self.context.lease.fence())
    }

    /// SQL for the hash of a row's key in the raw table `t`. Returns `None` if the key's text can
    /// differ from the source's, or is masked.
    fn hash(&self, by: KeyHash) -> Option<String> {
        let dialect = self.context.warehouse.dialect();
        let of = |text: &str| match by {
            KeyHash::Md5 => format!("md5({text})"),
            KeyHash::Sha256 => dialect.sha256(text),
        };
        let text = |column: &RawColumn| {
            let name = format!("t.{}", Ident::new(&column.name));
            text_of(&name, column.data_type).filter(|_| column.masked.is_none())
        };
        Some(hash(&self.key.iter().map(text).collect::<Option<Vec<String>>>()?, of))
    }

    /// The request for the source's keys, with types that make its values equal to those in the raw
    /// table. A masked column is read with the source's type, because the mask is computed from the
    /// value.
    async fn request(&self) -> Result<KeyRequest> {
        let mut observed = self.stream.captured.clone();
        if observed.is_none() && self.key.iter().any(|column| column.masked.is_some()) {
            observed = Some(self.stream.discover().await?.schema);
        }
        let column = |raw: &RawColumn| {
            let own = observed.as_ref().and_then(|schema| schema.column(&raw.source));
            let data_type = match own.filter(|_| raw.masked.is_some()) {
                Some(own) => own.data_type,
                None => raw.data_type,
            };
            Column { name: raw.source.clone(), data_type, nullable: false }
        };
        let stream = StreamRequest { mode: ReadMode::Full, ..self.stream.request() };
        Ok(KeyRequest { stream, columns: self.key.iter().map(column).collect() })
    }

    /// The parts of the key set that differ. Returns `None` if all keys must be compared: no
    /// checksums can be computed, or too many parts differ.
    async fn parts(&self) -> Result<Option<KeyParts>> {
        if self.hash(KeyHash::Md5).is_none() {
            return Ok(None);
        }
        let digits = digits(self.loaded.rows);
        let theirs = self.stream.source.key_sums(&self.request().await?, digits).await?;
        let Some(Summed { hash: by, sums: theirs }) = theirs else { return Ok(None) };
        let Some(hash) = self.hash(by) else { return Ok(None) };
        let query = sums_query(&format!("{} as t", self.loaded.table), &hash, digits);
        let ours = self.context.warehouse.query(&Statement::new(query), QueryLimits::WORK).await?;
        let names = differing(&sums(&ours)?, &theirs);
        Ok((names.len() <= MOST_PARTS).then_some(KeyParts { hash: by, digits, names }))
    }

    /// Compares the keys of the parts (or all keys) one by one, and removes rows whose keys are
    /// gone. With `is_again`, an earlier attempt may have committed, so its record is looked for
    /// first; it is recognized by the time of this run.
    async fn compare(&self, parts: Option<KeyParts>, is_again: bool) -> Result<Comparison> {
        if is_again
            && let Some(done) = self.state.last_comparison(&self.stream.name).await?
            && done.at == self.context.now
        {
            return Ok(done);
        }
        let request = self.request().await?;
        let hash = parts.as_ref().and_then(|parts| self.hash(parts.hash));
        let scope = Scope { parts: parts.zip(hash) };
        let staging = self.staging();
        let columns: Vec<Column> =
            self.key.iter().map(|column| Column { nullable: false, ..column.column() }).collect();
        let (sender, receiver) = batch_queue(QUEUE_BYTES);
        let sender = mask::masking(self.stream, sender, &request.columns)?;
        let (ended, has_ended) = oneshot::channel();
        let finish = KeyLoad {
            stream: self.stream.name.clone(),
            statements: self.statements(&scope, &staging),
            unreadable: 0,
            has_ended,
        };
        let reading = async {
            let outcome = self
                .stream
                .source
                .read_keys(&request, scope.parts.as_ref().map(|(parts, _)| parts), sender)
                .await;
            let failed = outcome.as_ref().err().cloned();
            // Fails only if the load has failed before.
            let _ = ended.send(outcome);
            failed
        };
        let request = LoadRequest { table: staging, columns, mode: LoadMode::Create };
        let loading = self.context.warehouse.load(request, receiver, Box::new(finish));
        let (read_error, loaded) = futures::future::join(reading, loading).await;
        loaded.map_err(|error| {
            // The source's error is the cause; the load only saw that the batches ended.
            let cause = read_error.filter(|read| read.kind() != ErrorKind::Cancelled);
            cause.unwrap_or(error)
        })?;
        let done = self.state.last_comparison(&self.stream.name).await?;
        done.ok_or_else(|| Error::new(ErrorKind::Internal, "a comparison of keys is not on record"))
    }

    /// The statements that record the comparison, remove rows whose key is not in the staging
    /// table, and update the checkpoint. They run in the transaction that fills the staging table.
    /// The record comes first, because it counts the rows and decides whether they are withheld.
    fn statements(&self, scope: &Scope, staging: &Relation) -> Vec<Statement> {
        let raw = &self.loaded.table;
        let same: Vec<String> = self
            .key
            .iter()
            .map(|column| Ident::new(&column.name))
            .map(|name| format!("k.{name} = t.{name}"))
            .collect();
        let same = same.join(" and ");
        let gone = |first: usize| {
            format!("{} and not exists (select 1 from {staging} as k where {same})", scope.condition(first))
        };
        let streams = self.context.tables.table("streams");
        let removed = format!("(select count(*) from {raw} as t where {})", gone(5));
        let here = format!("exists (select 1 from {raw} as t where {same})");
        let missing = format!("(select count(*) from {staging} as k where not {here})");
        let mut statements = self.record(&removed, &missing, &scope.params()).to_vec();
        let comparisons = self.context.tables.table("key_comparisons");
        statements.push(Statement::with(
            format!(
                "delete from {raw} as t where {} and exists (select 1 from {comparisons} as c \
                 where c.source = $1 and c.stream = $2 and c.withheld = 0)",
                gone(3)
            ),
            self.stream.name.params().into_iter().chain(scope.params()),
        ));
        // Models that read the table must be rebuilt, so it counts as another load.
        statements.push(Statement::with(
            format!(
                "update {streams} set row_count = (select count(*) from {raw}), load_number = load_number + 1 \
                 where source = $1 and stream = $2 and row_count <> (select count(*) from {raw})"
            ),
            self.stream.name.params(),
        ));
        // What remains in the staging table are the missing keys, for the backfill.
        statements.push(Statement::new(format!("delete from {staging} as k where {here}")));
        statements.push(self.context.lease.guard());
        statements
    }

    /// The statements that record a comparison. `gone` and `missing` are SQL expressions for
    /// numbers of rows, with parameters from `$5` on. If more rows are gone than may be removed,
    /// they are recorded as withheld.
    fn record(&self, gone: &str, missing: &str, params: &[Value]) -> [Statement; 2] {
        let table = self.context.tables.table("key_comparisons");
        let name = || self.stream.name.params();
        let about = [Value::TimestampTz(self.context.now), Value::text(self.context.run)];
        let most = i64::try_from(self.shrink.may_go()).unwrap_or(i64::MAX);
        [
            Statement::with(format!("delete from {table} where source = $1 and stream = $2"), name()),
            Statement::with(
                format!(
                    "insert into {table} (source, stream, compared_at, run, removed, missing, withheld) \
                     select $1, $2, cast($3 as timestamptz), $4, case when n.gone <= {most} then n.gone else 0 end, n.missing, \
                     case when n.gone <= {most} then 0 else n.gone end from (select {gone} as gone, {missing} as missing) as n"
                ),
                name().into_iter().chain(about).chain(params.iter().cloned()),
            ),
        ]
    }
}

/// Watches the load of keys into the staging table.
struct KeyLoad {
    stream: StreamName,
    statements: Vec<Statement>,
    /// Keys that do not fit the types of their columns and cannot be compared.
    unreadable: u64,
    has_ended: oneshot::Receiver<Result<()>>,
}

#[async_trait]
impl FinishLoad for KeyLoad {
    fn saw(&mut self, batch: &Batch) -> Result<()> {
        // A row without a complete key was never loaded, so it is in no table.
        let unreadable = batch.quarantined.iter().filter(|row| row.code != QuarantineCode::MissingValue);
        self.unreadable += unreadable.count() as u64;
        Ok(())
    }

    async fn finish(mut self: Box<Self>, _: LoadOutcome) -> Result<Statements> {
        end_of_read(&mut self.has_ended).await?;
        // With an unreadable key, its row would be taken for deleted.
        if self.unreadable > 0 {
            let message = format!(
                "{} keys of stream `{}` cannot be read as the types of their columns, so nobody knows which of its rows are gone",
                grouped(self.unreadable),
                self.stream
            );
            return Err(Error::new(ErrorKind::ContractBroken, message)
                .hint("Mend the source or its captured schema; until then, `deletes: ignore`."));
        }
        fault::reach("load-rows-written");
        Ok(made(self.statements))
    }
}

//! The transactions of a load: counts and checks its rows, and writes the checkpoint with them,
//! once or part by part.
//!
//! A load into a new table is committed in parts, so that a run that dies late need not start from
//! zero. Nothing reads the table before the last part, which writes the checkpoint. A merge into an
//! existing table is a single transaction. See ADR 21.

use std::sync::{Arc, PoisonError};

use async_trait::async_trait;
use millrace_core::cursor::Cursor;
use millrace_core::project::manifest::QuarantineLimit;
use millrace_core::quarantine::{QuarantineCode, QuarantinedRow};
use millrace_core::visible::grouped;
use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::fault;
use crate::load::columns::Unknown;
use crate::load::resolved::Resolved;
use crate::load::shrink::ShrinkCheck;
use crate::load::transform::nul::Stripped;
use crate::ports::batch::{Batch, BatchReceiver, Rest};
use crate::ports::source::{Conversion, ReadOutcome};
use crate::ports::warehouse::{
    FinishLoad, LoadMode, LoadOutcome, LoadRequest, Statement, Statements, Warehouse, made,
};
use crate::state::quarantine::Recording;
use crate::state::quarantine_buffer::{BufferedRow, QuarantineBuffer};
use crate::state::unfinished::Unfinished;
use crate::state::{LoadedStream, Tables, quarantine};

/// A complete load as it is committed.
pub(crate) struct LoadDone {
    pub(crate) loaded: LoadedStream,
    pub(crate) outcome: LoadOutcome,
    pub(crate) quarantined: u64,
    pub(crate) conversions: Vec<Conversion>,
    pub(crate) how: Option<String>,
}

/// The state after a transaction.
pub(crate) enum Report {
    /// More rows follow: the object that watches them, and their batches.
    Part(Box<StreamLoad>, BatchReceiver),
    /// The load is complete.
    Whole(Box<LoadDone>),
}

/// Loads batches up to their end. With `in_parts`, each mark of the source ends a transaction. If
/// the outcome of the last commit is unknown, the load goes to `unknown`, so that the next attempt
/// can look for it.
pub(crate) async fn parts(
    warehouse: &dyn Warehouse,
    mut request: LoadRequest,
    mut batches: BatchReceiver,
    mut finish: StreamLoad,
    key: &[String],
    in_parts: bool,
    unknown: &Unknown,
) -> Result<LoadDone> {
    let mut rows_read = 0;
    loop {
        let (report, mut reported) = oneshot::channel();
        finish.report = Some(report);
        if in_parts {
            let (part, rest) = batches.up_to_mark();
            (batches, finish.rest) = (part, Some(rest));
        }
        let loaded = warehouse.load(request.clone(), batches, Box::new(finish)).await;
        // `finish` has sent the report before the commit, so it is here already.
        let report = reported.try_recv().ok();
        let outcome = match loaded {
            Ok(outcome) => outcome,
            Err(error) => {
                if let (ErrorKind::WarehouseLost, Some(Report::Whole(done))) = (error.kind(), report) {
                    *unknown.lock().unwrap_or_else(PoisonError::into_inner) = Some(*done);
                }
                return Err(error);
            }
        };
        rows_read += outcome.rows_read;
        match report {
            None => return Err(Error::new(ErrorKind::Internal, "a load ended without its report")),
            Some(Report::Part(next, rest)) => {
                fault::reach("part-committed");
                (batches, finish) = (rest, *next);
                request.mode = LoadMode::Continue { rows: outcome.rows_in_table, key: key.to_vec() };
            }
            Some(Report::Whole(mut done)) => {
                done.outcome.rows_read = rows_read;
                return Ok(*done);
            }
        }
    }
}

/// Watches a load and writes its checkpoint.
pub(crate) struct StreamLoad {
    /// The checkpoint to write; position and rows are filled in at the end.
    pub(crate) stream: LoadedStream,
    /// Whether a load without rows counts as another load, so that models are rebuilt.
    pub(crate) counts_empty: bool,
    /// Ids of the runs that have loaded parts of it, this one last.
    pub(crate) runs: Vec<String>,
    /// Rows that earlier parts have committed; `None` before the first part.
    pub(crate) committed: Option<u64>,
    /// Statements that remove the record of an incomplete load that is not resumed.
    pub(crate) forget: Vec<Statement>,
    pub(crate) tables: Tables,
    /// The guard of the lease, which ends every transaction.
    pub(crate) guard: Statement,
    /// Time of the run, in microseconds since 1970 UTC.
    pub(crate) now: i64,
    /// Whether the contract refuses values that do not fit their types.
    pub(crate) freeze_types: bool,
    /// Whether the texts of quarantined rows must not be stored.
    pub(crate) hide_raw: bool,
    /// Whether earlier rows in quarantine stay, as they do if earlier rows of the table stay.
    pub(crate) keep_quarantine: bool,
    /// The most rows that may go into quarantine.
    pub(crate) limit: QuarantineLimit,
    /// Accepted rows so far, including those of earlier parts.
    pub(crate) rows: u64,
    /// Rows that the warehouse has refused.
    pub(crate) refused: u64,
    /// How many rows the stream may lose.
    pub(crate) shrink: ShrinkCheck,
    /// Rows that earlier parts have put into quarantine.
    pub(crate) quarantined_before: u64,
    /// Quarantined rows of this transaction.
    pub(crate) buffer: QuarantineBuffer,
    /// Finds keys in quarantine that this load brings.
    pub(crate) resolved: Resolved,
    /// The cursor of the last load, if its rows stay.
    pub(crate) since: Option<Cursor>,
    /// Counts texts from which U+0000 was removed, if the stream asks for it.
    pub(crate) stripped: Option<Arc<Stripped>>,
    /// Receives the result of the read.
    pub(crate) has_ended: oneshot::Receiver<Result<ReadOutcome>>,
    /// Receives the batches behind this part, if it ends at a mark.
    pub(crate) rest: Option<oneshot::Receiver<Rest>>,
    /// Reports the state after the present transaction to [`parts`].
    pub(crate) report: Option<oneshot::Sender<Report>>,
    pub(crate) observer: Observer,
}

impl StreamLoad {
    /// Rows in quarantine so far.
    fn quarantined(&self) -> u64 {
        self.quarantined_before + self.buffer.len()
    }

    /// The statements that insert what this transaction has put into quarantine.
    fn recorded(&mut self, replaces: bool) -> Result<Recording> {
        let about = quarantine::About {
            stream: self.stream.name.clone(),
            run: self.runs.last().cloned().unwrap_or_default(),
            now: self.now,
            tables: self.tables.clone(),
        };
        quarantine::recorded(about, std::mem::take(&mut self.buffer), replaces)
    }

    /// Ends a part at a mark: the statements that record how far the load has come. The object
    /// itself moves on to the next part.
    fn part(mut self, outcome: LoadOutcome, rest: Rest) -> Result<Statements> {
        let first = std::mem::take(&mut self.forget);
        let unfinished = Unfinished {
            name: self.stream.name.clone(),
            table: self.stream.table.clone(),
            spec: self.stream.spec.clone(),
            position: rest.mark,
            rows: outcome.rows_in_table,
            quarantined: self.quarantined(),
            columns: self.stream.columns.clone().unwrap_or_default(),
            runs: self.runs.clone(),
            moments: self.stream.moments,
            loaded_at: self.now,
        };
        let recorded = self.recorded(false)?;
        let mut last = self.tables.record_unfinished(&unfinished, self.committed)?;
        last.push(self.guard.clone());
        fault::reach("part-rows-written");
        self.committed = Some(unfinished.rows);
        self.quarantined_before = unfinished.quarantined;
        if let Some(report) = self.report.take() {
            // Fails only if nobody waits for the load any more; then the transaction is rolled
            // back.
            let _ = report.send(Report::Part(Box::new(self), rest.batches));
        }
        Ok(Box::new(made(first).chain(recorded).chain(made(last))))
    }

    /// The error for too many rows in quarantine, with the first few as its causes.
    fn too_many(&self) -> Error {
        let total = self.rows + self.quarantined();
        let message = format!(
            "{} of {} rows of stream `{}` cannot be loaded; at most {} may go to quarantine",
            grouped(self.quarantined()),
            grouped(total),
            self.stream.name,
            self.limit
        );
        let mut error = Error::new(ErrorKind::ContractBroken, message)
            .hint("Mend the source or its captured schema, or allow more with `--max-quarantine`, or for good with `max_quarantine` of the stream or of `millrace.yml`.");
        for row in self.buffer.first() {
            error = error.caused_by(describe(row));
        }
        error
    }
}

/// The result of the read whose rows the load has. Waits for it, because the end of the batches
/// does not tell whether the read succeeded.
pub(crate) async fn end_of_read<T>(has_ended: &mut oneshot::Receiver<Result<T>>) -> Result<T> {
    let dropped = |_| Error::new(ErrorKind::Internal, "the read of a source was dropped before its end");
    has_ended.await.map_err(dropped)?
}

/// A quarantined row in words, without its text: `data/orders.json:17: column `Quantite`: expected
/// an integer, found text`.
fn describe(row: &QuarantinedRow) -> String {
    let column = row.column.as_ref().map(|column| format!("column `{column}`: ")).unwrap_or_default();
    format!("{}:{}: {column}{}", row.file, row.line, row.reason)
}

#[async_trait]
impl FinishLoad for StreamLoad {
    fn saw(&mut self, batch: &Batch) -> Result<()> {
        let before = self.rows + self.refused;
        self.rows += batch.rows.num_rows() as u64;
        let misfit = |row: &&QuarantinedRow| {
            matches!(row.code, QuarantineCode::WrongType | QuarantineCode::OutOfRange)
        };
        if self.freeze_types
            && let Some(row) = batch.quarantined.iter().find(misfit)
        {
            let message = format!(
                "a value of stream `{}` does not fit its column, and its contract freezes types",
                self.stream.name
            );
            return Err(Error::new(ErrorKind::ContractBroken, message).caused_by(describe(row)));
        }
        self.resolved.loaded(&batch.rows);
        for origin in &batch.quarantined {
            // A row that the warehouse refuses has only its number in the batch; it is placed by
            // order of arrival.
            let placed = origin.file.is_empty().then(|| QuarantinedRow {
                file: self.stream.name.to_string(),
                line: origin.line + before,
                ..origin.clone()
            });
            let key = match &placed {
                Some(placed) => {
                    self.refused += 1;
                    self.resolved.of_warehouse_text(&placed.raw)
                }
                None => self.resolved.of_text(&origin.raw),
            };
            let origin = placed.as_ref().unwrap_or(origin);
            let row = BufferedRow::of(origin, self.hide_raw, key);
            self.resolved.set_aside(row.key_sha256.as_ref());
            self.buffer.push(&row, origin)?;
        }
        // A wrong schema is reported early. A limit in percent is judged at the end, unless more
        // than 200,000 rows make up over four times the limit.
        let count = self.quarantined();
        let hopeless = match self.limit {
            QuarantineLimit::Rows(limit) => count > limit,
            QuarantineLimit::Percent(_) => {
                count > 200_000 && self.limit.exceeded(count, (self.rows + count) * 4)
            }
        };
        if hopeless {
            return Err(self.too_many());
        }
        (self.observer)(Event::Rows { name: self.stream.name.to_string(), rows: self.rows });
        Ok(())
    }

    async fn finish(mut self: Box<Self>, outcome: LoadOutcome) -> Result<Statements> {
        // Reached after the last batch of each transaction. Only a part has a rest at this point.
        if let Some(rest) = self.rest.take().and_then(|mut rest| rest.try_recv().ok()) {
            return self.part(outcome, rest);
        }
        let ended = end_of_read(&mut self.has_ended).await?;
        let quarantined = self.quarantined();
        if self.limit.exceeded(quarantined, self.rows + quarantined) {
            return Err(self.too_many());
        }
        if let Some(warning) = self.shrink.to(outcome.rows_in_table)? {
            (self.observer)(Event::Notice(Box::new(warning)));
        }
        self.stream.position = ended.cursor;
        self.stream.rows = outcome.rows_in_table;
        // A backfill that found no rows has changed nothing, so models need not be rebuilt.
        if !self.counts_empty && outcome.rows_read == 0 {
            self.stream.load_number -= 1;
        }
        let (name, tables) = (&self.stream.name, &self.tables);
        // What the quarantine loses: with parts, all rows of earlier loads; with a merge, rows that
        // were read again or whose key came; otherwise all.
        let mut first = std::mem::take(&mut self.forget);
        if let Some(committed) = self.committed {
            first.push(quarantine::replaced_but(name, tables, &self.runs));
            first.push(tables.finish_unfinished(name, committed));
        } else if self.keep_quarantine {
            let (before, after) = (self.since.as_ref(), self.stream.position.as_ref());
            let merges = self.stream.columns.iter().flatten().any(|column| column.key);
            first.extend(quarantine::read_again(name, tables, before, after, merges));
            first.extend(quarantine::resolved(name, tables, &self.resolved.come()));
        } else {
            first.push(quarantine::replaced(name, tables));
        }
        let run = self.runs.last().map_or("", String::as_str);
        let mut last = tables.record_load(&self.stream, run, self.now)?;
        last.push(self.guard.clone());
        let recorded = self.recorded(self.keep_quarantine && self.committed.is_none())?;
        fault::reach("load-rows-written");
        for notice in ended.notices {
            (self.observer)(Event::Notice(Box::new(notice)));
        }
        let (mut conversions, how) = (ended.conversions, ended.how);
        conversions.extend(self.stripped.iter().flat_map(|stripped| stripped.conversions()));
        if let Some(report) = self.report.take() {
            let done = LoadDone { loaded: self.stream, outcome, quarantined, conversions, how };
            // Fails only if nobody waits for the load any more; then the transaction is rolled
            // back.
            let _ = report.send(Report::Whole(Box::new(done)));
        }
        Ok(Box::new(made(first).chain(recorded).chain(made(last))))
    }
}

//! What watches the rows of a load, and writes the checkpoint with them: once, or part by part.

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

/// A load that has been committed.
pub(crate) struct LoadDone {
    pub(crate) loaded: LoadedStream,
    pub(crate) outcome: LoadOutcome,
    pub(crate) quarantined: u64,
    pub(crate) conversions: Vec<Conversion>,
    pub(crate) how: Option<String>,
}

/// What came of a transaction.
pub(crate) enum Report {
    /// There is more to load: what watches it, and the batches.
    Part(Box<StreamLoad>, BatchReceiver),
    /// All of it is loaded.
    Whole(Box<LoadDone>),
}

/// Loads batches up to their end; where it is to be in parts, each up to where the source says that it can be gone on from there. A load
/// of which nobody knows whether it was committed goes to `unknown`.
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
    pub(crate) stream: LoadedStream,
    /// Whether it is another load also where it has no rows.
    pub(crate) counts_empty: bool,
    /// The runs that have loaded it, this one last.
    pub(crate) runs: Vec<String>,
    /// Rows that earlier parts have committed; none before the first.
    pub(crate) committed: Option<u64>,
    /// What removes the record of an unfinished load that this one does not go on with.
    pub(crate) forget: Vec<Statement>,
    pub(crate) tables: Tables,
    pub(crate) guard: Statement,
    pub(crate) now: i64,
    pub(crate) freeze_types: bool,
    pub(crate) hide_raw: bool,
    pub(crate) keep_quarantine: bool,
    pub(crate) limit: QuarantineLimit,
    pub(crate) rows: u64,
    /// Rows that the warehouse has set aside.
    pub(crate) refused: u64,
    /// How many of its rows the stream may lose.
    pub(crate) shrink: ShrinkCheck,
    /// Rows that earlier parts have put into quarantine.
    pub(crate) quarantined_before: u64,
    pub(crate) buffer: QuarantineBuffer,
    /// Keys in quarantine that this load brings.
    pub(crate) resolved: Resolved,
    /// Where the load before ended, whose rows stay.
    pub(crate) since: Option<Cursor>,
    pub(crate) stripped: Option<Arc<Stripped>>,
    pub(crate) has_ended: oneshot::Receiver<Result<ReadOutcome>>,
    /// What comes after this part, if it is one.
    pub(crate) rest: Option<oneshot::Receiver<Rest>>,
    /// Who waits for what came of the present transaction.
    pub(crate) report: Option<oneshot::Sender<Report>>,
    pub(crate) observer: Observer,
}

impl StreamLoad {
    /// Rows in quarantine so far.
    fn quarantined(&self) -> u64 {
        self.quarantined_before + self.buffer.len()
    }

    /// The statements that record what this transaction has put into quarantine.
    fn recorded(&mut self, replaces: bool) -> Result<Recording> {
        let about = quarantine::About {
            stream: self.stream.name.clone(),
            run: self.runs.last().cloned().unwrap_or_default(),
            now: self.now,
            tables: self.tables.clone(),
        };
        quarantine::recorded(about, std::mem::take(&mut self.buffer), replaces)
    }

    /// Records how far a load has come of which more follows.
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
            // Gone only where nobody waits for the load any more; then it will be rolled back.
            let _ = report.send(Report::Part(Box::new(self), rest.batches));
        }
        Ok(Box::new(made(first).chain(recorded).chain(made(last))))
    }

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

/// How the read ended whose rows a load has.
pub(crate) async fn end_of_read<T>(has_ended: &mut oneshot::Receiver<Result<T>>) -> Result<T> {
    let dropped = |_| Error::new(ErrorKind::Internal, "the read of a source was dropped before its end");
    has_ended.await.map_err(dropped)?
}

/// `data/orders.json:17: column `Quantite`: expected an integer, found text`.
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
            // What the warehouse sets aside has no place but in the order of arrival.
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
        // A wholly wrong schema is told early; a share is otherwise judged at the end.
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
        if !self.counts_empty && outcome.rows_read == 0 {
            self.stream.load_number -= 1;
        }
        let (name, tables) = (&self.stream.name, &self.tables);
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
            // Gone only where nobody waits for the load any more; then it will be rolled back.
            let _ = report.send(Report::Whole(Box::new(done)));
        }
        Ok(Box::new(made(first).chain(recorded).chain(made(last))))
    }
}

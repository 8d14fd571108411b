//! Reads the rows of a table at one moment and turns them into batches.
//!
//! [`read`] chooses between one SELECT and several over ranges of the primary key (`parallel.rs`).
//! A [`Reader`] converts rows as they arrive, so it holds at most one batch. A row with a value
//! that does not fit its column goes to the batch's quarantined rows, as JSON of limited length.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millrace_core::project::settings::Settings;
use millrace_core::project::source_file::ReadMode;
use millrace_core::quarantine::QuarantineCode;
use millrace_engine::error::Result;
use millrace_engine::ports::batch::BatchSender;
use millrace_engine::ports::source::{Conversion, ReadOutcome, ReadRequest};
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};

use crate::files::Limits;
use crate::files::cell::Refusal;
use crate::files::delivery::{Gathered, Place};
use crate::files::row::RowWriter;
use crate::mysql::connection::Connection;
use crate::mysql::failure::cannot_be_read;
use crate::mysql::incremental::{Growth, Part};
use crate::mysql::snapshot::BEGIN;
use crate::mysql::table::{Origin, Table, TableColumn};
use crate::mysql::{Server, convert, parallel, quoted, table, written};
use crate::mysql_types::stored::Pushed;
use crate::mysql_types::zero_dates::{self, ZeroDates};

/// A batch has at most 16,384 rows and about 4 MiB. The other limits are for files and mean nothing
/// here.
const LIMITS: Limits =
    Limits { block: 0, record: 0, batch_rows: 1 << 14, batch_bytes: 4 << 20, piece: 0, threads: 1 };

/// Bytes counted for a value of a fixed width.
const FIXED: usize = 8;

/// Reads a table from end to end or, for incremental streams, as far as it has grown. Returns the
/// cursor at its end and, if that is worth telling, over how many connections it was read or why
/// only over one.
pub(super) async fn read(
    server: &Server,
    wanted: &str,
    request: &ReadRequest,
    settings: &Settings,
    batches: &BatchSender,
) -> Result<ReadOutcome> {
    let mut connection = server.connect().await?;
    // One SELECT sees one moment anyway. The snapshot makes the catalogue's answers, the cursor's
    // extent and the rows belong to the same transaction.
    connection.run(BEGIN).await?;
    let named = table::find(&mut connection, wanted).await?;
    let table = table::describe(&mut connection, named.clone(), &request.stream.excluded).await?;
    let mut how = None;
    // A plan exists only for tables that are worth several connections or commits in parts.
    if let Some(plan) = parallel::plan(&mut connection, &table, request, settings).await? {
        let (mut connections, why) = plan.open(server, connection, settings).await?;
        how = match (why, connections.len()) {
            (Some(why), _) => Some(format!("over one connection: {why}")),
            (None, count) => (count > 1).then(|| format!("over {count} connections")),
        };
        if plan.reads_ranges(&connections) {
            let outcome = parallel::read(connections, named, plan, request, settings, batches).await?;
            return Ok(ReadOutcome { how, ..outcome });
        }
        // The plan came to nothing: one connection is left, and it has begun its transaction again.
        connection = connections.swap_remove(0);
    }
    let part = part(&mut connection, &table, request, settings).await?;
    let mut reader = Reader::new(&table, request, zero_dates::become_null(settings), Arc::default());
    let filter = if part.condition.is_empty() { String::new() } else { format!(" where {}", part.condition) };
    let rest = format!("from {}{filter}", quoted(&table.name));
    reader.read(&mut connection, &rest, batches).await?;
    reader.send(batches).await?;
    connection.close().await;
    Ok(ReadOutcome { cursor: part.cursor, conversions: reader.conversions(), how, notices: part.notices })
}

/// Decides which rows to read, within the current transaction: all, or those since the last cursor.
pub(super) async fn part(
    connection: &mut Connection,
    table: &Table,
    request: &ReadRequest,
    settings: &Settings,
) -> Result<Part> {
    if request.stream.mode != ReadMode::Incremental {
        return Ok(Part::default());
    }
    let growth = Growth::of(table, settings)?;
    growth.part(connection, table, &request.stream.excluded, request.cursor.as_ref()).await
}

/// A column of the SELECT.
#[derive(Debug)]
struct WantedCell {
    name: String,
    origin: Origin,
    /// Its index among the requested columns; `None` for a column that the contract does not
    /// accept.
    index: Option<usize>,
}

/// Converts rows into columns and sends them in batches.
pub(super) struct Reader {
    /// The columns in the order of the SELECT.
    cells: Vec<WantedCell>,
    gathered: Gathered,
    zero_dates: ZeroDates,
    table: String,
    /// Rows read since the last batch.
    rows: u64,
    /// Rows sent by all readers of the same table.
    sent: Arc<AtomicU64>,
    /// Buffer for values that are converted by way of text.
    scratch: Vec<u8>,
}

impl Reader {
    /// Makes a reader for the columns that `request` asks for. If the contract quarantines unknown
    /// columns, the other columns are read too, so that their rows are refused. `sent` counts the
    /// rows of all readers of one read.
    pub(super) fn new(
        table: &Table,
        request: &ReadRequest,
        zero_dates_to_null: bool,
        sent: Arc<AtomicU64>,
    ) -> Self {
        let writer = RowWriter::new(&request.columns, &request.key).refusing_nul(request.quarantine_nul);
        let cell = |column: &TableColumn| {
            let index = writer.index(&column.name);
            let refused =
                request.quarantine_unknown_columns && !request.stream.excluded.contains(&column.name);
            (index.is_some() || refused).then(|| WantedCell {
                name: column.name.clone(),
                origin: column.origin,
                index,
            })
        };
        Self {
            cells: table.columns.iter().filter_map(cell).collect(),
            zero_dates: ZeroDates::new(request.columns.len(), zero_dates_to_null),
            gathered: Gathered::new(writer, LIMITS),
            table: table.name.clone(),
            rows: 0,
            sent,
            scratch: Vec::new(),
        }
    }

    /// Runs a SELECT, given what follows the list of columns, and returns the number of rows. Full
    /// batches are sent on the way; the rest waits for [`Self::send`]. The time that the warehouse
    /// takes for a batch does not count against `read_timeout`.
    pub(super) async fn read(
        &mut self,
        connection: &mut Connection,
        rest: &str,
        batches: &BatchSender,
    ) -> Result<u64> {
        let list = table::select_list(self.cells.iter().map(|cell| cell.name.as_str()));
        let (doing, table) = (cannot_be_read(&self.table), self.table.clone());
        let (driver, answers) = connection.parts()?;
        // `exec_iter` prepares the statement, which makes the server answer in the binary protocol.
        let select = format!("select {list} {rest}");
        let mut rows = answers.wait(&doing, Some(&table), driver.exec_iter(select, ())).await?;
        let mut count = 0;
        while let Some(row) = answers.wait(&doing, Some(&table), rows.next()).await? {
            count += 1;
            self.row(&row);
            if self.gathered.is_full() {
                self.send(batches).await?;
            }
        }
        Ok(count)
    }

    /// Sends the rows that wait, if any. Quarantined rows are numbered in the order in which all
    /// readers send.
    pub(super) async fn send(&mut self, batches: &BatchSender) -> Result<()> {
        let Some(mut batch) = self.gathered.take()? else { return Ok(()) };
        // The count of all readers makes the numbers of quarantined rows unique within a load.
        let before = self.sent.fetch_add(std::mem::take(&mut self.rows), Ordering::Relaxed);
        batch.quarantined.iter_mut().for_each(|row| row.line += before);
        batches.send(batch).await
    }

    /// Returns the lossy conversions since the last call.
    pub(super) fn conversions(&mut self) -> Vec<Conversion> {
        self.zero_dates.take(&self.gathered.writer)
    }

    /// Appends a row, or puts it into quarantine as JSON with the column and reason.
    fn row(&mut self, row: &Row) {
        self.rows += 1;
        if let Err((column, refusal)) = self.cells(row) {
            let cells = self.cells.iter().enumerate();
            let values = cells
                .map(|(at, cell)| (cell.name.as_str(), row.as_ref(at).unwrap_or(&Value::NULL), cell.origin));
            let raw = written::row(values);
            let place = Place { file: &self.table, line: self.rows, raw: &raw };
            self.gathered.refuse(place, Some(column), refusal);
        }
    }

    /// Appends a row. If a value does not fit, returns the column and the reason, and the caller
    /// rolls the row back.
    fn cells(&mut self, row: &Row) -> Result<(), (String, Refusal)> {
        self.zero_dates.begin_row();
        let mut bytes = 0;
        for (at, cell) in self.cells.iter().enumerate() {
            let Some(index) = cell.index else {
                // Such a column refuses every row of the table, as `columns: quarantine` asks.
                let reason = "the stream's contract does not let this column in";
                return Err((cell.name.clone(), Refusal::new(QuarantineCode::UnknownColumn, reason)));
            };
            let writer = &mut self.gathered.writer;
            let pushed = match row.as_ref(at) {
                None => Err(Refusal::broken("the row has too few values")),
                Some(Value::NULL) => writer.push_null(index),
                Some(value) => {
                    bytes += if let Value::Bytes(bytes) = value { bytes.len() } else { FIXED };
                    match convert::push(writer.column(index), value, cell.origin, &mut self.scratch) {
                        Ok(Pushed::Value) => Ok(()),
                        Ok(Pushed::ZeroDate) => self.zero_dates.met(writer, index),
                        Err(refusal) => Err(refusal),
                    }
                }
            };
            pushed.map_err(|refusal| (cell.name.clone(), refusal))?;
        }
        self.gathered
            .end_row(bytes)
            .map_err(|(index, refusal)| (self.gathered.writer.name(index).to_owned(), refusal))?;
        self.zero_dates.keep_row();
        Ok(())
    }
}

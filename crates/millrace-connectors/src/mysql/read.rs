//! The rows of a table, of one moment, as they come over the wire.

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

/// Rows and bytes of a batch.
const LIMITS: Limits =
    Limits { block: 0, record: 0, batch_rows: 1 << 14, batch_bytes: 4 << 20, piece: 0, threads: 1 };

/// Bytes that a value of a fixed width counts for.
const FIXED: usize = 8;

/// Reads a table from end to end or, where that is asked for, as far as it has grown.
pub(super) async fn read(
    server: &Server,
    wanted: &str,
    request: &ReadRequest,
    settings: &Settings,
    batches: &BatchSender,
) -> Result<ReadOutcome> {
    let mut connection = server.connect().await?;
    // The statement is one moment by itself; with a snapshot it is that of the transaction.
    connection.run(BEGIN).await?;
    let named = table::find(&mut connection, wanted).await?;
    let table = table::describe(&mut connection, named.clone(), &request.stream.excluded).await?;
    let mut how = None;
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

/// Which rows to read, in the transaction that is under way.
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

/// A column that is read.
#[derive(Debug)]
struct WantedCell {
    name: String,
    origin: Origin,
    /// Its number among the columns that were asked for. None for one that the contract does not let in.
    index: Option<usize>,
}

/// Puts the cells of rows into columns, and sends them on.
pub(super) struct Reader {
    /// In the order of the statement.
    cells: Vec<WantedCell>,
    gathered: Gathered,
    zero_dates: ZeroDates,
    table: String,
    /// Rows that were read since the last batch.
    rows: u64,
    /// Rows that were sent, by this reader and others of the same table.
    sent: Arc<AtomicU64>,
    scratch: Vec<u8>,
}

impl Reader {
    /// For rows of a table, as a request wants them. `sent` counts those of all readers of one read.
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

    /// Reads rows, given by what follows the columns in the statement; returns how many. Those that make no batch are left for
    /// [`Self::send`].
    pub(super) async fn read(
        &mut self,
        connection: &mut Connection,
        rest: &str,
        batches: &BatchSender,
    ) -> Result<u64> {
        let list = table::select_list(self.cells.iter().map(|cell| cell.name.as_str()));
        let (doing, table) = (cannot_be_read(&self.table), self.table.clone());
        let (driver, answers) = connection.parts()?;
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

    /// Sends what has been read. Rows are numbered as they are sent.
    pub(super) async fn send(&mut self, batches: &BatchSender) -> Result<()> {
        let Some(mut batch) = self.gathered.take()? else { return Ok(()) };
        let before = self.sent.fetch_add(std::mem::take(&mut self.rows), Ordering::Relaxed);
        batch.quarantined.iter_mut().for_each(|row| row.line += before);
        batches.send(batch).await
    }

    /// Lossy conversions since the last call.
    pub(super) fn conversions(&mut self) -> Vec<Conversion> {
        self.zero_dates.take(&self.gathered.writer)
    }

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

    /// Appends a row, or says which column refuses it.
    fn cells(&mut self, row: &Row) -> Result<(), (String, Refusal)> {
        self.zero_dates.begin_row();
        let mut bytes = 0;
        for (at, cell) in self.cells.iter().enumerate() {
            let Some(index) = cell.index else {
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

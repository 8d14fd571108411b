//! The rows of a table, of one moment, as they come over the wire.

use millrace_core::project::settings::Settings;
use millrace_core::project::source_file::ReadMode;
use millrace_core::quarantine::QuarantineCode;
use millrace_engine::batch::BatchSender;
use millrace_engine::error::Result;
use millrace_engine::source::{ReadOutcome, ReadRequest};
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};

use crate::files::Limits;
use crate::files::cell::Refusal;
use crate::files::delivery::{Gathered, Place};
use crate::files::row::RowWriter;
use crate::mysql::connection::Connection;
use crate::mysql::incremental::{Growth, Part};
use crate::mysql::table::{Origin, Table, TableColumn};
use crate::mysql::{convert, failure, table, written};
use crate::mysql_types::stored::Pushed;
use crate::mysql_types::zero_dates::{self, ZeroDates};

/// Rows and bytes of a batch.
const LIMITS: Limits =
    Limits { block: 0, record: 0, batch_rows: 1 << 14, batch_bytes: 4 << 20, piece: 0, threads: 1 };

/// Bytes that a value of a fixed width counts for.
const FIXED: usize = 8;

/// Reads a table from end to end or, where that is asked for, as far as it has grown.
pub(super) async fn read(
    connection: &mut Connection,
    wanted: &str,
    request: &ReadRequest,
    settings: &Settings,
    batches: &BatchSender,
) -> Result<ReadOutcome> {
    // The statement is one moment by itself; with a snapshot it is that of the transaction.
    connection.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY").await?;
    let table = table::find(connection, wanted).await?;
    let table = table::describe(connection, table, &request.stream.excluded).await?;
    let part = if request.stream.mode == ReadMode::Incremental {
        let growth = Growth::of(&table, settings)?;
        growth.part(connection, &table, &request.stream.excluded, request.cursor.as_ref()).await?
    } else {
        Part::default()
    };
    let mut reader = Reader::new(&table, request, zero_dates::become_null(settings));
    let select = table.select(reader.cells.iter().map(|cell| cell.name.as_str())) + &part.condition;
    let doing = format!("table `{}` cannot be read", table.name);
    let (driver, address) = connection.parts()?;
    let failed = |error| failure::asking(&error, &doing, Some(&table.name), address);
    let mut rows = driver.exec_iter(select, ()).await.map_err(failed)?;
    while let Some(row) = rows.next().await.map_err(failed)? {
        reader.row(&row);
        if reader.gathered.is_full()
            && let Some(batch) = reader.gathered.take()?
        {
            batches.send(batch).await?;
        }
    }
    drop(rows);
    if let Some(batch) = reader.gathered.take()? {
        batches.send(batch).await?;
    }
    let conversions = reader.zero_dates.conversions(&reader.gathered.writer);
    Ok(ReadOutcome { cursor: part.cursor, conversions })
}

/// A column that is read.
#[derive(Debug)]
struct WantedCell {
    name: String,
    origin: Origin,
    /// Its number among the columns that were asked for. None for one that the contract does not let in.
    index: Option<usize>,
}

/// Puts the cells of rows into columns.
pub(super) struct Reader {
    /// In the order of the statement.
    cells: Vec<WantedCell>,
    pub(super) gathered: Gathered,
    zero_dates: ZeroDates,
    table: String,
    /// Rows that were read.
    rows: u64,
    scratch: Vec<u8>,
}

impl Reader {
    pub(super) fn new(table: &Table, request: &ReadRequest, zero_dates_to_null: bool) -> Self {
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
            scratch: Vec::new(),
        }
    }

    /// The columns that are read, in the order of the statement.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().map(|cell| cell.name.as_str())
    }

    pub(super) fn row(&mut self, row: &Row) {
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

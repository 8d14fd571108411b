//! Loads that are committed in parts and are not complete, because they are under way or their run
//! died.
//!
//! The rows of each part and its record here commit in one transaction. A later run with the same
//! settings and columns resumes the load within a day; until then its table is kept, and nothing
//! reads it. See ADR 0021.

use millrace_core::cursor::Cursor;
use millrace_core::name::{Relation, StreamName};
use millrace_core::value::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::ports::warehouse::{QueryLimits, Rows, Statement};
use crate::state::raw_column::RawColumn;
use crate::state::{State, Tables};

/// The committed part of a load.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfinished {
    /// The stream's name.
    pub name: StreamName,
    /// The raw table. It is not the table of the stream's checkpoint yet.
    pub table: Relation,
    /// Fingerprint of the settings with which it is loaded.
    pub spec: String,
    /// The mark from which the source resumes.
    pub position: Cursor,
    /// Committed rows in the table.
    pub rows: u64,
    /// Committed rows in quarantine.
    pub quarantined: u64,
    /// The columns of the table.
    pub columns: Vec<RawColumn>,
    /// The ids of the runs that have loaded parts of it.
    pub runs: Vec<String>,
    /// At how many points in time its rows were read.
    pub moments: u32,
    /// When its last part was committed, in microseconds since 1970 UTC.
    pub loaded_at: i64,
}

impl State<'_> {
    /// All loads that are not complete.
    pub(crate) async fn unfinished(&self) -> Result<Vec<Unfinished>> {
        let sql = self.tables().select_unfinished();
        Unfinished::all(&self.warehouse().query(&Statement::new(sql), QueryLimits::STATE).await?)
    }
}

/// Parses a row of [`Tables::find_unfinished`]. Fails with `Internal` if a JSON text cannot be
/// read.
fn of_row(row: &[&Value]) -> Result<Unfinished> {
    let text = |at: usize| row[at].as_str().unwrap_or_default();
    let number = |at: usize| row[at].as_int().unwrap_or_default();
    let unreadable =
        |error| Error::new(ErrorKind::Internal, "an unfinished load cannot be read").caused_by(error);
    Ok(Unfinished {
        name: StreamName::new(text(0), text(1)),
        table: Relation::new(text(2), text(3)),
        spec: text(4).to_owned(),
        position: serde_json::from_str(text(5)).map_err(unreadable)?,
        rows: number(6) as u64,
        quarantined: number(7) as u64,
        columns: serde_json::from_str(text(8)).map_err(unreadable)?,
        runs: serde_json::from_str(text(9)).map_err(unreadable)?,
        moments: number(10) as u32,
        loaded_at: if let Value::TimestampTz(at) = row[11] { *at } else { 0 },
    })
}

impl Tables {
    fn select_unfinished(&self) -> String {
        format!(
            "select source, stream, raw_schema, raw_table, spec, position, row_count, quarantined, table_columns, runs, moments, loaded_at \
             from {}",
            self.table("unfinished")
        )
    }

    /// The query for the incomplete load of a stream; [`Unfinished::all`] reads the answer.
    pub(crate) fn find_unfinished(&self, stream: &StreamName) -> Statement {
        let sql = format!("{} where source = $1 and stream = $2", self.select_unfinished());
        Statement::with(sql, stream.params())
    }

    /// The statements that record a part. `committed` is the number of rows that earlier parts have
    /// committed, `None` for the first part. For later parts the first statement is a guard on that
    /// number, so that the transaction fails if the table has other rows, namely those of an
    /// earlier attempt whose commit was not confirmed.
    pub(crate) fn record_unfinished(
        &self,
        load: &Unfinished,
        committed: Option<u64>,
    ) -> Result<Vec<Statement>> {
        let unwritable =
            |error| Error::new(ErrorKind::Internal, "an unfinished load cannot be written").caused_by(error);
        let values = [
            Value::text(&load.name.source),
            Value::text(&load.name.stream),
            Value::text(&load.table.schema),
            Value::text(&load.table.name),
            Value::text(&load.spec),
            Value::Text(serde_json::to_string(&load.position).map_err(unwritable)?),
            Value::Int(i128::from(load.rows)),
            Value::Int(i128::from(load.quarantined)),
            Value::Text(serde_json::to_string(&load.columns).map_err(unwritable)?),
            Value::Text(serde_json::to_string(&load.runs).map_err(unwritable)?),
            Value::Int(i128::from(load.moments)),
            Value::TimestampTz(load.loaded_at),
        ];
        let sql = format!(
            "insert into {} (source, stream, raw_schema, raw_table, spec, position, row_count, quarantined, table_columns, runs, moments, \
             loaded_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            self.table("unfinished")
        );
        let before = match committed {
            Some(rows) => self.finish_unfinished(&load.name, rows),
            None => self.forget_unfinished(&load.name),
        };
        Ok(vec![before, Statement::with(sql, values)])
    }

    /// The statement that ends an incomplete load with `committed` committed rows. A guard, as in
    /// [`Self::record_unfinished`].
    pub(crate) fn finish_unfinished(&self, stream: &StreamName, committed: u64) -> Statement {
        let sql = format!(
            "delete from {} where source = $1 and stream = $2 and row_count = $3",
            self.table("unfinished")
        );
        let rows = Value::Int(i128::from(committed));
        Statement::guard(sql, stream.params().into_iter().chain([rows]))
    }

    /// The statement that removes the record of a stream's incomplete load, if there is one.
    pub(crate) fn forget_unfinished(&self, stream: &StreamName) -> Statement {
        let sql = format!("delete from {} where source = $1 and stream = $2", self.table("unfinished"));
        Statement::with(sql, stream.params())
    }
}

impl Unfinished {
    /// Parses the answer to [`Tables::find_unfinished`].
    pub(crate) fn all(rows: &Rows) -> Result<Vec<Self>> {
        (0..rows.len()).map(|row| of_row(&rows.row(row))).collect()
    }

    /// The statements that remove the record, and the rows that the load has put into quarantine.
    pub(crate) fn forgotten(&self, tables: &Tables) -> [Statement; 2] {
        // A run of this load may also have completed another load of the stream; the rows of that
        // one stay.
        let (quarantine, streams) = (tables.table("quarantine"), tables.table("streams"));
        let places: Vec<String> = (0..self.runs.len()).map(|run| format!("${}", run + 3)).collect();
        let sql = format!(
            "delete from {quarantine} where source = $1 and stream = $2 and run in ({}) \
             and run not in (select run from {streams} where source = $1 and stream = $2)",
            places.join(", ")
        );
        let name = self.name.params();
        let rows = Statement::with(sql, name.into_iter().chain(self.runs.iter().map(Value::text)));
        [rows, tables.forget_unfinished(&self.name)]
    }
}

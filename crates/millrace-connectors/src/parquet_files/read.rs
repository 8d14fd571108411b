//! Reads the rows of one file, batch by batch.
//!
//! Several threads read the file, each some of its columns ([`Share`]). They send the same rows in
//! the same order, and this thread puts the columns together. So rows keep the order of the file,
//! and only a few batches are in memory at a time, however large the row groups are (ADR 26). A row
//! that one of its columns refuses goes to quarantine, with the values as JSON.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use arrow_array::{ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{ArrowError, Field, Schema};
use millrace_core::quarantine::{QuarantineCode, QuarantinedRow};
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::{Batch, BatchSender, arrow_schema, arrow_type};
use millrace_engine::ports::source::ReadRequest;

use crate::files::Limits;
use crate::files::cell::Refusal;
use crate::files::delivery::raw_text;
use crate::parquet_files::column::Reading;
use crate::parquet_files::columns::Names;
use crate::parquet_files::file::ParquetFile;
use crate::parquet_files::json;
use crate::parquet_files::schema::{self, is_uuid};
use crate::parquet_files::share::{Part, Share, Wanted};

/// How many parts each thread may be ahead of the one that puts them together.
const AHEAD: usize = 2;

/// Sends all rows of a file to `batches`. Blocks while the queue is full. Returns an error if the
/// file is broken, or if the receiver is gone.
pub(super) fn read(
    file: &ParquetFile,
    request: &ReadRequest,
    batches: &BatchSender,
    limits: Limits,
) -> Result<()> {
    schema::assert_distinct(file.name(), file.descriptor().root_schema(), &request.stream.excluded)?;
    let plan = Plan::of(file, request);
    let shares = Share::all(file, plan.wanted(), request.quarantine_nul, limits);
    std::thread::scope(|scope| {
        let shares = shares.into_iter().map(|share| {
            let (sender, parts) = sync_channel(AHEAD);
            scope.spawn(move || share.read(&sender));
            parts
        });
        let shares: Vec<Receiver<Result<Part>>> = shares.collect();
        // The number of a row in the file serves as its line in quarantine.
        let mut first_row = 1;
        while let Some(parts) = next(file, &shares)? {
            let rows = parts.first().map_or(0, |part| part.rows) as u64;
            let batch = plan.batch(parts, first_row).map_err(|error| {
                Error::new(ErrorKind::Internal, "rows do not fit their columns").caused_by(error)
            })?;
            batches.blocking_send(batch)?;
            first_row += rows;
        }
        Ok(())
    })
}

/// Receives the next rows, one part from each share. Returns `None` at the end of the file, and an
/// error if the shares do not have the same number of rows.
fn next(file: &ParquetFile, shares: &[Receiver<Result<Part>>]) -> Result<Option<Vec<Part>>> {
    // A share whose channel is closed has no more rows; the others must end with it.
    let parts: Vec<Part> = shares.iter().filter_map(|share| share.recv().ok()).collect::<Result<_>>()?;
    let rows = |part: &Part| part.rows;
    match parts.first().map(rows) {
        None => Ok(None),
        Some(first) if parts.len() == shares.len() && parts.iter().all(|part| part.rows == first) => {
            Ok(Some(parts))
        }
        Some(_) => Err(file.broken(&"its columns have different numbers of values")),
    }
}

/// How the fields of a file become the columns of a request.
struct Plan<'a> {
    file: &'a ParquetFile,
    request: &'a ReadRequest,
    /// For each field of the file: the place of its column in the request, if it has one.
    places: Vec<Option<usize>>,
    schema: Arc<Schema>,
    /// A field that the stream's contract does not allow: then each row goes to quarantine.
    unknown: Option<&'a str>,
}

impl<'a> Plan<'a> {
    /// Matches the fields of a file to the requested columns: by name, or in any letter case if
    /// that is unambiguous and the field is not excluded by that exact name.
    fn of(file: &'a ParquetFile, request: &'a ReadRequest) -> Self {
        let excluded = &request.stream.excluded;
        let columns = Names::of(request.columns.iter().map(|column| column.name.as_str()));
        let fields = || file.fields().iter().map(|field| field.name().as_str());
        let of_file = Names::of(fields());
        let place = |field: &str| {
            // An excluded name must not come back as another spelling of a requested column.
            let is_it = |at: &usize| request.columns[*at].name == field || !excluded.names(field);
            columns.place(field, &of_file).filter(is_it)
        };
        let places: Vec<Option<usize>> = fields().map(place).collect();
        let is_unknown = |(name, place): &(&str, &Option<usize>)| {
            place.is_none() && !excluded.contains(name) && !excluded.names_in_any_case(name)
        };
        let unknown = fields().zip(&places).find(is_unknown).map(|(name, _)| name);
        let unknown = unknown.filter(|_| request.quarantine_unknown_columns);
        Self { file, request, places, schema: arrow_schema(&request.columns), unknown }
    }

    /// The requested columns that the file has.
    fn wanted(&self) -> Vec<Wanted> {
        let own = self.file.descriptor().root_schema().get_fields();
        let mut fields = vec![None; self.request.columns.len()];
        for (field, place) in self.places.iter().enumerate() {
            if let Some(column) = *place {
                // If two fields of the file match one column, the first one counts.
                fields[column].get_or_insert(field);
            }
        }
        let columns = self.request.columns.iter().zip(fields).enumerate();
        let wanted = columns.filter_map(|(at, (column, field))| {
            let field = field?;
            let reading = Reading {
                data_type: column.data_type,
                required: self.requires(at),
                is_uuid: is_uuid(&own[field]),
                own: self.file.fields()[field].data_type().clone(),
            };
            Some(Wanted { field, column: at, reading })
        });
        wanted.collect()
    }

    /// Whether a column refuses NULL: it is not nullable, or a part of the key.
    fn requires(&self, column: usize) -> bool {
        let column = &self.request.columns[column];
        !column.nullable || self.request.key.contains(&column.name)
    }

    /// Puts the parts of all shares together to a batch of the rows that fit and the rows that do
    /// not. `first_row` is the 1-based number of the first row in the file. A requested column that
    /// the file lacks is NULL in all rows.
    fn batch(&self, parts: Vec<Part>, first_row: u64) -> Result<Batch, ArrowError> {
        let rows = parts.first().map_or(0, |part| part.rows);
        let (mut read, mut refused) = (Vec::new(), Vec::new());
        let mut made = vec![None; self.request.columns.len()];
        for part in parts {
            read.extend(part.read);
            refused.extend(part.refused);
            part.made.into_iter().for_each(|(column, array)| made[column] = Some(array));
        }
        let columns = self.request.columns.iter().zip(made).enumerate().map(|(at, (column, array))| {
            array.unwrap_or_else(|| {
                if self.requires(at) {
                    let missing = Refusal::new(QuarantineCode::MissingValue, "the value is missing");
                    refused.extend((0..rows).map(|row| (row, at, missing.clone())));
                }
                new_null_array(&arrow_type(column.data_type), rows)
            })
        });
        // Collected before `refused` is used: missing columns add refusals of their own.
        let mut columns: Vec<ArrayRef> = columns.collect();
        let quarantined = self.set_aside(rows, read, refused, first_row);
        // Most batches have no bad row and are sent without a copy.
        if !quarantined.is_empty() {
            let mut good = vec![true; rows];
            for row in &quarantined {
                good[(row.line - first_row) as usize] = false;
            }
            columns = filtered(&columns, &BooleanArray::from(good))?;
        }
        // A batch may have no columns, so its number of rows is stated.
        let options = RecordBatchOptions::new().with_row_count(Some(rows - quarantined.len()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        Ok(Batch { rows, quarantined })
    }

    /// The quarantined rows: each refused row once, with the first column that refuses it.
    fn set_aside(
        &self,
        rows: usize,
        mut read: Vec<(usize, ArrayRef)>,
        mut refused: Vec<(usize, usize, Refusal)>,
        first_row: u64,
    ) -> Vec<QuarantinedRow> {
        // Shares report their refusals in no particular order.
        refused.sort_by_key(|(row, column, _)| (*row, *column));
        refused.dedup_by_key(|(row, ..)| *row);
        read.sort_by_key(|(field, _)| *field);
        let set_aside = |row: usize, column: &str, refusal: Refusal| QuarantinedRow {
            file: self.file.name().to_owned(),
            line: first_row + row as u64,
            column: Some(column.to_owned()),
            code: refusal.code,
            reason: refusal.reason.into_owned(),
            raw: shown(self.file.fields(), &read, row),
        };
        if let Some(unknown) = self.unknown {
            let reason = "the stream's contract does not let this field in";
            let refusal = Refusal::new(QuarantineCode::UnknownColumn, reason);
            return (0..rows).map(|row| set_aside(row, unknown, refusal.clone())).collect();
        }
        let name = |column: usize| self.request.columns[column].name.as_str();
        refused.into_iter().map(|(row, column, refusal)| set_aside(row, name(column), refusal)).collect()
    }
}

/// A row as a JSON object, for people who look at the quarantine. A text that is not UTF-8 is shown
/// with U+FFFD for what cannot be decoded; another value that JSON cannot express is left out.
fn shown(fields: &[Arc<Field>], read: &[(usize, ArrayRef)], row: usize) -> String {
    let mut out = vec![b'{'];
    for (field, column) in read {
        let start = out.len();
        if start > 1 {
            out.push(b',');
        }
        let first = out.len();
        // What a failed attempt has appended is cut off again.
        if json::field(&fields[*field], column, row, &mut out).is_err() {
            out.truncate(first);
            if !json::damaged_text(&fields[*field], column, row, &mut out) {
                out.truncate(start);
            }
        }
    }
    out.push(b'}');
    raw_text(&out)
}

/// The rows of each array that are `good`.
fn filtered(arrays: &[ArrayRef], good: &BooleanArray) -> Result<Vec<ArrayRef>, ArrowError> {
    arrays.iter().map(|array| arrow_select::filter::filter(array.as_ref(), good)).collect()
}

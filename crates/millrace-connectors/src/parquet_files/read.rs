//! The rows of one file, batch by batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array as _, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{ArrowError, Field, Schema};
use millrace_core::quarantine::{QuarantineCode, QuarantinedRow};
use millrace_engine::batch::{Batch, BatchSender, arrow_schema, arrow_type};
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::source::ReadRequest;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use crate::files::cell::Refusal;
use crate::files::delivery::raw_text;
use crate::files::row::NUL;
use crate::parquet_files::column::{Reading, convert};
use crate::parquet_files::file::ParquetFile;
use crate::parquet_files::json;
use crate::parquet_files::schema::{MICROSECONDS, NANOSECONDS, is_int96, is_uuid};

/// Bytes of a batch, about.
const BATCH_BYTES: i64 = 8 << 20;
/// Rows of a batch at most, and at least.
const BATCH_ROWS: (i64, i64) = (1 << 16, 1 << 8);

/// Sends all rows of a file.
pub(super) fn read(file: &ParquetFile, request: &ReadRequest, batches: &BatchSender) -> Result<()> {
    let plan = Plan::of(file, request);
    let rows = batch_rows(file)?;
    let mut reader = rows_of(file, &plan.projected, None, rows)?;
    let moments: Vec<usize> = plan.projected.iter().copied().filter(|&index| plan.is_int96(index)).collect();
    let mut micros = if moments.is_empty() {
        None
    } else {
        Some(rows_of(file, &moments, Some(with_micros(file, &moments)), rows)?)
    };
    let mut first_row = 1;
    while let Some(batch) = next(file, &mut reader)? {
        let micros = match &mut micros {
            Some(reader) => next(file, reader)?,
            None => None,
        };
        let rows = batch.num_rows() as u64;
        let made = plan.batch(&batch, micros.as_ref(), first_row).map_err(|error| {
            Error::new(ErrorKind::Internal, "rows do not fit their columns").caused_by(error)
        })?;
        batches.blocking_send(made)?;
        first_row += rows;
    }
    Ok(())
}

fn next(file: &ParquetFile, reader: &mut ParquetRecordBatchReader) -> Result<Option<RecordBatch>> {
    reader.next().transpose().map_err(|error| file.broken(&error.into()))
}

fn rows_of(
    file: &ParquetFile,
    fields: &[usize],
    types: Option<Arc<Schema>>,
    rows: usize,
) -> Result<ParquetRecordBatchReader> {
    let builder = file.reader(types)?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), fields.iter().copied());
    builder.with_projection(mask).with_batch_size(rows).build().map_err(|error| file.broken(&error))
}

/// How many rows are so many bytes, by what the row groups are said to hold.
fn batch_rows(file: &ParquetFile) -> Result<usize> {
    let builder = file.reader(None)?;
    let groups = builder.metadata().row_groups();
    let bytes: i64 = groups.iter().map(parquet::file::metadata::RowGroupMetaData::total_byte_size).sum();
    let rows: i64 = groups.iter().map(parquet::file::metadata::RowGroupMetaData::num_rows).sum();
    let (most, least) = BATCH_ROWS;
    let row = (bytes / rows.max(1)).max(1);
    Ok((BATCH_BYTES / row).clamp(least, most) as usize)
}

/// The file's types, with moments of 96 bits in microseconds.
fn with_micros(file: &ParquetFile, moments: &[usize]) -> Arc<Schema> {
    let fields = file.fields().iter().enumerate().map(|(index, field)| {
        let data_type = if moments.contains(&index) { MICROSECONDS } else { field.data_type().clone() };
        Field::new(field.name(), data_type, field.is_nullable())
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// How a file is read for a request.
struct Plan<'a> {
    file: &'a ParquetFile,
    request: &'a ReadRequest,
    schema: Arc<Schema>,
    /// For each column that is asked for: which of the projected ones it is, and how it is read.
    columns: Vec<(Option<usize>, Reading)>,
    /// The top-level fields that are read, by their place in the file.
    projected: Vec<usize>,
    /// A field that the stream's contract does not let in.
    unknown: Option<String>,
}

impl<'a> Plan<'a> {
    fn of(file: &'a ParquetFile, request: &'a ReadRequest) -> Self {
        let fields = file.fields();
        let own = file.descriptor().root_schema().get_fields();
        let asked = |name: &str| request.columns.iter().any(|column| column.name == name);
        let projected: Vec<usize> = (0..fields.len()).filter(|&index| asked(fields[index].name())).collect();
        let columns = request.columns.iter().map(|column| {
            let at = projected.iter().position(|&index| *fields[index].name() == column.name);
            let required = !column.nullable || request.key.contains(&column.name);
            let is_uuid = at.is_some_and(|at| is_uuid(&own[projected[at]]));
            (at, Reading { data_type: column.data_type, required, is_uuid })
        });
        let columns = columns.collect();
        let is_unknown = |name: &&String| !asked(name) && !request.stream.excluded.contains(name);
        let unknown = fields.iter().map(|field| field.name()).find(is_unknown);
        Self {
            file,
            request,
            schema: arrow_schema(&request.columns),
            columns,
            projected,
            unknown: unknown.filter(|_| request.quarantine_unknown_columns).cloned(),
        }
    }

    fn is_int96(&self, index: usize) -> bool {
        is_int96(&self.file.descriptor().root_schema().get_fields()[index])
            && *self.file.fields()[index].data_type() == NANOSECONDS
    }

    /// The rows that fit, and those that do not.
    fn batch(
        &self,
        read: &RecordBatch,
        micros: Option<&RecordBatch>,
        first_row: u64,
    ) -> Result<Batch, ArrowError> {
        let rows = read.num_rows();
        // The first column that refuses a row tells why.
        let mut refused: BTreeMap<usize, (Option<String>, Refusal)> = BTreeMap::new();
        if let Some(unknown) = &self.unknown {
            let reason = "the stream's contract does not let this field in";
            let refusal = Refusal::new(QuarantineCode::UnknownColumn, reason);
            refused.extend((0..rows).map(|row| (row, (Some(unknown.clone()), refusal.clone()))));
        }
        let mut arrays = Vec::with_capacity(self.columns.len());
        for ((at, reading), column) in self.columns.iter().zip(&self.request.columns) {
            let refuse = |row, refusal| {
                refused.entry(row).or_insert_with(|| (Some(column.name.clone()), refusal));
            };
            let absent;
            let array = match at {
                Some(at) => read.column(*at),
                None => {
                    absent = new_null_array(&arrow_type(reading.data_type), rows);
                    &absent
                }
            };
            let micros = micros.filter(|_| at.is_some_and(|at| self.is_int96(self.projected[at])));
            let micros = micros.and_then(|micros| micros.column_by_name(&column.name));
            let array = convert(array, micros, reading, refuse)?;
            if let Some(texts) = array.as_string_opt::<i32>().filter(|_| self.request.quarantine_nul) {
                for row in (0..rows).filter(|&row| texts.is_valid(row) && texts.value(row).contains('\0')) {
                    let refusal = || (Some(column.name.clone()), Refusal::out_of_range(NUL));
                    refused.entry(row).or_insert_with(refusal);
                }
            }
            arrays.push(array);
        }
        let quarantined = refused.into_iter().map(|(row, (column, refusal))| QuarantinedRow {
            file: self.file.name().to_owned(),
            line: first_row + row as u64,
            column,
            code: refusal.code,
            reason: refusal.reason.into_owned(),
            raw: shown(read, row),
        });
        let quarantined: Vec<QuarantinedRow> = quarantined.collect();
        let mut kept = rows;
        if !quarantined.is_empty() {
            let bad = |row: usize| {
                let place = first_row + row as u64;
                quarantined.binary_search_by_key(&place, |row| row.line).is_ok()
            };
            let good: BooleanArray = (0..rows).map(|row| Some(!bad(row))).collect();
            arrays = filtered(&arrays, &good)?;
            kept = rows - quarantined.len();
        }
        let options = RecordBatchOptions::new().with_row_count(Some(kept));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options)?;
        Ok(Batch { rows, quarantined })
    }
}

/// A row as an object, for people who look at the quarantine. A value that JSON has no words for is left out.
fn shown(read: &RecordBatch, row: usize) -> String {
    let schema = read.schema();
    let mut out = vec![b'{'];
    for (field, column) in schema.fields().iter().zip(read.columns()) {
        let start = out.len();
        if start > 1 {
            out.push(b',');
        }
        if json::field(field, column, row, &mut out).is_err() {
            out.truncate(start);
        }
    }
    out.push(b'}');
    raw_text(&out)
}

fn filtered(arrays: &[ArrayRef], good: &BooleanArray) -> Result<Vec<ArrayRef>, ArrowError> {
    arrays.iter().map(|array| arrow_select::filter::filter(array.as_ref(), good)).collect()
}

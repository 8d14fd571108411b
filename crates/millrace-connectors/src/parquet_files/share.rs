//! A share: the columns of a file that one thread reads and converts.

use std::cmp::Reverse;
use std::sync::mpsc::SyncSender;

use arrow_array::cast::AsArray;
use arrow_array::{Array as _, ArrayRef, RecordBatch};
use millrace_engine::error::{Error, ErrorKind, Result};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::file::metadata::RowGroupMetaData;

use crate::files::Limits;
use crate::files::cell::Refusal;
use crate::files::row::NUL;
use crate::parquet_files::column::{Reading, convert};
use crate::parquet_files::file::{ParquetFile, guarded};

/// The smallest number of rows in a batch, unless the limits allow less.
const FEWEST_ROWS: usize = 1 << 8;

/// A requested column that the file has.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The place of its field among the file's top-level fields.
    pub(super) field: usize,
    /// Its place among the requested columns.
    pub(super) column: usize,
    /// How its values are converted.
    pub(super) reading: Reading,
}

/// Some rows of the columns of a share. The n-th parts of all shares are the same rows.
pub(super) struct Part {
    /// How many rows.
    pub(super) rows: usize,
    /// The values as the file has them, each array with the place of its field.
    pub(super) read: Vec<(usize, ArrayRef)>,
    /// The converted values, each array with the place of its column.
    pub(super) made: Vec<(usize, ArrayRef)>,
    /// The refused values: the row within this part, the place of the column, and the reason.
    pub(super) refused: Vec<(usize, usize, Refusal)>,
}

/// The columns that one thread reads.
pub(super) struct Share<'a> {
    file: &'a ParquetFile,
    wanted: Vec<Wanted>,
    /// Whether texts with the character U+0000 are refused.
    refuses_nul: bool,
    limits: Limits,
}

impl<'a> Share<'a> {
    /// Divides all columns into shares of about the same size: one for each thread that is worth
    /// starting for that many bytes and columns, and at least one.
    pub(super) fn all(
        file: &'a ParquetFile,
        mut wanted: Vec<Wanted>,
        refuses_nul: bool,
        limits: Limits,
    ) -> Vec<Self> {
        let weights = weights(file);
        let total = wanted.iter().map(|wanted| weights[wanted.field]).fold(0, usize::saturating_add);
        let threads = limits.threads.min(wanted.len()).min(total / limits.piece.max(1) + 1).max(1);
        let empty = || (0, Self { file, wanted: Vec::new(), refuses_nul, limits });
        let mut shares: Vec<(usize, Self)> = (0..threads).map(|_| empty()).collect();
        // The largest column first, each to the share that has least so far.
        wanted.sort_by_key(|wanted| Reverse(weights[wanted.field]));
        for wanted in wanted {
            if let Some((weight, share)) = shares.iter_mut().min_by_key(|(weight, _)| *weight) {
                // Plus one for the fixed cost of every column.
                *weight = weight.saturating_add(weights[wanted.field]).saturating_add(1);
                share.wanted.push(wanted);
            }
        }
        let in_order = |(_, mut share): (usize, Self)| {
            share.wanted.sort_by_key(|wanted| wanted.field);
            share
        };
        shares.into_iter().map(in_order).collect()
    }

    /// Sends the rows of all row groups. Ends early if the receiver is gone, and after an error.
    pub(super) fn read(&self, parts: &SyncSender<Result<Part>>) {
        for group in 0..self.file.groups().len() {
            match self.read_group(group, parts) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    // If the receiver is gone, it already has an error of its own.
                    let _ = parts.send(Err(error));
                    return;
                }
            }
        }
    }

    /// Sends the rows of one row group. Returns `false` if the receiver is gone. INT96 timestamps
    /// are read twice, as nanoseconds and as milliseconds, because only both together are exact.
    /// Returns an error if a column has fewer values than the row group has rows.
    fn read_group(&self, group: usize, parts: &SyncSender<Result<Part>>) -> Result<bool> {
        let fields: Vec<usize> = self.wanted.iter().map(|wanted| wanted.field).collect();
        let moments: Vec<usize> = fields.iter().copied().filter(|&field| self.file.is_int96(field)).collect();
        let mut nanos = self.rows_of(group, &fields, &[])?;
        let mut millis =
            if moments.is_empty() { None } else { Some(self.rows_of(group, &moments, &moments)?) };
        let mut rows = 0;
        while let Some(read) = self.next(&mut nanos)? {
            let millis = match &mut millis {
                Some(reader) => self.next(reader)?,
                None => None,
            };
            let millis = millis.iter().flat_map(RecordBatch::columns);
            let millis: Vec<(usize, &ArrayRef)> = moments.iter().copied().zip(millis).collect();
            if millis.len() != moments.len() {
                return Err(self.file.broken(&"its moments end too early"));
            }
            rows += read.num_rows();
            if parts.send(Ok(self.part(&read, &millis)?)).is_err() {
                return Ok(false);
            }
        }
        // A damaged file may have fewer values than its footer says.
        if rows as i64 == self.file.groups()[group].num_rows() {
            return Ok(true);
        }
        Err(self.file.broken(&"a column has fewer values than its file has rows"))
    }

    /// A reader of some fields of a row group, in batches of the same size for every share.
    fn rows_of(
        &self,
        group: usize,
        fields: &[usize],
        as_millis: &[usize],
    ) -> Result<ParquetRecordBatchReader> {
        let builder = self.file.reader(as_millis)?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), fields.iter().copied());
        let rows = batch_rows(&self.file.groups()[group], self.limits);
        let builder = builder.with_projection(mask).with_row_groups(vec![group]).with_batch_size(rows);
        guarded(self.file.name(), || builder.build())
    }

    /// The next batch of a reader. Returns `None` at its end.
    fn next(&self, reader: &mut ParquetRecordBatchReader) -> Result<Option<RecordBatch>> {
        guarded(self.file.name(), || reader.next().transpose())
    }

    /// Converts a batch to the requested columns and collects the refused values. `millis` are the
    /// INT96 fields in milliseconds.
    fn part(&self, read: &RecordBatch, millis: &[(usize, &ArrayRef)]) -> Result<Part> {
        let mut part =
            Part { rows: read.num_rows(), read: Vec::new(), made: Vec::new(), refused: Vec::new() };
        for (wanted, array) in self.wanted.iter().zip(read.columns()) {
            let refused = &mut part.refused;
            let mut refuse = |row, refusal| refused.push((row, wanted.column, refusal));
            let millis = millis.iter().find(|(field, _)| *field == wanted.field).map(|(_, array)| *array);
            let made = convert(array, millis, &wanted.reading, &mut refuse).map_err(|error| {
                Error::new(ErrorKind::Internal, "values do not fit their column").caused_by(error)
            })?;
            if self.refuses_nul {
                with_nul(&made, |row| refuse(row, Refusal::out_of_range(NUL)));
            }
            part.made.push((wanted.column, made));
            part.read.push((wanted.field, ArrayRef::clone(array)));
        }
        Ok(part)
    }
}

/// Calls `found` for each row whose text has the character U+0000. One search over all texts of the
/// array finds out whether there is any.
fn with_nul(array: &ArrayRef, found: impl FnMut(usize)) {
    let Some(texts) = array.as_string_opt::<i32>() else { return };
    if memchr::memchr(0, texts.values()).is_some() {
        (0..texts.len())
            .filter(|&row| texts.is_valid(row) && texts.value(row).contains('\0'))
            .for_each(found);
    }
}

/// The number of rows in a batch of a row group, from the sizes in its metadata.
fn batch_rows(group: &RowGroupMetaData, limits: Limits) -> usize {
    let bytes = group.columns().iter().map(unpacked).fold(0, i64::saturating_add);
    let row = (bytes / group.num_rows().max(1)).max(1) as usize;
    (limits.batch_bytes / row).max(FEWEST_ROWS).min(limits.batch_rows)
}

/// The approximate size of a column's values in bytes. With a dictionary of few repeated texts, the
/// pages are smaller than the texts that they stand for; the writer may have recorded that size.
fn unpacked(column: &parquet::file::metadata::ColumnChunkMetaData) -> i64 {
    column.uncompressed_size().max(column.unencoded_byte_array_data_bytes().unwrap_or(0)).max(0)
}

/// The approximate size of each top-level field of the file, in bytes.
fn weights(file: &ParquetFile) -> Vec<usize> {
    let mut weights = vec![0_usize; file.fields().len()];
    for group in file.groups() {
        for (leaf, column) in group.columns().iter().enumerate() {
            let weight = &mut weights[file.descriptor().get_column_root_idx(leaf)];
            *weight = weight.saturating_add(unpacked(column) as usize);
        }
    }
    weights
}

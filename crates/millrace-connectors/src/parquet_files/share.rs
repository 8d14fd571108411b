//! The columns of a file that one thread reads.

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

/// Rows of a batch at least, as long as its limits have them.
const FEWEST_ROWS: usize = 1 << 8;

/// A column that is asked for and that the file has.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Which of the file's top-level fields it is.
    pub(super) field: usize,
    /// Which of the columns that are asked for.
    pub(super) column: usize,
    pub(super) reading: Reading,
}

/// Some rows of a share's columns. Those of all shares are the same rows.
pub(super) struct Part {
    pub(super) rows: usize,
    /// By field: what the file has.
    pub(super) read: Vec<(usize, ArrayRef)>,
    /// By column: what is asked for.
    pub(super) made: Vec<(usize, ArrayRef)>,
    /// Rows that a column does not take: which row, which column, and why.
    pub(super) refused: Vec<(usize, usize, Refusal)>,
}

/// Columns that are read together.
pub(super) struct Share<'a> {
    file: &'a ParquetFile,
    wanted: Vec<Wanted>,
    refuses_nul: bool,
    limits: Limits,
}

impl<'a> Share<'a> {
    /// All columns, in as many shares of about the same weight as there are threads for them; one at least.
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
        // The heaviest first, each to whoever has least.
        wanted.sort_by_key(|wanted| Reverse(weights[wanted.field]));
        for wanted in wanted {
            if let Some((weight, share)) = shares.iter_mut().min_by_key(|(weight, _)| *weight) {
                // One more for what every column costs.
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

    /// Sends all rows; ends early where nobody takes them.
    pub(super) fn read(&self, parts: &SyncSender<Result<Part>>) {
        for group in 0..self.file.groups().len() {
            match self.read_group(group, parts) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    // Whoever has gone has an error of their own.
                    let _ = parts.send(Err(error));
                    return;
                }
            }
        }
    }

    fn read_group(&self, group: usize, parts: &SyncSender<Result<Part>>) -> Result<bool> {
        let fields: Vec<usize> = self.wanted.iter().map(|wanted| wanted.field).collect();
        let moments: Vec<usize> = fields.iter().copied().filter(|&field| self.file.is_int96(field)).collect();
        let mut nanos = self.rows_of(group, &fields, &[])?;
        let mut micros =
            if moments.is_empty() { None } else { Some(self.rows_of(group, &moments, &moments)?) };
        let mut rows = 0;
        while let Some(read) = self.next(&mut nanos)? {
            let micros = match &mut micros {
                Some(reader) => self.next(reader)?,
                None => None,
            };
            let micros = micros.iter().flat_map(RecordBatch::columns);
            let micros: Vec<(usize, &ArrayRef)> = moments.iter().copied().zip(micros).collect();
            if micros.len() != moments.len() {
                return Err(self.file.broken(&"its moments end too early"));
            }
            rows += read.num_rows();
            if parts.send(Ok(self.part(&read, &micros)?)).is_err() {
                return Ok(false);
            }
        }
        if rows as i64 == self.file.groups()[group].num_rows() {
            return Ok(true);
        }
        Err(self.file.broken(&"a column has fewer values than its file has rows"))
    }

    fn rows_of(
        &self,
        group: usize,
        fields: &[usize],
        as_micros: &[usize],
    ) -> Result<ParquetRecordBatchReader> {
        let builder = self.file.reader(as_micros)?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), fields.iter().copied());
        let rows = batch_rows(&self.file.groups()[group], self.limits);
        let builder = builder.with_projection(mask).with_row_groups(vec![group]).with_batch_size(rows);
        guarded(self.file.name(), || builder.build())
    }

    fn next(&self, reader: &mut ParquetRecordBatchReader) -> Result<Option<RecordBatch>> {
        guarded(self.file.name(), || reader.next().transpose())
    }

    fn part(&self, read: &RecordBatch, micros: &[(usize, &ArrayRef)]) -> Result<Part> {
        let mut part =
            Part { rows: read.num_rows(), read: Vec::new(), made: Vec::new(), refused: Vec::new() };
        for (wanted, array) in self.wanted.iter().zip(read.columns()) {
            let refused = &mut part.refused;
            let mut refuse = |row, refusal| refused.push((row, wanted.column, refusal));
            let micros = micros.iter().find(|(field, _)| *field == wanted.field).map(|(_, array)| *array);
            let made = convert(array, micros, &wanted.reading, &mut refuse).map_err(|error| {
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

/// Calls for each row whose text has the character U+0000.
fn with_nul(array: &ArrayRef, found: impl FnMut(usize)) {
    let Some(texts) = array.as_string_opt::<i32>() else { return };
    if memchr::memchr(0, texts.values()).is_some() {
        (0..texts.len())
            .filter(|&row| texts.is_valid(row) && texts.value(row).contains('\0'))
            .for_each(found);
    }
}

/// How many rows of a group are a batch, by what it is said to hold.
fn batch_rows(group: &RowGroupMetaData, limits: Limits) -> usize {
    let bytes = group.columns().iter().map(unpacked).fold(0, i64::saturating_add);
    let row = (bytes / group.num_rows().max(1)).max(1) as usize;
    (limits.batch_bytes / row).max(FEWEST_ROWS).min(limits.batch_rows)
}

/// Bytes of a column's values, about. Where texts are few that come again and again, its pages are smaller than what they stand for.
fn unpacked(column: &parquet::file::metadata::ColumnChunkMetaData) -> i64 {
    column.uncompressed_size().max(column.unencoded_byte_array_data_bytes().unwrap_or(0)).max(0)
}

/// Bytes of each of the file's fields.
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

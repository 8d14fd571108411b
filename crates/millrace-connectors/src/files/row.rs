//! Rows that are put together cell by cell, wholly or not at all.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::Schema;
use millrace_core::quarantine::QuarantineCode;
use millrace_core::schema::Column;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::arrow_schema;

use crate::files::cell::Refusal;
use crate::files::column::ColumnBuffer;

/// Why a row is refused that has this character in a text, where the stream says so.
pub(crate) const NUL: &str = "the text has the character U+0000";

/// Rows of the columns that were asked for. A row is made by [`Self::column`] for each of its cells and then
/// [`Self::end_row`]; after any refusal, [`Self::roll_back`].
#[derive(Debug)]
pub(crate) struct RowWriter {
    columns: Vec<Column>,
    schema: Arc<Schema>,
    /// Whether a NULL is refused, because of the column or because it is part of the key.
    required: Vec<bool>,
    refuses_nul: bool,
    buffers: Vec<ColumnBuffer>,
    rows: usize,
}

impl RowWriter {
    pub(crate) fn new(columns: &[Column], key: &[String]) -> Self {
        Self {
            schema: arrow_schema(columns),
            required: columns.iter().map(|column| !column.nullable || key.contains(&column.name)).collect(),
            buffers: columns.iter().map(|column| ColumnBuffer::new(column.data_type)).collect(),
            columns: columns.to_vec(),
            refuses_nul: false,
            rows: 0,
        }
    }

    /// The same, but it refuses rows with the character U+0000 in a text where `refuses` is true.
    pub(crate) fn refusing_nul(self, refuses: bool) -> Self {
        Self { refuses_nul: refuses, ..self }
    }

    /// An empty one for rows of the same columns.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn another(&self) -> Self {
        Self {
            schema: Arc::clone(&self.schema),
            required: self.required.clone(),
            buffers: self.columns.iter().map(|column| ColumnBuffer::new(column.data_type)).collect(),
            columns: self.columns.clone(),
            refuses_nul: self.refuses_nul,
            rows: 0,
        }
    }

    /// Whole rows since the last batch.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The source's name of a column.
    pub(crate) fn name(&self, index: usize) -> &str {
        &self.columns[index].name
    }

    /// Index of the column of that name.
    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Index of the only column that differs from that name in letter case at most.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn index_in_any_case(&self, name: &str) -> Option<usize> {
        crate::files::spelling::find(name, self.columns.iter().map(|column| column.name.as_str()))
    }

    /// Where the next cell of a column goes.
    pub(crate) fn column(&mut self, index: usize) -> &mut ColumnBuffer {
        &mut self.buffers[index]
    }

    /// Whether the row that has been begun has a cell of a column.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn has_cell(&self, index: usize) -> bool {
        self.buffers[index].len() > self.rows
    }

    /// Ends the row: columns that got no cell become NULL. Refuses a row in which a cell is empty that may not be, or a text has a
    /// character that may not be there; the number is its column's.
    pub(crate) fn end_row(&mut self) -> Result<(), (usize, Refusal)> {
        for (index, buffer) in self.buffers.iter_mut().enumerate() {
            if buffer.len() == self.rows {
                if self.required[index] {
                    return Err((index, Refusal::new(QuarantineCode::MissingValue, "the value is missing")));
                }
                buffer.push_null();
            }
            if self.refuses_nul && buffer.last_text().contains(&0) {
                return Err((index, Refusal::out_of_range(NUL)));
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Appends a NULL to a column, unless it may not be empty.
    pub(crate) fn push_null(&mut self, index: usize) -> Result<(), Refusal> {
        if self.required[index] {
            return Err(Refusal::new(QuarantineCode::MissingValue, "the value is null"));
        }
        self.buffers[index].push_null();
        Ok(())
    }

    /// Forgets the row that has been begun.
    pub(crate) fn roll_back(&mut self) {
        let rows = self.rows;
        self.buffers.iter_mut().for_each(|buffer| buffer.truncate(rows));
    }

    /// All rows since the last call.
    pub(crate) fn take(&mut self) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        let arrays = self.buffers.iter_mut().map(ColumnBuffer::take).collect::<Result<Vec<_>, _>>();
        arrays
            .and_then(|arrays| RecordBatch::try_new_with_options(Arc::clone(&self.schema), arrays, &options))
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "rows do not fit their columns").caused_by(error)
            })
    }
}

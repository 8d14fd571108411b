//! Builds rows cell by cell. A row is added as a whole or not at all.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::Schema;
use millrace_core::quarantine::QuarantineCode;
use millrace_core::schema::Column;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::arrow_schema;

use crate::files::cell::Refusal;
use crate::files::column::ColumnBuffer;

/// The reason of a row with the character U+0000 in a text, if the stream refuses it.
pub(crate) const NUL: &str = "the text has the character U+0000";

/// Rows of the requested columns. For each cell the caller appends to [`Self::column`], and then
/// calls [`Self::end_row`]. After any refusal it calls [`Self::roll_back`].
#[derive(Debug)]
pub(crate) struct RowWriter {
    columns: Vec<Column>,
    schema: Arc<Schema>,
    /// Columns that refuse NULL, because they are not nullable or belong to the key.
    required: Vec<bool>,
    /// Whether a text with U+0000 refuses its row.
    refuses_nul: bool,
    buffers: Vec<ColumnBuffer>,
    /// Complete rows. A buffer has one value more if the current row has a cell for it.
    rows: usize,
}

impl RowWriter {
    /// An empty writer. `key` names the columns that a row must not lack.
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

    /// The same writer, which refuses rows with the character U+0000 in a text if `refuses` is
    /// true.
    pub(crate) fn refusing_nul(self, refuses: bool) -> Self {
        Self { refuses_nul: refuses, ..self }
    }

    /// An empty writer for rows of the same columns.
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

    /// Complete rows since the last batch.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The source's name of a column.
    pub(crate) fn name(&self, index: usize) -> &str {
        &self.columns[index].name
    }

    /// The index of the column with this name.
    pub(crate) fn index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The index of the column with this name or, if there is none, of the only column whose name
    /// differs in letter case.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn index_in_any_case(&self, name: &str) -> Option<usize> {
        crate::files::spelling::find(name, self.columns.iter().map(|column| column.name.as_str()))
    }

    /// The buffer that takes the next cell of a column.
    pub(crate) fn column(&mut self, index: usize) -> &mut ColumnBuffer {
        &mut self.buffers[index]
    }

    /// Whether the current row has a cell for a column.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn has_cell(&self, index: usize) -> bool {
        self.buffers[index].len() > self.rows
    }

    /// Ends the row; columns without a cell become NULL. Refuses the row if a required value is
    /// missing, or if a text contains U+0000 and this is forbidden. Returns the column's index with
    /// the refusal.
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

    /// Appends a NULL to a column, unless the column requires a value.
    pub(crate) fn push_null(&mut self, index: usize) -> Result<(), Refusal> {
        if self.required[index] {
            return Err(Refusal::new(QuarantineCode::MissingValue, "the value is null"));
        }
        self.buffers[index].push_null();
        Ok(())
    }

    /// Removes the cells of the current row.
    pub(crate) fn roll_back(&mut self) {
        let rows = self.rows;
        self.buffers.iter_mut().for_each(|buffer| buffer.truncate(rows));
    }

    /// Takes all rows since the last call.
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

//! Dates of MySQL's that are no day: `0000-00-00`, `2024-00-10`. ADR 4 says why they go to quarantine unless told otherwise.

use millrace_core::project::settings::Settings;
use millrace_core::project::spec::{KeyKind, KeySpec};
use millrace_core::schema::DataType;
use millrace_engine::ports::source::Conversion;

use crate::files::cell::Refusal;
use crate::files::row::RowWriter;

/// What a conversion of them is called.
pub(crate) const ZERO_DATE: &str = "zero date to null";

/// The key of sources and streams that says what becomes of them.
pub(crate) const ZERO_DATES: KeySpec = KeySpec::optional(
    "zero_dates",
    KeyKind::OneOf(&["quarantine", "null"]),
    "What becomes of a row with a date like `0000-00-00` or `2024-00-00`: it goes to quarantine (the default), or the date becomes NULL (write `\"null\"`, in quotes) and is counted.",
);

/// Whether the settings turn zero dates into NULL.
pub(crate) fn become_null(settings: &Settings) -> bool {
    settings.text("zero_dates") == Some("null")
}

/// Whether a column may be empty. One whose zero dates become NULL may, whatever it says, unless it is in the key.
pub(crate) fn may_be_empty(data_type: DataType, nullable: bool, in_key: bool, become_null: bool) -> bool {
    nullable || (data_type.is_temporal() && become_null && !in_key)
}

/// Puts NULL in the place of zero dates, where that is allowed, and counts them.
#[derive(Debug)]
pub(crate) struct ZeroDates {
    become_null: bool,
    /// By column.
    counts: Vec<u64>,
    /// Columns of the present row that have one.
    row: Vec<usize>,
}

impl ZeroDates {
    pub(crate) fn new(columns: usize, become_null: bool) -> Self {
        Self { become_null, counts: vec![0; columns], row: Vec::new() }
    }

    /// Starts a row.
    pub(crate) fn begin_row(&mut self) {
        self.row.clear();
    }

    /// A zero date in the present row.
    pub(crate) fn met(&mut self, writer: &mut RowWriter, index: usize) -> Result<(), Refusal> {
        if !self.become_null {
            return Err(Refusal::out_of_range("a zero or partial date is no day"));
        }
        writer.push_null(index)?;
        self.row.push(index);
        Ok(())
    }

    /// The present row is kept. One that goes to quarantine has not been converted.
    pub(crate) fn keep_row(&mut self) {
        self.row.iter().for_each(|&index| self.counts[index] += 1);
    }

    /// What was converted since the last call.
    #[cfg(feature = "mysql")]
    pub(crate) fn take(&mut self, writer: &RowWriter) -> Vec<Conversion> {
        let conversions = self.conversions(writer);
        self.counts.fill(0);
        conversions
    }

    /// What was converted.
    pub(crate) fn conversions(&self, writer: &RowWriter) -> Vec<Conversion> {
        let met = self.counts.iter().enumerate().filter(|(_, rows)| **rows > 0);
        met.map(|(index, &rows)| Conversion { column: writer.name(index).to_owned(), what: ZERO_DATE, rows })
            .collect()
    }
}

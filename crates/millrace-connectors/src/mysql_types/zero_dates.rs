//! Zero and partial dates of MySQL, such as `0000-00-00` and `2024-00-10`, which are no dates of
//! the calendar. Their rows go to quarantine unless the project asks for NULL (ADR 4).

use millrace_core::project::settings::Settings;
use millrace_core::project::spec::{KeyKind, KeySpec};
use millrace_core::schema::DataType;
use millrace_engine::ports::source::Conversion;

use crate::files::cell::Refusal;
use crate::files::row::RowWriter;

/// The name of the conversion in a load's summary.
pub(crate) const ZERO_DATE: &str = "zero date to null";

/// The key of sources and streams that decides what becomes of zero dates.
pub(crate) const ZERO_DATES: KeySpec = KeySpec::optional(
    "zero_dates",
    KeyKind::OneOf(&["quarantine", "null"]),
    "What becomes of a row with a date like `0000-00-00` or `2024-00-00`: it goes to quarantine (the default), or the date becomes NULL (write `\"null\"`, in quotes) and is counted.",
);

/// Whether the settings turn zero dates into NULL.
pub(crate) fn become_null(settings: &Settings) -> bool {
    settings.text("zero_dates") == Some("null")
}

/// Whether a column may be NULL. If zero dates become NULL, so may every column of dates that is
/// not in the key, even one that is declared NOT NULL.
pub(crate) fn may_be_empty(data_type: DataType, nullable: bool, in_key: bool, become_null: bool) -> bool {
    nullable || (data_type.is_temporal() && become_null && !in_key)
}

/// Replaces zero dates by NULL, if that is allowed, and counts the rows by column.
#[derive(Debug)]
pub(crate) struct ZeroDates {
    become_null: bool,
    /// Rows with a replaced zero date, by column.
    counts: Vec<u64>,
    /// Columns of the current row with a zero date.
    row: Vec<usize>,
}

impl ZeroDates {
    /// For a stream with so many columns.
    pub(crate) fn new(columns: usize, become_null: bool) -> Self {
        Self { become_null, counts: vec![0; columns], row: Vec::new() }
    }

    /// Starts a row.
    pub(crate) fn begin_row(&mut self) {
        self.row.clear();
    }

    /// Handles a zero date in a column of the current row: appends NULL, or refuses the row.
    pub(crate) fn met(&mut self, writer: &mut RowWriter, index: usize) -> Result<(), Refusal> {
        if !self.become_null {
            return Err(Refusal::out_of_range("a zero or partial date is no day"));
        }
        writer.push_null(index)?;
        self.row.push(index);
        Ok(())
    }

    /// Counts the zero dates of the current row once the row is complete. A row that goes to
    /// quarantine is not converted.
    pub(crate) fn keep_row(&mut self) {
        self.row.iter().for_each(|&index| self.counts[index] += 1);
    }

    /// Returns the conversions since the last call.
    #[cfg(feature = "mysql")]
    pub(crate) fn take(&mut self, writer: &RowWriter) -> Vec<Conversion> {
        let conversions = self.conversions(writer);
        self.counts.fill(0);
        conversions
    }

    /// Returns all conversions so far; columns without any are left out.
    pub(crate) fn conversions(&self, writer: &RowWriter) -> Vec<Conversion> {
        let met = self.counts.iter().enumerate().filter(|(_, rows)| **rows > 0);
        met.map(|(index, &rows)| Conversion { column: writer.name(index).to_owned(), what: ZERO_DATE, rows })
            .collect()
    }
}

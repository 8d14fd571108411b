//! Rows that were rejected by a load and are kept in quarantine.

use serde::{Deserialize, Serialize};

/// Why a row is in quarantine. The set is closed, so that codes can be counted and filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuarantineCode {
    /// The text is not a record of the format: broken JSON, or a CSV row with too many fields.
    BrokenRecord,
    /// The bytes are not valid text in the declared encoding.
    BadEncoding,
    /// A value has a different type than its column, and there is no exact conversion.
    WrongType,
    /// A number, date or text does not fit its column exactly.
    OutOfRange,
    /// A key column or a column that is not nullable is missing or null.
    MissingValue,
    /// The record has a field that the stream's contract does not allow.
    UnknownColumn,
    /// A record with a key that occurs twice, in a stream that does not merge by key.
    DuplicateKey,
}

impl QuarantineCode {
    /// The kebab-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BrokenRecord => "broken-record",
            Self::BadEncoding => "bad-encoding",
            Self::WrongType => "wrong-type",
            Self::OutOfRange => "out-of-range",
            Self::MissingValue => "missing-value",
            Self::UnknownColumn => "unknown-column",
            Self::DuplicateKey => "duplicate-key",
        }
    }
}

/// A rejected row, with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedRow {
    /// Path of the file, relative to the project folder.
    pub file: String,
    /// 1-based line on which the record starts.
    pub line: u64,
    /// The source's name of the column with the error; `None` if the whole record is invalid.
    pub column: Option<String>,
    /// The reason as a code.
    pub code: QuarantineCode,
    /// The reason in words, **without any cell value**: `expected an integer, found text`.
    pub reason: String,
    /// The record's text as in the file, truncated to [`RAW_LIMIT`] bytes at a character boundary.
    /// Invalid UTF-8 is replaced. The engine stores this text or only its hash, depending on the
    /// stream.
    pub raw: String,
}

/// Maximum size in bytes of a record's text in quarantine.
pub const RAW_LIMIT: usize = 64 * 1024;

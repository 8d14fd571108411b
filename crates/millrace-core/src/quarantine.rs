//! Rows that could not be loaded.

use serde::{Deserialize, Serialize};

/// Why a row is in quarantine. A closed list, so that it can be counted and filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuarantineCode {
    /// The text is not a record of the format (broken JSON, a CSV row with too many fields).
    BrokenRecord,
    /// The bytes are not text in the declared encoding.
    BadEncoding,
    /// A value is of another type than its column, and no exact conversion exists.
    WrongType,
    /// A number, date or text does not fit its column exactly.
    OutOfRange,
    /// A column that may not be empty, or a part of the key, is missing or null.
    MissingValue,
    /// The record has a field that the stream's contract does not let in.
    UnknownColumn,
    /// A record that stands twice under one key where the stream does not merge by it.
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

/// A row that was set aside, with its place of origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinedRow {
    /// File, relative to the project folder.
    pub file: String,
    /// 1-based line on which the record starts.
    pub line: u64,
    /// The source's name of the column that was wrong; none where the record as a whole is.
    pub column: Option<String>,
    /// Why.
    pub code: QuarantineCode,
    /// Why, in words, **without any cell value**: `expected an integer, found text`.
    pub reason: String,
    /// The record's text as it stands in the file, cut after [`RAW_LIMIT`] bytes on a character border; bytes that are not UTF-8
    /// are replaced. The engine keeps it or only its hash, as the stream allows.
    pub raw: String,
}

/// Bytes of a record that quarantine keeps.
pub const RAW_LIMIT: usize = 64 * 1024;

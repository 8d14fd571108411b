//! Positions of streams: what has been read so far.
//!
//! A source returns a [`Cursor`] with the rows of a read. The engine stores it as checkpoint in the
//! same transaction as the rows. The serialized form is part of the warehouse's state, so field
//! names and defaults must stay compatible.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A position in a stream. It becomes a checkpoint when it commits together with the rows that it
/// covers. A checkpoint may also be replaced later, without rows, if the source reports the same
/// position with other metadata (see [`Cursor::is_at`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cursor {
    /// The files of a stream, in the state in which they were read completely.
    Files {
        /// The files, ordered by path.
        files: Vec<FileState>,
        /// Whether files that no longer exist stay in the list, because the rows loaded from them
        /// stay in the table.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        kept: bool,
    },
    /// A table up to the greatest value of a cursor column.
    Column {
        /// Name of the cursor column.
        column: String,
        /// Its greatest value, as the server writes it; `None` if there is no such value, as in an
        /// empty table.
        value: Option<String>,
        /// A count and checksum of the rows within the cursor's lag (ADR 12). It differs if a row
        /// was committed late or changed again, so these rows are read again.
        window: String,
    },
    /// A table that was read in part. It is not the end position of a load: it lets an interrupted
    /// load resume.
    Ranges {
        /// The key columns, each with its kind, that delimit the ranges.
        key: Vec<String>,
        /// The key ranges that have not been read yet.
        left: Vec<KeyRange>,
        /// The position that the completed load will have.
        end: Option<Box<Cursor>>,
        /// Number of lossy conversions so far, by column.
        converted: BTreeMap<String, u64>,
        /// Number of rows so far in which U+0000 was removed from a text, by column. The engine
        /// counts them; a source leaves the map empty.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        stripped: BTreeMap<String, u64>,
    },
}

impl Cursor {
    /// Whether both are the same position, so that there is nothing to read between them. The
    /// stamps of files may differ, because they only identify a file without reading it.
    pub fn is_at(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Files { files, kept }, Self::Files { files: others, kept: others_kept }) => {
                kept == others_kept
                    && files.len() == others.len()
                    && files.iter().zip(others).all(|(file, other)| file.is_same(other))
            }
            _ => self == other,
        }
    }
}

/// A range of key values: rows with these values in the leading key columns, and with a value of
/// the next column between two bounds. Values are texts, as the source writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// One value for each leading column.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub equal: Vec<String>,
    /// The lower bound of the next column; `None` if it is unbounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Bound>,
    /// The upper bound, exclusive; `None` if it is unbounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<String>,
}

/// A lower bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The value.
    pub value: String,
    /// Whether the value itself is in the range.
    pub included: bool,
}

/// The recorded state of a loaded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// Path relative to the project folder, with forward slashes. For a remote file, its URL.
    pub path: String,
    /// Size on disk in bytes.
    pub size: u64,
    /// BLAKE3 of the file's bytes, in hex.
    #[serde(alias = "sha256")]
    pub hash: String,
    /// Identifies a version of the file without reading it: modification time, change time and file
    /// number, taken before the read; for a remote file, its entity tag. If the stamp is the same,
    /// the file is unchanged. `None` if the file could change again without getting another stamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<String>,
}

impl FileState {
    /// Whether both have the same path and content.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.path, self.size, &self.hash) == (&other.path, other.size, &other.hash)
    }
}

//! How far a stream has been read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A position in a stream. It becomes a checkpoint when it commits with the rows that it covers, or later, when it is found to be the same place
/// by other signs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cursor {
    /// The files of a stream as they were when they were read from end to end.
    Files {
        /// In the order of their paths.
        files: Vec<FileState>,
        /// Whether files that are gone stay in the list, because the rows that were loaded from them do.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        kept: bool,
    },
    /// A table as far as a column of it has grown.
    Column {
        /// The column.
        column: String,
        /// Its greatest value, as the server writes it; none of a table without rows.
        value: Option<String>,
        /// What the rows of the last values were, which are read again for those that are committed late.
        window: String,
    },
    /// A table of which a part has been read. Not where a load has ended, but where one that did not come to its end can be gone on with.
    Ranges {
        /// The columns of the key, each with its kind, by which the ranges are told.
        key: Vec<String>,
        /// What has not been read.
        left: Vec<KeyRange>,
        /// Where the load will end.
        end: Option<Box<Cursor>>,
        /// Lossy conversions so far, by column.
        converted: BTreeMap<String, u64>,
        /// Rows so far out of whose texts U+0000 was taken, by column. The engine counts those; a source leaves it empty.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        stripped: BTreeMap<String, u64>,
    },
}

impl Cursor {
    /// Whether both are the same place of a stream, so that between them there is nothing to read. By what files are known again without
    /// being read may differ.
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

/// Rows with these values in the first columns of a key, and with values of the next column between two bounds. Values are texts, as the
/// source writes them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// One for each of the first columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub equal: Vec<String>,
    /// The lower bound of the next column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Bound>,
    /// The upper bound, which is not in the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<String>,
}

/// A lower bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The value.
    pub value: String,
    /// Whether that value is in the range.
    pub included: bool,
}

/// What is remembered of a file that has been loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileState {
    /// Relative to the project folder, with forward slashes; of a file of another machine, its address.
    pub path: String,
    /// Bytes on disk.
    pub size: u64,
    /// BLAKE3 of the bytes on disk, in hex.
    #[serde(alias = "sha256")]
    pub hash: String,
    /// What the file system said of the file before it was read: when it was changed, and which one it is; or the entity tag that a server
    /// gave it. A file of which it still says the same is the same, and need not be read to know. None where it may have changed since without another stamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<String>,
}

impl FileState {
    /// Whether both are a file of one name and content.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.path, self.size, &self.hash) == (&other.path, other.size, &other.hash)
    }
}

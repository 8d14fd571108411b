//! Comparison of key sets by checksums: parts of the sets are summed, and only the parts whose sums
//! differ are compared row by row.
//!
//! The text of a key is hashed with MD5, which every database computes alike, or with SHA-256 if
//! the source has no MD5 (any more). The first hex digits of the hash name the part that a key
//! belongs to; digits 5 to 20 are read as a number, and a part's sum is the number of its keys and
//! the sum of these numbers. Two different sets have equal sums with a probability of 1 in 2^64.
//! Whatever the sums say, a row is removed only after its own key was looked for.

use std::collections::BTreeMap;

use millrace_core::schema::{Column, DataType};
use millrace_core::value::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::ports::source::{Drift, ReadRequest, StreamRequest};
use crate::ports::warehouse::Rows;

/// Which hex digits of a hash are summed: the first of them (counted from 1), and how many.
pub const SUMMED: (usize, usize) = (5, 16);

/// The largest number of parts that are compared one by one. If more differ, all keys are compared.
pub(crate) const MOST_PARTS: usize = 256;

/// Target for the number of keys in a part; it decides on the number of digits.
const PART: u64 = 4096;

/// The columns of a stream's key, as a source is asked for their values.
#[derive(Debug, Clone)]
pub struct KeyRequest {
    /// The stream.
    pub stream: StreamRequest,
    /// The columns under the source's names, in the order in which their hashes are concatenated.
    pub columns: Vec<Column>,
}

impl KeyRequest {
    /// A read request for the keys of all rows: no cursor, nothing quarantined by contract, no
    /// drift.
    pub fn of_all_rows(&self) -> ReadRequest {
        ReadRequest {
            stream: self.stream.clone(),
            columns: self.columns.clone(),
            key: self.columns.iter().map(|column| column.name.clone()).collect(),
            quarantine_unknown_columns: false,
            quarantine_nul: false,
            cursor: None,
            drift: Drift::default(),
            seen: None,
        }
    }
}

/// Rows that are identified by their keys.
#[derive(Debug, Clone, PartialEq)]
pub struct RowKeys {
    /// The columns of the key, under the source's names.
    pub columns: Vec<Column>,
    /// Their values, one vector a row, never NULL: integers, texts, bytes, dates and timestamps.
    pub rows: Vec<Vec<Value>>,
}

impl RowKeys {
    /// Whether a source can be asked for rows by values of a column of this type.
    pub(crate) fn takes(data_type: DataType) -> bool {
        use DataType::{Bytes, Date, Timestamp, TimestampTz};
        text_of("", data_type).is_some() || matches!(data_type, Bytes | Date | Timestamp | TimestampTz)
    }
}

/// The checksum of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeySum {
    /// The number of keys.
    pub rows: i128,
    /// The sum of the numbers in hex digits 5 to 20 of their hashes.
    pub sum: i128,
}

/// Checksums by name of the part; parts without keys are absent.
pub type KeySums = BTreeMap<String, KeySum>;

/// How key texts are hashed. The source's abilities decide, because every warehouse computes both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHash {
    /// `md5(text)`, in every system that has it.
    Md5,
    /// SHA-256; in a warehouse it is written as [`millrace_core::sql::dialect::Dialect::sha256`].
    Sha256,
}

/// The checksums that a source has computed of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summed {
    /// The hash that was used.
    pub hash: KeyHash,
    /// The checksum of each part.
    pub sums: KeySums,
}

/// A selection of parts of a key set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyParts {
    /// The hash whose first digits name the parts.
    pub hash: KeyHash,
    /// How many hex digits name a part, 1 to 4.
    pub digits: usize,
    /// The names of the parts, in lower case.
    pub names: Vec<String>,
}

/// SQL for the hash of a key. `texts` are SQL expressions for the texts of its columns, and `of`
/// writes the hash of a text expression. The hash of one column is that of its text; the hash of
/// several columns is that of their concatenated hashes, so that `('a', 'bc')` and `('ab', 'c')`
/// differ.
pub fn hash(texts: &[String], of: impl Fn(&str) -> String) -> String {
    match texts {
        [text] => of(text),
        texts => {
            let hashes: Vec<String> = texts.iter().map(|text| of(text)).collect();
            of(&format!("concat({})", hashes.join(", ")))
        }
    }
}

/// How many hex digits name a part, if a set has `rows` keys: the least for which a part has about
/// [`PART`] keys, and 4 at most.
pub(crate) fn digits(rows: u64) -> usize {
    (1..4).find(|digits| rows >> (4 * digits) <= PART).unwrap_or(4)
}

/// SQL in a warehouse for a column's text, if source and warehouse write it identically: integers
/// and texts. Returns `None` for other types.
pub(crate) fn text_of(quoted: &str, data_type: DataType) -> Option<String> {
    use DataType::{Int8, Int16, Int32, Int64, Text, UInt8, UInt16, UInt32, UInt64};
    match data_type {
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => {
            Some(format!("cast({quoted} as varchar)"))
        }
        Text => Some(quoted.to_owned()),
        _ => None,
    }
}

/// The query for the checksums of a warehouse's table: the part, its number of keys, and for each
/// summed digit the sum of its values over the keys. Digits are summed one by one because no
/// portable function turns hex into a number. `offset 0` keeps the optimizer from computing the
/// hash once for each digit.
pub(crate) fn sums_query(table: &str, hash: &str, digits: usize) -> String {
    let (first, count) = SUMMED;
    let sums = (first..first + count)
        .map(|at| format!("sum(strpos('0123456789abcdef', substr(h, {at}, 1)) - 1) as d{at}"));
    format!(
        "select substr(h, 1, {digits}) as part, count(*) as n, {} from (select {hash} as h from {table} offset 0) as keys group by 1",
        sums.collect::<Vec<_>>().join(", ")
    )
}

/// Reads the answer to [`sums_query`]: the digit sums become one number, in base 16. Fails with
/// `Internal` if the answer has another shape.
pub(crate) fn sums(rows: &Rows) -> Result<KeySums> {
    let strange = || Error::new(ErrorKind::Internal, "the sums of a table's keys cannot be read");
    let sum = |at: usize| {
        let row = rows.row(at);
        let (part, numbers) = row.split_first()?;
        let numbers = numbers.iter().map(|value| Value::as_int(value)).collect::<Option<Vec<i128>>>()?;
        let (keys, digits) = numbers.split_first()?;
        let sum = digits.iter().fold(0_i128, |sum, digit| sum * 16 + digit);
        Some((part.as_str()?.to_owned(), KeySum { rows: *keys, sum }))
    };
    (0..rows.len()).map(|at| sum(at).ok_or_else(strange)).collect()
}

/// The names of the parts whose checksums differ, or that only one side has; sorted.
pub(crate) fn differing(one: &KeySums, other: &KeySums) -> Vec<String> {
    let differs = |part: &&String| one.get(*part) != other.get(*part);
    let mut parts: Vec<String> = one.keys().chain(other.keys()).filter(differs).cloned().collect();
    parts.sort_unstable();
    parts.dedup();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_some_thousand_keys() {
        for (rows, expected) in [(0, 1), (65_536, 1), (1_000_000, 2), (10_000_000, 3), (2_000_000_000, 4)] {
            assert_eq!(digits(rows), expected, "{rows}");
        }
    }

    #[test]
    fn parts_differ_by_number_or_sum_or_presence() {
        let sums = |list: &[(&str, i128, i128)]| -> KeySums {
            list.iter()
                .map(|(part, rows, sum)| ((*part).to_owned(), KeySum { rows: *rows, sum: *sum }))
                .collect()
        };
        let ours = sums(&[("0", 2, 9), ("1", 1, 5), ("2", 3, 7), ("3", 1, 1)]);
        let theirs = sums(&[("0", 2, 9), ("1", 1, 6), ("2", 2, 7), ("f", 1, 1)]);
        assert_eq!(differing(&ours, &theirs), ["1", "2", "3", "f"]);
    }
}

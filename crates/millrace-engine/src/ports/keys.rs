//! Sets of keys, compared by what they sum up to: in parts, so that only the parts that differ have to be looked at row by row.
//!
//! A key's text is hashed with MD5, which every database computes alike, or with SHA-256 where a source has no MD5 any more. The first hex digits of a hash say which part a key is in; its
//! digits 5 to 20 are a number, and a part's keys sum up to their number and their sum. Two sets that differ have the same sums once in
//! 2^64; and whatever the sums say, a row is removed only after its own key was looked for.

use std::collections::BTreeMap;

use millrace_core::schema::{Column, DataType};
use millrace_core::value::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::ports::source::{Drift, ReadRequest, StreamRequest};
use crate::ports::warehouse::Rows;

/// Which digits of a hash are summed: the first, and their count.
pub const SUMMED: (usize, usize) = (5, 16);

/// Parts that are looked at one by one; where more differ, all keys are.
pub(crate) const MOST_PARTS: usize = 256;

/// Keys of a part, about.
const PART: u64 = 4096;

/// The columns of a stream's key, as a source is asked for them.
#[derive(Debug, Clone)]
pub struct KeyRequest {
    /// Which stream.
    pub stream: StreamRequest,
    /// Under the source's names, in the order in which their hashes are put together.
    pub columns: Vec<Column>,
}

impl KeyRequest {
    /// The request for the keys of all rows.
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

/// Rows by their keys.
#[derive(Debug, Clone, PartialEq)]
pub struct RowKeys {
    /// The key's columns, under the source's names.
    pub columns: Vec<Column>,
    /// Their values, a vector a row, none of them NULL: whole numbers, texts, bytes, days and moments.
    pub rows: Vec<Vec<Value>>,
}

impl RowKeys {
    /// Whether rows can be asked for by values of such a column.
    pub(crate) fn takes(data_type: DataType) -> bool {
        use DataType::{Bytes, Date, Timestamp, TimestampTz};
        text_of("", data_type).is_some() || matches!(data_type, Bytes | Date | Timestamp | TimestampTz)
    }
}

/// What the keys of one part sum up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeySum {
    /// Keys.
    pub rows: i128,
    /// Of the numbers that digits 5 to 20 of their hashes are.
    pub sum: i128,
}

/// Sums by part; a part without keys is left out.
pub type KeySums = BTreeMap<String, KeySum>;

/// How the texts of keys are hashed: by what the source has, since every warehouse has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHash {
    /// `md5(text)` wherever there is one.
    Md5,
    /// [`millrace_core::sql::dialect::Dialect::sha256`] in a warehouse.
    Sha256,
}

/// What the keys of a source sum up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summed {
    /// By which hash.
    pub hash: KeyHash,
    /// Part by part.
    pub sums: KeySums,
}

/// Some parts of a key set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyParts {
    /// By which hash they are told.
    pub hash: KeyHash,
    /// Hex digits that name a part, 1 to 4.
    pub digits: usize,
    /// Their names, in lower case.
    pub names: Vec<String>,
}

/// The hash of a key of which these are the texts: SQL, in which `of` makes the hash of a text. One column's hash is that of its text, several
/// columns' that of their hashes one behind the other, so that `('a', 'bc')` and `('ab', 'c')` differ.
pub fn hash(texts: &[String], of: impl Fn(&str) -> String) -> String {
    match texts {
        [text] => of(text),
        texts => {
            let hashes: Vec<String> = texts.iter().map(|text| of(text)).collect();
            of(&format!("concat({})", hashes.join(", ")))
        }
    }
}

/// How many digits name a part of a set of so many keys.
pub(crate) fn digits(rows: u64) -> usize {
    (1..4).find(|digits| rows >> (4 * digits) <= PART).unwrap_or(4)
}

/// SQL for a column's text in a warehouse, where it is the same there as in a source: of whole numbers and texts.
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

/// A query for the sums of a warehouse's table: the part, its keys, and for each digit that is summed the sum over the keys.
pub(crate) fn sums_query(table: &str, hash: &str, digits: usize) -> String {
    let (first, count) = SUMMED;
    let sums = (first..first + count)
        .map(|at| format!("sum(strpos('0123456789abcdef', substr(h, {at}, 1)) - 1) as d{at}"));
    format!(
        "select substr(h, 1, {digits}) as part, count(*) as n, {} from (select {hash} as h from {table} offset 0) as keys group by 1",
        sums.collect::<Vec<_>>().join(", ")
    )
}

/// What such a query says.
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

/// The parts that are not the same on both sides.
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

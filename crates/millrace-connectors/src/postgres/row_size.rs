//! Decides whether a row is certainly too large for PostgreSQL: the part of it that cannot be
//! stored elsewhere has to fit into one page.
//!
//! PostgreSQL moves long values out of the row ("TOAST") until it fits, and leaves a pointer for
//! each. This module computes a lower bound: no row gets smaller than that. So a row that it
//! reports never fits, and one that it passes may still be refused by the server. Sources:
//! <https://www.postgresql.org/docs/current/storage-page-layout.html>, `heaptoast.c`,
//! `heaptuple.c`.

use bytes::BytesMut;
use millrace_core::schema::{Column, DataType};

/// Bytes of a page that no row can use: the page header and the row's line pointer
/// (`MaxHeapTupleSize`).
const OF_THE_PAGE: usize = 32;
/// Bytes of a row's header before its NULL bitmap (`SizeofHeapTupleHeader`).
const HEAD: usize = 23;
/// Bytes that remain in the row of a value that is stored elsewhere (`TOAST_POINTER_SIZE`).
const POINTER: usize = 18;
/// Values of up to that many bytes always stay in the row.
const STAYS: usize = 24;
/// Lower bound for the size of a compressed value.
const COMPRESSED: usize = 12;
/// Values shorter than this are not compressed.
const COMPRESSES_FROM: usize = 32;
/// If a value has more distinct bytes than this, compression does not bring it below [`STAYS`].
const DISTINCT: usize = 12;

/// Computes the sizes of rows with certain columns.
#[derive(Debug)]
pub(super) struct RowSize {
    /// One for each column.
    kinds: Vec<Kind>,
    /// Maximum size of a row, in bytes.
    most: usize,
}

/// How a value is stored in a row.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// So many bytes, aligned at a multiple of so many.
    Fixed(usize, usize),
    /// Variable length, with a length in front; may be compressed or stored elsewhere.
    Text,
    /// The same for `numeric`, whose field in COPY has more bytes than the stored value.
    Numeric,
}

impl RowSize {
    /// The size check for rows of these columns, with pages of `page` bytes. `None` if every such
    /// row fits.
    pub(super) fn of(columns: &[Column], page: usize) -> Option<Self> {
        let kinds: Vec<Kind> = columns.iter().map(|column| kind(column.data_type)).collect();
        let widest =
            |kind: &Kind| if let Kind::Fixed(length, _) = kind { length.next_multiple_of(8) } else { 32 };
        let most = page.saturating_sub(OF_THE_PAGE);
        let fits = head(columns.len()) + kinds.iter().map(widest).sum::<usize>() <= most;
        (!fits).then_some(Self { kinds, most })
    }

    /// Whether a row is certainly too large. `row` is what [`super::copy::Fields::write`] produced
    /// for it.
    pub(super) fn is_too_large(&self, row: &BytesMut) -> bool {
        self.least(row).is_some_and(|least| least.next_multiple_of(8) > self.most)
    }

    /// A lower bound for the size of the row in bytes; `None` if the bytes are not such a row.
    fn least(&self, row: &[u8]) -> Option<usize> {
        // The first two bytes are the field count.
        let mut rest = row.get(2..)?;
        let (mut at, mut any_null) = (0, false);
        for kind in &self.kinds {
            let (length, behind) = rest.split_first_chunk::<4>()?;
            let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
                (rest, any_null) = (behind, true);
                continue;
            };
            let value = behind.get(..length)?;
            rest = behind.get(length..)?;
            at = match *kind {
                Kind::Fixed(length, multiple) => usize::next_multiple_of(at, multiple) + length,
                Kind::Text => at + kept(value),
                // COPY sends four 16-bit numbers before the digits, of which the stored value has
                // one.
                Kind::Numeric => at + kept(value.get(6..)?),
            };
        }
        Some(head(if any_null { self.kinds.len() } else { 0 }) + at)
    }
}

/// Size of the header of a row with a NULL bitmap for that many columns; 0 stands for no bitmap.
fn head(columns: usize) -> usize {
    (HEAD + columns.div_ceil(8)).next_multiple_of(8)
}

/// A lower bound for the bytes that a value of variable length takes in the row itself.
fn kept(value: &[u8]) -> usize {
    let whole = value.len() + 1;
    if whole <= STAYS {
        whole
    } else if value.len() < COMPRESSES_FROM || has_many_bytes(value) {
        POINTER
    } else {
        COMPRESSED
    }
}

/// Whether a value has more than [`DISTINCT`] distinct bytes.
fn has_many_bytes(value: &[u8]) -> bool {
    let mut seen = [false; 256];
    let mut count = 0;
    value.iter().any(|byte| {
        let known = std::mem::replace(&mut seen[usize::from(*byte)], true);
        count += usize::from(!known);
        count > DISTINCT
    })
}

/// How PostgreSQL stores the column type of a logical type.
fn kind(data_type: DataType) -> Kind {
    match data_type {
        DataType::Boolean => Kind::Fixed(1, 1),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => Kind::Fixed(2, 2),
        DataType::Int32 | DataType::UInt16 | DataType::Float32 | DataType::Date => Kind::Fixed(4, 4),
        DataType::Int64
        | DataType::UInt32
        | DataType::Float64
        | DataType::Timestamp
        | DataType::TimestampTz => Kind::Fixed(8, 8),
        DataType::Interval => Kind::Fixed(16, 8),
        DataType::UInt64 | DataType::Decimal { .. } => Kind::Numeric,
        DataType::Text | DataType::Json | DataType::Bytes => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(data_type: DataType, count: usize) -> Vec<Column> {
        let column = |at| Column { name: format!("c{at}"), data_type, nullable: true };
        (0..count).map(column).collect()
    }

    #[test]
    fn only_wide_tables_are_looked_at() {
        let looked_at = |data_type, count| RowSize::of(&columns(data_type, count), 8192).is_some();
        assert!(!looked_at(DataType::Int64, 1_000) && looked_at(DataType::Int64, 1_020));
        assert!(!looked_at(DataType::Text, 250) && looked_at(DataType::Text, 260));
        assert!(!looked_at(DataType::Boolean, 900));
    }

    #[test]
    fn what_stays_of_a_value() {
        for (value, expected) in [
            ("", 1),
            ("a", 2),
            ("twenty-three bytes here", 24),
            ("twenty-four bytes here !", 18),
            ("a text of many different bytes, which no one compresses", 18),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 12),
        ] {
            assert_eq!(kept(value.as_bytes()), expected, "{value}");
        }
    }
}

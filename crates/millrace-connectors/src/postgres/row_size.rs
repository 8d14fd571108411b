//! Whether a row is larger than PostgreSQL can hold: what of it cannot be kept elsewhere has to fit into one page.
//!
//! Long values are moved out ("TOAST") until the row fits, and leave a pointer. The size that is worked out here is one below which no row
//! gets: <https://www.postgresql.org/docs/current/storage-page-layout.html>, `heaptoast.c`, `heaptuple.c`.

use bytes::BytesMut;
use millrace_core::schema::{Column, DataType};

/// Bytes of a page that no row has: the page's head and a row's place in it (`MaxHeapTupleSize`).
const OF_THE_PAGE: usize = 32;
/// Bytes of a row's head before the map of its NULLs (`SizeofHeapTupleHeader`).
const HEAD: usize = 23;
/// What a value leaves that is kept elsewhere (`TOAST_POINTER_SIZE`).
const POINTER: usize = 18;
/// Values up to that many bytes stay in the row.
const STAYS: usize = 24;
/// The least that a compressed value can come to.
const COMPRESSED: usize = 12;
/// Shorter values are not compressed.
const COMPRESSES_FROM: usize = 32;
/// With more different bytes than these, no compression brings a value below [`STAYS`].
const DISTINCT: usize = 12;

/// Works out sizes of rows of some columns.
#[derive(Debug)]
pub(super) struct RowSize {
    kinds: Vec<Kind>,
    most: usize,
}

/// How a value lies in a row.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// So many bytes, at a multiple of so many.
    Fixed(usize, usize),
    /// As long as it is, with a length in front.
    Text,
    /// The same, of which COPY sends more than is kept.
    Numeric,
}

impl RowSize {
    /// For rows of these columns in pages of that size. None where any row of them fits.
    pub(super) fn of(columns: &[Column], page: usize) -> Option<Self> {
        let kinds: Vec<Kind> = columns.iter().map(|column| kind(column.data_type)).collect();
        let widest =
            |kind: &Kind| if let Kind::Fixed(length, _) = kind { length.next_multiple_of(8) } else { 32 };
        let most = page.saturating_sub(OF_THE_PAGE);
        let fits = head(columns.len()) + kinds.iter().map(widest).sum::<usize>() <= most;
        (!fits).then_some(Self { kinds, most })
    }

    /// Whether a row is too large for certain. `row` is what [`super::copy::Fields::write`] makes of it.
    pub(super) fn is_too_large(&self, row: &BytesMut) -> bool {
        self.least(row).is_some_and(|least| least.next_multiple_of(8) > self.most)
    }

    /// Bytes that the row has at least. None for what is no such row.
    fn least(&self, row: &[u8]) -> Option<usize> {
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
                // Four numbers in front of the digits become one.
                Kind::Numeric => at + kept(value.get(6..)?),
            };
        }
        Some(head(if any_null { self.kinds.len() } else { 0 }) + at)
    }
}

/// The head of a row with that many columns in its map of NULLs.
fn head(columns: usize) -> usize {
    (HEAD + columns.div_ceil(8)).next_multiple_of(8)
}

/// What stays of a value in the row at least.
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

fn has_many_bytes(value: &[u8]) -> bool {
    let mut seen = [false; 256];
    let mut count = 0;
    value.iter().any(|byte| {
        let known = std::mem::replace(&mut seen[usize::from(*byte)], true);
        count += usize::from(!known);
        count > DISTINCT
    })
}

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

//! Fills DuckDB's vectors from Arrow arrays.
//!
//! The crate's own conversion (1.10505) asks DuckDB for memory for each text, and counts the digits
//! of each decimal by division. This module writes both directly and leaves all other types to the
//! crate. It is the only module with unsafe code; see ADR 0023.

use std::error::Error as StdError;
use std::mem::MaybeUninit;
use std::ops::RangeInclusive;

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, Decimal128Array, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;
use duckdb::core::{
    ArrayVector, DataChunkHandle, FlatVector, Inserter, ListVector, LogicalTypeHandle, LogicalTypeId,
    StructVector,
};
use duckdb::vtab::arrow::{WritableVector, write_arrow_array_to_vector};

type Result<T> = std::result::Result<T, Box<dyn StdError>>;

/// Fills a chunk with rows, of which there may be no more than a vector holds. Fails if the number
/// of columns differs, or if a column that is filled here has another type than its vector. The
/// other columns must have the types that the crate maps Arrow's types to.
pub(super) fn fill(rows: &RecordBatch, chunk: &mut DataChunkHandle) -> Result<()> {
    if rows.num_columns() != chunk.num_columns() {
        return Err(format!("{} columns for {}", rows.num_columns(), chunk.num_columns()).into());
    }
    for (place, column) in rows.columns().iter().enumerate() {
        match column.data_type() {
            DataType::Utf8 => {
                let texts = column.as_string::<i32>();
                let mut vector = chunk.flat_vector(place);
                fill_texts(texts.value_data(), texts.value_offsets(), &mut vector)?;
                fill_nulls(texts.nulls(), &mut vector);
            }
            DataType::Decimal128(precision, scale) => {
                let numbers = column.as_primitive::<Decimal128Type>();
                let mut vector = chunk.flat_vector(place);
                let into = vector.logical_type();
                if (*precision, *scale) != (into.decimal_width(), into.decimal_scale() as i8) {
                    return Err("decimals of another precision or scale".into());
                }
                match precision {
                    ..=4 => fill_decimals(numbers, &mut vector, |number| number as i16)?,
                    5..=9 => fill_decimals(numbers, &mut vector, |number| number as i32)?,
                    10..=18 => fill_decimals(numbers, &mut vector, |number| number as i64)?,
                    _ => fill_decimals(numbers, &mut vector, huge)?,
                }
                fill_nulls(numbers.nulls(), &mut vector);
            }
            _ => write_arrow_array_to_vector(column, &mut Column { chunk, place })?,
        }
    }
    chunk.set_len(rows.num_rows());
    Ok(())
}

/// Marks the NULL rows of a vector.
fn fill_nulls(nulls: Option<&NullBuffer>, vector: &mut FlatVector<'_>) {
    for row in nulls.into_iter().flat_map(|nulls| (0..nulls.len()).filter(|row| nulls.is_null(*row))) {
        vector.set_null(row);
    }
}

/// Fills a vector with texts, which lie one behind the other in `bytes`; `offsets` has one more
/// entry than there are texts. DuckDB copies all bytes at once, into memory that lives as long as
/// the vector, and each text then points into the copy.
fn fill_texts(bytes: &[u8], offsets: &[i32], vector: &mut FlatVector<'_>) -> Result<()> {
    let (Some(&first), Some(&end)) = (offsets.first(), offsets.last()) else { return Ok(()) };
    let all = &bytes[first as usize..end as usize];
    // If all texts together are that short, none of them needs the copy.
    let copy = if all.len() > Text::INLINE { copy_of(all, vector)? } else { 0 };
    let texts = cells::<Text>(vector, offsets.len() - 1)?;
    for (text, ends) in texts.iter_mut().zip(offsets.windows(2)) {
        let (start, end) = ((ends[0] - first) as usize, (ends[1] - first) as usize);
        text.write(Text::new(&all[start..end], copy + start as u64));
    }
    Ok(())
}

/// Copies bytes into the memory of a vector and returns the address of the copy. There must be more
/// bytes than a cell holds inline. Uses the first cell of the vector, which the caller overwrites.
#[expect(unsafe_code, reason = "what DuckDB has written is read")]
fn copy_of(bytes: &[u8], vector: &mut FlatVector<'_>) -> Result<u64> {
    cells::<Text>(vector, 1)?[0].write(Text::new(&[], 0));
    vector.insert(0, bytes);
    // SAFETY: This cell has been written, at the latest just above.
    let copy = unsafe { cells::<Text>(vector, 1)?[0].assume_init() };
    // DuckDB ignores bytes that are not UTF-8 without an error; the cell then keeps its former
    // length.
    if copy.length as usize == bytes.len() { Ok(copy.address()) } else { Err("DuckDB refuses a text".into()) }
}

/// Fills a vector with decimals, each converted by `cell`. Fails if a value has more digits than
/// the precision permits. Values behind NULLs may be anything.
fn fill_decimals<T: Cell>(
    numbers: &Decimal128Array,
    vector: &mut FlatVector<'_>,
    cell: impl Fn(i128) -> T,
) -> Result<()> {
    let limit = 10_u128.pow(numbers.precision().into());
    let cells = cells::<T>(vector, numbers.len())?;
    for (row, (&number, into)) in numbers.values().iter().zip(cells).enumerate() {
        if number.unsigned_abs() < limit {
            into.write(cell(number));
        } else if numbers.is_null(row) {
            into.write(cell(0));
        } else {
            return Err(format!("{number} has more than {} digits", numbers.precision()).into());
        }
    }
    Ok(())
}

/// A type that a vector holds once for each row.
trait Cell: Copy {
    /// Whether vectors of this logical type hold cells of `Self`.
    fn is_of(of: &LogicalTypeHandle) -> bool;
}

/// Whether a type is a decimal whose precision is in the range.
fn is_decimal(of: &LogicalTypeHandle, digits: RangeInclusive<u8>) -> bool {
    of.id() == LogicalTypeId::Decimal && digits.contains(&of.decimal_width())
}

impl Cell for i16 {
    fn is_of(of: &LogicalTypeHandle) -> bool {
        is_decimal(of, 1..=4)
    }
}

impl Cell for i32 {
    fn is_of(of: &LogicalTypeHandle) -> bool {
        is_decimal(of, 5..=9)
    }
}

impl Cell for i64 {
    fn is_of(of: &LogicalTypeHandle) -> bool {
        is_decimal(of, 10..=18)
    }
}

/// `duckdb_hugeint`: the lower half, then the upper one. Its alignment is less than that of Rust's
/// `i128`.
type Huge = [u64; 2];

impl Cell for Huge {
    fn is_of(of: &LogicalTypeHandle) -> bool {
        is_decimal(of, 19..=38)
    }
}

fn huge(number: i128) -> Huge {
    [number as u64, (number >> 64) as u64]
}

/// `duckdb_string_t`: the length and the text itself if it has at most twelve bytes; otherwise the
/// length, the first four bytes and the address of the text.
#[derive(Clone, Copy)]
#[repr(C)]
struct Text {
    length: u32,
    start: [u8; 4],
    rest: [u8; 8],
}

// Addresses have eight bytes on all machines for which libduckdb exists.
const _: () = assert!(size_of::<Text>() == size_of::<duckdb::ffi::duckdb_string_t>());
const _: () = assert!(size_of::<usize>() == size_of::<u64>());

impl Cell for Text {
    fn is_of(of: &LogicalTypeHandle) -> bool {
        of.id() == LogicalTypeId::Varchar
    }
}

impl Text {
    /// Maximum length in bytes of a text that is stored in the cell itself.
    const INLINE: usize = 12;

    /// The cell for a text. `address` is where the text is stored; short texts do not use it.
    fn new(text: &[u8], address: u64) -> Self {
        let mut cell = Self { length: text.len() as u32, start: [0; 4], rest: [0; 8] };
        let (start, rest) = text.split_at(text.len().min(4));
        cell.start[..start.len()].copy_from_slice(start);
        if text.len() <= Self::INLINE {
            cell.rest[..rest.len()].copy_from_slice(rest);
        } else {
            cell.rest = address.to_ne_bytes();
        }
        cell
    }

    /// The address of a text of more than twelve bytes.
    fn address(self) -> u64 {
        u64::from_ne_bytes(self.rest)
    }
}

/// The first cells of a vector, for writing. Fails if the vector is too short or of another type.
#[expect(unsafe_code, reason = "the crate hands out a vector's memory only so")]
fn cells<'vector, T: Cell>(
    vector: &'vector mut FlatVector<'_>,
    rows: usize,
) -> Result<&'vector mut [MaybeUninit<T>]> {
    if rows > vector.capacity() || !T::is_of(&vector.logical_type()) {
        return Err("rows do not fit into a vector".into());
    }
    // SAFETY: The vector's type says that its cells are of `T`, and its capacity is at least
    // `rows`. The cells may be uninitialized, which `MaybeUninit` permits. The vector stays
    // borrowed while the slice lives, and no other vector of this column exists meanwhile.
    Ok(unsafe { vector.as_mut_slice_with_len(rows) })
}

/// One column of a chunk, for the crate's own conversion.
struct Column<'a> {
    chunk: &'a mut DataChunkHandle,
    place: usize,
}

impl WritableVector for Column<'_> {
    fn flat_vector(&mut self) -> FlatVector<'_> {
        self.chunk.flat_vector(self.place)
    }

    fn list_vector(&mut self) -> ListVector<'_> {
        self.chunk.list_vector(self.place)
    }

    fn array_vector(&mut self) -> ArrayVector<'_> {
        self.chunk.array_vector(self.place)
    }

    fn struct_vector(&mut self) -> StructVector<'_> {
        self.chunk.struct_vector(self.place)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
    use std::sync::{Arc, Mutex, PoisonError};

    use arrow_array::{ArrayRef, BooleanArray, StringArray};
    use arrow_select::concat::concat_batches;
    use duckdb::Connection;
    use duckdb::vtab::{BindInfo, InitInfo, TableFunctionInfo, VTab, to_duckdb_logical_type_for_field};
    use proptest::prelude::{any, proptest};

    use super::*;

    /// The rows that a table function returns, once.
    struct Given;

    static GIVEN: Mutex<BTreeMap<i64, RecordBatch>> = Mutex::new(BTreeMap::new());
    static LAST: AtomicI64 = AtomicI64::new(0);

    impl VTab for Given {
        type InitData = AtomicBool;
        type BindData = RecordBatch;

        fn bind(bind: &BindInfo) -> Result<RecordBatch> {
            let number = bind.get_parameter(0).to_int64();
            let rows =
                GIVEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&number).ok_or("no rows")?;
            for field in rows.schema().fields() {
                bind.add_result_column(field.name(), to_duckdb_logical_type_for_field(field)?);
            }
            Ok(rows)
        }

        fn init(_: &InitInfo) -> Result<AtomicBool> {
            Ok(AtomicBool::new(false))
        }

        fn func(function: &TableFunctionInfo<Self>, output: &mut DataChunkHandle) -> Result<()> {
            if function.get_init_data().swap(true, Ordering::Relaxed) {
                output.set_len(0);
                return Ok(());
            }
            fill(function.get_bind_data(), output)
        }

        fn parameters() -> Option<Vec<LogicalTypeHandle>> {
            Some(vec![LogicalTypeHandle::from(LogicalTypeId::Bigint)])
        }
    }

    fn rows(columns: Vec<ArrayRef>) -> RecordBatch {
        let named = columns.into_iter().enumerate().map(|(at, column)| (at.to_string(), column));
        RecordBatch::try_from_iter_with_nullable(named.map(|(name, column)| (name, column, true)))
            .expect("rows")
    }

    /// The rows as DuckDB returns them.
    fn through(rows: &RecordBatch) -> Result<RecordBatch> {
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(number, rows.clone());
        let connection = Connection::open_in_memory()?;
        connection.register_table_function::<Given>("given")?;
        let mut statement = connection.prepare(&format!("select * from given({number})"))?;
        let arrived: Vec<RecordBatch> = statement.query_arrow([])?.collect();
        Ok(concat_batches(&rows.schema(), &arrived)?)
    }

    fn decimals(numbers: Vec<Option<i128>>, precision: u8, scale: i8) -> ArrayRef {
        let numbers = Decimal128Array::from(numbers).with_precision_and_scale(precision, scale);
        Arc::new(numbers.expect("a decimal's type"))
    }

    proptest! {
        #[test]
        fn texts_and_numbers_of_any_length_arrive(
            values in proptest::collection::vec(
                (any::<Option<String>>(), proptest::option::of("[a-zé]{0,14}"), any::<Option<bool>>(), any::<Option<i64>>()),
                0..40,
            ),
            skipped in 0..40_usize,
        ) {
            let texts: StringArray = values.iter().map(|value| value.0.as_deref()).collect();
            let words: StringArray = values.iter().map(|value| value.1.as_deref()).collect();
            let flags: BooleanArray = values.iter().map(|value| value.2).collect();
            let numbers = |precision: u8| {
                let limit = 10_i128.pow(u32::from(precision));
                let fit = |number: i64| i128::from(number) * i128::from(number) % limit * i128::from(number.signum());
                decimals(values.iter().map(|value| value.3.map(fit)).collect(), precision, 0)
            };
            let mut columns: Vec<ArrayRef> = vec![Arc::new(texts), Arc::new(words), Arc::new(flags)];
            columns.extend([1, 4, 5, 9, 10, 18, 19, 38].map(numbers));
            let rows = rows(columns);
            // The offsets of a slice do not begin with zero.
            let skipped = skipped.min(values.len());
            let part = rows.slice(skipped, values.len() - skipped);
            let arrived = through(&part).expect("they fit");
            assert_eq!(arrived.columns(), part.columns());
        }
    }

    #[test]
    fn the_least_and_the_greatest_of_each_width_arrive() {
        for precision in 1..=38 {
            let most = 10_i128.pow(precision.into()) - 1;
            let rows = rows(vec![decimals(vec![Some(most), Some(-most), None, Some(0)], precision, 0)]);
            assert_eq!(through(&rows).expect("they fit").columns(), rows.columns(), "{precision}");
        }
    }

    #[test]
    fn a_number_that_is_too_long_is_an_error_and_none_is_none() {
        let of = |nulls: Vec<bool>| {
            let numbers = Decimal128Array::new(vec![1_000, 1_000].into(), Some(nulls.into()));
            rows(vec![Arc::new(numbers.with_precision_and_scale(3, 0).expect("a decimal's type"))])
        };
        let refused = through(&of(vec![false, true])).expect_err("it does not fit");
        assert!(refused.to_string().contains("1000 has more than 3 digits"), "{refused}");
        let none = through(&of(vec![false, false])).expect("none is of any length");
        assert_eq!(none.column(0).null_count(), 2);
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let chunk = DataChunkHandle::new(&[LogicalTypeHandle::from(LogicalTypeId::Varchar)]);
        let mut vector = chunk.flat_vector(0);
        for bytes in [&b"a text of more than twelve bytes"[..], b"twelve and a half \xC3"] {
            let filled = fill_texts(bytes, &[0, 12, bytes.len() as i32], &mut vector);
            assert_eq!(filled.is_ok(), bytes.is_ascii());
        }
    }

    #[test]
    fn a_vector_of_another_type_or_too_short_is_not_written() {
        let types = [LogicalTypeHandle::from(LogicalTypeId::Varchar), LogicalTypeHandle::decimal(9, 2)];
        let chunk = DataChunkHandle::new(&types);
        assert!(cells::<i64>(&mut chunk.flat_vector(0), 1).is_err());
        assert!(cells::<i64>(&mut chunk.flat_vector(1), 1).is_err());
        assert!(cells::<Text>(&mut chunk.flat_vector(1), 1).is_err());
        let room = chunk.flat_vector(0).capacity();
        assert_eq!(cells::<Text>(&mut chunk.flat_vector(0), room).expect("there is room").len(), room);
        assert!(cells::<Text>(&mut chunk.flat_vector(0), room + 1).is_err());
        let texts = || Arc::new(StringArray::from(vec!["a"])) as ArrayRef;
        for (columns, fit) in [
            (vec![texts(), decimals(vec![Some(1)], 9, 2)], true),
            (vec![texts(), decimals(vec![Some(1)], 9, 3)], false),
            (vec![texts(), decimals(vec![Some(1)], 8, 2)], false),
            (vec![texts(), texts()], false),
            (vec![texts()], false),
        ] {
            let mut chunk = DataChunkHandle::new(&types);
            assert_eq!(fill(&rows(columns), &mut chunk).is_ok(), fit);
        }
    }
}

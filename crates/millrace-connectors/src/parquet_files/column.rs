//! Converts Arrow arrays to the requested columns: unchanged if the types match, otherwise value by
//! value, exactly or not at all.
//!
//! Texts arrive as bytes, because the file is read without the annotations of texts
//! ([`super::schema::untyped`]). Dates and timestamps must be of the years 1 to 9999 and no finer
//! than a microsecond. A value that does not fit is refused with the reason, and its row goes to
//! quarantine.

use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::{ArrowError, DataType as ArrowType, TimeUnit};
use millrace_core::quarantine::QuarantineCode;
use millrace_core::schema::DataType;
use millrace_engine::ports::batch::arrow_type;

use crate::files::cell::{Cell, Refusal};
use crate::files::column::{ColumnBuffer, Values};
use crate::files::{convert, numeric, temporal};
use crate::parquet_files::json;

/// Microseconds of a day.
const DAY_MICROS: i64 = 86_400_000_000;

/// How the values of a field of a file become a requested column.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// The requested type.
    pub(super) data_type: DataType,
    /// Whether a NULL is refused.
    pub(super) required: bool,
    /// Whether the values are UUIDs, in sixteen bytes each.
    pub(super) is_uuid: bool,
    /// The type by the file's own schema, which tells texts from bytes. Irrelevant for a column
    /// that the file lacks.
    pub(super) own: ArrowType,
}

impl Reading {
    fn is_text(&self) -> bool {
        self.own == ArrowType::Utf8
    }
}

/// Converts an array to the type of a column. Calls `refused` for each row that does not fit; the
/// array has NULL there. `millis` are the same INT96 timestamps in milliseconds.
pub(super) fn convert(
    array: &ArrayRef,
    millis: Option<&ArrayRef>,
    reading: &Reading,
    mut refused: impl FnMut(usize, Refusal),
) -> Result<ArrayRef, ArrowError> {
    if reading.required {
        let missing = Refusal::new(QuarantineCode::MissingValue, "the value is null");
        (0..array.len()).filter(|&row| is_null(array, row)).for_each(|row| refused(row, missing.clone()));
    }
    // The fast path: an array that already has the right type and range is not copied.
    if millis.is_none()
        && let Some(array) = as_it_is(array, reading)
    {
        return Ok(array);
    }
    let mut column = ColumnBuffer::new(reading.data_type);
    let mut scratch = Vec::new();
    for row in 0..array.len() {
        let pushed = if is_null(array, row) {
            column.push_null();
            Ok(())
        } else if let Some(millis) = millis {
            int96(array, millis, row).and_then(|micros| moment(&mut column, Some(micros), false))
        } else {
            push(&mut column, array, row, reading, &mut scratch)
        };
        if let Err(refusal) = pushed {
            refused(row, refusal);
            column.push_null();
        }
    }
    column.take()
}

/// Whether a row is NULL. Arrays of the type Null have no validity bitmap, so they are a case of
/// their own.
fn is_null(array: &ArrayRef, row: usize) -> bool {
    array.is_null(row) || array.data_type() == &ArrowType::Null
}

/// The array itself, if all its values are valid for the column as they are.
fn as_it_is(array: &ArrayRef, reading: &Reading) -> Option<ArrayRef> {
    let same = *array.data_type() == arrow_type(reading.data_type);
    let is_kept = match reading.data_type {
        DataType::Text => {
            // Validates all texts in one go, without a copy.
            let texts = StringArray::try_from_binary(array.as_binary_opt::<i32>()?.clone()).ok()?;
            return Some(Arc::new(texts));
        }
        // Every JSON text has to be validated.
        DataType::Json => false,
        DataType::Bytes => same && !reading.is_text(),
        // The slot of a NULL holds zero, which is within the range.
        DataType::Date => same && is_within(array.as_primitive::<Date32Type>().values(), &years()),
        DataType::Timestamp | DataType::TimestampTz => {
            same && is_within(array.as_primitive::<TimestampMicrosecondType>().values(), &moments())
        }
        _ => same,
    };
    is_kept.then(|| Arc::clone(array))
}

fn is_within<T: PartialOrd>(values: &[T], range: &RangeInclusive<T>) -> bool {
    values.iter().all(|value| range.contains(value))
}

/// Pushes the value of an integer array.
macro_rules! integer {
    ($column:expr, $array:expr, $row:expr, $type:ty, $scratch:expr) => {
        number($column, i128::from($array.as_primitive::<$type>().value($row)), $scratch)
    };
}

/// Appends a value that is not NULL. If it is refused, the column is left as it was.
fn push(
    column: &mut ColumnBuffer,
    array: &ArrayRef,
    row: usize,
    reading: &Reading,
    scratch: &mut Vec<u8>,
) -> Result<(), Refusal> {
    scratch.clear();
    match array.data_type() {
        ArrowType::Boolean => convert::push(column, Cell::Boolean(array.as_boolean().value(row))),
        ArrowType::Int8 => integer!(column, array, row, Int8Type, scratch),
        ArrowType::Int16 => integer!(column, array, row, Int16Type, scratch),
        ArrowType::Int32 => integer!(column, array, row, Int32Type, scratch),
        ArrowType::Int64 => integer!(column, array, row, Int64Type, scratch),
        ArrowType::UInt8 => integer!(column, array, row, UInt8Type, scratch),
        ArrowType::UInt16 => integer!(column, array, row, UInt16Type, scratch),
        ArrowType::UInt32 => integer!(column, array, row, UInt32Type, scratch),
        ArrowType::UInt64 => integer!(column, array, row, UInt64Type, scratch),
        ArrowType::Float16 => float(column, array.as_primitive::<Float16Type>().value(row).to_f32().into()),
        ArrowType::Float32 => float(column, array.as_primitive::<Float32Type>().value(row).into()),
        ArrowType::Float64 => float(column, array.as_primitive::<Float64Type>().value(row)),
        // By their digits, so that `convert` checks them like any decimal number.
        ArrowType::Decimal128(..) => {
            let text = array.as_primitive::<Decimal128Type>().value_as_string(row);
            convert::push(column, Cell::Number(text.as_bytes()))
        }
        ArrowType::Decimal256(..) => {
            let text = array.as_primitive::<Decimal256Type>().value_as_string(row);
            convert::push(column, Cell::Number(text.as_bytes()))
        }
        ArrowType::Date32 | ArrowType::Time32(_) | ArrowType::Time64(_) | ArrowType::Timestamp(..)
            if column.data_type() == DataType::Text =>
        {
            // The same spelling as within JSON, without the quotes.
            json::write(array.as_ref(), &reading.own, row, scratch)?;
            let text =
                scratch.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(scratch);
            convert::push(column, Cell::Plain(text))
        }
        ArrowType::Date32 => day(column, array.as_primitive::<Date32Type>().value(row)),
        ArrowType::Time32(_) => {
            time(column, Some(i64::from(array.as_primitive::<Time32MillisecondType>().value(row)) * 1000))
        }
        ArrowType::Time64(TimeUnit::Microsecond) => {
            time(column, Some(array.as_primitive::<Time64MicrosecondType>().value(row)))
        }
        ArrowType::Time64(_) => time(column, whole(array.as_primitive::<Time64NanosecondType>().value(row))),
        ArrowType::Timestamp(unit, zone) => {
            let micros = match unit {
                TimeUnit::Nanosecond => whole(array.as_primitive::<TimestampNanosecondType>().value(row)),
                TimeUnit::Microsecond => Some(array.as_primitive::<TimestampMicrosecondType>().value(row)),
                // An overflow is beyond the allowed years, and `moment` refuses it.
                _ => Some(array.as_primitive::<TimestampMillisecondType>().value(row).saturating_mul(1000)),
            };
            moment(column, micros, zone.is_some())
        }
        ArrowType::Binary if reading.is_text() => text(column, array.as_binary::<i32>().value(row)),
        ArrowType::Binary => bytes(column, array.as_binary::<i32>().value(row)),
        ArrowType::FixedSizeBinary(_) => {
            let value = array.as_fixed_size_binary().value(row);
            if reading.is_uuid && column.data_type() == DataType::Text {
                return convert::push(column, Cell::Plain(uuid(value).as_bytes()));
            }
            bytes(column, value)
        }
        _ => {
            json::write(array.as_ref(), &reading.own, row, scratch)?;
            convert::push(column, Cell::Nested(scratch))
        }
    }
}

/// Appends an integer, or its digits if the column is not of integers.
fn number(column: &mut ColumnBuffer, value: i128, scratch: &mut Vec<u8>) -> Result<(), Refusal> {
    use std::io::Write as _;

    // The fast path, for a column of integers that has room for the value.
    if column.push_with(|values| values.push_integer(value)) {
        return Ok(());
    }
    let _infallible = write!(scratch, "{value}");
    convert::push(column, Cell::Number(scratch))
}

/// Appends a float. A column of 32 bits takes only values that it holds exactly, and any NaN. A
/// column of another type takes finite values only, by their shortest exact digits.
fn float(column: &mut ColumnBuffer, value: f64) -> Result<(), Refusal> {
    let fits = column.push_with(|values| match values {
        Values::Float64(list) => {
            list.push(value);
            true
        }
        Values::Float32(list) => {
            let narrow = value as f32;
            let same = f64::from(narrow).to_bits() == value.to_bits() || (narrow.is_nan() && value.is_nan());
            if same {
                list.push(narrow);
            }
            same
        }
        _ => false,
    });
    if fits {
        return Ok(());
    }
    // NaN and infinities have no digits that another type could take.
    if !value.is_finite() {
        return Err(numeric::out_of_range(column.data_type()));
    }
    convert::push(column, Cell::Number(format!("{value}").as_bytes()))
}

/// Appends bytes; to a column of another type, as a text.
fn bytes(column: &mut ColumnBuffer, value: &[u8]) -> Result<(), Refusal> {
    match column.data_type() {
        DataType::Bytes => {
            column.push_bytes(value);
            Ok(())
        }
        _ => text(column, value),
    }
}

/// Appends a text. Refuses bytes that are not UTF-8.
fn text(column: &mut ColumnBuffer, value: &[u8]) -> Result<(), Refusal> {
    if std::str::from_utf8(value).is_err() {
        return Err(not_utf8());
    }
    convert::push(column, Cell::Plain(value))
}

/// The refusal of a text whose bytes are not UTF-8.
pub(super) fn not_utf8() -> Refusal {
    Refusal::new(QuarantineCode::BadEncoding, "the bytes are not UTF-8, in which Parquet has its texts")
}

/// Appends a date, in days since 1970-01-01. Refuses years outside of 1 to 9999.
fn day(column: &mut ColumnBuffer, days: i32) -> Result<(), Refusal> {
    if column.data_type() != DataType::Date {
        return Err(Refusal::wrong_type(format!("expected a {}, found a date", column.data_type())));
    }
    if !years().contains(&days) {
        return Err(Refusal::out_of_range("the day is not of the years 1 to 9999"));
    }
    column.push_days(days);
    Ok(())
}

/// Converts nanoseconds to microseconds. Returns `None` if that is not exact.
fn whole(nanos: i64) -> Option<i64> {
    (nanos % 1000 == 0).then_some(nanos / 1000)
}

/// The microseconds of an INT96 timestamp, put together from two readings of it: its milliseconds,
/// which are exact, and its nanoseconds, which may have overflowed 64 bits. What the nanoseconds
/// have beyond the milliseconds is right all the same, because both are exact modulo 2^64.
fn int96(nanos: &ArrayRef, millis: &ArrayRef, row: usize) -> Result<i64, Refusal> {
    let nanos = nanos.as_primitive::<TimestampNanosecondType>().value(row);
    let millis = millis.as_primitive::<TimestampMillisecondType>().value(row);
    let rest = nanos.wrapping_sub(millis.wrapping_mul(1_000_000));
    if rest % 1_000 != 0 {
        return Err(too_fine());
    }
    // Beyond 64 bits of microseconds a moment is out of the range of every column; `moment` says so.
    Ok(millis.checked_mul(1_000).and_then(|micros| micros.checked_add(rest / 1_000)).unwrap_or(i64::MAX))
}

/// Appends a time of day in microseconds; `None` is finer than that.
fn time(column: &mut ColumnBuffer, micros: Option<i64>) -> Result<(), Refusal> {
    if column.data_type() != DataType::Interval {
        return Err(Refusal::wrong_type(format!("expected a {}, found a time of day", column.data_type())));
    }
    column.push_micros(micros.ok_or_else(too_fine)?);
    Ok(())
}

/// Appends a timestamp in microseconds since 1970-01-01; `None` is finer than that. The column must
/// have a time zone exactly if the timestamp is in UTC (`zoned`).
fn moment(column: &mut ColumnBuffer, micros: Option<i64>, zoned: bool) -> Result<(), Refusal> {
    // A timestamp in UTC and one without a time zone are not converted to each other.
    let expected = if zoned { DataType::TimestampTz } else { DataType::Timestamp };
    if column.data_type() != expected {
        return Err(Refusal::wrong_type(format!("expected a {}, found a {expected}", column.data_type())));
    }
    let micros = micros.ok_or_else(too_fine)?;
    if !moments().contains(&micros) {
        return Err(Refusal::out_of_range("the moment is not of the years 1 to 9999"));
    }
    column.push_micros(micros);
    Ok(())
}

/// The dates that every source may have, in days since 1970-01-01: the years 1 to 9999.
fn years() -> RangeInclusive<i32> {
    let day = |year, month, day| temporal::day_number(year, month, day).unwrap_or_default();
    day(1, 1, 1)..=day(9999, 12, 31)
}

/// The timestamps of these days, in microseconds.
fn moments() -> RangeInclusive<i64> {
    let (first, last) = years().into_inner();
    i64::from(first) * DAY_MICROS..=i64::from(last) * DAY_MICROS + (DAY_MICROS - 1)
}

fn too_fine() -> Refusal {
    Refusal::out_of_range("the time is finer than a microsecond")
}

/// A UUID in its usual form, with hyphens and in lower case.
fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in bytes.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

//! Lists, structs and maps as JSON.

use std::io::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType as ArrowType, Field, TimeUnit};

use crate::files::cell::Refusal;

/// Appends the digits of a number.
macro_rules! digits {
    ($array:expr, $row:expr, $type:ty, $out:expr) => {
        write!($out, "{}", $array.as_primitive::<$type>().value($row)).is_ok()
    };
}

/// Appends a text in quotes.
macro_rules! moment {
    ($value:expr, $out:expr) => {
        $value.is_some_and(|moment| write!($out, "\"{moment:?}\"").is_ok())
    };
}

/// Appends a value. Refuses what JSON has no words for: NaN and infinities, moments beyond the years that programs know.
pub(super) fn write(array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if array.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    let written = match array.data_type() {
        ArrowType::Null => {
            out.extend_from_slice(b"null");
            true
        }
        ArrowType::Boolean => write!(out, "{}", array.as_boolean().value(row)).is_ok(),
        ArrowType::Int8 => digits!(array, row, Int8Type, out),
        ArrowType::Int16 => digits!(array, row, Int16Type, out),
        ArrowType::Int32 => digits!(array, row, Int32Type, out),
        ArrowType::Int64 => digits!(array, row, Int64Type, out),
        ArrowType::UInt8 => digits!(array, row, UInt8Type, out),
        ArrowType::UInt16 => digits!(array, row, UInt16Type, out),
        ArrowType::UInt32 => digits!(array, row, UInt32Type, out),
        ArrowType::UInt64 => digits!(array, row, UInt64Type, out),
        ArrowType::Float16 => float(array.as_primitive::<Float16Type>().value(row).to_f32(), out),
        ArrowType::Float32 => float(array.as_primitive::<Float32Type>().value(row), out),
        ArrowType::Float64 => float(array.as_primitive::<Float64Type>().value(row), out),
        ArrowType::Decimal128(..) => {
            out.extend_from_slice(array.as_primitive::<Decimal128Type>().value_as_string(row).as_bytes());
            true
        }
        ArrowType::Decimal256(..) => {
            out.extend_from_slice(array.as_primitive::<Decimal256Type>().value_as_string(row).as_bytes());
            true
        }
        ArrowType::Date32 => moment!(array.as_primitive::<Date32Type>().value_as_date(row), out),
        ArrowType::Time32(_) => {
            moment!(array.as_primitive::<Time32MillisecondType>().value_as_time(row), out)
        }
        ArrowType::Time64(TimeUnit::Microsecond) => {
            moment!(array.as_primitive::<Time64MicrosecondType>().value_as_time(row), out)
        }
        ArrowType::Time64(_) => moment!(array.as_primitive::<Time64NanosecondType>().value_as_time(row), out),
        ArrowType::Timestamp(unit, zone) => {
            let moment = match unit {
                TimeUnit::Nanosecond => {
                    array.as_primitive::<TimestampNanosecondType>().value_as_datetime(row)
                }
                TimeUnit::Microsecond => {
                    array.as_primitive::<TimestampMicrosecondType>().value_as_datetime(row)
                }
                _ => array.as_primitive::<TimestampMillisecondType>().value_as_datetime(row),
            };
            let zone = if zone.is_some() { "Z" } else { "" };
            moment.is_some_and(|moment| write!(out, "\"{moment:?}{zone}\"").is_ok())
        }
        ArrowType::Utf8 => text(array.as_string::<i32>().value(row), out),
        ArrowType::Binary => hex(array.as_binary::<i32>().value(row), out),
        ArrowType::FixedSizeBinary(_) => hex(array.as_fixed_size_binary().value(row), out),
        ArrowType::List(_) => return list(&array.as_list::<i32>().value(row), out),
        ArrowType::Struct(fields) => {
            let columns = array.as_struct().columns();
            let fields = fields.iter().map(AsRef::as_ref).zip(columns);
            return object(fields, row, out);
        }
        ArrowType::Map(..) => return map(&array.as_map().value(row), out),
        _ => false,
    };
    if written { Ok(()) } else { Err(Refusal::out_of_range("a value within it cannot be written as JSON")) }
}

/// Appends columns of one row as an object.
fn object<'a>(
    columns: impl Iterator<Item = (&'a Field, &'a ArrayRef)>,
    row: usize,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    out.push(b'{');
    for (place, (field, column)) in columns.enumerate() {
        if place > 0 {
            out.push(b',');
        }
        self::field(field, column, row, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Appends a name and its value.
pub(super) fn field(field: &Field, column: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Result<(), Refusal> {
    text(field.name(), out);
    out.push(b':');
    write(column.as_ref(), row, out)
}

fn list(items: &dyn Array, out: &mut Vec<u8>) -> Result<(), Refusal> {
    out.push(b'[');
    for item in 0..items.len() {
        if item > 0 {
            out.push(b',');
        }
        write(items, item, out)?;
    }
    out.push(b']');
    Ok(())
}

/// An object where the keys are texts, each once; else a list of pairs.
fn map(entries: &arrow_array::StructArray, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let (keys, values) = (entries.column(0), entries.column(1));
    let names: Option<std::collections::BTreeSet<&str>> =
        keys.as_string_opt::<i32>().map(|keys| (0..keys.len()).map(|row| keys.value(row)).collect());
    let is_object = names.is_some_and(|names| names.len() == keys.len());
    out.push(if is_object { b'{' } else { b'[' });
    for row in 0..entries.len() {
        if row > 0 {
            out.push(b',');
        }
        if is_object {
            write(keys.as_ref(), row, out)?;
            out.push(b':');
            write(values.as_ref(), row, out)?;
        } else {
            out.push(b'[');
            write(keys.as_ref(), row, out)?;
            out.push(b',');
            write(values.as_ref(), row, out)?;
            out.push(b']');
        }
    }
    out.push(if is_object { b'}' } else { b']' });
    Ok(())
}

/// The shortest text that reads back the same. False where JSON has none.
fn float<T: Into<f64> + std::fmt::Debug + Copy>(value: T, out: &mut Vec<u8>) -> bool {
    // `Debug` writes exponents where they are shorter, as JSON may have them.
    value.into().is_finite() && write!(out, "{value:?}").is_ok()
}

fn text(text: &str, out: &mut Vec<u8>) -> bool {
    serde_json::to_writer(out, text).is_ok()
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    out.push(b'"');
    let written = bytes.iter().all(|byte| write!(out, "{byte:02x}").is_ok());
    out.push(b'"');
    written
}

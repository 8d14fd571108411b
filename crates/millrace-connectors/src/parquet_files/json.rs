//! Writes lists, structs, maps and single values as JSON.
//!
//! Texts arrive as bytes (see [`super::schema::untyped`]); the type by the file's own schema,
//! passed as `own`, tells the two apart.

use std::collections::BTreeSet;
use std::io::Write as _;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, Time64MicrosecondType, Time64NanosecondType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, StructArray};
use arrow_schema::{DataType as ArrowType, Field, Fields, TimeUnit};

use crate::files::cell::Refusal;
use crate::parquet_files::column::not_utf8;

/// Appends the digits of an integer.
macro_rules! digits {
    ($array:expr, $row:expr, $type:ty, $out:expr) => {
        write!($out, "{}", $array.as_primitive::<$type>().value($row)).is_ok()
    };
}

/// Appends a date or a time in quotes, in the ISO 8601 form of `chrono`'s `Debug`; false if the
/// value is out of its range.
macro_rules! moment {
    ($value:expr, $out:expr) => {
        $value.is_some_and(|moment| write!($out, "\"{moment:?}\"").is_ok())
    };
}

/// Appends the value in row `row` of an array. `own` is its type by the file's own schema. Refuses
/// what JSON cannot express: NaN and infinities, dates and times beyond the range of `chrono`, and
/// texts that are not UTF-8. Bytes become hexadecimal digits, timestamps with a time zone end in
/// `Z`.
pub(super) fn write(
    array: &dyn Array,
    own: &ArrowType,
    row: usize,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
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
            // Parquet stores timestamps with a time zone in UTC.
            let zone = if zone.is_some() { "Z" } else { "" };
            moment.is_some_and(|moment| write!(out, "\"{moment:?}{zone}\"").is_ok())
        }
        ArrowType::Binary if *own == ArrowType::Utf8 => {
            let bytes = array.as_binary::<i32>().value(row);
            text(std::str::from_utf8(bytes).map_err(|_| not_utf8())?, out)
        }
        ArrowType::Binary => hex(array.as_binary::<i32>().value(row), out),
        ArrowType::FixedSizeBinary(_) => hex(array.as_fixed_size_binary().value(row), out),
        ArrowType::List(_) => {
            let ArrowType::List(item) = own else { return Err(unwritable()) };
            return list(&array.as_list::<i32>().value(row), item.data_type(), out);
        }
        ArrowType::Struct(_) => {
            let ArrowType::Struct(fields) = own else { return Err(unwritable()) };
            return object(fields, array.as_struct().columns(), row, out);
        }
        ArrowType::Map(..) => {
            let ArrowType::Map(entries, _) = own else { return Err(unwritable()) };
            return map(&array.as_map().value(row), entries.data_type(), out);
        }
        _ => false,
    };
    if written { Ok(()) } else { Err(unwritable()) }
}

/// The refusal of a value that JSON cannot express.
fn unwritable() -> Refusal {
    Refusal::out_of_range("a value within it cannot be written as JSON")
}

/// Appends one row of some columns as an object.
fn object(fields: &Fields, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<(), Refusal> {
    out.push(b'{');
    for (place, (field, column)) in fields.iter().zip(columns).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        self::field(field, column, row, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Appends a name, a colon and the value.
pub(super) fn field(field: &Field, column: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Result<(), Refusal> {
    text(field.name(), out);
    out.push(b':');
    write(column.as_ref(), field.data_type(), row, out)
}

/// Appends a name and a text that is not UTF-8, with U+FFFD for what cannot be decoded. Returns
/// `false`, and appends nothing, if the column is not of texts.
pub(super) fn damaged_text(field: &Field, column: &ArrayRef, row: usize, out: &mut Vec<u8>) -> bool {
    let Some(bytes) = column.as_binary_opt::<i32>().filter(|_| *field.data_type() == ArrowType::Utf8) else {
        return false;
    };
    text(field.name(), out);
    out.push(b':');
    text(&String::from_utf8_lossy(bytes.value(row)), out)
}

/// Appends all values of an array as a list.
fn list(items: &dyn Array, own: &ArrowType, out: &mut Vec<u8>) -> Result<(), Refusal> {
    out.push(b'[');
    for item in 0..items.len() {
        if item > 0 {
            out.push(b',');
        }
        write(items, own, item, out)?;
    }
    out.push(b']');
    Ok(())
}

/// Appends a map: as an object if the keys are texts and each occurs once, otherwise as a list of
/// pairs, so that no entry is lost.
fn map(entries: &StructArray, own: &ArrowType, out: &mut Vec<u8>) -> Result<(), Refusal> {
    let ArrowType::Struct(fields) = own else { return Err(unwritable()) };
    let [own_key, own_value] = fields.as_ref() else { return Err(unwritable()) };
    let (keys, values) = (entries.column(0), entries.column(1));
    // Only texts can be names in JSON. Others become the first of a pair.
    let texts = keys.as_binary_opt::<i32>().filter(|_| *own_key.data_type() == ArrowType::Utf8);
    // A JSON object must not have a key twice.
    let names: Option<BTreeSet<&[u8]>> =
        texts.map(|keys| (0..keys.len()).map(|row| keys.value(row)).collect());
    let is_object = names.is_some_and(|names| names.len() == keys.len());
    out.push(if is_object { b'{' } else { b'[' });
    for row in 0..entries.len() {
        if row > 0 {
            out.push(b',');
        }
        if !is_object {
            out.push(b'[');
        }
        write(keys.as_ref(), own_key.data_type(), row, out)?;
        out.push(if is_object { b':' } else { b',' });
        write(values.as_ref(), own_value.data_type(), row, out)?;
        if !is_object {
            out.push(b']');
        }
    }
    out.push(if is_object { b'}' } else { b']' });
    Ok(())
}

/// Appends the shortest number that reads back the same. Returns `false` for NaN and infinities.
fn float<T: Into<f64> + std::fmt::Debug + Copy>(value: T, out: &mut Vec<u8>) -> bool {
    // `Debug` writes exponents for very large and very small numbers, as JSON allows.
    value.into().is_finite() && write!(out, "{value:?}").is_ok()
}

/// Appends a text in quotes, with the escapes of JSON.
fn text(text: &str, out: &mut Vec<u8>) -> bool {
    serde_json::to_writer(out, text).is_ok()
}

/// Appends bytes as hexadecimal digits in quotes.
fn hex(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    out.push(b'"');
    let written = bytes.iter().all(|byte| write!(out, "{byte:02x}").is_ok());
    out.push(b'"');
    written
}

//! Encodes Arrow rows in the format of `COPY … FROM STDIN (FORMAT binary)`.
//!
//! A header comes first. Each row is a field count (16 bits), then for each field its length (32
//! bits; −1 for NULL) and its bytes in the format of the type's `…recv` function. A field count of
//! −1 ends the data. All numbers are big-endian. Source:
//! <https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format".

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType, UInt8Type, UInt16Type, UInt32Type,
    UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, PrimitiveArray,
    RecordBatch, StringArray,
};
use arrow_buffer::NullBuffer;
use bytes::{BufMut, BytesMut};
use millrace_core::quarantine::RAW_LIMIT;
use millrace_core::schema::{Column, DataType};
use millrace_core::value::Value;
use millrace_engine::error::{Error, ErrorKind, Result};
use serde_json::Value as Json;

use super::numeric;
use super::value::{EPOCH_DAYS, EPOCH_MICROS};

/// The header: signature, no flags, no extension.
pub(super) const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// The trailer: a field count of −1.
pub(super) const TAIL: &[u8] = &[0xff, 0xff];

/// The days that a `date` can hold, as days since 2000-01-01: from 4714-11-24 BC up to, but not
/// including, `DATE_END_JULIAN` (`DATETIME_MIN_JULIAN`, `DATE_END_JULIAN` in PostgreSQL's
/// `timestamp.h`).
const DAYS: std::ops::Range<i32> = -2_451_545..2_145_031_949;
/// The same for a `timestamp`, in microseconds (`MIN_TIMESTAMP`, `END_TIMESTAMP`).
const MICROS: std::ops::Range<i64> = -211_813_488_000_000_000..9_223_371_331_200_000_000;

/// Replaces a value that is not shown.
const ELLIPSIS: &str = "…";

/// The columns of a batch, ready to be encoded row by row.
pub(super) struct Fields<'a> {
    columns: Vec<Field<'a>>,
    rows: usize,
}

/// One column of a batch.
struct Field<'a> {
    column: &'a Column,
    /// `None` if the column has no NULLs, so that rows need no check.
    nulls: Option<&'a NullBuffer>,
    cells: Cells<'a>,
}

/// The values of one column, downcast once for the whole batch. Decimals have their scale; `Wide`
/// is a decimal of more than 38 digits.
enum Cells<'a> {
    Bool(&'a BooleanArray),
    Int8(&'a PrimitiveArray<Int8Type>),
    Int16(&'a PrimitiveArray<Int16Type>),
    Int32(&'a PrimitiveArray<Int32Type>),
    Int64(&'a PrimitiveArray<Int64Type>),
    UInt8(&'a PrimitiveArray<UInt8Type>),
    UInt16(&'a PrimitiveArray<UInt16Type>),
    UInt32(&'a PrimitiveArray<UInt32Type>),
    UInt64(&'a PrimitiveArray<UInt64Type>),
    Decimal(&'a Decimal128Array, u8),
    Wide(&'a Decimal256Array, u8),
    Float32(&'a PrimitiveArray<Float32Type>),
    Float64(&'a PrimitiveArray<Float64Type>),
    Date(&'a PrimitiveArray<Date32Type>),
    Timestamp(&'a PrimitiveArray<TimestampMicrosecondType>),
    Interval(&'a PrimitiveArray<IntervalMonthDayNanoType>),
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
}

/// Why PostgreSQL cannot hold a value.
enum Misfit {
    /// A text contains U+0000.
    Nul,
    /// A date or timestamp is out of range.
    Range,
    /// A value has a gigabyte or more.
    Long,
}

impl<'a> Fields<'a> {
    /// Prepares a batch. Fails with an internal error if an array is not of the Arrow type that its
    /// column calls for.
    pub(super) fn of(columns: &'a [Column], batch: &'a RecordBatch) -> Result<Self> {
        let fields = columns.iter().zip(batch.columns()).map(|(column, array)| {
            let cells = cells(column.data_type, array).ok_or_else(|| {
                let message = format!("column `{}` came with another type than was agreed", column.name);
                Error::new(ErrorKind::Internal, message)
            })?;
            Ok(Field { column, nulls: array.nulls().filter(|nulls| nulls.null_count() > 0), cells })
        });
        Ok(Self { columns: fields.collect::<Result<_>>()?, rows: batch.num_rows() })
    }

    /// The number of rows in the batch.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// A row as quarantine keeps it: a JSON object of at most `RAW_LIMIT` bytes, with the
    /// warehouse's column names; the columns of `key` come first. An ellipsis replaces a value that
    /// does not fit or has no plain text. The columns after one whose ellipsis does not fit either
    /// are left out.
    pub(super) fn raw(&self, row: usize, key: &[String]) -> String {
        let of_key = |field: &&Field<'_>| key.contains(&field.column.name);
        let others = self.columns.iter().filter(|field| !of_key(field));
        let mut out = String::from("{");
        for field in self.columns.iter().filter(of_key).chain(others) {
            let null = field.nulls.is_some_and(|nulls| nulls.is_null(row));
            let value = if null { Json::Null } else { field.cells.shown(row) };
            let comma = if out.len() == 1 { "" } else { ", " };
            let name = format!("{comma}{}: ", Json::from(field.column.name.as_str()));
            let fits = |value: &Json| out.len() + name.len() + value.to_string().len() < RAW_LIMIT;
            let Some(value) = [value, ELLIPSIS.into()].into_iter().find(fits) else { break };
            out += &format!("{name}{value}");
        }
        out + "}"
    }

    /// Encodes one row and appends it to `out`. `place`, the row's number in the order of arrival,
    /// becomes a last field if it is given. Fails with `Data` if PostgreSQL cannot hold a value.
    pub(super) fn write(&self, row: usize, place: Option<u64>, out: &mut BytesMut) -> Result<()> {
        // A guess that saves most reallocations: 2 bytes of count, 16 a field, 12 for `place`.
        out.reserve(2 + self.columns.len() * 16 + 12);
        out.put_i16((self.columns.len() + usize::from(place.is_some())) as i16);
        for field in &self.columns {
            if field.nulls.is_some_and(|nulls| nulls.is_null(row)) {
                out.put_i32(-1);
            } else if let Err(misfit) = field.cells.write(row, out) {
                return Err(misfit.of(field.column));
            }
        }
        if let Some(place) = place {
            out.put_i32(8);
            out.put_u64(place);
        }
        Ok(())
    }
}

/// Downcasts the array of a column; `None` if the array is not of the Arrow type in which
/// `data_type` travels.
fn cells(data_type: DataType, array: &ArrayRef) -> Option<Cells<'_>> {
    Some(match data_type {
        DataType::Boolean => Cells::Bool(array.as_boolean_opt()?),
        DataType::Int8 => Cells::Int8(array.as_primitive_opt()?),
        DataType::Int16 => Cells::Int16(array.as_primitive_opt()?),
        DataType::Int32 => Cells::Int32(array.as_primitive_opt()?),
        DataType::Int64 => Cells::Int64(array.as_primitive_opt()?),
        DataType::UInt8 => Cells::UInt8(array.as_primitive_opt()?),
        DataType::UInt16 => Cells::UInt16(array.as_primitive_opt()?),
        DataType::UInt32 => Cells::UInt32(array.as_primitive_opt()?),
        DataType::UInt64 => Cells::UInt64(array.as_primitive_opt()?),
        DataType::Decimal { scale, .. } => match array.as_primitive_opt::<Decimal128Type>() {
            Some(narrow) => Cells::Decimal(narrow, scale),
            None => Cells::Wide(array.as_primitive_opt::<Decimal256Type>()?, scale),
        },
        DataType::Float32 => Cells::Float32(array.as_primitive_opt()?),
        DataType::Float64 => Cells::Float64(array.as_primitive_opt()?),
        DataType::Date => Cells::Date(array.as_primitive_opt()?),
        DataType::Timestamp | DataType::TimestampTz => Cells::Timestamp(array.as_primitive_opt()?),
        DataType::Interval => Cells::Interval(array.as_primitive_opt()?),
        DataType::Text | DataType::Json => Cells::Text(array.as_string_opt()?),
        DataType::Bytes => Cells::Bytes(array.as_binary_opt()?),
    })
}

/// An `int2` field.
fn small(out: &mut BytesMut, value: i16) {
    out.put_i32(2);
    out.put_i16(value);
}

/// A field of 4 bytes: `int4`, `date` or the bits of a `float4`.
fn int(out: &mut BytesMut, value: i32) {
    out.put_i32(4);
    out.put_i32(value);
}

/// A field of 8 bytes: `int8`, `timestamp` or the bits of a `float8`.
fn big(out: &mut BytesMut, value: i64) {
    out.put_i32(8);
    out.put_i64(value);
}

/// A field of raw bytes: `text`, `json` or `bytea`.
fn bytes(out: &mut BytesMut, value: &[u8]) -> Result<(), Misfit> {
    // PostgreSQL limits a field to a gigabyte (`MaxAllocSize` is 0x3fffffff).
    let length =
        i32::try_from(value.len()).ok().filter(|length| *length < 0x3fff_ffff).ok_or(Misfit::Long)?;
    out.put_i32(length);
    out.put_slice(value);
    Ok(())
}

impl Cells<'_> {
    /// A value as JSON. Exact decimals and floats become strings, so no digit is lost.
    fn shown(&self, row: usize) -> Json {
        match self {
            Self::Bool(array) => array.value(row).into(),
            Self::Int8(array) => array.value(row).into(),
            Self::Int16(array) => array.value(row).into(),
            Self::Int32(array) => array.value(row).into(),
            Self::Int64(array) => array.value(row).into(),
            Self::UInt8(array) => array.value(row).into(),
            Self::UInt16(array) => array.value(row).into(),
            Self::UInt32(array) => array.value(row).into(),
            Self::UInt64(array) => array.value(row).into(),
            Self::Decimal(array, _) => array.value_as_string(row).into(),
            Self::Wide(array, _) => array.value_as_string(row).into(),
            Self::Float32(array) => array.value(row).to_string().into(),
            Self::Float64(array) => array.value(row).to_string().into(),
            Self::Date(array) => Value::Date(array.value(row)).to_string().into(),
            Self::Timestamp(array) => Value::Timestamp(array.value(row)).to_string().into(),
            Self::Interval(_) => ELLIPSIS.into(),
            Self::Text(array) => array.value(row).into(),
            Self::Bytes(array) => Value::Bytes(array.value(row).to_vec()).to_string().into(),
        }
    }

    /// Appends the field of one value that is not NULL, in the type that
    /// `PostgresDialect::column_type` gives the column.
    fn write(&self, row: usize, out: &mut BytesMut) -> Result<(), Misfit> {
        match self {
            Self::Bool(array) => {
                out.put_i32(1);
                out.put_u8(u8::from(array.value(row)));
            }
            Self::Int8(array) => small(out, array.value(row).into()),
            Self::Int16(array) => small(out, array.value(row)),
            Self::Int32(array) => int(out, array.value(row)),
            Self::Int64(array) => big(out, array.value(row)),
            Self::UInt8(array) => small(out, array.value(row).into()),
            Self::UInt16(array) => int(out, array.value(row).into()),
            Self::UInt32(array) => big(out, array.value(row).into()),
            Self::UInt64(array) => numeric::put_i128(out, array.value(row).into(), 0),
            Self::Decimal(array, scale) => numeric::put_i128(out, array.value(row), *scale),
            Self::Wide(array, scale) => numeric::put_i256(out, array.value(row), *scale),
            Self::Float32(array) => int(out, array.value(row).to_bits() as i32),
            Self::Float64(array) => big(out, array.value(row).to_bits() as i64),
            Self::Date(array) => {
                let days = array.value(row).checked_sub(EPOCH_DAYS).filter(|days| DAYS.contains(days));
                int(out, days.ok_or(Misfit::Range)?);
            }
            Self::Timestamp(array) => {
                let micros =
                    array.value(row).checked_sub(EPOCH_MICROS).filter(|micros| MICROS.contains(micros));
                big(out, micros.ok_or(Misfit::Range)?);
            }
            Self::Interval(array) => {
                let interval = array.value(row);
                // `interval_recv` reads microseconds, days and months.
                out.put_i32(16);
                out.put_i64(interval.nanoseconds / 1_000);
                out.put_i32(interval.days);
                out.put_i32(interval.months);
            }
            Self::Text(array) => {
                let text = array.value(row).as_bytes();
                if text.contains(&0) {
                    return Err(Misfit::Nul);
                }
                bytes(out, text)?;
            }
            Self::Bytes(array) => bytes(out, array.value(row))?,
        }
        Ok(())
    }
}

impl Misfit {
    /// Makes the error for a column. The message names no value.
    fn of(self, column: &Column) -> Error {
        let (what, hint) = match self {
            Self::Nul => (
                "a text with the character U+0000, which PostgreSQL cannot hold",
                Some(
                    "Say what becomes of it with the stream's `nul: strip` or `nul: quarantine`, or leave the column out (`exclude_columns`).",
                ),
            ),
            Self::Range => ("a date or time that is out of PostgreSQL's range", None),
            Self::Long => ("a value of more than a gigabyte", None),
        };
        let error = Error::new(ErrorKind::Data, format!("column `{}` has {what}", column.name));
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn what_quarantine_keeps_of_a_row_names_its_key_whatever_is_left_out() {
        let column = |name: &str, data_type| Column { name: name.into(), data_type, nullable: true };
        let columns =
            [column("long", DataType::Text), column("word", DataType::Text), column("id", DataType::Int64)];
        let long = "x".repeat(RAW_LIMIT);
        let arrays: [ArrayRef; 3] = [
            Arc::new(StringArray::from(vec![Some(long.as_str()), Some("short"), None])),
            Arc::new(StringArray::from(vec!["a \"b\"", "c", "d"])),
            Arc::new(Int64Array::from(vec![1, 2, 3])),
        ];
        let names = ["long", "word", "id"].into_iter().zip(arrays);
        let rows = RecordBatch::try_from_iter(names).expect("rows");
        let fields = Fields::of(&columns, &rows).expect("fields");
        let key = ["id".to_owned()];
        assert_eq!(fields.raw(0, &key), r#"{"id": 1, "long": "…", "word": "a \"b\""}"#);
        assert_eq!(fields.raw(1, &key), r#"{"id": 2, "long": "short", "word": "c"}"#);
        assert_eq!(fields.raw(2, &[]), r#"{"long": null, "word": "d", "id": 3}"#);
        for row in 0..3 {
            assert!(fields.raw(row, &key).len() <= RAW_LIMIT);
            assert!(serde_json::from_str::<Json>(&fields.raw(row, &key)).is_ok());
        }
    }
}

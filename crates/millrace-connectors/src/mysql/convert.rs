//! Converts values of the binary protocol into typed columns, exactly or not at all.
//!
//! A value whose column has another type than the table (because a captured schema says so) is
//! appended only if the column holds exactly that value. Otherwise the value is refused and its row
//! goes to quarantine. A zero or partial date is reported to the caller, which decides whether it
//! becomes NULL.

use std::borrow::Cow;

use millrace_core::quarantine::QuarantineCode;
use millrace_core::schema::DataType;
use mysql_async::Value;

use crate::files::cell::{Cell, Refusal};
use crate::files::column::{ColumnBuffer, Values};
use crate::files::number::{Number, Short};
use crate::files::temporal::day_number;
use crate::files::{convert, json_text, numeric};
use crate::mysql::table::Origin;
use crate::mysql::written;
use crate::mysql_types::stored::{self, Form, Pushed};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Most days of a TIME, which ranges from -838:59:59.999999 to 838:59:59.999999.
const MOST_DAYS: u32 = 34;

/// Returns whether the parts are a valid time of day. The protocol's fields can hold larger
/// numbers.
fn is_clock(hour: u8, minute: u8, second: u8, micros: u32) -> bool {
    hour < 24 && minute < 60 && second < 60 && micros < 1_000_000
}

/// Appends a value to a column. The column nearly always has the table's own type; if a captured
/// schema says another type, only a value that this type holds exactly is appended.
///
/// `scratch` is a buffer for values that are written as text first. A refusal leaves the column
/// unchanged, and so does [`Pushed::ZeroDate`].
pub(super) fn push(
    column: &mut ColumnBuffer,
    value: &Value,
    origin: Origin,
    scratch: &mut Vec<u8>,
) -> Result<Pushed, Refusal> {
    match *value {
        Value::NULL => column.push_null(),
        Value::Int(number) => integer(column, i128::from(number), value, origin, scratch)?,
        Value::UInt(number) => integer(column, i128::from(number), value, origin, scratch)?,
        Value::Float(number) => float(column, number, value, origin, scratch)?,
        Value::Double(number) => double(column, number, value, origin, scratch)?,
        Value::Date(..) => return moment(column, value, origin, scratch),
        Value::Time(negative, days, hours, minutes, seconds, micros) => {
            if column.data_type() != DataType::Interval {
                return as_text(column, value, origin, scratch);
            }
            if days > MOST_DAYS || !is_clock(hours, minutes, seconds, micros) {
                return Err(Refusal::out_of_range("expected a time, found one that no server has"));
            }
            let hours = i64::from(days) * 24 + i64::from(hours);
            let seconds = hours * 3600 + i64::from(minutes) * 60 + i64::from(seconds);
            let length = seconds * 1_000_000 + i64::from(micros);
            column.push_micros(if negative { -length } else { length });
        }
        Value::Bytes(ref bytes) => self::bytes(column, bytes, origin)?,
    }
    Ok(Pushed::Value)
}

/// Appends an integer to a column of integers that holds it, else as a number in text form.
fn integer(
    column: &mut ColumnBuffer,
    number: i128,
    value: &Value,
    origin: Origin,
    scratch: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if column.push_with(|values| values.push_integer(number)) {
        return Ok(());
    }
    as_number(column, value, origin, scratch)
}

/// Appends a FLOAT. Each one is exact in a column of 64-bit floats.
fn float(
    column: &mut ColumnBuffer,
    number: f32,
    value: &Value,
    origin: Origin,
    scratch: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let pushed = column.push_with(|values| {
        match values {
            Values::Float32(list) => list.push(number),
            Values::Float64(list) => list.push(f64::from(number)),
            _ => return false,
        }
        true
    });
    if pushed { Ok(()) } else { as_number(column, value, origin, scratch) }
}

/// Appends a DOUBLE. A column of 32-bit floats takes only values that keep all their bits, so that
/// even the sign of zero survives.
fn double(
    column: &mut ColumnBuffer,
    number: f64,
    value: &Value,
    origin: Origin,
    scratch: &mut Vec<u8>,
) -> Result<(), Refusal> {
    let data_type = column.data_type();
    if !matches!(data_type, DataType::Float32 | DataType::Float64) {
        return as_number(column, value, origin, scratch);
    }
    let fits = column.push_with(|values| {
        match values {
            Values::Float64(list) => list.push(number),
            Values::Float32(list) if f64::from(number as f32).to_bits() == number.to_bits() => {
                list.push(number as f32);
            }
            _ => return false,
        }
        true
    });
    if fits { Ok(()) } else { Err(numeric::out_of_range(data_type)) }
}

/// Appends a number to a column of another kind by way of its text: exactly, or not at all.
fn as_number(
    column: &mut ColumnBuffer,
    value: &Value,
    origin: Origin,
    scratch: &mut Vec<u8>,
) -> Result<(), Refusal> {
    scratch.clear();
    written::write(value, origin, scratch);
    convert::push(column, Cell::Number(scratch))
}

/// Appends a date or time to a text column, spelled as the server writes it. Any other type is
/// refused.
fn as_text(
    column: &mut ColumnBuffer,
    value: &Value,
    origin: Origin,
    scratch: &mut Vec<u8>,
) -> Result<Pushed, Refusal> {
    if column.data_type() != DataType::Text {
        return Err(wrong_type(column, origin));
    }
    scratch.clear();
    written::write(value, origin, scratch);
    column.push_bytes(scratch);
    Ok(Pushed::Value)
}

/// Appends a DATE, DATETIME or TIMESTAMP. Returns [`Pushed::ZeroDate`] and appends nothing if the
/// year, month or day is zero.
fn moment(
    column: &mut ColumnBuffer,
    value: &Value,
    origin: Origin,
    scratch: &mut Vec<u8>,
) -> Result<Pushed, Refusal> {
    let Value::Date(year, month, day, hour, minute, second, micros) = *value else {
        return Err(wrong_type(column, origin));
    };
    let to = column.data_type();
    // A DATE may become a timestamp at midnight. No other conversion between these types is made:
    // whether a timestamp has a time zone cannot be told from its value.
    let is_moment = matches!(to, DataType::Date | DataType::Timestamp | DataType::TimestampTz);
    let fits = to == origin.data_type || (origin.data_type, to) == (DataType::Date, DataType::Timestamp);
    if !(is_moment && fits) {
        return as_text(column, value, origin, scratch);
    }
    if year == 0 || month == 0 || day == 0 {
        return Ok(Pushed::ZeroDate);
    }
    // With the SQL mode `ALLOW_INVALID_DATES` a table may hold February 31st.
    let days = day_number(year.into(), month.into(), day.into())
        .filter(|_| is_clock(hour, minute, second, micros))
        .ok_or_else(|| Refusal::wrong_type("expected a date or a date and time that exists"))?;
    if to == DataType::Date {
        column.push_days(days);
    } else {
        let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        column.push_micros(i64::from(days) * DAY + seconds * 1_000_000 + i64::from(micros));
    }
    Ok(Pushed::Value)
}

/// Appends a value that the protocol sends as bytes: BIT, geometry, binary, decimal, text and JSON.
/// The declared type decides how the bytes are read. Refuses text that is not valid UTF-8 or, for a
/// JSON column, not valid JSON.
fn bytes(column: &mut ColumnBuffer, bytes: &[u8], origin: Origin) -> Result<(), Refusal> {
    let to = column.data_type();
    match (origin.form, origin.data_type) {
        (Form::Bits, _) => {
            let value = stored::bits(bytes).ok_or_else(|| wrong_type(column, origin))?;
            stored::push_bits(column, value)
        }
        (Form::Geometry, _) if to == DataType::Bytes => {
            column.push_bytes(stored::well_known_binary(bytes)?);
            Ok(())
        }
        (Form::Plain, DataType::Bytes) if to == DataType::Bytes => {
            column.push_bytes(bytes);
            Ok(())
        }
        (Form::Plain, DataType::Decimal { .. }) => {
            // Fast path for nearly all decimals; the general number grammar is slower.
            if to == origin.data_type && Short::parse(bytes).is_some_and(|number| column.push_short(number)) {
                return Ok(());
            }
            match stored::normalized(bytes) {
                // Text that is no number even after normalization is not what the catalogue
                // declared.
                Cow::Owned(number) if Number::parse(&number).is_none() => Err(wrong_type(column, origin)),
                number => convert::push(column, Cell::Number(&number)),
            }
        }
        (Form::Plain, DataType::Text | DataType::Json) if to != DataType::Bytes => {
            if std::str::from_utf8(bytes).is_err() {
                return Err(Refusal::new(QuarantineCode::BadEncoding, "the text is not UTF-8"));
            }
            match to {
                DataType::Text => column.push_bytes(bytes),
                // MySQL and MariaDB accept texts as JSON that other systems reject, and a captured
                // schema may declare any text column as JSON.
                DataType::Json => {
                    json_text::check(bytes)?;
                    column.push_bytes(bytes);
                }
                _ => convert::push(column, Cell::Text { text: bytes, source: bytes })?,
            }
            Ok(())
        }
        _ => Err(wrong_type(column, origin)),
    }
}

fn wrong_type(column: &ColumnBuffer, origin: Origin) -> Refusal {
    Refusal::wrong_type(format!("expected {}, found {}", column.data_type(), origin.data_type))
}

#[cfg(test)]
mod tests {
    use QuarantineCode::{BadEncoding, OutOfRange, WrongType};

    use super::*;

    /// The text of a value of one type after it was pushed into a column of another.
    fn arrives(from: &str, value: &Value, to: &str) -> Result<String, QuarantineCode> {
        let (from, form) = match from.split_once(' ') {
            Some(("bit", rest)) => (rest, Form::Bits),
            Some((_geometry, rest)) => (rest, Form::Geometry),
            None => (from, Form::Plain),
        };
        let origin = Origin { data_type: from.parse().expect("a type"), form, decimals: 3 };
        let mut column = ColumnBuffer::new(to.parse().expect("a type"));
        match push(&mut column, value, origin, &mut Vec::new()) {
            Err(refusal) => {
                assert_eq!(column.len(), 0);
                Err(refusal.code)
            }
            Ok(Pushed::ZeroDate) => Ok("zero".to_owned()),
            Ok(Pushed::Value) => {
                assert_eq!(column.len(), 1);
                let array = column.take().expect("a column");
                Ok(crate::files::testing::cell(array.as_ref(), column.data_type(), 0))
            }
        }
    }

    fn text(text: &str) -> Value {
        Value::Bytes(text.into())
    }

    #[test]
    fn exactly_or_refused() {
        let leap = Value::Date(2024, 2, 29, 1, 2, 3, 4_000);
        for (from, value, to, expected) in [
            ("int8", Value::Int(-7), "int8", Ok("-7")),
            ("int64", Value::Int(300), "int8", Err(OutOfRange)),
            ("int8", Value::Int(7), "decimal(10,2)", Ok("7.00")),
            ("int8", Value::Int(1), "boolean", Err(WrongType)),
            ("int8", Value::Int(1), "date", Err(WrongType)),
            ("int64", Value::Int(-5), "text", Ok("-5")),
            ("int64", Value::Int(9_007_199_254_740_993), "float64", Err(OutOfRange)),
            ("uint64", Value::UInt(u64::MAX), "uint64", Ok("18446744073709551615")),
            ("uint64", Value::UInt(u64::MAX), "int64", Err(OutOfRange)),
            ("uint64", Value::UInt(u64::MAX), "decimal(20,0)", Ok("18446744073709551615")),
            ("float32", Value::Float(0.1), "float32", Ok("0.1")),
            ("float32", Value::Float(0.1), "float64", Ok("0.10000000149011612")),
            ("float64", Value::Double(0.1), "float32", Err(OutOfRange)),
            ("float64", Value::Double(-0.0), "float32", Ok("-0")),
            ("float64", Value::Double(0.5), "int32", Err(OutOfRange)),
            ("decimal(10,2)", text("-12.50"), "decimal(10,2)", Ok("-12.50")),
            ("decimal(10,2)", text("00012.50"), "decimal(10,1)", Ok("12.5")),
            ("decimal(10,2)", text("12.55"), "decimal(10,1)", Err(OutOfRange)),
            ("decimal(10,2)", text("00012.50"), "decimal(10,2)", Ok("12.50")),
            ("decimal(10,2)", text("-0.05"), "decimal(10,2)", Ok("-0.05")),
            ("decimal(10,0)", text("-7"), "decimal(10,0)", Ok("-7")),
            ("decimal(10,2)", text(".50"), "decimal(10,2)", Ok("0.50")),
            ("decimal(10,2)", text("7"), "decimal(10,2)", Ok("7.00")),
            ("decimal(10,2)", text("1e1"), "decimal(10,2)", Ok("10.00")),
            ("decimal(10,2)", text("1x.50"), "decimal(10,2)", Err(WrongType)),
            ("decimal(20,2)", text("-123456789012345678.25"), "decimal(20,2)", Ok("-123456789012345678.25")),
            (
                "decimal(65,30)",
                text("1.000000000000000000000000000000"),
                "decimal(65,30)",
                Ok("1.000000000000000000000000000000"),
            ),
            ("date", leap.clone(), "date", Ok("2024-02-29")),
            ("date", Value::Date(2024, 2, 29, 0, 0, 0, 0), "timestamp", Ok("2024-02-29T00:00:00")),
            ("date", leap.clone(), "timestamptz", Err(WrongType)),
            ("date", leap.clone(), "int32", Err(WrongType)),
            ("timestamp", leap.clone(), "timestamp", Ok("2024-02-29T01:02:03.004")),
            ("timestamp", leap.clone(), "text", Ok("2024-02-29 01:02:03.004")),
            ("timestamp", leap.clone(), "date", Err(WrongType)),
            ("timestamp", leap.clone(), "timestamptz", Err(WrongType)),
            ("timestamptz", leap.clone(), "timestamptz", Ok("2024-02-29T01:02:03.004Z")),
            ("timestamptz", leap, "timestamp", Err(WrongType)),
            ("date", Value::Date(2023, 2, 31, 0, 0, 0, 0), "date", Err(WrongType)),
            ("date", Value::Date(0, 0, 0, 0, 0, 0, 0), "date", Ok("zero")),
            ("timestamp", Value::Date(2024, 0, 10, 1, 2, 3, 0), "timestamp", Ok("zero")),
            ("date", Value::Date(0, 0, 0, 0, 0, 0, 0), "text", Ok("0000-00-00")),
            ("interval", Value::Time(true, 34, 22, 59, 59, 999_999), "interval", Ok("-3020399999999us")),
            ("interval", Value::Time(true, 0, 0, 0, 1, 0), "text", Ok("-00:00:01.000")),
            ("interval", Value::Time(true, 0, 0, 0, 1, 0), "int32", Err(WrongType)),
            // Values that no server can send.
            ("interval", Value::Time(false, u32::MAX, 0, 0, 0, 0), "interval", Err(OutOfRange)),
            ("interval", Value::Time(false, 1, 24, 0, 0, 0), "interval", Err(OutOfRange)),
            ("timestamp", Value::Date(2024, 2, 29, 24, 0, 0, 0), "timestamp", Err(WrongType)),
            ("timestamp", Value::Date(2024, 2, 29, 0, 0, 0, 1_000_000), "timestamp", Err(WrongType)),
            ("text", text("é\0"), "text", Ok("é\0")),
            ("text", Value::Bytes(vec![0xE9]), "text", Err(BadEncoding)),
            ("text", text("5"), "int32", Err(WrongType)),
            ("text", text("a"), "bytes", Err(WrongType)),
            ("text", text("{}"), "json", Ok("{}")),
            ("text", text("{"), "json", Err(WrongType)),
            ("text", text("2024-02-29"), "date", Ok("2024-02-29")),
            ("json", text("[1, 2.50]"), "json", Ok("[1, 2.50]")),
            ("json", text("1."), "json", Err(WrongType)),
            ("json", text(""), "json", Err(WrongType)),
            ("json", text(r#""\x41""#), "json", Err(WrongType)),
            ("json", text(r#"{"a":1,"a":1e999}"#), "json", Ok(r#"{"a":1,"a":1e999}"#)),
            ("json", text("[1]"), "text", Ok("[1]")),
            ("bytes", Value::Bytes(vec![0xE9, 0]), "bytes", Ok("\\xe900")),
            ("bytes", text("a"), "text", Err(WrongType)),
            ("bit boolean", Value::Bytes(vec![1]), "boolean", Ok("true")),
            ("bit uint64", Value::Bytes(vec![2]), "boolean", Err(OutOfRange)),
            ("bit uint64", Value::Bytes(vec![0xFF; 8]), "uint64", Ok("18446744073709551615")),
            ("bit uint64", Value::Bytes(vec![0xFF; 9]), "uint64", Err(WrongType)),
            ("geometry bytes", Value::Bytes(vec![1, 0, 0, 0, 9]), "bytes", Ok("\\x09")),
            ("geometry bytes", Value::Bytes(vec![1]), "bytes", Err(WrongType)),
            ("geometry bytes", Value::Bytes(vec![1, 0, 0, 0, 9]), "text", Err(WrongType)),
            // Values of another kind than the catalogue declares.
            ("int32", text("5"), "int32", Err(WrongType)),
            ("int32", Value::Date(2024, 2, 29, 0, 0, 0, 0), "int32", Err(WrongType)),
            ("decimal(9,2)", Value::Bytes(vec![0xE9]), "text", Err(WrongType)),
            ("decimal(9,2)", text("1,5"), "decimal(9,2)", Err(WrongType)),
            ("interval", Value::Date(2024, 2, 29, 0, 0, 0, 0), "interval", Err(WrongType)),
        ] {
            assert_eq!(arrives(from, &value, to), expected.map(str::to_owned), "{from} {value:?} to {to}");
        }
    }
}

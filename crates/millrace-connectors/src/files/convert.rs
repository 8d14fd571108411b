//! Converts cells of JSON and CSV into typed columns, exactly or not at all.
//!
//! Each conversion also reports the [`Spelling`] of the value: whether discovery would infer the
//! column's very type from it. A guess of the columns is checked by that.

use millrace_core::schema::DataType;

use crate::files::cell::{Cell, Refusal, Spelling};
use crate::files::column::{ColumnBuffer, Values};
use crate::files::json_text;
use crate::files::number::{Number, Short};
use crate::files::numeric;
use crate::files::temporal;

/// Appends a cell that is not null. A refusal leaves the column as it was.
pub(crate) fn push(column: &mut ColumnBuffer, cell: Cell<'_>) -> Result<(), Refusal> {
    put(column, cell).map(|_spelling| ())
}

/// Appends a cell that is not null, and reports how the value is written. A refusal leaves the
/// column as it was.
#[inline]
pub(crate) fn put(column: &mut ColumnBuffer, cell: Cell<'_>) -> Result<Spelling, Refusal> {
    match cell {
        // The two most frequent cases, before the general one.
        Cell::Short { number, .. } if column.push_short(number) => Ok(Spelling::Own),
        Cell::Text { text, .. } if column.data_type() == DataType::Text => {
            column.push_bytes(text);
            Ok(Spelling::Any)
        }
        cell => put_any(column, cell),
    }
}

/// Appends a number of the key from a format that writes all values as texts. Refuses a number
/// whose text the column's type would not give back, because `1.10` and `1.1` are different keys
/// there.
pub(crate) fn put_verbatim(column: &mut ColumnBuffer, text: &[u8]) -> Result<Spelling, Refusal> {
    let scale = match column.data_type() {
        DataType::Decimal { scale, .. } => usize::from(scale),
        // Whoever declares a float as the key compares its values and not their texts.
        DataType::Float32 | DataType::Float64 => return put(column, Cell::Plain(text)),
        _ => 0,
    };
    if let Some(number) = Short::parse(text)
        && number.written_scale(text) == Some(scale)
    {
        // Nearly all numbers are short, and need no second parse.
        return if column.push_short(number) { Ok(Spelling::Own) } else { put(column, Cell::Plain(text)) };
    }
    let written = Number::parse(text).map(|number| number.written_scale());
    if written.is_some_and(|written| written != Some(scale)) {
        let data_type = column.data_type();
        return Err(Refusal::wrong_type(format!(
            "as a part of the key the number has to be written as {data_type} writes it, since another text is another key"
        )));
    }
    put(column, Cell::Plain(text))
}

/// Appends a cell of any kind to a column of any type, or refuses it.
fn put_any(column: &mut ColumnBuffer, cell: Cell<'_>) -> Result<Spelling, Refusal> {
    let cell = if let Cell::Short { source, .. } = cell { Cell::Number(source) } else { cell };
    match (column.data_type(), cell) {
        // A column of texts tells an empty text in quotes from a missing one; others do not.
        (DataType::Text, Cell::Empty) => column.push_bytes(b""),
        (_, Cell::Null | Cell::Empty) => column.push_null(),
        (DataType::Text, Cell::Text { text, .. } | Cell::Plain(text)) => column.push_bytes(text),
        (DataType::Json, Cell::Nested(source)) => {
            column.push_bytes(source);
            return Ok(Spelling::Own);
        }
        // The text as it is written keeps every digit.
        (DataType::Text | DataType::Json, Cell::Number(source))
        | (DataType::Json, Cell::Text { source, .. }) => column.push_bytes(source),
        (DataType::Text | DataType::Json, Cell::Boolean(value)) => {
            column.push_bytes(if value { b"true" } else { b"false" });
        }
        // CSV does not tell JSON from other texts, so it is checked here.
        (DataType::Json, Cell::Plain(text)) => {
            json_text::check(text)?;
            column.push_bytes(text);
        }
        (DataType::Boolean, Cell::Boolean(value)) => {
            column.push_boolean(value);
            return Ok(Spelling::Own);
        }
        (DataType::Boolean, Cell::Plain(text @ (b"true" | b"false"))) => {
            column.push_boolean(text == b"true");
            return Ok(Spelling::Own);
        }
        // JSON's numbers have been checked by the scanner; CSV's texts are parsed by the same
        // grammar.
        (data_type, Cell::Number(text) | Cell::Plain(text)) if data_type.is_numeric() => {
            return number(column, cell, text);
        }
        (DataType::Date, Cell::Text { text, .. } | Cell::Plain(text)) => {
            let days = temporal::date(text).ok_or_else(|| refused(column, cell))?;
            column.push_days(days);
            return Ok(Spelling::Own);
        }
        (DataType::Timestamp | DataType::TimestampTz, Cell::Text { text, .. } | Cell::Plain(text)) => {
            return moment(column, cell, text);
        }
        (DataType::Interval, Cell::Text { text, .. } | Cell::Plain(text)) => {
            let micros = temporal::length_of_time(text).ok_or_else(|| refused(column, cell))?;
            column.push_micros(micros);
        }
        _ => return Err(refused(column, cell)),
    }
    Ok(Spelling::Any)
}

/// Appends a date and time. Refuses one with a zone in a column without zones and the other way
/// round, and one that is finer than a microsecond.
fn moment(column: &mut ColumnBuffer, cell: Cell<'_>, text: &[u8]) -> Result<Spelling, Refusal> {
    let zoned = column.data_type() == DataType::TimestampTz;
    let moment = temporal::date_time(text).ok_or_else(|| refused(column, cell))?;
    if moment.zoned != zoned {
        let which = if zoned { "with its zone" } else { "without a zone" };
        return Err(Refusal::wrong_type(format!("expected a date and time {which}")));
    }
    if !moment.exact {
        return Err(Refusal::out_of_range("the time is finer than a microsecond"));
    }
    column.push_micros(moment.micros);
    Ok(Spelling::Own)
}

/// Appends a number. A float is taken only if the column's type has a value whose shortest text is
/// that very number.
fn number(column: &mut ColumnBuffer, cell: Cell<'_>, text: &[u8]) -> Result<Spelling, Refusal> {
    let data_type = column.data_type();
    let is_plain = matches!(cell, Cell::Plain(_));
    if !matches!(data_type, DataType::Float32 | DataType::Float64) {
        // In CSV `12E3` is refused as a code.
        let put = if is_plain { numeric::put_plain(column, text) } else { numeric::put(column, text) };
        return put.unwrap_or_else(|| Err(refused(column, cell)));
    }
    let number = Number::parse(text).ok_or_else(|| refused(column, cell))?;
    // JSON's grammar of numbers is ASCII, so this never fails.
    let text = std::str::from_utf8(text).map_err(|_| refused(column, cell))?;
    let fits = column.push_with(|values| match values {
        Values::Float32(list) => number.float(text).map(|x| list.push(x)).is_some(),
        Values::Float64(list) => number.double(text).map(|x| list.push(x)).is_some(),
        _ => false,
    });
    match fits {
        // Discovery takes such a text for a code and not for a number.
        true if is_plain && number.is_code() => Ok(Spelling::Other),
        true => Ok(Spelling::Own),
        false => Err(numeric::out_of_range(data_type)),
    }
}

/// The refusal of a cell whose kind the column does not take. Names types, never the value.
fn refused(column: &ColumnBuffer, cell: Cell<'_>) -> Refusal {
    let found = match cell {
        Cell::Null => "null",
        Cell::Empty => "an empty text",
        Cell::Boolean(_) => "a truth value",
        Cell::Number(_) | Cell::Short { .. } => "a number",
        Cell::Text { .. } | Cell::Plain(_) => "text",
        Cell::Nested([b'{', ..]) => "an object",
        Cell::Nested(_) => "an array",
    };
    let expected = match column.data_type() {
        DataType::Boolean => "true or false",
        DataType::Date => "a date (YYYY-MM-DD)",
        DataType::Timestamp | DataType::TimestampTz => "a date and time (ISO 8601)",
        DataType::Interval => "a length of time (hh:mm:ss)",
        DataType::Text => "text",
        DataType::Json => "JSON",
        DataType::Bytes => "bytes, which this format does not hold",
        DataType::Decimal { .. } | DataType::Float32 | DataType::Float64 => "a number",
        _ => "an integer",
    };
    Refusal::wrong_type(format!("expected {expected}, found {found}"))
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use millrace_core::quarantine::QuarantineCode::{self, OutOfRange, WrongType};

    use super::*;

    /// The text of a value in a column of this type, or the code of its refusal.
    fn arrives(data_type: &str, cell: Cell<'_>) -> Result<String, QuarantineCode> {
        let mut column = ColumnBuffer::new(data_type.parse().expect("a type"));
        push(&mut column, cell).map_err(|refusal| {
            assert!(refusal.reason.chars().filter(char::is_ascii_digit).count() < 9, "{}", refusal.reason);
            refusal.code
        })?;
        assert_eq!(column.len(), 1);
        let array = column.take().expect("a column");
        Ok(crate::files::testing::cell(array.as_ref(), column.data_type(), 0))
    }

    fn number(text: &str) -> Cell<'_> {
        Cell::Number(text.as_bytes())
    }

    fn text(source: &str) -> Cell<'_> {
        Cell::Text { text: source.trim_matches('"').as_bytes(), source: source.as_bytes() }
    }

    fn plain(text: &str) -> Cell<'_> {
        Cell::Plain(text.as_bytes())
    }

    #[test]
    fn exactly_or_refused() {
        for (data_type, cell, expected) in [
            ("int64", number("1"), Ok("1")),
            ("int64", number("1.0"), Ok("1")),
            ("int64", number("1.5"), Err(OutOfRange)),
            ("int64", number("9223372036854775808"), Err(OutOfRange)),
            ("int64", text("\"1\""), Err(WrongType)),
            ("int64", Cell::Boolean(true), Err(WrongType)),
            ("int64", plain("1"), Ok("1")),
            ("int64", plain("1E3"), Err(WrongType)),
            ("int64", plain("1.5e+3"), Ok("1500")),
            ("decimal(18,2)", plain("12e3"), Err(WrongType)),
            ("decimal(18,2)", plain("12e-1"), Ok("1.20")),
            ("decimal(65,2)", plain("12e3"), Err(WrongType)),
            ("float64", plain("1e3"), Ok("1000")),
            ("int64", plain("01"), Err(WrongType)),
            ("int64", plain(""), Err(WrongType)),
            ("int8", number("127"), Ok("127")),
            ("int8", number("128"), Err(OutOfRange)),
            ("uint8", number("-1"), Err(OutOfRange)),
            ("uint64", number("18446744073709551615"), Ok("18446744073709551615")),
            ("decimal(18,1)", number("1.50"), Ok("1.5")),
            ("decimal(18,1)", number("1.55"), Err(OutOfRange)),
            (
                "decimal(65,30)",
                number("1e34"),
                Ok("10000000000000000000000000000000000.000000000000000000000000000000"),
            ),
            ("float64", number("0.1"), Ok("0.1")),
            ("float64", number("1e999"), Err(OutOfRange)),
            ("text", number("1.50"), Ok("1.50")),
            ("text", Cell::Boolean(true), Ok("true")),
            ("text", Cell::Nested(b"{}"), Err(WrongType)),
            ("json", text("\"a\""), Ok("\"a\"")),
            ("json", Cell::Nested(b"{ }"), Ok("{ }")),
            ("json", plain("{"), Err(WrongType)),
            ("json", plain("[1]"), Ok("[1]")),
            ("boolean", plain("false"), Ok("false")),
            ("boolean", plain("0"), Err(WrongType)),
            ("date", text("\"2024-02-29\""), Ok("2024-02-29")),
            ("date", text("\"2023-02-29\""), Err(WrongType)),
            ("timestamp", text("\"2024-02-29T01:02:03\""), Ok("2024-02-29T01:02:03")),
            ("timestamp", text("\"2024-02-29T01:02:03Z\""), Err(WrongType)),
            ("timestamp", text("\"2024-02-29T01:02:03.1234560\""), Ok("2024-02-29T01:02:03.123456")),
            ("timestamp", text("\"2024-02-29T01:02:03.1234567\""), Err(OutOfRange)),
            ("timestamptz", plain("2024-02-29T01:02:03+01:00"), Ok("2024-02-29T00:02:03Z")),
            ("timestamptz", plain("2024-02-29T01:02:03"), Err(WrongType)),
            ("bytes", plain("a"), Err(WrongType)),
        ] {
            assert_eq!(arrives(data_type, cell), expected.map(str::to_owned), "{data_type} {cell:?}");
        }
    }

    #[test]
    fn a_refusal_leaves_no_trace() {
        let mut column = ColumnBuffer::new(DataType::Int8);
        push(&mut column, number("5")).expect("fits");
        push(&mut column, number("500")).expect_err("does not fit");
        column.push_null();
        assert_eq!(column.len(), 2);
        column.truncate(1);
        let array = column.take().expect("a column");
        assert_eq!((array.len(), array.null_count()), (1, 0));
    }
}

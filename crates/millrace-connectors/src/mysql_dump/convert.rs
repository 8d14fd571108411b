//! Literals of a dump into typed columns: the value that the server has, or a refusal.

use millrace_core::quarantine::QuarantineCode;
use millrace_core::schema::DataType;

use crate::files::cell::Refusal;
use crate::files::column::{ColumnBuffer, Values};
use crate::files::number::{Number, small_integer};
use crate::files::numeric;
use crate::files::temporal;
use crate::mysql_dump::lexer::unescape;
use crate::mysql_dump::literal::{Literal, LiteralKind};
use crate::mysql_types::stored::{self, Form, Pushed};

/// Appends a literal that is not NULL to a column. `row` is what the literal's range counts in. A refusal leaves the
/// column as it was.
pub(super) fn push(
    column: &mut ColumnBuffer,
    literal: &Literal,
    row: &[u8],
    form: Form,
    scratch: &mut Vec<u8>,
) -> Result<Pushed, Refusal> {
    let source = &row[literal.range.clone()];
    let data_type = column.data_type();
    let refused = || wrong_type(data_type, literal.kind);
    if form == Form::Bits {
        let value = bit_value(literal, source, scratch).ok_or_else(refused)?;
        return stored::push_bits(column, value).map(|()| Pushed::Value);
    }
    let text = match literal.kind {
        LiteralKind::Text { plain: true, .. } | LiteralKind::Number => source,
        LiteralKind::Text { quote, plain: false } => {
            unescape(source, quote, scratch);
            &scratch[..]
        }
        LiteralKind::Hex => {
            bytes_of_hex(source, scratch);
            &scratch[..]
        }
        LiteralKind::Boolean(true) => b"1",
        LiteralKind::Boolean(false) => b"0",
        LiteralKind::Null | LiteralKind::Bits | LiteralKind::Default => return Err(refused()),
    };
    let is_text = matches!(literal.kind, LiteralKind::Text { .. });
    match data_type {
        DataType::Bytes if is_text || literal.kind == LiteralKind::Hex => match form {
            Form::Geometry => column.push_bytes(stored::well_known_binary(text)?),
            Form::Plain | Form::Bits => column.push_bytes(text),
        },
        DataType::Text | DataType::Json => {
            // A number that is stored as a text is written anew by the server; these are the ones that stay as they are.
            let canonical = is_text
                || literal.kind == LiteralKind::Hex
                || Number::parse(text).is_some_and(|number| !number.has_exponent() && text != b"-0");
            if !canonical {
                return Err(refused());
            }
            if std::str::from_utf8(text).is_err() {
                return Err(Refusal::new(QuarantineCode::BadEncoding, "the text is not UTF-8"));
            }
            column.push_bytes(text);
        }
        DataType::Date | DataType::Timestamp | DataType::TimestampTz if is_text => {
            return moment(column, text);
        }
        DataType::Interval if is_text => {
            let micros = temporal::length_of_time(text).ok_or_else(|| {
                Refusal::wrong_type("expected a length of time from -838:59:59 to 838:59:59")
            })?;
            column.push_micros(micros);
        }
        DataType::Boolean => {
            let flag =
                match small_integer(text).filter(|_| literal.kind != LiteralKind::Hex).ok_or_else(refused)? {
                    0 => false,
                    1 => true,
                    _ => return Err(numeric::out_of_range(data_type)),
                };
            column.push_boolean(flag);
        }
        _ if data_type.is_numeric() && literal.kind != LiteralKind::Hex => {
            number(column, text, literal.kind)?;
        }
        _ => return Err(refused()),
    }
    Ok(Pushed::Value)
}

fn number(column: &mut ColumnBuffer, text: &[u8], kind: LiteralKind) -> Result<(), Refusal> {
    let data_type = column.data_type();
    let refused = || wrong_type(data_type, kind);
    let text = stored::normalized(text);
    if !matches!(data_type, DataType::Float32 | DataType::Float64) {
        return numeric::push(column, &text).unwrap_or_else(|| Err(refused()));
    }
    Number::parse(&text).ok_or_else(refused)?;
    let text = std::str::from_utf8(&text).map_err(|_| refused())?;
    // The dump's digits are the server's rendering of a binary number, so the nearest one is the value itself.
    let fits = column.push_with(|values| match values {
        Values::Float32(list) => {
            text.parse().ok().filter(|x: &f32| x.is_finite()).map(|x| list.push(x)).is_some()
        }
        Values::Float64(list) => {
            text.parse().ok().filter(|x: &f64| x.is_finite()).map(|x| list.push(x)).is_some()
        }
        _ => false,
    });
    if fits { Ok(()) } else { Err(numeric::out_of_range(data_type)) }
}

/// A date, or a date and time.
fn moment(column: &mut ColumnBuffer, text: &[u8]) -> Result<Pushed, Refusal> {
    let data_type = column.data_type();
    if is_zero_date(text) {
        return Ok(Pushed::ZeroDate);
    }
    let wrong = || Refusal::wrong_type("expected a date or a date and time that exists");
    if data_type == DataType::Date {
        let days = temporal::date(text).ok_or_else(wrong)?;
        column.push_days(days);
        return Ok(Pushed::Value);
    }
    // A date in a column of moments is the beginning of its day, for the server too.
    let micros = match temporal::date(text) {
        Some(days) => i64::from(days) * 86_400_000_000,
        None => {
            temporal::date_time(text).filter(|moment| moment.exact && !moment.zoned).ok_or_else(wrong)?.micros
        }
    };
    column.push_micros(micros);
    Ok(Pushed::Value)
}

/// Whether a date of MySQL's is no day: the zero date, or one without a day, a month or a year.
fn is_zero_date(text: &[u8]) -> bool {
    let Some((day, rest)) = text.split_at_checked(10) else { return false };
    let shaped = day
        .iter()
        .enumerate()
        .all(|(at, byte)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() });
    let zero = |range: std::ops::Range<usize>| day[range].iter().all(|&byte| byte == b'0');
    shaped && (zero(0..4) || zero(5..7) || zero(8..10)) && (rest.is_empty() || rest.first() == Some(&b' '))
}

/// The number that a BIT value is: dumps write it as bytes, most significant first.
fn bit_value(literal: &Literal, source: &[u8], scratch: &mut Vec<u8>) -> Option<u64> {
    match literal.kind {
        LiteralKind::Text { quote, .. } => {
            unescape(source, quote, scratch);
            stored::bits(scratch)
        }
        LiteralKind::Hex => {
            bytes_of_hex(source, scratch);
            stored::bits(scratch)
        }
        LiteralKind::Bits => {
            let digits = &source[source.iter().position(|&byte| byte == b'1').unwrap_or(source.len())..];
            (digits.len() <= 64)
                .then(|| digits.iter().fold(0, |sum, digit| sum << 1 | u64::from(digit - b'0')))
        }
        LiteralKind::Number => std::str::from_utf8(source).ok()?.parse().ok(),
        LiteralKind::Boolean(value) => Some(u64::from(value)),
        LiteralKind::Null | LiteralKind::Default => None,
    }
}

fn bytes_of_hex(digits: &[u8], out: &mut Vec<u8>) {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
    out.clear();
    // An odd number of digits has a zero before it.
    let (first, rest) = digits.split_at(digits.len() % 2);
    out.extend(first.iter().map(|&byte| digit(byte)));
    out.extend(rest.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])));
}

fn wrong_type(data_type: DataType, kind: LiteralKind) -> Refusal {
    let found = match kind {
        LiteralKind::Null => "NULL",
        LiteralKind::Boolean(_) => "a truth value",
        LiteralKind::Number => "a number",
        LiteralKind::Text { .. } => "text",
        LiteralKind::Hex => "bytes in hex",
        LiteralKind::Bits => "bits",
        LiteralKind::Default => "DEFAULT, whose value only the server knows",
    };
    Refusal::wrong_type(format!("expected {data_type}, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql_dump::lexer::Text;
    use crate::mysql_dump::literal;

    /// How a literal arrives in a column of a type: as a text, or why it does not.
    fn arrives(data_type: &str, sql: &str) -> Result<String, QuarantineCode> {
        let row = format!("({sql})");
        let mut literals = Vec::new();
        literal::row(Text { bytes: row.as_bytes(), ended: true }, &mut literals).expect("a row");
        let (data_type, form) = match data_type.split_once(' ') {
            Some(("bit", rest)) => (rest, Form::Bits),
            Some((_geometry, rest)) => (rest, Form::Geometry),
            None => (data_type, Form::Plain),
        };
        let mut column = ColumnBuffer::new(data_type.parse().expect("a type"));
        match push(&mut column, &literals[0], row.as_bytes(), form, &mut Vec::new()) {
            Err(refusal) => Err(refusal.code),
            Ok(Pushed::ZeroDate) => Ok("zero".to_owned()),
            Ok(Pushed::Value) => {
                assert_eq!(column.len(), 1);
                let array = column.take().expect("a column");
                Ok(crate::files::testing::cell(array.as_ref(), column.data_type(), 0))
            }
        }
    }

    #[test]
    fn literals() {
        use QuarantineCode::{OutOfRange, WrongType};
        for (data_type, sql, expected) in [
            ("int32", "5", Ok("5")),
            ("uint16", "00042", Ok("42")),
            ("int16", "0000", Ok("0")),
            ("int32", "'5'", Ok("5")),
            ("int32", "'a'", Err(WrongType)),
            ("int32", "''", Err(WrongType)),
            ("int32", "2147483648", Err(OutOfRange)),
            ("uint64", "18446744073709551615", Ok("18446744073709551615")),
            ("int8", "true", Ok("1")),
            ("int8", "default", Err(WrongType)),
            ("decimal(10,2)", "-.5", Ok("-0.50")),
            ("decimal(10,2)", "5.", Ok("5.00")),
            ("decimal(10,2)", "0.005", Err(OutOfRange)),
            ("decimal(65,30)", "-0.000000000000000000000000000001", Ok("-0.000000000000000000000000000001")),
            ("float64", "1.7976931348623157e308", Ok(&format!("{}", f64::MAX)[..])),
            ("float64", "1e309", Err(OutOfRange)),
            ("float32", "3.40282e38", Ok("340282000000000000000000000000000000000")),
            ("text", "'it''s \\n'", Ok("it's \n")),
            ("text", "1.50", Ok("1.50")),
            ("text", "1e3", Err(WrongType)),
            ("bytes", "0xA", Ok("\\x0a")),
            ("bytes", "_binary '\\0a'", Ok("\\x0061")),
            ("bytes", "1", Err(WrongType)),
            ("geometry bytes", "0x0400000001AA", Ok("\\x01aa")),
            ("geometry bytes", "'abc'", Err(WrongType)),
            ("bit boolean", "b'1'", Ok("true")),
            ("bit boolean", "'\\0'", Ok("false")),
            ("bit boolean", "0x02", Err(OutOfRange)),
            ("bit uint64", "0xFFFFFFFFFFFFFFFF", Ok("18446744073709551615")),
            ("bit uint64", "'1'", Ok("49")),
            ("date", "'2024-02-29'", Ok("2024-02-29")),
            ("date", "'2023-02-29'", Err(WrongType)),
            ("date", "'0000-00-00'", Ok("zero")),
            ("date", "'2024-00-31'", Ok("zero")),
            ("timestamp", "'2024-02-29 01:02:03.123456'", Ok("2024-02-29T01:02:03.123456")),
            ("timestamp", "'2024-02-29'", Ok("2024-02-29T00:00:00")),
            ("timestamp", "'0000-00-00 00:00:00'", Ok("zero")),
            ("timestamptz", "'2024-02-29 01:02:03'", Ok("2024-02-29T01:02:03Z")),
            ("interval", "'-838:59:59.000001'", Ok("-3020399000001us")),
            ("interval", "'900:00:00'", Err(WrongType)),
        ] {
            assert_eq!(arrives(data_type, sql), expected.map(str::to_owned), "{data_type} {sql}");
        }
    }
}

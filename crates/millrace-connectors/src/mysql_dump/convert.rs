//! Appends values of a dump to typed columns.

use millrace_core::schema::DataType;
use millrace_core::value::Value;

use crate::files::cell::Refusal;
use crate::files::column::{ColumnBuffer, Values};
use crate::files::number::{Number, small_integer};
use crate::files::{json_text, numeric};
use crate::mysql_dump::column_value::ColumnValue;
use crate::mysql_dump::moment::{Moment, date_time};
use crate::mysql_dump::rule::Rule;
use crate::mysql_types::stored::{self, Pushed};

/// Appends a value to a column.
///
/// The column nearly always has the type of the table's column. If a captured schema has another
/// type, only values that are exactly values of that type are accepted. A refusal leaves the column
/// unchanged. A zero date is not appended; the caller decides what becomes of it.
pub(super) fn push(
    column: &mut ColumnBuffer,
    value: &ColumnValue<'_>,
    rule: &Rule,
) -> Result<Pushed, Refusal> {
    let data_type = column.data_type();
    let wrong = || Refusal::wrong_type(format!("the value is none of {data_type}"));
    match value {
        ColumnValue::ZeroDate => return Ok(Pushed::ZeroDate),
        ColumnValue::Bits(bits) => stored::push_bits(column, *bits)?,
        ColumnValue::Number(text) => number(column, text)?,
        ColumnValue::Text(text) => match data_type {
            DataType::Text => column.push_bytes(text),
            DataType::Json => {
                // Values of JSON columns were checked when they were read.
                if *rule != Rule::Json {
                    json_text::check(text)?;
                }
                column.push_bytes(text);
            }
            DataType::Date | DataType::Timestamp => match date_time(text).ok_or_else(wrong)? {
                Moment::Zero => return Ok(Pushed::ZeroDate),
                // A text with a time of day is not exactly a date.
                Moment::At { days, time: 0, .. } if data_type == DataType::Date => column.push_days(days),
                Moment::At { days, time, .. } if data_type == DataType::Timestamp => {
                    column.push_micros(Moment::micros(days, time));
                }
                Moment::At { .. } => return Err(wrong()),
            },
            _ if data_type.is_numeric() || data_type == DataType::Boolean => {
                number(column, &stored::normalized(text))?;
            }
            _ => return Err(wrong()),
        },
        ColumnValue::Bytes(bytes) if data_type == DataType::Bytes => column.push_bytes(bytes),
        ColumnValue::Days(days) => match data_type {
            DataType::Date => column.push_days(*days),
            DataType::Timestamp => column.push_micros(Moment::micros(*days, 0)),
            DataType::Text => column.push_bytes(Value::Date(*days).to_string().as_bytes()),
            _ => return Err(wrong()),
        },
        // A local time, an instant and a duration are never converted into each other.
        ColumnValue::Micros(micros) => match (rule, data_type) {
            (Rule::Time { .. }, DataType::Interval)
            | (Rule::Moment { zoned: false, .. }, DataType::Timestamp)
            | (Rule::Moment { zoned: true, .. }, DataType::TimestampTz) => column.push_micros(*micros),
            _ => return Err(wrong()),
        },
        ColumnValue::Bytes(_) => return Err(wrong()),
    }
    Ok(Pushed::Value)
}

/// Appends a number to a column of any type that can hold it exactly.
fn number(column: &mut ColumnBuffer, text: &[u8]) -> Result<(), Refusal> {
    let data_type = column.data_type();
    let refused = || Refusal::wrong_type(format!("the value is none of {data_type}"));
    match data_type {
        DataType::Text => {
            column.push_bytes(text);
            return Ok(());
        }
        DataType::Boolean => {
            let flag = match small_integer(text).ok_or_else(refused)? {
                // Only 0 and 1 are truth values.
                0 => false,
                1 => true,
                _ => return Err(numeric::out_of_range(data_type)),
            };
            column.push_boolean(flag);
            return Ok(());
        }
        DataType::Float32 | DataType::Float64 => {}
        _ if data_type.is_numeric() => return numeric::push(column, text).unwrap_or_else(|| Err(refused())),
        _ => return Err(refused()),
    }
    Number::parse(text).ok_or_else(refused)?;
    // The dump's digits are the server's notation of a binary number, so the nearest binary number
    // is the value itself. A FLOAT is parsed as a DOUBLE first, as the server does.
    let double =
        std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok()).ok_or_else(refused)?;
    let fits = column.push_with(|values| match values {
        Values::Float32(list) => {
            Some(double as f32).filter(|x| x.is_finite()).map(|x| list.push(x)).is_some()
        }
        Values::Float64(list) => Some(double).filter(|x| x.is_finite()).map(|x| list.push(x)).is_some(),
        _ => false,
    });
    // Infinity means that the number is too large for the type.
    if fits { Ok(()) } else { Err(numeric::out_of_range(data_type)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millrace_core::quarantine::QuarantineCode;

    use crate::mysql_dump::column::tests::column;
    use crate::mysql_dump::column_value::{self, Scratch};
    use crate::mysql_dump::lexer::{Mode, Text};
    use crate::mysql_dump::literal;
    use crate::mysql_dump::session::Variables;
    use crate::mysql_dump::zone::Zone;

    /// Returns the value of a literal in a column of this definition, as text, or the code of its
    /// refusal.
    fn arrives(definition: &str, sql: &str) -> Result<String, QuarantineCode> {
        let row = format!("({sql})");
        let mut literals = Vec::new();
        let text = Text { bytes: row.as_bytes(), ended: true, mode: Mode::default() };
        literal::row(text, &mut literals).expect("a row");
        let table = column(definition);
        let mut variables = Variables::new(Zone::Offset(0), None);
        variables.session.keeps_zero = true;
        let mut scratch = Scratch::default();
        let value =
            column_value::read(&literals[0], row.as_bytes(), &table, &variables.session, &mut scratch);
        let mut buffer = ColumnBuffer::new(table.data_type);
        match value.and_then(|value| push(&mut buffer, &value, &table.rule)) {
            Err(refusal) => Err(refusal.code),
            Ok(Pushed::ZeroDate) => Ok("zero".to_owned()),
            Ok(Pushed::Value) => {
                assert_eq!(buffer.len(), 1);
                let array = buffer.take().expect("a column");
                Ok(crate::files::testing::cell(array.as_ref(), buffer.data_type(), 0))
            }
        }
    }

    #[test]
    fn literals() {
        use QuarantineCode::{OutOfRange, WrongType};
        for (definition, sql, expected) in [
            ("int", "5", Ok("5")),
            ("smallint(5) unsigned", "00042", Ok("42")),
            ("smallint", "0000", Ok("0")),
            ("int", "'5'", Ok("5")),
            ("int", "'a'", Err(WrongType)),
            ("int", "''", Err(WrongType)),
            ("int", "2147483648", Err(OutOfRange)),
            ("bigint unsigned", "18446744073709551615", Ok("18446744073709551615")),
            ("mediumint", "8388607", Ok("8388607")),
            ("mediumint", "8388608", Err(OutOfRange)),
            ("mediumint unsigned", "16777215", Ok("16777215")),
            ("mediumint unsigned", "16777216", Err(OutOfRange)),
            ("tinyint", "true", Ok("1")),
            ("tinyint", "default", Err(WrongType)),
            ("decimal(10,2)", "-.5", Ok("-0.50")),
            ("decimal(10,2)", "5.", Ok("5.00")),
            ("decimal(10,2)", "0.005", Err(OutOfRange)),
            ("decimal(65,30)", "-0.000000000000000000000000000001", Ok("-0.000000000000000000000000000001")),
            ("double", "1.7976931348623157e308", Ok(&format!("{}", f64::MAX)[..])),
            ("double", "1e309", Err(OutOfRange)),
            ("float", "3.40282e38", Ok("340282000000000000000000000000000000000")),
            ("text", "'it''s \\n'", Ok("it's \n")),
            ("text", "1.50", Ok("1.50")),
            ("text", "1e3", Err(WrongType)),
            ("blob", "0xA", Ok("\\x0a")),
            ("blob", "_binary '\\0a'", Ok("\\x0061")),
            ("blob", "1", Err(WrongType)),
            ("geometry", "0x0400000001AA", Ok("\\x01aa")),
            ("geometry", "'abc'", Err(WrongType)),
            ("bit(1)", "b'1'", Ok("true")),
            ("bit(1)", "'\\0'", Ok("false")),
            ("bit(1)", "0x02", Err(OutOfRange)),
            ("bit(64)", "0xFFFFFFFFFFFFFFFF", Ok("18446744073709551615")),
            ("bit(64)", "'1'", Ok("49")),
            ("date", "'2024-02-29'", Ok("2024-02-29")),
            ("date", "'2023-02-29'", Err(WrongType)),
            ("date", "'0000-00-00'", Ok("zero")),
            ("date", "'2024-00-31'", Ok("zero")),
            ("datetime(6)", "'2024-02-29 01:02:03.123456'", Ok("2024-02-29T01:02:03.123456")),
            ("datetime(6)", "'2024-02-29'", Ok("2024-02-29T00:00:00")),
            ("datetime(6)", "'0000-00-00 00:00:00'", Ok("zero")),
            ("timestamp", "'2024-02-29 01:02:03'", Ok("2024-02-29T01:02:03Z")),
            ("time(6)", "'-838:59:59.000001'", Ok("-3020399000001us")),
            ("time(6)", "'900:00:00'", Err(WrongType)),
            ("int unsigned", "- 5", Err(OutOfRange)),
            ("int", "- 5", Ok("-5")),
            ("int", "+5", Ok("5")),
            ("decimal(5,2) unsigned", "-1", Err(OutOfRange)),
            ("float(7,2)", "1.234", Err(OutOfRange)),
            ("year", "69", Ok("2069")),
            ("year", "70", Ok("1970")),
            ("year", "'0'", Ok("2000")),
            ("year", "'0000'", Ok("0")),
            ("year", "0", Ok("0")),
            ("year", "2156", Err(OutOfRange)),
            ("year", "-5", Err(OutOfRange)),
            ("enum('a','b','c')", "2", Ok("b")),
            ("enum('a','b','c')", "'B '", Ok("b")),
            ("enum('a','b','c')", "''", Ok("")),
            ("enum('a','b','c')", "4", Err(OutOfRange)),
            ("enum('a','b') collate utf8mb4_bin", "'B'", Err(OutOfRange)),
            ("set('x','y','z')", "3", Ok("x,y")),
            ("set('x','y','z')", "'z,X,x'", Ok("x,z")),
            ("set('x','y','z')", "8", Err(OutOfRange)),
            ("binary(4)", "'ab'", Ok("\\x61620000")),
            ("binary(4)", "'abcde'", Err(OutOfRange)),
            ("char(3)", "'a  '", Ok("a")),
            ("char(3)", "'abcd'", Err(OutOfRange)),
            ("varchar(3)", "'a   '", Ok("a  ")),
            ("varchar(3)", "'éééé'", Err(OutOfRange)),
            ("character varying(3)", "'abc'", Ok("abc")),
            ("varchar(3) character set latin1", "0xE9", Ok("é")),
            ("varchar(9) character set latin1", "_binary 'é'", Ok("Ã©")),
            ("varchar(9) character set latin1", "'é'", Ok("é")),
            ("varchar(9) character set latin1", "'中'", Err(OutOfRange)),
            ("varchar(9) character set utf8mb4", "unhex('c3a9')", Ok("é")),
            ("varchar(9)", "_latin1 0xE9", Ok("é")),
            ("varchar(9)", "convert('é' using utf8mb4)", Ok("é")),
            ("varchar(9)", "0xC3A9", Err(QuarantineCode::BadEncoding)),
            ("json", "'{a:1}'", Err(WrongType)),
            ("json", "'{\\\"a\\\":1}'", Ok("{\"a\":1}")),
            ("bit(2)", "b'111'", Err(OutOfRange)),
            ("datetime", "'2024-02-29 10:11:12.6'", Err(OutOfRange)),
            ("datetime(1)", "'2024-02-29 10:11:12.60'", Ok("2024-02-29T10:11:12.6")),
            ("date", "'2024-2-9'", Ok("2024-02-09")),
            ("date", "20240209", Ok("2024-02-09")),
            ("date", "'2024-02-09 10:00:00'", Err(OutOfRange)),
            ("time", "'10:11:12.6'", Err(OutOfRange)),
            ("timestamp", "'1970-01-01 00:00:00'", Err(OutOfRange)),
            ("point", "st_geomfromtext('POINT(1 2)')", Ok("\\x0101000000000000000000f03f0000000000000040")),
            ("uuid", "'123E4567-E89B-12D3-A456-426655440000'", Ok("123e4567-e89b-12d3-a456-426655440000")),
        ] {
            assert_eq!(arrives(definition, sql), expected.map(str::to_owned), "{definition} {sql}");
        }
    }
}

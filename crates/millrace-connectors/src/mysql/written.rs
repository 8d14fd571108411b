//! Writes values as text, for text columns and for the raw row that quarantine keeps.

use std::io::Write as _;

use millrace_core::quarantine::RAW_LIMIT;
use millrace_core::schema::DataType;
use mysql_async::Value;

use crate::files::number::{Number, small_integer};
use crate::mysql::table::Origin;
use crate::mysql_types::stored::{self, Form};

/// Appends a date or time as the server writes it, or a number in its shortest decimal form. Texts
/// and bytes are appended unchanged. NULL appends nothing.
pub(super) fn write(value: &Value, origin: Origin, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = match *value {
        Value::NULL => Ok(()),
        Value::Bytes(ref bytes) => out.write_all(bytes),
        Value::Int(number) => write!(out, "{number}"),
        Value::UInt(number) => write!(out, "{number}"),
        Value::Float(number) => write!(out, "{number}"),
        Value::Double(number) => write!(out, "{number}"),
        Value::Date(year, month, day, ..) if origin.data_type == DataType::Date => {
            write!(out, "{year:04}-{month:02}-{day:02}")
        }
        Value::Date(year, month, day, hour, minute, second, micros) => {
            let _ = write!(out, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
            fraction(micros, origin.decimals, out)
        }
        Value::Time(negative, days, hours, minutes, seconds, micros) => {
            let sign = if negative { "-" } else { "" };
            let hours = u64::from(days) * 24 + u64::from(hours);
            let _ = write!(out, "{sign}{hours:02}:{minutes:02}:{seconds:02}");
            fraction(micros, origin.decimals, out)
        }
    };
}

/// Appends the fraction of a second with as many digits as the column has.
fn fraction(micros: u32, decimals: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
    let digits = format!("{micros:06}");
    match digits.get(..decimals.min(6)) {
        None | Some("") => Ok(()),
        Some(digits) => write!(out, ".{digits}"),
    }
}

/// Returns a row as a JSON object. It is cut off, and then no valid JSON, once it is longer than
/// quarantine keeps. Bytes are in hex, as `"\\x00ff"`.
pub(super) fn row<'a>(cells: impl Iterator<Item = (&'a str, &'a Value, Origin)>) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (name, value, origin) in cells {
        // Checked before each value, so the result exceeds the limit by one value at most.
        if out.len() > RAW_LIMIT {
            return out;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        text(name, &mut out);
        out.push(b':');
        cell(value, origin, &mut out);
    }
    out.push(b'}');
    out
}

/// Appends a value as JSON: numbers as numbers if JSON has them, everything else as a string. Only
/// as many bytes of a value as quarantine keeps are converted.
fn cell(value: &Value, origin: Origin, out: &mut Vec<u8>) {
    match (value, origin.form) {
        (Value::NULL, _) => out.extend_from_slice(b"null"),
        (Value::Bytes(bytes), Form::Bits) if stored::bits(bytes).is_some() => {
            let _ = write!(out, "{}", stored::bits(bytes).unwrap_or_default());
        }
        (Value::Bytes(bytes), Form::Plain) if origin.data_type != DataType::Bytes => {
            let shown = &bytes[..bytes.len().min(RAW_LIMIT)];
            match stored::normalized(shown) {
                // A decimal is a JSON number if its normalized text is one, else a string.
                number if matches!(origin.data_type, DataType::Decimal { .. }) && is_json(&number) => {
                    out.extend_from_slice(&number);
                }
                _ => text(&String::from_utf8_lossy(shown), out),
            }
        }
        (Value::Bytes(bytes), _) => {
            out.extend_from_slice(b"\"\\\\x");
            for byte in &bytes[..bytes.len().min(RAW_LIMIT)] {
                let _ = write!(out, "{byte:02x}");
            }
            out.push(b'"');
        }
        // JSON has no such number, and no server should send one.
        (Value::Float(number), _) if !number.is_finite() => text(&number.to_string(), out),
        (Value::Double(number), _) if !number.is_finite() => text(&number.to_string(), out),
        (Value::Date(..) | Value::Time(..), _) => {
            out.push(b'"');
            write(value, origin, out);
            out.push(b'"');
        }
        (Value::Int(_) | Value::UInt(_) | Value::Float(_) | Value::Double(_), _) => write(value, origin, out),
    }
}

/// Whether a text is a valid JSON number.
fn is_json(number: &[u8]) -> bool {
    small_integer(number).is_some() || Number::parse(number).is_some()
}

/// Appends a JSON string.
fn text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(data_type: DataType, form: Form, decimals: usize) -> Origin {
        Origin { data_type, form, decimals }
    }

    #[test]
    fn dates_and_times() {
        let written = |value: Value, data_type, decimals| {
            let mut out = Vec::new();
            write(&value, origin(data_type, Form::Plain, decimals), &mut out);
            String::from_utf8(out).expect("ASCII")
        };
        let moment = Value::Date(2024, 2, 29, 1, 2, 3, 45_000);
        assert_eq!(written(moment.clone(), DataType::Timestamp, 3), "2024-02-29 01:02:03.045");
        assert_eq!(written(moment, DataType::Timestamp, 0), "2024-02-29 01:02:03");
        assert_eq!(written(Value::Date(0, 0, 0, 0, 0, 0, 0), DataType::Date, 0), "0000-00-00");
        assert_eq!(written(Value::Time(true, 34, 22, 59, 59, 1), DataType::Interval, 6), "-838:59:59.000001");
        assert_eq!(written(Value::Time(false, 0, 1, 2, 3, 0), DataType::Interval, 0), "01:02:03");
    }

    #[test]
    fn rows_are_json() {
        let text = Value::Bytes("a\"é\n\0".into());
        let cells = [
            ("i", Value::Int(-1), origin(DataType::Int8, Form::Plain, 0)),
            ("t\"", text, origin(DataType::Text, Form::Plain, 0)),
            ("n", Value::NULL, origin(DataType::Text, Form::Plain, 0)),
            (
                "d",
                Value::Bytes("00012.50".into()),
                origin(DataType::Decimal { precision: 9, scale: 2 }, Form::Plain, 0),
            ),
            (
                "e",
                Value::Bytes("12,5".into()),
                origin(DataType::Decimal { precision: 9, scale: 2 }, Form::Plain, 0),
            ),
            ("f", Value::Float(f32::NAN), origin(DataType::Float32, Form::Plain, 0)),
            ("g", Value::Double(f64::NEG_INFINITY), origin(DataType::Float64, Form::Plain, 0)),
            ("b", Value::Bytes(vec![1, 2]), origin(DataType::UInt64, Form::Bits, 0)),
            ("x", Value::Bytes(vec![0, 255]), origin(DataType::Bytes, Form::Plain, 0)),
            ("z", Value::Date(0, 0, 0, 0, 0, 0, 0), origin(DataType::Date, Form::Plain, 0)),
        ];
        let written = row(cells.iter().map(|(name, value, origin)| (*name, value, *origin)));
        let parsed: serde_json::Value = serde_json::from_slice(&written).expect("JSON");
        let expected = serde_json::json!({
            "i": -1, "t\"": "a\"é\n\0", "n": null, "d": 12.5, "e": "12,5", "f": "NaN", "g": "-inf", "b": 258, "x": "\\x00ff", "z": "0000-00-00",
        });
        assert_eq!(parsed, expected);
        let long = Value::Bytes(vec![b'a'; 10 * RAW_LIMIT]);
        let cells = std::iter::repeat_n(("a", &long, origin(DataType::Bytes, Form::Plain, 0)), 1000);
        assert!(row(cells).len() < 4 * RAW_LIMIT);
    }
}

//! Conversion of values between PostgreSQL's formats and the core's [`Value`].
//!
//! Parameters are sent as text, and fields of results are read from the binary format of
//! PostgreSQL's `…send` functions. Both directions are exact; a field that does not have its type's
//! form is an error.

use std::error::Error as StdError;
use std::fmt;

use bytes::{BufMut, BytesMut};
use millrace_core::value::{Value, civil_from_days};
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type, to_sql_checked};

use super::numeric;

/// Days from 1970-01-01 to 2000-01-01, the epoch of PostgreSQL's dates.
pub(super) const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds, for timestamps.
pub(super) const EPOCH_MICROS: i64 = EPOCH_DAYS as i64 * DAY_MICROS;
const DAY_MICROS: i64 = 86_400_000_000;

/// A parameter. It is sent as text, which the server converts to the type that the statement needs:
/// exactly, or with an error.
pub(super) struct Param<'a>(pub(super) &'a Value);

impl fmt::Debug for Param<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The driver logs parameters by their `Debug`, and values must not reach a log.
        f.write_str("…")
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        match self.0 {
            Value::Null => return Ok(IsNull::Yes),
            Value::Text(text) if text.contains('\0') => {
                return Err("PostgreSQL holds no text with the character U+0000".into());
            }
            Value::Text(text) => out.put_slice(text.as_bytes()),
            Value::Float(x) if x.is_infinite() => {
                out.put_slice(if *x > 0.0 { b"Infinity" } else { b"-Infinity" });
            }
            Value::Date(days) => out.put_slice(date(i64::from(*days), "").as_bytes()),
            Value::Timestamp(micros) => out.put_slice(timestamp(*micros, "").as_bytes()),
            Value::TimestampTz(micros) => out.put_slice(timestamp(*micros, "+00").as_bytes()),
            other => out.put_slice(other.to_string().as_bytes()),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    to_sql_checked!();
}

/// A day as PostgreSQL reads it, followed by `time`. Years before 1 are written with `BC` at the
/// end.
fn date(days: i64, time: &str) -> String {
    let (year, month, day) = civil_from_days(days);
    if year > 0 {
        format!("{year:04}-{month:02}-{day:02}{time}")
    } else {
        format!("{:04}-{month:02}-{day:02}{time} BC", 1 - year)
    }
}

/// Microseconds since 1970 as PostgreSQL reads them, with `zone` behind the time of day.
fn timestamp(micros: i64, zone: &str) -> String {
    let (days, rest) = (micros.div_euclid(DAY_MICROS), micros.rem_euclid(DAY_MICROS));
    date(days, &format!(" {}{zone}", clock(rest)))
}

/// Microseconds as `[-]HH:MM:SS[.ffffff]`, without trailing zeros; hours may exceed 24.
fn clock(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let (seconds, fraction) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    let text = format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 { text } else { format!("{text}.{}", format!("{fraction:06}").trim_end_matches('0')) }
}

/// The bytes of a field, of any type.
pub(super) struct Raw<'a>(pub(super) &'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// How the binary fields of a column are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    Bool,
    Int,
    Oid,
    Float4,
    Float8,
    Numeric,
    Text,
    Jsonb,
    Date,
    Timestamp { zoned: bool },
    Interval,
    Uuid,
    Bytes,
}

impl Reader {
    /// The reader for a type; `None` if the statement has to cast values of the type to text.
    pub(super) fn of(kind: &Type) -> Option<Self> {
        Some(match *kind {
            Type::BOOL => Self::Bool,
            Type::INT2 | Type::INT4 | Type::INT8 => Self::Int,
            Type::OID => Self::Oid,
            Type::FLOAT4 => Self::Float4,
            Type::FLOAT8 => Self::Float8,
            Type::NUMERIC => Self::Numeric,
            Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::JSON | Type::UNKNOWN => Self::Text,
            Type::JSONB => Self::Jsonb,
            Type::DATE => Self::Date,
            Type::TIMESTAMP => Self::Timestamp { zoned: false },
            Type::TIMESTAMPTZ => Self::Timestamp { zoned: true },
            Type::INTERVAL => Self::Interval,
            Type::UUID => Self::Uuid,
            Type::BYTEA => Self::Bytes,
            _ if matches!(kind.kind(), Kind::Enum(_)) => Self::Text,
            _ => return None,
        })
    }

    /// Decodes a field in the binary format of PostgreSQL's `…send` functions; `None` if the bytes
    /// do not have the type's form. `infinity` and values beyond the core's range become texts.
    pub(super) fn read(self, raw: &[u8]) -> Option<Value> {
        Some(match self {
            Self::Bool => Value::Bool(*raw.first()? != 0),
            Self::Int => Value::Int(match raw.len() {
                2 => i16::from_be_bytes(raw.try_into().ok()?).into(),
                4 => i32::from_be_bytes(raw.try_into().ok()?).into(),
                _ => i64::from_be_bytes(raw.try_into().ok()?).into(),
            }),
            Self::Oid => Value::Int(u32::from_be_bytes(raw.try_into().ok()?).into()),
            Self::Float4 => Value::Float(shortest(f32::from_be_bytes(raw.try_into().ok()?))),
            Self::Float8 => Value::Float(f64::from_be_bytes(raw.try_into().ok()?)),
            Self::Numeric => numeric::read(raw)?,
            Self::Text => Value::Text(String::from_utf8(raw.to_vec()).ok()?),
            // A `jsonb` field begins with the version of its format, which is 1.
            Self::Jsonb => Value::Text(String::from_utf8(raw.strip_prefix(&[1])?.to_vec()).ok()?),
            Self::Date => match i32::from_be_bytes(raw.try_into().ok()?) {
                i32::MAX => Value::text("infinity"),
                i32::MIN => Value::text("-infinity"),
                days => Value::Date(days.checked_add(EPOCH_DAYS)?),
            },
            Self::Timestamp { zoned } => match i64::from_be_bytes(raw.try_into().ok()?) {
                i64::MAX => Value::text("infinity"),
                i64::MIN => Value::text("-infinity"),
                micros => match micros.checked_add(EPOCH_MICROS) {
                    Some(micros) if zoned => Value::TimestampTz(micros),
                    Some(micros) => Value::Timestamp(micros),
                    // The last years before 294277 exceed 64 bits of microseconds since 1970.
                    None => {
                        let (days, rest) = (micros.div_euclid(DAY_MICROS), micros.rem_euclid(DAY_MICROS));
                        let zone = if zoned { "Z" } else { "" };
                        Value::Text(date(days + i64::from(EPOCH_DAYS), &format!("T{}{zone}", clock(rest))))
                    }
                },
            },
            Self::Interval => Value::Text(interval(raw)?),
            Self::Uuid => {
                let hex = Value::Bytes(raw.to_vec()).to_string().split_off(2);
                let part = |from: usize, to: usize| hex.get(from..to);
                let parts = [part(0, 8)?, part(8, 12)?, part(12, 16)?, part(16, 20)?, part(20, 32)?];
                Value::Text(parts.join("-"))
            }
            Self::Bytes => Value::Bytes(raw.to_vec()),
        })
    }
}

/// Decodes an interval to words, in the same form as DuckDB's connector gives:
/// `1 year 2 months 3 days 04:05:06.5`.
fn interval(raw: &[u8]) -> Option<String> {
    let micros = i64::from_be_bytes(raw.get(..8)?.try_into().ok()?);
    let days = i32::from_be_bytes(raw.get(8..12)?.try_into().ok()?);
    let months = i32::from_be_bytes(raw.get(12..16)?.try_into().ok()?);
    let mut parts = Vec::new();
    for (count, word) in [(months / 12, "year"), (months % 12, "month"), (days, "day")] {
        if count != 0 {
            parts.push(format!("{count} {word}{}", if count.abs() == 1 { "" } else { "s" }));
        }
    }
    if micros != 0 || parts.is_empty() {
        parts.push(clock(micros));
    }
    Some(parts.join(" "))
}

/// The double whose shortest decimal text equals that of the float: 0.1 stays 0.1.
fn shortest(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_postgres_reads() {
        let written = |value: Value| {
            let mut out = BytesMut::new();
            let null = Param(&value).to_sql(&Type::UNKNOWN, &mut out).expect("it can be written");
            assert!(matches!(null, IsNull::No));
            String::from_utf8(out.to_vec()).expect("text")
        };
        assert_eq!(written(Value::Date(-719_163)), "0001-12-31 BC");
        assert_eq!(written(Value::Date(0)), "1970-01-01");
        assert_eq!(written(Value::Timestamp(-1)), "1969-12-31 23:59:59.999999");
        assert_eq!(written(Value::TimestampTz(1_500_000)), "1970-01-01 00:00:01.5+00");
        assert_eq!(written(Value::Bytes(vec![0, 255])), "\\x00ff");
        assert_eq!(written(Value::Float(f64::NEG_INFINITY)), "-Infinity");
        assert_eq!(written(Value::Float(0.1)), "0.1");
        assert!(Param(&Value::text("a\0")).to_sql(&Type::UNKNOWN, &mut BytesMut::new()).is_err());
        assert_eq!(format!("{:?}", Param(&Value::text("secret"))), "…");
    }

    #[test]
    fn intervals_in_words() {
        let text = |months: i32, days: i32, micros: i64| {
            let mut raw = micros.to_be_bytes().to_vec();
            raw.extend(days.to_be_bytes());
            raw.extend(months.to_be_bytes());
            interval(&raw).expect("an interval")
        };
        assert_eq!(text(0, 0, 0), "00:00:00");
        assert_eq!(text(14, 3, 14_706_500_000), "1 year 2 months 3 days 04:05:06.5");
        assert_eq!(text(0, 0, -3_020_399_000_000), "-838:59:59");
        assert_eq!(text(-1, 0, 0), "-1 month");
    }

    #[test]
    fn fields_that_are_cut_are_no_values() {
        for reader in
            [Reader::Int, Reader::Oid, Reader::Float4, Reader::Float8, Reader::Numeric, Reader::Date]
        {
            assert_eq!(reader.read(&[1]), None, "{reader:?}");
        }
        assert_eq!(Reader::Date.read(&i32::MAX.to_be_bytes()), Some(Value::text("infinity")));
        let last = 9_223_371_331_199_999_999i64;
        let found = Reader::Timestamp { zoned: false }.read(&last.to_be_bytes());
        assert_eq!(found, Some(Value::text("294276-12-31T23:59:59.999999")));
    }
}

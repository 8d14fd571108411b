//! Conversion of values between DuckDB's [`DuckdbValue`] and the core's [`Value`].

use duckdb::types::{TimeUnit, Value as DuckdbValue};
use millrace_core::value::{Decimal, Value, civil_from_days};

/// Converts a parameter.
pub(super) fn to_duckdb(value: &Value) -> DuckdbValue {
    match value {
        Value::Null => DuckdbValue::Null,
        Value::Bool(b) => DuckdbValue::Boolean(*b),
        Value::Int(n) => i64::try_from(*n).map_or(DuckdbValue::HugeInt(*n), DuckdbValue::BigInt),
        // Sent as text, which the statement casts, so that no float is involved.
        Value::Decimal(d) => DuckdbValue::Text(d.to_string()),
        Value::Float(x) => DuckdbValue::Double(*x),
        Value::Text(text) => DuckdbValue::Text(text.clone()),
        Value::Date(days) => DuckdbValue::Date32(*days),
        Value::Timestamp(micros) => DuckdbValue::Timestamp(TimeUnit::Microsecond, *micros),
        // Sent as text with an offset, which the statement casts. DuckDB would read a bound
        // timestamp in the time zone of the session.
        Value::TimestampTz(micros) => DuckdbValue::Text(moment(*micros)),
        Value::Bytes(bytes) => DuckdbValue::Blob(bytes.clone()),
    }
}

/// Microseconds since 1970 (UTC) as text that DuckDB reads in any session. Years before 1 are
/// written with `(BC)`.
fn moment(micros: i64) -> String {
    const DAY: i64 = 86_400_000_000;
    let (year, month, day) = civil_from_days(micros.div_euclid(DAY));
    let time = Value::Timestamp(micros.rem_euclid(DAY)).to_string();
    let time = time.split_once('T').map_or("00:00:00", |(_, time)| time);
    if year > 0 {
        format!("{year:04}-{month:02}-{day:02} {time}+00")
    } else {
        format!("{:04}-{month:02}-{day:02} (BC) {time}+00", 1 - year)
    }
}

/// Converts a value of a result; `None` for a type that is cast to text by the query instead.
/// `zoned` says that timestamps are moments (`TIMESTAMPTZ`). Nanoseconds are cut to microseconds.
pub(super) fn from_duckdb(value: DuckdbValue, zoned: bool) -> Option<Value> {
    Some(match value {
        DuckdbValue::Null => Value::Null,
        DuckdbValue::Boolean(b) => Value::Bool(b),
        DuckdbValue::TinyInt(n) => Value::Int(n.into()),
        DuckdbValue::SmallInt(n) => Value::Int(n.into()),
        DuckdbValue::Int(n) => Value::Int(n.into()),
        DuckdbValue::BigInt(n) => Value::Int(n.into()),
        DuckdbValue::HugeInt(n) => Value::Int(n),
        DuckdbValue::UHugeInt(n) => Value::Int(i128::try_from(n).ok()?),
        DuckdbValue::UTinyInt(n) => Value::Int(n.into()),
        DuckdbValue::USmallInt(n) => Value::Int(n.into()),
        DuckdbValue::UInt(n) => Value::Int(n.into()),
        DuckdbValue::UBigInt(n) => Value::Int(n.into()),
        DuckdbValue::Float(x) => Value::Float(shortest(x)),
        DuckdbValue::Double(x) => Value::Float(x),
        DuckdbValue::Decimal(d) => Value::Decimal(Decimal { mantissa: d.value(), scale: d.scale() }),
        DuckdbValue::Timestamp(unit, n) => {
            let micros = match unit {
                TimeUnit::Second => n.checked_mul(1_000_000)?,
                TimeUnit::Millisecond => n.checked_mul(1_000)?,
                TimeUnit::Microsecond => n,
                TimeUnit::Nanosecond => n.div_euclid(1_000),
            };
            if zoned { Value::TimestampTz(micros) } else { Value::Timestamp(micros) }
        }
        DuckdbValue::Text(text) | DuckdbValue::Enum(text) => Value::Text(text),
        DuckdbValue::Blob(bytes) => Value::Bytes(bytes),
        DuckdbValue::Date32(days) => Value::Date(days),
        _ => return None,
    })
}

/// The double whose shortest decimal text equals that of the float: 0.1 stays 0.1.
fn shortest(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}

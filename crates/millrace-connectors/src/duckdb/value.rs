//! Values between DuckDB and the core.

use duckdb::types::{TimeUnit, Value as DuckdbValue};
use millrace_core::value::{Decimal, Value, civil_from_days};

/// A parameter.
pub(super) fn to_duckdb(value: &Value) -> DuckdbValue {
    match value {
        Value::Null => DuckdbValue::Null,
        Value::Bool(b) => DuckdbValue::Boolean(*b),
        Value::Int(n) => i64::try_from(*n).map_or(DuckdbValue::HugeInt(*n), DuckdbValue::BigInt),
        // As text, which the statement casts: no float on the way.
        Value::Decimal(d) => DuckdbValue::Text(d.to_string()),
        Value::Float(x) => DuckdbValue::Double(*x),
        Value::Text(text) => DuckdbValue::Text(text.clone()),
        Value::Date(days) => DuckdbValue::Date32(*days),
        Value::Timestamp(micros) => DuckdbValue::Timestamp(TimeUnit::Microsecond, *micros),
        // As text with its offset, which the statement casts: the engine would read a timestamp as one of the session's zone.
        Value::TimestampTz(micros) => DuckdbValue::Text(moment(*micros)),
        Value::Bytes(bytes) => DuckdbValue::Blob(bytes.clone()),
    }
}

/// A moment as DuckDB reads it in any session: years before 1 are written with `(BC)`.
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

/// A value of a result; none for a type that is read as text instead.
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

/// The double with the same shortest text as the float: 0.1 stays 0.1.
fn shortest(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}

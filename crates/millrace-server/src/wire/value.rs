//! Lossless JSON form of values, and the logical types of columns.
//!
//! JSON numbers are read as IEEE 754 doubles by browsers. So decimals, and integers beyond ±(2^53 −
//! 1), are strings of digits; dates and timestamps are ISO 8601 strings.

use millrace_core::schema::DataType;
use millrace_core::value::{Decimal, Value};
use serde::Serialize;
use utoipa::openapi::schema::{OneOfBuilder, Schema, Type};
use utoipa::openapi::{ObjectBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// The largest integer that a JSON number holds exactly in a browser, 2^53 − 1.
const EXACT: i128 = (1 << 53) - 1;

/// One value, ready to be serialized.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Cell {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

impl PartialSchema for Cell {
    fn schema() -> RefOr<Schema> {
        let types = [Type::String, Type::Number, Type::Boolean, Type::Null];
        let any = types
            .into_iter()
            .fold(OneOfBuilder::new(), |one_of, kind| one_of.item(ObjectBuilder::new().schema_type(kind)));
        let note = "One value; decimals, large integers, dates and text are strings.";
        RefOr::T(Schema::OneOf(any.description(Some(note)).build()))
    }
}

impl ToSchema for Cell {
    fn name() -> std::borrow::Cow<'static, str> {
        "Value".into()
    }
}

/// What kind of values a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogicalType {
    Integer,
    Decimal,
    Float,
    Boolean,
    Date,
    Timestamp,
    Text,
}

/// A column's logical type, and for decimals the number of digits after the point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) kind: LogicalType,
    pub(crate) scale: Option<u8>,
}

impl Shape {
    pub(crate) const TEXT: Self = Self::plain(LogicalType::Text);
    pub(crate) const DATE: Self = Self::plain(LogicalType::Date);
    /// Shares and changes: a ratio with four digits after the point.
    pub(crate) const RATIO: Self = Self::decimal(4);

    const fn plain(kind: LogicalType) -> Self {
        Self { kind, scale: None }
    }

    const fn decimal(scale: u8) -> Self {
        Self { kind: LogicalType::Decimal, scale: Some(scale) }
    }

    /// The shape of a column with this warehouse type; text if the type has no logical type of its
    /// own.
    pub(crate) fn of(data_type: Option<DataType>) -> Self {
        use DataType::{
            Boolean, Date, Decimal, Float32, Float64, Int8, Int16, Int32, Int64, Timestamp, TimestampTz,
            UInt8, UInt16, UInt32, UInt64,
        };
        match data_type {
            // Warehouses return a sum of integers as a wide decimal with scale 0.
            Some(
                Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 | Decimal { scale: 0, .. },
            ) => Self::plain(LogicalType::Integer),
            Some(Decimal { scale, .. }) => Self::decimal(scale),
            Some(Float32 | Float64) => Self::plain(LogicalType::Float),
            Some(Boolean) => Self::plain(LogicalType::Boolean),
            Some(Date) => Self::DATE,
            Some(Timestamp | TimestampTz) => Self::plain(LogicalType::Timestamp),
            _ => Self::TEXT,
        }
    }

    /// The shape of a quotient, with the scale that [`Decimal::divide`] produces: the sum of both
    /// scales plus 6. If either side is not exact, the quotient is a float.
    pub(crate) fn quotient(above: Self, below: Self) -> Self {
        let digits = |shape: Self| match shape.kind {
            LogicalType::Integer => Some(0),
            LogicalType::Decimal => shape.scale,
            _ => None,
        };
        match (digits(above), digits(below)) {
            (Some(above), Some(below)) => Self::decimal(above.saturating_add(below).saturating_add(6)),
            _ => Self::plain(LogicalType::Float),
        }
    }

    /// Converts a value of a column with this shape.
    pub(crate) fn cell(self, value: &Value) -> Cell {
        match (value, self.kind) {
            (Value::Null, _) => Cell::Null,
            (Value::Bool(b), _) => Cell::Boolean(*b),
            (Value::Int(n), LogicalType::Decimal) => self.exact(Decimal { mantissa: *n, scale: 0 }),
            (Value::Int(n), LogicalType::Float) => float(*n as f64),
            (Value::Int(n), _) => integer(*n),
            (Value::Decimal(d), LogicalType::Integer) if d.scale == 0 => integer(d.mantissa),
            (Value::Decimal(d), _) => self.exact(*d),
            (Value::Float(x), _) => float(*x),
            (other, _) => Cell::Text(other.to_string()),
        }
    }

    /// A decimal string padded to the column's scale. A number with more digits keeps all of them.
    fn exact(self, number: Decimal) -> Cell {
        let scale = self.scale.unwrap_or(0).max(number.scale);
        let factor = 10i128.checked_pow(u32::from(scale - number.scale));
        let widened = factor.and_then(|factor| number.mantissa.checked_mul(factor));
        Cell::Text(widened.map_or(number, |mantissa| Decimal { mantissa, scale }).to_string())
    }
}

/// A JSON number if it is exact in a browser, else a string.
fn integer(n: i128) -> Cell {
    match i64::try_from(n) {
        Ok(small) if (-EXACT..=EXACT).contains(&n) => Cell::Integer(small),
        _ => Cell::Text(n.to_string()),
    }
}

/// A JSON number, or a string for NaN and the infinities, which JSON numbers cannot express.
fn float(x: f64) -> Cell {
    if x.is_finite() {
        Cell::Float(x)
    } else if x.is_nan() {
        Cell::Text("NaN".into())
    } else {
        Cell::Text(if x > 0.0 { "Infinity" } else { "-Infinity" }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(shape: Shape, value: &Value) -> String {
        serde_json::to_string(&shape.cell(value)).expect("JSON")
    }

    #[test]
    fn no_digit_is_lost() {
        let whole = Shape::of(Some(DataType::Int64));
        for (value, expected) in [
            (9_007_199_254_740_991, "9007199254740991"),
            (9_007_199_254_740_992, "\"9007199254740992\""),
            (-9_007_199_254_740_991, "-9007199254740991"),
            (-9_007_199_254_740_992, "\"-9007199254740992\""),
            (i128::MAX, "\"170141183460469231731687303715884105727\""),
        ] {
            assert_eq!(json(whole, &Value::Int(value)), expected);
        }
        let money = Shape::of(Some(DataType::Decimal { precision: 18, scale: 2 }));
        assert_eq!(json(money, &Value::Decimal(Decimal { mantissa: 115_283, scale: 2 })), "\"1152.83\"");
        assert_eq!(json(money, &Value::Int(0)), "\"0.00\"");
        assert_eq!(json(money, &Value::Decimal(Decimal { mantissa: 12_345, scale: 3 })), "\"12.345\"");
        let float = Shape::of(Some(DataType::Float64));
        for (value, expected) in [
            (0.1, "0.1"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ] {
            assert_eq!(json(float, &Value::Float(value)), expected);
        }
    }

    #[test]
    fn times_are_iso() {
        let at = Shape::of(Some(DataType::Timestamp));
        assert_eq!(json(at, &Value::Timestamp(86_399_000_000)), "\"1970-01-01T23:59:59\"");
        let instant = Shape::of(Some(DataType::TimestampTz));
        assert_eq!(json(instant, &Value::TimestampTz(0)), "\"1970-01-01T00:00:00Z\"");
        assert_eq!(json(Shape::DATE, &Value::Date(-1)), "\"1969-12-31\"");
    }
}

//! Lossless encoding of warehouse values in JSON: `null`, `true` and `false` as they are, and
//! everything else as a string whose first letter names the type.
//!
//! | value | text |
//! |---|---|
//! | integer | `i-12` |
//! | decimal | `n1250e2`: all digits, `e`, digits after the point |
//! | IEEE 754 number | `f3ff0000000000000`: its bits, so that NaN and -0 arrive as they are |
//! | text | `t` and the text |
//! | date | `d19782`: days since 1970-01-01 |
//! | timestamp without and with a zone | `s1`, `z1`: microseconds since 1970-01-01 00:00:00 |
//! | bytes | `x00ff` |

use std::borrow::Cow;

use millrace_core::value::{Decimal, Value};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value in this encoding.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exact(pub(super) Value);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = match &self.0 {
            Value::Null => return serializer.serialize_none(),
            Value::Bool(b) => return serializer.serialize_bool(*b),
            Value::Int(n) => format!("i{n}"),
            Value::Decimal(d) => format!("n{}e{}", d.mantissa, d.scale),
            Value::Float(x) => format!("f{:016x}", x.to_bits()),
            Value::Text(text) => format!("t{text}"),
            Value::Date(days) => format!("d{days}"),
            Value::Timestamp(micros) => format!("s{micros}"),
            Value::TimestampTz(micros) => format!("z{micros}"),
            Value::Bytes(bytes) => {
                let mut text = String::with_capacity(1 + 2 * bytes.len());
                text.push('x');
                for byte in bytes {
                    text.push_str(&format!("{byte:02x}"));
                }
                text
            }
        };
        serializer.serialize_str(&text)
    }
}

/// The JSON forms that a value can have.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written<'a> {
    Bool(bool),
    Text(#[serde(borrow)] Cow<'a, str>),
    Null(()),
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = match Written::deserialize(deserializer)? {
            Written::Null(()) => Some(Value::Null),
            Written::Bool(b) => Some(Value::Bool(b)),
            Written::Text(text) => value(&text),
        };
        // The text may be a cell value, so the message must not quote it.
        value.map(Self).ok_or_else(|| D::Error::custom("a value is written in no known way"))
    }
}

/// Decodes a string by its first letter; returns `None` if it is not in this encoding.
fn value(text: &str) -> Option<Value> {
    // Also refuses an empty string, and a first character of several bytes.
    let rest = text.get(1..)?;
    Some(match text.as_bytes()[0] {
        b'i' => Value::Int(rest.parse().ok()?),
        b'n' => {
            let (mantissa, scale) = rest.split_once('e')?;
            Value::Decimal(Decimal { mantissa: mantissa.parse().ok()?, scale: scale.parse().ok()? })
        }
        b'f' => Value::Float(f64::from_bits(u64::from_str_radix(rest, 16).ok()?)),
        b't' => Value::text(rest),
        b'd' => Value::Date(rest.parse().ok()?),
        b's' => Value::Timestamp(rest.parse().ok()?),
        b'z' => Value::TimestampTz(rest.parse().ok()?),
        b'x' => {
            let bytes =
                (0..rest.len()).step_by(2).map(|at| u8::from_str_radix(rest.get(at..at + 2)?, 16).ok());
            Value::Bytes(bytes.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(value: &Value) -> Value {
        let text = serde_json::to_string(&Exact(value.clone())).expect("JSON");
        let Exact(back) = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        back
    }

    /// Compares also the scale of decimals and the bits of floats, which `==` ignores.
    fn same(a: &Value, b: &Value) -> bool {
        match (a, b) {
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (Value::Decimal(a), Value::Decimal(b)) => (a.mantissa, a.scale) == (b.mantissa, b.scale),
            (a, b) => a == b,
        }
    }

    #[test]
    fn edges_arrive_as_they_are() {
        let floats =
            [0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, 0.1];
        let mut values: Vec<Value> = floats.map(Value::Float).to_vec();
        values.extend([i128::MIN, i128::MAX, 0].map(Value::Int));
        values.extend(["", "t", "é\u{0}\"\\\n", "null"].map(Value::text));
        values.extend([
            Value::Null,
            Value::Bool(true),
            Value::Bool(false),
            Value::Decimal(Decimal { mantissa: 150, scale: 2 }),
            Value::Decimal(Decimal { mantissa: i128::MIN, scale: 38 }),
            Value::Date(i32::MIN),
            Value::Timestamp(i64::MAX),
            Value::TimestampTz(i64::MIN),
            Value::Bytes(Vec::new()),
            Value::Bytes(vec![0, 255, 16]),
        ]);
        for value in values {
            let back = round_trip(&value);
            assert!(same(&value, &back), "{value:?} became {back:?}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in ["\"\"", "\"q1\"", "\"i\"", "\"i1.5\"", "\"n1\"", "\"x0\"", "\"xzz\"", "\"é\"", "1", "[]"]
        {
            assert!(serde_json::from_str::<Exact>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_value_arrives(n in any::<i128>(), bits in any::<u64>(), text in any::<String>(), bytes in any::<Vec<u8>>(), scale in 0u8..39) {
            for value in [
                Value::Int(n), Value::Float(f64::from_bits(bits)), Value::Text(text.clone()), Value::Bytes(bytes.clone()),
                Value::Decimal(Decimal { mantissa: n, scale }),
            ] {
                let back = round_trip(&value);
                prop_assert!(same(&value, &back), "{:?} became {:?}", value, back);
            }
        }
    }
}

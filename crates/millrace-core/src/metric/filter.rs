//! Parses filter values that a reader has chosen into the type of the column.
//!
//! Values are compared in the column's own type, so `1`, `1.0` and `1e0` are the same number
//! regardless of how a warehouse formats it.

use std::collections::BTreeMap;

use crate::schema::DataType;
use crate::value::{Value, days_from_civil};

/// Logical types of a view's dimensions, by dimension name. `None` means that the column's type has
/// no logical type. For the time dimension it is the type of the column itself. A dimension that is
/// missing is compared as text.
pub type DimensionTypes = BTreeMap<String, Option<DataType>>;

/// Maximum number of digits of an exact number, so that `1e999999999` does not allocate a gigabyte
/// of zeros.
const MOST_DIGITS: i64 = 200;

/// How the values of a column are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// As values of this type.
    Typed(DataType),
    /// By the text that the warehouse produces. For types without an order or equality that all
    /// warehouses share.
    Text,
}

impl Comparison {
    /// The comparison for a column of this type.
    pub(super) fn of(data_type: Option<DataType>) -> Self {
        use DataType::{Bytes, Interval, Json, Text};
        match data_type {
            None | Some(Text | Json | Interval | Bytes) => Self::Text,
            Some(data_type) => Self::Typed(data_type),
        }
    }

    /// SQL of the column, as filters compare it and as options list it.
    pub(super) fn column(self, column: &str) -> String {
        match self {
            Self::Typed(_) => column.to_owned(),
            Self::Text => format!("cast({column} as varchar)"),
        }
    }

    /// Parses a text for a typed column. Returns `None` if the type has no such value, or if values
    /// are compared as text.
    pub(super) fn value(self, text: &str) -> Option<Value> {
        let Self::Typed(data_type) = self else { return None };
        parse(text, data_type)
    }

    /// SQL of a parameter. Adds a cast if a warehouse would not convert the parameter to the
    /// column's type.
    pub(super) fn parameter(self, parameter: &str) -> String {
        let Self::Typed(data_type) = self else { return parameter.to_owned() };
        let cast = match data_type {
            DataType::Float32 => "real".to_owned(),
            DataType::Decimal { precision, scale } if precision <= 38 => {
                format!("decimal({precision},{scale})")
            }
            // Without precision and scale: only PostgreSQL has decimals of more than 38 digits.
            DataType::Decimal { .. } => "numeric".to_owned(),
            DataType::Date => "date".to_owned(),
            DataType::Timestamp => "timestamp".to_owned(),
            DataType::TimestampTz => "timestamptz".to_owned(),
            _ => return parameter.to_owned(),
        };
        format!("cast({parameter} as {cast})")
    }
}

/// Parses a filter text as a value of the type. Returns `None` if the type has no such value.
fn parse(text: &str, data_type: DataType) -> Option<Value> {
    use DataType::{
        Boolean, Date, Decimal, Float32, Float64, Int8, Int16, Int32, Int64, Timestamp, TimestampTz, UInt8,
        UInt16, UInt32, UInt64,
    };
    let within = |least: i128, most: i128| {
        let whole = Digits::of(text)?.whole()?;
        (least..=most).contains(&whole).then_some(Value::Int(whole))
    };
    match data_type {
        Boolean => text.parse().ok().map(Value::Bool),
        Int8 => within(i8::MIN.into(), i8::MAX.into()),
        Int16 => within(i16::MIN.into(), i16::MAX.into()),
        Int32 => within(i32::MIN.into(), i32::MAX.into()),
        Int64 => within(i64::MIN.into(), i64::MAX.into()),
        UInt8 => within(0, u8::MAX.into()),
        UInt16 => within(0, u16::MAX.into()),
        UInt32 => within(0, u32::MAX.into()),
        UInt64 => within(0, u64::MAX.into()),
        Decimal { precision, scale } => {
            let digits = Digits::of(text)?;
            let fits = precision > 38 || digits.fits(usize::from(precision), usize::from(scale));
            // As text, because it may have more digits than `Value::Decimal` can hold.
            fits.then(|| Value::Text(digits.to_string()))
        }
        Float32 => text.parse::<f32>().ok().map(|x| Value::Float(x.into())),
        Float64 => text.parse().ok().map(Value::Float),
        Date => day(text).and_then(|day| i32::try_from(day).ok()).map(Value::Date),
        Timestamp => micros(text.strip_suffix('Z').unwrap_or(text)).map(Value::Timestamp),
        TimestampTz => micros(text.strip_suffix('Z')?).map(Value::TimestampTz),
        DataType::Interval | DataType::Text | DataType::Json | DataType::Bytes => None,
    }
}

/// The number of digits of an exact number before and after the point, without insignificant zeros.
/// Returns `None` if the text is not such a number.
pub(crate) fn digits(text: &str) -> Option<(usize, usize)> {
    Digits::of(text).map(|digits| (digits.whole.len(), digits.fraction.len()))
}

/// An exact number as its digits, without insignificant zeros.
struct Digits {
    negative: bool,
    whole: String,
    fraction: String,
}

impl Digits {
    /// Parses a number such as `-12.50` or `1e3`. Returns `None` if the text is not a finite number
    /// or exceeds [`MOST_DIGITS`].
    fn of(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (number, exponent) = match rest.split_once(['e', 'E']) {
            Some((number, exponent)) => (number, exponent.parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let digits = format!("{whole}{fraction}");
        let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
        let length = i64::try_from(digits.len()).ok()?;
        if !(-MOST_DIGITS..=MOST_DIGITS).contains(&point) || length > MOST_DIGITS {
            // Zero is valid with any exponent.
            return digits.bytes().all(|b| b == b'0').then(|| Self {
                negative: false,
                whole: String::new(),
                fraction: String::new(),
            });
        }
        // Pads with zeros, so that the point lies within the digits.
        let before = usize::try_from((-point).max(0)).ok()?;
        let after = usize::try_from((point - length).max(0)).ok()?;
        let padded = format!("{}{digits}{}", "0".repeat(before), "0".repeat(after));
        let (whole, fraction) = padded.split_at(usize::try_from(point.max(0)).ok()?);
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        // There is no negative zero.
        let negative = negative && !(whole.is_empty() && fraction.is_empty());
        Some(Self { negative, whole: whole.to_owned(), fraction: fraction.to_owned() })
    }

    /// Whether a decimal with this precision and scale can hold the number exactly.
    fn fits(&self, precision: usize, scale: usize) -> bool {
        self.fraction.len() <= scale && self.whole.len() + scale <= precision
    }

    /// The number as an integer; `None` if it has a fraction or does not fit.
    fn whole(&self) -> Option<i128> {
        if !self.fraction.is_empty() {
            return None;
        }
        self.to_string().parse().ok()
    }
}

impl std::fmt::Display for Digits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let whole = if self.whole.is_empty() { "0" } else { &self.whole };
        let point = if self.fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{}", self.fraction)
    }
}

/// The day number of `YYYY-MM-DD`, in the format that [`Value`] prints. Accepts negative years and
/// years of up to seven digits.
fn day(text: &str) -> Option<i64> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = rest.splitn(3, '-');
    let (year, month, dom) = (parts.next()?, parts.next()?, parts.next()?);
    // `Value` pads a year to four characters including the sign.
    let least = if negative { 3 } else { 4 };
    if !(least..=7).contains(&year.len()) || month.len() != 2 || dom.len() != 2 {
        return None;
    }
    let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u32>().ok())?;
    let (year, month, dom) = (i64::from(number(year)?), number(month)?, number(dom)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&dom) {
        return None;
    }
    let year = if negative { -year } else { year };
    let days = days_from_civil(year, month, dom);
    // The round trip rejects days that do not exist, such as 31 April.
    (crate::value::civil_from_days(days) == (year, month, dom)).then_some(days)
}

/// Microseconds since 1970-01-01 of `YYYY-MM-DDTHH:MM:SS[.ffffff]`; a blank is accepted in place of
/// `T`.
fn micros(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', ' '])?;
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = clock.splitn(3, ':');
    let mut part = |most: i64| {
        let text = parts.next().filter(|text| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()))?;
        text.parse::<i64>().ok().filter(|n| *n <= most)
    };
    let (hour, minute, second) = (part(23)?, part(59)?, part(59)?);
    if fraction.len() > 6 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction: i64 = format!("{fraction:0<6}").parse().ok()?;
    let of_day = ((hour * 60 + minute) * 60 + second) * 1_000_000 + fraction;
    i64::try_from(i128::from(day(date)?) * 86_400_000_000 + i128::from(of_day)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MONEY: DataType = DataType::Decimal { precision: 18, scale: 2 };

    fn told(text: &str, data_type: DataType) -> String {
        parse(text, data_type).map_or_else(|| "none".to_owned(), |value| format!("{value:?}"))
    }

    #[test]
    fn numbers_are_read_in_any_spelling() {
        for (text, data_type, expected) in [
            ("1", DataType::Float64, "Float(1.0)"),
            ("1.0", DataType::Int32, "Int(1)"),
            ("1e3", DataType::Int32, "Int(1000)"),
            ("1.5", DataType::Int32, "none"),
            ("300", DataType::Int8, "none"),
            ("-1", DataType::UInt64, "none"),
            ("18446744073709551615", DataType::UInt64, "Int(18446744073709551615)"),
            ("1e-7", DataType::Float64, "Float(1e-7)"),
            ("NaN", DataType::Float64, "Float(NaN)"),
            ("-Infinity", DataType::Float64, "Float(-inf)"),
            ("12.50", MONEY, "Text(\"12.5\")"),
            ("1250e-2", MONEY, "Text(\"12.5\")"),
            ("-0.0", MONEY, "Text(\"0\")"),
            ("12.505", MONEY, "none"),
            ("1e17", MONEY, "none"),
            ("1e999999999", MONEY, "none"),
            ("0e999999999", MONEY, "Text(\"0\")"),
            ("", MONEY, "none"),
            (".", MONEY, "none"),
            ("NaN", MONEY, "none"),
            ("TRUE", DataType::Boolean, "none"),
        ] {
            assert_eq!(told(text, data_type), expected, "{text} as {data_type}");
        }
    }

    #[test]
    fn times_are_read_as_they_are_told() {
        assert_eq!(told("2026-02-30", DataType::Date), "none");
        assert_eq!(told("2026-11-23 10:00:00", DataType::TimestampTz), "none", "no zone");
        assert_eq!(told("1970-01-01T00:00:00.5Z", DataType::TimestampTz), "TimestampTz(500000)");
        assert_eq!(told("1970-01-01 00:00:61", DataType::Timestamp), "none");
    }

    proptest! {
        #[test]
        fn what_is_told_is_read(days in any::<i32>(), micros in any::<i64>(), x in any::<f64>(), y in any::<f32>()) {
            prop_assert_eq!(parse(&Value::Date(days).to_string(), DataType::Date), Some(Value::Date(days)));
            let at = Value::Timestamp(micros);
            prop_assert_eq!(parse(&at.to_string(), DataType::Timestamp), Some(at));
            let at = Value::TimestampTz(micros);
            prop_assert_eq!(parse(&at.to_string(), DataType::TimestampTz), Some(at));
            prop_assert_eq!(parse(&format!("{x:?}"), DataType::Float64), Some(Value::Float(x)));
            prop_assert_eq!(parse(&format!("{y:?}"), DataType::Float32), Some(Value::Float(y.into())));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+0-9.eE:TZ ]{0,24}|.{0,12}") {
            for data_type in [MONEY, DataType::Int64, DataType::Float64, DataType::Date, DataType::Timestamp] {
                let _ = parse(&text, data_type);
            }
        }
    }
}

//! Exact values on their way to and from a warehouse, and exact decimal arithmetic.
//!
//! [`Value`] holds one cell of a result or one parameter of a statement. [`Decimal`] divides,
//! subtracts and rounds without binary floating point; division and subtraction return `None` if
//! the result does not fit.

use std::cmp::Ordering;
use std::fmt;

/// One value of a query result, or one parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// SQL's NULL.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer of any width.
    Int(i128),
    /// An exact number with a fraction.
    Decimal(Decimal),
    /// An IEEE 754 floating-point number.
    Float(f64),
    /// Text. Also holds JSON, intervals and all types that have no variant of their own.
    Text(String),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01 00:00:00, without a zone.
    Timestamp(i64),
    /// Microseconds since 1970-01-01 00:00:00 UTC.
    TimestampTz(i64),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Value {
    /// A text value, from anything that converts to a `String`.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Whether the value is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, if the value is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if the value is one.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Self::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// The number as a decimal, if it is an integer or a decimal. `None` for floats.
    pub fn as_decimal(&self) -> Option<Decimal> {
        match self {
            Self::Int(n) => Some(Decimal { mantissa: *n, scale: 0 }),
            Self::Decimal(d) => Some(*d),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    /// Formats the value for people. Dates and times are in ISO 8601, bytes are `\x` and hex
    /// digits, NULL is the empty text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Int(n) => write!(f, "{n}"),
            Self::Decimal(d) => write!(f, "{d}"),
            Self::Float(x) => write!(f, "{x}"),
            Self::Text(text) => f.write_str(text),
            Self::Date(days) => write_date(f, i64::from(*days)),
            Self::Timestamp(micros) => write_timestamp(f, *micros, ""),
            Self::TimestampTz(micros) => write_timestamp(f, *micros, "Z"),
            Self::Bytes(bytes) => {
                f.write_str("\\x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}

/// Year, month and day of a day number (days since 1970-01-01). The algorithm is Howard Hinnant's
/// `civil_from_days` (<https://howardhinnant.github.io/date_algorithms.html>). It accepts any
/// `i32`; calendar libraries stop at the year 9999.
pub fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_index + 2) / 5 + 1) as u32;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day number of a date, by `days_from_civil` of the same source. The caller checks that the
/// date exists.
pub fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_index = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_index + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Writes a date as `YYYY-MM-DD`; years beyond 9999 have more digits.
fn write_date(f: &mut fmt::Formatter<'_>, days: i64) -> fmt::Result {
    let (year, month, day) = civil_from_days(days);
    write!(f, "{year:04}-{month:02}-{day:02}")
}

/// Writes a timestamp in ISO 8601, without trailing zeros in the fraction. `zone` is appended as it
/// is.
fn write_timestamp(f: &mut fmt::Formatter<'_>, micros: i64, zone: &str) -> fmt::Result {
    const DAY: i64 = 86_400_000_000;
    write_date(f, micros.div_euclid(DAY))?;
    let rest = micros.rem_euclid(DAY);
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    write!(f, "T{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    if fraction != 0 {
        write!(f, ".{}", format!("{fraction:06}").trim_end_matches('0'))?;
    }
    f.write_str(zone)
}

/// An exact number: `mantissa / 10^scale`.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    /// All digits, as an integer.
    pub mantissa: i128,
    /// Number of digits after the decimal point.
    pub scale: u8,
}

impl Decimal {
    /// `self / by`, rounded half to even. The scale of the result is the sum of both scales plus
    /// six. Returns `None` if `by` is zero or if the result has too many digits.
    ///
    /// Uses long division, so that no intermediate product overflows.
    pub fn divide(self, by: Self) -> Option<Self> {
        if by.mantissa == 0 {
            return None;
        }
        let scale = self.scale.checked_add(by.scale)?.checked_add(6)?;
        let negative = (self.mantissa < 0) != (by.mantissa < 0);
        let divisor = by.mantissa.unsigned_abs();
        let mut quotient = self.mantissa.unsigned_abs() / divisor;
        let mut remainder = self.mantissa.unsigned_abs() % divisor;
        // self/by = (m1/m2) · 10^(s2-s1), so `scale + s2 - s1` more digits give the result its
        // scale.
        for _ in 0..(u32::from(scale) + u32::from(by.scale) - u32::from(self.scale)) {
            let (digit, rest) = next_digit(remainder, divisor);
            quotient = quotient.checked_mul(10)?.checked_add(digit)?;
            remainder = rest;
        }
        let up = match remainder.cmp(&(divisor - remainder)) {
            Ordering::Greater => true,
            Ordering::Equal => quotient % 2 == 1,
            Ordering::Less => false,
        };
        let mantissa = i128::try_from(quotient.checked_add(u128::from(up))?).ok()?;
        Some(Self { mantissa: if negative { -mantissa } else { mantissa }, scale })
    }

    /// `self - other`. Returns `None` on overflow.
    pub fn subtract(self, other: Self) -> Option<Self> {
        let (a, b, scale) = align(self, other)?;
        Some(Self { mantissa: a.checked_sub(b)?, scale })
    }

    /// The absolute value.
    #[must_use]
    pub fn abs(self) -> Self {
        Self { mantissa: self.mantissa.saturating_abs(), scale: self.scale }
    }

    /// Rounds half to even to `scale` digits after the point. A number with that many digits or
    /// fewer is unchanged.
    #[must_use]
    pub fn round(self, scale: u8) -> Self {
        if scale >= self.scale {
            return self;
        }
        // A unit that does not fit is more than twice any mantissa, so the result is zero.
        let Some(unit) = 10i128.checked_pow(u32::from(self.scale - scale)) else {
            return Self { mantissa: 0, scale };
        };
        let (quotient, remainder) = (self.mantissa / unit, (self.mantissa % unit).abs());
        let up = match remainder.cmp(&(unit - remainder)) {
            Ordering::Greater => true,
            Ordering::Equal => quotient % 2 != 0,
            Ordering::Less => false,
        };
        Self { mantissa: quotient + i128::from(up) * self.mantissa.signum(), scale }
    }
}

/// One step of the long division: the quotient and remainder of `remainder · 10` by `divisor`.
/// Never overflows, given `remainder < divisor ≤ 2^127`.
fn next_digit(remainder: u128, divisor: u128) -> (u128, u128) {
    if let Some(tenfold) = remainder.checked_mul(10) {
        return (tenfold / divisor, tenfold % divisor);
    }
    // Adds `remainder` ten times: both terms are below 2^127, so each sum fits.
    let (mut digit, mut rest) = (0, 0);
    for _ in 0..10 {
        rest += remainder;
        if rest >= divisor {
            rest -= divisor;
            digit += 1;
        }
    }
    (digit, rest)
}

/// Both mantissas at the larger of the two scales, and that scale. Returns `None` on overflow.
fn align(a: Decimal, b: Decimal) -> Option<(i128, i128, u8)> {
    let scale = a.scale.max(b.scale);
    let widen = |d: Decimal| d.mantissa.checked_mul(10i128.checked_pow(u32::from(scale - d.scale))?);
    Some((widen(a)?, widen(b)?, scale))
}

impl PartialEq for Decimal {
    /// Compares as numbers: 1.50 equals 1.5.
    fn eq(&self, other: &Self) -> bool {
        align(*self, *other).is_some_and(|(a, b, _)| a == b)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:0width$}", self.mantissa.unsigned_abs(), width = usize::from(self.scale) + 1);
        let (whole, fraction) = digits.split_at(digits.len() - usize::from(self.scale));
        let sign = if self.mantissa < 0 { "-" } else { "" };
        if fraction.is_empty() { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn d(mantissa: i128, scale: u8) -> Decimal {
        Decimal { mantissa, scale }
    }

    #[test]
    fn prints_all_digits() {
        assert_eq!(d(1234, 8).to_string(), "0.00001234");
        assert_eq!(d(-5, 1).to_string(), "-0.5");
        assert_eq!(d(115_283, 2).to_string(), "1152.83");
        assert_eq!(d(i128::MIN, 38).to_string(), "-1.70141183460469231731687303715884105728");
    }

    #[test]
    fn divides_half_even() {
        assert_eq!(d(115_283, 2).divide(d(20, 0)).map(|q| q.to_string()), Some("57.64150000".into()));
        assert_eq!(d(1, 0).divide(d(3, 0)).map(|q| q.to_string()), Some("0.333333".into()));
        assert_eq!(d(-2, 0).divide(d(3, 0)).map(|q| q.to_string()), Some("-0.666667".into()));
        assert_eq!(d(1, 0).divide(d(0, 0)).map(|q| q.to_string()), None);
        // 1/2000000 = 0.0000005: half, to even.
        assert_eq!(d(1, 0).divide(d(2_000_000, 0)).map(|q| q.to_string()), Some("0.000000".into()));
        assert_eq!(d(3, 0).divide(d(2_000_000, 0)).map(|q| q.to_string()), Some("0.000002".into()));
    }

    #[test]
    fn rounds_half_even() {
        assert_eq!(d(125, 2).round(1).to_string(), "1.2");
        assert_eq!(d(-135, 2).round(1).to_string(), "-1.4");
        assert_eq!(d(12, 1).round(3).to_string(), "1.2");
    }

    #[test]
    fn dates_at_the_edges() {
        assert_eq!(Value::Date(0).to_string(), "1970-01-01");
        assert_eq!(Value::Date(-1).to_string(), "1969-12-31");
        assert_eq!(Value::Date(19_782).to_string(), "2024-02-29");
        assert_eq!(Value::Timestamp(-1).to_string(), "1969-12-31T23:59:59.999999");
        assert_eq!(Value::TimestampTz(1_500_000).to_string(), "1970-01-01T00:00:01.5Z");
    }

    proptest! {
        #[test]
        fn days_and_dates_agree(days in -3_000_000i64..3_000_000) {
            let (year, month, day) = civil_from_days(days);
            prop_assert_eq!(days_from_civil(year, month, day), days);
        }

        #[test]
        fn division_is_within_half_a_unit(a in any::<i64>(), b in any::<i64>(), s in 0u8..9, t in 0u8..9) {
            prop_assume!(b != 0);
            let Some(q) = d(i128::from(a), s).divide(d(i128::from(b), t)) else { return Ok(()) };
            // |q·b − a·10^k| ≤ |b|/2 in units of the quotient.
            let k = u32::from(q.scale) + u32::from(t) - u32::from(s);
            let (Some(product), Some(dividend)) = (
                q.mantissa.checked_mul(i128::from(b)),
                10i128.checked_pow(k).and_then(|p| p.checked_mul(i128::from(a))),
            ) else { return Ok(()) };
            prop_assert!((product - dividend).abs() * 2 <= i128::from(b).abs());
        }
    }
}

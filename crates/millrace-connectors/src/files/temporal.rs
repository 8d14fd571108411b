//! Parses dates, times and lengths of time as ISO 8601 and MySQL write them.
//!
//! Only days that exist in the years 1 to 9999 are accepted. A text with anything before or after
//! the value is refused.

use millrace_core::value::days_from_civil;

/// Microseconds of a second, and of a day.
const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400 * MICROS;

/// A parsed date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DateTime {
    /// Microseconds since 1970-01-01 00:00:00; of UTC if `zoned`.
    pub(crate) micros: i64,
    /// Whether the text states the offset from UTC.
    pub(crate) zoned: bool,
    /// Whether all digits of the fraction beyond the sixth, which `micros` leaves out, are zeros.
    pub(crate) exact: bool,
}

/// Days since 1970-01-01 of `YYYY-MM-DD`. Returns `None` if that is no day of the years 1 to 9999.
pub(crate) fn date(text: &[u8]) -> Option<i32> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let (month, day) = (two(m1, m2)?, two(d1, d2)?);
    day_number(year, month, day)
}

/// Days since 1970-01-01. Returns `None` if that is no day of the years 1 to 9999.
pub(crate) fn day_number(year: u32, month: u32, day: u32) -> Option<i32> {
    let exists =
        (1..=9999).contains(&year) && (1..=12).contains(&month) && day > 0 && day <= days_of(year, month);
    exists.then(|| days_from_civil(i64::from(year), month, day) as i32)
}

/// Parses `YYYY-MM-DDThh:mm[:ss[.f]]`, also with a space instead of the `T`, and with `Z`,
/// `±hh:mm`, `±hhmm` or `±hh` behind it.
pub(crate) fn date_time(text: &[u8]) -> Option<DateTime> {
    let (day, rest) = text.split_at_checked(10)?;
    let day = i64::from(date(day)?);
    let (b'T' | b' ', rest) = rest.split_first().map(|(first, rest)| (*first, rest))? else { return None };
    // The zone begins at the first sign or `Z`; a time contains neither.
    let (time, zone) = match rest.iter().position(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-')) {
        Some(at) => rest.split_at(at),
        None => (rest, &[][..]),
    };
    // Seconds and their fraction are optional; a point needs a digit after it.
    let (seconds, fraction) = match *time {
        [h1, h2, b':', m1, m2] => (clock(two(h1, h2)?, two(m1, m2)?, 0)?, &[][..]),
        [h1, h2, b':', m1, m2, b':', s1, s2] => (clock(two(h1, h2)?, two(m1, m2)?, two(s1, s2)?)?, &[][..]),
        [h1, h2, b':', m1, m2, b':', s1, s2, b'.', ref fraction @ ..] if !fraction.is_empty() => {
            (clock(two(h1, h2)?, two(m1, m2)?, two(s1, s2)?)?, fraction)
        }
        _ => return None,
    };
    let (micros, exact) = fraction_micros(fraction)?;
    let offset = match zone {
        [] => None,
        [b'Z' | b'z'] => Some(0),
        &[sign, h1, h2] => Some(offset(sign, two(h1, h2)?, 0)?),
        &[sign, h1, h2, m1, m2] | &[sign, h1, h2, b':', m1, m2] => {
            Some(offset(sign, two(h1, h2)?, two(m1, m2)?)?)
        }
        _ => return None,
    };
    Some(DateTime {
        // The offset is east of UTC, so UTC is earlier by it.
        micros: day * DAY + seconds * MICROS + micros - offset.unwrap_or(0) * MICROS,
        zoned: offset.is_some(),
        exact,
    })
}

/// Microseconds of MySQL's TIME: `[-]h…:mm:ss[.f]`, with hours up to 838 and up to six digits of a
/// fraction.
pub(crate) fn length_of_time(text: &[u8]) -> Option<i64> {
    let (negative, rest) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    // One to three digits of hours.
    let colon = rest.iter().position(|&byte| byte == b':').filter(|at| (1..=3).contains(at))?;
    let (hours, rest) = rest.split_at(colon);
    let hours = hours
        .iter()
        .try_fold(0i64, |sum, &byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))?;
    let (minutes, seconds, fraction) = match *rest {
        [b':', m1, m2, b':', s1, s2] => (two(m1, m2)?, two(s1, s2)?, &[][..]),
        [b':', m1, m2, b':', s1, s2, b'.', ref fraction @ ..] if (1..=6).contains(&fraction.len()) => {
            (two(m1, m2)?, two(s1, s2)?, fraction)
        }
        _ => return None,
    };
    let (micros, _) = fraction_micros(fraction)?;
    if minutes > 59 || seconds > 59 || hours > 838 {
        return None;
    }
    let total = (hours * 3600 + i64::from(minutes * 60 + seconds)) * MICROS + micros;
    Some(if negative { -total } else { total })
}

/// The number of two digits.
fn two(tens: u8, ones: u8) -> Option<u32> {
    (tens.is_ascii_digit() && ones.is_ascii_digit())
        .then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
}

/// The number of days of a month.
fn days_of(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Seconds since midnight. A leap second is refused, because it has no number of its own.
fn clock(hours: u32, minutes: u32, seconds: u32) -> Option<i64> {
    (hours < 24 && minutes < 60 && seconds < 60).then(|| i64::from(hours * 3600 + minutes * 60 + seconds))
}

/// Seconds east of UTC.
fn offset(sign: u8, hours: u32, minutes: u32) -> Option<i64> {
    let seconds = i64::from(hours * 3600 + minutes * 60);
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        b'+' => Some(seconds),
        b'-' => Some(-seconds),
        _ => None,
    }
}

/// Microseconds of the digits after the point, and whether only zeros were left out.
fn fraction_micros(digits: &[u8]) -> Option<(i64, bool)> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (kept, rest) = digits.split_at(digits.len().min(6));
    let micros = (0..6).fold(0, |sum, i| sum * 10 + i64::from(kept.get(i).map_or(0, |digit| digit - b'0')));
    Some((micros, rest.iter().all(|&digit| digit == b'0')))
}

#[cfg(test)]
mod tests {
    use millrace_core::value::Value;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_that_exist() {
        assert_eq!(date(b"1970-01-01"), Some(0));
        assert_eq!(date(b"2024-02-29"), Some(19_782));
        for bad in
            ["2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "0000-01-01", "2024-1-1", "20240101", ""]
        {
            assert_eq!(date(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn moments() {
        let micros = |text: &str| date_time(text.as_bytes()).map(|t| (t.micros, t.zoned));
        assert_eq!(micros("1970-01-01T00:00:01.5"), Some((1_500_000, false)));
        assert_eq!(micros("1970-01-01 00:01"), Some((60_000_000, false)));
        assert_eq!(micros("1970-01-01T01:00:00+01:00"), Some((0, true)));
        assert_eq!(micros("1969-12-31T23:00:00.000001-0100"), Some((1, true)));
        assert_eq!(micros("1970-01-01T00:00:00Z"), Some((0, true)));
        for bad in [
            "1970-01-01",
            "1970-01-01T",
            "1970-01-01T24:00:00",
            "1970-01-01T00:00:60",
            "1970-01-01T00:00:00.",
            "1970-01-01T00:00:00.5x",
            "1970-01-01T00:00:00+1",
            "1970-01-01T00:00:00+25:00",
            "1970-01-01T00:00:00ZZ",
            "1970-01-01T0:00:00",
            "1970-01-01é00:00:00",
        ] {
            assert_eq!(micros(bad), None, "{bad}");
        }
        let long = date_time(b"1970-01-01T00:00:00.1234567").expect("a moment");
        assert!(!long.exact && long.micros == 123_456);
    }

    #[test]
    fn lengths_of_time() {
        assert_eq!(length_of_time(b"00:00:01"), Some(1_000_000));
        assert_eq!(length_of_time(b"-838:59:59.999999"), Some(-3_020_399_999_999));
        for bad in ["", "1", "839:00:00", "00:60:00", "00:00:60", "-:00:00", "00:00:00.", "1000:00:00"] {
            assert_eq!(length_of_time(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_microsecond_comes_back(micros in -62_135_596_800_000_000i64..253_402_300_800_000_000) {
            let text = Value::TimestampTz(micros).to_string();
            prop_assert_eq!(date_time(text.as_bytes()).map(|t| (t.micros, t.zoned, t.exact)), Some((micros, true, true)));
        }
    }
}

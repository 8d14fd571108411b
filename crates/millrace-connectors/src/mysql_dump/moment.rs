//! Parses dates and times in the notations that MySQL and MariaDB both accept, and that mean the
//! same to both.

use crate::files::temporal::day_number;

/// Microseconds of a second.
const SECOND: i64 = 1_000_000;
/// Microseconds of a day.
const DAY: i64 = 86_400 * SECOND;
/// The maximum number of hours of a TIME, which may be negative.
const MOST_HOURS: u64 = 838;

/// A date, or a date and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The zero date, or a date whose day, month or year is zero.
    Zero,
    /// A date and time that exists.
    At {
        /// Days since 1970-01-01.
        days: i32,
        /// Microseconds since midnight.
        time: i64,
        /// The number of digits of the fraction of a second, without trailing zeros.
        digits: usize,
    },
}

impl Moment {
    /// Returns microseconds since 1970-01-01 00:00:00. `days` and `time` are those of
    /// [`Moment::At`].
    pub(super) fn micros(days: i32, time: i64) -> i64 {
        i64::from(days) * DAY + time
    }
}

/// Takes a number off the front: at least one digit, and at most `most`. Returns its value and its
/// digits.
fn number<'a>(text: &mut &'a [u8], most: usize) -> Option<(u32, &'a [u8])> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 || count > most {
        return None;
    }
    let (digits, rest) = text.split_at(count);
    *text = rest;
    Some((digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')), digits))
}

/// Takes one byte off the front if it is allowed.
fn take(text: &mut &[u8], allowed: &[u8]) -> Option<()> {
    let (first, rest) = text.split_first()?;
    *text = rest;
    allowed.contains(first).then_some(())
}

/// Returns the year that is written with two or four digits. Two digits mean a year from 1970 to
/// 2069.
pub(super) fn full_year(year: u32, digits: usize) -> Option<u32> {
    match digits {
        2 if year < 70 => Some(2000 + year),
        2 => Some(1900 + year),
        4 => Some(year),
        _ => None,
    }
}

/// Parses a date, or a date and time. Returns `None` for any other text, and for a day that does
/// not exist.
///
/// The forms are `YYYY-MM-DD`, also with `/` or `.`, with one digit for a month or day, or with two
/// for the year; the same with a time of day after blanks or a `T`; `YYYYMMDD`; and
/// `YYYYMMDDhhmmss`.
pub(super) fn date_time(text: &[u8]) -> Option<Moment> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (mut year, mut month, mut day) = (0, 0, 0);
    let (mut clock, mut fraction) = ([0; 3], &[][..]);
    let rest = &text[digits..];
    if matches!(digits, 8 | 14) && (rest.is_empty() || (digits == 14 && rest[0] == b'.')) {
        let part = |from: usize, to: usize| {
            text[from..to].iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
        };
        (year, month, day) = (part(0, 4), part(4, 6), part(6, 8));
        if year < 1000 && text.iter().any(|byte| matches!(byte, b'1'..=b'9')) {
            // As a number, the text has fewer digits, and servers then find another year.
            return None;
        }
        if digits == 14 {
            clock = [part(8, 10), part(10, 12), part(12, 14)];
            fraction = rest.get(1..).unwrap_or_default();
        }
    } else {
        let mut text = text;
        for (at, part) in [&mut year, &mut month, &mut day].into_iter().enumerate() {
            let (value, digits) = number(&mut text, if at == 0 { 4 } else { 2 })?;
            *part = if at == 0 { full_year(value, digits.len())? } else { value };
            if at < 2 {
                take(&mut text, b"-/.")?;
            }
        }
        if !text.is_empty() {
            let blanks = text.iter().take_while(|&&byte| byte == b' ').count();
            text = &text[blanks..];
            if blanks == 0 {
                take(&mut text, b"T")?;
            }
            (clock, fraction) = time_of_day(text)?;
        }
    }
    let (micros, digits) = fraction_of(fraction)?;
    let [hour, minute, second] = clock;
    if hour > 23 || minute > 59 || second > 59 || month > 12 || day > 31 {
        return None;
    }
    // The range of the time of day is checked before, so a zero date with an invalid time is
    // refused.
    if year == 0 || month == 0 || day == 0 {
        return Some(Moment::Zero);
    }
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    Some(Moment::At { days: day_number(year, month, day)?, time: seconds * SECOND + micros, digits })
}

/// Parses `h:mm[:ss[.f]]`, which must be the whole text. Returns hour, minute and second, and the
/// digits of the fraction.
fn time_of_day(mut text: &[u8]) -> Option<([u32; 3], &[u8])> {
    let mut clock = [number(&mut text, 2)?.0, 0, 0];
    take(&mut text, b":")?;
    clock[1] = number(&mut text, 2)?.0;
    if text.is_empty() {
        return Some((clock, &[]));
    }
    take(&mut text, b":")?;
    clock[2] = number(&mut text, 2)?.0;
    match text.split_first() {
        None => Some((clock, &[])),
        Some((b'.', fraction)) => Some((clock, fraction)),
        Some(_) => None,
    }
}

/// Returns the microseconds of a fraction's digits, and the number of digits without trailing
/// zeros. Returns `None` for more than six significant digits.
fn fraction_of(digits: &[u8]) -> Option<(i64, usize)> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let significant = digits.iter().rposition(|&digit| digit != b'0').map_or(0, |at| at + 1);
    let digit = |at: usize| i64::from(digits.get(at).map_or(0, |digit| digit - b'0'));
    (significant <= 6).then(|| ((0..6).fold(0, |sum, at| sum * 10 + digit(at)), significant))
}

/// Parses a TIME: `[-][D ]h:mm[:ss[.f]]`, or `hhmmss` with fewer digits if it is shorter. Returns
/// microseconds, and the number of digits of the fraction without trailing zeros. Returns `None`
/// for any other text, and from 839 hours on.
pub(super) fn length_of_time(text: &[u8]) -> Option<(i64, usize)> {
    let (negative, mut text) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let mut days = 0;
    if let Some(blank) = text.iter().position(|&byte| byte == b' ') {
        days = number(&mut text, 2).filter(|(_, digits)| digits.len() == blank)?.0;
        text = &text[1..];
    }
    let (hours, digits) = number(&mut text, 7)?;
    let (clock, fraction) = match text.first() {
        // Hours have up to three digits; more digits are the form without colons.
        Some(b':') if digits.len() <= 3 => {
            text = &text[1..];
            let minutes = number(&mut text, 2)?.0;
            match text.split_first() {
                None => ([hours, minutes, 0], &[][..]),
                Some((b':', rest)) => {
                    text = rest;
                    let seconds = number(&mut text, 2)?.0;
                    ([hours, minutes, seconds], point(text)?)
                }
                Some(_) => return None,
            }
        }
        // A number of days is accepted only with the colon form.
        _ if days == 0 => ([hours / 10_000, hours / 100 % 100, hours % 100], point(text)?),
        _ => return None,
    };
    let (micros, digits) = fraction_of(fraction)?;
    let [hours, minutes, seconds] = clock;
    let hours = u64::from(days) * 24 + u64::from(hours);
    if minutes > 59 || seconds > 59 || hours > MOST_HOURS {
        return None;
    }
    let length = (hours as i64 * 3600 + i64::from(minutes * 60 + seconds)) * SECOND + micros;
    Some((if negative { -length } else { length }, digits))
}

/// Returns the digits after a decimal point. Returns `None` if anything else follows.
fn point(text: &[u8]) -> Option<&[u8]> {
    match text.split_first() {
        None => Some(&[]),
        Some((b'.', fraction)) => Some(fraction),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_servers_read_them() {
        let days = |text: &str| match date_time(text.as_bytes()) {
            Some(Moment::At { days, time, digits }) => Some((days, time / SECOND, digits)),
            _ => None,
        };
        for text in ["2024-02-29", "2024-2-29", "20240229", "24-2-29", "2024/02/29", "2024.02.29"] {
            assert_eq!(days(text), Some((19_782, 0, 0)), "{text}");
        }
        for text in ["2024-02-29 1:2:3", "2024-02-29T01:02:03", "20240229010203", "2024-02-29  01:02:03.000"]
        {
            assert_eq!(days(text), Some((19_782, 3723, 0)), "{text}");
        }
        assert_eq!(days("2024-02-29 01:02:03.120"), Some((19_782, 3723, 2)));
        assert_eq!(days("70-01-02"), Some((1, 0, 0)));
        for text in [
            "2023-02-29",
            "2024-02-29x",
            "2024-02-29 24:00:00",
            "2024-02",
            "",
            "202402",
            "2024-02-29 10",
            "2024-02-29 01:02:03+01:00",
        ] {
            assert_eq!(days(text), None, "{text}");
        }
        for text in ["0000-00-00", "2024-00-10", "2024-01-00 00:00:00", "00000000"] {
            assert_eq!(date_time(text.as_bytes()), Some(Moment::Zero), "{text}");
        }
    }

    #[test]
    fn lengths_of_time() {
        for (text, seconds) in [
            ("01:02:03", 3723),
            ("1:2:3", 3723),
            ("1:2", 3720),
            ("10203", 3723),
            ("3", 3),
            ("-838:59:59", -3_020_399),
            ("1 1:00:00", 90_000),
        ] {
            assert_eq!(length_of_time(text.as_bytes()), Some((seconds * SECOND, 0)), "{text}");
        }
        assert_eq!(length_of_time(b"00:00:01.50"), Some((1_500_000, 1)));
        for text in ["", "839:00:00", "00:60:00", "1:2:", "1:2:3.1234567", "99", "-:00:00", "10:00:00Z"] {
            assert_eq!(length_of_time(text.as_bytes()), None, "{text}");
        }
    }
}

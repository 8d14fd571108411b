//! Time ranges and time steps. Days are day numbers: days since 1970-01-01.

use std::str::FromStr;

use crate::value::{civil_from_days, days_from_civil};

/// A time step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grain {
    /// A day.
    Day,
    /// A week that starts on Monday (ISO 8601).
    Week,
    /// A calendar month.
    Month,
    /// A calendar quarter.
    Quarter,
    /// A calendar year.
    Year,
}

impl Grain {
    /// The names in project files and in the API; `date_trunc` accepts the same ones.
    pub const NAMES: &'static [&'static str] = &["day", "week", "month", "quarter", "year"];

    /// The step with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "quarter" => Self::Quarter,
            "year" => Self::Year,
            _ => return None,
        })
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }

    /// The first day of the step that contains `day`.
    pub fn start(self, day: i32) -> i32 {
        let (year, month, _) = civil_from_days(i64::from(day));
        let first = |month: u32| days_from_civil(year, month, 1) as i32;
        match self {
            Self::Day => day,
            // 1970-01-01 was a Thursday, three days after a Monday.
            Self::Week => day - (day + 3).rem_euclid(7),
            Self::Month => first(month),
            Self::Quarter => first((month - 1) / 3 * 3 + 1),
            Self::Year => first(1),
        }
    }

    /// The first day of the following step. `start` must be the first day of a step.
    pub fn next(self, start: i32) -> i32 {
        match self {
            Self::Day => start + 1,
            Self::Week => start + 7,
            Self::Month => add_months(start, 1),
            Self::Quarter => add_months(start, 3),
            Self::Year => add_months(start, 12),
        }
    }

    /// The first days of all steps that overlap `days`. The caller limits the length of `days`.
    pub fn steps(self, days: &Days) -> Vec<i32> {
        let first = self.start(days.from);
        std::iter::successors(Some(first), |start| Some(self.next(*start)))
            .take_while(|start| *start <= days.to)
            .collect()
    }
}

/// The same day of the month `months` later, or earlier if negative. If that month is too short, it
/// is its last day.
pub fn add_months(day: i32, months: i64) -> i32 {
    let (year, month, dom) = civil_from_days(i64::from(day));
    let index = year * 12 + i64::from(month) - 1 + months;
    let (year, month) = (index.div_euclid(12), index.rem_euclid(12) as u32 + 1);
    let first = days_from_civil(year, month, 1);
    let next =
        if month == 12 { days_from_civil(year + 1, 1, 1) } else { days_from_civil(year, month + 1, 1) };
    (first + i64::from(dom - 1).min(next - first - 1)) as i32
}

/// A range of days, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Days {
    /// The first day.
    pub from: i32,
    /// The last day.
    pub to: i32,
}

impl Days {
    /// The range of the same length that ends the day before this one starts.
    #[must_use]
    pub fn previous(&self) -> Self {
        let length = self.to.saturating_sub(self.from).saturating_add(1);
        Self { from: self.from.saturating_sub(length), to: self.from.saturating_sub(1) }
    }

    /// The same range one year earlier.
    #[must_use]
    pub fn year_before(&self) -> Self {
        Self { from: add_months(self.from, -12), to: add_months(self.to, -12) }
    }
}

/// A time range as written in project files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeRange {
    /// All days that have data.
    All,
    /// This many steps, ending on the last day that has data.
    Last(u32, Grain),
    /// A fixed range.
    Between(Days),
}

impl TimeRange {
    /// Resolves the range, given `data` (the first and the last day that have data) and today.
    /// `Last` ends on the last day that has data, or today if data lies in the future: one mistyped
    /// date must not move every page into the future. `All` is `data` unchanged.
    pub fn days(self, data: Days, today: i32) -> Days {
        let end = data.to.min(today).max(data.from);
        match self {
            Self::All => data,
            Self::Between(days) => days,
            Self::Last(n, grain) => {
                let n = i64::from(n);
                let from = match grain {
                    Grain::Day => end.saturating_sub(n as i32 - 1),
                    Grain::Week => end.saturating_sub(7 * n as i32 - 1),
                    Grain::Month => add_months(end, -n) + 1,
                    Grain::Quarter => add_months(end, -3 * n) + 1,
                    Grain::Year => add_months(end, -12 * n) + 1,
                };
                Days { from, to: end }
            }
        }
    }
}

impl FromStr for TimeRange {
    type Err = String;

    /// Parses `all` or `last N UNIT`, where N is 1 to 10,000 and UNIT is a grain, with or without a
    /// final `s`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no range of time");
        let words: Vec<_> = text.split_whitespace().collect();
        match words.as_slice() {
            ["all"] => Ok(Self::All),
            ["last", n, unit] => {
                let n: u32 = n.parse().map_err(|_| wrong())?;
                let grain = Grain::from_name(unit.strip_suffix('s').unwrap_or(unit)).ok_or_else(wrong)?;
                if (1..=10_000).contains(&n) { Ok(Self::Last(n, grain)) } else { Err(wrong()) }
            }
            _ => Err(wrong()),
        }
    }
}

/// Parses `YYYY-MM-DD` to a day number. Returns `None` if the format is different or the date does
/// not exist.
pub fn parse_date(text: &str) -> Option<i32> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| -> Option<u32> {
        let digits = text.get(range)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_from_civil(i64::from(year), month, day);
    (civil_from_days(days) == (i64::from(year), month, day)).then_some(days as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> i32 {
        parse_date(text).expect("a date")
    }

    #[test]
    fn steps_start_where_people_expect() {
        for (grain, at, start) in [
            (Grain::Week, "2026-11-23", "2026-11-23"),
            (Grain::Week, "2026-11-22", "2026-11-16"),
            (Grain::Month, "2024-02-29", "2024-02-01"),
            (Grain::Quarter, "2024-12-31", "2024-10-01"),
            (Grain::Year, "2024-12-31", "2024-01-01"),
            (Grain::Week, "1969-12-31", "1969-12-29"),
        ] {
            assert_eq!(grain.start(day(at)), day(start), "{grain:?} {at}");
        }
    }

    #[test]
    fn ranges_end_with_the_data_but_not_after_today() {
        let data = Days { from: day("2024-01-01"), to: day("2024-09-30") };
        let range: TimeRange = "last 30 days".parse().expect("a range");
        assert_eq!(
            range.days(data, day("2026-01-01")),
            Days { from: day("2024-09-01"), to: day("2024-09-30") }
        );
        assert_eq!(
            range.days(data, day("2024-09-10")),
            Days { from: day("2024-08-12"), to: day("2024-09-10") }
        );
        let months: TimeRange = "last 12 months".parse().expect("a range");
        assert_eq!(months.days(data, day("2026-01-01")).from, day("2023-10-01"));
        for bad in ["last 0 days", "last days", "last 30 dayz", "yesterday", "last 99999 days"] {
            assert!(bad.parse::<TimeRange>().is_err(), "{bad}");
        }
    }

    #[test]
    fn months_are_added_with_short_ones_in_mind() {
        assert_eq!(add_months(day("2024-01-31"), 1), day("2024-02-29"));
        assert_eq!(add_months(day("2024-02-29"), 12), day("2025-02-28"));
        assert_eq!(
            Days { from: day("2024-10-02"), to: day("2024-10-31") }.previous().from,
            day("2024-09-02")
        );
    }

    #[test]
    fn only_days_that_exist_are_dates() {
        for bad in
            ["2026-13-45", "2026-02-29", "2026-2-1", "20260201", "2026-02-0é", "0000-00-00", "+026-01-01"]
        {
            assert_eq!(parse_date(bad), None, "{bad}");
        }
    }
}

//! Cron expressions and the times at which they match in a time zone.
//!
//! The syntax is that of crontab(5): five fields (minute, hour, day of month, month, day of week)
//! with lists, ranges, steps, and names of months and days. If both day fields are restricted, a
//! day matches if either field does (POSIX, `crontab`). It is implemented here because the existing
//! libraries depend on other versions of the time library, or do not handle daylight saving time:
//!
//! * An hour that the clock skips: a time in it runs once, at the moment of the change. If the hour
//!   field is `*` or `*/n`, runs follow real time, and there is none for the skipped hour.
//! * An hour that occurs twice: a time in it runs once, the first time. If the hour field is `*` or
//!   `*/n`, it runs both times.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

/// The number of days that are searched for the next time. There can be eight years between two 29
/// Februaries (1896 to 1904, 2096 to 2104).
const MOST_DAYS: i32 = 9 * 366;

/// A parsed cron expression. It has at least one matching time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    days: BTreeSet<i8>,
    months: BTreeSet<i8>,
    /// Days of the week; 0 is Sunday.
    weekdays: BTreeSet<i8>,
    /// Whether both day fields are restricted, so that a day matches if either field does.
    either_day: bool,
    /// Whether the hour field begins with `*`.
    every_hour: bool,
}

/// Why a text is not a cron expression: a message fragment for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCron(pub String);

impl fmt::Display for NotCron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The bounds of a field, and names for its values (`words[0]` is the name of `least`).
struct Field {
    name: &'static str,
    least: i8,
    most: i8,
    words: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", least: 0, most: 59, words: &[] };
const HOUR: Field = Field { name: "hour", least: 0, most: 23, words: &[] };
const DAY: Field = Field { name: "day of month", least: 1, most: 31, words: &[] };
const MONTH: Field = Field {
    name: "month",
    least: 1,
    most: 12,
    words: &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
};
/// Sunday is both 0 and 7.
const WEEKDAY: Field = Field {
    name: "day of week",
    least: 0,
    most: 7,
    words: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};

impl Field {
    /// Parses a number or a name; refuses values out of bounds.
    fn value(&self, text: &str) -> Result<i8, NotCron> {
        let word = self.words.iter().position(|word| word.eq_ignore_ascii_case(text));
        let number = match word {
            Some(at) => Some(at as i8 + self.least),
            None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
            None => None,
        };
        let bounds = || {
            let names = if self.words.is_empty() { "" } else { " or a name" };
            NotCron(format!("`{text}` is no {}: write {} to {}{names}", self.name, self.least, self.most))
        };
        number.filter(|number| (self.least..=self.most).contains(number)).ok_or_else(bounds)
    }

    /// Parses a field: a list of `*`, values and ranges, each with an optional step.
    fn values(&self, text: &str) -> Result<BTreeSet<i8>, NotCron> {
        let mut values = BTreeSet::new();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (part, None),
            };
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (self.least, self.most),
                Some((from, to)) => (self.value(from)?, self.value(to)?),
                // As in Vixie's cron, `5/15` means `5-59/15`.
                None if step.is_some() => (self.value(range)?, self.most),
                None => (self.value(range)?, self.value(range)?),
            };
            if from > to {
                return Err(NotCron(format!("the {} range `{range}` runs backwards", self.name)));
            }
            let step = match step {
                None => 1,
                Some(step) => step
                    .parse::<u8>()
                    .ok()
                    .filter(|step| *step > 0)
                    .ok_or_else(|| NotCron(format!("`{step}` is no step; write a number from 1")))?,
            };
            values.extend((from..=to).step_by(step.into()));
        }
        Ok(values)
    }
}

impl FromStr for Cron {
    type Err = NotCron;

    /// Parses five fields or a name such as `@daily`. Refuses an expression that never matches
    /// (`0 0 30 2 *`).
    fn from_str(text: &str) -> Result<Self, NotCron> {
        let text = text.trim();
        let fields = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            _ if text.starts_with('@') => {
                let known = "@hourly, @daily, @weekly, @monthly, @yearly";
                return Err(NotCron(format!("`{text}` is no name for a schedule; there are: {known}")));
            }
            _ => text,
        };
        let parts: Vec<&str> = fields.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts.as_slice() else {
            let count = parts.len();
            let wanted = "minute, hour, day of month, month, day of week";
            return Err(NotCron(format!(
                "a cron expression has five fields ({wanted}), this one has {count}"
            )));
        };
        // Maps 7 to 0: both are Sunday.
        let weekdays = WEEKDAY.values(weekday)?.into_iter().map(|day| day % 7).collect();
        let cron = Self {
            text: text.to_owned(),
            minutes: MINUTE.values(minute)?,
            hours: HOUR.values(hour)?,
            days: DAY.values(day)?,
            months: MONTH.values(month)?,
            weekdays,
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
            every_hour: hour.starts_with('*'),
        };
        // A day that exists is found within `MOST_DAYS` from any start.
        match cron.next_after(Timestamp::UNIX_EPOCH, &TimeZone::UTC) {
            Some(_) => Ok(cron),
            None => Err(NotCron(format!("`{text}` has no time: no such day ever comes"))),
        }
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Cron {
    /// Whether a calendar day matches the month and the day fields.
    fn has_day(&self, date: Date) -> bool {
        if !self.months.contains(&date.month()) {
            return false;
        }
        let day = self.days.contains(&date.day());
        let weekday = self.weekdays.contains(&date.weekday().to_sunday_zero_offset());
        if self.either_day { day || weekday } else { day && weekday }
    }

    /// The first matching time after a moment. Returns `None` after the year 9999, the end of the
    /// time library's range.
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // Starts a day earlier: around midnight, `after` may be in the second of two repeated
        // hours.
        let mut date = zone.to_datetime(after).date().checked_sub(1.day()).ok()?;
        for _ in 0..MOST_DAYS {
            if self.has_day(date)
                && let Some(next) = self.times(date, zone).into_iter().find(|time| *time > after)
            {
                return Some(next);
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }

    /// The last matching time after `after` and up to `now`, inclusive. The scheduler uses it as
    /// the one run that stands for all runs missed in between. Returns `None` if there is none.
    pub fn last_between(&self, after: Timestamp, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let first = self.next_after(after, zone).filter(|time| *time <= now)?;
        // Searches backwards from `now` in growing steps, because a year of quarters of an hour is
        // too long to walk through.
        let mut span = 60 * 60;
        while let Ok(from) = now.checked_sub(span.seconds())
            && from > first
        {
            if let Some(found) = self.next_after(from, zone).filter(|time| *time <= now) {
                return Some(self.walk(found, now, zone));
            }
            span *= 8;
        }
        Some(self.walk(first, now, zone))
    }

    /// The last matching time up to `now`, found by stepping forward from `time`, which matches.
    fn walk(&self, mut time: Timestamp, now: Timestamp, zone: &TimeZone) -> Timestamp {
        while let Some(next) = self.next_after(time, zone).filter(|next| *next <= now) {
            time = next;
        }
        time
    }

    /// All matching times of one calendar day, in order.
    fn times(&self, date: Date, zone: &TimeZone) -> BTreeSet<Timestamp> {
        let mut times = BTreeSet::new();
        for hour in &self.hours {
            for minute in &self.minutes {
                let Ok(time) = Time::new(*hour, *minute, 0, 0) else { continue };
                times.extend(self.moments(date.to_datetime(time), zone).into_iter().flatten());
            }
        }
        times
    }

    /// The moments at which the local clock shows a time: normally one; none or two around a clock
    /// change.
    fn moments(&self, wall: DateTime, zone: &TimeZone) -> [Option<Timestamp>; 2] {
        let at = |offset: jiff::tz::Offset| offset.to_timestamp(wall).ok();
        match zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => [at(offset), None],
            AmbiguousOffset::Gap { .. } if self.every_hour => [None, None],
            AmbiguousOffset::Gap { before, .. } => {
                // With the offset before the gap, the moment lies after the change. So the change
                // is the last transition before it.
                let change = at(before).and_then(|moment| {
                    let later = moment.checked_add(1.nanosecond()).ok()?;
                    zone.preceding(later).next().map(|change| change.timestamp())
                });
                [change, None]
            }
            AmbiguousOffset::Fold { before, after } if self.every_hour => [at(before), at(after)],
            AmbiguousOffset::Fold { before, .. } => [at(before), None],
        }
    }
}

#[cfg(test)]
mod tests;

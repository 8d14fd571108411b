//! When runs start: cron expressions in a time zone.
//!
//! The five fields of crontab(5): minute, hour, day of month, month, day of week; lists, ranges, steps, names of months and days; a day
//! matches when either day field does, if both are restricted (POSIX, `crontab`). Written here because the libraries of the field stand
//! on other versions of the time library, or leave out what clocks do twice a year:
//!
//! * An hour that the clock skips: a time in it comes once, at the moment at which the clock goes on. Where the hour field is `*` or
//!   `*/n`, the runs go by real time, and the skipped hour has none.
//! * An hour that comes twice: a time in it comes once, the first time. With `*` or `*/n` as hour it comes twice.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

/// Days that are looked at for the next time: 29 February can be eight years away (1896 to 1904, 2096 to 2104).
const MOST_DAYS: i32 = 9 * 366;

/// A cron expression that has times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    days: BTreeSet<i8>,
    months: BTreeSet<i8>,
    /// 0 is Sunday.
    weekdays: BTreeSet<i8>,
    /// Whether the two day fields are both restricted, so that either may match.
    either_day: bool,
    /// Whether the hour field begins with a star.
    every_hour: bool,
}

/// Why a text is no cron expression: a sentence's end, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCron(pub String);

impl fmt::Display for NotCron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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
/// Sunday is 0 and 7.
const WEEKDAY: Field = Field {
    name: "day of week",
    least: 0,
    most: 7,
    words: &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
};

impl Field {
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

    /// The values of a field: a list of `*`, values and ranges, each with a step perhaps.
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
                // `5/15` is `5-59/15`, as in Vixie's cron.
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
    fn has_day(&self, date: Date) -> bool {
        if !self.months.contains(&date.month()) {
            return false;
        }
        let day = self.days.contains(&date.day());
        let weekday = self.weekdays.contains(&date.weekday().to_sunday_zero_offset());
        if self.either_day { day || weekday } else { day && weekday }
    }

    /// The first time after a moment; none where time itself ends (in the year 9999).
    pub fn next_after(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // A day before, for a moment that lies in the second of two equal hours around midnight.
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

    /// The last time at or before `now` and after `after`: the one that stands for all that went by between the two.
    pub fn last_between(&self, after: Timestamp, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let first = self.next_after(after, zone).filter(|time| *time <= now)?;
        // From close to `now`, so that a year of quarters of an hour is not walked through.
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

    fn walk(&self, mut time: Timestamp, now: Timestamp, zone: &TimeZone) -> Timestamp {
        while let Some(next) = self.next_after(time, zone).filter(|next| *next <= now) {
            time = next;
        }
        time
    }

    /// The moments of one day of the calendar, in order.
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

    /// When the clock on the wall shows a time: once, and around a change of the clock never or twice.
    fn moments(&self, wall: DateTime, zone: &TimeZone) -> [Option<Timestamp>; 2] {
        let at = |offset: jiff::tz::Offset| offset.to_timestamp(wall).ok();
        match zone.to_ambiguous_timestamp(wall).offset() {
            AmbiguousOffset::Unambiguous { offset } => [at(offset), None],
            AmbiguousOffset::Gap { .. } if self.every_hour => [None, None],
            AmbiguousOffset::Gap { before, .. } => {
                // With the offset before the gap the moment lies after the change, which is the last one before it.
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

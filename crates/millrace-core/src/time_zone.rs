//! The time zone of a project, which determines where its days begin (ADR 32).

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use crate::suggest;
use crate::value::{civil_from_days, days_from_civil};

/// A zone of the IANA database. Its rules are those bundled with this program.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectZone {
    name: String,
    rules: TimeZone,
}

impl Default for ProjectZone {
    fn default() -> Self {
        Self { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }
}

impl ProjectZone {
    /// Finds a zone by name, ignoring case. The error is a hint: the zone that was probably
    /// intended, or examples.
    pub fn of(name: &str) -> Result<Self, String> {
        let found = TimeZoneDatabase::bundled().get(name).ok();
        let known = found.and_then(|rules| Some(Self { name: rules.iana_name()?.to_owned(), rules }));
        known.ok_or_else(|| match nearest(name) {
            Some(near) => format!("Did you mean `{near}`?"),
            None => {
                "Write a name of the IANA database: `Europe/Paris`, `America/New_York`, `UTC`.".to_owned()
            }
        })
    }

    /// Its name in the spelling of the IANA database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The start of a day (days since 1970-01-01), in microseconds since 1970-01-01 00:00:00 UTC.
    /// If the clock skips midnight, it is the moment of the change; if midnight occurs twice, it is
    /// the first one. Returns `None` outside the years -9999 to 9999.
    pub fn start_of(&self, day: i32) -> Option<i64> {
        let (year, month, day) = civil_from_days(i64::from(day));
        let date = Date::new(i16::try_from(year).ok()?, month as i8, day as i8).ok()?;
        // Start from noon: it exists on every day except those that a zone skipped entirely.
        let noon = self.rules.to_zoned_datetime(date.at(12, 0, 0, 0)).ok()?;
        Some(noon.start_of_day().ok()?.timestamp().as_microsecond())
    }

    /// The day that contains a moment, in days since 1970-01-01.
    pub fn day_of(&self, moment: Timestamp) -> i32 {
        let date = self.rules.to_datetime(moment).date();
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        days_from_civil(i64::from(date.year()), month.into(), day.into()) as i32
    }
}

/// The zone that was probably intended: by its city (`Paris`), or by a similar name
/// (`Europe/Pari`).
fn nearest(name: &str) -> Option<String> {
    let bundled = TimeZoneDatabase::bundled();
    let names: Vec<String> = bundled.available().map(|name| name.to_string()).collect();
    let city = |zone: &&String| {
        zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(&name.replace(' ', "_")))
    };
    let near = || suggest::nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
    names.iter().find(city).cloned().or_else(near)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::time_range::parse_date;

    #[test]
    fn days_begin_where_the_clock_says_so() {
        for (zone, day, start) in [
            ("UTC", "2026-03-29", "2026-03-29T00:00:00Z"),
            ("europe/paris", "2026-03-29", "2026-03-28T23:00:00Z"),
            ("Europe/Paris", "2026-03-30", "2026-03-29T22:00:00Z"),
            ("Europe/Paris", "2026-10-26", "2026-10-25T23:00:00Z"),
            // The clock went from midnight to one o'clock.
            ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00Z"),
            // It went from one o'clock back to midnight.
            ("Atlantic/Azores", "2026-10-25", "2026-10-25T00:00:00Z"),
        ] {
            let zone = ProjectZone::of(zone).expect("a zone");
            let day = parse_date(day).expect("a day");
            let start: Timestamp = start.parse().expect("a moment");
            assert_eq!(zone.start_of(day), Some(start.as_microsecond()), "{} {day}", zone.name());
            assert_eq!(zone.day_of(start), day, "{}", zone.name());
            assert_eq!(zone.day_of(start - jiff::SignedDuration::from_micros(1)), day - 1, "{}", zone.name());
        }
        assert_eq!(ProjectZone::default().start_of(i32::MAX), None);
    }

    #[test]
    fn a_zone_that_is_none_has_a_neighbour() {
        for (name, near) in
            [("Paris", "`Europe/Paris`"), ("Europe/Pariss", "`Europe/Paris`"), ("+02:00", "IANA")]
        {
            let hint = ProjectZone::of(name).expect_err("no zone");
            assert!(hint.contains(near), "{name}: {hint}");
        }
    }
}

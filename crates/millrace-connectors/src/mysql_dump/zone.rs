//! The time zone of a session, and the conversion of TIMESTAMP values to instants.

use jiff::civil;
use jiff::tz::TimeZone;
use millrace_core::project::settings::Settings;
use millrace_core::project::spec::{KeyKind, KeySpec};
use millrace_engine::error::{Error, ErrorKind, Result};

/// The setting `time_zone` of sources and streams.
pub(super) const TIME_ZONE: KeySpec = KeySpec::optional(
    "time_zone",
    KeyKind::Text,
    "Zone of the TIMESTAMP values of a dump that does not say it: an offset (`\"+00:00\"`) or a name (`Europe/Paris`). What the dump says goes before it.",
);

/// Microseconds of a second.
const MICROS: i64 = 1_000_000;
/// The first and last second of a TIMESTAMP since 1970-01-01 00:00:00 UTC. Only MariaDB from
/// version 11.5 on has those after 2038.
const FIRST: i64 = 1;
const LAST: i64 = 4_294_967_295;

/// The time zone in which a session writes TIMESTAMP values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Zone {
    /// The server's own zone, which the dump does not name, or a value that cannot be evaluated.
    Unknown,
    /// Seconds east of UTC.
    Offset(i64),
    /// A zone of the IANA time zone database.
    Named(TimeZone),
}

impl Zone {
    /// Returns the zone that MySQL's `time_zone` or the project's setting names. Returns `None` if
    /// there is no such zone.
    pub(super) fn named(name: &str) -> Option<Self> {
        if ["UTC", "GMT", "Z", "Etc/UTC"].iter().any(|utc| name.eq_ignore_ascii_case(utc)) {
            return Some(Self::Offset(0));
        }
        if let Some(seconds) = offset(name) {
            return Some(Self::Offset(seconds));
        }
        TimeZone::get(name).ok().map(Self::Named)
    }

    /// Converts a local time in this zone to an instant. Both are microseconds since 1970-01-01
    /// 00:00:00, the instant in UTC.
    ///
    /// Refuses a local time that is not exactly one instant, because daylight saving time repeats
    /// or skips it, and an instant outside of the range of TIMESTAMP.
    pub(super) fn instant(&self, micros: i64) -> Result<i64, &'static str> {
        let seconds = micros.div_euclid(MICROS);
        let instant = match self {
            Self::Unknown => return Err("the dump does not say in which time zone the moment is"),
            Self::Offset(east) => seconds - east,
            Self::Named(zone) => {
                let moment = civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0)
                    .checked_add(jiff::SignedDuration::from_secs(seconds))
                    .map_err(|_| "the moment is out of range")?;
                let found = zone.to_ambiguous_timestamp(moment).unambiguous();
                found
                    .map_err(|_| "the moment is in the hour that the clocks of the dump's time zone repeat or skip")?
                    .as_second()
            }
        };
        if !(FIRST..=LAST).contains(&instant) {
            return Err("the moment is out of the range of TIMESTAMP");
        }
        Ok(instant * MICROS + micros.rem_euclid(MICROS))
    }
}

/// Parses an offset such as `+h:mm`, of at most 14 hours, into seconds east of UTC.
fn offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |text: &str| {
        let good = matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
        good.then(|| text.parse::<i64>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes).filter(|minutes| *minutes < 60)?);
    (hours * 60 + minutes <= 14 * 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Returns the zone that the setting `time_zone` names for dumps that name none. An unknown name is
/// an error.
pub(super) fn initial_zone(settings: &Settings) -> Result<Zone> {
    let Some(name) = settings.text("time_zone") else { return Ok(Zone::Unknown) };
    Zone::named(name).ok_or_else(|| {
        Error::new(ErrorKind::SourceUnreadable, format!("`time_zone: {name}` is no time zone"))
            .hint("Write an offset (`\"+02:00\"`, in quotes) or a name (`Europe/Paris`).")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants() {
        let at = |zone: &str, hours: i64| {
            Zone::named(zone)
                .expect("a zone")
                .instant(hours * 3600 * MICROS + 5)
                .map(|micros| (micros - 5) / MICROS / 3600)
        };
        assert_eq!(at("+05:00", 477_000), Ok(476_995));
        assert_eq!(at("-0:00", 477_000), Ok(477_000));
        // 2024-03-31 02:30 is skipped and 2024-10-27 02:30 repeated.
        assert_eq!(at("Europe/Paris", 475_500), Ok(475_499));
        assert_eq!(at("Europe/Paris", 475_490), Ok(475_489));
        assert!(at("Europe/Paris", 475_514).is_err());
        assert!(at("+00:00", 0).is_err() && at("+01:00", 0).is_err() && at("+00:00", 2_000_000).is_err());
        assert!(Zone::named("Mars/Base").is_none() && Zone::named("+15:00").is_none());
        let zone = Zone::named("Europe/Paris").expect("a zone");
        let moment =
            |text: &str| crate::files::temporal::date_time(text.as_bytes()).expect("a moment").micros;
        for (text, good) in
            [("2024-03-31 02:30:00", false), ("2024-10-27 02:30:00", false), ("2024-07-01 12:00:00", true)]
        {
            assert_eq!(zone.instant(moment(text)).is_ok(), good, "{text}");
        }
    }
}

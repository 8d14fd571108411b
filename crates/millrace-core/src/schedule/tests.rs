use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn cron(text: &str) -> Cron {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone of the system")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

/// All matching times after `from` and up to `to`.
fn between(cron: &Cron, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let next = |time: &Timestamp| cron.next_after(*time, zone);
    std::iter::successors(next(&from), next).take_while(|time| *time <= to).collect()
}

/// Expressions, each with a zone and the years for which both libraries must agree on every time.
/// Lord Howe Island, whose clock changes by half an hour, has a test of its own below, because the
/// other library never returns for it.
const CASES: [(&str, &str, i16, i16); 31] = [
    ("*/15 * * * *", "Europe/Paris", 2026, 2026),
    ("0 * * * *", "Europe/Paris", 2025, 2027),
    ("30 2 * * *", "Europe/Paris", 2020, 2030),
    ("0 3 * * *", "Europe/Paris", 2020, 2030),
    ("0,30 2 * * *", "Europe/Paris", 2020, 2030),
    ("*/20 1-3 * * *", "Europe/Paris", 2024, 2028),
    ("15 */2 * * *", "Europe/Paris", 2024, 2028),
    ("0 0 29 2 *", "Europe/Paris", 1970, 2098),
    ("0 0 31 * *", "Europe/Paris", 2020, 2040),
    ("0 0 30 1-6 *", "UTC", 2020, 2040),
    ("0 12 1 1 *", "UTC", 1970, 2060),
    ("5 4 * * SUN", "UTC", 2020, 2030),
    ("5 4 * * 7", "UTC", 2020, 2030),
    ("5 4 * * 1-5", "UTC", 2024, 2026),
    ("0 0 13 * FRI", "UTC", 2020, 2030),
    ("0 0 1,15 * WED", "America/New_York", 2020, 2030),
    ("0 0 */10 * MON", "UTC", 2020, 2026),
    ("0 9-17/2 * JAN,jul MON-FRI", "America/New_York", 2020, 2026),
    ("30 1 * * *", "America/New_York", 2020, 2030),
    ("30 2 * * *", "America/New_York", 2020, 2030),
    ("30 * * * *", "America/New_York", 2024, 2026),
    ("0 0 * * *", "America/Sao_Paulo", 2010, 2020),
    ("30 0 * * *", "America/Sao_Paulo", 2010, 2020),
    ("30 23 * * *", "America/Sao_Paulo", 2010, 2020),
    ("0 * * * *", "America/Sao_Paulo", 2017, 2019),
    ("0 12 * * *", "Pacific/Apia", 2010, 2013),
    ("0 * * * *", "Pacific/Apia", 2011, 2012),
    ("15 0 * * *", "Asia/Kathmandu", 2020, 2026),
    ("0 2 * * *", "Africa/Casablanca", 2020, 2028),
    ("0 0 1 */3 *", "Asia/Tokyo", 1970, 2050),
    ("59 23 31 12 *", "UTC", 1970, 2060),
];

/// Intended differences from `cronexpr`. In an hour that the clock skips, it has no run, and ours
/// runs at the moment of the change. In an hour that occurs twice, it has two runs, and ours has
/// one.
#[test]
fn every_time_is_that_of_another_library_but_around_a_change_of_the_clock() {
    let mut compared = 0;
    let mut apart = 0;
    for (text, name, first, last) in CASES {
        let (ours, zone) = (cron(text), zone(name));
        let theirs = cronexpr::parse_crontab(&format!("{text} {name}")).expect("a crontab");
        let (from, to) = (at(&format!("{first}-01-01T00:00:00Z")), at(&format!("{last}-12-31T23:59:59Z")));
        let ours_at: BTreeSet<i64> =
            between(&ours, &zone, from, to).into_iter().map(Timestamp::as_second).collect();
        let start = cronexpr::MakeTimestamp::from_second(from.as_second()).expect("a moment");
        let theirs_at: BTreeSet<i64> = theirs
            .iter_after(start)
            .expect("times")
            // The other library gives up after four years without a match, as before 2104.
            .map_while(|time| Some(time.ok()?.timestamp().as_second()))
            .take_while(|time| *time <= to.as_second())
            .collect();
        compared += theirs_at.len();
        for only_ours in ours_at.difference(&theirs_at) {
            let time = Timestamp::from_second(*only_ours).expect("a moment");
            let later = time.checked_add(1.second()).expect("a moment");
            let change = zone.preceding(later).next().map(|change| change.timestamp());
            assert_eq!(
                change,
                Some(time),
                "{text} {name}: {time} is ours alone, and the clock does not change"
            );
            apart += 1;
        }
        for only_theirs in theirs_at.difference(&ours_at) {
            let time = Timestamp::from_second(*only_theirs).expect("a moment");
            let wall = zone.to_datetime(time);
            let twice = zone.to_ambiguous_timestamp(wall);
            let second = match twice.offset() {
                AmbiguousOffset::Fold { before, after } => {
                    assert!(ours_at.contains(&before.to_timestamp(wall).expect("a moment").as_second()));
                    Some(after)
                }
                _ => None,
            };
            assert_eq!(second, Some(zone.to_offset(time)), "{text} {name}: {time} is theirs alone");
            assert!(!ours.every_hour, "{text} {name}");
            apart += 1;
        }
    }
    assert!(compared > 100_000, "{compared} times");
    assert!((20..200).contains(&apart), "{apart} of {compared}");
}

#[test]
fn what_clocks_do_twice_a_year() {
    let times = |text: &str, name: &str, from: &str, to: &str| {
        let zone = zone(name);
        let times = between(&cron(text), &zone, at(from), at(to));
        times.into_iter().map(|time| time.to_string()).collect::<Vec<_>>()
    };
    let spring = ("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z");
    let autumn = ("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z");
    // Two o'clock is skipped: the time runs once, at the change to three.
    assert_eq!(times("30 2 * * *", "Europe/Paris", spring.0, spring.1), ["2026-03-29T01:00:00Z"]);
    assert_eq!(times("0,15,30,45 2 * * *", "Europe/Paris", spring.0, spring.1), ["2026-03-29T01:00:00Z"]);
    // It occurs twice: the time runs the first time.
    assert_eq!(times("30 2 * * *", "Europe/Paris", autumn.0, autumn.1), ["2026-10-25T00:30:00Z"]);
    // Every hour means every hour of real time.
    assert_eq!(times("0 * * * *", "Europe/Paris", spring.0, spring.1).len(), 24);
    assert_eq!(times("*/15 * * * *", "Europe/Paris", autumn.0, autumn.1).len(), 96);
    // A skipped day: its run starts when the next day begins.
    assert_eq!(
        times("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", "2011-12-31T12:00:00Z"),
        ["2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T22:00:00Z"]
    );
    // A clock change of half an hour.
    assert_eq!(
        times("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", "2026-10-04T00:00:00Z"),
        ["2026-10-03T15:30:00Z"]
    );
    // Midnight is skipped.
    assert_eq!(
        times("0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "2018-11-05T12:00:00Z"),
        ["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"]
    );
}

#[test]
fn leap_days_and_ends_of_months() {
    let years = |text: &str, from: &str, count: usize| {
        let cron = cron(text);
        let next = |time: &Timestamp| cron.next_after(*time, &TimeZone::UTC);
        let times = std::iter::successors(next(&at(from)), next).take(count);
        times.map(|time| time.to_string()[..10].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(years("0 0 29 2 *", "2095-01-01T00:00:00Z", 2), ["2096-02-29", "2104-02-29"]);
    assert_eq!(years("0 0 31 * *", "2026-01-31T00:00:00Z", 3), ["2026-03-31", "2026-05-31", "2026-07-31"]);
    assert_eq!(years("0 0 29 2 MON", "2026-02-01T00:00:00Z", 2), ["2026-02-02", "2026-02-09"]);
}

#[test]
fn what_was_missed_is_the_last_of_it() {
    let cron = cron("*/15 * * * *");
    let last = |after: &str, now: &str| {
        cron.last_between(at(after), at(now), &TimeZone::UTC).map(|time| time.to_string())
    };
    assert_eq!(last("2026-01-01T00:00:00Z", "2026-01-01T00:14:59Z"), None);
    assert_eq!(last("2026-01-01T00:00:00Z", "2026-01-01T00:15:00Z").as_deref(), Some("2026-01-01T00:15:00Z"));
    assert_eq!(last("2016-01-01T00:00:00Z", "2026-01-01T07:44:00Z").as_deref(), Some("2026-01-01T07:30:00Z"));
    let rare = super::tests::cron("0 0 29 2 *");
    let last = rare.last_between(at("2020-01-01T00:00:00Z"), at("2027-12-31T00:00:00Z"), &TimeZone::UTC);
    assert_eq!(last, Some(at("2024-02-29T00:00:00Z")));
}

#[test]
fn mistakes_are_told() {
    for (text, told) in [
        ("* * * *", "five fields"),
        ("60 * * * *", "`60` is no minute: write 0 to 59"),
        ("* 24 * * *", "`24` is no hour"),
        ("* * 0 * *", "`0` is no day of month"),
        ("* * * 13 *", "`13` is no month: write 1 to 12 or a name"),
        ("* * * * 8", "`8` is no day of week"),
        ("* * * * FRY", "`FRY` is no day of week"),
        ("5-1 * * * *", "runs backwards"),
        ("*/0 * * * *", "`0` is no step"),
        ("*/x * * * *", "`x` is no step"),
        ("0 0 30 2 *", "no such day ever comes"),
        ("0 0 31 4,6,9,11 *", "no such day ever comes"),
        ("@noon", "there are: @hourly"),
        ("", "this one has 0"),
        ("1,,2 * * * *", "`` is no minute"),
        ("+1 * * * *", "`+1` is no minute"),
    ] {
        let error = text.parse::<Cron>().expect_err(text);
        assert!(error.0.contains(told), "{text}: {error}");
    }
    assert_eq!(cron("@daily").to_string(), "@daily");
    assert_eq!(cron("5/20 * * * *").minutes, BTreeSet::from([5, 25, 45]));
}

proptest! {
    #[test]
    fn no_text_panics(text in "[0-9*/,@A-Za-z -]{0,24}") {
        let _ = text.parse::<Cron>();
    }

    /// Times increase, and each matches the fields unless the clock has just changed.
    #[test]
    fn times_grow_and_match(
        minute in 0..60_i8, hour in 0..24_i8, weekday in 0..8_i8, second in 0..4_000_000_000_i64, which in 0..4_usize,
    ) {
        let zone = zone(["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "UTC"][which]);
        for text in [format!("{minute} {hour} * * *"), format!("{minute} * * * {weekday}"), format!("*/7 {hour} * * *")] {
            let cron = cron(&text);
            let mut time = Timestamp::from_second(second).expect("a moment");
            for _ in 0..5 {
                let next = cron.next_after(time, &zone).expect("there is always another");
                prop_assert!(next > time);
                let wall = zone.to_datetime(next);
                let named = cron.minutes.contains(&wall.minute()) && cron.hours.contains(&wall.hour()) && cron.has_day(wall.date());
                let change = zone.preceding(next.checked_add(1.second()).expect("a moment")).next();
                prop_assert!(named || change.is_some_and(|change| change.timestamp() == next), "{text}: {next}");
                time = next;
            }
        }
    }
}

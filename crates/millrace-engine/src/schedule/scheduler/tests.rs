//! Runs whole weeks in milliseconds: the clock advances when somebody sleeps, and during runs.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::tz::TimeZoneDatabase;

use super::*;
use crate::error::ErrorKind;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a moment")
}

fn table(cron: &str) -> Timetable {
    let zone = TimeZoneDatabase::bundled().get("Europe/Paris").expect("a zone");
    Timetable { cron: cron.parse().expect("cron"), zone, catch_up: true, retries: 2 }
}

/// A simulated period: how its runs end, and how long they take.
struct Week {
    now: Mutex<Timestamp>,
    until: Timestamp,
    stop: Cancel,
    handled: Mutex<Option<Timestamp>>,
    /// Ends of the runs in order, each with its duration in minutes; after the last one, `Done` at
    /// once.
    ends: Mutex<Vec<(JobEnd, i64)>>,
    /// How many of the next questions get no answer.
    away: Mutex<u32>,
    /// The machine is suspended once, from the first moment to the second.
    asleep: Mutex<Option<(Timestamp, Timestamp)>>,
    log: Mutex<Vec<String>>,
    quiet: AtomicBool,
}

impl Week {
    fn new(from: &str, until: &str) -> Self {
        Self {
            now: Mutex::new(at(from)),
            until: at(until),
            stop: Cancel::default(),
            handled: Mutex::default(),
            ends: Mutex::default(),
            away: Mutex::default(),
            asleep: Mutex::default(),
            log: Mutex::default(),
            quiet: AtomicBool::new(true),
        }
    }

    fn handled(self, handled: &str) -> Self {
        *self.handled.lock().expect("free") = Some(at(handled));
        self
    }

    fn ends(self, mut ends: Vec<(JobEnd, i64)>) -> Self {
        ends.reverse();
        *self.ends.lock().expect("free") = ends;
        self
    }

    fn note(&self, text: String) {
        self.log.lock().expect("free").push(text);
    }

    async fn keep(self, table: &Timetable) -> Vec<String> {
        let (_sender, table) = watch::channel(Some(table.clone()));
        keep(table, &self, &self, &self.stop).await;
        self.log.into_inner().expect("free")
    }
}

#[async_trait]
impl Clock for Week {
    fn now(&self) -> Timestamp {
        *self.now.lock().expect("free")
    }

    async fn sleep(&self, time: Duration) {
        assert!(!time.is_zero() && time <= LONGEST_SLEEP);
        tokio::task::yield_now().await;
        let mut now = self.now.lock().expect("free");
        *now = now.checked_add(time).expect("a moment");
        let mut asleep = self.asleep.lock().expect("free");
        if let Some((from, to)) = *asleep
            && *now >= from
        {
            *now = to;
            *asleep = None;
        }
        if *now > self.until {
            self.stop.cancel();
        }
    }
}

#[async_trait]
impl Job for Week {
    async fn run(&self, trigger: Trigger) -> JobEnd {
        let (end, minutes) = self.ends.lock().expect("free").pop().unwrap_or((JobEnd::Done, 0));
        let due = trigger.scheduled_for.expect("a time of the table");
        self.note(format!("{} {:?} for {due} #{}", self.now(), trigger.kind, trigger.attempt));
        let mut now = self.now.lock().expect("free");
        *now = now.checked_add(Duration::from_secs(minutes as u64 * 60)).expect("a moment");
        end
    }

    async fn over(&self) {
        self.note("over".to_owned());
    }

    async fn handled(&self) -> Result<Option<Timestamp>> {
        let mut away = self.away.lock().expect("free");
        if *away > 0 {
            *away -= 1;
            return Err(Error::new(ErrorKind::WarehouseUnreachable, "no answer"));
        }
        Ok(*self.handled.lock().expect("free"))
    }

    async fn handle(&self, up_to: Timestamp) -> Result<()> {
        *self.handled.lock().expect("free") = Some(up_to);
        self.note(format!("handled {up_to}"));
        Ok(())
    }

    fn tell(&self, told: Told) {
        match told {
            Told::Next(_) if self.quiet.load(Ordering::Relaxed) => {}
            Told::Next(next) => self.note(format!("next {next:?}")),
            Told::Skipped(at) => self.note(format!("skipped {at}")),
            Told::Again(at) => self.note(format!("again {at}")),
            Told::Unreachable(error) => self.note(error.message().to_owned()),
        }
    }
}

fn runs(log: &[String]) -> Vec<&str> {
    log.iter().filter(|line| line.contains(" for ")).map(String::as_str).collect()
}

#[tokio::test]
async fn it_runs_at_each_time_also_over_a_change_of_the_clock() {
    // The clock in Paris goes from +1 to +2 in the night to Sunday 29 March 2026.
    let log = Week::new("2026-03-27T12:00:00Z", "2026-03-31T00:00:00Z").keep(&table("30 6 * * *")).await;
    assert_eq!(
        log,
        [
            "handled 2026-03-27T12:00:00Z",
            "2026-03-28T05:30:00Z Schedule for 2026-03-28T05:30:00Z #1",
            "handled 2026-03-28T05:30:00Z",
            "over",
            "2026-03-29T04:30:00Z Schedule for 2026-03-29T04:30:00Z #1",
            "handled 2026-03-29T04:30:00Z",
            "over",
            "2026-03-30T04:30:00Z Schedule for 2026-03-30T04:30:00Z #1",
            "handled 2026-03-30T04:30:00Z",
            "over",
        ]
    );
}

#[tokio::test]
async fn what_went_by_while_nobody_was_there_is_made_up_for_once() {
    let week = || Week::new("2026-06-05T12:10:00Z", "2026-06-05T13:05:00Z").handled("2026-06-01T10:00:00Z");
    let log = week().keep(&table("0 * * * *")).await;
    let expected = [
        "2026-06-05T12:10:00Z CatchUp for 2026-06-05T12:00:00Z #1",
        "2026-06-05T13:00:00Z Schedule for 2026-06-05T13:00:00Z #1",
    ];
    assert_eq!(runs(&log), expected);
    let not = Timetable { catch_up: false, ..table("0 * * * *") };
    let log = week().keep(&not).await;
    assert_eq!(log[..2], ["skipped 2026-06-05T12:00:00Z", "handled 2026-06-05T12:00:00Z"]);
    assert_eq!(runs(&log), expected[1..]);
}

#[tokio::test]
async fn nothing_is_made_up_for_where_nothing_was_missed() {
    let week = Week::new("2026-06-05T12:10:00Z", "2026-06-05T12:50:00Z").handled("2026-06-05T12:00:00Z");
    assert_eq!(week.keep(&table("0 * * * *")).await, [""; 0]);
}

#[tokio::test]
async fn a_failure_that_may_pass_is_tried_again_with_growing_pauses() {
    let week = Week::new("2026-06-05T11:59:00Z", "2026-06-05T12:30:00Z").ends(vec![(JobEnd::MayPass, 0); 9]);
    let log = week.keep(&table("0 * * * *")).await;
    assert_eq!(
        log[1..],
        [
            "2026-06-05T12:00:00Z Schedule for 2026-06-05T12:00:00Z #1",
            "again 2026-06-05T12:00:10Z",
            "2026-06-05T12:00:10Z Retry for 2026-06-05T12:00:00Z #2",
            "again 2026-06-05T12:00:50Z",
            "2026-06-05T12:00:50Z Retry for 2026-06-05T12:00:00Z #3",
            "handled 2026-06-05T12:00:00Z",
            "over",
        ]
    );
}

#[tokio::test]
async fn retries_end_where_the_next_time_comes() {
    let often = Timetable { retries: 20, ..table("*/2 * * * *") };
    let week = Week::new("2026-06-05T11:59:00Z", "2026-06-05T12:01:40Z").ends(vec![(JobEnd::MayPass, 0); 99]);
    let log = week.keep(&often).await;
    // Retries after 10 s and 40 s start before 12:02; one after 160 s would not.
    assert_eq!(runs(&log).len(), 3, "{log:?}");
    assert_eq!(log[log.len() - 2..], ["handled 2026-06-05T12:00:00Z", "over"]);
}

#[tokio::test]
async fn a_run_that_takes_long_stands_for_the_times_that_go_by() {
    let week = Week::new("2026-06-05T11:59:00Z", "2026-06-05T13:01:00Z").ends(vec![(JobEnd::MayPass, 50)]);
    let log = week.keep(&table("*/15 * * * *")).await;
    assert_eq!(
        log[1..],
        [
            "2026-06-05T12:00:00Z Schedule for 2026-06-05T12:00:00Z #1",
            "skipped 2026-06-05T12:45:00Z",
            "handled 2026-06-05T12:45:00Z",
            "over",
            "2026-06-05T13:00:00Z Schedule for 2026-06-05T13:00:00Z #1",
            "handled 2026-06-05T13:00:00Z",
            "over",
        ]
    );
}

#[tokio::test]
async fn a_run_that_is_stopped_is_not_dealt_with() {
    let week = Week::new("2026-06-05T11:59:00Z", "2026-06-05T12:30:00Z").ends(vec![(JobEnd::Stopped, 0)]);
    let log = week.keep(&table("0 * * * *")).await;
    assert_eq!(log[1..], ["2026-06-05T12:00:00Z Schedule for 2026-06-05T12:00:00Z #1"]);
}

#[tokio::test]
async fn a_machine_that_slept_runs_once_when_it_wakes() {
    let week = Week::new("2026-06-05T11:59:00Z", "2026-06-05T18:30:00Z");
    *week.asleep.lock().expect("free") = Some((at("2026-06-05T12:30:00Z"), at("2026-06-05T17:20:00Z")));
    let log = week.keep(&table("0 * * * *")).await;
    assert_eq!(
        runs(&log),
        [
            "2026-06-05T12:00:00Z Schedule for 2026-06-05T12:00:00Z #1",
            "2026-06-05T17:20:00Z Schedule for 2026-06-05T17:00:00Z #1",
            "2026-06-05T18:00:00Z Schedule for 2026-06-05T18:00:00Z #1",
        ]
    );
}

#[tokio::test]
async fn a_machine_that_slept_skips_what_is_not_made_up_for() {
    let week = Week::new("2026-06-05T11:59:00Z", "2026-06-05T18:30:00Z");
    *week.asleep.lock().expect("free") = Some((at("2026-06-05T12:30:00Z"), at("2026-06-05T17:20:00Z")));
    let log = week.keep(&Timetable { catch_up: false, ..table("0 * * * *") }).await;
    assert_eq!(
        log,
        [
            "handled 2026-06-05T11:59:00Z",
            "2026-06-05T12:00:00Z Schedule for 2026-06-05T12:00:00Z #1",
            "handled 2026-06-05T12:00:00Z",
            "over",
            "skipped 2026-06-05T17:00:00Z",
            "handled 2026-06-05T17:00:00Z",
            "2026-06-05T18:00:00Z Schedule for 2026-06-05T18:00:00Z #1",
            "handled 2026-06-05T18:00:00Z",
            "over",
        ]
    );
}

#[tokio::test]
async fn what_another_server_has_run_is_left_to_it() {
    let week = Week::new("2026-06-05T11:59:00Z", "2026-06-05T12:30:00Z").ends(vec![(JobEnd::Elsewhere, 5)]);
    let log = week.keep(&table("0 * * * *")).await;
    assert_eq!(log[1..], ["2026-06-05T12:00:00Z Schedule for 2026-06-05T12:00:00Z #1"]);
}

/// Runs daily at noon, and hourly from half past one on: the hourly time at one o'clock is before
/// the change, so it is not a missed one.
#[tokio::test]
async fn a_new_timetable_says_nothing_of_times_before_it() {
    let week = Week::new("2026-06-05T09:59:30Z", "2026-06-05T13:10:00Z");
    let (sender, timetable) = watch::channel(Some(table("0 12 * * *")));
    let changes = async {
        while week.now() < at("2026-06-05T11:30:00Z") {
            tokio::task::yield_now().await;
        }
        sender.send_replace(Some(table("0 * * * *")));
        week.stop.cancelled().await;
    };
    tokio::join!(keep(timetable, &week, &week, &week.stop), changes);
    let log = week.log.into_inner().expect("free");
    assert_eq!(
        runs(&log),
        [
            "2026-06-05T10:00:00Z Schedule for 2026-06-05T10:00:00Z #1",
            "2026-06-05T12:00:00Z Schedule for 2026-06-05T12:00:00Z #1",
            "2026-06-05T13:00:00Z Schedule for 2026-06-05T13:00:00Z #1",
        ]
    );
}

#[tokio::test]
async fn a_warehouse_that_does_not_answer_is_asked_again() {
    let week = Week::new("2026-06-05T12:10:00Z", "2026-06-05T12:50:00Z").handled("2026-06-05T11:00:00Z");
    *week.away.lock().expect("free") = 2;
    let log = week.keep(&table("0 * * * *")).await;
    assert_eq!(
        log[..3],
        ["no answer", "no answer", "2026-06-05T12:11:00Z CatchUp for 2026-06-05T12:00:00Z #1"]
    );
}

#[tokio::test]
async fn the_server_that_comes_second_leaves_a_time_to_the_first() {
    let week = Week::new("2026-06-05T11:10:00Z", "2026-06-05T12:50:00Z").handled("2026-06-05T12:00:00Z");
    assert_eq!(week.keep(&table("0 * * * *")).await, [""; 0]);
}

#[tokio::test]
async fn a_timetable_may_come_change_and_go() {
    let week = Week::new("2026-06-05T11:59:30Z", "2026-06-05T23:00:00Z");
    week.quiet.store(false, Ordering::Relaxed);
    let (sender, timetable) = watch::channel(None);
    let changes = async {
        tokio::task::yield_now().await;
        sender.send_replace(Some(table("0 * * * *")));
        while !week.log.lock().expect("free").iter().any(|line| line == "over") {
            tokio::task::yield_now().await;
        }
        sender.send_replace(Some(table("30 * * * *")));
        while runs(&week.log.lock().expect("free")).len() < 2 {
            tokio::task::yield_now().await;
        }
        sender.send_replace(None);
        tokio::task::yield_now().await;
        week.stop.cancel();
    };
    tokio::join!(keep(timetable, &week, &week, &week.stop), changes);
    let log = week.log.into_inner().expect("free");
    assert_eq!(
        runs(&log),
        [
            "2026-06-05T12:00:00Z Schedule for 2026-06-05T12:00:00Z #1",
            "2026-06-05T12:30:00Z Schedule for 2026-06-05T12:30:00Z #1",
        ]
    );
    assert_eq!(
        (log.first().map(String::as_str), log.last().map(String::as_str)),
        (Some("next None"), Some("next None"))
    );
}

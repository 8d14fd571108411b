//! The scheduler: starts runs at the times of a cron schedule, one at a time. It retries after
//! transient failures, and makes up once for all times that passed while no server was running.
//!
//! It knows neither warehouse nor clock: [`Job`] runs and remembers, [`Clock`] tells the time, so
//! tests run whole weeks in milliseconds. Several servers may share a schedule; each time is
//! handled by one of them, because [`Job::handled`] covers all servers.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use millrace_core::project::schedule::Schedule;
use millrace_core::schedule::Cron;
use tokio::sync::watch;

use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::state::trigger::{Trigger, TriggerKind};

/// The longest single sleep. After it, a clock that was set or a machine that was suspended is
/// noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// How late a run may start and still count as on time. A later one stands for a time that passed
/// while the machine was suspended.
const LATE: Duration = Duration::from_mins(1);
/// The backoff before the first retry; each further one is four times as long.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The longest backoff.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// When runs start, and what happens to times that passed and to failures.
#[derive(Debug, Clone, PartialEq)]
pub struct Timetable {
    /// The cron expression, in local time.
    pub cron: Cron,
    /// The time zone of the local times.
    pub zone: TimeZone,
    /// Catch-up: whether times that passed while no server was running are made up for, by one run
    /// for all of them.
    pub catch_up: bool,
    /// How often a run is retried after a transient failure.
    pub retries: u32,
}

impl Timetable {
    /// The timetable of a project's schedule. Rules of the time zone come from this system if it
    /// has them, otherwise from the program's own copy.
    pub fn of(schedule: &Schedule) -> Self {
        Self {
            cron: schedule.cron.clone(),
            zone: schedule.zone(jiff::tz::db()),
            catch_up: schedule.catch_up,
            retries: schedule.retries,
        }
    }
}

/// The end of a run, as far as the scheduler cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnd {
    /// No retry is needed: it published, was unchanged or held, or failed with an error that a
    /// retry would repeat.
    Done,
    /// It failed with a transient error.
    MayPass,
    /// It was cancelled.
    Stopped,
    /// Another server has handled the time, and notifies whoever waits for the outcome.
    Elsewhere,
}

/// What a scheduler runs, and where it stores its progress.
#[async_trait]
pub trait Job: Send + Sync {
    /// Runs to the end. Never called concurrently. `trigger.scheduled_for` is set.
    async fn run(&self, trigger: Trigger) -> JobEnd;
    /// Called after a run that will not be retried, so that whoever waits for the outcome can be
    /// notified.
    async fn over(&self);
    /// The time up to which the schedule is handled by any server; `None` if no server has ever
    /// kept it. May be retried.
    async fn handled(&self) -> Result<Option<Timestamp>>;
    /// Records the time up to which the schedule is handled.
    async fn handle(&self, up_to: Timestamp) -> Result<()>;
    /// Reports an event. Must return at once.
    fn tell(&self, told: Told);
}

/// An event of a scheduler.
#[derive(Debug)]
pub enum Told {
    /// The next start of a run; `None` if there is none, or no timetable.
    Next(Option<Timestamp>),
    /// A time passed without a run: another run was under way, or no server was running and nothing
    /// is caught up.
    Skipped(Timestamp),
    /// The run will be retried at this time.
    Again(Timestamp),
    /// The handled time cannot be read or written; reading is retried.
    Unreachable(Error),
}

/// The clock of a scheduler.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present time.
    fn now(&self) -> Timestamp;
    /// Waits about that long; may return late.
    async fn sleep(&self, time: Duration);
}

/// Keeps the timetable, which may change meanwhile, until `stop` is set. Then it returns at once
/// and drops the future of a run in progress, which the job has to stop itself.
pub async fn keep(
    timetable: watch::Receiver<Option<Timetable>>,
    job: &dyn Job,
    clock: &dyn Clock,
    stop: &Cancel,
) {
    let keeper = Keeper { job, clock };
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = keeper.keep(timetable) => {}
    }
    job.tell(Told::Next(None));
}

struct Keeper<'a> {
    job: &'a dyn Job,
    clock: &'a dyn Clock,
}

impl Keeper<'_> {
    /// The main loop. `seen` is the time up to which times are settled, `kept` the timetable that
    /// it refers to. Returns if the sender of timetables is dropped.
    async fn keep(&self, mut present: watch::Receiver<Option<Timetable>>) {
        let mut seen = None;
        let mut kept: Option<Timetable> = None;
        loop {
            let Some(timetable) = present.borrow_and_update().clone() else {
                kept = None;
                self.job.tell(Told::Next(None));
                if present.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let since = match seen {
                Some(since) if kept.as_ref() == Some(&timetable) => since,
                // Times that a changed timetable has before it was set do not count.
                Some(_) => self.clock.now(),
                None => self.begin(&timetable).await,
            };
            seen = Some(since);
            kept = Some(timetable.clone());
            let next = timetable.cron.next_after(since, &timetable.zone);
            self.job.tell(Told::Next(next));
            let came = tokio::select! {
                biased;
                changed = present.changed() => match (changed, next) {
                    (Err(_), _) => return,
                    // A change at the very moment of a start must not lose that start.
                    (Ok(()), Some(next)) if next <= self.clock.now() => next,
                    (Ok(()), _) => continue,
                },
                came = self.comes(next) => came,
            };
            // After a suspend several times may have passed; the last one stands for all.
            let now = self.clock.now();
            let due = timetable.cron.last_between(since, now, &timetable.zone).unwrap_or(came);
            let late = Duration::try_from(now.duration_since(due)).unwrap_or_default() > LATE;
            if late && !timetable.catch_up {
                self.job.tell(Told::Skipped(due));
                self.handle(due).await;
                seen = Some(now);
                continue;
            }
            seen = Some(self.attempt(&timetable, TriggerKind::Schedule, due).await);
        }
    }

    /// Waits until the given time; forever if there is none. Sleeps in short pieces, so that it
    /// follows changes of the clock.
    async fn comes(&self, next: Option<Timestamp>) -> Timestamp {
        let Some(next) = next else { return std::future::pending().await };
        loop {
            let left = Duration::try_from(next.duration_since(self.clock.now())).unwrap_or_default();
            if left.is_zero() {
                return next;
            }
            self.clock.sleep(left.min(LONGEST_SLEEP)).await;
        }
    }

    /// Handles the times that passed while no server was running, at the start of the scheduler.
    /// Retries until the handled time can be read. Returns the time after which times count.
    async fn begin(&self, timetable: &Timetable) -> Timestamp {
        let handled = loop {
            match self.job.handled().await {
                Ok(handled) => break handled,
                Err(error) => self.job.tell(Told::Unreachable(error)),
            }
            self.clock.sleep(LONGEST_SLEEP).await;
        };
        let now = self.clock.now();
        let missed = handled.and_then(|handled| timetable.cron.last_between(handled, now, &timetable.zone));
        match missed {
            Some(due) if timetable.catch_up => self.attempt(timetable, TriggerKind::CatchUp, due).await,
            Some(due) => {
                self.job.tell(Told::Skipped(due));
                self.handle(due).await;
                now
            }
            None => {
                // Recorded at the first start ever, so that later gaps are recognized as missed
                // times.
                if handled.is_none() {
                    self.handle(now).await;
                }
                now
            }
        }
    }

    /// Runs for the time `due` and retries transient failures, but not beyond the next time of the
    /// schedule. Returns the time up to which times are settled.
    async fn attempt(&self, timetable: &Timetable, kind: TriggerKind, due: Timestamp) -> Timestamp {
        // Another server with the same schedule may have been faster.
        if self.job.handled().await.is_ok_and(|handled| handled.is_some_and(|handled| handled >= due)) {
            return self.clock.now();
        }
        let (cron, zone) = (&timetable.cron, &timetable.zone);
        let mut trigger = Trigger { kind, scheduled_for: Some(due), attempt: 1 };
        let mut pause = FIRST_PAUSE;
        loop {
            let end = self.job.run(trigger.clone()).await;
            let now = self.clock.now();
            if matches!(end, JobEnd::Stopped | JobEnd::Elsewhere) {
                return now;
            }
            // Times that passed during the run are skipped, because runs never queue up.
            let overtaken = cron.last_between(due, now, zone);
            if let Some(at) = overtaken {
                self.job.tell(Told::Skipped(at));
            }
            let helps = end == JobEnd::MayPass && trigger.attempt <= timetable.retries && overtaken.is_none();
            let again = now.checked_add(pause).ok().filter(|_| helps);
            // A retry that would start at or after the next time is left to the run of that time.
            let in_time = |again: &Timestamp| cron.next_after(now, zone).is_none_or(|next| *again < next);
            let Some(again) = again.filter(in_time) else {
                self.handle(overtaken.unwrap_or(due)).await;
                self.job.over().await;
                return now;
            };
            self.job.tell(Told::Again(again));
            self.comes(Some(again)).await;
            pause = (pause * 4).min(LONGEST_PAUSE);
            trigger = Trigger { kind: TriggerKind::Retry, attempt: trigger.attempt + 1, ..trigger };
        }
    }

    /// Records the handled time. An error is only reported: the next handled time covers this one.
    async fn handle(&self, up_to: Timestamp) {
        if let Err(error) = self.job.handle(up_to).await {
            self.job.tell(Told::Unreachable(error));
        }
    }
}

#[cfg(test)]
mod tests;

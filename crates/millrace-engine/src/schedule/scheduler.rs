//! Starts runs when a schedule says so: one at a time, again where the cause of a failure may pass, and once for all that went by
//! while nobody was there.

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

/// The longest sleep: a clock that is set, or a machine that slept, is noticed after it.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// How late a run may start and still be in time. Later ones stand for times that went by while the machine slept.
const LATE: Duration = Duration::from_mins(1);
/// The pause before the first retry; each further one is four times as long.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The longest pause before a retry.
const LONGEST_PAUSE: Duration = Duration::from_mins(10);

/// When runs start.
#[derive(Debug, Clone, PartialEq)]
pub struct Timetable {
    /// Times on the wall.
    pub cron: Cron,
    /// Whose wall.
    pub zone: TimeZone,
    /// Whether a time that went by while nobody was there is made up for, once for all of them.
    pub catch_up: bool,
    /// Tries after the first, where the cause of a failure may pass by itself.
    pub retries: u32,
}

impl Timetable {
    /// Of a project's schedule, by the rules of its zone that this system has, or else those that the program brings along.
    pub fn of(schedule: &Schedule) -> Self {
        Self {
            cron: schedule.cron.clone(),
            zone: schedule.zone(jiff::tz::db()),
            catch_up: schedule.catch_up,
            retries: schedule.retries,
        }
    }
}

/// How a run ended, as far as a timetable cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnd {
    /// It need not be tried again: published, unchanged, held, or it would fail in the same way.
    Done,
    /// It failed for a reason that may pass by itself.
    MayPass,
    /// It was stopped before its end.
    Stopped,
    /// Another server has dealt with the time, and tells whoever waits for the outcome.
    Elsewhere,
}

/// What a timetable starts, and what remembers how far it has come.
#[async_trait]
pub trait Job: Send + Sync {
    /// Runs to the end. Never called twice at the same time.
    async fn run(&self, trigger: Trigger) -> JobEnd;
    /// The run that has just ended will not be tried again: whoever waits for the outcome can be told.
    async fn over(&self);
    /// Up to which time of the table all is dealt with, over all servers; none where a table has never been kept.
    async fn handled(&self) -> Result<Option<Timestamp>>;
    /// Records that all is dealt with up to a time.
    async fn handle(&self, up_to: Timestamp) -> Result<()>;
    /// Something worth a word has happened.
    fn tell(&self, told: Told);
}

/// What a scheduler tells.
#[derive(Debug)]
pub enum Told {
    /// When the next run starts; none where there is no time any more, or no timetable.
    Next(Option<Timestamp>),
    /// A time went by without a run: while another one was under way, or while nobody was there and nothing is made up for.
    Skipped(Timestamp),
    /// The run that began will be tried again at this time.
    Again(Timestamp),
    /// What was handled cannot be read or written; it is tried again.
    Unreachable(Error),
}

/// Time, as far as a scheduler needs it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The moment.
    fn now(&self) -> Timestamp;
    /// Waits about that long.
    async fn sleep(&self, time: Duration);
}

/// Keeps the timetable, which may change meanwhile, until `stop` is set; a run under way is the job's to stop.
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
                // What a table would have said before it was there counts for nothing.
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
                    (Ok(()), Some(next)) if next <= self.clock.now() => next,
                    (Ok(()), _) => continue,
                },
                came = self.comes(next) => came,
            };
            // A machine that slept has several times behind it: the last one stands for all.
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

    /// Waits for a moment; for ever where there is none.
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

    /// Deals with what went by while nobody was there. Returns the moment from which on times count.
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
                // From now on, times that go by while nobody is there are missed ones.
                if handled.is_none() {
                    self.handle(now).await;
                }
                now
            }
        }
    }

    /// Runs, and again where that may help, but not beyond the next time. Returns the moment up to which times are dealt with.
    async fn attempt(&self, timetable: &Timetable, kind: TriggerKind, due: Timestamp) -> Timestamp {
        // Another server that keeps the same timetable may have been quicker.
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
            let overtaken = cron.last_between(due, now, zone);
            if let Some(at) = overtaken {
                self.job.tell(Told::Skipped(at));
            }
            let helps = end == JobEnd::MayPass && trigger.attempt <= timetable.retries && overtaken.is_none();
            let again = now.checked_add(pause).ok().filter(|_| helps);
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

    async fn handle(&self, up_to: Timestamp) {
        if let Err(error) = self.job.handle(up_to).await {
            self.job.tell(Told::Unreachable(error));
        }
    }
}

#[cfg(test)]
mod tests;

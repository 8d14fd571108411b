//! Scheduled runs: connects the engine's scheduler to the server's runs, the state tables and the
//! webhook.
//!
//! The timetable comes from the project's `schedule:` and may change while the server runs. Which
//! times are handled is recorded in the warehouse, so that several servers and a restart do not
//! repeat them. When a run will not be retried, its outcome goes to the webhook of `notify:`.

mod webhook;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_engine::cancel::Cancel;
use millrace_engine::error::{Error, ErrorKind, Result, Retry};
use millrace_engine::run::HeldBy;
use millrace_engine::schedule::scheduler::{self, Clock, Job, JobEnd};
use millrace_engine::state::trigger::Trigger;
use tokio::time::sleep;

use crate::runs::{RunEnd, RunRequest};
use crate::state::AppState;

/// How long a scheduled run waits for any other run before it counts as failed and may be retried.
const WAIT: Duration = Duration::from_mins(10);

/// What happens to a schedule, for the binary's log.
#[derive(Debug)]
pub enum Told<'a> {
    /// A scheduled run has begun.
    Begun(&'a Trigger),
    /// A scheduled run has ended.
    Ended(&'a Trigger, &'a RunEnd),
    /// The run that has ended will be retried at this time.
    Again(Timestamp),
    /// A scheduled time passed without a run: another run was in progress, or no server was running
    /// and `catch_up` is off.
    Skipped(Timestamp),
    /// Something went wrong; the schedule goes on.
    Trouble(Diagnostic),
}

/// Keeps the schedule of the served project until `stop` is set. Follows changes of the schedule.
pub async fn keep(state: &AppState, tell: impl Fn(Told<'_>) + Send + Sync, stop: &Cancel) {
    let state = state.following();
    let job = ScheduledRuns { state: &state, tell: &tell, last: Mutex::default() };
    scheduler::keep(state.timetable(), &job, &SystemClock, stop).await;
}

/// The system's clock.
struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, time: Duration) {
        sleep(time).await;
    }
}

/// The scheduler's job: runs inside this server.
struct ScheduledRuns<'a> {
    state: &'a AppState,
    tell: &'a (dyn Fn(Told<'_>) + Send + Sync),
    /// The run that ended last. The webhook is told only when `over` confirms that it is not
    /// retried.
    last: Mutex<Option<(Trigger, RunEnd)>>,
}

#[async_trait]
impl Job for ScheduledRuns<'_> {
    async fn run(&self, trigger: Trigger) -> JobEnd {
        (self.tell)(Told::Begun(&trigger));
        let request = RunRequest { trigger: trigger.clone(), wait: WAIT, ..RunRequest::default() };
        let end = self.state.runs().start(request).end().await;
        (self.tell)(Told::Ended(&trigger, &end));
        let job_end = job_end(&end);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((trigger, end));
        job_end
    }

    async fn over(&self) {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The project may have been replaced by this run; its current `notify:` counts.
        let compiled = self.state.compiled();
        let (Some((trigger, end)), Some(notify)) = (last, &compiled.project.manifest.notify) else { return };
        // The address needs a variable that is not set; the server has warned of that at its start.
        if !notify.unset.is_empty() {
            return;
        }
        let notice = webhook::notice(&compiled, &trigger, &end);
        if let Some(notice) = notice.filter(|notice| notify.on.contains(&notice.status))
            && let Err(cause) = webhook::post(&notify.webhook, &notice).await
        {
            let message = "the webhook of `notify:` could not be told";
            let hint = "Check the address in `millrace.yml`, and whether this machine reaches it.";
            let trouble = Diagnostic::warning(Code::WebhookFailed, message).caused_by(cause).hint(hint);
            (self.tell)(Told::Trouble(trouble));
        }
    }

    async fn handled(&self) -> Result<Option<Timestamp>> {
        let state = self.state.warehouse_state();
        // Before the first run, or after an upgrade, the table may be missing or have an older
        // layout.
        state.migrate().await?;
        state.schedule_handled().await
    }

    async fn handle(&self, up_to: Timestamp) -> Result<()> {
        let statements = self.state.warehouse_state().tables().record_schedule(up_to);
        self.state.warehouse().transact(&statements).await.map(drop)
    }

    fn tell(&self, told: scheduler::Told) {
        match told {
            scheduler::Told::Next(at) => self.state.set_next_run(at),
            scheduler::Told::Again(at) => {
                self.state.set_next_run(Some(at));
                (self.tell)(Told::Again(at));
            }
            scheduler::Told::Skipped(at) => (self.tell)(Told::Skipped(at)),
            scheduler::Told::Unreachable(error) => {
                let error = error.context("the schedule cannot be kept for the moment");
                (self.tell)(Told::Trouble(error.to_diagnostic()));
            }
        }
    }
}

/// How the scheduler must treat the end of a run: retry it, or not.
fn job_end(end: &RunEnd) -> JobEnd {
    let by_kind = |error: &Error| match error.kind() {
        ErrorKind::Cancelled => JobEnd::Stopped,
        ErrorKind::RunElsewhere => JobEnd::Elsewhere,
        kind if kind.policy().retry != Retry::Never => JobEnd::MayPass,
        _ => JobEnd::Done,
    };
    match end {
        RunEnd::Refused(error) => by_kind(error),
        RunEnd::Unsound(_) => JobEnd::Done,
        RunEnd::Ran(ran) => match (&ran.error, &ran.summary.held) {
            (Some(error), _) => by_kind(error),
            // A retry may succeed: the readers that blocked the publish may have disconnected by
            // then.
            (None, Some(HeldBy::Blocked { .. })) => JobEnd::MayPass,
            (None, _) => JobEnd::Done,
        },
    }
}

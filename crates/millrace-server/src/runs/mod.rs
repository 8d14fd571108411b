//! Runs inside the server, one at a time: started by the command line, the schedule or the API.
//!
//! Each run reads the project's files again, with the environment variables and the options with
//! which the server was started. After a run that has published or found nothing new, the server
//! serves the project of that run. After any other run, readers keep the former project and its
//! publication.
//!
//! Each run and each rollback is a task that the queue owns; [`Runs::stop`] cancels, joins and at
//! last aborts them.

pub(crate) mod queue;
pub(crate) mod runner;
mod work;

use std::sync::Arc;
use std::time::Duration;

use millrace_core::diagnostic::Diagnostic;
use millrace_core::project::SourceTexts;
use millrace_core::project::manifest::QuarantineLimit;
use millrace_engine::cancel::Cancel;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::event::Event;
use millrace_engine::run::RunSummary;
use millrace_engine::run::rollback::{RollbackOptions, release, rollback};
use millrace_engine::state::Publication;
use millrace_engine::state::trigger::Trigger;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

pub use crate::runs::queue::UnderWay;
use crate::runs::queue::{PendingRuns, RunPermit};
pub use crate::runs::runner::{Reload, Reloaded, Runner, Unsound, Vars};
use crate::runs::work::Work;
use crate::state::AppState;

/// Capacity of a run's event channel. A listener that lags further behind loses events.
const MOST_EVENTS: usize = 1024;

/// A request for a run.
#[derive(Debug, Clone, Default)]
pub struct RunRequest {
    /// What started the run; it goes into the run's record.
    pub trigger: Trigger,
    /// Load all rows again and rebuild all models, whatever the checkpoints and fingerprints say.
    pub full_refresh: bool,
    /// Let streams lose all of their rows, or more of them than `max_shrink` allows.
    pub allow_empty: bool,
    /// Overrides how many rows of a stream may go to quarantine; `None` keeps the project's limits.
    pub max_quarantine: Option<QuarantineLimit>,
    /// Variables of templates; they override those with which the server was started.
    pub vars: Vars,
    /// How long to wait for another run before the request is refused.
    pub wait: Duration,
}

/// A request for a rollback.
#[derive(Debug, Clone)]
pub struct RollbackRequest {
    /// The publication to restore; `None` for the one before the current.
    pub to: Option<u64>,
    /// Lift a rollback instead, so that runs publish again.
    pub release: bool,
    /// How long to wait for a run before the request is refused.
    pub wait: Duration,
}

/// A run that was requested. Dropping the handle does not end the run; `cancel` does.
pub struct RunHandle {
    /// Number of this request, unique within the server process. [`Runs::cancel`] takes it.
    pub ticket: u64,
    /// Cancels the run, or the wait for its turn.
    pub cancel: Cancel,
    /// The run's events in order; the channel closes when the run ends. A listener that lags far
    /// behind loses events, progress events first.
    pub events: mpsc::Receiver<Event>,
    end: oneshot::Receiver<RunEnd>,
}

impl RunHandle {
    /// Waits for the end of the run. Events that were not received are discarded.
    pub async fn end(self) -> RunEnd {
        drop(self.events);
        let gone = |_| RunEnd::Refused(Error::new(ErrorKind::Internal, "the run ended without a word"));
        self.end.await.unwrap_or_else(gone)
    }
}

/// How a requested run ended.
#[derive(Debug)]
pub enum RunEnd {
    /// It did not begin: another run is in progress, the server is stopping, or it was cancelled.
    Refused(Error),
    /// It did not begin, because the project has errors.
    Unsound(Unsound),
    /// It ran, with whatever outcome.
    Ran(Box<Ran>),
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ran {
    /// The record of the run, as the warehouse keeps it.
    pub summary: RunSummary,
    /// The error that ended the run early.
    pub error: Option<Error>,
    /// If there is no error: data tests that found rows, and what keeps the run from publishing.
    pub findings: Vec<Diagnostic>,
    /// Texts of the files that the findings point into.
    pub texts: SourceTexts,
}

impl AppState {
    /// The interface to this server's runs.
    pub fn runs(&self) -> Runs {
        Runs { state: self.following() }
    }
}

/// Starts, cancels and stops the runs of one server. A clone refers to the same runs.
#[derive(Clone)]
pub struct Runs {
    state: AppState,
}

impl Runs {
    /// The run or rollback in progress; returns `None` if there is none.
    pub fn under_way(&self) -> Option<UnderWay> {
        self.state.run_queue().under_way().clone()
    }

    /// Starts a run in a task that the queue owns, and returns at once. The run waits for its turn
    /// for as long as the request says. A server that is stopping or has no runner refuses it.
    pub fn start(&self, request: RunRequest) -> RunHandle {
        let (events, receiver) = mpsc::channel(MOST_EVENTS);
        let (ended, end) = oneshot::channel();
        let cancel = Cancel::default();
        // One lock from the check of `closed` to `spawn`, so that `stop` cannot miss the task.
        let mut pending = self.state.run_queue().pending();
        let ticket = pending.ticket();
        match self.admit(&pending) {
            Err(error) => _ = ended.send(RunEnd::Refused(error)),
            Ok(runner) => {
                let state = self.state.clone();
                let work = Work { state: state.clone(), runner, cancel: cancel.clone(), events };
                pending.cancels.insert(ticket, cancel.clone());
                pending.spawn(async move {
                    let end = work.run(request).await;
                    state.run_queue().pending().cancels.remove(&ticket);
                    // Fails if the handle was dropped.
                    let _ = ended.send(end);
                });
            }
        }
        RunHandle { ticket, cancel, events: receiver, end }
    }

    /// The runner. Fails if the server is stopping or was built without one.
    fn admit(&self, pending: &PendingRuns) -> Result<Arc<Runner>> {
        if pending.closed {
            return Err(Error::new(ErrorKind::Cancelled, "the server is stopping"));
        }
        let runner = self.state.runner().map(Arc::clone);
        runner.ok_or_else(|| Error::new(ErrorKind::Internal, "this server starts no runs"))
    }

    /// Cancels a run, or the wait for its turn. Returns false if no such run is waiting or in
    /// progress.
    pub fn cancel(&self, ticket: u64) -> bool {
        let pending = self.state.run_queue().pending();
        pending.cancels.get(&ticket).map(Cancel::cancel).is_some()
    }

    /// Restores an earlier publication or lifts a rollback, and notifies open pages. It runs to its
    /// end even if the caller is dropped.
    pub async fn rollback(&self, request: RollbackRequest) -> Result<Publication> {
        let (done, end) = oneshot::channel();
        {
            // In a block of its own: the guard must not be held across the `await`.
            let mut pending = self.state.run_queue().pending();
            let (runner, state) = (self.admit(&pending)?, self.state.clone());
            pending.spawn(async move {
                let _ = done.send(bring_back(&state, &runner, &request).await);
            });
        }
        end.await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the rollback ended without a word")))
    }

    /// Handles a publish by another process from the same files: reads the project again, serves
    /// it, and notifies open pages. Does its work in a task and returns at once.
    pub fn take_up(&self) {
        let mut pending = self.state.run_queue().pending();
        let Ok(runner) = self.admit(&pending) else { return };
        let state = self.state.clone();
        pending.spawn(async move {
            // A run inside the server reads the project itself, so there is nothing to do beside
            // one.
            if let Ok(_permit) = RunPermit::take(state.run_queue(), None, Duration::ZERO, |_| {}).await
                && let Ok(reloaded) = (runner.reload)(Vars::new()).await
            {
                state.serve_instead(reloaded.compiled);
            }
            let _ = state.refresh().await;
            // Lifting a rollback publishes nothing, but pages show whether one is in force.
            state.notify_project();
        });
    }

    /// Refuses further requests and cancels all runs, waiting or in progress. Returns when all
    /// tasks have ended, or aborts the remaining ones after `within`.
    pub async fn stop(&self, within: Duration) {
        let mut tasks = {
            let mut pending = self.state.run_queue().pending();
            pending.closed = true;
            pending.cancels.values().for_each(Cancel::cancel);
            std::mem::take(&mut pending.tasks)
        };
        // Dropping the set aborts the tasks that have not ended.
        let _ = timeout(within, async { while tasks.join_next().await.is_some() {} }).await;
    }
}

/// Does the work of [`Runs::rollback`], while it holds the permit to change the warehouse.
async fn bring_back(state: &AppState, runner: &Runner, request: &RollbackRequest) -> Result<Publication> {
    let permit = RunPermit::take(state.run_queue(), None, request.wait, |_| {}).await?;
    let options = RollbackOptions {
        to: request.to,
        holder: runner.holder.clone(),
        is_gone: runner.is_gone,
        wait: permit.left,
    };
    let (compiled, warehouse) = (state.compiled(), state.warehouse());
    let publication = if request.release {
        release(&compiled, &warehouse, &options).await?
    } else {
        rollback(&compiled, &warehouse, &options).await?
    };
    // The rollback is committed. If this read fails, the next request finds the publication.
    let _ = state.refresh().await;
    // Lifting a rollback publishes nothing, but pages show whether one is in force.
    state.notify_project();
    Ok(publication)
}

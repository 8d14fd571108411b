//! Runs inside the server: one at a time, for whoever asks (the command line, the schedule, the API).
//!
//! Each run reads the project's files anew, with the environment variables and options with which the server was started. A run that has
//! published, or found nothing new, makes that project the one that is served; any other leaves the former project and its
//! publication to the readers.

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

/// Events that a listener may lag behind before it loses some.
const MOST_EVENTS: usize = 1024;

/// A run that somebody asks for.
#[derive(Debug, Clone, Default)]
pub struct RunRequest {
    /// Why it runs.
    pub trigger: Trigger,
    /// Load and build everything anew.
    pub full_refresh: bool,
    /// Let streams lose all of their rows, or more of them than `max_shrink` says.
    pub allow_empty: bool,
    /// How many rows of a stream may go to quarantine, where somebody says so.
    pub max_quarantine: Option<QuarantineLimit>,
    /// Variables of templates, over the server's own.
    pub vars: Vars,
    /// How long to wait for another run.
    pub wait: Duration,
}

/// A rollback that somebody asks for.
#[derive(Debug, Clone)]
pub struct RollbackRequest {
    /// The publication to bring back; the one before the present by default.
    pub to: Option<u64>,
    /// Let runs publish again instead.
    pub release: bool,
    /// How long to wait for a run.
    pub wait: Duration,
}

/// A run that was asked for. Dropping it ends nothing; `cancel` does.
pub struct RunHandle {
    /// Tells the runs of a server apart, also those that wait.
    pub ticket: u64,
    /// Ends the run, or its waiting.
    pub cancel: Cancel,
    /// What happens, in order; ends with the run. A listener that lags far behind loses some.
    pub events: mpsc::Receiver<Event>,
    end: oneshot::Receiver<RunEnd>,
}

impl RunHandle {
    /// Waits for the end.
    pub async fn end(self) -> RunEnd {
        drop(self.events);
        let gone = |_| RunEnd::Refused(Error::new(ErrorKind::Internal, "the run ended without a word"));
        self.end.await.unwrap_or_else(gone)
    }
}

/// What came of a run.
#[derive(Debug)]
pub enum RunEnd {
    /// It never began: another one is under way, the server stops, somebody cancelled it.
    Refused(Error),
    /// It never began: the project has errors.
    Unsound(Unsound),
    /// It ran.
    Ran(Box<Ran>),
}

/// A run that has ended.
#[derive(Debug)]
pub struct Ran {
    /// Its record.
    pub summary: RunSummary,
    /// What ended it early.
    pub error: Option<Error>,
    /// Where nothing did: data tests that found rows, what holds it.
    pub findings: Vec<Diagnostic>,
    /// Texts of the files that they point into.
    pub texts: SourceTexts,
}

impl AppState {
    /// The runs of this server.
    pub fn runs(&self) -> Runs {
        Runs { state: self.following() }
    }
}

/// The runs of one server. A clone is the same.
#[derive(Clone)]
pub struct Runs {
    state: AppState,
}

impl Runs {
    /// The run, or rollback, that is under way.
    pub fn under_way(&self) -> Option<UnderWay> {
        self.state.run_queue().under_way().clone()
    }

    /// Starts a run, or lets it wait for its permit. Returns at once.
    pub fn start(&self, request: RunRequest) -> RunHandle {
        let (events, receiver) = mpsc::channel(MOST_EVENTS);
        let (ended, end) = oneshot::channel();
        let cancel = Cancel::default();
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
                    // Nobody may be waiting for it.
                    let _ = ended.send(end);
                });
            }
        }
        RunHandle { ticket, cancel, events: receiver, end }
    }

    /// What it takes to change the warehouse, where this server does that and has not been told to stop.
    fn admit(&self, pending: &PendingRuns) -> Result<Arc<Runner>> {
        if pending.closed {
            return Err(Error::new(ErrorKind::Cancelled, "the server is stopping"));
        }
        let runner = self.state.runner().map(Arc::clone);
        runner.ok_or_else(|| Error::new(ErrorKind::Internal, "this server starts no runs"))
    }

    /// Ends a run, or its waiting; false where there is none of that ticket.
    pub fn cancel(&self, ticket: u64) -> bool {
        let pending = self.state.run_queue().pending();
        pending.cancels.get(&ticket).map(Cancel::cancel).is_some()
    }

    /// Brings an earlier publication back, or lets runs publish again, and tells open pages. Goes on to its end also where the caller
    /// goes away.
    pub async fn rollback(&self, request: RollbackRequest) -> Result<Publication> {
        let (done, end) = oneshot::channel();
        {
            let mut pending = self.state.run_queue().pending();
            let (runner, state) = (self.admit(&pending)?, self.state.clone());
            pending.spawn(async move {
                let _ = done.send(bring_back(&state, &runner, &request).await);
            });
        }
        end.await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the rollback ended without a word")))
    }

    /// Somebody has published from outside, from the same files: serves the project as it is now, and tells open pages. Returns at once.
    pub fn take_up(&self) {
        let mut pending = self.state.run_queue().pending();
        let Ok(runner) = self.admit(&pending) else { return };
        let state = self.state.clone();
        pending.spawn(async move {
            // A run inside the server takes the project up itself.
            if let Ok(_permit) = RunPermit::take(state.run_queue(), None, Duration::ZERO, |_| {}).await
                && let Ok(reloaded) = (runner.reload)(Vars::new()).await
            {
                state.serve_instead(reloaded.compiled);
            }
            let _ = state.refresh().await;
            // A rollback that was lifted publishes nothing, but pages say so.
            state.notify_project();
        });
    }

    /// Ends what is under way and what waits, and lets nothing more begin. Returns when all has ended, or when the time is over.
    pub async fn stop(&self, within: Duration) {
        let mut tasks = {
            let mut pending = self.state.run_queue().pending();
            pending.closed = true;
            pending.cancels.values().for_each(Cancel::cancel);
            std::mem::take(&mut pending.tasks)
        };
        // What has not ended then is aborted.
        let _ = timeout(within, async { while tasks.join_next().await.is_some() {} }).await;
    }
}

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
    // It is done; where the warehouse does not answer now, the next request finds it.
    let _ = state.refresh().await;
    // A release publishes nothing, but pages say no longer that readers are kept.
    state.notify_project();
    Ok(publication)
}

//! One run inside the server, from its request to its end.
//!
//! Steps: wait for the permit, read the project, pin readers to the current publication, run, and
//! serve the new project if readers see its publication. Readers stay pinned during the run because
//! the dashboards of the former project may not fit the tables that the run publishes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use millrace_engine::cancel::Cancel;
use millrace_engine::error::{Error, ErrorKind};
use millrace_engine::event::{Event, Observer};
use millrace_engine::run::report::findings;
use millrace_engine::run::{RunOptions, RunStatus, RunSummary, run};
use tokio::sync::mpsc;

use super::{MOST_EVENTS, Ran, RunEnd, RunRequest};
use crate::runs::queue::{RunPermit, UnderWay};
use crate::runs::runner::Runner;
use crate::served::Served;
use crate::state::AppState;

/// What one run needs.
pub(super) struct Work {
    pub(super) state: AppState,
    pub(super) runner: Arc<Runner>,
    pub(super) cancel: Cancel,
    pub(super) events: mpsc::Sender<Event>,
}

impl Work {
    /// Runs to the end. Cancellation before the run begins refuses it; afterwards the engine
    /// handles it.
    pub(super) async fn run(self, request: RunRequest) -> RunEnd {
        let state = &self.state;
        let waiting = |other: &UnderWay| {
            let holder = Some(self.runner.holder.clone());
            tell(&self.events, Event::Waiting { other: other.name(), holder });
        };
        let permit = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return RunEnd::Refused(stopped()),
            permit = RunPermit::take(state.run_queue(), Some(request.trigger.clone()), request.wait, waiting) => permit,
        };
        let permit = match permit {
            Ok(permit) => permit,
            Err(error) => return RunEnd::Refused(error),
        };
        let reloaded = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return RunEnd::Refused(stopped()),
            reloaded = (self.runner.reload)(request.vars) => reloaded,
        };
        let compiled = match reloaded {
            Ok(reloaded) => {
                for warning in reloaded.warnings {
                    tell(&self.events, Event::Notice(Box::new(warning)));
                }
                reloaded.compiled
            }
            Err(unsound) => return RunEnd::Unsound(unsound),
        };
        let begun = Arc::new(AtomicBool::new(false));
        let options = RunOptions {
            max_quarantine: request.max_quarantine,
            full_refresh: request.full_refresh,
            allow_empty: request.allow_empty,
            trigger: request.trigger,
            holder: self.runner.holder.clone(),
            is_gone: self.runner.is_gone,
            wait: permit.left,
            cancel: self.cancel.clone(),
            observer: self.observer(Arc::clone(&begun)),
        };
        let mut staying = stay(state).await;
        let (summary, error) = run(&compiled, &state.warehouse(), &options).await;
        if fits(state, &summary).await {
            // The former project stays pinned for good: requests that still hold it must not read
            // the publication of the new one.
            state.serve_instead(Arc::clone(&compiled));
            staying.0 = None;
        }
        // Before the refresh, which reads the newest publication only when the pin is lifted.
        drop(staying);
        // Notifies open pages. If the warehouse does not answer, the next request finds the
        // publication.
        let _ = state.refresh().await;
        if begun.load(Ordering::Relaxed) {
            state.notify_run(&summary);
        }
        drop(permit);
        let findings = if error.is_some() { Vec::new() } else { findings(&compiled, &summary) };
        let texts = compiled.project.texts.clone();
        RunEnd::Ran(Box::new(Ran { summary, error, findings, texts }))
    }

    /// The observer of the engine's events: passes them on to the listener, and notifies pages and
    /// the queue when the run begins. Sets `begun` then, so that pages only learn the end of a run
    /// that they know of.
    fn observer(&self, begun: Arc<AtomicBool>) -> Observer {
        let (state, events) = (self.state.clone(), self.events.clone());
        Arc::new(move |event| {
            if let Event::Begun(summary) = &event {
                begun.store(true, Ordering::Relaxed);
                if let Some(under_way) = &mut *state.run_queue().under_way() {
                    under_way.run = Some(summary.run.clone());
                }
                state.notify_run(summary);
            }
            tell(&events, event);
        })
    }
}

/// Whether the run's project fits the publication that readers see. True also for a run that counts
/// as failed although its publish was committed, which happens if the warehouse could not be asked.
async fn fits(state: &AppState, summary: &RunSummary) -> bool {
    if matches!(summary.status, RunStatus::Succeeded | RunStatus::Unchanged) {
        return true;
    }
    let newest = state.warehouse_state().publications(1).await;
    newest.is_ok_and(|newest| newest.first().is_some_and(|newest| newest.run == summary.run))
}

/// Pins the readers of a project to a publication; dropping it lifts the pin.
struct Staying(Option<Arc<Served>>);

impl Drop for Staying {
    fn drop(&mut self) {
        if let Some(served) = &self.0 {
            served.follow();
        }
    }
}

/// Pins readers of the served project to the newest publication.
async fn stay(state: &AppState) -> Staying {
    match state.refresh().await {
        Ok(version) => {
            let served = state.served();
            served.stay_at(version.unwrap_or(0));
            Staying(Some(served))
        }
        // The warehouse cannot be read; the run fails for the same reason and reports it.
        Err(_) => Staying(None),
    }
}

/// The error of a run that was cancelled before it began.
fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "the run was stopped before it began")
}

/// Sends an event without waiting: a slow listener must not slow the run down. Drops progress
/// events when the channel is half full, and any event when it is full.
fn tell(events: &mpsc::Sender<Event>, event: Event) {
    if matches!(event, Event::Rows { .. }) && events.capacity() < MOST_EVENTS / 2 {
        return;
    }
    // Fails if the channel is full or the listener has gone.
    let _ = events.try_send(event);
}

//! A run: streams are loaded, models are built beside the published ones and tested, and then
//! everything is published at once.
//!
//! This file brackets the steps in `runner`: it takes the lease, keeps it renewed, and records the
//! end. A run that fails or is cancelled changes nothing for readers. If the answer to its publish
//! was lost, the end of the run is decided by what the warehouse has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::digest::sha256;
use millrace_core::project::manifest::QuarantineLimit;
use tokio::time::{sleep, timeout};

use crate::cancel::Cancel;
use crate::compile::compiled::Compiled;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer};
use crate::fault;
use crate::ports::warehouse::Warehouse;
use crate::retry;
use crate::run::notices::Notices;
use crate::run::publish::KEPT;
use crate::run::runner::Runner;
use crate::state::lease::{Held, Holder, IsGone, Lease};
pub use crate::state::run_summary::{
    HeldBy, ModelSummary, RunError, RunNotice, RunStatus, RunSummary, StreamSummary,
};
use crate::state::trigger::{Trigger, TriggerKind};
use crate::state::{RunRecord, State};

mod clock;
pub mod data_tests;
pub mod models;
mod notices;
pub mod plan;
pub mod publish;
mod removed_streams;
pub mod report;
pub mod rollback;
mod runner;

/// What a caller chooses in addition to the project.
#[derive(Clone)]
pub struct RunOptions {
    /// How many rows of a stream may go into quarantine, if the command says so; it overrides the
    /// project.
    pub max_quarantine: Option<QuarantineLimit>,
    /// Whether streams may lose all their rows, or more than the project allows.
    pub allow_empty: bool,
    /// Whether to reload all streams and rebuild all models.
    pub full_refresh: bool,
    /// What started the run.
    pub trigger: Trigger,
    /// The process of the run.
    pub holder: Holder,
    /// Tells whether the process of another run is gone.
    pub is_gone: IsGone,
    /// How long to wait while another run holds the lease.
    pub wait: Duration,
    /// Cancels the run when it is set: the transaction in progress is rolled back.
    pub cancel: Cancel,
    /// Receives the run's events.
    pub observer: Observer,
}

/// The summary of a run, and the error that ended it, if one did.
pub type RunEnd = (RunSummary, Option<Error>);

/// Timeout for the statements at the end of a run. After a cancellation a person waits for them.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Runs a project.
///
/// The summary is recorded in the warehouse whatever the outcome, as far as the warehouse accepts
/// writes. A run that never held the lease, or whose scheduled time another server has handled,
/// leaves no record.
pub async fn run(compiled: &Compiled, warehouse: &Arc<dyn Warehouse>, options: &RunOptions) -> RunEnd {
    let started = Instant::now();
    let now = Timestamp::now();
    let notices = Notices::default();
    let options = &RunOptions { observer: notices.keeping(&options.observer), ..options.clone() };
    let mut summary = RunSummary {
        run: run_id(now),
        status: RunStatus::Running,
        trigger: options.trigger.clone(),
        environment: compiled.environment.clone(),
        data_version: None,
        started_at: rfc3339(now),
        finished_at: None,
        streams: Vec::new(),
        models: Vec::new(),
        tests: Vec::new(),
        notices: Vec::new(),
        held: None,
        error: None,
        duration_ms: 0,
    };
    // A server may have opened the warehouse with another project, whose time zone may differ.
    let warehouse = &compiled.in_its_time_zone(Arc::clone(warehouse));
    let state = State::of(&**warehouse, &compiled.schemas);
    // `biased` polls the cancellation first, so that a set flag always wins.
    let taken = tokio::select! {
        biased;
        () = options.cancel.cancelled() => Err(cancelled()),
        taken = retry::while_lost("taking the warehouse's lease", &options.observer, sleep, || {
            take_lease(&state, &summary.run, options)
        }) => taken,
    };
    let lease = match taken {
        Ok(lease) => lease,
        Err(error) => {
            if error.kind() == ErrorKind::Cancelled {
                let abandoned = [state.abandon_lease(&summary.run)];
                // Fails if there has never been a run, because there is no table yet; then there is
                // nothing to give back.
                let _ = timeout(LAST_WORDS, warehouse.transact(&abandoned)).await;
            }
            fail(&mut summary, &error);
            finish(&mut summary, &notices, started);
            return (summary, Some(error));
        }
    };
    // Asked after the lease was taken: while this run waited, another server may have run.
    if let Some(error) = run_elsewhere(&state, &options.trigger).await {
        let _ = warehouse.transact(&[lease.release()]).await;
        fail(&mut summary, &error);
        finish(&mut summary, &notices, started);
        return (summary, Some(error));
    }
    fault::reach("lease-taken");
    // Dropping the keeper ends the renewal, so it must live as long as the steps.
    let keeper = lease.keep(Arc::clone(warehouse));
    let mut runner = Runner {
        compiled,
        warehouse: &**warehouse,
        options,
        state: state.clone(),
        lease: lease.clone(),
        now: now.as_microsecond(),
        summary: &mut summary,
        problems: Vec::new(),
    };
    // Dropping the runner's future cancels it: no transaction is committed by half.
    let outcome = tokio::select! {
        biased;
        () = options.cancel.cancelled() => Err(cancelled()),
        outcome = runner.run() => outcome,
    };
    drop(keeper);
    let mut error = outcome.err();
    if let Some(stopped) = &error {
        // A run that has published knows it; the warehouse may be unreachable.
        let published = match summary.status {
            RunStatus::Succeeded => summary.data_version,
            // It has published into a file that nobody can open any more.
            _ if stopped.kind() == ErrorKind::WarehouseReplaced => None,
            _ => has_published(&state, &summary.run).await,
        };
        match published {
            Some(number) => {
                summary.status = RunStatus::Succeeded;
                summary.data_version = Some(number);
                summary.error = None;
                let stopped = stopped.to_diagnostic();
                let message =
                    format!("data version {number} is published, but what comes after was not finished");
                let notice = Diagnostic::warning(stopped.code, message)
                    .caused_by(stopped.to_string())
                    .hint("The next run drops what is no longer needed.");
                (options.observer)(Event::Notice(Box::new(notice)));
                error = None;
            }
            None => fail(&mut summary, stopped),
        }
    }
    let end = finish(&mut summary, &notices, started);
    if let Err(unwritten) = write_down(&summary, warehouse, &state, &lease, options, (now, end)).await {
        // Readers have the publication, and the next run corrects the record. A run that failed
        // reports its own error.
        if summary.status == RunStatus::Succeeded {
            let unwritten = unwritten.to_diagnostic();
            let message = "the run has published, but its end is not on record".to_owned();
            let notice = Diagnostic::warning(unwritten.code, message)
                .caused_by(unwritten.to_string())
                .hint("The next run puts on record that this one has published.");
            (options.observer)(Event::Notice(Box::new(notice)));
            summary.notices = notices.all();
        } else if error.is_none() {
            return (summary, Some(unwritten));
        }
    }
    (summary, error)
}

/// Records the end of a run and releases its lease, in one transaction. It has no guard: a run that
/// was superseded cannot release anything, but may still write its own record.
async fn write_down(
    summary: &RunSummary,
    warehouse: &Arc<dyn Warehouse>,
    state: &State<'_>,
    lease: &Lease,
    options: &RunOptions,
    (started, ended): (Timestamp, Timestamp),
) -> Result<()> {
    let json = serde_json::to_value(summary)
        .map_err(|error| Error::new(ErrorKind::Internal, "a summary cannot be written").caused_by(error))?;
    let record = record(summary, &json, started, Some(ended), lease.fence());
    let mut statements = state.tables().record_run(&record).to_vec();
    statements.push(lease.release());
    let write = || warehouse.transact(&statements);
    let written = retry::while_lost("the record of the run", &options.observer, sleep, write);
    match timeout(LAST_WORDS, written).await {
        Ok(written) => written.map(drop),
        Err(_) => {
            let message =
                format!("the warehouse did not take the record of the run within {} s", LAST_WORDS.as_secs());
            Err(Error::new(ErrorKind::TimedOut, message))
        }
    }
}

/// The data version that a run has published before it ended early; the answer to its publish may
/// have been lost. `None` also if the warehouse does not answer.
async fn has_published(state: &State<'_>, run: &str) -> Option<u64> {
    timeout(LAST_WORDS, published_by(state, run)).await.ok()?.ok()?
}

/// The data version that a run has published, if it is among the kept ones.
async fn published_by(state: &State<'_>, run: &str) -> Result<Option<u64>> {
    let known = state.publications(KEPT).await?.into_iter();
    Ok(known.filter(|publication| publication.run == run).map(|publication| publication.publication).next())
}

/// The error for a scheduled run that waited for the lease while another server handled the same
/// time. Errors of the query are ignored: then the run begins.
async fn run_elsewhere(state: &State<'_>, trigger: &Trigger) -> Option<Error> {
    let due = match trigger.kind {
        TriggerKind::Schedule | TriggerKind::CatchUp => trigger.scheduled_for?,
        TriggerKind::Command | TriggerKind::Retry | TriggerKind::Api => return None,
    };
    let handled = state.schedule_handled().await.ok()??;
    (handled >= due).then(|| {
        let message = format!("another server has run for {} already", rfc3339(due));
        Error::new(ErrorKind::RunElsewhere, message)
    })
}

/// Migrates the state and takes the lease; tells the observer if it has to wait.
async fn take_lease(state: &State<'_>, run: &str, options: &RunOptions) -> Result<Lease> {
    state.migrate().await?;
    let waiting = |held: &Held| {
        let other = format!("run {}", held.run);
        (options.observer)(Event::Waiting { other, holder: held.holder.clone() });
    };
    state.take_lease(run, &options.holder, options.is_gone, options.wait, waiting).await
}

fn cancelled() -> Error {
    Error::new(
        ErrorKind::Cancelled,
        "the run was stopped; what was under way was rolled back, nothing was published",
    )
}

/// Marks a summary as failed.
fn fail(summary: &mut RunSummary, error: &Error) {
    let diagnostic = error.to_diagnostic();
    summary.status = RunStatus::Failed;
    summary.error = Some(RunError {
        code: diagnostic.code.as_str().to_owned(),
        message: diagnostic.to_string(),
        hint: diagnostic.hint,
    });
}

/// Completes a summary with its notices, end and duration. Returns the end.
fn finish(summary: &mut RunSummary, notices: &Notices, started: Instant) -> Timestamp {
    let end = Timestamp::now();
    summary.notices = notices.all();
    summary.finished_at = Some(rfc3339(end));
    summary.duration_ms = started.elapsed().as_millis() as u64;
    end
}

/// The row of `_millrace.runs` for a summary.
fn record<'a>(
    summary: &'a RunSummary,
    json: &'a serde_json::Value,
    started: Timestamp,
    finished: Option<Timestamp>,
    fence: i64,
) -> RunRecord<'a> {
    RunRecord {
        run: &summary.run,
        started_at: started.as_microsecond(),
        finished_at: finished.map(Timestamp::as_microsecond),
        status: summary.status.as_str(),
        summary: json,
        scheduled_for: summary.trigger.scheduled_for.map(Timestamp::as_microsecond),
        fence,
    }
}

/// A timestamp in RFC 3339, UTC, to the second: `2026-11-23T14:05:01Z`.
pub fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// An id for a run or a rollback: the time to the second, and 4 hex digits from a digest of
/// nanoseconds and process id that tell ids of the same second apart.
pub(crate) fn run_id(at: Timestamp) -> String {
    let digest = sha256(format!("{} {}", at.as_nanosecond(), std::process::id()));
    format!("{}-{}", at.strftime("%Y%m%dT%H%M%S"), &digest[..4])
}

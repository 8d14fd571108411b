//! How `millrace serve` reports scheduled runs: on stderr for people, and with `--json` also one
//! line for each run on stdout.

use jiff::Timestamp;
use millrace_core::project::SourceTexts;
use millrace_engine::run::rfc3339;
use millrace_engine::state::trigger::{Trigger, TriggerKind};
use millrace_server::runs::RunEnd;
use millrace_server::schedule::Told;
use serde_json::json;

use super::run::report;
use crate::terminal;

/// Reports one event of the schedule.
pub(super) fn say(told: &Told<'_>, as_json: bool) {
    match told {
        Told::Begun(trigger) => note(&format!("{} begins", name(trigger))),
        Told::Ended(trigger, end) => ended(trigger, end, as_json),
        Told::Again(at) => note(&format!("it will be tried again at {}", rfc3339(*at))),
        Told::Skipped(at) => note(&format!("the schedule's time {} went by without a run", rfc3339(*at))),
        Told::Trouble(diagnostic) => {
            terminal::diagnostics(std::slice::from_ref(diagnostic), &SourceTexts::new());
        }
    }
}

/// Reports the end of a scheduled run.
fn ended(trigger: &Trigger, end: &RunEnd, as_json: bool) {
    note(&format!("{} has ended", name(trigger)));
    match end {
        RunEnd::Refused(error) => terminal::diagnostics(&[error.to_diagnostic()], &SourceTexts::new()),
        RunEnd::Unsound(unsound) => terminal::diagnostics(&unsound.diagnostics, &unsound.texts),
        RunEnd::Ran(ran) => {
            // The exit code is unused: the server goes on.
            let _ = report(&ran.summary, ran.error.as_ref(), &ran.findings, &ran.texts);
            if as_json {
                terminal::json_line(&json!(ran.summary));
            }
        }
    }
}

/// The run in words, by the time for which it was scheduled.
fn name(trigger: &Trigger) -> String {
    let due = trigger.scheduled_for.map(rfc3339).unwrap_or_default();
    match trigger.kind {
        TriggerKind::CatchUp => format!("the run for {due}, which nobody was there to start,"),
        TriggerKind::Retry => format!("retry {} of the run for {due}", trigger.attempt - 1),
        _ => format!("the run for {due}"),
    }
}

/// Writes a line with the current time to stderr.
fn note(text: &str) {
    terminal::note(&format!("{}  {text}", rfc3339(Timestamp::now())));
}

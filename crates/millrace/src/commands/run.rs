//! `millrace run`

use std::sync::Arc;
use std::time::Duration;

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::project::SourceTexts;
use millrace_engine::cancel::Cancel;
use millrace_engine::run::{HeldBy, RunOptions, RunStatus, RunSummary};
use millrace_engine::trigger::{Trigger, TriggerKind};
use millrace_engine::warehouse::Warehouse;
use serde_json::json;

use super::Outcome;
use super::serve::stopped;
use crate::cli::Run;
use crate::exit::{self, Exit};
use crate::progress::{self, duration};
use crate::workspace::Workspace;
use crate::{process, terminal};

pub(super) async fn run(args: &Run) -> Outcome {
    let workspace = Workspace::sound(&args.place).await?;
    workspace.refuse_unset()?;
    let warehouse = workspace.warehouse().await?;
    let options = RunOptions {
        max_quarantine: args.max_quarantine,
        full_refresh: args.full_refresh,
        wait: args.wait,
        ..options(&workspace)
    };
    let (summary, exit) = run_in(&workspace, &warehouse, &options).await;
    if args.place.json {
        terminal::json_line(&json!(summary));
    }
    Ok(exit)
}

/// What a run is told where the command says nothing else.
pub(super) fn options(workspace: &Workspace) -> RunOptions {
    RunOptions {
        max_quarantine: None,
        full_refresh: false,
        trigger: Trigger::by(TriggerKind::Command),
        holder: process::holder(),
        is_gone: process::is_gone,
        wait: Duration::ZERO,
        cancel: cancelled_by_signals(),
        observer: progress::observer(workspace.compiled.project.texts.clone()),
    }
}

/// Runs and says to people what came of it.
pub(super) async fn run_in(
    workspace: &Workspace,
    warehouse: &Arc<dyn Warehouse>,
    options: &RunOptions,
) -> (RunSummary, Exit) {
    let (summary, error) = millrace_engine::run::run(&workspace.compiled, warehouse, options).await;
    if let Some(error) = error {
        terminal::diagnostics(&[error.to_diagnostic()], &workspace.compiled.project.texts);
        return (summary, Exit(error.kind().policy().exit));
    }
    report_tests(workspace, &summary);
    let time = duration(summary.duration_ms);
    let rows: u64 = summary.streams.iter().map(|stream| stream.rows_loaded).sum();
    let quarantined: u64 = summary.streams.iter().map(|stream| stream.rows_quarantined).sum();
    let version = summary.data_version.map_or("none".to_owned(), |version| version.to_string());
    let (rows, quarantined) =
        (millrace_engine::sync::grouped(rows), millrace_engine::sync::grouped(quarantined));
    let (words, exit) = match summary.status {
        RunStatus::Held => {
            report_hold(summary.held.as_ref());
            (format!("held: nothing was published; readers still see data version {version}"), exit::HELD)
        }
        RunStatus::Unchanged => (format!("unchanged: nothing is new; data version {version}"), exit::DONE),
        _ => (
            format!("published data version {version}: {rows} rows loaded, {quarantined} in quarantine"),
            exit::DONE,
        ),
    };
    terminal::note(&format!("{words} ({time})"));
    (summary, exit)
}

/// What holds a run, where it is no data test.
fn report_hold(held: Option<&HeldBy>) {
    let diagnostic = match held {
        Some(HeldBy::Blocked { what, hint }) => what.iter().fold(
            Diagnostic::error(Code::PublishBlocked, "the run is built and tested, but cannot be published")
                .hint(hint),
            |diagnostic, cause| diagnostic.caused_by(cause),
        ),
        Some(HeldBy::Rollback { publication }) => {
            let message = format!("somebody has rolled back to what is data version {publication} now");
            Diagnostic::error(Code::RolledBack, message)
                .hint("`millrace rollback --release` lets the next run publish.")
        }
        Some(HeldBy::Tests) | None => return,
    };
    terminal::diagnostics(&[diagnostic], &SourceTexts::new());
}

/// A token that Ctrl-C or SIGTERM sets. A second signal ends the process at once, as the system does it.
pub(super) fn cancelled_by_signals() -> Cancel {
    let cancel = Cancel::default();
    let token = cancel.clone();
    tokio::spawn(async move {
        stopped().await;
        terminal::note("stopping: what is under way is rolled back");
        token.cancel();
        stopped().await;
        #[expect(clippy::exit, reason = "a second Ctrl-C means: now")]
        std::process::exit(130);
    });
    cancel
}

/// Each data test that found rows, as a diagnostic at its place.
fn report_tests(workspace: &Workspace, summary: &RunSummary) {
    let found: Vec<Diagnostic> = summary
        .tests
        .iter()
        .filter(|result| result.rows > 0)
        .map(|result| {
            let rows = if result.rows == 1 { "1 row".to_owned() } else { format!("{} rows", result.rows) };
            let message = format!("data test `{}` failed for {rows}", result.test);
            let diagnostic = if result.holds() {
                Diagnostic::error(Code::TestFailed, message)
            } else {
                Diagnostic::warning(Code::TestFailed, message)
            };
            let test = workspace.compiled.tests.iter().find(|test| test.name() == result.test);
            let diagnostic = match test {
                Some(test) => {
                    let text = test.derived_from.clone().unwrap_or_default();
                    diagnostic.at(test.span.clone(), text)
                }
                None => diagnostic,
            };
            diagnostic
                .hint(format!("Look at them: `millrace query \"select * from {} limit 10\"`.", result.table))
        })
        .collect();
    terminal::diagnostics(&found, &workspace.compiled.project.texts);
}

//! `millrace run`: loads, builds, tests and publishes, here or through a running server.
//!
//! If a server owns the warehouse's file, the run happens inside the server (`run_there`).
//! Otherwise this process checks the project, opens the warehouse and runs.

use std::sync::Arc;
use std::time::Duration;

use millrace_core::diagnostic::Diagnostic;
use millrace_core::project::SourceTexts;
use millrace_engine::cancel::Cancel;
use millrace_engine::error::Error;
use millrace_engine::ports::warehouse::Warehouse;
use millrace_engine::run::report::findings;
use millrace_engine::run::{RunOptions, RunStatus, RunSummary};
use millrace_engine::state::trigger::{Trigger, TriggerKind};
use serde_json::json;

use super::{Outcome, run_there};
use crate::cli::Run;
use crate::exit::{self, Exit};
use crate::owner::Server;
use crate::progress::{self, duration};
use crate::reach::Reached;
use crate::workspace::{Loaded, Workspace};
use crate::{process, signals, terminal};

/// Runs the verb.
pub(super) async fn run(args: &Run) -> Outcome {
    let loaded = Loaded::read(&args.place)?;
    // Before compiling: a server compiles the project itself, with its own environment variables.
    if let Some((environment, server)) = loaded.server()?
        && server.answers().await.is_ok()
    {
        return run_there::run(args, &server, &environment, loaded.texts()).await;
    }
    let workspace = loaded.compile().await?.checked()?;
    workspace.refuse_unset()?;
    workspace.check_before_run().await?;
    let warehouse = match workspace.reach(args.wait).await? {
        Reached::Here(warehouse) => warehouse,
        // A server has started meanwhile, or answers only after the wait.
        Reached::There(server) => {
            let compiled = &workspace.compiled;
            return run_there::run(args, &server, &compiled.environment, &compiled.project.texts).await;
        }
    };
    let options = RunOptions {
        max_quarantine: args.max_quarantine,
        full_refresh: args.full_refresh,
        allow_empty: args.allow_empty,
        wait: args.wait,
        ..options(&workspace, cancelled_by_signals())
    };
    let (summary, exit) = run_in(&workspace, &warehouse, &options).await;
    if matches!(summary.status, RunStatus::Succeeded | RunStatus::Unchanged) {
        tell_server(&workspace).await;
    }
    if args.place.json {
        terminal::json_line(&json!(summary));
    }
    Ok(exit)
}

/// Tells a server of the same project that this process has published, so that its open pages
/// update at once. Only needed for a warehouse that is not a file: there, the server does not run
/// the project itself.
pub(super) async fn tell_server(workspace: &Workspace) {
    let server = Server::beside(&workspace.dir, &workspace.compiled.environment);
    if let Ok(Some(server)) = server {
        // If this fails, the next request of a page finds the publication.
        let _ = server.client().published().await;
    }
}

/// The options of a run by this process, with the defaults of the command line.
pub(super) fn options(workspace: &Workspace, cancel: Cancel) -> RunOptions {
    RunOptions {
        max_quarantine: None,
        full_refresh: false,
        allow_empty: false,
        trigger: Trigger::by(TriggerKind::Command),
        holder: process::holder(),
        is_gone: process::is_gone,
        wait: Duration::ZERO,
        cancel,
        observer: progress::observer(workspace.compiled.project.texts.clone()),
    }
}

/// Runs and reports the outcome on stderr. Returns the record of the run and the exit code.
pub(super) async fn run_in(
    workspace: &Workspace,
    warehouse: &Arc<dyn Warehouse>,
    options: &RunOptions,
) -> (RunSummary, Exit) {
    let (summary, error) = millrace_engine::run::run(&workspace.compiled, warehouse, options).await;
    let said = if error.is_some() { Vec::new() } else { findings(&workspace.compiled, &summary) };
    let exit = report(&summary, error.as_ref(), &said, &workspace.compiled.project.texts);
    (summary, exit)
}

/// Reports the outcome of a run on stderr and returns the exit code: the error, or the findings and
/// one line with status, counts and time.
pub(super) fn report(
    summary: &RunSummary,
    error: Option<&Error>,
    said: &[Diagnostic],
    texts: &SourceTexts,
) -> Exit {
    // An error decides the exit code by its kind; the counts of an incomplete run would mislead.
    if let Some(error) = error {
        terminal::diagnostics(&[error.to_diagnostic()], texts);
        return Exit(error.kind().policy().exit);
    }
    terminal::diagnostics(said, texts);
    let time = duration(summary.duration_ms);
    let loaded: u64 = summary.streams.iter().map(|stream| stream.rows_loaded).sum();
    let quarantined: u64 = summary.streams.iter().map(|stream| stream.rows_quarantined).sum();
    let version = summary.data_version.map_or("none".to_owned(), |version| version.to_string());
    let (rows, quarantined) =
        (millrace_core::visible::grouped(loaded), millrace_core::visible::grouped(quarantined));
    let removed: u64 = summary.streams.iter().map(|stream| stream.rows_removed).sum();
    let removed = match removed {
        0 => String::new(),
        removed => format!(", {} removed", millrace_core::visible::grouped(removed)),
    };
    let (words, exit) = match summary.status {
        RunStatus::Held => {
            (format!("held: nothing was published; readers still see data version {version}"), exit::HELD)
        }
        RunStatus::Unchanged => {
            let news = if summary.has_news() {
                format!("{rows} rows loaded{removed}, which nothing published reads")
            } else {
                "nothing is new".to_owned()
            };
            (format!("unchanged: {news}; data version {version}"), exit::DONE)
        }
        _ => (
            format!(
                "published data version {version}: {rows} rows loaded, {quarantined} in quarantine{removed}"
            ),
            exit::DONE,
        ),
    };
    terminal::note(&format!("{words} ({time})"));
    exit
}

/// A token that Ctrl-C or SIGTERM sets, with a note to the user.
pub(super) fn cancelled_by_signals() -> Cancel {
    signals::cancelled(Some("stopping: what is under way is rolled back"))
}

//! `millrace run`

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

pub(super) async fn run(args: &Run) -> Outcome {
    let loaded = Loaded::read(&args.place)?;
    // Before the project is compiled: the server does that, with its own environment variables.
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

/// A warehouse that is no file has been written beside a server of the same project: its open pages move on at once.
pub(super) async fn tell_server(workspace: &Workspace) {
    let server = Server::beside(&workspace.dir, &workspace.compiled.environment);
    if let Ok(Some(server)) = server {
        // Where it does not hear it, the next request of a page finds out.
        let _ = server.client().published().await;
    }
}

/// What a run is told where the command says nothing else.
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

/// Runs and says to people what came of it.
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

/// Says what came of a run.
pub(super) fn report(
    summary: &RunSummary,
    error: Option<&Error>,
    said: &[Diagnostic],
    texts: &SourceTexts,
) -> Exit {
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

/// A token that Ctrl-C or SIGTERM sets.
pub(super) fn cancelled_by_signals() -> Cancel {
    signals::cancelled(Some("stopping: what is under way is rolled back"))
}

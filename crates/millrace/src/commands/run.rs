//! `millrace run`

use std::sync::Arc;

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_engine::run::{RunOptions, RunStatus, RunSummary};
use millrace_engine::warehouse::Warehouse;
use serde_json::json;

use super::Outcome;
use crate::cli::Run;
use crate::exit::{self, Exit};
use crate::progress::{self, duration};
use crate::terminal;
use crate::workspace::Workspace;

pub(super) async fn run(args: &Run) -> Outcome {
    let workspace = Workspace::sound(&args.place).await?;
    workspace.refuse_unset()?;
    let warehouse = workspace.warehouse().await?;
    let options = RunOptions {
        max_quarantine: args.max_quarantine,
        full_refresh: args.full_refresh,
        observer: progress::observer(workspace.compiled.project.texts.clone()),
    };
    let (summary, exit) = run_in(&workspace, &warehouse, &options).await;
    if args.place.json {
        terminal::json_line(&json!(summary));
    }
    Ok(exit)
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

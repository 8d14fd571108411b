//! `millrace run` while a server owns the warehouse: the server runs, this process shows the
//! progress.
//!
//! Ctrl-C cancels the run in the server. If this process dies, its connection closes and the server
//! cancels the run as well.

use std::time::Duration;

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::project::SourceTexts;
use millrace_core::project::manifest::QuarantineLimit;
use millrace_engine::error::{Error, ErrorKind};
use millrace_server::control::{RemoteEnd, RunAsked};
use serde_json::json;

use super::Outcome;
use super::run::{cancelled_by_signals, report};
use crate::cli::Run;
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::owner::Server;
use crate::{progress, terminal};

/// How long a cancelled run may take to roll back before this process gives up on it.
const ROLLING_BACK: Duration = Duration::from_secs(10);

/// Requests the run and follows it to its end. Refuses a server that has the file but serves
/// another environment.
pub(super) async fn run(args: &Run, server: &Server, environment: &str, texts: &SourceTexts) -> Outcome {
    if server.environment() != environment {
        return Err(other_environment(server, environment));
    }
    terminal::note(&format!(
        "through the server of process {}, environment `{environment}`",
        server.process()
    ));
    let asked = RunAsked {
        full_refresh: args.full_refresh,
        allow_empty: args.allow_empty,
        max_quarantine: args.max_quarantine.map(written),
        vars: args.place.vars.clone(),
        wait_ms: args.wait.as_millis() as u64,
    };
    let run = server.client().run(&asked).await?;
    let observer = progress::observer(texts.clone());
    let (cancel, canceller) = (cancelled_by_signals(), run.canceller());
    let stopping = async {
        cancel.cancelled().await;
        // If the request fails, the end of this process closes the connection, which cancels the
        // run.
        let _ = canceller.await;
        tokio::time::sleep(ROLLING_BACK).await;
    };
    let end = tokio::select! {
        end = run.follow(&observer) => end?,
        () = stopping => {
            let message = "the run was told to stop, but has not ended yet";
            let error = Error::new(ErrorKind::Cancelled, message).hint("`millrace status` says how it ends.");
            return Err(error.into());
        }
    };
    say(args, end)
}

/// Reports the end of the run as if it had run here.
fn say(args: &Run, end: RemoteEnd) -> Outcome {
    let Some(summary) = end.summary else {
        return Err(match end.error {
            Some(error) => error.into(),
            None => {
                let exit = Exit::of(&end.said);
                Failure { diagnostics: end.said, texts: end.texts, exit }
            }
        });
    };
    let exit = report(&summary, end.error.as_ref(), &end.said, &end.texts);
    if args.place.json {
        terminal::json_line(&json!(summary));
    }
    Ok(exit)
}

/// The limit in the form of the command line, which the server parses.
fn written(limit: QuarantineLimit) -> String {
    match limit {
        QuarantineLimit::Rows(rows) => rows.to_string(),
        QuarantineLimit::Percent(share) => format!("{share}%"),
    }
}

/// The failure if the server serves another environment with the same file.
fn other_environment(server: &Server, environment: &str) -> Failure {
    let message = format!(
        "the server of process {} has the file of environment `{environment}`, but serves environment `{}`",
        server.process(),
        server.environment()
    );
    let hint = format!("Give `--env {}`, or stop that server.", server.environment());
    Failure::new(Diagnostic::error(Code::WarehouseLocked, message).hint(hint), exit::UNREACHABLE)
}

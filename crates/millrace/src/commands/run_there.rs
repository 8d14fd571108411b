//! `millrace run` while a server has the warehouse: the server runs, this process says how it goes.

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

/// How long a run that was told to stop may take to roll back what is under way.
const ROLLING_BACK: Duration = Duration::from_secs(10);

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
        // Where the server does not hear it, the end of this process and its connection tells.
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

/// As the command line takes it.
fn written(limit: QuarantineLimit) -> String {
    match limit {
        QuarantineLimit::Rows(rows) => rows.to_string(),
        QuarantineLimit::Percent(share) => format!("{share}%"),
    }
}

fn other_environment(server: &Server, environment: &str) -> Failure {
    let message = format!(
        "the server of process {} has the file of environment `{environment}`, but serves environment `{}`",
        server.process(),
        server.environment()
    );
    let hint = format!("Give `--env {}`, or stop that server.", server.environment());
    Failure::new(Diagnostic::error(Code::WarehouseLocked, message).hint(hint), exit::UNREACHABLE)
}

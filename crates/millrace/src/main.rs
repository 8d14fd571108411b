//! The `millrace` binary: arguments, environment variables, terminal output, exit codes and wiring.
//!
//! It is the only crate that prints, exits or reads the environment. `commands` has one file for
//! each verb; everything else here is what the verbs share.

mod checked;
mod cli;
mod commands;
mod demo;
mod exit;
mod failure;
mod folder;
mod owner;
mod process;
mod progress;
mod reach;
mod signals;
mod terminal;
mod tool;
mod variables;
mod workspace;

use std::process::ExitCode;

use clap::Parser as _;

/// Parses the command line, starts the runtime and runs the verb.
fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap prints help and version to stdout, errors to stderr. A closed pipe is not an
            // error.
            let _ = error.print();
            return if error.use_stderr() { exit::PROJECT.into() } else { exit::DONE.into() };
        }
    };
    if let Some(point) = variables::arm_fault() {
        terminal::error_line(&format!("there is no fault point `{point}` (MILLRACE_FAULT)"));
        return exit::PROJECT.into();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::error_line(&format!("the runtime cannot start: {error}"));
            return exit::BUG.into();
        }
    };
    let code = runtime.block_on(commands::dispatch(cli));
    // After an interruption, blocking work may still occupy a thread; the process waits five
    // seconds at most for it.
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    code.into()
}

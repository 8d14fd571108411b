//! `millrace`: argv, environment, terminal, exit codes, wiring. The only crate that prints, exits or reads the environment.

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

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout, everything else to stderr; clap knows which. A closed pipe is nobody's error.
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
    // Work that somebody interrupted may still sit in a thread; the process does not wait for it.
    runtime.shutdown_timeout(std::time::Duration::from_secs(5));
    code.into()
}

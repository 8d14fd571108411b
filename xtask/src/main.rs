//! `cargo xtask …`: what a line of the Makefile can't say well.

mod browser;
mod fuzz;
mod house;
mod libduckdb;
mod mysql;
mod mysql_9;
mod npm;
mod test_deps;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a task says when it fails.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let task = std::env::args().nth(1).unwrap_or_default();
    let outcome = match task.as_str() {
        "libduckdb" => libduckdb::fetch(),
        "mysql" => mysql::fetch(),
        "mysql-9" => mysql_9::fetch(),
        "test-deps" => test_deps::install(),
        "house" => house::report(),
        "browser-test" => browser::test(),
        "fuzz" => fuzz::run(&std::env::args().skip(2).collect::<Vec<_>>()),
        other => Err(format!(
            "there is no task `{other}`; there are: libduckdb, mysql, mysql-9, test-deps, house, browser-test, fuzz"
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            say(&format!("error: {message}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a task talks to the person who started it")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// The repository's folder.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

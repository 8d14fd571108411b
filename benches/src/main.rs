//! The benchmarks behind `docs/reference/performance.md`, each beside a reference that does the same in the same run.

mod measure;
mod rows;
mod star;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a benchmark says when it cannot go on.
type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match star::bench(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            say(&format!("error: {message}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "it talks to the person who started it")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// The repository's folder.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

//! The benchmarks behind `docs/reference/performance.md`. Each is measured beside a reference that
//! does the same work in the same run.

mod again;
mod files;
mod measure;
mod page;
mod rows;
mod star;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::page::Options;

/// The result of a benchmark, or the message why it cannot go on.
type Outcome = Result<(), String>;

/// A benchmark, which writes its section of the page.
type Bench = fn(&Options) -> Outcome;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match bench(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            say(&format!("error: {message}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs the benchmarks that the arguments `[star] [files] [wire] [again] [OPTIONS]` name, or all of
/// them if none is named.
fn bench(arguments: &[String]) -> Outcome {
    let all: [(&str, Bench); 4] =
        [("star", star::bench), ("files", files::bench), ("wire", wire::bench), ("again", again::bench)];
    let first = arguments.iter().position(|argument| argument.starts_with("--")).unwrap_or(arguments.len());
    let (names, options) = arguments.split_at(first);
    let options = Options::read(options)?;
    if let Some(name) = names.iter().find(|name| all.iter().all(|(known, _)| known != name)) {
        return Err(format!("there is no benchmark `{name}`"));
    }
    let wanted = |name: &str| names.is_empty() || names.iter().any(|other| other == name);
    all.into_iter().filter(|(name, _)| wanted(name)).try_for_each(|(_, bench)| bench(&options))
}

/// Prints a line to stderr.
#[expect(clippy::print_stderr, reason = "it talks to the person who started it")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// The repository's folder.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

//! The fuzz targets, with libFuzzer: built with coverage by stable flags of the compiler, and run two at a time.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::{Outcome, root, say};

/// What tells libFuzzer where a run has been and what it compared. What is fuzzed has no `unsafe` of ours, so there is no address sanitizer, which
/// would need a nightly compiler.
const FLAGS: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];

/// How many targets run at the same time.
const AT_ONCE: usize = 2;

/// Builds all targets and runs each for so many seconds; or only those that are named.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let (mut seconds, mut wanted) = (60u64, Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--seconds" {
            seconds = rest.next().and_then(|n| n.parse().ok()).ok_or("`--seconds` needs a number")?;
        } else {
            wanted.push(argument.clone());
        }
    }
    let folder = root().join("fuzz");
    let targets = targets(&folder, &wanted)?;
    let binaries = build(&folder)?;
    let mut waiting = targets.iter();
    let mut running: Vec<(String, Child)> = Vec::new();
    let mut found = Vec::new();
    loop {
        while running.len() < AT_ONCE
            && let Some(target) = waiting.next()
        {
            say(&format!("fuzz {target} for {seconds} s"));
            running.push((target.clone(), start(&folder, &binaries, target, seconds)?));
        }
        if running.is_empty() {
            break;
        }
        let mut still = Vec::new();
        for (target, mut child) in running {
            match child.try_wait().map_err(|error| format!("`{target}` cannot be waited for: {error}"))? {
                None => still.push((target, child)),
                Some(ended) => {
                    say(&last_words(&folder, &target));
                    if !ended.success() {
                        found.push(target);
                    }
                }
            }
        }
        running = still;
        std::thread::sleep(Duration::from_millis(100));
    }
    if found.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} found something: see fuzz/artifacts, where a file for each is what `fuzz/target/…/release/TARGET FILE` fails with",
        found.join(", ")
    ))
}

/// The targets that there are, or those of them that are wanted.
fn targets(folder: &Path, wanted: &[String]) -> Result<Vec<String>, String> {
    let entries =
        std::fs::read_dir(folder.join("fuzz_targets")).map_err(|error| format!("no targets: {error}"))?;
    let stem = |path: PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
    let mut all: Vec<String> = entries.flatten().filter_map(|entry| stem(entry.path())).collect();
    all.sort();
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(name)) {
        return Err(format!("there is no target `{unknown}`; there are: {}", all.join(", ")));
    }
    Ok(if wanted.is_empty() { all } else { wanted.to_vec() })
}

/// Builds them, and returns the folder in which they are.
fn build(folder: &Path) -> Result<PathBuf, String> {
    let version = Command::new("rustc").arg("-vV").output().map_err(|error| format!("no rustc: {error}"))?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc names no host")?;
    let built = Command::new("cargo")
        .args(["build", "--release", "--locked", "--bins", "--target", host])
        .current_dir(folder)
        // What is built for this task itself has none of it: with a target named, scripts and macros are built without these flags.
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"))
        .env_remove("CARGO_TARGET_DIR")
        .status()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    if !built.success() {
        return Err("the fuzz targets cannot be built".to_owned());
    }
    Ok(folder.join("target").join(host).join("release"))
}

/// Starts one, on what an earlier run has found beside the seeds.
fn start(folder: &Path, binaries: &Path, target: &str, seconds: u64) -> Result<Child, String> {
    let (corpus, artifacts) = (folder.join("corpus").join(target), folder.join("artifacts").join(target));
    let log = artifacts.join("log");
    let made = std::fs::create_dir_all(&corpus).and_then(|()| std::fs::create_dir_all(&artifacts));
    let log =
        made.and_then(|()| std::fs::File::create(log)).map_err(|error| format!("no folder: {error}"))?;
    Command::new(binaries.join(target))
        .arg(format!("-max_total_time={seconds}"))
        .args(["-timeout=20", "-rss_limit_mb=2048", "-max_len=4096", "-print_final_stats=1"])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(corpus)
        .arg(folder.join("seeds").join(target))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(|error| format!("`{target}` does not start: {error}"))
}

/// How many runs there were, or, after a finding, the end of its log.
fn last_words(folder: &Path, target: &str) -> String {
    let log = std::fs::read(folder.join("artifacts").join(target).join("log")).unwrap_or_default();
    let log = String::from_utf8_lossy(&log).into_owned();
    let runs = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    match runs {
        Some(runs) if !log.contains("ERROR: libFuzzer") => {
            format!("fuzz {target}: {} runs, nothing found", runs.trim())
        }
        _ => {
            let lines: Vec<&str> = log.lines().collect();
            let last = lines[lines.len().saturating_sub(60)..].join("\n");
            format!("fuzz {target}:\n{last}")
        }
    }
}

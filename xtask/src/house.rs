//! The house rules that a test can hold.

use std::path::{Path, PathBuf};

use crate::root;

/// Files of the repository's own, below these folders, with one of these endings.
fn files(folders: &[&str], endings: &[&str]) -> Vec<PathBuf> {
    fn walk(folder: &Path, endings: &[&str], found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "target" | "node_modules" | "dist" | ".git" | ".cache") {
                    walk(&path, endings, found);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for folder in folders {
        walk(&root().join(folder), endings, &mut found);
    }
    found.sort();
    found
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a file that was just listed")
}

/// The lines before a file's own tests.
fn code(path: &Path) -> String {
    text(path).split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let sources = files(
        &["benches", "crates", "fuzz", "xtask", "web/src", "web/dev", "web/browser-test"],
        &[".rs", ".ts", ".svelte", ".mjs"],
    );
    assert!(sources.len() > 100, "only {} files were found", sources.len());
    let long: Vec<String> = sources
        .iter()
        .map(|path| (path, text(path).lines().count()))
        .filter(|(_, lines)| *lines > 500)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn the_core_does_no_io_and_reads_no_clock() {
    for path in files(&["crates/millrace-core/src"], &[".rs"]) {
        let code = code(&path);
        for word in [
            "std::fs",
            "std::env",
            "std::net",
            "std::process",
            "std::thread",
            "SystemTime",
            "Instant::now",
            "Timestamp::now",
        ] {
            assert!(!code.contains(word), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn the_engine_names_no_database_product() {
    for path in files(&["crates/millrace-engine/src"], &[".rs"]) {
        let code = text(&path).to_lowercase();
        for word in ["duckdb", "postgres", "mysql", "mariadb", "neon", "sqlite"] {
            assert!(!code.contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn only_the_binary_prints_exits_or_reads_the_environment() {
    let folders = [
        "crates/millrace-core/src",
        "crates/millrace-engine/src",
        "crates/millrace-connectors/src",
        "crates/millrace-server/src",
    ];
    for path in files(&folders, &[".rs"]) {
        let code = code(&path);
        for word in ["println!", "eprintln!", "process::exit", "env::var", "env::args"] {
            assert!(!code.contains(word), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn nothing_names_a_machine() {
    let endings = [".rs", ".ts", ".svelte", ".mjs", ".md", ".yml", ".toml", ".json", "Makefile", "run"];
    // Written in pieces, so that this file passes its own test.
    let words = [["/wo", "rk/"].concat(), ["registry.", "npmjs"].concat(), ["/ro", "ot/"].concat()];
    for path in
        files(&["benches", "crates", "fuzz", "xtask", "web", "examples", "docs", ".ci", ".cargo"], &endings)
    {
        let text = text(&path);
        for word in &words {
            assert!(!text.contains(word.as_str()), "{} names {word}", path.display());
        }
    }
}

#[test]
fn code_is_unsafe_in_one_module() {
    // The fuzz targets are a workspace of their own, without the lint.
    let words = ["_code", " {", " fn", " impl"].map(|after| ["unsafe", after].concat());
    let mut with = files(&["benches", "crates", "fuzz", "xtask"], &[".rs"]);
    with.retain(|path| words.iter().any(|word| text(path).contains(word)));
    assert_eq!(with, [root().join("crates/millrace-connectors/src/duckdb/vector.rs")]);
}

#[test]
fn modules_say_what_they_hold() {
    for path in files(&["benches", "crates", "xtask"], &[".rs"]) {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        assert!(
            !matches!(
                stem.as_str(),
                "utils" | "util" | "common" | "types" | "helpers" | "imp" | "core" | "misc"
            ),
            "{}",
            path.display()
        );
    }
}

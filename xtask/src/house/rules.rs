//! The house rules that a test can hold.

use crate::house::imports::{Crate, crates, names};
use crate::house::lengths::long_functions;
use crate::house::sources::{all, code, files, rust, shown, text};
use crate::house::stages::upward_imports;
use crate::house::{LONG_FUNCTION, LONG_FUNCTIONS, LONGEST_FILE};
use crate::root;

#[test]
fn no_file_is_longer_than_500_lines() {
    let sources = all();
    assert!(sources.len() > 100, "only {} files were found", sources.len());
    let long: Vec<String> = sources
        .iter()
        .map(|path| (path, text(path).lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(path, lines)| format!("{}: {lines} lines", shown(path)))
        .collect();
    assert!(long.is_empty(), "{long:#?}");
}

#[test]
fn long_functions_become_fewer() {
    assert_eq!(long_functions(&rust(), LONG_FUNCTION).len(), LONG_FUNCTIONS, "see `cargo xtask house`");
}

#[test]
fn no_circle_of_imports_spans_two_folders() {
    for (name, folder) in crates() {
        let found = Crate::read(&folder);
        assert!(found.len() > 1, "{name} has only {} files", found.len());
        for circle in found.circles() {
            assert_eq!(found.folders(&circle).len(), 1, "{name}: {:?}", names(&circle));
        }
    }
}

#[test]
fn the_engine_imports_only_stages_before_its_own() {
    let (imports, upward) = upward_imports();
    assert!(imports > 100, "only {imports} imports were found");
    assert!(upward.is_empty(), "{upward:#?}");
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

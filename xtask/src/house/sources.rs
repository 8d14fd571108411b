//! The repository's own files.

use std::path::{Path, PathBuf};

use crate::root;

/// Files of the repository's own, below these folders, with one of these endings.
pub(super) fn files(folders: &[&str], endings: &[&str]) -> Vec<PathBuf> {
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

/// All that is written by hand, of both languages.
pub(super) fn all() -> Vec<PathBuf> {
    let folders = ["benches", "crates", "fuzz", "xtask", "web/src", "web/dev", "web/browser-test"];
    let mut found = files(&folders, &[".rs", ".ts", ".svelte", ".mjs"]);
    // A generator makes these.
    found.retain(|path| !path.to_string_lossy().ends_with(".gen.ts"));
    found
}

/// Rust that is no test.
pub(super) fn rust() -> Vec<PathBuf> {
    let mut found = files(&["benches", "crates", "fuzz", "xtask"], &[".rs"]);
    found.retain(|path| !is_test(path));
    found
}

pub(super) fn is_test(path: &Path) -> bool {
    let in_tests = path.components().any(|part| part.as_os_str() == "tests");
    in_tests || path.file_stem().is_some_and(|stem| stem == "tests" || stem == "soundness")
}

/// The text of a file that was listed.
pub(super) fn text(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a file that was just listed")
}

/// The lines before a file's own tests.
pub(super) fn code(path: &Path) -> String {
    let text = text(path);
    let is_tests = |at: usize| text[at..].lines().nth(1).is_some_and(|line| line.ends_with("mod tests {"));
    let tests = text.match_indices("#[cfg(test)]\n").map(|(at, _)| at).find(|at| is_tests(*at));
    text[..tests.unwrap_or(text.len())].to_owned()
}

/// A path as people write it: from the repository's folder on.
pub(super) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

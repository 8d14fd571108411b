//! How long files and functions are, and how much is written about them. The code is formatted, so a function ends at the brace that is
//! indented as its first line is.

use std::path::PathBuf;

use crate::house::sources::{code, text};

/// How the lengths of files are spread.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) median: usize,
    pub(super) percentile_90: usize,
    pub(super) largest: (PathBuf, usize),
}

impl Spread {
    pub(super) fn of(files: &[PathBuf]) -> Self {
        let mut lines: Vec<(usize, &PathBuf)> =
            files.iter().map(|file| (text(file).lines().count(), file)).collect();
        lines.sort();
        let at = |share: f64| lines[((lines.len() - 1) as f64 * share) as usize];
        let (most, longest) = at(1.0);
        Self { median: at(0.5).0, percentile_90: at(0.9).0, largest: (longest.clone(), most) }
    }
}

/// A function with more lines than it should have.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LongFunction {
    pub(super) lines: usize,
    pub(super) file: PathBuf,
    pub(super) name: String,
}

/// Functions with more lines than that, the longest first.
pub(super) fn long_functions(files: &[PathBuf], most: usize) -> Vec<LongFunction> {
    let of_file = |file: &PathBuf| {
        let long = functions(&code(file)).into_iter().filter(move |(_, lines)| *lines > most);
        long.map(|(name, lines)| LongFunction { lines, file: file.clone(), name }).collect::<Vec<_>>()
    };
    let mut found: Vec<LongFunction> = files.iter().flat_map(of_file).collect();
    found.sort_by(|a, b| b.cmp(a));
    found
}

/// The functions of a text with a body, and their lines but for comments.
fn functions(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indent}}}");
        let no_body = format!("{indent});");
        let rest = lines[at..].iter().enumerate();
        let last = rest.take_while(|(_, line)| !line.starts_with(&no_body)).find(|(after, line)| {
            if *after == 0 { line.ends_with('}') || line.ends_with(';') } else { line.starts_with(&end) }
        });
        if let Some((after, _)) = last {
            found.push((name.to_owned(), after + 1));
        }
    }
    found
}

fn function_name(line: &str) -> Option<&str> {
    const BEFORE: [&str; 8] =
        ["pub ", "pub(crate) ", "pub(super) ", "default ", "const ", "async ", "unsafe ", "extern \"C\" "];
    let mut rest = line.trim_start();
    while let Some(after) = BEFORE.iter().find_map(|word| rest.strip_prefix(word)) {
        rest = after;
    }
    let name = rest.strip_prefix("fn ")?;
    Some(&name[..name.find(|c: char| !c.is_alphanumeric() && c != '_')?])
}

/// Lines of comments, and lines with code, outside of tests.
pub(super) fn documentation(files: &[PathBuf]) -> (usize, usize) {
    let (mut comments, mut lines) = (0, 0);
    for file in files {
        for line in code(file).lines().map(str::trim).filter(|line| !line.is_empty()) {
            if line.starts_with("//") { comments += 1 } else { lines += 1 }
        }
    }
    (comments, lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_ends_at_its_own_brace() {
        let text = "trait T {\n    fn none(&self);\n    fn spread(\n        a: u8,\n    );\n}\n\
                    pub(crate) async fn long(\n    a: u8,\n) -> u8 {\n    // Why.\n    if a {\n    }\n    a\n}\nfn short() {}\n";
        let found = functions(text);
        let expected = [("none", 1), ("long", 7), ("short", 1)].map(|(name, lines)| (name.to_owned(), lines));
        assert_eq!(found, expected);
    }
}

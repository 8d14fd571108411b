//! Output: data goes to stdout, everything else to stderr.
//!
//! Write errors are ignored, because a closed pipe is not an error of the command.

use std::io::{self, IsTerminal as _, Write as _};

use millrace_core::diagnostic::{Diagnostic, Severity};
use millrace_core::project::SourceTexts;
use millrace_core::render;
use millrace_core::visible::{columns, visible};
use serde_json::Value as Json;

use crate::variables;

/// Whether text on stderr is coloured: the environment variables decide, else whether it is a
/// terminal.
pub(crate) fn color() -> bool {
    variables::color().unwrap_or_else(|| io::stderr().is_terminal())
}

/// Whether stderr is a terminal.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Writes a line of data to stdout.
pub(crate) fn data_line(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Writes a JSON value as one line to stdout.
pub(crate) fn json_line(value: &Json) {
    data_line(&value.to_string());
}

/// Writes a line for people to stderr.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes an error that has no diagnostic to stderr.
pub(crate) fn error_line(text: &str) {
    note(&format!("error: {text}"));
}

/// Writes diagnostics to stderr, then the count of errors and warnings. Writes nothing if there are
/// none.
pub(crate) fn diagnostics(diagnostics: &[Diagnostic], texts: &SourceTexts) {
    let color = color();
    for diagnostic in diagnostics {
        note(&render::to_terminal(diagnostic, texts, color));
    }
    let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let words = [(count(Severity::Error), "error"), (count(Severity::Warning), "warning")];
    let words: Vec<String> =
        words.iter().filter(|(count, _)| *count > 0).map(|(count, word)| counted(*count, word)).collect();
    if !words.is_empty() {
        note(&words.join(", "));
    }
}

/// A count with its noun: `1 row`, `2 rows`. The plural adds an `s`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Formats rows as a table, one line for each row: control characters in cells are made visible.
/// `right` says for each column whether it is aligned to the right. Widths are columns of the
/// terminal.
pub(crate) fn table(head: &[String], rows: &[Vec<String>], right: &[bool]) -> String {
    let shown = |cells: &[String]| cells.iter().map(|cell| visible(cell).into_owned()).collect::<Vec<_>>();
    let head = shown(head);
    let rows: Vec<Vec<String>> = rows.iter().map(|row| shown(row)).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| columns(&row[column]));
        cells.chain([columns(&head[column])]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let cells = cells.iter().enumerate().map(|(i, cell)| {
            let pad = " ".repeat(widths[i] - columns(cell));
            if right[i] { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut out = vec![line(&head), rule.join("  ")];
    out.extend(rows.iter().map(|row| line(row)));
    out.join("\n")
}

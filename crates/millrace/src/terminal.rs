//! Data to stdout, everything else to stderr.

use std::io::{self, IsTerminal as _, Write as _};

use millrace_core::diagnostic::{Diagnostic, Severity};
use millrace_core::project::SourceTexts;
use millrace_core::render;
use millrace_core::visible::{columns, visible};
use serde_json::Value as Json;

use crate::variables;

/// Whether stderr takes colours.
pub(crate) fn color() -> bool {
    variables::color().unwrap_or_else(|| io::stderr().is_terminal())
}

/// Whether somebody watches stderr.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// A line of data. That the reader has gone is no error of ours.
pub(crate) fn data_line(text: &str) {
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// One JSON object, as one line.
pub(crate) fn json_line(value: &Json) {
    data_line(&value.to_string());
}

/// A line for people.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// A line about something that has no diagnostic.
pub(crate) fn error_line(text: &str) {
    note(&format!("error: {text}"));
}

/// Diagnostics for people, then how many there were.
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

/// `1 row`, `2 rows`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Rows as a table of texts, one line a row whatever is in them; numbers to the right.
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

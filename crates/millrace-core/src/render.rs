//! Renders diagnostics as text for a terminal and as JSON. The texts of the files are an argument.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value as Json, json};

use crate::diagnostic::{Diagnostic, Label, Severity};
use crate::project::SourceTexts;

/// Renders a diagnostic for a terminal, with a final line break. `color` adds ANSI colors; no
/// information is conveyed by color alone.
pub fn to_terminal(diagnostic: &Diagnostic, texts: &SourceTexts, color: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.as_str());
    let mut group = Group::with_title(title);
    let mut files: Vec<&str> = Vec::new();
    for label in &diagnostic.labels {
        if !files.contains(&&*label.span.file) {
            files.push(&label.span.file);
        }
    }
    // One snippet for each file; a file without text is omitted.
    for file in files {
        let Some(text) = texts.get(file) else { continue };
        let mut snippet = Snippet::source(text.as_str()).path(file).fold(true);
        for (at, label) in diagnostic.labels.iter().enumerate().filter(|(_, label)| &*label.span.file == file)
        {
            // The first label is underlined as the place to fix, the others as context.
            let kind = if at == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation = kind.span(within(label, text));
            snippet = snippet.annotation(if label.text.is_empty() {
                annotation
            } else {
                annotation.label(label.text.as_str())
            });
        }
        group = group.element(snippet);
    }
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = renderer.render(&[group]);
    for cause in &diagnostic.causes {
        out.push_str("\ncaused by: ");
        out.push_str(cause);
    }
    let word = if color { "\u{1b}[1m\u{1b}[36mhint\u{1b}[0m" } else { "hint" };
    let gap = if diagnostic.labels.is_empty() { "" } else { "\n" };
    let _ = write!(out, "\n{gap}{word}: {}", diagnostic.next_step());
    out.push('\n');
    out
}

/// The byte range of a label, clamped to the text and moved back to character boundaries.
fn within(label: &Label, text: &str) -> std::ops::Range<usize> {
    let border =
        |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = border(label.span.range.start);
    let end = border(label.span.range.end).max(start);
    start..end
}

/// 1-based line and column of a byte position. Columns count characters.
pub fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Renders a diagnostic as a JSON object with `severity`, `code`, `message`, `labels` (each with
/// `file`, `line`, `column`, `end_line`, `end_column`, `text`), `causes` and `hint`. Lines and
/// columns are 1-based; columns count characters.
pub fn to_json(diagnostic: &Diagnostic, texts: &SourceTexts) -> Json {
    let labels: Vec<Json> = diagnostic
        .labels
        .iter()
        .map(|label| {
            let text = texts.get(&*label.span.file).map_or("", String::as_str);
            let (line, column) = line_and_column(text, label.span.range.start);
            let (end_line, end_column) = line_and_column(text, label.span.range.end);
            json!({
                "file": &*label.span.file, "line": line, "column": column,
                "end_line": end_line, "end_column": end_column, "text": label.text,
            })
        })
        .collect();
    json!({
        "severity": diagnostic.severity, "code": diagnostic.code, "message": diagnostic.message,
        "labels": labels, "causes": diagnostic.causes, "hint": diagnostic.next_step(),
    })
}

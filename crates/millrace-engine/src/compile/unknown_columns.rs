//! Columns that a stream's settings name and the stream does not have: slips of the pen that would load what was to be left out or masked.

use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, Severity, Spanned};
use millrace_core::schema::StreamSchema;
use millrace_core::suggest::{did_you_mean, nearest};

use crate::compile::catalog::Stream;

/// The columns that `columns`, `mask`, `rename`, `types` and `exclude_columns` of a stream name and `schema` does not have. Nothing is said of a schema
/// without columns, which is that of an empty file. `is_whole`: it is all that the source has, and not what was captured of it.
pub fn unknown_columns(stream: &Stream, schema: &StreamSchema, is_whole: bool) -> Vec<Diagnostic> {
    if schema.columns.is_empty() {
        return Vec::new();
    }
    let choice = &stream.options.choice;
    let has = |name: &str| {
        let captured = stream.captured.as_ref().and_then(|captured| captured.column(name));
        schema.column(name).or(captured).is_some()
    };
    let known = || schema.columns.iter().map(|column| column.name.as_str());
    let unknown = |name: &Spanned, key: &str| {
        let message = format!("`{key}` names `{}`, which stream `{}` does not have", name.text, stream.name);
        Diagnostic::error(Code::UnknownColumn, message).at(name.span.clone(), "no such column")
    };
    let mut found = Vec::new();
    let loaded = choice.only.iter().flatten().map(|name| (name, "columns"));
    let renamed = stream.options.rename.iter().map(|renamed| (&renamed.column, "rename"));
    let typed = stream.options.types.iter().map(|chosen| (&chosen.column, "types"));
    let named = loaded.chain(choice.masked.iter().map(|name| (name, "mask"))).chain(renamed).chain(typed);
    for (name, key) in named {
        if !has(&name.text) {
            let recapture =
                format!("`millrace capture {}` writes down a column that is new.", stream.name.source);
            let hint = match (nearest(&name.text, known()), is_whole) {
                (Some(near), _) => Some(format!("did you mean `{near}`?")),
                (None, true) => did_you_mean(&name.text, known().collect::<Vec<_>>(), "it has"),
                (None, false) => Some(recapture),
            };
            found.push(unknown(name, key).maybe_hint(hint));
        }
    }
    // What is left out is not captured either.
    for name in choice.excluded.iter().filter(|name| is_whole && !has(&name.text)) {
        let problem = unknown(name, "exclude_columns");
        found.push(match nearest(&name.text, known()) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            // Perhaps it is gone, which is what was wanted.
            None => Diagnostic { severity: Severity::Warning, ..problem }
                .hint("Take it off the list if the source no longer has it."),
        });
    }
    found
}

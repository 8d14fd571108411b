//! Columns that a stream's settings name but the stream does not have. Such a typing mistake would
//! load what should be excluded or masked.

use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, Severity, Spanned};
use millrace_core::schema::StreamSchema;
use millrace_core::suggest::{did_you_mean, nearest};

use crate::compile::catalog::Stream;

/// Diagnostics for names in `columns`, `mask`, `rename`, `types` and `exclude_columns` that
/// `schema` does not have. Empty for a schema without columns, as of an empty file. `is_whole`
/// tells that the schema shows everything that the source has, whereas a captured schema lacks
/// excluded columns.
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
    // Captured schemas do not contain excluded columns, so nothing can be concluded from them.
    for name in choice.excluded.iter().filter(|name| is_whole && !has(&name.text)) {
        let problem = unknown(name, "exclude_columns");
        found.push(match nearest(&name.text, known()) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            // The column may have been removed from the source, so this is only a warning.
            None => Diagnostic { severity: Severity::Warning, ..problem }
                .hint("Take it off the list if the source no longer has it."),
        });
    }
    found
}

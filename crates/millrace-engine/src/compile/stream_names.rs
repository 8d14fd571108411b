//! The streams that a source file selects: those that it names, those that its patterns match, or
//! all that the source has.

use std::collections::BTreeMap;

use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, Span};
use millrace_core::project::source_file::{ReadMode, SourceDef, StreamOptions};
use millrace_core::project::stream_pattern::of_name;
use millrace_core::suggest::did_you_mean;

use crate::compile::excluded_streams;
use crate::ports::source::{Source, StreamRequest};

/// The streams of a source, as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) names: Vec<String>,
    /// Whether the names come from the captured schema and not from the source.
    pub(crate) are_captured: bool,
    /// The names of those that are views; `None` if that is unknown.
    pub(crate) views: Option<Vec<String>>,
}

/// A stream that a source file selects.
pub(crate) struct Found {
    /// Name within the source.
    pub(crate) name: String,
    /// Its entry in the file, or the pattern or source that selects it.
    pub(crate) span: Span,
    pub(crate) options: StreamOptions,
}

/// The selected streams of a source file. A named stream takes precedence over patterns, also under
/// the name of the table that it reads. Errors become diagnostics: a pattern that matches nothing,
/// and names that differ only in letter case.
pub(crate) fn found(
    def: &SourceDef,
    known: &Known,
    source: &dyn Source,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Found> {
    let all =
        |name: &String| Found { name: name.clone(), span: def.span.clone(), options: def.defaults.clone() };
    let left = excluded_streams::left(def, known, source, diagnostics);
    let Some(streams) = &def.streams else {
        let found: Vec<Found> = left.into_iter().map(all).collect();
        refuse_twins(&found, diagnostics);
        return found;
    };
    let named = streams.iter().map(|stream| Found {
        name: stream.name.stream.clone(),
        span: stream.span.clone(),
        options: stream.options.clone(),
    });
    let mut found: Vec<Found> = named.collect();
    let mut taken: Vec<String> = Vec::new();
    for stream in &found {
        taken.push(stream.name.to_lowercase());
        let request = StreamRequest {
            stream: stream.name.clone(),
            settings: stream.options.settings.clone(),
            excluded: stream.options.choice.left_out(),
            masked: Vec::new(),
            key: Vec::new(),
            mode: ReadMode::Full,
        };
        taken.extend(source.reads(&request).map(|name| name.to_lowercase()));
    }
    for name in left.into_iter().filter(|name| !taken.contains(&name.to_lowercase())) {
        if let Some(pattern) = of_name(&def.patterns, name) {
            let (span, options) = (pattern.span.clone(), pattern.options.clone());
            found.push(Found { name: name.clone(), span, options });
        }
    }
    for pattern in &def.patterns {
        if known.names.iter().any(|name| pattern.matches(name)) {
            continue;
        }
        let whose = if known.are_captured { " in its captured schema" } else { "" };
        let message =
            format!("pattern `{}` matches no stream of source `{}`{whose}", pattern.pattern, def.name);
        let names = known.names.iter().map(String::as_str);
        let hint = if known.are_captured {
            Some(format!("Mend it, or run `millrace capture {}` if the source has them now.", def.name))
        } else {
            did_you_mean(&pattern.pattern, names, "it has")
        };
        diagnostics.push(
            Diagnostic::error(Code::EmptyPattern, message).at(pattern.span.clone(), "").maybe_hint(hint),
        );
    }
    refuse_twins(&found, diagnostics);
    found
}

/// Reports streams whose names differ only in letter case, because warehouses and models ignore it.
fn refuse_twins(found: &[Found], diagnostics: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<String, &Found> = BTreeMap::new();
    for stream in found {
        if let Some(other) = seen.insert(stream.name.to_lowercase(), stream) {
            let message =
                format!("streams `{}` and `{}` differ in letter case only", other.name, stream.name);
            diagnostics.push(
                Diagnostic::error(Code::DuplicateName, message).at(stream.span.clone(), "").hint(
                    "Name them in `streams`, one under another name with `table`; what is named is not taken by a pattern.",
                ),
            );
        }
    }
}

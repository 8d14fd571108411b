//! The streams of a source that remain after `exclude:`.

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::project::exclude::VIEWS;
use millrace_core::project::source_file::SourceDef;
use millrace_core::project::stream_pattern::{fits, is_pattern};
use millrace_core::suggest::did_you_mean;

use crate::compile::stream_names::Known;
use crate::ports::source::Source;

/// The known streams that are not excluded, in their order. Errors in `exclude:` become
/// diagnostics.
pub(crate) fn left<'a>(
    def: &SourceDef,
    known: &'a Known,
    source: &dyn Source,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<&'a String> {
    let no_views = no_views(def, known, source, diagnostics);
    if !known.are_captured {
        of_nothing(def, known, source, diagnostics);
    }
    let is_view = |name: &String| known.views.iter().flatten().any(|view| view == name);
    let stays = |name: &&String| !(def.exclude.matches(name) || no_views && is_view(name));
    known.names.iter().filter(stays).collect()
}

/// Whether views are to be excluded and can be recognized. Refuses `exclude: views` if the source
/// has no views, or if the captured schema does not say which streams are views.
fn no_views(def: &SourceDef, known: &Known, source: &dyn Source, diagnostics: &mut Vec<Diagnostic>) -> bool {
    let Some(span) = &def.exclude.views else { return false };
    let refused = if !source.has_views() {
        let message = format!("source `{}` has no views that `exclude` could leave out", def.name);
        let hint = "A stream of the name `views` is meant by a pattern: `\"view?\"`.".to_owned();
        Diagnostic::error(Code::WrongValue, message).hint(hint)
    } else if known.are_captured && known.views.is_none() {
        let message = format!(
            "which streams of source `{}` are views, which `exclude` leaves out, does not stand in its captured schema",
            def.name
        );
        Diagnostic::error(Code::NotCaptured, message).hint(format!("Run `millrace capture {}`.", def.name))
    } else {
        return true;
    };
    diagnostics.push(refused.at(span.clone(), ""));
    false
}

/// Reports entries of `exclude:` that match no stream. A missing name is an error, because after a
/// typing mistake a stream would be loaded that should not be. A pattern is a warning, because such
/// streams may come and go.
fn of_nothing(def: &SourceDef, known: &Known, source: &dyn Source, diagnostics: &mut Vec<Diagnostic>) {
    for entry in &def.exclude.names {
        if known.names.iter().any(|name| fits(&entry.text, name)) {
            continue;
        }
        let kinds = source.has_views().then_some(VIEWS);
        let names = known.names.iter().map(String::as_str).chain(kinds);
        let diagnostic = if is_pattern(&entry.text) {
            let message =
                format!("`exclude` names `{}`, which matches no stream of source `{}`", entry.text, def.name);
            Diagnostic::warning(Code::EmptyPattern, message)
                .hint("Mend it, or leave it where such streams come and go.")
        } else {
            let message =
                format!("`exclude` names `{}`, which source `{}` does not have", entry.text, def.name);
            Diagnostic::error(Code::EmptyPattern, message).maybe_hint(did_you_mean(
                &entry.text,
                names,
                "it has",
            ))
        };
        diagnostics.push(diagnostic.at(entry.span.clone(), ""));
    }
}

//! Decodes `exclude:` of a source: streams that are not loaded, by name, by pattern, or because
//! they are views.

use crate::code::Code;
use crate::diagnostic::Span;
use crate::diagnostic::Spanned;
use crate::project::decode::Decoder;
use crate::project::spec::{KeyKind, KeySpec};
use crate::project::stream_pattern::fits;
use crate::project::yaml::Node;

/// The word in `exclude` that stands for all views.
pub const VIEWS: &str = "views";

pub(super) const EXCLUDE: KeySpec = KeySpec::optional(
    "exclude",
    KeyKind::AnyOf(&[KeyKind::ListOf(&KeyKind::Text), KeyKind::Text]),
    "Streams that are not loaded though a pattern of `streams`, or a source without `streams`, stands for them: `[\"tmp_*\", audit, views]`. Names and patterns as in `streams`; the word `views` stands for all views. A stream that `streams` names is loaded all the same.",
);

/// The streams of a source that are not loaded.
#[derive(Debug, Clone, Default)]
pub struct Exclude {
    /// Names and patterns, as written.
    pub names: Vec<Spanned>,
    /// The place of the word `views`, if it is listed.
    pub views: Option<Span>,
}

impl Exclude {
    /// Whether no stream is left out.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.views.is_none()
    }

    /// Whether a stream is left out by name or pattern. Ignores case.
    pub fn matches(&self, name: &str) -> bool {
        self.names.iter().any(|written| fits(&written.text, name))
    }
}

/// Decodes `exclude`. `takes_from_any` says whether the source loads streams that its file does not
/// name; otherwise `exclude` has no effect and is refused.
pub(super) fn exclude(node: &Node, takes_from_any: bool, decoder: &mut Decoder<'_>) -> Exclude {
    let mut exclude = Exclude::default();
    let Some(value) = node.get("exclude") else { return exclude };
    if !takes_from_any {
        let hint = "Leave `exclude` out: only what `streams` names is loaded.".to_owned();
        let message = "`exclude` takes nothing away, because `streams` has no pattern";
        decoder.report(Code::WrongValue, &value.range, message, Some(hint));
        return exclude;
    }
    for written in decoder.spanned_list(node, "exclude") {
        if written.text == VIEWS {
            exclude.views = Some(written.span);
        } else if written.text.trim().is_empty() {
            let hint = "Write a name, a pattern such as `\"tmp_*\"`, or `views`.".to_owned();
            decoder.report(
                Code::WrongValue,
                &written.span.range,
                "an entry of `exclude` is empty",
                Some(hint),
            );
        } else if written.text == "*" {
            let hint = "Name what is to be loaded in `streams` instead.".to_owned();
            let message = "`exclude` leaves no stream";
            decoder.report(Code::WrongValue, &written.span.range, message, Some(hint));
        } else {
            exclude.names.push(written);
        }
    }
    exclude
}

//! Checks a YAML tree against specifications: unknown keys, missing keys, wrong kinds of values.
//!
//! Decoders run after it. They can rely on the shape of values and skip invalid ones, because those
//! have been reported.

use std::ops::Range;
use std::sync::Arc;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Span};
use crate::project::spec::{KeyKind, MapSpec};
use crate::project::yaml::{Entry, Node, NodeValue};
use crate::suggest::did_you_mean;

/// Collects the diagnostics of one file.
pub struct Checker<'a> {
    /// Path of the file.
    pub file: &'a Arc<str>,
    /// Receives the diagnostics.
    pub diagnostics: &'a mut Vec<Diagnostic>,
}

impl Checker<'_> {
    /// Reports an error at a place in this file.
    pub fn report(
        &mut self,
        code: Code,
        range: &Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let diagnostic = Diagnostic::error(code, message).at(Span::new(self.file, range.clone()), "");
        self.diagnostics.push(diagnostic.maybe_hint(hint));
    }

    /// Checks a mapping. `specs` together define its keys; `what` names it in messages.
    pub fn map(&mut self, node: &Node, what: &str, specs: &[&MapSpec]) {
        let NodeValue::Map(entries) = &node.value else {
            let message = format!("{what} is a mapping of keys and values, not {}", node.describe());
            return self.report(Code::WrongValue, &node.range, message, None);
        };
        for entry in entries {
            match specs.iter().find_map(|spec| spec.key(&entry.key)) {
                Some(key) => self.value(&entry.value, &format!("`{}`", key.name), &key.kind),
                None => self.unknown_key(entry, what, specs),
            }
        }
        for key in specs.iter().flat_map(|spec| spec.keys).filter(|key| key.required) {
            let present = entries.iter().any(|entry| entry.key == key.name);
            if !present {
                let message = format!("{what} lacks `{}`", key.name);
                self.report(Code::MissingKey, &node.range, message, Some(key.doc.to_owned()));
            }
        }
    }

    /// Reports a key that no specification has, and suggests a similar one.
    fn unknown_key(&mut self, entry: &Entry, what: &str, specs: &[&MapSpec]) {
        let known: Vec<&str> = specs.iter().flat_map(|spec| spec.keys).map(|key| key.name).collect();
        let hint = did_you_mean(&entry.key, known.iter().copied(), "it has these keys");
        let message = format!("{what} has no key `{}`", entry.key);
        self.report(Code::UnknownKey, &entry.key_range, message, hint);
    }

    /// Checks one value; `what` names it in messages.
    pub fn value(&mut self, node: &Node, what: &str, kind: &KeyKind) {
        match kind {
            KeyKind::Map(spec) => self.map(node, what, &[spec]),
            KeyKind::MapOf(inner) => match &node.value {
                NodeValue::Map(entries) => {
                    for entry in entries {
                        self.value(&entry.value, &format!("`{}`", entry.key), inner);
                    }
                }
                _ => self.wrong(node, what, kind),
            },
            KeyKind::ListOf(inner) => match &node.value {
                NodeValue::Seq(nodes) => nodes.iter().for_each(|item| self.value(item, what, inner)),
                _ => self.wrong(node, what, kind),
            },
            // The first kind with the value's shape determines the messages.
            KeyKind::AnyOf(kinds) => match kinds.iter().find(|kind| has_shape(node, kind)) {
                Some(kind) => self.value(node, what, kind),
                None => self.wrong(node, what, kind),
            },
            KeyKind::OneOf(words) => {
                if !node.text().is_some_and(|text| words.contains(&text)) {
                    let hint =
                        node.text().and_then(|text| did_you_mean(text, words.iter().copied(), "it takes"));
                    let message = format!("{what} takes {}, not {}", describe(kind), shown(node));
                    self.report(Code::WrongValue, &node.range, message, hint);
                }
            }
            // The message does not show the value, which is probably a secret.
            KeyKind::Secret if !node.text().is_some_and(|text| text.contains("${")) => {
                let message =
                    format!("{what} stands in the file; it is a secret, and comes from the environment");
                let hint =
                    "Write `\"${PASSWORD}\"`, and set that variable, also in `.env` beside `millrace.yml`.";
                self.report(Code::WrongValue, &node.range, message, Some(hint.to_owned()));
            }
            // A plain text is checked by its shape below.
            KeyKind::Localized if node.map().is_some() => self.localized(node, what),
            _ => {
                if !has_shape(node, kind) {
                    self.wrong(node, what, kind);
                }
            }
        }
    }

    /// Checks texts by language: at least one, and keys that look like language tags.
    fn localized(&mut self, node: &Node, what: &str) {
        let entries = node.map().unwrap_or_default();
        if entries.is_empty() {
            self.report(Code::WrongValue, &node.range, format!("{what} has no text in any language"), None);
        }
        for entry in entries {
            // A loose form of BCP 47: subtags of at least two ASCII letters or digits.
            let locale_like = entry.key.len() >= 2
                && entry
                    .key
                    .split('-')
                    .all(|part| part.len() >= 2 && part.bytes().all(|b| b.is_ascii_alphanumeric()));
            if !locale_like {
                let message = format!("`{}` is no language tag", entry.key);
                self.report(
                    Code::WrongValue,
                    &entry.key_range,
                    message,
                    Some("Use tags such as `en` or `fr-CH`.".into()),
                );
            }
            self.value(&entry.value, &format!("`{}`", entry.key), &KeyKind::Text);
        }
    }

    /// Reports a value of the wrong kind. An unquoted `null` or `~` gets a hint if text was
    /// expected.
    fn wrong(&mut self, node: &Node, what: &str, kind: &KeyKind) {
        let message = format!("{what} takes {}, not {}", describe(kind), shown(node));
        let null =
            node.scalar().filter(|scalar| scalar.is_null() && !scalar.text.is_empty() && takes_text(kind));
        let hint = null.map(|null| {
            let (key, text) = (what.trim_matches('`'), &null.text);
            format!("Without quotes YAML reads `{text}` as no value. Write `{key}: \"{text}\"`.")
        });
        self.report(Code::WrongValue, &node.range, message, hint);
    }
}

/// Whether a text is a valid value of this kind.
fn takes_text(kind: &KeyKind) -> bool {
    match kind {
        KeyKind::Text | KeyKind::Localized => true,
        KeyKind::AnyOf(kinds) => kinds.iter().any(takes_text),
        _ => false,
    }
}

/// A value in a message: its kind, and its text if that is at most 40 characters.
fn shown(node: &Node) -> String {
    match node.text() {
        Some(text) if text.chars().count() <= 40 => format!("{} (`{text}`)", node.describe()),
        _ => node.describe().to_owned(),
    }
}

/// Whether a value has the general shape of a kind. The items of lists and mappings are not
/// checked.
fn has_shape(node: &Node, kind: &KeyKind) -> bool {
    match kind {
        KeyKind::Text | KeyKind::Secret => node.text().is_some(),
        KeyKind::OneOf(words) => node.text().is_some_and(|text| words.contains(&text)),
        KeyKind::Bool => node.scalar().is_some_and(|scalar| scalar.as_bool().is_some()),
        KeyKind::Integer(least, greatest) => node
            .scalar()
            .and_then(super::yaml::Scalar::as_integer)
            .is_some_and(|n| (*least..=*greatest).contains(&n)),
        KeyKind::Localized => node.text().is_some() || node.map().is_some(),
        KeyKind::Map(_) | KeyKind::MapOf(_) => node.map().is_some(),
        KeyKind::ListOf(_) => node.seq().is_some(),
        KeyKind::AnyOf(kinds) => kinds.iter().any(|kind| has_shape(node, kind)),
        KeyKind::Scalar => node.scalar().is_some(),
        KeyKind::Any => true,
    }
}

/// The values that a kind accepts, in words.
pub fn describe(kind: &KeyKind) -> String {
    match kind {
        KeyKind::Text => "a text".into(),
        KeyKind::Secret => "a text from the environment".into(),
        KeyKind::OneOf(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
            match words.split_last() {
                Some((last, [])) => last.clone(),
                Some((last, first)) => format!("{} or {last}", first.join(", ")),
                None => "nothing".into(),
            }
        }
        KeyKind::Bool => "`true` or `false`".into(),
        KeyKind::Integer(least, i64::MAX) => format!("a whole number from {least}"),
        KeyKind::Integer(least, greatest) => format!("a whole number from {least} to {greatest}"),
        KeyKind::Localized => "a text, or texts by language".into(),
        KeyKind::Map(_) | KeyKind::MapOf(_) => "a mapping".into(),
        KeyKind::ListOf(inner) => format!("a list, each item {}", describe(inner)),
        KeyKind::AnyOf(kinds) => kinds.iter().map(describe).collect::<Vec<_>>().join(", or "),
        KeyKind::Scalar => "a text, a number or a truth value".into(),
        KeyKind::Any => "any value".into(),
    }
}

//! Checks a tree against a specification: unknown keys, missing keys, wrong kinds of value. Whoever decodes afterwards can
//! take shapes for granted and skip what is wrong, because it has been said.

use std::ops::Range;
use std::sync::Arc;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Span};
use crate::project::spec::{KeyKind, MapSpec};
use crate::project::yaml::{Entry, Node, NodeValue};
use crate::suggest::did_you_mean;

/// Collects the diagnostics of one file.
pub struct Checker<'a> {
    /// The file.
    pub file: &'a Arc<str>,
    /// Where they go.
    pub diagnostics: &'a mut Vec<Diagnostic>,
}

impl Checker<'_> {
    /// Reports an error at a place of this file.
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

    /// Checks a mapping whose keys are those of all `specs` together.
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

    fn unknown_key(&mut self, entry: &Entry, what: &str, specs: &[&MapSpec]) {
        let known: Vec<&str> = specs.iter().flat_map(|spec| spec.keys).map(|key| key.name).collect();
        let hint = did_you_mean(&entry.key, known.iter().copied(), "it has these keys");
        let message = format!("{what} has no key `{}`", entry.key);
        self.report(Code::UnknownKey, &entry.key_range, message, hint);
    }

    /// Checks one value.
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
            // What was written is a secret, most likely, and is not shown.
            KeyKind::Secret if !node.text().is_some_and(|text| text.contains("${")) => {
                let message =
                    format!("{what} stands in the file; it is a secret, and comes from the environment");
                let hint =
                    "Write `\"${PASSWORD}\"`, and set that variable, also in `.env` beside `millrace.yml`.";
                self.report(Code::WrongValue, &node.range, message, Some(hint.to_owned()));
            }
            KeyKind::Localized if node.map().is_some() => self.localized(node, what),
            _ => {
                if !has_shape(node, kind) {
                    self.wrong(node, what, kind);
                }
            }
        }
    }

    fn localized(&mut self, node: &Node, what: &str) {
        let entries = node.map().unwrap_or_default();
        if entries.is_empty() {
            self.report(Code::WrongValue, &node.range, format!("{what} has no text in any language"), None);
        }
        for entry in entries {
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

fn takes_text(kind: &KeyKind) -> bool {
    match kind {
        KeyKind::Text | KeyKind::Localized => true,
        KeyKind::AnyOf(kinds) => kinds.iter().any(takes_text),
        _ => false,
    }
}

fn shown(node: &Node) -> String {
    match node.text() {
        Some(text) if text.chars().count() <= 40 => format!("{} (`{text}`)", node.describe()),
        _ => node.describe().to_owned(),
    }
}

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

/// What a kind takes, in words.
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

//! What decoders of all kinds of project file share: the file, what is known of connectors, where diagnostics go.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Span, Spanned};
use crate::name::is_plain_name;
use crate::project::connectors::Connectors;
use crate::project::localized::Localized;
use crate::project::settings::{Setting, Settings};
use crate::project::spec::{KeyKind, KeySpec, MapSpec};
use crate::project::strict::Checker;
use crate::project::yaml::{Node, Scalar};

/// A decoder of one file.
pub struct Decoder<'a> {
    /// The file.
    pub file: &'a Arc<str>,
    /// What `type:` may say.
    pub connectors: &'a Connectors,
    /// Environment variables, and what `.env` adds.
    pub variables: &'a BTreeMap<String, String>,
    /// Where diagnostics go.
    pub diagnostics: &'a mut Vec<Diagnostic>,
}

impl Decoder<'_> {
    /// Reports an error at a place of this file.
    pub fn report(
        &mut self,
        code: Code,
        range: &Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        Checker { file: self.file, diagnostics: self.diagnostics }.report(code, range, message, hint);
    }

    /// The same of something that several elements have in common, such as defaults.
    pub fn report_once(
        &mut self,
        code: Code,
        range: &Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let span = self.span(range);
        let diagnostic = Diagnostic::error(code, message).at(span, "").maybe_hint(hint);
        if !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Checks a mapping against specifications.
    pub fn check(&mut self, what: &str, node: &Node, specs: &[&MapSpec]) {
        Checker { file: self.file, diagnostics: self.diagnostics }.map(node, what, specs);
    }

    /// A span of this file.
    pub fn span(&self, range: &Range<usize>) -> Span {
        Span::new(self.file, range.clone())
    }

    /// The text under a key.
    pub fn text(&self, node: &Node, key: &str) -> Option<String> {
        node.get(key)?.text().map(str::to_owned)
    }

    /// The text under a key with its place.
    pub fn spanned(&self, node: &Node, key: &str) -> Option<Spanned> {
        let value = node.get(key)?;
        Some(Spanned { text: value.text()?.to_owned(), span: self.span(&value.range) })
    }

    /// The localized text under a key.
    pub fn localized(&self, node: &Node, key: &str) -> Option<Localized> {
        Localized::from_node(node.get(key)?)
    }

    /// The texts of the list under a key.
    pub fn texts(&self, node: &Node, key: &str) -> Vec<String> {
        self.spanned_list(node, key).into_iter().map(|spanned| spanned.text).collect()
    }

    /// The texts of the list under a key with their places; a single text counts as a list of one.
    pub fn spanned_list(&self, node: &Node, key: &str) -> Vec<Spanned> {
        let Some(value) = node.get(key) else { return Vec::new() };
        let nodes = value.seq().unwrap_or(std::slice::from_ref(value));
        let spanned =
            |node: &Node| Some(Spanned { text: node.text()?.to_owned(), span: self.span(&node.range) });
        nodes.iter().filter_map(spanned).collect()
    }

    /// The entries of the mapping under a key.
    pub fn entries<'n>(&self, node: &'n Node, key: &str) -> Vec<(String, &'n Node)> {
        let entries = node.get(key).and_then(Node::map).unwrap_or_default();
        entries.iter().map(|entry| (entry.key.clone(), &entry.value)).collect()
    }

    /// Checks that a name can be one.
    pub fn name(&mut self, name: &Spanned, what: &str) -> bool {
        let plain = is_plain_name(&name.text);
        if !plain {
            let hint = "Use a letter or underscore, then letters, digits and underscores, 48 at most.";
            let message = format!("`{}` cannot name {what}", name.text);
            self.diagnostics
                .push(Diagnostic::error(Code::BadName, message).at(name.span.clone(), "").hint(hint));
        }
        plain
    }

    /// Settings of a connector; the second value lists variables that are not set.
    pub fn settings(&self, node: &Node, spec: &MapSpec) -> (Settings, Vec<Diagnostic>) {
        let mut unset = Vec::new();
        let settings = settings_of(node, spec, |text, range| self.interpolated(text, range, &mut unset));
        (settings, unset)
    }

    /// Replaces `${NAME}`. `$${` stands for `${`.
    pub fn interpolated(&self, text: &str, range: &Range<usize>, unset: &mut Vec<Diagnostic>) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if at > 0 && rest.as_bytes()[at - 1] == b'$' {
                out.push_str(&rest[..at - 1]);
                out.push_str("${");
                rest = &rest[at + 2..];
                continue;
            }
            let Some(length) = rest[at..].find('}') else { break };
            let name = &rest[at + 2..at + length];
            out.push_str(&rest[..at]);
            match self.variables.get(name) {
                Some(value) => out.push_str(value),
                None => unset.push(
                    Diagnostic::error(
                        Code::UnsetVariable,
                        format!("the environment variable `{name}` is not set"),
                    )
                    .at(self.span(range), "")
                    .hint(format!("Set it, or write `{name}=…` into `.env` beside `millrace.yml`.")),
                ),
            }
            rest = &rest[at + length + 1..];
        }
        out.push_str(rest);
        out
    }
}

/// `type:`, which decides on the other keys.
pub(crate) static TYPE: MapSpec = MapSpec {
    doc: "",
    keys: &[KeySpec::required("type", KeyKind::Text, "The kind of system, which decides on the other keys.")],
};

/// The word after `type:`; reports where there is none.
pub(crate) fn kind_of(node: &Node, what: &str, decoder: &mut Decoder<'_>) -> Option<(String, Range<usize>)> {
    let kind = node.get("type").and_then(|value| Some((value.text()?.to_owned(), value.range.clone())));
    if kind.is_none() {
        // The check says what is missing or wrong.
        decoder.check(what, node, &[&TYPE]);
    }
    kind
}

/// Settings from a checked mapping, for the keys of `spec`.
pub(crate) fn settings_of(
    node: &Node,
    spec: &MapSpec,
    mut resolve: impl FnMut(&str, &Range<usize>) -> String,
) -> Settings {
    let entries = node.map().unwrap_or_default().iter().filter(|entry| spec.key(&entry.key).is_some());
    Settings::new(entries.filter_map(|entry| {
        let mut text = |node: &Node| Some(resolve(node.text()?, &node.range));
        // A key of texts takes the text `true`.
        let is_flag = spec.key(&entry.key).is_some_and(|key| matches!(key.kind, KeyKind::Bool));
        let flag = entry.value.scalar().and_then(Scalar::as_bool).filter(|_| is_flag);
        let setting = match (flag, entry.value.seq(), entry.value.map()) {
            (Some(value), ..) => Setting::Bool(value),
            (_, Some(nodes), _) => Setting::List(nodes.iter().filter_map(text).collect()),
            (.., Some(entries)) => {
                Setting::Map(entries.iter().filter_map(|e| Some((e.key.clone(), text(&e.value)?))).collect())
            }
            _ => Setting::Text(text(&entry.value)?),
        };
        Some((entry.key.clone(), setting))
    }))
}

/// Variables from the text of a `.env` file: `NAME=value` a line, `#` comments, optional quotes around the value and `export` in front.
pub fn parse_env_file(text: &str) -> BTreeMap<String, String> {
    let lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.strip_prefix("export ").unwrap_or(line).split_once('='))
        .map(|(name, value)| {
            let value = value.trim();
            let unquoted =
                ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
            (name.trim().to_owned(), unquoted.unwrap_or(value).to_owned())
        })
        .collect()
}

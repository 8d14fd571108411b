//! The decoder that all kinds of project files share: access to keys, connectors, variables and
//! diagnostics.

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

/// Decodes one file. Values of the wrong kind read as missing, because [`Decoder::check`] reports
/// them.
pub struct Decoder<'a> {
    /// Path of the file.
    pub file: &'a Arc<str>,
    /// The types that `type:` accepts.
    pub connectors: &'a Connectors,
    /// Environment variables, including those from `.env`.
    pub variables: &'a BTreeMap<String, String>,
    /// Receives the diagnostics.
    pub diagnostics: &'a mut Vec<Diagnostic>,
}

impl Decoder<'_> {
    /// Reports an error at a place in this file.
    pub fn report(
        &mut self,
        code: Code,
        range: &Range<usize>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        Checker { file: self.file, diagnostics: self.diagnostics }.report(code, range, message, hint);
    }

    /// Reports an error once, even if several elements share its cause, such as `defaults`.
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

    /// Checks the keys and values of a mapping. `specs` together define its keys.
    pub fn check(&mut self, what: &str, node: &Node, specs: &[&MapSpec]) {
        Checker { file: self.file, diagnostics: self.diagnostics }.map(node, what, specs);
    }

    /// A span in this file.
    pub fn span(&self, range: &Range<usize>) -> Span {
        Span::new(self.file, range.clone())
    }

    /// The text value of a key.
    pub fn text(&self, node: &Node, key: &str) -> Option<String> {
        node.get(key)?.text().map(str::to_owned)
    }

    /// The text value of a key, with its place.
    pub fn spanned(&self, node: &Node, key: &str) -> Option<Spanned> {
        let value = node.get(key)?;
        Some(Spanned { text: value.text()?.to_owned(), span: self.span(&value.range) })
    }

    /// The localized text value of a key.
    pub fn localized(&self, node: &Node, key: &str) -> Option<Localized> {
        Localized::from_node(node.get(key)?)
    }

    /// The text items of a key's list.
    pub fn texts(&self, node: &Node, key: &str) -> Vec<String> {
        self.spanned_list(node, key).into_iter().map(|spanned| spanned.text).collect()
    }

    /// The text items of a key's list, with their places. A single text counts as a list of one.
    pub fn spanned_list(&self, node: &Node, key: &str) -> Vec<Spanned> {
        let Some(value) = node.get(key) else { return Vec::new() };
        let nodes = value.seq().unwrap_or(std::slice::from_ref(value));
        let spanned =
            |node: &Node| Some(Spanned { text: node.text()?.to_owned(), span: self.span(&node.range) });
        nodes.iter().filter_map(spanned).collect()
    }

    /// The entries of a key's mapping.
    pub fn entries<'n>(&self, node: &'n Node, key: &str) -> Vec<(String, &'n Node)> {
        let entries = node.get(key).and_then(Node::map).unwrap_or_default();
        entries.iter().map(|entry| (entry.key.clone(), &entry.value)).collect()
    }

    /// Whether a name is valid; an invalid one is reported. `what` is the kind of thing, for the
    /// message.
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

    /// The settings of a connector, and an error for each `${NAME}` that is not set.
    pub fn settings(&self, node: &Node, spec: &MapSpec) -> (Settings, Vec<Diagnostic>) {
        let mut unset = Vec::new();
        let settings = settings_of(node, spec, |text, range| self.interpolated(text, range, &mut unset));
        (settings, unset)
    }

    /// Replaces each `${NAME}` with the variable's value; `$${` stands for a literal `${`. A
    /// variable that is not set is replaced with nothing and added to `unset`.
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
            // An unterminated `${` is literal text.
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

/// The key `type:`, which determines the other keys.
pub(crate) static TYPE: MapSpec = MapSpec {
    doc: "",
    keys: &[KeySpec::required("type", KeyKind::Text, "The kind of system, which decides on the other keys.")],
};

/// The value of `type:`, with its place. Returns `None` if it is missing, which is reported.
pub(crate) fn kind_of(node: &Node, what: &str, decoder: &mut Decoder<'_>) -> Option<(String, Range<usize>)> {
    let kind = node.get("type").and_then(|value| Some((value.text()?.to_owned(), value.range.clone())));
    if kind.is_none() {
        // Reports the missing or invalid key.
        decoder.check(what, node, &[&TYPE]);
    }
    kind
}

/// Builds settings from a checked mapping, for the keys of `spec`. `resolve` replaces variables in
/// texts.
pub(crate) fn settings_of(
    node: &Node,
    spec: &MapSpec,
    mut resolve: impl FnMut(&str, &Range<usize>) -> String,
) -> Settings {
    // A source file holds keys of several specifications; the others are read elsewhere.
    let entries = node.map().unwrap_or_default().iter().filter(|entry| spec.key(&entry.key).is_some());
    Settings::new(entries.filter_map(|entry| {
        let mut text = |node: &Node| Some(resolve(node.text()?, &node.range));
        // `true` is a boolean only for keys of that kind; other keys take it as text.
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

/// Parses a `.env` file: `NAME=value` on each line, `#` comments, optional quotes around the value,
/// and an optional `export` in front. Lines without `=` are ignored.
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

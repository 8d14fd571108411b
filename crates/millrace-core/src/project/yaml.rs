//! Parses YAML 1.2 to a tree in which every node knows its place in the file.
//!
//! Tags are refused, and scalars stay text that is interpreted by the core schema on access. Depth,
//! number of nodes and file size are limited, so that aliases cannot expand without bound.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as YamlSpan};

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Span};

/// Maximum nesting depth of mappings and lists.
const MAX_DEPTH: usize = 64;
/// Maximum number of nodes in a file. An alias counts all nodes that it expands to.
const MAX_NODES: usize = 200_000;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: NodeValue,
    /// Byte range in the file.
    pub range: Range<usize>,
}

/// The value of a node.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeValue {
    /// Text, number, boolean or null. YAML's core schema distinguishes them by their text.
    Scalar(Scalar),
    /// A list.
    Seq(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<Entry>),
}

/// A scalar as written in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// Its text, with escapes resolved.
    pub text: String,
    /// Whether it is unquoted. A quoted scalar is always text.
    pub plain: bool,
}

/// An entry of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The place of the key.
    pub key_range: Range<usize>,
    /// The value.
    pub value: Node,
}

impl Scalar {
    /// Whether it is null in YAML 1.2's core schema.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// The boolean in YAML 1.2's core schema. `NO` (Norway) is text, unlike in YAML 1.1.
    pub fn as_bool(&self) -> Option<bool> {
        match self.text.as_str() {
            "true" | "True" | "TRUE" if self.plain => Some(true),
            "false" | "False" | "FALSE" if self.plain => Some(false),
            _ => None,
        }
    }

    /// The integer, if it is one and fits.
    pub fn as_integer(&self) -> Option<i64> {
        if self.plain { self.text.parse().ok() } else { None }
    }
}

impl Node {
    /// The scalar, if the node is one.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            NodeValue::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text of the scalar, if the node is a scalar other than null.
    pub fn text(&self) -> Option<&str> {
        self.scalar().filter(|scalar| !scalar.is_null()).map(|scalar| scalar.text.as_str())
    }

    /// The items, if the node is a list.
    pub fn seq(&self) -> Option<&[Node]> {
        match &self.value {
            NodeValue::Seq(nodes) => Some(nodes),
            _ => None,
        }
    }

    /// The entries, if the node is a mapping.
    pub fn map(&self) -> Option<&[Entry]> {
        match &self.value {
            NodeValue::Map(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a key, if the node is a mapping with that key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.map()?.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The kind of the value, for messages.
    pub fn describe(&self) -> &'static str {
        match &self.value {
            NodeValue::Seq(_) => "a list",
            NodeValue::Map(_) => "a mapping",
            NodeValue::Scalar(scalar) if scalar.is_null() => "nothing",
            NodeValue::Scalar(scalar) if scalar.as_bool().is_some() => "a truth value",
            NodeValue::Scalar(scalar) if scalar.plain && scalar.text.parse::<f64>().is_ok() => "a number",
            NodeValue::Scalar(_) => "a text",
        }
    }
}

/// Decodes the bytes of a project file: UTF-8, with or without a byte order mark, at most 4 MiB.
pub fn decode_text(file: &Arc<str>, bytes: &[u8]) -> Result<String, Diagnostic> {
    const LIMIT: usize = 4 * 1024 * 1024;
    if bytes.len() > LIMIT {
        return Err(Diagnostic::error(
            Code::NotText,
            format!("`{file}` has {} bytes; a project file has at most {LIMIT}", bytes.len()),
        ));
    }
    // The byte order mark stays in the text, so that byte positions are those of the file. Parsers
    // skip it.
    String::from_utf8(bytes.to_vec()).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        Diagnostic::error(Code::NotText, format!("`{file}` is not UTF-8 from line {line} on (byte {at})"))
            .hint("Save the file as UTF-8.")
    })
}

/// Parses one document. An empty file is an empty mapping. Returns `None` after a syntax error,
/// which is reported; a duplicate key is reported and ignored.
pub fn parse(file: &Arc<str>, text: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Node> {
    let mut builder =
        Builder { file, places: Places::new(text), anchors: BTreeMap::new(), nodes: 0, diagnostics };
    match builder.document(text) {
        Ok(node) => Some(node),
        Err(diagnostic) => {
            builder.diagnostics.push(*diagnostic);
            None
        }
    }
}

/// Converts character positions, which the parser reports, to byte positions. `bytes` is `None` for
/// ASCII text, where both are equal.
struct Places {
    bytes: Option<Vec<usize>>,
    len: usize,
}

impl Places {
    fn new(text: &str) -> Self {
        let bytes = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| at).collect());
        Self { bytes, len: text.len() }
    }

    fn byte(&self, character: usize) -> usize {
        match &self.bytes {
            Some(bytes) => bytes.get(character).copied().unwrap_or(self.len),
            None => character.min(self.len),
        }
    }

    fn range(&self, span: YamlSpan) -> Range<usize> {
        let start = self.byte(span.start.index());
        start..self.byte(span.end.index()).max(start)
    }
}

/// A list or mapping whose end has not been reached. `anchor` is 0 if it has none.
struct Open {
    start: usize,
    anchor: usize,
    items: Items,
}

/// The content so far. A mapping also holds a key that waits for its value.
enum Items {
    Seq(Vec<Node>),
    Map(Vec<Entry>, Option<Node>),
}

/// Builds the tree from the parser's events. `anchors` holds complete nodes only.
struct Builder<'a> {
    file: &'a Arc<str>,
    places: Places,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
    diagnostics: &'a mut Vec<Diagnostic>,
}

type Step<T> = Result<T, Box<Diagnostic>>;

impl Builder<'_> {
    fn broken(&self, range: Range<usize>, message: impl Into<String>) -> Box<Diagnostic> {
        let hint = "Look at this line and the one above it: a missing colon, quote or bracket, or a tab.";
        Box::new(Diagnostic::error(Code::BrokenYaml, message).at(Span::new(self.file, range), "").hint(hint))
    }

    fn scan_error(&self, error: &ScanError) -> Box<Diagnostic> {
        let at = self.places.byte(error.marker().index());
        self.broken(at..at, format!("`{}` is not YAML: {}", self.file, error.info()))
    }

    /// Builds the tree with an explicit stack, so that deep nesting cannot overflow the thread's
    /// stack.
    fn document(&mut self, text: &str) -> Step<Node> {
        let body = text.strip_prefix('\u{feff}');
        let shift = usize::from(body.is_some());
        let mut stack: Vec<Open> = Vec::new();
        let mut root: Option<Node> = None;
        for event in Parser::new_from_str(body.unwrap_or(text)) {
            let (event, mut span) = event.map_err(|error| self.scan_error(&error))?;
            if shift > 0 {
                span = shifted(span);
            }
            let range = self.places.range(span);
            let node = match event {
                Event::Scalar(text, style, anchor, tag) => {
                    self.refuse_tag(tag.is_some(), &range)?;
                    let plain = matches!(style, ScalarStyle::Plain);
                    let value = NodeValue::Scalar(Scalar { text: text.into_owned(), plain });
                    self.anchored(anchor, Node { value, range })
                }
                Event::SequenceStart(anchor, tag) => {
                    self.refuse_tag(tag.is_some(), &range)?;
                    self.open(&mut stack, &range, anchor, Items::Seq(Vec::new()))?;
                    continue;
                }
                Event::MappingStart(anchor, tag) => {
                    self.refuse_tag(tag.is_some(), &range)?;
                    self.open(&mut stack, &range, anchor, Items::Map(Vec::new(), None))?;
                    continue;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    let Some(open) = stack.pop() else { continue };
                    let value = match open.items {
                        Items::Seq(nodes) => NodeValue::Seq(nodes),
                        Items::Map(entries, _) => NodeValue::Map(entries),
                    };
                    self.anchored(open.anchor, Node { value, range: open.start..range.end.max(open.start) })
                }
                Event::Alias(anchor) => {
                    let Some(node) = self.anchors.get(&anchor).cloned() else {
                        return Err(self.broken(range, "this alias stands before its anchor is complete"));
                    };
                    // The expansion counts toward the limit, against exponential growth.
                    self.nodes += count(&node);
                    Node { range, ..node }
                }
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(self.broken(range, "a project file holds one YAML document"));
                }
                _ => continue,
            };
            self.nodes += 1;
            if self.nodes > MAX_NODES {
                return Err(self.broken(node.range, format!("more than {MAX_NODES} values in one file")));
            }
            match stack.last_mut() {
                Some(open) => self.put(open, node)?,
                None => root = Some(node),
            }
        }
        let empty = || Node { value: NodeValue::Map(Vec::new()), range: 0..0 };
        Ok(root.filter(|node| !node.scalar().is_some_and(Scalar::is_null)).unwrap_or_else(empty))
    }

    fn refuse_tag(&self, tagged: bool, range: &Range<usize>) -> Step<()> {
        if tagged { Err(self.broken(range.clone(), "tags (`!…`) mean nothing here")) } else { Ok(()) }
    }

    fn anchored(&mut self, anchor: usize, node: Node) -> Node {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        node
    }

    fn open(&self, stack: &mut Vec<Open>, range: &Range<usize>, anchor: usize, items: Items) -> Step<()> {
        if stack.len() >= MAX_DEPTH {
            return Err(self.broken(range.clone(), format!("nested deeper than {MAX_DEPTH} levels")));
        }
        stack.push(Open { start: range.start, anchor, items });
        Ok(())
    }

    /// Adds a node to an open collection. In a mapping, nodes are keys and values in turn.
    fn put(&mut self, open: &mut Open, node: Node) -> Step<()> {
        match &mut open.items {
            Items::Seq(nodes) => nodes.push(node),
            Items::Map(entries, pending) => match pending.take() {
                None => {
                    if node.scalar().is_none() {
                        return Err(self.broken(node.range, "a key is a text, not a list or a mapping"));
                    }
                    *pending = Some(node);
                }
                Some(key) => {
                    let text = key.scalar().map(|scalar| scalar.text.clone()).unwrap_or_default();
                    if let Some(first) = entries.iter().find(|entry| entry.key == text) {
                        self.diagnostics.push(
                            Diagnostic::error(Code::DuplicateKey, format!("`{text}` stands twice"))
                                .at(Span::new(self.file, key.range.clone()), "again here")
                                .at(Span::new(self.file, first.key_range.clone()), "first here"),
                        );
                        return Ok(());
                    }
                    entries.push(Entry { key: text, key_range: key.range, value: node });
                }
            },
        }
        Ok(())
    }
}

/// Moves a span by one character, because the byte order mark at the start of the file was not
/// passed to the parser.
fn shifted(span: YamlSpan) -> YamlSpan {
    use saphyr_parser::Marker;
    let shift = |marker: Marker| Marker::new(marker.index() + 1, marker.line(), marker.col());
    YamlSpan::new(shift(span.start), shift(span.end))
}

/// The number of nodes in a tree.
fn count(node: &Node) -> usize {
    match &node.value {
        NodeValue::Scalar(_) => 1,
        NodeValue::Seq(nodes) => 1 + nodes.iter().map(count).sum::<usize>(),
        NodeValue::Map(entries) => 1 + entries.iter().map(|entry| count(&entry.value)).sum::<usize>(),
    }
}

/// Writes a text as a YAML scalar: plain if that is safe, otherwise double-quoted with JSON's
/// escapes, which are valid in YAML.
pub fn written(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !matches!(text.to_lowercase().as_str(), "null" | "true" | "false");
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> (Option<Node>, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let node = parse(&"t.yml".into(), text, &mut diagnostics);
        (node, diagnostics)
    }

    #[test]
    fn places_are_bytes_also_after_accents_and_a_mark() {
        for text in ["é: [à, {ü: x}]\nname: déjà", "\u{feff}é: [à, {ü: x}]\nname: déjà"] {
            let (node, diagnostics) = read(text);
            assert_eq!(diagnostics, []);
            let node = node.expect("it is YAML");
            let name = node.get("name").expect("it has the key");
            assert_eq!(&text[name.range.clone()], "déjà");
            let entry = &node.map().expect("a mapping")[0];
            assert_eq!(&text[entry.key_range.clone()], "é");
        }
    }

    #[test]
    fn norway_is_a_text() {
        let (node, _) = read("a: NO\nb: true\nc: \"true\"\nd: ~\ne:\nf: 012");
        let node = node.expect("it is YAML");
        let scalar = |key: &str| node.get(key).and_then(Node::scalar).expect("a scalar");
        assert_eq!(scalar("a").as_bool(), None);
        assert_eq!(scalar("b").as_bool(), Some(true));
        assert_eq!(scalar("c").as_bool(), None);
        assert!(scalar("d").is_null() && scalar("e").is_null());
    }

    #[test]
    fn what_is_broken_is_said_once() {
        for (text, code) in [
            ("a: b: c", Code::BrokenYaml),
            ("a: 1\na: 2", Code::DuplicateKey),
            ("a: !tag b", Code::BrokenYaml),
            ("a: 1\n---\nb: 2", Code::BrokenYaml),
            ("{[a]: 1}", Code::BrokenYaml),
            ("a: &x [*x]", Code::BrokenYaml),
        ] {
            let (_, diagnostics) = read(text);
            assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), [code], "{text}");
        }
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(read(&deep).1.len(), 1);
    }

    #[test]
    fn aliases_cannot_grow_without_bound() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 10].join(", ");
            text.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
        }
        let (node, diagnostics) = read(&text);
        assert!(node.is_none());
        assert_eq!(diagnostics[0].code, Code::BrokenYaml);
    }

    proptest! {
        #[test]
        fn no_text_panics_and_places_lie_within(text in "\\PC{0,80}|[-:{}\\[\\]&*!|>'\"%@`a \n\u{feff}é]{0,60}") {
            fn within(node: &Node, text: &str) {
                assert!(text.get(node.range.clone()).is_some(), "{:?}", node.range);
                match &node.value {
                    NodeValue::Scalar(_) => {}
                    NodeValue::Seq(nodes) => nodes.iter().for_each(|node| within(node, text)),
                    NodeValue::Map(entries) => for entry in entries {
                        assert!(text.get(entry.key_range.clone()).is_some());
                        within(&entry.value, text);
                    },
                }
            }
            if let (Some(node), _) = read(&text) {
                within(&node, &text);
            }
        }
    }
}

//! Generates documentation from key specifications: Markdown reference pages, and JSON Schema
//! (draft 2020-12) for editors.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use crate::project::spec::{KeyKind, KeySpec, MapSpec};
use crate::project::strict::describe;

/// A Markdown section for a mapping defined by `specs`, followed by one section for each nested
/// mapping.
pub fn markdown(title: &str, level: usize, specs: &[&MapSpec]) -> String {
    let mut out = format!("{} {title}\n\n", "#".repeat(level));
    let docs: Vec<&str> = specs.iter().map(|spec| spec.doc).filter(|doc| !doc.is_empty()).collect();
    if !docs.is_empty() {
        let _ = writeln!(out, "{}\n", docs.join(" "));
    }
    out.push_str("| key | value | |\n|---|---|---|\n");
    let keys: Vec<&KeySpec> = specs.iter().flat_map(|spec| spec.keys).collect();
    // A `|` would end a cell of the table.
    for key in &keys {
        let required = if key.required { "**needed.** " } else { "" };
        let value = describe(&key.kind).replace('|', "\\|");
        let _ = writeln!(out, "| `{}` | {value} | {required}{} |", key.name, key.doc.replace('|', "\\|"));
    }
    out.push('\n');
    for key in keys {
        for (what, inner) in inner_maps(&key.kind) {
            let title = match what {
                Inner::Itself => format!("`{}`", key.name),
                Inner::Each => format!("one of `{}`", key.name),
            };
            // Markdown has six levels of headings.
            out.push_str(&markdown(&title, (level + 1).min(6), &[inner]));
        }
    }
    out
}

/// How a nested mapping relates to its key: it is the value, or it is one of several values.
#[derive(Clone, Copy)]
enum Inner {
    Itself,
    Each,
}

/// The mappings within a kind, for which the reference page has sections.
fn inner_maps(kind: &KeyKind) -> Vec<(Inner, &'static MapSpec)> {
    match kind {
        KeyKind::Map(spec) => vec![(Inner::Itself, spec)],
        KeyKind::MapOf(kind) | KeyKind::ListOf(kind) => {
            inner_maps(kind).into_iter().map(|(_, spec)| (Inner::Each, spec)).collect()
        }
        KeyKind::AnyOf(kinds) => kinds.iter().flat_map(inner_maps).collect(),
        _ => Vec::new(),
    }
}

/// The JSON Schema of a file whose keys are those of all `specs` together.
pub fn json_schema(title: &str, specs: &[&MapSpec]) -> Json {
    let mut schema = map_schema(specs);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(title);
    schema
}

/// The schema of a mapping. Unknown keys are not allowed.
fn map_schema(specs: &[&MapSpec]) -> Json {
    let keys: Vec<&KeySpec> = specs.iter().flat_map(|spec| spec.keys).collect();
    let properties: Map<String, Json> = keys
        .iter()
        .map(|key| {
            let mut schema = kind_schema(&key.kind);
            schema["description"] = json!(key.doc);
            (key.name.to_owned(), schema)
        })
        .collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// The schema of one kind of value. It must accept what [`crate::project::strict`] accepts.
fn kind_schema(kind: &KeyKind) -> Json {
    match kind {
        // An unquoted `5` or `true` is a number or boolean in YAML, but is accepted as text.
        KeyKind::Text => json!({"type": ["string", "number", "boolean"]}),
        KeyKind::Secret => json!({"type": "string", "pattern": "\\$\\{"}),
        KeyKind::OneOf(words) => json!({"enum": words}),
        KeyKind::Bool => json!({"type": "boolean"}),
        KeyKind::Integer(least, i64::MAX) => json!({"type": "integer", "minimum": least}),
        KeyKind::Integer(least, greatest) => {
            json!({"type": "integer", "minimum": least, "maximum": greatest})
        }
        KeyKind::Localized => json!({"anyOf": [
            {"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
        ]}),
        KeyKind::Map(spec) => map_schema(&[spec]),
        KeyKind::MapOf(kind) => json!({"type": "object", "additionalProperties": kind_schema(kind)}),
        KeyKind::ListOf(kind) => json!({"type": "array", "items": kind_schema(kind)}),
        KeyKind::AnyOf(kinds) => json!({"anyOf": kinds.iter().map(kind_schema).collect::<Vec<_>>()}),
        KeyKind::Scalar => json!({"type": ["string", "number", "boolean", "null"]}),
        KeyKind::Any => json!({}),
    }
}

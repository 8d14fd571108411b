//! Reads and writes `sources/*.schema.yml`: the columns and types of a source's streams.
//! `millrace capture` writes these files, and they are kept in git.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::code::Code;
use crate::project::decode::Decoder;
use crate::project::spec::{KeyKind, KeySpec, MapSpec};
use crate::project::yaml::{Node, written};
use crate::schema::{Column, DataType, StreamSchema, TYPE_NAMES};
use crate::suggest::did_you_mean;

/// The keys of a captured schema.
pub static CAPTURED: MapSpec = MapSpec {
    doc: "`sources/NAME.schema.yml`: columns and types of the streams of source `NAME`, written by `millrace capture`.",
    keys: &[
        KeySpec::required("streams", KeyKind::MapOf(&KeyKind::Map(&STREAM)), "Streams by name."),
        KeySpec::optional(
            "views",
            KeyKind::ListOf(&KeyKind::Text),
            "Those of them that are views, which `exclude: [views]` leaves out.",
        ),
    ],
};

static STREAM: MapSpec = MapSpec {
    doc: "One stream.",
    keys: &[
        KeySpec::optional(
            "primary_key",
            KeyKind::ListOf(&KeyKind::Text),
            "The key that the source itself declares.",
        ),
        KeySpec::required(
            "columns",
            KeyKind::ListOf(&KeyKind::Map(&COLUMN)),
            "Columns in the source's order.",
        ),
    ],
};

static COLUMN: MapSpec = MapSpec {
    doc: "One column.",
    keys: &[
        KeySpec::required("name", KeyKind::Text, "As the source spells it."),
        KeySpec::required("type", KeyKind::Text, "Logical type, such as `int64`, `decimal(18,2)` or `text`."),
        KeySpec::optional("nullable", KeyKind::Bool, "Whether values may be missing; `true` by default."),
    ],
};

/// Captured schemas, by stream name.
pub type CapturedSchemas = BTreeMap<String, StreamSchema>;

/// Decodes a captured schema. An invalid or duplicate column is reported and skipped.
pub fn decode(node: &Node, decoder: &mut Decoder<'_>) -> CapturedSchemas {
    decoder.check("this captured schema", node, &[&CAPTURED]);
    let mut streams = CapturedSchemas::new();
    for (name, stream) in decoder.entries(node, "streams") {
        let mut schema =
            StreamSchema { primary_key: decoder.texts(stream, "primary_key"), columns: Vec::new() };
        for column in stream.get("columns").and_then(Node::seq).unwrap_or_default() {
            // A missing name or type was reported by the check of keys.
            let (Some(column_name), Some(written)) =
                (column.get("name").and_then(Node::text), column.get("type"))
            else {
                continue;
            };
            let text = written.text().unwrap_or_default();
            let Ok(data_type) = text.parse::<DataType>() else {
                let hint = did_you_mean(text, TYPE_NAMES, "the types are");
                decoder.report(
                    Code::WrongValue,
                    &written.range,
                    format!("`{text}` is no logical type"),
                    hint,
                );
                continue;
            };
            if schema.column(column_name).is_some() {
                let message = format!("column `{column_name}` stands twice");
                decoder.report(Code::DuplicateName, &column.range, message, None);
                continue;
            }
            let nullable = column
                .get("nullable")
                .and_then(Node::scalar)
                .and_then(super::yaml::Scalar::as_bool)
                .unwrap_or(true);
            schema.columns.push(Column { name: column_name.to_owned(), data_type, nullable });
        }
        streams.insert(name, schema);
    }
    streams
}

/// The streams of a captured schema that are views. Returns `None` if the file does not list them.
pub fn views(node: &Node, decoder: &Decoder<'_>) -> Option<Vec<String>> {
    node.get("views").map(|_| decoder.texts(node, "views"))
}

/// Writes the file for these streams; decoding returns the same schemas. `views` names the streams
/// that are views, if the source knows them.
pub fn encode(streams: &CapturedSchemas, views: Option<&[String]>) -> String {
    let mut out = String::from(
        "# Written by `millrace capture`; keep it in git. A run compares the source with it.\nstreams:\n",
    );
    for (name, schema) in streams {
        let _ = writeln!(out, "  {}:", written(name));
        if !schema.primary_key.is_empty() {
            let key: Vec<_> = schema.primary_key.iter().map(|name| written(name)).collect();
            let _ = writeln!(out, "    primary_key: [{}]", key.join(", "));
        }
        out.push_str(if schema.columns.is_empty() { "    columns: []\n" } else { "    columns:\n" });
        for Column { name, data_type, nullable } in &schema.columns {
            let data_type = data_type.to_string();
            // The comma in `decimal(18,2)` would end a plain scalar in a flow mapping.
            let data_type = if data_type.contains(',') { format!("\"{data_type}\"") } else { data_type };
            let _ =
                writeln!(out, "      - {{name: {}, type: {data_type}, nullable: {nullable}}}", written(name));
        }
    }
    if let Some(views) = views {
        let views: Vec<_> = views.iter().map(|name| written(name)).collect();
        let _ = writeln!(out, "views: [{}]", views.join(", "));
    }
    out
}

//! Files of JSON: an array of objects, perhaps within a document (`type: json`), or an object a line (`type: ndjson`).
//!
//! Numbers keep their digits: no value passes through a double. Objects and arrays within a record stay the text that they
//! are in the file.

mod array;
mod lines;
mod recovery;
mod scan;
#[cfg(test)]
mod tests;

use std::io::Read;
use std::sync::Arc;

use millrace_core::project::settings::Settings;
use millrace_core::project::spec::{KeyKind, KeySpec, MapSpec};
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::registry::SourceConnector;
use millrace_engine::source::{Source, SourceContext};

use crate::files::Limits;
use crate::files::cell::{Cell, Refusal};
use crate::files::fields::{Met, Records};
use crate::files::paths::PATH;
use crate::files::source::{FileSource, Format};
use crate::files::window::Window;
use crate::json_files::scan::{Field, Value};

static JSON: MapSpec = MapSpec {
    doc: "`type: json`: files that hold one JSON document each.",
    keys: &[
        PATH,
        KeySpec::optional(
            "records",
            KeyKind::Text,
            "Where in the document the array of records is: `$` (the default) is the document itself, `$.data.orders` the value of `orders` in the object `data`.",
        ),
    ],
};

static NDJSON: MapSpec = MapSpec {
    doc: "`type: ndjson`: files with one JSON object a line (also called JSON Lines).",
    keys: &[PATH],
};

/// `type: json`.
#[derive(Debug, Clone, Copy)]
pub struct Json;

/// `type: ndjson`.
#[derive(Debug, Clone, Copy)]
pub struct Ndjson;

impl SourceConnector for Json {
    fn kind(&self) -> &'static str {
        "json"
    }

    fn source_spec(&self) -> &'static MapSpec {
        &JSON
    }

    fn stream_spec(&self) -> &'static MapSpec {
        &JSON
    }

    fn source(&self, context: SourceContext, settings: &Settings) -> Result<Arc<dyn Source>> {
        Ok(FileSource::shared(context, settings, *self))
    }
}

impl SourceConnector for Ndjson {
    fn kind(&self) -> &'static str {
        "ndjson"
    }

    fn source_spec(&self) -> &'static MapSpec {
        &NDJSON
    }

    fn stream_spec(&self) -> &'static MapSpec {
        &NDJSON
    }

    fn source(&self, context: SourceContext, settings: &Settings) -> Result<Arc<dyn Source>> {
        Ok(FileSource::shared(context, settings, *self))
    }
}

impl Format for Json {
    fn walk<R: Read, S: Records>(
        self,
        settings: &Settings,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
    ) -> Result<()> {
        let path = records_path(settings)?;
        array::walk(&path, window, limits, records)
    }
}

impl Format for Ndjson {
    fn walk<R: Read, S: Records>(
        self,
        _settings: &Settings,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
    ) -> Result<()> {
        lines::walk(window, limits, records)
    }
}

/// The keys of `records:`, outermost first.
fn records_path(settings: &Settings) -> Result<Vec<String>> {
    let path = settings.text("records").unwrap_or("$");
    let keys = match path.strip_prefix('$') {
        Some("") => Some(Vec::new()),
        Some(rest) => {
            rest.strip_prefix('.').map(|keys| keys.split('.').map(str::to_owned).collect::<Vec<_>>())
        }
        None => None,
    };
    keys.filter(|keys| keys.iter().all(|key| !key.is_empty() && !key.contains(['[', ']', '*']))).ok_or_else(
        || {
            Error::new(ErrorKind::SourceUnreadable, format!("`records: {path}` is no path"))
                .hint("Write `$`, or `$.data.orders` with the names of the keys that lead to the array.")
        },
    )
}

/// Hands an object over, field by field. `text` is the object; `scratch` is room for texts with escapes.
fn hand_over<S: Records>(
    text: &[u8],
    fields: &[Field],
    scratch: &mut Scratch,
    records: &mut S,
) -> Result<()> {
    let Scratch { numbers, text: decoded } = scratch;
    numbers.clear();
    records.names().next_record();
    for (place, field) in fields.iter().enumerate() {
        let name = scan::string_text(&text[field.name.clone()], field.name_escaped, decoded);
        match records.names().meet(place, name)? {
            Met::Field(number) => numbers.push(number),
            Met::Twice(number) => {
                records.refuse(Some(number), Refusal::broken("the object has this field twice"));
                return Ok(());
            }
        }
    }
    for (&number, field) in numbers.iter().zip(fields) {
        let source = &text[field.value.clone()];
        let cell = match field.kind {
            Value::Null => Cell::Null,
            Value::Boolean(value) => Cell::Boolean(value),
            Value::Number => Cell::Number(source),
            Value::Text { escaped } => {
                let inner = &source[1..source.len() - 1];
                Cell::Text { text: scan::string_text(inner, escaped, decoded), source }
            }
            Value::Nested => Cell::Nested(source),
        };
        records.cell(number, cell);
    }
    Ok(())
}

/// Room that is used again for every record.
#[derive(Debug, Default)]
struct Scratch {
    numbers: Vec<usize>,
    text: Vec<u8>,
}

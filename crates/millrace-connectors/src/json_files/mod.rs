//! Files of JSON: an array of objects, perhaps within a document (`type: json`), or an object a line (`type: ndjson`).
//!
//! Numbers keep their digits: no value passes through a double. Objects and arrays within a record stay the text that they
//! are in the file.

mod array;
mod children;
mod flatten;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod layout;
mod lines;
mod recovery;
mod scan;
mod shape;
#[cfg(test)]
mod tests;

use std::io::Read;
use std::sync::Arc;

use millrace_core::cursor::FileState;
use millrace_core::project::column_words::TYPES;
use millrace_core::project::settings::Settings;
use millrace_core::project::spec::MapSpec;
use millrace_engine::error::Result;
use millrace_engine::ports::registry::SourceConnector;
use millrace_engine::ports::source::{Source, SourceContext};

use crate::files::Limits;
use crate::files::cell::{Cell, Refusal};
use crate::files::encoding::ENCODING;
use crate::files::fields::{Met, Records};
use crate::files::paths::PATH;
use crate::files::pieces::Shared;
use crate::files::remote::{CONNECTION_KEYS, HEADERS, S3};
use crate::files::source::{FileSource, Format, Reading, SAMPLE};
use crate::files::window::Window;
use crate::json_files::array::Elements;
use crate::json_files::children::Rows;
use crate::json_files::flatten::Flatten;
use crate::json_files::layout::{INDEX, LINE_RECORDS, Layout, NESTED, PARENT, RECORDS};
use crate::json_files::lines::Lines;
use crate::json_files::scan::{Field, Scan, Value};
use crate::json_files::shape::{Scanned, Shape};

static JSON: MapSpec = MapSpec {
    doc: "`type: json`: files that hold one JSON document each.",
    keys: &[PATH, HEADERS, S3, ENCODING, RECORDS, PARENT, INDEX, NESTED, SAMPLE, TYPES],
};

static NDJSON: MapSpec = MapSpec {
    doc: "`type: ndjson`: files with one JSON object a line (also called JSON Lines).",
    keys: &[PATH, HEADERS, S3, ENCODING, LINE_RECORDS, PARENT, INDEX, NESTED, SAMPLE, TYPES],
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

    fn connection_keys(&self) -> &'static [&'static str] {
        CONNECTION_KEYS
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

    fn connection_keys(&self) -> &'static [&'static str] {
        CONNECTION_KEYS
    }

    fn source(&self, context: SourceContext, settings: &Settings) -> Result<Arc<dyn Source>> {
        Ok(FileSource::shared(context, settings, *self))
    }
}

impl Format for Json {
    type Cut = Elements;

    fn begin<R: Read, S: Records>(
        self,
        settings: &Settings,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
    ) -> Result<Option<Elements>> {
        let is_array = Layout::of(settings)?.path.is_empty() && array::begin(window, limits, records)?;
        Ok(is_array.then_some(Elements))
    }

    fn walk<R: Read, S: Records>(
        self,
        settings: &Settings,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
    ) -> Result<()> {
        let path = Layout::of(settings)?.path;
        array::walk(&path, window, limits, records)
    }

    fn hands_over_as_is(self, settings: &Settings) -> bool {
        Layout::of(settings).is_ok_and(|layout| layout.is_plain())
    }

    fn collect<S: Shared>(self, reading: Reading<'_>, records: S) -> (S, Result<Vec<FileState>>) {
        collect(self, Layout::of(reading.settings), reading, records)
    }
}

impl Format for Ndjson {
    type Cut = Lines;

    fn begin<R: Read, S: Records>(
        self,
        _settings: &Settings,
        window: &mut Window<R>,
        _limits: Limits,
        _records: &mut S,
    ) -> Result<Option<Lines>> {
        Ok(lines::starts_with_object(window)?.then_some(Lines))
    }

    fn walk<R: Read, S: Records>(
        self,
        _settings: &Settings,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
    ) -> Result<()> {
        lines::walk(window, limits, records, true)
    }

    fn hands_over_as_is(self, settings: &Settings) -> bool {
        Layout::of_lines(settings).is_ok_and(|layout| layout.is_plain())
    }

    fn collect<S: Shared>(self, reading: Reading<'_>, records: S) -> (S, Result<Vec<FileState>>) {
        collect(self, Layout::of_lines(reading.settings), reading, records)
    }
}

/// Hands all records of a stream's files over, as they lie in them.
fn collect<F: Format, S: Shared>(
    format: F,
    layout: Result<Layout>,
    mut reading: Reading<'_>,
    mut records: S,
) -> (S, Result<Vec<FileState>>) {
    let layout = match layout {
        Ok(layout) => layout,
        Err(error) => return (records, Err(error)),
    };
    if layout.is_plain() {
        let walked = reading.walk(format, &mut records);
        return (records, walked);
    }
    let flatten = Flatten::new(records, layout.levels, reading.excluded, reading.wanted.as_deref());
    let mut rows = Rows::new(flatten, layout.children);
    let walked = reading.walk(format, &mut rows);
    let (records, named) = rows.into_inner().into_inner();
    (records, walked.and_then(|states| named.map(|()| states)))
}

/// Hands an object over, field by field. `text` is the object.
fn hand_over<S: Records>(text: &[u8], scratch: &mut Scratch, records: &mut S) -> Result<()> {
    let Scratch { scanned, shape, numbers, is_expected, text: decoded } = scratch;
    if !scanned.is_known {
        numbers.clear();
        records.names().next_record();
        for (place, field) in scanned.fields.iter().enumerate() {
            let name = scan::string_text(&text[field.name.clone()], field.name_escaped, decoded);
            match records.names().meet(place, name)? {
                Met::Field(number) => numbers.push(number),
                Met::Twice(number) => {
                    records.refuse(Some(number), Refusal::broken("the object has this field twice"));
                    return Ok(());
                }
            }
        }
        shape.learn(text, &scanned.fields, numbers);
        *is_expected = false;
    } else if !*is_expected {
        // A record in between may have been refused before it had a shape.
        numbers.clear();
        numbers.extend(shape.numbers());
        records.expect(numbers);
        *is_expected = true;
    }
    for (number, field) in shape.numbers().zip(&scanned.fields) {
        records.cell(number, value(text, field, decoded));
    }
    Ok(())
}

/// A field's value. `text` is the object that it is a field of.
#[inline]
fn value<'a>(text: &'a [u8], field: &Field, decoded: &'a mut Vec<u8>) -> Cell<'a> {
    let source = &text[field.value.clone()];
    match field.kind {
        Value::Null => Cell::Null,
        Value::Boolean(value) => Cell::Boolean(value),
        Value::Number(Some(number)) => Cell::Short { source, number },
        Value::Number(None) => Cell::Number(source),
        Value::Text { escaped } => {
            let inner = &source[1..source.len() - 1];
            Cell::Text { text: scan::string_text(inner, escaped, decoded), source }
        }
        Value::Nested => Cell::Nested(source),
    }
}

/// Room that is used again for every record, and what is known from those before.
#[derive(Debug, Default)]
struct Scratch {
    scanned: Scanned,
    shape: Shape,
    numbers: Vec<usize>,
    /// Whether somebody was told of the shape.
    is_expected: bool,
    /// A text without its escapes.
    text: Vec<u8>,
}

impl Scratch {
    /// Scans the object that starts at the first byte. Returns its length.
    fn scan(&mut self, text: &[u8]) -> Scan<usize> {
        self.scanned.object(text, &self.shape)
    }

    /// Hands the object that starts at the first byte over while it is scanned, where its values can go straight into their columns, and
    /// `ends` says of what follows that nothing else has to be looked at. Returns its length; none where it has to be handed over otherwise.
    #[inline]
    fn read<S: Records>(
        &mut self,
        text: &[u8],
        records: &mut S,
        ends: impl FnOnce(&[u8]) -> bool,
    ) -> Option<usize> {
        if !self.is_expected {
            return None;
        }
        let mut values = records.straight()?;
        let end = self.shape.read(text, &mut self.text, &mut values).filter(|&end| ends(&text[end..]));
        match end {
            Some(_) => values.keep(),
            None => values.forget(),
        }
        end
    }
}

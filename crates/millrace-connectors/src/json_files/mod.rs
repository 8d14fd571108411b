//! JSON files: an array of objects, possibly within a document (`type: json`), or one object a line
//! (`type: ndjson`, also called JSON Lines).
//!
//! Numbers keep their digits: no value passes through a double. Objects and arrays within a record
//! keep the text that they have in the file, unless the settings ask for `flatten` or for rows
//! within records (ADR 18). Records pass through these modules: `array` or `lines` finds them,
//! `scan` checks their grammar and lists their fields, `shape` recognizes records like the one
//! before, `children` and `flatten` turn nested values into rows and columns, and `recovery`
//! decides what a broken record may hide (ADR 28).

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

/// The keys of `type: json`, in a source and in a stream.
static JSON: MapSpec = MapSpec {
    doc: "`type: json`: files that hold one JSON document each.",
    keys: &[PATH, HEADERS, S3, ENCODING, RECORDS, PARENT, INDEX, NESTED, SAMPLE, TYPES],
};

/// The keys of `type: ndjson`, in a source and in a stream.
static NDJSON: MapSpec = MapSpec {
    doc: "`type: ndjson`: files with one JSON object a line (also called JSON Lines).",
    keys: &[PATH, HEADERS, S3, ENCODING, LINE_RECORDS, PARENT, INDEX, NESTED, SAMPLE, TYPES],
};

/// The connector of `type: json`.
#[derive(Debug, Clone, Copy)]
pub struct Json;

/// The connector of `type: ndjson`.
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
        // Only an array that is the whole document can be walked in pieces.
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

    /// Flattened records and child rows have columns that the beginning of a file does not show.
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

/// Hands over all records of a stream's files, arranged as the layout says: as they are, flattened,
/// or as the rows within them. Returns `records` also if the walk ends early.
fn collect<F: Format, S: Shared>(
    format: F,
    layout: Result<Layout>,
    mut reading: Reading<'_>,
    mut records: S,
) -> (S, Result<Vec<FileState>>) {
    // `records` is returned with every error, because the caller goes on with it.
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

/// Hands over the fields of a scanned object. `text` is the object. Refuses the record if it has a
/// field twice, and learns the shape of an object that differs from the one before.
fn hand_over<S: Records>(text: &[u8], scratch: &mut Scratch, records: &mut S) -> Result<()> {
    // The names are looked up only if the shape differs from that of the record before.
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
        // A record in between may have been refused before its shape was learned.
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

/// The value of a field. `text` is the object; `decoded` holds a text without its escapes.
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

/// Buffers that are reused for every record, and what is known from the records before.
#[derive(Debug, Default)]
struct Scratch {
    /// The fields of the present record.
    scanned: Scanned,
    /// The shape of the last record that differed from the one before it.
    shape: Shape,
    /// The field numbers of that shape.
    numbers: Vec<usize>,
    /// Whether the receiver of the records was told to expect this shape ([`Records::expect`]).
    is_expected: bool,
    /// A decoded text, without its escapes.
    text: Vec<u8>,
}

impl Scratch {
    /// Scans the object at the start of a text. Returns its length.
    fn scan(&mut self, text: &[u8]) -> Scan<usize> {
        self.scanned.object(text, &self.shape)
    }

    /// The fast path: hands over the values of the object at the start of a text while it is
    /// scanned.
    ///
    /// Works only if the object has the expected shape, if each value goes straight into its
    /// column, and if `ends` accepts what follows the object. Returns the length of the object;
    /// otherwise returns `None`, nothing of the object counts, and it has to be handed over the
    /// slow way.
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

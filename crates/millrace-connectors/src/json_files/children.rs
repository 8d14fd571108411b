//! Turns the elements of an array within each record into rows of a child stream (ADR 18).
//!
//! [`Rows`] is put between the reader of a file and the receiver of its records. It ignores the
//! cells of a record, and takes the rows from the record's text when the record ends. A bad element
//! is one quarantined row. A record that is bad as a whole goes to quarantine together with each
//! object in it that may be a row, so that the share in quarantine is never too small (ADR 28). A
//! record without the array has no rows.

use std::ops::Range;

use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::cell::{Cell, Refusal};
use crate::files::delivery::Place;
use crate::files::fields::{FieldNames, Met, Records};
use crate::files::pieces::Shared;
use crate::files::spelling;
use crate::files::window::LineCounter;
use crate::json_files::array::not_an_object;
use crate::json_files::layout::Children;
use crate::json_files::recovery::parts;
use crate::json_files::scan::{self, Field, Value, is_space};
use crate::json_files::value;

/// Hands on the rows within records, or the records themselves if there are no `children`.
#[derive(Debug)]
pub(super) struct Rows<S> {
    inner: S,
    /// The field names of the records, apart from those of the rows.
    names: FieldNames,
    children: Option<Children>,
    /// The first thing that is wrong with the present record.
    refusal: Option<Refusal>,
}

impl<S: Records> Rows<S> {
    /// `inner` receives the rows.
    pub(super) fn new(inner: S, children: Option<Children>) -> Self {
        Self { inner, names: FieldNames::default(), children, refusal: None }
    }

    pub(super) fn into_inner(self) -> S {
        self.inner
    }

    /// Hands on all rows of a record.
    fn record(&mut self, children: &Children, place: Place<'_>) -> Result<()> {
        let record = place.raw;
        let found = match Found::of(record, children) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            Err(misfit) => return self.set_aside(misfit, place),
        };
        let mut lines = LineCounter::new(record, place.line);
        let mut at = past_space(record, found.start + 1);
        let mut index = 1u64;
        while record.get(at) != Some(&b']') {
            // Cannot fail, because the record has been scanned as a whole.
            let Ok((end, kind)) = scan::value(record, at, 1) else { break };
            let row = Place { file: place.file, line: lines.line_of(at), raw: &record[at..end] };
            if kind == Value::Nested && record[at] == b'{' {
                self.row(children, record, &found.parents, index, row.raw)?;
            } else {
                self.inner.refuse(None, not_an_object(row.raw));
            }
            self.inner.end_record(row)?;
            at = past_space(record, end);
            if record.get(at) == Some(&b',') {
                at = past_space(record, at + 1);
            }
            index += 1;
        }
        Ok(())
    }

    /// Puts a record into quarantine, and with it each object that may be one of its rows.
    fn set_aside(&mut self, Misfit { refusal, rows_within }: Misfit, place: Place<'_>) -> Result<()> {
        self.inner.refuse(None, refusal);
        self.inner.end_record(place)?;
        let text = &place.raw[..rows_within.end];
        let from = rows_within.start;
        // Any brace may begin a row. Too many rows in quarantine are better than too few.
        let starts: Vec<usize> = memchr::memchr_iter(b'{', &text[from..]).map(|at| from + at).collect();
        let mut lines = LineCounter::new(text, place.line);
        for (start, raw) in parts(text, &starts) {
            self.inner.refuse(None, Refusal::broken("the object is in a record that was set aside"));
            self.inner.end_record(Place { file: place.file, line: lines.line_of(start), raw })?;
        }
        Ok(())
    }

    /// Hands on the cells of one row: the columns from the record, the index, and its own fields.
    /// `index` counts from 1. Returns an error if a field of the row has the name of another
    /// column.
    fn row(
        &mut self,
        children: &Children,
        record: &[u8],
        parents: &[Option<Field>],
        index: u64,
        row: &[u8],
    ) -> Result<()> {
        let (mut fields, mut decoded, mut name) = (Vec::new(), Vec::new(), Vec::new());
        if scan::object(row, &mut fields).is_err() {
            self.inner.refuse(None, Refusal::broken("the row is no object"));
            return Ok(());
        }
        self.inner.names().next_record();
        let mut place = 0;
        for (column, field) in children.parent.keys().zip(parents) {
            let cell = field.as_ref().map_or(Cell::Null, |field| value(record, field, &mut decoded));
            self.put(place, column.as_bytes(), cell)?;
            place += 1;
        }
        self.put(place, children.index.as_bytes(), Cell::Number(index.to_string().as_bytes()))?;
        for field in &fields {
            place += 1;
            let key = scan::string_text(&row[field.name.clone()], field.name_escaped, &mut name);
            // A field of the row must not take the name of a column that the project defines.
            let own = |column: &str| column.as_bytes() == key;
            if own(&children.index) || children.parent.keys().any(|column| own(column)) {
                let key = String::from_utf8_lossy(key);
                let message = format!(
                    "rows within the records have a field `{key}`, and the project gives that name to another column"
                );
                return Err(Error::new(ErrorKind::SourceUnreadable, message)
                    .hint("Choose another name for it under `parent` or `index`."));
            }
            self.put(place, key, value(row, field, &mut decoded))?;
        }
        Ok(())
    }

    /// Hands on one cell, by the name of its column. Refuses the row if it has the column already.
    fn put(&mut self, place: usize, name: &[u8], cell: Cell<'_>) -> Result<()> {
        match self.inner.names().meet(place, name)? {
            Met::Field(number) => self.inner.cell(number, cell),
            Met::Twice(number) => {
                self.inner.refuse(Some(number), Refusal::broken("the object has this field twice"));
            }
        }
        Ok(())
    }
}

/// The first place from `at` on that is not white space; the end of the text if there is none.
fn past_space(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|&byte| !is_space(byte)).map_or(text.len(), |spaces| at + spaces)
}

/// Why the rows of a record cannot be read, although it may have some.
struct Misfit {
    refusal: Refusal,
    /// The part of the record in which each object may be one of its rows.
    rows_within: Range<usize>,
}

impl Misfit {
    /// For a record that is bad as a whole: any object in it, except itself, may be a row.
    fn of(record: &[u8], refusal: Refusal) -> Self {
        Self { refusal, rows_within: record.len().min(1)..record.len() }
    }
}

/// The array of rows that was found in a record.
struct Found {
    /// The start of the array, in bytes from the start of the record.
    start: usize,
    /// The fields that become columns of each row, in the order of these columns; `None` for a
    /// field that the record lacks. Ranges count from the start of the record.
    parents: Vec<Option<Field>>,
}

impl Found {
    /// Follows the path to the array. Returns `None` if the record has no such array, or null
    /// instead. Returns an error if something else is in its place, or if a field on the path is
    /// ambiguous.
    fn of(record: &[u8], children: &Children) -> Result<Option<Self>, Misfit> {
        let whole = |refusal| Misfit::of(record, refusal);
        let mut fields = Vec::new();
        // Cannot fail, because the record was scanned before it was handed over.
        scan::object(record, &mut fields).map_err(|_| whole(Refusal::broken("the record is no object")))?;
        let parent = |from: &String| find(record, &fields, from).map(Option::<&Field>::cloned);
        let parents = children.parent.values().map(parent).collect::<Result<_, _>>().map_err(whole)?;
        // Ranges of nested fields count from their object, which starts at `offset` in the record.
        let (mut offset, mut inner) = (0, fields.clone());
        for (level, key) in children.path.iter().enumerate() {
            let Some(field) = find(&record[offset..], &inner, key).map_err(whole)? else { return Ok(None) };
            let (start, end) = (offset + field.value.start, offset + field.value.end);
            let is_last = level + 1 == children.path.len();
            match (field.kind, record[start]) {
                (Value::Null, _) => return Ok(None),
                (Value::Nested, b'[') if is_last => return Ok(Some(Self { start, parents })),
                (Value::Nested, b'{') if !is_last => {
                    offset = start;
                    scan::object(&record[offset..], &mut inner)
                        .map_err(|_| whole(Refusal::broken("the record is no object")))?;
                }
                (kind, _) => {
                    let expected = if is_last { "an array" } else { "an object" };
                    let path = children.path[..=level].join(".");
                    let refusal = Refusal::wrong_type(format!("`{path}` is not {expected}"));
                    let rows_within = if kind == Value::Nested { start + 1..end } else { end..end };
                    return Err(Misfit { refusal, rows_within });
                }
            }
        }
        Ok(None)
    }
}

/// Finds a field by its name, or the only one that differs from it in letter case alone. Returns
/// `None` if there is none, and a refusal if several fields match.
fn find<'f>(object: &[u8], fields: &'f [Field], name: &str) -> Result<Option<&'f Field>, Refusal> {
    // An exact match counts before one in other letter case.
    let (mut same, mut alike, mut decoded) = (Vec::new(), Vec::new(), Vec::new());
    for field in fields {
        let key = scan::string_text(&object[field.name.clone()], field.name_escaped, &mut decoded);
        if key == name.as_bytes() {
            same.push(field);
        } else if spelling::are_alike(&String::from_utf8_lossy(key), name) {
            alike.push(field);
        }
    }
    match (same.as_slice(), alike.as_slice()) {
        (&[field], _) | ([], &[field]) => Ok(Some(field)),
        ([], []) => Ok(None),
        // It cannot be decided which field is meant, and either may have rows.
        _ => Err(Refusal::broken(format!(
            "the record has a field `{name}` twice, perhaps in different letter case"
        ))),
    }
}

impl<S: Records> Records for Rows<S> {
    fn names(&mut self) -> &mut FieldNames {
        if self.children.is_some() { &mut self.names } else { self.inner.names() }
    }

    fn cell(&mut self, field: usize, cell: Cell<'_>) {
        // The rows are taken from the text of the record when it ends.
        if self.children.is_none() {
            self.inner.cell(field, cell);
        }
    }

    fn refuse(&mut self, field: Option<usize>, refusal: Refusal) {
        if self.children.is_none() {
            self.inner.refuse(field, refusal);
        } else {
            self.refusal.get_or_insert(refusal);
        }
    }

    fn end_record(&mut self, place: Place<'_>) -> Result<bool> {
        // Taken out so that `self` can be borrowed mutably while the rows are handed on.
        let Some(children) = self.children.take() else { return self.inner.end_record(place) };
        let ended = match self.refusal.take() {
            Some(refusal) => self.set_aside(Misfit::of(place.raw, refusal), place).map(|()| false),
            None => self.record(&children, place).map(|()| true),
        };
        self.children = Some(children);
        ended
    }
}

impl<S: Shared> Shared for Rows<S> {
    type Made = S::Made;

    /// The field names are copied, so that the helper numbers the fields as this one does.
    fn helper(&self) -> Self {
        Self {
            inner: self.inner.helper(),
            names: self.names.clone(),
            children: self.children.clone(),
            refusal: None,
        }
    }

    fn made(&mut self) -> Result<S::Made> {
        self.inner.made()
    }

    fn take_up(&mut self, made: S::Made) -> Result<()> {
        self.inner.take_up(made)
    }
}

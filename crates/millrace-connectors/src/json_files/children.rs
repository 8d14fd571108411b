//! The elements of an array within each record as rows of their own. See ADR 0018.

use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::cell::{Cell, Refusal};
use crate::files::delivery::Place;
use crate::files::fields::{FieldNames, Met, Records};
use crate::files::pieces::Shared;
use crate::files::window::count_lines;
use crate::json_files::array::not_an_object;
use crate::json_files::layout::Children;
use crate::json_files::recovery::parts;
use crate::json_files::scan::{self, Field, Value, is_space};
use crate::json_files::value;

/// Rows within records, or the records themselves where nothing is said about rows within them.
#[derive(Debug)]
pub(super) struct Rows<S> {
    inner: S,
    /// The fields of the records.
    names: FieldNames,
    children: Option<Children>,
    /// What is wrong with the present record.
    refusal: Option<Refusal>,
}

impl<S: Records> Rows<S> {
    pub(super) fn new(inner: S, children: Option<Children>) -> Self {
        Self { inner, names: FieldNames::default(), children, refusal: None }
    }

    pub(super) fn into_inner(self) -> S {
        self.inner
    }

    /// All rows of a record.
    fn record(&mut self, children: &Children, place: Place<'_>) -> Result<()> {
        let record = place.raw;
        let mut fields = Vec::new();
        let array = match scan::object(record, &mut fields) {
            Ok(_) => array(record, &fields, &children.path),
            // Whoever hands records over has scanned them.
            Err(_) => Err(Refusal::broken("the record is no object")),
        };
        let start = match array {
            Ok(Some(start)) => start,
            Ok(None) => return Ok(()),
            Err(refusal) => return self.set_aside(refusal, place),
        };
        let mut at = past_space(record, start + 1);
        let mut index = 1u64;
        while record.get(at) != Some(&b']') {
            // It is a part of a record that is whole.
            let Ok((end, kind)) = scan::value(record, at, 1) else { break };
            let line = place.line + count_lines(&record[..at]);
            let row = Place { file: place.file, line, raw: &record[at..end] };
            if kind == Value::Nested && record[at] == b'{' {
                self.row(children, record, &fields, index, row.raw)?;
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

    /// Puts a record into quarantine, and with it each object within it: any of them may be a row.
    fn set_aside(&mut self, refusal: Refusal, place: Place<'_>) -> Result<()> {
        self.inner.refuse(None, refusal);
        self.inner.end_record(place)?;
        let starts: Vec<usize> = memchr::memchr_iter(b'{', place.raw).filter(|&at| at > 0).collect();
        for (start, raw) in parts(place.raw, &starts) {
            self.inner.refuse(None, Refusal::broken("the object is in a record that was set aside"));
            let line = place.line + count_lines(&place.raw[..start]);
            self.inner.end_record(Place { file: place.file, line, raw })?;
        }
        Ok(())
    }

    /// The cells of one row.
    fn row(
        &mut self,
        children: &Children,
        record: &[u8],
        parent: &[Field],
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
        for (column, from) in &children.parent {
            let field = find(record, parent, from);
            let cell = field.map_or(Cell::Null, |field| value(record, field, &mut decoded));
            self.put(place, column.as_bytes(), cell)?;
            place += 1;
        }
        self.put(place, children.index.as_bytes(), Cell::Number(index.to_string().as_bytes()))?;
        for field in &fields {
            place += 1;
            let key = scan::string_text(&row[field.name.clone()], field.name_escaped, &mut name);
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

fn past_space(text: &[u8], at: usize) -> usize {
    text[at..].iter().position(|&byte| !is_space(byte)).map_or(text.len(), |spaces| at + spaces)
}

/// The field of that name.
fn find<'f>(object: &[u8], fields: &'f [Field], name: &str) -> Option<&'f Field> {
    let mut decoded = Vec::new();
    fields.iter().find(|field| {
        scan::string_text(&object[field.name.clone()], field.name_escaped, &mut decoded) == name.as_bytes()
    })
}

/// Where in a record the array starts to which these keys lead; none where it has no such thing.
fn array(record: &[u8], fields: &[Field], path: &[String]) -> Result<Option<usize>, Refusal> {
    let (mut offset, mut inner) = (0, fields.to_vec());
    for (level, key) in path.iter().enumerate() {
        let Some(field) = find(&record[offset..], &inner, key) else { return Ok(None) };
        let start = offset + field.value.start;
        let is_last = level + 1 == path.len();
        match (field.kind, record[start]) {
            (Value::Null, _) => return Ok(None),
            (Value::Nested, b'[') if is_last => return Ok(Some(start)),
            (Value::Nested, b'{') if !is_last => {
                offset = start;
                if scan::object(&record[offset..], &mut inner).is_err() {
                    return Err(Refusal::broken("the record is no object"));
                }
            }
            _ => {
                let expected = if is_last { "an array" } else { "an object" };
                return Err(Refusal::wrong_type(format!("`{}` is not {expected}", path[..=level].join("."))));
            }
        }
    }
    Ok(None)
}

impl<S: Records> Records for Rows<S> {
    fn names(&mut self) -> &mut FieldNames {
        if self.children.is_some() { &mut self.names } else { self.inner.names() }
    }

    fn cell(&mut self, field: usize, cell: Cell<'_>) {
        // Rows within a record are looked for when the record is whole.
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
        let Some(children) = self.children.take() else { return self.inner.end_record(place) };
        let ended = match self.refusal.take() {
            Some(refusal) => self.set_aside(refusal, place).map(|()| false),
            None => self.record(&children, place).map(|()| true),
        };
        self.children = Some(children);
        ended
    }
}

impl<S: Shared> Shared for Rows<S> {
    type Made = S::Made;

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

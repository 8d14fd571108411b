//! Numbers for the names of fields, and which of these are one column.

use std::collections::HashMap;

use millrace_engine::error::{Error, ErrorKind, Result};

/// Distinct field names that a stream may have. A file with more has data where its field names should be.
const MOST_FIELDS: usize = 10_000;

/// Numbers for field names, in the order in which they were first met.
#[derive(Debug, Default, Clone)]
pub(crate) struct FieldNames {
    names: Vec<String>,
    by_name: HashMap<Vec<u8>, usize>,
    /// The field that last stood at a place within a record: records mostly repeat the order of those before.
    at_place: Vec<usize>,
    /// The record in which a field was last met.
    last_record: Vec<u64>,
    record: u64,
    /// Fields by their names in lower case.
    by_folded: HashMap<String, Vec<usize>>,
    /// Of each field, those whose names differ from its own in letter case only.
    twins: Vec<Vec<usize>>,
    /// Whether a record has had a field and one of its twins.
    together: Vec<bool>,
}

/// What [`FieldNames::meet`] found.
pub(crate) enum Met {
    /// A field, by its number.
    Field(usize),
    /// A field that this record has already had.
    Twice(usize),
}

impl FieldNames {
    /// All names, by the numbers of their fields.
    pub(crate) fn all(&self) -> &[String] {
        &self.names
    }

    /// The name of a field.
    pub(crate) fn name(&self, field: usize) -> &str {
        &self.names[field]
    }

    /// Starts a record.
    pub(crate) fn next_record(&mut self) {
        self.record += 1;
    }

    /// The number of a name that stands at `place` within its record. The name is UTF-8.
    pub(crate) fn meet(&mut self, place: usize, name: &[u8]) -> Result<Met> {
        let field = match self.at_place.get(place) {
            Some(&field) if self.names[field].as_bytes() == name => field,
            _ => self.look_up(place, name)?,
        };
        if self.last_record[field] == self.record {
            return Ok(Met::Twice(field));
        }
        self.last_record[field] = self.record;
        for &twin in &self.twins[field] {
            if self.last_record[twin] == self.record {
                self.together[field] = true;
                self.together[twin] = true;
            }
        }
        Ok(Met::Field(field))
    }

    fn look_up(&mut self, place: usize, name: &[u8]) -> Result<usize> {
        let field = self.number(name)?;
        match self.at_place.get_mut(place) {
            Some(at) => *at = field,
            // Places are met one after the other.
            None => self.at_place.push(field),
        }
        Ok(field)
    }

    /// The number of a name, a new one where it is new.
    pub(crate) fn number(&mut self, name: &[u8]) -> Result<usize> {
        Ok(if let Some(&field) = self.by_name.get(name) {
            field
        } else {
            if self.names.len() == MOST_FIELDS {
                return Err(Error::new(
                    ErrorKind::SourceUnreadable,
                    format!("the records have more than {MOST_FIELDS} different fields"),
                )
                .hint("Does the file use values as field names? Then it has to be turned around before."));
            }
            let field = self.names.len();
            self.by_name.insert(name.to_vec(), field);
            let name = String::from_utf8_lossy(name).into_owned();
            self.last_record.push(0);
            self.together.push(false);
            let alike = self.by_folded.entry(name.to_lowercase()).or_default();
            for &twin in alike.iter() {
                self.twins[twin].push(field);
            }
            self.twins.push(alike.clone());
            alike.push(field);
            self.names.push(name);
            field
        })
    }

    /// The field of which another one is only another spelling: the first one of that name in any letter case, unless a record has had both
    /// or the like. None of a field that is what it is.
    pub(crate) fn other_spelling(&self, field: usize) -> Option<usize> {
        let twins = &self.twins[field];
        let first = twins.iter().copied().min().filter(|&first| first < field)?;
        let apart = |&field: &usize| !self.together[field];
        (apart(&field) && twins.iter().all(apart)).then_some(first)
    }

    /// Takes into account what another thread has met, whose field of that number is this one's `field`.
    pub(crate) fn add(&mut self, field: usize, others: &Self, other: usize) {
        self.together[field] |= others.together[other];
    }
}

//! Numbers the names of fields, and groups names that differ in letter case only.
//!
//! A format looks up each name of each record here, so the common case is one comparison: the name
//! is the one that stood at the same place in the record before.

use std::collections::HashMap;

use millrace_engine::error::{Error, ErrorKind, Result};

/// The most distinct field names of a stream. A file with more has data in place of field names.
const MOST_FIELDS: usize = 10_000;

/// Numbers for field names, in the order of their first occurrence.
#[derive(Debug, Default, Clone)]
pub(crate) struct FieldNames {
    names: Vec<String>,
    by_name: HashMap<Vec<u8>, usize>,
    /// The field that last stood at each place within a record. Records mostly repeat the order of
    /// the record before.
    at_place: Vec<usize>,
    /// The number of the record in which each field last occurred.
    last_record: Vec<u64>,
    record: u64,
    /// The group of each name, by the name in lower case.
    by_folded: HashMap<String, usize>,
    groups: Vec<Group>,
    /// The group of each field.
    group_of: Vec<usize>,
}

/// Fields whose names differ in letter case only.
#[derive(Debug, Clone)]
struct Group {
    /// The field that occurred first.
    first: usize,
    /// The record in which one of them last occurred.
    last_record: u64,
    /// Whether a record had two of them, so that they are different columns.
    together: bool,
}

/// The result of [`FieldNames::meet`].
pub(crate) enum Met {
    /// The number of a field.
    Field(usize),
    /// The number of a field that the record has already had.
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

    /// Starts a record. Called before its first [`Self::meet`].
    pub(crate) fn next_record(&mut self) {
        self.record += 1;
    }

    /// The number of the name at `place` within the current record. `name` must be UTF-8. Fails if
    /// the stream has too many different names.
    pub(crate) fn meet(&mut self, place: usize, name: &[u8]) -> Result<Met> {
        let field = match self.at_place.get(place) {
            Some(&field) if self.names[field].as_bytes() == name => field,
            _ => self.look_up(place, name)?,
        };
        if self.last_record[field] == self.record {
            return Ok(Met::Twice(field));
        }
        self.last_record[field] = self.record;
        let group = &mut self.groups[self.group_of[field]];
        group.together |= group.last_record == self.record;
        group.last_record = self.record;
        Ok(Met::Field(field))
    }

    /// Looks a name up by its hash, and remembers it for this place.
    fn look_up(&mut self, place: usize, name: &[u8]) -> Result<usize> {
        let field = self.number(name)?;
        match self.at_place.get_mut(place) {
            Some(at) => *at = field,
            // The places of a record are met in ascending order.
            None => self.at_place.push(field),
        }
        Ok(field)
    }

    /// The number of a name, which gets a new number if it is unknown. Fails if the stream has too
    /// many different names.
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
            let group = *self.by_folded.entry(name.to_lowercase()).or_insert_with(|| {
                self.groups.push(Group { first: field, last_record: 0, together: false });
                self.groups.len() - 1
            });
            self.group_of.push(group);
            self.names.push(name);
            field
        })
    }

    /// The field that this one is only another spelling of: the first one whose name is the same in
    /// any letter case. Returns `None` if this is the first one, or if a record had two of the
    /// group.
    pub(crate) fn other_spelling(&self, field: usize) -> Option<usize> {
        let group = &self.groups[self.group_of[field]];
        (group.first != field && !group.together).then_some(group.first)
    }

    /// Adds what another thread knows of its field `other`, which is this one's `field`.
    pub(crate) fn add(&mut self, field: usize, others: &Self, other: usize) {
        self.groups[self.group_of[field]].together |= others.groups[others.group_of[other]].together;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names that differ from each other in letter case only.
    fn spellings(count: usize) -> impl Iterator<Item = String> {
        (0..count).map(|n| {
            let letter = |bit: usize| if n >> bit & 1 == 0 { 'a' } else { 'A' };
            (0..14).map(letter).collect()
        })
    }

    #[test]
    fn spellings_are_one_column_unless_a_record_has_two() {
        let mut names = FieldNames::default();
        for name in ["id", "ID", "x", "Id", "X"] {
            names.next_record();
            names.meet(0, name.as_bytes()).expect("a field");
        }
        let others = |names: &FieldNames| (0..5).map(|field| names.other_spelling(field)).collect::<Vec<_>>();
        assert_eq!(others(&names), [None, Some(0), None, Some(0), Some(2)]);
        let mut helper = names.clone();
        helper.next_record();
        for (place, name) in ["ID", "Id"].into_iter().enumerate() {
            helper.meet(place, name.as_bytes()).expect("a field");
        }
        for field in 0..5 {
            names.add(field, &helper, field);
        }
        assert_eq!(others(&names), [None, None, None, None, Some(2)]);
    }

    #[test]
    fn many_spellings_take_no_time() {
        let start = std::time::Instant::now();
        let mut names = FieldNames::default();
        let spellings: Vec<String> = spellings(MOST_FIELDS).collect();
        for _ in 0..50 {
            names.next_record();
            for (place, name) in spellings.iter().enumerate() {
                names.meet(place, name.as_bytes()).expect("a field");
            }
        }
        assert_eq!(names.other_spelling(MOST_FIELDS - 1), None);
        assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
    }
}

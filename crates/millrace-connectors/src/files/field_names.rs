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
    /// Groups of fields by their names in lower case.
    by_folded: HashMap<String, usize>,
    groups: Vec<Group>,
    /// Of each field, its group.
    group_of: Vec<usize>,
}

/// Fields whose names differ in letter case only.
#[derive(Debug, Clone)]
struct Group {
    /// The field that was met first.
    first: usize,
    /// The record in which one of them was last met.
    last_record: u64,
    /// Whether a record has had two of them.
    together: bool,
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
        let group = &mut self.groups[self.group_of[field]];
        group.together |= group.last_record == self.record;
        group.last_record = self.record;
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
            let group = *self.by_folded.entry(name.to_lowercase()).or_insert_with(|| {
                self.groups.push(Group { first: field, last_record: 0, together: false });
                self.groups.len() - 1
            });
            self.group_of.push(group);
            self.names.push(name);
            field
        })
    }

    /// The field of which another one is only another spelling: the first one of that name in any letter case, unless a record has had both
    /// or the like. None of a field that is what it is.
    pub(crate) fn other_spelling(&self, field: usize) -> Option<usize> {
        let group = &self.groups[self.group_of[field]];
        (group.first != field && !group.together).then_some(group.first)
    }

    /// Takes into account what another thread has met, whose field of that number is this one's `field`.
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

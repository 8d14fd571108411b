//! The tables of a dump, and the lookup of a table by name.

use std::collections::HashMap;
use std::ops::{Index, IndexMut};

use crate::mysql_dump::index::DumpTable;

/// Tables in the order in which the dump names them first. An entry may have rows and no
/// definition.
#[derive(Debug, Default)]
pub(in crate::mysql_dump) struct Tables {
    list: Vec<DumpTable>,
    /// Indexes into `list` by names in lower case. A scan of all tables for each statement of a
    /// large dump would take minutes.
    by_name: HashMap<String, Vec<usize>>,
}

impl Tables {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &DumpTable> {
        self.list.iter()
    }

    /// Returns the tables in order.
    pub(super) fn into_list(self) -> Vec<DumpTable> {
        self.list
    }

    /// Returns the indexes of the tables of that name, in any letter case and database.
    pub(super) fn named(&self, name: &str) -> &[usize] {
        self.by_name.get(&name.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// Returns the table that a name means. An exact spelling is preferred to another letter case;
    /// among equals, a table of the same database is preferred to one whose database is unknown.
    pub(super) fn find(&self, database: Option<&String>, name: &str) -> Option<usize> {
        // Not strictly, an unknown database matches any other.
        let in_it = |table: &DumpTable, strictly: bool| match (&table.database, database) {
            (Some(one), Some(other)) => one == other,
            (None, None) => true,
            _ => !strictly,
        };
        let named = self.named(name);
        let try_with = |exact: bool, strictly: bool| {
            named.iter().copied().find(|&at| {
                let table = &self.list[at];
                (!exact || table.name == name) && in_it(table, strictly)
            })
        };
        // The order of these attempts is the precedence.
        try_with(true, true)
            .or_else(|| try_with(true, false))
            .or_else(|| try_with(false, true))
            .or_else(|| try_with(false, false))
    }

    /// Returns the index of the table with exactly that name and database. Adds the table if it is
    /// missing.
    pub(super) fn entry(&mut self, database: Option<&String>, name: &str) -> usize {
        let same = |&at: &usize| self.list[at].name == name && self.list[at].database.as_ref() == database;
        if let Some(at) = self.named(name).iter().copied().find(same) {
            return at;
        }
        let at = self.list.len();
        self.list.push(DumpTable {
            database: database.cloned(),
            name: name.to_owned(),
            ..DumpTable::default()
        });
        self.by_name.entry(name.to_ascii_lowercase()).or_default().push(at);
        at
    }

    /// Removes a table. The indexes of the tables behind it decrease by one.
    pub(super) fn remove(&mut self, at: usize) -> DumpTable {
        let removed = self.list.remove(at);
        self.by_name.clear();
        for (at, table) in self.list.iter().enumerate() {
            self.by_name.entry(table.name.to_ascii_lowercase()).or_default().push(at);
        }
        removed
    }
}

impl Index<usize> for Tables {
    type Output = DumpTable;

    fn index(&self, at: usize) -> &DumpTable {
        &self.list[at]
    }
}

impl IndexMut<usize> for Tables {
    fn index_mut(&mut self, at: usize) -> &mut DumpTable {
        &mut self.list[at]
    }
}

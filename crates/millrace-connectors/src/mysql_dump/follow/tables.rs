//! The tables of a dump, and which of them a name means.

use std::collections::HashMap;
use std::ops::{Index, IndexMut};

use crate::mysql_dump::index::DumpTable;

/// Tables in the order in which the dump names them.
#[derive(Debug, Default)]
pub(in crate::mysql_dump) struct Tables {
    list: Vec<DumpTable>,
    /// By their names in lower case.
    by_name: HashMap<String, Vec<usize>>,
}

impl Tables {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &DumpTable> {
        self.list.iter()
    }

    pub(super) fn into_list(self) -> Vec<DumpTable> {
        self.list
    }

    /// Tables of that name, in any letter case and database.
    pub(super) fn named(&self, name: &str) -> &[usize] {
        self.by_name.get(&name.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// The table that a name means: in its own database first, as it is spelled first.
    pub(super) fn find(&self, database: Option<&String>, name: &str) -> Option<usize> {
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
        try_with(true, true)
            .or_else(|| try_with(true, false))
            .or_else(|| try_with(false, true))
            .or_else(|| try_with(false, false))
    }

    /// The place of the table of that very name and database, which is put into the list where it is not there.
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

    /// Takes a table out. Those behind it move up.
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

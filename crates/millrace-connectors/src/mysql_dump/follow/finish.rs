//! Completes the first pass. Definitions may be in a later file than rows, so some checks need all
//! files.

use crate::mysql_dump::follow::rows::ignored;
use crate::mysql_dump::follow::{Followed, Follower};
use crate::mysql_dump::index::{DumpTable, Refused};

const ORDER: &str = "Name the files with the definitions first: `path: [schema.sql, data.sql]`.";

impl Follower {
    /// Assigns rows to definitions that came later, and applies the checks that need these
    /// definitions: INSERT IGNORE against constraints, and changes that foreign keys pass on.
    pub(in crate::mysql_dump) fn finish(mut self) -> Followed {
        self.find_definitions();
        for at in 0..self.tables.len() {
            let table = &mut self.tables[at];
            if let (Some((mut refused, foreign_keys)), Some(definition)) =
                (table.ignored.take(), &table.definition)
                && let Some(what) = definition.keeps_out(foreign_keys)
            {
                refused.what = ignored(&table.name, what);
                table.refuse(refused);
            }
            // When the change was followed, the definitions of these tables were unknown.
            let Some(changed) = self.tables[at].changed.clone() else { continue };
            for child in self.children(at) {
                if self.tables[child].rows.iter().any(|rows| rows.table.is_none()) {
                    self.tables[child].refuse(changed.clone());
                }
            }
        }
        Followed { tables: self.tables.into_list(), cut: self.cut, locks: self.locks }
    }

    /// Assigns rows that came before their table's definition to the table with their name, in any
    /// letter case, and with their database if both are known. If several tables match, all of them
    /// are refused.
    fn find_definitions(&mut self) {
        let mut at = 0;
        while at < self.tables.len() {
            let table = &self.tables[at];
            let may_be = |other: &DumpTable| {
                let same =
                    table.database.is_none() || other.database.is_none() || table.database == other.database;
                other.is_defined() && same
            };
            if table.is_defined() || table.rows.is_empty() {
                at += 1;
                continue;
            }
            let named = self.tables.named(&table.name);
            let found: Vec<usize> =
                named.iter().copied().filter(|&other| may_be(&self.tables[other])).collect();
            // `give_rows` removes the entry at `at`, so the next entry moves to that index.
            match found.as_slice() {
                [] => at += 1,
                [to] => self.give_rows(at, *to),
                several => {
                    let what = format!("rows of `{}` may be those of more than one table", table.name);
                    let refused = self.at_rows(at, what);
                    for &other in several {
                        self.tables[other].refuse(refused.clone());
                    }
                    at += 1;
                }
            }
        }
    }

    /// Moves the rows of a table without a definition to the one that has it.
    ///
    /// Refuses the table if its definition follows the rows within one file, which a server would
    /// not accept, or if it has rows under its own name too, because their order is unknown.
    fn give_rows(&mut self, from: usize, to: usize) {
        let name = self.tables[to].name.clone();
        let defined_in = self.tables[to].defined_in;
        let early = self.tables[from].rows.iter().any(|rows| Some(rows.file) == defined_in);
        let refused = if early {
            Some(self.at_rows(from, format!("table `{name}` is created after its rows")))
        } else if self.tables[to].rows.is_empty() {
            None
        } else {
            let other = &self.tables[from].name;
            let what = format!(
                "rows of `{other}` may be those of table `{name}`, which has rows under its own name"
            );
            Some(self.at_rows(from, what))
        };
        // Keep the index in `cut` valid: `from` is removed, and tables behind it move up.
        if let Some((cut, _)) = &mut self.cut {
            *cut = match (*cut).cmp(&from) {
                std::cmp::Ordering::Less => *cut,
                std::cmp::Ordering::Equal => to - usize::from(to > from),
                std::cmp::Ordering::Greater => *cut - 1,
            };
        }
        let rows = self.tables.remove(from);
        let table = &mut self.tables[to - usize::from(to > from)];
        // Both entries describe one table: combine everything that was recorded about it.
        table.database = table.database.take().or(rows.database);
        table.rows.extend(rows.rows);
        table.replaces |= rows.replaces;
        table.ignored = table.ignored.take().or(rows.ignored);
        table.changed = table.changed.take().or(rows.changed);
        for refused in rows.refused.into_iter().chain(refused) {
            table.refuse(refused);
        }
    }

    /// The reason to refuse a table, located at its first row. The row may be in another file than
    /// the current one.
    fn at_rows(&self, at: usize, what: String) -> Refused {
        let first = self.tables[at].rows.first();
        let file = first.and_then(|rows| self.files.get(rows.file)).cloned().unwrap_or_default();
        Refused { file, line: first.map_or(0, |rows| rows.start.line), what, hint: Some(ORDER) }
    }
}

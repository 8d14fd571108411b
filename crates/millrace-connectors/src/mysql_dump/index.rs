//! What a dump holds: its tables, and where their rows are. See ADR 0030.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use millrace_core::cursor::{Cursor, FileState};
use millrace_core::suggest::did_you_mean;
use millrace_engine::error::{Error, ErrorKind, Result};

use crate::mysql_dump::content::Content;
use crate::mysql_dump::rule::Rule;
use crate::mysql_dump::script::{Start, unreadable};
use crate::mysql_dump::session::{Session, Written};
use crate::mysql_dump::table::Table;
use crate::mysql_dump::zone::Zone;

/// Bytes of other statements that are read with a table's rather than skipped.
const NEAR: u64 = 64 << 10;
/// Places at which a table's rows are looked for, about.
const MOST: usize = 4096;

/// Which table is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: String,
    /// Whether the name has to be spelled so. The name of a stream need not; that of the setting `table` has to.
    pub(super) exact: bool,
    /// The database that it is in, where that is said.
    pub(super) database: Option<String>,
}

impl Wanted {
    /// Whether a table is the wanted one.
    fn is(&self, table: &DumpTable) -> bool {
        let named =
            if self.exact { self.name == table.name } else { self.name.eq_ignore_ascii_case(&table.name) };
        named && self.database.as_ref().is_none_or(|database| table.database.as_ref() == Some(database))
    }
}

/// A statement that is not followed, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) what: String,
    pub(super) hint: Option<&'static str>,
}

impl Refused {
    pub(super) fn error(&self) -> Error {
        let error = unreadable(&self.file, self.line, &self.what);
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// Statements that insert rows of one table, with others between them.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    /// Number of the file.
    pub(super) file: usize,
    pub(super) start: Start,
    /// Where they end: bytes from the beginning of the file.
    pub(super) end: u64,
    pub(super) session: Arc<Session>,
    /// The table as it was defined then; none where it is in another file.
    pub(super) table: Option<Arc<Table>>,
    /// How these statements name it. Elsewhere the same name may mean another table.
    pub(super) names: Vec<(Option<String>, String)>,
    /// Changes when a name may come to mean another table, or begins to be written in another way.
    pub(super) name_generation: u64,
}

/// A table of a dump.
#[derive(Debug, Default)]
pub(super) struct DumpTable {
    pub(super) database: Option<String>,
    pub(super) name: String,
    /// As it is when the dump is through.
    pub(super) definition: Option<Arc<Table>>,
    /// The file that defines it.
    pub(super) defined_in: Option<usize>,
    /// Why its definition cannot be read.
    pub(super) definition_error: Option<String>,
    pub(super) rows: Vec<Rows>,
    /// Whether a statement replaces rows or passes over them.
    pub(super) replaces: bool,
    /// An INSERT IGNORE that came before the definition, and whether foreign keys were held to then.
    pub(super) ignored: Option<(Refused, bool)>,
    /// The first statement that changes rows of it and, by their foreign keys, of other tables.
    pub(super) changed: Option<Refused>,
    /// Why its rows are not what a server has.
    pub(super) refused: Option<Refused>,
}

impl DumpTable {
    /// Whether the dump defines it, be it in a way that cannot be read.
    pub(super) fn is_defined(&self) -> bool {
        self.definition.is_some() || self.definition_error.is_some()
    }

    /// Says why its rows are not what a server has. The first reason is kept.
    pub(super) fn refuse(&mut self, refused: Refused) {
        self.refused.get_or_insert(refused);
    }

    /// Takes a statement up that inserts rows.
    pub(super) fn add(&mut self, rows: Rows) {
        if let Some(last) = self.rows.last_mut() {
            let same_session = Arc::ptr_eq(&last.session, &rows.session) || last.session == rows.session;
            let same_table = match (&last.table, &rows.table) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (None, None) => true,
                _ => false,
            };
            let near = rows.start.offset.saturating_sub(last.end) <= NEAR || self.rows.len() >= MOST;
            let last = self.rows.last_mut().filter(|last| {
                let same_names = last.name_generation == rows.name_generation;
                near && last.file == rows.file && same_names && same_session && same_table
            });
            if let Some(last) = last {
                last.end = rows.end;
                for name in rows.names {
                    if !last.names.contains(&name) {
                        last.names.push(name);
                    }
                }
                return;
            }
        }
        self.rows.push(rows);
    }
}

/// What a dump of one or several files holds.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) files: Vec<Content>,
    pub(super) states: Vec<FileState>,
    pub(super) tables: Vec<DumpTable>,
    /// The table within whose rows a file ends, and the error for all others.
    pub(super) cut: Option<(usize, Refused)>,
    /// Whether a program has written definitions and says of no table that its rows follow.
    pub(super) definitions_only: bool,
}

impl Index {
    /// The position of the files.
    pub(super) fn cursor(&self) -> Cursor {
        let mut files = self.states.clone();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        Cursor::Files { files, kept: false }
    }

    /// Names of the tables of a database, or of all, in the dump's order; then those whose definitions cannot be read.
    pub(super) fn names(&self, database: Option<&str>) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let mut there = HashSet::new();
        for with_error in [false, true] {
            for table in self.tables.iter().filter(|table| table.definition_error.is_some() == with_error) {
                let is_in_it = database.is_none_or(|database| table.database.as_deref() == Some(database));
                if is_in_it && there.insert(&table.name) {
                    names.push(table.name.clone());
                }
            }
        }
        names
    }

    /// The table that is wanted: as it is spelled or, failing that and where that is allowed, in other letter case; and its definition.
    pub(super) fn table(&self, wanted: &Wanted) -> Result<(&DumpTable, &Arc<Table>)> {
        let mut found: Vec<usize> =
            (0..self.tables.len()).filter(|&at| wanted.is(&self.tables[at])).collect();
        if found.iter().any(|&at| self.tables[at].name == wanted.name) {
            found.retain(|&at| self.tables[at].name == wanted.name);
        }
        let at = match found.as_slice() {
            [] => return Err(self.missing(wanted)),
            [at] => *at,
            _ => {
                let message = format!("more than one table of the dump could be `{}`", wanted.name);
                let error = Error::new(ErrorKind::SourceUnreadable, message);
                let databases: BTreeSet<_> = found.iter().map(|&at| &self.tables[at].database).collect();
                return Err(if databases.len() > 1 {
                    error.caused_by("it is in more than one database").hint("Name one with `database:`.")
                } else {
                    error.hint("Name the table exactly with the stream's setting `table`.")
                });
            }
        };
        let table = &self.tables[at];
        if let Some((cut, refused)) = &self.cut
            && *cut != at
        {
            return Err(refused.error());
        }
        if let Some(refused) = &table.refused {
            return Err(refused.error());
        }
        if let Some(what) = &table.definition_error {
            let message = format!("table `{}` of the dump cannot be read", table.name);
            return Err(Error::new(ErrorKind::SourceUnreadable, message).caused_by(what));
        }
        match &table.definition {
            Some(definition) => Ok((table, definition)),
            None => {
                let (file, line) = table.rows.first().map_or((0, 0), |rows| (rows.file, rows.start.line));
                let name = self.states.get(file).map_or("", |state| &state.path);
                let what = format!("rows of `{}`, and no file of the dump creates the table", table.name);
                Err(unreadable(name, line, &what).hint(
                    "Read the file with the definitions too (`path: [schema.sql, data.sql]`), or make the dump without `--no-create-info`.",
                ))
            }
        }
    }

    fn missing(&self, wanted: &Wanted) -> Error {
        if let Some((_, refused)) = &self.cut {
            return refused.error();
        }
        let database = wanted.database.as_deref();
        let in_database = database.map_or_else(String::new, |name| format!(" in the database `{name}`"));
        let message = format!("the dump has no table `{}`{in_database}", wanted.name);
        let error = Error::new(ErrorKind::SourceUnreadable, message);
        let names = self.names(database);
        match did_you_mean(&wanted.name, names.iter().map(String::as_str), "it has") {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// An error where rows of a table are written in a way that is not read, as far as columns are concerned that are wanted.
    pub(super) fn check(
        &self,
        found: &DumpTable,
        definition: &Table,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<()> {
        for rows in &found.rows {
            let file = self.states.get(rows.file).map_or("", |state| &state.path);
            if let Written::Unread(charset) = &rows.session.written {
                return Err(unreadable(file, rows.start.line, &format!("the rows are written in `{charset}`")).hint(
                    "Make the dump with `mysqldump --default-character-set=utf8mb4`, or say how it is written, as far as that can be said: `encoding: latin-1`.",
                ));
            }
            let zoned = definition.columns.iter().find(|column| {
                matches!(column.rule, Rule::Moment { zoned: true, .. })
                    && !column.generated
                    && is_wanted(&column.name)
            });
            if let Some(column) = zoned.filter(|_| rows.session.zone == Zone::Unknown) {
                let (name, column) = (&found.name, &column.name);
                let what = format!(
                    "table `{name}` has the TIMESTAMP column `{column}`, and the dump does not say in which zone its values are"
                );
                return Err(unreadable(file, rows.start.line, &what).hint(
                    "Say it with `time_zone:` (`\"+00:00\"` or a name), or make the dump with `mysqldump --tz-utc` (the default), or leave these columns out with `exclude_columns`.",
                ));
            }
        }
        Ok(())
    }
}

//! The result of the first pass: the tables of a dump, and where their rows are. See ADR 0030.
//!
//! Rows are recorded as parts of files, each with the session settings and the table definition
//! that were in effect. The index also knows which tables cannot be read, and why; [`Index::table`]
//! returns that as an error.

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

/// The maximum number of bytes of other statements between two statements of a part. They are read
/// with the part and skipped then.
const NEAR: u64 = 64 << 10;
/// The approximate maximum number of parts of a table. Beyond it, parts grow over any distance.
const MOST: usize = 4096;

/// The table that a stream reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: String,
    /// Whether the name has to match exactly. The setting `table` has to; the name of a stream
    /// matches in any letter case.
    pub(super) exact: bool,
    /// The database of the table, if the setting `database` names one.
    pub(super) database: Option<String>,
}

impl Wanted {
    /// Returns whether a table matches.
    fn is(&self, table: &DumpTable) -> bool {
        let named =
            if self.exact { self.name == table.name } else { self.name.eq_ignore_ascii_case(&table.name) };
        named && self.database.as_ref().is_none_or(|database| table.database.as_ref() == Some(database))
    }
}

/// The reason why a table cannot be read, and the statement that causes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) file: String,
    /// The 1-based line on which the statement starts.
    pub(super) line: u64,
    /// The cause in the error message.
    pub(super) what: String,
    pub(super) hint: Option<&'static str>,
}

impl Refused {
    /// Returns the error for the user.
    pub(super) fn error(&self) -> Error {
        let error = unreadable(&self.file, self.line, &self.what);
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// A part of a file with INSERT statements of one table. It may contain other statements, too.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    /// The index of the file.
    pub(super) file: usize,
    pub(super) start: Start,
    /// The end of the part, in bytes from the beginning of the file.
    pub(super) end: u64,
    /// The session settings in effect for the whole part.
    pub(super) session: Arc<Session>,
    /// The definition that was in effect. `None` if no definition came before these rows.
    pub(super) table: Option<Arc<Table>>,
    /// The names of the table in these statements. Elsewhere, the same names may mean other tables.
    pub(super) names: Vec<(Option<String>, String)>,
    /// The generation of names. It increases when a name may begin to mean another table, or to be
    /// written in another notation.
    pub(super) name_generation: u64,
}

/// A table of a dump, as far as the dump has been followed.
#[derive(Debug, Default)]
pub(super) struct DumpTable {
    pub(super) database: Option<String>,
    pub(super) name: String,
    /// The definition at the end of the dump.
    pub(super) definition: Option<Arc<Table>>,
    /// The index of the file that defines the table.
    pub(super) defined_in: Option<usize>,
    /// Why the definition cannot be read.
    pub(super) definition_error: Option<String>,
    /// The parts of files with rows of the table, in order.
    pub(super) rows: Vec<Rows>,
    /// Whether a statement replaces or skips rows (REPLACE, INSERT IGNORE).
    pub(super) replaces: bool,
    /// An INSERT IGNORE that came before the definition, and whether the session enforced foreign
    /// keys then.
    pub(super) ignored: Option<(Refused, bool)>,
    /// The first statement that changes rows of this table and, through foreign keys, of other
    /// tables.
    pub(super) changed: Option<Refused>,
    /// Why the rows in the dump are not those that a server would have.
    pub(super) refused: Option<Refused>,
}

impl DumpTable {
    /// Returns whether the dump defines the table, even if the definition cannot be read.
    pub(super) fn is_defined(&self) -> bool {
        self.definition.is_some() || self.definition_error.is_some()
    }

    /// Records why the rows in the dump are not those that a server would have. The first reason is
    /// kept.
    pub(super) fn refuse(&mut self, refused: Refused) {
        self.refused.get_or_insert(refused);
    }

    /// Adds a statement that inserts rows. It extends the last part if both can be read together:
    /// the same file, settings, definition and name generation, and a short distance.
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

/// The index of a dump of one or several files.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) files: Vec<Content>,
    pub(super) states: Vec<FileState>,
    pub(super) tables: Vec<DumpTable>,
    /// The table within whose rows a file ends, and the error for all other tables.
    pub(super) cut: Option<(usize, Refused)>,
    /// Whether a dump program wrote definitions of tables but announced rows of none (`--no-data`).
    pub(super) definitions_only: bool,
}

impl Index {
    /// Returns the checkpoint: the states of all files, sorted by path, each file once.
    pub(super) fn cursor(&self) -> Cursor {
        let mut files = self.states.clone();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        Cursor::Files { files, kept: false }
    }

    /// Returns the names of the tables of a database, or of all databases, in the dump's order.
    /// Tables whose definition cannot be read come last.
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

    /// Returns the wanted table and its definition. An exact spelling is preferred to another
    /// letter case, if the latter is allowed.
    ///
    /// It is an error if no table or several tables match, if a file ends within rows of another
    /// table, or if the table cannot be read.
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
        // A dump that was cut off may lack rows of any table.
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

    /// The error for a table that the dump does not have, with a similar name as a hint.
    fn missing(&self, wanted: &Wanted) -> Error {
        // A dump that was cut off may have had the table.
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

    /// Checks that the notation of a table's rows can be read, as far as the columns matter for
    /// which `is_wanted` is true: the charset is supported, and the time zone of TIMESTAMP columns
    /// is known.
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

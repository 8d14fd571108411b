//! The first pass over a dump: follows each statement and records what the dump defines and where
//! its rows are.
//!
//! [`Follower`] takes the statements of all files in order, with the state of the session:
//! databases, temporary tables, transactions, settings. An allow-list (`statement_effect.rs`) names
//! the statements that change no row; any other statement ends the reading with an error. A
//! statement that changes rows of a table in the dump only makes that table unreadable
//! ([`Refused`]). If it is uncertain which table or row a statement affects, the follower assumes
//! the case that cannot load wrong rows.

mod changes;
mod create;
mod finish;
mod rows;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;

use millrace_engine::error::Result;

use crate::files::window::Window;
use crate::mysql_dump::collation::DefaultCollation;
use crate::mysql_dump::follow::tables::Tables;
use crate::mysql_dump::index::{DumpTable, Refused};
use crate::mysql_dump::lexer::Kind;
use crate::mysql_dump::script::{Script, Word, runs_on};
use crate::mysql_dump::session::{Session, Variables, Written};
use crate::mysql_dump::statement_effect::{StatementEffect, effect};

/// The result of the first pass.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) tables: Vec<DumpTable>,
    /// The index of the table within whose rows a file ends, and the error for all other tables.
    pub(super) cut: Option<(usize, Refused)>,
    /// Whether the dump locks tables, as dump programs do before rows.
    pub(super) locks: bool,
}

/// The state of the first pass.
#[derive(Debug)]
pub(super) struct Follower {
    tables: Tables,
    /// The index of the table within whose rows a file ends, and the error for all other tables.
    cut: Option<(usize, Refused)>,
    /// The index of the current file.
    file: usize,
    file_name: String,
    /// The names of all files up to the current one.
    files: Vec<String>,
    variables: Variables,
    /// The current settings, shared with the `index::Rows` that were written under them.
    session: Arc<Session>,
    /// A counter that increases whenever a name may begin to mean another table, or to be written
    /// in another notation. Rows of different generations are never read as one part.
    name_generation: u64,
    /// Temporary tables of the session: database and name.
    temporary: BTreeSet<(Option<String>, String)>,
    /// View names in lower case.
    views: BTreeSet<String>,
    /// Names, in lower case, of tables with an INSERT trigger that this file has created.
    triggers: BTreeSet<String>,
    /// Names, in lower case, of functions that the dump defines. They may change rows.
    functions: BTreeSet<String>,
    /// Databases by their names in lower case, with the default collation of their tables.
    databases: BTreeMap<String, DefaultCollation>,
    /// Whether any table has a foreign key with a cascading action.
    has_cascades: bool,
    /// Whether an explicit transaction is open.
    in_transaction: bool,
    /// Whether LOCK TABLES is in effect.
    has_locked: bool,
    /// The line of the first rows of the open transaction.
    uncommitted: Option<u64>,
    /// Whether the current statement stands between `DELIMITER` commands.
    in_block: bool,
    /// Whether that statement is a definition with a body, whose semicolons do not end it.
    has_body: bool,
    /// The number of statements that were followed, in all files.
    pub(super) statements: u64,
    locks: bool,
}

impl Follower {
    /// Creates the state before the first file.
    pub(super) fn new(variables: Variables) -> Self {
        Self {
            tables: Tables::default(),
            cut: None,
            file: 0,
            file_name: String::new(),
            files: Vec::new(),
            session: Arc::new(variables.session.clone()),
            variables,
            name_generation: 0,
            temporary: BTreeSet::new(),
            views: BTreeSet::new(),
            triggers: BTreeSet::new(),
            functions: BTreeSet::new(),
            databases: BTreeMap::new(),
            has_cascades: false,
            in_transaction: false,
            has_locked: false,
            uncommitted: None,
            in_block: false,
            has_body: false,
            statements: 0,
            locks: false,
        }
    }

    /// Follows a file to its end. Each file is a session of its own, with `variables` as its
    /// initial settings.
    ///
    /// It is an error if the file looks cut off: the end comment of a dump program is missing, rows
    /// are not committed, or a saved setting is not restored.
    pub(super) fn follow<R: Read>(
        &mut self,
        number: usize,
        variables: Variables,
        script: &mut Script<'_, R>,
    ) -> Result<()> {
        self.file = number;
        script.window.name().clone_into(&mut self.file_name);
        self.files.push(self.file_name.clone());
        self.variables = variables;
        self.triggers.clear();
        self.temporary.clear();
        (self.in_transaction, self.has_locked, self.uncommitted) = (false, false, None);
        self.take_up(script);
        while script.next_statement()? {
            self.statements += 1;
            if script.in_block() {
                self.block(script)?;
            } else {
                self.statement(script)?;
            }
            // The statement may have changed the session.
            self.take_up(script);
        }
        if script.unfinished() {
            return Err(script
                .unreadable("it does not end with `-- Dump completed`: the dump was cut off")
                .hint("Make the dump again, and see that mysqldump ends without an error."));
        }
        if let Some(line) = self.uncommitted {
            return Err(script
                .unreadable(&format!("the file ends within the transaction of the rows of line {line}, and a server keeps none of them without a COMMIT"))
                .hint("Where the dump is whole, write `COMMIT;` at its end."));
        }
        if let Some(kept) = self.variables.kept().filter(|_| !script.completed) {
            return Err(script
                .unreadable(&format!(
                    "the dump keeps a setting in `@{kept}` and does not put it back: it was cut off"
                ))
                .hint("Make the dump again, and see that the program ends without an error."));
        }
        Ok(())
    }

    /// Passes the settings of the session on to the script, because they decide how the next
    /// statement is tokenized. Starts a new name generation if the notation or the default database
    /// has changed.
    fn take_up<R: Read>(&mut self, script: &mut Script<'_, R>) {
        let session = &self.variables.session;
        if *self.session != *session {
            let names = |session: &Session| (session.mode, session.written.clone(), session.database.clone());
            if names(&self.session) != names(session) {
                self.name_generation += 1;
            }
            self.session = Arc::new(session.clone());
        }
        script.mode = session.mode;
        script.charset = match session.written {
            Written::Latin1 => crate::mysql_dump::charset::Charset::Latin1,
            _ => crate::mysql_dump::charset::Charset::Utf8,
        };
    }

    /// Follows a statement between `DELIMITER` commands. It is cut out and read as a script of its
    /// own, in which it ends with a semicolon.
    fn block<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        let line = script.start().line;
        let (mut statement, open) = script.block_statement()?;
        statement.push(b';');
        let name = script.window.name().to_owned();
        let mut window = Window::within(&name, &statement[..], statement.len(), 0, line);
        let mut inner = Script::new(&mut window, script.limit());
        self.take_up(&mut inner);
        inner.resume(open);
        (self.in_block, self.has_body) = (true, false);
        let mut followed = Ok(());
        if inner.next_statement()? {
            followed = self.statement(&mut inner);
            // The client would send several statements as one, and the server would run them one by
            // one.
            if followed.is_ok() && !self.has_body && inner.next_statement()? {
                followed = Err(inner.unreadable("several statements stand before a delimiter"));
            }
        }
        self.in_block = false;
        followed
    }

    /// Follows one statement by its verb.
    fn statement<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        let verb = script.next()?;
        if verb.kind != Kind::Word {
            return Err(script.unreadable("a statement begins with no word"));
        }
        match verb.text.to_ascii_uppercase().as_str() {
            "CREATE" => self.create(script),
            "INSERT" | "REPLACE" => self.insert(script, verb.is("REPLACE")),
            "DROP" => self.drop(script),
            "ALTER" => self.alter(script),
            "TRUNCATE" => {
                script.take("TABLE")?;
                self.commit();
                self.forbid(script, "TRUNCATE")?;
                script.end_statement()
            }
            verb @ ("UPDATE" | "DELETE") => self.changes(script, verb),
            verb @ ("LOAD" | "RENAME") => self.replaces(script, verb),
            "SET" => {
                let words = script.all_words()?;
                let before = self.variables.autocommit;
                self.variables.set(&words).map_err(|what| self.error(script, &what))?;
                if runs_on(&words) {
                    return Err(self.error(script, "an INSERT begins within another statement"));
                }
                if !before && self.variables.autocommit {
                    self.commit();
                }
                Ok(())
            }
            "USE" => self.use_database(script),
            "COMMIT" => {
                let next = script.peek()?;
                if !(next.is_any(&["WORK", "AND", "NO", "RELEASE"]) || next.is_symbol(b';')) {
                    return Err(self.error(script, "COMMIT of something is not followed"));
                }
                self.commit();
                self.in_transaction = chains(&script.rest_of_statement()?);
                Ok(())
            }
            "START" | "BEGIN" => self.begin(script, &verb),
            "ROLLBACK" => {
                if self.uncommitted.is_some() {
                    return Err(self.error(script, "a ROLLBACK takes rows back, and is not followed"));
                }
                let words = script.rest_of_statement()?;
                // ROLLBACK TO SAVEPOINT does not end the transaction.
                if !words.iter().any(|word| word.is("TO")) {
                    self.in_transaction = chains(&words);
                }
                Ok(())
            }
            "LOCK" | "UNLOCK" => self.lock(script, verb.is("LOCK")),
            "SELECT" => self.select(script),
            other => {
                let next = script.peek()?;
                match effect(other, &next) {
                    StatementEffect::None if matches!(other, "EXPLAIN" | "DESCRIBE" | "DESC") => {
                        script.skip_statement()
                    }
                    StatementEffect::None => script.end_statement(),
                    StatementEffect::Commits => {
                        self.commit();
                        script.end_statement()
                    }
                    StatementEffect::Unknown { what, hint } => Err(self.error(script, &what).hint(hint)),
                }
            }
        }
    }

    /// Returns the index of the table that a name means in the current session.
    fn find(&self, database: Option<&String>, name: &str) -> Option<usize> {
        self.tables.find(database.or(self.variables.session.database.as_ref()), name)
    }

    /// Returns whether a name means a temporary table. It is an error if only a server can tell.
    fn is_temporary<R: Read>(
        &self,
        script: &Script<'_, R>,
        database: Option<&String>,
        name: &str,
    ) -> Result<bool> {
        self.temporary(database, name).ok_or_else(|| {
            self.error(script, &format!("`{name}` may be a temporary table of the dump, or another one"))
        })
    }

    /// Returns whether a name means a temporary table, or `None` if that is uncertain: some servers
    /// distinguish letter case, and the dump does not always name the database.
    fn temporary(&self, database: Option<&String>, name: &str) -> Option<bool> {
        let database = database.or(self.variables.session.database.as_ref());
        let mut may_be = false;
        for (other, temporary) in &self.temporary {
            if temporary == name && other.as_ref() == database {
                return Some(true);
            }
            let same =
                other.as_ref().zip(database).is_none_or(|(one, other)| one.eq_ignore_ascii_case(other));
            may_be |= same && temporary.eq_ignore_ascii_case(name);
        }
        (!may_be).then_some(false)
    }

    /// The error at the line of the current statement, which ends the reading of the dump.
    fn error<R: Read>(&self, script: &Script<'_, R>, what: &str) -> millrace_engine::error::Error {
        crate::mysql_dump::script::unreadable(&self.file_name, script.start().line, what)
    }

    /// The reason to refuse a table because of the current statement.
    fn refused<R: Read>(&self, script: &Script<'_, R>, what: String, hint: Option<&'static str>) -> Refused {
        Refused { file: self.file_name.clone(), line: script.start().line, what, hint }
    }

    /// Records that the open transaction is committed.
    fn commit(&mut self) {
        self.uncommitted = None;
        self.in_transaction = false;
    }

    /// Follows `LOCK TABLES` and `UNLOCK TABLES`. `LOCK INSTANCE` does not commit.
    fn lock<R: Read>(&mut self, script: &mut Script<'_, R>, locks: bool) -> Result<()> {
        let next = script.peek()?;
        if next.is_any(&["TABLES", "TABLE"]) {
            self.locks = true;
            // UNLOCK TABLES commits only if tables are locked.
            if locks || self.has_locked {
                self.commit();
            }
            self.has_locked = locks;
        } else if !next.is("INSTANCE") {
            return Err(self.error(script, "LOCK of something is not followed"));
        }
        script.end_statement()
    }

    /// Follows `BEGIN` and `START TRANSACTION`. Other forms of START concern replication and change
    /// no row.
    fn begin<R: Read>(&mut self, script: &mut Script<'_, R>, verb: &Word) -> Result<()> {
        let next = script.peek()?;
        let is_transaction = if verb.is("START") {
            next.is("TRANSACTION")
        } else {
            next.is("WORK") || next.is_symbol(b';') || next.kind == Kind::End
        };
        if verb.is("START") && next.is_any(&["SLAVE", "REPLICA", "ALL", "GROUP_REPLICATION"]) {
            return script.end_statement();
        }
        if !is_transaction {
            return Err(self
                .error(script, &format!("{} of something is not followed", verb.text.to_ascii_uppercase())));
        }
        // Beginning a transaction commits the one that is open.
        self.uncommitted = None;
        // Beginning a transaction also releases table locks.
        (self.in_transaction, self.has_locked) = (true, false);
        script.end_statement()
    }

    /// Follows `USE x`. The client also accepts it without a semicolon, at the end of its line.
    fn use_database<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        let name = script.next()?;
        let Some(name) = name.name() else { return Err(self.error(script, "USE names no database")) };
        self.variables.session.database = Some(name.to_owned());
        // The second pass would read a USE without a semicolon as the beginning of a statement that
        // goes on to the next semicolon. So the rows before and after it must not be one part.
        self.name_generation += 1;
        if script.ends_line()? {
            return Ok(());
        }
        if !script.peek()?.is_symbol(b';') {
            return Err(self.error(script, "USE is followed by more than the name of a database"));
        }
        script.next().map(|_| ())
    }

    /// Follows a query. It changes no row unless it calls a function of the dump, which is an
    /// error. User variables that it names become unknown, because it may set them.
    fn select<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        let words = script.rest_of_statement()?;
        for pair in words.windows(2) {
            if pair[1].is_symbol(b'(') && self.functions.contains(&pair[0].text.to_ascii_lowercase()) {
                let what = format!(
                    "SELECT calls the function `{}` of the dump, which is not followed",
                    pair[0].text
                );
                return Err(self.error(script, &what));
            }
        }
        for word in words.iter().filter(|word| word.kind == Kind::Word) {
            if let Some(variable) = word.text.strip_prefix('@').filter(|name| !name.starts_with('@')) {
                self.variables.forget(variable);
            }
        }
        Ok(())
    }
}

/// Returns whether a COMMIT or ROLLBACK begins the next transaction at once (`AND CHAIN`).
fn chains(words: &[Word]) -> bool {
    words.windows(2).any(|pair| pair[0].is("AND") && pair[1].is("CHAIN"))
}

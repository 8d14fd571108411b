//! Statement by statement: what a dump defines, where its rows are, and what about them cannot be followed. An allow-list says which
//! statements change no row; all others end the reading.

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

/// What is known of a dump that was followed to its end.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) tables: Vec<DumpTable>,
    /// The table within whose rows the file ends.
    pub(super) cut: Option<(usize, Refused)>,
    /// Whether it locks tables, as dump programs do before rows.
    pub(super) locks: bool,
}

/// What is known of a dump, as far as it was followed.
#[derive(Debug)]
pub(super) struct Follower {
    tables: Tables,
    /// The table within whose rows the file ends.
    cut: Option<(usize, Refused)>,
    /// Number of the present file.
    file: usize,
    file_name: String,
    /// Names of all files up to this one.
    files: Vec<String>,
    variables: Variables,
    session: Arc<Session>,
    /// Changes whenever a name may come to mean another table, or begins to be written in another way.
    name_generation: u64,
    /// Tables of the session alone: database and name.
    temporary: BTreeSet<(Option<String>, String)>,
    /// Names in lower case.
    views: BTreeSet<String>,
    /// Tables of this file whose rows make the server do more.
    triggers: BTreeSet<String>,
    functions: BTreeSet<String>,
    /// Databases by their names in lower case, and the charset of tables that name none.
    databases: BTreeMap<String, DefaultCollation>,
    /// Whether rows of a table go or change with those of another.
    has_cascades: bool,
    in_transaction: bool,
    /// Whether LOCK TABLES holds any.
    has_locked: bool,
    /// The first line of rows that are not committed.
    uncommitted: Option<u64>,
    /// Whether the statement ends otherwise than by a semicolon.
    in_block: bool,
    /// Whether that statement is a definition whose semicolons end no statement.
    has_body: bool,
    pub(super) statements: u64,
    locks: bool,
}

impl Follower {
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

    /// Follows a file to its end. Each is a session of its own.
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

    /// The session may write strings, names and texts in another way from here on, or be in another database.
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

    /// A statement between `DELIMITER` commands.
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
            // The server would take several one by one.
            if followed.is_ok() && !self.has_body && inner.next_statement()? {
                followed = Err(inner.unreadable("several statements stand before a delimiter"));
            }
        }
        self.in_block = false;
        followed
    }

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
                // One to a SAVEPOINT ends no transaction.
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

    /// The table that a statement names.
    fn find(&self, database: Option<&String>, name: &str) -> Option<usize> {
        self.tables.find(database.or(self.variables.session.database.as_ref()), name)
    }

    /// Whether a name means a table of the session alone. An error where only a server can tell.
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

    /// The same; none where it may: some servers tell letter case apart, and the database is not always said.
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

    fn error<R: Read>(&self, script: &Script<'_, R>, what: &str) -> millrace_engine::error::Error {
        crate::mysql_dump::script::unreadable(&self.file_name, script.start().line, what)
    }

    fn refused<R: Read>(&self, script: &Script<'_, R>, what: String, hint: Option<&'static str>) -> Refused {
        Refused { file: self.file_name.clone(), line: script.start().line, what, hint }
    }

    fn commit(&mut self) {
        self.uncommitted = None;
        self.in_transaction = false;
    }

    /// `LOCK` and `UNLOCK TABLES`; those of the INSTANCE end no transaction.
    fn lock<R: Read>(&mut self, script: &mut Script<'_, R>, locks: bool) -> Result<()> {
        let next = script.peek()?;
        if next.is_any(&["TABLES", "TABLE"]) {
            self.locks = true;
            // UNLOCK TABLES ends a transaction only where tables are locked.
            if locks || self.has_locked {
                self.commit();
            }
            self.has_locked = locks;
        } else if !next.is("INSTANCE") {
            return Err(self.error(script, "LOCK of something is not followed"));
        }
        script.end_statement()
    }

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
        self.uncommitted = None;
        // It unlocks tables, too.
        (self.in_transaction, self.has_locked) = (true, false);
        script.end_statement()
    }

    /// `USE x`, which the client takes without a semicolon too.
    fn use_database<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        let name = script.next()?;
        let Some(name) = name.name() else { return Err(self.error(script, "USE names no database")) };
        self.variables.session.database = Some(name.to_owned());
        // Whoever reads rows on both sides would take it for the beginning of a statement that ends by a semicolon.
        self.name_generation += 1;
        if script.ends_line()? {
            return Ok(());
        }
        if !script.peek()?.is_symbol(b';') {
            return Err(self.error(script, "USE is followed by more than the name of a database"));
        }
        script.next().map(|_| ())
    }

    /// A query changes nothing, unless it calls a function that does, or sets a variable.
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

/// Whether a COMMIT or ROLLBACK begins the next transaction at once: `AND CHAIN`.
fn chains(words: &[Word]) -> bool {
    words.windows(2).any(|pair| pair[0].is("AND") && pair[1].is("CHAIN"))
}

//! Statement by statement: what a dump defines, where its rows are, and what about them cannot be followed. An allow-list says which
//! statements change no row; all others end the reading.

mod changes;
mod create;

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

use millrace_engine::error::Result;

use crate::files::window::Window;
use crate::mysql_dump::harmless::{Harm, harm};
use crate::mysql_dump::index::{DumpTable, Refused};
use crate::mysql_dump::lexer::Kind;
use crate::mysql_dump::script::{Script, Word};
use crate::mysql_dump::session::{Session, Variables, Written};
use crate::mysql_dump::table::Texture;

/// What is known of a dump, as far as it was followed.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) tables: Vec<DumpTable>,
    /// The table within whose rows the file ends.
    pub(super) cut: Option<(usize, Refused)>,
    /// Number of the present file.
    file: usize,
    file_name: String,
    variables: Variables,
    session: Arc<Session>,
    epoch: u64,
    /// Tables of the session alone, and views: names in lower case.
    temporary: BTreeSet<String>,
    views: BTreeSet<String>,
    /// Tables of this file whose rows make the server do more.
    triggers: BTreeSet<String>,
    functions: BTreeSet<String>,
    /// Databases, and the charset of tables that name none.
    databases: Vec<(String, Texture)>,
    in_transaction: bool,
    /// The first line of rows that are not committed.
    uncommitted: Option<u64>,
    /// Whether the statement ends otherwise than by a semicolon.
    in_block: bool,
    /// Whether that statement is a definition whose semicolons end no statement.
    has_body: bool,
    pub(super) statements: u64,
    pub(super) locks: bool,
}

impl Follower {
    pub(super) fn new(variables: Variables) -> Self {
        Self {
            tables: Vec::new(),
            cut: None,
            file: 0,
            file_name: String::new(),
            session: Arc::new(variables.session.clone()),
            variables,
            epoch: 0,
            temporary: BTreeSet::new(),
            views: BTreeSet::new(),
            triggers: BTreeSet::new(),
            functions: BTreeSet::new(),
            databases: Vec::new(),
            in_transaction: false,
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
        self.variables = variables;
        self.triggers.clear();
        self.temporary.clear();
        (self.in_transaction, self.uncommitted) = (false, None);
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

    /// The session may write strings, names and texts in another way from here on.
    fn take_up<R: Read>(&mut self, script: &mut Script<'_, R>) {
        let session = &self.variables.session;
        if *self.session != *session {
            if self.session.mode != session.mode {
                self.epoch += 1;
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
                script.skip_statement()
            }
            verb @ ("UPDATE" | "DELETE") => self.changes(script, verb),
            verb @ ("LOAD" | "RENAME") => self.replaces(script, verb),
            "SET" => {
                let words = script.rest_of_statement()?;
                let before = self.variables.autocommit;
                self.variables.set(&words).map_err(|what| self.error(script, &what))?;
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
                self.in_transaction = false;
                self.uncommitted = None;
                script.skip_statement()
            }
            "START" | "BEGIN" => self.begin(script, &verb),
            "ROLLBACK" => {
                if self.uncommitted.is_some() {
                    return Err(self.error(script, "a ROLLBACK takes rows back, and is not followed"));
                }
                script.skip_statement()
            }
            "LOCK" | "UNLOCK" => {
                if !script.peek()?.is_any(&["TABLES", "TABLE", "INSTANCE"]) {
                    return Err(self.error(script, "LOCK of something is not followed"));
                }
                self.locks = true;
                self.commit();
                script.skip_statement()
            }
            "SELECT" => self.select(script),
            other => {
                let next = script.peek()?;
                match harm(other, &next) {
                    Harm::None => script.skip_statement(),
                    Harm::Commits => {
                        self.commit();
                        script.skip_statement()
                    }
                    Harm::Unknown { what, hint } => Err(self.error(script, &what).hint(hint)),
                }
            }
        }
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

    fn begin<R: Read>(&mut self, script: &mut Script<'_, R>, verb: &Word) -> Result<()> {
        let next = script.peek()?;
        let is_transaction = if verb.is("START") {
            next.is("TRANSACTION")
        } else {
            next.is("WORK") || next.is_symbol(b';') || next.kind == Kind::End
        };
        if verb.is("START") && next.is_any(&["SLAVE", "REPLICA", "ALL", "GROUP_REPLICATION"]) {
            return script.skip_statement();
        }
        if !is_transaction {
            return Err(self
                .error(script, &format!("{} of something is not followed", verb.text.to_ascii_uppercase())));
        }
        self.uncommitted = None;
        self.in_transaction = true;
        script.skip_statement()
    }

    /// `USE x`, which the client takes without a semicolon too.
    fn use_database<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        let name = script.next()?;
        let Some(name) = name.name() else { return Err(self.error(script, "USE names no database")) };
        self.variables.session.database = Some(name.to_owned());
        let line = script.rest_of_line()?;
        let ends = line.trim_start();
        if ends.is_empty() || ends.starts_with("--") || ends.starts_with('#') {
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

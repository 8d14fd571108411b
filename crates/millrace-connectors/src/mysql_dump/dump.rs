//! What a dump does, statement by statement.

use std::io::Read;

use millrace_core::suggest::did_you_mean;
use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::window::Window;
use crate::mysql_dump::alter::alter;
use crate::mysql_dump::extract::{Extract, Wanted};
use crate::mysql_dump::insert::{column_list, rows, skip_modifiers};
use crate::mysql_dump::lexer::Kind;
use crate::mysql_dump::literal::Literal;
use crate::mysql_dump::script::{Script, Word};
use crate::mysql_dump::table::{Table, split};

/// Follows a dump: which tables there are and, where some are wanted, their rows.
#[derive(Debug, Default)]
pub(super) struct Dump {
    tables: Vec<Table>,
    extract: Option<Extract>,
    /// Tables that cannot be read, and why. That matters only where one of them is wanted.
    strange: Vec<(String, String)>,
    database: Option<String>,
    /// Whether the session's time zone is UTC, as mysqldump sets it.
    utc: bool,
    literals: Vec<Literal>,
}

impl Dump {
    /// With an extract, takes the rows of its table. Without one, looks at definitions only.
    pub(super) fn new(extract: Option<Extract>) -> Self {
        Self { extract, ..Self::default() }
    }

    /// What was taken. None for a dump that was made without an extract.
    pub(super) fn into_extract(self) -> Option<Extract> {
        self.extract
    }

    /// Names of the tables, in the dump's order; then those that cannot be read.
    pub(super) fn names(&self) -> Vec<String> {
        let strange = self.strange.iter().map(|(name, _)| name);
        self.tables.iter().map(|table| &table.name).chain(strange).cloned().collect()
    }

    /// Follows a file to its end.
    pub(super) fn follow<R: Read>(&mut self, window: &mut Window<R>, limit: usize) -> Result<()> {
        self.utc = false;
        let mut script = Script::new(window, limit);
        while script.next_statement()? {
            self.statement(&mut script)?;
        }
        if script.unfinished() {
            return Err(script
                .unreadable("it does not end with `-- Dump completed`: the dump was cut off")
                .hint("Make the dump again, and see that mysqldump ends without an error."));
        }
        Ok(())
    }

    /// The table of that name: as it is spelled or, failing that and where that is allowed, in other letter case.
    pub(super) fn table(&self, wanted: &Wanted) -> Result<&Table> {
        let exact = self.tables.iter().find(|table| table.name == wanted.name);
        exact.or_else(|| self.tables.iter().find(|table| wanted.is(&table.name))).ok_or_else(|| {
            if let Some((name, what)) = self.strange.iter().find(|(name, _)| wanted.is(name)) {
                return Error::new(
                    ErrorKind::SourceUnreadable,
                    format!("table `{name}` of the dump cannot be read"),
                )
                .caused_by(what);
            }
            let names = self.tables.iter().map(|table| table.name.as_str());
            let error =
                Error::new(ErrorKind::SourceUnreadable, format!("the dump has no table `{}`", wanted.name));
            match did_you_mean(&wanted.name, names, "it has") {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })
    }

    fn statement<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        let verb = script.next()?;
        match verb.text.to_ascii_uppercase().as_str() {
            _ if verb.kind != Kind::Word => script.skip_statement(),
            verb if script.in_block() => self.in_block(script, verb),
            "CREATE" => self.create(script),
            "INSERT" | "REPLACE" => self.insert(script),
            "DROP" => self.drop_tables(script),
            "ALTER" => self.alter(script),
            "TRUNCATE" => {
                script.take("TABLE")?;
                self.forbid(script, "TRUNCATE")?;
                script.skip_statement()
            }
            verb @ ("UPDATE" | "DELETE" | "LOAD" | "RENAME") => self.changes(script, verb),
            "SET" => self.set(script),
            "USE" => {
                self.database = script.next()?.name().map(str::to_owned);
                script.skip_statement()
            }
            _ => script.skip_statement(),
        }
    }

    fn create<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        for optional in ["OR", "REPLACE", "TEMPORARY"] {
            script.take(optional)?;
        }
        if !script.take("TABLE")? {
            return script.skip_statement();
        }
        let spared = script.take("IF")?;
        if spared && !(script.take("NOT")? && script.take("EXISTS")?) {
            return Err(script.unreadable("expected `IF NOT EXISTS`"));
        }
        let (database, name) = script.qualified_name()?;
        let database = database.or_else(|| self.database.clone());
        let words = script.rest_of_statement()?;
        if let Some(table) = self.tables.iter().find(|table| table.name == name) {
            if table.database != database {
                return Err(script
                    .unreadable(&format!("table `{name}` is in more than one database of the dump"))
                    .hint("Dump each database into a file of its own."));
            }
            // The table stays as it is.
            return Ok(());
        }
        match Table::parse(database, name.clone(), &words) {
            Ok(table) => {
                self.tables.push(table);
                Ok(())
            }
            Err(what) => self.set_aside(script, name, what),
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.extract.as_ref().is_some_and(|extract| extract.wanted.is(name))
    }

    /// Remembers why a table cannot be read; an error where it is wanted.
    fn set_aside<R: Read>(&mut self, script: &Script<'_, R>, name: String, what: String) -> Result<()> {
        if self.wants(&name) {
            return Err(script.unreadable(&what));
        }
        self.tables.retain(|table| table.name != name);
        self.strange.push((name, what));
        Ok(())
    }

    /// Between `DELIMITER` commands stand definitions of triggers and routines. What else may stand there is refused where it
    /// is about the wanted table.
    fn in_block<R: Read>(&mut self, script: &mut Script<'_, R>, verb: &str) -> Result<()> {
        let named = match verb {
            "INSERT" | "REPLACE" => {
                skip_modifiers(script)?;
                true
            }
            "CREATE" | "ALTER" | "DROP" | "TRUNCATE" => script.take("TABLE")?,
            "UPDATE" | "DELETE" | "LOAD" | "RENAME" => {
                return Err(
                    script.unreadable(&format!("{verb} between DELIMITER commands cannot be followed"))
                );
            }
            _ => false,
        };
        if named {
            let (_, name) = script.qualified_name()?;
            if self.wants(&name) {
                return Err(script.unreadable(&format!(
                    "{verb} of `{name}` between DELIMITER commands cannot be followed"
                )));
            }
        }
        script.skip_statement()
    }

    fn insert<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        skip_modifiers(script)?;
        let (database, name) = script.qualified_name()?;
        let Some(extract) = self.extract.as_mut().filter(|extract| extract.wanted.is(&name)) else {
            return script.skip_statement();
        };
        let same = |table: &&Table| table.name == name;
        let alike = |table: &&Table| table.name.eq_ignore_ascii_case(&name);
        let Some(table) = self.tables.iter().find(same).or_else(|| self.tables.iter().find(alike)) else {
            return Err(script
                .unreadable(&format!("rows of `{name}` come before the table is created"))
                .hint("The dump has to have the definitions of tables too: leave `--no-create-info` out."));
        };
        let database = database.or_else(|| self.database.clone());
        let other = extract.taken.as_ref().is_some_and(|(db, taken)| *db != database || *taken != table.name);
        if other || table.database != database {
            return Err(script.unreadable(&format!("more than one table of the dump could be `{name}`")).hint(
                "Name the table exactly with the stream's setting `table`, and dump each database into a file of its own.",
            ));
        }
        let columns = column_list(script)?;
        if !(script.take("VALUES")? || script.take("VALUE")?) {
            return Err(script.unreadable("an INSERT without VALUES cannot be read"));
        }
        let moments = extract.begin(table, columns.as_deref()).map_err(|what| script.unreadable(&what))?;
        if moments && !self.utc {
            return Err(script
                .unreadable(&format!("table `{name}` has TIMESTAMP columns, and the dump does not say in which zone they are"))
                .hint("Make the dump with `mysqldump --tz-utc` (the default), or leave these columns out with `exclude_columns`."));
        }
        rows(script, extract, &mut self.literals)
    }

    /// An error where rows of a table that the statement goes on to name were taken: the server no longer has them.
    fn forbid<R: Read>(&mut self, script: &mut Script<'_, R>, verb: &str) -> Result<()> {
        let (_, name) = script.qualified_name()?;
        self.forbid_table(script, verb, &name)
    }

    fn forbid_table<R: Read>(&self, script: &Script<'_, R>, verb: &str, name: &str) -> Result<()> {
        let taken = self.extract.as_ref().and_then(|extract| extract.taken.as_ref());
        if taken.is_some_and(|(_, taken)| taken.eq_ignore_ascii_case(name)) {
            return Err(script.unreadable(&format!(
                "a {verb} of table `{name}` follows its rows, which are no longer what the server has"
            )));
        }
        Ok(())
    }

    fn drop_tables<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        script.take("TEMPORARY")?;
        if !script.take("TABLE")? {
            return script.skip_statement();
        }
        if script.take("IF")? {
            script.take("EXISTS")?;
        }
        loop {
            let (database, name) = script.qualified_name()?;
            self.forbid_table(script, "DROP", &name)?;
            let database = database.or_else(|| self.database.clone());
            self.tables.retain(|table| table.name != name || table.database != database);
            if !script.peek()?.is_symbol(b',') {
                return script.skip_statement();
            }
            script.next()?;
        }
    }

    /// Statements that change tables in ways that only a server can follow. Rows may be changed as long as there are none.
    fn changes<R: Read>(&mut self, script: &mut Script<'_, R>, verb: &str) -> Result<()> {
        for word in script.rest_of_statement()? {
            // One of the names is the table's. If another is spelled like it, an error does less harm than none.
            let Some(name) = word.name().filter(|_| !matches!(word.kind, Kind::Text { .. })) else {
                continue;
            };
            if matches!(verb, "UPDATE" | "DELETE") {
                self.forbid_table(script, verb, name)?;
            } else if self.wants(name) {
                return Err(script.unreadable(&format!("{verb} of table `{name}` cannot be followed")));
            }
        }
        Ok(())
    }

    /// Keys and options change no value. Columns that are changed do, unless their type stays (phpMyAdmin adds
    /// `AUTO_INCREMENT` so).
    fn alter<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        script.take("IGNORE")?;
        if !script.take("TABLE")? {
            return script.skip_statement();
        }
        let (_, name) = script.qualified_name()?;
        let words = script.rest_of_statement()?;
        let Some(table) = self.tables.iter_mut().find(|table| table.name == name) else { return Ok(()) };
        if split(&words).into_iter().all(|part| alter(table, part)) {
            return Ok(());
        }
        let what = format!("ALTER TABLE changes columns of `{name}`, which cannot be followed");
        self.set_aside(script, name, what)
    }

    fn set<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        let words = script.rest_of_statement()?;
        for part in split(&words) {
            let part = match part {
                [first, rest @ ..] if first.is("SESSION") || first.is("LOCAL") || first.is("@@session") => {
                    rest
                }
                part => part,
            };
            match part {
                [names, charset, ..] if names.is("NAMES") => {
                    let known = ["utf8", "utf8mb3", "utf8mb4", "ascii", "default"];
                    if !known.iter().any(|name| charset.text.eq_ignore_ascii_case(name)) {
                        return Err(script
                            .unreadable(&format!("the dump is written in `{}`", charset.text))
                            .hint("Make it with `mysqldump --default-character-set=utf8mb4`."));
                    }
                }
                [variable, _, value] if is_variable(variable, "TIME_ZONE") => {
                    self.utc = ["+00:00", "+0:00", "-00:00", "UTC"]
                        .iter()
                        .any(|utc| value.text.eq_ignore_ascii_case(utc));
                }
                [variable, _, value]
                    if is_variable(variable, "SQL_MODE")
                        && value.text.to_ascii_uppercase().contains("NO_BACKSLASH_ESCAPES") =>
                {
                    return Err(
                        script.unreadable("the dump is written with the sql_mode NO_BACKSLASH_ESCAPES")
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn is_variable(word: &Word, name: &str) -> bool {
    word.is(name) || word.text.strip_prefix("@@").is_some_and(|rest| rest.eq_ignore_ascii_case(name))
}

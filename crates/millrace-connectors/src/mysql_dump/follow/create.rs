//! Follows CREATE statements: tables, indexes, views, databases, and definitions with a body.

use std::io::Read;

use millrace_engine::error::Result;

use crate::mysql_dump::collation::DefaultCollation;
use crate::mysql_dump::constraint::Key;
use crate::mysql_dump::follow::Follower;
use crate::mysql_dump::index::Refused;
use crate::mysql_dump::lexer::Kind;
use crate::mysql_dump::script::Script;
use crate::mysql_dump::table::{Table, top_level};

impl Follower {
    /// Follows CREATE. A table that cannot be parsed is an error only for its own stream. Refuses a
    /// table that is created twice, or after its rows in the same file: a server would fail or have
    /// other rows.
    pub(super) fn create<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        let or_replace = script.take("OR")? && script.take("REPLACE")?;
        if script.take("TEMPORARY")? {
            // A temporary sequence does not commit.
            if script.take("SEQUENCE")? {
                return script.end_statement();
            }
            if !script.take("TABLE")? {
                return Err(self.error(script, "CREATE of something is not followed"));
            }
            Self::take_existence(script)?;
            let (database, name) = script.qualified_name()?;
            let database = database.or_else(|| self.variables.session.database.clone());
            self.temporary.insert((database, name));
            self.name_generation += 1;
            return script.end_statement();
        }
        if !script.take("TABLE")? {
            return self.create_other(script, or_replace);
        }
        self.commit();
        self.name_generation += 1;
        let if_not_exists = Self::take_existence(script)?;
        let (database, name) = script.qualified_name()?;
        let database = database.or_else(|| self.variables.session.database.clone());
        let words = script.rest_of_statement()?;
        // Columns that name no charset have that of the database.
        let default = database
            .as_ref()
            .and_then(|database| self.databases.get(&database.to_ascii_lowercase()).copied());
        let parsed = Table::parse(
            database.clone(),
            name.clone(),
            &words,
            default.unwrap_or(DefaultCollation::UNKNOWN),
        );
        // The dump may have rows of the table already, in this file or in an earlier one.
        let at = self.tables.entry(database.as_ref(), &name);
        let file = self.file;
        let before = self.tables[at].rows.iter().any(|rows| rows.file == file);
        let refused = |what: String| Refused {
            file: self.file_name.clone(),
            line: script.start().line,
            what,
            hint: None,
        };
        let again = refused(format!("table `{name}` is created again after its rows"));
        let early = refused(format!("table `{name}` is created after its rows"));
        let twice = refused(format!("table `{name}` is created twice, which a server refuses"));
        let table = &mut self.tables[at];
        let is_known = table.is_defined();
        if is_known && if_not_exists {
            // The table keeps its definition.
            return Ok(());
        }
        // CREATE OR REPLACE drops the rows that the dump has of the table.
        if is_known && or_replace && !table.rows.is_empty() {
            table.refuse(again);
            return Ok(());
        }
        if before && !is_known {
            table.refuse(early);
        }
        match parsed {
            Ok(parsed) => {
                // Several files may repeat the same definition.
                let same = table.definition.as_deref() == Some(&parsed);
                if is_known && !or_replace && !(same && table.defined_in != Some(file)) {
                    table.refuse(twice);
                    return Ok(());
                }
                table.definition_error = None;
                table.defined_in = Some(file);
                if table.definition.is_none() || or_replace {
                    self.define(at, parsed);
                }
            }
            Err(what) => {
                table.definition = None;
                table.definition_error = Some(format!("line {}: {what}", script.start().line));
            }
        }
        Ok(())
    }

    /// Consumes `IF NOT EXISTS` if it follows. Returns whether it did.
    pub(super) fn take_existence<R: Read>(script: &mut Script<'_, R>) -> Result<bool> {
        let if_not_exists = script.take("IF")?;
        if if_not_exists && !(script.take("NOT")? && script.take("EXISTS")?) {
            return Err(script.unreadable("expected `IF NOT EXISTS`"));
        }
        Ok(if_not_exists)
    }

    /// Follows CREATE of an object that is no table. `or_replace` says whether it was CREATE OR
    /// REPLACE.
    fn create_other<R: Read>(&mut self, script: &mut Script<'_, R>, or_replace: bool) -> Result<()> {
        // The kind of object comes after `DEFINER = x`, `ALGORITHM = y`, `UNIQUE` and other
        // options.
        const KINDS: [&str; 15] = [
            "VIEW",
            "TRIGGER",
            "PROCEDURE",
            "FUNCTION",
            "EVENT",
            "PACKAGE",
            "DATABASE",
            "SCHEMA",
            "INDEX",
            "USER",
            "ROLE",
            "SERVER",
            "SEQUENCE",
            "TABLESPACE",
            "LOGFILE",
        ];
        let mut is_unique = false;
        loop {
            let word = script.next()?;
            if matches!(word.kind, Kind::Symbol(b';') | Kind::End) {
                return Err(self.error(script, "CREATE of something is not followed"));
            }
            is_unique |= word.is("UNIQUE");
            if !KINDS.iter().any(|kind| word.is(kind)) {
                continue;
            }
            // CREATE commits, except for temporary objects.
            self.commit();
            match word.text.to_ascii_uppercase().as_str() {
                // Changes of a view, and inserts into it, affect tables that its name does not
                // tell.
                "VIEW" => {
                    Self::take_existence(script)?;
                    let (_, name) = script.qualified_name()?;
                    self.views.insert(name.to_ascii_lowercase());
                }
                // A query that calls the function may change rows.
                "FUNCTION" => {
                    Self::take_existence(script)?;
                    let (_, name) = script.qualified_name()?;
                    self.functions.insert(name.to_ascii_lowercase());
                }
                "TRIGGER" => self.trigger(script)?,
                "DATABASE" | "SCHEMA" => {
                    Self::take_existence(script)?;
                    let (_, name) = script.qualified_name()?;
                    // CREATE OR REPLACE drops the database with all its tables.
                    if or_replace {
                        self.drop_database(script, &name);
                    }
                    let words = script.rest_of_statement()?;
                    // An existing database keeps its default collation.
                    let default = DefaultCollation::of(&top_level(&words), DefaultCollation::UNKNOWN);
                    self.databases.entry(name.to_ascii_lowercase()).or_insert(default);
                    return Ok(());
                }
                "INDEX" if is_unique => return self.create_unique_index(script, or_replace),
                _ => {}
            }
            self.has_body = word.is_any(&["TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE"]);
            return match (self.has_body, self.in_block) {
                // Between DELIMITER commands the statement was cut out, so its body needs no
                // skipping. Otherwise the body is skipped up to its first semicolon.
                (true, true) => Ok(()),
                (true, false) => script.skip_statement(),
                (false, _) => script.end_statement(),
            };
        }
    }

    /// Follows `CREATE UNIQUE INDEX`: `name ON table (column, …)` follows. Adds the key to the
    /// table.
    fn create_unique_index<R: Read>(&mut self, script: &mut Script<'_, R>, or_replace: bool) -> Result<()> {
        Self::take_existence(script)?;
        let index = script.next()?;
        // The type of the index (`USING BTREE`) may come before ON.
        while !script.take("ON")? {
            if matches!(script.next()?.kind, Kind::Symbol(b';') | Kind::End) {
                return Err(self.error(script, "CREATE UNIQUE INDEX names no table"));
            }
        }
        let (database, table) = script.qualified_name()?;
        // Temporary tables are not read, so their keys do not matter.
        let is_temporary = self.is_temporary(script, database.as_ref(), &table)?;
        let words = script.rest_of_statement()?;
        if let Some(at) = self.find(database.as_ref(), &table).filter(|_| !is_temporary) {
            self.redefine(script, at, |table| {
                // CREATE OR REPLACE INDEX drops the key of that name first.
                let drops = or_replace && index.name().is_some_and(|name| table.drop_key(name));
                table.unique_keys.push(Key::of(index.name(), &words));
                drops
            });
        }
        Ok(())
    }

    /// Follows `CREATE TRIGGER`: `name BEFORE INSERT ON table …` follows. Records the table if the
    /// trigger fires on INSERT, because the server would do more with later rows than store them.
    pub(super) fn trigger<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        let mut on_insert = false;
        loop {
            let word = script.next()?;
            match word.kind {
                Kind::Symbol(b';') | Kind::End => return Err(self.error(script, "a trigger is on no table")),
                _ if word.is("INSERT") => on_insert = true,
                _ if word.is("ON") => break,
                _ => {}
            }
        }
        let (_, name) = script.qualified_name()?;
        if on_insert {
            self.triggers.insert(name.to_ascii_lowercase());
        }
        Ok(())
    }
}

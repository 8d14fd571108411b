//! Statements that define something, and those that insert rows.

use std::io::Read;
use std::sync::Arc;

use millrace_engine::error::Result;

use crate::mysql_dump::follow::Follower;
use crate::mysql_dump::index::{DumpTable, Refused, Rows};
use crate::mysql_dump::insert::skip_modifiers;
use crate::mysql_dump::lexer::Kind;
use crate::mysql_dump::script::Script;
use crate::mysql_dump::table::{Table, Texture, top_level};

impl Follower {
    pub(super) fn create<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        let or_replace = script.take("OR")? && script.take("REPLACE")?;
        if script.take("TEMPORARY")? {
            if !script.take("TABLE")? {
                return self.create_other(script);
            }
            Self::take_existence(script)?;
            let (_, name) = script.qualified_name()?;
            self.temporary.insert(name.to_ascii_lowercase());
            return script.skip_statement();
        }
        if !script.take("TABLE")? {
            return self.create_other(script);
        }
        self.commit();
        let spared = Self::take_existence(script)?;
        let (database, name) = script.qualified_name()?;
        let database = database.or_else(|| self.variables.session.database.clone());
        let words = script.rest_of_statement()?;
        let texture = database.as_ref().and_then(|database| {
            self.databases
                .iter()
                .rev()
                .find(|(name, _)| name.eq_ignore_ascii_case(database))
                .map(|(_, texture)| *texture)
        });
        let parsed =
            Table::parse(database.clone(), name.clone(), &words, texture.unwrap_or(Texture::UNKNOWN));
        let at = self.entry(database.as_ref(), &name);
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
        let is_known = table.definition.is_some() || table.strange.is_some();
        if is_known && spared {
            // The table stays as it is.
            return Ok(());
        }
        if is_known && or_replace && !table.rows.is_empty() {
            table.refuse(again);
            return Ok(());
        }
        if before && !is_known {
            table.refuse(early);
        }
        match parsed {
            Ok(parsed) => {
                let same = table.definition.as_deref() == Some(&parsed);
                if is_known && !or_replace && !(same && table.defined_in != Some(file)) {
                    table.refuse(twice);
                    return Ok(());
                }
                table.strange = None;
                table.definition.get_or_insert_with(|| Arc::new(parsed.clone()));
                if or_replace {
                    table.definition = Some(Arc::new(parsed));
                }
                table.defined_in = Some(file);
            }
            Err(what) => {
                table.definition = None;
                table.strange = Some(format!("line {}: {what}", script.start().line));
            }
        }
        Ok(())
    }

    pub(super) fn take_existence<R: Read>(script: &mut Script<'_, R>) -> Result<bool> {
        let spared = script.take("IF")?;
        if spared && !(script.take("NOT")? && script.take("EXISTS")?) {
            return Err(script.unreadable("expected `IF NOT EXISTS`"));
        }
        Ok(spared)
    }

    /// The place of a table in the list, which it is put into where it is not there.
    pub(super) fn entry(&mut self, database: Option<&String>, name: &str) -> usize {
        let same = |table: &DumpTable| table.name == name && table.database.as_ref() == database;
        let waiting = |table: &DumpTable| {
            table.name == name
                && table.definition.is_none()
                && table.strange.is_none()
                && (table.database.is_none() || database.is_none())
        };
        let found = self.tables.iter().position(same).or_else(|| self.tables.iter().position(waiting));
        found.unwrap_or_else(|| {
            self.tables.push(DumpTable {
                database: database.cloned(),
                name: name.to_owned(),
                ..DumpTable::default()
            });
            self.tables.len() - 1
        })
    }

    /// The table that a statement names: in its own database first, as it is spelled first.
    pub(super) fn find(&self, database: Option<&String>, name: &str) -> Option<usize> {
        let database = database.or(self.variables.session.database.as_ref());
        let in_it = |table: &DumpTable, strictly: bool| match (&table.database, database) {
            (Some(one), Some(other)) => one == other,
            (None, None) => true,
            _ => !strictly,
        };
        let try_with = |exact: bool, strictly: bool| {
            self.tables.iter().position(|table| {
                let named = if exact { table.name == name } else { table.name.eq_ignore_ascii_case(name) };
                named && in_it(table, strictly)
            })
        };
        try_with(true, true)
            .or_else(|| try_with(true, false))
            .or_else(|| try_with(false, true))
            .or_else(|| try_with(false, false))
    }

    /// What is created that is no table.
    pub(super) fn create_other<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        // Up to the word that says what it is: `DEFINER = x`, `ALGORITHM = y`, `UNIQUE`, …
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
        loop {
            let word = script.next()?;
            if matches!(word.kind, Kind::Symbol(b';') | Kind::End) {
                return Err(self.error(script, "CREATE of something is not followed"));
            }
            if !KINDS.iter().any(|kind| word.is(kind)) {
                continue;
            }
            match word.text.to_ascii_uppercase().as_str() {
                "VIEW" => {
                    Self::take_existence(script)?;
                    let (_, name) = script.qualified_name()?;
                    self.views.insert(name.to_ascii_lowercase());
                }
                "FUNCTION" => {
                    Self::take_existence(script)?;
                    let (_, name) = script.qualified_name()?;
                    self.functions.insert(name.to_ascii_lowercase());
                }
                "TRIGGER" => self.trigger(script)?,
                "DATABASE" | "SCHEMA" => {
                    Self::take_existence(script)?;
                    let (_, name) = script.qualified_name()?;
                    let words = script.rest_of_statement()?;
                    let texture = Texture::of(&top_level(&words), Texture::UNKNOWN);
                    self.databases.push((name, texture));
                    return Ok(());
                }
                _ => {}
            }
            self.uncommitted = None;
            self.has_body = word.is_any(&["TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE"]);
            return if self.in_block && self.has_body { Ok(()) } else { script.skip_statement() };
        }
    }

    /// `name BEFORE INSERT ON table …`: rows that follow would make the server do more than keep them.
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

    pub(super) fn insert<R: Read>(&mut self, script: &mut Script<'_, R>, replaces: bool) -> Result<()> {
        let start = script.start();
        let for_some = script.is_for_some();
        let ignores = skip_modifiers(script)?;
        let (database, name) = script.qualified_name()?;
        let lower = name.to_ascii_lowercase();
        if self.temporary.contains(&lower) {
            return script.skip_statement();
        }
        let at = match self.find(database.as_ref(), &name) {
            Some(at) => at,
            None if self.views.contains(&lower) => {
                let what = format!("rows are inserted into the view `{name}`, which is not followed");
                return Err(self.error(script, &what));
            }
            None => {
                let database = database.clone().or_else(|| self.variables.session.database.clone());
                self.entry(database.as_ref(), &name)
            }
        };
        let is_whole = script.skip_rows()?;
        let rows = Rows {
            file: self.file,
            start,
            end: script.window.offset(),
            session: Arc::clone(&self.session),
            table: self.tables[at].definition.clone(),
            epoch: self.epoch,
        };
        let refused = if self.in_block {
            Some(format!("INSERT of `{name}` between DELIMITER commands cannot be followed"))
        } else if for_some {
            Some(format!("rows of `{name}` stand in a comment that only some servers carry out"))
        } else if self.triggers.contains(&lower) {
            Some(format!("rows of `{name}` come after a trigger on it, which a server would carry out"))
        } else {
            None
        };
        let refused = refused.map(|what| self.refused(script, what, None));
        let cut =
            (!is_whole).then(|| self.refused(script, "the file ends within a statement".to_owned(), None));
        if self.in_transaction || !self.variables.autocommit {
            self.uncommitted.get_or_insert(start.line);
        }
        let table = &mut self.tables[at];
        table.spellings.insert((database, name));
        table.replaces |= replaces || ignores;
        table.add(rows);
        if let Some(refused) = refused {
            table.refuse(refused);
        }
        if let Some(cut) = cut {
            self.cut.get_or_insert((at, cut));
        }
        Ok(())
    }
}

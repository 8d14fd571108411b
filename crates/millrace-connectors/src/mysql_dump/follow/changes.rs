//! Statements that change tables and rows that are there.

use std::io::Read;
use std::sync::Arc;

use millrace_engine::error::Result;

use crate::mysql_dump::alter::alter;
use crate::mysql_dump::follow::Follower;
use crate::mysql_dump::index::Refused;
use crate::mysql_dump::script::{Script, Word};
use crate::mysql_dump::table::{Table, split};

impl Follower {
    /// Rows of a table were taken that the server no longer has, or has otherwise.
    pub(super) fn lost<R: Read>(&mut self, script: &Script<'_, R>, verb: &str, at: Option<usize>) {
        let line = script.start().line;
        for number in 0..self.tables.len() {
            let table = &self.tables[number];
            let is_meant = at.is_none_or(|at| at == number)
                || table.definition.as_ref().is_some_and(|definition| definition.cascades);
            if is_meant && !table.rows.is_empty() {
                let name = &table.name;
                let what = format!(
                    "a {verb} of table `{name}` follows its rows, which are no longer what the server has"
                );
                let refused = Refused { file: self.file_name.clone(), line, what, hint: None };
                self.tables[number].refuse(refused);
            }
        }
    }

    pub(super) fn forbid<R: Read>(&mut self, script: &mut Script<'_, R>, verb: &str) -> Result<()> {
        let (database, name) = script.qualified_name()?;
        if self.temporary.contains(&name.to_ascii_lowercase()) {
            return Ok(());
        }
        if let Some(at) = self.find(database.as_ref(), &name) {
            self.lost(script, verb, Some(at));
        }
        Ok(())
    }

    pub(super) fn drop<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        let temporary = script.take("TEMPORARY")?;
        if script.take("DATABASE")? || script.take("SCHEMA")? {
            if script.take("IF")? {
                script.take("EXISTS")?;
            }
            let (_, name) = script.qualified_name()?;
            for at in (0..self.tables.len()).rev() {
                if self.tables[at].database.as_ref() != Some(&name) {
                    continue;
                }
                self.lost(script, "DROP", Some(at));
                if self.tables[at].rows.is_empty() {
                    self.remove(at);
                }
            }
            return script.skip_statement();
        }
        if script.take("PREPARE")? {
            return Err(self.error(script, "DROP PREPARE belongs to a statement that is not followed"));
        }
        if script.take("TRIGGER")? {
            // Which table it was on is not kept: rows that come after it are refused all the same.
            return script.skip_statement();
        }
        if !(script.take("TABLE")? || script.take("TABLES")?) {
            return self.of_no_table(script, "DROP");
        }
        if script.take("IF")? {
            script.take("EXISTS")?;
        }
        loop {
            let (database, name) = script.qualified_name()?;
            let was_temporary = self.temporary.remove(&name.to_ascii_lowercase());
            if !temporary && !was_temporary {
                self.commit();
                if let Some(at) = self.find(database.as_ref(), &name) {
                    self.lost(script, "DROP", Some(at));
                    if self.tables[at].rows.is_empty() {
                        self.remove(at);
                    }
                }
            }
            if !script.peek()?.is_symbol(b',') {
                return script.skip_statement();
            }
            script.next()?;
        }
    }

    pub(super) fn remove(&mut self, at: usize) {
        self.tables.remove(at);
        if let Some((cut, _)) = &mut self.cut
            && *cut > at
        {
            *cut -= 1;
        }
    }

    /// What is dropped or altered that is no table.
    fn of_no_table<R: Read>(&mut self, script: &mut Script<'_, R>, verb: &str) -> Result<()> {
        const KINDS: [&str; 22] = [
            "ALGORITHM",
            "DATABASE",
            "DEFINER",
            "EVENT",
            "FUNCTION",
            "INDEX",
            "INSTANCE",
            "LOGFILE",
            "OFFLINE",
            "ONLINE",
            "PACKAGE",
            "PROCEDURE",
            "ROLE",
            "SCHEMA",
            "SEQUENCE",
            "SERVER",
            "SPATIAL",
            "SQL",
            "TABLESPACE",
            "UNDO",
            "USER",
            "VIEW",
        ];
        if script.peek()?.is_any(&KINDS) {
            return script.skip_statement();
        }
        Err(self.error(script, &format!("{verb} of something is not followed")))
    }

    /// `UPDATE` and `DELETE`: of tables without rows they change nothing. What is no table of the dump may be a view of any.
    pub(super) fn changes<R: Read>(&mut self, script: &mut Script<'_, R>, verb: &str) -> Result<()> {
        let words = script.rest_of_statement()?;
        let end =
            words.iter().position(|word| word.is_any(&["SET", "WHERE", "LIMIT"])).unwrap_or(words.len());
        let (mut known, mut is_view) = (Vec::new(), false);
        for word in &words[..end] {
            let Some(name) = word.name() else { continue };
            let lower = name.to_ascii_lowercase();
            is_view |= self.views.contains(&lower);
            known
                .extend((0..self.tables.len()).filter(|&at| self.tables[at].name.eq_ignore_ascii_case(name)));
            if self.temporary.contains(&lower) {
                return Ok(());
            }
        }
        if known.is_empty() || is_view {
            self.lost(script, verb, None);
        }
        for at in known {
            self.lost(script, verb, Some(at));
        }
        Ok(())
    }

    /// `LOAD DATA` and `RENAME`: the tables that they name have rows that are nowhere in the dump.
    pub(super) fn replaces<R: Read>(&mut self, script: &mut Script<'_, R>, verb: &str) -> Result<()> {
        let words = script.rest_of_statement()?;
        if verb == "RENAME" && words.first().is_some_and(|word| word.is("USER")) {
            return Ok(());
        }
        self.commit();
        let from = if verb == "LOAD" { words.iter().position(|word| word.is("INTO")) } else { Some(0) };
        let Some(from) = from else { return Err(self.error(script, "LOAD of something is not followed")) };
        let names: Vec<&str> = match verb {
            "LOAD" => words[from..].iter().skip(2).take(3).filter_map(Word::name).collect(),
            _ => words
                .iter()
                .filter(|word| !word.is_any(&["TABLE", "TABLES", "TO"]))
                .filter_map(Word::name)
                .collect(),
        };
        let mut found = false;
        for name in names {
            for at in 0..self.tables.len() {
                if self.tables[at].name.eq_ignore_ascii_case(name) {
                    let what = format!("{verb} of table `{name}` cannot be followed");
                    let refused = self.refused(script, what, None);
                    self.tables[at].refuse(refused);
                    found = true;
                }
            }
        }
        if found { Ok(()) } else { Err(self.error(script, &format!("{verb} cannot be followed"))) }
    }

    /// Keys and options change no value. Columns that are changed do, unless their type stays (phpMyAdmin adds
    /// `AUTO_INCREMENT` so).
    pub(super) fn alter<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        script.take("ONLINE")?;
        let ignores = script.take("IGNORE")?;
        if !script.take("TABLE")? {
            return self.of_no_table(script, "ALTER");
        }
        if script.take("IF")? {
            script.take("EXISTS")?;
        }
        self.commit();
        let (database, name) = script.qualified_name()?;
        let words = script.rest_of_statement()?;
        let Some(at) = self.find(database.as_ref(), &name) else {
            let harmless = split(&words).iter().all(|part| {
                part.first().is_some_and(|word| {
                    word.is_any(&["ADD", "MODIFY", "DISABLE", "ENABLE", "AUTO_INCREMENT", "COMMENT"])
                })
            });
            // A table that is in another file, or in none.
            return if harmless {
                Ok(())
            } else {
                Err(self.error(
                    script,
                    &format!("ALTER TABLE of `{name}`, which the dump does not create before it"),
                ))
            };
        };
        let what = format!("ALTER TABLE changes columns of `{name}`, which cannot be followed");
        let refused = self.refused(script, what, None);
        let table = &mut self.tables[at];
        let Some(definition) = &table.definition else { return Ok(()) };
        let mut changed = Table::clone(definition);
        let followed = split(&words).into_iter().all(|part| alter(&mut changed, part));
        if followed && (!ignores || table.rows.is_empty()) {
            table.definition = Some(Arc::new(changed));
        } else {
            table.refuse(refused);
        }
        Ok(())
    }
}

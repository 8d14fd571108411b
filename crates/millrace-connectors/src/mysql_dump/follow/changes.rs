//! Statements that change tables and rows that are there.

use std::io::Read;
use std::sync::Arc;

use millrace_engine::error::Result;

use crate::mysql_dump::alter::{Altered, alter};
use crate::mysql_dump::collation::DefaultCollation;
use crate::mysql_dump::follow::Follower;
use crate::mysql_dump::script::{Script, Word};
use crate::mysql_dump::table::{Table, split, top_level};

impl Follower {
    /// Rows of a table were taken that the server no longer has, or has otherwise; of any table where `at` says none.
    pub(super) fn refuse_changed_rows<R: Read>(
        &mut self,
        script: &Script<'_, R>,
        verb: &str,
        at: Option<usize>,
    ) {
        let Some(at) = at else {
            for number in 0..self.tables.len() {
                let name = &self.tables[number].name;
                let what = format!(
                    "{verb} of what may be a view of table `{name}` follows its rows, which may no longer be what the server has"
                );
                self.refuse_rows(script, number, what);
            }
            return;
        };
        // A table that holds nothing has nothing that could change.
        if self.tables[at].rows.is_empty() {
            return;
        }
        let name = &self.tables[at].name;
        let what =
            format!("{verb} of table `{name}` follows its rows, which are no longer what the server has");
        self.refuse_rows(script, at, what);
        if matches!(verb, "UPDATE" | "DELETE") {
            self.cascade(script, verb, at);
        }
    }

    /// Rows of other tables go or change with those of a table, by their foreign keys.
    pub(super) fn cascade<R: Read>(&mut self, script: &Script<'_, R>, verb: &str, at: usize) {
        if !self.variables.foreign_keys || self.tables[at].rows.is_empty() {
            return;
        }
        let name = self.tables[at].name.clone();
        let what = format!("{verb} of table `{name}`, to which a foreign key refers that passes changes on");
        let changed = self.refused(script, what, None);
        self.tables[at].changed.get_or_insert(changed);
        for child in self.children(at) {
            let what = format!(
                "{verb} of table `{name}` follows rows of table `{}`, whose foreign key passes it on",
                self.tables[child].name
            );
            self.refuse_rows(script, child, what);
        }
    }

    /// Tables whose rows may go or change with those of a table.
    pub(super) fn children(&self, at: usize) -> Vec<usize> {
        let mut found = vec![at];
        let mut looked_at = 0;
        while self.has_cascades && looked_at < found.len() {
            let parent = &self.tables[found[looked_at]].name;
            looked_at += 1;
            let refers = |table: &Table| {
                table.foreign_keys.iter().any(|key| key.cascades && key.parent.eq_ignore_ascii_case(parent))
            };
            let children = self.tables.iter().enumerate();
            let children = children.filter(|(_, table)| table.definition.as_deref().is_some_and(refers));
            let new: Vec<usize> =
                children.map(|(number, _)| number).filter(|number| !found.contains(number)).collect();
            found.extend(new);
        }
        found.split_off(1)
    }

    /// Says why rows of a table are not what the server has, where there are any.
    fn refuse_rows<R: Read>(&mut self, script: &Script<'_, R>, at: usize, what: String) {
        if !self.tables[at].rows.is_empty() {
            let refused = self.refused(script, what, None);
            self.tables[at].refuse(refused);
        }
    }

    pub(super) fn forbid<R: Read>(&mut self, script: &mut Script<'_, R>, verb: &str) -> Result<()> {
        let (database, name) = script.qualified_name()?;
        if self.is_temporary(script, database.as_ref(), &name)? {
            return Ok(());
        }
        if let Some(at) = self.find(database.as_ref(), &name) {
            self.refuse_changed_rows(script, verb, Some(at));
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
            self.commit();
            self.drop_database(script, &name);
            return script.end_statement();
        }
        if script.take("PREPARE")? {
            return Err(self.error(script, "DROP PREPARE belongs to a statement that is not followed"));
        }
        if script.take("TRIGGER")? {
            // Which table it was on is not kept: rows that come after it are refused all the same.
            return script.end_statement();
        }
        if script.take("INDEX")? {
            return self.drop_index(script);
        }
        if !(script.take("TABLE")? || script.take("TABLES")?) {
            return self.of_no_table(script, "DROP");
        }
        if script.take("IF")? {
            script.take("EXISTS")?;
        }
        self.name_generation += 1;
        loop {
            let (database, name) = script.qualified_name()?;
            let was_temporary = self.is_temporary(script, database.as_ref(), &name)?;
            if was_temporary {
                let database = database.clone().or_else(|| self.variables.session.database.clone());
                self.temporary.remove(&(database, name.clone()));
            }
            if !temporary && !was_temporary {
                self.commit();
                if let Some(at) = self.find(database.as_ref(), &name) {
                    self.refuse_changed_rows(script, "DROP", Some(at));
                    self.remove_empty(at);
                }
            }
            if !script.peek()?.is_symbol(b',') {
                return script.end_statement();
            }
            script.next()?;
        }
    }

    /// A database goes with its tables. Temporary ones stay.
    pub(super) fn drop_database<R: Read>(&mut self, script: &Script<'_, R>, name: &str) {
        self.name_generation += 1;
        self.databases.remove(&name.to_ascii_lowercase());
        for at in (0..self.tables.len()).rev() {
            if self.tables[at].database.as_ref().is_some_and(|database| database.eq_ignore_ascii_case(name)) {
                self.refuse_changed_rows(script, "DROP", Some(at));
                self.remove_empty(at);
            }
        }
    }

    fn drop_index<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        self.commit();
        if script.take("IF")? {
            script.take("EXISTS")?;
        }
        let index = script.next()?;
        if !script.take("ON")? {
            return Err(self.error(script, "DROP INDEX names no table"));
        }
        let (database, name) = script.qualified_name()?;
        if !self.is_temporary(script, database.as_ref(), &name)?
            && let Some(at) = self.find(database.as_ref(), &name)
        {
            self.redefine(script, at, |table| index.name().is_some_and(|name| table.drop_key(name)));
        }
        script.end_statement()
    }

    /// Changes the definition of a table. `change` says whether it drops a key.
    pub(super) fn redefine<R: Read>(
        &mut self,
        script: &Script<'_, R>,
        at: usize,
        change: impl FnOnce(&mut Table) -> bool,
    ) {
        let Some(definition) = &self.tables[at].definition else { return };
        let mut changed = Table::clone(definition);
        if change(&mut changed) && !self.tables[at].rows.is_empty() {
            let what = format!(
                "a key of table `{}` is dropped after its rows, which were held to it",
                self.tables[at].name
            );
            self.refuse_rows(script, at, what);
            return;
        }
        self.define(at, changed);
    }

    /// A table has that definition from now on.
    pub(super) fn define(&mut self, at: usize, definition: Table) {
        self.has_cascades |= definition.foreign_keys.iter().any(|key| key.cascades);
        self.tables[at].definition = Some(Arc::new(definition));
    }

    /// Takes a table out that has no rows.
    fn remove_empty(&mut self, at: usize) {
        if !self.tables[at].rows.is_empty() {
            return;
        }
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
            return script.end_statement();
        }
        Err(self.error(script, &format!("{verb} of something is not followed")))
    }

    /// `UPDATE` and `DELETE`: of tables without rows they change nothing. What is no table of the dump may be a view of any.
    pub(super) fn changes<R: Read>(&mut self, script: &mut Script<'_, R>, verb: &str) -> Result<()> {
        let words = script.rest_of_statement()?;
        let (mut known, mut is_view, mut is_temporary) = (Vec::new(), false, false);
        for (at, word) in words[..end_of_tables(&words)].iter().enumerate() {
            let Some(name) = word.name() else { continue };
            let dot = at.checked_sub(1).filter(|&dot| words[dot].is_symbol(b'.'));
            let database = dot.and_then(|dot| words.get(dot.checked_sub(1)?)?.name()).map(str::to_owned);
            if self.temporary(database.as_ref(), name) == Some(true) {
                is_temporary = true;
                continue;
            }
            is_view |= self.views.contains(&name.to_ascii_lowercase());
            known.extend_from_slice(self.tables.named(name));
        }
        if is_view || (known.is_empty() && !is_temporary) {
            self.refuse_changed_rows(script, verb, None);
        }
        for at in known {
            self.refuse_changed_rows(script, verb, Some(at));
        }
        Ok(())
    }

    /// `LOAD DATA` and `RENAME`: the tables that they name have rows that are nowhere in the dump.
    pub(super) fn replaces<R: Read>(&mut self, script: &mut Script<'_, R>, verb: &str) -> Result<()> {
        // LOAD DATA may have REPLACE INTO within.
        let words = script.all_words()?;
        if verb == "RENAME" && words.first().is_some_and(|word| word.is("USER")) {
            return Ok(());
        }
        // LOAD DATA ends no transaction, but for tables of NDB.
        if verb == "RENAME" {
            self.commit();
            self.name_generation += 1;
        }
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
            for at in self.tables.named(name).to_vec() {
                let what = format!("{verb} of table `{name}` cannot be followed");
                let refused = self.refused(script, what, None);
                self.tables[at].refuse(refused);
                found = true;
            }
        }
        if found { Ok(()) } else { Err(self.error(script, &format!("{verb} cannot be followed"))) }
    }

    /// Keys and options change no value. Columns that are changed do, unless their type stays (phpMyAdmin adds
    /// `AUTO_INCREMENT` so).
    pub(super) fn alter<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        if script.take("DATABASE")? || script.take("SCHEMA")? {
            return self.alter_database(script);
        }
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
        if self.is_temporary(script, database.as_ref(), &name)? {
            return script.end_statement();
        }
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
        let has_rows = !self.tables[at].rows.is_empty();
        let mut is_followed = true;
        self.redefine(script, at, |table| {
            let parts: Vec<Altered> = split(&words).into_iter().map(|part| alter(table, part)).collect();
            is_followed = !parts.contains(&Altered::NotFollowed);
            parts.contains(&Altered::KeyDropped)
        });
        if !is_followed || (ignores && has_rows) {
            self.tables[at].refuse(refused);
        }
        Ok(())
    }

    /// The charset of tables that name none may be another one from here on.
    fn alter_database<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        const OPTIONS: [&str; 7] =
            ["CHARACTER", "CHARSET", "COLLATE", "COMMENT", "DEFAULT", "ENCRYPTION", "READ"];
        self.commit();
        let words = script.rest_of_statement()?;
        let named = words.first().filter(|word| !word.is_any(&OPTIONS)).and_then(Word::name);
        let options = &words[usize::from(named.is_some())..];
        let Some(name) = named.or(self.variables.session.database.as_deref()) else { return Ok(()) };
        let name = name.to_ascii_lowercase();
        let before = self.databases.get(&name).copied().unwrap_or(DefaultCollation::UNKNOWN);
        self.databases.insert(name, DefaultCollation::of(&top_level(options), before));
        Ok(())
    }
}

/// Where the tables of an UPDATE or DELETE end, and what becomes of their rows begins.
fn end_of_tables(words: &[Word]) -> usize {
    let mut depth = 0i64;
    let end = words.iter().position(|word| {
        depth += i64::from(word.is_symbol(b'(')) - i64::from(word.is_symbol(b')'));
        depth == 0 && word.is_any(&["SET", "WHERE", "LIMIT"])
    });
    end.unwrap_or(words.len())
}

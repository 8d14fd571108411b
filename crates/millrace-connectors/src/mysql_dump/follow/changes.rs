//! Follows statements that change existing tables and rows: DROP, ALTER, UPDATE, DELETE, TRUNCATE,
//! RENAME and LOAD DATA.
//!
//! None of them is executed. If a table has rows in the dump and a statement changes them, the
//! table is refused, because its rows in the dump are no longer those that the server has.

use std::io::Read;
use std::sync::Arc;

use millrace_engine::error::Result;

use crate::mysql_dump::alter::{Altered, alter};
use crate::mysql_dump::collation::DefaultCollation;
use crate::mysql_dump::follow::Follower;
use crate::mysql_dump::script::{Script, Word};
use crate::mysql_dump::table::{Table, split, top_level};

impl Follower {
    /// Refuses a table whose rows a statement changes or removes. Without an index (`None`), every
    /// table that has rows is refused, because the statement names what may be a view of any of
    /// them.
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
        // A table without rows has nothing to change, nor to pass on to others.
        if self.tables[at].rows.is_empty() {
            return;
        }
        let name = &self.tables[at].name;
        let what =
            format!("{verb} of table `{name}` follows its rows, which are no longer what the server has");
        self.refuse_rows(script, at, what);
        // TRUNCATE and DROP do not trigger the actions of foreign keys.
        if matches!(verb, "UPDATE" | "DELETE") {
            self.cascade(script, verb, at);
        }
    }

    /// Refuses the tables whose rows change with those of a table because of cascading foreign
    /// keys.
    ///
    /// Also records the statement at the table: tables that are defined later may have such keys
    /// too.
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

    /// Returns the tables whose rows may change with those of a table: all that refer to it by
    /// cascading foreign keys, directly or indirectly. Parents are compared by name without their
    /// database, so the result may contain too many tables.
    pub(super) fn children(&self, at: usize) -> Vec<usize> {
        // A breadth-first search; each table is visited once, because foreign keys may form cycles.
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

    /// Refuses a table if it has rows.
    fn refuse_rows<R: Read>(&mut self, script: &Script<'_, R>, at: usize, what: String) {
        if !self.tables[at].rows.is_empty() {
            let refused = self.refused(script, what, None);
            self.tables[at].refuse(refused);
        }
    }

    /// Follows a statement that removes all rows of the table that it names (TRUNCATE).
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

    /// Follows DROP. Tables without rows are forgotten, and tables with rows are refused. Dropping
    /// a database, an index or a table that is not temporary commits.
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
        // DROP PREPARE ends a prepared statement, and what such statements do is unknown.
        if script.take("PREPARE")? {
            return Err(self.error(script, "DROP PREPARE belongs to a statement that is not followed"));
        }
        if script.take("TRIGGER")? {
            // The trigger's table is not recorded, so the triggers of a file stay in effect: rows
            // that follow are refused all the same.
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
        // After the DROP, the names may mean other tables.
        self.name_generation += 1;
        loop {
            let (database, name) = script.qualified_name()?;
            // A temporary table hides a table of the same name.
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

    /// Drops the tables of a database. Temporary tables stay.
    pub(super) fn drop_database<R: Read>(&mut self, script: &Script<'_, R>, name: &str) {
        self.name_generation += 1;
        self.databases.remove(&name.to_ascii_lowercase());
        // In reverse, because removing a table moves those behind it.
        for at in (0..self.tables.len()).rev() {
            if self.tables[at].database.as_ref().is_some_and(|database| database.eq_ignore_ascii_case(name)) {
                self.refuse_changed_rows(script, "DROP", Some(at));
                self.remove_empty(at);
            }
        }
    }

    /// Follows DROP INDEX, which may drop a unique key.
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

    /// Changes the definition of a table. `change` returns whether it drops a key.
    ///
    /// If a key is dropped after rows that were subject to it, the table is refused and keeps its
    /// definition.
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

    /// Sets the definition of a table.
    pub(super) fn define(&mut self, at: usize, definition: Table) {
        self.has_cascades |= definition.foreign_keys.iter().any(|key| key.cascades);
        self.tables[at].definition = Some(Arc::new(definition));
    }

    /// Removes a table if it has no rows, and adjusts the index in `cut`.
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

    /// Follows DROP or ALTER of an object that is no table and whose change affects no row.
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

    /// Follows UPDATE and DELETE. On tables without rows they change nothing. A name that is no
    /// table of the dump may be a view of any table, so then all tables with rows are refused.
    pub(super) fn changes<R: Read>(&mut self, script: &mut Script<'_, R>, verb: &str) -> Result<()> {
        let words = script.rest_of_statement()?;
        let (mut known, mut is_view, mut is_temporary) = (Vec::new(), false, false);
        for (at, word) in words[..end_of_tables(&words)].iter().enumerate() {
            // Every name counts, even an alias: a table that is refused without need cannot load
            // wrong rows.
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
        // A view of any table, or a table that this dump does not create.
        if is_view || (known.is_empty() && !is_temporary) {
            self.refuse_changed_rows(script, verb, None);
        }
        for at in known {
            self.refuse_changed_rows(script, verb, Some(at));
        }
        Ok(())
    }

    /// Follows LOAD DATA and RENAME TABLE: refuses the tables that they name, because their rows
    /// are not in the dump. It is an error if none of the names is a table of the dump.
    pub(super) fn replaces<R: Read>(&mut self, script: &mut Script<'_, R>, verb: &str) -> Result<()> {
        // LOAD DATA may contain REPLACE INTO, so the check for a missing semicolon does not apply.
        let words = script.all_words()?;
        if verb == "RENAME" && words.first().is_some_and(|word| word.is("USER")) {
            return Ok(());
        }
        // LOAD DATA does not commit, except for tables of the engine NDB.
        if verb == "RENAME" {
            self.commit();
            self.name_generation += 1;
        }
        let from = if verb == "LOAD" { words.iter().position(|word| word.is("INTO")) } else { Some(0) };
        let Some(from) = from else { return Err(self.error(script, "LOAD of something is not followed")) };
        let names: Vec<&str> = match verb {
            // `INTO TABLE database . name`: only these tokens can be the table.
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

    /// Follows ALTER. Keys and options of a table change no value. Changed columns do, unless their
    /// type stays the same: phpMyAdmin adds `AUTO_INCREMENT` in this way. A table whose columns
    /// change is refused.
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
            // Keys and options that are added change no value, whatever the table is.
            let harmless = split(&words).iter().all(|part| {
                part.first().is_some_and(|word| {
                    word.is_any(&["ADD", "MODIFY", "DISABLE", "ENABLE", "AUTO_INCREMENT", "COMMENT"])
                })
            });
            // The table is defined in another file, or nowhere.
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
        // ALTER IGNORE removes rows that repeat an added key.
        if !is_followed || (ignores && has_rows) {
            self.tables[at].refuse(refused);
        }
        Ok(())
    }

    /// Follows ALTER DATABASE, which may change the default collation of tables that are created
    /// later.
    fn alter_database<R: Read>(&mut self, script: &mut Script<'_, R>) -> Result<()> {
        const OPTIONS: [&str; 7] =
            ["CHARACTER", "CHARSET", "COLLATE", "COMMENT", "DEFAULT", "ENCRYPTION", "READ"];
        self.commit();
        let words = script.rest_of_statement()?;
        // The name may be omitted; then the default database is meant.
        let named = words.first().filter(|word| !word.is_any(&OPTIONS)).and_then(Word::name);
        let options = &words[usize::from(named.is_some())..];
        let Some(name) = named.or(self.variables.session.database.as_deref()) else { return Ok(()) };
        let name = name.to_ascii_lowercase();
        let before = self.databases.get(&name).copied().unwrap_or(DefaultCollation::UNKNOWN);
        self.databases.insert(name, DefaultCollation::of(&top_level(options), before));
        Ok(())
    }
}

/// Returns where the tables of an UPDATE or DELETE end: before SET, WHERE or LIMIT outside of
/// parentheses.
fn end_of_tables(words: &[Word]) -> usize {
    let mut depth = 0i64;
    let end = words.iter().position(|word| {
        depth += i64::from(word.is_symbol(b'(')) - i64::from(word.is_symbol(b')'));
        depth == 0 && word.is_any(&["SET", "WHERE", "LIMIT"])
    });
    end.unwrap_or(words.len())
}

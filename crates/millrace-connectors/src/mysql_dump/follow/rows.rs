//! Follows INSERT and REPLACE: records where the rows are, without reading them.

use std::io::Read;
use std::sync::Arc;

use millrace_engine::error::Result;

use crate::mysql_dump::follow::Follower;
use crate::mysql_dump::index::Rows;
use crate::mysql_dump::insert::skip_modifiers;
use crate::mysql_dump::script::{Passed, Script};

impl Follower {
    /// Follows an INSERT or REPLACE statement; `replaces` says which. Adds the place of its rows to
    /// their table, which may have no definition yet.
    ///
    /// Refuses the table if a server would store other rows than the literals: between DELIMITER
    /// commands, in a comment for some servers, after an INSERT trigger, without VALUES, or with ON
    /// DUPLICATE KEY UPDATE.
    pub(super) fn insert<R: Read>(&mut self, script: &mut Script<'_, R>, replaces: bool) -> Result<()> {
        let start = script.start();
        let for_some = script.is_for_some();
        let ignores = skip_modifiers(script)?;
        let (database, name) = script.qualified_name()?;
        let lower = name.to_ascii_lowercase();
        // Rows of temporary tables end with the session.
        if self.is_temporary(script, database.as_ref(), &name)? {
            return script.skip_statement();
        }
        // Without a definition, it is unknown which spellings mean the same table, so each gets its
        // own entry until all files were followed.
        let is_defined = |at: &usize| self.tables[*at].is_defined();
        let at = match self.find(database.as_ref(), &name).filter(is_defined) {
            Some(at) => at,
            None if self.views.contains(&lower) => {
                let what = format!("rows are inserted into the view `{name}`, which is not followed");
                return Err(self.error(script, &what));
            }
            None => {
                let database = database.clone().or_else(|| self.variables.session.database.clone());
                self.tables.entry(database.as_ref(), &name)
            }
        };
        let has_rows = script.rows_follow()?;
        let passed = if has_rows {
            script.skip_rows()?
        } else {
            script.skip_query()?;
            Passed { is_whole: true, has_tail: false }
        };
        let rows = Rows {
            file: self.file,
            start,
            end: script.window.offset(),
            session: Arc::clone(&self.session),
            table: self.tables[at].definition.clone(),
            names: vec![(database, name.clone())],
            name_generation: self.name_generation,
        };
        let refused = if self.in_block {
            Some(format!("INSERT of `{name}` between DELIMITER commands cannot be followed"))
        } else if for_some {
            Some(format!("rows of `{name}` stand in a comment that only some servers carry out"))
        } else if self.triggers.contains(&lower) {
            Some(format!("rows of `{name}` come after a trigger on it, which a server would carry out"))
        } else if !has_rows {
            Some("an INSERT without VALUES cannot be read".to_owned())
        } else if passed.has_tail {
            Some("rows are followed by something that cannot be followed (`ON DUPLICATE KEY`?)".to_owned())
        } else {
            None
        };
        let refused = refused.map(|what| self.refused(script, what, None));
        // A file that ends within these rows makes all other tables unreadable. This table gets its
        // complete rows, and the broken end goes to quarantine.
        let cut = (!passed.is_whole)
            .then(|| self.refused(script, "the file ends within a statement".to_owned(), None));
        // A server keeps these rows only if a COMMIT follows.
        if self.in_transaction || !self.variables.autocommit {
            self.uncommitted.get_or_insert(start.line);
        }
        if ignores {
            self.ignore(script, at);
        }
        // REPLACE deletes rows, and foreign keys may pass that on to other tables.
        if replaces {
            self.cascade(script, "REPLACE", at);
        }
        let table = &mut self.tables[at];
        // The second pass then compares the keys of all rows of the table.
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

    /// Refuses a table for INSERT IGNORE if a foreign key, a CHECK or partitions may reject rows:
    /// the server skips such rows, and the reader cannot evaluate these constraints.
    fn ignore<R: Read>(&mut self, script: &Script<'_, R>, at: usize) {
        let foreign_keys = self.variables.foreign_keys;
        let name = &self.tables[at].name;
        let refused = |what| self.refused(script, ignored(name, what), Some(IGNORED_HINT));
        match self.tables[at].definition.as_ref().map(|definition| definition.keeps_out(foreign_keys)) {
            Some(Some(what)) => {
                let refused = refused(what);
                self.tables[at].refuse(refused);
            }
            Some(None) => {}
            // The definition comes later, if at all. `finish` decides then.
            None => {
                let refused = refused("its definition");
                self.tables[at].ignored.get_or_insert((refused, foreign_keys));
            }
        }
    }
}

const IGNORED_HINT: &str =
    "Make the dump without `--insert-ignore`, or load it into a server, and make a dump of what that has.";

/// The reason to refuse rows that INSERT IGNORE may have skipped.
pub(super) fn ignored(table: &str, what: &str) -> String {
    format!("INSERT IGNORE passes over rows of `{table}` that {what} does not let in")
}

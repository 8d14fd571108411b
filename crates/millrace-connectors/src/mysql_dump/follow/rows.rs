//! Statements that insert rows.

use std::io::Read;
use std::sync::Arc;

use millrace_engine::error::Result;

use crate::mysql_dump::follow::Follower;
use crate::mysql_dump::index::Rows;
use crate::mysql_dump::insert::skip_modifiers;
use crate::mysql_dump::script::{Passed, Script};

impl Follower {
    pub(super) fn insert<R: Read>(&mut self, script: &mut Script<'_, R>, replaces: bool) -> Result<()> {
        let start = script.start();
        let for_some = script.is_for_some();
        let ignores = skip_modifiers(script)?;
        let (database, name) = script.qualified_name()?;
        let lower = name.to_ascii_lowercase();
        if self.is_temporary(script, database.as_ref(), &name)? {
            return script.skip_statement();
        }
        // Without a definition nobody knows which names mean the same table.
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
        let cut = (!passed.is_whole)
            .then(|| self.refused(script, "the file ends within a statement".to_owned(), None));
        if self.in_transaction || !self.variables.autocommit {
            self.uncommitted.get_or_insert(start.line);
        }
        if ignores {
            self.ignore(script, at);
        }
        if replaces {
            self.cascade(script, "REPLACE", at);
        }
        let table = &mut self.tables[at];
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

    /// INSERT IGNORE passes over rows that a foreign key, a CHECK or partitions do not let in, which is not followed.
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
            // The definition comes later, if at all.
            None => {
                let refused = refused("its definition");
                self.tables[at].ignored.get_or_insert((refused, foreign_keys));
            }
        }
    }
}

const IGNORED_HINT: &str =
    "Make the dump without `--insert-ignore`, or load it into a server, and make a dump of what that has.";

/// Why rows that INSERT IGNORE brings are not all there.
pub(super) fn ignored(table: &str, what: &str) -> String {
    format!("INSERT IGNORE passes over rows of `{table}` that {what} does not let in")
}

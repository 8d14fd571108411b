//! Reads the rows of an INSERT one at a time, because a statement may be larger than memory.
//!
//! Only a whole row has to fit into the window. A row that is valid SQL but not a list of literals
//! goes to quarantine. If the end of such a row cannot be determined, reading ends with an error,
//! because rows after it would be lost.

use std::io::Read;

use millrace_engine::error::{Error, Result};

use crate::files::delivery::Place;
use crate::mysql_dump::extract::Extract;
use crate::mysql_dump::lexer::{Kind, Stop};
use crate::mysql_dump::literal::{Literal, end_of_broken_row, row};
use crate::mysql_dump::script::Script;

/// Consumes the keywords between INSERT or REPLACE and the table. Returns whether IGNORE is among
/// them.
pub(super) fn skip_modifiers<R: Read>(script: &mut Script<'_, R>) -> Result<bool> {
    let mut ignores = false;
    for optional in ["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"] {
        ignores |= script.take(optional)? && optional == "IGNORE";
    }
    Ok(ignores)
}

/// Consumes the column list before VALUES. Returns `None` if there is none.
pub(super) fn column_list<R: Read>(script: &mut Script<'_, R>) -> Result<Option<Vec<String>>> {
    if !script.peek()?.is_symbol(b'(') {
        return Ok(None);
    }
    script.next()?;
    let mut names = Vec::new();
    loop {
        let word = script.next()?;
        match word.name() {
            Some(name) => names.push(name.to_owned()),
            None if word.is_symbol(b')') && names.is_empty() => return Ok(Some(names)),
            None => return Err(script.unreadable("expected the name of a column")),
        }
        let separator = script.next()?;
        if separator.is_symbol(b')') {
            return Ok(Some(names));
        }
        if !separator.is_symbol(b',') {
            return Err(script.unreadable("expected a comma between the names of columns"));
        }
    }
}

/// Passes the rows of an INSERT to `extract`, up to the end of the statement. `literals` is a
/// buffer that all rows share.
pub(super) fn rows<R: Read>(
    script: &mut Script<'_, R>,
    extract: &mut Extract,
    literals: &mut Vec<Literal>,
) -> Result<()> {
    loop {
        if !one_row(script, extract, literals)? {
            return Ok(());
        }
        let separator = script.next()?;
        match separator.kind {
            Kind::Symbol(b',') => {}
            Kind::Symbol(b';') => return Ok(()),
            Kind::End => return cut_off(script, extract),
            _ => {
                return Err(script.unreadable(
                    "rows are followed by something that cannot be followed (`ON DUPLICATE KEY`?)",
                ));
            }
        }
    }
}

/// Passes one row to `extract`. Returns `false` if the file ends before it.
///
/// A row that is no list of literals goes to quarantine. It is an error if no row follows, if the
/// end of the row cannot be determined, or if it is unknown which rows a server would have.
fn one_row<R: Read>(
    script: &mut Script<'_, R>,
    extract: &mut Extract,
    literals: &mut Vec<Literal>,
) -> Result<bool> {
    loop {
        let start = script.text().skip_space(0);
        match start {
            Ok(start) => {
                script.window.consume(start);
                break;
            }
            Err(stop) => script.fill(stop)?,
        }
    }
    match script.window.rest().first() {
        None => return cut_off(script, extract).map(|()| false),
        Some(b'(') => {}
        Some(_) => return Err(script.unreadable("expected a row in brackets")),
    }
    // While the row is incomplete, read more bytes and parse it again from its start.
    let reason = loop {
        let text = script.text();
        match row(text, literals) {
            Ok(length) => {
                let raw = &text.bytes[..length];
                let place = Place { file: script.window.name(), line: script.window.line(), raw };
                extract.row(literals, place)?.map_err(|what| untold(script, what))?;
                script.window.consume(length);
                return Ok(true);
            }
            Err(Stop::Broken(reason)) => break reason,
            Err(stop) => script.fill(stop)?,
        }
    };
    // The row is no list of literals: find its end, so that it goes to quarantine alone.
    loop {
        let text = script.text();
        match end_of_broken_row(text) {
            Ok(length) => {
                let raw = &text.bytes[..length];
                let place = Place { file: script.window.name(), line: script.window.line(), raw };
                extract.broken(reason, place)?.map_err(|what| untold(script, what))?;
                script.window.consume(length);
                return Ok(true);
            }
            Err(stop) => script.fill(stop)?,
        }
    }
}

/// Records in quarantine that the file ends within an INSERT.
fn cut_off<R: Read>(script: &Script<'_, R>, extract: &mut Extract) -> Result<()> {
    extract.cut_off(Place { file: script.window.name(), line: script.window.line(), raw: b"" })
}

/// The error if it is unknown which rows a server would have.
fn untold<R: Read>(script: &Script<'_, R>, what: &str) -> Error {
    script.unreadable(what).hint("Load the dump into a server, and make a dump of what that has.")
}

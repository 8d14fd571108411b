//! The rows of an INSERT, one at a time: a statement may be larger than memory.

use std::io::Read;

use millrace_engine::error::{Error, Result};

use crate::files::delivery::Place;
use crate::mysql_dump::extract::Extract;
use crate::mysql_dump::lexer::{Kind, Stop};
use crate::mysql_dump::literal::{Literal, end_of_broken_row, row};
use crate::mysql_dump::script::Script;

/// Words between INSERT and the table. True where IGNORE is among them.
pub(super) fn skip_modifiers<R: Read>(script: &mut Script<'_, R>) -> Result<bool> {
    let mut ignores = false;
    for optional in ["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"] {
        ignores |= script.take(optional)? && optional == "IGNORE";
    }
    Ok(ignores)
}

/// The names in brackets before VALUES.
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

/// Takes the rows of an INSERT up to the end of the statement.
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

/// Takes one row. False at the end of the file.
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

/// The file ends within an INSERT.
fn cut_off<R: Read>(script: &Script<'_, R>, extract: &mut Extract) -> Result<()> {
    extract.cut_off(Place { file: script.window.name(), line: script.window.line(), raw: b"" })
}

/// The error where the rows that a server has cannot be told.
fn untold<R: Read>(script: &Script<'_, R>, what: &str) -> Error {
    script.unreadable(what).hint("Load the dump into a server, and make a dump of what that has.")
}

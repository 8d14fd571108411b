//! A dump as a sequence of statements, looked at through a window.

use std::io::Read;

use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::window::Window;
use crate::mysql_dump::lexer::{Kind, Space, Stop, Text, unescape};

/// A token with a text of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) kind: Kind,
    /// As it is meant: names and strings without their quotes and escapes.
    pub(super) text: String,
}

impl Word {
    /// Whether it is this keyword.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether it is this byte.
    pub(super) fn is_symbol(&self, byte: u8) -> bool {
        self.kind == Kind::Symbol(byte)
    }

    /// The name that it is: a word, or in backticks, or (`sql_mode=ANSI`) in double quotes.
    pub(super) fn name(&self) -> Option<&str> {
        match self.kind {
            Kind::Word | Kind::Name | Kind::Text { quote: b'"', .. } => Some(&self.text),
            _ => None,
        }
    }
}

/// A file of statements.
pub(super) struct Script<'a, R> {
    pub(super) window: &'a mut Window<R>,
    /// Bytes that one token, row or definition may have.
    limit: usize,
    /// What ends a statement: `;`, or what the client's command `DELIMITER` says.
    delimiter: Vec<u8>,
    /// Whether the file says that a dump program wrote it, and has not said yet that it is complete.
    unfinished: bool,
    scratch: Vec<u8>,
}

impl<'a, R: Read> Script<'a, R> {
    pub(super) fn new(window: &'a mut Window<R>, limit: usize) -> Self {
        Self { window, limit, delimiter: b";".to_vec(), unfinished: false, scratch: Vec::new() }
    }

    /// Whether the file began as a dump program writes it, but does not end so.
    pub(super) fn unfinished(&self) -> bool {
        self.unfinished
    }

    /// Whether statements end otherwise than by a semicolon, because they have semicolons within.
    pub(super) fn in_block(&self) -> bool {
        self.delimiter != b";"
    }

    /// The rest of the file, as far as it has been read.
    pub(super) fn text(&self) -> Text<'_> {
        Text { bytes: self.window.rest(), ended: self.window.ended() }
    }

    /// Reads on after a [`Stop`], which is an error where it is more than too few bytes.
    pub(super) fn fill(&mut self, stop: Stop) -> Result<()> {
        match stop {
            Stop::Short if self.window.rest().len() > self.limit => {
                Err(self.unreadable("a row, string or statement is larger than it may be"))
            }
            Stop::Short if self.window.fill()? || self.window.ended() => Ok(()),
            Stop::Short => Err(self.unreadable("the file ends too early")),
            Stop::Broken(what) => Err(self.unreadable(what)),
        }
    }

    /// Moves to the start of the next statement. False at the end of the file. Client commands (`DELIMITER`) are carried out
    /// on the way.
    pub(super) fn next_statement(&mut self) -> Result<bool> {
        loop {
            let space = self.text().space(0);
            match space {
                Err(stop) => self.fill(stop)?,
                Ok(Some(Space::Blank(end))) => self.window.consume(end),
                Ok(Some(Space::Line(range))) => {
                    self.remark(range.clone());
                    self.window.consume(range.end);
                }
                Ok(None) if self.window.rest().is_empty() => return Ok(false),
                Ok(None) => {
                    if self.at_delimiter()? {
                        self.window.consume(self.delimiter.len());
                    } else if !self.delimiter_command()? {
                        return Ok(true);
                    }
                }
            }
        }
    }

    /// Dump programs say in a comment where they begin and that they came to their end.
    fn remark(&mut self, range: std::ops::Range<usize>) {
        let line = &self.window.rest()[range];
        let starts = |prefix: &[u8]| line.starts_with(prefix);
        if starts(b"-- MySQL dump ") || starts(b"-- MariaDB dump ") {
            self.unfinished = true;
        } else if starts(b"-- Dump completed") {
            self.unfinished = false;
        }
    }

    fn at_delimiter(&mut self) -> Result<bool> {
        while self.window.rest().len() < self.delimiter.len() && self.window.fill()? {}
        Ok(self.window.rest().starts_with(&self.delimiter))
    }

    /// Carries `DELIMITER …` out, where the statement is one: a line of its own.
    fn delimiter_command(&mut self) -> Result<bool> {
        const COMMAND: &[u8] = b"DELIMITER ";
        while self.window.rest().len() < COMMAND.len() && self.window.fill()? {}
        if !self.window.rest().get(..COMMAND.len()).is_some_and(|start| start.eq_ignore_ascii_case(COMMAND)) {
            return Ok(false);
        }
        let end = loop {
            match memchr::memchr(b'\n', self.window.rest()) {
                Some(end) => break end,
                None if self.window.ended() => break self.window.rest().len(),
                None => self.fill(Stop::Short)?,
            }
        };
        let delimiter = self.window.rest()[COMMAND.len()..end].trim_ascii().to_vec();
        if delimiter.is_empty() {
            return Err(self.unreadable("`DELIMITER` names none"));
        }
        self.delimiter = delimiter;
        self.window.consume(end);
        Ok(true)
    }

    /// The next token, without moving on: its text, and where it ends. A token at the delimiter is the end of the statement.
    fn look(&mut self) -> Result<(Word, usize)> {
        loop {
            let text = Text { bytes: self.window.rest(), ended: self.window.ended() };
            let token = text.token(0);
            match token {
                Err(stop) => self.fill(stop)?,
                Ok(token) => {
                    let source = &text.bytes[token.range.clone()];
                    let meant = match token.kind {
                        Kind::Text { quote, plain: false } => {
                            unescape(source, quote, &mut self.scratch);
                            &self.scratch[..]
                        }
                        _ => source,
                    };
                    let mut text = String::from_utf8_lossy(meant).into_owned();
                    if token.kind == Kind::Name {
                        text = text.replace("``", "`");
                    }
                    return Ok((Word { kind: token.kind, text }, token.end));
                }
            }
        }
    }

    /// The next token of the statement, without moving on.
    pub(super) fn peek(&mut self) -> Result<Word> {
        Ok(self.look()?.0)
    }

    /// The next token of the statement.
    pub(super) fn next(&mut self) -> Result<Word> {
        let (word, end) = self.look()?;
        self.window.consume(end);
        Ok(word)
    }

    /// Takes the next token where it is this keyword.
    pub(super) fn take(&mut self, keyword: &str) -> Result<bool> {
        let (word, end) = self.look()?;
        let found = word.is(keyword);
        if found {
            self.window.consume(end);
        }
        Ok(found)
    }

    /// A name, perhaps with its database before it: `(database, name)`.
    pub(super) fn qualified_name(&mut self) -> Result<(Option<String>, String)> {
        let first = self.next()?;
        let Some(name) = first.name().map(str::to_owned) else {
            return Err(self.unreadable("expected the name of a table"));
        };
        if !self.peek()?.is_symbol(b'.') {
            return Ok((None, name));
        }
        self.next()?;
        let second = self.next()?;
        match second.name() {
            Some(table) => Ok((Some(name), table.to_owned())),
            None => Err(self.unreadable("expected the name of a table")),
        }
    }

    /// All tokens up to the end of the statement, which is consumed.
    pub(super) fn rest_of_statement(&mut self) -> Result<Vec<Word>> {
        let mut words = Vec::new();
        let mut bytes = 0;
        loop {
            let word = self.next()?;
            match word.kind {
                Kind::Symbol(b';') => return Ok(words),
                Kind::End => return Err(self.unreadable("the file ends within a statement")),
                _ => {}
            }
            bytes += word.text.len() + size_of::<Word>();
            if bytes > self.limit {
                return Err(self.unreadable("a statement is larger than it may be"));
            }
            words.push(word);
        }
    }

    /// Passes over the rest of a statement of any size.
    pub(super) fn skip_statement(&mut self) -> Result<()> {
        loop {
            let plain = self.window.rest().iter().position(|&byte| is_special(byte, &self.delimiter));
            self.window.consume(plain.unwrap_or(self.window.rest().len()));
            if plain.is_none() {
                if self.window.fill()? {
                    continue;
                }
                return Err(self.unreadable("the file ends within a statement"));
            }
            if self.at_delimiter()? {
                self.window.consume(self.delimiter.len());
                return Ok(());
            }
            let text = self.text();
            let end = match text.space(0) {
                Ok(Some(Space::Blank(end))) => Ok(end),
                Ok(Some(Space::Line(range))) => Ok(range.end),
                Ok(None) if matches!(text.bytes.first(), Some(b'\'' | b'"' | b'`')) => {
                    text.token(0).map(|token| token.end)
                }
                Ok(None) => Ok(1),
                Err(stop) => Err(stop),
            };
            match end {
                Ok(end) => self.window.consume(end),
                Err(stop) => self.fill(stop)?,
            }
        }
    }

    /// The error for a file that is not the dump that was expected.
    pub(super) fn unreadable(&self, what: &str) -> Error {
        let (name, line) = (self.window.name(), self.window.line());
        Error::new(ErrorKind::SourceUnreadable, format!("file `{name}` cannot be read as a MySQL dump"))
            .caused_by(format!("line {line}: {what}"))
    }
}

/// Whether a byte may begin a string, a name, a comment or the delimiter.
fn is_special(byte: u8, delimiter: &[u8]) -> bool {
    matches!(byte, b'\'' | b'"' | b'`' | b'/' | b'-' | b'#') || delimiter.first() == Some(&byte)
}

//! Splits a dump into statements and their tokens, over a moving window of the file.
//!
//! [`Script`] holds what decides how the bytes are read: the delimiter, the `sql_mode`, the
//! charset, and the executable comment that is open. [`Script::next_statement`] moves to a
//! statement; then the caller takes its tokens one by one, takes them all, or skips the statement
//! (`skip.rs`). A token, a row, or a statement whose tokens are taken all at once is limited in
//! size. A statement that is skipped is not. Errors name the file and the line.

mod skip;

pub(super) use self::skip::Passed;

use std::io::Read;

use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::window::Window;
use crate::mysql_dump::charset::Charset;
use crate::mysql_dump::lexer::{Kind, Mode, Reach, Space, Stop, Text, unescape};

/// A token that owns its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) kind: Kind,
    /// The decoded text: names and strings without their quotes and escapes.
    pub(super) text: String,
}

impl Word {
    /// Returns whether the token is this keyword, in any letter case. A quoted name is never a
    /// keyword.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Returns whether the token is one of these keywords, in any letter case.
    pub(super) fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    /// Returns whether the token is this one-byte symbol.
    pub(super) fn is_symbol(&self, byte: u8) -> bool {
        self.kind == Kind::Symbol(byte)
    }

    /// Returns the identifier that the token stands for: a bare word, or a text in backticks or in
    /// double quotes. Returns `None` for any other token.
    pub(super) fn name(&self) -> Option<&str> {
        match self.kind {
            Kind::Word | Kind::Name { .. } | Kind::Text { quote: b'"', .. } => Some(&self.text),
            _ => None,
        }
    }
}

/// The position at which a statement starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Start {
    /// Offset in bytes from the beginning of the decompressed file.
    pub(super) offset: u64,
    /// The 1-based line.
    pub(super) line: u64,
}

/// A cursor over the statements of one file.
pub(super) struct Script<'a, R> {
    pub(super) window: &'a mut Window<R>,
    /// The maximum size of one token, row or evaluated statement, in bytes.
    limit: usize,
    /// The statement delimiter: `;`, or what the client command `DELIMITER` has set.
    delimiter: Vec<u8>,
    /// How the session's `sql_mode` has strings and names written.
    pub(super) mode: Mode,
    /// The charset in which strings and names are written.
    pub(super) charset: Charset,
    /// Whether a comment says that a dump program wrote the file, and no comment has said yet that
    /// the dump is complete.
    unfinished: bool,
    /// Whether a comment says that the dump is complete (`-- Dump completed`).
    pub(super) completed: bool,
    /// Whether a comment announces the rows of a table (`-- Dumping data for table`).
    pub(super) announces_rows: bool,
    /// Whether a comment says that a dump program wrote the file.
    pub(super) by_a_program: bool,
    /// The servers that run the executable comment that is open; `None` outside of one.
    open: Option<Reach>,
    /// Where the current statement starts, including the opening of the executable comment around
    /// it.
    start: Start,
    /// Buffer for unescaped strings.
    scratch: Vec<u8>,
}

impl<'a, R: Read> Script<'a, R> {
    /// Starts at the window's position with the settings of a fresh session. `limit` is the maximum
    /// size of a token, row or evaluated statement in bytes.
    pub(super) fn new(window: &'a mut Window<R>, limit: usize) -> Self {
        Self {
            window,
            limit,
            delimiter: b";".to_vec(),
            mode: Mode::default(),
            charset: Charset::Utf8,
            unfinished: false,
            completed: false,
            announces_rows: false,
            by_a_program: false,
            open: None,
            start: Start::default(),
            scratch: Vec::new(),
        }
    }

    /// Returns the maximum size of one token, row or evaluated statement, in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns whether the file begins as a dump program writes it but lacks the comment that ends
    /// a dump.
    pub(super) fn unfinished(&self) -> bool {
        self.unfinished
    }

    /// Returns whether a delimiter other than `;` is set. Statements may then contain semicolons.
    pub(super) fn in_block(&self) -> bool {
        self.delimiter != b";"
    }

    /// Returns whether the statement is in an executable comment that only some servers run.
    pub(super) fn is_for_some(&self) -> bool {
        self.open == Some(Reach::Some)
    }

    /// Returns where the current statement starts.
    pub(super) fn start(&self) -> Start {
        self.start
    }

    /// Returns the unconsumed bytes of the window.
    pub(super) fn text(&self) -> Text<'_> {
        Text { bytes: self.window.rest(), ended: self.window.ended(), mode: self.mode }
    }

    /// Handles a [`Stop`] of the lexer: reads more of the file if the bytes were too few.
    /// Everything else is an error: broken SQL, a token larger than the limit, or the end of the
    /// file.
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

    /// Moves to the start of the next statement. Returns `false` at the end of the file. Applies
    /// the client command `DELIMITER` and the comments of dump programs on the way.
    pub(super) fn next_statement(&mut self) -> Result<bool> {
        let mut start = None;
        loop {
            let here = Start { offset: self.window.offset(), line: self.window.line() };
            let space = self.text().space(0);
            match space {
                Err(stop) => self.fill(stop)?,
                Ok(Some(space)) => {
                    match &space {
                        Space::Line(range) => self.remark(range.clone()),
                        Space::Open { .. } => {
                            start.get_or_insert(here);
                        }
                        Space::Close(_) => start = None,
                        Space::Blank(_) => {}
                    }
                    self.pass(&space)?;
                }
                Ok(None) if self.window.rest().is_empty() => return Ok(false),
                Ok(None) => {
                    if self.at_delimiter()? {
                        self.end_of_statement()?;
                        self.window.consume(self.delimiter.len());
                    } else if !self.delimiter_command()? {
                        self.start = start.unwrap_or(here);
                        return Ok(true);
                    }
                }
            }
        }
    }

    /// Evaluates the comments in which dump programs say where the dump begins, where rows follow,
    /// and that the dump is complete.
    fn remark(&mut self, range: std::ops::Range<usize>) {
        let line = &self.window.rest()[range];
        let starts = |prefix: &[u8]| line.starts_with(prefix);
        if starts(b"-- MySQL dump ") || starts(b"-- MariaDB dump ") {
            (self.unfinished, self.by_a_program) = (true, true);
        } else if starts(b"-- Dump completed") {
            (self.unfinished, self.completed) = (false, true);
        } else if starts(b"-- Dumping data for table") {
            self.announces_rows = true;
        }
    }

    /// Consumes a separator of tokens and tracks the executable comment. Executable comments do not
    /// nest.
    fn pass(&mut self, space: &Space) -> Result<()> {
        match space {
            Space::Open { .. } if self.open.is_some() => {
                return Err(self.unreadable("an executable comment begins within another"));
            }
            Space::Open { reach, .. } => self.open = Some(*reach),
            Space::Close(_) if self.open.is_none() => {
                return Err(self.unreadable("`*/` closes no comment"));
            }
            Space::Close(_) => self.open = None,
            Space::Blank(_) | Space::Line(_) => {}
        }
        self.window.consume(space.end());
        Ok(())
    }

    /// Checks, at the end of a statement, that the executable comment around it has ended too.
    /// Otherwise a server that skips the comment would skip more than this statement.
    fn end_of_statement(&self) -> Result<()> {
        if self.open.is_some() {
            return Err(self.unreadable("an executable comment holds several statements, or does not end"));
        }
        Ok(())
    }

    /// Returns whether the rest of the file starts with the delimiter.
    fn at_delimiter(&mut self) -> Result<bool> {
        while self.window.rest().len() < self.delimiter.len() && self.window.fill()? {}
        Ok(self.window.rest().starts_with(&self.delimiter))
    }

    /// Applies the client command `DELIMITER …` if the rest of the file starts with it, and
    /// consumes its line. Returns `false` if it does not. The command takes the rest of its line
    /// and no semicolon.
    fn delimiter_command(&mut self) -> Result<bool> {
        const COMMAND: &[u8] = b"DELIMITER";
        while self.window.rest().len() <= COMMAND.len() && self.window.fill()? {}
        let is_command = self.window.rest().split_at_checked(COMMAND.len()).is_some_and(|(start, rest)| {
            start.eq_ignore_ascii_case(COMMAND) && rest.first().is_none_or(u8::is_ascii_whitespace)
        });
        if !is_command {
            return Ok(false);
        }
        let line = self.rest_of_line()?;
        let delimiter = line[COMMAND.len()..].split_ascii_whitespace().next().unwrap_or_default().to_owned();
        if delimiter.is_empty() {
            return Err(self.unreadable("`DELIMITER` names none"));
        }
        self.delimiter = delimiter.into_bytes();
        self.window.consume(line.len());
        Ok(true)
    }

    /// Returns whether only blanks or a comment follow on the current line. Consumes nothing.
    pub(super) fn ends_line(&mut self) -> Result<bool> {
        loop {
            let rest = self.window.rest();
            let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
            let ends = match &rest[blanks..] {
                [] | b"-" => None,
                [b'\n' | b'#', ..] | [b'-', b'-', ..] => Some(true),
                _ => Some(false),
            };
            match ends {
                Some(ends) => return Ok(ends),
                None if self.window.fill()? => {}
                None => return Ok(self.window.rest().len() == blanks),
            }
        }
    }

    /// Returns the rest of the current line. Consumes nothing.
    fn rest_of_line(&mut self) -> Result<String> {
        let end = loop {
            match memchr::memchr(b'\n', self.window.rest()) {
                Some(end) => break end,
                None if self.window.ended() => break self.window.rest().len(),
                None => self.fill(Stop::Short)?,
            }
        };
        match std::str::from_utf8(&self.window.rest()[..end]) {
            Ok(line) => Ok(line.to_owned()),
            Err(_) => Err(self.not_utf8()),
        }
    }

    /// Returns the next token and where it ends. Consumes only the space and comments before it.
    ///
    /// The text is unescaped and decoded; in a quoted name, doubled quotes become single ones.
    fn look(&mut self) -> Result<(Word, usize)> {
        loop {
            match self.text().space(0) {
                Err(stop) => self.fill(stop)?,
                Ok(Some(space)) => self.pass(&space)?,
                Ok(None) => break,
            }
        }
        loop {
            let text = Text { bytes: self.window.rest(), ended: self.window.ended(), mode: self.mode };
            let token = match text.token(0) {
                Ok(token) => token,
                Err(stop) => {
                    self.fill(stop)?;
                    continue;
                }
            };
            let source = &text.bytes[token.range.clone()];
            let meant = match token.kind {
                Kind::Text { quote, plain: false } => {
                    unescape(source, quote, self.mode, &mut self.scratch);
                    &self.scratch[..]
                }
                _ => source,
            };
            let mut text = self.decoded(meant, token.kind)?;
            if let Kind::Name { quote } = token.kind {
                let quote = char::from(quote).to_string();
                text = text.replace(&quote.repeat(2), &quote);
            }
            return Ok((Word { kind: token.kind, text }, token.end));
        }
    }

    /// Decodes the bytes of a token into characters. Bytes of a string that are no characters
    /// become replacement characters, because a string may hold binary data; in a name they are an
    /// error.
    fn decoded(&self, bytes: &[u8], kind: Kind) -> Result<String> {
        if self.charset == Charset::Latin1 && !bytes.is_ascii() {
            let mut text = Vec::new();
            if self.charset.decode(bytes, &mut text).is_ok() {
                return Ok(String::from_utf8_lossy(&text).into_owned());
            }
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) if matches!(kind, Kind::Word | Kind::Name { .. }) => Err(self.not_utf8()),
            Err(_) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        }
    }

    /// The error for a name whose bytes are not UTF-8.
    fn not_utf8(&self) -> Error {
        self.unreadable("the dump is not UTF-8: a name has bytes that are no characters").hint(
            "Make it with `mysqldump --default-character-set=utf8mb4`, or say how it is written: `encoding: latin-1`.",
        )
    }

    /// Returns the next token of the statement without consuming it.
    pub(super) fn peek(&mut self) -> Result<Word> {
        Ok(self.look()?.0)
    }

    /// Consumes the next token of the statement and returns it.
    pub(super) fn next(&mut self) -> Result<Word> {
        let (word, end) = self.look()?;
        if word.is_symbol(b';') {
            self.end_of_statement()?;
        }
        self.window.consume(end);
        Ok(word)
    }

    /// Consumes the next token if it is this keyword. Returns whether it was.
    pub(super) fn take(&mut self, keyword: &str) -> Result<bool> {
        let (word, end) = self.look()?;
        let found = word.is(keyword);
        if found {
            self.window.consume(end);
        }
        Ok(found)
    }

    /// Consumes a name that may be qualified by a database. Returns `(database, name)`.
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

    /// Consumes the statement and returns its remaining tokens. Refuses a statement that contains
    /// an INSERT, because then the semicolon before the INSERT is missing.
    pub(super) fn rest_of_statement(&mut self) -> Result<Vec<Word>> {
        let words = self.all_words()?;
        if runs_on(&words) {
            Err(self.unreadable("an INSERT begins within another statement"))
        } else {
            Ok(words)
        }
    }

    /// Consumes the rest of the statement, with the checks of [`Self::rest_of_statement`].
    pub(super) fn end_statement(&mut self) -> Result<()> {
        self.rest_of_statement().map(|_words| ())
    }

    /// Consumes the statement and returns its remaining tokens. The tokens together may not exceed
    /// the limit.
    pub(super) fn all_words(&mut self) -> Result<Vec<Word>> {
        let mut words = Vec::new();
        let mut bytes = 0;
        loop {
            let word = self.next()?;
            match word.kind {
                Kind::Symbol(b';') => return Ok(words),
                Kind::End => return Err(self.unreadable("the file ends within a statement")),
                Kind::Symbol(b'\\') => return Err(self.client_command()),
                _ => {}
            }
            bytes += word.text.len() + size_of::<Word>();
            if bytes > self.limit {
                return Err(self.unreadable("a statement is larger than it may be"));
            }
            words.push(word);
        }
    }

    /// The error for a backslash outside of strings, which begins a command of the `mysql` client.
    fn client_command(&self) -> Error {
        self.unreadable("a command of the mysql client begins with `\\` here, and is not followed")
    }

    /// The error at the current line of this file.
    pub(super) fn unreadable(&self, what: &str) -> Error {
        unreadable(self.window.name(), self.window.line(), what)
    }
}

/// Returns whether the tokens contain the beginning of an INSERT or REPLACE statement, outside of
/// parentheses.
pub(super) fn runs_on(words: &[Word]) -> bool {
    let mut depth = 0i64;
    words.windows(2).any(|pair| {
        depth += i64::from(pair[0].is_symbol(b'(')) - i64::from(pair[0].is_symbol(b')'));
        depth == 0 && pair[0].is_any(&["INSERT", "REPLACE"]) && pair[1].is_any(&["INTO", "IGNORE"])
    })
}

/// The error for a line of a file that cannot be read as part of a dump.
pub(super) fn unreadable(file: &str, line: u64, what: &str) -> Error {
    Error::new(ErrorKind::SourceUnreadable, format!("file `{file}` cannot be read as a MySQL dump"))
        .caused_by(format!("line {line}: {what}"))
}

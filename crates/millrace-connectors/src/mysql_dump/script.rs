//! A dump as a sequence of statements, looked at through a window.

mod skip;

pub(super) use self::skip::Passed;

use std::io::Read;

use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::window::Window;
use crate::mysql_dump::charset::Charset;
use crate::mysql_dump::lexer::{Kind, Mode, Reach, Space, Stop, Text, unescape};

/// A token with a text of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) kind: Kind,
    /// As it is introducer: names and strings without their quotes and escapes.
    pub(super) text: String,
}

impl Word {
    /// Whether it is this keyword.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether it is one of these keywords.
    pub(super) fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    /// Whether it is this byte.
    pub(super) fn is_symbol(&self, byte: u8) -> bool {
        self.kind == Kind::Symbol(byte)
    }

    /// The name that it is: a word, or in backticks, or in double quotes.
    pub(super) fn name(&self) -> Option<&str> {
        match self.kind {
            Kind::Word | Kind::Name { .. } | Kind::Text { quote: b'"', .. } => Some(&self.text),
            _ => None,
        }
    }
}

/// Where a statement starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Start {
    /// Bytes of the file before it.
    pub(super) offset: u64,
    /// 1-based.
    pub(super) line: u64,
}

/// A file of statements.
pub(super) struct Script<'a, R> {
    pub(super) window: &'a mut Window<R>,
    /// Bytes that one token, row or definition may have.
    limit: usize,
    /// What ends a statement: `;`, or what the client's command `DELIMITER` says.
    delimiter: Vec<u8>,
    /// How the session writes strings and names.
    pub(super) mode: Mode,
    /// In which charset it writes them.
    pub(super) charset: Charset,
    /// Whether the file says that a dump program wrote it, and has not said yet that it is complete.
    unfinished: bool,
    /// Whether it says that it is complete.
    pub(super) completed: bool,
    /// Whether it says of tables that their rows follow.
    pub(super) announces_rows: bool,
    /// Whether a dump program says that it wrote it.
    pub(super) by_a_program: bool,
    /// The executable comment that is open.
    open: Option<Reach>,
    /// Where the present statement starts, with the comment that it is in.
    start: Start,
    scratch: Vec<u8>,
}

impl<'a, R: Read> Script<'a, R> {
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

    /// Bytes that one token, row or definition may have.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether the file began as a dump program writes it, but does not end so.
    pub(super) fn unfinished(&self) -> bool {
        self.unfinished
    }

    /// Whether statements end otherwise than by a semicolon, because they have semicolons within.
    pub(super) fn in_block(&self) -> bool {
        self.delimiter != b";"
    }

    /// Whether the statement stands in an executable comment that only some servers carry out.
    pub(super) fn is_for_some(&self) -> bool {
        self.open == Some(Reach::Some)
    }

    /// Where the present statement starts.
    pub(super) fn start(&self) -> Start {
        self.start
    }

    /// The rest of the file, as far as it has been read.
    pub(super) fn text(&self) -> Text<'_> {
        Text { bytes: self.window.rest(), ended: self.window.ended(), mode: self.mode }
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

    /// Dump programs say in comments where they begin, where rows come, and that they came to their end.
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

    /// Moves on over what separates tokens.
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

    /// A statement ends here; the comment that it is in has to, too.
    fn end_of_statement(&self) -> Result<()> {
        if self.open.is_some() {
            return Err(self.unreadable("an executable comment holds several statements, or does not end"));
        }
        Ok(())
    }

    fn at_delimiter(&mut self) -> Result<bool> {
        while self.window.rest().len() < self.delimiter.len() && self.window.fill()? {}
        Ok(self.window.rest().starts_with(&self.delimiter))
    }

    /// Carries `DELIMITER …` out, where the statement is one: a line of its own.
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

    /// Whether nothing of a statement is left on the present line.
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

    /// What is left of the present line, without moving on.
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

    /// The next token, without moving on but over the space before it: its text, and where it ends.
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

    /// The characters of a token. What stands in a string may be none; a name has to be.
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

    fn not_utf8(&self) -> Error {
        self.unreadable("the dump is not UTF-8: a name has bytes that are no characters").hint(
            "Make it with `mysqldump --default-character-set=utf8mb4`, or say how it is written: `encoding: latin-1`.",
        )
    }

    /// The next token of the statement, without moving on.
    pub(super) fn peek(&mut self) -> Result<Word> {
        Ok(self.look()?.0)
    }

    /// The next token of the statement.
    pub(super) fn next(&mut self) -> Result<Word> {
        let (word, end) = self.look()?;
        if word.is_symbol(b';') {
            self.end_of_statement()?;
        }
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

    /// All tokens up to the end of a statement that has no INSERT within, which is consumed. An error where it has: the semicolon before it
    /// is missing.
    pub(super) fn rest_of_statement(&mut self) -> Result<Vec<Word>> {
        let words = self.all_words()?;
        if runs_on(&words) {
            Err(self.unreadable("an INSERT begins within another statement"))
        } else {
            Ok(words)
        }
    }

    /// Moves on to the end of such a statement.
    pub(super) fn end_statement(&mut self) -> Result<()> {
        self.rest_of_statement().map(|_words| ())
    }

    /// All tokens up to the end of the statement, which is consumed.
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

    fn client_command(&self) -> Error {
        self.unreadable("a command of the mysql client begins with `\\` here, and is not followed")
    }

    /// The error for a file that is not the dump that was expected.
    pub(super) fn unreadable(&self, what: &str) -> Error {
        unreadable(self.window.name(), self.window.line(), what)
    }
}

/// Whether words go on with an INSERT.
pub(super) fn runs_on(words: &[Word]) -> bool {
    let mut depth = 0i64;
    words.windows(2).any(|pair| {
        depth += i64::from(pair[0].is_symbol(b'(')) - i64::from(pair[0].is_symbol(b')'));
        depth == 0 && pair[0].is_any(&["INSERT", "REPLACE"]) && pair[1].is_any(&["INTO", "IGNORE"])
    })
}

/// The error for a line of a file that is not what was expected of a dump.
pub(super) fn unreadable(file: &str, line: u64, what: &str) -> Error {
    Error::new(ErrorKind::SourceUnreadable, format!("file `{file}` cannot be read as a MySQL dump"))
        .caused_by(format!("line {line}: {what}"))
}

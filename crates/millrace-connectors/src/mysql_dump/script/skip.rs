//! Passing over statements of any size, which are looked at no more than it takes to see where they end.

use std::io::Read;

use millrace_engine::error::Result;

use crate::mysql_dump::lexer::{Kind, Reach};
use crate::mysql_dump::script::Script;

/// What is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Rows in brackets.
    Rows,
    /// What an INSERT has that is no row.
    Query,
    Other,
}

/// How a statement was passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mysql_dump) struct Passed {
    /// Whether it ends before the file does.
    pub(in crate::mysql_dump) is_whole: bool,
    /// Whether something comes behind its rows: ON DUPLICATE KEY UPDATE.
    pub(in crate::mysql_dump) has_tail: bool,
}

impl<R: Read> Script<'_, R> {
    /// Passes over the rest of a statement of any size.
    pub(in crate::mysql_dump) fn skip_statement(&mut self) -> Result<()> {
        self.pass_whole(Content::Other)
    }

    /// The same of an INSERT that brings no rows of literals. An error where the quotes of strings do not match.
    pub(in crate::mysql_dump) fn skip_query(&mut self) -> Result<()> {
        self.pass_whole(Content::Query)
    }

    fn pass_whole(&mut self, content: Content) -> Result<()> {
        if self.pass_statement(None, content)?.is_whole {
            Ok(())
        } else {
            Err(self.unreadable("the file ends within a statement"))
        }
    }

    /// Moves on to the rows of an INSERT, over the names of columns. False where it has none: `INSERT … SELECT`, `INSERT … SET`. An error
    /// where the statement is none: the beginning of this one, or the end of the one before, is missing.
    pub(in crate::mysql_dump) fn rows_follow(&mut self) -> Result<bool> {
        let mut depth = 0usize;
        loop {
            let (word, end) = self.look()?;
            match word.kind {
                Kind::Symbol(b'(') => depth += 1,
                _ if depth == 0 && word.is_any(&["VALUES", "VALUE"]) => {
                    self.window.consume(end);
                    return Ok(true);
                }
                Kind::Symbol(b';') | Kind::End => return Ok(false),
                _ if depth == 0 && word.is_any(&["SELECT", "SET", "WITH", "TABLE", "PARTITION"]) => {
                    return Ok(false);
                }
                _ if depth == 0 => return Err(self.unreadable("an INSERT has neither VALUES nor a query")),
                Kind::Symbol(b')') => depth -= 1,
                Kind::Symbol(b'\\') => return Err(self.client_command()),
                _ => {}
            }
            self.window.consume(end);
            if matches!(word.kind, Kind::Text { .. }) {
                self.after_string()?;
            }
        }
    }

    /// Passes over rows, where the file may end before the statement does. An error where the quotes of strings do not match.
    pub(in crate::mysql_dump) fn skip_rows(&mut self) -> Result<Passed> {
        self.pass_statement(None, Content::Rows)
    }

    /// Goes on within an executable comment, where one was open.
    pub(in crate::mysql_dump) fn resume(&mut self, open: Option<Reach>) {
        self.open = open;
    }

    /// Takes a whole statement that ends otherwise than by a semicolon, without its end; and the executable comment in which it begins.
    pub(in crate::mysql_dump) fn block_statement(&mut self) -> Result<(Vec<u8>, Option<Reach>)> {
        let open = self.open;
        let mut statement = Vec::new();
        if !self.pass_statement(Some(&mut statement), Content::Other)?.is_whole {
            return Err(self.unreadable("the file ends within a statement"));
        }
        Ok((statement, open))
    }

    /// Passes over a statement with its end.
    fn pass_statement(&mut self, mut keep: Option<&mut Vec<u8>>, mut content: Content) -> Result<Passed> {
        let (mut depth, mut has_tail) = (0, false);
        loop {
            let is_rows = content == Content::Rows;
            let rest = self.window.rest();
            let plain = rest.iter().position(|&byte| {
                is_special(byte, &self.delimiter) || (is_rows && matches!(byte, b'(' | b')'))
            });
            self.keep(plain.unwrap_or(rest.len()), keep.as_deref_mut())?;
            if plain.is_none() {
                if self.window.fill()? {
                    continue;
                }
                return Ok(Passed { is_whole: false, has_tail });
            }
            if self.at_delimiter()? {
                self.end_of_statement()?;
                self.window.consume(self.delimiter.len());
                return Ok(Passed { is_whole: true, has_tail });
            }
            let text = self.text();
            let is_string = matches!(text.bytes.first(), Some(b'\'' | b'"'));
            let end = match text.space(0) {
                Ok(Some(space)) => {
                    if let Some(keep) = keep.as_deref_mut() {
                        keep.extend_from_slice(&self.window.rest()[..space.end()]);
                    }
                    self.pass(&space)?;
                    continue;
                }
                Ok(None) if matches!(text.bytes.first(), Some(b'\'' | b'"' | b'`')) => {
                    text.token(0).map(|token| token.end)
                }
                Ok(None) if text.bytes.first() == Some(&b'\\') => return Err(self.client_command()),
                Ok(None) if is_rows && matches!(text.bytes.first(), Some(b'(' | b')')) => {
                    let opens = text.bytes.first() == Some(&b'(');
                    depth += if opens { 1 } else { -1 };
                    self.keep(1, keep.as_deref_mut())?;
                    if depth == 0 && !opens && self.after_row()? {
                        // What comes is no row, and may have brackets of all kinds.
                        (content, has_tail) = (Content::Query, true);
                    }
                    continue;
                }
                Ok(None) => Ok(1),
                Err(stop) => Err(stop),
            };
            match end {
                Ok(end) => {
                    self.keep(end, keep.as_deref_mut())?;
                    if (is_rows && end > 1) || (is_string && content == Content::Query) {
                        self.after_string()?;
                    }
                }
                Err(stop) => self.fill(stop)?,
            }
        }
    }

    /// A row is followed by another, by the end of the statement, or by words that may stand there: then true. Anything else belongs to a
    /// statement of which the beginning, or the end of this one, is missing.
    fn after_row(&mut self) -> Result<bool> {
        if matches!(self.window.rest().first(), Some(b',' | b';')) {
            return Ok(false);
        }
        let next = self.peek()?;
        match next.kind {
            Kind::Symbol(b',' | b';') | Kind::End => Ok(false),
            Kind::Symbol(b'\\') => Err(self.client_command()),
            Kind::Symbol(b'(') => Ok(true),
            _ if next.is_any(&["ON", "AS", "RETURNING"]) => Ok(true),
            _ => Err(self.unreadable("rows are followed by something that is no part of their statement")),
        }
    }

    /// Among rows, a letter that follows a string is one of a text in which a quote stands that ends it too early.
    fn after_string(&mut self) -> Result<()> {
        while self.window.rest().is_empty() && self.window.fill()? {}
        match self.window.rest().first() {
            Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | 0x80..) => {
                Err(self.unreadable("a row is no SQL: its quotes do not match"))
            }
            _ => Ok(()),
        }
    }

    fn keep(&mut self, bytes: usize, keep: Option<&mut Vec<u8>>) -> Result<()> {
        if let Some(keep) = keep {
            keep.extend_from_slice(&self.window.rest()[..bytes]);
            if keep.len() > self.limit {
                return Err(self.unreadable("a statement is larger than it may be"));
            }
        }
        self.window.consume(bytes);
        Ok(())
    }
}

/// Whether a byte may begin a string, a name, a comment, a command of the client or the delimiter, or end a comment.
fn is_special(byte: u8, delimiter: &[u8]) -> bool {
    matches!(byte, b'\'' | b'"' | b'`' | b'/' | b'*' | b'-' | b'#' | b'\\')
        || delimiter.first() == Some(&byte)
}

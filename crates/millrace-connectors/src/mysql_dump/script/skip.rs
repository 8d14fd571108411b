//! Skips statements of any size without tokenizing them fully.
//!
//! The scan stops only at bytes that may begin or end a string, a quoted name, a comment, a client
//! command or the delimiter. For INSERT statements it also checks the surroundings of rows and
//! strings, because a missing quote or semicolon would otherwise hide rows of other statements.

use std::io::Read;

use millrace_engine::error::Result;

use crate::mysql_dump::lexer::{Kind, Reach};
use crate::mysql_dump::script::Script;

/// What the statement part that is being skipped contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Rows in parentheses.
    Rows,
    /// The part of an INSERT that is no row: a query, or what follows the rows.
    Query,
    /// Any other statement. Its strings are not checked.
    Other,
}

/// What [`Script::skip_rows`] found out about the statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mysql_dump) struct Passed {
    /// Whether the statement has its end: `false` if the file ends within it.
    pub(in crate::mysql_dump) is_whole: bool,
    /// Whether something follows the rows, such as ON DUPLICATE KEY UPDATE.
    pub(in crate::mysql_dump) has_tail: bool,
}

impl<R: Read> Script<'_, R> {
    /// Skips the rest of a statement. It is an error if the file ends within it.
    pub(in crate::mysql_dump) fn skip_statement(&mut self) -> Result<()> {
        self.pass_whole(Content::Other)
    }

    /// Skips the rest of an INSERT without literal rows. It is an error if the quotes of strings do
    /// not match, or if the file ends within the statement.
    pub(in crate::mysql_dump) fn skip_query(&mut self) -> Result<()> {
        self.pass_whole(Content::Query)
    }

    /// Skips the rest of a statement and refuses a file that ends within it.
    fn pass_whole(&mut self, content: Content) -> Result<()> {
        if self.pass_statement(None, content)?.is_whole {
            Ok(())
        } else {
            Err(self.unreadable("the file ends within a statement"))
        }
    }

    /// Moves to the rows of an INSERT, past the list of columns. Returns `false` if it has no rows
    /// of values: `INSERT … SELECT`, `INSERT … SET`. Anything else before VALUES is an error: the
    /// beginning of this statement, or the end of the previous one, is missing.
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

    /// Skips the rows of an INSERT. The file may end within the statement, which the result says.
    /// It is an error if the quotes of strings do not match.
    pub(in crate::mysql_dump) fn skip_rows(&mut self) -> Result<Passed> {
        self.pass_statement(None, Content::Rows)
    }

    /// Continues within the executable comment in which a statement was cut out of another script.
    pub(in crate::mysql_dump) fn resume(&mut self, open: Option<Reach>) {
        self.open = open;
    }

    /// Consumes a statement that a delimiter other than `;` ends. Returns its bytes without the
    /// delimiter, and the executable comment in which it begins.
    pub(in crate::mysql_dump) fn block_statement(&mut self) -> Result<(Vec<u8>, Option<Reach>)> {
        let open = self.open;
        let mut statement = Vec::new();
        if !self.pass_statement(Some(&mut statement), Content::Other)?.is_whole {
            return Err(self.unreadable("the file ends within a statement"));
        }
        Ok((statement, open))
    }

    /// Skips a statement including its delimiter, and copies its bytes into `keep` if there is one.
    ///
    /// In [`Content::Rows`] it counts parentheses to find the end of each row. Once something
    /// follows a row that is no row, the rest is handled as [`Content::Query`].
    fn pass_statement(&mut self, mut keep: Option<&mut Vec<u8>>, mut content: Content) -> Result<Passed> {
        let (mut depth, mut has_tail) = (0, false);
        loop {
            let is_rows = content == Content::Rows;
            let rest = self.window.rest();
            // Most bytes are plain and are consumed in one step.
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
                        // What follows is no row and may contain parentheses of any kind.
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

    /// Checks what follows a row. Returns `false` before another row or the end of the statement,
    /// and `true` before words that may follow rows (ON, AS, RETURNING, or a parenthesis). Anything
    /// else belongs to another statement: the end of this one, or the beginning of that one, is
    /// missing.
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

    /// Refuses a letter, digit or `_` directly after a string. It belongs to a text in which an
    /// unescaped quote ended the string too early.
    fn after_string(&mut self) -> Result<()> {
        while self.window.rest().is_empty() && self.window.fill()? {}
        match self.window.rest().first() {
            Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | 0x80..) => {
                Err(self.unreadable("a row is no SQL: its quotes do not match"))
            }
            _ => Ok(()),
        }
    }

    /// Consumes bytes, and appends them to `keep` if there is one. A kept statement may not exceed
    /// the limit.
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

/// Returns whether a byte may begin a string, a quoted name, a comment, a client command or the
/// delimiter, or end a comment.
fn is_special(byte: u8, delimiter: &[u8]) -> bool {
    matches!(byte, b'\'' | b'"' | b'`' | b'/' | b'*' | b'-' | b'#' | b'\\')
        || delimiter.first() == Some(&byte)
}

//! Passing over statements of any size, which are looked at no more than it takes to see where they end.

use std::io::Read;

use millrace_engine::error::Result;

use crate::mysql_dump::lexer::{Kind, Reach};
use crate::mysql_dump::script::Script;

impl<R: Read> Script<'_, R> {
    /// Passes over the rest of a statement of any size.
    pub(in crate::mysql_dump) fn skip_statement(&mut self) -> Result<()> {
        if self.pass_statement(None, false)? {
            Ok(())
        } else {
            Err(self.unreadable("the file ends within a statement"))
        }
    }

    /// The same of rows, where the file may end before the statement does: then false. An error where the quotes of strings do not match.
    pub(in crate::mysql_dump) fn skip_rows(&mut self) -> Result<bool> {
        self.pass_statement(None, true)
    }

    /// Goes on within an executable comment, where one was open.
    pub(in crate::mysql_dump) fn resume(&mut self, open: Option<Reach>) {
        self.open = open;
    }

    /// Takes a whole statement that ends otherwise than by a semicolon, without its end; and the executable comment in which it begins.
    pub(in crate::mysql_dump) fn block_statement(&mut self) -> Result<(Vec<u8>, Option<Reach>)> {
        let open = self.open;
        let mut statement = Vec::new();
        if !self.pass_statement(Some(&mut statement), false)? {
            return Err(self.unreadable("the file ends within a statement"));
        }
        Ok((statement, open))
    }

    /// Passes over a statement with its end. False where the file ends before.
    fn pass_statement(&mut self, mut keep: Option<&mut Vec<u8>>, is_rows: bool) -> Result<bool> {
        let mut depth = 0;
        loop {
            let rest = self.window.rest();
            let plain = rest.iter().position(|&byte| {
                is_special(byte, &self.delimiter) || (is_rows && matches!(byte, b'(' | b')'))
            });
            self.keep(plain.unwrap_or(rest.len()), keep.as_deref_mut())?;
            if plain.is_none() {
                if self.window.fill()? {
                    continue;
                }
                return Ok(false);
            }
            if self.at_delimiter()? {
                self.end_of_statement()?;
                self.window.consume(self.delimiter.len());
                return Ok(true);
            }
            let text = self.text();
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
                    if depth == 0 && !opens {
                        self.after_row()?;
                    }
                    continue;
                }
                Ok(None) => Ok(1),
                Err(stop) => Err(stop),
            };
            match end {
                Ok(end) => {
                    self.keep(end, keep.as_deref_mut())?;
                    if is_rows && end > 1 {
                        self.after_string()?;
                    }
                }
                Err(stop) => self.fill(stop)?,
            }
        }
    }

    /// A row is followed by another, by the end of the statement, or by words that may stand there. Anything else belongs to a statement of
    /// which the beginning, or the end of this one, is missing.
    fn after_row(&mut self) -> Result<()> {
        const WORDS: [&str; 8] = ["ON", "AS", "RETURNING", "VALUES", "VALUE", "SELECT", "SET", "WITH"];
        if matches!(self.window.rest().first(), Some(b',' | b';')) {
            return Ok(());
        }
        let next = self.peek()?;
        match next.kind {
            Kind::Symbol(b',' | b';' | b'(') | Kind::End => Ok(()),
            Kind::Symbol(b'\\') => Err(self.client_command()),
            _ if next.is_any(&WORDS) || self.in_block() => Ok(()),
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

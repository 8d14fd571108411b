//! A window over the bytes of a file: the part that is being parsed.
//!
//! A parser looks for the end of a record in [`Window::rest`]. If it is not there, it calls
//! [`Window::fill`] and looks again. After a record it calls [`Window::consume`], which moves on
//! and counts lines. Memory is bounded by the longest record that the parser lets the window grow
//! to.

use std::io::Read;

use millrace_engine::error::{Error, ErrorKind, Result};

#[cfg(any(feature = "json", feature = "csv"))]
use crate::files::cell::Refusal;
use crate::files::input::unreadable;

/// The byte order mark of UTF-8.
const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

/// A growing and moving window over a file's bytes.
pub(crate) struct Window<R> {
    reader: R,
    name: String,
    buffer: Vec<u8>,
    /// The bounds of the unconsumed bytes within the buffer. What follows `end` is unused room.
    start: usize,
    end: usize,
    /// Whether the reader has returned its last byte.
    ended: bool,
    /// 1-based line on which the unconsumed bytes start.
    line: u64,
    /// Bytes of the file before the unconsumed ones. Kept by [`Window::consume`] only.
    offset: u64,
    /// The least number of bytes to read at a time.
    block: usize,
    /// The encoding that the project declares, for the reasons of refusals.
    encoding: Option<&'static str>,
}

#[cfg(any(feature = "json", feature = "csv"))]
impl Window<&[u8]> {
    /// A window over one piece of a file that starts on line `line`. It never reads more.
    pub(crate) fn of_piece(
        (name, encoding): (&str, Option<&'static str>),
        piece: Vec<u8>,
        line: u64,
    ) -> Self {
        Self {
            reader: &[],
            name: name.to_owned(),
            start: 0,
            end: piece.len(),
            buffer: piece,
            ended: true,
            line,
            offset: 0,
            block: 1,
            encoding,
        }
    }

    /// Gives the buffer back.
    pub(crate) fn into_piece(self) -> Vec<u8> {
        self.buffer
    }
}

impl<R: Read> Window<R> {
    /// Starts at the beginning of a file, after the byte order mark of UTF-8. Refuses UTF-16.
    pub(crate) fn new(name: &str, reader: R, block: usize) -> Result<Self> {
        let mut window = Self {
            reader,
            name: name.to_owned(),
            buffer: Vec::new(),
            start: 0,
            end: 0,
            ended: false,
            line: 1,
            offset: 0,
            block: block.max(1),
            encoding: None,
        };
        while window.rest().len() < 3 && window.fill()? {}
        match window.rest() {
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
                return Err(Error::new(ErrorKind::SourceUnreadable, format!("file `{name}` is in UTF-16"))
                    .hint("Save it as UTF-8, for instance with `iconv -f UTF-16 -t UTF-8`."));
            }
            rest if rest.starts_with(BYTE_ORDER_MARK) => {
                window.consume(BYTE_ORDER_MARK.len());
            }
            _ => {}
        }
        Ok(window)
    }

    /// Starts in the middle of a file: `offset` bytes from its beginning, on line `line`.
    #[cfg(feature = "mysql-dump")]
    pub(crate) fn within(name: &str, reader: R, block: usize, offset: u64, line: u64) -> Self {
        let (name, block) = (name.to_owned(), block.max(1));
        let buffer = Vec::new();
        Self { reader, name, buffer, start: 0, end: 0, ended: false, line, offset, block, encoding: None }
    }

    /// Bytes of the file that [`Self::consume`] has passed.
    #[cfg(feature = "mysql-dump")]
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The file's name, relative to the project folder.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The same window, with the encoding that the project declares.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn in_encoding(self, encoding: Option<&'static str>) -> Self {
        Self { encoding, ..self }
    }

    /// The encoding that the project declares.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn encoding(&self) -> Option<&'static str> {
        self.encoding
    }

    /// The refusal of a record with bytes that are no character.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn not_text(&self) -> Refusal {
        Refusal::not_text(self.encoding)
    }

    /// The bytes that were read and not consumed.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Whether [`Self::rest`] goes to the end of the file.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// 1-based line on which [`Self::rest`] starts.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// Reads more bytes after [`Self::rest`]. Returns false if the file has no more.
    pub(crate) fn fill(&mut self) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        // Doubles the rest, so that a record that needs many fills is scanned only a few times.
        let wanted = self.end + self.block.max(self.end);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        let before = self.end;
        while self.end < wanted {
            match self.reader.read(&mut self.buffer[self.end..wanted]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(n) => self.end += n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&self.name, &error)),
            }
        }
        Ok(self.end > before)
    }

    /// Passes `bytes` bytes of the rest and counts their lines.
    pub(crate) fn consume(&mut self, bytes: usize) {
        let end = self.start + bytes;
        self.line += count_lines(&self.buffer[self.start..end]);
        self.offset += bytes as u64;
        self.start = end;
    }

    /// Puts bytes back in front of the rest. They start on line `line`.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn put_back(&mut self, text: &[u8], line: u64) {
        self.buffer.splice(..self.start, text.iter().copied());
        self.end = self.end - self.start + text.len();
        self.start = 0;
        self.line = line;
    }

    /// Passes `bytes` bytes of the rest and returns them, without copying them to a new buffer.
    /// `spare` becomes the buffer for the following bytes; its content does not matter.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn cut(&mut self, bytes: usize, mut spare: Vec<u8>) -> Vec<u8> {
        let end = self.start + bytes;
        let left = self.end - end;
        if spare.len() < left {
            spare.resize(left, 0);
        }
        spare[..left].copy_from_slice(&self.buffer[end..self.end]);
        let mut piece = std::mem::replace(&mut self.buffer, spare);
        piece.truncate(end);
        piece.drain(..self.start);
        (self.start, self.end) = (0, left);
        self.line += count_lines(&piece);
        piece
    }

    /// Passes `bytes` bytes of the rest that contain `lines` line feeds. For parsers that have
    /// counted them already.
    #[cfg(any(feature = "json", feature = "csv"))]
    #[inline]
    pub(crate) fn consume_lines(&mut self, bytes: usize, lines: u64) {
        self.start += bytes;
        self.line += lines;
    }

    /// The reader, for the state that only it knows.
    pub(crate) fn into_reader(self) -> R {
        self.reader
    }
}

/// Counts the lines of ascending places within a text. Each stretch between two places is scanned
/// once.
#[cfg(feature = "json")]
pub(crate) struct LineCounter<'t> {
    text: &'t [u8],
    at: usize,
    line: u64,
}

#[cfg(feature = "json")]
impl<'t> LineCounter<'t> {
    /// A counter for a text that starts on line `line`.
    pub(crate) fn new(text: &'t [u8], line: u64) -> Self {
        Self { text, at: 0, line }
    }

    /// The line of a place, which must not be before the previous one.
    pub(crate) fn line_of(&mut self, place: usize) -> u64 {
        self.line += count_lines(&self.text[self.at..place]);
        self.at = place;
        self.line
    }
}

/// The number of line feeds in a text.
pub(crate) fn count_lines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_block_size_gives_the_same_bytes_and_lines() {
        let text = b"\xEF\xBB\xBFa\nbc\r\n\nd";
        for block in 1..16 {
            let mut window = Window::new("f", &text[..], block).expect("a file");
            let (mut seen, mut lines) = (Vec::new(), Vec::new());
            loop {
                if window.rest().is_empty() && !window.fill().expect("readable") {
                    break;
                }
                lines.push(window.line());
                seen.push(window.rest()[0]);
                window.consume(1);
            }
            assert_eq!(seen, b"a\nbc\r\n\nd", "block {block}");
            assert_eq!(lines, [1, 1, 2, 2, 2, 2, 3, 4], "block {block}");
        }
    }

    #[test]
    fn utf_16_is_told_so() {
        let error = Window::new("f", &b"\xFF\xFEa\0"[..], 4).err().expect("an error");
        assert!(error.to_string().contains("UTF-16"));
    }
}

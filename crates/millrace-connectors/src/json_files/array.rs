//! Reads an array of objects: the document itself, or an array somewhere within it.
//!
//! A broken element goes to quarantine alone if its end is certain. Otherwise, or if the document
//! around the elements is broken, the file is an error: it could hide any number of records. See
//! ADR 28.

use std::io::Read;

use millrace_engine::error::{Error, ErrorKind, Result};

use crate::files::Limits;
use crate::files::cell::Refusal;
use crate::files::delivery::Place;
use crate::files::fields::Records;
use crate::files::pieces::Cut;
use crate::files::window::Window;
use crate::json_files::recovery::{self, Extent, Reach};
use crate::json_files::scan::{self, Stop, is_space};
use crate::json_files::{Scratch, hand_over};

/// Hands over the records of a document. `path` holds the keys that lead to their array. A document
/// that is one object is a single record if the path is empty.
pub(super) fn walk<R: Read, S: Records>(
    path: &[String],
    window: &mut Window<R>,
    limits: Limits,
    records: &mut S,
) -> Result<()> {
    let mut walker = Walker::new(window, limits, records);
    match (walker.peek()?, path) {
        // The writer has not got to the first bracket yet, or its content was lost.
        (None, _) => Err(empty(walker.window.name())),
        (Some(b'['), []) => {
            walker.window.consume(1);
            walker.elements()?;
            walker.expect_end()
        }
        (Some(b'{'), []) => walker.only_object(),
        (Some(b'{'), path) => walker.document(path),
        _ => Err(walker.unreadable("the document is neither an array nor an object")),
    }
}

fn empty(name: &str) -> Error {
    Error::new(ErrorKind::SourceUnreadable, format!("file `{name}` is empty, and so no JSON document"))
        .hint("Fetch it again. An array without records is `[]`.")
}

/// Consumes the opening bracket of a document that is an array. Returns `false` for any other.
pub(super) fn begin<R: Read, S: Records>(
    window: &mut Window<R>,
    limits: Limits,
    records: &mut S,
) -> Result<bool> {
    let mut walker = Walker::new(window, limits, records);
    let is_array = walker.peek()? == Some(b'[');
    if is_array {
        walker.window.consume(1);
    }
    Ok(is_array)
}

/// The reader of the elements of an array that is the whole document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Elements;

impl Cut for Elements {
    /// Cuts at the last line feed between `},` and `{`. A record may contain the same sequence; the
    /// cut is wrong then, and `walk_piece` reports it.
    fn cut(&self, text: &[u8]) -> Option<usize> {
        memchr::memrchr_iter(b'\n', text).map(|at| at + 1).find(|&at| {
            let before = text[..at].trim_ascii_end();
            let next = text[at..].iter().find(|byte| !is_space(**byte));
            next == Some(&b'{')
                && before.strip_suffix(b",").is_some_and(|before| before.trim_ascii_end().ends_with(b"}"))
        })
    }

    fn walk_piece<S: Records>(
        &self,
        piece: &mut Window<&[u8]>,
        limits: Limits,
        records: &mut S,
    ) -> Result<bool> {
        let mut walker = Walker::new(piece, limits, records);
        walker.is_piece = true;
        walker.elements()
    }

    fn walk_rest<R: Read, S: Records>(
        &self,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
    ) -> Result<()> {
        let mut walker = Walker::new(window, limits, records);
        walker.elements()?;
        walker.expect_end()
    }
}

/// What is wrong with a record that does not start with a brace.
pub(super) fn not_an_object(text: &[u8]) -> Refusal {
    let found = match text.first() {
        Some(b'[') => "an array",
        Some(b'"') => "a text",
        Some(b'-' | b'0'..=b'9') => "a number",
        Some(b't' | b'f') => "a truth value",
        Some(b'n') => "null",
        _ => "something else",
    };
    Refusal::broken(format!("expected an object, found {found}"))
}

/// The reason to report for a broken record: bytes that are not text explain most.
pub(super) fn encoding_first<R: Read>(refusal: Refusal, record: &[u8], window: &Window<R>) -> Refusal {
    match std::str::from_utf8(record) {
        // An error without a length is a character that the end of the record has cut off.
        Err(error) if error.error_len().is_some() => window.not_text(),
        _ => refusal,
    }
}

/// Reads the elements of one array, or the document around it, from a window.
struct Walker<'a, R, S> {
    window: &'a mut Window<R>,
    limits: Limits,
    records: &'a mut S,
    scratch: Scratch,
    /// Whether the window is a piece of the array, which must end after a comma between two
    /// elements.
    is_piece: bool,
    /// The line of the last element that began with a brace, whole or not; 0 before the first.
    last: u64,
}

impl<'a, R: Read, S: Records> Walker<'a, R, S> {
    fn new(window: &'a mut Window<R>, limits: Limits, records: &'a mut S) -> Self {
        Self { window, limits, records, scratch: Scratch::default(), is_piece: false, last: 0 }
    }

    /// Consumes white space and returns the byte after it. Returns `None` at the end of the file.
    #[inline]
    fn peek(&mut self) -> Result<Option<u8>> {
        if let Some(&byte) = self.window.rest().first()
            && !is_space(byte)
        {
            return Ok(Some(byte));
        }
        loop {
            let rest = self.window.rest();
            let mut lines = 0;
            let spaces = rest.iter().position(|&byte| {
                lines += u64::from(byte == b'\n');
                !is_space(byte)
            });
            let byte = spaces.map(|at| rest[at]);
            self.window.consume_lines(spaces.unwrap_or(rest.len()), lines);
            if byte.is_some() || !self.window.fill()? {
                return Ok(byte);
            }
        }
    }

    /// Hands over the elements up to the closing bracket and consumes it. A file that ends before
    /// it is an error. In a piece: up to its end. Returns `false` if a piece does not end after a
    /// comma, or if that cannot be decided without the rest of the file.
    fn elements(&mut self) -> Result<bool> {
        // Whether an element has to come next, not a comma.
        let mut due = true;
        let mut after_comma = false;
        loop {
            match self.peek()? {
                None if self.is_piece => return Ok(after_comma),
                None => return Err(self.cut_off("the file ends before the array does")),
                Some(b']') if self.is_piece => return Ok(false),
                Some(b']') => {
                    if after_comma {
                        self.quarantine(0, Refusal::broken("a comma is followed by no record"))?;
                    }
                    self.window.consume(1);
                    return Ok(true);
                }
                Some(b',') => {
                    if due {
                        self.quarantine(0, Refusal::broken("a comma stands where a record should"))?;
                    }
                    self.window.consume_lines(1, 0);
                    (due, after_comma) = (true, true);
                }
                Some(first) => {
                    let whole = match first {
                        _ if !due => {
                            self.skip_broken(Refusal::broken("expected a comma or the end of the array"))?
                        }
                        b'{' => self.object()?,
                        _ => self.stranger()?,
                    };
                    if !whole {
                        return Ok(false);
                    }
                    (due, after_comma) = (false, false);
                }
            }
        }
    }

    /// Hands over the object at the window's start. Returns `false` if a piece ends before it does.
    fn object(&mut self) -> Result<bool> {
        self.last = self.window.line();
        let rest = self.window.rest();
        let within = &rest[..rest.len().min(self.limits.record)];
        if let Some(length) = self.scratch.read(within, self.records, |_| true) {
            let place = Place { file: self.window.name(), line: self.window.line(), raw: &rest[..length] };
            self.records.end_record(place)?;
            self.window.consume_lines(length, self.scratch.shape.lines());
            return Ok(true);
        }
        loop {
            let rest = self.window.rest();
            match self.scratch.scan(rest) {
                Ok(length) if length <= self.limits.record => {
                    let raw = &rest[..length];
                    hand_over(raw, &mut self.scratch, self.records)?;
                    let place = Place { file: self.window.name(), line: self.window.line(), raw };
                    self.records.end_record(place)?;
                    self.window.consume(length);
                    return Ok(true);
                }
                Err(Stop::Broken(refusal)) => return self.skip_broken(refusal),
                Err(Stop::Short) if rest.len() <= self.limits.record => {
                    if self.window.fill()? {
                        continue;
                    }
                    if self.is_piece {
                        return Ok(false);
                    }
                    // The truncated rest could hold any number of records.
                    return Err(self.cut_off("the file ends within a record"));
                }
                Ok(_) | Err(Stop::Short) => return Err(self.too_large()),
            }
        }
    }

    /// Puts an element that is not an object into quarantine.
    fn stranger(&mut self) -> Result<bool> {
        let refusal = not_an_object(self.window.rest());
        self.skip_broken(refusal)
    }

    /// Puts a broken element into quarantine. Returns `false` if a piece ends before the element
    /// does, and an error if its end is unknown: its text may be that of any number of records.
    fn skip_broken(&mut self, refusal: Refusal) -> Result<bool> {
        let mut reach = Reach::default();
        let mut looked_at = 0;
        loop {
            let rest = self.window.rest();
            let extent = reach.feed(&rest[looked_at..]);
            looked_at = rest.len();
            match extent {
                Some(Extent::Known(length)) if length <= self.limits.record => {
                    let record = rest[..length].trim_ascii_end();
                    self.records.refuse(None, encoding_first(refusal, record, self.window));
                    let place = Place { file: self.window.name(), line: self.window.line(), raw: record };
                    self.records.end_record(place)?;
                    recovery::set_aside_others(place, self.records)?;
                    self.window.consume(length);
                    return Ok(true);
                }
                Some(Extent::Unknown) => return Err(self.unknown_extent(&refusal)),
                Some(Extent::Known(_)) => return Err(self.too_large()),
                None if looked_at > self.limits.record => return Err(self.too_large()),
                None if self.window.fill()? => {}
                None if self.is_piece => return Ok(false),
                // A record that reaches the end of the file could hide any number of others.
                None => return Err(self.cut_off("the file ends within a record")),
            }
        }
    }

    /// The error about a broken element whose brackets or quotes do not match.
    fn unknown_extent(&self, refusal: &Refusal) -> Error {
        let follows = !self.window.rest().starts_with(b"{") && self.last > 0;
        // The rest of an object that was closed too early is no element; the object is what is
        // broken.
        let (line, what) = if follows {
            (self.last, "what follows the record is none, as if it had a bracket too many")
        } else {
            (self.window.line(), "its brackets or quotes do not match, so that nobody can say where it ends")
        };
        let name = self.window.name();
        Error::new(ErrorKind::SourceUnreadable, format!("file `{name}` is not the JSON that was expected"))
            .caused_by(format!("line {line}: the record is broken: {}", refusal.reason))
            .caused_by(what)
            .hint("Mend the record that starts on this line, or have the file made anew. Nothing of it was loaded.")
    }

    /// Puts the next `bytes` bytes into quarantine without consuming them.
    fn quarantine(&mut self, bytes: usize, refusal: Refusal) -> Result<()> {
        self.records.refuse(None, refusal);
        let raw = &self.window.rest()[..bytes];
        let place = Place { file: self.window.name(), line: self.window.line(), raw };
        self.records.end_record(place).map(|_good| ())
    }

    /// Returns an error if anything follows the array: it could be any number of records.
    fn expect_end(&mut self) -> Result<()> {
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(self.unreadable("something follows the end of the array")),
        }
    }

    /// The error about a truncated file. Loading it would publish a part as if it were all.
    fn cut_off(&self, what: &str) -> Error {
        self.unreadable(what)
            .hint("Fetch the file again: it is cut off, or a quote or a bracket is not closed.")
    }

    /// Hands over a document that is a single object, as its only record.
    fn only_object(&mut self) -> Result<()> {
        const LINES: &str = "Write `type: ndjson` where each line is an object, or `records: $.key` where the records are in an array within the object.";
        loop {
            let rest = self.window.rest();
            match self.scratch.scan(rest) {
                Ok(_) => break,
                Err(Stop::Short) if rest.len() <= self.limits.record && self.window.fill()? => {}
                Err(_) => {
                    return Err(self
                        .unreadable("the document is one object, and not a whole one")
                        .hint(LINES));
                }
            }
        }
        self.object()?;
        match self.peek()? {
            None => Ok(()),
            Some(_) => Err(self.unreadable("something follows the object that the document is").hint(LINES)),
        }
    }

    /// Hands over the records of an array within a document. Of everything that is not on the path
    /// to the array, only brackets and quotes have to match.
    fn document(&mut self, path: &[String]) -> Result<()> {
        let shown = path.join(".");
        let mut met = vec![false; path.len()];
        let mut level = 0;
        self.window.consume(1);
        loop {
            match self.peek()? {
                Some(b',') => self.window.consume(1),
                Some(b'}') => {
                    self.window.consume(1);
                    if level == 0 {
                        break;
                    }
                    level -= 1;
                }
                Some(b'"') => {
                    let key = self.key()?;
                    let value = self.peek()?;
                    if key != path[level].as_bytes() {
                        self.skip_value()?;
                        continue;
                    }
                    if std::mem::replace(&mut met[level], true) {
                        return Err(self.unreadable(&format!(
                            "the key `{}` of `records: $.{shown}` stands twice",
                            path[level]
                        )));
                    }
                    match value {
                        Some(b'{') if level + 1 < path.len() => {
                            self.window.consume(1);
                            level += 1;
                        }
                        Some(b'[') if level + 1 == path.len() => {
                            self.window.consume(1);
                            self.elements()?;
                        }
                        _ => {
                            let expected = if level + 1 == path.len() { "an array" } else { "an object" };
                            return Err(self.unreadable(&format!(
                                "`{}` of `records: $.{shown}` is not {expected}",
                                path[level]
                            )));
                        }
                    }
                }
                _ => {
                    return Err(
                        self.unreadable("the document around the records is broken or ends too early")
                    );
                }
            }
        }
        if self.peek()?.is_some() {
            return Err(self.unreadable("something follows the end of the document"));
        }
        if met.last() == Some(&true) {
            return Ok(());
        }
        Err(self.unreadable(&format!(
            "the document has no `{shown}`, where `records: $.{shown}` says that they are"
        )))
    }

    /// Consumes a key and the colon after it. Returns the key, decoded.
    fn key(&mut self) -> Result<Vec<u8>> {
        let key = loop {
            let rest = self.window.rest();
            match scan::string(rest, 1) {
                Ok((end, escaped)) => {
                    let key = scan::string_text(&rest[1..end - 1], escaped, &mut self.scratch.text).to_vec();
                    self.window.consume(end);
                    break key;
                }
                Err(Stop::Short) if rest.len() <= self.limits.record && self.window.fill()? => {}
                Err(_) => return Err(self.unreadable("a key of the document is broken")),
            }
        };
        if self.peek()? != Some(b':') {
            return Err(self.unreadable("a key of the document lacks its colon"));
        }
        self.window.consume(1);
        Ok(key)
    }

    /// Skips a value of any size, also one that is larger than a record may be.
    fn skip_value(&mut self) -> Result<()> {
        let mut depth = 0usize;
        let (mut in_string, mut escape, mut started) = (false, false, false);
        loop {
            for at in 0..self.window.rest().len() {
                let byte = self.window.rest()[at];
                let mut ended = false;
                match byte {
                    _ if escape => escape = false,
                    b'\\' if in_string => escape = true,
                    b'"' => {
                        in_string = !in_string;
                        ended = !in_string && depth == 0;
                    }
                    _ if in_string => {}
                    b'{' | b'[' => depth += 1,
                    // The end of the object or array around a number or a literal.
                    b',' | b'}' | b']' if depth == 0 => {
                        self.window.consume(at);
                        return if started {
                            Ok(())
                        } else {
                            Err(self.unreadable("a value of the document is missing"))
                        };
                    }
                    b'}' | b']' => {
                        depth -= 1;
                        ended = depth == 0;
                    }
                    _ => {}
                }
                started = true;
                if ended {
                    self.window.consume(at + 1);
                    return Ok(());
                }
            }
            self.window.consume(self.window.rest().len());
            if !self.window.fill()? {
                return Err(self.unreadable("the document around the records ends too early"));
            }
        }
    }

    fn too_large(&self) -> Error {
        self.unreadable("a record is larger than a record may be, or its end cannot be found")
            .hint("If the records are in an array within the document, say where: `records: $.key`.")
    }

    fn unreadable(&self, what: &str) -> Error {
        let (name, line) = (self.window.name(), self.window.line());
        Error::new(ErrorKind::SourceUnreadable, format!("file `{name}` is not the JSON that was expected"))
            .caused_by(format!("line {line}: {what}"))
    }
}

//! From the bytes of a CSV file to records.

use std::io::Read;

use millrace_engine::error::{Error, ErrorKind, Result};

use crate::csv_files::broken_quote::{BrokenQuote, Kind, NextRecord, Verdict};
use crate::csv_files::records::{Field, Found, record};
use crate::csv_files::settings::CsvSettings;
use crate::files::Limits;
use crate::files::cell::{Cell, Refusal};
use crate::files::delivery::Place;
use crate::files::fields::Records;
use crate::files::pieces::Cut;
use crate::files::window::{Window, count_lines};

/// The records below a header.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(super) settings: CsvSettings,
    /// Numbers of the columns, in their order.
    pub(super) columns: Vec<usize>,
    /// Fields after them that have no name, and may have no value.
    pub(super) unnamed: usize,
}

impl Cut for Rows {
    /// After a line feed with as many quotes open as closed before it. A quote within a field that does not start with one spoils the count,
    /// and then the guess is wrong.
    fn cut(&self, text: &[u8]) -> Option<usize> {
        let mut inside = false;
        let mut last = None;
        for at in memchr::memchr2_iter(self.settings.quote, b'\n', text) {
            match text[at] {
                b'\n' if !inside => last = Some(at + 1),
                b'\n' => {}
                _ => inside = !inside,
            }
        }
        last
    }

    fn walk_piece<S: Records>(
        &self,
        piece: &mut Window<&[u8]>,
        limits: Limits,
        records: &mut S,
    ) -> Result<bool> {
        self.walk(piece, limits, records, true)
    }

    fn walk_rest<R: Read, S: Records>(
        &self,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
    ) -> Result<()> {
        self.walk(window, limits, records, false).map(|_whole| ())
    }
}

impl Rows {
    /// False where a piece ends within quotes, or before anybody can say whether it does.
    fn walk<R: Read, S: Records>(
        &self,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
        is_piece: bool,
    ) -> Result<bool> {
        let mut fields = Vec::new();
        let mut scratch = Vec::new();
        let mut broken: Option<BrokenQuote> = None;
        while let Some(found) = next(&self.settings, window, limits, &mut fields)? {
            if is_piece && found.open {
                return Ok(false);
            }
            let raw = &window.rest()[..found.length];
            let line = window.line();
            if let Some(broken) = broken.filter(|_| found.open) {
                // It may well be the quote that closes the text of which the lines before are a part.
                return Err(undecided(window, broken));
            }
            let misfit = found.refusal(raw, window)?.or_else(|| self.misfit(raw, &fields));
            if (broken.is_some() || misfit.is_some()) && !found.open {
                broken = self.follow_up(broken, &found, raw, &fields, window)?;
            }
            match misfit {
                Some(refusal) => records.refuse(None, refusal),
                None => {
                    for (&number, field) in self.columns.iter().zip(&fields) {
                        records.cell(number, cell(raw, field, &self.settings, &mut scratch));
                    }
                }
            }
            let kept = records.end_record(Place { file: window.name(), line, raw })?;
            let lines = count_lines(&window.rest()[..found.end]);
            if kept {
                // Of all but a few records the line end is the only line feed.
                if lines > Self::LONG {
                    let lines_of = self.lines(raw);
                    let alike = lines_of.records * 2 >= lines_of.starts.len();
                    records.long_record(window.name(), line, lines, alike);
                }
            } else if found.after_quote.is_none() {
                self.set_aside_lines(raw, window.name(), line, records)?;
            }
            window.consume_lines(found.end, lines);
        }
        Ok(broken.is_none() || !is_piece)
    }

    /// Lines of a record that are worth a word.
    const LONG: u64 = 100;

    /// Why the fields are not those of a record.
    fn misfit(&self, raw: &[u8], fields: &[Field]) -> Option<Refusal> {
        let (expected, found) = (self.columns.len(), fields.len());
        if expected == found {
            // Where there are more columns, lines that end so make a record of too many fields.
            let spoilt = expected == 1 && !fields[0].quoted && raw.contains(&b'\r');
            return spoilt
                .then(|| Refusal::broken("a carriage return stands in a field without quotes around it"));
        }
        let extra = fields.get(expected..).unwrap_or_default();
        if extra.is_empty() || extra.len() > self.unnamed {
            return Some(Refusal::broken(format!("expected {expected} fields, found {found}")));
        }
        let has_value = |field: &Field| !raw[field.text.clone()].is_empty();
        extra
            .iter()
            .any(has_value)
            .then(|| Refusal::broken("a value stands in a field for which the header has no name"))
    }

    /// Takes a record into account that follows one of which the quotes may be broken, or is one. An error where nobody can say any more which
    /// lines are records.
    fn follow_up<R: Read>(
        &self,
        broken: Option<BrokenQuote>,
        found: &Next,
        raw: &[u8],
        fields: &[Field],
        window: &Window<R>,
    ) -> Result<Option<BrokenQuote>> {
        let line = window.line();
        let kind = match found.after_quote {
            Some(_) => Kind::BrokenQuote,
            None if self.misfit(raw, fields).is_none() => Kind::Fits,
            None => Kind::Misfits,
        };
        let of_itself = match found.after_quote {
            // What is asked for is in the rest, which goes to the end of the quotes.
            Some(at) => {
                let until = line + count_lines(&window.rest()[..at]);
                Some(BrokenQuote { line, until, cause: "something follows a closing quote" })
            }
            // A quote within a text that is not doubled closes it, and the record may end with the text's first line.
            None if kind == Kind::Misfits && fields.iter().any(|field| field.quoted) => {
                let cause = "a record with quotes has another number of fields than there are columns";
                Some(BrokenQuote { line, until: line, cause })
            }
            None => None,
        };
        let Some(broken) = broken else { return Ok(of_itself) };
        // Fields count from the start of the record, which is where the rest starts; a broken one may go beyond its first line.
        let next = NextRecord { raw: window.rest(), fields, line, kind };
        match broken.judge(&next, self.columns.len(), &self.settings) {
            Verdict::Records => Ok(of_itself),
            Verdict::Open => Ok(Some(broken)),
            Verdict::Unknown => Err(undecided(window, broken)),
        }
    }

    /// The lines after the first one of a record.
    fn lines(&self, raw: &[u8]) -> Lines {
        let mut starts = Vec::new();
        let mut lines = 0;
        for at in memchr::memchr2_iter(b'\n', b'\r', raw) {
            // A carriage return before a line feed ends the same line.
            if raw[at] == b'\r' && raw.get(at + 1) == Some(&b'\n') {
                continue;
            }
            lines += u64::from(raw[at] == b'\n');
            starts.push((at + 1, lines));
        }
        let mut fields = Vec::new();
        let mut is_record = |start: usize| {
            let line = line_at(raw, start);
            let found = record(line, true, &self.settings, &mut fields);
            !line.is_empty()
                && matches!(found, Found::Record { .. })
                && (self.columns.len()..=self.columns.len() + self.unnamed).contains(&fields.len())
        };
        let records = starts.iter().filter(|(start, _)| is_record(*start)).count();
        Lines { starts, records }
    }

    /// Whether a header holds lines that could be records. Where there is one column, any line could.
    pub(super) fn hides(&self, header: &[u8]) -> bool {
        let lines = self.lines(header);
        if self.columns.len() + self.unnamed == 1 { lines.records > 3 } else { lines.records > 0 }
    }

    /// Puts the lines of a record that was set aside there too, one by one, where any of them could be a record by itself: a quote too many
    /// must not hide how many they are.
    fn set_aside_lines<S: Records>(&self, raw: &[u8], file: &str, line: u64, records: &mut S) -> Result<()> {
        let Lines { starts, records: like_records } = self.lines(raw);
        for (start, lines) in starts.into_iter().filter(|_| like_records > 0) {
            let text = line_at(raw, start);
            if text.is_empty() {
                continue;
            }
            records.refuse(
                None,
                Refusal::broken("the line is in a record that was set aside, and may be one of its own"),
            );
            records.end_record(Place { file, line: line + lines, raw: text })?;
        }
        Ok(())
    }
}

/// The error about a broken quote after which the window's next record does not look like one.
fn undecided<R: Read>(window: &Window<R>, broken: BrokenQuote) -> Error {
    let message = format!("file `{}` has a quote of which nobody can say where it ends", window.name());
    let BrokenQuote { line, cause, .. } = broken;
    let what =
        format!("line {line}: {cause}, and line {} does not look like a record of its own", window.line());
    Error::new(ErrorKind::SourceUnreadable, message).caused_by(what).hint(
        "Double the quotes that are part of a text, or write `quote:` with a character that the file does not have if its quotes are none.",
    )
}

/// Lines within a record.
struct Lines {
    /// Where each starts, and how many line feeds stand before it.
    starts: Vec<(usize, u64)>,
    /// How many could be records by themselves.
    records: usize,
}

/// The line of a record that starts at `start`, without its end.
fn line_at(raw: &[u8], start: usize) -> &[u8] {
    let rest = &raw[start..];
    &rest[..memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len())]
}

/// The record that the rest starts with.
pub(super) struct Next {
    /// Its bytes, without the line's end.
    pub(super) length: usize,
    /// Where the one after it starts.
    pub(super) end: usize,
    /// A quote is not closed before the end.
    open: bool,
    /// Something follows a closing quote, so far from the start. Then the other two are of the first line.
    after_quote: Option<usize>,
}

/// Finds the next record that is no empty line. None at the end of the file.
pub(super) fn next<R: Read>(
    settings: &CsvSettings,
    window: &mut Window<R>,
    limits: Limits,
    fields: &mut Vec<Field>,
) -> Result<Option<Next>> {
    loop {
        let rest = window.rest();
        if rest.is_empty() && window.ended() {
            return Ok(None);
        }
        let found = record(rest, window.ended(), settings, fields);
        let (length, next, reach) = match found {
            Found::Record { length, next } => (length, next, length),
            Found::AfterQuote { length, next, at } => (length, next, at),
            Found::OpenQuote | Found::Short => (rest.len(), rest.len(), rest.len()),
        };
        if reach > limits.record {
            let what = "a record is larger than a record may be; perhaps a quote is not closed";
            return Err(unreadable(window, what));
        }
        if found == Found::Short {
            window.fill()?;
        } else if length == 0 {
            window.consume(next);
        } else {
            let after_quote = if let Found::AfterQuote { at, .. } = found { Some(at) } else { None };
            return Ok(Some(Next { length, end: next, open: found == Found::OpenQuote, after_quote }));
        }
    }
}

impl Next {
    /// Why the record is bad as a whole, where it is.
    pub(super) fn refusal<R: Read>(&self, raw: &[u8], window: &Window<R>) -> Result<Option<Refusal>> {
        Ok(if self.open {
            // One line is one record; more could be any number of them, and would be lost as one.
            let lines = count_lines(raw.strip_suffix(b"\n").unwrap_or(raw));
            if lines > 0 {
                let what = format!("a quote is not closed before the end of the file, {lines} lines on");
                return Err(unreadable(window, &what)
                    .hint("Close the quote, or double it where it is part of a text."));
            }
            Some(Refusal::broken("a quote is not closed before the end of the file"))
        } else if let Some(at) = self.after_quote {
            let lines = count_lines(&window.rest()[..at]);
            Some(Refusal::broken(match lines {
                0 => "something follows a closing quote".to_owned(),
                _ => format!("something follows the quote that closes this one, {lines} lines on"),
            }))
        } else {
            std::str::from_utf8(raw).is_err().then(|| window.not_text())
        })
    }
}

fn cell<'a>(raw: &'a [u8], field: &Field, settings: &CsvSettings, scratch: &'a mut Vec<u8>) -> Cell<'a> {
    let text = text(raw, field, settings, scratch);
    match (text.is_empty(), field.quoted) {
        (true, true) if !settings.null_in_quotes => Cell::Empty,
        (true, _) => Cell::Null,
        (false, false) if settings.nulls.iter().any(|null| null == text) => Cell::Null,
        _ => Cell::Plain(text),
    }
}

/// A field's text; `scratch` holds it where quotes in it are doubled.
pub(super) fn text<'a>(
    raw: &'a [u8],
    field: &Field,
    settings: &CsvSettings,
    scratch: &'a mut Vec<u8>,
) -> &'a [u8] {
    let text = &raw[field.text.clone()];
    if !field.doubled {
        return text;
    }
    scratch.clear();
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        if byte == settings.quote {
            bytes.next();
        }
        scratch.push(byte);
    }
    scratch
}

pub(super) fn unreadable<R: Read>(window: &Window<R>, what: &str) -> Error {
    Error::new(
        ErrorKind::SourceUnreadable,
        format!("file `{}` is not the CSV that was expected", window.name()),
    )
    .caused_by(format!("line {}: {what}", window.line()))
}

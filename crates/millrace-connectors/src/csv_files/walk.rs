//! Walks over a CSV file and hands its records over: cells to the columns, bad records to
//! quarantine.
//!
//! A record that does not fit goes to quarantine as a whole. A broken quote could hide any number
//! of records, so what is set aside counts as many records as it may hold, and the file is an error
//! if it cannot be decided which lines are records (ADR 28, [`BrokenQuote`]). Large files are cut
//! into pieces that several threads walk ([`Cut`]); a piece whose end is in doubt is walked again
//! by the thread that reads the rest of the file.

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

/// The reader of the data records of a file, below its header.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(super) settings: CsvSettings,
    /// The numbers of the columns, in the order of the fields.
    pub(super) columns: Vec<usize>,
    /// How many unnamed fields may follow them. Such fields must be empty.
    pub(super) unnamed: usize,
}

impl Cut for Rows {
    /// Cuts after the last line feed that is not within quotes, by counting quotes. A quote inside
    /// an unquoted field spoils the count; the cut is wrong then, and `walk_piece` reports it.
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
    /// Hands over every record up to the end of the window. Returns `false` if a piece ends within
    /// quotes, or while a broken quote is still unresolved: the result of that piece does not
    /// count. Returns an error if it cannot be decided which lines are records.
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
                // The open quote may be the one that closes the text to which the lines before
                // belong.
                return Err(undecided(window, broken));
            }
            let misfit = found.refusal(raw, window)?.or_else(|| self.misfit(raw, &fields));
            // Only records after a doubtful one, and those that may be doubtful themselves, are
            // judged: files without broken quotes pay nothing.
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
                // Nearly all records have one line feed, their line end, so this second look is
                // rare.
                if lines > Self::LONG {
                    let lines_of = self.lines(raw);
                    let alike = lines_of.records * 2 >= lines_of.starts.len();
                    records.long_record(window.name(), line, lines, alike);
                }
            } else if found.after_quote.is_none() {
                // If something follows a closing quote, only one line was set aside.
                self.set_aside_lines(raw, window.name(), line, records)?;
            }
            window.consume_lines(found.end, lines);
        }
        Ok(broken.is_none() || !is_piece)
    }

    /// A record over more lines than this is reported as a long record: a quote may be missing in
    /// it.
    const LONG: u64 = 100;

    /// Why the fields are not a record of these columns. Returns `None` if they are.
    fn misfit(&self, raw: &[u8], fields: &[Field]) -> Option<Refusal> {
        // Fields beyond the columns are allowed if the header left as many without a name.
        let (expected, found) = (self.columns.len(), fields.len());
        if expected == found {
            // Lines that end in a carriage return only are one record here. With several columns
            // that record has too many fields; with one column only the carriage return itself
            // gives it away.
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

    /// Updates the state after a record: `broken` is the doubtful record before it, if any. Returns
    /// the doubtful record to go on with: the earlier one, this one, or none. Returns an error if
    /// it can no longer be decided which lines are records.
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
            // The closing quote may be beyond `raw`, which is the first line only; the window has
            // it.
            Some(at) => {
                let until = line + count_lines(&window.rest()[..at]);
                Some(BrokenQuote { line, until, cause: "something follows a closing quote" })
            }
            // A quote within a text that is not doubled closes it early, so that the record may
            // have ended with the first line of that text.
            None if kind == Kind::Misfits && fields.iter().any(|field| field.quoted) => {
                let cause = "a record with quotes has another number of fields than there are columns";
                Some(BrokenQuote { line, until: line, cause })
            }
            None => None,
        };
        let Some(broken) = broken else { return Ok(of_itself) };
        // The ranges of a broken field may go beyond the first line, so the rest of the window is
        // needed.
        let next = NextRecord { raw: window.rest(), fields, line, kind };
        match broken.judge(&next, self.columns.len(), &self.settings) {
            Verdict::Records => Ok(of_itself),
            Verdict::Open => Ok(Some(broken)),
            Verdict::Unknown => Err(undecided(window, broken)),
        }
    }

    /// Finds the lines after the first one of a record, and counts those that could be records of
    /// their own: whole, and with an allowed number of fields.
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
        // Only counted here; whether they are set aside too is the caller's decision.
        let records = starts.iter().filter(|(start, _)| is_record(*start)).count();
        Lines { starts, records }
    }

    /// Whether a header that goes over several lines contains lines that could be records. If there
    /// is one column, any line could be one, so a few lines are allowed.
    pub(super) fn hides(&self, header: &[u8]) -> bool {
        let lines = self.lines(header);
        if self.columns.len() + self.unnamed == 1 { lines.records > 3 } else { lines.records > 0 }
    }

    /// Puts each further line of a quarantined record into quarantine too, if any of them could be
    /// a record of its own: one stray quote must not hide how many records are missing.
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

/// The error about a broken quote if the window's next record contradicts the guess about it.
fn undecided<R: Read>(window: &Window<R>, broken: BrokenQuote) -> Error {
    let message = format!("file `{}` has a quote of which nobody can say where it ends", window.name());
    let BrokenQuote { line, cause, .. } = broken;
    let what =
        format!("line {line}: {cause}, and line {} does not look like a record of its own", window.line());
    Error::new(ErrorKind::SourceUnreadable, message).caused_by(what).hint(
        "Double the quotes that are part of a text, or write `quote:` with a character that the file does not have if its quotes are none.",
    )
}

/// The lines within a record, after its first one.
struct Lines {
    /// The start of each, in bytes from the start of the record, and how many line feeds precede
    /// it.
    starts: Vec<(usize, u64)>,
    /// How many of them could be records of their own.
    records: usize,
}

/// The line of a record that starts at `start`, without its line end.
fn line_at(raw: &[u8], start: usize) -> &[u8] {
    let rest = &raw[start..];
    &rest[..memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len())]
}

/// The record at the start of the window. Numbers are bytes from its start.
pub(super) struct Next {
    /// Its length, without the line end.
    pub(super) length: usize,
    /// The start of the record after it.
    pub(super) end: usize,
    /// Whether a quote is still open at the end of the window.
    open: bool,
    /// Where something follows a closing quote, if that is so. `length` and `end` describe the
    /// first line of the record then.
    after_quote: Option<usize>,
}

/// Finds the next record and lists its fields, reading more of the file as needed. Skips empty
/// lines. Returns `None` at the end of the file, and an error if a record is larger than
/// `limits.record`.
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
        // `reach` is how far this record had to be looked at; the limit bounds the memory for that.
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
            // A blank line is not a record.
            window.consume(next);
        } else {
            let after_quote = if let Found::AfterQuote { at, .. } = found { Some(at) } else { None };
            return Ok(Some(Next { length, end: next, open: found == Found::OpenQuote, after_quote }));
        }
    }
}

/// `1 line`, `2 lines`.
fn of_lines(lines: u64) -> String {
    if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") }
}

impl Next {
    /// Why the record is bad as a whole, regardless of the columns. Returns `None` if it is not,
    /// and an error if a quote stays open over several lines to the end of the file.
    pub(super) fn refusal<R: Read>(&self, raw: &[u8], window: &Window<R>) -> Result<Option<Refusal>> {
        Ok(if self.open {
            // One line is one record. Several lines could be any number of records, which would all
            // be lost in a single quarantined row.
            let lines = count_lines(raw.strip_suffix(b"\n").unwrap_or(raw));
            if lines > 0 {
                let what =
                    format!("a quote is not closed before the end of the file, {} on", of_lines(lines));
                return Err(unreadable(window, &what)
                    .hint("Close the quote, or double it where it is part of a text."));
            }
            Some(Refusal::broken("a quote is not closed before the end of the file"))
        } else if let Some(at) = self.after_quote {
            let lines = count_lines(&window.rest()[..at]);
            Some(Refusal::broken(match lines {
                0 => "something follows a closing quote".to_owned(),
                _ => format!("something follows the quote that closes this one, {} on", of_lines(lines)),
            }))
        } else {
            std::str::from_utf8(raw).is_err().then(|| window.not_text())
        })
    }
}

/// The value of a field. An empty text in quotes is kept apart from an unquoted empty field, and
/// the texts that mean NULL count only without quotes.
fn cell<'a>(raw: &'a [u8], field: &Field, settings: &CsvSettings, scratch: &'a mut Vec<u8>) -> Cell<'a> {
    let text = text(raw, field, settings, scratch);
    match (text.is_empty(), field.quoted) {
        (true, true) if !settings.null_in_quotes => Cell::Empty,
        (true, _) => Cell::Null,
        (false, false) if settings.nulls.iter().any(|null| null == text) => Cell::Null,
        _ => Cell::Plain(text),
    }
}

/// The text of a field. If quotes within it are doubled, the decoded text is built in `scratch`.
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

/// The error about a file that cannot be read as CSV, at the window's present line.
pub(super) fn unreadable<R: Read>(window: &Window<R>, what: &str) -> Error {
    Error::new(
        ErrorKind::SourceUnreadable,
        format!("file `{}` is not the CSV that was expected", window.name()),
    )
    .caused_by(format!("line {}: {what}", window.line()))
}

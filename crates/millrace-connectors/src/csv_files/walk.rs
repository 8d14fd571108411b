//! From the bytes of a CSV file to records.

use std::io::Read;

use millrace_core::quarantine::QuarantineCode;
use millrace_engine::error::{Error, ErrorKind, Result};

use crate::csv_files::records::{Field, Found, record};
use crate::csv_files::settings::CsvSettings;
use crate::files::Limits;
use crate::files::cell::{Cell, Refusal};
use crate::files::delivery::Place;
use crate::files::fields::{Met, Records};
use crate::files::pieces::Cut;
use crate::files::window::{Window, count_lines};

/// The records below a header.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    settings: CsvSettings,
    /// Numbers of the columns, in their order.
    columns: Vec<usize>,
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
    /// False where a piece ends within quotes.
    fn walk<R: Read, S: Records>(
        &self,
        window: &mut Window<R>,
        limits: Limits,
        records: &mut S,
        is_piece: bool,
    ) -> Result<bool> {
        let mut fields = Vec::new();
        let mut scratch = Vec::new();
        while let Some(found) = next(&self.settings, window, limits, &mut fields)? {
            if is_piece && found.open {
                return Ok(false);
            }
            let raw = &window.rest()[..found.length];
            let refusal = found.refusal(raw, window)?.or_else(|| {
                let (expected, found) = (self.columns.len(), fields.len());
                (expected != found)
                    .then(|| Refusal::broken(format!("expected {expected} fields, found {found}")))
            });
            match refusal {
                Some(refusal) => records.refuse(None, refusal),
                None => {
                    for (&number, field) in self.columns.iter().zip(&fields) {
                        records.cell(number, cell(raw, field, &self.settings, &mut scratch));
                    }
                }
            }
            records.end_record(Place { file: window.name(), line: window.line(), raw })?;
            window.consume(found.end);
        }
        Ok(true)
    }
}

/// Reads the header, where there is one. None in a file without a record.
pub(super) fn begin<R: Read, S: Records>(
    settings: CsvSettings,
    window: &mut Window<R>,
    limits: Limits,
    records: &mut S,
) -> Result<Option<Rows>> {
    let mut fields = Vec::new();
    let Some(found) = next(&settings, window, limits, &mut fields)? else { return Ok(None) };
    let raw = &window.rest()[..found.length];
    if let Some(refusal) = found.refusal(raw, window)? {
        let what = if settings.header { "header" } else { "first record" };
        let error = unreadable(window, &format!("{}, in the {what}", refusal.reason));
        return Err(if refusal.code == QuarantineCode::BadEncoding {
            error.hint("Save the file as UTF-8, or say what it is: `encoding: windows-1252`, for instance.")
        } else {
            match other_delimiter(raw, &settings) {
                Some(other) => error
                    .hint(format!("Write `delimiter: \"{other}\"` if that is what is between the fields.")),
                None => error,
            }
        });
    }
    if let [only] = fields.as_slice()
        && settings.header
        && !only.quoted
        && let Some(other) = other_delimiter(raw, &settings)
    {
        let what = format!("its header is one field, with `{other}` in it");
        return Err(unreadable(window, &what).hint(format!(
            "Write `delimiter: \"{other}\"`, or `delimiter: \",\"` where there really is one column."
        )));
    }
    let columns = header(raw, &fields, &settings, window, records)?;
    if settings.header {
        window.consume(found.end);
    }
    Ok(Some(Rows { settings, columns }))
}

/// What stands in a header and may be between its fields, where the project does not say what is; as it is written there.
fn other_delimiter(header: &[u8], settings: &CsvSettings) -> Option<&'static str> {
    let others = [(b';', ";"), (b'\t', "\\t"), (b'|', "|")];
    let found = others.into_iter().find(|(byte, _)| header.contains(byte));
    found.filter(|_| !settings.delimiter_is_said).map(|(_, written)| written)
}

/// The record that the rest starts with.
struct Next {
    /// Its bytes, without the line's end.
    length: usize,
    /// Where the one after it starts.
    end: usize,
    /// A quote is not closed before the end.
    open: bool,
    /// Something follows a closing quote.
    after_quote: bool,
}

/// Finds the next record that is no empty line. None at the end of the file.
fn next<R: Read>(
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
        let (length, next) = match found {
            Found::Record { length, next } | Found::AfterQuote { length, next } => (length, next),
            Found::OpenQuote | Found::Short => (rest.len(), rest.len()),
        };
        if length > limits.record {
            let what = "a record is larger than a record may be; perhaps a quote is not closed";
            return Err(unreadable(window, what));
        }
        if found == Found::Short {
            window.fill()?;
        } else if length == 0 {
            window.consume(next);
        } else {
            let after_quote = matches!(found, Found::AfterQuote { .. });
            return Ok(Some(Next { length, end: next, open: found == Found::OpenQuote, after_quote }));
        }
    }
}

impl Next {
    /// Why the record is bad as a whole, where it is.
    fn refusal<R: Read>(&self, raw: &[u8], window: &Window<R>) -> Result<Option<Refusal>> {
        // One line is one record; more could be any number of them, and would be lost as one.
        if self.open && count_lines(raw) > 1 {
            let what =
                format!("a quote is not closed before the end of the file, {} lines on", count_lines(raw));
            return Err(
                unreadable(window, &what).hint("Close the quote, or double it where it is part of a text.")
            );
        }
        Ok(if self.open {
            Some(Refusal::broken("a quote is not closed before the end of the file"))
        } else if self.after_quote {
            Some(Refusal::broken("something follows a closing quote"))
        } else {
            std::str::from_utf8(raw).is_err().then(Refusal::not_text)
        })
    }
}

/// The numbers of the columns.
fn header<R: Read, S: Records>(
    raw: &[u8],
    fields: &[Field],
    settings: &CsvSettings,
    window: &Window<R>,
    records: &mut S,
) -> Result<Vec<usize>> {
    let mut scratch = Vec::new();
    let names = records.names();
    names.next_record();
    let mut numbers = Vec::with_capacity(fields.len());
    for (place, field) in fields.iter().enumerate() {
        let made;
        let name = if settings.header {
            let name = text(raw, field, settings, &mut scratch);
            if name.is_empty() {
                let what = format!("column {} has no name in the header", place + 1);
                return Err(unreadable(window, &what)
                    .hint("Name it, or write `header: false` if there is no header."));
            }
            if name.contains(&b'\r') && !field.quoted {
                return Err(unreadable(window, "its lines end in a carriage return only")
                    .hint("Save it with the line ends of Unix or Windows."));
            }
            name
        } else {
            made = format!("c{}", place + 1);
            made.as_bytes()
        };
        match names.meet(place, name)? {
            Met::Field(number) => numbers.push(number),
            Met::Twice(_) => {
                let what = format!("two columns have the name `{}`", String::from_utf8_lossy(name));
                return Err(unreadable(window, &what).hint("Rename one of them in the file."));
            }
        }
    }
    Ok(numbers)
}

fn cell<'a>(raw: &'a [u8], field: &Field, settings: &CsvSettings, scratch: &'a mut Vec<u8>) -> Cell<'a> {
    let text = text(raw, field, settings, scratch);
    let null = !field.quoted && (text.is_empty() || settings.null.as_deref() == Some(text));
    if null { Cell::Null } else { Cell::Plain(text) }
}

/// A field's text; `scratch` holds it where quotes in it are doubled.
fn text<'a>(raw: &'a [u8], field: &Field, settings: &CsvSettings, scratch: &'a mut Vec<u8>) -> &'a [u8] {
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

fn unreadable<R: Read>(window: &Window<R>, what: &str) -> Error {
    Error::new(
        ErrorKind::SourceUnreadable,
        format!("file `{}` is not the CSV that was expected", window.name()),
    )
    .caused_by(format!("line {}: {what}", window.line()))
}

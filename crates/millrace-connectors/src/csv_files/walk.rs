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
use crate::files::window::{Window, count_lines};

/// Hands over every record after the header.
pub(super) fn walk<R: Read, S: Records>(
    settings: &CsvSettings,
    window: &mut Window<R>,
    limits: Limits,
    records: &mut S,
) -> Result<()> {
    if settings.latin1 && window.started_with_mark() {
        return Err(unreadable(
            window,
            "it says `encoding: latin-1`, but the file starts with the mark of UTF-8",
        ));
    }
    let mut fields = Vec::new();
    let mut scratch = Vec::new();
    let mut columns: Option<Vec<usize>> = None;
    loop {
        let rest = window.rest();
        if rest.is_empty() && window.ended() {
            return Ok(());
        }
        let found = record(rest, window.ended(), settings, &mut fields);
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
            continue;
        }
        let raw = &rest[..length];
        if raw.is_empty() {
            window.consume(next);
            continue;
        }
        let refusal = match found {
            // One line is one record; more could be any number of them, and would be lost as one.
            Found::OpenQuote if count_lines(raw) > 1 => {
                let what = format!(
                    "a quote is not closed before the end of the file, {} lines on",
                    count_lines(raw)
                );
                return Err(unreadable(window, &what)
                    .hint("Close the quote, or double it where it is part of a text."));
            }
            Found::OpenQuote => Some(Refusal::broken("a quote is not closed before the end of the file")),
            Found::AfterQuote { .. } => Some(Refusal::broken("something follows a closing quote")),
            _ => encoding(raw, settings),
        };
        let Some(numbers) = &columns else {
            if let Some(refusal) = refusal {
                let what = if settings.header { "header" } else { "first record" };
                let error = unreadable(window, &format!("{}, in the {what}", refusal.reason));
                return Err(if refusal.code == QuarantineCode::BadEncoding {
                    error.hint("Save the file as UTF-8, or write `encoding: latin-1` if that is what it is.")
                } else {
                    error
                });
            }
            columns = Some(header(raw, &fields, settings, window, records)?);
            if settings.header {
                window.consume(next);
            }
            continue;
        };
        let refusal = refusal.or_else(|| {
            let (expected, found) = (numbers.len(), fields.len());
            (expected != found).then(|| Refusal::broken(format!("expected {expected} fields, found {found}")))
        });
        match refusal {
            Some(refusal) => records.refuse(None, refusal),
            None => {
                for (&number, field) in numbers.iter().zip(&fields) {
                    records.cell(number, cell(raw, field, settings, &mut scratch));
                }
            }
        }
        records.end_record(Place { file: window.name(), line: window.line(), raw })?;
        window.consume(next);
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

/// A record whose bytes are no text.
fn encoding(raw: &[u8], settings: &CsvSettings) -> Option<Refusal> {
    if settings.latin1 {
        // ISO 8859-1 has control characters there, files that say Latin-1 have Windows' letters: nobody can tell.
        let unclear = raw.iter().any(|byte| (0x80..0xA0).contains(byte));
        return unclear
            .then(|| Refusal::new(QuarantineCode::BadEncoding, "bytes 80 to 9F are no letters in Latin-1"));
    }
    std::str::from_utf8(raw)
        .is_err()
        .then(|| Refusal::new(QuarantineCode::BadEncoding, "the record is not UTF-8"))
}

fn cell<'a>(raw: &'a [u8], field: &Field, settings: &CsvSettings, scratch: &'a mut Vec<u8>) -> Cell<'a> {
    let text = text(raw, field, settings, scratch);
    let null = !field.quoted && (text.is_empty() || settings.null.as_deref() == Some(text));
    if null { Cell::Null } else { Cell::Plain(text) }
}

/// A field's text in UTF-8; `scratch` holds it where it is not what the file has.
fn text<'a>(raw: &'a [u8], field: &Field, settings: &CsvSettings, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let text = &raw[field.text.clone()];
    let foreign = settings.latin1 && !text.is_ascii();
    if !field.doubled && !foreign {
        return text;
    }
    scratch.clear();
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        if byte == settings.quote && field.doubled {
            bytes.next();
        }
        if foreign {
            scratch.extend_from_slice(char::from(byte).encode_utf8(&mut [0; 2]).as_bytes());
        } else {
            scratch.push(byte);
        }
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

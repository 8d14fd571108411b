//! The beginning of a CSV file: Excel's `sep=;` line, and the header.
//!
//! Everything wrong with the header is an error for the whole file, because without the columns no
//! record can be read. The errors name the likely cause (another delimiter, an unclosed quote,
//! another encoding) so that the user can correct the settings.

use std::io::Read;

use millrace_core::quarantine::QuarantineCode;
use millrace_engine::error::{Error, ErrorKind, Result};

use crate::csv_files::records::Field;
use crate::csv_files::settings::CsvSettings;
use crate::csv_files::walk::{Rows, next, text, unreadable};
use crate::files::Limits;
use crate::files::fields::{Met, Records};
use crate::files::window::{Window, count_lines};

/// Reads the beginning of a file up to its first data record and returns the reader of the records.
///
/// Returns `None` if the file has no record and needs no header. A file without the header that it
/// should have is an error. Without `header`, the first record is only looked at, for the number of
/// columns; it stays in the window.
pub(super) fn begin<R: Read, S: Records>(
    mut settings: CsvSettings,
    window: &mut Window<R>,
    limits: Limits,
    records: &mut S,
) -> Result<Option<Rows>> {
    delimiter_line(&mut settings, window)?;
    let mut fields = Vec::new();
    let Some(found) = next(&settings, window, limits, &mut fields)? else {
        return if settings.header { Err(empty(window.name())) } else { Ok(None) };
    };
    let raw = &window.rest()[..found.length];
    if let Some(refusal) = found.refusal(raw, window)? {
        // Without a sound first record the number of columns is unknown, so it cannot go to
        // quarantine.
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
    // A single field with another common delimiter in it: most likely the file uses that one.
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
    let (columns, unnamed) = header(raw, &fields, &settings, window, records)?;
    let rows = Rows { settings, columns, unnamed };
    if rows.settings.header {
        // An unclosed quote in the header would swallow data records without any other sign.
        if rows.hides(raw) {
            let what = format!(
                "the header goes over {} lines, because a quote is closed that far on, and they look like records",
                count_lines(raw) + 1
            );
            return Err(unreadable(window, &what).hint("Close the quote, or remove it."));
        }
        window.consume(found.end);
    }
    Ok(Some(rows))
}

/// The error about a file without even a header: its writer has not got to the first line yet.
fn empty(name: &str) -> Error {
    Error::new(ErrorKind::SourceUnreadable, format!("file `{name}` is empty, without even a header"))
        .hint("Fetch it again. A file that has no rows to give still has a line that names its columns, unless `header: false` says that it has none.")
}

/// Consumes a first line such as `sep=;`, which Excel reads and writes, and takes the delimiter
/// from it. The line may be quoted. Leaves any other first line alone. Returns an error if the
/// project sets another delimiter.
fn delimiter_line<R: Read>(settings: &mut CsvSettings, window: &mut Window<R>) -> Result<()> {
    // The longest form of the line: quoted, with a carriage return.
    const LONGEST: usize = "\"sep=;\"\r\n".len();
    while window.rest().len() < LONGEST && window.fill()? {}
    let start = &window.rest()[..window.rest().len().min(LONGEST)];
    let Some(length) = memchr::memchr(b'\n', start) else { return Ok(()) };
    let line = start[..length].trim_ascii_end();
    // If the delimiter is a tab, it must not be trimmed as white space.
    let line = if start[..length].contains(&b'\t') { &start[..length] } else { line };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let Some((name, &[delimiter])) = line.split_at_checked("sep=".len()) else { return Ok(()) };
    let is_one = delimiter.is_ascii() && !delimiter.is_ascii_alphanumeric() && delimiter != settings.quote;
    if !name.eq_ignore_ascii_case(b"sep=") || !is_one {
        return Ok(());
    }
    if settings.delimiter_is_said && settings.delimiter != delimiter {
        return Err(unreadable(window, "its first line names another delimiter than the project does")
            .hint("Leave `delimiter` out: a first line such as `sep=;` counts."));
    }
    settings.delimiter = delimiter;
    settings.delimiter_is_said = true;
    window.consume(length + 1);
    Ok(())
}

/// Another common delimiter (`;`, tab or `|`) that occurs in a header, spelled as in the settings.
/// Returns `None` if there is none, or if the project sets the delimiter.
fn other_delimiter(header: &[u8], settings: &CsvSettings) -> Option<&'static str> {
    // As bytes, and as the settings spell them.
    let others = [(b';', ";"), (b'\t', "\\t"), (b'|', "|")];
    let found = others.into_iter().find(|(byte, _)| header.contains(byte));
    found.filter(|_| !settings.delimiter_is_said).map(|(_, written)| written)
}

/// Registers the names of the columns. Returns their numbers, and how many unnamed fields follow
/// them: some programs end each line in one or more delimiters. Returns an error for a column
/// without a name before the last named one, for a name that occurs twice, and for a file whose
/// lines end in carriage returns only.
fn header<R: Read, S: Records>(
    raw: &[u8],
    fields: &[Field],
    settings: &CsvSettings,
    window: &Window<R>,
    records: &mut S,
) -> Result<(Vec<usize>, usize)> {
    let mut scratch = Vec::new();
    let names = records.names();
    names.next_record();
    let is_named = |field: &Field| field.quoted || !field.text.is_empty();
    // Unnamed fields at the end are no columns; without a header every field is one.
    let named = match fields.iter().rposition(is_named) {
        Some(last) if settings.header => last + 1,
        _ => fields.len(),
    };
    let mut numbers = Vec::with_capacity(named);
    for (place, field) in fields[..named].iter().enumerate() {
        let made;
        let name = if settings.header {
            let name = text(raw, field, settings, &mut scratch);
            if name.is_empty() {
                let what = format!("column {} has no name in the header", place + 1);
                return Err(unreadable(window, &what)
                    .hint("Name it, or write `header: false` if there is no header."));
            }
            // Such a file is one long line to this reader.
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
    Ok((numbers, fields.len() - named))
}

//! The beginning of a CSV file: a line of Excel's about the delimiter, and the header.

use std::io::Read;

use millrace_core::quarantine::QuarantineCode;
use millrace_engine::error::{Error, ErrorKind, Result};

use crate::csv_files::records::Field;
use crate::csv_files::settings::CsvSettings;
use crate::csv_files::walk::{Rows, next, text, unreadable};
use crate::files::Limits;
use crate::files::fields::{Met, Records};
use crate::files::window::{Window, count_lines};

/// Reads the header, where there is one. None in a file without a record; where there has to be a header that is an error.
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
    let (columns, unnamed) = header(raw, &fields, &settings, window, records)?;
    let rows = Rows { settings, columns, unnamed };
    if rows.settings.header {
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

/// A file that is no whole one: whoever writes it has not come to its first line.
fn empty(name: &str) -> Error {
    Error::new(ErrorKind::SourceUnreadable, format!("file `{name}` is empty, without even a header"))
        .hint("Fetch it again. A file that has no rows to give still has a line that names its columns, unless `header: false` says that it has none.")
}

/// Takes the delimiter from a first line `sep=;`, which Excel reads and writes.
fn delimiter_line<R: Read>(settings: &mut CsvSettings, window: &mut Window<R>) -> Result<()> {
    const LONGEST: usize = "\"sep=;\"\r\n".len();
    while window.rest().len() < LONGEST && window.fill()? {}
    let start = &window.rest()[..window.rest().len().min(LONGEST)];
    let Some(length) = memchr::memchr(b'\n', start) else { return Ok(()) };
    let line = start[..length].trim_ascii_end();
    // The tab of `sep=` is no space.
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

/// What stands in a header and may be between its fields, where the project does not say what is; as it is written there.
fn other_delimiter(header: &[u8], settings: &CsvSettings) -> Option<&'static str> {
    let others = [(b';', ";"), (b'\t', "\\t"), (b'|', "|")];
    let found = others.into_iter().find(|(byte, _)| header.contains(byte));
    found.filter(|_| !settings.delimiter_is_said).map(|(_, written)| written)
}

/// The numbers of the columns, and how many fields without a name follow them: where each line ends in a delimiter, or several.
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

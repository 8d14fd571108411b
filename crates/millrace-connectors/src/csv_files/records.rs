//! Splits bytes into records and fields by RFC 4180.
//!
//! The functions work on the bytes that have been read so far and say if they need more. Nothing is
//! decoded or copied: a field is a range of bytes, which may still contain doubled quotes.

use std::ops::Range;

use crate::csv_files::settings::CsvSettings;

/// A field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// The range of its bytes within the record, without the quotes around them.
    pub(super) text: Range<usize>,
    /// Whether it is in quotes.
    pub(super) quoted: bool,
    /// Whether it contains doubled quotes, which are still to be undone.
    pub(super) doubled: bool,
}

/// What [`record`] found at the start of a text. All numbers are bytes from the start of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole record: its length without the line end, and the start of the next record.
    Record { length: usize, next: usize },
    /// A record in which something follows a closing quote, at `at`. It is unknown where such a
    /// record ends, so `length` and `next` describe its first line only. The last field in the list
    /// is the one with that quote; it may go beyond the first line.
    AfterQuote { length: usize, next: usize, at: usize },
    /// The file ends within quotes. The field with the open quote is not in the list.
    OpenQuote,
    /// The text ends before the record does, and more of the file follows.
    Short,
}

/// Finds the record at the start of a text and lists its fields. `ended` says that the text goes to
/// the end of the file. A quote opens a quoted field only as the first byte of that field;
/// elsewhere in an unquoted field it is an ordinary character.
pub(super) fn record(text: &[u8], ended: bool, settings: &CsvSettings, fields: &mut Vec<Field>) -> Found {
    let (delimiter, quote) = (settings.delimiter, settings.quote);
    fields.clear();
    let mut at = 0;
    loop {
        let quoted = text.get(at) == Some(&quote);
        let mut field = Field { text: at..at, quoted, doubled: false };
        if quoted {
            at += 1;
            field.text.start = at;
            loop {
                let Some(found) = memchr::memchr(quote, &text[at..]) else {
                    return if ended { Found::OpenQuote } else { Found::Short };
                };
                at += found + 1;
                match text.get(at) {
                    Some(&byte) if byte == quote => {
                        field.doubled = true;
                        at += 1;
                    }
                    // The next byte may be a second quote.
                    None if !ended => return Found::Short,
                    _ => break,
                }
            }
            field.text.end = at - 1;
        }
        let rest = at;
        // Fields are short, so a plain loop is faster than a call of `memchr`.
        while text.get(at).is_some_and(|&byte| byte != delimiter && byte != b'\n') {
            at += 1;
        }
        if at == text.len() && !ended {
            return Found::Short;
        }
        // A carriage return before a line feed, or before the end of the file, is part of the line
        // end.
        let line_ends = text.get(at) != Some(&delimiter);
        let end = if line_ends && at > rest && text[at - 1] == b'\r' { at - 1 } else { at };
        if !quoted {
            field.text.end = end;
        }
        fields.push(field);
        if quoted && end > rest {
            return first_line(text, ended, rest);
        }
        if line_ends {
            return Found::Record { length: end, next: (at + 1).min(text.len()) };
        }
        at += 1;
    }
}

/// The result for a record in which something follows a closing quote at `at`: the length of its
/// first line, and where the next line starts.
fn first_line(text: &[u8], ended: bool, at: usize) -> Found {
    let (length, next) = match memchr::memchr(b'\n', text) {
        Some(length) => (length, length + 1),
        None if ended => (text.len(), text.len()),
        None => return Found::Short,
    };
    let length = length - usize::from(text[..length].ends_with(b"\r"));
    Found::AfterQuote { length, next, at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> CsvSettings {
        CsvSettings::default()
    }

    fn look(text: &str, ended: bool) -> (Found, Vec<String>) {
        let mut fields = Vec::new();
        let found = record(text.as_bytes(), ended, &settings(), &mut fields);
        let shown =
            fields.iter().map(|f| format!("{}{}", if f.quoted { "q:" } else { "" }, &text[f.text.clone()]));
        (found, shown.collect())
    }

    #[test]
    fn records() {
        for (text, found, fields) in [
            ("a,b\nc", Found::Record { length: 3, next: 4 }, &["a", "b"][..]),
            ("a,b\r\nc", Found::Record { length: 3, next: 5 }, &["a", "b"]),
            ("a,b", Found::Record { length: 3, next: 3 }, &["a", "b"]),
            ("a,b\r", Found::Record { length: 3, next: 4 }, &["a", "b"]),
            (",", Found::Record { length: 1, next: 1 }, &["", ""]),
            ("\n", Found::Record { length: 0, next: 1 }, &[""]),
            ("\"a,\n\"\"b\",\"\"\r\n", Found::Record { length: 11, next: 13 }, &["q:a,\n\"\"b", "q:"]),
            ("a\"b,c\n", Found::Record { length: 5, next: 6 }, &["a\"b", "c"]),
            ("a\rb,c\n", Found::Record { length: 5, next: 6 }, &["a\rb", "c"]),
            ("\"a\"b,c\n", Found::AfterQuote { length: 6, next: 7, at: 3 }, &["q:a"]),
            ("1,\"a\r\nb\"c\n", Found::AfterQuote { length: 4, next: 6, at: 8 }, &["1", "q:a\r\nb"]),
            ("\"a,b\n", Found::OpenQuote, &[]),
        ] {
            assert_eq!(look(text, true), (found, fields.iter().map(|&f| f.to_owned()).collect()), "{text:?}");
        }
    }

    #[test]
    fn a_record_is_short_until_its_line_feed() {
        let text = "\"a\"\"b\",c\r\n";
        for end in 0..text.len() {
            assert_eq!(look(&text[..end], false).0, Found::Short, "{end}");
        }
        assert_eq!(look(text, false).0, Found::Record { length: 8, next: 10 });
    }
}

//! Finds where a broken record ends, if that is certain, and how many records a text may hold if it
//! is not (ADR 28).

use millrace_engine::error::Result;

use crate::files::cell::Refusal;
use crate::files::delivery::Place;
use crate::files::fields::Records;
use crate::files::window::LineCounter;
use crate::json_files::scan::is_space;

/// What is known about the end of a broken element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Its length in bytes, up to the comma or bracket of the array around it.
    Known(usize),
    /// Brackets or quotes do not match, so its text may be that of several elements.
    Unknown,
}

/// Looks for the end of a broken array element by its brackets and quotes. It can be fed bytes in
/// parts; a result for some bytes also holds for any longer text that begins with them.
///
/// A missing or stray bracket is detected by the others: each closing bracket must match the last
/// one that was opened, and each opening bracket must be where a value may begin. A missing or
/// stray quote exchanges the inside and the outside of texts; then a text contains a line feed, or
/// the separator between two records.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// The brackets that are open, outermost first.
    open: Vec<u8>,
    in_string: bool,
    escape: bool,
    /// The last byte that was not a space, and within a text also the one before it, to recognize
    /// `},`.
    previous: u8,
    before: u8,
    /// Bytes that were fed before.
    seen: usize,
}

impl Reach {
    /// Continues with the bytes that follow. Returns `None` if the element does not end in them.
    pub(super) fn feed(&mut self, text: &[u8]) -> Option<Extent> {
        for &byte in text {
            let at = self.seen;
            self.seen += 1;
            if self.in_string {
                match byte {
                    _ if self.escape => self.escape = false,
                    b'\\' => self.escape = true,
                    b'"' => self.in_string = false,
                    // JSON allows no control characters in a text: a quote is missing or stray.
                    0..0x20 => return Some(Extent::Unknown),
                    b'{' if (self.before, self.previous) == (b'}', b',') => return Some(Extent::Unknown),
                    _ => {}
                }
                if byte != b' ' {
                    (self.before, self.previous) = (self.previous, byte);
                }
                continue;
            }
            let around = self.open.last().copied();
            match (byte, around) {
                (b'{' | b'[', _) => {
                    // The element itself must be the first byte; a value follows a colon, a comma
                    // or a bracket.
                    let is_value = match around {
                        None => at == 0,
                        Some(b'{') => self.previous == b':',
                        Some(_) => matches!(self.previous, b'[' | b','),
                    };
                    if !is_value {
                        return Some(Extent::Unknown);
                    }
                    self.open.push(byte);
                }
                (b'}', Some(b'{')) | (b']', Some(b'[')) => _ = self.open.pop(),
                (b',' | b']', None) => return Some(Extent::Known(at)),
                // A colon outside of any object: a bracket before it closed the object too early.
                (b'}' | b']', _) | (b':', None) => return Some(Extent::Unknown),
                (b'"', _) => (self.in_string, self.before) = (true, 0),
                // After a text only `:`, `,` or a closing bracket may come. Anything else was meant
                // to be quoted.
                (_, _) if self.previous == b'"' && !is_space(byte) && !matches!(byte, b':' | b',') => {
                    return Some(Extent::Unknown);
                }
                _ => {}
            }
            if !is_space(byte) {
                self.previous = byte;
            }
        }
        None
    }
}

/// Puts each object within a broken line or element that may be another record into quarantine too,
/// beside the broken one: a missing line feed or bracket must not hide how many records are
/// missing.
pub(super) fn set_aside_others<S: Records>(place: Place<'_>, records: &mut S) -> Result<()> {
    let starts = others(place.raw);
    let mut lines = LineCounter::new(place.raw, place.line);
    for (start, raw) in parts(place.raw, &starts) {
        records.refuse(
            None,
            Refusal::broken("the object is in a record that was set aside, and may be one of its own"),
        );
        let line = lines.line_of(start);
        records.end_record(Place { file: place.file, line, raw })?;
    }
    Ok(())
}

/// Where further records may start within a broken one. Nowhere, if it begins with a brace and its
/// brackets and quotes are consistent up to its end.
fn others(text: &[u8]) -> Vec<usize> {
    let is_object = text.starts_with(b"{");
    if is_object && Reach::default().feed(text).is_none() {
        return Vec::new();
    }
    // The last bytes that were not spaces. After a colon, or a colon and a bracket, an object is a
    // value within the record, not a record.
    let (mut before, mut previous) = (0, 0);
    let mut starts = Vec::new();
    for (at, &byte) in text.iter().enumerate() {
        let is_value = previous == b':' || (previous == b'[' && before == b':');
        if byte == b'{' && at > 0 && !is_value {
            starts.push(at);
        }
        if !is_space(byte) {
            (before, previous) = (previous, byte);
        }
    }
    starts
}

/// Splits a text at the places `starts`. Yields each place and the text from there to the next one.
pub(super) fn parts<'t>(text: &'t [u8], starts: &'t [usize]) -> impl Iterator<Item = (usize, &'t [u8])> {
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(move |(&start, end)| (start, &text[start..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends() {
        for (text, end) in [
            (r#"{"a": 1x}, {"b": 2}]"#, Some(Extent::Known(9))),
            (r#"{"a": [1, {"c": 2x}, {}]}, {"b": 2}]"#, Some(Extent::Known(25))),
            (r#"{"a": "],}\"", x}, 1]"#, Some(Extent::Known(17))),
            ("abc, 1]", Some(Extent::Known(3))),
            ("]", Some(Extent::Known(0))),
            // A missing or stray bracket.
            (r#"{"a": [1, 2}, {"b": 2}]"#, Some(Extent::Unknown)),
            (r#"{"a": 1 ]"#, Some(Extent::Unknown)),
            (r#"{"a": 1, {"b": 2}, {"b": 3}}]"#, Some(Extent::Unknown)),
            (r#"{"a": {"b": 2}, {"b": 3}}]"#, Some(Extent::Unknown)),
            (r#"{"a": [1 {"b": 2}]}]"#, Some(Extent::Unknown)),
            (r#""a": 1, {"b": 3}]"#, Some(Extent::Unknown)),
            ("}}, 1]", Some(Extent::Unknown)),
            // A missing or stray quote.
            (r#"{"a": "x}, {"b": 2}]"#, Some(Extent::Unknown)),
            (r#"{"a": "x"", "b": "y"},{"b": 2}]"#, Some(Extent::Unknown)),
            (r#"{"a": "x{"a": "y"},{"b": 2}]"#, Some(Extent::Unknown)),
            ("{\"a\": \"x},\n{\"b\": 2}]", Some(Extent::Unknown)),
            (r#"{"a": "x\"}, {"b": 2}]"#, Some(Extent::Unknown)),
            (r#"{"a": 1"#, None),
            (r#""\"#, None),
        ] {
            assert_eq!(Reach::default().feed(text.as_bytes()), end, "{text}");
            let mut reach = Reach::default();
            let found = text.as_bytes().chunks(1).find_map(|byte| reach.feed(byte));
            assert_eq!(found, end, "byte by byte: {text}");
        }
    }

    #[test]
    fn objects_in_a_line() {
        for (line, starts) in [
            (r#"{"a": 1x}"#, &[][..]),
            (r#"{"a": 1x, "b": [{"c": 1}, {"c": 2}]}"#, &[]),
            (r#"{"a": 1, "b": [{"c": 1}, {"c": 2"#, &[]),
            (r#"{"a": 1}{"a": 2} {"a": 3}"#, &[8, 17]),
            ("{\"a\": 1}\r{\"a\": 2}", &[9]),
            (r#"{"a": 1},{"a": 2}"#, &[9]),
            (r#"{"a": 1{"a": 2}"#, &[7]),
            (r#"{"a": "x{"a": "y"}"#, &[8]),
            (r#"[{"a": {}}, {"a": 2}]"#, &[1, 12]),
            ("[1, 2]", &[]),
            (r#"{"a": 1}[{"a": 2}"#, &[9]),
            (r#"{"a": 1}, "b": [{"c": 2}"#, &[]),
        ] {
            assert_eq!(others(line.as_bytes()), starts, "{line}");
        }
        let parted: Vec<_> = parts(b"abcdef", &[1, 4]).collect();
        assert_eq!(parted, [(1, &b"bcd"[..]), (4, &b"ef"[..])]);
    }
}

//! Where a broken record ends, if anybody can say, and how many records may be in a text of which nobody can. See ADR 0028.

use millrace_engine::error::Result;

use crate::files::cell::Refusal;
use crate::files::delivery::Place;
use crate::files::fields::Records;
use crate::files::window::LineCounter;
use crate::json_files::scan::is_space;

/// What is known of the end of a broken element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// It has so many bytes: up to the comma or the bracket of the array around it.
    Known(usize),
    /// Brackets or quotes do not match, so that its text may be that of several.
    Unknown,
}

/// Looks for the end of a broken element of an array by its brackets and quotes. What it says of a text it also says of any longer one.
///
/// A bracket that is too many or lacks is told by where the others stand: each closes the one that was opened last, and each opens where a
/// value may stand. A quote that is too many or lacks turns texts and what is between them around; then a line feed, or what stands between two
/// records, is within a text.
#[derive(Debug, Default)]
pub(super) struct Reach {
    open: Vec<u8>,
    in_string: bool,
    escape: bool,
    /// The last byte that was no space, and within a text the last two of `}` and `,`.
    previous: u8,
    before: u8,
    seen: usize,
}

impl Reach {
    /// Goes on with what follows. None where the element does not end in it.
    pub(super) fn feed(&mut self, text: &[u8]) -> Option<Extent> {
        for &byte in text {
            let at = self.seen;
            self.seen += 1;
            if self.in_string {
                match byte {
                    _ if self.escape => self.escape = false,
                    b'\\' => self.escape = true,
                    b'"' => self.in_string = false,
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
                // A key stands in an object: a bracket before it was one too many.
                (b'}' | b']', _) | (b':', None) => return Some(Extent::Unknown),
                (b'"', _) => (self.in_string, self.before) = (true, 0),
                // A text is a key or a value, and then comes a mark. What comes here was meant to be within quotes.
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

/// Puts into quarantine, beside a broken line or element that is there, each object in it that may be another record: a line feed that lacks, or a
/// bracket, must not hide how many they are.
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

/// Where further records may start in a broken one: nowhere if it is an object whose brackets and quotes are those of one.
fn others(text: &[u8]) -> Vec<usize> {
    let is_object = text.starts_with(b"{");
    if is_object && Reach::default().feed(text).is_none() {
        return Vec::new();
    }
    // The last bytes that were no spaces: behind a colon stands a value, or an array that is one.
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

/// The parts of a text from each of these places on to the next one, with the places.
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
            // A bracket that lacks, or is too many.
            (r#"{"a": [1, 2}, {"b": 2}]"#, Some(Extent::Unknown)),
            (r#"{"a": 1 ]"#, Some(Extent::Unknown)),
            (r#"{"a": 1, {"b": 2}, {"b": 3}}]"#, Some(Extent::Unknown)),
            (r#"{"a": {"b": 2}, {"b": 3}}]"#, Some(Extent::Unknown)),
            (r#"{"a": [1 {"b": 2}]}]"#, Some(Extent::Unknown)),
            (r#""a": 1, {"b": 3}]"#, Some(Extent::Unknown)),
            ("}}, 1]", Some(Extent::Unknown)),
            // A quote.
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

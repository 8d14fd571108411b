//! The least parts of JSON's grammar (RFC 8259) over bytes: texts, numbers, words. Who reads records puts objects and arrays together from them,
//! and so does who checks a single value ([`json_text`](crate::files::json_text)).
//!
//! A text may end anywhere, since more of it may come. Whether its bytes are UTF-8 is not looked at.

use crate::files::number::{ONES, Short, read_digits};

/// Levels of objects and arrays within each other, a record's own counted. Servers take fewer.
pub(crate) const MAX_DEPTH: usize = 512;

/// What is wrong with a value that has more.
pub(crate) const TOO_DEEP: &str = "objects and arrays are nested too deeply (512 levels are allowed)";

const HIGHS: u64 = ONES * 0x80;

/// Why a part does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The bytes end before it does.
    Short,
    /// From that byte on it is no JSON.
    Broken { at: usize, why: &'static str },
}

fn broken<T>(at: usize, why: &'static str) -> Result<T, Fault> {
    Err(Fault::Broken { at, why })
}

/// Whether JSON lets the byte stand between values.
#[inline]
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// Where a word ends that starts at `at`.
#[inline]
pub(crate) fn word(text: &[u8], at: usize, word: &'static [u8]) -> Result<usize, Fault> {
    let found = &text[at..text.len().min(at + word.len())];
    if found == word {
        Ok(at + word.len())
    } else if word.starts_with(found) {
        Err(Fault::Short)
    } else {
        broken(at, "expected a value")
    }
}

/// Where a number ends that starts at `start` with a sign or a digit, and the number where it is a short one. Behind one that goes to the end
/// of the text more digits may come.
#[inline]
pub(crate) fn number(text: &[u8], start: usize) -> Result<(usize, Option<Short>), Fault> {
    fn digits(text: &[u8], at: usize, value: &mut i64) -> Result<usize, Fault> {
        match read_digits(text, at, value) {
            end if end > at => Ok(end),
            end if end >= text.len() => Err(Fault::Short),
            end => broken(end, "a number lacks a digit"),
        }
    }
    let negative = text[start] == b'-';
    let first = start + usize::from(negative);
    let mut value = 0;
    let mut at = if text.get(first) == Some(&b'0') {
        if text.get(first + 1).is_some_and(u8::is_ascii_digit) {
            return broken(first, "a number starts with a zero");
        }
        first + 1
    } else {
        digits(text, first, &mut value)?
    };
    let (mut count, mut fraction) = (at - first, 0);
    if text.get(at) == Some(&b'.') {
        let end = digits(text, at + 1, &mut value)?;
        fraction = end - at - 1;
        count += fraction;
        at = end;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        if matches!(text.get(at), Some(b'+' | b'-')) {
            at += 1;
        }
        at = digits(text, at, &mut value)?;
        count = usize::MAX;
    }
    let short = (count <= Short::DIGITS).then(|| Short {
        value: if negative { -value } else { value },
        digits: count as u8,
        fraction: fraction as u8,
    });
    Ok((at, short))
}

/// A text in quotes that ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quoted {
    /// Where it ends, behind its closing quote.
    pub(crate) end: usize,
    /// Whether there are escapes in it.
    pub(crate) escaped: bool,
    /// Whether all of it is ASCII for certain.
    pub(crate) is_ascii: bool,
}

/// Looks for the end of a text from the byte after its opening quote on.
#[inline]
pub(crate) fn string(text: &[u8], start: usize) -> Result<Quoted, Fault> {
    let mut at = start;
    let mut escaped = false;
    let mut high = 0u64;
    loop {
        // Eight bytes at a time. The lowest marked byte is the first quote, backslash or control character; marks above it
        // may be false, since a subtraction borrows from its neighbour.
        while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_le_bytes(*chunk);
            let equal = |byte: u8| {
                let difference = word ^ (ONES * u64::from(byte));
                difference.wrapping_sub(ONES) & !difference
            };
            let control = word.wrapping_sub(ONES * 0x20) & !word;
            let marks = (equal(b'"') | equal(b'\\') | control) & HIGHS;
            high |= word;
            if marks != 0 {
                at += marks.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        let Some(&byte) = text.get(at) else { return Err(Fault::Short) };
        match byte {
            b'"' => return Ok(Quoted { end: at + 1, escaped, is_ascii: high & HIGHS == 0 }),
            b'\\' => {
                escaped = true;
                at = escape(text, at + 1)?;
            }
            0..0x20 => return broken(at, "a control character stands in a text without an escape"),
            _ => {
                high |= u64::from(byte);
                at += 1;
            }
        }
    }
}

/// Where an escape ends, from the byte after its backslash on.
fn escape(text: &[u8], at: usize) -> Result<usize, Fault> {
    let half = || broken(at, "a `\\u` escape is half a character");
    match text.get(at) {
        None => Err(Fault::Short),
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 1),
        Some(b'u') => match hex(text, at + 1)? {
            0xD800..0xDC00 => {
                let low = match (text.get(at + 5), text.get(at + 6)) {
                    (Some(b'\\'), Some(b'u')) => hex(text, at + 7)?,
                    (None, _) | (Some(b'\\'), None) => return Err(Fault::Short),
                    _ => 0,
                };
                if (0xDC00..0xE000).contains(&low) { Ok(at + 11) } else { half() }
            }
            0xDC00..0xE000 => half(),
            _ => Ok(at + 5),
        },
        Some(_) => broken(at, "a backslash is followed by no known escape"),
    }
}

/// The number of four digits of base 16.
pub(crate) fn hex(text: &[u8], at: usize) -> Result<u32, Fault> {
    let mut code = 0;
    for place in at..at + 4 {
        let Some(&byte) = text.get(place) else { return Err(Fault::Short) };
        let Some(digit) = char::from(byte).to_digit(16) else {
            return broken(place, "a `\\u` escape lacks its four digits");
        };
        code = code * 16 + digit;
    }
    Ok(code)
}

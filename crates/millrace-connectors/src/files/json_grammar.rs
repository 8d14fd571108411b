//! The tokens of JSON's grammar (RFC 8259) over bytes: strings, numbers, words. Readers of records
//! and the check of a single value ([`json_text`](crate::files::json_text)) combine them into
//! objects and arrays.
//!
//! A text may end anywhere, because more of it may come; this is [`Fault::Short`]. Whether the
//! bytes are UTF-8 is not checked.

use crate::files::number::{ONES, Short, read_digits};

/// Levels of objects and arrays within each other, including the record's own. Servers accept
/// fewer.
pub(crate) const MAX_DEPTH: usize = 512;

/// The reason of a value with more levels.
pub(crate) const TOO_DEEP: &str = "objects and arrays are nested too deeply (512 levels are allowed)";

/// The highest bit of each byte.
const HIGHS: u64 = ONES * 0x80;

/// Why a token does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The text ends before the token does.
    Short,
    /// The byte at `at` cannot stand there.
    Broken { at: usize, why: &'static str },
}

fn broken<T>(at: usize, why: &'static str) -> Result<T, Fault> {
    Err(Fault::Broken { at, why })
}

/// Whether JSON allows the byte between values.
#[inline]
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// Matches a word (`true`, `false`, `null`) at `at`. Returns the place after it.
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

/// Parses a number that starts at `start` with a sign or a digit. Returns the place after it, and
/// its value if it is a short one. If the number goes to the end of the text, more digits may
/// follow.
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
        // A number with an exponent is never a short one.
        count = usize::MAX;
    }
    let short = (count <= Short::DIGITS).then(|| Short {
        value: if negative { -value } else { value },
        digits: count as u8,
        fraction: fraction as u8,
    });
    Ok((at, short))
}

/// The end of a string, and what was seen in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quoted {
    /// The place after its closing quote.
    pub(crate) end: usize,
    /// Whether it contains escapes.
    pub(crate) escaped: bool,
    /// Whether it is certainly all ASCII. May be false for ASCII, if other bytes follow the string.
    pub(crate) is_ascii: bool,
}

/// Finds the end of a string from the byte after its opening quote on. Refuses control characters
/// and unknown escapes.
#[inline]
pub(crate) fn string(text: &[u8], start: usize) -> Result<Quoted, Fault> {
    let mut at = start;
    let mut escaped = false;
    let mut high = 0u64;
    loop {
        // Eight bytes at a time. The lowest marked byte is the first quote, backslash or control
        // character. Marks above it may be false, because a subtraction borrows from the next byte.
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

/// Checks an escape from the byte after its backslash on, and returns the place after it. An
/// escaped surrogate must be a pair.
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

/// The value of four hexadecimal digits.
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

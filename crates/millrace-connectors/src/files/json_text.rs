//! Whether a text is JSON by RFC 8259, as every warehouse takes it: servers let pass what others refuse (`1.`, `"\x41"`, an empty text).
//!
//! Nothing is built on the way, and nothing of the text is changed: numbers keep all their digits, equal keys stay.

use std::borrow::Cow;

use crate::files::cell::Refusal;
use crate::files::number::ONES;

/// Levels of objects and arrays within each other, as a record of a JSON file may have them. Servers take fewer.
const MAX_DEPTH: usize = 512;

const HIGHS: u64 = ONES * 0x80;

/// Why a text is no JSON, and at which byte.
#[derive(Debug, PartialEq, Eq)]
struct Broken {
    at: usize,
    why: &'static str,
}

/// Refuses a text, which is UTF-8, that is not one value of JSON with nothing but space around it.
pub(crate) fn check(text: &[u8]) -> Result<(), Refusal> {
    scan(text).map_err(|Broken { at, why }| {
        Refusal::wrong_type(Cow::Owned(format!(
            "expected JSON, which this is not from byte {} on: {why}",
            at + 1
        )))
    })
}

/// What stands open around a place: a bit for each level, set for an object.
struct Open {
    objects: [u64; MAX_DEPTH / 64],
    depth: usize,
}

impl Open {
    fn push(&mut self, object: bool) -> bool {
        if self.depth == MAX_DEPTH {
            return false;
        }
        let (word, bit) = (self.depth / 64, 1 << (self.depth % 64));
        if object {
            self.objects[word] |= bit;
        } else {
            self.objects[word] &= !bit;
        }
        self.depth += 1;
        true
    }

    /// Whether the innermost level is an object; none where nothing is open.
    fn innermost(&self) -> Option<bool> {
        let last = self.depth.checked_sub(1)?;
        Some(self.objects[last / 64] & (1 << (last % 64)) != 0)
    }
}

fn scan(text: &[u8]) -> Result<(), Broken> {
    let mut open = Open { objects: [0; MAX_DEPTH / 64], depth: 0 };
    let mut at = space(text, 0);
    loop {
        // A value begins here.
        match text.get(at) {
            Some(b'{') => {
                if !open.push(true) {
                    return deep(at);
                }
                at = space(text, at + 1);
                if text.get(at) == Some(&b'}') {
                    open.depth -= 1;
                    at += 1;
                } else {
                    at = name(text, at)?;
                    continue;
                }
            }
            Some(b'[') => {
                if !open.push(false) {
                    return deep(at);
                }
                at = space(text, at + 1);
                if text.get(at) == Some(&b']') {
                    open.depth -= 1;
                    at += 1;
                } else {
                    continue;
                }
            }
            Some(b'"') => at = string(text, at + 1)?,
            Some(b'-' | b'0'..=b'9') => at = number(text, at)?,
            Some(b't') => at = word(text, at, b"true")?,
            Some(b'f') => at = word(text, at, b"false")?,
            Some(b'n') => at = word(text, at, b"null")?,
            Some(_) => return broken(at, "expected a value"),
            None => return broken(at, "it ends where a value is expected"),
        }
        // A value has ended: so have all around it that end here.
        loop {
            at = space(text, at);
            match (open.innermost(), text.get(at)) {
                (None, None) => return Ok(()),
                (None, Some(_)) => return broken(at, "something follows the value"),
                (Some(_), None) => return broken(at, "it ends within an object or array"),
                (Some(true), Some(b',')) => {
                    at = name(text, space(text, at + 1))?;
                    break;
                }
                (Some(false), Some(b',')) => {
                    at = space(text, at + 1);
                    break;
                }
                (Some(true), Some(b'}')) | (Some(false), Some(b']')) => {
                    open.depth -= 1;
                    at += 1;
                }
                (Some(_), Some(_)) => {
                    return broken(at, "expected a comma or the end of the object or array");
                }
            }
        }
    }
}

fn broken<T>(at: usize, why: &'static str) -> Result<T, Broken> {
    Err(Broken { at, why })
}

fn deep<T>(at: usize) -> Result<T, Broken> {
    broken(at, "objects and arrays are nested too deeply (512 levels are allowed)")
}

fn space(text: &[u8], mut at: usize) -> usize {
    while matches!(text.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// A field's name and the colon behind it; returns where the value begins.
fn name(text: &[u8], at: usize) -> Result<usize, Broken> {
    if text.get(at) != Some(&b'"') {
        return broken(at, "expected a field name in double quotes");
    }
    let at = space(text, string(text, at + 1)?);
    if text.get(at) != Some(&b':') {
        return broken(at, "expected a colon after a field name");
    }
    Ok(space(text, at + 1))
}

fn word(text: &[u8], at: usize, word: &[u8]) -> Result<usize, Broken> {
    if text[at..].starts_with(word) { Ok(at + word.len()) } else { broken(at, "expected a value") }
}

fn number(text: &[u8], start: usize) -> Result<usize, Broken> {
    let digits = |from: usize| {
        let count = text[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 { broken(from, "a number lacks a digit") } else { Ok(from + count) }
    };
    let first = start + usize::from(text[start] == b'-');
    let mut at = if text.get(first) == Some(&b'0') {
        if text.get(first + 1).is_some_and(u8::is_ascii_digit) {
            return broken(first, "a number starts with a zero");
        }
        first + 1
    } else {
        digits(first.min(text.len()))?
    };
    if text.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1;
        at = digits(at + usize::from(matches!(text.get(at), Some(b'+' | b'-'))))?;
    }
    Ok(at)
}

/// A string from the byte after its opening quote on; returns what follows its closing quote.
fn string(text: &[u8], mut at: usize) -> Result<usize, Broken> {
    loop {
        // Eight bytes at a time. The lowest marked byte is the first quote, backslash or control character; marks above it may be false,
        // since a subtraction borrows from its neighbour.
        while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
            let word = u64::from_le_bytes(*chunk);
            let equal = |byte: u8| {
                let difference = word ^ (ONES * u64::from(byte));
                difference.wrapping_sub(ONES) & !difference
            };
            let control = word.wrapping_sub(ONES * 0x20) & !word;
            let marks = (equal(b'"') | equal(b'\\') | control) & HIGHS;
            if marks != 0 {
                at += marks.trailing_zeros() as usize / 8;
                break;
            }
            at += 8;
        }
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = escape(text, at + 1)?,
            Some(0..0x20) => return broken(at, "a control character stands in a text without an escape"),
            Some(_) => at += 1,
            None => return broken(at, "a text is not closed"),
        }
    }
}

/// What follows a backslash.
fn escape(text: &[u8], at: usize) -> Result<usize, Broken> {
    match text.get(at) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 1),
        Some(b'u') => match hex(text, at + 1)? {
            0xD800..0xDC00 => {
                let low = if text[at + 5..].starts_with(b"\\u") { hex(text, at + 7)? } else { 0 };
                if (0xDC00..0xE000).contains(&low) { Ok(at + 11) } else { half(at) }
            }
            0xDC00..0xE000 => half(at),
            _ => Ok(at + 5),
        },
        _ => broken(at, "a backslash is followed by no known escape"),
    }
}

fn half<T>(at: usize) -> Result<T, Broken> {
    broken(at, "a `\\u` escape is half a character")
}

fn hex(text: &[u8], at: usize) -> Result<u32, Broken> {
    let mut code = 0;
    for place in at..at + 4 {
        let digit = text.get(place).and_then(|byte| char::from(*byte).to_digit(16));
        let Some(digit) = digit else { return broken(place, "a `\\u` escape lacks its four digits") };
        code = code * 16 + digit;
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same by another reader. It lets half characters pass where it builds nothing, and holds no number beyond those of a double, which
    /// are taken here as they are written.
    fn oracle(text: &str) -> bool {
        if serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
            return false;
        }
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(_) => true,
            Err(error) => error.to_string().contains("number out of range") && !text.contains("\\u"),
        }
    }

    fn is_json(text: &str) -> bool {
        scan(text.as_bytes()).is_ok()
    }

    #[test]
    fn what_servers_take_and_others_do_not() {
        for (text, at, why) in [
            ("", 0, "it ends where a value is expected"),
            (" ", 1, "it ends where a value is expected"),
            ("1.", 2, "a number lacks a digit"),
            (".5", 0, "expected a value"),
            ("+1", 0, "expected a value"),
            ("01", 0, "a number starts with a zero"),
            ("1e", 2, "a number lacks a digit"),
            ("-", 1, "a number lacks a digit"),
            ("NaN", 0, "expected a value"),
            ("nul", 0, "expected a value"),
            (r#""\x41""#, 2, "a backslash is followed by no known escape"),
            (r#""\a""#, 2, "a backslash is followed by no known escape"),
            (r#""\é""#, 2, "a backslash is followed by no known escape"),
            (r#""\ud800""#, 2, "a `\\u` escape is half a character"),
            (r#""\ud800\u0041""#, 2, "a `\\u` escape is half a character"),
            (r#""\udc00""#, 2, "a `\\u` escape is half a character"),
            (r#""\u12""#, 5, "a `\\u` escape lacks its four digits"),
            ("\"a\tb\"", 2, "a control character stands in a text without an escape"),
            (r#""a"#, 2, "a text is not closed"),
            (r"{a:1}", 1, "expected a field name in double quotes"),
            (r#"{"a" 1}"#, 5, "expected a colon after a field name"),
            (r#"{"a":1,}"#, 7, "expected a field name in double quotes"),
            ("[1,]", 3, "expected a value"),
            ("[1}", 2, "expected a comma or the end of the object or array"),
            ("[1", 2, "it ends within an object or array"),
            ("1 2", 2, "something follows the value"),
            ("[1] // a", 4, "something follows the value"),
        ] {
            assert_eq!(scan(text.as_bytes()), Err(Broken { at, why }), "{text}");
            assert!(!oracle(text), "{text}");
        }
        for text in [
            "1",
            "-0",
            " [ ] ",
            "{}",
            r#"{"a":1,"a":[2e400,{"b":"\u0000\ud83d\ude00"}]}"#,
            "\"\u{7f}é\"",
            "1e999999",
        ] {
            assert!(is_json(text), "{text}");
        }
        let refusal = check(b"1.").expect_err("no JSON");
        assert_eq!(refusal.reason, "expected JSON, which this is not from byte 3 on: a number lacks a digit");
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |levels: usize| format!("{}1{}", "[{\"a\":".repeat(levels / 2), "}]".repeat(levels / 2));
        assert!(is_json(&deep(MAX_DEPTH)));
        assert!(!is_json(&deep(MAX_DEPTH + 2)) && !is_json(&deep(1_000_000)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn pieces_of_json_as_another_reader_takes_them(
            pieces in proptest::collection::vec(
                proptest::sample::select(vec![
                    "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\\", "\\u", "d800", "dc00", "0041", "u", "n", "1", "0", "-", ".", "e", "E+", "5",
                    "true", "false", "null", " ", "\n", "\t", "é", "\u{0}", "\"k\":", "abcdefgh", "x",
                ]),
                0..14,
            )
        ) {
            let text = pieces.concat();
            // Where both stand in one text the other reader names only the first.
            prop_assume!(!(text.contains("\\u") && text.contains(['e', 'E'])));
            prop_assert_eq!(is_json(&text), oracle(&text), "{}", text);
        }

        #[test]
        fn valid_json_with_one_byte_changed(
            value in proptest::collection::vec((any::<i64>(), ".{0,12}", any::<f64>()), 0..4),
            place in any::<prop::sample::Index>(),
            byte in proptest::sample::select(b"{}[],:\"\\u0d1.-eEtfn \x01a".to_vec()),
        ) {
            let value = serde_json::json!({"list": value, "nested": {"of": [null, true, {"x": "y"}]}});
            let text = value.to_string();
            prop_assert!(is_json(&text));
            let mut changed = text.into_bytes();
            let at = place.index(changed.len());
            changed[at] = byte;
            if let Ok(changed) = String::from_utf8(changed) {
                // Of a number that is no double the other reader tells before it comes to half characters, which this text may have.
                let no_double = serde_json::from_str::<serde_json::Value>(&changed)
                    .is_err_and(|error| error.to_string().contains("number out of range"));
                prop_assume!(!(no_double && changed.contains("\\u")));
                prop_assert_eq!(is_json(&changed), oracle(&changed), "{}", changed);
            }
        }
    }
}

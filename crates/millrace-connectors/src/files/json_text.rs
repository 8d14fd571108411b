//! Checks whether a text is JSON by RFC 8259, as every warehouse accepts it. Some servers accept
//! what others refuse (`1.`, `"\x41"`, an empty text).
//!
//! The check builds nothing and changes nothing: numbers keep all their digits, and repeated keys
//! stay.

use std::borrow::Cow;

use crate::files::cell::Refusal;
use crate::files::json_grammar::{self, Fault, MAX_DEPTH, TOO_DEEP, is_space};

/// Why a text is not JSON, and the offset of the byte where that shows.
#[derive(Debug, PartialEq, Eq)]
struct Broken {
    at: usize,
    why: &'static str,
}

/// Refuses a UTF-8 text that is not exactly one JSON value with optional space around it.
pub(crate) fn check(text: &[u8]) -> Result<(), Refusal> {
    scan(text).map_err(|Broken { at, why }| {
        Refusal::wrong_type(Cow::Owned(format!(
            "expected JSON, which this is not from byte {} on: {why}",
            at + 1
        )))
    })
}

/// Does the same for many texts, without the reason.
#[cfg(any(feature = "json", feature = "csv"))]
pub(crate) fn is_json(text: &[u8]) -> bool {
    scan(text).is_ok()
}

/// The open objects and arrays around a place: one bit for each level, set for an object. Bounds
/// the memory and avoids recursion.
struct Open {
    objects: [u64; MAX_DEPTH / 64],
    depth: usize,
}

impl Open {
    /// Opens a level. Returns false if there are too many.
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

    /// Whether the innermost level is an object; `None` if nothing is open.
    fn innermost(&self) -> Option<bool> {
        let last = self.depth.checked_sub(1)?;
        Some(self.objects[last / 64] & (1 << (last % 64)) != 0)
    }
}

/// Parses one value and all that is in it, by a loop over its tokens. Each turn of the outer loop
/// begins a value; the inner loop closes what ends after it.
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
        // A value has ended here, and so may objects and arrays around it.
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

/// An error at byte `at`.
fn broken<T>(at: usize, why: &'static str) -> Result<T, Broken> {
    Err(Broken { at, why })
}

/// The error of a level too many.
fn deep<T>(at: usize) -> Result<T, Broken> {
    broken(at, TOO_DEEP)
}

/// The first place from `at` on that is not space.
fn space(text: &[u8], mut at: usize) -> usize {
    while text.get(at).copied().is_some_and(is_space) {
        at += 1;
    }
    at
}

/// Parses a field name and its colon. Returns the place where the value begins.
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

/// Turns a fault of a part that may go on into an error of a text that is complete: if the part is
/// too short, `why` is wrong with it at byte `at`.
fn whole<T>(part: Result<T, Fault>, at: usize, why: &'static str) -> Result<T, Broken> {
    part.map_err(|fault| match fault {
        Fault::Short => Broken { at, why },
        Fault::Broken { at, why } => Broken { at, why },
    })
}

/// Matches a word. Returns the place after it.
fn word(text: &[u8], at: usize, word: &'static [u8]) -> Result<usize, Broken> {
    whole(json_grammar::word(text, at, word), at, "expected a value")
}

/// Parses a number. Returns the place after it.
fn number(text: &[u8], start: usize) -> Result<usize, Broken> {
    let number = json_grammar::number(text, start);
    whole(number, text.len(), "a number lacks a digit").map(|(end, _)| end)
}

/// Parses a string from the byte after its opening quote on. Returns the place after its closing
/// quote.
fn string(text: &[u8], at: usize) -> Result<usize, Broken> {
    whole(json_grammar::string(text, at), text.len(), "a text is not closed").map(|quoted| quoted.end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same answer by another reader. It accepts lone surrogates if it builds nothing, so
    /// values are built too. It refuses numbers beyond a double, which are valid here.
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
        super::is_json(text.as_bytes())
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
            // If a text has both faults, the other reader names only the first.
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
                // The other reader reports a number beyond a double first, and never reaches a lone
                // surrogate after it.
                let no_double = serde_json::from_str::<serde_json::Value>(&changed)
                    .is_err_and(|error| error.to_string().contains("number out of range"));
                prop_assume!(!(no_double && changed.contains("\\u")));
                prop_assert_eq!(is_json(&changed), oracle(&changed), "{}", changed);
            }
        }
    }
}

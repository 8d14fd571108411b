//! Scans objects and values of JSON (RFC 8259) in bytes, strictly.
//!
//! A scanned value is valid from its first byte to its last, in UTF-8, and without unpaired
//! surrogates in its escapes. Texts are not decoded and numbers are not converted on the way. A
//! value that is cut off ([`Stop::Short`]) is kept apart from one that is broken, so that the
//! caller can read more bytes and scan again.

use std::ops::Range;

use crate::files::cell::Refusal;
pub(super) use crate::files::json_grammar::is_space;
use crate::files::json_grammar::{self, Fault, MAX_DEPTH, TOO_DEEP, hex};
use crate::files::number::Short;

/// Why a scan did not reach the end of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes end before the value does.
    Short,
    /// The bytes are not JSON.
    Broken(Refusal),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Short => Self::Short,
            Fault::Broken { why, .. } => Self::Broken(Refusal::broken(why)),
        }
    }
}

/// The result of a scan.
pub(super) type Scan<T> = Result<T, Stop>;

fn broken<T>(reason: &'static str) -> Scan<T> {
    Err(Stop::Broken(Refusal::broken(reason)))
}

/// A field of an object. Ranges count from the start of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// The name as it is written, without its quotes and not decoded.
    pub(super) name: Range<usize>,
    /// Whether the name contains escapes.
    pub(super) name_escaped: bool,
    /// The kind of the value.
    pub(super) kind: Value,
    /// The value as it is written, with its quotes or brackets.
    pub(super) value: Range<usize>,
}

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    /// A number, already converted if it is a short one.
    Number(Option<Short>),
    Text {
        /// Whether the text contains escapes.
        escaped: bool,
    },
    /// An object or an array.
    Nested,
}

/// The first place from `at` on that is not white space.
fn skip_space(text: &[u8], mut at: usize) -> Scan<usize> {
    loop {
        match text.get(at) {
            Some(&byte) if is_space(byte) => at += 1,
            Some(_) => return Ok(at),
            None => return Err(Stop::Short),
        }
    }
}

/// Scans the object at the start of a text, whose first byte must be the brace, and lists its
/// fields. Returns its length.
pub(super) fn object(text: &[u8], fields: &mut Vec<Field>) -> Scan<usize> {
    fields.clear();
    let mut at = skip_space(text, 1)?;
    if text[at] == b'}' {
        return Ok(at + 1);
    }
    loop {
        if text[at] != b'"' {
            return broken("expected a field name in double quotes");
        }
        let (name_end, name_escaped) = string(text, at + 1)?;
        let name = at + 1..name_end - 1;
        at = colon(text, name_end)?;
        let (end, kind) = value(text, at, 1)?;
        fields.push(Field { name, name_escaped, kind, value: at..end });
        at = skip_space(text, end)?;
        match text[at] {
            b',' => at = skip_space(text, at + 1)?,
            b'}' => return Ok(at + 1),
            _ => return broken("expected a comma or the end of the object"),
        }
    }
}

fn colon(text: &[u8], at: usize) -> Scan<usize> {
    let at = skip_space(text, at)?;
    if text[at] != b':' {
        return broken("expected a colon after a field name");
    }
    skip_space(text, at + 1)
}

/// Scans the value at `at`. `depth` is the number of levels around it. Returns where it ends, and
/// its kind. A number at the very end of the text is short, because more digits may follow.
pub(super) fn value(text: &[u8], at: usize, depth: usize) -> Scan<(usize, Value)> {
    match text.get(at) {
        None => Err(Stop::Short),
        Some(b'"') => string(text, at + 1).map(|(end, escaped)| (end, Value::Text { escaped })),
        Some(b'{' | b'[') => nested(text, at, depth).map(|end| (end, Value::Nested)),
        Some(b'-' | b'0'..=b'9') => number(text, at).map(|(end, short)| (end, Value::Number(short))),
        Some(b't') => Ok((json_grammar::word(text, at, b"true")?, Value::Boolean(true))),
        Some(b'f') => Ok((json_grammar::word(text, at, b"false")?, Value::Boolean(false))),
        Some(b'n') => Ok((json_grammar::word(text, at, b"null")?, Value::Null)),
        Some(_) => broken("expected a value"),
    }
}

/// Scans an object or array within a record. `depth` is the number of levels around it. Nesting
/// beyond [`MAX_DEPTH`] levels is refused.
fn nested(text: &[u8], mut at: usize, depth: usize) -> Scan<usize> {
    if depth >= MAX_DEPTH {
        return broken(TOO_DEEP);
    }
    let object = text[at] == b'{';
    let close = if object { b'}' } else { b']' };
    at = skip_space(text, at + 1)?;
    if text[at] == close {
        return Ok(at + 1);
    }
    loop {
        if object {
            if text[at] != b'"' {
                return broken("expected a field name in double quotes");
            }
            at = colon(text, string(text, at + 1)?.0)?;
        }
        at = value(text, at, depth + 1)?.0;
        at = skip_space(text, at)?;
        match text[at] {
            b',' => at = skip_space(text, at + 1)?,
            byte if byte == close => return Ok(at + 1),
            _ => return broken("expected a comma or the end of the object or array"),
        }
    }
}

/// Scans a number. One at the very end of the text is short, because more digits may follow.
#[inline]
fn number(text: &[u8], start: usize) -> Scan<(usize, Option<Short>)> {
    let (end, short) = json_grammar::number(text, start)?;
    if end == text.len() { Err(Stop::Short) } else { Ok((end, short)) }
}

/// Scans a string; `start` is the byte after its opening quote. Returns the place after its closing
/// quote, and whether it contains escapes. Bytes that are not UTF-8 break the record as
/// `bad-encoding`.
#[inline]
pub(super) fn string(text: &[u8], start: usize) -> Scan<(usize, bool)> {
    let quoted = json_grammar::string(text, start)?;
    if !quoted.is_ascii && std::str::from_utf8(&text[start..quoted.end - 1]).is_err() {
        return Err(Stop::Broken(Refusal::new(
            millrace_core::quarantine::QuarantineCode::BadEncoding,
            "the text is not UTF-8",
        )));
    }
    Ok((quoted.end, quoted.escaped))
}

/// The decoded text of a scanned string without its quotes. It is built in `scratch` if the string
/// contains escapes.
pub(super) fn string_text<'a>(source: &'a [u8], escaped: bool, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if !escaped {
        return source;
    }
    scratch.clear();
    let mut rest = source;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        scratch.extend_from_slice(&rest[..at]);
        let (skip, character) = unescaped(&rest[at + 1..]);
        scratch.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[at + 1 + skip..];
    }
    scratch.extend_from_slice(rest);
    scratch
}

/// Decodes an escape that was scanned before: the number of its bytes after the backslash, and its
/// character. A surrogate pair is one escape of eleven bytes.
fn unescaped(text: &[u8]) -> (usize, char) {
    let code = |at| hex(text, at).unwrap_or(0);
    match text.first() {
        Some(b'b') => (1, '\u{8}'),
        Some(b'f') => (1, '\u{c}'),
        Some(b'n') => (1, '\n'),
        Some(b'r') => (1, '\r'),
        Some(b't') => (1, '\t'),
        Some(b'u') => match code(1) {
            // The scan made sure that the low surrogate follows, as another `\u` escape.
            high @ 0xD800..0xDC00 => {
                let both = 0x10000 + ((high - 0xD800) << 10) + (code(7) - 0xDC00);
                (11, char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            one => (5, char::from_u32(one).unwrap_or(char::REPLACEMENT_CHARACTER)),
        },
        Some(&same) => (1, char::from(same)),
        None => (0, char::REPLACEMENT_CHARACTER),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether the bytes are one object from end to end.
    fn is_object(text: &[u8]) -> bool {
        text.first() == Some(&b'{') && object(text, &mut Vec::new()) == Ok(text.len())
    }

    /// The same by `serde_json`. It accepts unpaired surrogates in a text that it skips, so it has to
    /// build the value.
    fn oracle(text: &[u8]) -> bool {
        text.first() == Some(&b'{')
            && text.last() == Some(&b'}')
            && std::str::from_utf8(text).is_ok()
            && serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(text).is_ok()
    }

    fn decoded(source: &str) -> String {
        let mut scratch = Vec::new();
        String::from_utf8(string_text(source.as_bytes(), true, &mut scratch).to_vec()).expect("UTF-8")
    }

    #[test]
    fn the_grammar_is_strict() {
        for good in
            ["{}", "{ }", r#"{"a":1}"#, r#"{"a":-0.5e+3,"b":[{},[],"x",null,true]}"#, r#"{"":"é\u00e9"}"#]
        {
            assert!(is_object(good.as_bytes()), "{good}");
        }
        for bad in [
            "{",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":01}"#,
            r#"{"a":1.}"#,
            r#"{"a":+1}"#,
            r#"{"a":.5}"#,
            r#"{"a":NaN}"#,
            r#"{"a":tru}"#,
            r"{'a':1}",
            r"{a:1}",
            r#"{"a":"\x"}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\udc00"}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":[1}"#,
            r#"{"a":1 "b":2}"#,
            "{\"a\":\"\t\"}",
            r#"{"a":"\u12g4"}"#,
        ] {
            assert!(!is_object(bad.as_bytes()), "{bad}");
        }
        assert!(!is_object(b"{\"a\":\"\xFF\"}"));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert!(is_object(deep(MAX_DEPTH - 1).as_bytes()));
        assert!(!is_object(deep(MAX_DEPTH).as_bytes()));
        assert!(!is_object(deep(1_000_000).as_bytes()));
    }

    #[test]
    fn every_prefix_is_short() {
        let text = r#"{"a":-12.5e+3,"b":"x\u00e9\ud83d\ude00é","c":[true,false,null,{"d":[]}]}"#;
        for end in 1..text.len() {
            let cut = &text.as_bytes()[..end];
            assert_eq!(object(cut, &mut Vec::new()), Err(Stop::Short), "{}", String::from_utf8_lossy(cut));
        }
    }

    #[test]
    fn escapes() {
        assert_eq!(decoded(r#"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\u0000z"#), "a\"\\/\u{8}\u{c}\n\r\té😀\0z");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn agrees_with_serde_json_on_near_json(
            text in prop::collection::vec(
                prop::sample::select(vec![
                    "{", "}", "[", "]", ":", ",", "\"a\"", "\"", "\\", "\\u00e9", "\\ud83d", "\\ude00", "1", "0", "-", ".5", "e3",
                    "true", "null", "fals", " ", "\n", "é", "\u{1}", "12345678",
                ]),
                0..12,
            )
        ) {
            let text = format!("{{\"k\":{}}}", text.concat());
            // serde_json converts numbers to doubles, and refuses `1e999`.
            let too_large = |error: serde_json::Error| error.to_string().starts_with("number out of range");
            prop_assume!(!serde_json::from_str::<serde_json::Value>(&text).is_err_and(too_large));
            prop_assert_eq!(is_object(text.as_bytes()), oracle(text.as_bytes()), "{}", text);
        }

        #[test]
        fn agrees_with_serde_json_on_strings(text in "\\PC*", tail in prop::collection::vec(any::<u8>(), 0..12)) {
            let encoded = serde_json::to_string(&text).expect("JSON");
            let inner = &encoded[1..encoded.len() - 1];
            prop_assert_eq!(decoded(inner), text);
            let mut bytes = b"{\"a\":\"".to_vec();
            bytes.extend_from_slice(inner.as_bytes());
            bytes.extend_from_slice(&tail);
            bytes.extend_from_slice(b"\"}");
            prop_assert_eq!(is_object(&bytes), oracle(&bytes));
        }
    }
}

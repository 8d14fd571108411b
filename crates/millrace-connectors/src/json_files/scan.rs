//! Objects and values of JSON (RFC 8259) over bytes, strictly: what is passed here is a value from its first byte to its last, in UTF-8,
//! and without halves of surrogate pairs. Texts are not decoded and numbers not converted on the way.

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
    /// The bytes are no JSON.
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

/// What a scan comes to.
pub(super) type Scan<T> = Result<T, Stop>;

fn broken<T>(reason: &'static str) -> Scan<T> {
    Err(Stop::Broken(Refusal::broken(reason)))
}

/// A field of an object. Ranges count from the object's first byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// The name as it is written, without its quotes.
    pub(super) name: Range<usize>,
    /// Whether there are escapes in it.
    pub(super) name_escaped: bool,
    /// Kind of the value.
    pub(super) kind: Value,
    /// The value as it is written.
    pub(super) value: Range<usize>,
}

/// Kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Boolean(bool),
    /// Read already where it is a short one.
    Number(Option<Short>),
    Text {
        /// Whether there are escapes in it.
        escaped: bool,
    },
    Nested,
}

/// The first place from `at` on that is no space.
fn skip_space(text: &[u8], mut at: usize) -> Scan<usize> {
    loop {
        match text.get(at) {
            Some(&byte) if is_space(byte) => at += 1,
            Some(_) => return Ok(at),
            None => return Err(Stop::Short),
        }
    }
}

/// Scans the object that starts at the first byte and lists its fields. Returns its length.
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

/// Scans the value that starts at `at` and returns where it ends. A number that goes to the end of the text is short: it may
/// have more digits.
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

/// Scans an object or array within a record. `depth` is the number of levels around it.
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

/// One that goes to the end of the text may have more digits.
#[inline]
fn number(text: &[u8], start: usize) -> Scan<(usize, Option<Short>)> {
    let (end, short) = json_grammar::number(text, start)?;
    if end == text.len() { Err(Stop::Short) } else { Ok((end, short)) }
}

/// Scans a string from the byte after its opening quote on. Returns where it ends, after its closing quote, and whether there
/// are escapes in it.
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

/// The text of a scanned string (without its quotes); `scratch` holds it where there are escapes.
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

/// The character of an escape that was scanned, and its bytes after the backslash.
fn unescaped(text: &[u8]) -> (usize, char) {
    let code = |at| hex(text, at).unwrap_or(0);
    match text.first() {
        Some(b'b') => (1, '\u{8}'),
        Some(b'f') => (1, '\u{c}'),
        Some(b'n') => (1, '\n'),
        Some(b'r') => (1, '\r'),
        Some(b't') => (1, '\t'),
        Some(b'u') => match code(1) {
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

    /// The same by another reader. It lets half characters pass where it skips a text, so it has to build the value.
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
            // The other reader takes numbers for doubles, and refuses `1e999`.
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

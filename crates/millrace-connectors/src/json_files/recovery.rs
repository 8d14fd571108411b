//! Where the next record may start after a broken one.

/// Finds the comma or closing bracket that ends a broken element of an array, by counting brackets outside of strings. The
/// element starts at the first byte. A bracket closes the last one of its kind that is open, so that `{"a": [1}` ends with
/// its brace. None where the text ends before that.
///
/// What lies before the place that is found goes to quarantine as one record. Where a quote is missing, that may be several
/// records; but since each byte is either in a record or in quarantine, none is lost in silence.
pub(super) fn end_of_element(text: &[u8]) -> Option<usize> {
    let mut open = Vec::new();
    let mut in_string = false;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => open.push(byte),
            b',' if open.is_empty() => return Some(at),
            b'}' | b']' => {
                let opening = if byte == b'}' { b'{' } else { b'[' };
                match open.iter().rposition(|&other| other == opening) {
                    Some(level) => open.truncate(level),
                    // The array itself ends, and with it whatever was left open.
                    None if byte == b']' => return Some(at),
                    None => {}
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends() {
        for (text, end) in [
            (r#"{"a": 1x}, {"b": 2}]"#, Some(9)),
            (r#"{"a": [1, 2}, {"b": 2}]"#, Some(12)),
            (r#"{"a": "],}\"", x}, 1]"#, Some(17)),
            (r#"{"a": 1 ]"#, Some(8)),
            ("abc, 1]", Some(3)),
            ("}}, 1]", Some(2)),
            ("]", Some(0)),
            (r#"{"a": "x}, {"b": 2}]"#, None),
            (r#"{"a": 1"#, None),
            (r#""\"#, None),
        ] {
            assert_eq!(end_of_element(text.as_bytes()), end, "{text}");
        }
    }
}

//! Whether a text is JSON, as RFC 8259 has it: servers let more in.

/// Whether a text, which is UTF-8, is one JSON value. A surrogate without its other half is none: no warehouse takes it.
pub(crate) fn is_json(text: &[u8]) -> bool {
    let mut reader = Reader { text, at: 0 };
    reader.document().is_some() && reader.at == text.len()
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// A value with the space around it. What is open stands in a list of its own, so that depth costs no stack.
    fn document(&mut self) -> Option<()> {
        let mut open = Vec::new();
        'value: loop {
            self.space();
            match self.peek()? {
                b'{' => {
                    self.at += 1;
                    self.space();
                    if self.peek()? != b'}' {
                        self.name()?;
                        open.push(b'}');
                        continue 'value;
                    }
                    self.at += 1;
                }
                b'[' => {
                    self.at += 1;
                    self.space();
                    if self.peek()? != b']' {
                        open.push(b']');
                        continue 'value;
                    }
                    self.at += 1;
                }
                b'"' => self.string()?,
                b'-' | b'0'..=b'9' => self.number()?,
                b't' => self.word(b"true")?,
                b'f' => self.word(b"false")?,
                b'n' => self.word(b"null")?,
                _ => return None,
            }
            loop {
                self.space();
                let Some(&end) = open.last() else { return Some(()) };
                let byte = self.peek()?;
                self.at += 1;
                if byte == end {
                    open.pop();
                } else if byte == b',' {
                    if end == b'}' {
                        self.space();
                        self.name()?;
                    }
                    continue 'value;
                } else {
                    return None;
                }
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())
    }

    /// A name and its colon.
    fn name(&mut self) -> Option<()> {
        self.string()?;
        self.space();
        self.word(b":")
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        let _sign = self.word(b"-");
        if self.word(b"0").is_none() {
            self.digits()?;
        }
        if self.word(b".").is_some() {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        self.word(b"\"")?;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => {
                    self.at += 1;
                    match self.peek()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                        b'u' => self.unicode()?,
                        _ => return None,
                    }
                }
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
    }

    /// `uXXXX` behind its backslash, with the other half where it is one of two.
    fn unicode(&mut self) -> Option<()> {
        match self.unit()? {
            0xD800..0xDC00 => {
                self.word(b"\\")?;
                matches!(self.unit()?, 0xDC00..0xE000).then_some(())
            }
            0xDC00..0xE000 => None,
            _ => Some(()),
        }
    }

    fn unit(&mut self) -> Option<u32> {
        self.word(b"u")?;
        let digits = std::str::from_utf8(self.text.get(self.at..self.at + 4)?).ok()?;
        self.at += 4;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_json() {
        for good in
            ["{}", " [1, -2.50e+3, {\"a\\u00e9\": [null, true,false]}] ", "\"\\ud83d\\ude00\"", "0", "[[[]]]"]
        {
            assert!(is_json(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "1.",
            ".5",
            "01",
            "{a:1}",
            "[1,]",
            "{\"a\":1,}",
            "'a'",
            "\"\\ud83d\"",
            "nul",
            "1 2",
            "[1",
            "\"a\nb\"",
            "+1",
            "[}",
        ] {
            assert!(!is_json(bad.as_bytes()), "{bad}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(is_json(deep.as_bytes()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn another_reader_says_the_same(text in "[\\[\\]{},:\"\\\\u01e.+ -]{0,12}|(true|null|\"a\"|[0-9.e-]{1,4}|[\\[\\],{}:]){0,8}") {
            let other = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(is_json(text.as_bytes()), other);
        }
    }
}

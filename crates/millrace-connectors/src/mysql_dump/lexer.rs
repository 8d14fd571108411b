//! The tokens of MySQL's SQL, as far as dumps need them, over bytes that may be the beginning of more.

use std::ops::Range;

/// Why a token was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes end before it does.
    Short,
    /// This is no SQL that a dump holds.
    Broken(&'static str),
}

/// What the session's `sql_mode` says of how SQL is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mode {
    /// Whether a backslash in a string begins an escape (no `NO_BACKSLASH_ESCAPES`).
    pub(super) escapes: bool,
    /// Whether double quotes stand around names (`ANSI_QUOTES`).
    pub(super) ansi: bool,
}

impl Default for Mode {
    fn default() -> Self {
        Self { escapes: true, ansi: false }
    }
}

/// Where SQL is looked at: bytes, and whether the file ends with them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) ended: bool,
    pub(super) mode: Mode,
}

/// What separates tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Space {
    /// Blanks, or a comment in `/* */`. Ends there.
    Blank(usize),
    /// The opening of an executable comment (`/*!40101`, `/*M!100100`), whose content counts.
    Open {
        end: usize,
        /// For which servers it is meant.
        reach: Reach,
    },
    /// `*/`, which closes one.
    Close(usize),
    /// A comment to the end of its line, without it.
    Line(Range<usize>),
}

/// Which servers carry an executable comment out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All that there still are.
    All,
    /// Only some: newer ones, or those of MariaDB.
    Some,
}

impl Space {
    /// Where it ends.
    pub(super) fn end(&self) -> usize {
        match self {
            Self::Blank(end) | Self::Open { end, .. } | Self::Close(end) => *end,
            Self::Line(range) => range.end,
        }
    }
}

/// Kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word or a name without quotes.
    Word,
    /// A name in backticks or, by `ANSI_QUOTES`, in double quotes. The range is what is within them.
    Name {
        /// What stands around it.
        quote: u8,
    },
    /// A string. The range is what is within its quotes.
    Text {
        /// The quote.
        quote: u8,
        /// Whether it has neither backslashes nor doubled quotes.
        plain: bool,
    },
    /// A number without a sign.
    Number,
    /// Digits of `0x…` or `x'…'`.
    Hex,
    /// Digits of `0b…` or `b'…'`.
    Bits,
    /// Anything else, a byte each.
    Symbol(u8),
    /// The end of the file.
    End,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The bytes that matter of it.
    pub(super) range: Range<usize>,
    /// Where it ends.
    pub(super) end: usize,
}

/// Executable comments from this version on are meant for no server (`/*M!999999\- enable the sandbox mode */`).
const NEVER: u32 = 999_999;
/// Executable comments up to this version are meant for every server that is still run.
const ALL: u32 = 50_600;

impl Text<'_> {
    fn at(&self, at: usize) -> Result<Option<u8>, Stop> {
        match self.bytes.get(at) {
            Some(&byte) => Ok(Some(byte)),
            None if self.ended => Ok(None),
            None => Err(Stop::Short),
        }
    }

    /// What separates the next token from `at`; none where it starts there or the file ends.
    pub(super) fn space(&self, at: usize) -> Result<Option<Space>, Stop> {
        let Some(byte) = self.at(at)? else { return Ok(None) };
        match byte {
            b' ' | b'\t'..=b'\r' => {
                let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
                let count = self.bytes[at..].iter().take_while(|byte| blank(byte)).count();
                Ok(Some(Space::Blank(at + count)))
            }
            b'#' => self.line(at).map(Some),
            b'-' if self.at(at + 1)? == Some(b'-') && self.at(at + 2)?.is_none_or(|byte| byte <= b' ') => {
                self.line(at).map(Some)
            }
            b'*' if self.at(at + 1)? == Some(b'/') => Ok(Some(Space::Close(at + 2))),
            b'/' if self.at(at + 1)? == Some(b'*') => self.comment(at).map(Some),
            _ => Ok(None),
        }
    }

    fn line(&self, at: usize) -> Result<Space, Stop> {
        match memchr::memchr(b'\n', &self.bytes[at..]) {
            Some(length) => Ok(Space::Line(at..at + length)),
            None if self.ended => Ok(Space::Line(at..self.bytes.len())),
            None => Err(Stop::Short),
        }
    }

    /// A comment, or the opening of an executable one.
    fn comment(&self, at: usize) -> Result<Space, Stop> {
        let bang = match (self.at(at + 2)?, self.at(at + 3)?) {
            (Some(b'!'), _) => Some(at + 3),
            (Some(b'M'), Some(b'!')) => Some(at + 4),
            _ => None,
        };
        if let Some(start) = bang {
            let mut end = start;
            while end < start + 6 && self.at(end)?.is_some_and(|byte| byte.is_ascii_digit()) {
                end += 1;
            }
            let version =
                self.bytes[start..end].iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
            if version < NEVER {
                let reach = if version <= ALL && start == at + 3 { Reach::All } else { Reach::Some };
                return Ok(Space::Open { end, reach });
            }
        }
        match memchr::memmem::find(&self.bytes[(at + 2).min(self.bytes.len())..], b"*/") {
            Some(length) => Ok(Space::Blank(at + 2 + length + 2)),
            None if self.ended => Err(Stop::Broken("a comment is not closed")),
            None => Err(Stop::Short),
        }
    }

    /// Where the next token starts.
    pub(super) fn skip_space(&self, mut at: usize) -> Result<usize, Stop> {
        while let Some(space) = self.space(at)? {
            at = space.end();
        }
        Ok(at)
    }

    /// The token after the space from `at` on.
    pub(super) fn token(&self, at: usize) -> Result<Token, Stop> {
        let at = self.skip_space(at)?;
        let Some(byte) = self.at(at)? else { return Ok(Token { kind: Kind::End, range: at..at, end: at }) };
        match byte {
            b'"' if self.mode.ansi => self.name(at),
            b'\'' | b'"' => self.string(at),
            b'`' => self.name(at),
            b'0'..=b'9' => self.number(at),
            b'.' if self.at(at + 1)?.is_some_and(|byte| byte.is_ascii_digit()) => self.number(at),
            b'x' | b'X' if self.at(at + 1)? == Some(b'\'') => self.digits_in_quotes(at, Kind::Hex),
            b'b' | b'B' if self.at(at + 1)? == Some(b'\'') => self.digits_in_quotes(at, Kind::Bits),
            _ if is_word(byte) => {
                let end = self.run(at, is_word)?;
                Ok(Token { kind: Kind::Word, range: at..end, end })
            }
            _ => Ok(Token { kind: Kind::Symbol(byte), range: at..at + 1, end: at + 1 }),
        }
    }

    /// The first place from `at` on where `is` does not hold.
    fn run(&self, at: usize, is: impl Fn(u8) -> bool) -> Result<usize, Stop> {
        let end =
            self.bytes[at..].iter().position(|&byte| !is(byte)).map_or(self.bytes.len(), |count| at + count);
        self.at(end).map(|_| end)
    }

    /// A string from its quote on.
    fn string(&self, at: usize) -> Result<Token, Stop> {
        let quote = self.bytes[at];
        let (mut end, mut plain) = (at + 1, true);
        loop {
            let rest = self.bytes.get(end..).unwrap_or_default();
            let found = if self.mode.escapes {
                memchr::memchr2(quote, b'\\', rest)
            } else {
                memchr::memchr(quote, rest)
            };
            let Some(found) = found else {
                return Err(if self.ended { Stop::Broken("a string is not closed") } else { Stop::Short });
            };
            end += found;
            if self.bytes[end] == b'\\' || self.at(end + 1)? == Some(quote) {
                plain = false;
                end += 2;
            } else {
                return Ok(Token { kind: Kind::Text { quote, plain }, range: at + 1..end, end: end + 1 });
            }
        }
    }

    fn name(&self, at: usize) -> Result<Token, Stop> {
        let quote = self.bytes[at];
        let mut end = at + 1;
        loop {
            let Some(found) = memchr::memchr(quote, self.bytes.get(end..).unwrap_or_default()) else {
                return Err(if self.ended { Stop::Broken("a name is not closed") } else { Stop::Short });
            };
            end += found;
            if self.at(end + 1)? == Some(quote) {
                end += 2;
            } else {
                return Ok(Token { kind: Kind::Name { quote }, range: at + 1..end, end: end + 1 });
            }
        }
    }

    fn number(&self, at: usize) -> Result<Token, Stop> {
        if self.bytes[at] == b'0' {
            let kind = match self.at(at + 1)? {
                Some(b'x') => Some(Kind::Hex),
                Some(b'b') => Some(Kind::Bits),
                _ => None,
            };
            if let Some(kind) = kind {
                let end = self.run(at + 2, is_word)?;
                return checked(Token { kind, range: at + 2..end, end }, self.bytes);
            }
        }
        let digit = |byte: u8| byte.is_ascii_digit();
        let mut end = self.run(at, digit)?;
        if self.at(end)? == Some(b'.') {
            end = self.run(end + 1, digit)?;
        }
        if matches!(self.at(end)?, Some(b'e' | b'E')) {
            let signed = usize::from(matches!(self.at(end + 1)?, Some(b'+' | b'-')));
            let exponent = self.run(end + 1 + signed, digit)?;
            if exponent > end + 1 + signed {
                end = exponent;
            }
        }
        if self.at(end)?.is_some_and(is_word) {
            // A name may start with digits.
            let end = self.run(end, is_word)?;
            return Ok(Token { kind: Kind::Word, range: at..end, end });
        }
        Ok(Token { kind: Kind::Number, range: at..end, end })
    }

    fn digits_in_quotes(&self, at: usize, kind: Kind) -> Result<Token, Stop> {
        let string = self.string(at + 1)?;
        checked(Token { kind, ..string }, self.bytes)
    }
}

fn checked(token: Token, bytes: &[u8]) -> Result<Token, Stop> {
    let digits = &bytes[token.range.clone()];
    let good = match token.kind {
        Kind::Hex => digits.iter().all(u8::is_ascii_hexdigit),
        _ => digits.iter().all(|byte| matches!(byte, b'0' | b'1')),
    };
    if good { Ok(token) } else { Err(Stop::Broken("a literal has a digit that it cannot have")) }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'@') || byte >= 0x80
}

/// The text of a string token, by MySQL's escapes where the mode has any.
pub(super) fn unescape(source: &[u8], quote: u8, mode: Mode, out: &mut Vec<u8>) {
    out.clear();
    let mut rest = source;
    let find = |rest: &[u8]| {
        if mode.escapes { memchr::memchr2(quote, b'\\', rest) } else { memchr::memchr(quote, rest) }
    };
    while let Some(at) = find(rest) {
        out.extend_from_slice(&rest[..at]);
        let next = rest.get(at + 1).copied();
        if rest[at] == b'\\' && mode.escapes {
            match next {
                Some(b'0') => out.push(0),
                Some(b'b') => out.push(8),
                Some(b'n') => out.push(b'\n'),
                Some(b'r') => out.push(b'\r'),
                Some(b't') => out.push(b'\t'),
                Some(b'Z') => out.push(26),
                // They keep their backslash outside of patterns.
                Some(byte @ (b'%' | b'_')) => out.extend_from_slice(&[b'\\', byte]),
                Some(byte) => out.push(byte),
                None => {}
            }
        } else {
            out.push(quote);
        }
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(sql: &str) -> Vec<String> {
        let text = Text { bytes: sql.as_bytes(), ended: true, mode: Mode::default() };
        let (mut at, mut found) = (0, Vec::new());
        loop {
            let token = text.token(at).expect("a token");
            if token.kind == Kind::End {
                return found;
            }
            let name = match token.kind {
                Kind::Word => "w",
                Kind::Name { .. } => "n",
                Kind::Text { plain: true, .. } => "t",
                Kind::Text { .. } => "e",
                Kind::Number => "#",
                Kind::Hex => "x",
                Kind::Bits => "b",
                Kind::Symbol(_) | Kind::End => "",
            };
            found.push(format!("{name}{}", &sql[token.range.clone()]));
            at = token.end;
        }
    }

    #[test]
    fn tokens_of_sql() {
        for (sql, expected) in [
            ("insert INTO `a``b`.t", "winsert wINTO na``b . wt"),
            ("-- x;\n#y\n/* z; */ a--b", "wa - - wb"),
            ("/*!40101 SET NAMES utf8mb4 */;", "wSET wNAMES wutf8mb4 ;"),
            ("/*M!999999\\- enable the sandbox mode */ a", "wa"),
            ("'a;''b' \"c\\\"\" 'd'", "ea;''b ec\\\" td"),
            ("1 -2.5e-3 .5 1. 007 1e 5a", "#1 - #2.5e-3 #.5 #1. #007 w1e w5a"),
            ("0xFF x'0a' X'' b'101' 0b1 _binary'x'", "xFF x0a x b101 b1 w_binary tx"),
            ("(1,'é');", "( #1 , té ) ;"),
        ] {
            assert_eq!(tokens(sql).join(" "), expected, "{sql}");
        }
    }

    #[test]
    fn every_prefix_is_short_or_the_same() {
        let sql = "-- a\n/*!50003 `n``m` 'it''s' 'x\\'y' -12.5e3 0xAB b'01' */ word;";
        let whole = Text { bytes: sql.as_bytes(), ended: true, mode: Mode::default() };
        let mut at = 0;
        while let Ok(token) = whole.token(at) {
            if token.kind == Kind::End {
                break;
            }
            for cut in at..sql.len() {
                let part = Text { bytes: &sql.as_bytes()[..cut], ended: false, mode: Mode::default() };
                match part.token(at) {
                    Ok(found) => assert_eq!(found, token, "cut at {cut}"),
                    Err(stop) => assert_eq!(stop, Stop::Short, "cut at {cut}"),
                }
            }
            at = token.end;
        }
    }

    #[test]
    fn escapes() {
        let mut out = Vec::new();
        unescape(br#"a\0\'\"\b\n\r\t\Z\\\%\_\x''b""#, b'\'', Mode::default(), &mut out);
        assert_eq!(out, b"a\0'\"\x08\n\r\t\x1a\\\\%\\_x'b\"");
        let plain = Mode { escapes: false, ansi: true };
        unescape(br"a\n''\", b'\'', plain, &mut out);
        assert_eq!(out, br"a\n'\");
        let text = Text { bytes: br#"'\' "a""b" "#, ended: true, mode: plain };
        let first = text.token(0).expect("a string");
        assert_eq!((first.kind, first.end), (Kind::Text { quote: b'\'', plain: true }, 3));
        assert_eq!(text.token(3).expect("a name").kind, Kind::Name { quote: b'"' });
    }
}

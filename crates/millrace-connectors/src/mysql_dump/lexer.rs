//! Tokenizes the subset of MySQL's SQL that dumps contain.
//!
//! The input is a window of bytes that may end in the middle of a token. In that case the lexer
//! returns [`Stop::Short`]; the caller reads more bytes and asks again at the same place. The
//! result never depends on where the window ends: a token at the end of the bytes is returned only
//! if the file ends there too, or if no further byte could change it.

use std::ops::Range;

/// Why the lexer returned no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The bytes end before the token does. More bytes are needed.
    Short,
    /// The bytes are not valid SQL of a dump. The text is the reason for the error message.
    Broken(&'static str),
}

/// What the session's `sql_mode` says about the notation of strings and names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mode {
    /// Whether a backslash in a string begins an escape (`NO_BACKSLASH_ESCAPES` is not set).
    pub(super) escapes: bool,
    /// Whether double quotes enclose names instead of strings (`ANSI_QUOTES`).
    pub(super) ansi: bool,
}

impl Default for Mode {
    fn default() -> Self {
        Self { escapes: true, ansi: false }
    }
}

/// A part of a file that the lexer reads. All positions are offsets into `bytes`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether the file ends with these bytes.
    pub(super) ended: bool,
    pub(super) mode: Mode,
}

/// A separator of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Space {
    /// Blanks, or a comment in `/* */`; with the offset at which it ends.
    Blank(usize),
    /// The opening of an executable comment (`/*!40101`, `/*M!100100`). Servers run its content.
    Open {
        end: usize,
        /// Which servers run the content.
        reach: Reach,
    },
    /// `*/`, which closes an executable comment; with the offset at which it ends.
    Close(usize),
    /// A comment up to the end of its line. The range excludes the line break.
    Line(Range<usize>),
}

/// Which servers run the content of an executable comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All servers that are still in use.
    All,
    /// Only some servers: newer versions, or only MariaDB.
    Some,
}

impl Space {
    /// Returns the offset at which the separator ends.
    pub(super) fn end(&self) -> usize {
        match self {
            Self::Blank(end) | Self::Open { end, .. } | Self::Close(end) => *end,
            Self::Line(range) => range.end,
        }
    }
}

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or an unquoted name. Variables (`@x`, `@@x`) are words too.
    Word,
    /// A name in backticks or, with `ANSI_QUOTES`, in double quotes. The range excludes the quotes.
    Name {
        /// The quoting character.
        quote: u8,
    },
    /// A string. The range excludes the quotes.
    Text {
        /// The quoting character.
        quote: u8,
        /// Whether the string has neither escapes nor doubled quotes, so that its bytes are its
        /// value.
        plain: bool,
    },
    /// An unsigned number.
    Number,
    /// Hexadecimal digits of `0x…` or `x'…'`. The range is the digits.
    Hex,
    /// Binary digits of `0b…` or `b'…'`. The range is the digits.
    Bits,
    /// Any other single byte.
    Symbol(u8),
    /// The end of the file.
    End,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// The bytes of the token without quotes and prefixes.
    pub(super) range: Range<usize>,
    /// The offset at which the token ends, including its closing quote.
    pub(super) end: usize,
}

/// The lowest version of executable comments that no server runs
/// (`/*M!999999\- enable the sandbox mode */` in the dumps of MariaDB).
const NEVER: u32 = 999_999;
/// The highest version of executable comments that every server still in use runs.
const ALL: u32 = 50_600;

impl Text<'_> {
    /// Returns the byte at an offset; `None` at the end of the file. Fails with [`Stop::Short`] at
    /// the end of the bytes.
    fn at(&self, at: usize) -> Result<Option<u8>, Stop> {
        match self.bytes.get(at) {
            Some(&byte) => Ok(Some(byte)),
            None if self.ended => Ok(None),
            None => Err(Stop::Short),
        }
    }

    /// Returns the separator that starts at `at`. Returns `None` if a token starts there or the
    /// file ends.
    pub(super) fn space(&self, at: usize) -> Result<Option<Space>, Stop> {
        let Some(byte) = self.at(at)? else { return Ok(None) };
        match byte {
            b' ' | b'\t'..=b'\r' => {
                let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
                let count = self.bytes[at..].iter().take_while(|byte| blank(byte)).count();
                Ok(Some(Space::Blank(at + count)))
            }
            b'#' => self.line(at).map(Some),
            // MySQL requires a blank or control character after `--`; `1--1` is a subtraction.
            b'-' if self.at(at + 1)? == Some(b'-') && self.at(at + 2)?.is_none_or(|byte| byte <= b' ') => {
                self.line(at).map(Some)
            }
            b'*' if self.at(at + 1)? == Some(b'/') => Ok(Some(Space::Close(at + 2))),
            b'/' if self.at(at + 1)? == Some(b'*') => self.comment(at).map(Some),
            _ => Ok(None),
        }
    }

    /// Reads a comment that ends with its line.
    fn line(&self, at: usize) -> Result<Space, Stop> {
        match memchr::memchr(b'\n', &self.bytes[at..]) {
            Some(length) => Ok(Space::Line(at..at + length)),
            None if self.ended => Ok(Space::Line(at..self.bytes.len())),
            None => Err(Stop::Short),
        }
    }

    /// Reads a comment, or the opening of an executable comment with its version of up to six
    /// digits. A comment of the version [`NEVER`] or higher is a plain comment.
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

    /// Returns the offset of the next token at or after `at`.
    pub(super) fn skip_space(&self, mut at: usize) -> Result<usize, Stop> {
        while let Some(space) = self.space(at)? {
            at = space.end();
        }
        Ok(at)
    }

    /// Reads the next token at or after `at`. At the end of the file that is [`Kind::End`].
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

    /// Returns the first offset from `at` on whose byte does not satisfy `is`.
    fn run(&self, at: usize, is: impl Fn(u8) -> bool) -> Result<usize, Stop> {
        let end =
            self.bytes[at..].iter().position(|&byte| !is(byte)).map_or(self.bytes.len(), |count| at + count);
        self.at(end).map(|_| end)
    }

    /// Reads the string whose opening quote is at `at`. A doubled quote does not end it, nor does
    /// an escaped quote if the mode has escapes.
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

    /// Reads the quoted name whose opening quote is at `at`. Names have doubled quotes but no
    /// escapes.
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

    /// Reads a number, a literal of hexadecimal or binary digits, or a word that begins with
    /// digits.
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
        // An unquoted name may start with digits.
        if self.at(end)?.is_some_and(is_word) {
            let end = self.run(end, is_word)?;
            return Ok(Token { kind: Kind::Word, range: at..end, end });
        }
        Ok(Token { kind: Kind::Number, range: at..end, end })
    }

    /// Reads `x'…'` or `b'…'` at `at`.
    fn digits_in_quotes(&self, at: usize, kind: Kind) -> Result<Token, Stop> {
        let string = self.string(at + 1)?;
        checked(Token { kind, ..string }, self.bytes)
    }
}

/// Returns the token if all its digits are allowed for its kind.
fn checked(token: Token, bytes: &[u8]) -> Result<Token, Stop> {
    let digits = &bytes[token.range.clone()];
    let good = match token.kind {
        Kind::Hex => digits.iter().all(u8::is_ascii_hexdigit),
        _ => digits.iter().all(|byte| matches!(byte, b'0' | b'1')),
    };
    if good { Ok(token) } else { Err(Stop::Broken("a literal has a digit that it cannot have")) }
}

/// Returns whether a byte can be part of an unquoted name, a keyword or a variable. Bytes from 0x80
/// on are part of names in UTF-8.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'@') || byte >= 0x80
}

/// Writes the value of a string token to `out`: undoubles quotes, and resolves MySQL's escapes if
/// the mode has them.
///
/// `source` is the string without its quotes.
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
                // `\%` and `\_` keep their backslash outside of LIKE patterns.
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

//! Splits a row of an INSERT into literals.
//!
//! A row is a list of constants in parentheses. The parser records the kind and the place of each
//! value and converts nothing. Besides plain literals it accepts charset introducers and a few
//! functions of constants that dumps use. A row that is valid SQL but not a list of constants goes
//! to quarantine alone; [`end_of_broken_row`] finds its end.

use std::ops::Range;

use crate::mysql_dump::charset::Charset;
use crate::mysql_dump::lexer::{Kind, Stop, Text};

/// An unconverted value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) kind: LiteralKind,
    /// Its bytes, as offsets from the row's opening parenthesis: the digits with a sign directly
    /// before them, or the text between the quotes.
    pub(super) range: Range<usize>,
    pub(super) introducer: Introducer,
}

/// How to interpret the bytes of a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Introducer {
    /// A text in the charset of the client; for hexadecimal digits, bytes in the charset of the
    /// column.
    Client,
    /// Bytes in the charset of the column (`_binary`).
    Column,
    /// A text in this charset (`_latin1`).
    In(Charset),
    /// A text in the charset of the client or, if the client has none, in this one
    /// (`CONVERT('…' USING utf8mb4)`).
    Converted(Charset),
    /// A geometry in well-known text.
    WellKnownText,
    /// A geometry in well-known binary.
    WellKnownBinary,
}

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LiteralKind {
    Null,
    Boolean(bool),
    Number {
        /// Whether a minus sign precedes the number at some distance, and so is not part of the
        /// range.
        negative: bool,
    },
    Text {
        /// The quoting character.
        quote: u8,
        /// Whether the text has neither escapes nor doubled quotes.
        plain: bool,
    },
    /// Bytes in hexadecimal digits.
    Hex,
    /// A number in binary digits.
    Bits,
    /// The keyword DEFAULT.
    Default,
}

const BROKEN_VALUE: Stop = Stop::Broken("a value is no literal");

/// The maximum nesting depth of functions.
const DEEPEST: usize = 4;

/// Parses the row with which the bytes start and lists its values. Returns its length in bytes.
pub(super) fn row(text: Text<'_>, literals: &mut Vec<Literal>) -> Result<usize, Stop> {
    literals.clear();
    let mut at = text.skip_space(1)?;
    loop {
        let (literal, end) = value(text, at, 0)?;
        literals.push(literal);
        let separator = text.token(end)?;
        match separator.kind {
            Kind::Symbol(b',') => at = text.skip_space(separator.end)?,
            Kind::Symbol(b')') => return Ok(separator.end),
            Kind::End => return Err(Stop::Broken("the file ends within a row")),
            _ => return Err(Stop::Broken("a value is followed by neither a comma nor the end of its row")),
        }
    }
}

/// Parses the value at `at`. Returns it and the offset at which it ends. `depth` counts the
/// functions around it.
fn value(text: Text<'_>, at: usize, depth: usize) -> Result<(Literal, usize), Stop> {
    let token = text.token(at)?;
    let word = &text.bytes[token.range.clone()];
    let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
    let kind = match token.kind {
        Kind::Number => LiteralKind::Number { negative: false },
        Kind::Text { quote, plain } => LiteralKind::Text { quote, plain },
        Kind::Hex => LiteralKind::Hex,
        Kind::Bits => LiteralKind::Bits,
        Kind::Symbol(sign @ (b'-' | b'+')) => {
            let number = text.token(token.end)?;
            if number.kind != Kind::Number {
                return Err(BROKEN_VALUE);
            }
            // A minus sign directly before the digits is part of the range, so that the bytes are
            // the number.
            let together = sign == b'-' && number.range.start == token.end;
            let start = if together { token.range.start } else { number.range.start };
            let kind = LiteralKind::Number { negative: sign == b'-' && !together };
            return Ok((
                Literal { kind, range: start..number.end, introducer: Introducer::Client },
                number.end,
            ));
        }
        Kind::Word if is("NULL") => LiteralKind::Null,
        Kind::Word if is("TRUE") => LiteralKind::Boolean(true),
        Kind::Word if is("FALSE") => LiteralKind::Boolean(false),
        Kind::Word if is("DEFAULT") => LiteralKind::Default,
        Kind::Word if is("N") => return introduced(text, token.end, Introducer::Client),
        Kind::Word if word.starts_with(b"_") => {
            let charset = std::str::from_utf8(&word[1..]).ok().and_then(Charset::named);
            return match charset {
                Some(Charset::Binary) => introduced(text, token.end, Introducer::Column),
                Some(charset) => introduced(text, token.end, Introducer::In(charset)),
                None => Err(BROKEN_VALUE),
            };
        }
        Kind::Word if depth < DEEPEST => return constant(text, word, token.end, depth + 1),
        Kind::End => return Err(Stop::Broken("the file ends within a row")),
        _ => return Err(BROKEN_VALUE),
    };
    Ok((Literal { kind, range: token.range, introducer: Introducer::Client }, token.end))
}

/// Parses the string or digits after an introducer (`_binary`, `_latin1`, `N`), which says how to
/// interpret the bytes.
fn introduced(text: Text<'_>, at: usize, introducer: Introducer) -> Result<(Literal, usize), Stop> {
    let token = text.token(at)?;
    let (kind, introducer) = match token.kind {
        Kind::Text { quote, plain } => (LiteralKind::Text { quote, plain }, introducer),
        Kind::Hex => (LiteralKind::Hex, introducer),
        Kind::Bits => (LiteralKind::Bits, Introducer::Client),
        Kind::End => return Err(Stop::Broken("the file ends within a row")),
        _ => return Err(BROKEN_VALUE),
    };
    Ok((Literal { kind, range: token.range, introducer }, token.end))
}

/// Parses a function of constants whose value does not depend on the server: UNHEX, CONVERT …
/// USING, and the functions that make geometries. `at` is the offset after the function's name.
fn constant(text: Text<'_>, name: &[u8], at: usize, depth: usize) -> Result<(Literal, usize), Stop> {
    let name = name.to_ascii_uppercase();
    let known = [
        &b"UNHEX"[..],
        b"CONVERT",
        b"ST_GEOMFROMTEXT",
        b"ST_GEOMETRYFROMTEXT",
        b"GEOMFROMTEXT",
        b"GEOMETRYFROMTEXT",
        b"ST_GEOMFROMWKB",
        b"ST_GEOMETRYFROMWKB",
        b"GEOMFROMWKB",
    ];
    if !known.contains(&name.as_slice()) {
        return Err(BROKEN_VALUE);
    }
    let at = symbol(text, at, b'(')?;
    let (argument, mut at) = value(text, at, depth)?;
    let is_text = matches!(argument.kind, LiteralKind::Text { .. });
    let is_plain_text = is_text && argument.introducer == Introducer::Client;
    let literal = match name.as_slice() {
        b"UNHEX" if is_plain_text => {
            // The digits become a hexadecimal literal, which must not be invalid.
            if !text.bytes[argument.range.clone()].iter().all(u8::is_ascii_hexdigit) {
                return Err(BROKEN_VALUE);
            }
            Literal { kind: LiteralKind::Hex, ..argument }
        }
        // Only target charsets whose bytes are UTF-8 are accepted.
        b"CONVERT" if is_text || argument.kind == LiteralKind::Hex => {
            let using = text.token(at)?;
            let charset = text.token(using.end)?;
            let name = std::str::from_utf8(&text.bytes[charset.range.clone()]).unwrap_or_default();
            let to = Charset::named(name).ok_or(BROKEN_VALUE)?;
            if !text.bytes[using.range].eq_ignore_ascii_case(b"USING") || !to.is_utf8() {
                return Err(BROKEN_VALUE);
            }
            at = charset.end;
            match argument.introducer {
                Introducer::Client if is_text => {
                    Literal { introducer: Introducer::Converted(to), ..argument }
                }
                Introducer::Client | Introducer::Column => {
                    Literal { introducer: Introducer::In(to), ..argument }
                }
                _ => argument,
            }
        }
        wkt if wkt.ends_with(b"FROMTEXT") && is_plain_text => {
            Literal { introducer: Introducer::WellKnownText, ..argument }
        }
        wkb if wkb.ends_with(b"FROMWKB") && (is_text || argument.kind == LiteralKind::Hex) => {
            Literal { introducer: Introducer::WellKnownBinary, ..argument }
        }
        _ => return Err(BROKEN_VALUE),
    };
    let next = text.token(at)?;
    if next.kind == Kind::Symbol(b',')
        && !matches!(literal.introducer, Introducer::Client | Introducer::In(_) | Introducer::Converted(_))
    {
        // The second argument is the spatial reference system. In any other than 0, servers differ
        // in which coordinate of a point comes first.
        let system = text.token(next.end)?;
        if system.kind != Kind::Number || text.bytes[system.range.clone()].iter().any(|&digit| digit != b'0')
        {
            return Err(Stop::Broken(
                "a geometry is in a system of reference whose axes servers order differently",
            ));
        }
        at = system.end;
    }
    Ok((literal, symbol(text, at, b')')?))
}

/// Takes a one-byte symbol at `at`. Returns the offset after it.
fn symbol(text: Text<'_>, at: usize, wanted: u8) -> Result<usize, Stop> {
    let token = text.token(at)?;
    match token.kind {
        Kind::Symbol(found) if found == wanted => Ok(token.end),
        Kind::End => Err(Stop::Broken("the file ends within a row")),
        _ => Err(BROKEN_VALUE),
    }
}

/// Returns the length of a row that is valid SQL but not a list of literals: up to the parenthesis
/// that closes it.
///
/// It is an error if the row's quotes and parentheses are no SQL at all, because then it is unknown
/// which of the following rows are rows. Signs of a missing quote or parenthesis are a string that
/// touches a word or another string, and a comma in nested parentheses that do not follow a name.
pub(super) fn end_of_broken_row(text: Text<'_>) -> Result<usize, Stop> {
    const QUOTES: Stop = Stop::Broken("a row is no SQL: its quotes do not match");
    const BRACKETS: Stop = Stop::Broken("a row is no SQL: its brackets do not match");
    // For each open parenthesis, whether it begins a row rather than the arguments of a function.
    let mut open: Vec<bool> = Vec::new();
    // The previous token: its kind, its end, and whether it introduces a string (`_latin1`, `N`).
    let mut before: Option<(Kind, usize, bool)> = None;
    let mut at = 0;
    loop {
        let token = text.token(at)?;
        // The range of a string excludes its quotes.
        let start = match token.kind {
            Kind::Text { .. } => token.range.start - 1,
            _ => token.range.start,
        };
        let word = &text.bytes[token.range.clone()];
        let is_text = matches!(token.kind, Kind::Text { .. });
        let is_word =
            matches!(token.kind, Kind::Word | Kind::Number | Kind::Hex | Kind::Bits | Kind::Name { .. });
        if let Some((kind, end, introduces)) = before
            && end == start
        {
            let text_before = matches!(kind, Kind::Text { .. });
            let word_before =
                matches!(kind, Kind::Word | Kind::Number | Kind::Hex | Kind::Bits | Kind::Name { .. });
            let is_touched = (text_before && (is_word || is_text || token.kind == Kind::Symbol(b'(')))
                || (word_before && is_text && !introduces);
            if is_touched {
                return Err(QUOTES);
            }
        }
        match token.kind {
            Kind::End | Kind::Symbol(b';') => return Err(BRACKETS),
            Kind::Symbol(b'\\') => return Err(QUOTES),
            Kind::Symbol(b'(') => {
                let is_row =
                    !open.is_empty() && !matches!(before, Some((Kind::Word | Kind::Name { .. }, ..)));
                open.push(is_row);
            }
            Kind::Symbol(b',') if open.last() == Some(&true) => return Err(BRACKETS),
            Kind::Symbol(b')') => {
                open.pop();
                if open.is_empty() {
                    return Ok(token.end);
                }
            }
            _ => {}
        }
        let introduces =
            token.kind == Kind::Word && (word.starts_with(b"_") || word.eq_ignore_ascii_case(b"n"));
        before = Some((token.kind, token.end, introduces));
        at = token.end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql_dump::lexer::Mode;

    fn values(sql: &str) -> Result<Vec<String>, Stop> {
        let mut literals = Vec::new();
        let length = row(Text { bytes: sql.as_bytes(), ended: true, mode: Mode::default() }, &mut literals)?;
        assert_eq!(length, sql.len(), "{sql}");
        Ok(literals.iter().map(|l| format!("{:?} {}", l.kind, &sql[l.range.clone()])).collect())
    }

    #[test]
    fn rows() {
        assert_eq!(
            values("( 1,-2.5e3 , 'a\\'b',_binary 'x',0xFF, X'',b'1',NULL,true,default,/* c */ \"d\")")
                .expect("a row"),
            [
                "Number { negative: false } 1",
                "Number { negative: false } -2.5e3",
                "Text { quote: 39, plain: false } a\\'b",
                "Text { quote: 39, plain: true } x",
                "Hex FF",
                "Hex ",
                "Bits 1",
                "Null NULL",
                "Boolean(true) true",
                "Default default",
                "Text { quote: 34, plain: true } d"
            ]
        );
        for bad in [
            "()",
            "(1,)",
            "(now())",
            "(1 2)",
            "(1",
            "('a)",
            "(_klingon'a')",
            "(unhex('x'))",
            "(convert('a' using latin1))",
            "(st_geomfromtext('POINT(1 2)', 4326))",
            "(- 'a')",
            "(1;",
            "(1+1)",
            "(x'zz')",
        ] {
            assert!(matches!(values(bad), Err(Stop::Broken(_))), "{bad}");
        }
    }

    #[test]
    fn functions_are_followed_to_an_end() {
        // On a small stack, as those of threads are.
        let deep = |sql: String| {
            let thread = std::thread::Builder::new().stack_size(2 << 20);
            let run = thread.spawn(move || values(&sql)).expect("a thread");
            run.join().expect("no crash")
        };
        let many = 100_000;
        for sql in [
            format!("({}'41'{})", "unhex(".repeat(many), ")".repeat(many)),
            format!("({}'a'{})", "convert(".repeat(many), " using utf8mb4)".repeat(many)),
            format!("({}'a')", "_utf8mb4 ".repeat(many)),
            format!("({}'a')", "n ".repeat(many)),
            format!("({}1)", "-".repeat(many)),
        ] {
            assert_eq!(deep(sql), Err(BROKEN_VALUE));
        }
        let few = "(convert(convert(unhex('41') using utf8mb4) using utf8mb4))";
        assert_eq!(values(few).map(|values| values.len()), Ok(1));
    }

    #[test]
    fn broken_rows_end() {
        let quotes = Err(Stop::Broken("a row is no SQL: its quotes do not match"));
        let brackets = Err(Stop::Broken("a row is no SQL: its brackets do not match"));
        for (sql, end) in [
            ("(now(),')'),(2)", Ok(11)),
            ("(1+(2*3), f(1, 2)),(2)", Ok(18)),
            ("(_klingon'a')", Ok(13)),
            ("(1;", brackets),
            ("(1,", brackets),
            ("(1,'a',(2,'b'))", brackets),
            ("(1,'it's'),(2,'x')", quotes),
            ("(1,'a\\'),(2,'z')", quotes),
            ("(1,a'),(2,'b')", quotes),
            ("(1,'a),(2,'5')", quotes),
            ("('a),(2)", Err(Stop::Broken("a string is not closed"))),
        ] {
            let text = Text { bytes: sql.as_bytes(), ended: true, mode: Mode::default() };
            assert_eq!(end_of_broken_row(text), end, "{sql}");
        }
    }
}

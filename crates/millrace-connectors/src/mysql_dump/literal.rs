//! The rows of an INSERT: literals in brackets.

use std::ops::Range;

use crate::mysql_dump::lexer::{Kind, Stop, Text};

/// A value of a row, not yet converted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Literal {
    pub(super) kind: LiteralKind,
    /// Its bytes, counted from the row's opening bracket: digits with their sign, or what is within the quotes.
    pub(super) range: Range<usize>,
}

/// Kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LiteralKind {
    Null,
    Boolean(bool),
    Number,
    Text {
        quote: u8,
        plain: bool,
    },
    Hex,
    Bits,
    /// The word DEFAULT.
    Default,
}

const BROKEN_VALUE: Stop = Stop::Broken("a value is no literal");

/// Reads the row that the bytes start with and lists its values. Returns its length.
pub(super) fn row(text: Text<'_>, literals: &mut Vec<Literal>) -> Result<usize, Stop> {
    literals.clear();
    let mut at = text.skip_space(1)?;
    loop {
        let (literal, end) = value(text, at)?;
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

fn value(text: Text<'_>, at: usize) -> Result<(Literal, usize), Stop> {
    let token = text.token(at)?;
    let word = &text.bytes[token.range.clone()];
    let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
    let kind = match token.kind {
        Kind::Number => LiteralKind::Number,
        Kind::Text { quote, plain } => LiteralKind::Text { quote, plain },
        Kind::Hex => LiteralKind::Hex,
        Kind::Bits => LiteralKind::Bits,
        Kind::Symbol(b'-' | b'+') => {
            let number = text.token(token.end)?;
            if number.kind != Kind::Number {
                return Err(BROKEN_VALUE);
            }
            // The sign may stand apart: the digits are what is kept together with it.
            let range = if number.range.start == token.end {
                token.range.start..number.end
            } else {
                return Err(BROKEN_VALUE);
            };
            return Ok((Literal { kind: LiteralKind::Number, range }, number.end));
        }
        Kind::Word if is("NULL") => LiteralKind::Null,
        Kind::Word if is("TRUE") => LiteralKind::Boolean(true),
        Kind::Word if is("FALSE") => LiteralKind::Boolean(false),
        Kind::Word if is("DEFAULT") => LiteralKind::Default,
        Kind::Word
            if ["_binary", "_utf8mb4", "_utf8", "_utf8mb3", "_ascii", "N"].iter().any(|name| is(name)) =>
        {
            // What the bytes of the string mean. They are UTF-8 or bytes without a charset, as all of the dump.
            let (literal, end) = value(text, token.end)?;
            return match literal.kind {
                LiteralKind::Text { .. } | LiteralKind::Hex | LiteralKind::Bits => Ok((literal, end)),
                _ => Err(BROKEN_VALUE),
            };
        }
        Kind::Word if word.starts_with(b"_") => {
            return Err(Stop::Broken("a text is in a charset other than UTF-8"));
        }
        Kind::End => return Err(Stop::Broken("the file ends within a row")),
        _ => return Err(BROKEN_VALUE),
    };
    Ok((Literal { kind, range: token.range }, token.end))
}

/// Where a broken row ends: after the bracket that closes it. None where the bytes end before that.
pub(super) fn end_of_broken_row(text: Text<'_>) -> Result<Option<usize>, Stop> {
    let (mut at, mut depth) = (0, 0usize);
    loop {
        let token = match text.token(at) {
            Ok(token) => token,
            Err(Stop::Short) => return Err(Stop::Short),
            // A string that does not end, or a literal that is none: its bytes are of no interest, its brackets neither.
            Err(Stop::Broken(_)) => match text.skip_space(at) {
                Ok(start)
                    if start < text.bytes.len() && !matches!(text.bytes[start], b'\'' | b'"' | b'`') =>
                {
                    at = start + 1;
                    continue;
                }
                _ => return Ok(None),
            },
        };
        match token.kind {
            Kind::End => return Ok(None),
            Kind::Symbol(b'(') => depth += 1,
            Kind::Symbol(b')') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Ok(Some(token.end));
                }
            }
            // A statement ends here, whatever is open.
            Kind::Symbol(b';') => return Ok(Some(token.range.start)),
            _ => {}
        }
        at = token.end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(sql: &str) -> Result<Vec<String>, Stop> {
        let mut literals = Vec::new();
        let length = row(Text { bytes: sql.as_bytes(), ended: true }, &mut literals)?;
        assert_eq!(length, sql.len(), "{sql}");
        Ok(literals.iter().map(|l| format!("{:?} {}", l.kind, &sql[l.range.clone()])).collect())
    }

    #[test]
    fn rows() {
        assert_eq!(
            values("( 1,-2.5e3 , 'a\\'b',_binary 'x',0xFF, X'',b'1',NULL,true,default,/* c */ \"d\")")
                .expect("a row"),
            [
                "Number 1",
                "Number -2.5e3",
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
            "(_latin1'a')",
            "(- 'a')",
            "(1;",
            "(1+1)",
            "(x'zz')",
        ] {
            assert!(matches!(values(bad), Err(Stop::Broken(_))), "{bad}");
        }
    }

    #[test]
    fn broken_rows_end() {
        for (sql, end) in [
            ("(now(),')'),(2)", Some(11)),
            ("(1;", Some(2)),
            ("(x'zz'),(1)", Some(7)),
            ("(1,", None),
            ("('a),(2)", None),
        ] {
            assert_eq!(end_of_broken_row(Text { bytes: sql.as_bytes(), ended: true }), Ok(end), "{sql}");
        }
    }
}

//! The value that a column stores of a literal.

use std::borrow::Cow;

use millrace_core::quarantine::QuarantineCode;
use millrace_core::schema::DataType;

use crate::files::cell::Refusal;
use crate::files::json_text;
use crate::files::number::Number;
use crate::mysql_dump::charset::{Charset, in_latin1, not_utf8};
use crate::mysql_dump::column::TableColumn;
use crate::mysql_dump::geometry;
use crate::mysql_dump::labels;
use crate::mysql_dump::lexer::unescape;
use crate::mysql_dump::literal::{Introducer, Literal, LiteralKind};
use crate::mysql_dump::moment::{Moment, date_time, full_year, length_of_time};
use crate::mysql_dump::rule::{Rule, Texts};
use crate::mysql_dump::session::{Session, Written};
use crate::mysql_types::stored;

/// The bounds of MEDIUMINT.
const MEDIUM_LEAST: i128 = -(1 << 23);
const MEDIUM_UNSIGNED: i128 = (1 << 24) - 1;

/// What a server keeps of a literal.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ColumnValue<'a> {
    /// A number as JSON writes it.
    Number(Cow<'a, [u8]>),
    /// UTF-8.
    Text(Cow<'a, [u8]>),
    Bytes(Cow<'a, [u8]>),
    Bits(u64),
    /// Days since 1970-01-01.
    Days(i32),
    /// Microseconds, since 1970-01-01 or of a length of time.
    Micros(i64),
    ZeroDate,
}

/// Room to work in.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    plain: Vec<u8>,
    decoded: Vec<u8>,
}

/// Reads a literal that is not NULL for a column. `row` is what its range counts in. What servers differ in, or refuse, is refused.
pub(super) fn read<'a>(
    literal: &Literal,
    row: &'a [u8],
    column: &TableColumn,
    session: &Session,
    scratch: &'a mut Scratch,
) -> Result<ColumnValue<'a>, Refusal> {
    let refused = || wrong_type(column, literal.kind);
    if literal.kind == LiteralKind::Default {
        return Err(refused());
    }
    if column.rule == Rule::Geometry {
        return geometry_of(literal, row, session, scratch).ok_or_else(refused)?;
    }
    if let Rule::Bits(width) = column.rule {
        let bits = bits_of(literal, row, session, scratch).ok_or_else(refused)?;
        if width < 64 && bits >> width != 0 {
            return Err(Refusal::out_of_range("the value has more bits than its column"));
        }
        return Ok(ColumnValue::Bits(bits));
    }
    let is_text = matches!(literal.kind, LiteralKind::Text { .. });
    let is_bytes = literal.kind == LiteralKind::Hex;
    let is_number = matches!(literal.kind, LiteralKind::Number { .. } | LiteralKind::Boolean(_));
    match &column.rule {
        Rule::Text(_) | Rule::Json | Rule::Enum(_) | Rule::Set(_) | Rule::Uuid | Rule::Inet { .. }
            if is_text || is_bytes =>
        {
            let Scratch { plain, decoded } = scratch;
            let text = text_of(literal, row, charset_of(&column.rule), session, plain, decoded)?;
            text_value(text, &column.rule, is_bytes)
        }
        Rule::Text(texts) if is_number => {
            // A number that is stored as a text is written anew by the server; these are the ones that stay as they are.
            let digits = number_of(literal, row, &mut scratch.plain);
            let kept = |number: Number<'_>| {
                let (before, after) = number.shape();
                !number.has_exponent() && before + after <= 60 && after <= 30
            };
            if !Number::parse(digits).is_some_and(kept) || digits == b"-0" {
                return Err(refused());
            }
            let text = String::from_utf8_lossy(digits).into_owned();
            fitted(Cow::Owned(text.into_bytes()), texts).map(ColumnValue::Text)
        }
        Rule::Enum(list) if is_number => {
            let label = labels::by_number(list, number_of(literal, row, &mut scratch.plain))?;
            Ok(ColumnValue::Text(Cow::Owned(label.into_bytes())))
        }
        Rule::Set(list) if is_number => {
            let label = labels::by_bits(list, number_of(literal, row, &mut scratch.plain))?;
            Ok(ColumnValue::Text(Cow::Owned(label.into_bytes())))
        }
        Rule::Bytes { pad, most } if is_text || is_bytes => {
            let bytes = bytes_of(literal, row, session, &mut scratch.plain)?;
            if bytes.len() > *most {
                return Err(Refusal::out_of_range("the value is longer than its column"));
            }
            Ok(ColumnValue::Bytes(match pad {
                Some(length) if bytes.len() < *length => {
                    let mut bytes = bytes.to_vec();
                    bytes.resize(*length, 0);
                    Cow::Owned(bytes)
                }
                _ => Cow::Borrowed(bytes),
            }))
        }
        Rule::Year if is_text || is_number => {
            let text = plain_of(literal, row, session, &mut scratch.plain);
            year(text, is_text).map(|year| ColumnValue::Number(Cow::Owned(year.to_string().into_bytes())))
        }
        Rule::Number { unsigned, digits, medium } if is_text || is_number => {
            let text = stored::normalized(plain_of(literal, row, session, &mut scratch.plain)).into_owned();
            let number = Number::parse(&text).ok_or_else(refused)?;
            if *unsigned && text.starts_with(b"-") && text.iter().any(|byte| matches!(byte, b'1'..=b'9')) {
                return Err(Refusal::out_of_range("the number is below zero, and its column is unsigned"));
            }
            let bounds = if *unsigned { 0..=MEDIUM_UNSIGNED } else { MEDIUM_LEAST..=-MEDIUM_LEAST - 1 };
            if *medium && number.integer().is_ok_and(|whole| !bounds.contains(&whole)) {
                return Err(Refusal::out_of_range("the number is out of the range of MEDIUMINT"));
            }
            if number.has_exponent() && matches!(column.data_type, DataType::Decimal { .. }) {
                // Servers go by a double there.
                return Err(Refusal::out_of_range("a number with an exponent is no exact decimal"));
            }
            if text.starts_with(b"-") && !text.iter().any(|byte| matches!(byte, b'1'..=b'9')) {
                return Ok(ColumnValue::Number(Cow::Owned(text[1..].to_vec())));
            }
            if let Some((precision, scale)) = digits {
                number
                    .scaled((*precision).min(38), *scale)
                    .map_err(|_| Refusal::out_of_range("the number has more digits than its column"))?;
            }
            Ok(ColumnValue::Number(Cow::Owned(text)))
        }
        Rule::Date | Rule::Moment { .. } | Rule::Time { .. } if is_text || is_number => {
            let text = plain_of(literal, row, session, &mut scratch.plain);
            moment_value(text, &column.rule, session)
        }
        _ => Err(refused()),
    }
}

fn charset_of(rule: &Rule) -> Charset {
    match rule {
        Rule::Text(texts) => texts.charset,
        Rule::Enum(labels) | Rule::Set(labels) => labels.charset,
        // JSON of MySQL's and MariaDB's is UTF-8.
        _ => Charset::Utf8,
    }
}

fn text_value<'a>(text: Cow<'a, [u8]>, rule: &Rule, is_bytes: bool) -> Result<ColumnValue<'a>, Refusal> {
    Ok(ColumnValue::Text(match rule {
        Rule::Text(texts) => fitted(text, texts)?,
        Rule::Enum(list) => labels::one(list, text, is_bytes)?,
        Rule::Set(list) => labels::several(list, text, is_bytes)?,
        Rule::Json => {
            json_text::check(&text)?;
            text
        }
        Rule::Uuid => {
            uuid(&text).map(Cow::Owned).ok_or_else(|| Refusal::wrong_type("the text is no UUID"))?
        }
        Rule::Inet { six } if is_address(&text, *six) => text,
        _ => return Err(Refusal::wrong_type("the text is no address as the server writes it")),
    }))
}

/// A text as a column of texts keeps it.
fn fitted<'a>(mut text: Cow<'a, [u8]>, texts: &Texts) -> Result<Cow<'a, [u8]>, Refusal> {
    let too_long = || Refusal::out_of_range("the text is longer than its column");
    let whole = std::str::from_utf8(&text).map_err(|_| not_utf8())?;
    if !texts.charset.holds(whole) {
        return Err(Refusal::out_of_range("the text has a character that the charset of its column lacks"));
    }
    let mut end = whole.len();
    if texts.trimmed {
        end = whole.trim_end_matches(' ').len();
    } else if let Some(most) = texts.characters.filter(|most| whole.len() > *most) {
        // Blanks beyond the end are cut off, whatever the mode.
        if let Some((at, _)) = whole.char_indices().nth(most)
            && whole[at..].bytes().all(|byte| byte == b' ')
        {
            end = at;
        }
    }
    let kept = &whole[..end];
    let is_long = texts.characters.is_some_and(|most| kept.len() > most && kept.chars().count() > most);
    if is_long || (kept.len() > texts.bytes && texts.charset.bytes_of(kept) > texts.bytes) {
        return Err(too_long());
    }
    if end < text.len() {
        match &mut text {
            Cow::Borrowed(bytes) => *bytes = &bytes[..end],
            Cow::Owned(bytes) => bytes.truncate(end),
        }
    }
    Ok(text)
}

/// The bytes of a literal as they stand between its quotes, or are meant by its digits.
fn plain_of<'a>(literal: &Literal, row: &'a [u8], session: &Session, scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let source = &row[literal.range.clone()];
    match literal.kind {
        LiteralKind::Text { quote, plain: false, .. } => {
            unescape(source, quote, session.mode, scratch);
            scratch
        }
        LiteralKind::Hex => {
            bytes_of_hex(source, scratch);
            scratch
        }
        LiteralKind::Boolean(_) | LiteralKind::Number { .. } => number_of(literal, row, scratch),
        _ => source,
    }
}

fn number_of<'a>(literal: &Literal, row: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let source = &row[literal.range.clone()];
    match literal.kind {
        LiteralKind::Boolean(true) => b"1",
        LiteralKind::Boolean(false) => b"0",
        LiteralKind::Number { negative: true } => {
            scratch.clear();
            scratch.push(b'-');
            scratch.extend_from_slice(source);
            scratch
        }
        _ => source,
    }
}

/// The characters of a text, in UTF-8.
fn text_of<'a>(
    literal: &Literal,
    row: &'a [u8],
    column: Charset,
    session: &Session,
    plain: &'a mut Vec<u8>,
    decoded: &'a mut Vec<u8>,
) -> Result<Cow<'a, [u8]>, Refusal> {
    let bytes = plain_of(literal, row, session, plain);
    let charset = match (literal.introducer, literal.kind) {
        (Introducer::In(charset), _) => charset,
        (Introducer::Column, _) | (_, LiteralKind::Hex) => column,
        (Introducer::Converted(to), _) if session.written == Written::Columns => to,
        _ => match &session.written {
            Written::Utf8 { short: false } => Charset::Utf8,
            Written::Utf8 { short: true } => Charset::Utf8Short,
            Written::Latin1 => Charset::Latin1,
            Written::Columns => column,
            Written::Unread(_) => Charset::Foreign,
        },
    };
    if bytes.is_ascii() && charset != Charset::Foreign {
        return Ok(Cow::Borrowed(bytes));
    }
    let text = if charset.is_utf8() {
        let text = std::str::from_utf8(bytes).map_err(|_| not_utf8())?;
        if charset != Charset::Utf8 && !charset.holds(text) {
            let reason = "the text has a character that the charset in which it is written lacks";
            return Err(Refusal::new(QuarantineCode::BadEncoding, reason));
        }
        bytes
    } else {
        charset.decode(bytes, decoded)?;
        &decoded[..]
    };
    let is_narrowed = session.lossy_connection_charset
        && literal.introducer == Introducer::Client
        && literal.kind != LiteralKind::Hex;
    if is_narrowed && !std::str::from_utf8(text).is_ok_and(|text| text.chars().all(in_latin1)) {
        let reason = "the text has a character that the charset of the connection may lack";
        return Err(Refusal::new(QuarantineCode::BadEncoding, reason));
    }
    Ok(Cow::Borrowed(text))
}

/// The bytes that a column without a charset keeps of a literal.
fn bytes_of<'a>(
    literal: &Literal,
    row: &'a [u8],
    session: &Session,
    scratch: &'a mut Vec<u8>,
) -> Result<&'a [u8], Refusal> {
    let bytes = plain_of(literal, row, session, scratch);
    let is_text = literal.introducer == Introducer::Client && literal.kind != LiteralKind::Hex;
    if is_text && session.lossy_connection_charset && !bytes.is_ascii() {
        let reason = "the bytes are a text in a charset of the connection that is not known";
        return Err(Refusal::new(QuarantineCode::BadEncoding, reason));
    }
    Ok(bytes)
}

fn bytes_of_hex(digits: &[u8], out: &mut Vec<u8>) {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
    out.clear();
    // An odd number of digits has a zero before it.
    let (first, rest) = digits.split_at(digits.len() % 2);
    out.extend(first.iter().map(|&byte| digit(byte)));
    out.extend(rest.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])));
}

/// The number that a BIT value is: dumps write it as bytes, most significant first.
fn bits_of(literal: &Literal, row: &[u8], session: &Session, scratch: &mut Scratch) -> Option<u64> {
    let source = &row[literal.range.clone()];
    match literal.kind {
        LiteralKind::Text { .. } | LiteralKind::Hex => {
            stored::bits(plain_of(literal, row, session, &mut scratch.plain))
        }
        LiteralKind::Bits => {
            let digits = &source[source.iter().position(|&byte| byte == b'1').unwrap_or(source.len())..];
            (digits.len() <= 64)
                .then(|| digits.iter().fold(0, |sum, digit| sum << 1 | u64::from(digit - b'0')))
        }
        LiteralKind::Number { negative: false } => std::str::from_utf8(source).ok()?.parse().ok(),
        LiteralKind::Boolean(value) => Some(u64::from(value)),
        _ => None,
    }
}

fn geometry_of<'a>(
    literal: &Literal,
    row: &'a [u8],
    session: &Session,
    scratch: &'a mut Scratch,
) -> Option<Result<ColumnValue<'a>, Refusal>> {
    let wrong = || Refusal::wrong_type("expected a geometry");
    let bytes = |found: &'a [u8]| ColumnValue::Bytes(Cow::Borrowed(found));
    match literal.introducer {
        Introducer::WellKnownText => {
            let text = plain_of(literal, row, session, &mut scratch.plain);
            let made = geometry::of_text(text).ok_or_else(wrong);
            Some(made.map(|made| ColumnValue::Bytes(Cow::Owned(made))))
        }
        Introducer::WellKnownBinary => Some(Ok(bytes(plain_of(literal, row, session, &mut scratch.plain)))),
        _ if matches!(literal.kind, LiteralKind::Text { .. } | LiteralKind::Hex) => {
            let stored = plain_of(literal, row, session, &mut scratch.plain);
            Some(stored::well_known_binary(stored).map(bytes))
        }
        _ => None,
    }
}

/// A year from 1901 to 2155, or 0. Of one or two digits it is one from 1970 to 2069, but for the number 0.
fn year(text: &[u8], is_text: bool) -> Result<u32, Refusal> {
    let out = || Refusal::out_of_range("expected a year from 1901 to 2155");
    let digits = Some(text).filter(|text| !text.is_empty() && text.iter().all(u8::is_ascii_digit));
    let value =
        digits.and_then(|text| std::str::from_utf8(text).ok()?.parse::<u32>().ok()).ok_or_else(out)?;
    match (value, text.len()) {
        (0, _) if !is_text => Ok(0),
        (0, 4) => Ok(0),
        (_, 1 | 2) => full_year(value, 2).ok_or_else(out),
        (1..=99, _) if !is_text => full_year(value, 2).ok_or_else(out),
        (1901..=2155, 4) => Ok(value),
        _ => Err(out()),
    }
}

fn moment_value(text: &[u8], rule: &Rule, session: &Session) -> Result<ColumnValue<'static>, Refusal> {
    let too_fine = || Refusal::out_of_range("the fraction of a second has more digits than its column");
    if let Rule::Time { fraction } = rule {
        let (micros, digits) = length_of_time(text)
            .ok_or_else(|| Refusal::wrong_type("expected a length of time from -838:59:59 to 838:59:59"))?;
        return if digits > usize::from(*fraction) {
            Err(too_fine())
        } else {
            Ok(ColumnValue::Micros(micros))
        };
    }
    let wrong = || Refusal::wrong_type("expected a date or a date and time that exists");
    let found = if text == b"0" { Some(Moment::Zero) } else { date_time(text) };
    let Moment::At { days, time, digits } = found.ok_or_else(wrong)? else {
        return Ok(ColumnValue::ZeroDate);
    };
    match rule {
        Rule::Moment { fraction, .. } if digits > usize::from(*fraction) => Err(too_fine()),
        Rule::Moment { zoned: false, .. } => Ok(ColumnValue::Micros(Moment::micros(days, time))),
        Rule::Moment { zoned: true, .. } => {
            let instant = session.zone.instant(Moment::micros(days, time));
            instant.map(ColumnValue::Micros).map_err(Refusal::out_of_range)
        }
        _ if time != 0 => {
            Err(Refusal::out_of_range("the column holds days, and the value has a time of day"))
        }
        _ => Ok(ColumnValue::Days(days)),
    }
}

/// As the server writes it.
fn uuid(text: &[u8]) -> Option<Vec<u8>> {
    let shaped = text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    shaped.then(|| text.to_ascii_lowercase())
}

fn is_address(text: &[u8], six: bool) -> bool {
    let text = std::str::from_utf8(text).unwrap_or_default();
    if six {
        let parsed = text.parse::<std::net::Ipv6Addr>();
        parsed.is_ok_and(|address| text.contains('.') || address.to_string() == text)
    } else {
        text.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.to_string() == text)
    }
}

/// The refusal of a literal that a column cannot hold.
pub(super) fn wrong_type(column: &TableColumn, kind: LiteralKind) -> Refusal {
    let found = match kind {
        LiteralKind::Null => "NULL",
        LiteralKind::Boolean(_) => "a truth value",
        LiteralKind::Number { .. } => "a number",
        LiteralKind::Text { .. } => "text",
        LiteralKind::Hex => "bytes in hex",
        LiteralKind::Bits => "bits",
        LiteralKind::Default => "DEFAULT, whose value only the server knows",
    };
    Refusal::wrong_type(format!("expected {}, found {found}", column.data_type))
}

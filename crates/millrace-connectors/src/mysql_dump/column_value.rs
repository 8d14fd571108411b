//! Computes the value that a column stores for a literal.
//!
//! The input is a literal of a row, the column's definition and the session's settings. The output
//! is the value that a server has after it ran the statement. If servers differ in that value,
//! round or truncate it, or refuse it, the literal is refused and its row goes to quarantine.

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

/// The bounds of MEDIUMINT, an integer of three bytes.
const MEDIUM_LEAST: i128 = -(1 << 23);
const MEDIUM_UNSIGNED: i128 = (1 << 24) - 1;

/// The value that a server stores for a literal.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ColumnValue<'a> {
    /// A number in the notation of JSON.
    Number(Cow<'a, [u8]>),
    /// A text in UTF-8.
    Text(Cow<'a, [u8]>),
    Bytes(Cow<'a, [u8]>),
    /// The number that a BIT value stands for.
    Bits(u64),
    /// Days since 1970-01-01.
    Days(i32),
    /// Microseconds: since 1970-01-01 00:00:00 (DATETIME, TIMESTAMP), or a duration (TIME).
    Micros(i64),
    /// A zero or partial date, such as `2024-00-10`.
    ZeroDate,
}

/// Reusable buffers for unescaped and decoded bytes.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    plain: Vec<u8>,
    decoded: Vec<u8>,
}

/// Returns the value that a column stores for a literal that is not NULL. The literal's range is an
/// offset into `row`. The refusal is the reason for quarantine.
pub(super) fn read<'a>(
    literal: &Literal,
    row: &'a [u8],
    column: &TableColumn,
    session: &Session,
    scratch: &'a mut Scratch,
) -> Result<ColumnValue<'a>, Refusal> {
    let refused = || wrong_type(column, literal.kind);
    // Only the server knows the default.
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
            // The server formats a number that is stored as text. Only numbers whose notation this
            // does not change are accepted.
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
        // A number names a label by its position, or several labels by its bits.
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
                // BINARY pads with zeros.
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
            // The logical type, a 32-bit integer, would accept more.
            if *medium && number.integer().is_ok_and(|whole| !bounds.contains(&whole)) {
                return Err(Refusal::out_of_range("the number is out of the range of MEDIUMINT"));
            }
            if number.has_exponent() && matches!(column.data_type, DataType::Decimal { .. }) {
                // Servers convert such a number through a double.
                return Err(Refusal::out_of_range("a number with an exponent is no exact decimal"));
            }
            // Minus zero becomes zero.
            if text.starts_with(b"-") && !text.iter().any(|byte| matches!(byte, b'1'..=b'9')) {
                return Ok(ColumnValue::Number(Cow::Owned(text[1..].to_vec())));
            }
            // A server would round a number with more digits than FLOAT(p,s) has.
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

/// Returns the charset in which a column stores text.
fn charset_of(rule: &Rule) -> Charset {
    match rule {
        Rule::Text(texts) => texts.charset,
        Rule::Enum(labels) | Rule::Set(labels) => labels.charset,
        // Both MySQL and MariaDB store JSON as UTF-8.
        _ => Charset::Utf8,
    }
}

/// Returns the value that a column stores for a text. `is_bytes` says that the literal was written
/// in hexadecimal digits; labels of ENUM and SET are then compared by their exact bytes.
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

/// Returns a text as a text column stores it, without the trailing blanks that the column drops.
///
/// Refuses a text that is longer than the column, or that has a character which the charset of the
/// column lacks.
fn fitted<'a>(mut text: Cow<'a, [u8]>, texts: &Texts) -> Result<Cow<'a, [u8]>, Refusal> {
    let too_long = || Refusal::out_of_range("the text is longer than its column");
    let whole = std::str::from_utf8(&text).map_err(|_| not_utf8())?;
    if !texts.charset.holds(whole) {
        return Err(Refusal::out_of_range("the text has a character that the charset of its column lacks"));
    }
    let mut end = whole.len();
    if texts.trimmed {
        end = whole.trim_end_matches(' ').len();
    // A text cannot have more characters than bytes, so most texts need no counting.
    } else if let Some(most) = texts.characters.filter(|most| whole.len() > *most) {
        // The server truncates trailing blanks beyond the length in any `sql_mode`.
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

/// Returns the bytes of a literal: unescaped, or decoded from hexadecimal digits.
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

/// Returns the text of a number. Truth values are 1 and 0. A minus sign that was separated by
/// blanks is put before the digits.
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

/// Returns the characters of a text literal, in UTF-8. Refuses a text whose bytes or characters
/// cannot be determined.
///
/// The charset of the bytes is that of the introducer (`_latin1'…'`); without one, that of the
/// column for `_binary` and hexadecimal literals; else that of the client or, if the client has
/// none, that of `CONVERT('…' USING …)`.
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
    // ASCII bytes mean the same in every charset but those that are `Foreign`.
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
    // The server converts texts of the client to the charset of the connection. If that is unknown,
    // only characters of `latin1` are certain to survive.
    let is_narrowed = session.lossy_connection_charset
        && literal.introducer == Introducer::Client
        && literal.kind != LiteralKind::Hex;
    if is_narrowed && !std::str::from_utf8(text).is_ok_and(|text| text.chars().all(in_latin1)) {
        let reason = "the text has a character that the charset of the connection may lack";
        return Err(Refusal::new(QuarantineCode::BadEncoding, reason));
    }
    Ok(Cow::Borrowed(text))
}

/// Returns the bytes that a column without a charset stores. Refuses a text that the server would
/// convert to an unknown charset first.
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

/// Decodes hexadecimal digits into `out`.
fn bytes_of_hex(digits: &[u8], out: &mut Vec<u8>) {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0) as u8;
    out.clear();
    // An odd number of digits counts as if a zero preceded them.
    let (first, rest) = digits.split_at(digits.len() % 2);
    out.extend(first.iter().map(|&byte| digit(byte)));
    out.extend(rest.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])));
}

/// Returns the number that a BIT value stands for. Dumps write it as bytes, most significant first.
/// Returns `None` if it has more than 64 bits or the literal is none of bits.
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

/// Returns a geometry as well-known binary. Dumps write it in the stored form (reference system,
/// then binary), or with a function from text or binary. Returns `None` for any other literal.
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

/// Parses a year from 1901 to 2155, or 0. A year of one or two digits is from 1970 to 2069, except
/// for the number 0.
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

/// Parses a date, a date and time, or a TIME. A TIMESTAMP becomes an instant by the session's time
/// zone. Refuses fractions of a second that the column would round.
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

/// Returns a UUID in the notation of the server: 36 characters in lower case. Returns `None` for
/// any other text.
fn uuid(text: &[u8]) -> Option<Vec<u8>> {
    let shaped = text.len() == 36
        && text.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    shaped.then(|| text.to_ascii_lowercase())
}

/// Returns whether a text is an IP address in the notation of the server, which would rewrite any
/// other. An IPv6 address with a dotted part is accepted as it is.
fn is_address(text: &[u8], six: bool) -> bool {
    let text = std::str::from_utf8(text).unwrap_or_default();
    if six {
        let parsed = text.parse::<std::net::Ipv6Addr>();
        parsed.is_ok_and(|address| text.contains('.') || address.to_string() == text)
    } else {
        text.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.to_string() == text)
    }
}

/// The refusal of a literal whose kind the column cannot store.
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

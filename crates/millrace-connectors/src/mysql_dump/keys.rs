//! Rows that repeat a key: a server has one row of each.

use crate::files::number::{Number, small_integer};
use crate::mysql_dump::column_value::{self, ColumnValue, Scratch};
use crate::mysql_dump::literal::{Literal, LiteralKind};
use crate::mysql_dump::rule::{Rule, Texts};
use crate::mysql_dump::seen::{Met, Seen};
use crate::mysql_dump::session::Session;
use crate::mysql_dump::table::{Key, Table};

/// Watches the keys of a table.
#[derive(Debug)]
pub(super) struct KeyWatch {
    keys: Vec<Watched>,
    /// Whether keys are taken for the same that some collation may take for the same, and unique keys count as the primary key does: where
    /// statements replace rows or pass over them.
    is_loose: bool,
    encoded: Vec<u8>,
}

#[derive(Debug)]
struct Watched {
    key: Key,
    seen: Seen,
    /// Where its columns stand in the present statement; none where it leaves one to its default.
    places: Option<Vec<(usize, usize)>>,
    /// Whether the server works the key out.
    is_numbered: bool,
}

/// The key of a row.
enum Found {
    /// It has no value, or one that the server makes up.
    Nothing,
    /// It cannot be told.
    Unknown,
    Number(i64),
    Bytes,
}

impl KeyWatch {
    /// Watches the keys that a table has once the dump is through.
    pub(super) fn new(table: &Table, is_loose: bool) -> Self {
        let primary = Key {
            columns: table.primary_key.iter().map(|name| (name.clone(), None)).collect(),
            computed: false,
        };
        let unique = table.unique_keys.iter().filter(|_| is_loose).cloned();
        let keys = (!primary.columns.is_empty()).then_some(primary).into_iter().chain(unique);
        let watched = |key| Watched { key, seen: Seen::default(), places: None, is_numbered: false };
        Self { keys: keys.map(watched).collect(), is_loose, encoded: Vec::new() }
    }

    /// Starts a statement: `numbers` are the columns of its values.
    pub(super) fn begin(&mut self, table: &Table, numbers: &[usize]) {
        for watched in &mut self.keys {
            let number =
                |name: &str| table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
            let place = |(name, _): &(String, Option<usize>)| {
                let number = number(name)?;
                Some((numbers.iter().position(|other| *other == number)?, number))
            };
            watched.places = watched.key.columns.iter().map(place).collect();
            watched.is_numbered = watched
                .key
                .columns
                .iter()
                .any(|(name, _)| number(name).is_some_and(|number| table.columns[number].numbered));
            if watched.key.computed {
                watched.places = None;
            }
        }
    }

    /// Takes the keys of a row up, and says whether one of them was there before.
    pub(super) fn row(
        &mut self,
        literals: &[Literal],
        row: &[u8],
        table: &Table,
        session: &Session,
        scratch: &mut Scratch,
    ) -> Met {
        let mut met = Met::New;
        for watched in &mut self.keys {
            let found = match &watched.places {
                None if watched.is_numbered => Found::Nothing,
                None => Found::Unknown,
                Some(places) => {
                    let parts = places
                        .iter()
                        .zip(&watched.key.columns)
                        .map(|(&(at, number), (_, length))| (at, number, *length));
                    encode(parts, literals, row, table, session, scratch, self.is_loose, &mut self.encoded)
                }
            };
            let this = match found {
                Found::Unknown if self.is_loose => Met::Full,
                Found::Nothing | Found::Unknown => Met::New,
                Found::Number(number) => watched.seen.number(number),
                Found::Bytes => watched.seen.text(&self.encoded),
            };
            if this != Met::New && met != Met::Before {
                met = this;
            }
        }
        met
    }
}

#[expect(clippy::too_many_arguments, reason = "what a row is, and how it is read")]
fn encode(
    parts: impl ExactSizeIterator<Item = (usize, usize, Option<usize>)>,
    literals: &[Literal],
    row: &[u8],
    table: &Table,
    session: &Session,
    scratch: &mut Scratch,
    is_loose: bool,
    out: &mut Vec<u8>,
) -> Found {
    out.clear();
    let is_single = parts.len() == 1;
    for (at, number, length) in parts {
        let (Some(literal), column) = (literals.get(at), &table.columns[number]) else {
            return Found::Unknown;
        };
        if literal.kind == LiteralKind::Null {
            return Found::Nothing;
        }
        let Ok(value) = column_value::read(literal, row, column, session, scratch) else {
            return Found::Unknown;
        };
        match &value {
            ColumnValue::Number(text) => {
                let is_zero = !text.iter().any(|byte| matches!(byte, b'1'..=b'9'));
                if column.numbered && !session.keeps_zero && is_zero {
                    return Found::Nothing;
                }
                match small_integer(text) {
                    Some(number) if is_single => return Found::Number(number),
                    Some(number) => out.extend_from_slice(&number.to_le_bytes()),
                    None => out.extend_from_slice(&canonical(text)),
                }
            }
            ColumnValue::Text(text) => match &column.rule {
                Rule::Text(texts) if is_loose => fold(text, texts, length, out),
                _ => out.extend_from_slice(text),
            },
            ColumnValue::Bytes(bytes) => {
                out.extend_from_slice(&bytes[..length.unwrap_or(usize::MAX).min(bytes.len())]);
            }
            ColumnValue::Bits(bits) => out.extend_from_slice(&bits.to_le_bytes()),
            ColumnValue::Days(days) => out.extend_from_slice(&days.to_le_bytes()),
            ColumnValue::Micros(micros) => out.extend_from_slice(&micros.to_le_bytes()),
            ColumnValue::ZeroDate => out.push(b'0'),
        }
        out.extend_from_slice(&(out.len() as u64).to_le_bytes());
    }
    Found::Bytes
}

/// The same bytes for the same number.
fn canonical(text: &[u8]) -> Vec<u8> {
    let Some(number) = Number::parse(text) else { return text.to_vec() };
    match number.scaled_wide(76, 38) {
        Ok(scaled) => scaled.to_string().into_bytes(),
        Err(_) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse::<f64>().ok())
            .map_or_else(|| text.to_vec(), |number| number.to_bits().to_le_bytes().to_vec()),
    }
}

/// A text without what collations may pass over: letter case, accents of Latin letters, and blanks at the end.
fn fold(text: &[u8], texts: &Texts, length: Option<usize>, out: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(text);
    let cut: String = text.chars().take(length.unwrap_or(usize::MAX)).collect();
    let cut = cut.trim_end_matches(' ');
    if texts.exact {
        out.extend_from_slice(cut.as_bytes());
        return;
    }
    for letter in cut.chars().flat_map(char::to_lowercase) {
        let letter = base(letter);
        out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
    }
}

/// The letter of ASCII that a Latin letter is without its accents.
fn base(letter: char) -> char {
    const GROUPS: [(&str, char); 15] = [
        ("àáâãäåāăąæ", 'a'),
        ("çćĉċč", 'c'),
        ("ďđð", 'd'),
        ("èéêëēĕėęě", 'e'),
        ("ĝğġģ", 'g'),
        ("ìíîïĩīĭįı", 'i'),
        ("ķ", 'k'),
        ("ĺļľŀł", 'l'),
        ("ñńņňŉ", 'n'),
        ("òóôõöøōŏőœ", 'o'),
        ("ŕŗř", 'r'),
        ("śŝşšßſ", 's'),
        ("ţťŧ", 't'),
        ("ùúûüũūŭůűų", 'u'),
        ("ýÿŷźżžþ", 'y'),
    ];
    if letter.is_ascii() {
        return letter;
    }
    GROUPS.iter().find(|(letters, _)| letters.contains(letter)).map_or(letter, |(_, base)| *base)
}

//! Detects rows that repeat a primary or unique key, of which a server keeps only one.
//!
//! The sets of keys have bounded memory (`seen.rs`). A plain INSERT of a key that exists fails on a
//! server, so its row goes to quarantine. REPLACE and INSERT IGNORE would replace or skip rows; if
//! such a statement may meet an existing key, the reading of the table ends with an error. See ADR
//! 0030.

use millrace_core::schema::DataType;

use crate::files::number::{Number, small_integer};
use crate::mysql_dump::column::TableColumn;
use crate::mysql_dump::column_value::{self, ColumnValue, Scratch};
use crate::mysql_dump::constraint::Key;
use crate::mysql_dump::extract::Verb;
use crate::mysql_dump::literal::{Literal, LiteralKind};
use crate::mysql_dump::rule::Rule;
use crate::mysql_dump::seen::{Met, Seen};
use crate::mysql_dump::session::Session;
use crate::mysql_dump::table::Table;

/// Watches the keys of a table while its rows are read.
///
/// Rows of a plain INSERT are compared by the primary key and its exact bytes, since a row may be
/// refused only if it surely repeats a key. If any statement replaces or skips rows, the rows of
/// such statements are compared by all keys, and loosely: texts that a collation may consider equal
/// are the same key.
#[derive(Debug)]
pub(super) struct KeyWatch {
    keys: Vec<Watched>,
    /// Whether any statement of the table replaces or skips rows.
    replaces: bool,
    /// Whether a row came whose keys could not be determined. Any later row may repeat them.
    has_unread: bool,
    /// The bytes that all keys of the table occupy.
    bytes: usize,
    /// Buffer for the encoded key of a row.
    encoded: Vec<u8>,
}

/// One key of the table and the values that were seen of it.
#[derive(Debug)]
struct Watched {
    key: Key,
    is_primary: bool,
    /// The keys by their exact values.
    exact: Seen,
    /// The keys as a collation may compare them. `None` if the key has no text column or no
    /// statement replaces or skips rows.
    folded: Option<Seen>,
    /// What the current statement gives for the key.
    given: Given,
}

/// What a statement gives for a key.
#[derive(Debug)]
enum Given {
    /// All columns: for each its index among the values of a row, and its index in the table.
    At(Vec<(usize, usize)>),
    /// No key that could be repeated: the server assigns the number, or a column of the key is
    /// NULL.
    Nothing,
    /// An unknown key: a column is left to its default, or a part of the key is an expression.
    Unknown,
}

/// The key of a row, as [`encode`] finds it.
enum Found {
    /// No key that could be repeated: a column is NULL, or the server assigns the number.
    Nothing,
    /// A key that cannot be determined.
    Unknown,
    /// A single integer.
    Number(i64),
    /// Any other key. Its bytes are in the output buffer.
    Bytes,
}

/// A row, with what is needed to read its values.
pub(super) struct KeyedRow<'a> {
    pub(super) literals: &'a [Literal],
    pub(super) raw: &'a [u8],
    pub(super) table: &'a Table,
    pub(super) session: &'a Session,
}

impl KeyWatch {
    /// Watches the keys that the table has at the end of the dump. Unique keys matter only if
    /// `replaces`, which says that a statement replaces or skips rows.
    pub(super) fn new(table: &Table, replaces: bool) -> Self {
        let primary = table.primary_key.iter().map(|key| (key, true));
        let unique = table.unique_keys.iter().filter(|_| replaces).map(|key| (key, false));
        let watched = |(key, is_primary): (&Key, bool)| {
            let has_text = key.columns.iter().any(|(name, _)| {
                let column = table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
                column.is_none_or(|column| matches!(column.rule, Rule::Text(_)))
            });
            let folded = (replaces && has_text).then(Seen::default);
            Watched { key: key.clone(), is_primary, exact: Seen::default(), folded, given: Given::Unknown }
        };
        let keys = primary.chain(unique).map(watched).collect();
        Self { keys, replaces, has_unread: false, bytes: 0, encoded: Vec::new() }
    }

    /// Starts a statement. `numbers` are the table indexes of the columns that its rows have values
    /// for.
    pub(super) fn begin(&mut self, table: &Table, numbers: &[usize]) {
        for watched in &mut self.keys {
            watched.given = given(&watched.key, table, numbers);
        }
    }

    /// Records the keys of a row. Returns whether a key that matters for the verb existed before,
    /// or [`Met::Full`] if that cannot be determined.
    pub(super) fn row(&mut self, verb: Verb, row: &KeyedRow<'_>, scratch: &mut Scratch) -> Met {
        if verb == Verb::ReplaceOrIgnore && self.has_unread {
            return Met::Full;
        }
        let mut met = Met::New;
        for watched in &mut self.keys {
            // Without a text column, the exact set serves loose comparisons too.
            let counts_exact = match verb {
                Verb::Insert => watched.is_primary,
                Verb::ReplaceOrIgnore => watched.folded.is_none(),
            };
            let needs_exact = watched.is_primary || watched.folded.is_none();
            // Every needed set records the row, but only the set that counts for this verb decides.
            let sets = [
                (needs_exact.then_some(&mut watched.exact), counts_exact),
                (watched.folded.as_mut(), verb == Verb::ReplaceOrIgnore),
            ];
            for (is_loose, (seen, counts)) in [false, true].into_iter().zip(sets) {
                let Some(seen) = seen else { continue };
                let found = match &watched.given {
                    Given::Nothing => Found::Nothing,
                    Given::Unknown => Found::Unknown,
                    Given::At(places) => {
                        let parts = places.iter().zip(&watched.key.columns);
                        let parts = parts.map(|(&(at, number), (_, length))| (at, number, *length));
                        encode(parts, row, scratch, is_loose, &mut self.encoded)
                    }
                };
                let this = match found {
                    Found::Unknown if self.replaces => {
                        self.has_unread = true;
                        if verb == Verb::ReplaceOrIgnore { Met::Full } else { Met::New }
                    }
                    // A row without a valid key value is refused later, when its cells are read.
                    Found::Nothing | Found::Unknown => Met::New,
                    Found::Number(number) => seen.number(number, &mut self.bytes),
                    Found::Bytes => seen.text(&self.encoded, &mut self.bytes),
                };
                if counts && this != Met::New && met != Met::Before {
                    met = this;
                }
            }
        }
        met
    }

    /// Records a row whose keys cannot be read. Returns what that means for the verb.
    pub(super) fn unread(&mut self, verb: Verb) -> Met {
        let matters = self.replaces && !self.keys.is_empty();
        self.has_unread |= matters;
        if matters && verb == Verb::ReplaceOrIgnore { Met::Full } else { Met::New }
    }
}

/// Determines what a statement with these columns gives for a key.
fn given(key: &Key, table: &Table, numbers: &[usize]) -> Given {
    if key.computed {
        return Given::Unknown;
    }
    let number = |name: &str| table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
    let Some(columns) = key.columns.iter().map(|(name, _)| number(name)).collect::<Option<Vec<_>>>() else {
        return Given::Unknown;
    };
    let mut places = Vec::with_capacity(columns.len());
    let mut is_unknown = false;
    for number in columns {
        match numbers.iter().position(|other| *other == number) {
            Some(at) => places.push((at, number)),
            None => {
                let column = &table.columns[number];
                // A key that contains NULL is never equal to another key.
                if column.auto_increment || (column.nullable && !column.has_default && !column.generated) {
                    return Given::Nothing;
                }
                is_unknown = true;
            }
        }
    }
    if is_unknown { Given::Unknown } else { Given::At(places) }
}

/// Encodes the key of a row into `out`, or returns it as a number. Equal keys have equal bytes.
///
/// Each part is an index among the values, an index in the table, and the length of a prefix key.
/// If `is_loose`, texts that a collation may consider equal have the same bytes.
fn encode(
    parts: impl ExactSizeIterator<Item = (usize, usize, Option<usize>)>,
    row: &KeyedRow<'_>,
    scratch: &mut Scratch,
    is_loose: bool,
    out: &mut Vec<u8>,
) -> Found {
    out.clear();
    let is_single = parts.len() == 1;
    for (at, number, length) in parts {
        let (Some(literal), column) = (row.literals.get(at), &row.table.columns[number]) else {
            return Found::Unknown;
        };
        if literal.kind == LiteralKind::Null {
            // Without strict mode, or with IGNORE, servers store 0 or an empty text in place of
            // NULL in a NOT NULL column.
            return if column.nullable || column.auto_increment { Found::Nothing } else { Found::Unknown };
        }
        let Ok(value) = column_value::read(literal, row.raw, column, row.session, scratch) else {
            return Found::Unknown;
        };
        match &value {
            ColumnValue::Number(text) => {
                let is_zero = !text.iter().any(|byte| matches!(byte, b'1'..=b'9'));
                if column.auto_increment && !row.session.keeps_zero && is_zero {
                    return Found::Nothing;
                }
                match number_of(text, column) {
                    None => return Found::Unknown,
                    Some(Same::Whole(number)) if is_single => return Found::Number(number),
                    Some(Same::Whole(number)) => out.extend_from_slice(&number.to_le_bytes()),
                    Some(Same::Other(bytes)) => {
                        out.push(b'.');
                        out.extend_from_slice(&bytes);
                    }
                }
            }
            ColumnValue::Text(text) => {
                let text = String::from_utf8_lossy(text);
                let end = length.and_then(|length| text.char_indices().nth(length)).map(|(end, _)| end);
                let part = &text[..end.unwrap_or(text.len())];
                match &column.rule {
                    Rule::Text(texts) if is_loose => texts.collation.fold(part, out),
                    _ => out.extend_from_slice(part.as_bytes()),
                }
            }
            ColumnValue::Bytes(bytes) => {
                out.extend_from_slice(&bytes[..length.unwrap_or(usize::MAX).min(bytes.len())]);
            }
            ColumnValue::Bits(bits) => out.extend_from_slice(&bits.to_le_bytes()),
            ColumnValue::Days(days) => out.extend_from_slice(&days.to_le_bytes()),
            ColumnValue::Micros(micros) => out.extend_from_slice(&micros.to_le_bytes()),
            ColumnValue::ZeroDate => out.push(b'0'),
        }
        // The length separates the parts, so that `ab` + `c` differs from `a` + `bc`.
        out.extend_from_slice(&(out.len() as u64).to_le_bytes());
    }
    Found::Bytes
}

/// A form of a number that is the same for equal numbers.
#[derive(Debug, PartialEq, Eq)]
enum Same {
    Whole(i64),
    Other(Vec<u8>),
}

/// Returns the number that a column stores for a text. Returns `None` if servers would round or
/// truncate the number.
fn number_of(text: &[u8], column: &TableColumn) -> Option<Same> {
    if let DataType::Float32 | DataType::Float64 = column.data_type {
        let double =
            std::str::from_utf8(text).ok()?.parse::<f64>().ok().filter(|double| double.is_finite())?;
        // FLOAT has single precision, so several texts may be the same key.
        let kept = if column.data_type == DataType::Float32 { f64::from(double as f32) } else { double };
        return Some(Same::Other(kept.to_bits().to_le_bytes().to_vec()));
    }
    let number = Number::parse(text)?;
    let whole = match small_integer(text) {
        Some(whole) => Some(i128::from(whole)),
        None => number.integer().ok(),
    };
    if let DataType::Decimal { precision, scale } = column.data_type {
        let scaled = number.scaled_wide(precision, scale).ok()?;
        return match whole.and_then(|whole| i64::try_from(whole).ok()) {
            Some(whole) => Some(Same::Whole(whole)),
            None => Some(Same::Other(scaled.to_string().into_bytes())),
        };
    }
    let whole = whole.filter(|whole| holds(column.data_type, *whole))?;
    Some(i64::try_from(whole).map_or_else(|_| Same::Other(whole.to_le_bytes().to_vec()), Same::Whole))
}

/// Returns whether an integer is in the range of a type. Types that are not listed have the range
/// of BIGINT.
fn holds(data_type: DataType, whole: i128) -> bool {
    match data_type {
        DataType::Int8 => i8::try_from(whole).is_ok(),
        DataType::Int16 => i16::try_from(whole).is_ok(),
        DataType::Int32 => i32::try_from(whole).is_ok(),
        DataType::UInt8 => u8::try_from(whole).is_ok(),
        DataType::UInt16 => u16::try_from(whole).is_ok(),
        DataType::UInt32 => u32::try_from(whole).is_ok(),
        DataType::UInt64 => u64::try_from(whole).is_ok(),
        _ => i64::try_from(whole).is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql_dump::column::tests::column;

    #[test]
    fn equal_numbers_are_one_key() {
        let of = |text: &str, definition: &str| number_of(text.as_bytes(), &column(definition));
        for (definition, one, other) in [
            ("int", "1", "1.0"),
            ("int", "1", "1e0"),
            ("bigint", "1000000000000000000", "1000000000000000000.0"),
            ("bigint unsigned", "18446744073709551615", "18446744073709551615.00"),
            ("decimal(5,2)", "1", "1.00"),
            ("decimal(5,2)", "1.5", "1.50"),
            ("decimal(65,30)", "12345678901234567890.5", "12345678901234567890.500"),
            ("double", "1", "1.0"),
            ("float", "1.1", "1.10000001"),
        ] {
            assert!(of(one, definition).is_some(), "{definition}");
            assert_eq!(of(one, definition), of(other, definition), "{definition}: {one}, {other}");
        }
        for (definition, one, other) in
            [("int", "1", "2"), ("decimal(5,2)", "1.1", "1.2"), ("double", "0.1", "0.11")]
        {
            assert_ne!(of(one, definition), of(other, definition), "{definition}: {one}, {other}");
        }
        // Servers round or cut these.
        for (definition, text) in [
            ("int", "1.4"),
            ("tinyint", "128"),
            ("decimal(5,2)", "1.005"),
            ("decimal(5,2)", "1000"),
            ("double", "1e400"),
        ] {
            assert_eq!(of(text, definition), None, "{definition}: {text}");
        }
    }
}

//! The primary key by which a table is cut into ranges, and the values of its columns: how they are
//! written as SQL literals, and what lies in the middle between two of them.
//!
//! All values are texts in the server's notation; bytes are in hex. Only the server compares them,
//! each in the collation of its column.

use millrace_core::cursor::Cursor;
use millrace_core::schema::DataType;
use millrace_engine::error::{Error, ErrorKind, Result};
use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};

use crate::mysql::connection::Connection;
use crate::mysql::incremental;
use crate::mysql::table::text;
use crate::mysql_types::logical::TypeName;

/// The key by which a table is cut, and the size of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The leading columns of the primary key by which the table can be cut; at least one.
    pub(super) key: Vec<KeyColumn>,
    /// Average bytes of a row by the server's statistics, at least one; 100 if they have none.
    pub(super) row_bytes: u64,
}

/// A column of the primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyColumn {
    pub(super) name: String,
    pub(super) kind: KeyKind,
}

/// How values of a key column are written in SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyKind {
    Integer,
    Decimal,
    /// As `2026-11-24`.
    Day,
    /// As `2026-11-24 12:00:00.000001`, in UTC if the column has a time zone.
    Moment,
    /// In UTF-8, whatever the column's own character set is.
    Text,
    Binary,
}

impl Layout {
    /// Describes the key of a table. Returns `None` if the engine is not `InnoDB` (the table has no
    /// transactions), if there is no primary key, or if the table cannot be cut by its first
    /// column.
    pub(super) async fn of(connection: &mut Connection, table: &str) -> Result<Option<Self>> {
        // A key column may cover only a prefix of a text (`sub_part`) or be in descending order
        // (`D`). The table is cut by the columns before it.
        let sql = "select s.column_name, c.column_type, c.character_set_name, s.sub_part, s.collation, t.engine, t.avg_row_length, s.table_name, c.table_name, t.table_name
             from information_schema.statistics s, information_schema.columns c, information_schema.tables t
             where s.table_schema = database() and s.table_name = ? and s.index_name = 'PRIMARY'
             and c.table_schema = database() and c.table_name = ? and c.column_name = s.column_name
             and t.table_schema = database() and t.table_name = ? order by s.seq_in_index";
        let doing = format!("table `{table}` cannot be described");
        let (driver, answers) = connection.parts()?;
        // Each of the three catalogue tables is filtered by the name itself, so that the server
        // opens no other table.
        let rows: Vec<Row> =
            answers.wait(&doing, Some(table), driver.exec(sql, (table, table, table))).await?;
        let mut layout = Self { key: Vec::new(), row_bytes: 100 };
        for row in &rows {
            // The catalogue may compare names case-insensitively and return another table's rows.
            if [7, 8, 9].into_iter().any(|at| text(row, at).ok().as_deref() != Some(table)) {
                continue;
            }
            if text(row, 5)? != "InnoDB" {
                return Ok(None);
            }
            layout.row_bytes =
                text(row, 6)?.parse().ok().filter(|bytes| *bytes > 0).unwrap_or(layout.row_bytes);
            let whole = text(row, 3)?.is_empty() && text(row, 4)? != "D";
            let kind = KeyKind::of(&text(row, 1)?, &text(row, 2)?);
            let Some(kind) = kind.filter(|_| whole) else { break };
            layout.key.push(KeyColumn { name: text(row, 0)?, kind });
        }
        Ok((!layout.key.is_empty()).then_some(layout))
    }

    /// Whether an unfinished read was cut by the same key, so that it can be resumed.
    pub(super) fn goes_on(&self, unfinished: &Cursor) -> bool {
        matches!(unfinished, Cursor::Ranges { key, .. } if *key == self.names())
    }

    /// The columns of the key with their kinds, as they are stored in [`Cursor::Ranges`].
    pub(super) fn names(&self) -> Vec<String> {
        self.key.iter().map(|column| format!("{} {:?}", column.name, column.kind)).collect()
    }
}

impl KeyKind {
    /// The kind for a column type. Returns `None` for types whose order is not that of their
    /// written values: an ENUM is ordered by its numbers, and a FLOAT has more digits than it
    /// shows.
    fn of(column_type: &str, charset: &str) -> Option<Self> {
        let type_name = TypeName::parse(column_type);
        match (type_name.word, type_name.data_type().ok()?.0) {
            ("year" | "enum" | "set" | "bit", _) => None,
            ("char" | "varchar", DataType::Text) if charset != "binary" => Some(Self::Text),
            ("binary" | "varbinary", DataType::Bytes) => Some(Self::Binary),
            (_, DataType::Decimal { .. }) => Some(Self::Decimal),
            (_, DataType::Date) => Some(Self::Day),
            (_, DataType::Timestamp | DataType::TimestampTz) => Some(Self::Moment),
            (_, data_type) if incremental::is_whole(data_type) => Some(Self::Integer),
            _ => None,
        }
    }

    /// A value of the column from a row of the server; bytes are returned in hex.
    pub(super) fn value(self, row: &Row, index: usize) -> Result<String> {
        match (self, row.as_ref(index)) {
            (Self::Binary, Some(Value::Bytes(bytes))) => Ok(hex(bytes)),
            _ => text(row, index),
        }
    }

    /// Writes a value as an SQL literal. Refuses text that is not a value of this kind, so nothing
    /// in it can end the literal.
    pub(super) fn literal(self, value: &str) -> Result<String> {
        let of = |allowed: &[u8]| value.bytes().all(|byte| byte.is_ascii_digit() || allowed.contains(&byte));
        match self {
            Self::Integer if of(b"-") => Ok(value.to_owned()),
            Self::Decimal if of(b"-.") => Ok(value.to_owned()),
            Self::Day | Self::Moment if of(b"-: .") => Ok(format!("'{value}'")),
            // Hex digits contain nothing that could end the literal.
            Self::Text => Ok(format!("_utf8mb4 x'{}'", hex(value.as_bytes()))),
            Self::Binary if value.len().is_multiple_of(2) && value.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Ok(format!("x'{value}'"))
            }
            _ => Err(Error::new(ErrorKind::SourceUnreadable, "a value of a key is not what its column says")),
        }
    }

    /// A value above `least` and not above `greatest`, with about as many possible values below it
    /// as above. Returns `None` if there is no such value, or if only the server can find one.
    pub(super) fn middle(self, least: &str, greatest: &str) -> Option<String> {
        let between = |least: i128, greatest: i128| least + (greatest - least).div_euclid(2) + 1;
        match self {
            Self::Integer => {
                let (least, greatest) = (least.parse::<i128>().ok()?, greatest.parse::<i128>().ok()?);
                (least < greatest).then(|| between(least, greatest).to_string())
            }
            Self::Day | Self::Moment => {
                let clock = self == Self::Moment;
                let (least, greatest) = (Instant::parse(least, clock)?, Instant::parse(greatest, clock)?);
                let middle =
                    Instant::at(between(least.place(clock), greatest.place(clock)), clock).existing();
                (least < middle && middle <= greatest).then(|| middle.write(clock))
            }
            Self::Decimal | Self::Text | Self::Binary => None,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    millrace_core::digest::hex(bytes)
}

/// Year, month, day, hour, minute, second and microsecond. Also holds dates that do not exist,
/// since the server orders them by these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Instant([i128; 7]);

/// How many values each of these numbers can have.
const VALUES: [i128; 7] = [10_000, 13, 32, 24, 60, 60, 1_000_000];

impl Instant {
    /// Parses a date or, with `clock`, a timestamp. Returns `None` for any other text.
    fn parse(text: &str, clock: bool) -> Option<Self> {
        let mut numbers = [0; 7];
        let parts = text.split(['-', ' ', ':', '.']);
        // The fraction of a second may be missing.
        let wanted = if clock { 6..=7 } else { 3..=3 };
        let mut count = 0;
        for (at, part) in parts.enumerate() {
            *numbers.get_mut(at)? = match at {
                6 => format!("{part:0<6}").parse().ok()?,
                _ => part.parse().ok()?,
            };
            count = at + 1;
        }
        wanted.contains(&count).then_some(Self(numbers))
    }

    /// How many of the numbers count.
    fn numbers(clock: bool) -> usize {
        if clock { 7 } else { 3 }
    }

    /// Its position in the order of all possible values. Dates that do not exist have positions
    /// too.
    fn place(self, clock: bool) -> i128 {
        let numbers = self.0.iter().zip(VALUES).take(Self::numbers(clock));
        numbers.fold(0, |sum, (number, values)| sum * values + number)
    }

    /// The value at a position; the inverse of [`Self::place`].
    fn at(mut place: i128, clock: bool) -> Self {
        let mut numbers = [0; 7];
        for index in (0..Self::numbers(clock)).rev() {
            numbers[index] = place % VALUES[index];
            place /= VALUES[index];
        }
        Self(numbers)
    }

    /// Moves the day into the range 1 to 28, which exists in every month, so that the server
    /// accepts it.
    fn existing(mut self) -> Self {
        self.0[1] = self.0[1].max(1);
        self.0[2] = self.0[2].clamp(1, 28);
        self
    }

    /// The text that [`Self::parse`] reads.
    fn write(self, clock: bool) -> String {
        let [year, month, day, hour, minute, second, micros] = self.0;
        let date = format!("{year:04}-{month:02}-{day:02}");
        if clock { format!("{date} {hour:02}:{minute:02}:{second:02}.{micros:06}") } else { date }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_above_the_least_and_not_above_the_greatest() {
        use KeyKind::{Day, Decimal, Integer, Moment, Text};
        for (kind, least, greatest, expected) in [
            (Integer, "1", "2", Some("2")),
            (Integer, "1", "10", Some("6")),
            (Integer, "-9223372036854775808", "18446744073709551615", Some("4611686018427387904")),
            (Integer, "-3", "-2", Some("-2")),
            (Integer, "5", "5", None),
            (Day, "2024-01-01", "2024-01-02", Some("2024-01-02")),
            (Day, "0000-00-00", "2024-12-31", Some("1012-06-16")),
            (Day, "2024-02-29", "2024-03-01", Some("2024-03-01")),
            // The middle would be moved to February 28th, which is not above the least value.
            (Day, "2024-02-30", "2024-02-31", None),
            (Moment, "2024-01-01 00:00:00", "2024-01-01 00:00:01", Some("2024-01-01 00:00:00.500001")),
            (
                Moment,
                "2024-01-01 23:59:59.5",
                "2024-01-02 00:00:00.000000",
                Some("2024-01-01 23:59:59.750001"),
            ),
            (Decimal, "1", "9", None),
            (Text, "a", "z", None),
        ] {
            assert_eq!(kind.middle(least, greatest).as_deref(), expected, "{least} to {greatest}");
        }
    }

    #[test]
    fn a_literal_is_nothing_else() {
        for (kind, value, expected) in [
            (KeyKind::Integer, "-5", Some("-5")),
            (KeyKind::Decimal, "-5.10", Some("-5.10")),
            (KeyKind::Moment, "2024-01-01 00:00:00.5", Some("'2024-01-01 00:00:00.5'")),
            (KeyKind::Text, "a' or '", Some("_utf8mb4 x'6127206f722027'")),
            (KeyKind::Binary, "00ff", Some("x'00ff'")),
            (KeyKind::Integer, "1 or 1", None),
            (KeyKind::Day, "'", None),
            (KeyKind::Binary, "0", None),
            (KeyKind::Binary, "zz", None),
        ] {
            assert_eq!(kind.literal(value).ok().as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn types_that_are_cut_by() {
        for (column_type, charset, expected) in [
            ("int(11)", "", Some(KeyKind::Integer)),
            ("bigint(20) unsigned zerofill", "", Some(KeyKind::Integer)),
            ("decimal(20,2)", "", Some(KeyKind::Decimal)),
            ("date", "", Some(KeyKind::Day)),
            ("timestamp(6)", "", Some(KeyKind::Moment)),
            ("varchar(20)", "latin1", Some(KeyKind::Text)),
            ("binary(16)", "", Some(KeyKind::Binary)),
            ("enum('a')", "latin1", None),
            ("year(4)", "", None),
            ("double", "", None),
            ("bit(8)", "", None),
            ("time", "", None),
            ("uuid", "", None),
        ] {
            assert_eq!(KeyKind::of(column_type, charset), expected, "{column_type}");
        }
    }
}

//! Incremental reads: a table is read only as far as its cursor column has grown since the last
//! load (ADR 12).
//!
//! The greatest value of the cursor is fixed before the first row is read. For dates and timestamps
//! it is the greatest value that the server's clock has reached (`extent.rs`); otherwise one row
//! with a date in the future would hide all rows until that date.
//!
//! A transaction that began earlier may commit rows with smaller values later. So each read begins
//! below the last value by the lag, and rows that it reads again are merged by the key. Whether
//! anything is new is decided by the greatest value and by a checksum over the rows within the lag,
//! which a row that was committed late changes too.

use std::time::Duration;

use millrace_core::cursor::Cursor;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::project::column_choice::LeftOut;
use millrace_core::project::settings::Settings;
use millrace_core::project::spec::{KeyKind, KeySpec};
use millrace_core::schema::DataType;
use millrace_core::suggest::did_you_mean;
use millrace_engine::error::{Error, ErrorKind, Result};

use crate::mysql::connection::Connection;
use crate::mysql::extent::{Clock, Extent, extent};
use crate::mysql::failure::cannot_be_read;
use crate::mysql::quoted;
use crate::mysql::table::{Table, text};

/// The key `cursor` of a stream.
pub(super) const CURSOR: KeySpec = KeySpec::optional(
    "cursor",
    KeyKind::Text,
    "With `mode: incremental`, the column that grows with each new or changed row: a whole number, a date or a moment, such as `updated_at`.",
);

/// The key `lag` of a stream.
pub(super) const LAG: KeySpec = KeySpec::optional(
    "lag",
    KeyKind::Text,
    "How far below the cursor's greatest value a read begins again, for rows that were committed late: `10m` (the default; there are s, m, h and d) or, for whole numbers, `1000` (the default).",
);

/// Default lag for dates and timestamps.
const LAG_TIME: Duration = Duration::from_mins(10);
/// Default lag for whole numbers.
const LAG_NUMBER: i128 = 1000;

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// How a stream follows the growth of its table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Growth {
    /// The cursor column, as the server spells its name.
    column: String,
    lag: Lag,
    /// Whether the cursor has no time zone (DATETIME), so that its writers may mean another zone
    /// than UTC.
    is_local: bool,
}

/// How far below the last value a read begins. A date lag is in whole days, rounded up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lag {
    Number(i128),
    Days(u64),
    Seconds(u64),
}

/// The rows that one read asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// The filter without the word `where`; empty for all rows.
    pub(super) condition: String,
    /// The cursor at the end of the read.
    pub(super) cursor: Option<Cursor>,
    /// Warnings for the user.
    pub(super) notices: Vec<Diagnostic>,
}

impl Growth {
    /// Reads `cursor` and `lag` from the stream's settings. Returns `ContractBroken` if the table
    /// has no such column, if its type cannot be a cursor, or if the lag does not fit its type.
    pub(super) fn of(table: &Table, settings: &Settings) -> Result<Self> {
        let wanted = settings.text("cursor").unwrap_or_default();
        let named = |column: &&crate::mysql::table::TableColumn| column.name.eq_ignore_ascii_case(wanted);
        let Some(column) = table.columns.iter().find(named) else {
            let names = table.columns.iter().map(|column| column.name.as_str());
            let message = format!("table `{}` has no column `{wanted}`, which `cursor` names", table.name);
            let hint = did_you_mean(wanted, names, "it has").unwrap_or_default();
            return Err(Error::new(ErrorKind::ContractBroken, message).hint(hint));
        };
        let said = settings.text("lag");
        let seconds = || said.map_or(Some(LAG_TIME.as_secs()), seconds);
        let data_type = column.origin.data_type;
        let lag = match data_type {
            DataType::Date => seconds().map(|seconds| Lag::Days(seconds.div_ceil(DAY))),
            DataType::Timestamp | DataType::TimestampTz => seconds().map(Lag::Seconds),
            _ if is_whole(data_type) => said
                .map_or(Some(LAG_NUMBER), |said| said.parse().ok().filter(|lag| *lag >= 0))
                .map(Lag::Number),
            _ => {
                let message = format!(
                    "column `{}` of table `{}` is {data_type}, and cannot be a `cursor`",
                    column.name, table.name
                );
                return Err(Error::new(ErrorKind::ContractBroken, message)
                    .hint("A cursor is a whole number, a date or a moment."));
            }
        };
        let lag = lag.ok_or_else(|| {
            let message = format!(
                "`lag: {}` does not fit the cursor `{}`, which is {data_type}",
                said.unwrap_or_default(),
                column.name
            );
            Error::new(ErrorKind::ContractBroken, message).hint(
                "Write `10m` for dates and moments (there are s, m, h and d), a whole number for numbers.",
            )
        })?;
        Ok(Self { column: column.name.clone(), lag, is_local: data_type == DataType::Timestamp })
    }

    /// Returns what to read since `last`. All rows are read if there is no last cursor or if it
    /// belongs to another column.
    pub(super) async fn part(
        &self,
        connection: &mut Connection,
        table: &Table,
        excluded: &LeftOut,
        last: Option<&Cursor>,
    ) -> Result<Part> {
        let column = quoted(&self.column);
        let extent = self.extent(connection, table).await?;
        if extent.is_empty() {
            return Ok(Part { cursor: Some(self.cursor(None, String::new())), ..Part::default() });
        }
        let window = self.window(connection, table, excluded, &extent).await?;
        let up_to = extent.condition(&column)?;
        // A stored value that is ahead of the clock comes from a release that accepted such values
        // as progress. Which rows that release missed is unknown, so all rows are read.
        let last = self.last(last).filter(|last| !extent.is_ahead(last));
        let condition = match last.and_then(|last| self.after(last)) {
            Some(after) => format!("{after} and {up_to}"),
            // Rows without a value in the cursor are read only with the whole table.
            None => format!("{up_to} or {column} is null"),
        };
        let notices = extent.notice(&table.name, &self.column).into_iter().collect();
        Ok(Part { condition, cursor: Some(self.cursor(extent.greatest, window)), notices })
    }

    /// Returns the cursor at which a read would end. The checksum is computed only if the greatest
    /// value equals that of `last`; otherwise the cursors differ anyway.
    pub(super) async fn position(
        &self,
        connection: &mut Connection,
        table: &Table,
        excluded: &LeftOut,
        last: &Cursor,
    ) -> Result<Cursor> {
        let extent = self.extent(connection, table).await?;
        let window = if !extent.is_empty() && self.last(Some(last)) == extent.greatest.as_deref() {
            self.window(connection, table, excluded, &extent).await?
        } else {
            String::new()
        };
        Ok(self.cursor(extent.greatest, window))
    }

    /// The cursor to store: the greatest value and the checksum over the rows within the lag.
    fn cursor(&self, value: Option<String>, window: String) -> Cursor {
        Cursor::Column { column: self.column.clone(), value, window }
    }

    /// The value of the last cursor, if it belongs to this column.
    fn last<'a>(&self, last: Option<&'a Cursor>) -> Option<&'a str> {
        match last {
            Some(Cursor::Column { column, value, .. }) if *column == self.column => value.as_deref(),
            _ => None,
        }
    }

    /// Returns how far the column has grown, compared with the server's clock if it is a date or a
    /// timestamp. A DATE may hold the days of any time zone.
    async fn extent(&self, connection: &mut Connection, table: &Table) -> Result<Extent> {
        let clock = match self.lag {
            Lag::Number(_) => None,
            Lag::Days(days) => Some(Clock { is_date: true, is_local: true, lag: days * DAY }),
            Lag::Seconds(lag) => Some(Clock { is_date: false, is_local: self.is_local, lag }),
        };
        extent(connection, &quoted(&self.column), &table.name, clock).await
    }

    /// Returns a checksum over the rows within the lag and those ahead of the clock: their number
    /// and the sum of their CRC-32. Excluded columns do not count.
    async fn window(
        &self,
        connection: &mut Connection,
        table: &Table,
        excluded: &LeftOut,
        extent: &Extent,
    ) -> Result<String> {
        let columns = table.columns.iter().filter(|column| !excluded.contains(&column.name));
        // Values are cast to bytes because texts of different character sets cannot be
        // concatenated. `isnull` tells NULL from an empty text, since `concat_ws` skips NULL.
        let cells = columns.map(|column| {
            let name = quoted(&column.name);
            format!("isnull({name}), cast({name} as binary)")
        });
        let up_to = extent.condition(&quoted(&self.column))?;
        let after = extent.greatest.as_ref().and_then(|value| self.after(value));
        let after = after.map(|after| format!("{after} and ")).unwrap_or_default();
        let sql = format!(
            "select concat_ws(' ', count(*), sum(crc32(concat_ws(0x1f, {})))) from {} where {after}{up_to}",
            cells.collect::<Vec<_>>().join(", "),
            quoted(&table.name)
        );
        let rows = connection.ask(&sql, &cannot_be_read(&table.name)).await?;
        rows.first().map_or(Ok(String::new()), |row| text(row, 0))
    }

    /// The condition for rows above `value` less the lag, or `None` if the lag cannot be subtracted
    /// from it.
    fn after(&self, value: &str) -> Option<String> {
        let column = quoted(&self.column);
        match self.lag {
            Lag::Number(lag) => Some(format!("{column} > {}", value.parse::<i128>().ok()? - lag)),
            // There is no date to count back from in the year 0, nor in a text without `-`.
            _ if value.starts_with("0000") || !value.contains('-') => None,
            Lag::Days(days) => {
                Some(format!("{column} > date({}) - interval {days} day", literal(value).ok()?))
            }
            Lag::Seconds(seconds) => {
                Some(format!("{column} > timestamp({}) - interval {seconds} second", literal(value).ok()?))
            }
        }
    }
}

/// Writes a number, date or timestamp that the server has sent as an SQL literal. Refuses any other
/// text, so nothing in the value can end the literal.
pub(super) fn literal(value: &str) -> Result<String> {
    if value.bytes().all(|byte| byte.is_ascii_digit() || b"-: .".contains(&byte)) {
        let is_number = value.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit());
        return Ok(if is_number { value.to_owned() } else { format!("'{value}'") });
    }
    Err(Error::new(
        ErrorKind::SourceUnreadable,
        "the greatest value of the cursor is neither a number nor a moment",
    ))
}

/// Whether a type is an integer of any width.
pub(super) fn is_whole(data_type: DataType) -> bool {
    use DataType::{Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    matches!(data_type, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64)
}

/// Parses a lag such as `90s`, `10m`, `2h` or `1d` into seconds.
fn seconds(text: &str) -> Option<u64> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => DAY,
        _ => return None,
    };
    // A lag of more than 400 days is taken for a mistake.
    text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(seconds).filter(|seconds| *seconds <= 400 * DAY)
}

#[cfg(test)]
mod tests {
    use millrace_core::project::settings::Setting;

    use super::*;
    use crate::mysql::table::{Origin, TableColumn};
    use crate::mysql_types::logical::TypeName;

    fn table(column_type: &str) -> Table {
        let (data_type, form) = TypeName::parse(column_type).data_type().expect("a type");
        let origin = Origin { data_type, form, decimals: 0 };
        let column = TableColumn { name: "At".into(), origin, nullable: true };
        Table { name: "t".into(), columns: vec![column], primary_key: Vec::new() }
    }

    fn growth(column_type: &str, lag: Option<&str>) -> Result<Growth> {
        let pairs = [("cursor", Some("at")), ("lag", lag)].into_iter();
        let pairs = pairs.filter_map(|(key, value)| Some((key.to_owned(), Setting::Text(value?.to_owned()))));
        Growth::of(&table(column_type), &Settings::new(pairs))
    }

    #[test]
    fn a_read_begins_within_the_lag() {
        for (column_type, lag, value, expected) in [
            ("int", None, "5000", Some("`At` > 4000")),
            ("bigint unsigned", Some("0"), "18446744073709551615", Some("`At` > 18446744073709551615")),
            ("date", None, "2026-11-24", Some("`At` > date('2026-11-24') - interval 1 day")),
            ("date", Some("49h"), "2026-11-24", Some("`At` > date('2026-11-24') - interval 3 day")),
            (
                "datetime(6)",
                Some("90s"),
                "2026-11-24 12:00:00.000001",
                Some("`At` > timestamp('2026-11-24 12:00:00.000001') - interval 90 second"),
            ),
            ("timestamp", None, "0000-00-00 00:00:00", None),
        ] {
            let growth = growth(column_type, lag).expect("it grows");
            assert_eq!(growth.after(value).as_deref(), expected, "{column_type}");
        }
    }

    #[test]
    fn what_cannot_be_is_said() {
        for (column_type, lag, words) in [
            ("varchar(9)", None, "cannot be a `cursor`"),
            ("int", Some("10m"), "`lag: 10m` does not fit"),
            ("int", Some("-1"), "`lag: -1` does not fit"),
            ("datetime", Some("10"), "`lag: 10` does not fit"),
            ("datetime", Some("99999999d"), "does not fit"),
        ] {
            let error = growth(column_type, lag).expect_err("it cannot be");
            assert!(error.message().contains(words), "{error}");
        }
        assert!(literal("1' or '1").is_err());
    }
}

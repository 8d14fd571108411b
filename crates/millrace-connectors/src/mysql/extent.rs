//! Finds how far a cursor column has grown, and which of its values are ahead of the server's
//! clock.
//!
//! One row of the year 2099 must not hide everything that changes until then. So a read ends at the
//! greatest value that is not ahead of the clock, and the rows ahead of it are read each time.
//!
//! A column without a time zone may hold UTC or the server's local time, and local time goes back
//! by an hour in autumn. So the limit is the earlier of the two clocks less one hour. A limit that
//! is too early only makes reads larger.
//!
//! Whole numbers have no clock: their greatest value is the extent, however large it is.

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_engine::error::Result;

use crate::mysql::connection::Connection;
use crate::mysql::failure::cannot_be_read;
use crate::mysql::incremental::literal;
use crate::mysql::quoted;
use crate::mysql::table::text;

/// Seconds by which the local time of any zone may be ahead of UTC.
const EAST: u64 = 14 * 60 * 60;

/// How a cursor's values are compared with the server's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// Whether the values are dates.
    pub(super) is_date: bool,
    /// Whether the values may be in another time zone than UTC.
    pub(super) is_local: bool,
    /// Seconds by which clocks may differ before a warning is given.
    pub(super) lag: u64,
}

impl Clock {
    /// Two SQL expressions for a session in UTC: what the clock says, and the limit above which
    /// values count as ahead.
    fn now(self) -> [String; 2] {
        // `convert_tz` returns NULL for a named zone if the server's time zone tables lack it.
        let local = |utc: &str| {
            format!("least({utc}, coalesce(convert_tz({utc}, '+00:00', @@global.time_zone), {utc}))")
        };
        let now = match self {
            Self { is_date: true, .. } => format!("date({})", local("utc_timestamp()")),
            Self { is_local: true, .. } => local("utc_timestamp(6)"),
            Self { .. } => "utc_timestamp(6)".to_owned(),
        };
        let limit = match self {
            // Local time goes back by an hour in autumn.
            Self { is_date: false, is_local: true, .. } => format!("{now} - interval 1 hour"),
            Self { .. } => now.clone(),
        };
        [now, limit]
    }
}

/// How far a cursor column has grown.
#[derive(Debug, Default)]
pub(super) struct Extent {
    /// The greatest value that is not ahead of the clock; `None` if there is no value or if all
    /// values are ahead.
    pub(super) greatest: Option<String>,
    /// The values that are ahead of the clock; `None` if there are none.
    ahead: Option<Ahead>,
    /// What the clock says; `None` for a column of numbers.
    now: Option<String>,
}

/// Values ahead of the clock.
#[derive(Debug)]
struct Ahead {
    /// Values above this limit are ahead.
    limit: String,
    /// Rows that are ahead by more than clocks may differ.
    rows: u64,
}

impl Extent {
    /// Whether the column has no value at all.
    pub(super) fn is_empty(&self) -> bool {
        self.greatest.is_none() && self.ahead.is_none()
    }

    /// Whether a value is ahead of the clock.
    pub(super) fn is_ahead(&self, value: &str) -> bool {
        // Both texts are in the server's notation, in which dates and timestamps sort as texts.
        self.now.as_ref().is_some_and(|now| value > now.as_str())
    }

    /// A condition that holds for all rows that have a value at this moment, whatever is inserted
    /// meanwhile.
    pub(super) fn condition(&self, column: &str) -> Result<String> {
        let up_to = match &self.greatest {
            Some(greatest) => Some(format!("{column} <= {}", literal(greatest)?)),
            None => None,
        };
        let ahead = match &self.ahead {
            Some(ahead) => Some(format!("{column} > {}", literal(&ahead.limit)?)),
            None => None,
        };
        Ok(match (up_to, ahead) {
            (Some(up_to), Some(ahead)) => format!("({up_to} or {ahead})"),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => "true".to_owned(),
        })
    }

    /// A warning about rows that are ahead of the clock by more than clocks may differ. It names
    /// their number, never their values.
    pub(super) fn notice(&self, table: &str, column: &str) -> Option<Diagnostic> {
        let rows = self.ahead.as_ref().map(|ahead| ahead.rows).filter(|rows| *rows > 0)?;
        let moment = self.now.as_ref()?.split('.').next().unwrap_or_default();
        let (word, have) = if rows == 1 { ("row", "has") } else { ("rows", "have") };
        let message = format!(
            "{rows} {word} of table `{table}` {have} a `{column}` that the server's clock has not come to yet: it says {moment}"
        );
        Some(Diagnostic::warning(Code::CursorAhead, message).hint(
            "They are read again by each run that finds something new. Mend the rows in the source, or what writes them.",
        ))
    }
}

/// Asks how far a column has grown. `column` is quoted, `table` is not. Without `clock`, as for
/// whole numbers, no value counts as ahead.
pub(super) async fn extent(
    connection: &mut Connection,
    column: &str,
    table: &str,
    clock: Option<Clock>,
) -> Result<Extent> {
    let (from, doing) = (quoted(table), cannot_be_read(table));
    let [now, limit] = clock.map_or_else(|| ["''".to_owned(), "''".to_owned()], Clock::now);
    let sql =
        format!("select cast(max({column}) as char), cast({now} as char), cast({limit} as char) from {from}");
    let [greatest, now, limit] = texts(connection, &sql, &doing).await?;
    let (Some(clock), Some(limit)) = (clock, limit) else {
        return Ok(Extent { greatest, ..Extent::default() });
    };
    // The common case: nothing is ahead, and one query was enough.
    if greatest.as_ref().is_none_or(|greatest| *greatest <= limit) {
        return Ok(Extent { greatest, ahead: None, now });
    }
    let at = literal(&limit)?;
    let far = clock.lag + if clock.is_local { EAST } else { 0 };
    let sql = format!(
        "select (select cast(max({column}) as char) from {from} where {column} <= {at}), \
         (select cast(count(*) as char) from {from} where {column} > utc_timestamp() + interval {far} second)"
    );
    let [greatest, rows] = texts(connection, &sql, &doing).await?;
    let rows = rows.and_then(|rows| rows.parse().ok()).unwrap_or_default();
    Ok(Extent { greatest, ahead: Some(Ahead { limit, rows }), now })
}

/// Runs a query that returns one row of `N` texts. NULL and the empty text become `None`.
async fn texts<const N: usize>(
    connection: &mut Connection,
    sql: &str,
    doing: &str,
) -> Result<[Option<String>; N]> {
    let rows = connection.ask(sql, doing).await?;
    let mut texts = [const { None }; N];
    for (at, found) in texts.iter_mut().enumerate() {
        let cell = rows.first().map(|row| text(row, at)).transpose()?;
        *found = cell.filter(|text| !text.is_empty());
    }
    Ok(texts)
}

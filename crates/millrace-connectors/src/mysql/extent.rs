//! How far a cursor has grown, and which of its values are ahead of the server's clock.
//!
//! One row of the year 2099 must not keep what changes until then from being read. So a read ends at the greatest value that is not ahead of
//! the clock, and what is ahead is read each time. A column without a zone may hold another wall clock than UTC: that of the server counts, too;
//! one further east only makes reads read more.
//!
//! Whole numbers have no clock: the greatest one is where the column has come to, however great it is.

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_engine::error::Result;

use crate::mysql::connection::Connection;
use crate::mysql::incremental::literal;
use crate::mysql::quoted;
use crate::mysql::table::text;

/// Hours by which a wall clock may be ahead of UTC.
const EAST: u64 = 14;

/// How a cursor's values are compared with the server's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// Whether they are days.
    pub(super) is_date: bool,
    /// Whether they may be those of another zone than UTC.
    pub(super) is_local: bool,
    /// Seconds by which clocks may differ without a word.
    pub(super) lag: u64,
}

/// How far a cursor has grown.
#[derive(Debug, Default)]
pub(super) struct Extent {
    /// The greatest value that is not ahead; none where there is no value, or all are ahead.
    pub(super) greatest: Option<String>,
    /// What is ahead; none where nothing is.
    ahead: Option<Ahead>,
    /// What the clock says, where the column has one.
    limit: Option<String>,
}

#[derive(Debug)]
struct Ahead {
    limit: String,
    /// Rows that are ahead by more than clocks may differ.
    rows: u64,
}

impl Extent {
    /// Whether no row has a value.
    pub(super) fn is_empty(&self) -> bool {
        self.greatest.is_none() && self.ahead.is_none()
    }

    /// Whether a value is ahead of the clock.
    pub(super) fn is_ahead(&self, value: &str) -> bool {
        // Both as the server writes them, so that texts sort as moments do.
        self.limit.as_ref().is_some_and(|limit| value > limit.as_str())
    }

    /// What is true of all rows that have a value now, whatever comes meanwhile.
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

    /// What people should know of rows that are ahead.
    pub(super) fn notice(&self, table: &str, column: &str) -> Option<Diagnostic> {
        let Ahead { limit, rows } = self.ahead.as_ref().filter(|ahead| ahead.rows > 0)?;
        let moment = limit.split('.').next().unwrap_or_default();
        let (word, have) = if *rows == 1 { ("row", "has") } else { ("rows", "have") };
        let message = format!(
            "{rows} {word} of table `{table}` {have} a `{column}` that the server's clock has not come to yet: it says {moment}"
        );
        Some(Diagnostic::warning(Code::CursorAhead, message).hint(
            "They are read again by each run that finds something new. Mend the rows in the source, or what writes them.",
        ))
    }
}

/// What a statement about a table fails at.
pub(super) fn cannot_be_read(table: &str) -> String {
    format!("table `{table}` cannot be read")
}

/// How far a column (in quotes) has grown.
pub(super) async fn extent(
    connection: &mut Connection,
    column: &str,
    table: &str,
    clock: Option<Clock>,
) -> Result<Extent> {
    let (from, doing) = (quoted(table), cannot_be_read(table));
    let now = match clock {
        None => "''",
        Some(Clock { is_date: true, .. }) => "cast(utc_date() as char)",
        Some(Clock { is_date: false, .. }) => "cast(utc_timestamp(6) as char)",
    };
    let sql = format!("select cast(max({column}) as char), {now} from {from}");
    let [greatest, now] = two(connection, &sql, &doing).await?;
    let Some(greatest) = greatest else { return Ok(Extent { limit: now, ..Extent::default() }) };
    let (Some(clock), Some(mut limit)) = (clock, now) else {
        return Ok(Extent { greatest: Some(greatest), ..Extent::default() });
    };
    if greatest > limit && clock.is_local {
        let here = local(connection, clock.is_date).await?;
        limit = here.filter(|here| *here > limit).unwrap_or(limit);
    }
    if greatest <= limit {
        return Ok(Extent { greatest: Some(greatest), ahead: None, limit: Some(limit) });
    }
    let at = literal(&limit)?;
    let far = clock.lag + if clock.is_local { EAST * 60 * 60 } else { 0 };
    let sql = format!(
        "select (select cast(max({column}) as char) from {from} where {column} <= {at}), \
         (select cast(count(*) as char) from {from} where {column} > timestamp({at}) + interval {far} second)"
    );
    let [greatest, rows] = two(connection, &sql, &doing).await?;
    let rows = rows.and_then(|rows| rows.parse().ok()).unwrap_or_default();
    Ok(Extent { greatest, ahead: Some(Ahead { limit: limit.clone(), rows }), limit: Some(limit) })
}

/// The server's own wall clock.
async fn local(connection: &mut Connection, is_date: bool) -> Result<Option<String>> {
    let now = if is_date { "curdate()" } else { "now(6)" };
    connection.run("SET SESSION time_zone = @@global.time_zone").await?;
    let asked =
        two(connection, &format!("select cast({now} as char), ''"), "the server's clock cannot be read")
            .await;
    connection.run("SET SESSION time_zone = '+00:00'").await?;
    Ok(asked?[0].clone())
}

/// The two texts of a row; none for NULL and for a text of nothing.
async fn two(connection: &mut Connection, sql: &str, doing: &str) -> Result<[Option<String>; 2]> {
    let rows = connection.ask(sql, doing).await?;
    let cell = |at| {
        let found = rows.first().map(|row| text(row, at)).transpose()?;
        Ok(found.filter(|text| !text.is_empty()))
    };
    Ok([cell(0)?, cell(1)?])
}

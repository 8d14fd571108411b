//! Reads a large table over several connections at once.
//!
//! Each reader takes a range of the primary key, reads it, and takes the next one. One connection
//! reads the table if it is small, if it has no key by which it can be cut, or if the order of its
//! rows matters. Reading by ranges also allows a load to be committed in parts and resumed (ADR
//! 21).

use std::sync::Arc;

use futures::future::join_all;
use millrace_core::cursor::Cursor;
use millrace_core::project::settings::Settings;
use millrace_core::project::spec::{KeyKind, KeySpec};
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::BatchSender;
use millrace_engine::ports::source::{ReadOutcome, ReadRequest};
use tokio::task::JoinSet;

use crate::mysql::Server;
use crate::mysql::connection::Connection;
use crate::mysql::layout::Layout;
use crate::mysql::ranges::{Cut, Ranges};
use crate::mysql::read::{Reader, part};
use crate::mysql::snapshot::{BEGIN, together};
use crate::mysql::table::{self, Named, Table};
use crate::mysql_types::zero_dates;

/// The key `connections` of a source or stream.
pub(super) const CONNECTIONS: KeySpec = KeySpec::optional(
    "connections",
    KeyKind::Integer(1, 16),
    "How many connections read a large table at once, by ranges of its primary key: 4 by default.",
);

/// The key `range_rows` of a source or stream.
pub(super) const RANGE_ROWS: KeySpec = KeySpec::optional(
    "range_rows",
    KeyKind::Integer(1, 100_000_000),
    "About how many rows a range of keys has that a connection reads at a time: as many as make some 16 MB by default. A table of fewer than four ranges is read over one connection.",
);

/// The key `chunk_rows` of a source or stream.
pub(super) const CHUNK_ROWS: KeySpec = KeySpec::optional(
    "chunk_rows",
    KeyKind::Integer(1, 1_000_000_000),
    "After about how many rows a large load is committed, so that the next run can go on with it where this one dies: as many as make some gigabyte by default, at most five million.",
);

/// The key `moment` of a source or stream.
pub(super) const MOMENT: KeySpec = KeySpec::optional(
    "moment",
    KeyKind::OneOf(&["best_effort", "required"]),
    "Whether all rows of a load have to be of one moment. With `best_effort` (the default) they are, except where a run has died and the next one goes on with its load. With `required` that one begins anew.",
);

/// Default of `connections`.
const DEFAULT_CONNECTIONS: usize = 4;

/// Bytes of a range, estimated from the server's statistics.
const RANGE_BYTES: u64 = 16 << 20;

/// Bytes after which a load is committed in part.
const PART_BYTES: u64 = 1 << 30;

/// A table of fewer ranges than this is not worth further connections.
const FEWEST_RANGES: u64 = 4;

/// How a table is read by ranges.
pub(super) struct Plan {
    connections: usize,
    cut: Cut,
    /// Rows after which the load may be committed in part; `None` if only at its end.
    part_rows: Option<u64>,
    /// Whether even one connection reads by ranges, because the load may be committed in parts or
    /// is the continuation of one that was.
    by_ranges: bool,
}

/// The number of connections for a large table.
pub(super) fn connections(settings: &Settings) -> usize {
    settings.text("connections").and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_CONNECTIONS)
}

/// Decides whether and how to read a table by ranges of its primary key. Returns `None` if one
/// SELECT is enough. Fails if an unfinished load was cut by another key than the table has.
pub(super) async fn plan(
    connection: &mut Connection,
    table: &Table,
    request: &ReadRequest,
    settings: &Settings,
) -> Result<Option<Plan>> {
    let number = |key| settings.text(key).and_then(|text| text.parse::<u64>().ok());
    // An incremental read filters by its cursor column, not by the primary key.
    let continues = matches!(request.cursor, Some(Cursor::Column { .. }));
    let unfinished = request.cursor.as_ref().filter(|cursor| matches!(cursor, Cursor::Ranges { .. }));
    // Of rows that share a key the last one wins in a merge, so their order matters unless the
    // stream's key contains the whole primary key. Then no two rows share a key.
    let in_order =
        !request.key.is_empty() && !table.primary_key.iter().all(|column| request.key.contains(column));
    let layout = if continues || in_order || table.primary_key.is_empty() {
        None
    } else {
        Layout::of(connection, &table.name).await?
    };
    if unfinished.is_some_and(|unfinished| !layout.as_ref().is_some_and(|layout| layout.goes_on(unfinished)))
    {
        let message = format!("the key of table `{}` was changed just now", table.name);
        return Err(Error::new(ErrorKind::SourceUnreadable, message).hint("Run again."));
    }
    let Some(layout) = layout else { return Ok(None) };
    let by_bytes = |bytes: u64, least, most| (bytes / layout.row_bytes).clamp(least, most);
    let range_rows = number("range_rows").unwrap_or_else(|| by_bytes(RANGE_BYTES, 1000, 1_000_000));
    // A mark stores values of the key. They must not be stored if the project excludes or masks the
    // column.
    let is_hidden = layout.key.iter().any(|column| request.stream.hides(&column.name));
    let part_rows = (settings.text("moment") != Some("required") && !is_hidden)
        .then(|| number("chunk_rows").unwrap_or_else(|| by_bytes(PART_BYTES, 100_000, 5_000_000)));
    let cut = Cut { table: table.name.clone(), layout, condition: String::new(), range_rows };
    let rows = cut.rows(connection).await?;
    // An estimate is enough: a wrong one costs speed, not rows.
    let ranges = rows / range_rows;
    let by_ranges = unfinished.is_some() || part_rows.is_some_and(|part_rows| rows > part_rows);
    let connections = if ranges < FEWEST_RANGES { 1 } else { connections(settings).min(ranges as usize) };
    Ok((connections > 1 || by_ranges).then_some(Plan { connections, cut, part_rows, by_ranges }))
}

impl Plan {
    /// Opens further connections beside the first one so that all see the table at one moment. If
    /// that fails, returns one connection in a transaction of its own, and the reason in words.
    pub(super) async fn open(
        &self,
        server: &Server,
        first: Connection,
        settings: &Settings,
    ) -> Result<(Vec<Connection>, Option<&'static str>)> {
        if self.connections < 2 {
            return Ok((vec![first], None));
        }
        // If the server accepts no more connections, those that are open are used.
        let others = join_all((1..self.connections).map(|_| server.connect())).await;
        let mut connections: Vec<Connection> =
            [first].into_iter().chain(others.into_iter().filter_map(Result::ok)).collect();
        let begun = if connections.len() > 1 {
            together(&mut connections, &self.cut.table, settings, server.connect()).await?
        } else {
            Err("the server has no more connections for this user")
        };
        let Err(why) = begun else { return Ok((connections, None)) };
        // Without a common moment, only the first connection stays, and it takes a snapshot of its
        // own.
        join_all(connections.drain(1..).map(Connection::close)).await;
        for connection in &mut connections {
            connection.run(BEGIN).await?;
        }
        Ok((connections, Some(why)))
    }

    /// Whether these connections read ranges: always if there are several.
    pub(super) fn reads_ranges(&self, connections: &[Connection]) -> bool {
        self.by_ranges || connections.len() > 1
    }
}

/// Reads a table over connections that see it at one moment. Returns when all ranges are read and
/// sent; the first error ends all readers.
pub(super) async fn read(
    mut connections: Vec<Connection>,
    named: Named,
    plan: Plan,
    request: &ReadRequest,
    settings: &Settings,
    batches: &BatchSender,
) -> Result<ReadOutcome> {
    let gone = || Error::new(ErrorKind::Internal, "a table is read over no connection");
    let first = connections.first_mut().ok_or_else(gone)?;
    // The table was described before the common moment and may have changed since.
    let table = table::describe(first, named, &request.stream.excluded).await?;
    let part = part(first, &table, request, settings).await?;
    let cut = Cut { condition: part.condition, ..plan.cut };
    let ranges = Arc::new(Ranges::new(cut, plan.part_rows, request.cursor.as_ref(), part.cursor));
    let sent = Arc::default();
    // Dropping the set aborts the readers, so none outlives this call, even after an error.
    let mut readers = JoinSet::new();
    for mut connection in connections {
        let mut reader = Reader::new(&table, request, zero_dates::become_null(settings), Arc::clone(&sent));
        let (ranges, batches) = (Arc::clone(&ranges), batches.clone());
        readers.spawn(async move {
            // A range is reported as done only after its last batch was sent, because a mark stands
            // for what was sent.
            while let Some(range) = ranges.next(&mut connection).await? {
                let rows = reader.read(&mut connection, &ranges.clause(&range)?, &batches).await?;
                reader.send(&batches).await?;
                ranges.done(rows, reader.conversions(), &batches).await?;
            }
            connection.close().await;
            Ok::<_, Error>(())
        });
    }
    while let Some(ended) = readers.join_next().await {
        ended.map_err(|error| {
            Error::new(ErrorKind::Internal, "a reader has ended early").caused_by(error)
        })??;
    }
    let (cursor, conversions) = ranges.ended()?;
    Ok(ReadOutcome { cursor, conversions, how: None, notices: part.notices })
}

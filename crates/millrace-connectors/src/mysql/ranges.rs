//! Cuts a table into ranges of its primary key, which several readers take one after the other.
//!
//! A range is cut only when it is taken, and only while the server's estimate from its index says
//! that it has more rows than a reader should read at once. So the distribution of the keys does
//! not matter: if all rows are in a tiny part of the key's range, that part is cut further, and the
//! rest becomes a few ranges without rows.
//!
//! Invariant: each row is in exactly one range, whatever the bounds are. Neighbouring ranges share
//! one bound, and only the server compares values, in the collation of the column.
//!
//! The ranges that nobody has read are also the mark from which an interrupted load can be resumed
//! (ADR 21).

use std::collections::BTreeMap;
use std::pin::pin;

use millrace_core::cursor::{Bound, Cursor, KeyRange};
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::BatchSender;
use millrace_engine::ports::source::Conversion;
use tokio::sync::{Mutex, Notify};

use crate::mysql::connection::Connection;
use crate::mysql::failure::cannot_be_read;
use crate::mysql::layout::{KeyColumn, KeyKind, Layout};
use crate::mysql::quoted;
use crate::mysql::table::text;
use crate::mysql_types::zero_dates::ZERO_DATE;

/// What is cut: a table, its key and the rows that are wanted.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) table: String,
    pub(super) layout: Layout,
    /// The filter without the word `where`; empty for all rows.
    pub(super) condition: String,
    /// Approximate number of rows of a range.
    pub(super) range_rows: u64,
}

/// The ranges of one read, shared by all of its readers.
#[derive(Debug)]
pub(super) struct Ranges {
    cut: Cut,
    /// Rows after which the load may be committed in part; `None` if only at its end.
    part_rows: Option<u64>,
    /// The cursor that the load ends with.
    end: Option<Box<Cursor>>,
    /// The lock is held while a range is cut, so that other readers wait for the parts instead of
    /// cutting the same range.
    state: Mutex<Progress>,
    /// Notified after each mark.
    marked: Notify,
}

/// Progress of the readers.
#[derive(Debug, Default)]
struct Progress {
    /// Ranges that no reader has taken. The next one is the last of the list.
    left: Vec<KeyRange>,
    /// Number of ranges that are being read.
    taken: usize,
    /// Rows since the last mark.
    rows: u64,
    /// Rows with a lossy conversion, by column.
    converted: BTreeMap<String, u64>,
}

impl Ranges {
    /// Starts with the whole table or, for a load that is resumed, with the ranges that it left.
    /// `unfinished` must be a cursor for which [`Layout::goes_on`] is true; its end replaces `end`,
    /// so that the load still ends where it was meant to end at first.
    pub(super) fn new(
        cut: Cut,
        part_rows: Option<u64>,
        unfinished: Option<&Cursor>,
        end: Option<Cursor>,
    ) -> Self {
        let (left, end, converted) = match unfinished {
            Some(Cursor::Ranges { left, end, converted, .. }) => {
                (left.clone(), end.clone(), converted.clone())
            }
            _ => (vec![KeyRange::default()], end.map(Box::new), BTreeMap::new()),
        };
        let state = Mutex::new(Progress { left, converted, ..Progress::default() });
        Self { cut, part_rows, end, state, marked: Notify::new() }
    }

    /// Takes the next range, or returns `None` if all are taken. A range that is too large is cut
    /// over the caller's connection. The caller must call [`Self::done`] after each range. While a
    /// part of the load waits for its mark, this waits too.
    pub(super) async fn next(&self, connection: &mut Connection) -> Result<Option<KeyRange>> {
        loop {
            let mut state = self.state.lock().await;
            if !self.is_full(&state) {
                let range = self.take(&mut state, connection).await?;
                state.taken += usize::from(range.is_some());
                return Ok(range);
            }
            // Registers for the notification before the lock is released, so that a mark in between
            // is not missed.
            let mut marked = pin!(self.marked.notified());
            marked.as_mut().enable();
            drop(state);
            marked.await;
        }
    }

    /// Reports that all rows of a range were sent, with their number and conversions.
    ///
    /// Once a part of the load has enough rows, no further range is handed out until all readers
    /// are done with theirs. The last of them then sets the mark, because no batch may be in flight
    /// at that moment.
    pub(super) async fn done(
        &self,
        rows: u64,
        conversions: Vec<Conversion>,
        batches: &BatchSender,
    ) -> Result<()> {
        let mut state = self.state.lock().await;
        state.taken -= 1;
        state.rows += rows;
        for conversion in conversions {
            *state.converted.entry(conversion.column).or_default() += conversion.rows;
        }
        if self.is_full(&state) && state.taken == 0 {
            batches.mark(Cursor::Ranges {
                key: self.cut.layout.names(),
                left: state.left.clone(),
                end: self.end.clone(),
                converted: state.converted.clone(),
                stripped: BTreeMap::new(),
            })?;
            state.rows = 0;
            self.marked.notify_waiters();
        }
        Ok(())
    }

    /// SQL that follows the list of columns and reads the rows of a range.
    pub(super) fn clause(&self, range: &KeyRange) -> Result<String> {
        self.cut.clause(range)
    }

    /// Returns the cursor at the end of the read and the lossy conversions of all readers. Fails if
    /// a reader still holds the lock.
    pub(super) fn ended(&self) -> Result<(Option<Cursor>, Vec<Conversion>)> {
        let under_way = |_| Error::new(ErrorKind::Internal, "a read has ended, but still reads");
        let converted = std::mem::take(&mut self.state.try_lock().map_err(under_way)?.converted);
        let conversion = |(column, rows)| Conversion { column, what: ZERO_DATE, rows };
        Ok((self.end.as_deref().cloned(), converted.into_iter().map(conversion).collect()))
    }

    /// Returns whether a mark is due. None is set after the last range, because the load itself
    /// ends there.
    fn is_full(&self, state: &Progress) -> bool {
        !state.left.is_empty() && self.part_rows.is_some_and(|part_rows| state.rows >= part_rows)
    }

    /// Pops the next range and cuts it until it is small enough. The other parts go back to the
    /// list, the next one last.
    async fn take(&self, state: &mut Progress, connection: &mut Connection) -> Result<Option<KeyRange>> {
        while let Some(range) = state.left.last().cloned() {
            // The range is popped only after the query: if the connection breaks here, the range is
            // still in the list, and a mark of another reader includes it.
            let mut parts = self.cut.parts(connection, &range).await?;
            state.left.pop();
            let Some(first) = parts.first.take() else { return Ok(Some(range)) };
            state.left.extend(parts.rest.into_iter().rev());
            if parts.is_small {
                return Ok(Some(first));
            }
            state.left.push(first);
        }
        Ok(None)
    }
}

/// The result of one cut.
#[derive(Debug, Default)]
struct Parts {
    /// The part to continue with; `None` if the range is not cut.
    first: Option<KeyRange>,
    /// The parts after it, in key order.
    rest: Vec<KeyRange>,
    /// Whether the first part is known to be small enough.
    is_small: bool,
}

impl Cut {
    /// Approximate number of rows of the table.
    pub(super) async fn rows(&self, connection: &mut Connection) -> Result<u64> {
        self.estimate(connection, &KeyRange::default()).await
    }

    /// Cuts a range once, if it has too many rows.
    ///
    /// Integers, dates and timestamps are halved in the middle between the first and the last
    /// value. For other types the bound is the value that is `range_rows` rows further on. Rows
    /// that share one value are told apart by the next column of the key. A range that fixes all
    /// columns of the key stays whole.
    async fn parts(&self, connection: &mut Connection, range: &KeyRange) -> Result<Parts> {
        let whole = Parts::default();
        let Some(column) = self.layout.key.get(range.equal.len()) else { return Ok(whole) };
        if self.estimate(connection, range).await? <= self.range_rows {
            return Ok(whole);
        }
        if matches!(column.kind, KeyKind::Integer | KeyKind::Day | KeyKind::Moment) {
            let Some((least, greatest)) = self.ends(connection, range, column).await? else {
                return Ok(whole);
            };
            if least == greatest {
                let fixed = with_equal(range, least);
                return Ok(Parts { first: Some(fixed), ..Parts::default() });
            }
            if let Some(middle) = column.kind.middle(&least, &greatest) {
                let [below, from] = halves(range, middle);
                return Ok(Parts { first: Some(below), rest: vec![from], is_small: false });
            }
        }
        // The value as many rows further on as a range should have. The server skips rows in its
        // index.
        let columns = self.clause(range)?;
        let sql = format!(
            "select {} {columns} order by {} limit 1 offset {}",
            quoted(&column.name),
            self.order(""),
            self.range_rows
        );
        let rows = connection.ask(&sql, &cannot_be_read(&self.table)).await?;
        let Some(row) = rows.first() else { return Ok(whole) };
        let value = column.kind.value(row, 0)?;
        let [below, from] = halves(range, value.clone());
        let sql = format!("select 1 {} limit 1", self.clause(&below)?);
        if !connection.ask(&sql, &cannot_be_read(&self.table)).await?.is_empty() {
            return Ok(Parts { first: Some(below), rest: vec![from], is_small: true });
        }
        // No row of the range is below the bound, so all rows up to it have the same value in the
        // column's collation.
        let from = Some(Bound { value: value.clone(), included: false });
        let above = KeyRange { from, ..range.clone() };
        Ok(Parts { first: Some(with_equal(range, value)), rest: vec![above], is_small: false })
    }

    /// Returns the server's estimate of a range's rows, which it makes from a few pages of its
    /// index.
    async fn estimate(&self, connection: &mut Connection, range: &KeyRange) -> Result<u64> {
        // MySQL 9 prints a tree unless the traditional format is requested. From 8.0 on MySQL looks
        // at no page of an index that is forced, so this is `use index`.
        let from = self.from("use", &self.limits(range)?);
        let sql = format!("explain format=traditional select 1 {from}");
        let rows = connection.ask(&sql, &cannot_be_read(&self.table)).await?;
        let Some(row) = rows.first() else { return Ok(0) };
        let at = row.columns_ref().iter().position(|column| column.name_ref() == b"rows");
        // There is no such column if the server can answer from the key alone.
        at.map_or(Ok(0), |at| Ok(text(row, at)?.parse().unwrap_or(0)))
    }

    /// Returns the first and last value of a column within a range, or `None` if the range is
    /// empty.
    async fn ends(
        &self,
        connection: &mut Connection,
        range: &KeyRange,
        column: &KeyColumn,
    ) -> Result<Option<(String, String)>> {
        let one = |direction: &str| -> Result<String> {
            let from = self.from("force", &self.limits(range)?);
            Ok(format!("(select {} {from} order by {} limit 1)", quoted(&column.name), self.order(direction)))
        };
        let sql = format!("{} union all {}", one("")?, one(" desc")?);
        let rows = connection.ask(&sql, &cannot_be_read(&self.table)).await?;
        let [least, greatest] = rows.as_slice() else { return Ok(None) };
        Ok(Some((column.kind.value(least, 0)?, column.kind.value(greatest, 0)?)))
    }

    /// The columns of the key for `order by`, which is the order of the index.
    fn order(&self, direction: &str) -> String {
        let columns = self.layout.key.iter().map(|column| format!("{}{direction}", quoted(&column.name)));
        columns.collect::<Vec<_>>().join(", ")
    }

    /// The conditions that select the rows of a range: one equality for each fixed column, then up
    /// to two bounds of the next column.
    fn limits(&self, range: &KeyRange) -> Result<Vec<String>> {
        let mut columns = self.layout.key.iter();
        let mut limits = Vec::new();
        let mut add = |column: &KeyColumn, compares: &str, value: &str| -> Result<()> {
            limits.push(format!("{} {compares} {}", quoted(&column.name), column.kind.literal(value)?));
            Ok(())
        };
        for (value, column) in range.equal.iter().zip(&mut columns) {
            add(column, "=", value)?;
        }
        if let Some(column) = columns.next() {
            if let Some(bound) = &range.from {
                add(column, if bound.included { ">=" } else { ">" }, &bound.value)?;
            }
            if let Some(value) = &range.below {
                add(column, "<", value)?;
            }
        }
        Ok(limits)
    }

    /// The FROM clause of a range. `hint` is `use` to keep the server from considering other
    /// indexes, or `force` to make it read rows in the order of the key.
    fn from(&self, hint: &str, limits: &[String]) -> String {
        let filter =
            if limits.is_empty() { String::new() } else { format!(" where {}", limits.join(" and ")) };
        format!("from {} {hint} index (primary){filter}", quoted(&self.table))
    }

    /// The FROM clause of a range, with the filter of the read. Parentheses keep an `or` in the
    /// filter from escaping the bounds.
    fn clause(&self, range: &KeyRange) -> Result<String> {
        let mut limits = self.limits(range)?;
        if !self.condition.is_empty() {
            limits.push(format!("({})", self.condition));
        }
        Ok(self.from("force", &limits))
    }
}

/// The rows of `range` that have this value in the next column of the key.
fn with_equal(range: &KeyRange, value: String) -> KeyRange {
    let equal = range.equal.iter().cloned().chain([value]).collect();
    KeyRange { equal, from: None, below: None }
}

/// Splits a range at a value: the rows below it, and all others.
fn halves(range: &KeyRange, value: String) -> [KeyRange; 2] {
    let from = Some(Bound { value: value.clone(), included: true });
    [KeyRange { below: Some(value), ..range.clone() }, KeyRange { from, ..range.clone() }]
}

//! A table cut into ranges of its primary key, which readers take one after the other.
//!
//! A range is cut when it is taken, as long as it has more rows than a reader should read at once, by what the server's own look at its
//! index says. So keys may be spread as they like: where all rows are in a tiny part of the key's range, that part is cut, and the rest is a
//! few ranges without rows. Whatever the values at which it is cut, each row is in exactly one range, because the server compares.
//!
//! What is left is also where a load can be gone on with that a run has not brought to its end: see ADR 0021.

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

/// What the ranges of a read are cut from.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) table: String,
    pub(super) layout: Layout,
    /// Which rows are wanted, without `where`; empty for all.
    pub(super) condition: String,
    /// Rows of a range, about.
    pub(super) range_rows: u64,
}

/// The ranges of a read.
#[derive(Debug)]
pub(super) struct Ranges {
    cut: Cut,
    /// After how many rows a load may be committed; none for never.
    part_rows: Option<u64>,
    /// Where the load will end.
    end: Option<Box<Cursor>>,
    /// Held while a range is cut, so that whoever comes meanwhile waits for the parts.
    state: Mutex<Progress>,
    /// Told after each mark.
    marked: Notify,
}

/// How far the readers are.
#[derive(Debug, Default)]
struct Progress {
    /// What nobody has taken; the next one is the last.
    left: Vec<KeyRange>,
    /// Ranges that are being read.
    taken: usize,
    /// Rows since the last mark.
    rows: u64,
    /// Lossy conversions, by column.
    converted: BTreeMap<String, u64>,
}

impl Ranges {
    /// All of the table or, where a load is gone on with, what is left. The position is one for which [`Layout::goes_on`] is true.
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

    /// Takes the next range; none where all are taken. It is cut over the connection of whoever asks. Each one has to be followed by
    /// [`Self::done`].
    pub(super) async fn next(&self, connection: &mut Connection) -> Result<Option<KeyRange>> {
        loop {
            let mut state = self.state.lock().await;
            if !self.is_full(&state) {
                let range = self.take(&mut state, connection).await?;
                state.taken += usize::from(range.is_some());
                return Ok(range);
            }
            // Before the lock is let go, so that the mark cannot come in between.
            let mut marked = pin!(self.marked.notified());
            marked.as_mut().enable();
            drop(state);
            marked.await;
        }
    }

    /// Says that all rows of a range were sent: so many, with those conversions. Where enough has come together for a part of the load, no
    /// further range is taken until all that are being read are done, and then whoever is last says so.
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

    /// What follows a list of columns, to read a range of them.
    pub(super) fn clause(&self, range: &KeyRange) -> Result<String> {
        self.cut.clause(range)
    }

    /// Where the read has ended, and the lossy conversions of all who took part.
    pub(super) fn ended(&self) -> Result<(Option<Cursor>, Vec<Conversion>)> {
        let under_way = |_| Error::new(ErrorKind::Internal, "a read has ended, but still reads");
        let converted = std::mem::take(&mut self.state.try_lock().map_err(under_way)?.converted);
        let conversion = |(column, rows)| Conversion { column, what: ZERO_DATE, rows };
        Ok((self.end.as_deref().cloned(), converted.into_iter().map(conversion).collect()))
    }

    /// Whether it is time for a mark. After the last range there is none: the load itself ends.
    fn is_full(&self, state: &Progress) -> bool {
        !state.left.is_empty() && self.part_rows.is_some_and(|part_rows| state.rows >= part_rows)
    }

    async fn take(&self, state: &mut Progress, connection: &mut Connection) -> Result<Option<KeyRange>> {
        while let Some(range) = state.left.last().cloned() {
            // Should the connection break here, the range is still left, for a mark that another reader may set.
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

/// What a range was cut into.
#[derive(Debug, Default)]
struct Parts {
    /// None where it stays whole.
    first: Option<KeyRange>,
    rest: Vec<KeyRange>,
    /// Whether the first one is as small as it should be.
    is_small: bool,
}

impl Cut {
    /// Rows of the table, about.
    pub(super) async fn rows(&self, connection: &mut Connection) -> Result<u64> {
        self.estimate(connection, &KeyRange::default()).await
    }

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
        // As many rows on as there should be in a range. The server passes over them in its index.
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
        // All of them have the same value, as the server compares it.
        let from = Some(Bound { value: value.clone(), included: false });
        let above = KeyRange { from, ..range.clone() };
        Ok(Parts { first: Some(with_equal(range, value)), rest: vec![above], is_small: false })
    }

    /// Rows of a range, as the server expects them from a look at the pages of its index.
    async fn estimate(&self, connection: &mut Connection, range: &KeyRange) -> Result<u64> {
        // MySQL 9 draws a tree of it unless told otherwise, and from 8.0 on looks at no page of an index that it is forced to take.
        let from = self.from("use", &self.limits(range)?);
        let sql = format!("explain format=traditional select 1 {from}");
        let rows = connection.ask(&sql, &cannot_be_read(&self.table)).await?;
        let Some(row) = rows.first() else { return Ok(0) };
        let at = row.columns_ref().iter().position(|column| column.name_ref() == b"rows");
        // There is none where the server can tell from the key alone.
        at.map_or(Ok(0), |at| Ok(text(row, at)?.parse().unwrap_or(0)))
    }

    /// The first and last value of a column within a range.
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

    /// The order of the key, which is that of the index.
    fn order(&self, direction: &str) -> String {
        let columns = self.layout.key.iter().map(|column| format!("{}{direction}", quoted(&column.name)));
        columns.collect::<Vec<_>>().join(", ")
    }

    /// Conditions for the rows of a range.
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

    /// `hint` is `use`, so that no other index is looked at, or `force`, so that rows come by the key.
    fn from(&self, hint: &str, limits: &[String]) -> String {
        let filter =
            if limits.is_empty() { String::new() } else { format!(" where {}", limits.join(" and ")) };
        format!("from {} {hint} index (primary){filter}", quoted(&self.table))
    }

    fn clause(&self, range: &KeyRange) -> Result<String> {
        let mut limits = self.limits(range)?;
        if !self.condition.is_empty() {
            limits.push(format!("({})", self.condition));
        }
        Ok(self.from("force", &limits))
    }
}

/// Those with that value in the next column of the key.
fn with_equal(range: &KeyRange, value: String) -> KeyRange {
    let equal = range.equal.iter().cloned().chain([value]).collect();
    KeyRange { equal, from: None, below: None }
}

/// What is below a value, and the rest.
fn halves(range: &KeyRange, value: String) -> [KeyRange; 2] {
    let from = Some(Bound { value: value.clone(), included: true });
    [KeyRange { below: Some(value), ..range.clone() }, KeyRange { from, ..range.clone() }]
}

//! Sends batches into a table by binary COPY, in segments.
//!
//! One load may take many COPY statements, all in the same transaction: the server reports most
//! errors only at the end of a COPY, so short segments surface them early. Rows that PostgreSQL
//! cannot store, because they do not fit into a page, are moved from the batch to quarantine before
//! they are sent.

use std::pin::pin;

use arrow_array::BooleanArray;
use arrow_select::filter::filter_record_batch;
use bytes::{Bytes, BytesMut};
use futures::SinkExt;
use millrace_core::name::Relation;
use millrace_core::quarantine::{QuarantineCode, QuarantinedRow};
use millrace_core::schema::Column;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::{Batch, BatchReceiver};
use millrace_engine::ports::warehouse::FinishLoad;
use tokio_postgres::error::DbError;

use super::copy::{Fields, HEAD, TAIL};
use super::failure::copied;
use super::load::list;
use super::row_size::RowSize;
use super::session::Session;
use super::watch::Trouble;

/// Bytes that are handed to the driver at once.
const CHUNK: usize = 512 * 1024;
/// Bytes of one COPY. The server reports errors at the end of a COPY, so a full disk is noticed
/// before the source has been read to its end.
const SEGMENT: usize = 64 * 1024 * 1024;

/// How rows are copied into a table.
#[derive(Clone, Copy)]
pub(super) struct Copying<'a> {
    /// The name of a `bigint` column for the row's number in order of arrival, if the table has
    /// one.
    pub(super) place: Option<&'a str>,
    /// The columns by which rows are merged; empty if rows are only added.
    pub(super) key: &'a [String],
    /// Whether this transaction created the table.
    pub(super) new: bool,
}

/// Copies all batches into the table and returns the number of rows written. Calls `finish.saw` for
/// each batch before its rows are sent. After an error the transaction must be rolled back.
pub(super) async fn copy(
    session: &mut Session,
    table: &Relation,
    columns: &[Column],
    Copying { place, key, new }: Copying<'_>,
    batches: &mut BatchReceiver,
    finish: &mut dyn FinishLoad,
) -> Result<u64> {
    let names = list(columns.iter().map(|column| column.name.as_str()).chain(place));
    // FREEZE writes the rows as visible to all, which their first readers would otherwise have to
    // work out. It needs a table that this transaction created and whose rows nobody changes.
    let freeze = if new { ", freeze" } else { "" };
    let sql = format!("copy {table} ({names}) from stdin (format binary{freeze})");
    let size = size(session, columns).await?;
    let mut arriving = Arriving { batches, finish, columns, key, size, kept: 0, set_aside: Vec::new() };
    let mut rows = 0;
    let mut waiting = arriving.next().await?;
    // Each turn of this loop is one COPY. `before` is the number of rows in the COPYs before it,
    // because the server counts rows from 1 in each.
    while waiting.is_some() {
        let before = rows;
        let started = session.answers()?.over(session.client()?.copy_in::<_, Bytes>(&sql)).await;
        let mut sink = pin!(started.map_err(|trouble| failed(session, trouble, &sql, before, &arriving))?);
        let mut sent = 0;
        let mut buffer = BytesMut::with_capacity(CHUNK + CHUNK / 4);
        buffer.extend_from_slice(HEAD);
        while let Some(batch) = waiting.take() {
            let fields = Fields::of(columns, &batch.rows)?;
            for row in 0..fields.rows() {
                fields.write(row, place.map(|_| rows), &mut buffer)?;
                rows += 1;
                if buffer.len() >= CHUNK {
                    sent += buffer.len();
                    // The driver's task sends the previous chunk while this loop encodes the next
                    // one.
                    let full = std::mem::replace(&mut buffer, BytesMut::with_capacity(CHUNK + CHUNK / 4));
                    let fed = session.answers()?.over(sink.feed(full.freeze())).await;
                    fed.map_err(|trouble| failed(session, trouble, &sql, before, &arriving))?;
                }
            }
            if sent >= SEGMENT {
                break;
            }
            waiting = arriving.next().await?;
        }
        buffer.extend_from_slice(TAIL);
        let fed = session.answers()?.over(sink.feed(buffer.freeze())).await;
        fed.map_err(|trouble| failed(session, trouble, &sql, before, &arriving))?;
        let finished = session.answers()?.over(sink.finish()).await;
        finished.map_err(|trouble| failed(session, trouble, &sql, before, &arriving))?;
        // The loop was left because the segment was full, or because the source ended; only the
        // former leaves batches to fetch.
        if waiting.is_none() {
            waiting = arriving.next().await?;
        }
    }
    Ok(rows)
}

/// The size check for rows of these columns; `None` if any row of them fits into a page. Asks the
/// server for its page size only if a row may be too large for the usual one.
async fn size(session: &mut Session, columns: &[Column]) -> Result<Option<RowSize>> {
    const USUAL_PAGE: usize = 8192;
    if RowSize::of(columns, USUAL_PAGE).is_none() {
        return Ok(None);
    }
    let found = session.catalog("select current_setting('block_size')::int8", &[]).await?;
    let page = found.first().and_then(|row| row.try_get::<_, i64>(0).ok());
    Ok(RowSize::of(columns, page.and_then(|page| usize::try_from(page).ok()).unwrap_or(USUAL_PAGE)))
}

/// The batches of the source on their way into one table, without the rows that do not fit into a
/// page.
struct Arriving<'a> {
    batches: &'a mut BatchReceiver,
    finish: &'a mut dyn FinishLoad,
    columns: &'a [Column],
    key: &'a [String],
    size: Option<RowSize>,
    /// Rows that were passed on to COPY.
    kept: u64,
    /// One entry for each row that was quarantined here: the number of rows passed on before it.
    /// Sorted.
    set_aside: Vec<u64>,
}

impl Arriving<'_> {
    /// The next batch that has rows, or `None` at the end of the source. Rows that are too large
    /// are removed first. `finish` sees every batch, including those without rows.
    async fn next(&mut self) -> Result<Option<Batch>> {
        while let Some(batch) = self.batches.recv().await {
            let batch = self.fitting(batch)?;
            self.finish.saw(&batch)?;
            if batch.rows.num_rows() > 0 {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// Moves the rows that do not fit into a page to the batch's quarantine list. Such a row has an
    /// empty `file`, and `line` is its number in the batch, from 1.
    fn fitting(&mut self, mut batch: Batch) -> Result<Batch> {
        let Some(size) = &self.size else { return Ok(batch) };
        let fields = Fields::of(self.columns, &batch.rows)?;
        let mut fits = Vec::with_capacity(fields.rows());
        let mut written = BytesMut::new();
        for row in 0..fields.rows() {
            written.clear();
            fields.write(row, None, &mut written)?;
            fits.push(!size.is_too_large(&written));
            if fits[row] {
                self.kept += 1;
                continue;
            }
            self.set_aside.push(self.kept);
            batch.quarantined.push(QuarantinedRow {
                file: String::new(),
                line: row as u64 + 1,
                column: None,
                code: QuarantineCode::OutOfRange,
                reason: "the row is larger than PostgreSQL can hold, which is a page (8,160 bytes) beside what it keeps elsewhere"
                    .to_owned(),
                raw: fields.raw(row, self.key),
            });
        }
        if fits.contains(&false) {
            batch.rows = filter_record_batch(&batch.rows, &BooleanArray::from(fits)).map_err(|error| {
                Error::new(ErrorKind::Internal, "rows that are too large cannot be taken out")
                    .caused_by(error)
            })?;
        }
        Ok(batch)
    }

    /// Translates a position among the rows that were passed on into the position among all rows
    /// that arrived. Both count from 1.
    fn place(&self, kept: u64) -> u64 {
        kept + self.set_aside.partition_point(|before| *before < kept) as u64
    }
}

/// Makes the error of a failed COPY. If the server names the row, the error gives the row's number
/// among all rows that arrived.
fn failed(session: &mut Session, trouble: Trouble, sql: &str, before: u64, arriving: &Arriving<'_>) -> Error {
    let row = match &trouble {
        Trouble::Said(error) => error.as_db_error().and_then(row_of),
        Trouble::Silent(_) => None,
    };
    let error = session.failed(trouble, sql);
    match row {
        Some(row) => error.caused_by(format!("row {} in the order of arrival", arriving.place(before + row))),
        None => error,
    }
}

/// The row of a COPY that holds a refused value (SQLSTATE class 22), from 1. Other classes refuse a
/// row as a whole, for which the server may name a later row.
fn row_of(said: &DbError) -> Option<u64> {
    said.code().code().starts_with("22").then(|| copied(said).row).flatten()
}

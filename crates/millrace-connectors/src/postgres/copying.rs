//! Batches into a table by COPY, segment by segment.

use std::collections::BTreeSet;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures::SinkExt;
use millrace_core::name::Relation;
use millrace_core::quarantine::{QuarantineCode, QuarantinedRow};
use millrace_core::schema::Column;
use millrace_engine::batch::{Batch, BatchReceiver};
use millrace_engine::error::{Error, Result};
use millrace_engine::warehouse::FinishLoad;
use tokio_postgres::error::DbError;

use super::copy::{Fields, HEAD, TAIL};
use super::failure::copied;
use super::load::list;
use super::row_size::RowSize;
use super::session::Session;
use super::watch::Trouble;

/// Bytes that are sent at once.
const CHUNK: usize = 512 * 1024;
/// Bytes of one COPY. The server's complaints are heard at its end, so a full disk is noticed before the source is read to its own.
const SEGMENT: usize = 64 * 1024 * 1024;

/// How rows are copied into a table.
#[derive(Clone, Copy)]
pub(super) struct Copying<'a> {
    /// The column for a row's place in the stream.
    pub(super) place: Option<&'a str>,
    /// Whether this transaction has made the table.
    pub(super) new: bool,
}

/// All batches into a table; returns the rows.
pub(super) async fn copy(
    session: &mut Session,
    table: &Relation,
    columns: &[Column],
    Copying { place, new }: Copying<'_>,
    batches: &mut BatchReceiver,
    finish: &mut dyn FinishLoad,
) -> Result<u64> {
    let names = list(columns.iter().map(|column| column.name.as_str()).chain(place));
    // Where the table is of this transaction and nobody changes its rows, what every reader would have to find out is written at once.
    let freeze = if new { ", freeze" } else { "" };
    let sql = format!("copy {table} ({names}) from stdin (format binary{freeze})");
    let mut arriving = Arriving { batches, finish, columns, size: size(session, columns).await? };
    let mut rows = 0;
    let mut waiting = arriving.next().await?;
    while waiting.is_some() {
        let before = rows;
        let started = session.answers()?.over(session.client()?.copy_in::<_, Bytes>(&sql)).await;
        let mut sink = pin!(started.map_err(|trouble| failed(session, trouble, &sql, before))?);
        let mut sent = 0;
        let mut buffer = BytesMut::with_capacity(CHUNK + CHUNK / 4);
        buffer.extend_from_slice(HEAD);
        while let Some((batch, too_large)) = waiting.take() {
            let fields = Fields::of(columns, &batch.rows)?;
            for row in (0..fields.rows()).filter(|row| !too_large.contains(row)) {
                fields.write(row, place.map(|_| rows), &mut buffer)?;
                rows += 1;
                if buffer.len() >= CHUNK {
                    sent += buffer.len();
                    // The former chunk is on its way while this one is made.
                    let full = std::mem::replace(&mut buffer, BytesMut::with_capacity(CHUNK + CHUNK / 4));
                    let fed = session.answers()?.over(sink.feed(full.freeze())).await;
                    fed.map_err(|trouble| failed(session, trouble, &sql, before))?;
                }
            }
            if sent >= SEGMENT {
                break;
            }
            waiting = arriving.next().await?;
        }
        buffer.extend_from_slice(TAIL);
        let fed = session.answers()?.over(sink.feed(buffer.freeze())).await;
        fed.map_err(|trouble| failed(session, trouble, &sql, before))?;
        let finished = session.answers()?.over(sink.finish()).await;
        finished.map_err(|trouble| failed(session, trouble, &sql, before))?;
        if waiting.is_none() {
            waiting = arriving.next().await?;
        }
    }
    Ok(rows)
}

/// What works out the sizes of rows; none for a table of which every row fits into a page.
async fn size(session: &mut Session, columns: &[Column]) -> Result<Option<RowSize>> {
    const USUAL_PAGE: usize = 8192;
    if RowSize::of(columns, USUAL_PAGE).is_none() {
        return Ok(None);
    }
    let found = session.catalog("select current_setting('block_size')::int8", &[]).await?;
    let page = found.first().and_then(|row| row.try_get::<_, i64>(0).ok());
    Ok(RowSize::of(columns, page.and_then(|page| usize::try_from(page).ok()).unwrap_or(USUAL_PAGE)))
}

/// What comes from the source, on its way into one table.
struct Arriving<'a> {
    batches: &'a mut BatchReceiver,
    finish: &'a mut dyn FinishLoad,
    columns: &'a [Column],
    size: Option<RowSize>,
}

impl Arriving<'_> {
    /// The next batch with rows, and which of those are set aside; batches without rows are only looked at.
    async fn next(&mut self) -> Result<Option<(Batch, BTreeSet<usize>)>> {
        while let Some(mut batch) = self.batches.recv().await {
            let too_large = match &self.size {
                None => BTreeSet::new(),
                Some(size) => set_aside(&mut batch, self.columns, size)?,
            };
            let rows = batch.rows.num_rows();
            if too_large.is_empty() {
                self.finish.saw(&batch)?;
            } else {
                let rows = batch.rows.slice(0, rows - too_large.len());
                self.finish.saw(&Batch { rows, quarantined: std::mem::take(&mut batch.quarantined) })?;
            }
            if rows > too_large.len() {
                return Ok(Some((batch, too_large)));
            }
        }
        Ok(None)
    }
}

/// Which rows of a batch no page holds; they are added to those in quarantine.
fn set_aside(batch: &mut Batch, columns: &[Column], size: &RowSize) -> Result<BTreeSet<usize>> {
    let fields = Fields::of(columns, &batch.rows)?;
    let (mut found, mut quarantined) = (BTreeSet::new(), Vec::new());
    let mut written = BytesMut::new();
    for row in 0..fields.rows() {
        written.clear();
        fields.write(row, None, &mut written)?;
        if size.is_too_large(&written) {
            found.insert(row);
            quarantined.push(QuarantinedRow {
                file: String::new(),
                line: row as u64 + 1,
                column: None,
                code: QuarantineCode::OutOfRange,
                reason: "the row is larger than PostgreSQL can hold, which is a page (8,160 bytes) beside what it keeps elsewhere"
                    .to_owned(),
                raw: fields.raw(row),
            });
        }
    }
    drop(fields);
    batch.quarantined.extend(quarantined);
    Ok(found)
}

/// The error, with the row's number among all that arrived where the server says which row of the COPY it was.
fn failed(session: &mut Session, trouble: Trouble, sql: &str, before: u64) -> Error {
    let row = match &trouble {
        Trouble::Said(error) => error.as_db_error().and_then(row_of),
        Trouble::Silent(_) => None,
    };
    let error = session.failed(trouble, sql);
    match row {
        Some(row) => error.caused_by(format!("row {} in the order of arrival", before + row)),
        None => error,
    }
}

/// The row of a COPY that holds a value which is refused. Of a row that is refused as a whole the server may name one behind it.
fn row_of(said: &DbError) -> Option<u64> {
    said.code().code().starts_with("22").then(|| copied(said).row).flatten()
}

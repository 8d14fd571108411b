//! Runs queries and describes statements without running them.
//!
//! A query runs in a read-only transaction. Rows are decoded one by one as they arrive, up to the
//! limit of rows. The time limit holds in the server (`statement_timeout`), and a little later on
//! this side too.

use std::sync::Arc;
use std::time::Duration;

use futures::{TryStreamExt, pin_mut};
use millrace_core::schema::DataType;
use millrace_core::value::Value;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::warehouse::{QueryLimits, ResultColumn, Rows, Statement};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Column, Statement as Prepared};

use super::connect::jitter;
use super::dialect::{WIDEST, logical_type};
use super::pool::Pool;
use super::session::{Purpose, Session};
use super::value::{Param, Raw, Reader};
use crate::timeouts::shown;

/// How much later than the server's limit this side gives up, because the server counts only the
/// statement's own time.
const LATE: Duration = Duration::from_secs(5);

/// Runs a query. Retries up to two times if the connection was lost, or after a conflict such as a
/// statement that another client left in a pooler's connection: a query changes nothing.
pub(super) async fn query(pool: &Arc<Pool>, statement: &Statement, limits: QueryLimits) -> Result<Rows> {
    let mut tries = 0;
    loop {
        tries += 1;
        let purpose = Purpose::question(limits.time);
        let (mut session, prepared) = Session::begin_preparing(pool, purpose, &statement.sql).await?;
        let started = Instant::now();
        // The prepared statement is dropped with the future, which closes it before the transaction
        // ends.
        let fetched = async { fetch(&mut session, statement, prepared?, limits).await };
        let Ok(found) = timeout(limits.time.saturating_add(LATE), fetched).await else {
            // The server should have ended the statement itself and reported it. Dropping the
            // session closes the connection.
            let message = "the connection to the server has stalled";
            let cause =
                format!("no answer came, and none that the query was ended after {}", shown(limits.time));
            return Err(Error::new(ErrorKind::WarehouseLost, message).caused_by(cause));
        };
        match found {
            Ok(rows) if rows.truncated => {
                // The server would otherwise produce all remaining rows.
                session.cancel();
                return Ok(rows);
            }
            Ok(rows) => {
                session.leave_unchanged();
                return Ok(rows);
            }
            // The pause is short and random, so that callers that failed together do not retry
            // together.
            Err(_) if tries < 3 && (session.is_lost() || session.is_conflict()) => {
                session.undo().await;
                sleep(Duration::from_millis(20 + jitter(80))).await;
            }
            Err(error) => {
                session.undo().await;
                let late = error.kind() == ErrorKind::Cancelled && started.elapsed() >= limits.time;
                return Err(if late { took_too_long(limits.time) } else { error });
            }
        }
    }
}

fn took_too_long(limit: Duration) -> Error {
    Error::new(ErrorKind::TimedOut, format!("the query took longer than {}", shown(limit)))
}

/// The columns that a select would return. Prepares it and does not run it.
pub(super) async fn describe(pool: &Arc<Pool>, sql: &str) -> Result<Vec<ResultColumn>> {
    let purpose = Purpose::question(QueryLimits::STATE.time);
    let (session, prepared) = Session::begin_preparing(pool, purpose, sql).await?;
    let found = prepared.map(|prepared| prepared.columns().iter().map(described).collect());
    match &found {
        Ok(_) => session.leave_unchanged(),
        Err(_) => session.undo().await,
    }
    found
}

fn described(column: &Column) -> ResultColumn {
    ResultColumn { name: column.name().to_owned(), data_type: logical_type(column) }
}

/// Executes a prepared statement and collects its rows, up to `limits.rows`. Fails if the number of
/// parameters is wrong.
async fn fetch(
    session: &mut Session,
    statement: &Statement,
    mut prepared: Prepared,
    limits: QueryLimits,
) -> Result<Rows> {
    let mut sql = &statement.sql;
    let columns: Vec<ResultColumn> = prepared.columns().iter().map(described).collect();
    let mut readers: Vec<Option<Reader>> =
        prepared.columns().iter().map(|column| Reader::of(column.type_())).collect();
    let wrapped;
    if readers.contains(&None) {
        // A second statement around the first casts the columns to text whose types have no reader.
        let names: Vec<String> = (0..readers.len()).map(|at| format!("c{at}")).collect();
        let casts = names.iter().zip(&readers).map(|(name, reader)| match reader {
            Some(_) => name.clone(),
            None => format!("cast({name} as text)"),
        });
        let casts: Vec<String> = casts.collect();
        wrapped = format!("select {} from ({sql}\n) as q({})", casts.join(", "), names.join(", "));
        sql = &wrapped;
        prepared = session.prepare(sql).await?;
        for reader in &mut readers {
            reader.get_or_insert(Reader::Text);
        }
    }
    let readers: Vec<Reader> = readers.into_iter().flatten().collect();
    // Checked here for a message that gives both numbers.
    let params: Vec<Param<'_>> = statement.params.iter().map(Param).collect();
    if params.len() != prepared.params().len() {
        let message =
            format!("a statement takes {} values and was given {}", prepared.params().len(), params.len());
        return Err(Error::new(ErrorKind::Internal, message));
    }
    let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as _).collect();
    let started = session.answers()?.over(session.client()?.query_raw(&prepared, params)).await;
    let stream = started.map_err(|trouble| session.failed(trouble, sql))?;
    pin_mut!(stream);
    let mut rows = Rows { data: vec![Vec::new(); columns.len()], columns, truncated: false };
    let mut count = 0;
    while let Some(row) =
        session.answers()?.over(stream.try_next()).await.map_err(|trouble| session.failed(trouble, sql))?
    {
        // One row more than the limit is read, to learn whether rows were left out.
        if count >= limits.rows {
            rows.truncated = true;
            break;
        }
        count += 1;
        for (at, (column, reader)) in rows.data.iter_mut().zip(&readers).enumerate() {
            let raw: Option<Raw<'_>> = row.try_get(at).map_err(|error| session.failed(error, sql))?;
            column.push(match raw {
                None => Value::Null,
                Some(raw) => reader.read(raw.0).ok_or_else(|| {
                    Error::new(ErrorKind::Internal, "the server sent a value that is not of its type")
                })?,
            });
        }
    }
    // An unbounded `numeric` gets its scale from the values.
    for (column, values) in rows.columns.iter_mut().zip(&rows.data) {
        if column.data_type == Some(WIDEST) {
            column.data_type = Some(bounded(values));
        }
    }
    Ok(rows)
}

/// The type for numbers of an unbounded `numeric`: 38 digits, with as many after the point as the
/// value with the most.
fn bounded(values: &[Value]) -> DataType {
    let scales = values.iter().filter_map(Value::as_decimal).map(|number| number.scale);
    DataType::Decimal { precision: 38, scale: scales.max().unwrap_or(0).min(38) }
}

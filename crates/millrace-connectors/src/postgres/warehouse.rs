//! The [`Warehouse`] contract for a PostgreSQL database.
//!
//! Each method takes a connection from the pool and runs one transaction, or a few that are
//! independent. The work itself is in the modules for loads, queries and publishing; this one adds
//! retries and time limits.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use millrace_core::name::Relation;
use millrace_core::sql::dialect::Dialect;
use millrace_core::time_zone::ProjectZone;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::BatchReceiver;
use millrace_engine::ports::warehouse::{
    FinishLoad, LoadOutcome, LoadRequest, PreparedTable, PublishOutcome, PublishRequest, QueryLimits,
    ResultColumn, Rows, Statement, Warehouse,
};
use tokio::time::sleep;
use tokio_postgres::types::Type;

use super::connect::jitter;
use super::dialect::PostgresDialect;
use super::pool::Pool;
use super::query::{describe, query};
use super::session::{Purpose, Session};
use super::{load, prepare, publish, retire};

/// How many tables are prepared at the same time.
const PREPARED_AT_ONCE: usize = 3;

/// How often a transaction is tried that fails because of a conflict with another one.
const TRIES: u32 = 6;

/// A PostgreSQL database. Each call runs in a transaction on a connection of its own; the number of
/// connections is limited.
pub struct PostgresWarehouse {
    pool: Arc<Pool>,
    /// The setting `statement_timeout` of the environment; `None` means no limit.
    statement_timeout: Option<Duration>,
}

impl PostgresWarehouse {
    pub(super) fn new(pool: Arc<Pool>, statement_timeout: Option<Duration>) -> Self {
        Self { pool, statement_timeout }
    }

    /// The purpose of transactions that write, with the statement timeout.
    fn work(&self) -> Purpose {
        Purpose::WORK.within(self.statement_timeout)
    }

    /// Reports a cancelled statement as one that took too long, if there is a statement timeout.
    /// The server uses the same SQLSTATE for both.
    fn timed<T>(&self, done: Result<T>) -> Result<T> {
        done.map_err(|error| match self.statement_timeout {
            Some(limit) if error.kind() == ErrorKind::Cancelled => {
                let message =
                    format!("a statement took longer than `statement_timeout` ({} s)", limit.as_secs_f64());
                Error::new(ErrorKind::TimedOut, message)
            }
            _ => error,
        })
    }
}

#[async_trait]
impl Warehouse for PostgresWarehouse {
    fn dialect(&self) -> Arc<dyn Dialect> {
        Arc::new(PostgresDialect)
    }

    fn in_time_zone(&self, zone: &ProjectZone) -> Option<Arc<dyn Warehouse>> {
        Some(Arc::new(Self::new(self.pool.in_time_zone(zone), self.statement_timeout)))
    }

    async fn version(&self) -> Result<String> {
        let sql = "select current_setting('server_version'), inet_server_port()";
        let rows = self.query(&Statement::new(sql), QueryLimits::STATE).await?;
        let row = rows.row(0);
        let version =
            row[0].as_str().and_then(|text| text.split_whitespace().next()).unwrap_or_default().to_owned();
        let port = row[1].as_int();
        // The server reports the port on which it listens. If that is none of the URL's ports,
        // something forwards the connection. The port is NULL on a Unix socket.
        let asked =
            self.pool.server().hosts.iter().any(|host| port.is_none_or(|port| port == i128::from(host.port)));
        let way = if self.pool.is_pooled() || !asked { ", through a pooler or proxy" } else { "" };
        Ok(format!("PostgreSQL {version}{way}"))
    }

    async fn query(&self, statement: &Statement, limits: QueryLimits) -> Result<Rows> {
        query(&self.pool, statement, limits).await
    }

    async fn describe(&self, sql: &str) -> Result<Vec<ResultColumn>> {
        describe(&self.pool, sql).await
    }

    async fn transact(&self, statements: &[Statement]) -> Result<Vec<u64>> {
        // A transaction of nothing but guards renews the lease of a run. If it waited for loads
        // that use all connections, the lease would expire.
        let vital = statements.iter().all(|statement| statement.guard);
        let purpose = Purpose { vital, ..self.work() };
        let mut tries = 0;
        loop {
            tries += 1;
            let mut session = Session::begin(&self.pool, purpose).await?;
            let done = run_all(&mut session, statements).await;
            if done.is_err() && session.is_conflict() && tries < TRIES {
                session.undo().await;
                sleep(Duration::from_millis(jitter(40 << tries))).await;
                continue;
            }
            return self.timed(session.end(done).await);
        }
    }

    async fn load(
        &self,
        request: LoadRequest,
        batches: BatchReceiver,
        finish: Box<dyn FinishLoad>,
    ) -> Result<LoadOutcome> {
        self.timed(load::load(&self.pool, self.work(), &request, batches, finish).await)
    }

    /// Any number of processes can connect, so a run that left its lease behind may still be alive.
    fn is_exclusive(&self) -> bool {
        false
    }

    async fn prepare(&self, tables: &[PreparedTable]) -> Result<()> {
        let (pool, purpose) = (&self.pool, self.work());
        let each: Vec<_> =
            tables.iter().map(|table| prepare::prepare(Arc::clone(pool), purpose, table.clone())).collect();
        self.timed(stream::iter(each).buffer_unordered(PREPARED_AT_ONCE).try_collect().await)
    }

    async fn publish(&self, request: &PublishRequest) -> Result<PublishOutcome> {
        publish::publish(&self.pool, request).await
    }

    async fn retire(&self, relations: &[(Relation, bool)]) -> Result<Vec<(Relation, String)>> {
        retire::retire(&self.pool, relations).await
    }

    async fn settle(&self) -> Result<()> {
        // PostgreSQL frees the files of a dropped table itself.
        Ok(())
    }
}

/// Runs statements in sequence and returns the number of rows that each touched.
async fn run_all(session: &mut Session, statements: &[Statement]) -> Result<Vec<u64>> {
    let mut touched = Vec::with_capacity(statements.len());
    for statement in statements {
        let skip = has_its_schema(session, &statement.sql).await?;
        touched.push(if skip { 0 } else { session.execute(statement).await? });
    }
    Ok(touched)
}

/// Whether the statement would create a schema that exists already. PostgreSQL checks the privilege
/// to create schemas before it checks whether the schema exists, so `if not exists` fails for a
/// role whose schemas were created by another role.
async fn has_its_schema(session: &mut Session, sql: &str) -> Result<bool> {
    let Some(schema) = sql.strip_prefix("create schema if not exists ") else { return Ok(false) };
    let known = "select 1 where to_regnamespace($1) is not null";
    Ok(!session.catalog(known, &[(&schema.trim(), Type::TEXT)]).await?.is_empty())
}

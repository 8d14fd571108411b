//! A PostgreSQL database as a warehouse.

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

/// Tables whose indexes are made at the same time.
const PREPARED_AT_ONCE: usize = 3;

/// How often a transaction that lost against another is tried.
const TRIES: u32 = 6;

/// A database. Each call works in one transaction on a connection of its own, of which there are few.
pub struct PostgresWarehouse {
    pool: Arc<Pool>,
    statement_timeout: Option<Duration>,
}

impl PostgresWarehouse {
    pub(super) fn new(pool: Arc<Pool>, statement_timeout: Option<Duration>) -> Self {
        Self { pool, statement_timeout }
    }

    fn work(&self) -> Purpose {
        Purpose::WORK.within(self.statement_timeout)
    }

    /// With the time limit as the reason, where there is one: the server has the same code for it as for a cancelled statement.
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
        // Nothing but guards is a run's sign of life: behind loads that take all connections it would come too late.
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
        // Dropped tables give their files back at once.
        Ok(())
    }
}

async fn run_all(session: &mut Session, statements: &[Statement]) -> Result<Vec<u64>> {
    let mut touched = Vec::with_capacity(statements.len());
    for statement in statements {
        let skip = has_its_schema(session, &statement.sql).await?;
        touched.push(if skip { 0 } else { session.execute(statement).await? });
    }
    Ok(touched)
}

/// Whether a statement would make a schema that is there. PostgreSQL looks whether the role may make schemas before it looks whether
/// there is anything to make, so `if not exists` fails for a role that was given its schemas by somebody else.
async fn has_its_schema(session: &mut Session, sql: &str) -> Result<bool> {
    let Some(schema) = sql.strip_prefix("create schema if not exists ") else { return Ok(false) };
    let known = "select 1 where to_regnamespace($1) is not null";
    Ok(!session.catalog(known, &[(&schema.trim(), Type::TEXT)]).await?.is_empty())
}

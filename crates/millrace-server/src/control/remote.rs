//! Read-only access to a warehouse that another process has open.

use std::sync::Arc;

use async_trait::async_trait;
use axum::http::Method;
use millrace_core::name::Relation;
use millrace_core::sql::dialect::Dialect;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::BatchReceiver;
use millrace_engine::ports::warehouse::{
    FinishLoad, LoadOutcome, LoadRequest, PreparedTable, PublishOutcome, PublishRequest, QueryLimits,
    ResultColumn, Rows, Statement, Warehouse,
};

use super::client::Client;
use super::wire::{DescribeRequest, QueryAnswer, QueryRequest, VersionAnswer, WireColumn};

/// The warehouse of a server, reached through the control interface. It refuses every method that
/// changes the warehouse, because runs and rollbacks happen inside the server.
pub struct RemoteWarehouse {
    client: Client,
    dialect: Arc<dyn Dialect>,
}

impl RemoteWarehouse {
    /// The warehouse of the client's server. `dialect` is the SQL dialect of that warehouse.
    pub fn new(client: Client, dialect: Arc<dyn Dialect>) -> Self {
        Self { client, dialect }
    }
}

/// The error of a method that changes the warehouse; calling one is a bug.
fn refused(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("`{what}` was asked of a warehouse that another process has"))
}

#[async_trait]
impl Warehouse for RemoteWarehouse {
    fn dialect(&self) -> Arc<dyn Dialect> {
        Arc::clone(&self.dialect)
    }

    async fn version(&self) -> Result<String> {
        let answer: VersionAnswer = self.client.ask(Method::GET, "version", &()).await?;
        Ok(answer.version)
    }

    async fn query(&self, statement: &Statement, limits: QueryLimits) -> Result<Rows> {
        let request = QueryRequest::new(statement, limits);
        let answer: QueryAnswer = self.client.ask(Method::POST, "query", &request).await?;
        Ok(answer.into())
    }

    async fn describe(&self, sql: &str) -> Result<Vec<ResultColumn>> {
        let request = DescribeRequest { sql: sql.to_owned() };
        let columns: Vec<WireColumn> = self.client.ask(Method::POST, "describe", &request).await?;
        Ok(columns.into_iter().map(ResultColumn::from).collect())
    }

    async fn transact(&self, _statements: &[Statement]) -> Result<Vec<u64>> {
        Err(refused("transact"))
    }

    async fn load(
        &self,
        _request: LoadRequest,
        _batches: BatchReceiver,
        _finish: Box<dyn FinishLoad>,
    ) -> Result<LoadOutcome> {
        Err(refused("load"))
    }

    fn is_exclusive(&self) -> bool {
        false
    }

    async fn prepare(&self, _tables: &[PreparedTable]) -> Result<()> {
        Err(refused("prepare"))
    }

    async fn publish(&self, _request: &PublishRequest) -> Result<PublishOutcome> {
        Err(refused("publish"))
    }

    async fn retire(&self, _relations: &[(Relation, bool)]) -> Result<Vec<(Relation, String)>> {
        Err(refused("retire"))
    }

    async fn settle(&self) -> Result<()> {
        Err(refused("settle"))
    }
}

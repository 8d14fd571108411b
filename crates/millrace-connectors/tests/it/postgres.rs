//! The PostgreSQL warehouse by its contract, against a real server.

mod certificates;
mod cloud;
mod decimals;
mod encryption;
mod limits;
mod loading;
mod logical_types;
mod pooling;
mod publishing;
mod stalled;

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use async_trait::async_trait;
use millrace_connectors::postgres::Postgres;
use millrace_core::name::Relation;
use millrace_core::project::settings::{Setting, Settings};
use millrace_core::schema::{Column, DataType};
use millrace_engine::error::{Error, Result};
use millrace_engine::ports::batch::{Batch, arrow_schema, batch_queue};
use millrace_engine::ports::registry::WarehouseConnector;
use millrace_engine::ports::warehouse::{
    FinishLoad, LoadMode, LoadOutcome, LoadRequest, QueryLimits, Rows, Statement, Statements, Warehouse, made,
};
use millrace_testkit::postgres::PostgresServer;

/// A warehouse by its URL.
pub(crate) fn open(url: &str) -> Arc<dyn Warehouse> {
    try_open(url).expect("a warehouse")
}

fn try_open(url: &str) -> Result<Arc<dyn Warehouse>> {
    let settings = Settings::new([("url".to_owned(), Setting::Text(url.to_owned()))]);
    Postgres.open(Path::new("/"), &settings)
}

/// A warehouse in a new database of the shared server, with the database's name.
pub(crate) fn fresh() -> (Arc<dyn Warehouse>, String) {
    let server = PostgresServer::shared();
    let database = server.database();
    (open(&server.url(&database)), database)
}

/// Ends a load with statements, or with an error.
struct Finish(Result<Vec<Statement>>);

impl Finish {
    fn well() -> Self {
        Self(Ok(Vec::new()))
    }

    fn badly(error: Error) -> Self {
        Self(Err(error))
    }
}

#[async_trait]
impl FinishLoad for Finish {
    fn saw(&mut self, _batch: &Batch) -> Result<()> {
        Ok(())
    }

    async fn finish(self: Box<Self>, _outcome: LoadOutcome) -> Result<Statements> {
        self.0.map(made)
    }
}

async fn load(
    warehouse: &dyn Warehouse,
    columns: &[Column],
    mode: LoadMode,
    batches: Vec<Vec<ArrayRef>>,
    finish: Finish,
) -> Result<LoadOutcome> {
    let (sender, receiver) = batch_queue(1 << 20);
    let request = LoadRequest { table: Relation::new("raw", "t"), columns: columns.to_vec(), mode };
    let schema = arrow_schema(columns);
    let send = async move {
        for arrays in batches {
            let rows = RecordBatch::try_new(Arc::clone(&schema), arrays).expect("a batch");
            if sender.send(Batch { rows, quarantined: Vec::new() }).await.is_err() {
                break;
            }
        }
    };
    let ((), outcome) = tokio::join!(send, warehouse.load(request, receiver, Box::new(finish)));
    outcome
}

async fn rows(warehouse: &dyn Warehouse, sql: &str) -> Rows {
    warehouse.query(&Statement::new(sql), QueryLimits::STATE).await.expect("rows")
}

/// The first value of a query, as a person reads it.
async fn one(warehouse: &dyn Warehouse, sql: &str) -> String {
    rows(warehouse, sql).await.row(0)[0].to_string()
}

async fn run(warehouse: &dyn Warehouse, statements: &[&str]) {
    let statements: Vec<Statement> = statements.iter().map(|sql| Statement::new(*sql)).collect();
    warehouse.transact(&statements).await.expect("statements");
}

fn column(name: &str, data_type: DataType) -> Column {
    Column { name: name.into(), data_type, nullable: true }
}

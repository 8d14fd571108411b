//! A publish comes while a page is read, and the tables that the page reads are dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use millrace_core::name::Relation;
use millrace_core::sql::dialect::Dialect;
use millrace_engine::error::Result;
use millrace_engine::ports::batch::BatchReceiver;
use millrace_engine::ports::warehouse::{
    FinishLoad, LoadOutcome, LoadRequest, PreparedTable, PublishOutcome, PublishRequest, QueryLimits,
    ResultColumn, Rows, Statement, Warehouse,
};
use serde_json::{Value as Json, json};

use crate::shop::{ORDERS, Plan, Shop, count, publication, tables, tile};

/// Publishes anew, and drops what was there, whenever a query over orders by status comes.
struct Restless {
    inner: Arc<dyn Warehouse>,
    version: AtomicU64,
    last: u64,
    exclusive: bool,
}

impl Restless {
    fn between(inner: Arc<dyn Warehouse>, publishes: u64) -> Arc<dyn Warehouse> {
        Arc::new(Self { inner, version: AtomicU64::new(1), last: publishes + 1, exclusive: true })
    }
}

/// The same warehouse, as one that other processes may have too.
pub(crate) fn shared(inner: Arc<dyn Warehouse>) -> Arc<dyn Warehouse> {
    Arc::new(Restless { inner, version: AtomicU64::new(1), last: 1, exclusive: false })
}

#[async_trait]
impl Warehouse for Restless {
    fn dialect(&self) -> Arc<dyn Dialect> {
        self.inner.dialect()
    }

    async fn version(&self) -> Result<String> {
        self.inner.version().await
    }

    async fn query(&self, statement: &Statement, limits: QueryLimits) -> Result<Rows> {
        let version = self.version.load(Ordering::SeqCst);
        let asked = statement.sql.contains(&format!("fact_orders__p{version}"))
            && statement.sql.contains("\"status\"")
            && statement.sql.contains("group by 1\n");
        if asked && version < self.last {
            self.version.store(version + 1, Ordering::SeqCst);
            let mut statements = tables(version + 1, &ORDERS[..version as usize]);
            statements.push(publication(version + 1));
            statements.push(Statement::new(format!("drop table build.fact_orders__p{version}")));
            self.inner.transact(&statements).await?;
        }
        self.inner.query(statement, limits).await
    }

    async fn describe(&self, sql: &str) -> Result<Vec<ResultColumn>> {
        self.inner.describe(sql).await
    }

    async fn transact(&self, statements: &[Statement]) -> Result<Vec<u64>> {
        self.inner.transact(statements).await
    }

    async fn load(
        &self,
        request: LoadRequest,
        batches: BatchReceiver,
        finish: Box<dyn FinishLoad>,
    ) -> Result<LoadOutcome> {
        self.inner.load(request, batches, finish).await
    }

    fn is_exclusive(&self) -> bool {
        self.exclusive && self.inner.is_exclusive()
    }

    async fn prepare(&self, tables: &[PreparedTable]) -> Result<()> {
        self.inner.prepare(tables).await
    }

    async fn publish(&self, request: &PublishRequest) -> Result<PublishOutcome> {
        self.inner.publish(request).await
    }

    async fn retire(&self, relations: &[(Relation, bool)]) -> Result<Vec<(Relation, String)>> {
        self.inner.retire(relations).await
    }

    async fn settle(&self) -> Result<()> {
        self.inner.settle().await
    }
}

async fn page(between: fn(Arc<dyn Warehouse>) -> Arc<dyn Warehouse>) -> Vec<Json> {
    let shop = Shop::with(Plan { between, ..Plan::default() }).await.expect("a server");
    shop.page("sales", &json!({"range": "all", "tiles": ["1-2", "3-2"]})).await
}

#[tokio::test]
async fn the_page_begins_anew() {
    let lines = page(|inner| Restless::between(inner, 1)).await;
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().expect("a type")).collect();
    assert_eq!(types, ["start", "tile", "start", "tile", "tile", "end"]);
    assert_eq!((&lines[0]["data_version"], &lines[2]["data_version"]), (&json!(1), &json!(2)));
    // All that follows is of one version.
    assert_eq!(tile(&lines[2..], "1-2")["total"], json!({"orders": count(&ORDERS[..1])}));
    assert_eq!(tile(&lines[2..], "3-2")["data"][1], json!([1]));
}

#[tokio::test]
async fn the_page_does_not_begin_for_ever() {
    let lines = page(|inner| Restless::between(inner, 5)).await;
    let last = lines.last().expect("lines");
    assert_eq!((&last["type"], &last["error"]["code"]), (&json!("error"), &json!("sql-error")));
    assert_eq!(lines.iter().filter(|line| line["type"] == "start").count(), 2);
}

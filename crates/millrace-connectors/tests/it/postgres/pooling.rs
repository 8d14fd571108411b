//! Through PgBouncer in transaction mode: clients share few sessions, and nothing of one is found by another.

use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, StringArray};
use millrace_core::name::Relation;
use millrace_core::schema::DataType;
use millrace_engine::ports::warehouse::{
    LoadMode, PublishOutcome, PublishRequest, PublishedView, Statement, Warehouse,
};
use millrace_testkit::postgres::{PgBouncer, PostgresServer};

use super::{Finish, column, load, one, open, run};

async fn work(warehouse: &dyn Warehouse, number: i64) {
    let columns = [column("id", DataType::Int64), column("v", DataType::Text)];
    let batch = |ids: Vec<i64>| -> Vec<Vec<ArrayRef>> {
        vec![vec![Arc::new(Int64Array::from(ids)), Arc::new(StringArray::from(vec!["x", "y"]))]]
    };
    let mode = || LoadMode::Upsert(crate::merging::merge(&columns, &["id"]));
    for ids in [vec![1, 2], vec![2, 3]] {
        load(warehouse, &columns, mode(), batch(ids), Finish::well()).await.expect("it loads");
    }
    run(warehouse, &["create schema build", "create table build.a as select * from raw.t"]).await;
    let request = PublishRequest {
        views: vec![PublishedView {
            view: Relation::new("publish", "a"),
            target: Relation::new("build", "a"),
            description: None,
            columns: Vec::new(),
        }],
        before: Vec::new(),
        record: Vec::new(),
        budget: Duration::from_secs(5),
    };
    assert!(matches!(warehouse.publish(&request).await, Ok(PublishOutcome::Published { .. })));
    assert_eq!(one(warehouse, "select sum(id) from publish.a").await, "6");
    // Types that are not PostgreSQL's own make the driver ask about them.
    run(warehouse, &[&format!("create type mood{number} as enum ('a', 'b')")]).await;
    for _ in 0..3 {
        assert_eq!(one(warehouse, &format!("select 'b'::mood{number}")).await, "b");
        assert_eq!(one(warehouse, &format!("select array['b'::mood{number}]")).await, "{b}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_works_through_a_pooler() {
    let server = PostgresServer::shared();
    let pooler = PgBouncer::start(server, 3);
    let database = server.database();
    let url = pooler.url(&database);
    let warehouse = open(&url);
    work(&*warehouse, 0).await;
    assert!(warehouse.version().await.expect("a version").ends_with(", through a pooler or proxy"));
    // Many clients on three sessions.
    let clients = (0..6).map(|client: i64| {
        let warehouse = open(&url);
        tokio::spawn(async move {
            for turn in 0..20 {
                let sql = format!("select current_setting('TimeZone') || '{client} {turn}' || 'a'::mood0");
                assert_eq!(one(&*warehouse, &sql).await, format!("UTC{client} {turn}a"));
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("a client");
    }
    drop(warehouse);
    // What other clients would find in the sessions.
    let left = "select (select count(*) from pg_prepared_statements), current_setting('TimeZone'), current_setting('statement_timeout'), \
                (select count(*) from pg_locks where locktype = 'advisory')";
    let mut psql = std::process::Command::new("psql");
    let found = psql.args(["-X", "-q", "-A", "-t", "-c", left]).arg(&url).output().expect("psql runs");
    let zone = server.run(&database, "show timezone");
    assert_eq!(String::from_utf8_lossy(&found.stdout).trim(), format!("0|{zone}|0|0"));
}

/// A pooler's host has a direct one beside it: what changes things goes there.
#[tokio::test]
async fn a_cancelled_statement_ends_behind_the_pooler_too() {
    let server = PostgresServer::shared();
    let pooler = PgBouncer::start(server, 2);
    let database = server.database();
    let warehouse = open(&pooler.url(&database));
    let statements = [Statement::new("select pg_sleep(600)")];
    assert!(tokio::time::timeout(Duration::from_millis(300), warehouse.transact(&statements)).await.is_err());
    let busy =
        format!("select count(*) from pg_stat_activity where datname = '{database}' and state <> 'idle'");
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while server.run("postgres", &busy) != "0" {
        assert!(std::time::Instant::now() < deadline, "it still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(one(&*warehouse, "select 1").await, "1");
}

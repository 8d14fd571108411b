//! A server in a cloud: told by the name in the TLS greeting, asleep at first, gone at any time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use millrace_core::name::Relation;
use millrace_core::schema::DataType;
use millrace_engine::error::ErrorKind;
use millrace_engine::ports::batch::{Batch, arrow_schema, batch_queue};
use millrace_engine::ports::warehouse::{LoadMode, LoadRequest, QueryLimits, Statement};
use millrace_testkit::cloud::Front;
use millrace_testkit::postgres::PostgresServer;

use super::{Finish, column, load, one, open, run};

const POOLED: &str = "ep-x-pooler.cloud.millrace.test";
const DIRECT: &str = "ep-x.cloud.millrace.test";

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_things_goes_past_the_pooler() {
    let server = PostgresServer::shared();
    let front = Front { asleep: 3, domain: ".cloud.millrace.test", ..Front::default() }.start(server.port());
    let port = front.port();
    let database = server.database();
    let root = server.file("root.crt").display().to_string();
    let url = format!("postgres://postgres@{POOLED}:{port}/{database}?hostaddr=127.0.0.1&sslrootcert={root}");
    let warehouse = open(&url);
    // It sleeps: a few connections are lost before one holds.
    assert_eq!(one(&*warehouse, "select 1").await, "1");
    let asked = |name: &str| front.asked(name);
    assert_eq!((asked(POOLED), asked(DIRECT)), (4, 0));
    run(&*warehouse, &["create table t (a int)"]).await;
    assert_eq!((asked(POOLED), asked(DIRECT)), (4, 1));
    let batch: Vec<Vec<ArrayRef>> = vec![vec![Arc::new(Int64Array::from(vec![1]))]];
    let columns = [column("id", DataType::Int64)];
    load(&*warehouse, &columns, LoadMode::Create, batch, Finish::well()).await.expect("it loads");
    assert_eq!(one(&*warehouse, "select count(*) from raw.t").await, "1");
    assert!(asked(POOLED) <= 5 && asked(DIRECT) <= 3, "{front:?}");
    assert!(warehouse.version().await.expect("a version").contains("pooler"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_stays_connected() {
    let server = PostgresServer::shared();
    let database = server.database();
    let warehouse = open(&server.url(&database));
    run(&*warehouse, &["create table t (a int)"]).await;
    let sessions = format!("select count(*) from pg_stat_activity where datname = '{database}'");
    assert_eq!(server.run("postgres", &sessions), "1");
    let deadline = Instant::now() + Duration::from_secs(30);
    while server.run("postgres", &sessions) != "0" {
        assert!(Instant::now() < deadline, "somebody is still connected");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(one(&*warehouse, "select count(*) from t").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_while_committing_is_an_unknown_outcome() {
    let server = PostgresServer::shared();
    let database = server.database();
    let port = Front { cut: Some(b"commit\0"), ..Front::default() }.start(server.port()).port();
    let warehouse = open(&format!("postgres://postgres@127.0.0.1:{port}/{database}?sslmode=disable"));
    let lost = warehouse.transact(&[Statement::new("create table t (a int)")]).await.expect_err("it is cut");
    assert_eq!(lost.kind(), ErrorKind::WarehouseLost);
    assert!(lost.to_string().contains("whether it was done is not known"), "{lost}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_asked_again_and_a_statement_is_not() {
    let server = PostgresServer::shared();
    let database = server.database();
    let port = Front { cut: Some(b"never again"), ..Front::default() }.start(server.port()).port();
    let warehouse = open(&format!("postgres://postgres@127.0.0.1:{port}/{database}?sslmode=disable"));
    let lost = warehouse.transact(&[Statement::new("create table t as select 'never again' as a")]).await;
    let lost = lost.expect_err("it is cut");
    assert_eq!(lost.kind(), ErrorKind::WarehouseLost);
    assert!(!lost.to_string().contains("not known"), "{lost}");
    let cut = Statement::new("select 'never again'");
    let lost = warehouse.query(&cut, QueryLimits::STATE).await.expect_err("it is cut each time");
    assert_eq!(lost.kind(), ErrorKind::WarehouseLost);
    assert_eq!(one(&*warehouse, "select count(*) from pg_class where relname = 't'").await, "0");
}

/// The server goes down while rows are on their way.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_is_cut_leaves_nothing() {
    let server = PostgresServer::shared();
    let database = server.database();
    let warehouse = open(&server.url(&database));
    run(&*warehouse, &["create schema raw"]).await;
    let columns = vec![column("id", DataType::Int64)];
    let (sender, receiver) = batch_queue(1 << 20);
    let request =
        LoadRequest { table: Relation::new("raw", "t"), columns: columns.clone(), mode: LoadMode::Create };
    let loading =
        tokio::spawn(async move { warehouse.load(request, receiver, Box::new(Finish::well())).await });
    let kill = format!(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = '{database}' and query like 'copy%'"
    );
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
    let mut killed = false;
    loop {
        let rows = RecordBatch::try_new(arrow_schema(&columns), vec![Arc::clone(&ids)]).expect("a batch");
        if sender.send(Batch { rows, quarantined: Vec::new() }).await.is_err() {
            break;
        }
        killed = killed || server.run("postgres", &kill) == "1";
    }
    assert!(killed, "it ended by itself");
    let lost = loading.await.expect("a task").expect_err("the connection is gone");
    assert_eq!(lost.kind(), ErrorKind::WarehouseLost, "{lost}");
    assert_eq!(server.run(&database, "select count(*) from pg_class where relname = 't'"), "0");
}

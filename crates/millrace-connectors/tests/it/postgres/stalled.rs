//! A connection over which nothing comes any more: told from a server that is at work.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int64Array};
use millrace_connectors::postgres::Postgres;
use millrace_core::project::settings::{Setting, Settings};
use millrace_core::schema::DataType;
use millrace_engine::error::{Error, ErrorKind};
use millrace_engine::ports::registry::WarehouseConnector;
use millrace_engine::ports::warehouse::{LoadMode, Statement, Warehouse};
use millrace_testkit::postgres::{PgBouncer, PostgresServer};
use millrace_testkit::proxy::{Fault, How, Proxy, Way, When};

use super::{Finish, column, load, one, run};

/// A warehouse behind a proxy, in a new database, whose server is looked at after a tenth of a second of silence.
fn behind(server: &PostgresServer) -> (Arc<dyn Warehouse>, Proxy, String) {
    behind_port(server, server.port())
}

/// The same before another port that leads to the server.
fn behind_port(server: &PostgresServer, port: u16) -> (Arc<dyn Warehouse>, Proxy, String) {
    let proxy = Proxy::start(port);
    let database = server.database();
    let url = format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", proxy.port());
    let settings = [("url", url.as_str()), ("silence", "100ms")];
    let settings = settings.map(|(key, value)| (key.to_owned(), Setting::Text(value.to_owned())));
    let warehouse = Postgres.open(Path::new("/"), &Settings::new(settings)).expect("a warehouse");
    (warehouse, proxy, database)
}

/// Nobody is in the way of what follows, and what was under way was undone.
async fn assert_undone(server: &PostgresServer, database: &str) {
    let busy = format!(
        "select count(*) from pg_stat_activity where datname = '{database}' and xact_start is not null and pid <> pg_backend_pid()"
    );
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.run("postgres", &busy) != "0" {
        assert!(Instant::now() < deadline, "a transaction is left");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.run(database, "select count(*) from pg_class where relname = 't'"), "0");
}

fn assert_stalled(error: &Error, word: &str) {
    assert_eq!(error.kind(), ErrorKind::WarehouseLost, "{error}");
    let text = error.to_string();
    assert!(
        text.starts_with("the connection to the server has stalled: nothing has come over it for"),
        "{text}"
    );
    assert!(text.contains(word), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_never_arrives_and_an_answer_that_never_comes() {
    const SENT: &[&[u8]] = &[b"begin isolation"];
    const ANSWERED: &[&[u8]] = &[b"BEGIN\0"];
    let server = PostgresServer::shared();
    for (way, texts) in [(Way::ToServer, SENT), (Way::ToClient, ANSWERED)] {
        let (warehouse, proxy, database) = behind(server);
        proxy.set(Fault { way, when: When::Texts(texts), how: How::Stall });
        let failed = warehouse.transact(&[Statement::new("create table t (a int)")]).await;
        assert!(proxy.clear(), "{way:?}: not met");
        assert_stalled(&failed.expect_err("nothing comes"), "of the server waits for this side");
        assert_undone(server, &database).await;
        // The next one is on a connection of its own.
        run(&*warehouse, &["create table t (a int)"]).await;
        assert_eq!(one(&*warehouse, "select count(*) from t").await, "0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_gets_stuck() {
    let server = PostgresServer::shared();
    let (warehouse, proxy, database) = behind(server);
    run(&*warehouse, &["create schema raw"]).await;
    proxy.set(Fault { way: Way::ToServer, when: When::Bytes(400_000), how: How::Stall });
    let ids = || vec![Arc::new(Int64Array::from_iter_values(0..200_000)) as ArrayRef];
    let batches = (0..20).map(|_| ids()).collect();
    let columns = [column("id", DataType::Int64)];
    let failed = load(&*warehouse, &columns, LoadMode::Create, batches, Finish::well()).await;
    assert_stalled(&failed.expect_err("it is stuck"), "of the server waits for this side");
    assert_undone(server, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_commit_that_never_comes() {
    let server = PostgresServer::shared();
    let (warehouse, proxy, database) = behind(server);
    proxy.set(Fault { way: Way::ToClient, when: When::Texts(&[b"CREATE TABLE\0"]), how: How::Stall });
    let failed = warehouse.transact(&[Statement::new("create table t (a int)")]).await;
    let error = failed.expect_err("nothing comes");
    assert!(error.to_string().contains("whether it was done is not known"), "{error}");
    assert!(proxy.clear());
    assert_eq!(server.run(&database, "select count(*) from pg_class where relname = 't'"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_at_work_is_waited_for() {
    let server = PostgresServer::shared();
    let (warehouse, _proxy, _) = behind(server);
    run(&*warehouse, &["create table t as select 1 as a from pg_sleep(0.8)"]).await;
    assert_eq!(one(&*warehouse, "select 1 from pg_sleep(0.5)").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler() {
    let server = PostgresServer::shared();
    let pooler = PgBouncer::start(server, 2);
    let (warehouse, proxy, database) = behind_port(server, pooler.port());
    proxy.set(Fault { way: Way::ToServer, when: When::Texts(&[b"begin isolation"]), how: How::Stall });
    let failed = warehouse.transact(&[Statement::new("create table t (a int)")]).await;
    assert_stalled(&failed.expect_err("nothing comes"), "of the server waits for this side");
    assert_undone(server, &database).await;
    run(&*warehouse, &["create table t (a int)"]).await;
    // One that has no session left to be asked in says nothing of the statement that has the last one.
    let narrow = PgBouncer::start(server, 1);
    let (warehouse, _proxy, _) = behind_port(server, narrow.port());
    run(&*warehouse, &["create table t as select 1 as a from pg_sleep(0.6)"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_without_a_word() {
    let server = PostgresServer::start(&[]);
    let (warehouse, proxy, _) = behind(&server);
    proxy.set(Fault { way: Way::ToClient, when: When::Texts(&[b"BEGIN\0"]), how: How::Stall });
    let gone = tokio::task::spawn_blocking(move || {
        assert!(proxy.wait(Duration::from_secs(20)), "not met");
        drop(server);
        proxy
    });
    let failed = warehouse.transact(&[Statement::new("create table t (a int)")]).await;
    assert_stalled(&failed.expect_err("nobody is there"), "no other can be made: the server `127.0.0.1:");
    drop(gone.await.expect("it ends"));
}

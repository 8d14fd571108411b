//! Statements: all or none, places of errors, limits, cancelling, what a session may not keep.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millrace_connectors::postgres::Postgres;
use millrace_core::project::settings::{Setting, Settings};
use millrace_core::schema::DataType;
use millrace_core::value::{Decimal, Value};
use millrace_engine::error::ErrorKind;
use millrace_engine::ports::registry::WarehouseConnector as _;
use millrace_engine::ports::warehouse::{QueryLimits, Statement};
use millrace_testkit::postgres::PostgresServer;

use super::{fresh, one, rows, run};

#[tokio::test]
async fn statements_are_all_or_none() {
    let (warehouse, _) = fresh();
    let failed = warehouse
        .transact(&[
            Statement::new("create table t (a int)"),
            Statement::new("insert into nowhere values (1)"),
        ])
        .await
        .expect_err("the second fails");
    assert_eq!(failed.kind(), ErrorKind::Sql);
    assert_eq!(failed.position(), Some(12));
    assert_eq!(one(&*warehouse, "select count(*) from pg_class where relname = 't'").await, "0");
    let touched = warehouse
        .transact(&[
            Statement::new("create table t as select generate_series(1, 5) as a"),
            Statement::with("update t set a = a + $1 where a > $2", [Value::Int(1), Value::Int(3)]),
            Statement::new("drop table t"),
        ])
        .await
        .expect("statements");
    assert_eq!(touched, [5, 2, 0]);
}

#[tokio::test]
async fn a_guard_undoes_everything() {
    let (warehouse, _) = fresh();
    run(&*warehouse, &["create table t (a int)", "insert into t values (1)"]).await;
    let failed = warehouse
        .transact(&[
            Statement::new("insert into t values (2)"),
            Statement::guard("update t set a = a where a = $1", [Value::Int(9)]),
        ])
        .await
        .expect_err("it touches nothing");
    assert_eq!(failed.kind(), ErrorKind::Superseded);
    assert_eq!(one(&*warehouse, "select count(*) from t").await, "1");
}

#[tokio::test]
async fn errors_say_where_and_hide_cells() {
    let (warehouse, _) = fresh();
    run(&*warehouse, &["create table t (client_id int, v text)", "insert into t values (1, 'secret')"]).await;
    let error = warehouse.describe("select 'é', client from t").await.expect_err("there is none");
    assert_eq!((error.kind(), error.position()), (ErrorKind::Sql, Some(13)));
    assert!(error.message().contains("`client`"), "{error}");
    for (sql, kind) in [
        ("select v::int from t", ErrorKind::Data),
        ("select v::date from t", ErrorKind::Data),
        ("select v::json from t", ErrorKind::Data),
        ("select 1 / (client_id - 1) from t", ErrorKind::Data),
        ("select 99999 * client_id::smallint::int::smallint from t", ErrorKind::Sql),
        ("insert into t values (2, 'secret')", ErrorKind::Sql),
    ] {
        let error = warehouse.query(&Statement::new(sql), QueryLimits::STATE).await;
        let Err(error) = error else { continue };
        assert_eq!(error.kind(), kind, "{sql}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    run(&*warehouse, &["create unique index on t (v)"]).await;
    let twice = warehouse.transact(&[Statement::new("insert into t values (2, 'secret')")]).await;
    let twice = twice.expect_err("the key is there");
    assert_eq!(twice.kind(), ErrorKind::Data);
    assert!(!twice.to_string().contains("secret") && twice.message().contains("`t`"), "{twice}");
}

#[tokio::test]
async fn descriptions_have_types() {
    let (warehouse, _) = fresh();
    run(
        &*warehouse,
        &["create table t (a smallint, b numeric(12,2), c varchar(3), d jsonb, e timestamptz, f int[])"],
    )
    .await;
    let found = warehouse
        .describe("select *, sum(b) over () as g, count(*) over () as h from t")
        .await
        .expect("columns");
    let types: Vec<_> = found.iter().map(|column| (column.name.as_str(), column.data_type)).collect();
    assert_eq!(
        types,
        [
            ("a", Some(DataType::Int16)),
            ("b", Some(DataType::Decimal { precision: 12, scale: 2 })),
            ("c", Some(DataType::Text)),
            ("d", Some(DataType::Json)),
            ("e", Some(DataType::TimestampTz)),
            ("f", None),
            ("g", Some(DataType::Decimal { precision: 65, scale: 38 })),
            ("h", Some(DataType::Int64)),
        ]
    );
}

#[tokio::test]
async fn a_query_has_limits() {
    let (warehouse, _) = fresh();
    let limits = QueryLimits { rows: 10, time: Duration::from_millis(200) };
    let started = Instant::now();
    let slow =
        warehouse.query(&Statement::new("select pg_sleep(60)"), limits).await.expect_err("it is interrupted");
    assert_eq!(slow.kind(), ErrorKind::TimedOut, "{slow}");
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let many = Statement::new("select a from generate_series(1, 10000) a, generate_series(1, 100000) b");
    let limits = QueryLimits { rows: 10, time: Duration::from_mins(1) };
    let started = Instant::now();
    let many = warehouse.query(&many, limits).await.expect("rows");
    assert_eq!((many.len(), many.truncated), (10, true));
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "the rest is not waited for: {:?}",
        started.elapsed()
    );
    let exactly =
        warehouse.query(&Statement::new("select * from generate_series(1, 10)"), limits).await.expect("rows");
    assert_eq!((exactly.len(), exactly.truncated), (10, false));
}

#[tokio::test]
async fn a_run_has_a_limit_where_the_environment_says_so() {
    let server = PostgresServer::shared();
    let text = |text: &str| Setting::Text(text.to_owned());
    let open = |limit: &str| {
        let url = server.url("postgres");
        let settings = [("url".to_owned(), text(&url)), ("statement_timeout".to_owned(), text(limit))];
        Postgres.open(Path::new("/"), &Settings::new(settings))
    };
    let slow = [Statement::new("select pg_sleep(60)")];
    let error = open("150ms").expect("a warehouse").transact(&slow).await.expect_err("it takes longer");
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.message().contains("`statement_timeout` (0.15 s)"), "{error}");
    for wrong in ["soon", "10", "5 m", "0s", "99999999999999999h"] {
        assert!(open(wrong).is_err(), "{wrong}");
    }
}

/// Work that takes every connection does not keep a run from saying that it lives.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_of_life_waits_for_nobody() {
    let server = PostgresServer::shared();
    let database = server.database();
    let settings = [("url", server.url(&database)), ("connections", "2".to_owned())];
    let settings = settings.map(|(key, value)| (key.to_owned(), Setting::Text(value)));
    let warehouse = Postgres.open(Path::new("/"), &Settings::new(settings)).expect("a warehouse");
    run(&*warehouse, &["create table lease (fence int)", "insert into lease values (1)"]).await;
    let work = (0..2).map(|_| {
        let warehouse = Arc::clone(&warehouse);
        tokio::spawn(async move { warehouse.transact(&[Statement::new("select pg_sleep(600)")]).await })
    });
    let work: Vec<_> = work.collect();
    eventually("nobody works", || busy(&database) == "2").await;
    let guard = Statement::guard("update lease set fence = fence where fence = $1", [Value::Int(1)]);
    let limit = Duration::from_secs(30);
    let signed = tokio::time::timeout(limit, warehouse.transact(&[guard])).await.expect("it does not wait");
    assert_eq!(signed.expect("one row"), [1]);
    for work in work {
        assert!(!work.is_finished());
        work.abort();
    }
}

/// A role that may make nothing but what is in schemas that it was given.
#[tokio::test]
async fn schemas_may_be_given_by_somebody_else() {
    let server = PostgresServer::shared();
    let database = server.database();
    server.run(
        &database,
        &format!("create role {database} login; create schema \"it's raw\" authorization {database}"),
    );
    let url = server.url(&database).replacen("postgres@", &format!("{database}@"), 1);
    let warehouse = super::open(&url);
    let known = "create schema if not exists \"it's raw\"";
    run(&*warehouse, &[known, "create table \"it's raw\".t (a int)", known]).await;
    let unknown = warehouse.transact(&[Statement::new("create schema if not exists other")]).await;
    let error = unknown.expect_err("it may not");
    assert_eq!(error.kind(), ErrorKind::Sql);
    assert!(error.to_diagnostic().hint.is_some_and(|hint| hint.contains("privilege")));
}

/// The number of sessions in a database that run something.
fn busy(database: &str) -> String {
    PostgresServer::shared().run(
        "postgres",
        &format!("select count(*) from pg_stat_activity where datname = '{database}' and state <> 'idle'"),
    )
}

async fn eventually(what: &str, is: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_away_ends_the_statement() {
    let (warehouse, database) = fresh();
    run(&*warehouse, &["create table t (a int)"]).await;
    let statements = [Statement::new("insert into t values (1)"), Statement::new("select pg_sleep(600)")];
    let limit = Duration::from_millis(300);
    assert!(tokio::time::timeout(limit, warehouse.transact(&statements)).await.is_err());
    eventually("the statement still runs", || busy(&database) == "0").await;
    let limits = QueryLimits { rows: 1, time: Duration::from_mins(10) };
    let query = Statement::new("select pg_sleep(600)");
    assert!(tokio::time::timeout(limit, warehouse.query(&query, limits)).await.is_err());
    eventually("the query still runs", || busy(&database) == "0").await;
    assert_eq!(one(&*warehouse, "select count(*) from t").await, "0");
}

#[tokio::test]
async fn a_connection_that_died_is_replaced() {
    let (warehouse, database) = fresh();
    assert_eq!(one(&*warehouse, "select 1").await, "1");
    let kill = format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{database}'");
    eventually("the connection is not idle", || busy(&database) == "0").await;
    PostgresServer::shared().run("postgres", &kill);
    assert_eq!(one(&*warehouse, "select 2").await, "2");
    eventually("the connection is not idle", || busy(&database) == "0").await;
    PostgresServer::shared().run("postgres", &kill);
    run(&*warehouse, &["create table t (a int)"]).await;
    assert_eq!(one(&*warehouse, "select count(*) from t").await, "0");
}

#[tokio::test]
async fn parameters_become_what_the_statement_needs() {
    let (warehouse, _) = fresh();
    run(
        &*warehouse,
        &["create table t (a smallint, b bigint, c numeric(40,3), d double precision, e varchar(20), f date, g timestamp, \
           h timestamptz, i bytea, j jsonb, k boolean, l numeric)"],
    )
    .await;
    let exact = |mantissa: i128, scale: u8| Value::Decimal(Decimal { mantissa, scale });
    let values = vec![
        Value::Int(-32768),
        Value::Int(i64::MAX.into()),
        exact(12_345_678_901_234_567_890_123_456_789, 3),
        Value::Float(0.1),
        Value::text("it's \\ \"é\""),
        Value::Date(-719_528),
        Value::Timestamp(-1),
        Value::TimestampTz(1_700_000_000_123_456),
        Value::Bytes(vec![0, 1, 255]),
        Value::text("{\"a\": 1.50}"),
        Value::Bool(true),
        Value::Int(i128::MAX),
    ];
    let insert = Statement::with(
        "insert into t values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        values.clone(),
    );
    assert_eq!(warehouse.transact(&[insert]).await.expect("a row"), [1]);
    let found = rows(&*warehouse, "select * from t").await;
    let mut expected = values;
    expected[11] = exact(i128::MAX, 0);
    assert_eq!(found.row(0), expected.iter().collect::<Vec<_>>());
    // A question with values, also of another type than the column's.
    let asked = Statement::with(
        "select count(*) from t where a = $1 and h > $2 and f < $3 and e like $4 and l > $5",
        [
            Value::text("-32768"),
            Value::text("2020-01-01"),
            Value::text("2000-01-01"),
            Value::text("it%"),
            Value::Int(5),
        ],
    );
    let found = warehouse.query(&asked, QueryLimits::STATE).await.expect("rows");
    assert_eq!(found.row(0)[0], &Value::Int(1));
    let wrong = Statement::with("select count(*) from t where a = $1", [Value::text("secret")]);
    let error = warehouse.query(&wrong, QueryLimits::STATE).await.expect_err("it is no number");
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn sql_means_what_it_means_elsewhere() {
    let server = PostgresServer::shared();
    let (warehouse, database) = fresh();
    server.run("postgres", &format!("alter database {database} set timezone = 'Asia/Tokyo'; alter database {database} set datestyle = 'German'; alter database {database} set search_path = pg_temp; alter database {database} set statement_timeout = '40ms'; alter database {database} set default_transaction_read_only = on"));
    let warehouse_url = server.url(&database);
    drop(warehouse);
    let warehouse = super::open(&warehouse_url);
    assert_eq!(one(&*warehouse, "select current_setting('TimeZone')").await, "UTC");
    assert_eq!(one(&*warehouse, "select cast(date '2024-02-03' as text)").await, "2024-02-03");
    run(&*warehouse, &["create table t as select 1 as a from pg_sleep(0.05)"]).await;
    assert_eq!(one(&*warehouse, "select a from public.t").await, "1");
    let optioned = super::open(&format!(
        "{warehouse_url}?options=-csearch_path%3Dpg_catalog%20-c%20TimeZone%3DEurope/Paris"
    ));
    assert_eq!(
        one(&*optioned, "select current_setting('search_path') || current_setting('TimeZone')").await,
        "pg_catalogEurope/Paris"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_ask_at_once_over_few_connections() {
    let (warehouse, database) = fresh();
    let asks = (0..60).map(|n| {
        let warehouse = Arc::clone(&warehouse);
        tokio::spawn(async move { one(&*warehouse, &format!("select {n} from pg_sleep(0.01)")).await })
    });
    for (n, ask) in asks.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(ask.await.expect("an answer"), n.to_string());
    }
    let sessions = format!("select count(*) from pg_stat_activity where datname = '{database}'");
    let found: u32 = PostgresServer::shared().run("postgres", &sessions).parse().expect("a number");
    assert!((1..=8).contains(&found), "{found} sessions");
}

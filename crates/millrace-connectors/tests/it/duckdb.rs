//! The DuckDB warehouse by its contract: every logical type there and back, all or nothing, limits.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::types::IntervalMonthDayNano;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, RecordBatch,
    StringArray, TimestampMicrosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_buffer::i256;
use async_trait::async_trait;
use millrace_connectors::duckdb::DuckdbWarehouse;
use millrace_core::name::Relation;
use millrace_core::schema::{Column, DataType};
use millrace_core::value::{Decimal, Value};
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::{Batch, arrow_schema, batch_queue};
use millrace_engine::ports::warehouse::{
    FinishLoad, LoadMode, LoadOutcome, LoadRequest, QueryLimits, Rows, Statement, Statements, Warehouse, made,
};

/// Ends a load well, or with an error.
struct Finish(Option<Error>);

#[async_trait]
impl FinishLoad for Finish {
    fn saw(&mut self, _batch: &Batch) -> Result<()> {
        Ok(())
    }

    async fn finish(self: Box<Self>, _outcome: LoadOutcome) -> Result<Statements> {
        self.0.map_or(Ok(made(Vec::new())), Err)
    }
}

fn warehouse() -> DuckdbWarehouse {
    DuckdbWarehouse::open_in_memory().expect("an engine")
}

async fn load(
    warehouse: &DuckdbWarehouse,
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
            let sent = sender.send(Batch { rows, quarantined: Vec::new() }).await;
            if sent.is_err() {
                break;
            }
        }
    };
    let ((), outcome) = tokio::join!(send, warehouse.load(request, receiver, Box::new(finish)));
    outcome
}

async fn rows(warehouse: &DuckdbWarehouse, sql: &str) -> Rows {
    warehouse.query(&Statement::new(sql), QueryLimits::STATE).await.expect("rows")
}

fn column(name: &str, data_type: DataType) -> Column {
    Column { name: name.into(), data_type, nullable: true }
}

/// Each logical type with least, greatest, odd and missing values: what goes in comes out.
#[tokio::test]
async fn every_type_there_and_back() {
    let decimal = |precision, scale| DataType::Decimal { precision, scale };
    let text = |s: &str| Value::text(s);
    let number = |n: i128| Value::Int(n);
    let exact = |mantissa: i128, scale: u8| Value::Decimal(Decimal { mantissa, scale });
    let big = 10i128.pow(38) - 1;
    let wide = i256::from_string("12345678901234567890123456789012345678901234567890").expect("a number");
    let cases: Vec<(DataType, ArrayRef, Vec<Value>)> = vec![
        (
            DataType::Boolean,
            Arc::new(BooleanArray::from(vec![true, false])),
            vec![Value::Bool(true), Value::Bool(false)],
        ),
        (DataType::Int8, Arc::new(Int8Array::from(vec![i8::MIN, i8::MAX])), vec![number(-128), number(127)]),
        (
            DataType::Int16,
            Arc::new(Int16Array::from(vec![i16::MIN, i16::MAX])),
            vec![number(-32768), number(32767)],
        ),
        (
            DataType::Int32,
            Arc::new(Int32Array::from(vec![i32::MIN, i32::MAX])),
            vec![number(i32::MIN.into()), number(i32::MAX.into())],
        ),
        (
            DataType::Int64,
            Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX])),
            vec![number(i64::MIN.into()), number(i64::MAX.into())],
        ),
        (DataType::UInt8, Arc::new(UInt8Array::from(vec![0, u8::MAX])), vec![number(0), number(255)]),
        (DataType::UInt16, Arc::new(UInt16Array::from(vec![0, u16::MAX])), vec![number(0), number(65535)]),
        (
            DataType::UInt32,
            Arc::new(UInt32Array::from(vec![0, u32::MAX])),
            vec![number(0), number(u32::MAX.into())],
        ),
        (
            DataType::UInt64,
            Arc::new(UInt64Array::from(vec![0, u64::MAX])),
            vec![number(0), number(u64::MAX.into())],
        ),
        (
            decimal(4, 2),
            Arc::new(Decimal128Array::from(vec![-9999, 1]).with_precision_and_scale(4, 2).expect("it fits")),
            vec![exact(-9999, 2), exact(1, 2)],
        ),
        (
            decimal(38, 10),
            Arc::new(
                Decimal128Array::from(vec![-big, big]).with_precision_and_scale(38, 10).expect("it fits"),
            ),
            vec![exact(-big, 10), exact(big, 10)],
        ),
        (
            decimal(65, 30),
            Arc::new(
                Decimal256Array::from(vec![wide, i256::from(-1)])
                    .with_precision_and_scale(65, 30)
                    .expect("it fits"),
            ),
            vec![
                text("12345678901234567890.123456789012345678901234567890"),
                text("-0.000000000000000000000000000001"),
            ],
        ),
        (
            DataType::Float32,
            Arc::new(Float32Array::from(vec![0.1, f32::MIN_POSITIVE])),
            vec![Value::Float(0.1), Value::Float(1.175_494_4e-38)],
        ),
        (
            DataType::Float64,
            Arc::new(Float64Array::from(vec![0.1, f64::MAX])),
            vec![Value::Float(0.1), Value::Float(f64::MAX)],
        ),
        (
            DataType::Date,
            Arc::new(Date32Array::from(vec![-719_162, 2_932_896])),
            vec![Value::Date(-719_162), Value::Date(2_932_896)],
        ),
        (
            DataType::Timestamp,
            Arc::new(TimestampMicrosecondArray::from(vec![-1, 253_402_300_799_999_999])),
            vec![Value::Timestamp(-1), Value::Timestamp(253_402_300_799_999_999)],
        ),
        (
            DataType::TimestampTz,
            Arc::new(TimestampMicrosecondArray::from(vec![-1, 1]).with_timezone("UTC")),
            vec![Value::TimestampTz(-1), Value::TimestampTz(1)],
        ),
        (
            DataType::Interval,
            Arc::new(IntervalMonthDayNanoArray::from(vec![
                IntervalMonthDayNano::new(0, 0, -3_020_399_000_000_000),
                IntervalMonthDayNano::new(0, 0, 3_020_399_999_999_000),
            ])),
            vec![text("-838:59:59"), text("838:59:59.999999")],
        ),
        (
            DataType::Text,
            Arc::new(StringArray::from(vec!["", "é\u{1F600}\0x"])),
            vec![text(""), text("é\u{1F600}\0x")],
        ),
        (
            DataType::Json,
            Arc::new(StringArray::from(vec!["{\"a\":1e400}", "[]"])),
            vec![text("{\"a\":1e400}"), text("[]")],
        ),
        (
            DataType::Bytes,
            Arc::new(BinaryArray::from(vec![&b"\0\xff"[..], b""])),
            vec![Value::Bytes(b"\0\xff".to_vec()), Value::Bytes(Vec::new())],
        ),
    ];
    for (data_type, values, expected) in cases {
        let warehouse = warehouse();
        let columns = [column("n", DataType::Int64), column("v", data_type)];
        let nothing = arrow_array::new_null_array(values.data_type(), 1);
        let batches = vec![
            vec![Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef, values],
            vec![Arc::new(Int64Array::from(vec![3])), nothing],
        ];
        load(&warehouse, &columns, LoadMode::Create, batches, Finish(None)).await.expect("it loads");
        let found = rows(&warehouse, "select v from raw.t order by n").await;
        assert_eq!(found.data[0][..2], expected, "{data_type}");
        assert_eq!(found.data[0][2], Value::Null, "{data_type}");
    }
}

#[tokio::test]
async fn a_load_that_fails_at_the_end_leaves_nothing() {
    let warehouse = warehouse();
    let columns = [column("id", DataType::Int64)];
    let batch = || vec![vec![Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef]];
    let error = Error::new(ErrorKind::SourceUnreadable, "the file ends in the middle");
    let failed = load(&warehouse, &columns, LoadMode::Create, batch(), Finish(Some(error))).await;
    assert_eq!(failed.expect_err("it fails").kind(), ErrorKind::SourceUnreadable);
    let tables = "select count(*) from information_schema.tables where table_schema = 'raw'";
    assert_eq!(rows(&warehouse, tables).await.data[0][0], Value::Int(0));
    load(&warehouse, &columns, LoadMode::Create, batch(), Finish(None))
        .await
        .expect("the next one goes well");
    assert_eq!(rows(&warehouse, "select count(*) from raw.t").await.data[0][0], Value::Int(2));
}

#[tokio::test]
async fn upsert_takes_the_last_row_of_a_key() {
    let warehouse = warehouse();
    let columns = [column("id", DataType::Int64), column("v", DataType::Text)];
    let mode = || LoadMode::Upsert(crate::merging::merge(&columns, &["id"]));
    let batch = |ids: Vec<i64>, values: Vec<&str>| {
        vec![vec![Arc::new(Int64Array::from(ids)) as ArrayRef, Arc::new(StringArray::from(values))]]
    };
    let first = load(&warehouse, &columns, mode(), batch(vec![1, 2], vec!["a", "b"]), Finish(None))
        .await
        .expect("it loads");
    assert_eq!((first.rows_read, first.rows_in_table), (2, 2));
    let again = load(&warehouse, &columns, mode(), batch(vec![2, 3, 3], vec!["c", "d", "e"]), Finish(None))
        .await
        .expect("it loads");
    assert_eq!((again.rows_read, again.rows_in_table), (3, 3));
    let found = rows(&warehouse, "select v from raw.t order by id").await;
    assert_eq!(found.data[0], [Value::text("a"), Value::text("c"), Value::text("e")]);
}

#[tokio::test]
async fn a_table_takes_over_another() {
    let warehouse = warehouse();
    crate::merging::a_table_takes_over_another(&warehouse).await;
    crate::merging::a_key_gets_wider(&warehouse).await;
    crate::merging::rows_are_added(&warehouse).await;
}

#[tokio::test]
async fn statements_are_all_or_none() {
    let warehouse = warehouse();
    let failed = warehouse
        .transact(&[
            Statement::new("create table t (a int)"),
            Statement::new("insert into nowhere values (1)"),
        ])
        .await
        .expect_err("the second fails");
    assert_eq!(failed.kind(), ErrorKind::Sql);
    let there =
        rows(&warehouse, "select count(*) from information_schema.tables where table_name = 't'").await;
    assert_eq!(there.data[0][0], Value::Int(0));
}

#[tokio::test]
async fn a_query_has_limits() {
    let warehouse = warehouse();
    let endless = Statement::new(
        "select count(*) from range(100000) a, range(100000) b, range(100000) c where a.range + b.range = c.range * 3",
    );
    let limits = QueryLimits { rows: 10, time: Duration::from_millis(200) };
    let started = std::time::Instant::now();
    assert_eq!(
        warehouse.query(&endless, limits).await.expect_err("it is interrupted").kind(),
        ErrorKind::TimedOut
    );
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let many = warehouse.query(&Statement::new("select * from range(11)"), limits).await.expect("rows");
    assert_eq!((many.len(), many.truncated), (10, true));
    let odd = warehouse
        .query(&Statement::new("select [1, 2] as l, {'a': 1} as s, interval 1 hour as i"), limits)
        .await
        .expect("rows");
    assert_eq!(odd.row(0), [&Value::text("[1, 2]"), &Value::text("{'a': 1}"), &Value::text("01:00:00")]);
}

#[tokio::test]
async fn sql_means_what_it_means_elsewhere() {
    let warehouse = warehouse();
    assert_eq!(rows(&warehouse, "select 7 / 2").await.data[0][0], Value::Int(3));
    let ordered = rows(&warehouse, "select * from (values (1), (null), (2)) t(a) order by a desc").await;
    assert_eq!(ordered.data[0], [Value::Null, Value::Int(2), Value::Int(1)]);
    assert_eq!(rows(&warehouse, "select current_setting('TimeZone')").await.data[0][0], Value::text("UTC"));
}

#[test]
fn a_file_that_is_no_database_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("w.duckdb");
    std::fs::write(&path, "not a database, but long enough to be taken for one".repeat(100))
        .expect("it can be written");
    let error = DuckdbWarehouse::open(&path, []).err().expect("it cannot be opened");
    assert_eq!(error.kind(), ErrorKind::WarehouseUnreachable);
    assert_eq!(std::fs::read(&path).expect("it is still there").len(), 5100);
}

#[tokio::test]
async fn a_new_file_is_for_the_oldest_reader_that_is_asked_for() {
    async fn version(path: &Path, options: &[(&str, &str)]) -> Value {
        let warehouse = DuckdbWarehouse::open(path, options.iter().copied()).expect("a file");
        warehouse.transact(&[Statement::new("create table if not exists t (i int)")]).await.expect("made");
        let sql = "select tags['storage_version'] from duckdb_databases() where path is not null";
        rows(&warehouse, sql).await.data[0][0].clone()
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (plain, old) = (folder.path().join("plain.duckdb"), folder.path().join("old.duckdb"));
    assert_eq!(version(&plain, &[]).await, Value::text("v1.3.0+"));
    assert_eq!(version(&old, &[("storage_version", "v1.0.0")]).await, Value::text("v1.0.0+"));
    // What is there stays.
    assert_eq!(version(&old, &[]).await, Value::text("v1.0.0+"));
    assert_eq!(version(&plain, &[("storage_version", "v1.0.0")]).await, Value::text("v1.3.0+"));
    let none = folder.path().join("none.duckdb");
    let refused = DuckdbWarehouse::open(&none, [("storage_version", "1.3")]).err().expect("no such version");
    assert_eq!(refused.kind(), ErrorKind::WarehouseUnreachable);
    assert!(refused.to_string().contains("`storage_version: 1.3`"), "{refused}");
    assert!(!none.exists());
}

#[tokio::test]
async fn a_query_reads_no_more_than_it_returns() {
    let warehouse = warehouse();
    // Row 900,000 fails where it is computed: whoever reads on finds out. Rows are computed by the vector, and a few of those may be ahead.
    let sql = "select range as n, case when range = 900000 then cast('x' || range as integer) end as late from range(100000000)";
    let limits = QueryLimits { rows: 5, ..QueryLimits::STATE };
    let found = warehouse.query(&Statement::new(sql), limits).await.expect("five rows");
    assert_eq!((found.len(), found.truncated), (5, true));
    assert_eq!(found.data[0], (0..5).map(Value::Int).collect::<Vec<_>>());
    let whole = warehouse.query(&Statement::new("select 1 as n"), limits).await.expect("one row");
    assert_eq!((whole.len(), whole.truncated), (1, false));
    // A failure that comes with a later row is the query's.
    let failed = warehouse.query(&Statement::new(sql), QueryLimits::STATE).await.expect_err("it fails");
    assert_eq!(failed.kind(), ErrorKind::Data);
}

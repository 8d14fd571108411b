//! Rows into raw tables: all or nothing, the last of a key, what PostgreSQL cannot hold.

use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray};
use millrace_core::schema::DataType;
use millrace_core::value::Value;
use millrace_engine::error::{Error, ErrorKind};
use millrace_engine::ports::warehouse::{LoadMode, Statement};

use super::{Finish, column, fresh, load, one, rows, run};
use crate::merging::merge;

fn ids(ids: Vec<i64>) -> ArrayRef {
    Arc::new(Int64Array::from(ids))
}

fn texts(texts: Vec<&str>) -> ArrayRef {
    Arc::new(StringArray::from(texts))
}

#[tokio::test]
async fn a_load_that_fails_at_the_end_leaves_nothing() {
    let (warehouse, _) = fresh();
    let columns = [column("id", DataType::Int64)];
    let batch = || vec![vec![ids(vec![1, 2])]];
    let error = Error::new(ErrorKind::SourceUnreadable, "the file ends in the middle");
    let failed = load(&*warehouse, &columns, LoadMode::Create, batch(), Finish::badly(error)).await;
    assert_eq!(failed.expect_err("it fails").kind(), ErrorKind::SourceUnreadable);
    let tables = "select count(*) from information_schema.tables where table_schema = 'raw'";
    assert_eq!(one(&*warehouse, tables).await, "0");
    let done =
        load(&*warehouse, &columns, LoadMode::Create, batch(), Finish::well()).await.expect("it loads");
    assert_eq!((done.rows_read, done.rows_in_table), (2, 2));
    assert_eq!(one(&*warehouse, "select count(*) from raw.t").await, "2");
}

#[tokio::test]
async fn rows_and_checkpoint_are_one() {
    let (warehouse, _) = fresh();
    run(&*warehouse, &["create table state (fence bigint, rows bigint)", "insert into state values (7, 0)"])
        .await;
    let columns = [column("id", DataType::Int64)];
    let finish = |fence: i128| {
        let checkpoint = Statement::with("update state set rows = $1", [Value::Int(2)]);
        let guard = Statement::guard("update state set fence = fence where fence = $1", [Value::Int(fence)]);
        Finish(Ok(vec![checkpoint, guard]))
    };
    let batch = || vec![vec![ids(vec![1, 2])]];
    let failed =
        load(&*warehouse, &columns, LoadMode::Create, batch(), finish(6)).await.expect_err("taken over");
    assert_eq!(failed.kind(), ErrorKind::Superseded);
    assert_eq!(one(&*warehouse, "select rows from state").await, "0");
    load(&*warehouse, &columns, LoadMode::Create, batch(), finish(7)).await.expect("it loads");
    assert_eq!(
        one(&*warehouse, "select rows || ' ' || (select count(*) from raw.t) from state").await,
        "2 2"
    );
}

#[tokio::test]
async fn upsert_takes_the_last_row_of_a_key() {
    let (warehouse, _) = fresh();
    let columns = [column("id", DataType::Int64), column("v", DataType::Text)];
    let mode = || LoadMode::Upsert(merge(&columns, &["id"]));
    let batch = |keys: Vec<i64>, values: Vec<&str>| vec![vec![ids(keys), texts(values)]];
    let first =
        load(&*warehouse, &columns, mode(), batch(vec![1, 2, 1], vec!["x", "b", "a"]), Finish::well());
    let first = first.await.expect("it loads");
    assert_eq!((first.rows_read, first.rows_in_table), (3, 2));
    let again =
        load(&*warehouse, &columns, mode(), batch(vec![2, 3, 3], vec!["c", "d", "e"]), Finish::well());
    let again = again.await.expect("it loads");
    assert_eq!((again.rows_read, again.rows_in_table), (3, 3));
    let found = rows(&*warehouse, "select v from raw.t order by id").await;
    assert_eq!(found.data[0], [Value::text("a"), Value::text("c"), Value::text("e")]);
    let left = "select string_agg(table_name, ',') from information_schema.tables where table_schema = 'raw'";
    assert_eq!(one(&*warehouse, left).await, "t");
}

#[tokio::test]
async fn upsert_by_several_columns_leaves_what_is_the_same() {
    let (warehouse, _) = fresh();
    let columns = [
        column("__arrival", DataType::Int64),
        column("Part \"B\"", DataType::Text),
        column("doc", DataType::Json),
    ];
    let mode = || LoadMode::Upsert(merge(&columns, &["__arrival", "Part \"B\""]));
    let batch = |docs: Vec<&str>| vec![vec![ids(vec![1, 1, 2]), texts(vec!["a", "b", "a"]), texts(docs)]];
    load(&*warehouse, &columns, mode(), batch(vec!["{}", "[1]", "null"]), Finish::well())
        .await
        .expect("it loads");
    let before = rows(&*warehouse, "select ctid from raw.t order by 1").await;
    load(&*warehouse, &columns, mode(), batch(vec!["{}", "[1]", "null"]), Finish::well())
        .await
        .expect("it loads");
    assert_eq!(
        rows(&*warehouse, "select ctid from raw.t order by 1").await.data,
        before.data,
        "nothing was written"
    );
    // Another text of the same document is another value.
    load(&*warehouse, &columns, mode(), batch(vec!["{ }", "[1]", "null"]), Finish::well())
        .await
        .expect("it loads");
    let found = rows(&*warehouse, "select doc from raw.t").await;
    let mut docs: Vec<String> = found.data[0].iter().map(ToString::to_string).collect();
    docs.sort();
    assert_eq!(docs, ["[1]", "null", "{ }"]);
}

#[tokio::test]
async fn a_table_takes_over_another() {
    let (warehouse, _) = fresh();
    crate::merging::a_table_takes_over_another(&*warehouse).await;
    crate::merging::a_key_gets_wider(&*warehouse).await;
    crate::merging::rows_are_added(&*warehouse).await;
}

#[tokio::test]
async fn a_key_is_all_there_is() {
    let (warehouse, _) = fresh();
    let columns = [column("id", DataType::Int64)];
    for (keys, rows) in [(vec![1, 1, 2], 2), (vec![2, 3], 3)] {
        let mode = LoadMode::Upsert(merge(&columns, &["id"]));
        let done =
            load(&*warehouse, &columns, mode, vec![vec![ids(keys)]], Finish::well()).await.expect("it loads");
        assert_eq!(done.rows_in_table, rows);
    }
}

#[tokio::test]
async fn what_cannot_be_held_is_an_error_that_names_the_column() {
    let (warehouse, _) = fresh();
    let cases: [(DataType, ArrayRef, &str); 4] = [
        (DataType::Text, texts(vec!["secret\0"]), "U+0000"),
        (DataType::Date, Arc::new(Date32Array::from(vec![i32::MAX])), "range"),
        (DataType::Date, Arc::new(Date32Array::from(vec![-2_500_000])), "range"),
        (DataType::Timestamp, Arc::new(TimestampMicrosecondArray::from(vec![i64::MIN])), "range"),
    ];
    for (data_type, array, word) in cases {
        let columns = [column("remark", data_type)];
        let failed = load(&*warehouse, &columns, LoadMode::Create, vec![vec![array]], Finish::well()).await;
        let failed = failed.expect_err("it cannot be held");
        assert_eq!(failed.kind(), ErrorKind::Data);
        let text = failed.to_string();
        assert!(text.contains("`remark`") && text.contains(word) && !text.contains("secret"), "{text}");
    }
    let bad = [column("doc", DataType::Json)];
    let failed =
        load(&*warehouse, &bad, LoadMode::Create, vec![vec![texts(vec!["secret{"])]], Finish::well()).await;
    let failed = failed.expect_err("it is no JSON");
    assert_eq!(failed.kind(), ErrorKind::Data, "{failed}");
    assert!(!failed.to_string().contains("secret"), "{failed}");
    // The connection is good for the next call.
    assert_eq!(one(&*warehouse, "select 1").await, "1");
}

/// More than one COPY, and more than one buffer of it.
#[tokio::test(flavor = "multi_thread")]
async fn many_rows_arrive_in_order() {
    let (warehouse, _) = fresh();
    let columns = [column("id", DataType::Int64), column("v", DataType::Text)];
    let long = "x".repeat(1000);
    let batches = (0..160i64).map(|batch| {
        let keys: Vec<i64> = (batch * 1000..batch * 1000 + 1000).collect();
        vec![ids(keys), texts(vec![long.as_str(); 1000])]
    });
    let done = load(&*warehouse, &columns, LoadMode::Create, batches.collect(), Finish::well())
        .await
        .expect("it loads");
    assert_eq!(done.rows_read, 160_000);
    let sql = "select count(*) || ' ' || sum(id) || ' ' || sum(length(v)) || ' ' || min(id) || ' ' || max(id) from raw.t";
    assert_eq!(one(&*warehouse, sql).await, "160000 12799920000 160000000 0 159999");
}

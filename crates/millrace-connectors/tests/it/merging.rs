//! Rows that join others in a table that may have other columns than what arrives, alike in every warehouse.

use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray};
use async_trait::async_trait;
use millrace_core::name::Relation;
use millrace_core::schema::{Column, DataType};
use millrace_engine::error::Result;
use millrace_engine::ports::batch::{Batch, arrow_schema, batch_queue};
use millrace_engine::ports::warehouse::{
    FinishLoad, Former, LoadMode, LoadOutcome, LoadRequest, Merge, QueryLimits, Statement, Statements,
    Warehouse, made,
};

/// Into a table with the columns that arrive.
pub(crate) fn merge(columns: &[Column], key: &[&str]) -> Merge {
    Merge {
        key: key.iter().map(|name| (*name).to_owned()).collect(),
        columns: columns.to_vec(),
        former: None,
    }
}

struct Nothing;

#[async_trait]
impl FinishLoad for Nothing {
    fn saw(&mut self, _batch: &Batch) -> Result<()> {
        Ok(())
    }

    async fn finish(self: Box<Self>, _outcome: LoadOutcome) -> Result<Statements> {
        Ok(made(Vec::new()))
    }
}

async fn load(warehouse: &dyn Warehouse, table: &str, columns: &[Column], how: Merge, arrays: Vec<ArrayRef>) {
    join(warehouse, table, columns, LoadMode::Upsert(how), arrays).await;
}

/// Returns how many rows are in the table then.
async fn join(
    warehouse: &dyn Warehouse,
    table: &str,
    columns: &[Column],
    mode: LoadMode,
    arrays: Vec<ArrayRef>,
) -> u64 {
    let (sender, receiver) = batch_queue(1 << 20);
    let rows = RecordBatch::try_new(arrow_schema(columns), arrays).expect("a batch");
    sender.send(Batch { rows, quarantined: Vec::new() }).await.expect("there is room");
    drop(sender);
    let request = LoadRequest { table: Relation::new("raw", table), columns: columns.to_vec(), mode };
    warehouse.load(request, receiver, Box::new(Nothing)).await.expect("it loads").rows_in_table
}

async fn rows(warehouse: &dyn Warehouse, table: &str) -> Vec<String> {
    let sql = format!(
        "select concat_ws('|', id, cast(price as varchar), coalesce(\"Old\", '-'), coalesce(new, '-')) as t from raw.{table} order by id"
    );
    let rows = warehouse.query(&Statement::new(sql), QueryLimits::STATE).await.expect("rows");
    rows.data[0].iter().map(ToString::to_string).collect()
}

fn column(name: &str, data_type: DataType) -> Column {
    Column { name: name.into(), data_type, nullable: name != "id" }
}

fn decimal(precision: u8, scale: u8) -> DataType {
    DataType::Decimal { precision, scale }
}

fn prices(prices: Vec<Option<i128>>) -> ArrayRef {
    Arc::new(Decimal128Array::from(prices).with_precision_and_scale(10, 2).expect("a decimal"))
}

/// A new table takes over another one, with wider types, a column less that arrives and one more.
pub(crate) async fn a_table_takes_over_another(warehouse: &dyn Warehouse) {
    let first =
        [column("id", DataType::Int32), column("price", decimal(10, 2)), column("old", DataType::Text)];
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from(vec![1, 2, 3])),
        prices(vec![Some(1050), Some(-5), None]),
        Arc::new(StringArray::from(vec!["a", "b", "c"])),
    ];
    load(warehouse, "t1", &first, merge(&first, &["id"]), arrays).await;
    for (table, price) in [("t2", decimal(23, 4)), ("t3", decimal(44, 4))] {
        let all = [
            column("id", DataType::Int64),
            column("price", price),
            column("Old", DataType::Text),
            column("new", DataType::Text),
        ];
        // Whole prices arrive, and nothing for the old column.
        let arriving =
            [column("new", DataType::Text), column("id", DataType::Int64), column("price", DataType::Int64)];
        let how = |former| Merge { key: vec!["id".into()], columns: all.to_vec(), former };
        let former = Former {
            table: Relation::new("raw", "t1"),
            columns: vec![
                (first[0].clone(), "id".into()),
                (first[1].clone(), "price".into()),
                (first[2].clone(), "Old".into()),
            ],
        };
        let batch = |ids: Vec<i64>, prices: Vec<i64>| -> Vec<ArrayRef> {
            let new = StringArray::from(vec!["x"; ids.len()]);
            vec![Arc::new(new), Arc::new(Int64Array::from(ids)), Arc::new(Int64Array::from(prices))]
        };
        load(warehouse, table, &arriving, how(Some(former)), batch(vec![3, 4], vec![7, 8])).await;
        let taken_over = ["1|10.5000|a|-", "2|-0.0500|b|-", "3|7.0000|-|x", "4|8.0000|-|x"];
        assert_eq!(rows(warehouse, table).await, taken_over);
        // Into that table, in which a replaced row keeps nothing.
        load(warehouse, table, &arriving, how(None), batch(vec![2, 2, 5], vec![1, 9, i64::MAX])).await;
        let merged = [
            "1|10.5000|a|-",
            "2|9.0000|-|x",
            "3|7.0000|-|x",
            "4|8.0000|-|x",
            "5|9223372036854775807.0000|-|x",
        ];
        assert_eq!(rows(warehouse, table).await, merged);
    }
    let sql =
        "select string_agg(cast(price as varchar), ' ' order by id) as t from raw.t1 where price is not null";
    let former = warehouse.query(&Statement::new(sql), QueryLimits::STATE).await.expect("rows");
    assert_eq!(former.data[0][0].as_str(), Some("10.50 -0.05"));
}

/// The key itself becomes wider than DuckDB's numbers.
pub(crate) async fn a_key_gets_wider(warehouse: &dyn Warehouse) {
    let wide = Column { name: "id".into(), data_type: decimal(44, 2), nullable: false };
    let narrow = Column { data_type: DataType::Int64, ..wide.clone() };
    let batch = |ids: Vec<i64>| -> Vec<ArrayRef> { vec![Arc::new(Int64Array::from(ids))] };
    let first = std::slice::from_ref(&narrow);
    load(warehouse, "k1", first, merge(first, &["id"]), batch(vec![1, 2])).await;
    let former =
        Former { table: Relation::new("raw", "k1"), columns: vec![(narrow.clone(), "id".to_owned())] };
    let how = Merge { key: vec!["id".into()], columns: vec![wide], former: Some(former) };
    load(warehouse, "k2", first, how, batch(vec![2, 3])).await;
    let sql = "select string_agg(cast(id as varchar), ' ' order by id) as t from raw.k2";
    let found = warehouse.query(&Statement::new(sql), QueryLimits::STATE).await.expect("rows");
    assert_eq!(found.data[0][0].as_str(), Some("1.00 2.00 3.00"));
}

/// Rows are added, the same ones too: into a table of the same columns, a wider one, and a new one that takes the former over.
pub(crate) async fn rows_are_added(warehouse: &dyn Warehouse) {
    let narrow = [column("id", DataType::Int32), column("price", decimal(10, 2))];
    let wide =
        [column("id", DataType::Int64), column("price", decimal(44, 4)), column("new", DataType::Text)];
    let batch = |id: i32| -> Vec<ArrayRef> {
        vec![Arc::new(Int32Array::from(vec![id, id])), prices(vec![Some(1050), None])]
    };
    let add = |columns: &[Column], former| {
        LoadMode::Append(Merge { key: vec![], columns: columns.to_vec(), former })
    };
    assert_eq!(join(warehouse, "a1", &narrow, add(&narrow, None), batch(1)).await, 2, "a new table");
    assert_eq!(join(warehouse, "a1", &narrow, add(&narrow, None), batch(1)).await, 4, "the same columns");
    let former = Former {
        table: Relation::new("raw", "a1"),
        columns: narrow.iter().map(|column| (column.clone(), column.name.clone())).collect(),
    };
    assert_eq!(join(warehouse, "a2", &narrow, add(&wide, Some(former)), batch(2)).await, 6, "wider ones");
    assert_eq!(join(warehouse, "a2", &narrow, add(&wide, None), batch(3)).await, 8, "into wider ones");
    let arrays: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(vec!["x"])), Arc::new(Int64Array::from(vec![4]))];
    let some = [wide[2].clone(), wide[0].clone()];
    assert_eq!(
        join(warehouse, "a2", &some, add(&wide, None), arrays).await,
        9,
        "fewer columns, in another order"
    );
    let sql = "select string_agg(t, ' ' order by t) as t from \
               (select concat_ws('|', id, cast(price as varchar), new, count(*)) as t from raw.a2 group by id, price, new) as grouped";
    let found = warehouse.query(&Statement::new(sql), QueryLimits::STATE).await.expect("rows");
    assert_eq!(found.data[0][0].as_str(), Some("1|10.5000|2 1|2 2|1 2|10.5000|1 3|1 3|10.5000|1 4|x|1"));
}

//! Rows into a raw table, in one transaction with their checkpoint.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal256Type, IntervalMonthDayNanoType};
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType as ArrowType, Field, Schema};
use duckdb::Connection;
use millrace_core::name::{Ident, Relation};
use millrace_core::schema::{Column, DataType};
use millrace_core::sql::dialect::Dialect;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::{BatchReceiver, arrow_schema};
use millrace_engine::ports::warehouse::{FinishLoad, LoadMode, LoadOutcome, LoadRequest, Merge};

use super::dialect::DuckdbDialect;
use super::failure::statement_error;
use super::feed::{Feed, RowOrder};
use super::warehouse::{execute, in_transaction};

/// How many rows a feed had, and who has the last word.
type Fed = (u64, Box<dyn FinishLoad>);

/// Blocks until the source is done.
pub(super) fn load(
    connection: &Connection,
    request: &LoadRequest,
    batches: BatchReceiver,
    finish: Box<dyn FinishLoad>,
) -> Result<LoadOutcome> {
    in_transaction(connection, || {
        run(connection, &format!("create schema if not exists {}", Ident::new(&request.table.schema)))?;
        let order = match &request.mode {
            LoadMode::Create | LoadMode::Append(_) | LoadMode::Continue { .. } => RowOrder::Free,
            // Of several rows with one key the last that arrived counts.
            LoadMode::Upsert(_) => RowOrder::Kept,
        };
        let feed = Feed::new(&arrow_schema(&request.columns), order, batches, finish);
        let (rows_read, finish) = match &request.mode {
            LoadMode::Create => create(connection, &request.table, &request.columns, feed)?,
            LoadMode::Upsert(how) => {
                let staging =
                    Relation::new(&request.table.schema, format!("{}__staging", request.table.name));
                let done = create(connection, &staging, &request.columns, feed)?;
                merge(connection, request, &staging, how)?;
                done
            }
            LoadMode::Append(how) => append(connection, request, how, feed)?,
            LoadMode::Continue { .. } => {
                feed.insert_into(connection, &request.table.to_string(), "feed.*")?
            }
        };
        let rows_in_table = connection
            .query_row(&format!("select count(*) from {}", request.table), [], |row| row.get::<_, i64>(0))
            .map_err(|error| statement_error(&error))?;
        let outcome = LoadOutcome { rows_read, rows_in_table: rows_in_table as u64 };
        let statements = tokio::runtime::Handle::current().block_on(finish.finish(outcome))?;
        for statement in statements {
            execute(connection, &statement?)?;
        }
        Ok(outcome)
    })
}

fn run(connection: &Connection, sql: &str) -> Result<()> {
    connection.execute_batch(sql).map_err(|error| statement_error(&error))
}

fn create_table(create: &str, table: &Relation, columns: &[Column]) -> String {
    let columns = columns.iter().map(|column| {
        let null = if column.nullable { "" } else { " not null" };
        format!("{} {}{null}", Ident::new(&column.name), DuckdbDialect.column_type(column.data_type))
    });
    format!("{create} {table} ({})", columns.collect::<Vec<_>>().join(", "))
}

/// A new table with all rows of a feed.
fn create(connection: &Connection, table: &Relation, columns: &[Column], feed: Feed) -> Result<Fed> {
    run(connection, &create_table("create table", table, columns))?;
    feed.insert_into(connection, table, "feed.*")
}

/// All rows of a feed beside those that are there.
fn append(connection: &Connection, request: &LoadRequest, how: &Merge, feed: Feed) -> Result<Fed> {
    begin(connection, &request.table, how)?;
    let (names, values): (Vec<String>, Vec<String>) = request
        .columns
        .iter()
        .enumerate()
        .map(|(place, column)| {
            let to = type_of(how, &column.name, column.data_type);
            (Ident::new(&column.name).to_string(), widened(Feed::column(place), column.data_type, to))
        })
        .unzip();
    let target = format!("{} ({})", request.table, names.join(", "));
    feed.insert_into(connection, &target, &values.join(", "))
}

/// The type of a table's column.
fn type_of(how: &Merge, name: &str, arriving: DataType) -> DataType {
    how.columns.iter().find(|column| column.name == name).map_or(arriving, |column| column.data_type)
}

/// Makes the table of a merge, with the rows that it takes over.
fn begin(connection: &Connection, table: &Relation, how: &Merge) -> Result<()> {
    // The first load of a stream has no table yet.
    run(connection, &create_table("create table if not exists", table, &how.columns))?;
    if let Some(former) = &how.former {
        let columns = &mut former.columns.iter().map(|(column, name)| (column, name.as_str()));
        run(connection, &insert(table, how, &former.table, columns))?;
    }
    Ok(())
}

/// A statement that brings columns of another table into that of a merge, each under its new name.
fn insert(
    table: &Relation,
    how: &Merge,
    from: &Relation,
    columns: &mut dyn Iterator<Item = (&Column, &str)>,
) -> String {
    let (names, values): (Vec<String>, Vec<String>) = columns
        .map(|(column, name)| {
            let value = Ident::new(&column.name).to_string();
            let to = type_of(how, name, column.data_type);
            (Ident::new(name).to_string(), widened(value, column.data_type, to))
        })
        .unzip();
    format!("insert into {table} ({}) select {} from {from}", names.join(", "), values.join(", "))
}

/// Rows of the same key go, then those that arrived come in; of several with one key the last that arrived.
fn merge(connection: &Connection, request: &LoadRequest, staging: &Relation, how: &Merge) -> Result<()> {
    let table = &request.table;
    let key: Vec<Ident> = how.key.iter().map(Ident::new).collect();
    let list = key.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    begin(connection, table, how)?;
    let same: Vec<String> = request
        .columns
        .iter()
        .filter(|column| how.key.contains(&column.name))
        .map(|column| {
            let name = Ident::new(&column.name);
            let to = type_of(how, &column.name, column.data_type);
            let new = widened(format!("new.{name}"), column.data_type, to);
            format!("old.{name} = {new}")
        })
        .collect();
    run(
        connection,
        &format!("delete from {table} as old using {staging} as new where {}", same.join(" and ")),
    )?;
    let columns = &mut request.columns.iter().map(|column| (column, column.name.as_str()));
    let last = format!(" qualify row_number() over (partition by {list} order by rowid desc) = 1");
    run(connection, &(insert(table, how, staging, columns) + &last))?;
    run(connection, &format!("drop table {staging}"))
}

/// Values of one type as those of another that holds them exactly. What DuckDB stores as text gets the digits that the type has after its
/// point, so that one number has one text.
fn widened(value: String, from: DataType, to: DataType) -> String {
    if from == to {
        return value;
    }
    let stored = DuckdbDialect.column_type(to);
    let cast = format!("cast({value} as {stored})");
    let DataType::Decimal { precision: 39.., scale } = to else { return cast };
    let had = match from {
        DataType::Decimal { scale, .. } => scale,
        _ => 0,
    };
    let point = if had == 0 && scale > 0 { "." } else { "" };
    format!("{cast} || '{point}{}'", "0".repeat(usize::from(scale - had)))
}

/// What DuckDB is given: texts in the place of decimals of more than 38 digits, which it stores as text, and of intervals, whose NULLs the
/// crate's conversion (1.10505) turns into zero; DuckDB casts their texts exactly.
fn goes_as_text(field: &Field) -> bool {
    matches!(field.data_type(), ArrowType::Decimal256(..) | ArrowType::Interval(_))
}

/// The schema of [`storable`] batches.
pub(super) fn storable_schema(schema: &Schema) -> Arc<Schema> {
    let fields = schema.fields().iter().map(|field| {
        if goes_as_text(field) {
            Arc::new(Field::new(field.name(), ArrowType::Utf8, field.is_nullable()))
        } else {
            Arc::clone(field)
        }
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The batch as DuckDB is given it.
pub(super) fn storable(batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    if !schema.fields().iter().any(|field| goes_as_text(field)) {
        return Ok(batch.clone());
    }
    let columns = schema.fields().iter().zip(batch.columns());
    let columns = columns.map(|(field, column)| -> ArrayRef {
        if goes_as_text(field) { Arc::new(texts(column)) } else { Arc::clone(column) }
    });
    RecordBatch::try_new(storable_schema(&schema), columns.collect())
        .map_err(|error| Error::new(ErrorKind::Internal, "a batch could not be converted").caused_by(error))
}

fn texts(column: &ArrayRef) -> StringArray {
    let rows = 0..column.len();
    if let Some(numbers) = column.as_primitive_opt::<Decimal256Type>() {
        return rows.map(|i| numbers.is_valid(i).then(|| numbers.value_as_string(i))).collect();
    }
    let intervals = column.as_primitive::<IntervalMonthDayNanoType>();
    rows.map(|i| intervals.is_valid(i).then(|| interval_text(intervals.value(i).nanoseconds / 1_000)))
        .collect()
}

/// Microseconds as `[-]HH:MM:SS.ffffff`, hours beyond 24 where it takes them.
fn interval_text(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let (seconds, fraction) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    format!("{sign}{:02}:{:02}:{:02}.{fraction:06}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

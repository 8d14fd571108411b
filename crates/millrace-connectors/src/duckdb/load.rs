//! Writes the batches of one stream into a raw table, in one transaction with the checkpoint.
//!
//! Rows reach DuckDB through the table function of [`Feed`], in an INSERT that reads from it. Rows
//! that are upserted go into a staging table first, from which the last row of each key is taken.
//! Any error rolls back everything.

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

/// The number of rows that a feed had, and the [`FinishLoad`] that goes on with it.
type Fed = (u64, Box<dyn FinishLoad>);

/// Runs one load in a transaction: writes all batches, then runs the statements of `finish`. Blocks
/// until the source has ended. Must be called on a thread that may block, inside a runtime.
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
            // If several rows have the same key, the last one that arrived wins.
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
        // This thread is one for blocking work, so it may block on the future.
        let statements = tokio::runtime::Handle::current().block_on(finish.finish(outcome))?;
        for statement in statements {
            execute(connection, &statement?)?;
        }
        Ok(outcome)
    })
}

/// Runs statements without parameters.
fn run(connection: &Connection, sql: &str) -> Result<()> {
    connection.execute_batch(sql).map_err(|error| statement_error(&error))
}

/// The statement that creates a table. `create` is how it begins, such as
/// `create table if not exists`.
fn create_table(create: &str, table: &Relation, columns: &[Column]) -> String {
    let columns = columns.iter().map(|column| {
        let null = if column.nullable { "" } else { " not null" };
        format!("{} {}{null}", Ident::new(&column.name), DuckdbDialect.column_type(column.data_type))
    });
    format!("{create} {table} ({})", columns.collect::<Vec<_>>().join(", "))
}

/// Creates a table and inserts all rows of a feed.
fn create(connection: &Connection, table: &Relation, columns: &[Column], feed: Feed) -> Result<Fed> {
    run(connection, &create_table("create table", table, columns))?;
    feed.insert_into(connection, table, "feed.*")
}

/// Inserts all rows of a feed into the table, beside the rows that it has, with casts to the
/// table's wider types.
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

/// The type of a column of the table; that of the arriving column if the table does not list it.
fn type_of(how: &Merge, name: &str, arriving: DataType) -> DataType {
    how.columns.iter().find(|column| column.name == name).map_or(arriving, |column| column.data_type)
}

/// Creates the table of a merge if it is missing, and inserts the rows of the former table that it
/// takes over.
fn begin(connection: &Connection, table: &Relation, how: &Merge) -> Result<()> {
    // The first load of a stream finds no table.
    run(connection, &create_table("create table if not exists", table, &how.columns))?;
    if let Some(former) = &how.former {
        let columns = &mut former.columns.iter().map(|(column, name)| (column, name.as_str()));
        run(connection, &insert(table, how, &former.table, columns))?;
    }
    Ok(())
}

/// An INSERT of columns of another table into the table of a merge. `columns` gives each column of
/// `from` with its name in the table.
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

/// Upserts the staged rows: deletes the rows with the same keys, then inserts the last staged row
/// of each key. Drops the staging table.
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
    // `rowid` of the staging table is the order of arrival, which `RowOrder::Kept` ensures.
    let last = format!(" qualify row_number() over (partition by {list} order by rowid desc) = 1");
    run(connection, &(insert(table, how, staging, columns) + &last))?;
    run(connection, &format!("drop table {staging}"))
}

/// An expression that casts `value` to a wider type that holds it exactly. A decimal that DuckDB
/// stores as text gets as many digits after the point as its type has, so that each number has
/// exactly one text.
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

/// Whether a field is handed to DuckDB as text: decimals of more than 38 digits, which it stores as
/// text, and intervals. The crate's own conversion (1.10505) turns NULLs of intervals into zero;
/// DuckDB casts the texts of intervals exactly.
fn goes_as_text(field: &Field) -> bool {
    matches!(field.data_type(), ArrowType::Decimal256(..) | ArrowType::Interval(_))
}

/// The schema of batches that [`storable`] returns.
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

/// The batch in the form in which DuckDB gets it: fields for which [`goes_as_text`] holds are
/// converted to text.
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

/// A column of wide decimals or of intervals as text.
fn texts(column: &ArrayRef) -> StringArray {
    let rows = 0..column.len();
    if let Some(numbers) = column.as_primitive_opt::<Decimal256Type>() {
        return rows.map(|i| numbers.is_valid(i).then(|| numbers.value_as_string(i))).collect();
    }
    let intervals = column.as_primitive::<IntervalMonthDayNanoType>();
    rows.map(|i| intervals.is_valid(i).then(|| interval_text(intervals.value(i).nanoseconds / 1_000)))
        .collect()
}

/// Microseconds as `[-]HH:MM:SS.ffffff`; hours may exceed 24.
fn interval_text(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let (seconds, fraction) = (micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000);
    format!("{sign}{:02}:{:02}:{:02}.{fraction:06}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

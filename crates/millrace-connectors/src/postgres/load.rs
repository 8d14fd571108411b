//! Writes the batches of one stream into a raw table, in one transaction with the checkpoint.
//!
//! There are three paths:
//!
//! * A direct COPY fills a table that the load creates, or adds a further part to one that an
//!   earlier part of the same load created.
//! * A direct COPY appends rows to an existing table if all column types agree.
//! * Otherwise the rows go through a staging table, from which one INSERT upserts or appends them.
//!
//! The staging table is a regular table, because a pooler may not keep temporary tables. It is
//! unlogged, and it disappears with the transaction. Any error rolls back everything, including a
//! created table.

use std::sync::Arc;

use millrace_core::digest::sha256;
use millrace_core::name::{Ident, Relation};
use millrace_core::schema::{Column, DataType};
use millrace_core::sql::dialect::Dialect;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::BatchReceiver;
use millrace_engine::ports::warehouse::{FinishLoad, Former, LoadMode, LoadOutcome, LoadRequest, Merge};
use tokio_postgres::types::Type;

use super::copying::{Copying, copy};
use super::dialect::PostgresDialect;
use super::pool::Pool;
use super::session::{Purpose, Session};

/// Statistics target for `analyze` of a raw table; PostgreSQL's own default is 100.
const SAMPLE: u32 = 20;

/// Runs one load: creates the schema if it is missing, writes all batches, then runs the statements
/// of `finish` and commits.
pub(super) async fn load(
    pool: &Arc<Pool>,
    purpose: Purpose,
    request: &LoadRequest,
    batches: BatchReceiver,
    finish: Box<dyn FinishLoad>,
) -> Result<LoadOutcome> {
    let mut session = Session::begin(pool, purpose).await?;
    if !has_schema(&mut session, &request.table.schema).await? {
        // The schema is created in a transaction of its own: another process may create it at the
        // same moment, and that conflict must not abort the load.
        session.leave_unchanged();
        ensure_schema(pool, purpose, &request.table.schema).await?;
        session = Session::begin(pool, purpose).await?;
    }
    let done = fill(&mut session, request, batches, finish).await;
    session.end(done).await
}

/// Creates a schema unless it exists. The check comes first because `create schema if not exists`
/// requires the CREATE privilege even if the schema exists.
pub(super) async fn ensure_schema(pool: &Arc<Pool>, purpose: Purpose, schema: &str) -> Result<()> {
    let mut session = Session::begin(pool, purpose).await?;
    let made = match has_schema(&mut session, schema).await {
        Ok(false) => session.batch(&format!("create schema if not exists {}", Ident::new(schema))).await,
        found => found.map(|_| ()),
    };
    if made.is_err() && session.is_conflict() {
        // Another process created the schema first.
        session.undo().await;
        return Ok(());
    }
    session.end(made).await
}

/// Whether a schema of this name exists.
async fn has_schema(session: &mut Session, schema: &str) -> Result<bool> {
    let sql = "select 1 from pg_catalog.pg_namespace where nspname = $1";
    Ok(!session.catalog(sql, &[(&schema, Type::TEXT)]).await?.is_empty())
}

/// The body of a load, in the open transaction: chooses the path by the mode and by whether the
/// table exists, copies all batches, then runs the statements of `finish`. `finish` gets the number
/// of rows read and the number of rows in the table.
async fn fill(
    session: &mut Session,
    request: &LoadRequest,
    mut batches: BatchReceiver,
    mut finish: Box<dyn FinishLoad>,
) -> Result<LoadOutcome> {
    let table = &request.table;
    let merge_by = match &request.mode {
        LoadMode::Create | LoadMode::Continue { .. } => None,
        LoadMode::Upsert(how) | LoadMode::Append(how) => Some(how),
    };
    // `Some` if the rows are merged into rows that the table has already: it exists, or it takes
    // over those of a former table.
    let into_rows = match merge_by {
        Some(how) if how.former.is_some() || exists(session, table).await? => Some(how),
        _ => None,
    };
    let outcome = if let Some(how) = into_rows {
        if let Some(former) = &how.former {
            take_over(session, table, how, former).await?;
        }
        let adds = how.key.is_empty();
        // Without a key nothing is matched, so rows whose types already agree need no staging
        // table.
        let rows_read = if adds && request.columns.iter().all(|column| goes_in_as_is(column, how)) {
            let new = how.former.is_some();
            let how_copied = Copying { place: None, key: &how.key, new };
            copy(session, table, &request.columns, how_copied, &mut batches, &mut *finish).await?
        } else {
            let staging = Relation::new(&table.schema, staging_name(&table.name));
            let place = place_name(&request.columns);
            session.batch(&create_table("unlogged table", &staging, &request.columns, Some(&place))).await?;
            let how_copied = Copying { place: Some(&place), key: &how.key, new: true };
            let rows_read =
                copy(session, &staging, &request.columns, how_copied, &mut batches, &mut *finish).await?;
            if adds {
                add(session, request, &staging, &place).await?;
            } else {
                merge(session, request, &staging, &place, how).await?;
            }
            rows_read
        };
        let rows_in_table = count(session, &format!("select count(*) from {table}")).await?;
        LoadOutcome { rows_read, rows_in_table }
    } else {
        let (rows_before, key) = match &request.mode {
            LoadMode::Continue { rows, key } => (*rows, key.as_slice()),
            LoadMode::Create => (0, &[][..]),
            LoadMode::Upsert(how) | LoadMode::Append(how) => (0, how.key.as_slice()),
        };
        let new = !matches!(request.mode, LoadMode::Continue { .. });
        if new {
            let columns = merge_by.map_or(&request.columns, |how| &how.columns);
            session.batch(&create_table("table", table, columns, None)).await?;
        }
        let how_copied = Copying { place: None, key, new };
        let rows_read =
            copy(session, table, &request.columns, how_copied, &mut batches, &mut *finish).await?;
        // The key of a table that is loaded in parts is made with the last part.
        let twice =
            if key.is_empty() || batches.is_part() { 0 } else { make_unique(session, table, key).await? };
        LoadOutcome { rows_read, rows_in_table: rows_before + rows_read - twice }
    };
    if !batches.is_part() {
        // Without statistics the planner would guess for the models that read this table next. A
        // sample of the default size takes a tenth of the time of the load.
        session.batch(&format!("set local default_statistics_target = {SAMPLE}; analyze {table}")).await?;
    }
    for statement in finish.finish(outcome).await? {
        session.execute(&statement?).await?;
    }
    Ok(outcome)
}

/// Whether a relation of this schema and name exists.
async fn exists(session: &mut Session, table: &Relation) -> Result<bool> {
    let sql = "select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
               where n.nspname = $1 and c.relname = $2";
    let found = session.catalog(sql, &[(&table.schema, Type::TEXT), (&table.name, Type::TEXT)]).await?;
    Ok(!found.is_empty())
}

/// The first column of the first row of `sql`, which must be a `bigint`; 0 if there is no row.
async fn count(session: &mut Session, sql: &str) -> Result<u64> {
    let rows = session.catalog(sql, &[]).await?;
    let number: Option<i64> = rows.first().and_then(|row| row.try_get(0).ok());
    Ok(number.unwrap_or_default() as u64)
}

/// The name of the staging table. PostgreSQL cuts names at 63 bytes, so a long one is replaced by
/// its digest: no two tables share a staging table. The name needs no number, because one lease
/// merges into a table at a time.
fn staging_name(table: &str) -> String {
    const SUFFIX: &str = "__staging";
    if table.len() <= 63 - SUFFIX.len() {
        return format!("{table}{SUFFIX}");
    }
    format!("{}{SUFFIX}", &sha256(table)[..32])
}

/// A name for the column with the order of arrival; it differs from all names in `columns`.
fn place_name(columns: &[Column]) -> String {
    let mut name = "__arrival".to_owned();
    while columns.iter().any(|column| column.name == name) {
        name.push('_');
    }
    name
}

/// A CREATE TABLE statement. `kind` is `table` or `unlogged table`; `place` adds a `bigint` column
/// for the order of arrival.
fn create_table(kind: &str, table: &Relation, columns: &[Column], place: Option<&str>) -> String {
    let column = |column: &Column| {
        let null = if column.nullable { "" } else { " not null" };
        format!("{} {}{null}", Ident::new(&column.name), PostgresDialect.column_type(column.data_type))
    };
    let mut all: Vec<String> = columns.iter().map(column).collect();
    all.extend(place.map(|place| format!("{} bigint not null", Ident::new(place))));
    // No `if not exists`: a staging table that a killed run left behind cannot exist, because that
    // run never committed it.
    format!("create {kind} {table} ({})", all.join(", "))
}

/// The names as quoted identifiers, separated by commas.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| Ident::new(name).to_string()).collect::<Vec<_>>().join(", ")
}

/// Whether the table has this column with exactly the same type. Binary COPY converts nothing, so
/// it needs that.
fn goes_in_as_is(column: &Column, how: &Merge) -> bool {
    how.columns.iter().any(|to| (&to.name, to.data_type) == (&column.name, column.data_type))
}

/// Creates the unique index by which later loads upsert. If the rows repeat a key, deletes all but
/// the last row of each key first. Returns the number of deleted rows.
async fn make_unique(session: &mut Session, table: &Relation, key: &[String]) -> Result<u64> {
    let list = list(key.iter().map(String::as_str));
    let index = format!("create unique index on {table} ({list})");
    // The savepoint keeps the copied rows when the index fails because of a duplicate key.
    session.batch("savepoint millrace_key").await?;
    let Err(error) = session.batch(&index).await else {
        session.batch("release savepoint millrace_key").await?;
        return Ok(0);
    };
    if error.kind() != ErrorKind::Data || session.is_lost() {
        return Err(error);
    }
    session.batch("rollback to savepoint millrace_key").await?;
    // A COPY into an empty table writes its rows in sequence, so `ctid` gives the order of arrival.
    let sql = format!(
        "with gone as (delete from {table} where ctid in (select ctid from (select ctid, \
         row_number() over (partition by {list} order by ctid desc) as n from {table}) as numbered where n > 1) returning 1) \
         select count(*) from gone"
    );
    let twice = count(session, &sql).await?;
    session.batch(&index).await?;
    Ok(twice)
}

/// Creates the table, copies the rows of `former` into it, and creates the unique index of the key,
/// if there is one. Casts change no value, because each column's type holds all values of the
/// former one.
async fn take_over(session: &mut Session, table: &Relation, how: &Merge, former: &Former) -> Result<()> {
    let type_of = |name: &str| {
        how.columns
            .iter()
            .find(|column| column.name == *name)
            .map(|column| PostgresDialect.column_type(column.data_type))
    };
    let values = former.columns.iter().map(|(column, name)| {
        let old = Ident::new(&column.name);
        type_of(name).map_or_else(|| old.to_string(), |data_type| format!("cast({old} as {data_type})"))
    });
    let values = values.collect::<Vec<_>>().join(", ");
    let names = list(former.columns.iter().map(|(_, name)| name.as_str()));
    let keys = list(how.key.iter().map(String::as_str));
    session.batch(&create_table("table", table, &how.columns, None)).await?;
    session.batch(&format!("insert into {table} ({names}) select {values} from {}", former.table)).await?;
    if keys.is_empty() {
        return Ok(());
    }
    session.batch(&format!("create unique index on {table} ({keys})")).await
}

/// Appends the staged rows to the table in the order of arrival. The INSERT casts them to the
/// table's wider types.
async fn add(session: &mut Session, request: &LoadRequest, staging: &Relation, place: &str) -> Result<()> {
    let columns = list(request.columns.iter().map(|column| column.name.as_str()));
    let (table, place) = (&request.table, Ident::new(place));
    let sql = format!("insert into {table} ({columns}) select {columns} from {staging} order by {place}");
    session.batch(&format!("{sql}; drop table {staging}")).await
}

/// Upserts the staged rows. If several rows arrived with one key, the last one wins. A row that is
/// equal already is not written again.
async fn merge(
    session: &mut Session,
    request: &LoadRequest,
    staging: &Relation,
    place: &str,
    how: &Merge,
) -> Result<()> {
    let table = &request.table;
    let columns = list(request.columns.iter().map(|column| column.name.as_str()));
    let keys = list(how.key.iter().map(String::as_str));
    let place = Ident::new(place);
    // Columns that do not arrive are set to NULL as well: nothing remains of the replaced row.
    let others: Vec<&Column> = how.columns.iter().filter(|column| !how.key.contains(&column.name)).collect();
    let conflict = if others.is_empty() {
        "do nothing".to_owned()
    } else {
        let set = others.iter().map(|column| {
            let name = Ident::new(&column.name);
            format!("{name} = excluded.{name}")
        });
        let side = |side: &str| {
            let values = others.iter().map(|column| compared(side, column));
            values.collect::<Vec<_>>().join(", ")
        };
        format!(
            "do update set {} where ({}) is distinct from ({})",
            set.collect::<Vec<_>>().join(", "),
            side("old"),
            side("excluded")
        )
    };
    // A table that was just filled has no statistics for the plan of the INSERT.
    session.batch(&format!("analyze {staging}")).await?;
    session
        .batch(&format!(
            "insert into {table} as old ({columns}) select distinct on ({keys}) {columns} from {staging} \
             order by {keys}, {place} desc on conflict ({keys}) {conflict}; drop table {staging}"
        ))
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::Sql => Error::new(
                ErrorKind::Internal,
                format!("the rows of `{}.{}` cannot be merged", table.schema, table.name),
            )
            .caused_by(error),
            _ => error,
        })
}

/// The expression by which a column is compared: cast to text if its type has no equality (`json`),
/// or if its equality treats different values as the same (floats).
fn compared(side: &str, column: &Column) -> String {
    let name = Ident::new(&column.name);
    match column.data_type {
        DataType::Json | DataType::Float32 | DataType::Float64 => format!("{side}.{name}::text"),
        _ => format!("{side}.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tables_share_a_staging_table() {
        let long = "a".repeat(58);
        let names = ["orders__r1", "orders__r2", &format!("{long}__r1"), &format!("{long}__r2")];
        let staging: std::collections::BTreeSet<String> = names.into_iter().map(staging_name).collect();
        assert_eq!(staging.len(), names.len(), "{staging:?}");
        assert!(staging.iter().all(|name| name.len() <= 63), "{staging:?}");
    }
}

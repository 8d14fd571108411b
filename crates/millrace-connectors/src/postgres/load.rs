//! Rows into a raw table, in one transaction with their checkpoint.
//!
//! A new table is filled by one direct COPY. A merge into a table that is there goes through a staging table: a real one, since a
//! pooler may not keep temporary ones, not logged, and gone with the transaction.

use std::sync::Arc;

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

/// What a raw table is sampled with; PostgreSQL's own default is 100.
const SAMPLE: u32 = 20;

pub(super) async fn load(
    pool: &Arc<Pool>,
    purpose: Purpose,
    request: &LoadRequest,
    batches: BatchReceiver,
    finish: Box<dyn FinishLoad>,
) -> Result<LoadOutcome> {
    let mut session = Session::begin(pool, purpose).await?;
    if !has_schema(&mut session, &request.table.schema).await? {
        session.leave_unchanged();
        ensure_schema(pool, purpose, &request.table.schema).await?;
        session = Session::begin(pool, purpose).await?;
    }
    let done = fill(&mut session, request, batches, finish).await;
    session.end(done).await
}

/// Makes a schema where there is none. `create schema if not exists` asks for the privilege to make one even where it is there.
pub(super) async fn ensure_schema(pool: &Arc<Pool>, purpose: Purpose, schema: &str) -> Result<()> {
    let mut session = Session::begin(pool, purpose).await?;
    let made = match has_schema(&mut session, schema).await {
        Ok(false) => session.batch(&format!("create schema if not exists {}", Ident::new(schema))).await,
        found => found.map(|_| ()),
    };
    if made.is_err() && session.is_conflict() {
        // Another process was quicker.
        session.undo().await;
        return Ok(());
    }
    session.end(made).await
}

async fn has_schema(session: &mut Session, schema: &str) -> Result<bool> {
    let sql = "select 1 from pg_catalog.pg_namespace where nspname = $1";
    Ok(!session.catalog(sql, &[(&schema, Type::TEXT)]).await?.is_empty())
}

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
    let into_rows = match merge_by {
        Some(how) if how.former.is_some() || exists(session, table).await? => Some(how),
        _ => None,
    };
    let outcome = if let Some(how) = into_rows {
        if let Some(former) = &how.former {
            take_over(session, table, how, former).await?;
        }
        let adds = how.key.is_empty();
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
        let twice =
            if key.is_empty() || batches.is_part() { 0 } else { make_unique(session, table, key).await? };
        LoadOutcome { rows_read, rows_in_table: rows_before + rows_read - twice }
    };
    if !batches.is_part() {
        // The planner of the models that read it next would otherwise guess. A sample of the default size takes a tenth of the time of the
        // load.
        session.batch(&format!("set local default_statistics_target = {SAMPLE}; analyze {table}")).await?;
    }
    for statement in finish.finish(outcome).await? {
        session.execute(&statement?).await?;
    }
    Ok(outcome)
}

async fn exists(session: &mut Session, table: &Relation) -> Result<bool> {
    let sql = "select 1 from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
               where n.nspname = $1 and c.relname = $2";
    let found = session.catalog(sql, &[(&table.schema, Type::TEXT), (&table.name, Type::TEXT)]).await?;
    Ok(!found.is_empty())
}

async fn count(session: &mut Session, sql: &str) -> Result<u64> {
    let rows = session.catalog(sql, &[]).await?;
    let number: Option<i64> = rows.first().and_then(|row| row.try_get(0).ok());
    Ok(number.unwrap_or_default() as u64)
}

/// The name of a staging table: PostgreSQL cuts names at 63 bytes, and one lease merges into a table at a time.
fn staging_name(table: &str) -> String {
    const SUFFIX: &str = "__staging";
    let mut room = table.len().min(63 - SUFFIX.len());
    while !table.is_char_boundary(room) {
        room -= 1;
    }
    format!("{}{SUFFIX}", &table[..room])
}

/// A name for the column of arrival that no column of the stream has.
fn place_name(columns: &[Column]) -> String {
    let mut name = "__arrival".to_owned();
    while columns.iter().any(|column| column.name == name) {
        name.push('_');
    }
    name
}

fn create_table(kind: &str, table: &Relation, columns: &[Column], place: Option<&str>) -> String {
    let column = |column: &Column| {
        let null = if column.nullable { "" } else { " not null" };
        format!("{} {}{null}", Ident::new(&column.name), PostgresDialect.column_type(column.data_type))
    };
    let mut all: Vec<String> = columns.iter().map(column).collect();
    all.extend(place.map(|place| format!("{} bigint not null", Ident::new(place))));
    // A staging table must not be in the way of one that a killed run left: that one was never committed.
    format!("create {kind} {table} ({})", all.join(", "))
}

pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| Ident::new(name).to_string()).collect::<Vec<_>>().join(", ")
}

/// Whether a column of the table has the very type of what arrives for it, as binary COPY needs it.
fn goes_in_as_is(column: &Column, how: &Merge) -> bool {
    how.columns.iter().any(|to| (&to.name, to.data_type) == (&column.name, column.data_type))
}

/// Gives a table that was just filled the key by which later loads merge; returns how many earlier rows of a key went.
async fn make_unique(session: &mut Session, table: &Relation, key: &[String]) -> Result<u64> {
    let list = list(key.iter().map(String::as_str));
    let index = format!("create unique index on {table} ({list})");
    session.batch("savepoint millrace_key").await?;
    let Err(error) = session.batch(&index).await else {
        session.batch("release savepoint millrace_key").await?;
        return Ok(0);
    };
    if error.kind() != ErrorKind::Data || session.is_lost() {
        return Err(error);
    }
    session.batch("rollback to savepoint millrace_key").await?;
    // One COPY into an empty table writes its rows one behind the other, so their places in it are the order of arrival.
    let sql = format!(
        "with gone as (delete from {table} where ctid in (select ctid from (select ctid, \
         row_number() over (partition by {list} order by ctid desc) as n from {table}) as numbered where n > 1) returning 1) \
         select count(*) from gone"
    );
    let twice = count(session, &sql).await?;
    session.batch(&index).await?;
    Ok(twice)
}

/// A new table with the rows of another one, and the key by which loads merge. No value changes: each column's type holds the former one.
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

/// Rows beside those that are there, in columns of wider types.
async fn add(session: &mut Session, request: &LoadRequest, staging: &Relation, place: &str) -> Result<()> {
    let columns = list(request.columns.iter().map(|column| column.name.as_str()));
    let (table, place) = (&request.table, Ident::new(place));
    let sql = format!("insert into {table} ({columns}) select {columns} from {staging} order by {place}");
    session.batch(&format!("{sql}; drop table {staging}")).await
}

/// Rows of a known key are replaced, where anything differs; of several that arrived with one key the last counts.
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
    // Also those that do not arrive: of the row that is replaced nothing stays.
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

/// A column as it is compared: by its text where its type has no equality, or one that takes different values for the same.
fn compared(side: &str, column: &Column) -> String {
    let name = Ident::new(&column.name);
    match column.data_type {
        DataType::Json | DataType::Float32 | DataType::Float64 => format!("{side}.{name}::text"),
        _ => format!("{side}.{name}"),
    }
}

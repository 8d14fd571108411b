//! Creates keys and indexes and collects statistics, for tables that are about to be published.

use std::sync::Arc;

use millrace_core::name::{Ident, Relation};
use millrace_engine::error::{Error, Result};
use millrace_engine::ports::warehouse::PreparedTable;
use tokio_postgres::types::Type;

use super::pool::Pool;
use super::session::{Purpose, Session};

/// Prepares one table in one transaction. Existing keys and indexes stay as they are.
pub(super) async fn prepare(pool: Arc<Pool>, purpose: Purpose, table: PreparedTable) -> Result<()> {
    let mut session = Session::begin(&pool, purpose).await?;
    let done = one(&mut session, &table).await;
    session.end(done).await
}

/// Adds the primary key and those indexes that no existing index replaces, then analyzes the table.
/// Does nothing if there is no such table.
async fn one(session: &mut Session, wanted: &PreparedTable) -> Result<()> {
    let table = &wanted.table;
    let Some(mut present) = indexes(session, table).await? else { return Ok(()) };
    if !wanted.key.is_empty() && !present.iter().any(|index| index.primary) {
        let sql = format!("alter table {table} add primary key ({})", list(&wanted.key));
        if optional(session, &sql).await? {
            present.push(Index { columns: wanted.key.clone(), primary: true });
        }
    }
    for columns in &wanted.indexes {
        // An index also serves look-ups by its first columns.
        if columns.is_empty() || present.iter().any(|index| index.columns.starts_with(columns)) {
            continue;
        }
        if optional(session, &format!("create index on {table} ({})", list(columns))).await? {
            present.push(Index { columns: columns.clone(), primary: false });
        }
    }
    session.batch(&format!("analyze {table}")).await
}

/// An index of a table; `columns` are in the order of the index.
struct Index {
    columns: Vec<String>,
    primary: bool,
}

/// The valid indexes on plain columns that cover all rows of a table; `None` if there is no table,
/// partitioned table or materialized view of that name.
async fn indexes(session: &mut Session, table: &Relation) -> Result<Option<Vec<Index>>> {
    // The left join keeps one row for a table without indexes.
    let sql = "select i.indisprimary, array(select a.attname::text from unnest(i.indkey) with ordinality k(attnum, n) \
               join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum order by k.n) \
               from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
               left join pg_catalog.pg_index i on i.indrelid = c.oid and i.indisvalid and i.indpred is null and i.indexprs is null \
               where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p', 'm')";
    let rows = session.catalog(sql, &[(&table.schema, Type::TEXT), (&table.name, Type::TEXT)]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let index = |row: &tokio_postgres::Row| {
        let primary: Option<bool> = row.try_get(0).ok()?;
        Some(Index { primary: primary?, columns: row.try_get(1).ok()? })
    };
    Ok(Some(rows.iter().filter_map(index).collect()))
}

/// Runs a statement that only makes reading faster, in a savepoint. Returns false if the type of a
/// column has no order or no index takes it, or if a text is too long for an index; those are no
/// reason to stop.
async fn optional(session: &mut Session, sql: &str) -> Result<bool> {
    session.batch("savepoint millrace_index").await?;
    match session.batch(sql).await {
        Ok(()) => {
            session.batch("release savepoint millrace_index").await?;
            Ok(true)
        }
        Err(error) if is_unfit(&error) => {
            session.batch("rollback to savepoint millrace_index").await?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Whether an index cannot be built on the data. 42704: the type has no order; 0A000: no index
/// takes the type; 54000: a text is too long for an index.
fn is_unfit(error: &Error) -> bool {
    let codes = ["SQLSTATE 42704", "SQLSTATE 0A000", "SQLSTATE 54000"];
    error.causes().iter().any(|cause| codes.contains(&cause.as_str()))
}

/// The columns as quoted identifiers, separated by commas.
fn list(columns: &[String]) -> String {
    columns.iter().map(|column| Ident::new(column).to_string()).collect::<Vec<_>>().join(", ")
}

//! Finds the processes that hold up a publish.

use std::sync::Arc;
use std::time::Duration;

use millrace_engine::error::Result;
use tokio_postgres::types::Type;

use crate::postgres::pool::{Pool, Route};
use crate::postgres::session::{Purpose, Session};

/// The hint that goes with the list of processes.
pub(super) const HINT: &str =
    "Wait until they are done, or end one with `select pg_terminate_backend(PROCESS)`; then run again.";

/// Describes the processes that hold locks on the relations with these OIDs, one sentence each, at
/// most 20; those that have been at it longest come first. Never includes their queries, which may
/// hold values.
pub(super) async fn blockers(pool: &Arc<Pool>, relations: &[u32]) -> Result<Vec<String>> {
    // A transaction that was left open is measured from when it became idle, a running
    // query from its start.
    let sql = "select l.pid, coalesce(a.application_name, ''), coalesce(a.usename::text, ''), coalesce(a.state, ''), \
               extract(epoch from clock_timestamp() - \
               case when a.state like 'idle%' then a.state_change else a.query_start end)::float8 \
               from (select distinct pid from pg_catalog.pg_locks where locktype = 'relation' and relation = any($1) and granted \
                     and database = (select oid from pg_catalog.pg_database where datname = current_database()) \
                     and pid is distinct from pg_backend_pid()) l \
               left join pg_catalog.pg_stat_activity a on a.pid = l.pid order by 5 desc nulls last, 1 limit 20";
    let purpose = Purpose { route: Route::Direct, ..Purpose::question(Duration::from_secs(10)) };
    let mut session = Session::begin(pool, purpose).await?;
    let rows = session.catalog(sql, &[(&relations, Type::OID_ARRAY)]).await;
    let rows = session.end(rows).await?;
    let sentence = |row: &tokio_postgres::Row| {
        let pid: Option<i32> = row.try_get(0).ok()?;
        // `pg_locks` has no process for the locks of a prepared transaction.
        let Some(pid) = pid else { return Some("a prepared transaction holds a lock".to_owned()) };
        let text = |at: usize| row.try_get::<_, String>(at).unwrap_or_default();
        let (application, user, state) = (text(1), text(2), text(3));
        let who: Vec<String> = [("", application), ("of ", user)]
            .into_iter()
            .filter(|(_, name)| !name.is_empty())
            .map(|(word, name)| format!("{word}`{}`", name.replace('`', "'")))
            .collect();
        let who = if who.is_empty() { String::new() } else { format!(" ({})", who.join(" ")) };
        let age: Option<f64> = row.try_get(4).ok().flatten();
        let age = age.map(|seconds| format!(" for {seconds:.1} s")).unwrap_or_default();
        let what = match state.as_str() {
            "active" => format!("has run a query{age}"),
            state if state.starts_with("idle in transaction") => format!("has left a transaction open{age}"),
            _ => "reads what is published".to_owned(),
        };
        Some(format!("process {pid}{who} {what}"))
    };
    Ok(rows.iter().filter_map(sentence).collect())
}

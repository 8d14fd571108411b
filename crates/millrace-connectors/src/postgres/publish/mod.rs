//! Publishing: all names in one transaction, while people read.
//!
//! Whoever reads a view holds a lock on it until their transaction ends, so repointing waits for them, and they wait for it. Two names
//! taken in another order than a reader takes them are a deadlock, whose victim may be the reader. So readers are first kept out of
//! all views that change, and a try gives up before the server would look for deadlocks (`deadlock_timeout`): those who wait for it
//! then go on. After a pause it tries again, until the time is over. What is locked are the views alone: `lock table` would take the
//! tables below them too, and hold up those who read a former publication there.

mod blockers;
mod changes;
mod present;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use changes::{Changes, Locked, changes};
use millrace_core::name::Ident;
use millrace_engine::error::{ErrorKind, Result};
use millrace_engine::fault;
use millrace_engine::ports::warehouse::{PublishOutcome, PublishRequest};
use tokio::time::{Instant, sleep};
use tokio_postgres::types::Type;

use super::connect::jitter;
use super::load::ensure_schema;
use super::pool::Pool;
use super::session::{Purpose, Session, literal};

/// How long a first try waits for a lock, in milliseconds.
const FIRST: u64 = 20;
/// How long a try may hold readers up at most.
const LONGEST: u64 = 800;

/// Milliseconds that a try waits for each lock: 20, 40, 20, 80, 20, 40, 20, 160 and so on. Where readers take two names in both orders,
/// waiting longer is of no use, since each waits for the other: many short tries find the gap. Where one reads for long, a long
/// one does.
fn wait(tries: u32) -> u64 {
    FIRST << tries.trailing_zeros().min(10)
}

/// What came of one try.
enum Tried {
    Published,
    Blocked(Changes),
    /// Readers of these were in the way.
    InTheWay(Vec<u32>),
}

pub(super) async fn publish(pool: &Arc<Pool>, request: &PublishRequest) -> Result<PublishOutcome> {
    let deadline = Instant::now() + request.budget;
    let purpose = Purpose::WORK.within(Some(request.budget.max(Duration::from_secs(10))));
    let longest = ready(pool, purpose, request).await?;
    let mut by = Vec::new();
    for tries in 1.. {
        let mut session = Session::begin(pool, purpose).await?;
        let tried = one_try(&mut session, request, wait(tries).min(longest), longest).await;
        let oids = match tried {
            Ok(Tried::Published) => {
                fault::reach("publish-not-committed");
                session.end(Ok(())).await?;
                return Ok(PublishOutcome::Published { tries });
            }
            Ok(Tried::Blocked(found)) => {
                session.undo().await;
                let hint = found.hint.unwrap_or_default().to_owned();
                return Ok(PublishOutcome::Blocked { by: found.blocked, hint });
            }
            Ok(Tried::InTheWay(oids)) => oids,
            Err(error) => return session.end(Err(error)).await,
        };
        session.undo().await;
        let found = blockers::blockers(pool, &oids).await?;
        if !found.is_empty() {
            by = found;
        }
        let pause = Duration::from_millis(10 + jitter(50));
        if Instant::now() + pause + Duration::from_millis(longest) >= deadline {
            break;
        }
        sleep(pause).await;
    }
    if by.is_empty() {
        by.push("readers that come and go, whose processes could not be seen".to_owned());
    }
    Ok(PublishOutcome::Blocked { by, hint: blockers::HINT.to_owned() })
}

/// Makes the schemas that are missing. Gives the milliseconds that readers may be held up: below the time after which the server looks
/// for deadlocks and ends one of those in it.
async fn ready(pool: &Arc<Pool>, purpose: Purpose, request: &PublishRequest) -> Result<u64> {
    let schemas: BTreeSet<&str> = request.views.iter().map(|view| view.view.schema.as_str()).collect();
    let names: Vec<&str> = schemas.into_iter().collect();
    let mut session = Session::begin(pool, purpose).await?;
    let sql = "select (select setting::int8 from pg_catalog.pg_settings where name = 'deadlock_timeout'), \
               array(select * from unnest($1::text[]) except select nspname from pg_catalog.pg_namespace)";
    let rows = session.catalog(sql, &[(&names, Type::TEXT_ARRAY)]).await;
    let rows = session.end(rows).await?;
    let row = rows.first();
    let missing: Vec<String> = row.and_then(|row| row.try_get(1).ok()).unwrap_or_default();
    for schema in missing {
        ensure_schema(pool, purpose, &schema).await?;
    }
    let deadlock: Option<i64> = row.and_then(|row| row.try_get(0).ok().flatten());
    Ok((deadlock.unwrap_or(1_000).unsigned_abs() * 4 / 5).clamp(1, LONGEST))
}

async fn one_try(session: &mut Session, request: &PublishRequest, wait: u64, longest: u64) -> Result<Tried> {
    // Looked up before anybody is held up, for what is in the way for good; then again, when nothing can change any more.
    let found = look(session, request).await?;
    if !found.blocked.is_empty() {
        return Ok(Tried::Blocked(found));
    }
    if !found.locked.is_empty() {
        let locked = session.batch(&lock_sql(&found.locked, wait, longest)).await;
        if let Err(error) = locked {
            let readers = matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Cancelled);
            return if readers || session.is_conflict() {
                Ok(Tried::InTheWay(oids(&found)))
            } else {
                Err(error)
            };
        }
    }
    let again = look(session, request).await?;
    if !again.blocked.is_empty() {
        return Ok(Tried::Blocked(again));
    }
    if again.locked != found.locked {
        // Somebody has changed a view in between: it would be touched without having been locked first.
        return Ok(Tried::InTheWay(oids(&again)));
    }
    match repoint(session, request, &again).await {
        Ok(()) => Ok(Tried::Published),
        // Not a reader: another transaction of this run, which renews its lease perhaps.
        Err(error) if error.kind() == ErrorKind::TimedOut || session.is_conflict() => {
            Ok(Tried::InTheWay(oids(&again)))
        }
        Err(error) => Err(error),
    }
}

async fn repoint(session: &mut Session, request: &PublishRequest, changes: &Changes) -> Result<()> {
    if !changes.sql.is_empty() {
        session.batch(&changes.sql.join(";\n")).await?;
    }
    for statement in &request.record {
        session.execute(statement).await?;
    }
    Ok(())
}

async fn look(session: &mut Session, request: &PublishRequest) -> Result<Changes> {
    let views = request.views.iter().flat_map(|view| [&view.view, &view.target]);
    let present = present::look_up(session, views.chain(&request.before)).await?;
    changes(request, &present)
}

fn oids(changes: &Changes) -> Vec<u32> {
    changes.locked.iter().map(|locked| locked.oid).collect()
}

/// Locks views, in the order of their names, in one statement that takes at most `longest` milliseconds in all and waits at most
/// `wait` for each. To give a view the owner that it has changes nothing and takes the lock that repointing needs.
fn lock_sql(locked: &[Locked], wait: u64, longest: u64) -> String {
    let each = locked.iter().map(|Locked { view, owner, .. }| {
        let sql = format!("alter view {view} owner to {}", Ident::new(owner));
        format!("execute {};", literal(&sql))
    });
    let body = format!("begin {} end", each.collect::<Vec<_>>().join(" "));
    format!(
        "set local lock_timeout = {wait}; set local statement_timeout = {longest}; do {}; set local statement_timeout = 0; \
         set local lock_timeout = {longest}",
        literal(&body)
    )
}

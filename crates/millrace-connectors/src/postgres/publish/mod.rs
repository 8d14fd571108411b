//! Publishes all names in one transaction, while readers keep reading.
//!
//! A reader holds a lock on each view that it has read until its transaction ends. Replacing a view
//! waits for those locks, and readers that come later wait behind it. If a publish and a reader
//! lock two names in different orders, they deadlock, and the server may end the reader.
//!
//! Therefore each try works as follows:
//!
//! 1. It first locks all views that will change, before it changes any.
//! 2. It gives up before the server would look for deadlocks (`deadlock_timeout`), so that the
//!    readers waiting for it continue without an error.
//! 3. After a short pause the next try begins, until the budget of the request is used up.
//!
//! Only the views are locked. `LOCK TABLE` on a view would also lock the tables below it, and hold
//! up readers of an earlier publication there.

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

/// How long the first try waits for each lock, in milliseconds.
const FIRST: u64 = 20;
/// How long one try may hold up readers at most, in milliseconds.
const LONGEST: u64 = 800;

/// How many milliseconds a try waits for each lock: 20, 40, 20, 80, 20, 40, 20, 160 and so on. If
/// readers lock two names in both orders, waiting longer is of no use, because each waits for the
/// other; many short tries find a gap between them. If one reader reads for long, only a long wait
/// gets through.
fn wait(tries: u32) -> u64 {
    FIRST << tries.trailing_zeros().min(10)
}

/// The result of one try.
enum Tried {
    /// Everything is done and can be committed.
    Published,
    /// Relations of somebody else are in the way, so no further try can succeed.
    Blocked(Changes),
    /// Readers, or another transaction, held locks on the views with these OIDs.
    InTheWay(Vec<u32>),
}

/// Publishes, with as many tries as the budget allows. Returns `Blocked` with the processes in the
/// way if readers held on until the end.
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

/// Creates the missing schemas. Returns how many milliseconds a try may hold up readers: four
/// fifths of `deadlock_timeout`, after which the server looks for deadlocks and ends one of the
/// transactions in it.
async fn ready(pool: &Arc<Pool>, purpose: Purpose, request: &PublishRequest) -> Result<u64> {
    let schemas: BTreeSet<&str> = request.views.iter().map(|view| view.view.schema.as_str()).collect();
    let names: Vec<&str> = schemas.into_iter().collect();
    // Both are read in one query: the setting in milliseconds, and the names without a schema.
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

/// One try in an open transaction: looks up what exists, locks the views that change, checks that
/// nothing changed meanwhile, and changes them. The caller commits or rolls back.
async fn one_try(session: &mut Session, request: &PublishRequest, wait: u64, longest: u64) -> Result<Tried> {
    // The first look-up finds permanent obstacles before any reader is held up. The second one runs
    // under the locks, when nothing can change any more.
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
        // Somebody changed a view in between. A change now would touch a view that was not locked
        // first.
        return Ok(Tried::InTheWay(oids(&again)));
    }
    match repoint(session, request, &again).await {
        Ok(()) => Ok(Tried::Published),
        // The conflict is with another transaction of this run, such as one that renews its lease.
        Err(error) if error.kind() == ErrorKind::TimedOut || session.is_conflict() => {
            Ok(Tried::InTheWay(oids(&again)))
        }
        Err(error) => Err(error),
    }
}

/// Runs the statements that change the views, then those that record the publication.
async fn repoint(session: &mut Session, request: &PublishRequest, changes: &Changes) -> Result<()> {
    if !changes.sql.is_empty() {
        session.batch(&changes.sql.join(";\n")).await?;
    }
    for statement in &request.record {
        session.execute(statement).await?;
    }
    Ok(())
}

/// Looks up the current state of all names and works out the changes.
async fn look(session: &mut Session, request: &PublishRequest) -> Result<Changes> {
    let views = request.views.iter().flat_map(|view| [&view.view, &view.target]);
    let present = present::look_up(session, views.chain(&request.before)).await?;
    changes(request, &present)
}

/// The OIDs of the views to lock.
fn oids(changes: &Changes) -> Vec<u32> {
    changes.locked.iter().map(|locked| locked.oid).collect()
}

/// The statements that lock the views, in the order of their names. They take at most `longest`
/// milliseconds in all and wait at most `wait` milliseconds for each lock. Setting a view's owner
/// to its present owner changes nothing and takes the lock that replacing the view needs.
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

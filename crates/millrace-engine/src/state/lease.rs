//! The lease of a warehouse: one run at a time, across processes and machines.
//!
//! The table `lease` has one row. A run holds it together with a fence, a fencing token that grows
//! with each holder. Each transaction of the run ends with a guard, an update of that row that must
//! touch exactly one row. A run that was considered dead and comes back therefore writes nothing:
//! its fence is outdated, and the guard rolls its transaction back. The lease needs no session, so
//! it works through connection poolers.
//!
//! Times are compared in SQL with the warehouse's clock, never with clocks of machines.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use millrace_core::value::Value;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::error::{Error, ErrorKind, Result};
use crate::ports::warehouse::{QueryLimits, Statement, Warehouse};
use crate::state::{State, Tables};

/// Term of a lease in seconds: how long after the last renewal another run may take over.
const TERM_SECONDS: u32 = 30;
/// Interval of renewals, and the timeout of each.
const SIGN: Duration = Duration::from_secs(8);
/// Polling interval of a run that waits for the lease.
const LOOK: Duration = Duration::from_millis(500);

/// The identity of a process, unique across machines and reboots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The scope within which process ids are unique: host, boot, namespace.
    pub machine: String,
    /// The host name, for people.
    pub host: String,
    /// The process id.
    pub process: u32,
    /// When the process started, in any clock of the system. It tells processes apart that got the
    /// same id one after the other.
    pub started: String,
}

/// Whether the process of a holder on this machine is gone. Must return false if that is unknown.
pub type IsGone = fn(&Holder) -> bool;

/// The right of one run to change the warehouse. When all clones are dropped, the next run of this
/// process need not wait for the lease, even if the release never reached the warehouse.
#[derive(Debug, Clone)]
pub struct Lease {
    run: String,
    fence: i64,
    tables: Tables,
    _live: Arc<Live>,
}

/// Ids of the runs of this process that hold a lease or try to take one. A lease that the table
/// gives to this process is void if its run is not among them.
static LIVE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// An entry of [`LIVE`], removed on drop.
#[derive(Debug)]
struct Live(String);

impl Live {
    fn new(run: &str) -> Self {
        LIVE.lock().unwrap_or_else(PoisonError::into_inner).insert(run.to_owned());
        Self(run.to_owned())
    }

    fn is(run: &str) -> bool {
        LIVE.lock().unwrap_or_else(PoisonError::into_inner).contains(run)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        LIVE.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

impl Lease {
    /// The fencing token. It grows with each lease of the warehouse and is part of the names of
    /// tables that the run creates.
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// The guard: the last statement of each transaction of this run. It touches no row once
    /// another run has taken over, and so rolls the transaction back.
    pub fn guard(&self) -> Statement {
        let sql =
            format!("update {} set run = run where name = 'run' and fence = $1 and run = $2", self.table());
        Statement::guard(sql, [Value::Int(self.fence.into()), Value::text(&self.run)])
    }

    /// The statement that gives the lease back. Does nothing if another run holds it.
    pub fn release(&self) -> Statement {
        let sql = format!(
            "update {} set run = null, holder = null, expires_at = null where name = 'run' and fence = $1 and run = $2",
            self.table()
        );
        Statement::with(sql, [Value::Int(self.fence.into()), Value::text(&self.run)])
    }

    /// The statement that extends the lease by one term; fails as a guard if another run holds it.
    fn renewal(&self) -> Statement {
        let sql = format!(
            "update {} set expires_at = now() + interval '{TERM_SECONDS} seconds' where name = 'run' and fence = $1 and run = $2",
            self.table()
        );
        Statement::guard(sql, [Value::Int(self.fence.into()), Value::text(&self.run)])
    }

    fn table(&self) -> String {
        self.tables.table("lease")
    }

    /// Starts the renewal of the lease, which lasts until the returned object is dropped. Returns
    /// `None` if the warehouse is exclusive: nobody else could take the lease, so it does not
    /// expire.
    pub fn keep(&self, warehouse: Arc<dyn Warehouse>) -> Option<Keeper> {
        if warehouse.is_exclusive() {
            return None;
        }
        let renewal = self.renewal();
        Some(Keeper(tokio::spawn(async move {
            loop {
                sleep(SIGN).await;
                // A failure needs no handling here, because the guard of the next transaction
                // detects a lost lease. The timeout keeps a hanging renewal from delaying the next
                // one.
                let _ = timeout(SIGN, warehouse.transact(std::slice::from_ref(&renewal))).await;
            }
        })))
    }
}

/// The task that renews a lease; dropping it ends the renewal.
#[derive(Debug)]
pub struct Keeper(JoinHandle<()>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A lease that is held.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The id of the run that holds it.
    pub run: String,
    /// The process of that run; `None` if the record cannot be parsed.
    pub holder: Option<Holder>,
    /// Seconds until it expires; negative if it has expired.
    pub seconds_left: i64,
    fence: i64,
}

impl State<'_> {
    /// The lease as it is held at present; `None` if it is free.
    pub async fn lease(&self) -> Result<Option<Held>> {
        let sql = format!(
            "select fence, run, holder, cast(floor(extract(epoch from expires_at - now())) as bigint) as left_over from {} \
             where name = 'run' and run is not null",
            self.tables().table("lease")
        );
        let rows = self.warehouse().query(&Statement::new(sql), QueryLimits::STATE).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let row = rows.row(0);
        let number = |at: usize| row[at].as_int().unwrap_or_default() as i64;
        Ok(Some(Held {
            run: row[1].as_str().unwrap_or_default().to_owned(),
            holder: row[2].as_str().and_then(|text| serde_json::from_str(text).ok()),
            seconds_left: number(3),
            fence: number(0),
        }))
    }

    /// Takes the lease for a run. Waits up to `wait` while another run holds it, and calls
    /// `waiting` once with that run. Fails with `RunUnderWay` after that. May be retried after a
    /// lost connection: a lease that the lost attempt took is recognized.
    pub async fn take_lease(
        &self,
        run: &str,
        holder: &Holder,
        is_gone: IsGone,
        wait: Duration,
        mut waiting: impl FnMut(&Held),
    ) -> Result<Lease> {
        let started = Instant::now();
        let live = Arc::new(Live::new(run));
        let mut told = false;
        loop {
            let held = self.lease().await?;
            if let Some(own) = held.as_ref().filter(|held| held.run == run) {
                // An earlier attempt took it, but the answer to its commit was lost.
                let (run, tables) = (run.to_owned(), self.tables().clone());
                return Ok(Lease { run, fence: own.fence, tables, _live: live });
            }
            // The holder's process is known to be gone, so its term need not be waited for.
            let gone = held.as_ref().filter(|held| self.is_over(held, holder, is_gone));
            if self.try_lease(run, holder, gone.map_or(-1, |held| held.fence)).await? {
                // The fence is read back because `transact` returns only the number of touched
                // rows.
                let sql = format!(
                    "select fence from {} where name = 'run' and run = $1",
                    self.tables().table("lease")
                );
                let fence = self.number(&Statement::with(sql, [Value::text(run)])).await?;
                let fence =
                    fence.ok_or_else(|| Error::new(ErrorKind::RunUnderWay, "another run was quicker"))?;
                let (run, tables) = (run.to_owned(), self.tables().clone());
                return Ok(Lease { run, fence: fence as i64, tables, _live: live });
            }
            // Nobody held it a moment ago, so another run took or released it in between: look
            // again.
            let Some(held) = held else { continue };
            if started.elapsed() >= wait {
                return Err(under_way(&held, self.warehouse().is_exclusive()));
            }
            if !told {
                waiting(&held);
                told = true;
            }
            sleep(LOOK).await;
        }
    }

    /// Whether a held lease is void although its term has not ended: it belongs to a finished run
    /// of this process, the warehouse is exclusive (then any other process is gone), or its process
    /// on this machine is gone.
    fn is_over(&self, held: &Held, holder: &Holder, is_gone: IsGone) -> bool {
        match &held.holder {
            Some(other) if other == holder => !Live::is(&held.run),
            Some(_) if self.warehouse().is_exclusive() => true,
            Some(other) => other.machine == holder.machine && is_gone(other),
            None => false,
        }
    }

    /// Tries once to take the lease, in one statement, so that of several runs only one succeeds.
    /// `gone` is the fence of a lease known to be void, or -1, which is no fence.
    async fn try_lease(&self, run: &str, holder: &Holder, gone: i64) -> Result<bool> {
        let holder = serde_json::to_string(holder).map_err(|error| {
            Error::new(ErrorKind::Internal, "a holder cannot be written").caused_by(error)
        })?;
        // In an exclusive warehouse leases are not renewed and must not expire while their process
        // lives.
        let expired = if self.warehouse().is_exclusive() { "" } else { "expires_at < now() or " };
        let sql = format!(
            "update {} set fence = fence + 1, run = $1, holder = $2, taken_at = now(), \
             expires_at = now() + interval '{TERM_SECONDS} seconds' \
             where name = 'run' and (run is null or {expired}fence = $3)",
            self.tables().table("lease")
        );
        let values = [Value::text(run), Value::Text(holder), Value::Int(gone.into())];
        let touched = self.warehouse().transact(&[Statement::with(sql, values)]).await?;
        Ok(touched == [1])
    }

    /// The statement that releases a lease for a run that was cancelled while it tried to take one.
    /// It needs no fence, which such a run does not know.
    pub(crate) fn abandon_lease(&self, run: &str) -> Statement {
        let lease = self.tables().table("lease");
        let sql = format!(
            "update {lease} set run = null, holder = null, expires_at = null where name = 'run' and run = $1"
        );
        Statement::with(sql, [Value::text(run)])
    }
}

/// The error for a run that waited in vain. If the other run has missed two renewals, the hint says
/// when it can be replaced.
fn under_way(held: &Held, exclusive: bool) -> Error {
    let who =
        held.holder.as_ref().map(|holder| format!(" (process {} on `{}`)", holder.process, holder.host));
    let message = format!("run `{}`{} is under way", held.run, who.unwrap_or_default());
    let error = Error::new(ErrorKind::RunUnderWay, message);
    match held.seconds_left {
        left if !exclusive && left < i64::from(TERM_SECONDS) - 2 * SIGN.as_secs() as i64 => {
            error.hint(format!(
                "It has given no sign of life for {} s; once {} s have gone by, `millrace run` takes over.",
                i64::from(TERM_SECONDS) - left,
                TERM_SECONDS
            ))
        }
        _ => error,
    }
}

//! One run at a time in a warehouse, across processes and machines.
//!
//! A run holds the one row of the table `lease` and a fence, a number that grows with each holder. Each of its transactions ends with
//! a guard, an update of that row that must touch exactly one: a run that was taken for dead and comes back writes nothing more,
//! because its fence is an old one. Nothing of a session is needed, so it works through a connection pooler.

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

/// Seconds without a sign of life after which another run may take over.
const TERM_SECONDS: u32 = 30;
/// How often a run gives a sign of life.
const SIGN: Duration = Duration::from_secs(8);
/// How often a run that waits looks again.
const LOOK: Duration = Duration::from_millis(500);

/// A process, told apart from all others of the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The machine, as far as process numbers have a meaning: host, boot, namespace.
    pub machine: String,
    /// Name of the machine, for people.
    pub host: String,
    /// Process number.
    pub process: u32,
    /// When the process started, in whatever clock the system has for it: tells apart processes of one number.
    pub started: String,
}

/// Says of a holder on this machine whether its process is gone. False also where that cannot be known.
pub type IsGone = fn(&Holder) -> bool;

/// The right of one run to change the warehouse. Once all copies are dropped, the next run of this process need not wait for it, even
/// where it could not be given back.
#[derive(Debug, Clone)]
pub struct Lease {
    run: String,
    fence: i64,
    tables: Tables,
    _live: Arc<Live>,
}

/// Runs of this process that have the lease of some warehouse, or are about to have it.
static LIVE: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// One of them, while this exists.
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
    /// Grows with each lease of a warehouse; part of the names of what the run makes.
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// The last statement of a transaction of this run: touches nothing, and so undoes it, once another run has taken over.
    pub fn guard(&self) -> Statement {
        let sql =
            format!("update {} set run = run where name = 'run' and fence = $1 and run = $2", self.table());
        Statement::guard(sql, [Value::Int(self.fence.into()), Value::text(&self.run)])
    }

    /// Gives the lease back, where this run still has it.
    pub fn release(&self) -> Statement {
        let sql = format!(
            "update {} set run = null, holder = null, expires_at = null where name = 'run' and fence = $1 and run = $2",
            self.table()
        );
        Statement::with(sql, [Value::Int(self.fence.into()), Value::text(&self.run)])
    }

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

    /// Renews the lease until the returned task is dropped. A warehouse that no other process can have needs none of it.
    pub fn keep(&self, warehouse: Arc<dyn Warehouse>) -> Option<Keeper> {
        if warehouse.is_exclusive() {
            return None;
        }
        let renewal = self.renewal();
        Some(Keeper(tokio::spawn(async move {
            loop {
                sleep(SIGN).await;
                // Where it fails, the guard of the next transaction tells. One that gets no answer is not waited for.
                let _ = timeout(SIGN, warehouse.transact(std::slice::from_ref(&renewal))).await;
            }
        })))
    }
}

/// Ends the renewal when it is dropped.
#[derive(Debug)]
pub struct Keeper(JoinHandle<()>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The run.
    pub run: String,
    /// Its process; none where the record cannot be read.
    pub holder: Option<Holder>,
    /// Seconds until it may be taken over; negative when that time has come.
    pub seconds_left: i64,
    fence: i64,
}

impl State<'_> {
    /// Who holds the lease now.
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

    /// Takes the lease for a run, waiting for another one up to `wait`. `waiting` is told once for whom.
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
                // Taken by an earlier try, whose answer was lost.
                let (run, tables) = (run.to_owned(), self.tables().clone());
                return Ok(Lease { run, fence: own.fence, tables, _live: live });
            }
            // A lease of a process that is surely gone need not run out first.
            let gone = held.as_ref().filter(|held| self.is_over(held, holder, is_gone));
            if self.try_lease(run, holder, gone.map_or(-1, |held| held.fence)).await? {
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

    fn is_over(&self, held: &Held, holder: &Holder, is_gone: IsGone) -> bool {
        match &held.holder {
            Some(other) if other == holder => !Live::is(&held.run),
            Some(_) if self.warehouse().is_exclusive() => true,
            Some(other) => other.machine == holder.machine && is_gone(other),
            None => false,
        }
    }

    async fn try_lease(&self, run: &str, holder: &Holder, gone: i64) -> Result<bool> {
        let holder = serde_json::to_string(holder).map_err(|error| {
            Error::new(ErrorKind::Internal, "a holder cannot be written").caused_by(error)
        })?;
        // Where nobody else can be, a lease is not renewed and does not run out: the process has it until it gives it back.
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

    /// Gives back what a run may have taken that was stopped while it took it.
    pub(crate) fn abandon_lease(&self, run: &str) -> Statement {
        let lease = self.tables().table("lease");
        let sql = format!(
            "update {lease} set run = null, holder = null, expires_at = null where name = 'run' and run = $1"
        );
        Statement::with(sql, [Value::text(run)])
    }
}

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

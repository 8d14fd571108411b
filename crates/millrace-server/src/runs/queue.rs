//! The queue of a server's runs and rollbacks. One at a time holds the permit to change the
//! warehouse.
//!
//! The permit is a semaphore of this process. Beside it, the run takes the warehouse's lease, which
//! excludes other processes. The queue also owns the tasks of all runs and rollbacks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use millrace_engine::cancel::Cancel;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::run::rfc3339;
use millrace_engine::state::trigger::Trigger;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// A run or rollback in progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    /// Id of the run; `None` for a rollback, and until the run has read the project and taken its
    /// lease.
    pub run: Option<String>,
    /// What started the run; `None` for a rollback.
    pub trigger: Option<Trigger>,
    /// When it took the permit.
    pub since: Timestamp,
}

impl UnderWay {
    /// A name for messages: `run …`, `a run that begins` or `a rollback`.
    pub(super) fn name(&self) -> String {
        match (&self.run, &self.trigger) {
            (Some(run), _) => format!("run {run}"),
            (None, None) => "a rollback".to_owned(),
            (None, Some(_)) => "a run that begins".to_owned(),
        }
    }
}

/// The queue of one server.
pub(crate) struct RunQueue {
    /// The single permit.
    slot: Arc<Semaphore>,
    /// Who holds the permit.
    under_way: Mutex<Option<UnderWay>>,
    pending: Mutex<PendingRuns>,
}

/// Runs and rollbacks that were requested and have not ended.
#[derive(Default)]
pub(super) struct PendingRuns {
    last_ticket: u64,
    /// How to cancel each run, by ticket. Rollbacks are not among them: they run to their end.
    pub(super) cancels: BTreeMap<u64, Cancel>,
    pub(super) tasks: JoinSet<()>,
    /// Whether the server is stopping; then nothing more begins.
    pub(super) closed: bool,
}

impl PendingRuns {
    /// A number that no other request of this process has.
    pub(super) fn ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// Spawns a task into the set that owns it, and drops the results of tasks that have ended.
    pub(super) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(task);
    }
}

impl Default for RunQueue {
    fn default() -> Self {
        Self { slot: Arc::new(Semaphore::new(1)), under_way: Mutex::default(), pending: Mutex::default() }
    }
}

impl RunQueue {
    /// Who holds the permit; locked.
    pub(super) fn under_way(&self) -> MutexGuard<'_, Option<UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was requested and has not ended; locked.
    pub(super) fn pending(&self) -> MutexGuard<'_, PendingRuns> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The permit to change the warehouse. Dropping it lets the next one in.
pub(super) struct RunPermit {
    queue: Arc<RunQueue>,
    /// What is left of the time to wait; the wait for the lease may use it.
    pub(super) left: Duration,
    permit: Option<OwnedSemaphorePermit>,
}

impl RunPermit {
    /// Waits for the permit for at most `wait`, then fails with `RunUnderWay`. If it has to wait,
    /// it calls `waiting` once with the current holder. `trigger` is `None` for a rollback.
    pub(super) async fn take(
        queue: &Arc<RunQueue>,
        trigger: Option<Trigger>,
        wait: Duration,
        waiting: impl FnOnce(&UnderWay),
    ) -> Result<Self> {
        let started = Instant::now();
        let permit = match Arc::clone(&queue.slot).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                let other = queue.under_way().clone();
                if let Some(other) = other.as_ref().filter(|_| !wait.is_zero()) {
                    waiting(other);
                }
                match timeout(wait, Arc::clone(&queue.slot).acquire_owned()).await {
                    Ok(Ok(permit)) => permit,
                    _ => return Err(taken(queue.under_way().clone().or(other).as_ref())),
                }
            }
        };
        *queue.under_way() = Some(UnderWay { run: None, trigger, since: Timestamp::now() });
        let left = wait.saturating_sub(started.elapsed());
        Ok(Self { queue: Arc::clone(queue), left, permit: Some(permit) })
    }
}

impl Drop for RunPermit {
    fn drop(&mut self) {
        // Before the permit goes: afterwards the next holder may already have set its own value.
        *self.queue.under_way() = None;
        drop(self.permit.take());
    }
}

/// The error for a permit that could not be had in time.
fn taken(other: Option<&UnderWay>) -> Error {
    let message = match other {
        Some(other) => {
            format!("{} is under way in the server, since {}", other.name(), rfc3339(other.since))
        }
        None => "another run is under way in the server".to_owned(),
    };
    Error::new(ErrorKind::RunUnderWay, message)
}

//! The queue of a server's runs: which is under way, which wait. One at a time has the permit to change the warehouse.

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

/// A run that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    /// Its id; none as long as it reads the project.
    pub run: Option<String>,
    /// Why it runs; none for a rollback.
    pub trigger: Option<Trigger>,
    /// Since when.
    pub since: Timestamp,
}

impl UnderWay {
    /// For people: `run …` or `a rollback`.
    pub(super) fn name(&self) -> String {
        match (&self.run, &self.trigger) {
            (Some(run), _) => format!("run {run}"),
            (None, None) => "a rollback".to_owned(),
            (None, Some(_)) => "a run that begins".to_owned(),
        }
    }
}

/// The queue of a server. One run, or rollback, at a time has its permit.
pub(crate) struct RunQueue {
    slot: Arc<Semaphore>,
    under_way: Mutex<Option<UnderWay>>,
    pending: Mutex<PendingRuns>,
}

/// Runs and rollbacks that were asked for and have not ended.
#[derive(Default)]
pub(super) struct PendingRuns {
    last_ticket: u64,
    pub(super) cancels: BTreeMap<u64, Cancel>,
    pub(super) tasks: JoinSet<()>,
    /// The server stops: nothing more begins.
    pub(super) closed: bool,
}

impl PendingRuns {
    /// A number that nobody has.
    pub(super) fn ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// Gives a task its owner, and forgets those that have ended.
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
    pub(super) fn under_way(&self) -> MutexGuard<'_, Option<UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn pending(&self) -> MutexGuard<'_, PendingRuns> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to change the warehouse; ends with the value.
pub(super) struct RunPermit {
    queue: Arc<RunQueue>,
    /// What is left of the time to wait.
    pub(super) left: Duration,
    permit: Option<OwnedSemaphorePermit>,
}

impl RunPermit {
    /// Waits for the permit; `waiting` is told once of who has it. Fails with `RunUnderWay` when `wait` is over.
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
        *self.queue.under_way() = None;
        drop(self.permit.take());
    }
}

fn taken(other: Option<&UnderWay>) -> Error {
    let message = match other {
        Some(other) => {
            format!("{} is under way in the server, since {}", other.name(), rfc3339(other.since))
        }
        None => "another run is under way in the server".to_owned(),
    };
    Error::new(ErrorKind::RunUnderWay, message)
}

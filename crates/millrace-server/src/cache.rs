//! Results by data version, statement and parameters. What is published never changes, so nothing in here grows stale.

use std::collections::HashMap;
use std::mem::size_of;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millrace_core::value::Value;
use millrace_engine::error::Result;
use millrace_engine::warehouse::{QueryLimits, Rows, Statement, Warehouse};
use tokio::sync::{OnceCell, Semaphore};

/// What one query of a reader may take.
const LIMITS: QueryLimits = QueryLimits { rows: 100_000, time: Duration::from_secs(30) };
/// Queries of readers that the warehouse works on at the same time; the others wait, with their time not yet running.
const AT_ONCE: usize = 8;

/// Results of queries, bounded in bytes; the ones used longest ago go first.
pub(crate) struct Cache {
    entries: Mutex<Entries>,
    slots: Semaphore,
    asked: AtomicU64,
}

type Answer = Arc<OnceCell<Arc<Rows>>>;

struct Entries {
    version: u64,
    by_key: HashMap<Key, Entry>,
    bytes: usize,
    most_bytes: usize,
    clock: u64,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    version: u64,
    sql: String,
    params: String,
}

struct Entry {
    answer: Answer,
    /// Zero while the query runs.
    bytes: usize,
    used: u64,
}

impl Cache {
    /// A cache of at most that many bytes.
    pub(crate) fn new(most_bytes: usize) -> Self {
        let entries = Entries { version: 0, by_key: HashMap::new(), bytes: 0, most_bytes, clock: 0 };
        Self { entries: Mutex::new(entries), slots: Semaphore::new(AT_ONCE), asked: AtomicU64::new(0) }
    }

    /// Number of queries that went to the warehouse.
    pub(crate) fn queries(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// The result of a statement over a data version. Whoever asks the same at the same time waits for one query; where that
    /// fails or its asker goes away, the next one asks again.
    pub(crate) async fn query(
        &self,
        warehouse: &dyn Warehouse,
        version: u64,
        statement: &Statement,
    ) -> Result<Arc<Rows>> {
        let key = Key { version, sql: statement.sql.clone(), params: format!("{:?}", statement.params) };
        let answer = self.entries().answer(&key);
        let ask = || async {
            // The semaphore is never closed; without a permit the query would only lack its bound.
            let _slot = self.slots.acquire().await.ok();
            self.asked.fetch_add(1, Ordering::Relaxed);
            warehouse.query(statement, LIMITS).await.map(Arc::new)
        };
        let rows = Arc::clone(answer.get_or_try_init(ask).await?);
        self.entries().keep(&key, &answer, bytes_of(&rows) + key.sql.len() + key.params.len());
        Ok(rows)
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn answer(&mut self, key: &Key) -> Answer {
        self.clock += 1;
        if key.version > self.version {
            self.version = key.version;
            self.by_key.clear();
            self.bytes = 0;
        }
        let fresh = || Entry { answer: Answer::default(), bytes: 0, used: 0 };
        let entry = self.by_key.entry(key.clone()).or_insert_with(fresh);
        entry.used = self.clock;
        Arc::clone(&entry.answer)
    }

    /// Counts a result that has come, and makes room for it.
    fn keep(&mut self, key: &Key, answer: &Answer, bytes: usize) {
        match self.by_key.get_mut(key) {
            Some(entry) if entry.bytes == 0 && Arc::ptr_eq(&entry.answer, answer) => entry.bytes = bytes,
            _ => return,
        }
        self.bytes += bytes;
        while self.bytes > self.most_bytes {
            let complete = self.by_key.iter().filter(|(_, entry)| entry.bytes > 0);
            let Some(oldest) = complete.min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone())
            else {
                break;
            };
            if let Some(gone) = self.by_key.remove(&oldest) {
                self.bytes -= gone.bytes;
            }
        }
        // A page that still reads an older version must not leave its results behind; nobody will ask for them again.
        let version = self.version;
        let (mut freed, clock) = (0, self.clock);
        self.by_key.retain(|key, entry| {
            // Queries that failed or were given up leave an empty entry; the next thousand requests sweep it away.
            let keep = key.version == version && (entry.bytes > 0 || entry.used + 1_000 > clock);
            freed += if keep { 0 } else { entry.bytes };
            keep
        });
        self.bytes -= freed;
    }
}

/// Bytes that a result takes, nearly.
fn bytes_of(rows: &Rows) -> usize {
    let heap = |value: &Value| match value {
        Value::Text(text) => text.capacity(),
        Value::Bytes(bytes) => bytes.capacity(),
        _ => 0,
    };
    let cells = rows.data.iter().flatten().map(|value| size_of::<Value>() + heap(value)).sum::<usize>();
    cells + rows.columns.iter().map(|column| column.name.len() + 64).sum::<usize>() + 256
}

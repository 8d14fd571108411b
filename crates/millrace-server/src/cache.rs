//! Cache of query results. The cache key is data version, time zone, SQL and parameters.
//!
//! The tables of a data version never change, so an entry never becomes stale. The first query over
//! a newer data version clears the cache. Memory is bounded in bytes, and the least recently used
//! results are evicted first. Requests with the same key share one query; failures are not cached.

use std::collections::HashMap;
use std::mem::size_of;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millrace_core::time_zone::ProjectZone;
use millrace_core::value::Value;
use millrace_engine::error::Result;
use millrace_engine::ports::warehouse::{QueryLimits, Rows, Statement, Warehouse};
use tokio::sync::{OnceCell, Semaphore};

/// Limits of one reader's query.
const LIMITS: QueryLimits = QueryLimits { rows: 100_000, time: Duration::from_secs(30) };
/// How many readers' queries the warehouse runs at the same time. The timeout of a waiting query
/// does not run yet.
const AT_ONCE: usize = 8;

/// The cache of one server.
pub(crate) struct Cache {
    entries: Mutex<Entries>,
    /// Permits for queries.
    slots: Semaphore,
    /// Queries that went to the warehouse.
    asked: AtomicU64,
}

/// The result of one key, empty until its query has succeeded. Shared by all who wait for it.
type Answer = Arc<OnceCell<Arc<Rows>>>;

/// The entries, and what is needed to bound them.
struct Entries {
    /// The newest data version that was queried; results of older ones are not kept.
    version: u64,
    by_key: HashMap<Key, Entry>,
    /// Sum of the entries' `bytes`.
    bytes: usize,
    most_bytes: usize,
    /// Counts look-ups; orders the entries by their last use.
    clock: u64,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    version: u64,
    /// Name of the time zone in which days begin.
    zone: String,
    sql: String,
    /// The `Debug` form, which keeps values of different types apart: `1` is not `"1"`.
    params: String,
}

struct Entry {
    answer: Answer,
    /// Size of the result and its key. Zero while the query runs, and after it has failed.
    bytes: usize,
    /// The clock at the last use.
    used: u64,
}

impl Cache {
    /// An empty cache with a capacity in bytes.
    pub(crate) fn new(most_bytes: usize) -> Self {
        let entries = Entries { version: 0, by_key: HashMap::new(), bytes: 0, most_bytes, clock: 0 };
        Self { entries: Mutex::new(entries), slots: Semaphore::new(AT_ONCE), asked: AtomicU64::new(0) }
    }

    /// Number of queries that went to the warehouse.
    pub(crate) fn queries(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// The result of a statement over a data version, from a warehouse that interprets timestamps
    /// in that zone. Concurrent calls with the same key wait for one query. If that fails or its
    /// caller is dropped, the next waiting call runs the query again.
    pub(crate) async fn query(
        &self,
        (warehouse, zone): (&dyn Warehouse, &ProjectZone),
        version: u64,
        statement: &Statement,
    ) -> Result<Arc<Rows>> {
        let key = Key {
            version,
            zone: zone.name().to_owned(),
            sql: statement.sql.clone(),
            params: format!("{:?}", statement.params),
        };
        let answer = self.entries().answer(&key);
        let ask = || async {
            // Never fails, because the semaphore is never closed. Without a permit, the query would
            // only run beyond the bound.
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
    /// The shared cell of a key, made empty if there is none. A newer data version clears the
    /// cache.
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

    /// Records the size of a result that has arrived, and evicts the least recently used ones until
    /// the bound holds. Does nothing if the result was counted or its entry removed meanwhile.
    fn keep(&mut self, key: &Key, answer: &Answer, bytes: usize) {
        match self.by_key.get_mut(key) {
            Some(entry) if entry.bytes == 0 && Arc::ptr_eq(&entry.answer, answer) => entry.bytes = bytes,
            _ => return,
        }
        self.bytes += bytes;
        self.sweep();
        while self.bytes > self.most_bytes {
            // Evicting an entry whose query still runs would free nothing.
            let complete = self.by_key.iter().filter(|(_, entry)| entry.bytes > 0);
            let Some(oldest) = complete.min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone())
            else {
                break;
            };
            if let Some(gone) = self.by_key.remove(&oldest) {
                self.bytes -= gone.bytes;
            }
        }
    }

    /// Removes results of other data versions, and entries of failed or abandoned queries.
    fn sweep(&mut self) {
        // A page that still reads an older data version must not leave results behind: nobody asks
        // for them again.
        let version = self.version;
        let (mut freed, clock) = (0, self.clock);
        self.by_key.retain(|key, entry| {
            // Failed and abandoned queries leave an empty entry; it is removed after 1,000
            // look-ups.
            let keep = key.version == version && (entry.bytes > 0 || entry.used + 1_000 > clock);
            freed += if keep { 0 } else { entry.bytes };
            keep
        });
        self.bytes -= freed;
    }
}

/// Estimated size of a result in bytes: cells with their heap, and an allowance of 64 bytes for
/// each column and 256 for the whole.
fn bytes_of(rows: &Rows) -> usize {
    let heap = |value: &Value| match value {
        Value::Text(text) => text.capacity(),
        Value::Bytes(bytes) => bytes.capacity(),
        _ => 0,
    };
    let cells = rows.data.iter().flatten().map(|value| size_of::<Value>() + heap(value)).sum::<usize>();
    cells + rows.columns.iter().map(|column| column.name.len() + 64).sum::<usize>() + 256
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use millrace_core::name::Relation;
    use millrace_core::sql::dialect::Dialect;
    use millrace_engine::error::{Error, ErrorKind};
    use millrace_engine::ports::batch::BatchReceiver;
    use millrace_engine::ports::warehouse::{
        FinishLoad, LoadOutcome, LoadRequest, PreparedTable, PublishOutcome, PublishRequest, ResultColumn,
    };

    use super::*;

    /// Answers with a text of 1,000 bytes; fails for the statement `fail`.
    struct Echo;

    #[async_trait]
    impl Warehouse for Echo {
        fn dialect(&self) -> Arc<dyn Dialect> {
            unreachable!("nobody asks")
        }
        async fn version(&self) -> Result<String> {
            Ok(String::new())
        }
        async fn query(&self, statement: &Statement, _: QueryLimits) -> Result<Rows> {
            tokio::task::yield_now().await;
            if statement.sql == "fail" {
                return Err(Error::new(ErrorKind::Sql, "it fails"));
            }
            let column = ResultColumn { name: "c".into(), data_type: None };
            let data = vec![vec![Value::text("x".repeat(1_000))]];
            Ok(Rows { columns: vec![column], data, truncated: false })
        }
        async fn describe(&self, _: &str) -> Result<Vec<ResultColumn>> {
            Ok(Vec::new())
        }
        async fn transact(&self, _: &[Statement]) -> Result<Vec<u64>> {
            Ok(Vec::new())
        }
        async fn load(
            &self,
            _: LoadRequest,
            _: BatchReceiver,
            _: Box<dyn FinishLoad>,
        ) -> Result<LoadOutcome> {
            Ok(LoadOutcome::default())
        }
        fn is_exclusive(&self) -> bool {
            true
        }
        async fn prepare(&self, _: &[PreparedTable]) -> Result<()> {
            Ok(())
        }
        async fn publish(&self, _: &PublishRequest) -> Result<PublishOutcome> {
            Ok(PublishOutcome::Published { tries: 1 })
        }
        async fn retire(&self, _: &[(Relation, bool)]) -> Result<Vec<(Relation, String)>> {
            Ok(Vec::new())
        }
        async fn settle(&self) -> Result<()> {
            Ok(())
        }
    }

    async fn ask(cache: &Cache, version: u64, sql: &str) -> bool {
        cache.query((&Echo, &ProjectZone::default()), version, &Statement::new(sql)).await.is_ok()
    }

    #[tokio::test]
    async fn what_was_used_longest_ago_goes_first() {
        let cache = Cache::new(5_000);
        for sql in ["a", "b", "c"] {
            ask(&cache, 1, sql).await;
        }
        ask(&cache, 1, "a").await;
        assert_eq!(cache.queries(), 3);
        ask(&cache, 1, "d").await;
        assert!(cache.entries().bytes <= 5_000);
        ask(&cache, 1, "a").await;
        assert_eq!(cache.queries(), 4, "used, so kept");
        ask(&cache, 1, "b").await;
        assert_eq!(cache.queries(), 5, "gone");
    }

    #[tokio::test]
    async fn versions_do_not_mix_and_older_ones_are_not_kept() {
        let cache = Cache::new(1 << 20);
        for (version, queries) in [(1, 1), (2, 2), (2, 2), (1, 3), (1, 4), (2, 4)] {
            ask(&cache, version, "a").await;
            assert_eq!(cache.queries(), queries, "version {version}");
        }
        let entries = cache.entries();
        assert_eq!(entries.by_key.len(), 1);
        assert_eq!(entries.bytes, entries.by_key.values().map(|entry| entry.bytes).sum::<usize>());
    }

    #[tokio::test]
    async fn a_result_of_an_older_version_evicts_none_of_this_one() {
        let cache = Cache::new(5_000);
        for sql in ["a", "b", "c"] {
            ask(&cache, 2, sql).await;
        }
        ask(&cache, 1, "d").await;
        for sql in ["a", "b", "c"] {
            ask(&cache, 2, sql).await;
        }
        assert_eq!(cache.queries(), 4);
    }

    #[tokio::test]
    async fn many_who_ask_at_once_cost_one_query_and_failures_are_not_kept() {
        let cache = Cache::new(1 << 20);
        assert_eq!(
            tokio::join!(ask(&cache, 1, "a"), ask(&cache, 1, "a"), ask(&cache, 1, "a")),
            (true, true, true)
        );
        assert_eq!(cache.queries(), 1);
        assert!(!ask(&cache, 1, "fail").await);
        assert!(!ask(&cache, 1, "fail").await);
        assert_eq!(cache.queries(), 3);
    }

    #[tokio::test]
    async fn parameters_are_part_of_the_question() {
        let cache = Cache::new(1 << 20);
        for value in [Value::Int(1), Value::text("1"), Value::Null, Value::Int(1)] {
            let asked =
                cache.query((&Echo, &ProjectZone::default()), 1, &Statement::with("a", [value])).await;
            assert!(asked.is_ok());
        }
        assert_eq!(cache.queries(), 3);
    }
}

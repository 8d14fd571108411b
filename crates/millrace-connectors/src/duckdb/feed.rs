//! Batches as a table that a statement can read: `select * from millrace_feed(7)`.
//!
//! The appender of the C interface keeps what it is given, and runs a small query over it each time
//! that it is full. A table function instead hands rows to DuckDB's pipeline as it asks for them,
//! on several threads at once if the order of the rows does not matter.
//!
//! A statement reads only as long as batches follow each other closely. If the source is slow, the
//! statement ends, so that no thread of DuckDB sleeps in it or keeps asking for more. The next
//! batch then starts another statement in the same transaction.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use duckdb::Connection;
use duckdb::core::{DataChunkHandle, LogicalTypeHandle, LogicalTypeId};
use duckdb::vtab::{BindInfo, InitInfo, TableFunctionInfo, VTab, to_duckdb_logical_type_for_field};
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::{Batch, BatchReceiver};
use millrace_engine::ports::warehouse::FinishLoad;
use tokio::runtime::Handle;

use super::failure::statement_error;
use super::load::{storable, storable_schema};
use super::vector::fill;

/// Rows of a DuckDB vector, which is what one call of the table function may return.
const VECTOR: usize = 2048;
/// The name of the table function.
const NAME: &str = "millrace_feed";
/// Threads that may call the table function at once, if rows may arrive in any order.
const MOST_THREADS: u64 = 64;
/// The number of rows that the planner is told.
const MANY_ROWS: u64 = 1_000_000_000;
/// How long a thread of DuckDB waits for the next batch before the statement ends.
const PATIENCE: Duration = Duration::from_millis(50);

/// Feeds that a statement reads or is about to read, by number: a table function gets numbers and
/// no pointers.
static WAITING: Mutex<BTreeMap<i64, Arc<Feed>>> = Mutex::new(BTreeMap::new());
/// The number of the last feed.
static LAST: AtomicI64 = AtomicI64::new(0);

/// Registers the table function with a database.
pub(super) fn register(connection: &Connection) -> Result<()> {
    connection.register_table_function::<Table>(NAME).map_err(|error| statement_error(&error))
}

/// Whether rows must be inserted in the order in which they arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowOrder {
    /// In the order of arrival, on one thread.
    Kept,
    /// In any order, on several threads.
    Free,
}

/// The batches of one load on their way into a table.
pub(super) struct Feed {
    /// The schema of the batches as DuckDB gets them.
    schema: arrow_schema::SchemaRef,
    order: RowOrder,
    runtime: Handle,
    state: Mutex<State>,
    /// Notified when the thread that waited for a batch has stopped waiting.
    arrived: Condvar,
}

/// What the threads that read a feed share.
struct State {
    /// `None` while a thread waits for the next batch.
    batches: Option<BatchReceiver>,
    finish: Box<dyn FinishLoad>,
    /// The current batch, and how many of its rows were handed out.
    present: Option<(RecordBatch, usize)>,
    /// Rows of all batches that were received.
    rows: u64,
    /// Whether the source has ended.
    ended: bool,
    /// Whether the source is slow, so that all threads of the current statement have to end.
    paused: bool,
    /// The error that ended the feed.
    failed: Option<Error>,
}

impl State {
    /// Makes a batch the current one, after `finish` has seen it; `None` marks the end.
    fn take(&mut self, batch: Option<Batch>) -> Result<()> {
        let Some(batch) = batch else {
            self.ended = true;
            return Ok(());
        };
        self.finish.saw(&batch)?;
        self.rows += batch.rows.num_rows() as u64;
        self.present = Some((batch.rows, 0));
        Ok(())
    }

    /// The next rows of the current batch, at most one vector; `None` if it is used up.
    fn slice(&mut self) -> Option<RecordBatch> {
        let (batch, through) = self.present.as_mut()?;
        let rows = VECTOR.min(batch.num_rows() - *through);
        let slice = batch.slice(*through, rows);
        *through += rows;
        if *through == batch.num_rows() {
            self.present = None;
        }
        (rows > 0).then_some(slice)
    }
}

impl Feed {
    /// A feed of batches with this Arrow schema; `finish` sees each of them. Must be called inside
    /// a runtime.
    pub(super) fn new(
        schema: &arrow_schema::Schema,
        order: RowOrder,
        batches: BatchReceiver,
        finish: Box<dyn FinishLoad>,
    ) -> Self {
        let state = State {
            batches: Some(batches),
            finish,
            present: None,
            rows: 0,
            ended: false,
            paused: false,
            failed: None,
        };
        Self {
            schema: storable_schema(schema),
            order,
            runtime: Handle::current(),
            state: Mutex::new(state),
            arrived: Condvar::new(),
        }
    }

    /// The name of a column in the table function, by position. The source's own names may differ
    /// only by case, which DuckDB does not distinguish.
    pub(super) fn column(place: usize) -> String {
        format!("c{place}")
    }

    /// Inserts all rows and returns their number and `finish`. `target` is a table, optionally with
    /// column names, and `values` are expressions over [`Self::column`], or `feed.*`. Blocks until
    /// the source has ended. Runs as many statements as the pauses of the source require.
    pub(super) fn insert_into(
        self,
        connection: &Connection,
        target: &dyn std::fmt::Display,
        values: &str,
    ) -> Result<(u64, Box<dyn FinishLoad>)> {
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let sql = match self.order {
            RowOrder::Kept => format!("insert into {target} select {values} from {NAME}({number}) as feed"),
            // DuckDB keeps the order of rows, and then inserts on one thread. The order is lost if
            // a part of the rows comes from something unordered, such as the groups of an
            // aggregate. Hence this product with a single group.
            RowOrder::Free => format!(
                "insert into {target} select {values} from {NAME}({number}) as feed, \
                 (select range from range(1) group by range) as unordered"
            ),
        };
        let feed = Arc::new(self);
        waiting().insert(number, Arc::clone(&feed));
        let done = loop {
            match feed.wait() {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
            if let Err(error) = connection.execute_batch(&sql) {
                // If the feed failed, that is the reason for which the statement failed.
                let cause = feed.state().failed.take();
                break Err(cause.unwrap_or_else(|| statement_error(&error)));
            }
        };
        waiting().remove(&number);
        done?;
        // DuckDB drops its reference when the statement ends.
        let feed = Arc::into_inner(feed)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a statement has ended, but still reads"))?;
        let state = feed.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((state.rows, state.finish))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there are rows; returns false at the end. Called between statements, so no other
    /// thread uses the state.
    fn wait(&self) -> Result<bool> {
        let mut state = self.state();
        state.paused = false;
        while state.present.is_none() && !state.ended {
            let batch = state.batches.as_mut().and_then(BatchReceiver::blocking_recv);
            state.take(batch)?;
        }
        Ok(state.present.is_some())
    }

    /// The next rows for one thread of DuckDB. `None` ends the thread's part of the statement: at
    /// the end, after an error, or if no batch arrives within [`PATIENCE`].
    fn next(&self) -> Result<Option<RecordBatch>> {
        let mut state = self.state();
        loop {
            if let Some(slice) = state.slice() {
                return Ok(Some(slice));
            }
            if state.ended || state.paused || state.failed.is_some() {
                return Ok(None);
            }
            // One thread takes the receiver and waits for a batch without the lock; the others wait
            // for it.
            let Some(mut batches) = state.batches.take() else {
                let waited = self.arrived.wait_timeout(state, PATIENCE);
                let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = again;
                // DuckDB would call a thread without rows again and again while others go on.
                state.paused |= timeout.timed_out() && state.present.is_none();
                continue;
            };
            drop(state);
            let soon = async { tokio::time::timeout(PATIENCE, batches.recv()).await };
            let received = self.runtime.block_on(soon);
            state = self.state();
            state.batches = Some(batches);
            let taken = received.map(|batch| state.take(batch));
            self.arrived.notify_all();
            match taken {
                Ok(taken) => taken?,
                Err(_late) => state.paused = true,
            }
        }
    }
}

/// The registry of feeds.
fn waiting() -> MutexGuard<'static, BTreeMap<i64, Arc<Feed>>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The table function. Its only parameter is the number of a feed.
struct Table;

impl VTab for Table {
    type InitData = ();
    type BindData = Arc<Feed>;

    fn bind(bind: &BindInfo) -> Result<Arc<Feed>, Box<dyn StdError>> {
        let number = bind.get_parameter(0).to_int64();
        let feed = waiting().get(&number).cloned().ok_or("there is no such feed")?;
        // The large number makes the feed the outer side of the product; DuckDB keeps the smaller
        // side in memory.
        bind.set_cardinality(MANY_ROWS, false);
        for (place, field) in feed.schema.fields().iter().enumerate() {
            bind.add_result_column(&Feed::column(place), to_duckdb_logical_type_for_field(field)?);
        }
        Ok(feed)
    }

    fn init(init: &InitInfo) -> Result<(), Box<dyn StdError>> {
        // If rows keep their order, DuckDB uses one thread. It never uses more than it has.
        init.set_max_threads(MOST_THREADS);
        Ok(())
    }

    fn func(
        function: &TableFunctionInfo<Self>,
        output: &mut DataChunkHandle,
    ) -> Result<(), Box<dyn StdError>> {
        let feed = function.get_bind_data();
        let converted = match feed.next() {
            Ok(None) => {
                output.set_len(0);
                return Ok(());
            }
            Ok(Some(rows)) => storable(&rows),
            Err(error) => Err(error),
        };
        match converted {
            Ok(rows) => fill(&rows, output),
            Err(error) => {
                let message = error.to_string();
                // DuckDB only gets the text; `insert_into` returns the error itself.
                feed.state().failed.get_or_insert(error);
                Err(message.into())
            }
        }
    }

    fn parameters() -> Option<Vec<LogicalTypeHandle>> {
        Some(vec![LogicalTypeHandle::from(LogicalTypeId::Bigint)])
    }
}

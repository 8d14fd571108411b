//! Batches as a table that a statement can read: `select * from millrace_feed(7)`.
//!
//! The appender of the C interface keeps what it is given, and runs a small query over it each time that it is full; a table function
//! hands DuckDB the rows as its pipeline asks for them, on several threads at once where their order does not matter.
//!
//! A statement reads only as long as batches come one behind the other. Where the source is slow it ends, so that none of DuckDB's threads
//! sleeps in it or asks again and again whether there is more, and the next batch begins another one.

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

/// Rows that DuckDB takes at a time.
const VECTOR: usize = 2048;
const NAME: &str = "millrace_feed";
const MOST_THREADS: u64 = 64;
const MANY_ROWS: u64 = 1_000_000_000;
/// How long a thread of DuckDB's waits for the next batch.
const PATIENCE: Duration = Duration::from_millis(50);

/// Feeds that somebody is about to read. DuckDB's functions are told numbers, not pointers.
static WAITING: Mutex<BTreeMap<i64, Arc<Feed>>> = Mutex::new(BTreeMap::new());
static LAST: AtomicI64 = AtomicI64::new(0);

/// Makes the table function known to a database.
pub(super) fn register(connection: &Connection) -> Result<()> {
    connection.register_table_function::<Table>(NAME).map_err(|error| statement_error(&error))
}

/// Whether rows have to arrive in the order in which they are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowOrder {
    /// One thread takes them.
    Kept,
    /// Several do.
    Free,
}

/// Batches on their way into a table.
pub(super) struct Feed {
    schema: arrow_schema::SchemaRef,
    order: RowOrder,
    runtime: Handle,
    state: Mutex<State>,
    /// Told when the one that waited for a batch waits no more.
    arrived: Condvar,
}

struct State {
    /// Taken by who waits for the next batch.
    batches: Option<BatchReceiver>,
    finish: Box<dyn FinishLoad>,
    /// The batch at hand, and how many of its rows are through.
    present: Option<(RecordBatch, usize)>,
    rows: u64,
    /// There are no more batches.
    ended: bool,
    /// The source is slow: all threads of the present statement are to end.
    paused: bool,
    failed: Option<Error>,
}

impl State {
    /// Takes note of a batch, or of the end.
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
    /// Rows of an Arrow schema, which `finish` looks at. To be called on a runtime.
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

    /// What a statement calls the column at a place. Names of the source may differ in nothing but case.
    pub(super) fn column(place: usize) -> String {
        format!("c{place}")
    }

    /// Inserts all rows; returns how many there were. `target` is a table, perhaps with the names of columns, and `values` what they are made of
    /// ([`Self::column`], or `feed.*`). Blocks until the source is done.
    pub(super) fn insert_into(
        self,
        connection: &Connection,
        target: &dyn std::fmt::Display,
        values: &str,
    ) -> Result<(u64, Box<dyn FinishLoad>)> {
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let sql = match self.order {
            RowOrder::Kept => format!("insert into {target} select {values} from {NAME}({number}) as feed"),
            // Rows have an order to DuckDB, and are inserted on one thread, unless some of what they are made of has none: the groups of
            // an aggregate.
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
                // What stopped the feed is the cause of what stopped the statement.
                let cause = feed.state().failed.take();
                break Err(cause.unwrap_or_else(|| statement_error(&error)));
            }
        };
        waiting().remove(&number);
        done?;
        // DuckDB lets go of it with the end of the statement.
        let feed = Arc::into_inner(feed)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a statement has ended, but still reads"))?;
        let state = feed.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((state.rows, state.finish))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there are rows. False at the end.
    fn wait(&self) -> Result<bool> {
        let mut state = self.state();
        state.paused = false;
        while state.present.is_none() && !state.ended {
            let batch = state.batches.as_mut().and_then(BatchReceiver::blocking_recv);
            state.take(batch)?;
        }
        Ok(state.present.is_some())
    }

    /// The next rows; none at the end, or where none come for some time.
    fn next(&self) -> Result<Option<RecordBatch>> {
        let mut state = self.state();
        loop {
            if let Some(slice) = state.slice() {
                return Ok(Some(slice));
            }
            if state.ended || state.paused || state.failed.is_some() {
                return Ok(None);
            }
            let Some(mut batches) = state.batches.take() else {
                let waited = self.arrived.wait_timeout(state, PATIENCE);
                let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = again;
                // A thread that had no more to do while others go on would ask for work again and again.
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

fn waiting() -> MutexGuard<'static, BTreeMap<i64, Arc<Feed>>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Table;

impl VTab for Table {
    type InitData = ();
    type BindData = Arc<Feed>;

    fn bind(bind: &BindInfo) -> Result<Arc<Feed>, Box<dyn StdError>> {
        let number = bind.get_parameter(0).to_int64();
        let feed = waiting().get(&number).cloned().ok_or("there is no such feed")?;
        // Of two sides of a product DuckDB keeps the smaller one in memory.
        bind.set_cardinality(MANY_ROWS, false);
        for (place, field) in feed.schema.fields().iter().enumerate() {
            bind.add_result_column(&Feed::column(place), to_duckdb_logical_type_for_field(field)?);
        }
        Ok(feed)
    }

    fn init(init: &InitInfo) -> Result<(), Box<dyn StdError>> {
        // Where rows keep their order DuckDB takes one, and never more than it has.
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
                feed.state().failed.get_or_insert(error);
                Err(message.into())
            }
        }
    }

    fn parameters() -> Option<Vec<LogicalTypeHandle>> {
        Some(vec![LogicalTypeHandle::from(LogicalTypeId::Bigint)])
    }
}

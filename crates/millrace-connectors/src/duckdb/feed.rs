//! Batches as a table that a statement can read: `select * from millrace_feed(7)`.
//!
//! The appender of the C interface keeps what it is given, and runs a small query over it each time that it is full; a table function
//! hands DuckDB the rows as its pipeline asks for them. One thread asks, so rows stay in their order. It should be the one that runs the
//! statement: if a thread of DuckDB's own takes the work, that one has nothing to do but look again and again whether it is done, for as
//! long as the source takes.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use arrow_array::RecordBatch;
use duckdb::Connection;
use duckdb::core::{DataChunkHandle, LogicalTypeHandle, LogicalTypeId};
use duckdb::vtab::{
    BindInfo, InitInfo, TableFunctionInfo, VTab, record_batch_to_duckdb_data_chunk,
    to_duckdb_logical_type_for_field,
};
use millrace_engine::batch::BatchReceiver;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::warehouse::FinishLoad;

use super::failure::statement_error;
use super::load::{storable, storable_schema};

/// Rows that DuckDB takes at a time.
const VECTOR: usize = 2048;
const NAME: &str = "millrace_feed";
/// How often a statement is begun anew because a thread of DuckDB's own took its work.
const MOST_TRIES: u32 = 50;
/// After that time DuckDB's threads sleep and are slower than the one that runs the statement.
const DOZE: Duration = Duration::from_millis(1);

/// Feeds that somebody is about to read. DuckDB's functions are told numbers, not pointers.
static WAITING: Mutex<BTreeMap<i64, Arc<Mutex<Feed>>>> = Mutex::new(BTreeMap::new());
static LAST: AtomicI64 = AtomicI64::new(0);

/// Makes the table function known to a database.
pub(super) fn register(connection: &Connection) -> Result<()> {
    connection.register_table_function::<Table>(NAME).map_err(|error| statement_error(&error))
}

/// Batches on their way into a table.
pub(super) struct Feed {
    schema: arrow_schema::SchemaRef,
    batches: BatchReceiver,
    finish: Box<dyn FinishLoad>,
    /// The batch at hand, and how many of its rows are through.
    present: Option<(RecordBatch, usize)>,
    rows: u64,
    failed: Option<Error>,
    /// The thread that shall ask; any, once none.
    reader: Option<ThreadId>,
    /// Another one has asked, and got nothing.
    declined: bool,
}

impl Feed {
    /// Rows of an Arrow schema, which `finish` looks at.
    pub(super) fn new(
        schema: &arrow_schema::Schema,
        batches: BatchReceiver,
        finish: Box<dyn FinishLoad>,
    ) -> Self {
        Self {
            schema: storable_schema(schema),
            batches,
            finish,
            present: None,
            rows: 0,
            failed: None,
            reader: None,
            declined: false,
        }
    }

    /// What a statement calls the column at a place. Names of the source may differ in nothing but case.
    pub(super) fn column(place: usize) -> String {
        format!("c{place}")
    }

    /// Runs a statement that reads the feed, given by a text with its name in it; returns how many rows there were. Blocks until the source
    /// is done.
    pub(super) fn run(
        mut self,
        connection: &Connection,
        sql: impl FnOnce(&str) -> String,
    ) -> Result<(u64, Box<dyn FinishLoad>)> {
        let number = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        let sql = sql(&format!("{NAME}({number})"));
        self.reader = Some(std::thread::current().id());
        let feed = Arc::new(Mutex::new(self));
        waiting().insert(number, Arc::clone(&feed));
        let mut tries = 0;
        let done = loop {
            std::thread::sleep(DOZE);
            let done = connection.execute_batch(&sql);
            let mut feed = feed.lock().unwrap_or_else(PoisonError::into_inner);
            if !std::mem::take(&mut feed.declined) {
                break done;
            }
            tries += 1;
            if tries == MOST_TRIES {
                feed.reader = None;
            }
        };
        waiting().remove(&number);
        // DuckDB lets go of it with the end of the statement.
        let feed = Arc::try_unwrap(feed)
            .map_err(|_| Error::new(ErrorKind::Internal, "a statement has ended, but still reads"))?;
        let feed = feed.into_inner().unwrap_or_else(PoisonError::into_inner);
        // What stopped the feed is the cause of what stopped the statement.
        match (feed.failed, done) {
            (Some(error), _) => Err(error),
            (None, Err(error)) => Err(statement_error(&error)),
            (None, Ok(())) => Ok((feed.rows, feed.finish)),
        }
    }

    /// The next rows; none at the end.
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some((batch, through)) = &mut self.present {
                let rows = VECTOR.min(batch.num_rows() - *through);
                if rows > 0 {
                    let slice = batch.slice(*through, rows);
                    *through += rows;
                    return Ok(Some(slice));
                }
            }
            let Some(batch) = self.batches.blocking_recv() else { return Ok(None) };
            self.finish.saw(&batch)?;
            self.rows += batch.rows.num_rows() as u64;
            self.present = Some((storable(&batch.rows)?, 0));
        }
    }
}

fn waiting() -> std::sync::MutexGuard<'static, BTreeMap<i64, Arc<Mutex<Feed>>>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Table;

/// A statement's use of a feed.
struct Reading {
    feed: Arc<Mutex<Feed>>,
    ended: AtomicBool,
}

impl VTab for Table {
    type InitData = ();
    type BindData = Reading;

    fn bind(bind: &BindInfo) -> Result<Reading, Box<dyn StdError>> {
        let number = bind.get_parameter(0).to_int64();
        let feed = waiting().get(&number).cloned().ok_or("there is no such feed")?;
        let schema = Arc::clone(&feed.lock().unwrap_or_else(PoisonError::into_inner).schema);
        for (place, field) in schema.fields().iter().enumerate() {
            bind.add_result_column(&Feed::column(place), to_duckdb_logical_type_for_field(field)?);
        }
        Ok(Reading { feed, ended: AtomicBool::new(false) })
    }

    fn init(init: &InitInfo) -> Result<(), Box<dyn StdError>> {
        init.set_max_threads(1);
        Ok(())
    }

    fn func(
        function: &TableFunctionInfo<Self>,
        output: &mut DataChunkHandle,
    ) -> Result<(), Box<dyn StdError>> {
        let reading = function.get_bind_data();
        let mut feed = reading.feed.lock().unwrap_or_else(PoisonError::into_inner);
        if feed.reader.is_some_and(|reader| reader != std::thread::current().id()) {
            feed.declined = true;
            reading.ended.store(true, Ordering::Relaxed);
        }
        if reading.ended.load(Ordering::Relaxed) {
            output.set_len(0);
            return Ok(());
        }
        // From here on it may go on with any.
        feed.reader = None;
        match feed.next() {
            Ok(Some(rows)) => record_batch_to_duckdb_data_chunk(&rows, output)?,
            Ok(None) => {
                reading.ended.store(true, Ordering::Relaxed);
                output.set_len(0);
            }
            Err(error) => {
                let message = error.to_string();
                feed.failed = Some(error);
                return Err(message.into());
            }
        }
        Ok(())
    }

    fn parameters() -> Option<Vec<LogicalTypeHandle>> {
        Some(vec![LogicalTypeHandle::from(LogicalTypeId::Bigint)])
    }
}

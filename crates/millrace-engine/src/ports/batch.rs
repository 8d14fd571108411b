//! Rows that travel together from a source to a warehouse, and the bounded queue between the two.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{DataType as ArrowType, Field, IntervalUnit, Schema, TimeUnit};
use millrace_core::cursor::Cursor;
use millrace_core::quarantine::QuarantinedRow;
use millrace_core::schema::{Column, DataType};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::error::{Error, ErrorKind, Result};

/// Rows of one stream.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Good rows; its schema is [`arrow_schema`] of the columns that the reader was asked for.
    pub rows: RecordBatch,
    /// Rows set aside since the last batch.
    pub quarantined: Vec<QuarantinedRow>,
}

impl Batch {
    /// Bytes that it holds in memory, roughly.
    pub fn bytes(&self) -> usize {
        self.rows.get_array_memory_size()
            + self.quarantined.iter().map(|row| row.raw.len() + 128).sum::<usize>()
    }
}

/// The Arrow type in which a logical type travels.
///
/// Decimals of up to 38 digits are `Decimal128`, wider ones `Decimal256`; `Interval` is `MonthDayNano` with all in the
/// nanoseconds; `Json` is `Utf8`, told apart by the column's logical type.
pub fn arrow_type(data_type: DataType) -> ArrowType {
    match data_type {
        DataType::Boolean => ArrowType::Boolean,
        DataType::Int8 => ArrowType::Int8,
        DataType::Int16 => ArrowType::Int16,
        DataType::Int32 => ArrowType::Int32,
        DataType::Int64 => ArrowType::Int64,
        DataType::UInt8 => ArrowType::UInt8,
        DataType::UInt16 => ArrowType::UInt16,
        DataType::UInt32 => ArrowType::UInt32,
        DataType::UInt64 => ArrowType::UInt64,
        DataType::Decimal { precision, scale } if precision <= 38 => {
            ArrowType::Decimal128(precision, scale as i8)
        }
        DataType::Decimal { precision, scale } => ArrowType::Decimal256(precision, scale as i8),
        DataType::Float32 => ArrowType::Float32,
        DataType::Float64 => ArrowType::Float64,
        DataType::Date => ArrowType::Date32,
        DataType::Timestamp => ArrowType::Timestamp(TimeUnit::Microsecond, None),
        DataType::TimestampTz => ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Interval => ArrowType::Interval(IntervalUnit::MonthDayNano),
        DataType::Text | DataType::Json => ArrowType::Utf8,
        DataType::Bytes => ArrowType::Binary,
    }
}

/// The Arrow schema of a stream's columns, under the source's names.
pub fn arrow_schema(columns: &[Column]) -> Arc<Schema> {
    Arc::new(Schema::new(
        columns
            .iter()
            .map(|column| Field::new(&column.name, arrow_type(column.data_type), column.nullable))
            .collect::<Vec<_>>(),
    ))
}

/// What is done to a batch before it is sent.
pub(crate) type Stage = Arc<dyn Fn(Batch) -> Result<Batch> + Send + Sync>;

/// What is added to a mark before it is sent.
pub(crate) type Note = Arc<dyn Fn(Cursor) -> Cursor + Send + Sync>;

/// The sending end. Waits while the batches on their way hold more than the queue's bytes.
#[derive(Clone)]
pub struct BatchSender {
    sender: mpsc::UnboundedSender<Item>,
    room: Arc<Semaphore>,
    capacity: usize,
    stage: Option<Stage>,
    note: Option<Note>,
}

impl std::fmt::Debug for BatchSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchSender").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

/// What travels.
#[derive(Debug)]
enum Item {
    Batch(Batch, OwnedSemaphorePermit),
    Mark(Box<Cursor>),
}

/// The receiving end. Dropping it tells the sender to stop.
#[derive(Debug)]
pub struct BatchReceiver {
    /// None once a part has ended, and the rest was handed on.
    queue: Option<Queue>,
    /// Who takes the rest at the next mark; none where marks do not matter.
    rest: Option<oneshot::Sender<Rest>>,
}

/// What comes after a mark.
#[derive(Debug)]
pub struct Rest {
    /// Where a read can be gone on with that has all that came before.
    pub mark: Cursor,
    /// The batches that follow.
    pub batches: BatchReceiver,
}

#[derive(Debug)]
struct Queue {
    receiver: mpsc::UnboundedReceiver<Item>,
    room: Arc<Semaphore>,
}

const UNIT: usize = 1024;

/// A queue that holds about `bytes` at most (a batch larger than that goes through alone).
pub fn batch_queue(bytes: usize) -> (BatchSender, BatchReceiver) {
    let capacity = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS);
    let room = Arc::new(Semaphore::new(capacity));
    let (sender, receiver) = mpsc::unbounded_channel();
    let sender = BatchSender { sender, room: Arc::clone(&room), capacity, stage: None, note: None };
    (sender, BatchReceiver { queue: Some(Queue { receiver, room }), rest: None })
}

fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "the load stopped before the source was read to its end")
}

impl BatchSender {
    /// The same end, which does that to each batch first, in the task or thread of the sender; after what it did before.
    #[must_use]
    pub(crate) fn through(self, stage: Stage) -> Self {
        let stage = match self.stage.clone() {
            None => stage,
            Some(first) => Arc::new(move |batch| stage(first(batch)?)),
        };
        Self { stage: Some(stage), ..self }
    }

    /// The same end, which adds that to each mark.
    #[must_use]
    pub(crate) fn noting(self, note: Note) -> Self {
        Self { note: Some(note), ..self }
    }

    /// Sends a batch, waiting for room. An error means that the receiver is gone: stop reading.
    pub async fn send(&self, batch: Batch) -> Result<()> {
        let batch = match &self.stage {
            Some(stage) => stage(batch)?,
            None => batch,
        };
        let units = (batch.bytes() / UNIT).clamp(1, self.capacity) as u32;
        let permit = Arc::clone(&self.room).acquire_many_owned(units).await.map_err(|_| stopped())?;
        self.sender.send(Item::Batch(batch, permit)).map_err(|_| stopped())
    }

    /// Says that whoever has all batches so far can go on from there later. What was sent may then be committed without the rest. No batch
    /// may be on its way here meanwhile. No value of a column that is excluded or masked may be in it.
    pub fn mark(&self, at: Cursor) -> Result<()> {
        let at = match &self.note {
            Some(note) => note(at),
            None => at,
        };
        self.sender.send(Item::Mark(Box::new(at))).map_err(|_| stopped())
    }

    /// The same from a thread that may block; must not be called on a thread of the runtime.
    pub fn blocking_send(&self, batch: Batch) -> Result<()> {
        tokio::runtime::Handle::current().block_on(self.send(batch))
    }
}

impl BatchReceiver {
    /// The same batches up to the next mark, and whoever is told of what follows it: an error there means that nothing does.
    pub fn up_to_mark(mut self) -> (Self, oneshot::Receiver<Rest>) {
        let (rest, follows) = oneshot::channel();
        self.rest = Some(rest);
        (self, follows)
    }

    /// The next batch; none when the sender is done, or at a mark.
    pub async fn recv(&mut self) -> Option<Batch> {
        loop {
            let item = self.queue.as_mut()?.receiver.recv().await?;
            if let Some(batch) = self.take(item) {
                return Some(batch);
            }
        }
    }

    /// The same from a thread that may block.
    pub fn blocking_recv(&mut self) -> Option<Batch> {
        loop {
            let item = self.queue.as_mut()?.receiver.blocking_recv()?;
            if let Some(batch) = self.take(item) {
                return Some(batch);
            }
        }
    }

    /// Whether more follows after the last batch, in another part of the same load.
    pub fn is_part(&self) -> bool {
        self.queue.is_none()
    }

    fn take(&mut self, item: Item) -> Option<Batch> {
        match item {
            Item::Batch(batch, _permit) => Some(batch),
            Item::Mark(mark) => {
                if let Some(rest) = self.rest.take() {
                    let batches = Self { queue: self.queue.take(), rest: None };
                    // Gone only where the load is; then the rest is dropped, and the sender told.
                    let _ = rest.send(Rest { mark: *mark, batches });
                }
                None
            }
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // A sender that waits for room would wait for ever.
        self.room.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(rows: usize) -> Batch {
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
        let rows = RecordBatch::try_new_with_options(arrow_schema(&[]), Vec::new(), &options).expect("rows");
        Batch { rows, quarantined: Vec::new() }
    }

    fn mark() -> Cursor {
        Cursor::Column { column: "id".into(), value: None, window: String::new() }
    }

    #[tokio::test]
    async fn a_part_ends_at_a_mark_and_the_rest_follows() {
        let (sender, receiver) = batch_queue(1 << 20);
        for rows in 1..=3 {
            sender.send(batch(rows)).await.expect("room");
            sender.mark(mark()).expect("somebody listens");
        }
        let rows = |batch: Option<Batch>| batch.map(|batch| batch.rows.num_rows());
        let (mut part, follows) = receiver.up_to_mark();
        assert_eq!(rows(part.recv().await), Some(1));
        assert_eq!((rows(part.recv().await), part.is_part()), (None, true));
        drop(part);
        let Rest { mark: at, mut batches } = follows.await.expect("more");
        assert_eq!(at, mark());
        // Who does not ask for marks gets all.
        assert_eq!((rows(batches.recv().await), rows(batches.recv().await)), (Some(2), Some(3)));
        drop(sender);
        assert_eq!((rows(batches.recv().await), batches.is_part()), (None, false));
    }

    #[tokio::test]
    async fn nobody_waits_for_room_once_the_rest_is_dropped() {
        let (sender, receiver) = batch_queue(UNIT);
        let (mut part, follows) = receiver.up_to_mark();
        sender.mark(mark()).expect("somebody listens");
        assert!(part.recv().await.is_none());
        drop(part);
        sender.send(batch(1)).await.expect("the rest is kept");
        drop(follows);
        assert_eq!(sender.send(batch(1)).await.expect_err("nobody").kind(), ErrorKind::Cancelled);
    }
}

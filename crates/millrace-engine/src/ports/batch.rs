//! Record batches that travel from a source to a warehouse, and the bounded queue between the two.
//!
//! The queue is bounded in bytes, not in batches, because rows differ in size by orders of
//! magnitude. Beside batches it carries marks: cursors from which a later read can resume. A load
//! that is committed in parts splits the queue at a mark ([`BatchReceiver::up_to_mark`]). If either
//! end is dropped, the other end learns it at its next call.

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
    /// Accepted rows. The schema is [`arrow_schema`] of the columns in the read request.
    pub rows: RecordBatch,
    /// Rows put into quarantine since the previous batch.
    pub quarantined: Vec<QuarantinedRow>,
}

impl Batch {
    /// Approximate size in memory, in bytes: the Arrow buffers, and for each quarantined row its
    /// text plus 128 bytes.
    pub fn bytes(&self) -> usize {
        self.rows.get_array_memory_size()
            + self.quarantined.iter().map(|row| row.raw.len() + 128).sum::<usize>()
    }
}

/// The Arrow type that carries a logical type.
///
/// Decimals of up to 38 digits are `Decimal128`, wider ones `Decimal256`. `Interval` is
/// `MonthDayNano` with the whole length in the nanoseconds. `Json` is `Utf8`; only the logical type
/// of the column tells it from `Text`.
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

/// The Arrow schema of a stream's columns, under the source's column names.
pub fn arrow_schema(columns: &[Column]) -> Arc<Schema> {
    Arc::new(Schema::new(
        columns
            .iter()
            .map(|column| Field::new(&column.name, arrow_type(column.data_type), column.nullable))
            .collect::<Vec<_>>(),
    ))
}

/// A transformation of each batch before it is queued (masks, stripped characters).
pub(crate) type Stage = Arc<dyn Fn(Batch) -> Result<Batch> + Send + Sync>;

/// An addition to each mark before it is queued, for example counters that a resumed load needs.
pub(crate) type Note = Arc<dyn Fn(Cursor) -> Cursor + Send + Sync>;

/// The sending end of the queue. [`Self::send`] waits while the batches in flight hold more bytes
/// than the queue's capacity. Clones send into the same queue.
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

/// An entry of the queue. A batch holds its permit, and with it its share of the capacity, until
/// the receiver takes it. A mark takes no capacity.
#[derive(Debug)]
enum Item {
    Batch(Batch, OwnedSemaphorePermit),
    Mark(Box<Cursor>),
}

/// The receiving end of the queue. If it is dropped, the sender's next call fails with `Cancelled`.
#[derive(Debug)]
pub struct BatchReceiver {
    /// `None` once this part has ended at a mark and the remaining queue was handed on.
    queue: Option<Queue>,
    /// Receives the remaining queue at the next mark; `None` if marks are to be ignored.
    rest: Option<oneshot::Sender<Rest>>,
}

/// The remaining queue behind a mark.
#[derive(Debug)]
pub struct Rest {
    /// The cursor from which a read can resume if all batches before the mark are committed.
    pub mark: Cursor,
    /// The batches behind the mark.
    pub batches: BatchReceiver,
}

#[derive(Debug)]
struct Queue {
    receiver: mpsc::UnboundedReceiver<Item>,
    room: Arc<Semaphore>,
}

/// Bytes of one permit. Semaphores count in `u32`, so capacities are counted in KiB.
const UNIT: usize = 1024;

/// Creates a queue that holds about `bytes` bytes. A larger single batch takes the whole capacity
/// and passes alone.
pub fn batch_queue(bytes: usize) -> (BatchSender, BatchReceiver) {
    let capacity = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS);
    let room = Arc::new(Semaphore::new(capacity));
    let (sender, receiver) = mpsc::unbounded_channel();
    let sender = BatchSender { sender, room: Arc::clone(&room), capacity, stage: None, note: None };
    (sender, BatchReceiver { queue: Some(Queue { receiver, room }), rest: None })
}

/// The error of a sender whose receiver is gone.
fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "the load stopped before the source was read to its end")
}

impl BatchSender {
    /// Adds a transformation that runs in the sender's task or thread, after those that were added
    /// before.
    #[must_use]
    pub(crate) fn through(self, stage: Stage) -> Self {
        let stage = match self.stage.clone() {
            None => stage,
            Some(first) => Arc::new(move |batch| stage(first(batch)?)),
        };
        Self { stage: Some(stage), ..self }
    }

    /// Sets the addition to marks; it replaces an earlier one.
    #[must_use]
    pub(crate) fn noting(self, note: Note) -> Self {
        Self { note: Some(note), ..self }
    }

    /// Transforms and queues a batch; waits for capacity. Fails with `Cancelled` if the receiver is
    /// gone: the source must stop reading and return that error. Also fails if a transformation
    /// fails.
    pub async fn send(&self, batch: Batch) -> Result<()> {
        let batch = match &self.stage {
            Some(stage) => stage(batch)?,
            None => batch,
        };
        // `clamp` lets a batch that is larger than the queue pass: it waits for all permits.
        let units = (batch.bytes() / UNIT).clamp(1, self.capacity) as u32;
        let permit = Arc::clone(&self.room).acquire_many_owned(units).await.map_err(|_| stopped())?;
        self.sender.send(Item::Batch(batch, permit)).map_err(|_| stopped())
    }

    /// Queues a mark: a read that starts at `at` delivers everything except the batches sent so
    /// far. The engine may then commit those batches without the rest. No other task may be sending
    /// a batch at the same time, because its side of the mark would be undefined. The cursor must
    /// not contain values of excluded or masked columns.
    pub fn mark(&self, at: Cursor) -> Result<()> {
        let at = match &self.note {
            Some(note) => note(at),
            None => at,
        };
        self.sender.send(Item::Mark(Box::new(at))).map_err(|_| stopped())
    }

    /// Like [`Self::send`], for a thread that may block. Must not be called on a worker thread of
    /// the runtime, where `block_on` panics.
    pub fn blocking_send(&self, batch: Batch) -> Result<()> {
        tokio::runtime::Handle::current().block_on(self.send(batch))
    }
}

impl BatchReceiver {
    /// Makes this receiver end at the next mark. Returns it with a channel that delivers the rest
    /// of the queue; the channel closes without a value if no mark follows.
    pub fn up_to_mark(mut self) -> (Self, oneshot::Receiver<Rest>) {
        let (rest, follows) = oneshot::channel();
        self.rest = Some(rest);
        (self, follows)
    }

    /// The next batch. Returns `None` if the sender is done, or at a mark after
    /// [`Self::up_to_mark`].
    pub async fn recv(&mut self) -> Option<Batch> {
        loop {
            let item = self.queue.as_mut()?.receiver.recv().await?;
            if let Some(batch) = self.take(item) {
                return Some(batch);
            }
        }
    }

    /// Like [`Self::recv`], for a thread that may block.
    pub fn blocking_recv(&mut self) -> Option<Batch> {
        loop {
            let item = self.queue.as_mut()?.receiver.blocking_recv()?;
            if let Some(batch) = self.take(item) {
                return Some(batch);
            }
        }
    }

    /// Whether the batches ended at a mark, so that more rows follow in another part of the same
    /// load. Valid after `recv` has returned `None`.
    pub fn is_part(&self) -> bool {
        self.queue.is_none()
    }

    /// The batch of an entry, whose capacity it frees. At a mark it hands the remaining queue on,
    /// if somebody asked for it, and returns `None`.
    fn take(&mut self, item: Item) -> Option<Batch> {
        match item {
            Item::Batch(batch, _permit) => Some(batch),
            Item::Mark(mark) => {
                if let Some(rest) = self.rest.take() {
                    let batches = Self { queue: self.queue.take(), rest: None };
                    // Fails only if the load has been dropped. The queue is dropped with `Rest`,
                    // which wakes the sender.
                    let _ = rest.send(Rest { mark: *mark, batches });
                }
                None
            }
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // Without this, a sender that waits for capacity would wait forever.
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
        // A receiver without `up_to_mark` gets all batches and ignores marks.
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

//! Collects rows and quarantined rows into batches, and sends a batch once it is full.
//!
//! [`Gathered`] holds what waits, [`Delivery`] sends it. A helper thread has a [`Delivery`] of its
//! own that keeps its batches until the thread whose turn it is takes them up, so that batches
//! reach the warehouse in the order of the file.

use millrace_core::quarantine::{QuarantinedRow, RAW_LIMIT};
use millrace_engine::error::Result;
use millrace_engine::ports::batch::{Batch, BatchSender};

use crate::files::Limits;
use crate::files::cell::Refusal;
use crate::files::row::RowWriter;

/// Rows and quarantined rows of one stream that wait to be sent.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) writer: RowWriter,
    quarantined: Vec<QuarantinedRow>,
    limits: Limits,
    /// Bytes of source text since the last batch.
    pending: usize,
}

/// The place of a record in its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The file, relative to the project folder, or a name that stands for one, such as a table.
    pub(crate) file: &'a str,
    /// 1-based line on which the record starts.
    pub(crate) line: u64,
    /// The record's bytes.
    pub(crate) raw: &'a [u8],
}

impl Gathered {
    pub(crate) fn new(writer: RowWriter, limits: Limits) -> Self {
        Self { writer, quarantined: Vec::new(), limits, pending: 0 }
    }

    /// Ends the row that the writer has begun, made from a record of `bytes` bytes. Returns the
    /// refusal and the index of its column if a required value is missing or a text contains a
    /// forbidden character. The caller must then call [`Self::refuse`].
    pub(crate) fn end_row(&mut self, bytes: usize) -> Result<(), (usize, Refusal)> {
        self.writer.end_row()?;
        self.pending += bytes;
        Ok(())
    }

    /// Puts a record into quarantine and removes the cells that the writer already has of it.
    pub(crate) fn refuse(&mut self, place: Place<'_>, column: Option<String>, refusal: Refusal) {
        self.writer.roll_back();
        self.quarantined.push(QuarantinedRow {
            file: place.file.to_owned(),
            line: place.line,
            column,
            code: refusal.code,
            reason: refusal.reason.into_owned(),
            raw: raw_text(place.raw),
        });
        // Quarantine keeps at most `RAW_LIMIT` bytes of a record; 128 stand for its other fields.
        self.pending += place.raw.len().min(RAW_LIMIT) + 128;
    }

    /// Whether the waiting rows make a full batch.
    pub(crate) fn is_full(&self) -> bool {
        let rows = self.writer.rows().max(self.quarantined.len());
        self.pending >= self.limits.batch_bytes || rows >= self.limits.batch_rows
    }

    /// Takes all waiting rows as a batch; `None` if there are none.
    pub(crate) fn take(&mut self) -> Result<Option<Batch>> {
        if self.writer.rows() == 0 && self.quarantined.is_empty() {
            return Ok(None);
        }
        self.pending = 0;
        Ok(Some(Batch { rows: self.writer.take()?, quarantined: std::mem::take(&mut self.quarantined) }))
    }
}

/// Where batches go.
#[derive(Debug)]
enum Outlet {
    /// To the warehouse.
    Queue(BatchSender),
    /// Into a list, until it is this thread's turn.
    Shelf(Vec<Batch>),
}

/// Collects rows and quarantined rows of one stream, and sends a batch when enough have come
/// together. Sending blocks while the queue has no room.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) gathered: Gathered,
    outlet: Outlet,
}

impl Delivery {
    pub(crate) fn new(writer: RowWriter, sender: BatchSender, limits: Limits) -> Self {
        Self { gathered: Gathered::new(writer, limits), outlet: Outlet::Queue(sender) }
    }

    /// A delivery for another thread with the same columns. It keeps its batches until
    /// [`Self::made`] takes them.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn helper(&self) -> Self {
        let writer = self.gathered.writer.another();
        Self { gathered: Gathered::new(writer, self.gathered.limits), outlet: Outlet::Shelf(Vec::new()) }
    }

    /// Takes the batches that a helper has collected. Always empty for a delivery that sends to the
    /// queue.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn made(&mut self) -> Result<Vec<Batch>> {
        self.send()?;
        match &mut self.outlet {
            Outlet::Shelf(batches) => Ok(std::mem::take(batches)),
            Outlet::Queue(_) => Ok(Vec::new()),
        }
    }

    /// Sends the batches of a helper, after the rows that already wait here.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn take_up(&mut self, batches: Vec<Batch>) -> Result<()> {
        self.send()?;
        batches.into_iter().try_for_each(|batch| self.outlet.put(batch))
    }

    /// Ends the row that the writer has begun. Returns true if the row is kept, and false if it was
    /// put into quarantine because a required value is missing or a text contains a forbidden
    /// character.
    pub(crate) fn end_row(&mut self, place: Place<'_>) -> Result<bool> {
        if let Err((index, refusal)) = self.gathered.end_row(place.raw.len()) {
            self.refuse(place, Some(index), refusal)?;
            return Ok(false);
        }
        self.send_where_full()?;
        Ok(true)
    }

    /// Puts a record into quarantine and removes the cells that the writer already has of it.
    /// `column` is the index of the column at fault.
    pub(crate) fn refuse(&mut self, place: Place<'_>, column: Option<usize>, refusal: Refusal) -> Result<()> {
        let column = column.map(|index| self.gathered.writer.name(index).to_owned());
        self.refuse_field(place, column, refusal)
    }

    /// Puts a record into quarantine because of a field that may have no column; `column` is its
    /// name.
    pub(crate) fn refuse_field(
        &mut self,
        place: Place<'_>,
        column: Option<String>,
        refusal: Refusal,
    ) -> Result<()> {
        self.gathered.refuse(place, column, refusal);
        self.send_where_full()
    }

    fn send_where_full(&mut self) -> Result<()> {
        if self.gathered.is_full() { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> Result<()> {
        self.gathered.take()?.map_or(Ok(()), |batch| self.outlet.put(batch))
    }

    /// Sends the remaining rows.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.send()
    }
}

impl Outlet {
    fn put(&mut self, batch: Batch) -> Result<()> {
        match self {
            Self::Queue(sender) => sender.blocking_send(batch),
            Self::Shelf(batches) => {
                batches.push(batch);
                Ok(())
            }
        }
    }
}

/// The text that quarantine keeps of a record: at most `RAW_LIMIT` bytes of UTF-8. Invalid bytes
/// become U+FFFD.
pub(crate) fn raw_text(raw: &[u8]) -> String {
    let mut end = raw.len().min(RAW_LIMIT);
    // A cut inside a character would look like a broken character.
    while end < raw.len() && end > 0 && raw[end] & 0xC0 == 0x80 && RAW_LIMIT - end < 4 {
        end -= 1;
    }
    let mut text = String::from_utf8_lossy(&raw[..end]).into_owned();
    // U+FFFD has three bytes and may be longer than the byte that it replaces, so cut again.
    let end = (0..=RAW_LIMIT.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    text.truncate(end.unwrap_or(0));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_text_is_cut_between_characters() {
        let long = "é".repeat(RAW_LIMIT);
        let cut = raw_text(&long.as_bytes()[1..]);
        assert!(
            cut.len() <= RAW_LIMIT && !cut[3..].contains('\u{FFFD}'),
            "only the half character at the start is broken"
        );
        assert_eq!(raw_text(&long.as_bytes()[..=RAW_LIMIT]).len(), RAW_LIMIT);
        assert!(raw_text(&vec![0xFF; RAW_LIMIT]).len() <= RAW_LIMIT);
    }
}

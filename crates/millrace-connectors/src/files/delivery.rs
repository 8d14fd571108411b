//! From rows to batches.

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
    /// Bytes of the records since the last batch.
    pending: usize,
}

/// Where a record stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// File, relative to the project folder; or what stands for one, such as a table.
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

    /// Ends the row that the writer has begun, of a record of so many bytes. Where the row may not be it is refused, and the number is the
    /// column of which a value lacks or has a character that may not be there; then [`Self::refuse`] has to follow.
    pub(crate) fn end_row(&mut self, bytes: usize) -> Result<(), (usize, Refusal)> {
        self.writer.end_row()?;
        self.pending += bytes;
        Ok(())
    }

    /// Puts a record into quarantine, with whatever the writer already has of it.
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
        // What is kept of the record; the rows beside it weigh as their texts do.
        self.pending += place.raw.len().min(RAW_LIMIT) + 128;
    }

    /// Whether enough has come together for a batch.
    pub(crate) fn is_full(&self) -> bool {
        let rows = self.writer.rows().max(self.quarantined.len());
        self.pending >= self.limits.batch_bytes || rows >= self.limits.batch_rows
    }

    /// All that waits, as a batch; none where nothing does.
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
    /// They wait for their turn.
    Shelf(Vec<Batch>),
}

/// Collects rows and quarantined rows of one stream and sends them when enough have come together. Blocks while there is no
/// room for them.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) gathered: Gathered,
    outlet: Outlet,
}

impl Delivery {
    pub(crate) fn new(writer: RowWriter, sender: BatchSender, limits: Limits) -> Self {
        Self { gathered: Gathered::new(writer, limits), outlet: Outlet::Queue(sender) }
    }

    /// For rows of the same columns that another thread collects. They wait until they are asked for.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn helper(&self) -> Self {
        let writer = self.gathered.writer.another();
        Self { gathered: Gathered::new(writer, self.gathered.limits), outlet: Outlet::Shelf(Vec::new()) }
    }

    /// What waits.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn made(&mut self) -> Result<Vec<Batch>> {
        self.send()?;
        match &mut self.outlet {
            Outlet::Shelf(batches) => Ok(std::mem::take(batches)),
            Outlet::Queue(_) => Ok(Vec::new()),
        }
    }

    /// Sends what another thread has collected.
    #[cfg(any(feature = "json", feature = "csv"))]
    pub(crate) fn take_up(&mut self, batches: Vec<Batch>) -> Result<()> {
        self.send()?;
        batches.into_iter().try_for_each(|batch| self.outlet.put(batch))
    }

    /// Ends the row that the writer has begun: it is kept, or, where a value lacks or has a character that may not be there, put into
    /// quarantine. True where it is kept.
    pub(crate) fn end_row(&mut self, place: Place<'_>) -> Result<bool> {
        if let Err((index, refusal)) = self.gathered.end_row(place.raw.len()) {
            self.refuse(place, Some(index), refusal)?;
            return Ok(false);
        }
        self.send_where_full()?;
        Ok(true)
    }

    /// Puts a record into quarantine, with whatever the writer already has of it.
    pub(crate) fn refuse(&mut self, place: Place<'_>, column: Option<usize>, refusal: Refusal) -> Result<()> {
        let column = column.map(|index| self.gathered.writer.name(index).to_owned());
        self.refuse_field(place, column, refusal)
    }

    /// The same for a field that is no column.
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

    /// Sends what is left.
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

/// What quarantine keeps of a record.
pub(crate) fn raw_text(raw: &[u8]) -> String {
    let mut end = raw.len().min(RAW_LIMIT);
    // A cut inside of a character would look like a broken one.
    while end < raw.len() && end > 0 && raw[end] & 0xC0 == 0x80 && RAW_LIMIT - end < 4 {
        end -= 1;
    }
    let mut text = String::from_utf8_lossy(&raw[..end]).into_owned();
    // Replacements may be longer than what they stand for.
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

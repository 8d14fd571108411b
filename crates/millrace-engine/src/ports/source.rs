//! The contract of a source: a system from which streams are read.
//!
//! A source discovers the columns of its streams, reports positions, and reads rows into a
//! [`BatchSender`]. It never writes to the warehouse: rows, checkpoint and quarantine become
//! durable together, in the transaction of [`crate::ports::warehouse::Warehouse::load`]. A source
//! that fails or is cancelled therefore leaves nothing behind, and the read can be retried from the
//! last committed cursor.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_trait::async_trait;
use millrace_core::cursor::Cursor;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::project::column_choice::LeftOut;
use millrace_core::project::source_file::ReadMode;
use millrace_core::schema::{Column, StreamSchema};

use crate::error::{Error, ErrorKind, Result};
use crate::ports::batch::BatchSender;
use crate::ports::diagnosis::Diagnosis;
use crate::ports::keys::{KeyParts, KeyRequest, RowKeys, Summed};
use crate::ports::seen::SeenValues;

/// One stream, as the project asks its source to read it.
#[derive(Debug, Clone)]
pub struct StreamRequest {
    /// Name of the stream within its source.
    pub stream: String,
    /// The stream's own settings, already checked against the connector's specification; see
    /// [`crate::ports::registry::SourceConnector::stream_spec`].
    pub settings: millrace_core::project::settings::Settings,
    /// Columns that the project excludes. They are never delivered and never a reason for
    /// quarantine, and they may be of any type, even one that the source cannot read.
    pub excluded: LeftOut,
    /// Columns that are stored only as masks. Like values of excluded columns, their values must
    /// not appear in a cursor or mark.
    pub masked: Vec<String>,
    /// The source's names of the key columns, if the project declares a key. In formats whose
    /// values are all texts, a key column gets a type that preserves each text, so that two
    /// different keys stay different.
    pub key: Vec<String>,
    /// What happens to the rows of earlier loads. With [`ReadMode::Incremental`] only the part of
    /// the stream that has been added is read.
    pub mode: ReadMode,
}

impl StreamRequest {
    /// Whether the values of a column must not be stored anywhere (excluded or masked).
    pub fn hides(&self, column: &str) -> bool {
        self.excluded.contains(column) || self.masked.iter().any(|masked| masked == column)
    }
}

/// What [`Source::read`] has to deliver.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// The stream.
    pub stream: StreamRequest,
    /// The columns to deliver, in this order, under the source's names and with these types. A row
    /// with a value that its column's type does not hold exactly goes into quarantine.
    pub columns: Vec<Column>,
    /// The columns of the key. A row without a value in one of them goes into quarantine.
    pub key: Vec<String>,
    /// Whether a record with a field that is neither in `columns` nor excluded goes into quarantine
    /// (contract `columns: quarantine`).
    pub quarantine_unknown_columns: bool,
    /// Whether a row with the character U+0000 in a text goes into quarantine.
    pub quarantine_nul: bool,
    /// Where the last committed read ended, if its rows stay in the table, or the mark up to which
    /// an unfinished read was committed; `None` if all rows are needed. The read has to deliver
    /// every row that was added or changed since. With [`ReadMode::Append`] it must deliver no
    /// other rows.
    pub cursor: Option<Cursor>,
    /// The differences that must end the read with [`crate::error::ErrorKind::SchemaDrift`],
    /// because the columns were not derived from the present contents of the stream.
    pub drift: Drift,
    /// The position that [`Source::discover`] saw, if the columns come from it
    /// ([`Discovered::position`]). A read that finds another one must end with
    /// [`crate::error::ErrorKind::SourceChanged`].
    pub seen: Option<Cursor>,
}

/// Schema drift that ends a read: differences between a stream and the requested columns on which
/// the engine must decide before anything is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drift {
    /// A field that is neither requested nor excluded, or a requested column that no record has.
    pub columns: bool,
    /// A requested column that no record has.
    pub gone: bool,
    /// A value that does not fit its column.
    pub types: bool,
    /// A number that does not fit its numeric column, if a wider type may hold it.
    pub numbers: bool,
    /// A missing value in a column that is not nullable.
    pub missing: bool,
    /// Any difference that would make [`Source::discover`] return other columns. Set if the
    /// requested columns come from [`Source::glance`], which sees only the beginning of the stream.
    pub guessed: bool,
}

/// The result of a complete read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOutcome {
    /// The position after the last row, which becomes the checkpoint. `None` if the source keeps no
    /// positions.
    pub cursor: Option<Cursor>,
    /// How often each lossy conversion was made that the stream's settings allow.
    pub conversions: Vec<Conversion>,
    /// How it was read, in a few words for people: `over 4 connections`. `None` if there is nothing
    /// worth telling.
    pub how: Option<String>,
    /// Warnings about what was read, for example a record that seems to have swallowed others. They
    /// name places, never values.
    pub notices: Vec<Diagnostic>,
}

/// A lossy conversion that the settings allow, and how often it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// The source's name of the column.
    pub column: String,
    /// The conversion: `zero date to null`.
    pub what: &'static str,
    /// The number of rows.
    pub rows: u64,
}

/// The result of discovery.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Discovered {
    /// The columns and the primary key as the source has them at present.
    pub schema: StreamSchema,
    /// The version of the stream that was looked at, if the source can tell versions apart (for
    /// files: path, size, hash). The engine hands it to the read that uses the columns
    /// ([`ReadRequest::seen`]). Only the same source can interpret it.
    pub position: Option<Cursor>,
    /// A profile of each column's values, by the source's names, if the source has no types of its
    /// own.
    pub seen: BTreeMap<String, SeenValues>,
    /// How many well-formed records were looked at, if the columns are derived from records alone.
    /// With 0 records nothing is known of the columns; with more, a captured column that is absent
    /// has vanished from the source.
    pub records: Option<u64>,
    /// Warnings for people.
    pub notices: Vec<Diagnostic>,
}

impl Discovered {
    /// Whether it tells nothing about the stream's columns, as for an empty file.
    pub fn is_empty(&self) -> bool {
        self.schema.columns.is_empty() && self.records.unwrap_or(0) == 0
    }
}

/// An external system that streams are read from.
///
/// The engine creates one object for each source of the project. Calls for one stream come from one
/// task at a time; different streams may be read concurrently. Every method may be called again
/// after an error. An object holds no connection while no call is in progress.
#[async_trait]
pub trait Source: Send + Sync {
    /// Whether [`Self::discover`] reads a stream from end to end. If so, the engine skips discovery
    /// for streams with a captured schema, and makes [`Self::read`] watch for [`Drift`] instead.
    fn discovers_by_reading(&self) -> bool {
        false
    }

    /// Whether [`Self::discover`] is almost free for this stream: it contacts no other machine and
    /// reads a few bytes of each file. If so, the engine calls it before each run, even if the
    /// stream has no new data.
    fn discovers_at_once(&self, _stream: &StreamRequest) -> bool {
        false
    }

    /// Whether the stream consists of files on this machine, so that looking at them contacts no
    /// other machine.
    fn is_local(&self, _stream: &StreamRequest) -> bool {
        false
    }

    /// A stamp that changes whenever a file of the stream changes, computed without opening any
    /// file. `None` if the files are not local or no stamp is reliable.
    async fn stamp(&self, _stream: &StreamRequest) -> Option<String> {
        None
    }

    /// The entry of [`Self::streams`] that a stream of the project reads, if its settings name
    /// another one than its own name. Does no I/O.
    fn reads(&self, _stream: &StreamRequest) -> Option<String> {
        None
    }

    /// Whether the source can tell rows that were loaded before from others, as
    /// [`ReadMode::Append`] needs it.
    fn appends(&self) -> bool {
        false
    }

    /// Checks how the source is reached, layer by layer, for `doctor`. Reads no rows and changes
    /// nothing; ends within its own timeouts, even if nobody answers. Returns an empty diagnosis if
    /// reading the streams says everything.
    async fn diagnose(&self, _streams: &[StreamRequest]) -> Diagnosis {
        Diagnosis::default()
    }

    /// The names of the streams that exist, for `capture` and did-you-mean hints. Reads no rows.
    async fn streams(&self) -> Result<Vec<String>>;

    /// Whether there can be views among the streams.
    fn has_views(&self) -> bool {
        false
    }

    /// The entries of [`Self::streams`] that are views. Reads no rows.
    async fn views(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// The columns that the beginning of a stream suggests, if looking at it is almost free; `None`
    /// if the source makes no such guess. It may contact another machine if the stream is not
    /// local. The engine makes [`Self::read`] watch for [`Drift::guessed`], and calls
    /// [`Self::discover`] if that ends the read.
    async fn glance(&self, _stream: &StreamRequest) -> Result<Option<StreamSchema>> {
        Ok(None)
    }

    /// The columns of a stream as they are at present. For files this reads them from end to end.
    /// Has no side effects; may be retried.
    async fn discover(&self, stream: &StreamRequest) -> Result<Discovered>;

    /// The columns that a part of the stream shows, if the settings say that a part is enough for
    /// `capture`; every column is nullable. `None` if they do not say so. It never alone decides
    /// what is loaded.
    async fn sample(&self, _stream: &StreamRequest) -> Result<Option<Discovered>> {
        Ok(None)
    }

    /// The present position of a stream, found without reading its rows; must be cheap. `None` if
    /// that is impossible.
    ///
    /// `last` is where the last load ended. If nothing was added since, the answer is at it
    /// ([`Cursor::is_at`]); what is known to be unchanged since `last` need not be looked at. Such
    /// an answer becomes the checkpoint if it knows more than `last`, so a later load must be able
    /// to start from it.
    ///
    /// If `last` is a mark of an unfinished read ([`BatchSender::mark`]), the answer equals `last`
    /// if [`Self::read`] can resume from there, and is `None` otherwise.
    async fn position(&self, stream: &StreamRequest, last: &Cursor) -> Result<Option<Cursor>>;

    /// Reads the stream and sends its rows; returns after the last batch was sent.
    ///
    /// * Order: any, as long as the last row of a key is the one that counts.
    /// * Completeness: each record of the stream is delivered exactly once, in a batch's rows or in
    ///   its quarantined rows. Anything else must be an error.
    /// * Durability: the rows count for nothing until the warehouse has committed them together
    ///   with the returned cursor.
    /// * Marks: the source may mark positions from which it can resume ([`BatchSender::mark`]).
    /// * Cancellation: [`BatchSender::send`] fails, and the read must end with that error.
    /// * Retry: may be called again with the last committed cursor.
    async fn read(&self, request: ReadRequest, batches: BatchSender) -> Result<ReadOutcome>;

    /// The checksums of a stream's keys at one moment, in parts that the first `digits` hex digits
    /// of the hashes name (see [`crate::ports::keys`]). `None` if the source cannot compute them,
    /// or not for key columns of these types. Reads like [`Self::read`] and changes nothing.
    async fn key_sums(&self, _request: &KeyRequest, _digits: usize) -> Result<Option<Summed>> {
        Ok(None)
    }

    /// Sends the keys of a stream's rows at one moment, at least those of the given parts, in the
    /// way [`Self::read`] sends rows of these columns. A key that exists before and after the call
    /// must be among them, because the engine removes rows whose key is missing.
    async fn read_keys(
        &self,
        request: &KeyRequest,
        _parts: Option<&KeyParts>,
        batches: BatchSender,
    ) -> Result<()> {
        self.read(request.of_all_rows(), batches).await.map(|_| ())
    }

    /// Whether [`Self::read_rows`] is supported.
    fn reads_by_key(&self) -> bool {
        false
    }

    /// Sends the rows with these keys, as they are at one moment, in the way [`Self::read`] does;
    /// the cursor of the request is ignored. Deleted rows are left out. Rows with other keys may be
    /// among them if the source considers those keys equal (a case-insensitive collation, say).
    /// Called only if [`Self::reads_by_key`] is true.
    async fn read_rows(
        &self,
        _request: ReadRequest,
        _keys: &RowKeys,
        _batches: BatchSender,
    ) -> Result<ReadOutcome> {
        Err(Error::new(ErrorKind::Internal, "rows were asked for by key of a source that has no such thing"))
    }
}

/// What a connector gets beside the settings.
#[derive(Debug, Clone)]
pub struct SourceContext {
    /// Name of the source.
    pub name: String,
    /// The project folder; relative paths of settings start there.
    pub project_dir: PathBuf,
}

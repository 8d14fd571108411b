//! The contract of a source.

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

/// One stream, as its source is told to read it.
#[derive(Debug, Clone)]
pub struct StreamRequest {
    /// Name of the stream within its source.
    pub stream: String,
    /// The stream's own settings, already checked against the connector's specification; see
    /// [`crate::ports::registry::SourceConnector::stream_spec`].
    pub settings: millrace_core::project::settings::Settings,
    /// Columns of the source that the project leaves out: never delivered, never a reason for quarantine, and of whatever type,
    /// also one that the source cannot read.
    pub excluded: LeftOut,
    /// Columns of which only masks are kept: like those of excluded ones, their values stand in no cursor and no mark.
    pub masked: Vec<String>,
    /// The source's names of the columns that make the key, where the project says which: in formats that write all values as texts, a column
    /// of it is of a type that gives each text back, so that two keys stay two.
    pub key: Vec<String>,
    /// What becomes of the rows of earlier loads. With [`ReadMode::Incremental`] the stream is read only as far as it has grown.
    pub mode: ReadMode,
}

impl StreamRequest {
    /// Whether values of a column are not to be kept.
    pub fn hides(&self, column: &str) -> bool {
        self.excluded.contains(column) || self.masked.iter().any(|masked| masked == column)
    }
}

/// What to read.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// Which stream.
    pub stream: StreamRequest,
    /// The columns to deliver, in this order, under the source's names and with these types. A value that does not fit its
    /// column exactly puts its row into quarantine.
    pub columns: Vec<Column>,
    /// Columns that make the key; a row that lacks one of them is put into quarantine.
    pub key: Vec<String>,
    /// Whether a record with a field that is neither in `columns` nor in `stream.excluded` is put into quarantine (the contract says
    /// `columns: quarantine`).
    pub quarantine_unknown_columns: bool,
    /// Whether a row with the character U+0000 in a text is put into quarantine.
    pub quarantine_nul: bool,
    /// Where the last committed read ended, whose rows stay, or the mark up to which an unfinished one was committed; none where all rows
    /// are asked for. Only rows that are new since then have to be delivered; with [`ReadMode::Append`] no others may be.
    pub cursor: Option<Cursor>,
    /// What has to end the read with [`crate::error::ErrorKind::SchemaDrift`], because the columns were not worked out from what the stream
    /// holds now.
    pub drift: Drift,
    /// What [`Source::discover`] saw, where the columns come from that ([`Discovered::position`]). A read that finds something else ends
    /// with [`crate::error::ErrorKind::SourceChanged`].
    pub seen: Option<Cursor>,
}

/// Differences between a stream and the columns that were asked for, which somebody has to decide on before anything is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drift {
    /// A field that is neither asked for nor excluded, or a column that no record has.
    pub columns: bool,
    /// A column that no record has.
    pub gone: bool,
    /// A value that does not fit its column.
    pub types: bool,
    /// A number that does not fit its column of numbers, where a wider one may hold it.
    pub numbers: bool,
    /// A value that is missing where the column needs one.
    pub missing: bool,
    /// Anything of which [`Source::discover`] would have made other columns than those that were asked for, which are what
    /// [`Source::glance`] made of the beginning of the stream.
    pub guessed: bool,
}

/// How a read ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOutcome {
    /// The position after the last row; becomes the checkpoint. None where the source keeps none.
    pub cursor: Option<Cursor>,
    /// Lossy conversions that the stream's settings opted into, counted.
    pub conversions: Vec<Conversion>,
    /// How it was read, in a few words for people, where that is worth telling: `over 4 connections`.
    pub how: Option<String>,
    /// Warnings about what was read, for people: a record that looks as if it had swallowed others. They name places, never a value.
    pub notices: Vec<Diagnostic>,
}

/// A lossy conversion that was asked for, and how often it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// The source's name of the column.
    pub column: String,
    /// What was made of what: `zero date to null`.
    pub what: &'static str,
    /// Rows.
    pub rows: u64,
}

/// What discovery saw of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Discovered {
    /// Columns and key as the source has them now.
    pub schema: StreamSchema,
    /// What was looked at, where it can be told from what it may become (files: path, size, hash). Handed to the read that the columns are
    /// for ([`ReadRequest::seen`]), and understood by the same source only.
    pub position: Option<Cursor>,
    /// What the values of columns are, by the source's names, where the source has no types of its own.
    pub seen: BTreeMap<String, SeenValues>,
    /// How many records without a fault were looked at, where the columns come from records alone: with none of them nothing is known of
    /// the columns, and with some of them what has no column is gone.
    pub records: Option<u64>,
    /// What people should know.
    pub notices: Vec<Diagnostic>,
}

impl Discovered {
    /// Whether it says nothing of the stream's columns, as an empty file does.
    pub fn is_empty(&self) -> bool {
        self.schema.columns.is_empty() && self.records.unwrap_or(0) == 0
    }
}

/// A system that is read.
///
/// The engine makes one object for each source of the project and calls it from one task at a time for each stream;
/// several streams may be read concurrently. Methods may be called again after an error. An object holds no connection while
/// no call is under way.
#[async_trait]
pub trait Source: Send + Sync {
    /// Whether [`Self::discover`] reads a stream from end to end. Then the engine leaves it out where a schema is captured, and asks
    /// [`Self::read`] to watch for [`Drift`].
    fn discovers_by_reading(&self) -> bool {
        false
    }

    /// Whether [`Self::discover`] costs next to nothing for a stream: it asks no other machine, and reads a few bytes of each file. Then
    /// it is asked before each run, also where nothing is new.
    fn discovers_at_once(&self, _stream: &StreamRequest) -> bool {
        false
    }

    /// Whether a stream is of files of this machine, at which anybody may look without asking another one.
    fn is_local(&self, _stream: &StreamRequest) -> bool {
        false
    }

    /// What tells the present state of a stream's files from any other, found without opening one of them. None where they are not
    /// local, or nothing tells.
    async fn stamp(&self, _stream: &StreamRequest) -> Option<String> {
        None
    }

    /// Which of [`Self::streams`] a stream of the project reads, where settings say another than that of its name. Asks nobody.
    fn reads(&self, _stream: &StreamRequest) -> Option<String> {
        None
    }

    /// Whether it tells what was loaded before from what was not, as [`ReadMode::Append`] needs it.
    fn appends(&self) -> bool {
        false
    }

    /// What there is to say of the way to the source, for `doctor`. Reads no rows and changes nothing; ends by itself, also where nobody answers. Empty for a source of which its streams say all.
    async fn diagnose(&self, _streams: &[StreamRequest]) -> Diagnosis {
        Diagnosis::default()
    }

    /// Names of the streams that exist, for `capture` and did-you-mean. Reads no rows.
    async fn streams(&self) -> Result<Vec<String>>;

    /// Whether there may be views among its streams.
    fn has_views(&self) -> bool {
        false
    }

    /// Those of [`Self::streams`] that are views. Reads no rows.
    async fn views(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// The columns as the beginning of a stream suggests, where it costs next to nothing to look at that; none where there is no such
    /// thing; a question to another machine where the stream is not local. The engine then asks [`Self::read`] to watch for [`Drift::guessed`] and, where that ends the read, for [`Self::discover`].
    async fn glance(&self, _stream: &StreamRequest) -> Result<Option<StreamSchema>> {
        Ok(None)
    }

    /// The columns of a stream as they are now. For files this reads them from end to end. Has no side effects.
    async fn discover(&self, stream: &StreamRequest) -> Result<Discovered>;

    /// The columns of a stream as a part of it shows them, where its settings say that a part is enough to be captured; each may be empty.
    /// None where they do not. What is loaded is never decided by it alone.
    async fn sample(&self, _stream: &StreamRequest) -> Result<Option<Discovered>> {
        Ok(None)
    }

    /// The present position of a stream without looking at its rows; must be cheap. None where that is not possible. `last` is where its
    /// last load ended: the answer is at it ([`Cursor::is_at`]) where nothing is new, and what is known to be as it was then need not be looked
    /// at. Such an answer becomes the checkpoint where it knows more than `last` does, so the next load must be able to begin from it. Where `last` is a mark of a read that did not come to its end ([`BatchSender::mark`]), the answer is equal to it if [`Self::read`] can go
    /// on from there, and none otherwise.
    async fn position(&self, stream: &StreamRequest, last: &Cursor) -> Result<Option<Cursor>>;

    /// Reads the stream and sends its rows, in any order in which the last one of a key is the one that counts; returns after the last batch
    /// was sent. Now and then it may mark where it can be gone on with later. Every record of the stream is
    /// either in a batch's rows or in its quarantined rows, once; anything else is an error. Rows that were sent
    /// mean nothing until the warehouse has committed them with the returned cursor. Cancellation: [`BatchSender::send`] fails, and
    /// the read must end with that error. May be retried from the last committed cursor.
    async fn read(&self, request: ReadRequest, batches: BatchSender) -> Result<ReadOutcome>;

    /// What the keys of a stream sum up to at one moment, in parts that the first `digits` of their hashes name (see [`crate::ports::keys`]). None
    /// where the source cannot work that out by itself, or not for a key of such columns. Reads as [`Self::read`] does; changes nothing.
    async fn key_sums(&self, _request: &KeyRequest, _digits: usize) -> Result<Option<Summed>> {
        Ok(None)
    }

    /// Sends the keys of a stream's rows at one moment, or at least of those in some parts, as [`Self::read`] would send rows of these
    /// columns. A key that was there before the call and still is after it must be among them.
    async fn read_keys(
        &self,
        request: &KeyRequest,
        _parts: Option<&KeyParts>,
        batches: BatchSender,
    ) -> Result<()> {
        self.read(request.of_all_rows(), batches).await.map(|_| ())
    }

    /// Whether rows can be asked for by their keys.
    fn reads_by_key(&self) -> bool {
        false
    }

    /// Sends the rows of these keys, as they are at one moment, as [`Self::read`] would; the request's cursor counts for nothing. Rows that are gone are left out, and rows of other keys may be among them where
    /// the source takes those for the same. Only asked for where [`Self::reads_by_key`].
    async fn read_rows(
        &self,
        _request: ReadRequest,
        _keys: &RowKeys,
        _batches: BatchSender,
    ) -> Result<ReadOutcome> {
        Err(Error::new(ErrorKind::Internal, "rows were asked for by key of a source that has no such thing"))
    }
}

/// What a connector is given beside its settings.
#[derive(Debug, Clone)]
pub struct SourceContext {
    /// Name of the source.
    pub name: String,
    /// The project folder; relative paths of settings start there.
    pub project_dir: PathBuf,
}

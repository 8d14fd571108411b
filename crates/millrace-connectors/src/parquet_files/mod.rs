//! Apache Parquet files.
//!
//! The types come from the schema in each file's footer, so discovery reads footers only (and the
//! values of a column only if some files have it as integers and others as floats). A row group is
//! read page by page into Arrow arrays. An array of the requested type is passed on as it is; any
//! other is converted value by value, exactly, or its rows go to quarantine. Texts are read as
//! bytes, so that one value that is not UTF-8 costs one row instead of the file (ADR 26).

mod column;
mod columns;
mod file;
mod footer;
mod json;
mod mixed;
mod pages;
mod read;
mod schema;
mod share;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use millrace_core::cursor::{Cursor, FileState};
use millrace_core::name::StreamName;
use millrace_core::project::column_words::TYPES;
use millrace_core::project::settings::Settings;
use millrace_core::project::spec::MapSpec;
use millrace_core::schema::StreamSchema;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::BatchSender;
use millrace_engine::ports::diagnosis::Diagnosis;
use millrace_engine::ports::registry::SourceConnector;
use millrace_engine::ports::source::{
    Discovered, ReadOutcome, ReadRequest, Source, SourceContext, StreamRequest,
};

use crate::files::doctor::diagnose;
use crate::files::here::{self, are_here};
use crate::files::input::blocking;
use crate::files::paths::PATH;
use crate::files::remote::{CONNECTION_KEYS, HEADERS, S3};
use crate::files::selection::{Selection, position};
use crate::files::{Limits, partitions};
use crate::parquet_files::columns::Columns;
use crate::parquet_files::file::ParquetFile;

/// The keys of `type: parquet`, in a source and in a stream.
static PARQUET: MapSpec =
    MapSpec { doc: "`type: parquet`: files of Apache Parquet.", keys: &[PATH, HEADERS, S3, TYPES] };

/// The folder of a project for files that can be recreated at any time.
const SCRATCH: &str = ".millrace";

/// The limits of a read. Batches are smaller than those of text formats, because a few of them are
/// under way from each thread.
fn limits() -> Limits {
    Limits { batch_rows: 1 << 14, batch_bytes: 4 << 20, ..Limits::default() }
}

/// The connector of `type: parquet`.
#[derive(Debug, Clone, Copy)]
pub struct Parquet;

impl SourceConnector for Parquet {
    fn kind(&self) -> &'static str {
        "parquet"
    }

    fn source_spec(&self) -> &'static MapSpec {
        &PARQUET
    }

    fn stream_spec(&self) -> &'static MapSpec {
        &PARQUET
    }

    fn connection_keys(&self) -> &'static [&'static str] {
        CONNECTION_KEYS
    }

    fn source(&self, context: SourceContext, settings: &Settings) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(ParquetSource { context, settings: settings.clone(), limits: limits() }))
    }
}

/// The streams of one source of a project.
struct ParquetSource {
    context: SourceContext,
    settings: Settings,
    limits: Limits,
}

#[async_trait]
impl Source for ParquetSource {
    /// Discovery of local files is almost free: the columns are in their footers.
    fn discovers_at_once(&self, stream: &StreamRequest) -> bool {
        self.is_local(stream)
    }

    fn is_local(&self, stream: &StreamRequest) -> bool {
        are_here(&stream.settings.or(&self.settings))
    }

    async fn stamp(&self, stream: &StreamRequest) -> Option<String> {
        here::stamp(self.context.project_dir.clone(), stream.settings.or(&self.settings)).await
    }

    fn appends(&self) -> bool {
        true
    }

    async fn diagnose(&self, streams: &[StreamRequest]) -> Diagnosis {
        diagnose(self.context.project_dir.clone(), &self.settings, streams).await
    }

    /// Files do not name streams. A source with a `path` of its own has one stream, named like the
    /// source.
    async fn streams(&self) -> Result<Vec<String>> {
        Ok(self.settings.text("path").map(|_| self.context.name.clone()).into_iter().collect())
    }

    /// Merges the columns of all files that a load would read. Returns their marks as the position.
    async fn discover(&self, stream: &StreamRequest) -> Result<Discovered> {
        let settings = stream.settings.or(&self.settings);
        let (project_dir, mode, excluded) =
            (self.context.project_dir.clone(), stream.mode, stream.excluded.clone());
        let name = StreamName::new(&self.context.name, &stream.stream);
        blocking(move || {
            let selection = Selection::of(&project_dir, &settings, mode, None)?;
            let scratch = project_dir.join(SCRATCH);
            let (mut columns, mut marks) = (Columns::default(), Vec::new());
            for file in &selection.read {
                let (of_file, mark) = file::columns(file, &scratch, &excluded)?;
                columns.add(&name, of_file);
                marks.push(mark);
            }
            // Footers alone do not decide these columns; `settle` reads their values.
            let mixed = columns.mixed(&excluded);
            let (mut columns, mut notices) = columns.into_parts();
            mixed::settle(&mut columns, mixed, &selection.read, &scratch)?;
            // The marks let a later read notice that a file is not the one that was discovered.
            let position = Some(Cursor::Files { files: marks, kept: false });
            notices.extend(partitions::notices(&name, position.as_ref(), &columns));
            Ok(Discovered {
                schema: StreamSchema { columns, primary_key: Vec::new() },
                position,
                notices,
                ..Discovered::default()
            })
        })
        .await
    }

    async fn position(&self, stream: &StreamRequest, last: &Cursor) -> Result<Option<Cursor>> {
        position(&self.context, stream.settings.or(&self.settings), last.clone()).await
    }

    /// Reads the files one after the other, each with several threads. A file that was discovered
    /// and has changed since is an error.
    async fn read(&self, request: ReadRequest, batches: BatchSender) -> Result<ReadOutcome> {
        let settings = request.stream.settings.or(&self.settings);
        let (project_dir, limits) = (self.context.project_dir.clone(), self.limits);
        blocking(move || {
            // Files are read one after the other, each by several threads.
            let mode = request.stream.mode;
            let selection = Selection::of(&project_dir, &settings, mode, request.cursor.as_ref())?;
            let scratch = project_dir.join(SCRATCH);
            let mut states = Vec::new();
            for file in &selection.read {
                let opened = ParquetFile::open(file, &scratch)?;
                // The columns were discovered in a file that may have changed since.
                opened.assert_as_seen(request.seen.as_ref())?;
                states.push(load(&opened, &request, &batches, limits)?);
            }
            Ok(ReadOutcome {
                cursor: Some(selection.cursor(states)),
                conversions: Vec::new(),
                how: None,
                notices: Vec::new(),
            })
        })
        .await
    }
}

/// Sends the rows of a file, and returns its state. A thread hashes the file at the same time, so
/// that the disk delivers each block once. Returns an error if the file changed meanwhile.
fn load(
    file: &ParquetFile,
    request: &ReadRequest,
    batches: &BatchSender,
    limits: Limits,
) -> Result<FileState> {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let hashing = scope.spawn(|| file.state(&stop));
        let read = read::read(file, request, batches, limits);
        // After a failed read nobody needs the hash; do not wait for the end of a large file.
        stop.store(read.is_err(), Ordering::Relaxed);
        let state = hashing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        read.map_err(|error| file.watch().cause(error))?;
        let state =
            state?.ok_or_else(|| Error::new(ErrorKind::Internal, "a file was not hashed to its end"))?;
        // The hash is that of the bytes that were read only if the file has not changed in between.
        file.watch().assert_unchanged(&state.hash)?;
        Ok(state)
    })
}

//! A source, read as the engine reads it.

use std::path::Path;
use std::sync::Arc;

use arrow_array::Array;
use millrace_core::cursor::Cursor;
use millrace_core::project::column_choice::LeftOut;
use millrace_core::project::settings::{Setting, Settings};
use millrace_core::project::source_file::ReadMode;
use millrace_core::quarantine::QuarantinedRow;
use millrace_core::schema::{Column, StreamSchema};
use millrace_engine::error::Result;
use millrace_engine::ports::batch::batch_queue;
use millrace_engine::ports::registry::Registry;
use millrace_engine::ports::source::{
    Discovered, Drift, ReadOutcome, ReadRequest, Source, SourceContext, StreamRequest,
};

use crate::cell_text::cell;

/// What a stream held.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) schema: StreamSchema,
    pub(crate) rows: Vec<Vec<Option<String>>>,
    pub(crate) quarantined: Vec<QuarantinedRow>,
    pub(crate) outcome: ReadOutcome,
}

impl Loaded {
    /// Rows as `a|b`, NULL as `~`.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |row: &Vec<Option<String>>| {
            row.iter().map(|cell| cell.as_deref().unwrap_or("~")).collect::<Vec<_>>().join("|")
        };
        self.rows.iter().map(line).collect()
    }
}

/// Settings from texts; `true` and `false` are truth values.
pub(crate) fn settings(pairs: &[(&str, &str)]) -> Settings {
    Settings::new(pairs.iter().map(|&(key, value)| {
        let setting = value.parse().map_or_else(|_| Setting::Text(value.to_owned()), Setting::Bool);
        (key.to_owned(), setting)
    }))
}

/// A source of a kind in a project folder.
pub(crate) fn source(kind: &str, project_dir: &Path, pairs: &[(&str, &str)]) -> Arc<dyn Source> {
    let mut registry = Registry::default();
    millrace_connectors::register(&mut registry);
    let context = SourceContext { name: "src".to_owned(), project_dir: project_dir.to_path_buf() };
    registry.source(kind).expect("a kind of source").source(context, &settings(pairs)).expect("a source")
}

/// A stream with settings of its own.
pub(crate) fn stream(name: &str, pairs: &[(&str, &str)]) -> StreamRequest {
    StreamRequest {
        stream: name.to_owned(),
        settings: settings(pairs),
        excluded: LeftOut::default(),
        mode: ReadMode::Full,
        masked: Vec::new(),
        key: Vec::new(),
    }
}

/// Runs what is asynchronous.
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(work)
}

/// Whether a load that comes after another, which ended at `last`, would find anything.
pub(crate) fn is_new(source: &dyn Source, stream: &StreamRequest, last: &Cursor) -> bool {
    wait(source.position(stream, last)).expect("a position").is_none_or(|now| !now.is_at(last))
}

/// The columns of a stream.
pub(crate) fn discover(source: &dyn Source, stream: &StreamRequest) -> Result<Discovered> {
    wait(source.discover(stream))
}

/// Discovers a stream and reads all of its columns.
pub(crate) fn load(source: &dyn Source, stream: &StreamRequest) -> Result<Loaded> {
    let discovered = discover(source, stream)?;
    let loaded = read(source, stream, &discovered.schema)?;
    let [read, seen] =
        [&loaded.outcome.cursor, &discovered.position].map(|at| at.as_ref().map(without_stamps));
    assert_eq!(read, seen, "discovery and read see the same files");
    Ok(loaded)
}

/// A position without what the file system says of files. A file that was written less than two seconds ago has no stamp yet, and so may get
/// one between two looks.
fn without_stamps(position: &Cursor) -> Cursor {
    let mut position = position.clone();
    if let Cursor::Files { files, .. } = &mut position {
        for file in files.iter_mut() {
            file.stamp = None;
        }
    }
    position
}

/// Reads a stream with the columns of a schema.
pub(crate) fn read(source: &dyn Source, stream: &StreamRequest, schema: &StreamSchema) -> Result<Loaded> {
    read_since(source, stream, schema, None)
}

/// Reads on from where an earlier read ended.
pub(crate) fn read_since(
    source: &dyn Source,
    stream: &StreamRequest,
    schema: &StreamSchema,
    cursor: Option<Cursor>,
) -> Result<Loaded> {
    let request = ReadRequest {
        stream: stream.clone(),
        columns: schema.columns.clone(),
        key: schema.primary_key.clone(),
        quarantine_unknown_columns: false,
        quarantine_nul: false,
        cursor,
        drift: Drift::default(),
        seen: None,
    };
    let mut loaded = Loaded {
        schema: schema.clone(),
        rows: Vec::new(),
        quarantined: Vec::new(),
        outcome: ReadOutcome { cursor: None, conversions: Vec::new(), how: None, notices: Vec::new() },
    };
    let (sender, mut receiver) = batch_queue(1 << 20);
    let (outcome, ()) = wait(async {
        tokio::join!(source.read(request, sender), async {
            while let Some(batch) = receiver.recv().await {
                let columns = batch.rows.columns();
                loaded.rows.extend((0..batch.rows.num_rows()).map(|row| {
                    let cell = |(array, column): (&Arc<dyn Array>, &Column)| {
                        (!array.is_null(row)).then(|| cell(array.as_ref(), column.data_type, row))
                    };
                    columns.iter().zip(&schema.columns).map(cell).collect()
                }));
                loaded.quarantined.extend(batch.quarantined);
            }
        })
    });
    loaded.outcome = outcome?;
    Ok(loaded)
}

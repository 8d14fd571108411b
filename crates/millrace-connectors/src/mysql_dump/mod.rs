//! Reads SQL dumps of MySQL and MariaDB: what `mysqldump` and `mariadb-dump` write, and simple
//! hand-written SQL.
//!
//! The reader follows statements; it does not execute them. `CREATE TABLE` gives the columns and
//! `INSERT` gives the rows. A statement that would change rows that were already read is an error,
//! so the delivered rows equal those that a server would have after it loaded the dump. An INSERT
//! may be larger than memory. Definitions, and other statements that are evaluated, are held in
//! memory as a whole, up to a limit.
//!
//! Reading takes two passes (ADR 0030). The first pass goes once through all files and builds an
//! [`index::Index`] for all tables. Then each stream reads only the parts of the files that hold
//! its rows.
//!
//! The modules by stage:
//!
//! * Tokens: `lexer` (tokens), `script` (statements), `literal` (values of a row), `expression`
//!   (values of `SET`).
//! * First pass: `follow` (statements), `session`, `zone` and `charset` (session settings),
//!   `table`, `column`, `constraint` and `collation` (definitions), `index` (the result), `content`
//!   (file access).
//! * Second pass: `read`, `insert` and `extract` (rows), `column_value` and `rule` (what a column
//!   stores), `convert` (typed columns), `keys` and `seen` (duplicate keys).

mod alter;
mod charset;
mod collation;
mod column;
mod column_value;
mod constraint;
mod content;
mod convert;
mod expression;
mod extract;
mod follow;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod geometry;
mod index;
mod insert;
mod keys;
mod labels;
mod lexer;
mod literal;
mod moment;
mod read;
mod rule;
mod script;
mod seen;
mod session;
mod statement_effect;
mod table;
#[cfg(test)]
mod tests;
mod zone;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use millrace_core::cursor::Cursor;
use millrace_core::project::settings::Settings;
use millrace_core::project::spec::{KeyKind, KeySpec, MapSpec};
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::BatchSender;
use millrace_engine::ports::diagnosis::Diagnosis;
use millrace_engine::ports::registry::SourceConnector;
use millrace_engine::ports::source::{
    Discovered, ReadOutcome, ReadRequest, Source, SourceContext, StreamRequest,
};

use crate::files::Limits;
use crate::files::doctor::diagnose;
use crate::files::here::{self, are_here};
use crate::files::input::blocking;
use crate::files::selection::position;
use crate::files::watch::assert_as_seen;
use crate::mysql_dump::extract::Extract;
use crate::mysql_dump::index::{Index, Wanted};
use crate::mysql_dump::read::{Cached, indexed, rows};
use crate::mysql_dump::zone::{TIME_ZONE, initial_zone};
use crate::mysql_types::zero_dates::{self, ZERO_DATES};

const PATH: KeySpec = KeySpec::optional(
    "path",
    KeyKind::AnyOf(&[KeyKind::ListOf(&KeyKind::Text), KeyKind::Text]),
    "File, from the project folder on, or several with `*`, `?` and `**`; also `https://…`, and `s3://bucket/…` with patterns; or a list of such, read in that order. Files packed by gzip or zstd (`.gz`, `.zst`) are unpacked.",
);

const ENCODING: KeySpec = KeySpec::optional(
    "encoding",
    KeyKind::OneOf(&["utf-8", "latin-1", "windows-1252"]),
    "In which charset the dump is written: `utf-8` (the default), or MySQL's `latin1`, which is `windows-1252` (`latin-1` says the same).",
);

const DATABASE: KeySpec = KeySpec::optional(
    "database",
    KeyKind::Text,
    "The database whose tables are read, where the dump has several (`mysqldump --databases`).",
);

/// The settings of the source.
static SOURCE: MapSpec = MapSpec {
    doc: "`type: mysql_dump`: what `mysqldump` or `mariadb-dump` wrote. The streams are the tables of the dump.",
    keys: &[PATH, DATABASE, ENCODING, TIME_ZONE, ZERO_DATES],
};

/// The settings of a stream. Those that the source has too take precedence over the source's.
static STREAM: MapSpec = MapSpec {
    doc: "A table of a dump.",
    keys: &[
        PATH,
        DATABASE,
        ENCODING,
        TIME_ZONE,
        ZERO_DATES,
        KeySpec::optional(
            "table",
            KeyKind::Text,
            "Name of the table, exactly as the dump spells it. By default it is the name of the stream, in any letter case.",
        ),
    ],
};

/// The connector of `type: mysql_dump`.
#[derive(Debug, Clone, Copy)]
pub struct MysqlDump;

impl SourceConnector for MysqlDump {
    fn kind(&self) -> &'static str {
        "mysql_dump"
    }

    fn source_spec(&self) -> &'static MapSpec {
        &SOURCE
    }

    fn stream_spec(&self) -> &'static MapSpec {
        &STREAM
    }

    fn source(&self, context: SourceContext, settings: &Settings) -> Result<Arc<dyn Source>> {
        initial_zone(settings)?;
        Ok(Arc::new(DumpSource { context, settings: settings.clone(), cache: Arc::default() }))
    }
}

/// A source over one set of dump files. Its streams are the tables of the dump.
struct DumpSource {
    context: SourceContext,
    settings: Settings,
    /// The indexes that were built so far; all streams of the source share them.
    cache: Arc<Mutex<Vec<Cached>>>,
}

impl DumpSource {
    /// Runs `work` with the index of the files that the settings name, on a thread for blocking
    /// work. Builds the index unless a valid one is cached.
    async fn with_index<T: Send + 'static>(
        &self,
        settings: Settings,
        work: impl FnOnce(&Index, &Settings) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (project_dir, cache) = (self.context.project_dir.clone(), Arc::clone(&self.cache));
        blocking(move || work(&*indexed(&cache, &project_dir, &settings, Limits::default())?, &settings))
            .await
    }
}

/// Returns whether a read request asks for the column `name` (exact spelling).
pub(crate) fn is_asked_for(request: &ReadRequest, name: &str) -> bool {
    request.columns.iter().any(|column| column.name == name)
}

/// Returns which table a stream reads. The setting `table` has to match exactly; without it, the
/// name of the stream matches in any letter case.
fn wanted(stream: &StreamRequest, settings: &Settings) -> Wanted {
    let database = settings.text("database").map(str::to_owned);
    match settings.text("table") {
        Some(table) => Wanted { name: table.to_owned(), exact: true, database },
        None => Wanted { name: stream.stream.clone(), exact: false, database },
    }
}

#[async_trait]
impl Source for DumpSource {
    fn is_local(&self, stream: &StreamRequest) -> bool {
        are_here(&stream.settings.or(&self.settings))
    }

    async fn stamp(&self, stream: &StreamRequest) -> Option<String> {
        here::stamp(self.context.project_dir.clone(), stream.settings.or(&self.settings)).await
    }

    fn reads(&self, stream: &StreamRequest) -> Option<String> {
        stream.settings.text("table").map(str::to_owned)
    }

    async fn diagnose(&self, streams: &[StreamRequest]) -> Diagnosis {
        diagnose(self.context.project_dir.clone(), &self.settings, streams).await
    }

    async fn streams(&self) -> Result<Vec<String>> {
        self.with_index(self.settings.clone(), |index, settings| {
            let database = settings.text("database");
            // A database without tables is most likely a typing error, so it is an error and not an
            // empty list.
            let names = index.names(database);
            match database.filter(|_| names.is_empty()) {
                Some(database) => Err(Error::new(
                    ErrorKind::SourceUnreadable,
                    format!("the dump has no table in the database `{database}`"),
                )),
                None => Ok(names),
            }
        })
        .await
    }

    async fn discover(&self, stream: &StreamRequest) -> Result<Discovered> {
        let settings = stream.settings.or(&self.settings);
        let (wanted, excluded) = (wanted(stream, &settings), stream.excluded.clone());
        self.with_index(settings, move |index, settings| {
            let (found, definition) = index.table(&wanted)?;
            index.check(found, definition, |name| !excluded.contains(name))?;
            let schema = definition.schema(zero_dates::become_null(settings));
            Ok(Discovered { schema, position: Some(index.cursor()), ..Discovered::default() })
        })
        .await
    }

    async fn position(&self, stream: &StreamRequest, last: &Cursor) -> Result<Option<Cursor>> {
        position(&self.context, stream.settings.or(&self.settings), last.clone()).await
    }

    async fn read(&self, request: ReadRequest, batches: BatchSender) -> Result<ReadOutcome> {
        let settings = request.stream.settings.or(&self.settings);
        let wanted = wanted(&request.stream, &settings);
        self.with_index(settings, move |index, settings| {
            // What `discover` saw must still hold: the captured schema came from these file states.
            assert_as_seen(&index.states, request.seen.as_ref())?;
            let (found, definition) = index.table(&wanted)?;
            index.check(found, definition, |name| is_asked_for(&request, name))?;
            // Zero rows would be loaded as an empty table, although the server's table may have
            // rows.
            if index.definitions_only {
                return Err(Error::new(
                    ErrorKind::SourceUnreadable,
                    "the dump holds definitions of tables and no rows of any",
                )
                .hint("Make the dump without `--no-data`."));
            }
            let zero_dates_to_null = zero_dates::become_null(settings);
            let mut extract = Extract::new(found, &request, zero_dates_to_null, batches, Limits::default());
            rows(index, found, definition, &mut extract, Limits::default())?;
            Ok(ReadOutcome {
                cursor: Some(index.cursor()),
                conversions: extract.finish()?,
                how: None,
                notices: Vec::new(),
            })
        })
        .await
    }
}

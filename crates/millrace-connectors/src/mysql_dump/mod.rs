//! Dumps of MySQL and MariaDB: the SQL that `mysqldump` and `mariadb-dump` write, and simple SQL by hand.
//!
//! The statements are followed, not carried out: `CREATE TABLE` gives the columns and `INSERT` the rows. What would change
//! rows that were read already is an error, so that what is delivered is what a server would have. No statement is held in
//! memory whole, except definitions.
//!
//! A dump is read through once for all of its tables, which makes an [`index::Index`] of it; then each stream reads the parts of the
//! files in which its rows are. See ADR 0030.

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

static SOURCE: MapSpec = MapSpec {
    doc: "`type: mysql_dump`: what `mysqldump` or `mariadb-dump` wrote. The streams are the tables of the dump.",
    keys: &[PATH, DATABASE, ENCODING, TIME_ZONE, ZERO_DATES],
};

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

/// `type: mysql_dump`.
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

struct DumpSource {
    context: SourceContext,
    settings: Settings,
    /// What was made of the dump for a stream, for the others.
    cache: Arc<Mutex<Vec<Cached>>>,
}

impl DumpSource {
    /// Does something with the index of the files that the settings name.
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

/// Whether a request is for a column.
pub(crate) fn is_asked_for(request: &ReadRequest, name: &str) -> bool {
    request.columns.iter().any(|column| column.name == name)
}

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
            assert_as_seen(&index.states, request.seen.as_ref())?;
            let (found, definition) = index.table(&wanted)?;
            index.check(found, definition, |name| is_asked_for(&request, name))?;
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

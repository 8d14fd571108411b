//! Dumps of MySQL and MariaDB: the SQL that `mysqldump` and `mariadb-dump` write, and simple SQL by hand.
//!
//! The statements are followed, not carried out: `CREATE TABLE` gives the columns and `INSERT` the rows. What would change
//! rows that were read already is an error, so that what is delivered is what a server would have. No statement is held in
//! memory whole, except definitions.

mod alter;
mod convert;
mod dump;
mod extract;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod insert;
mod lexer;
mod literal;
mod script;
mod table;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use millrace_core::cursor::Cursor;
use millrace_core::project::settings::Settings;
use millrace_core::project::spec::{KeyKind, KeySpec, MapSpec};
use millrace_engine::batch::BatchSender;
use millrace_engine::diagnosis::Diagnosis;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::registry::SourceConnector;
use millrace_engine::source::{Discovered, ReadOutcome, ReadRequest, Source, SourceContext, StreamRequest};

use crate::files::Limits;
use crate::files::doctor::diagnose;
use crate::files::input::{Input, blocking};
use crate::files::paths::{PATH, files};
use crate::files::selection::position;
use crate::files::window::Window;
use crate::mysql_dump::dump::Dump;
use crate::mysql_dump::extract::{Extract, Wanted};
use crate::mysql_types::zero_dates::{self, ZERO_DATES};

static SOURCE: MapSpec = MapSpec {
    doc: "`type: mysql_dump`: what `mysqldump` or `mariadb-dump` wrote. The streams are the tables of the dump.",
    keys: &[PATH, ZERO_DATES],
};

static STREAM: MapSpec = MapSpec {
    doc: "A table of a dump.",
    keys: &[
        PATH,
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
        Ok(Arc::new(DumpSource { context, settings: settings.clone() }))
    }
}

struct DumpSource {
    context: SourceContext,
    settings: Settings,
}

impl DumpSource {
    /// Follows all files that the settings name.
    async fn follow<T: Send + 'static>(
        &self,
        settings: Settings,
        dump: Dump,
        work: impl FnOnce(Dump, Cursor, &Settings) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let project_dir: PathBuf = self.context.project_dir.clone();
        blocking(move || {
            let limits = Limits::default();
            let mut dump = dump;
            let mut states = Vec::new();
            for file in files(&project_dir, &settings)? {
                let mut window = Window::new(&file.name, Input::open(&file)?, limits.block)?;
                dump.follow(&mut window, limits.record)?;
                states.push(window.into_reader().finish()?);
            }
            work(dump, Cursor::Files { files: states, kept: false }, &settings)
        })
        .await
    }
}

fn wanted(stream: &StreamRequest, settings: &Settings) -> Wanted {
    match settings.text("table") {
        Some(table) => Wanted { name: table.to_owned(), exact: true },
        None => Wanted { name: stream.stream.clone(), exact: false },
    }
}

#[async_trait]
impl Source for DumpSource {
    fn reads(&self, stream: &StreamRequest) -> Option<String> {
        stream.settings.text("table").map(str::to_owned)
    }

    async fn diagnose(&self, streams: &[StreamRequest]) -> Diagnosis {
        diagnose(self.context.project_dir.clone(), &self.settings, streams).await
    }

    async fn streams(&self) -> Result<Vec<String>> {
        self.follow(self.settings.clone(), Dump::new(None), |dump, _, _| Ok(dump.names())).await
    }

    async fn discover(&self, stream: &StreamRequest) -> Result<Discovered> {
        let settings = stream.settings.or(&self.settings);
        let wanted = wanted(stream, &settings);
        self.follow(settings, Dump::new(None), move |dump, cursor, settings| {
            let schema = dump.table(&wanted)?.schema(zero_dates::become_null(settings));
            Ok(Discovered { schema, position: Some(cursor) })
        })
        .await
    }

    async fn position(&self, stream: &StreamRequest, last: &Cursor) -> Result<Option<Cursor>> {
        position(&self.context, stream.settings.or(&self.settings), last.clone()).await
    }

    async fn read(&self, request: ReadRequest, batches: BatchSender) -> Result<ReadOutcome> {
        let settings = request.stream.settings.or(&self.settings);
        let wanted = wanted(&request.stream, &settings);
        let extract = Extract::new(
            wanted.clone(),
            &request,
            zero_dates::become_null(&settings),
            batches,
            Limits::default(),
        );
        let dump = Dump::new(Some(extract));
        self.follow(settings, dump, move |dump, cursor, _| {
            // Says so where there is no such table.
            dump.table(&wanted)?;
            let extract = dump
                .into_extract()
                .ok_or_else(|| Error::new(ErrorKind::Internal, "the dump lost its table"))?;
            Ok(ReadOutcome {
                cursor: Some(cursor),
                conversions: extract.finish()?,
                how: None,
                notices: Vec::new(),
            })
        })
        .await
    }
}

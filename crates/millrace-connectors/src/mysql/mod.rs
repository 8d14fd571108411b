//! Source connector for MySQL and MariaDB servers (`type: mysql`).
//!
//! A read is one SELECT in a transaction with a consistent snapshot. A large table is read with
//! several SELECTs over connections whose snapshots show the same moment (`snapshot.rs`). So
//! everything that one read delivers is of one moment.
//!
//! Rows are requested in the binary protocol because the text protocol loses digits of FLOAT
//! values. Each connection holds at most one batch of rows in memory.

mod address;
mod connection;
mod convert;
mod doctor;
mod extent;
mod failure;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
mod incremental;
mod keys;
mod layout;
mod parallel;
mod privileges;
mod ranges;
mod reach;
mod read;
mod snapshot;
mod table;
mod tls;
mod tunnel;
mod wire;
mod written;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use millrace_core::cursor::Cursor;
use millrace_core::project::deletes::{DELETES, RECONCILE_EVERY};
use millrace_core::project::settings::Settings;
use millrace_core::project::source_file::ReadMode;
use millrace_core::project::spec::{KeyKind, KeySpec, MapSpec};
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::BatchSender;
use millrace_engine::ports::diagnosis::Diagnosis;
use millrace_engine::ports::keys::{KeyParts, KeyRequest, RowKeys, Summed};
use millrace_engine::ports::registry::SourceConnector;
use millrace_engine::ports::source::{
    Discovered, ReadOutcome, ReadRequest, Source, SourceContext, StreamRequest,
};
use mysql_async::prelude::Queryable;

use crate::mysql::address::{Address, UrlOverrides};
use crate::mysql::connection::Connection;
use crate::mysql::failure::cannot_be_read;
use crate::mysql::incremental::{CURSOR, Growth, LAG};
use crate::mysql::layout::Layout;
use crate::mysql::parallel::{CHUNK_ROWS, CONNECTIONS, MOMENT, RANGE_ROWS};
use crate::mysql::read::read;
use crate::mysql::snapshot::{BEGIN, SNAPSHOT};
use crate::mysql_types::zero_dates::{self, ZERO_DATES};
use crate::timeouts::length;

/// The key `read_timeout`.
const READ_TIMEOUT: KeySpec = KeySpec::optional(
    "read_timeout",
    KeyKind::Text,
    "How long the server may say nothing while a row or an answer is expected, before the connection counts as stalled and the load begins again: `10m` (the default; there are ms, s, m and h). Longer than its longest statement takes to its first row.",
);

/// Keys of a source file with `type: mysql`. The reference page is generated from these texts.
static SOURCE: MapSpec = MapSpec {
    doc: "`type: mysql`: a MySQL or MariaDB server. The streams are the tables and views of the database.",
    keys: &[
        KeySpec::required(
            "url",
            KeyKind::Text,
            "`mysql://user:${PASSWORD}@host:3306/database?ssl-mode=VERIFY_IDENTITY`, or over a socket of this machine `mysql://user@%2Frun%2Fmysqld%2Fmysqld.sock/database`. `ssl-mode` is `DISABLED`, `PREFERRED` (the default), `REQUIRED`, `VERIFY_CA` or `VERIFY_IDENTITY`; `ssl-ca`, `ssl-cert` and `ssl-key` stand for the keys of these names.",
        ),
        KeySpec::optional(
            "user",
            KeyKind::Text,
            "The user, where `url` names none, as it is: without `%` for what a URL can't have.",
        ),
        KeySpec::optional(
            "password",
            KeyKind::Secret,
            "The user's password, where `url` has none, from the environment: `\"${CRM_PASSWORD}\"`; as it is, without `%` for what a URL can't have.",
        ),
        KeySpec::optional(
            "socket",
            KeyKind::Text,
            "The server's socket on this machine, by its whole path: `/run/mysqld/mysqld.sock`. Then `url` names no other host than `localhost`: `mysql://user@localhost/database`. Also `socket` in the URL.",
        ),
        KeySpec::optional(
            "ssl_ca",
            KeyKind::Text,
            "PEM file, from the project folder on, with the authorities that may sign the server's certificate. Without it those of Mozilla and of the system may.",
        ),
        KeySpec::optional(
            "ssl_cert",
            KeyKind::Text,
            "PEM file with the certificate of this side, for servers that ask for one.",
        ),
        KeySpec::optional("ssl_key", KeyKind::Text, "PEM file with its key, without a password."),
        ZERO_DATES,
        CONNECTIONS,
        RANGE_ROWS,
        SNAPSHOT,
        CHUNK_ROWS,
        MOMENT,
        READ_TIMEOUT,
    ],
};

/// Keys of one stream of such a source. Some of them override the source's key of the same name.
static STREAM: MapSpec = MapSpec {
    doc: "A table or view of a MySQL server.",
    keys: &[
        ZERO_DATES,
        KeySpec::optional(
            "table",
            KeyKind::Text,
            "Name of the table or view. By default it is the name of the stream. Letter case counts only where two names differ in nothing else.",
        ),
        CURSOR,
        LAG,
        DELETES,
        RECONCILE_EVERY,
        CONNECTIONS,
        RANGE_ROWS,
        SNAPSHOT,
        CHUNK_ROWS,
        MOMENT,
    ],
};

/// The connector behind `type: mysql`.
#[derive(Debug, Clone, Copy)]
pub struct Mysql;

impl SourceConnector for Mysql {
    fn kind(&self) -> &'static str {
        "mysql"
    }

    fn source_spec(&self) -> &'static MapSpec {
        &SOURCE
    }

    fn stream_spec(&self) -> &'static MapSpec {
        &STREAM
    }

    fn connection_keys(&self) -> &'static [&'static str] {
        // Keys that decide which rows a load has, such as `table`, `cursor` and `zero_dates`, are
        // not listed: a change of these loads the stream again.
        &[
            "url",
            "user",
            "password",
            "socket",
            "ssl_ca",
            "ssl_cert",
            "ssl_key",
            "lag",
            "deletes",
            "reconcile_every",
            "connections",
            "range_rows",
            "snapshot",
            "chunk_rows",
            "read_timeout",
        ]
    }

    fn source(&self, context: SourceContext, settings: &Settings) -> Result<Arc<dyn Source>> {
        Ok(Arc::new(Server { context, settings: settings.clone() }))
    }
}

/// A configured server. Each call opens its own connections, and none stays open between calls.
struct Server {
    context: SourceContext,
    settings: Settings,
}

impl Server {
    /// Parses `url` and the keys that replace parts of it. Returns `Misconfigured` if `url` is
    /// empty or the parts contradict each other.
    fn address(&self) -> Result<Address> {
        // `url` is checked here and not when the project is loaded, because commands that never
        // connect must work although `url` may come from an environment variable that is not set.
        let url = self.settings.text("url").unwrap_or_default();
        if url.is_empty() {
            let message = format!("`url` of source `{}` is empty", self.context.name);
            return Err(Error::new(ErrorKind::Misconfigured, message)
                .hint("Write `url: \"mysql://user:${PASSWORD}@host/database\"`."));
        }
        let overrides = UrlOverrides {
            user: self.settings.text("user"),
            password: self.settings.text("password"),
            socket: self.settings.text("socket"),
            ca: self.settings.text("ssl_ca"),
            cert: self.settings.text("ssl_cert"),
            key: self.settings.text("ssl_key"),
        };
        Address::parse(url, overrides)
            .map_err(|error| error.context(format!("source `{}` cannot be reached", self.context.name)))
    }

    /// `read_timeout` of the source, or the default.
    fn read_timeout(&self) -> Result<Duration> {
        let said = self.settings.text("read_timeout");
        said.map_or(Ok(connection::READ_TIMEOUT), |text| {
            length("read_timeout", text, ErrorKind::Misconfigured)
        })
    }

    /// Opens a connection and sets its session up for reading.
    async fn connect(&self) -> Result<Connection> {
        Connection::open(&self.address()?, &self.context.project_dir, self.read_timeout()?).await
    }
}

/// Returns the name of the table that a stream reads: its setting `table`, else the stream's name.
fn wanted<'a>(stream: &'a StreamRequest, settings: &'a Settings) -> &'a str {
    settings.text("table").unwrap_or(&stream.stream)
}

/// Quotes an identifier for MySQL. Doubled backticks escape those in the name, so no name can end
/// the quoting.
fn quoted(name: impl AsRef<str>) -> String {
    format!("`{}`", name.as_ref().replace('`', "``"))
}

#[async_trait]
impl Source for Server {
    fn reads(&self, stream: &StreamRequest) -> Option<String> {
        stream.settings.text("table").map(str::to_owned)
    }

    async fn diagnose(&self, streams: &[StreamRequest]) -> Diagnosis {
        // An error in the settings becomes the first finding, so this function itself never fails.
        let reached = self.address().and_then(|address| Ok((address, self.read_timeout()?)));
        doctor::diagnose(reached, &self.context.project_dir, &self.settings, streams).await
    }

    async fn streams(&self) -> Result<Vec<String>> {
        let mut connection = self.connect().await?;
        let tables = table::list(&mut connection).await?;
        connection.close().await;
        Ok(tables.into_iter().map(|table| table.name).collect())
    }

    fn has_views(&self) -> bool {
        true
    }

    async fn views(&self) -> Result<Vec<String>> {
        let mut connection = self.connect().await?;
        let tables = table::list(&mut connection).await?;
        connection.close().await;
        Ok(tables.into_iter().filter(|table| table.is_view).map(|table| table.name).collect())
    }

    async fn discover(&self, stream: &StreamRequest) -> Result<Discovered> {
        let settings = stream.settings.or(&self.settings);
        let mut connection = self.connect().await?;
        let table = table::find(&mut connection, wanted(stream, &settings)).await?;
        let table = table::describe(&mut connection, table, &stream.excluded).await?;
        // The catalogue also lists tables that the user may write but not read. The server checks
        // the SELECT privilege when it prepares a statement, so a missing grant is found here and
        // not by the load.
        let names = table.columns.iter().map(|column| column.name.as_str());
        let select = table.select(names.filter(|name| !stream.excluded.contains(name)));
        let (driver, answers) = connection.parts()?;
        let doing = cannot_be_read(&table.name);
        answers.wait(&doing, Some(&table.name), driver.prep(select)).await?;
        connection.close().await;
        let schema = table.schema(zero_dates::become_null(&settings));
        Ok(Discovered { schema, ..Discovered::default() })
    }

    async fn position(&self, stream: &StreamRequest, last: &Cursor) -> Result<Option<Cursor>> {
        // A full read has no position that can be asked for cheaply. A mark of an unfinished load
        // is answered with itself if the primary key is still the one by which the load was cut.
        let is_unfinished = matches!(last, Cursor::Ranges { .. });
        if stream.mode != ReadMode::Incremental && !is_unfinished {
            return Ok(None);
        }
        let settings = stream.settings.or(&self.settings);
        let mut connection = self.connect().await?;
        let table = table::find(&mut connection, wanted(stream, &settings)).await?;
        if is_unfinished {
            let layout = Layout::of(&mut connection, &table.name).await?;
            connection.close().await;
            return Ok(layout.filter(|layout| layout.goes_on(last)).map(|_| last.clone()));
        }
        let table = table::describe(&mut connection, table, &stream.excluded).await?;
        let growth = Growth::of(&table, &settings)?;
        let position = growth.position(&mut connection, &table, &stream.excluded, last).await?;
        connection.close().await;
        Ok(Some(position))
    }

    async fn key_sums(&self, request: &KeyRequest, digits: usize) -> Result<Option<Summed>> {
        let settings = request.stream.settings.or(&self.settings);
        let mut connection = self.connect().await?;
        let table = table::find(&mut connection, wanted(&request.stream, &settings)).await?;
        let table = table::describe(&mut connection, table, &request.stream.excluded).await?;
        // One statement sees one moment, so no transaction is begun here or in `read_keys`.
        let sums = keys::sums(&mut connection, &table, &request.columns, digits).await?;
        connection.close().await;
        Ok(sums)
    }

    async fn read_keys(
        &self,
        request: &KeyRequest,
        parts: Option<&KeyParts>,
        batches: BatchSender,
    ) -> Result<()> {
        let Some(parts) = parts else {
            // Without hashed parts there is nothing to filter by, so the keys of all rows are read.
            return self.read(request.of_all_rows(), batches).await.map(|_| ());
        };
        let settings = request.stream.settings.or(&self.settings);
        let mut connection = self.connect().await?;
        let table = table::find(&mut connection, wanted(&request.stream, &settings)).await?;
        let table = table::describe(&mut connection, table, &request.stream.excluded).await?;
        let to_null = zero_dates::become_null(&settings);
        keys::read(&mut connection, &table, request, parts, to_null, &batches).await?;
        connection.close().await;
        Ok(())
    }

    fn reads_by_key(&self) -> bool {
        true
    }

    async fn read_rows(
        &self,
        request: ReadRequest,
        keys: &RowKeys,
        batches: BatchSender,
    ) -> Result<ReadOutcome> {
        let settings = request.stream.settings.or(&self.settings);
        let mut connection = self.connect().await?;
        // The keys take several statements, which must all see the same moment.
        connection.run(BEGIN).await?;
        let table = table::find(&mut connection, wanted(&request.stream, &settings)).await?;
        let table = table::describe(&mut connection, table, &request.stream.excluded).await?;
        let to_null = zero_dates::become_null(&settings);
        let conversions = keys::rows(&mut connection, &table, &request, keys, to_null, &batches).await?;
        connection.close().await;
        Ok(ReadOutcome { cursor: None, conversions, how: None, notices: Vec::new() })
    }

    async fn read(&self, request: ReadRequest, batches: BatchSender) -> Result<ReadOutcome> {
        let settings = request.stream.settings.or(&self.settings);
        read(self, wanted(&request.stream, &settings), &request, &settings, &batches).await
    }
}

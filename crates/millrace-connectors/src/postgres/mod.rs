//! The warehouse connector for PostgreSQL: any server that speaks its protocol, one's own or a
//! cloud's, also through a pooler.
//!
//! The main parts:
//!
//! * `url`, `parameter`, `tls`, `connect`: from libpq's connection URL to a connection.
//! * `pool`, `session`, `watch`: connections, transactions, and detection of stalled connections.
//! * `load`, `copying`, `copy`, `numeric`, `row_size`: rows into raw tables by binary COPY.
//! * `query`, `value`, `dialect`: results, parameters and types.
//! * `prepare`, `publish`, `retire`: tables from build to publication to removal.
//! * `doctor`, `inspect`, `reader`: what is told about a server.
//! * `failure`: errors of the server and the driver as [`millrace_engine::error::Error`].

mod connect;
mod copy;
mod copying;
mod dialect;
mod doctor;
mod failure;
#[cfg(feature = "fuzz")]
pub(crate) mod fuzz;
pub mod inspect;
mod load;
mod numeric;
mod parameter;
mod pool;
mod prepare;
mod publish;
mod query;
mod reader;
mod retire;
mod row_size;
mod session;
mod tls;
mod url;
mod value;
mod warehouse;
mod watch;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use millrace_core::project::environment::Schemas;
use millrace_core::project::settings::Settings;
use millrace_core::project::spec::{KeyKind, KeySpec, MapSpec};
use millrace_engine::error::{ErrorKind, Result};
use millrace_engine::ports::diagnosis::Diagnosis;
use millrace_engine::ports::reader_access::{ReaderAccess, ReaderRequest};
use millrace_engine::ports::registry::{VARIABLES, WarehouseConnector};
use millrace_engine::ports::warehouse::Warehouse;
use pool::Pool;
use tls::MakeTls;
use url::Server;
pub use warehouse::PostgresWarehouse;

use crate::timeouts::length;

/// Connections in use at once, if the environment sets no `connections`.
const CONNECTIONS: usize = 8;

/// Maximum number of columns of a table (`MaxHeapAttributeNumber`).
const MOST_COLUMNS: usize = 1_600;

static SPEC: MapSpec = MapSpec {
    doc: "A PostgreSQL database, on a server of one's own or in a cloud such as Neon.",
    keys: &[
        KeySpec::required(
            "url",
            KeyKind::Text,
            "libpq's connection URL, `postgres://USER:PASSWORD@HOST/DATABASE?…`; the password as `${NAME}`. libpq's environment \
             variables stand for what it leaves out. Without `sslmode` it is `verify-full`, and `prefer` for a server on this machine.",
        ),
        KeySpec::optional(
            "connections",
            KeyKind::Integer(2, 64),
            "Connections at once, at most; 8 by default, and one more to renew a run's lease. They are closed after ten seconds without work.",
        ),
        KeySpec::optional(
            "statement_timeout",
            KeyKind::Text,
            "How long one statement of a run may take, such as `30m`; as long as it does by default.",
        ),
        KeySpec::optional(
            "silence",
            KeyKind::Text,
            "After how long without a word from the server it is looked at, over another connection, whether it is still at work: `1m` (the default; there are ms, s, m and h). Where three looks in a row find that it is not, the connection counts as lost.",
        ),
    ],
};

/// The connector for `type: postgres`.
pub struct Postgres;

#[async_trait]
impl WarehouseConnector for Postgres {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn spec(&self) -> &'static MapSpec {
        &SPEC
    }

    fn variables(&self) -> &'static [&'static str] {
        const NAMES: [&str; parameter::VARIABLES.len()] = parameter::variables();
        &NAMES
    }

    fn most_columns(&self) -> Option<usize> {
        Some(MOST_COLUMNS)
    }

    /// Reads the settings and certificate files. Makes no connection; the first call on the
    /// warehouse does.
    fn open(&self, project_dir: &Path, settings: &Settings) -> Result<Arc<dyn Warehouse>> {
        let server = server(project_dir, settings)?;
        let tls = MakeTls::new(&server.tls)?;
        let connections =
            settings.text("connections").and_then(|text| text.parse().ok()).unwrap_or(CONNECTIONS);
        let time =
            |key| settings.text(key).map(|text| length(key, text, ErrorKind::Misconfigured)).transpose();
        let (limit, silence) = (time("statement_timeout")?, time("silence")?.unwrap_or(watch::SILENCE));
        Ok(Arc::new(PostgresWarehouse::new(Pool::new(server, tls, connections, silence), limit)))
    }

    async fn diagnose(&self, project_dir: &Path, settings: &Settings, schemas: &Schemas) -> Diagnosis {
        doctor::diagnose(project_dir, settings, schemas).await
    }

    fn has_readers(&self) -> bool {
        true
    }

    async fn reader_access(
        &self,
        project_dir: &Path,
        settings: &Settings,
        request: ReaderRequest<'_>,
    ) -> Result<Option<ReaderAccess>> {
        reader::reader_access(project_dir, settings, request).await.map(Some)
    }
}

/// Parses the URL of the settings, with libpq's environment variables for what it leaves out.
/// Certificate paths are relative to the project's folder.
fn server(project_dir: &Path, settings: &Settings) -> Result<Server> {
    let none = BTreeMap::new();
    let variables = settings.map(VARIABLES).unwrap_or(&none);
    Server::parse(settings.text("url").unwrap_or_default().trim(), variables, project_dir)
}

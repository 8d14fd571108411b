//! The warehouse connector for DuckDB, a database in a file of this machine, and the analyzer that
//! parses the portable dialect with DuckDB's own parser.
//!
//! The main parts:
//!
//! * `warehouse`, `value`, `dialect`: connections, transactions, queries, and types.
//! * `load`, `feed`, `vector`: rows into raw tables by a table function.
//! * `publish`: published views, all in one transaction.
//! * `analyzer`, `reading`: names and columns that a text of SQL reads.
//! * `doctor`, `failure`: checks of the file, and errors of the engine.

mod analyzer;
mod dialect;
mod doctor;
mod failure;
mod feed;
mod load;
mod publish;
mod reading;
mod value;
mod vector;
mod warehouse;

use std::path::Path;
use std::sync::Arc;

pub use analyzer::DuckdbAnalyzer;
use async_trait::async_trait;
use dialect::DuckdbDialect;
use millrace_core::project::environment::Schemas;
use millrace_core::project::settings::Settings;
use millrace_core::project::spec::{KeyKind, KeySpec, MapSpec};
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::diagnosis::Diagnosis;
use millrace_engine::ports::registry::{OwnedFile, WarehouseConnector};
use millrace_engine::ports::warehouse::Warehouse;
pub use warehouse::DuckdbWarehouse;

static SPEC: MapSpec = MapSpec {
    doc: "A DuckDB file on this machine.",
    keys: &[
        KeySpec::required(
            "path",
            KeyKind::Text,
            "The file, relative to the project's folder; made at the first run. `:memory:` keeps nothing.",
        ),
        KeySpec::optional(
            "memory_limit",
            KeyKind::Text,
            "How much memory the engine may use, such as `2GB`; four fifths of the machine's by default.",
        ),
        KeySpec::optional(
            "threads",
            KeyKind::Integer(1, 1024),
            "Threads; as many as the machine has by default.",
        ),
        KeySpec::optional(
            "storage_version",
            KeyKind::Text,
            "The oldest version of DuckDB that is to be able to read a new file, such as `v1.0.0`; `v1.3.0` by default, from which on texts are stored \
             quicker. A file that is there stays as it is.",
        ),
    ],
};

/// The connector for `type: duckdb`.
pub struct Duckdb;

#[async_trait]
impl WarehouseConnector for Duckdb {
    fn kind(&self) -> &'static str {
        "duckdb"
    }

    fn spec(&self) -> &'static MapSpec {
        &SPEC
    }

    /// Opens the file, and creates it and its directory if they are missing. Blocks. `:memory:`
    /// opens an empty database that nothing keeps; the other settings do not apply to it.
    fn open(&self, project_dir: &Path, settings: &Settings) -> Result<Arc<dyn Warehouse>> {
        let path = settings.text("path").unwrap_or(":memory:");
        let options = ["memory_limit", "threads", "storage_version"];
        let options = options.iter().filter_map(|key| Some((*key, settings.text(key)?)));
        if path == ":memory:" {
            return Ok(Arc::new(DuckdbWarehouse::open_in_memory()?));
        }
        let path = project_dir.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| {
                Error::new(
                    ErrorKind::WarehouseUnreachable,
                    format!("the folder `{}` cannot be made", folder.display()),
                )
                .caused_by(error)
            })?;
        }
        Ok(Arc::new(DuckdbWarehouse::open(&path, options)?))
    }

    async fn diagnose(&self, project_dir: &Path, settings: &Settings, _schemas: &Schemas) -> Diagnosis {
        doctor::diagnose(project_dir, settings)
    }

    fn owned_file(&self, project_dir: &Path, settings: &Settings) -> Option<OwnedFile> {
        let path = settings.text("path").filter(|path| *path != ":memory:")?;
        Some(OwnedFile { path: project_dir.join(path), dialect: Arc::new(DuckdbDialect) })
    }
}

/// Opens an empty warehouse in memory.
pub fn open_scratch() -> Result<Arc<dyn Warehouse>> {
    Ok(Arc::new(DuckdbWarehouse::open_in_memory()?))
}

//! The registry of connectors. The binary fills it at start; the engine looks connectors up by the
//! `type:` of a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use millrace_core::project::environment::Schemas;
use millrace_core::project::settings::Settings;
use millrace_core::project::spec::MapSpec;
use millrace_core::sql::analyzer::SqlAnalyzer;
use millrace_core::sql::dialect::Dialect;

use crate::error::Result;
use crate::ports::diagnosis::Diagnosis;
use crate::ports::reader_access::{ReaderAccess, ReaderRequest};
use crate::ports::source::{Source, SourceContext};
use crate::ports::warehouse::Warehouse;

/// The key under which `Settings` carry environment variables. The parentheses keep it apart from
/// keys of project files.
pub const VARIABLES: &str = "(variables)";

/// A kind of source, for example `type: json`. One object serves all sources of that kind.
pub trait SourceConnector: Send + Sync {
    /// The word after `type:`.
    fn kind(&self) -> &'static str;
    /// Specification of the source file's keys, except `source`, `type`, `defaults` and `streams`.
    fn source_spec(&self) -> &'static MapSpec;
    /// Specification of a stream's keys, except those that every stream has.
    fn stream_spec(&self) -> &'static MapSpec;
    /// Keys that say how the source is reached or read, not what is read. They are left out of the
    /// fingerprint: if only these change, the stream is not reloaded.
    fn connection_keys(&self) -> &'static [&'static str] {
        &[]
    }
    /// Creates a source from checked settings. Does no I/O.
    fn source(&self, context: SourceContext, settings: &Settings) -> Result<Arc<dyn Source>>;
}

/// A kind of warehouse, which the `type` of an environment names.
#[async_trait]
pub trait WarehouseConnector: Send + Sync {
    /// The word after `type:`.
    fn kind(&self) -> &'static str;
    /// Specification of the environment's keys, except `type`.
    fn spec(&self) -> &'static MapSpec;
    /// Environment variables that replace absent settings, as the system's own clients read them.
    /// Those that are set arrive in `settings`, as a map under [`VARIABLES`].
    fn variables(&self) -> &'static [&'static str] {
        &[]
    }

    /// The largest number of columns of a table; `None` if there is no limit that matters in
    /// practice.
    fn most_columns(&self) -> Option<usize> {
        None
    }

    /// Opens the warehouse, and creates it if it is a file. Blocks: call it on a thread that may
    /// block.
    fn open(&self, project_dir: &Path, settings: &Settings) -> Result<Arc<dyn Warehouse>>;

    /// The file that only one process at a time can open; `None` for a warehouse that many
    /// processes can open. Does no I/O.
    fn owned_file(&self, _project_dir: &Path, _settings: &Settings) -> Option<OwnedFile> {
        None
    }

    /// Checks how the warehouse is reached, layer by layer, for `doctor`. Creates and changes
    /// nothing; ends within its own timeouts, even if the server does not answer. Returns an empty
    /// diagnosis if the error of [`Self::open`] says everything.
    async fn diagnose(&self, _project_dir: &Path, _settings: &Settings, _schemas: &Schemas) -> Diagnosis {
        Diagnosis::default()
    }

    /// Whether other tools connect to this kind of warehouse; then [`Self::reader_access`] says
    /// how.
    fn has_readers(&self) -> bool {
        false
    }

    /// How other tools connect to what is published. Queries the server and changes nothing; may be
    /// retried. Returns `None` if other tools do not connect to this kind.
    async fn reader_access(
        &self,
        _project_dir: &Path,
        _settings: &Settings,
        _request: ReaderRequest<'_>,
    ) -> Result<Option<ReaderAccess>> {
        Ok(None)
    }
}

/// A warehouse in a file that one process owns; other processes send their requests to the owner.
#[derive(Clone)]
pub struct OwnedFile {
    /// The file's path.
    pub path: PathBuf,
    /// The SQL dialect of the warehouse, for processes that send requests to the owner.
    pub dialect: Arc<dyn Dialect>,
}

/// Opens an empty in-memory warehouse, in which `check` describes models.
pub type OpenScratch = fn() -> Result<Arc<dyn Warehouse>>;

/// All connectors of a build, and the engine of the portable dialect.
#[derive(Default)]
pub struct Registry {
    sources: Vec<Box<dyn SourceConnector>>,
    warehouses: Vec<Box<dyn WarehouseConnector>>,
    portable: Option<(Arc<dyn SqlAnalyzer>, OpenScratch)>,
}

impl Registry {
    /// Adds a kind of source.
    pub fn add_source(&mut self, connector: impl SourceConnector + 'static) {
        self.sources.push(Box::new(connector));
    }

    /// Adds a kind of warehouse.
    pub fn add_warehouse(&mut self, connector: impl WarehouseConnector + 'static) {
        self.warehouses.push(Box::new(connector));
    }

    /// Sets the parser of the portable dialect, and the scratch warehouse that describes it.
    pub fn set_portable(&mut self, analyzer: Arc<dyn SqlAnalyzer>, open_scratch: OpenScratch) {
        self.portable = Some((analyzer, open_scratch));
    }

    /// The source connector of that kind.
    pub fn source(&self, kind: &str) -> Option<&dyn SourceConnector> {
        self.sources.iter().map(|c| &**c).find(|c| c.kind() == kind)
    }

    /// The warehouse connector of that kind.
    pub fn warehouse(&self, kind: &str) -> Option<&dyn WarehouseConnector> {
        self.warehouses.iter().map(|c| &**c).find(|c| c.kind() == kind)
    }

    /// All source connectors.
    pub fn sources(&self) -> impl Iterator<Item = &dyn SourceConnector> {
        self.sources.iter().map(|c| &**c)
    }

    /// All warehouse connectors.
    pub fn warehouses(&self) -> impl Iterator<Item = &dyn WarehouseConnector> {
        self.warehouses.iter().map(|c| &**c)
    }

    /// The parser and the scratch warehouse of the portable dialect; `None` in a build without such
    /// an engine.
    pub fn portable(&self) -> Option<(&Arc<dyn SqlAnalyzer>, OpenScratch)> {
        self.portable.as_ref().map(|(analyzer, open)| (analyzer, *open))
    }
}

//! What connectors there are. The binary fills it; the engine looks things up by the `type:` of a file.

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

/// The key under which settings bring environment variables. No project file has such a key.
pub const VARIABLES: &str = "(variables)";

/// A kind of source: `type: json`.
pub trait SourceConnector: Send + Sync {
    /// The word after `type:`.
    fn kind(&self) -> &'static str;
    /// Keys of the source file beside `source`, `type`, `defaults` and `streams`.
    fn source_spec(&self) -> &'static MapSpec;
    /// Keys of one stream beside those that every stream has.
    fn stream_spec(&self) -> &'static MapSpec;
    /// Keys that say how the source is reached or read, not what is read: a stream is not loaded anew where only these have changed.
    fn connection_keys(&self) -> &'static [&'static str] {
        &[]
    }
    /// Makes a source. Touches nothing outside.
    fn source(&self, context: SourceContext, settings: &Settings) -> Result<Arc<dyn Source>>;
}

/// A kind of warehouse: what `type:` of an environment says.
#[async_trait]
pub trait WarehouseConnector: Send + Sync {
    /// The word after `type:`.
    fn kind(&self) -> &'static str;
    /// Keys of the environment beside `type`.
    fn spec(&self) -> &'static MapSpec;
    /// Environment variables that stand for what the settings leave out, as the system's own clients read them. Those that are set come
    /// with the settings, as a map under [`VARIABLES`].
    fn variables(&self) -> &'static [&'static str] {
        &[]
    }

    /// How many columns a table of such a warehouse has at most; none where there is no such limit to speak of.
    fn most_columns(&self) -> Option<usize> {
        None
    }

    /// Opens the warehouse, making it where that is natural (a file). Blocks; call it where that is allowed.
    fn open(&self, project_dir: &Path, settings: &Settings) -> Result<Arc<dyn Warehouse>>;

    /// The file that one process at a time can open; none for a warehouse that many processes may have. Touches nothing.
    fn owned_file(&self, _project_dir: &Path, _settings: &Settings) -> Option<OwnedFile> {
        None
    }

    /// What there is to say of the way to the warehouse, for `doctor`. Makes nothing and changes nothing; ends by itself, also where nobody
    /// answers. Empty where [`Self::open`] says all.
    async fn diagnose(&self, _project_dir: &Path, _settings: &Settings, _schemas: &Schemas) -> Diagnosis {
        Diagnosis::default()
    }

    /// Whether other tools connect to such warehouses. Then [`Self::reader_access`] says how.
    fn has_readers(&self) -> bool {
        false
    }

    /// How other tools read what is published. Asks the server, changes nothing; may be retried. None where no other tool connects.
    async fn reader_access(
        &self,
        _project_dir: &Path,
        _settings: &Settings,
        _request: ReaderRequest<'_>,
    ) -> Result<Option<ReaderAccess>> {
        Ok(None)
    }
}

/// A warehouse that is a file of one process. Others ask that process.
#[derive(Clone)]
pub struct OwnedFile {
    /// The file.
    pub path: PathBuf,
    /// How SQL is written for it, for those who ask from outside.
    pub dialect: Arc<dyn Dialect>,
}

/// Opens an empty warehouse in memory, against which `check` describes models.
pub type OpenScratch = fn() -> Result<Arc<dyn Warehouse>>;

/// All connectors of a build.
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

    /// Sets what reads and describes the portable dialect.
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

    /// What reads and describes the portable dialect; none in a build without such an engine.
    pub fn portable(&self) -> Option<(&Arc<dyn SqlAnalyzer>, OpenScratch)> {
        self.portable.as_ref().map(|(analyzer, open)| (analyzer, *open))
    }
}

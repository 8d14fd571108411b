//! The connectors of this build, as project files refer to them.

use crate::project::spec::MapSpec;

/// The values that `type:` accepts, and the keys that each adds. The registry of connectors fills
/// it.
#[derive(Debug, Clone, Default)]
pub struct Connectors {
    sources: Vec<(&'static str, &'static MapSpec, &'static MapSpec)>,
    warehouses: Vec<(&'static str, &'static MapSpec)>,
}

impl Connectors {
    /// Adds a type of source, with the keys of its file and of its streams.
    pub fn add_source(&mut self, kind: &'static str, source: &'static MapSpec, stream: &'static MapSpec) {
        self.sources.push((kind, source, stream));
    }

    /// Adds a type of warehouse, with its keys.
    pub fn add_warehouse(&mut self, kind: &'static str, spec: &'static MapSpec) {
        self.warehouses.push((kind, spec));
    }

    /// The keys of a source type and of its streams.
    pub(super) fn source(&self, kind: &str) -> Option<(&'static MapSpec, &'static MapSpec)> {
        self.sources.iter().find(|(name, ..)| *name == kind).map(|(_, source, stream)| (*source, *stream))
    }

    /// The keys of a warehouse type.
    pub(super) fn warehouse(&self, kind: &str) -> Option<&'static MapSpec> {
        self.warehouses.iter().find(|(name, _)| *name == kind).map(|(_, spec)| *spec)
    }

    pub(super) fn source_kinds(&self) -> Vec<&'static str> {
        self.sources.iter().map(|(name, ..)| *name).collect()
    }

    pub(super) fn warehouse_kinds(&self) -> Vec<&'static str> {
        self.warehouses.iter().map(|(name, _)| *name).collect()
    }
}

//! The streams of a project: which there are, what reads them, what they are known to hold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::digest::sha256;
use millrace_core::name::StreamName;
use millrace_core::project::Project;
use millrace_core::project::source_file::{SourceDef, StreamOptions};
use millrace_core::schema::StreamSchema;

use crate::error::Result;
use crate::registry::Registry;
use crate::source::{Source, SourceContext, StreamRequest};

/// One stream of the project.
#[derive(Clone)]
pub struct Stream {
    /// Full name.
    pub name: StreamName,
    /// How it is read.
    pub options: StreamOptions,
    /// Fingerprint of its source's settings and its own, but for those that only say how the source is reached.
    pub reading: String,
    /// Its captured schema.
    pub captured: Option<StreamSchema>,
    /// What reads it.
    pub source: Arc<dyn Source>,
}

impl Stream {
    /// The request that the source is given.
    pub fn request(&self) -> StreamRequest {
        StreamRequest {
            stream: self.name.stream.clone(),
            settings: self.options.settings.clone(),
            excluded: self.options.exclude_columns.clone(),
            mode: self.options.mode,
        }
    }
}

/// The streams of a project, in the order of their names.
#[derive(Clone, Default)]
pub struct Catalog {
    /// Streams by name.
    pub streams: BTreeMap<StreamName, Stream>,
}

impl Catalog {
    /// Finds the streams. A source whose streams are not named in its file is asked, unless its schema was captured. What fails is a
    /// diagnostic; the other sources go on.
    pub async fn of(
        project: &Project,
        registry: &Registry,
        project_dir: &Path,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut catalog = Self::default();
        for def in &project.sources {
            if let Err(error) = catalog.add(def, project, registry, project_dir).await {
                let diagnostic = error.to_diagnostic();
                diagnostics.push(diagnostic.at(def.span.clone(), ""));
            }
        }
        for name in project.captured.keys() {
            if !project.sources.iter().any(|source| source.name == *name) {
                let message = format!("`sources/{name}.schema.yml` belongs to no source");
                diagnostics.push(
                    Diagnostic::warning(Code::StrayFile, message)
                        .hint("Rename it with its source, or delete it."),
                );
            }
        }
        catalog
    }

    async fn add(
        &mut self,
        def: &SourceDef,
        project: &Project,
        registry: &Registry,
        project_dir: &Path,
    ) -> Result<()> {
        let Some(connector) = registry.source(&def.kind) else { return Ok(()) };
        let context = SourceContext { name: def.name.clone(), project_dir: project_dir.to_owned() };
        let source = connector.source(context, &def.settings)?;
        let captured = project.captured.get(&def.name);
        let named: Vec<(String, StreamOptions)> = match (&def.streams, captured) {
            (Some(streams), _) => {
                streams.iter().map(|s| (s.name.stream.clone(), s.options.clone())).collect()
            }
            (None, Some(captured)) => {
                captured.keys().map(|name| (name.clone(), def.defaults.clone())).collect()
            }
            (None, None) => {
                let names = source.streams().await?;
                names.into_iter().map(|name| (name, def.defaults.clone())).collect()
            }
        };
        for (stream, options) in named {
            let name = StreamName::new(&def.name, stream);
            let captured = captured.and_then(|schemas| schemas.get(&name.stream)).cloned();
            let settings = options.settings.or(&def.settings).without(connector.connection_keys());
            let reading = sha256(format!("{} {}", def.kind, settings.fingerprint()));
            let stream =
                Stream { name: name.clone(), options, reading, captured, source: Arc::clone(&source) };
            self.streams.insert(name, stream);
        }
        Ok(())
    }

    /// The names of all streams.
    pub fn names(&self) -> BTreeSet<StreamName> {
        self.streams.keys().cloned().collect()
    }
}

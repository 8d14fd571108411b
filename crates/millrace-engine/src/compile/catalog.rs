//! The streams of a project: which there are, what reads them, what they are known to hold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, Span};
use millrace_core::digest::sha256;
use millrace_core::name::{Naming, StreamName};
use millrace_core::project::Project;
use millrace_core::project::deletes::Deletes;
use millrace_core::project::source_file::{Contract, OnChange, OnNul, ReadMode, SourceDef, StreamOptions};
use millrace_core::schema::StreamSchema;

use crate::compile::masks::Masks;
use crate::compile::stream_names::{Known, found};
use crate::compile::unset_variables;
use crate::error::{Error, ErrorKind, Result};
use crate::ports::registry::Registry;
use crate::ports::source::{Discovered, Source, SourceContext, StreamRequest};

/// One stream of the project.
#[derive(Clone)]
pub struct Stream {
    /// Full name.
    pub name: StreamName,
    /// Where its name stands, or the pattern or source that it comes from.
    pub span: Span,
    /// How it is read.
    pub options: StreamOptions,
    /// Fingerprint of its source's settings and its own, but for those that only say how the source is reached.
    pub reading: String,
    /// Its captured schema.
    pub captured: Option<StreamSchema>,
    /// What reads it.
    pub source: Arc<dyn Source>,
    /// What masks some of its columns.
    pub(crate) masks: Option<Masks>,
}

impl Stream {
    /// The request that the source is given.
    pub fn request(&self) -> StreamRequest {
        StreamRequest {
            stream: self.name.stream.clone(),
            settings: self.options.settings.clone(),
            excluded: self.options.choice.left_out(),
            masked: self.options.choice.masked.iter().map(|name| name.text.clone()).collect(),
            key: self.options.key.clone(),
            mode: self.options.mode,
        }
    }

    /// What its source sees of it now, with the types that were chosen.
    pub async fn discover(&self) -> Result<Discovered> {
        let discovered = self.source.discover(&self.request()).await?;
        let schema = self.options.with_chosen_types(discovered.schema);
        Ok(Discovered { schema, ..discovered })
    }

    /// Whether an error says no more than that its files are gone, as they may be once they are loaded.
    pub fn may_be_emptied(&self, error: &Error) -> bool {
        error.kind() == ErrorKind::SourceEmpty && self.options.mode.keeps()
    }

    /// Whether rows that its source deletes stay, and the project does not say that they may.
    pub fn deletes_unseen(&self) -> bool {
        self.options.mode == ReadMode::Incremental && self.options.deletes == Deletes::Unsaid
    }

    /// Everything of the project that decides on what a load of the stream gives.
    pub(crate) fn fingerprint(&self, naming: Naming) -> String {
        let options = &self.options;
        let left_out = options.choice.left_out().fingerprint();
        let mut text = format!(
            "{naming:?} {:?} {:?} {left_out} {:?} {} {:?}",
            options.key,
            options.mode,
            contract_as_written(options.contract),
            self.reading,
            self.captured
        );
        if !options.rename.is_empty() {
            let renamed: Vec<_> =
                options.rename.iter().map(|renamed| (&renamed.column.text, &renamed.name)).collect();
            text.push_str(&format!(" renamed {renamed:?}"));
        }
        if let Some(masks) = &self.masks {
            let masked: Vec<&str> = options.choice.masked.iter().map(|name| name.text.as_str()).collect();
            text.push_str(&format!(" {masked:?} {}", masks.fingerprint()));
        }
        // What streams have that say nothing of it stays as it was.
        let nul = if options.nul == OnNul::Error { String::new() } else { format!(" {:?}", options.nul) };
        sha256(text + &nul)
    }
}

/// A contract, such that the default is what it was in earlier versions, when `quarantine` was the default for types: nothing is loaded
/// anew for the sake of another default.
fn contract_as_written(contract: Contract) -> Contract {
    let types = match contract.types {
        OnChange::Evolve => OnChange::Quarantine,
        OnChange::Quarantine => OnChange::Evolve,
        OnChange::Freeze => OnChange::Freeze,
    };
    Contract { types, ..contract }
}

/// Which sources are asked for the streams that they have, whatever was captured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ask {
    /// None: only where nothing was captured.
    #[default]
    Nobody,
    /// One.
    One(String),
    /// All.
    All,
}

impl Ask {
    fn asks(&self, source: &str) -> bool {
        match self {
            Self::Nobody => false,
            Self::One(name) => name == source,
            Self::All => true,
        }
    }
}

/// The streams of a project, in the order of their names.
#[derive(Clone, Default)]
pub struct Catalog {
    /// Streams by name.
    pub streams: BTreeMap<StreamName, Stream>,
    /// Sources that had to be asked for their streams and did not answer, which has been reported.
    pub unknown: BTreeSet<String>,
}

impl Catalog {
    /// Finds the streams. A source whose streams are not all named in its file is asked, unless its schema was captured. What fails is a
    /// diagnostic; the other sources go on.
    pub async fn of(
        project: &Project,
        registry: &Registry,
        project_dir: &Path,
        ask: &Ask,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut catalog = Self::default();
        for def in &project.sources {
            let ask = ask.asks(&def.name);
            if let Err(error) = catalog.add(def, project, registry, project_dir, ask, diagnostics).await {
                catalog.unknown.insert(def.name.clone());
                // Each variable is told of at the place that names it.
                if error.kind() == ErrorKind::UnsetVariable {
                    diagnostics.extend(def.unset.iter().cloned());
                } else {
                    diagnostics.push(error.to_diagnostic().at(def.span.clone(), ""));
                }
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
        ask: bool,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Result<()> {
        let Some(connector) = registry.source(&def.kind) else { return Ok(()) };
        let context = SourceContext { name: def.name.clone(), project_dir: project_dir.to_owned() };
        let source = unset_variables::guarded(connector.source(context, &def.settings)?, def);
        let captured = project.captured.get(&def.name);
        let known = match (&def.streams, captured) {
            (Some(_), _) if def.patterns.is_empty() => Known::default(),
            (_, Some(captured)) if !ask => {
                let views = project.captured_views.get(&def.name).cloned();
                Known { names: captured.keys().cloned().collect(), are_captured: true, views }
            }
            _ => {
                let names = source.streams().await?;
                let asks = def.exclude.views.is_some() && source.has_views();
                let views = if asks { Some(source.views().await?) } else { None };
                Known { names, are_captured: false, views }
            }
        };
        for found in found(def, &known, &*source, diagnostics) {
            let name = StreamName::new(&def.name, found.name);
            // What was captured of a stream without rows says nothing of its columns.
            let captured = captured
                .and_then(|schemas| schemas.get(&name.stream))
                .filter(|schema| !schema.columns.is_empty())
                .cloned();
            let settings = found.options.settings.or(&def.settings).without(connector.connection_keys());
            let reading = sha256(format!("{} {}", def.kind, settings.fingerprint()));
            let choice = &found.options.choice;
            let masker = project.manifest.mask_salt.masker.as_ref().filter(|_| !choice.masked.is_empty());
            let masks = masker.map(|masker| Masks { masker: masker.clone(), choice: choice.clone() });
            let captured = captured.map(|schema| found.options.with_chosen_types(schema));
            let stream = Stream {
                name: name.clone(),
                span: found.span,
                options: found.options,
                reading,
                captured,
                source: Arc::clone(&source),
                masks,
            };
            self.streams.insert(name, stream);
        }
        Ok(())
    }

    /// The names of all streams.
    pub fn names(&self) -> BTreeSet<StreamName> {
        self.streams.keys().cloned().collect()
    }
}

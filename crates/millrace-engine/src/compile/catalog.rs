//! The catalog of a project: its streams, the source that reads each one, and its captured schema.

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

/// One stream of the project with everything that its load needs.
#[derive(Clone)]
pub struct Stream {
    /// Full name.
    pub name: StreamName,
    /// Where the project names it: its entry, or the pattern or source file that includes it.
    pub span: Span,
    /// The stream's options, with defaults applied.
    pub options: StreamOptions,
    /// Fingerprint of the settings of the source and the stream, except those that only say how the
    /// source is reached (`SourceConnector::connection_keys`).
    pub reading: String,
    /// The captured schema; `None` if there is none or if it was captured without columns.
    pub captured: Option<StreamSchema>,
    /// The source that reads it.
    pub source: Arc<dyn Source>,
    /// The masks of its columns; `None` if no column is masked or there is no salt.
    pub(crate) masks: Option<Masks>,
}

impl Stream {
    /// The request for the source.
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

    /// The columns that the source shows at present, with the types that the project chooses
    /// applied.
    pub async fn discover(&self) -> Result<Discovered> {
        let discovered = self.source.discover(&self.request()).await?;
        let schema = self.options.with_chosen_types(discovered.schema);
        Ok(Discovered { schema, ..discovered })
    }

    /// Whether an error only says that the stream's files are gone, and earlier rows are kept
    /// anyway: then it is no failure.
    pub fn may_be_emptied(&self, error: &Error) -> bool {
        error.kind() == ErrorKind::SourceEmpty && self.options.mode.keeps()
    }

    /// Whether rows that the source deletes stay in the table without the project's consent
    /// (`deletes:` is unset).
    pub fn deletes_unseen(&self) -> bool {
        self.options.mode == ReadMode::Incremental && self.options.deletes == Deletes::Unsaid
    }

    /// SHA-256 over all parts of the project that determine the result of a load. If it changes,
    /// the stream is reloaded in full.
    ///
    /// The text must stay as it is: another one would reload every stream of every user. Options
    /// added later are only appended if they differ from their default.
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
        // Appended only if set, so that streams without it keep their fingerprint.
        if !options.rename.is_empty() {
            let renamed: Vec<_> =
                options.rename.iter().map(|renamed| (&renamed.column.text, &renamed.name)).collect();
            text.push_str(&format!(" renamed {renamed:?}"));
        }
        if let Some(masks) = &self.masks {
            let masked: Vec<&str> = options.choice.masked.iter().map(|name| name.text.as_str()).collect();
            text.push_str(&format!(" {masked:?} {}", masks.fingerprint()));
        }
        // The default is left out, so that streams without the option keep their fingerprint.
        let nul = if options.nul == OnNul::Error { String::new() } else { format!(" {:?}", options.nul) };
        sha256(text + &nul)
    }
}

/// The contract as fingerprints contain it. Earlier versions had `quarantine` as the default for
/// types; swapping it with `evolve` keeps the fingerprint of the default, so that a changed default
/// reloads nothing.
fn contract_as_written(contract: Contract) -> Contract {
    let types = match contract.types {
        OnChange::Evolve => OnChange::Quarantine,
        OnChange::Quarantine => OnChange::Evolve,
        OnChange::Freeze => OnChange::Freeze,
    };
    Contract { types, ..contract }
}

/// Which sources are asked for the names of their streams even if a schema was captured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Ask {
    /// None of them.
    #[default]
    Nobody,
    /// The source of that name.
    One(String),
    /// All of them.
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

/// All streams of a project, ordered by name.
#[derive(Clone, Default)]
pub struct Catalog {
    /// The streams by full name.
    pub streams: BTreeMap<StreamName, Stream>,
    /// Sources whose streams are unknown because they could not be asked. This has been reported,
    /// so names in them are not reported again.
    pub unknown: BTreeSet<String>,
}

impl Catalog {
    /// Builds the catalog. A source is asked for its streams if its file does not name all of them
    /// and its schema was not captured, or if `ask` says so. An error of one source becomes a
    /// diagnostic and does not affect the others.
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
                // Each unset variable is reported at its own place.
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

    /// Adds the streams of one source. Does nothing for an unknown `type:`, which was reported when
    /// the file was read. Fails if the source must be asked and does not answer.
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
        // Names are needed only for patterns, or if the file lists no streams at all.
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
            // A schema that was captured from a stream without rows says nothing about its columns.
            let captured = captured
                .and_then(|schemas| schemas.get(&name.stream))
                .filter(|schema| !schema.columns.is_empty())
                .cloned();
            // Settings that only say how the source is reached must not cause a reload.
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

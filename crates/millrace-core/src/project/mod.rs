//! Turns project files into a [`Project`] and its diagnostics.
//!
//! The folder of a file decides what it is: `models`, `sources`, `metrics`, `dashboards`, or
//! `millrace.yml` at the top. [`load`] takes whatever it can from each file, so an error in one
//! never hides the errors in others.

pub mod captured;
pub mod column_choice;
pub mod column_words;
mod connectors;
pub mod dashboard_file;
mod data_test;
pub mod decode;
pub mod deletes;
pub mod environment;
pub mod exclude;
pub mod localized;
pub mod manifest;
pub mod mask_salt;
pub mod model_file;
pub mod reference;
pub mod schedule;
pub mod semantic_file;
pub mod settings;
pub mod shrink;
pub mod source_file;
pub mod spec;
pub mod stream_pattern;
pub mod strict;
pub mod yaml;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::code::Code;
use crate::diagnostic::Spanned;
use crate::diagnostic::{Diagnostic, Span};
use crate::project::captured::CapturedSchemas;
pub use crate::project::connectors::Connectors;
use crate::project::dashboard_file::DashboardDef;
use crate::project::decode::Decoder;
use crate::project::manifest::Manifest;
use crate::project::model_file::{ModelDef, ModelDoc, start_of};
use crate::project::semantic_file::SemanticViewDef;
use crate::project::source_file::SourceDef;
use crate::sql::template::{self, TemplateContext};
use crate::suggest::did_you_mean;

/// A file of a project.
#[derive(Debug, Clone)]
pub struct ProjectFile {
    /// Path relative to the project folder, with forward slashes.
    pub path: String,
    /// Content of the file.
    pub bytes: Vec<u8>,
}

/// The decoded content of all project files.
#[derive(Debug, Clone, Default)]
pub struct Project {
    /// Content of `millrace.yml`.
    pub manifest: Manifest,
    /// Sources, in the order of their files.
    pub sources: Vec<SourceDef>,
    /// Captured schemas, by source name.
    pub captured: BTreeMap<String, CapturedSchemas>,
    /// Names of the streams that are views, by source name; only for captured schemas that list
    /// them.
    pub captured_views: BTreeMap<String, Vec<String>>,
    /// Models, in the order of their files.
    pub models: Vec<ModelDef>,
    /// Names of disabled models (`enabled: false`), which are not in `models`.
    pub disabled: Vec<String>,
    /// Semantic views.
    pub semantic_views: Vec<SemanticViewDef>,
    /// Dashboards.
    pub dashboards: Vec<DashboardDef>,
    /// Texts of all files, for rendering diagnostics.
    pub texts: SourceTexts,
}

impl Project {
    /// Removes disabled models. `config(enabled=…)` in a model takes precedence over its
    /// description. A model whose template fails stays, so that the error is reported later.
    pub fn disable(&mut self, context: &TemplateContext) {
        let enabled = |model: &ModelDef| {
            let says = template::is_template(&model.text) && model.text.contains("enabled");
            let rendered = says.then(|| template::render(&model.file, &model.text, context).ok()).flatten();
            rendered.and_then(|rendered| rendered.enabled).or(model.enabled).unwrap_or(true)
        };
        let (kept, disabled) = std::mem::take(&mut self.models).into_iter().partition(enabled);
        self.models = kept;
        self.disabled = Vec::into_iter(disabled).map(|model| model.name).collect();
    }

    /// All masked columns, with the places that request the mask.
    pub fn masked(&self) -> impl Iterator<Item = &Spanned> {
        let options = self.sources.iter().flat_map(|source| {
            let streams = source.streams.iter().flatten().map(|stream| &stream.options);
            let patterns = source.patterns.iter().map(|pattern| &pattern.options);
            streams.chain(patterns).chain([&source.defaults])
        });
        options.flat_map(|options| &options.choice.masked)
    }
}

/// Texts of files, by path.
pub type SourceTexts = BTreeMap<String, String>;

/// Decodes the files of a project. `variables` are the environment variables, including those from
/// `.env`. Diagnostics that need the warehouse or the sources are not among the results.
pub fn load(
    files: &[ProjectFile],
    connectors: &Connectors,
    variables: &BTreeMap<String, String>,
) -> (Project, Vec<Diagnostic>) {
    let mut loader = Loader {
        project: Project::default(),
        docs: Vec::new(),
        diagnostics: Vec::new(),
        connectors,
        variables,
    };
    for file in files {
        loader.file(file);
    }
    loader.finish()
}

/// State of [`load`]. `docs` holds descriptions of models until all SQL files are known.
struct Loader<'a> {
    project: Project,
    docs: Vec<ModelDoc>,
    diagnostics: Vec<Diagnostic>,
    connectors: &'a Connectors,
    variables: &'a BTreeMap<String, String>,
}

impl Loader<'_> {
    /// Decodes one file by its folder and extension. A file that belongs nowhere is a warning.
    fn file(&mut self, file: &ProjectFile) {
        let path: Arc<str> = file.path.as_str().into();
        let text = match yaml::decode_text(&path, &file.bytes) {
            Ok(text) => text,
            Err(diagnostic) => return self.diagnostics.push(diagnostic),
        };
        // Kept even if decoding fails, because diagnostics quote the text.
        self.project.texts.insert(file.path.clone(), text.clone());
        let (folder, rest) = file.path.split_once('/').unwrap_or(("", &file.path));
        let (stem, extension) = rest.rsplit_once('.').unwrap_or((rest, ""));
        match (folder, extension) {
            ("models", "sql") => self.model(&path, stem, text),
            ("" | "sources" | "models" | "metrics" | "dashboards", "yml" | "yaml") => {
                self.yaml_file(&path, folder, stem, &text);
            }
            _ => self.diagnostics.push(
                Diagnostic::warning(
                    Code::StrayFile,
                    format!("`{}` belongs to no part of a project", file.path),
                )
                .at(start_of(&path), ""),
            ),
        }
    }

    /// Adds a model from its SQL file; its name is the file's name.
    fn model(&mut self, path: &Arc<str>, stem: &str, text: String) {
        let name = stem.rsplit('/').next().unwrap_or(stem).to_owned();
        let spanned = Spanned { text: name.clone(), span: start_of(path) };
        let mut decoder = Decoder {
            file: path,
            connectors: self.connectors,
            variables: self.variables,
            diagnostics: &mut self.diagnostics,
        };
        if decoder.name(&spanned, "a model") {
            self.project.models.push(ModelDef {
                name,
                file: Arc::clone(path),
                text,
                materialization: None,
                description: None,
                post_hooks: Vec::new(),
                indexes: Vec::new(),
                columns: Vec::new(),
                tests: Vec::new(),
                enabled: None,
            });
        }
    }

    /// Decodes a YAML file. In `sources`, `NAME.schema.yml` is a captured schema.
    fn yaml_file(&mut self, path: &Arc<str>, folder: &str, stem: &str, text: &str) {
        let Some(node) = yaml::parse(path, text, &mut self.diagnostics) else { return };
        let mut decoder = Decoder {
            file: path,
            connectors: self.connectors,
            variables: self.variables,
            diagnostics: &mut self.diagnostics,
        };
        let last = stem.rsplit('/').next().unwrap_or(stem);
        match folder {
            "sources" => match last.strip_suffix(".schema") {
                Some(source) => {
                    let schemas = captured::decode(&node, &mut decoder);
                    let views = captured::views(&node, &decoder).map(|views| (source.to_owned(), views));
                    self.project.captured_views.extend(views);
                    self.project.captured.insert(source.to_owned(), schemas);
                }
                None => self.project.sources.extend(source_file::decode(&node, last, &mut decoder)),
            },
            "models" => self.docs.extend(model_file::decode(&node, &mut decoder)),
            "metrics" => self.project.semantic_views.extend(semantic_file::decode(&node, &mut decoder)),
            "dashboards" => self.project.dashboards.extend(dashboard_file::decode(&node, &mut decoder)),
            _ if stem == "millrace" => self.project.manifest = Manifest::decode(&node, &mut decoder),
            _ => self.diagnostics.push(
                Diagnostic::warning(Code::StrayFile, format!("`{path}` belongs to no part of a project"))
                    .at(start_of(path), ""),
            ),
        }
    }

    /// Joins what several files say about one thing, and checks names across files.
    fn finish(mut self) -> (Project, Vec<Diagnostic>) {
        if !self.project.texts.contains_key("millrace.yml")
            && !self.project.texts.contains_key("millrace.yaml")
        {
            // A manifest that is not UTF-8 has been reported already.
            let broken = self
                .diagnostics
                .iter()
                .any(|d| d.code == Code::NotText && d.message.contains("`millrace.yml`"));
            if !broken {
                let hint = "Run `millrace init`, or give the project's folder with `--project DIR`.";
                self.diagnostics
                    .push(Diagnostic::error(Code::NoProject, "there is no `millrace.yml` here").hint(hint));
            }
        }
        let both = ["millrace.yml", "millrace.yaml"];
        if both.iter().all(|name| self.project.texts.contains_key(*name)) {
            self.diagnostics.push(
                Diagnostic::error(
                    Code::DuplicateName,
                    "there are two manifests: `millrace.yml` and `millrace.yaml`",
                )
                .at(start_of(&"millrace.yaml".into()), "")
                .hint("Keep one of them."),
            );
        }
        // Descriptions first: a materialization set there takes precedence over that of a folder.
        self.join_docs();
        self.apply_folders();
        let project = &self.project;
        let mut diagnostics = std::mem::take(&mut self.diagnostics);
        let models = project.models.iter().map(|m| (m.name.as_str(), start_of(&m.file)));
        refuse_twins("model", models, &mut diagnostics);
        let sources = project.sources.iter().map(|s| (s.name.as_str(), s.span.clone()));
        refuse_twins("source", sources, &mut diagnostics);
        let views = project.semantic_views.iter().map(|v| (v.name.text.as_str(), v.name.span.clone()));
        refuse_twins("semantic view", views, &mut diagnostics);
        let dashboards = project.dashboards.iter().map(|d| (d.name.text.as_str(), d.name.span.clone()));
        refuse_twins("dashboard", dashboards, &mut diagnostics);
        mask_salt::refuse_unsalted(project, &mut diagnostics);
        (self.project, diagnostics)
    }

    /// Adds descriptions from YAML files to their models. A description without a model is an
    /// error.
    fn join_docs(&mut self) {
        for doc in std::mem::take(&mut self.docs) {
            let Some(model) = self.project.models.iter_mut().find(|model| model.name == doc.name.text) else {
                let names: Vec<_> = self.project.models.iter().map(|model| model.name.as_str()).collect();
                let hint = did_you_mean(&doc.name.text, names, "there are");
                self.diagnostics.push(
                    Diagnostic::error(Code::UnknownRef, format!("there is no model `{}`", doc.name.text))
                        .at(doc.name.span, "described here")
                        .maybe_hint(hint),
                );
                continue;
            };
            model.materialization = doc.materialization.or(model.materialization);
            model.description = doc.description.or(model.description.take());
            model.post_hooks.extend(doc.post_hooks);
            model.indexes.extend(doc.indexes);
            model.columns.extend(doc.columns);
            model.tests.extend(doc.tests);
            model.enabled = doc.enabled.or(model.enabled);
        }
    }

    /// Applies the folder defaults of `millrace.yml` to models without a materialization.
    fn apply_folders(&mut self) {
        for model in &mut self.project.models {
            if model.materialization.is_some() {
                continue;
            }
            let path = model.file.strip_prefix("models/").unwrap_or(&model.file);
            // The innermost folder takes precedence.
            let inside = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
            let folders = self.project.manifest.folders.iter().filter(|(folder, _)| inside(folder));
            model.materialization = folders.max_by_key(|(folder, _)| folder.len()).map(|(_, kind)| *kind);
        }
    }
}

/// Reports names that occur twice. Names that differ only in case count as equal.
fn refuse_twins<'a>(
    what: &str,
    names: impl Iterator<Item = (&'a str, Span)>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut seen: BTreeMap<String, Span> = BTreeMap::new();
    for (name, span) in names {
        match seen.get(&name.to_lowercase()) {
            Some(first) => diagnostics.push(
                Diagnostic::error(Code::DuplicateName, format!("there are two {what}s named `{name}`"))
                    .at(span, "again here")
                    .at(first.clone(), "first here"),
            ),
            None => {
                seen.insert(name.to_lowercase(), span);
            }
        }
    }
}

//! A compiled project: streams are found, models are resolved, semantic views and dashboards are
//! checked by name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, Spanned, has_errors};
use millrace_core::graph::{Graph, Input};
use millrace_core::metric::tile::check_dashboard;
use millrace_core::metric::view::SemanticView;
use millrace_core::project::Project;
use millrace_core::project::environment::Schemas;
use millrace_core::quality::{DataTest, distinct};
use millrace_core::sql::analyzer::SqlAnalyzer;
use millrace_core::sql::template::TemplateContext;
use millrace_core::suggest::did_you_mean;

use crate::compile::catalog::{Ask, Catalog, Stream};
use crate::error::{Error, ErrorKind, Result};
use crate::ports::registry::Registry;
use crate::ports::warehouse::Warehouse;

/// A project with all names resolved.
#[derive(Clone)]
pub struct Compiled {
    /// The parsed files.
    pub project: Arc<Project>,
    /// The project folder.
    pub project_dir: PathBuf,
    /// Name of the chosen environment.
    pub environment: String,
    /// Names of the schemas that the environment uses.
    pub schemas: Schemas,
    /// The streams.
    pub catalog: Catalog,
    /// The models, each after those that it reads.
    pub graph: Graph,
    /// Semantic views.
    pub views: Vec<SemanticView>,
    /// Data tests, declared and derived, without duplicates.
    pub tests: Vec<DataTest>,
}

/// What a command chooses in addition to the project's files.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// The environment; `None` for the project's first.
    pub environment: Option<String>,
    /// Environment variables of the process, for `env_var`.
    pub variables: BTreeMap<String, String>,
    /// Which sources are asked for their streams although they were captured.
    pub ask: Ask,
}

/// Compiles a project. Errors of the project are diagnostics; the result is then as complete as
/// possible, so that `check` can continue. Fails only if the build has no SQL engine.
pub async fn compile(
    mut project: Project,
    project_dir: &Path,
    choices: &Choices,
    registry: &Registry,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Compiled> {
    let environment = environment_name(&project, choices, diagnostics);
    let Some((analyzer, _)) = registry.portable() else {
        return Err(Error::new(ErrorKind::Internal, "this build has no engine that reads SQL"));
    };
    let catalog = Catalog::of(&project, registry, project_dir, &choices.ask, diagnostics).await;
    let context = TemplateContext {
        vars: project.manifest.vars.clone(),
        variables: choices.variables.clone(),
        target: environment.clone(),
    };
    project.disable(&context);
    let graph =
        Graph::resolve(&project, &catalog.names(), &catalog.unknown, &**analyzer, &context, diagnostics);
    let views = SemanticView::compile_all(&project, &**analyzer, diagnostics);
    for dashboard in &project.dashboards {
        let name = &dashboard.semantic_view;
        match views.iter().find(|view| view.name == name.text) {
            Some(view) => check_dashboard(dashboard, view, diagnostics),
            // A view that exists but has errors has been reported.
            None if project.semantic_views.iter().any(|view| view.name.text == name.text) => {}
            // A view in a file that could not be parsed has been reported, too.
            None if is_of_broken_file(&project, &name.text, diagnostics) => {}
            None => {
                let known: Vec<&str> =
                    project.semantic_views.iter().map(|view| view.name.text.as_str()).collect();
                let message = format!(
                    "dashboard `{}` refers to semantic view `{}`, which does not exist",
                    dashboard.name.text, name.text
                );
                diagnostics.push(
                    Diagnostic::error(Code::UnknownRef, message)
                        .at(name.span.clone(), "")
                        .maybe_hint(did_you_mean(&name.text, known, "there are")),
                );
            }
        }
    }
    check_published(&graph, &views, diagnostics);
    let tests = data_tests(&project, &graph, &views, &**analyzer, diagnostics);
    let schemas = project.manifest.environments.iter().find(|known| known.name == environment);
    let schemas = schemas.map(|known| known.schemas.clone()).unwrap_or_default();
    Ok(Compiled {
        project: Arc::new(project),
        project_dir: project_dir.to_owned(),
        environment,
        schemas,
        catalog,
        graph,
        views,
        tests,
    })
}

/// The name of the chosen or the first environment; reports a name that does not exist.
fn environment_name(project: &Project, choices: &Choices, diagnostics: &mut Vec<Diagnostic>) -> String {
    let environments = &project.manifest.environments;
    let first = || environments.first().map(|environment| environment.name.clone()).unwrap_or_default();
    let Some(name) = &choices.environment else { return first() };
    if !environments.iter().any(|environment| environment.name == *name) {
        let known: Vec<&str> = environments.iter().map(|environment| environment.name.as_str()).collect();
        let message = format!("there is no environment `{name}`");
        diagnostics.push(Diagnostic::error(Code::UnknownEnvironment, message).maybe_hint(did_you_mean(
            name,
            known,
            "there are",
        )));
    }
    name.clone()
}

/// Reports semantic views that read unpublished models, because dashboards and other readers only
/// see published ones.
fn check_published(graph: &Graph, views: &[SemanticView], diagnostics: &mut Vec<Diagnostic>) {
    for name in views.iter().flat_map(SemanticView::models) {
        if graph.model(&name.text).is_some_and(|model| !model.published) {
            let message =
                format!("model `{}` is a view that reads raw tables, so it is not published", name.text);
            diagnostics.push(
                Diagnostic::error(Code::UnpublishedBase, message)
                    .at(name.span.clone(), "")
                    .hint(format!("Give `{}` `materialization: table`.", name.text)),
            );
        }
    }
}

/// The data tests of models and those that semantic views derive (their joins need unique keys),
/// each once. Tests with errors are reported and left out.
fn data_tests(
    project: &Project,
    graph: &Graph,
    views: &[SemanticView],
    analyzer: &dyn SqlAnalyzer,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<DataTest> {
    let mut tests: Vec<DataTest> = Vec::new();
    let written = project.models.iter().flat_map(|model| model.tests.iter().cloned());
    for test in distinct(written.chain(views.iter().flat_map(SemanticView::derived_tests)).collect()) {
        let name = test.name();
        if let Some(filter) = &test.filter
            && let Some(wrong) = wrong_filter(&name, filter, analyzer)
        {
            diagnostics.push(wrong);
            continue;
        }
        if let Some(other) = test.other_model()
            && !project.models.iter().any(|model| model.name == other)
        {
            let known: Vec<&str> = project.models.iter().map(|model| model.name.as_str()).collect();
            let message = format!("data test `{name}` refers to model `{other}`, which does not exist");
            diagnostics.push(
                Diagnostic::error(Code::UnknownRef, message)
                    .at(test.span.clone(), "")
                    .maybe_hint(did_you_mean(other, known, "there are")),
            );
            continue;
        }
        // A model that could not be resolved has been reported.
        let there = |name: &str| graph.model(name).is_some();
        if there(&test.model) && test.other_model().is_none_or(there) {
            tests.push(test);
        }
    }
    tests
}

/// The error in the `where` of a data test, if there is one. It must be a single condition over the
/// columns of its model: no second statement, no subquery on a table, no second expression. The
/// line break keeps a trailing comment from swallowing the parenthesis.
fn wrong_filter(test: &str, filter: &Spanned, analyzer: &dyn SqlAnalyzer) -> Option<Diagnostic> {
    const BEFORE: &str = "select (";
    let error = |code, message: String| Some(Diagnostic::error(code, message).at(filter.span.clone(), ""));
    match analyzer.analyze(&format!("{BEFORE}{}\n) as holds", filter.text)) {
        Ok(parsed) if parsed.statements == 1 && parsed.tables.is_empty() && parsed.outputs.len() == 1 => None,
        Ok(_) => error(Code::BadDataTest, format!("`where` of data test `{test}` is not one condition"))
            .map(|found| found.hint("Write a condition over the columns of the model: `status <> 'x'`.")),
        Err(wrong) => {
            error(Code::SqlSyntax, format!("`where` of data test `{test}` is not SQL: {}", wrong.message))
        }
    }
}

/// Whether a file that mentions this semantic view could not be parsed. Then the view may exist,
/// and the error in the file has been reported.
fn is_of_broken_file(project: &Project, name: &str, diagnostics: &[Diagnostic]) -> bool {
    let read = |file: &str| project.semantic_views.iter().any(|view| *view.file == *file);
    let told = diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
    let mut files = told.filter_map(|diagnostic| Some(&*diagnostic.labels.first()?.span.file));
    files.any(|file| {
        file.starts_with("metrics/")
            && !read(file)
            && project.texts.get(file).is_some_and(|text| text.contains(name))
    })
}

impl Compiled {
    /// The streams that the figures of a semantic view are computed from, directly or through
    /// models, ordered by name.
    pub fn streams_behind(&self, view: &SemanticView) -> Vec<&Stream> {
        let mut models: BTreeSet<&str> = view.models().into_iter().map(|model| model.text.as_str()).collect();
        let mut streams = BTreeSet::new();
        // Inputs come before the models that read them, so one pass backwards suffices.
        for model in self.graph.models.iter().rev() {
            if !models.contains(model.name.as_str()) {
                continue;
            }
            for input in model.inputs() {
                match input {
                    Input::Stream(name) => _ = streams.insert(name),
                    Input::Model(name) => _ = models.insert(name),
                }
            }
        }
        streams.into_iter().filter_map(|name| self.catalog.streams.get(name)).collect()
    }

    /// Opens the warehouse of the environment. Blocks. Fails with the diagnostics of unset
    /// variables, of an unknown type, or of the warehouse.
    pub fn open_warehouse(&self, registry: &Registry) -> Result<Arc<dyn Warehouse>, Vec<Diagnostic>> {
        let environments = &self.project.manifest.environments;
        let Some(environment) = environments.iter().find(|environment| environment.name == self.environment)
        else {
            return Err(vec![Diagnostic::error(Code::UnknownEnvironment, "the project has no environment")]);
        };
        if has_errors(&environment.unset) {
            return Err(environment.unset.clone());
        }
        let Some(connector) = registry.warehouse(&environment.kind) else {
            return Err(vec![Diagnostic::error(
                Code::UnknownType,
                format!("there is no warehouse of type `{}`", environment.kind),
            )]);
        };
        let opened = connector.open(&self.project_dir, &environment.settings);
        let warehouse = opened.map_err(|error| vec![error.to_diagnostic()])?;
        Ok(self.in_its_time_zone(warehouse))
    }

    /// The warehouse with the project's time zone, in which its SQL reads timestamps; unchanged if
    /// the zone cannot be chosen.
    pub fn in_its_time_zone(&self, warehouse: Arc<dyn Warehouse>) -> Arc<dyn Warehouse> {
        warehouse.in_time_zone(&self.project.manifest.time_zone).unwrap_or(warehouse)
    }

    /// The most columns of a table in the environment's warehouse; `None` if there is no limit.
    pub(crate) fn most_columns(&self, registry: &Registry) -> Option<usize> {
        let environments = &self.project.manifest.environments;
        let environment = environments.iter().find(|environment| environment.name == self.environment)?;
        registry.warehouse(&environment.kind)?.most_columns()
    }

    /// The unset `${NAME}` variables of sources, and of the salt if any column is masked.
    pub fn unset_of_sources(&self) -> Vec<Diagnostic> {
        let masks = self.project.masked().next().is_some();
        let salt = self.project.manifest.mask_salt.unset.iter().filter(|_| masks);
        self.project.sources.iter().flat_map(|source| &source.unset).chain(salt).cloned().collect()
    }
}

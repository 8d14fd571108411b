//! The first steps of nearly every verb: register the connectors, read the project's files, compile
//! them.
//!
//! [`Loaded`] is a project that was read and not compiled, [`Workspace`] a compiled one. Errors in
//! the project's files are diagnostics of the value and not failures, so that `check` can report
//! all of them; [`Workspace::checked`] turns them into a failure. Access to the warehouse is in
//! `reach`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, has_errors};
use millrace_core::project::environment::Environment;
use millrace_core::project::settings::Setting;
use millrace_core::project::{Connectors, Project, SourceTexts, load};
use millrace_core::sql::var::Var;
use millrace_engine::compile::catalog::Ask;
use millrace_engine::compile::compiled::{Choices, Compiled, compile};
use millrace_engine::ports::registry::{OwnedFile, Registry, VARIABLES, WarehouseConnector};

use crate::checked::LastCheck;
use crate::cli::Where;
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::owner::Server;
use crate::{folder, terminal, variables};

/// The connectors of this build.
pub(crate) fn registry() -> Registry {
    let mut registry = Registry::default();
    millrace_connectors::register(&mut registry);
    registry
}

/// A project's files, read but not compiled.
pub(crate) struct Loaded {
    registry: Registry,
    dir: PathBuf,
    project: Project,
    diagnostics: Vec<Diagnostic>,
    /// Environment variables.
    variables: BTreeMap<String, String>,
    /// The chosen environment; `None` for the project's first.
    environment: Option<String>,
}

impl Loaded {
    /// Reads the files. Fails only if the folder cannot be read or has no `millrace.yml`; other
    /// errors are diagnostics.
    pub(crate) fn read(place: &Where) -> Result<Self, Failure> {
        let registry = registry();
        let dir = place.project.clone();
        let files = folder::read(&dir).map_err(|error| {
            let message = format!("the project in `{}` cannot be read", dir.display());
            Failure::new(
                Diagnostic::error(Code::NoProject, message).caused_by(error.to_string()),
                exit::PROJECT,
            )
        })?;
        let variables = variables::all(&dir);
        let (mut project, diagnostics) = load(&files, &connectors(&registry), &variables);
        if !project.texts.contains_key("millrace.yml") {
            return Err(Failure { diagnostics, texts: project.texts, exit: exit::PROJECT });
        }
        set_vars(&mut project, &place.vars);
        give_variables(&mut project, &registry, &variables);
        Ok(Self { registry, dir, project, diagnostics, variables, environment: place.env.clone() })
    }

    /// Texts of the project's files, by path.
    pub(crate) fn texts(&self) -> &SourceTexts {
        &self.project.texts
    }

    /// The name of the chosen environment and the server that owns its warehouse's file. Returns
    /// `None` if there is no such server, the warehouse is not a file, or the environment does not
    /// exist.
    pub(crate) fn server(&self) -> Result<Option<(String, Server)>, Failure> {
        let environments = &self.project.manifest.environments;
        let environment = match &self.environment {
            None => environments.first(),
            Some(name) => environments.iter().find(|environment| environment.name == *name),
        };
        let Some(environment) = environment else { return Ok(None) };
        let Some(owned) = owned_file(&self.registry, &self.dir, environment) else { return Ok(None) };
        let server = Server::find(&self.dir, &owned.path)?;
        Ok(server.map(|server| (environment.name.clone(), server)))
    }

    /// Names of the sources.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &str> {
        self.project.sources.iter().map(|source| source.name.as_str())
    }

    /// Names of the environments.
    pub(crate) fn environments(&self) -> impl Iterator<Item = &str> {
        self.project.manifest.environments.iter().map(|environment| environment.name.as_str())
    }

    /// Chooses an environment in place of the one on the command line.
    pub(crate) fn choose(&mut self, environment: &str) {
        self.environment = Some(environment.to_owned());
    }

    /// Drops all sources but this one; all of them if `source` is `None`.
    pub(crate) fn only(&mut self, source: Option<&str>) {
        self.project.sources.retain(|known| source == Some(known.name.as_str()));
    }

    /// Compiles the project; only asks sources without a captured schema for their streams. Errors
    /// are among the diagnostics.
    pub(crate) async fn compile(self) -> Result<Workspace, Failure> {
        self.compile_asking(Ask::Nobody).await
    }

    /// Compiles the project after asking the sources in `ask` for their current streams.
    pub(crate) async fn compile_asking(self, ask: Ask) -> Result<Workspace, Failure> {
        let Self { registry, dir, project, mut diagnostics, variables, environment } = self;
        let choices = Choices { environment, variables, ask };
        let compiled = compile(project, &dir, &choices, &registry, &mut diagnostics).await?;
        Ok(Workspace { registry: Arc::new(registry), dir, compiled: Arc::new(compiled), diagnostics })
    }
}

/// A compiled project with its diagnostics.
pub(crate) struct Workspace {
    /// The connectors of this build.
    pub(crate) registry: Arc<Registry>,
    /// The project's folder.
    pub(crate) dir: PathBuf,
    /// The project, compiled.
    pub(crate) compiled: Arc<Compiled>,
    /// Errors and warnings of its files.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Workspace {
    /// Reads and compiles a project. Fails as [`Loaded::read`] does.
    pub(crate) async fn read(place: &Where) -> Result<Self, Failure> {
        Loaded::read(place)?.compile().await
    }

    /// Reads and compiles a project that must have no errors. Prints warnings.
    pub(crate) async fn sound(place: &Where) -> Result<Self, Failure> {
        Self::read(place).await?.checked()
    }

    /// Fails if the project has errors. Prints warnings and forgets them.
    pub(crate) fn checked(mut self) -> Result<Self, Failure> {
        if has_errors(&self.diagnostics) {
            let exit = Exit::of(&self.diagnostics);
            return Err(self.into_failure(exit));
        }
        terminal::diagnostics(&self.diagnostics, &self.compiled.project.texts);
        self.diagnostics.clear();
        Ok(self)
    }

    /// Runs the checks of `millrace check` before anything is loaded, with the same exit code.
    /// Skips them if nothing has changed since they passed, see [`LastCheck`].
    pub(crate) async fn check_before_run(&self) -> Result<(), Failure> {
        let last = LastCheck::of(&self.dir, &self.compiled, &self.registry).await;
        if last.still_holds() {
            return Ok(());
        }
        let diagnostics = millrace_engine::compile::check::before_run(&self.compiled, &self.registry).await?;
        if diagnostics.is_empty() {
            last.passed();
            return Ok(());
        }
        let (texts, exit) = (self.compiled.project.texts.clone(), Exit::of(&diagnostics));
        Err(Failure { diagnostics, texts, exit })
    }

    /// The chosen environment; returns `None` if the project has none of that name.
    pub(crate) fn environment(&self) -> Option<&Environment> {
        let environments = &self.compiled.project.manifest.environments;
        environments.iter().find(|environment| environment.name == self.compiled.environment)
    }

    /// The warehouse's file, if the warehouse is a file that a single process owns.
    pub(crate) fn owned_file(&self) -> Option<OwnedFile> {
        owned_file(&self.registry, &self.dir, self.environment()?)
    }

    /// Turns the diagnostics into the failure of the command.
    pub(crate) fn into_failure(self, exit: Exit) -> Failure {
        Failure { diagnostics: self.diagnostics, texts: self.compiled.project.texts.clone(), exit }
    }

    /// Fails if a source needs an environment variable that is not set.
    pub(crate) fn refuse_unset(&self) -> Result<(), Failure> {
        let unset = self.compiled.unset_of_sources();
        if unset.is_empty() {
            return Ok(());
        }
        Err(Failure { diagnostics: unset, texts: self.compiled.project.texts.clone(), exit: exit::PROJECT })
    }
}

/// The file of an environment's warehouse. Returns `None` for a warehouse that is not a file, and
/// if the settings need a variable that is not set.
fn owned_file(registry: &Registry, dir: &Path, environment: &Environment) -> Option<OwnedFile> {
    if has_errors(&environment.unset) {
        return None;
    }
    registry.warehouse(&environment.kind)?.owned_file(dir, &environment.settings)
}

/// The keys that each type of source and warehouse takes, for the parser of the project's files.
fn connectors(registry: &Registry) -> Connectors {
    let mut connectors = Connectors::default();
    for connector in registry.sources() {
        connectors.add_source(connector.kind(), connector.source_spec(), connector.stream_spec());
    }
    for connector in registry.warehouses() {
        connectors.add_warehouse(connector.kind(), connector.spec());
    }
    connectors
}

/// Adds to each environment's settings the environment variables that its type of warehouse reads,
/// such as libpq's, under the key [`VARIABLES`].
fn give_variables(project: &mut Project, registry: &Registry, variables: &BTreeMap<String, String>) {
    for environment in &mut project.manifest.environments {
        let names = registry.warehouse(&environment.kind).map_or(&[][..], WarehouseConnector::variables);
        let set = names.iter().filter_map(|name| Some(((*name).to_owned(), variables.get(*name)?.clone())));
        let set: BTreeMap<String, String> = set.collect();
        if !set.is_empty() {
            let settings = std::mem::take(&mut environment.settings);
            environment.settings = settings.with(VARIABLES, Setting::Map(set));
        }
    }
}

/// Applies `--var`, which overrides `vars:` of `millrace.yml`.
fn set_vars(project: &mut Project, vars: &[(String, String)]) {
    for (name, value) in vars {
        project.manifest.vars.insert(name.clone(), Var::from_text(value));
    }
}

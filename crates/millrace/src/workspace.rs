//! What nearly every verb begins with: connectors, the project's files, their compilation, the warehouse.

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

/// A project's files, read and not compiled yet.
pub(crate) struct Loaded {
    registry: Registry,
    dir: PathBuf,
    project: Project,
    diagnostics: Vec<Diagnostic>,
    variables: BTreeMap<String, String>,
    environment: Option<String>,
}

impl Loaded {
    /// Reads the files; fails only where there is no project to speak of.
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

    /// Texts of the files.
    pub(crate) fn texts(&self) -> &SourceTexts {
        &self.project.texts
    }

    /// The environment, where it can be told, and the server that has its warehouse's file.
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

    /// Takes another environment than the one that was asked for.
    pub(crate) fn choose(&mut self, environment: &str) {
        self.environment = Some(environment.to_owned());
    }

    /// Leaves out the sources that are not to be looked at.
    pub(crate) fn only(&mut self, source: Option<&str>) {
        self.project.sources.retain(|known| source == Some(known.name.as_str()));
    }

    /// Compiles it; what is wrong is among the diagnostics.
    pub(crate) async fn compile(self) -> Result<Workspace, Failure> {
        self.compile_asking(Ask::Nobody).await
    }

    /// The same after asking sources for the streams that they have now.
    pub(crate) async fn compile_asking(self, ask: Ask) -> Result<Workspace, Failure> {
        let Self { registry, dir, project, mut diagnostics, variables, environment } = self;
        let choices = Choices { environment, variables, ask };
        let compiled = compile(project, &dir, &choices, &registry, &mut diagnostics).await?;
        Ok(Workspace { registry: Arc::new(registry), dir, compiled: Arc::new(compiled), diagnostics })
    }
}

/// A project that has been read, with what was found on the way.
pub(crate) struct Workspace {
    /// Connectors.
    pub(crate) registry: Arc<Registry>,
    /// The project's folder.
    pub(crate) dir: PathBuf,
    /// The project, compiled.
    pub(crate) compiled: Arc<Compiled>,
    /// Errors and warnings of its files.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Workspace {
    /// Reads and compiles a project; fails only where there is none to speak of.
    pub(crate) async fn read(place: &Where) -> Result<Self, Failure> {
        Loaded::read(place)?.compile().await
    }

    /// Reads a project that must be without errors; warnings are said.
    pub(crate) async fn sound(place: &Where) -> Result<Self, Failure> {
        Self::read(place).await?.checked()
    }

    /// Fails where the project has errors; warnings are said.
    pub(crate) fn checked(mut self) -> Result<Self, Failure> {
        if has_errors(&self.diagnostics) {
            let exit = Exit::of(&self.diagnostics);
            return Err(self.into_failure(exit));
        }
        terminal::diagnostics(&self.diagnostics, &self.compiled.project.texts);
        self.diagnostics.clear();
        Ok(self)
    }

    /// Refuses what `check` refuses, before anything is loaded, and ends as `check` does.
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

    /// The environment that was chosen; none where the project has none of that name.
    pub(crate) fn environment(&self) -> Option<&Environment> {
        let environments = &self.compiled.project.manifest.environments;
        environments.iter().find(|environment| environment.name == self.compiled.environment)
    }

    /// The warehouse's file, where it is one that one process owns.
    pub(crate) fn owned_file(&self) -> Option<OwnedFile> {
        owned_file(&self.registry, &self.dir, self.environment()?)
    }

    /// Its diagnostics as the end of the command.
    pub(crate) fn into_failure(self, exit: Exit) -> Failure {
        Failure { diagnostics: self.diagnostics, texts: self.compiled.project.texts.clone(), exit }
    }

    /// Fails where a source needs a variable that is not set.
    pub(crate) fn refuse_unset(&self) -> Result<(), Failure> {
        let unset = self.compiled.unset_of_sources();
        if unset.is_empty() {
            return Ok(());
        }
        Err(Failure { diagnostics: unset, texts: self.compiled.project.texts.clone(), exit: exit::PROJECT })
    }
}

fn owned_file(registry: &Registry, dir: &Path, environment: &Environment) -> Option<OwnedFile> {
    if has_errors(&environment.unset) {
        return None;
    }
    registry.warehouse(&environment.kind)?.owned_file(dir, &environment.settings)
}

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

/// Gives each environment the variables that its kind of warehouse reads.
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

fn set_vars(project: &mut Project, vars: &[(String, String)]) {
    for (name, value) in vars {
        project.manifest.vars.insert(name.clone(), Var::from_text(value));
    }
}

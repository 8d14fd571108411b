//! One run: streams are loaded, models built beside what is published, tested, and published all at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use millrace_core::digest::{hex, sha256};
use millrace_core::graph::{Input, Model};
use millrace_core::name::{Relation, StreamName};
use millrace_core::project::manifest::QuarantineLimit;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::compiled::Compiled;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer, StepKind};
use crate::model_run;
use crate::publish::{self, Schemas};
use crate::quality_run::{TestResult, run_test};
use crate::state::{BuiltModel, LoadedStream, Publication, State, abandon_runs, record_run};
use crate::sync::{StreamOutcome, SyncContext, grouped, sync_stream};
use crate::warehouse::Warehouse;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It is under way, or the process died.
    Running,
    /// Published.
    Succeeded,
    /// Nothing was new; nothing was published.
    Unchanged,
    /// A data test failed; nothing was published.
    Held,
    /// Something failed; nothing was published.
    Failed,
}

impl RunStatus {
    /// As JSON has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Unchanged => "unchanged",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }
}

/// A stream in the summary of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSummary {
    /// `source.stream`.
    pub stream: String,
    /// `loaded` or `unchanged`.
    pub status: String,
    /// Good rows that this run loaded.
    pub rows_loaded: u64,
    /// Rows that this run put into quarantine.
    pub rows_quarantined: u64,
    /// Rows in the raw table.
    pub rows_in_table: u64,
    /// How long it took.
    pub duration_ms: u64,
}

/// A model in the summary of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// Name.
    pub model: String,
    /// `built` or `unchanged`.
    pub status: String,
    /// Why it was built.
    pub reason: String,
    /// `table` or `view`.
    pub materialization: String,
    /// Whether readers see it.
    pub published: bool,
    /// Rows of a table.
    pub rows: Option<u64>,
    /// How long it took.
    pub duration_ms: u64,
}

/// What went wrong, where something did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    /// Code of the diagnostic.
    pub code: String,
    /// Its message with causes.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// The record of a run; also what `millrace run --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its id: start and a few digits that tell runs of one second apart.
    pub run: String,
    /// How it ended.
    pub status: RunStatus,
    /// Name of the environment.
    pub environment: String,
    /// The data version that readers see now; none before the first publish.
    pub data_version: Option<u64>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub finished_at: Option<String>,
    /// Streams.
    pub streams: Vec<StreamSummary>,
    /// Models.
    pub models: Vec<ModelSummary>,
    /// Data tests that ran.
    pub tests: Vec<TestResult>,
    /// What went wrong.
    pub error: Option<RunError>,
    /// From start to end.
    pub duration_ms: u64,
}

/// What a run is told beside the project.
#[derive(Clone)]
pub struct RunOptions {
    /// How many rows of a stream may go to quarantine, where the command says so.
    pub max_quarantine: Option<QuarantineLimit>,
    /// Load and build everything anew.
    pub full_refresh: bool,
    /// Who is told.
    pub observer: Observer,
}

/// A run's summary, and the error that ended it early.
pub type RunEnd = (RunSummary, Option<Error>);

/// Runs a project. The summary is recorded in the warehouse whatever happens, as far as the warehouse can be written.
pub async fn run(compiled: &Compiled, warehouse: &Arc<dyn Warehouse>, options: &RunOptions) -> RunEnd {
    let started = Instant::now();
    let now = Timestamp::now();
    let id = run_id(now);
    let mut summary = RunSummary {
        run: id,
        status: RunStatus::Running,
        environment: compiled.environment.clone(),
        data_version: None,
        started_at: rfc3339(now),
        finished_at: None,
        streams: Vec::new(),
        models: Vec::new(),
        tests: Vec::new(),
        error: None,
        duration_ms: 0,
    };
    let mut runner = Runner {
        compiled,
        warehouse: &**warehouse,
        options,
        schemas: Schemas::default(),
        now: now.as_microsecond(),
        summary: &mut summary,
    };
    let outcome = runner.run().await;
    let error = outcome.err();
    if let Some(error) = &error {
        let diagnostic = error.to_diagnostic();
        summary.status = RunStatus::Failed;
        summary.error = Some(RunError {
            code: diagnostic.code.as_str().to_owned(),
            message: diagnostic.to_string(),
            hint: diagnostic.hint,
        });
    }
    let end = Timestamp::now();
    summary.finished_at = Some(rfc3339(end));
    summary.duration_ms = started.elapsed().as_millis() as u64;
    if let Ok(json) = serde_json::to_value(&summary) {
        let statements = record_run(
            &summary.run,
            now.as_microsecond(),
            Some(end.as_microsecond()),
            summary.status.as_str(),
            &json,
        );
        let recorded = warehouse.transact(&statements).await;
        // Where the warehouse cannot be written, that is most likely the run's own error already.
        if let (Err(second), None) = (recorded, &error) {
            return (summary, Some(second));
        }
    }
    (summary, error)
}

/// `2026-11-23T14:05:01Z`.
pub fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn run_id(at: Timestamp) -> String {
    let digest = sha256(format!("{} {}", at.as_nanosecond(), std::process::id()));
    format!("{}-{}", at.strftime("%Y%m%dT%H%M%S"), &digest[..4])
}

struct Runner<'a> {
    compiled: &'a Compiled,
    warehouse: &'a dyn Warehouse,
    options: &'a RunOptions,
    schemas: Schemas,
    now: i64,
    summary: &'a mut RunSummary,
}

impl Runner<'_> {
    fn tell(&self, event: Event) {
        (self.options.observer)(event);
    }

    async fn run(&mut self) -> Result<()> {
        let state = State::of(self.warehouse);
        state.migrate().await?;
        let json = serde_json::to_value(&*self.summary).map_err(|error| {
            Error::new(ErrorKind::Internal, "a summary cannot be written").caused_by(error)
        })?;
        self.warehouse.transact(&[abandon_runs()]).await?;
        self.warehouse.transact(&record_run(&self.summary.run, self.now, None, "running", &json)).await?;
        let before = state.publications(1).await?.into_iter().next();
        self.summary.data_version = before.as_ref().map(|publication| publication.publication);
        // What a run that died, or was held, left behind.
        publish::tidy(self.warehouse, &self.schemas).await?;
        self.create_schemas().await?;
        let loaded = self.load(state.streams().await?).await?;
        let number = before.as_ref().map_or(1, |publication| publication.publication + 1);
        let models = self.build(&loaded, before.as_ref(), number).await?;
        let fingerprint = self.fingerprint(&models);
        if let Some(before) =
            before.as_ref().filter(|before| before.fingerprint == fingerprint && !self.options.full_refresh)
        {
            self.summary.status = RunStatus::Unchanged;
            let reason = format!("nothing is new since data version {}", before.publication);
            self.tell(Event::Skipped {
                kind: StepKind::Publish,
                name: self.compiled.project.manifest.name.clone(),
                reason,
            });
            return Ok(());
        }
        if !self.test(&models).await? {
            self.summary.status = RunStatus::Held;
            return Ok(());
        }
        self.publish(models, fingerprint, number).await
    }

    async fn create_schemas(&self) -> Result<()> {
        let names = [&self.schemas.raw, &self.schemas.build, &self.schemas.publish];
        let statements = names.map(|name| {
            let name = millrace_core::name::Ident::new(name);
            crate::warehouse::Statement::new(format!("create schema if not exists {name}"))
        });
        self.warehouse.transact(&statements).await?;
        Ok(())
    }

    async fn load(&mut self, before: Vec<LoadedStream>) -> Result<BTreeMap<StreamName, LoadedStream>> {
        let context = SyncContext {
            warehouse: self.warehouse,
            run: &self.summary.run.clone(),
            raw_schema: &self.schemas.raw.clone(),
            naming: self.compiled.project.manifest.naming,
            max_quarantine: self
                .options
                .max_quarantine
                .unwrap_or(self.compiled.project.manifest.max_quarantine),
            max_quarantine_forced: self.options.max_quarantine.is_some(),
            full_refresh: self.options.full_refresh,
            now: self.now,
            observer: &self.options.observer,
        };
        let mut loaded = BTreeMap::new();
        for stream in self.compiled.catalog.streams.values() {
            let last = before.iter().find(|loaded| loaded.name == stream.name);
            let outcome = sync_stream(stream, last, &context).await?;
            self.summary.streams.push(stream_summary(&outcome));
            loaded.insert(outcome.name, outcome.loaded);
        }
        Ok(loaded)
    }

    async fn build(
        &mut self,
        loaded: &BTreeMap<StreamName, LoadedStream>,
        before: Option<&Publication>,
        number: u64,
    ) -> Result<Vec<BuiltModel>> {
        let mut built: Vec<BuiltModel> = Vec::new();
        for model in &self.compiled.graph.models {
            let fingerprint = model_fingerprint(model, loaded, &built);
            let known = before.and_then(|publication| publication.model(&model.name));
            if let Some(known) =
                known.filter(|known| known.fingerprint == fingerprint && !self.options.full_refresh)
            {
                let reason = "nothing it reads is new".to_owned();
                self.tell(Event::Skipped {
                    kind: StepKind::Build,
                    name: model.name.clone(),
                    reason: reason.clone(),
                });
                self.summary.models.push(model_summary(known, "unchanged", reason, 0));
                built.push(BuiltModel { published: model.published, ..known.clone() });
                continue;
            }
            let reason = match known {
                None => "never built",
                _ if self.options.full_refresh => "requested",
                Some(_) => "its SQL or what it reads has changed",
            };
            self.tell(Event::Started { kind: StepKind::Build, name: model.name.clone() });
            let relation = Relation::new(&self.schemas.build, format!("{}__p{number}", model.name));
            let physical = |input: &Input| match input {
                Input::Stream(name) => table_of(loaded, name),
                Input::Model(name) => relation_of(&built, name),
            };
            let (done, duration_ms) =
                model_run::build(self.warehouse, model, relation, fingerprint, physical).await?;
            let outcome =
                done.rows.map_or_else(|| "view".to_owned(), |rows| format!("{} rows", grouped(rows)));
            self.tell(Event::Done { kind: StepKind::Build, name: model.name.clone(), outcome, duration_ms });
            self.summary.models.push(model_summary(&done, "built", reason.to_owned(), duration_ms));
            built.push(done);
        }
        Ok(built)
    }

    /// Everything that decides on the publication: models, what is published of them, and what they are tested for.
    fn fingerprint(&self, models: &[BuiltModel]) -> String {
        let mut hasher = Sha256::new();
        for model in models {
            hasher.update(format!("{} {} {}\n", model.model, model.fingerprint, model.published));
        }
        for test in &self.compiled.tests {
            hasher.update(format!("{} {:?} {:?}\n", test.name(), test.check_text(), test.severity));
        }
        hex(&hasher.finalize())
    }

    /// Runs all data tests; false when one holds the publish.
    async fn test(&mut self, models: &[BuiltModel]) -> Result<bool> {
        let started = Instant::now();
        if self.compiled.tests.is_empty() {
            return Ok(true);
        }
        let name = format!("{} data tests", self.compiled.tests.len());
        self.tell(Event::Started { kind: StepKind::Test, name: name.clone() });
        let relation =
            |name: &str| models.iter().find(|built| built.model == name).map(|built| built.relation.clone());
        for test in &self.compiled.tests {
            let result = run_test(self.warehouse, test, relation).await?;
            self.summary.tests.push(result);
        }
        let failed = self.summary.tests.iter().filter(|test| test.holds()).count();
        let warned = self.summary.tests.iter().filter(|test| test.rows > 0 && !test.holds()).count();
        let mut outcome = format!("{} passed", self.summary.tests.len() - failed - warned);
        for (count, word) in [(failed, "failed"), (warned, "warned")] {
            if count > 0 {
                outcome.push_str(&format!(", {count} {word}"));
            }
        }
        let duration_ms = started.elapsed().as_millis() as u64;
        self.tell(Event::Done { kind: StepKind::Test, name, outcome, duration_ms });
        Ok(failed == 0)
    }

    async fn publish(&mut self, models: Vec<BuiltModel>, fingerprint: String, number: u64) -> Result<()> {
        let started = Instant::now();
        let name = format!("data version {number}");
        self.tell(Event::Started { kind: StepKind::Publish, name: name.clone() });
        let tables: Vec<Relation> =
            models.iter().filter(|m| !m.is_view).map(|m| m.relation.clone()).collect();
        let at = Timestamp::now();
        let publication = Publication {
            publication: number,
            run: self.summary.run.clone(),
            published_at: rfc3339(at),
            fingerprint,
            models,
        };
        let present = State::of(self.warehouse).relations(&self.schemas.publish).await?;
        let statements = publish::statements(&self.schemas, &publication, &present, at.as_microsecond())?;
        self.warehouse.transact(&statements).await?;
        self.summary.status = RunStatus::Succeeded;
        self.summary.data_version = Some(number);
        let published = publication.models.iter().filter(|model| model.published).count();
        let duration_ms = started.elapsed().as_millis() as u64;
        self.tell(Event::Done {
            kind: StepKind::Publish,
            name,
            outcome: format!("{published} tables and views"),
            duration_ms,
        });
        // Readers have the new version; what follows only keeps the warehouse small.
        publish::tidy(self.warehouse, &self.schemas).await?;
        self.warehouse.settle(&tables).await
    }
}

/// A stream that the catalogue has is always loaded before models are built.
fn table_of(loaded: &BTreeMap<StreamName, LoadedStream>, name: &StreamName) -> Relation {
    loaded.get(name).map_or_else(|| Relation::new("raw", name.to_string()), |stream| stream.table.clone())
}

fn relation_of(built: &[BuiltModel], name: &str) -> Relation {
    let found = built.iter().find(|built| built.model == name);
    found.map_or_else(|| Relation::new("build", name), |built| built.relation.clone())
}

pub(crate) fn model_fingerprint(
    model: &Model,
    loaded: &BTreeMap<StreamName, LoadedStream>,
    built: &[BuiltModel],
) -> String {
    let mut hasher = Sha256::new();
    hasher.update(&model.fingerprint);
    for input in model.inputs() {
        match input {
            Input::Stream(name) => {
                let number = loaded.get(name).map(|stream| stream.load_number);
                hasher.update(format!("\nstream {name} {number:?}"));
            }
            Input::Model(name) => {
                let version =
                    built.iter().find(|built| built.model == *name).map(|built| built.fingerprint.as_str());
                hasher.update(format!("\nmodel {name} {version:?}"));
            }
        }
    }
    hex(&hasher.finalize())
}

fn stream_summary(outcome: &StreamOutcome) -> StreamSummary {
    StreamSummary {
        stream: outcome.name.to_string(),
        status: if outcome.unchanged { "unchanged" } else { "loaded" }.to_owned(),
        rows_loaded: outcome.rows,
        rows_quarantined: outcome.quarantined,
        rows_in_table: outcome.loaded.rows,
        duration_ms: outcome.duration_ms,
    }
}

fn model_summary(built: &BuiltModel, status: &str, reason: String, duration_ms: u64) -> ModelSummary {
    ModelSummary {
        model: built.model.clone(),
        status: status.to_owned(),
        reason,
        materialization: if built.is_view { "view" } else { "table" }.to_owned(),
        published: built.published,
        rows: built.rows,
        duration_ms,
    }
}

//! One run: streams are loaded, models built beside what is published, tested, and published all at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::digest::{hex, sha256};
use millrace_core::graph::Input;
use millrace_core::name::{Ident, Relation, StreamName};
use millrace_core::project::manifest::QuarantineLimit;
use millrace_core::value::Value;
use sha2::{Digest, Sha256};

use crate::cancel::Cancel;
use crate::compiled::Compiled;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Observer, StepKind};
use crate::lease::{Held, Holder, IsGone, Lease};
use crate::publish::KEPT;
use crate::quality_run::run_test;
use crate::state::{BuiltModel, LoadedStream, Publication, RunRecord, State};
pub use crate::summary::{HeldBy, ModelSummary, RunError, RunStatus, RunSummary, StreamSummary};
use crate::sync::{SyncContext, grouped, sync_stream};
use crate::trigger::{Trigger, TriggerKind};
use crate::unfinished::sort_out;
use crate::warehouse::{PublishOutcome, Statement, Warehouse};
use crate::{deletes, fault, model_run, names, publish};

/// What a run is told beside the project.
#[derive(Clone)]
pub struct RunOptions {
    /// How many rows of a stream may go to quarantine, where the command says so.
    pub max_quarantine: Option<QuarantineLimit>,
    /// Load and build everything anew.
    pub full_refresh: bool,
    /// Why it runs.
    pub trigger: Trigger,
    /// The process in which it runs.
    pub holder: Holder,
    /// Says of the process of another run whether it is gone.
    pub is_gone: IsGone,
    /// How long to wait for another run.
    pub wait: Duration,
    /// Ends the run when it is set: what is under way is rolled back.
    pub cancel: Cancel,
    /// Who is told.
    pub observer: Observer,
}

/// A run's summary, and the error that ended it early.
pub type RunEnd = (RunSummary, Option<Error>);

/// Time for the last words of a run that was cancelled.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Runs a project. The summary is recorded in the warehouse whatever happens, as far as the warehouse can be written. A run that
/// never got the lease leaves no trace.
pub async fn run(compiled: &Compiled, warehouse: &Arc<dyn Warehouse>, options: &RunOptions) -> RunEnd {
    let started = Instant::now();
    let now = Timestamp::now();
    let mut summary = RunSummary {
        run: run_id(now),
        status: RunStatus::Running,
        trigger: options.trigger.clone(),
        environment: compiled.environment.clone(),
        data_version: None,
        started_at: rfc3339(now),
        finished_at: None,
        streams: Vec::new(),
        models: Vec::new(),
        tests: Vec::new(),
        held: None,
        error: None,
        duration_ms: 0,
    };
    let state = State::of(&**warehouse, &compiled.schemas);
    let taken = tokio::select! {
        biased;
        () = options.cancel.cancelled() => Err(cancelled()),
        taken = take_lease(&state, &summary.run, options) => taken,
    };
    let lease = match taken {
        Ok(lease) => lease,
        Err(error) => {
            if error.kind() == ErrorKind::Cancelled {
                let abandoned = [state.abandon_lease(&summary.run)];
                // Before the first run there is no lease to give back.
                let _ = tokio::time::timeout(LAST_WORDS, warehouse.transact(&abandoned)).await;
            }
            fail(&mut summary, &error);
            finish(&mut summary, started);
            return (summary, Some(error));
        }
    };
    if let Some(error) = run_elsewhere(&state, &options.trigger).await {
        let _ = warehouse.transact(&[lease.release()]).await;
        fail(&mut summary, &error);
        finish(&mut summary, started);
        return (summary, Some(error));
    }
    fault::reach("lease-taken");
    let keeper = lease.keep(Arc::clone(warehouse));
    let mut runner = Runner {
        compiled,
        warehouse: &**warehouse,
        options,
        state: state.clone(),
        lease: lease.clone(),
        now: now.as_microsecond(),
        summary: &mut summary,
    };
    let outcome = tokio::select! {
        biased;
        () = options.cancel.cancelled() => Err(cancelled()),
        outcome = runner.run() => outcome,
    };
    drop(keeper);
    let mut error = outcome.err();
    if let Some(stopped) = &error {
        match has_published(&state, &summary.run).await {
            Some(number) => {
                summary.status = RunStatus::Succeeded;
                summary.data_version = Some(number);
                summary.error = None;
                let stopped = stopped.to_diagnostic();
                let message =
                    format!("data version {number} is published, but what comes after was not finished");
                let notice = Diagnostic::warning(stopped.code, message)
                    .caused_by(stopped.to_string())
                    .hint("The next run drops what is no longer needed.");
                (options.observer)(Event::Notice(Box::new(notice)));
                error = None;
            }
            None => fail(&mut summary, stopped),
        }
    }
    let end = finish(&mut summary, started);
    let Ok(json) = serde_json::to_value(&summary) else { return (summary, error) };
    let mut statements = state.tables().record_run(&record(&summary, &json, now, Some(end))).to_vec();
    // A run that was superseded has no lease to give back, but its record is its own.
    statements.push(lease.release());
    let recorded = tokio::time::timeout(LAST_WORDS, warehouse.transact(&statements)).await;
    // Where the warehouse cannot be written, that is most likely the run's own error already.
    if let (Ok(Err(second)), None) = (recorded, &error) {
        return (summary, Some(second));
    }
    (summary, error)
}

/// What readers see of a run that ended early: it may have come as far as to publish, also where the answer to that was lost.
async fn has_published(state: &State<'_>, run: &str) -> Option<u64> {
    let known = tokio::time::timeout(LAST_WORDS, state.publications(KEPT)).await.ok()?.ok()?;
    known.into_iter().find(|publication| publication.run == run).map(|publication| publication.publication)
}

/// Why a run need not begin that has waited for its turn: another server may have had the same time of the schedule meanwhile.
async fn run_elsewhere(state: &State<'_>, trigger: &Trigger) -> Option<Error> {
    let due = match trigger.kind {
        TriggerKind::Schedule | TriggerKind::CatchUp => trigger.scheduled_for?,
        TriggerKind::Command | TriggerKind::Retry | TriggerKind::Api => return None,
    };
    let handled = state.schedule_handled().await.ok()??;
    (handled >= due).then(|| {
        let message = format!("another server has run for {} already", rfc3339(due));
        Error::new(ErrorKind::RunElsewhere, message)
    })
}

async fn take_lease(state: &State<'_>, run: &str, options: &RunOptions) -> Result<Lease> {
    state.migrate().await?;
    let waiting = |held: &Held| {
        let other = format!("run {}", held.run);
        (options.observer)(Event::Waiting { other, holder: held.holder.clone() });
    };
    state.take_lease(run, &options.holder, options.is_gone, options.wait, waiting).await
}

fn cancelled() -> Error {
    Error::new(
        ErrorKind::Cancelled,
        "the run was stopped; what was under way was rolled back, nothing was published",
    )
}

fn fail(summary: &mut RunSummary, error: &Error) {
    let diagnostic = error.to_diagnostic();
    summary.status = RunStatus::Failed;
    summary.error = Some(RunError {
        code: diagnostic.code.as_str().to_owned(),
        message: diagnostic.to_string(),
        hint: diagnostic.hint,
    });
}

fn finish(summary: &mut RunSummary, started: Instant) -> Timestamp {
    let end = Timestamp::now();
    summary.finished_at = Some(rfc3339(end));
    summary.duration_ms = started.elapsed().as_millis() as u64;
    end
}

fn record<'a>(
    summary: &'a RunSummary,
    json: &'a serde_json::Value,
    started: Timestamp,
    finished: Option<Timestamp>,
) -> RunRecord<'a> {
    RunRecord {
        run: &summary.run,
        started_at: started.as_microsecond(),
        finished_at: finished.map(Timestamp::as_microsecond),
        status: summary.status.as_str(),
        summary: json,
        scheduled_for: summary.trigger.scheduled_for.map(Timestamp::as_microsecond),
    }
}

/// `2026-11-23T14:05:01Z`.
pub fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// An id for a run or something like it: a moment, and a few digits that tell two of one second apart.
pub(crate) fn run_id(at: Timestamp) -> String {
    let digest = sha256(format!("{} {}", at.as_nanosecond(), std::process::id()));
    format!("{}-{}", at.strftime("%Y%m%dT%H%M%S"), &digest[..4])
}

struct Runner<'a> {
    compiled: &'a Compiled,
    warehouse: &'a dyn Warehouse,
    options: &'a RunOptions,
    state: State<'a>,
    lease: Lease,
    now: i64,
    summary: &'a mut RunSummary,
}

impl Runner<'_> {
    fn tell(&self, event: Event) {
        (self.options.observer)(event);
    }

    async fn run(&mut self) -> Result<()> {
        let json = serde_json::to_value(&*self.summary).map_err(|error| {
            Error::new(ErrorKind::Internal, "a summary cannot be written").caused_by(error)
        })?;
        let project = &self.compiled.project.manifest.name;
        self.state.claim(project, &self.compiled.schemas, &self.lease).await?;
        let started = Timestamp::from_microsecond(self.now).unwrap_or_default();
        let mut begin = vec![self.state.tables().abandon_runs()];
        begin.extend(self.state.tables().record_run(&record(self.summary, &json, started, None)));
        self.write(begin).await?;
        let before = self.state.publications(1).await?.into_iter().next();
        self.summary.data_version = before.as_ref().map(|publication| publication.publication);
        self.tell(Event::Begun(Box::new(self.summary.clone())));
        // What a run that died, or was held, left behind.
        publish::tidy(&self.state, &self.compiled.schemas, &self.lease).await?;
        self.create_schemas().await?;
        let loaded = self.load(self.state.streams().await?).await?;
        let models = self.build(&loaded, before.as_ref()).await?;
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
            self.hold(HeldBy::Tests);
            return Ok(());
        }
        fault::reach("tests-passed");
        if let Some(before) = before.as_ref().filter(|before| before.pinned) {
            self.hold(HeldBy::Rollback { publication: before.publication });
            return Ok(());
        }
        self.publish(models, fingerprint, before.as_ref()).await
    }

    fn hold(&mut self, by: HeldBy) {
        self.summary.status = RunStatus::Held;
        self.summary.held = Some(by);
    }

    /// Runs statements in one transaction, as long as this run has the lease.
    async fn write(&self, mut statements: Vec<Statement>) -> Result<()> {
        statements.push(self.lease.guard());
        self.warehouse.transact(&statements).await?;
        Ok(())
    }

    async fn create_schemas(&self) -> Result<()> {
        let schemas = &self.compiled.schemas;
        let mut missing = Vec::new();
        for name in [&schemas.raw, &schemas.build, &schemas.publish] {
            // Only where it is missing: whoever runs may have no right to make schemas.
            let sql = "select count(*) as n from information_schema.schemata where schema_name = $1";
            if self.state.number(&Statement::with(sql, [Value::text(name)])).await? == Some(0) {
                missing.push(Statement::new(format!("create schema if not exists {}", Ident::new(name))));
            }
        }
        if missing.is_empty() { Ok(()) } else { self.write(missing).await }
    }

    async fn load(&mut self, before: Vec<LoadedStream>) -> Result<BTreeMap<StreamName, LoadedStream>> {
        let context = SyncContext {
            warehouse: self.warehouse,
            run: &self.summary.run.clone(),
            lease: &self.lease.clone(),
            tables: &self.state.tables().clone(),
            raw_schema: &self.compiled.schemas.raw,
            naming: self.compiled.project.manifest.naming,
            max_quarantine: self
                .options
                .max_quarantine
                .unwrap_or(self.compiled.project.manifest.max_quarantine),
            max_quarantine_forced: self.options.max_quarantine.is_some(),
            full_refresh: self.options.full_refresh,
            unfinished: sort_out(&self.state, self.compiled, &self.lease, self.options, self.now).await?,
            now: self.now,
            observer: &self.options.observer,
        };
        let mut loaded = BTreeMap::new();
        for stream in self.compiled.catalog.streams.values() {
            let last = before.iter().find(|loaded| loaded.name == stream.name);
            let mut outcome = sync_stream(stream, last, &context).await?;
            fault::reach("load-committed");
            deletes::remove(stream, last, &mut outcome, &self.state, &context).await?;
            self.summary.streams.push(StreamSummary::of(&outcome));
            loaded.insert(outcome.name, outcome.loaded);
        }
        Ok(loaded)
    }

    async fn build(
        &mut self,
        loaded: &BTreeMap<StreamName, LoadedStream>,
        before: Option<&Publication>,
    ) -> Result<Vec<BuiltModel>> {
        let mut built: Vec<BuiltModel> = Vec::new();
        for model in &self.compiled.graph.models {
            let fingerprint = model_run::fingerprint(model, loaded, &built);
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
                self.summary.models.push(ModelSummary::of(known, "unchanged", reason, 0));
                built.push(BuiltModel { published: model.published, ..known.clone() });
                continue;
            }
            let reason = match known {
                None => "never built",
                _ if self.options.full_refresh => "requested",
                Some(_) => "its SQL or what it reads has changed",
            };
            self.tell(Event::Started { kind: StepKind::Build, name: model.name.clone() });
            let relation = names::of_model(&self.compiled.schemas.build, &model.name, self.lease.fence());
            let physical = |input: &Input| match input {
                Input::Stream(name) => table_of(loaded, name),
                Input::Model(name) => relation_of(&built, name),
            };
            let naming = self.compiled.project.manifest.naming;
            let known = model_run::known_columns(self.warehouse, naming, model, physical).await?;
            let (done, duration_ms) =
                model_run::build(self.warehouse, &self.lease, model, relation, fingerprint, physical, &known)
                    .await?;
            fault::reach("model-built");
            let outcome =
                done.rows.map_or_else(|| "view".to_owned(), |rows| format!("{} rows", grouped(rows)));
            self.tell(Event::Done { kind: StepKind::Build, name: model.name.clone(), outcome, duration_ms });
            self.summary.models.push(ModelSummary::of(&done, "built", reason.to_owned(), duration_ms));
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
        for model in &self.compiled.project.models {
            // Published as comments.
            let columns: Vec<_> =
                model.columns.iter().map(|column| (&column.name.text, &column.description)).collect();
            hasher.update(format!("{} {:?} {columns:?}\n", model.name, model.description));
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

    async fn publish(
        &mut self,
        models: Vec<BuiltModel>,
        fingerprint: String,
        before: Option<&Publication>,
    ) -> Result<()> {
        let started = Instant::now();
        let number = before.map_or(1, |before| before.publication + 1);
        let name = format!("data version {number}");
        self.tell(Event::Started { kind: StepKind::Publish, name: name.clone() });
        let fresh = |model: &&BuiltModel| {
            before.and_then(|b| b.model(&model.model)).is_none_or(|b| b.relation != model.relation)
        };
        let tables = models.iter().filter(fresh).filter(|model| !model.is_view);
        let tables: Vec<_> =
            tables.map(|model| publish::prepared(self.compiled, model, &self.summary.tests)).collect();
        self.warehouse.prepare(&tables).await?;
        let at = Timestamp::now();
        let publication = Publication {
            publication: number,
            run: self.summary.run.clone(),
            published_at: rfc3339(at),
            fingerprint,
            models,
            rollback_to: None,
            pinned: false,
        };
        let record = vec![
            self.state.tables().record_publication(&publication, at.as_microsecond())?,
            self.lease.guard(),
        ];
        let request = publish::request(self.compiled, &publication, before, record);
        if let PublishOutcome::Blocked { by, hint } = self.warehouse.publish(&request).await? {
            self.hold(HeldBy::Blocked { what: by, hint });
            return Ok(());
        }
        self.summary.status = RunStatus::Succeeded;
        self.summary.data_version = Some(number);
        fault::reach("published");
        let published = publication.models.iter().filter(|model| model.published).count();
        let duration_ms = started.elapsed().as_millis() as u64;
        self.tell(Event::Done {
            kind: StepKind::Publish,
            name,
            outcome: format!("{published} tables and views"),
            duration_ms,
        });
        // Readers have the new version; what follows only keeps the warehouse small.
        publish::tidy(&self.state, &self.compiled.schemas, &self.lease).await?;
        fault::reach("retired");
        self.warehouse.settle().await
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

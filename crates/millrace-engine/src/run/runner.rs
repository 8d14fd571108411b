//! The steps of a run, in order. A step whose connection broke is repeated, because it has either
//! left nothing or finds what it left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use jiff::Timestamp;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::digest::hex;
use millrace_core::graph::Input;
use millrace_core::name::{Ident, Naming, Relation, StreamName};
use millrace_core::project::source_file::SourceDef;
use millrace_core::value::Value;
use millrace_core::visible::grouped;
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use crate::compile::compiled::Compiled;
use crate::compile::known_columns::known_columns;
use crate::compile::table_names;
use crate::error::{Error, ErrorKind, Result, Retry};
use crate::event;
use crate::event::{Event, Observer, StepKind};
use crate::fault;
use crate::load::reconcile::deletes;
use crate::load::resume::sort_out;
use crate::load::sync::{LoadContext, load_stream};
use crate::ports::warehouse::{PublishOutcome, PublishRequest, Statement, Warehouse};
use crate::retry;
use crate::run::clock::{self, Clock};
use crate::run::data_tests::run_test;
use crate::run::models::Building;
use crate::run::plan::data_tests;
use crate::run::{
    HeldBy, ModelSummary, RunNotice, RunOptions, RunStatus, RunSummary, models, publish, published_by,
    record, removed_streams, rfc3339,
};
use crate::state::lease::Lease;
use crate::state::{BuiltModel, LoadedStream, Publication, State, quarantine};

/// A run that holds the lease.
pub(super) struct Runner<'a> {
    pub(super) compiled: &'a Compiled,
    pub(super) warehouse: &'a dyn Warehouse,
    pub(super) options: &'a RunOptions,
    pub(super) state: State<'a>,
    pub(super) lease: Lease,
    pub(super) now: i64,
    pub(super) summary: &'a mut RunSummary,
    /// What is wrong with sources, and so holds the run.
    pub(super) problems: Vec<RunNotice>,
}

impl Runner<'_> {
    fn tell(&self, event: Event) {
        (self.options.observer)(event);
    }

    /// Repeats `attempt`, which must be idempotent, after lost connections.
    async fn again<T, A: Future<Output = Result<T>>>(
        &self,
        what: &str,
        attempt: impl FnMut() -> A,
    ) -> Result<T> {
        retry::while_lost(what, &self.options.observer, sleep, attempt).await
    }

    /// Runs all steps. The outcome is in `summary`; an error means that the run failed.
    pub(super) async fn run(&mut self) -> Result<()> {
        self.warehouse.check_identity().await?;
        let before = self.again("the beginning of the run", || self.begin()).await?;
        self.summary.data_version = before.as_ref().map(|publication| publication.publication);
        self.tell(Event::Begun(Box::new(self.summary.clone())));
        let (streams, unfinished) = self.again("the beginning of the run", || self.make_ready()).await?;
        let loaded = self.load(streams, unfinished).await?;
        if !self.problems.is_empty() {
            let problems = std::mem::take(&mut self.problems);
            self.hold(HeldBy::Sources { problems });
            return Ok(());
        }
        let models = self.build(&loaded, before.as_ref()).await?;
        let fingerprint = self.fingerprint(&models);
        // With equal fingerprints a publish would change nothing for readers.
        if let Some(before) =
            before.as_ref().filter(|before| before.fingerprint == fingerprint && !self.options.full_refresh)
        {
            self.summary.status = RunStatus::Unchanged;
            let news = if self.summary.has_news() {
                "nothing that is published has changed"
            } else {
                "nothing is new"
            };
            let reason = format!("{news} since data version {}", before.publication);
            self.tell(Event::Skipped {
                kind: StepKind::Publish,
                name: self.compiled.project.manifest.name.clone(),
                reason,
            });
            let present = before.publication;
            if self.again("the end of the run", || self.sort_out_removed(present)).await? {
                let tidy = || publish::tidy(&self.state, &self.compiled.schemas, &self.lease);
                self.again("the dropping of what is not needed any more", tidy).await?;
            }
            return Ok(());
        }
        if !self.test(&models).await? {
            self.hold(HeldBy::Tests);
            return Ok(());
        }
        fault::reach("tests-passed");
        // Only the publish is held, so that people see whether the run would pass.
        if let Some(before) = before.as_ref().filter(|before| before.pinned) {
            self.hold(HeldBy::Rollback { publication: before.publication });
            return Ok(());
        }
        self.publish(models, fingerprint, before.as_ref()).await
    }

    /// Claims the state, ends records of dead runs, records this run. Returns what readers see.
    async fn begin(&self) -> Result<Option<Publication>> {
        let json = serde_json::to_value(&*self.summary).map_err(|error| {
            Error::new(ErrorKind::Internal, "a summary cannot be written").caused_by(error)
        })?;
        let project = &self.compiled.project.manifest.name;
        self.state.claim(project, &self.compiled.schemas, &self.lease).await?;
        let started = Timestamp::from_microsecond(self.now).unwrap_or_default();
        let mut begin = self.state.tables().abandon_runs().to_vec();
        begin.extend(self.state.tables().record_run(&record(
            self.summary,
            &json,
            started,
            None,
            self.lease.fence(),
        )));
        self.write(begin).await?;
        Ok(self.state.publications(1).await?.into_iter().next())
    }

    /// Cleans up and creates schemas. Returns all checkpoints, and which loads can be resumed.
    async fn make_ready(&self) -> Result<(Vec<LoadedStream>, Mutex<BTreeSet<StreamName>>)> {
        // Leftovers of a run that died or was held.
        publish::tidy(&self.state, &self.compiled.schemas, &self.lease).await?;
        self.write(vec![quarantine::without_old_texts(self.state.tables(), self.now)]).await?;
        self.create_schemas().await?;
        let streams = self.state.streams().await?;
        let unfinished =
            sort_out(&self.state, self.compiled, &self.lease, self.options.full_refresh, self.now).await?;
        Ok((streams, unfinished))
    }

    /// Marks or forgets streams that the project, and thus the `present` publication, lacks.
    async fn sort_out_removed(&self, present: u64) -> Result<bool> {
        removed_streams::sort_out(&self.state, self.compiled, &self.lease, present, &self.options.observer)
            .await
    }

    fn hold(&mut self, by: HeldBy) {
        self.summary.status = RunStatus::Held;
        self.summary.held = Some(by);
    }

    /// Runs statements in one transaction with the guard of the lease.
    async fn write(&self, mut statements: Vec<Statement>) -> Result<()> {
        statements.push(self.lease.guard());
        self.warehouse.transact(&statements).await?;
        Ok(())
    }

    /// Creates the schemas of the environment that do not exist.
    async fn create_schemas(&self) -> Result<()> {
        let schemas = &self.compiled.schemas;
        let mut missing = Vec::new();
        for name in [&schemas.raw, &schemas.build, &schemas.publish] {
            // Only missing ones, because the role may lack the privilege to create schemas.
            let sql = "select count(*) as n from information_schema.schemata where schema_name = $1";
            if self.state.number(&Statement::with(sql, [Value::text(name)])).await? == Some(0) {
                missing.push(Statement::new(format!("create schema if not exists {}", Ident::new(name))));
            }
        }
        if missing.is_empty() { Ok(()) } else { self.write(missing).await }
    }

    /// Loads the streams one after the other, and removes rows that their sources have deleted.
    /// What holds the run goes to `self.problems`; any other error ends the loads.
    async fn load(
        &mut self,
        before: Vec<LoadedStream>,
        unfinished: Mutex<BTreeSet<StreamName>>,
    ) -> Result<BTreeMap<StreamName, LoadedStream>> {
        let streams = self.compiled.catalog.streams.values();
        // Notices during a load are about the rows of its stream.
        let observers: Vec<Observer> =
            streams.clone().map(|stream| event::of_stream(&stream.name, &self.options.observer)).collect();
        let mut context = LoadContext {
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
            max_shrink: self.compiled.project.manifest.max_shrink,
            allow_empty: self.options.allow_empty,
            models: &self.compiled.graph.models,
            full_refresh: self.options.full_refresh,
            unfinished,
            now: self.now,
            observer: &self.options.observer,
        };
        let mut loaded = BTreeMap::new();
        let mut problems = emptied_sources(self.compiled, &before, &context);
        let mut failed = None;
        for (stream, observer) in streams.zip(&observers) {
            context.observer = observer;
            let last = before.iter().find(|loaded| loaded.name == stream.name);
            // Its rows stay. The other streams are loaded, so that all problems are reported at
            // once.
            let mut outcome = match load_stream(stream, last, &context).await {
                Ok(outcome) => outcome,
                Err(error) if error.kind().holds() => {
                    problems.push(error.to_diagnostic().of_stream(&stream.name));
                    continue;
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
            fault::reach("load-committed");
            match deletes::remove(stream, last, &mut outcome, &self.state, &context).await {
                Ok(()) => {}
                Err(error) if error.kind().holds() => {
                    problems.push(error.to_diagnostic().of_stream(&stream.name));
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
            self.summary.streams.push(outcome.summary());
            loaded.insert(outcome.name, outcome.loaded);
        }
        if let Some(error) = failed {
            // The problems that would have held the run are reported beside the error.
            for problem in problems {
                self.tell(Event::Notice(Box::new(problem)));
            }
            return Err(error);
        }
        self.problems = problems.iter().map(RunNotice::of).collect();
        Ok(loaded)
    }

    /// Builds models whose fingerprint has changed, in the order of the graph; keeps the others.
    async fn build(
        &mut self,
        loaded: &BTreeMap<StreamName, LoadedStream>,
        before: Option<&Publication>,
    ) -> Result<Vec<BuiltModel>> {
        let mut built: Vec<BuiltModel> = Vec::new();
        let clock = || Clock::of(&self.summary.run, &self.compiled.graph, self.warehouse);
        let clock = self.again("the look at the warehouse's day", clock).await?;
        for model in &self.compiled.graph.models {
            let fingerprint = models::fingerprint(model, &clock, loaded, &built);
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
                let mut unchanged = BuiltModel { published: model.published, ..known.clone() };
                // Publications of earlier versions, or under another naming, have no spellings.
                if unchanged.columns.is_empty() {
                    unchanged.columns = self.spelling(&unchanged.relation).await?;
                }
                built.push(unchanged);
                continue;
            }
            let reason = match known {
                None => "never built".to_owned(),
                _ if self.options.full_refresh => "requested".to_owned(),
                Some(_) => clock::reason(model),
            };
            self.tell(Event::Started { kind: StepKind::Build, name: model.name.clone() });
            let relation =
                table_names::of_model(&self.compiled.schemas.build, &model.name, self.lease.fence());
            let physical = |input: &Input| match input {
                Input::Stream(name) => table_of(loaded, name),
                Input::Model(name) => relation_of(&built, name),
            };
            let started = Instant::now();
            let naming = self.compiled.project.manifest.naming;
            let what = format!("the build of model `{}`", model.name);
            let known = || known_columns(self.warehouse, naming, model, physical);
            let known = self.again(&what, known).await?;
            let building = Building::new(&self.state, &self.lease, model, relation, physical, &known);
            let rows = self.again(&what, || building.attempt()).await?;
            let mut done = building.built(rows, fingerprint);
            done.columns = self.spelling(&done.relation).await?;
            let duration_ms = started.elapsed().as_millis() as u64;
            fault::reach("model-built");
            let outcome =
                done.rows.map_or_else(|| "view".to_owned(), |rows| format!("{} rows", grouped(rows)));
            self.tell(Event::Done { kind: StepKind::Build, name: model.name.clone(), outcome, duration_ms });
            self.summary.models.push(ModelSummary::of(&done, "built", reason, duration_ms));
            built.push(done);
        }
        Ok(built)
    }

    /// The columns of a table as the warehouse spells them; empty if letter case does not count.
    async fn spelling(&self, table: &Relation) -> Result<Vec<String>> {
        if self.compiled.project.manifest.naming != Naming::Source {
            return Ok(Vec::new());
        }
        let select = format!("select * from {table}");
        let what = format!("the look at table `{}.{}`", table.schema, table.name);
        let columns = self.again(&what, || self.warehouse.describe(&select)).await?;
        Ok(columns.into_iter().map(|column| column.name).collect())
    }

    /// The fingerprint of a publication: models, which are published, comments and data tests.
    fn fingerprint(&self, models: &[BuiltModel]) -> String {
        let mut hasher = Sha256::new();
        for model in models {
            hasher.update(format!("{} {} {}\n", model.model, model.fingerprint, model.published));
        }
        for model in &self.compiled.project.models {
            // Descriptions are published as comments.
            let columns: Vec<_> =
                model.columns.iter().map(|column| (&column.name.text, &column.description)).collect();
            hasher.update(format!("{} {:?} {columns:?}\n", model.name, model.description));
        }
        for test in &self.compiled.tests {
            hasher.update(format!("{} {:?} {:?}\n", test.name(), test.check_text(), test.severity));
        }
        hex(&hasher.finalize())
    }

    /// Runs all data tests. Returns false if one of them holds the publish.
    async fn test(&mut self, models: &[BuiltModel]) -> Result<bool> {
        let started = Instant::now();
        if self.compiled.tests.is_empty() {
            return Ok(true);
        }
        let name = data_tests(self.compiled.tests.len());
        self.tell(Event::Started { kind: StepKind::Test, name: name.clone() });
        let built = |name: &str| models.iter().find(|built| built.model == name);
        for test in &self.compiled.tests {
            let what = format!("data test `{}`", test.name());
            let result = self.again(&what, || run_test(self.warehouse, test, built)).await?;
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

    /// Prepares, publishes, and drops what is no longer needed. The run has succeeded as soon as
    /// readers see the publication; it is held if the publish is blocked.
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
        self.again("the preparation of new tables", || self.warehouse.prepare(&tables)).await?;
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
        self.warehouse.check_identity().await?;
        let is_again = AtomicBool::new(false);
        let attempt = || self.try_publish(&request, is_again.swap(true, Ordering::Relaxed));
        if let PublishOutcome::Blocked { by, hint } = self.again("the publish", attempt).await? {
            self.hold(HeldBy::Blocked { what: by, hint });
            return Ok(());
        }
        // Nobody finds what was published into a file that has been deleted or replaced.
        self.warehouse.check_identity().await?;
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
        // The run has succeeded for readers; what follows only keeps the warehouse small.
        self.again("the end of the run", || self.sort_out_removed(number)).await?;
        let tidy = || publish::tidy(&self.state, &self.compiled.schemas, &self.lease);
        self.again("the dropping of what is not needed any more", tidy).await?;
        fault::reach("retired");
        self.warehouse.settle().await
    }

    /// Publishes. With `is_again`, an earlier attempt may have committed: the state is queried
    /// first, and again if this attempt is refused, as the server may have committed meanwhile.
    async fn try_publish(&self, request: &PublishRequest, is_again: bool) -> Result<PublishOutcome> {
        let done = Ok(PublishOutcome::Published { tries: 1 });
        if is_again && published_by(&self.state, &self.summary.run).await?.is_some() {
            return done;
        }
        match self.warehouse.publish(request).await {
            Err(error) if is_again && error.kind().policy().retry != Retry::Now => {
                if published_by(&self.state, &self.summary.run).await?.is_some() { done } else { Err(error) }
            }
            outcome => outcome,
        }
    }
}

/// Problems of sources that list no streams any more and had some with rows. The catalog has none
/// of these streams, so nothing else would report them.
fn emptied_sources(
    compiled: &Compiled,
    before: &[LoadedStream],
    context: &LoadContext<'_>,
) -> Vec<Diagnostic> {
    let lists = |source: &&SourceDef| source.streams.is_none() || !source.patterns.is_empty();
    let sources = compiled.project.sources.iter().filter(lists);
    let emptied = sources.filter_map(|source| {
        let of_source = |name: &StreamName| name.source == source.name;
        let has_some = compiled.catalog.streams.keys().any(of_source);
        let lost = before.iter().filter(|loaded| of_source(&loaded.name) && loaded.removed_in.is_none());
        let rows: u64 = lost.map(|loaded| loaded.rows).sum();
        (!has_some && rows > 0 && !source.defaults.allow_empty && !context.allow_empty).then(|| {
            let message = format!(
                "source `{}` has no streams any more; they had {} rows, which stay",
                source.name,
                grouped(rows)
            );
            Error::new(ErrorKind::StreamEmptied, message).to_diagnostic()
        })
    });
    emptied.collect()
}

/// The raw table of a stream. All streams are loaded before models, so it is always there.
fn table_of(loaded: &BTreeMap<StreamName, LoadedStream>, name: &StreamName) -> Relation {
    loaded.get(name).map_or_else(|| Relation::new("raw", name.to_string()), |stream| stream.table.clone())
}

fn relation_of(built: &[BuiltModel], name: &str) -> Relation {
    let found = built.iter().find(|built| built.model == name);
    found.map_or_else(|| Relation::new("build", name), |built| built.relation.clone())
}

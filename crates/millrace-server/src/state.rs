//! The state that all requests share: the served project, the warehouse, the result cache, the
//! event stream and the queue of runs.
//!
//! [`AppState`] is a cheap handle. The router gives each request a copy that is pinned to the
//! project that was served when the request began; background tasks use [`AppState::following`],
//! which always reads the project that is served at the moment.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::extract::FromRef;
use jiff::Timestamp;
use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::metric::view::SemanticView;
use millrace_core::suggest::did_you_mean;
use millrace_engine::compile::compiled::Compiled;
use millrace_engine::error as engine;
use millrace_engine::ports::warehouse::{Rows, Statement, Warehouse};
use millrace_engine::run::RunSummary;
use millrace_engine::run::publish::KEPT;
use millrace_engine::schedule::scheduler::Timetable;
use millrace_engine::state::State;
use millrace_engine::state::migrations::STATE_VERSION;
use tokio::sync::watch;

use crate::auth::{Auth, check_address};
use crate::cache::Cache;
use crate::failure::{Failure, Result};
use crate::host::Hosts;
use crate::live::Live;
use crate::question::Shapes;
use crate::runs::queue::RunQueue;
use crate::runs::runner::Runner;
use crate::served::{Served, Subject};
use crate::snapshot::Snapshot;
use crate::wire::run::Run;

/// Capacity of the result cache in bytes.
const CACHE_BYTES: usize = 64 << 20;

/// What the binary passes in to build a server's state.
pub struct Setup {
    /// The compiled project; must have no errors.
    pub compiled: Arc<Compiled>,
    /// The open warehouse of the project's environment.
    pub warehouse: Arc<dyn Warehouse>,
    /// Version of the program, for people.
    pub version: String,
    /// Where the server listens. Decides which host names it answers to and whether it needs
    /// authentication.
    pub address: SocketAddr,
}

/// The shared state. A clone refers to the same state.
#[derive(Clone)]
pub struct AppState {
    inner: Arc<Inner>,
    /// Replaces the system clock in tests.
    today: Option<Today>,
    /// `None` if this server starts no runs.
    runner: Option<Arc<Runner>>,
    /// In a request: the project that was served when it began. `None` outside of requests.
    served: Option<Arc<Served>>,
}

/// Returns the current day, in days since 1970-01-01.
type Today = Arc<dyn Fn() -> i32 + Send + Sync>;

struct Inner {
    served: RwLock<Arc<Served>>,
    warehouse: Arc<dyn Warehouse>,
    version: String,
    auth: Option<Auth>,
    hosts: Hosts,
    live: Live,
    cache: Cache,
    run_queue: Arc<RunQueue>,
    /// The timetable of the served project; `None` if it has no schedule.
    timetable: watch::Sender<Option<Timetable>>,
    /// When the schedule starts the next run; `None` if no scheduler is running.
    next_run: Mutex<Option<Timestamp>>,
    /// Whether the state tables were seen in the warehouse. They are never removed, so a positive
    /// answer is cached for good.
    has_state: AtomicBool,
}

/// The state as the router holds it. Extracting an [`AppState`] from it pins the request to the
/// project that is served at that moment.
#[derive(Clone)]
pub(crate) struct Shared(pub(crate) AppState);

impl FromRef<Shared> for AppState {
    fn from_ref(shared: &Shared) -> Self {
        let state = shared.0.clone();
        Self { served: Some(state.served()), ..state }
    }
}

impl AppState {
    /// Builds the state of a server.
    ///
    /// Fails if the address needs authentication that the project does not configure, or if that
    /// configuration is unusable: an empty token, or a password that is not an argon2 hash.
    pub fn new(setup: Setup) -> std::result::Result<Self, Diagnostic> {
        let project = Arc::clone(&setup.compiled.project);
        let serve = &project.manifest.serve;
        check_address(setup.address, serve.auth.as_ref())?;
        let auth = serve.auth.as_ref().map(Auth::new).transpose()?;
        let hosts = Hosts::new(setup.address, &serve.hosts);
        let inner = Inner {
            timetable: watch::Sender::new(timetable(&setup.compiled)),
            served: RwLock::new(Arc::new(Served::new(setup.compiled, &setup.warehouse))),
            auth,
            hosts,
            live: Live::new(),
            cache: Cache::new(CACHE_BYTES),
            run_queue: Arc::default(),
            next_run: Mutex::default(),
            has_state: AtomicBool::new(false),
            warehouse: setup.warehouse,
            version: setup.version,
        };
        Ok(Self { inner: Arc::new(inner), today: None, runner: None, served: None })
    }

    /// Replaces the clock; `today` returns days since 1970-01-01.
    #[must_use]
    pub fn with_today(mut self, today: impl Fn() -> i32 + Send + Sync + 'static) -> Self {
        self.today = Some(Arc::new(today));
        self
    }

    /// Sets what runs inside the server need. Without it the server starts no runs.
    #[must_use]
    pub fn with_runner(mut self, runner: Runner) -> Self {
        self.runner = Some(Arc::new(runner));
        self
    }

    /// Looks for a newer publication, notifies all open pages if there is one, and returns its data
    /// version (`None` before the first publish). Every request that reads a snapshot does this
    /// too; runs inside the server call it after they have published.
    pub async fn refresh(&self) -> std::result::Result<Option<u64>, Diagnostic> {
        let snapshot = self.latest().await.map_err(Failure::into_diagnostic)?;
        Ok(snapshot.map(|snapshot| snapshot.version))
    }

    /// Notifies all open pages of a publish. `published_at` is RFC 3339, UTC.
    pub fn notify_publish(&self, data_version: u64, published_at: impl Into<String>) {
        self.inner.live.published(data_version, &published_at.into());
    }

    /// Notifies all open pages that a run began or ended.
    pub fn notify_run(&self, run: &RunSummary) {
        self.inner.live.run(Run::from(run));
    }

    /// Notifies all open pages of a change of the project that is neither a run nor a publish: its
    /// files, its schedule, or a rollback that was lifted.
    pub fn notify_project(&self) {
        self.inner.live.project();
    }

    /// Sets when the schedule starts the next run; `None` if it starts none. Notifies all open
    /// pages if the time has changed.
    pub fn set_next_run(&self, at: Option<Timestamp>) {
        let before = {
            let mut next = self.inner.next_run.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *next, at)
        };
        if before != at {
            self.notify_project();
        }
    }

    /// When the schedule starts the next run; `None` if it starts none.
    pub fn next_run(&self) -> Option<Timestamp> {
        *self.inner.next_run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of readers' queries that went to the warehouse; cache hits are not counted.
    pub fn queries(&self) -> u64 {
        self.inner.cache.queries()
    }

    /// Ends all event streams, so that their connections do not delay the shutdown.
    pub(crate) fn close(&self) {
        self.inner.live.close();
    }

    /// The newest publication that the served project may read; returns `None` before the first
    /// publish. Notifies all open pages if it is newer than what was seen before.
    pub(crate) async fn latest(&self) -> Result<Option<Snapshot>> {
        if !self.has_state().await? {
            self.inner.live.looked(None);
            return Ok(None);
        }
        // Most requests need only the newest; the others are read if the project is pinned below
        // it.
        let last = self.served().last();
        let mut publications = self.warehouse_state().publications(1).await?;
        if publications.first().is_some_and(|newest| newest.publication > last) {
            let kept = self.warehouse_state().publications(KEPT).await?;
            // If the project's last publication is no longer kept, the newest is the best
            // substitute. A limit of 0 means that nothing was published when the run began.
            let fitting = kept.into_iter().find(|publication| publication.publication <= last);
            publications = match fitting {
                Some(fitting) => vec![fitting],
                None if last == 0 => Vec::new(),
                None => publications,
            };
        }
        let snapshot = publications.into_iter().next().map(Snapshot::of);
        self.inner.live.looked(snapshot.as_ref());
        Ok(snapshot)
    }

    /// Like [`AppState::latest`], but fails with `not-published` before the first publish.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot> {
        self.latest().await?.ok_or_else(|| Failure::not_published("nothing has been published yet"))
    }

    /// Whether the warehouse has state tables; before the first run it has none. Fails if the
    /// warehouse's file was replaced, or if a later version of the program has written the state.
    pub(crate) async fn has_state(&self) -> Result<bool> {
        // The open file may have been deleted or replaced on disk; reading on would show old data.
        self.inner.warehouse.check_identity().await?;
        if self.inner.has_state.load(Ordering::Relaxed) {
            return Ok(true);
        }
        match self.warehouse_state().version().await? {
            None => Ok(false),
            Some(version) if version > STATE_VERSION => Err(Failure::new(
                Code::StateTooNew,
                format!("the warehouse's state has version {version}; this program knows {STATE_VERSION}"),
            )),
            Some(_) => {
                self.inner.has_state.store(true, Ordering::Relaxed);
                Ok(true)
            }
        }
    }

    /// The project with which this request began; outside of requests, the one that is served at
    /// the moment.
    pub(crate) fn served(&self) -> Arc<Served> {
        let current = || Arc::clone(&self.inner.served.read().unwrap_or_else(PoisonError::into_inner));
        self.served.clone().unwrap_or_else(current)
    }

    /// The same state, not pinned to a request's project. For tasks that outlive a request.
    pub(crate) fn following(&self) -> Self {
        Self { served: None, ..self.clone() }
    }

    /// Replaces the served project and its timetable, and notifies open pages if the project's
    /// files differ. Requests in progress keep the former project.
    pub(crate) fn serve_instead(&self, compiled: Arc<Compiled>) {
        let timetable = timetable(&compiled);
        self.inner.timetable.send_if_modified(|present| {
            let changed = *present != timetable;
            *present = timetable;
            changed
        });
        let served = Arc::new(Served::new(compiled, &self.inner.warehouse));
        let former = {
            let mut now = self.inner.served.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *now, Arc::clone(&served))
        };
        if former.compiled.project.texts != served.compiled.project.texts {
            self.notify_project();
        }
    }

    /// The dashboard of that name; fails with `unknown-ref` and the nearest name.
    pub(crate) fn page(&self, name: &str) -> Result<Arc<Subject>> {
        let served = self.served();
        served.pages.get(name).cloned().ok_or_else(|| {
            let hint = did_you_mean(name, served.pages.keys().map(String::as_str), "there are");
            Failure::new(Code::UnknownRef, format!("there is no dashboard `{name}`")).maybe_hint(hint)
        })
    }

    /// The semantic view of that name; fails with `unknown-ref` and the nearest name.
    pub(crate) fn view(&self, name: &str) -> Result<Arc<SemanticView>> {
        let served = self.served();
        served.views.get(name).cloned().ok_or_else(|| {
            let hint = did_you_mean(name, served.views.keys().map(String::as_str), "there are");
            Failure::new(Code::UnknownRef, format!("there is no semantic view `{name}`")).maybe_hint(hint)
        })
    }

    /// The compiled project that is served; in a request, the one with which it began.
    pub fn compiled(&self) -> Arc<Compiled> {
        Arc::clone(&self.served().compiled)
    }

    /// The warehouse, set to the time zone of the served project.
    pub(crate) fn warehouse(&self) -> Arc<dyn Warehouse> {
        Arc::clone(&self.served().warehouse)
    }

    /// The result of a statement over a data version, from the cache if it has it. The statement
    /// must name only tables of that data version.
    pub(crate) async fn query(&self, version: u64, statement: &Statement) -> engine::Result<Arc<Rows>> {
        let served = self.served();
        let zone = &served.compiled.project.manifest.time_zone;
        self.inner.cache.query((&*served.warehouse, zone), version, statement).await
    }

    /// The state tables of the warehouse.
    pub(crate) fn warehouse_state(&self) -> State<'_> {
        State::of(&*self.inner.warehouse, &self.compiled().schemas)
    }

    /// Follows the timetable of the served project, also when another project replaces it.
    pub(crate) fn timetable(&self) -> watch::Receiver<Option<Timetable>> {
        self.inner.timetable.subscribe()
    }

    pub(crate) fn runner(&self) -> Option<&Arc<Runner>> {
        self.runner.as_ref()
    }

    pub(crate) fn run_queue(&self) -> &Arc<RunQueue> {
        &self.inner.run_queue
    }

    pub(crate) fn version(&self) -> &str {
        &self.inner.version
    }

    pub(crate) fn locales(&self) -> Arc<[String]> {
        Arc::clone(&self.served().locales)
    }

    pub(crate) fn auth(&self) -> Option<&Auth> {
        self.inner.auth.as_ref()
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        &self.inner.hosts
    }

    pub(crate) fn live(&self) -> &Live {
        &self.inner.live
    }

    /// The current day in the project's time zone, in days since 1970-01-01.
    pub(crate) fn today(&self) -> i32 {
        let zone = || self.compiled().project.manifest.time_zone.day_of(Timestamp::now());
        self.today.as_ref().map_or_else(zone, |today| today())
    }

    /// See [`Served::known_shapes`].
    pub(crate) fn known_shapes(&self, view: &str, version: u64) -> Option<Arc<Shapes>> {
        self.served().known_shapes(view, version)
    }

    /// See [`Served::remember_shapes`].
    pub(crate) fn remember_shapes(&self, view: &str, version: u64, of_view: &Arc<Shapes>) {
        self.served().remember_shapes(view, version, of_view);
    }
}

fn timetable(compiled: &Compiled) -> Option<Timetable> {
    compiled.project.manifest.schedule.as_ref().map(Timetable::of)
}

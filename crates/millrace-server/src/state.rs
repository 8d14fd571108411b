//! What all requests share.

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

/// Bytes of results that are kept.
const CACHE_BYTES: usize = 64 << 20;

/// What a server is made of.
pub struct Setup {
    /// The project; must be without errors.
    pub compiled: Arc<Compiled>,
    /// The warehouse of its environment, open.
    pub warehouse: Arc<dyn Warehouse>,
    /// Version of the program, for people.
    pub version: String,
    /// Where the server listens: decides under which host names it answers, and whether it needs authentication.
    pub address: SocketAddr,
}

/// What all requests share. A clone is the same state.
#[derive(Clone)]
pub struct AppState {
    inner: Arc<Inner>,
    /// A clock of a test's own.
    today: Option<Today>,
    runner: Option<Arc<Runner>>,
    /// For a request: the project with which it began.
    served: Option<Arc<Served>>,
}

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
    /// The schedule of the project that is served.
    timetable: watch::Sender<Option<Timetable>>,
    /// When it starts the next run; none while nobody keeps it.
    next_run: Mutex<Option<Timestamp>>,
    /// Set once the warehouse has state: it never loses it again.
    has_state: AtomicBool,
}

/// What the router holds: each request gets a state that keeps to the project of its beginning.
#[derive(Clone)]
pub(crate) struct Shared(pub(crate) AppState);

impl FromRef<Shared> for AppState {
    fn from_ref(shared: &Shared) -> Self {
        let state = shared.0.clone();
        Self { served: Some(state.served()), ..state }
    }
}

impl AppState {
    /// The state of a new server. Fails where the address needs authentication that the project does not have, or where what it has
    /// is unusable: an empty token, a hash that is none.
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

    /// With a clock of one's own: days since 1970-01-01.
    #[must_use]
    pub fn with_today(mut self, today: impl Fn() -> i32 + Send + Sync + 'static) -> Self {
        self.today = Some(Arc::new(today));
        self
    }

    /// With what runs inside the server need; without it the server starts none.
    #[must_use]
    pub fn with_runner(mut self, runner: Runner) -> Self {
        self.runner = Some(Arc::new(runner));
        self
    }

    /// Looks whether there is a newer publication, and tells all open pages when there is. Every request does so on its own; a run
    /// inside the server calls it when it has published. Returns the data version.
    pub async fn refresh(&self) -> std::result::Result<Option<u64>, Diagnostic> {
        let snapshot = self.latest().await.map_err(Failure::into_diagnostic)?;
        Ok(snapshot.map(|snapshot| snapshot.version))
    }

    /// Tells all open pages of a publish.
    pub fn notify_publish(&self, data_version: u64, published_at: impl Into<String>) {
        self.inner.live.published(data_version, &published_at.into());
    }

    /// Tells all open pages of a run that began or ended.
    pub fn notify_run(&self, run: &RunSummary) {
        self.inner.live.run(Run::from(run));
    }

    /// Tells all open pages that there is something new about the project beside runs and publishes: its files, its schedule, a
    /// rollback that was lifted.
    pub fn notify_project(&self) {
        self.inner.live.project();
    }

    /// Sets when the schedule starts the next run; none where it will not. Tells all open pages where that is news.
    pub fn set_next_run(&self, at: Option<Timestamp>) {
        let before = {
            let mut next = self.inner.next_run.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *next, at)
        };
        if before != at {
            self.notify_project();
        }
    }

    /// When the schedule starts the next run.
    pub fn next_run(&self) -> Option<Timestamp> {
        *self.inner.next_run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of queries that readers' requests have cost the warehouse, cache hits not among them.
    pub fn queries(&self) -> u64 {
        self.inner.cache.queries()
    }

    /// Ends the streams of events, so that their connections can end.
    pub(crate) fn close(&self) {
        self.inner.live.close();
    }

    /// The newest publication; none before the first.
    pub(crate) async fn latest(&self) -> Result<Option<Snapshot>> {
        if !self.has_state().await? {
            self.inner.live.looked(None);
            return Ok(None);
        }
        let last = self.served().last();
        let mut publications = self.warehouse_state().publications(1).await?;
        if publications.first().is_some_and(|newest| newest.publication > last) {
            let kept = self.warehouse_state().publications(KEPT).await?;
            // Where the project's last one is no longer kept, the newest is the best there is.
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

    /// The newest publication; fails before the first.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot> {
        self.latest().await?.ok_or_else(|| Failure::not_published("nothing has been published yet"))
    }

    /// Whether a run has ever touched the warehouse.
    pub(crate) async fn has_state(&self) -> Result<bool> {
        // What is still open may be what nobody finds any more.
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

    /// The project that is served now, or the one with which this request began.
    pub(crate) fn served(&self) -> Arc<Served> {
        let current = || Arc::clone(&self.inner.served.read().unwrap_or_else(PoisonError::into_inner));
        self.served.clone().unwrap_or_else(current)
    }

    /// The same state outside of any request: always with the project that is served now.
    pub(crate) fn following(&self) -> Self {
        Self { served: None, ..self.clone() }
    }

    /// Serves another project from now on, and tells open pages where its files are others. Requests under way keep theirs.
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

    /// The dashboard of that name.
    pub(crate) fn page(&self, name: &str) -> Result<Arc<Subject>> {
        let served = self.served();
        served.pages.get(name).cloned().ok_or_else(|| {
            let hint = did_you_mean(name, served.pages.keys().map(String::as_str), "there are");
            Failure::new(Code::UnknownRef, format!("there is no dashboard `{name}`")).maybe_hint(hint)
        })
    }

    /// The semantic view of that name.
    pub(crate) fn view(&self, name: &str) -> Result<Arc<SemanticView>> {
        let served = self.served();
        served.views.get(name).cloned().ok_or_else(|| {
            let hint = did_you_mean(name, served.views.keys().map(String::as_str), "there are");
            Failure::new(Code::UnknownRef, format!("there is no semantic view `{name}`")).maybe_hint(hint)
        })
    }

    /// The project that is served now.
    pub fn compiled(&self) -> Arc<Compiled> {
        Arc::clone(&self.served().compiled)
    }

    /// The warehouse as the project that is served reads it.
    pub(crate) fn warehouse(&self) -> Arc<dyn Warehouse> {
        Arc::clone(&self.served().warehouse)
    }

    /// The result of a statement over a data version, kept where it was asked before.
    pub(crate) async fn query(&self, version: u64, statement: &Statement) -> engine::Result<Arc<Rows>> {
        let served = self.served();
        let zone = &served.compiled.project.manifest.time_zone;
        self.inner.cache.query((&*served.warehouse, zone), version, statement).await
    }

    /// What the warehouse remembers.
    pub(crate) fn warehouse_state(&self) -> State<'_> {
        State::of(&*self.inner.warehouse, &self.compiled().schemas)
    }

    /// The schedule of the project that is served, also when another one is.
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

    /// The project's day, in days since 1970-01-01.
    pub(crate) fn today(&self) -> i32 {
        let zone = || self.compiled().project.manifest.time_zone.day_of(Timestamp::now());
        self.today.as_ref().map_or_else(zone, |today| today())
    }

    /// The types of a view's dimensions over that data version, where they are known already.
    pub(crate) fn known_shapes(&self, view: &str, version: u64) -> Option<Arc<Shapes>> {
        self.served().known_shapes(view, version)
    }

    /// Remembers them.
    pub(crate) fn remember_shapes(&self, view: &str, version: u64, of_view: &Arc<Shapes>) {
        self.served().remember_shapes(view, version, of_view);
    }
}

fn timetable(compiled: &Compiled) -> Option<Timetable> {
    compiled.project.manifest.schedule.as_ref().map(Timetable::of)
}

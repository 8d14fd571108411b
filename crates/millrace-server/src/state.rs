//! What all requests share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::ZonedDateTime;
use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::metric::view::SemanticView;
use millrace_core::project::dashboard_file::DashboardDef;
use millrace_core::suggest::did_you_mean;
use millrace_core::value::days_from_civil;
use millrace_engine::compiled::Compiled;
use millrace_engine::migrate::STATE_VERSION;
use millrace_engine::run::RunSummary;
use millrace_engine::state::State;
use millrace_engine::warehouse::Warehouse;

use crate::auth::{Auth, check_address};
use crate::cache::Cache;
use crate::failure::{Failure, Result};
use crate::host::Hosts;
use crate::live::Live;
use crate::question::Shapes;
use crate::snapshot::Snapshot;
use crate::wire::project::{Run, locales};

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
    today: Today,
}

type Today = Arc<dyn Fn() -> i32 + Send + Sync>;

struct Inner {
    compiled: Arc<Compiled>,
    warehouse: Arc<dyn Warehouse>,
    version: String,
    locales: Vec<String>,
    pages: BTreeMap<String, Arc<Subject>>,
    views: BTreeMap<String, Arc<SemanticView>>,
    auth: Option<Auth>,
    hosts: Hosts,
    live: Live,
    cache: Cache,
    shapes: Mutex<BTreeMap<String, (u64, Arc<Shapes>)>>,
    /// Set once the warehouse has state: it never loses it again.
    has_state: AtomicBool,
}

/// A dashboard and its semantic view.
pub(crate) struct Subject {
    pub(crate) dashboard: DashboardDef,
    pub(crate) view: Arc<SemanticView>,
}

impl AppState {
    /// The state of a new server. Fails where the address needs authentication that the project does not have, or where what it has
    /// is unusable: an empty token, a hash that is none.
    pub fn new(setup: Setup) -> std::result::Result<Self, Diagnostic> {
        let project = Arc::clone(&setup.compiled.project);
        let serve = &project.manifest.serve;
        check_address(setup.address, serve.auth.as_ref())?;
        let auth = serve.auth.as_ref().map(Auth::new).transpose()?;
        let views: BTreeMap<String, Arc<SemanticView>> =
            setup.compiled.views.iter().map(|view| (view.name.clone(), Arc::new(view.clone()))).collect();
        // A dashboard without its semantic view is an error of `check`, which comes before.
        let pages = project.dashboards.iter().filter_map(|dashboard| {
            let view = Arc::clone(views.get(&dashboard.semantic_view.text)?);
            Some((dashboard.name.text.clone(), Arc::new(Subject { dashboard: dashboard.clone(), view })))
        });
        let inner = Inner {
            locales: locales(&project),
            pages: pages.collect(),
            views,
            auth,
            hosts: Hosts::new(setup.address, &serve.hosts),
            live: Live::new(),
            cache: Cache::new(CACHE_BYTES),
            shapes: Mutex::default(),
            has_state: AtomicBool::new(false),
            compiled: setup.compiled,
            warehouse: setup.warehouse,
            version: setup.version,
        };
        Ok(Self { inner: Arc::new(inner), today: Arc::new(local_day) })
    }

    /// With a clock of one's own: days since 1970-01-01.
    #[must_use]
    pub fn with_today(mut self, today: impl Fn() -> i32 + Send + Sync + 'static) -> Self {
        self.today = Arc::new(today);
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
        let publications = self.warehouse_state().publications(1).await?;
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

    /// The dashboard of that name.
    pub(crate) fn page(&self, name: &str) -> Result<Arc<Subject>> {
        self.inner.pages.get(name).cloned().ok_or_else(|| {
            let hint = did_you_mean(name, self.inner.pages.keys().map(String::as_str), "there are");
            Failure::new(Code::UnknownRef, format!("there is no dashboard `{name}`")).maybe_hint(hint)
        })
    }

    /// The semantic view of that name.
    pub(crate) fn view(&self, name: &str) -> Result<Arc<SemanticView>> {
        self.inner.views.get(name).cloned().ok_or_else(|| {
            let hint = did_you_mean(name, self.inner.views.keys().map(String::as_str), "there are");
            Failure::new(Code::UnknownRef, format!("there is no semantic view `{name}`")).maybe_hint(hint)
        })
    }

    pub(crate) fn compiled(&self) -> &Compiled {
        &self.inner.compiled
    }

    pub(crate) fn warehouse(&self) -> &dyn Warehouse {
        &*self.inner.warehouse
    }

    /// What the warehouse remembers.
    pub(crate) fn warehouse_state(&self) -> State<'_> {
        State::of(&*self.inner.warehouse, &self.inner.compiled.schemas)
    }

    pub(crate) fn version(&self) -> &str {
        &self.inner.version
    }

    pub(crate) fn locales(&self) -> &[String] {
        &self.inner.locales
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

    pub(crate) fn cache(&self) -> &Cache {
        &self.inner.cache
    }

    pub(crate) fn today(&self) -> i32 {
        (self.today)()
    }

    /// The types of a view's dimensions over that data version, where they are known already.
    pub(crate) fn known_shapes(&self, view: &str, version: u64) -> Option<Arc<Shapes>> {
        let shapes = self.inner.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        shapes.get(view).filter(|(of, _)| *of == version).map(|(_, shapes)| Arc::clone(shapes))
    }

    /// Remembers them.
    pub(crate) fn remember_shapes(&self, view: &str, version: u64, of_view: &Arc<Shapes>) {
        let mut shapes = self.inner.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        shapes.insert(view.to_owned(), (version, Arc::clone(of_view)));
    }
}

/// The day on the wall, where this process runs.
fn local_day() -> i32 {
    let date = ZonedDateTime::now().date();
    days_from_civil(
        i64::from(date.year()),
        date.month().unsigned_abs().into(),
        date.day().unsigned_abs().into(),
    ) as i32
}

//! The project that a server serves. A run that has published a changed project replaces it as a whole.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use millrace_core::metric::view::SemanticView;
use millrace_core::project::dashboard_file::DashboardDef;
use millrace_engine::compile::compiled::Compiled;
use millrace_engine::ports::warehouse::Warehouse;

use crate::question::Shapes;
use crate::wire::project::locales;

/// A dashboard and its semantic view.
pub(crate) struct Subject {
    pub(crate) dashboard: DashboardDef,
    pub(crate) view: Arc<SemanticView>,
    /// Streams whose rows it shows.
    pub(crate) streams: Vec<String>,
    /// Streams of which it may show rows that are deleted.
    pub(crate) deletes_unseen: Vec<String>,
}

/// A project and the publications that it fits.
///
/// A request keeps the one with which it began. While a run is under way, and for good once another project has taken its place,
/// a project reads no publication that came later: its pages might name columns that are gone.
pub(crate) struct Served {
    pub(crate) compiled: Arc<Compiled>,
    /// Reads moments in the project's time zone, whatever a run that is under way does.
    pub(crate) warehouse: Arc<dyn Warehouse>,
    pub(crate) locales: Arc<[String]>,
    pub(crate) pages: BTreeMap<String, Arc<Subject>>,
    pub(crate) views: BTreeMap<String, Arc<SemanticView>>,
    shapes: Mutex<BTreeMap<String, (u64, Arc<Shapes>)>>,
    /// The last data version that it reads.
    last: AtomicU64,
}

impl Served {
    /// Of that project, whatever is published.
    pub(crate) fn new(compiled: Arc<Compiled>, warehouse: &Arc<dyn Warehouse>) -> Self {
        let views: BTreeMap<String, Arc<SemanticView>> =
            compiled.views.iter().map(|view| (view.name.clone(), Arc::new(view.clone()))).collect();
        // A dashboard without its semantic view is an error of `check`, which comes before.
        let pages = compiled.project.dashboards.iter().filter_map(|dashboard| {
            let view = Arc::clone(views.get(&dashboard.semantic_view.text)?);
            let behind = compiled.streams_behind(&view);
            let unseen = behind.iter().filter(|stream| stream.deletes_unseen());
            let deletes_unseen = unseen.map(|stream| stream.name.to_string()).collect();
            let streams = behind.iter().map(|stream| stream.name.to_string()).collect();
            let subject = Subject { dashboard: dashboard.clone(), view, streams, deletes_unseen };
            Some((dashboard.name.text.clone(), Arc::new(subject)))
        });
        Self {
            warehouse: compiled.in_its_time_zone(Arc::clone(warehouse)),
            locales: locales(&compiled.project).into(),
            pages: pages.collect(),
            views,
            shapes: Mutex::default(),
            last: AtomicU64::new(u64::MAX),
            compiled,
        }
    }

    /// The last data version that it reads; `u64::MAX` for all that come.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Reads nothing beyond that data version.
    pub(crate) fn stay_at(&self, version: u64) {
        self.last.store(version, Ordering::Release);
    }

    /// Reads whatever is the newest.
    pub(crate) fn follow(&self) {
        self.last.store(u64::MAX, Ordering::Release);
    }

    /// The types of a view's dimensions over that data version, where they are known already.
    pub(crate) fn known_shapes(&self, view: &str, version: u64) -> Option<Arc<Shapes>> {
        let shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        shapes.get(view).filter(|(of, _)| *of == version).map(|(_, shapes)| Arc::clone(shapes))
    }

    /// Remembers them.
    pub(crate) fn remember_shapes(&self, view: &str, version: u64, of_view: &Arc<Shapes>) {
        let mut shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        shapes.insert(view.to_owned(), (version, Arc::clone(of_view)));
    }
}

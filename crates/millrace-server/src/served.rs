//! The compiled project that a server serves, and the range of publications that it may read.
//!
//! A run that has published a changed project replaces the [`Served`] value as a whole, so a
//! request never sees the dashboards of one project and the semantic views of another.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use millrace_core::metric::view::SemanticView;
use millrace_core::project::dashboard_file::DashboardDef;
use millrace_engine::compile::compiled::Compiled;
use millrace_engine::ports::warehouse::Warehouse;

use crate::question::Shapes;
use crate::wire::project::locales;

/// A dashboard with its semantic view and the streams behind it.
pub(crate) struct Subject {
    pub(crate) dashboard: DashboardDef,
    pub(crate) view: Arc<SemanticView>,
    /// Streams whose rows the dashboard shows, as `source.stream`.
    pub(crate) streams: Vec<String>,
    /// Those of `streams` whose deletes are not detected: the dashboard may show rows that the
    /// source has deleted. As `source.stream`.
    pub(crate) deletes_unseen: Vec<String>,
}

/// A project and the newest publication that it may read.
///
/// A request keeps the value with which it began. A project reads no later publication while a run
/// is in progress, and never again once another project has replaced it: its dashboards might name
/// columns that no longer exist.
pub(crate) struct Served {
    pub(crate) compiled: Arc<Compiled>,
    /// Interprets timestamps in this project's time zone, independent of a run in progress.
    pub(crate) warehouse: Arc<dyn Warehouse>,
    pub(crate) locales: Arc<[String]>,
    /// Dashboards by name.
    pub(crate) pages: BTreeMap<String, Arc<Subject>>,
    /// Semantic views by name.
    pub(crate) views: BTreeMap<String, Arc<SemanticView>>,
    /// By semantic view: the data version that was described, and the types of its dimensions.
    shapes: Mutex<BTreeMap<String, (u64, Arc<Shapes>)>>,
    /// The newest data version that it may read; `u64::MAX` if there is no limit.
    last: AtomicU64,
}

impl Served {
    /// A project without a limit on the data version.
    pub(crate) fn new(compiled: Arc<Compiled>, warehouse: &Arc<dyn Warehouse>) -> Self {
        let views: BTreeMap<String, Arc<SemanticView>> =
            compiled.views.iter().map(|view| (view.name.clone(), Arc::new(view.clone()))).collect();
        // `check` has already refused a dashboard whose semantic view does not exist.
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

    /// The newest data version that it may read; `u64::MAX` if it follows every publication.
    pub(crate) fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Reads no data version above `version`. 0 means none at all.
    pub(crate) fn stay_at(&self, version: u64) {
        self.last.store(version, Ordering::Release);
    }

    /// Lifts the limit: reads the newest publication again.
    pub(crate) fn follow(&self) {
        self.last.store(u64::MAX, Ordering::Release);
    }

    /// The cached types of a view's dimensions; returns `None` if they were not read for `version`.
    pub(crate) fn known_shapes(&self, view: &str, version: u64) -> Option<Arc<Shapes>> {
        let shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        shapes.get(view).filter(|(of, _)| *of == version).map(|(_, shapes)| Arc::clone(shapes))
    }

    /// Caches the types of a view's dimensions. Only one data version per view is kept.
    pub(crate) fn remember_shapes(&self, view: &str, version: u64, of_view: &Arc<Shapes>) {
        let mut shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        shapes.insert(view.to_owned(), (version, Arc::clone(of_view)));
    }
}

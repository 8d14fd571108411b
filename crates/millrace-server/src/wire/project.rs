//! The answer of `GET /project`.

use millrace_core::project::Project as ProjectFiles;
use millrace_core::project::localized::Localized;
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

use crate::wire::localized::LocalizedText;
use crate::wire::run::Run;

/// The project, its state, and where to go from here.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Project {
    pub(crate) name: String,
    /// Version of Millrace.
    pub(crate) version: String,
    pub(crate) environment: String,
    /// Name of the time zone in which its days begin.
    pub(crate) time_zone: String,
    /// Locales of the project's own texts.
    pub(crate) locales: Vec<String>,
    pub(crate) dashboards: Vec<DashboardLink>,
    /// What its sources and streams are, as far as the project says it.
    pub(crate) sources: Vec<Source>,
    /// `null` before the first publish.
    #[schema(required)]
    pub(crate) publication: Option<Publication>,
    /// The newest run, also while it runs; `null` before the first.
    #[schema(required)]
    pub(crate) last_run: Option<Run>,
    /// The newest run that has ended; `null` before the first one has.
    #[schema(required)]
    pub(crate) last_result: Option<Run>,
    /// `null` unless readers are kept on an earlier publication.
    #[schema(required)]
    pub(crate) rollback: Option<Rollback>,
    /// `null` where the project runs only when somebody asks.
    #[schema(required)]
    pub(crate) schedule: Option<Schedule>,
    pub(crate) quarantine: QuarantineSummary,
}

/// A source that is described, or has streams that are.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Source {
    pub(crate) name: String,
    /// `null` where only streams of it are described.
    #[schema(required)]
    pub(crate) description: Option<String>,
    /// Streams that are described.
    pub(crate) streams: Vec<DescribedStream>,
}

/// A stream that is described.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DescribedStream {
    /// `source.stream`.
    pub(crate) stream: String,
    pub(crate) description: String,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DashboardLink {
    pub(crate) name: String,
    pub(crate) title: LocalizedText,
}

/// What readers see.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Publication {
    /// Grows with each publish.
    pub(crate) data_version: u64,
    /// RFC 3339, UTC.
    pub(crate) published_at: String,
    /// The run that made it.
    pub(crate) run: String,
}

/// Readers are kept on an earlier publication; runs publish nothing until somebody lifts it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Rollback {
    /// What readers see: a data version of its own.
    pub(crate) data_version: u64,
    /// The data version whose tables it has brought back.
    pub(crate) brought_back: u64,
    /// RFC 3339, UTC.
    pub(crate) since: String,
}

/// When runs start by themselves.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Schedule {
    /// Minute, hour, day, month, day of the week.
    pub(crate) cron: String,
    /// Name of the time zone in which that is meant.
    pub(crate) time_zone: String,
    /// RFC 3339, UTC; `null` where this server does not keep the schedule.
    #[schema(required)]
    pub(crate) next_run_at: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct QuarantineSummary {
    pub(crate) rows: u64,
    /// Streams that have rows there.
    pub(crate) streams: Vec<QuarantineStream>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct QuarantineStream {
    /// `source.stream`.
    pub(crate) stream: String,
    pub(crate) rows: u64,
}

/// The locales of all texts that pages show, sorted; `en` if no text names a locale.
pub(crate) fn locales(project: &ProjectFiles) -> Vec<String> {
    let views = project.semantic_views.iter();
    let labels = views.flat_map(|view| {
        view.dimensions.iter().map(|dimension| &dimension.label).chain(view.metrics.iter().map(|m| &m.label))
    });
    let dashboards = project.dashboards.iter();
    let titles = dashboards.flat_map(|dashboard| {
        let tiles = dashboard.rows.iter().flatten().filter_map(|tile| tile.title.as_ref());
        std::iter::once(&dashboard.title).chain(tiles)
    });
    let mut locales: BTreeSet<&str> =
        labels.chain(titles).flat_map(|Localized(texts)| texts.keys().map(String::as_str)).collect();
    if locales.is_empty() {
        locales.insert("en");
    }
    locales.into_iter().map(str::to_owned).collect()
}

//! The project at a glance.

use millrace_core::project::Project as ProjectFiles;
use millrace_core::project::localized::Localized;
use millrace_core::quality::TestSeverity;
use millrace_engine::run::RunSummary;
use serde::Serialize;
use std::collections::BTreeSet;
use utoipa::ToSchema;

use crate::wire::error::ErrorObject;
use crate::wire::localized::LocalizedText;

/// The project, its state, and where to go from here.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Project {
    pub(crate) name: String,
    /// Version of Millrace.
    pub(crate) version: String,
    pub(crate) environment: String,
    /// Locales of the project's own texts.
    pub(crate) locales: Vec<String>,
    pub(crate) dashboards: Vec<DashboardLink>,
    /// `null` before the first publish.
    #[schema(required)]
    pub(crate) publication: Option<Publication>,
    /// `null` before the first run.
    #[schema(required)]
    pub(crate) last_run: Option<Run>,
    pub(crate) quarantine: QuarantineSummary,
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

/// How a run ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the contract calls the id of a run `run`")]
pub(crate) struct Run {
    pub(crate) run: String,
    pub(crate) status: RunStatus,
    /// RFC 3339, UTC.
    pub(crate) started_at: String,
    /// `null` while it runs.
    #[schema(required)]
    pub(crate) finished_at: Option<String>,
    pub(crate) duration_ms: u64,
    /// Data tests that found rows.
    pub(crate) failed_tests: Vec<FailedTest>,
    /// Why it failed, where it did.
    #[schema(required)]
    pub(crate) error: Option<ErrorObject>,
}

/// `succeeded`: published. `unchanged`: nothing was new. `held`: a data test failed, nothing published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RunStatus {
    Running,
    Succeeded,
    Unchanged,
    Held,
    Failed,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct FailedTest {
    pub(crate) test: String,
    pub(crate) model: String,
    /// Rows that it found.
    pub(crate) rows: u64,
    pub(crate) severity: Severity,
}

/// `error` holds the publish, `warn` is only reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    Error,
    Warn,
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

impl From<&RunSummary> for Run {
    fn from(run: &RunSummary) -> Self {
        use millrace_engine::run::RunStatus as Ended;
        let failed = run.tests.iter().filter(|test| test.rows > 0);
        Self {
            run: run.run.clone(),
            status: match run.status {
                Ended::Running => RunStatus::Running,
                Ended::Succeeded => RunStatus::Succeeded,
                Ended::Unchanged => RunStatus::Unchanged,
                Ended::Held => RunStatus::Held,
                Ended::Failed => RunStatus::Failed,
            },
            started_at: run.started_at.clone(),
            finished_at: run.finished_at.clone(),
            duration_ms: run.duration_ms,
            failed_tests: failed
                .map(|test| FailedTest {
                    test: test.test.clone(),
                    model: test.model.clone(),
                    rows: test.rows,
                    severity: match test.severity {
                        TestSeverity::Error => Severity::Error,
                        TestSeverity::Warn => Severity::Warn,
                    },
                })
                .collect(),
            error: run.error.as_ref().map(|error| ErrorObject {
                code: error.code.clone(),
                message: error.message.clone(),
                hint: error.hint.clone(),
            }),
        }
    }
}

/// The locales of everything that pages show; `en` where nothing is said.
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

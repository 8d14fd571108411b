//! The JSON form of runs: in lists, in full, and the rows that data tests have found.

use millrace_core::quality::TestSeverity;
use millrace_engine::run::{self as engine, ModelSummary, RunNotice, RunSummary, StreamSummary};
use millrace_engine::state::test_result::TestResult;
use millrace_engine::state::trigger;
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::error::ErrorObject;
use crate::wire::value::{Cell, LogicalType, Shape};

/// A run: why, what, rows, times, errors.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the contract calls the id of a run `run`")]
pub(crate) struct Run {
    pub(crate) run: String,
    pub(crate) trigger: Trigger,
    pub(crate) status: RunStatus,
    /// What keeps it from being published; `null` unless it is held.
    #[schema(required)]
    pub(crate) held: Option<Held>,
    /// RFC 3339, UTC.
    pub(crate) started_at: String,
    /// `null` while it runs, and where its process died.
    #[schema(required)]
    pub(crate) finished_at: Option<String>,
    pub(crate) duration_ms: u64,
    /// What readers saw when it ended; `null` before the first publish.
    #[schema(required)]
    pub(crate) data_version: Option<u64>,
    /// Of all streams together.
    pub(crate) rows_loaded: u64,
    /// Of all streams together.
    pub(crate) rows_quarantined: u64,
    /// Of all streams together: rows that their sources have deleted.
    pub(crate) rows_removed: u64,
    pub(crate) models_built: usize,
    pub(crate) models_unchanged: usize,
    /// Streams; in lists only those that had something new.
    pub(crate) streams: Vec<RunStream>,
    /// Data tests that found rows.
    pub(crate) failed_tests: Vec<DataTest>,
    /// What it told while it ran: columns that have come or gone, streams that have shrunk, quarantine that grew, connections that broke.
    pub(crate) notices: Vec<Notice>,
    /// Why it failed, where it did; `null` also where its process died.
    #[schema(required)]
    pub(crate) error: Option<ErrorObject>,
}

/// One run in full: with all its streams, models and data tests.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RunDetails {
    #[serde(flatten)]
    pub(crate) run: Run,
    pub(crate) models: Vec<RunModel>,
    pub(crate) tests: Vec<DataTest>,
}

/// The newest runs.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub(crate) struct Runs {
    /// The newest first.
    pub(crate) runs: Vec<Run>,
}

/// Who or what started a run.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Trigger {
    pub(crate) kind: TriggerKind,
    /// RFC 3339, UTC: the time of the schedule that it stands for.
    #[schema(required)]
    pub(crate) scheduled_for: Option<String>,
    /// 1 for the first try, 2 for the first retry, and so on.
    pub(crate) attempt: u32,
}

/// `command`: somebody at the command line. `schedule`: its time has come. `catch_up`: its time went by while nobody was there to run.
/// `retry`: a run has failed for a reason that may pass. `api`: a call of this interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TriggerKind {
    Command,
    Schedule,
    CatchUp,
    Retry,
    Api,
}

/// `succeeded`: published. `unchanged`: nothing was new. `held`: built, but not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RunStatus {
    Running,
    Succeeded,
    Unchanged,
    Held,
    Failed,
}

/// What keeps a run that was built from being published.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(tag = "by", rename_all = "lowercase")]
pub(crate) enum Held {
    /// Data tests of severity `error`; `failed_tests` has them.
    Tests,
    /// What sources hold is not what may replace what was loaded: a stream has lost its rows, or a column that models read. Nothing was built.
    Sources {
        /// What is wrong, one for each stream.
        problems: Vec<Notice>,
    },
    /// Readers or relations of somebody else.
    Blocked {
        /// Who or what, one sentence each.
        what: Vec<String>,
        /// What to do about it.
        hint: String,
    },
    /// Somebody has rolled back.
    Rollback {
        /// The data version that readers are kept on.
        data_version: u64,
    },
}

/// Something that a run told while it ran.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RunNotice)]
pub(crate) struct Notice {
    #[serde(flatten)]
    pub(crate) told: ErrorObject,
    /// `source.stream`, where it is about the rows of one; `null` where it is about none in particular.
    #[schema(required)]
    pub(crate) stream: Option<String>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RunStream {
    /// `source.stream`.
    pub(crate) stream: String,
    /// `loaded` or `unchanged`.
    pub(crate) status: String,
    pub(crate) rows_loaded: u64,
    pub(crate) rows_quarantined: u64,
    /// Rows that its source has deleted.
    pub(crate) rows_removed: u64,
    /// In its raw table afterwards.
    pub(crate) rows_in_table: u64,
    pub(crate) duration_ms: u64,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RunModel {
    pub(crate) model: String,
    /// `built` or `unchanged`.
    pub(crate) status: String,
    /// Why it was built, or not.
    pub(crate) reason: String,
    /// `table` or `view`.
    pub(crate) materialization: String,
    /// Whether readers are to see it.
    pub(crate) published: bool,
    /// `null` for a view.
    #[schema(required)]
    pub(crate) rows: Option<u64>,
    pub(crate) duration_ms: u64,
}

/// What a data test found.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = TestResult)]
pub(crate) struct DataTest {
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

/// Some of the rows that a data test has found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Failures {
    pub(crate) run: String,
    pub(crate) test: String,
    pub(crate) model: String,
    /// The column that is tested.
    pub(crate) column: String,
    /// Rows that the test found, also those that are not listed here.
    pub(crate) total: u64,
    /// All columns of the model.
    pub(crate) columns: Vec<FailureColumn>,
    /// One array a column, in the order of `columns`.
    pub(crate) data: Vec<Vec<Cell>>,
    /// Rows in `data`.
    pub(crate) rows: usize,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct FailureColumn {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: LogicalType,
    /// Digits after the point of decimals.
    #[schema(required)]
    pub(crate) scale: Option<u8>,
}

impl FailureColumn {
    pub(crate) fn new(name: &str, shape: Shape) -> Self {
        Self { name: name.to_owned(), kind: shape.kind, scale: shape.scale }
    }
}

impl Run {
    /// The run with all its streams, including unchanged ones.
    fn whole(run: &RunSummary) -> Self {
        let count = |status| run.models.iter().filter(|model| model.status == status).count();
        Self {
            run: run.run.clone(),
            trigger: (&run.trigger).into(),
            status: run.status.into(),
            held: held(run),
            started_at: run.started_at.clone(),
            finished_at: run.finished_at.clone(),
            duration_ms: run.duration_ms,
            data_version: run.data_version,
            rows_loaded: run.streams.iter().map(|stream| stream.rows_loaded).sum(),
            rows_quarantined: run.streams.iter().map(|stream| stream.rows_quarantined).sum(),
            rows_removed: run.streams.iter().map(|stream| stream.rows_removed).sum(),
            models_built: count("built"),
            models_unchanged: count("unchanged"),
            streams: run.streams.iter().map(RunStream::from).collect(),
            failed_tests: run.tests.iter().filter(|test| test.rows > 0).map(DataTest::from).collect(),
            notices: run.notices.iter().map(Notice::from).collect(),
            error: run.error.as_ref().map(|error| ErrorObject {
                code: error.code.clone(),
                message: error.message.clone(),
                hint: error.hint.clone(),
            }),
        }
    }
}

/// The short form for lists and events: only streams that loaded, quarantined or removed rows.
impl From<&RunSummary> for Run {
    fn from(run: &RunSummary) -> Self {
        let mut short = Self::whole(run);
        short.streams.retain(|stream| stream.rows_loaded + stream.rows_quarantined + stream.rows_removed > 0);
        short
    }
}

impl From<&RunSummary> for RunDetails {
    fn from(run: &RunSummary) -> Self {
        Self {
            run: Run::whole(run),
            models: run.models.iter().map(RunModel::from).collect(),
            tests: run.tests.iter().map(DataTest::from).collect(),
        }
    }
}

impl From<&RunNotice> for ErrorObject {
    fn from(notice: &RunNotice) -> Self {
        Self { code: notice.code.clone(), message: notice.message.clone(), hint: notice.hint.clone() }
    }
}

impl From<&RunNotice> for Notice {
    fn from(notice: &RunNotice) -> Self {
        Self { told: notice.into(), stream: notice.stream.clone() }
    }
}

/// What holds a run. Records of older versions do not say it: back then only data tests held runs.
fn held(run: &RunSummary) -> Option<Held> {
    use millrace_engine::run::HeldBy;
    match &run.held {
        Some(HeldBy::Tests) => Some(Held::Tests),
        Some(HeldBy::Sources { problems }) => {
            Some(Held::Sources { problems: problems.iter().map(Notice::from).collect() })
        }
        Some(HeldBy::Blocked { what, hint }) => {
            Some(Held::Blocked { what: what.clone(), hint: hint.clone() })
        }
        Some(HeldBy::Rollback { publication }) => Some(Held::Rollback { data_version: *publication }),
        None => (run.status == engine::RunStatus::Held).then_some(Held::Tests),
    }
}

impl From<engine::RunStatus> for RunStatus {
    fn from(status: engine::RunStatus) -> Self {
        match status {
            engine::RunStatus::Running => Self::Running,
            engine::RunStatus::Succeeded => Self::Succeeded,
            engine::RunStatus::Unchanged => Self::Unchanged,
            engine::RunStatus::Held => Self::Held,
            engine::RunStatus::Failed => Self::Failed,
        }
    }
}

impl From<&trigger::Trigger> for Trigger {
    fn from(trigger: &trigger::Trigger) -> Self {
        use millrace_engine::state::trigger::TriggerKind as Kind;
        Self {
            kind: match trigger.kind {
                Kind::Command => TriggerKind::Command,
                Kind::Schedule => TriggerKind::Schedule,
                Kind::CatchUp => TriggerKind::CatchUp,
                Kind::Retry => TriggerKind::Retry,
                Kind::Api => TriggerKind::Api,
            },
            scheduled_for: trigger.scheduled_for.map(engine::rfc3339),
            attempt: trigger.attempt,
        }
    }
}

impl From<&StreamSummary> for RunStream {
    fn from(stream: &StreamSummary) -> Self {
        Self {
            stream: stream.stream.clone(),
            status: stream.status.clone(),
            rows_loaded: stream.rows_loaded,
            rows_quarantined: stream.rows_quarantined,
            rows_removed: stream.rows_removed,
            rows_in_table: stream.rows_in_table,
            duration_ms: stream.duration_ms,
        }
    }
}

impl From<&ModelSummary> for RunModel {
    fn from(model: &ModelSummary) -> Self {
        Self {
            model: model.model.clone(),
            status: model.status.clone(),
            reason: model.reason.clone(),
            materialization: model.materialization.clone(),
            published: model.published,
            rows: model.rows,
            duration_ms: model.duration_ms,
        }
    }
}

impl From<&TestResult> for DataTest {
    fn from(test: &TestResult) -> Self {
        Self {
            test: test.test.clone(),
            model: test.model.clone(),
            rows: test.rows,
            severity: match test.severity {
                TestSeverity::Error => Severity::Error,
                TestSeverity::Warn => Severity::Warn,
            },
        }
    }
}

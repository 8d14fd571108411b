//! The record of a run: what `_millrace.runs` stores as JSON, `millrace run --json` prints and
//! events carry.
//!
//! Fields that earlier versions did not write have a serde default, so that their records stay
//! readable.

use millrace_core::diagnostic::Diagnostic;
use serde::{Deserialize, Serialize};

use crate::state::BuiltModel;
use crate::state::test_result::TestResult;
use crate::state::trigger::Trigger;

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// The run is under way, or its process died.
    Running,
    /// It has published.
    Succeeded,
    /// Nothing had changed, so nothing was published.
    Unchanged,
    /// Nothing was published: a data test failed, a source has lost data, or something prevents the
    /// publish; see [`HeldBy`].
    Held,
    /// An error ended the run, and nothing was published.
    Failed,
}

impl RunStatus {
    /// The word in JSON and in the column `status`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Unchanged => "unchanged",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }
}

/// A stream in the summary of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSummary {
    /// `source.stream`.
    pub stream: String,
    /// `loaded` or `unchanged`.
    pub status: String,
    /// Accepted rows that this run loaded.
    pub rows_loaded: u64,
    /// Rows that this run put into quarantine.
    pub rows_quarantined: u64,
    /// Rows that this run removed, because the source has deleted them.
    #[serde(default)]
    pub rows_removed: u64,
    /// Rows in the raw table after the run.
    pub rows_in_table: u64,
    /// At how many points in time these rows were read: more than 1 if a load was resumed after its
    /// run had died.
    #[serde(default = "one")]
    pub moments: u32,
    /// Duration of the load in milliseconds.
    pub duration_ms: u64,
}

fn one() -> u32 {
    1
}

/// A model in the summary of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// The model's name.
    pub model: String,
    /// `built` or `unchanged`.
    pub status: String,
    /// Why it was built, or why not.
    pub reason: String,
    /// `table` or `view`.
    pub materialization: String,
    /// Whether readers see it in the published schema.
    pub published: bool,
    /// Number of rows; `None` for a view.
    pub rows: Option<u64>,
    /// Duration of the build in milliseconds.
    pub duration_ms: u64,
}

impl ModelSummary {
    pub(crate) fn of(built: &BuiltModel, status: &str, reason: String, duration_ms: u64) -> Self {
        Self {
            model: built.model.clone(),
            status: status.to_owned(),
            reason,
            materialization: if built.is_view { "view" } else { "table" }.to_owned(),
            published: built.published,
            rows: built.rows,
            duration_ms,
        }
    }
}

/// The error that ended a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    /// Code of the diagnostic.
    pub code: String,
    /// Its message, with the causes.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A warning of a run: columns that came or went, a connection that broke, a stream that shrank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunNotice {
    /// Code of the diagnostic.
    pub code: String,
    /// Its message, with the causes.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// `source.stream`, if it is about the rows of one stream. Always `None` in records of earlier
    /// versions.
    #[serde(default)]
    pub stream: Option<String>,
}

impl RunNotice {
    /// Converts a diagnostic.
    pub fn of(diagnostic: &Diagnostic) -> Self {
        Self {
            code: diagnostic.code.as_str().to_owned(),
            message: diagnostic.to_string(),
            hint: diagnostic.hint.clone(),
            stream: diagnostic.stream.as_ref().map(ToString::to_string),
        }
    }
}

/// Why a run is held: why its results are not published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum HeldBy {
    /// Data tests of severity `error` found failing rows.
    Tests,
    /// Sources have lost data that may not be replaced silently: a stream has lost its rows, or a
    /// column that models read. Nothing was built.
    Sources {
        /// The problems, one for each stream.
        problems: Vec<RunNotice>,
    },
    /// Readers hold locks, or relations of others are in the way.
    Blocked {
        /// Who or what: one sentence each.
        what: Vec<String>,
        /// What to do about it.
        hint: String,
    },
    /// Somebody has rolled back and not lifted the rollback yet.
    Rollback {
        /// The publication that readers stay on.
        publication: u64,
    },
}

/// The record of a run. `millrace run --json` prints it, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run's id: its start time and a few digits that tell runs of the same second apart.
    pub run: String,
    /// The state of the run.
    pub status: RunStatus,
    /// What started it.
    #[serde(default)]
    pub trigger: Trigger,
    /// Name of the environment.
    pub environment: String,
    /// The data version that readers see; `None` before the first publish.
    pub data_version: Option<u64>,
    /// When it began: RFC 3339, UTC.
    pub started_at: String,
    /// When it ended: RFC 3339, UTC; `None` while it is under way.
    pub finished_at: Option<String>,
    /// The streams that it loaded or found unchanged.
    pub streams: Vec<StreamSummary>,
    /// The models that it built or found unchanged.
    pub models: Vec<ModelSummary>,
    /// The data tests that it ran.
    pub tests: Vec<TestResult>,
    /// The warnings that it gave, in order, each once.
    #[serde(default)]
    pub notices: Vec<RunNotice>,
    /// Why it is held, if it is.
    #[serde(default)]
    pub held: Option<HeldBy>,
    /// The error that ended it, if one did.
    pub error: Option<RunError>,
    /// Duration in milliseconds.
    pub duration_ms: u64,
}

impl RunSummary {
    /// Whether a stream has other rows than before the run.
    pub fn has_news(&self) -> bool {
        let is_new = |stream: &StreamSummary| {
            let rows = stream.rows_loaded + stream.rows_quarantined + stream.rows_removed;
            stream.status == "loaded" && (rows > 0 || stream.rows_in_table == 0)
        };
        self.streams.iter().any(is_new)
    }
}

//! The record of a run.

use millrace_core::diagnostic::Diagnostic;
use serde::{Deserialize, Serialize};

use crate::state::BuiltModel;
use crate::state::test_result::TestResult;
use crate::state::trigger::Trigger;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It is under way, or the process died.
    Running,
    /// Published.
    Succeeded,
    /// Nothing was new; nothing was published.
    Unchanged,
    /// Nothing was published: a data test failed, a source has lost what was there, or something is in the way.
    Held,
    /// Something failed; nothing was published.
    Failed,
}

impl RunStatus {
    /// As JSON has it.
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
    /// Good rows that this run loaded.
    pub rows_loaded: u64,
    /// Rows that this run put into quarantine.
    pub rows_quarantined: u64,
    /// Rows that this run removed, because the source has deleted them.
    #[serde(default)]
    pub rows_removed: u64,
    /// Rows in the raw table.
    pub rows_in_table: u64,
    /// Of how many moments these are: more than one where a load was gone on with after a run had died.
    #[serde(default = "one")]
    pub moments: u32,
    /// How long it took.
    pub duration_ms: u64,
}

fn one() -> u32 {
    1
}

/// A model in the summary of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// Name.
    pub model: String,
    /// `built` or `unchanged`.
    pub status: String,
    /// Why it was built.
    pub reason: String,
    /// `table` or `view`.
    pub materialization: String,
    /// Whether readers see it.
    pub published: bool,
    /// Rows of a table.
    pub rows: Option<u64>,
    /// How long it took.
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

/// What went wrong, where something did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunError {
    /// Code of the diagnostic.
    pub code: String,
    /// Its message with causes.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

/// Something that a run told while it ran: columns that have come or gone, a connection that broke, a stream that has shrunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunNotice {
    /// Code of the diagnostic.
    pub code: String,
    /// Its message with causes.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// `source.stream`, where it is about the rows of one. Records of earlier versions do not say.
    #[serde(default)]
    pub stream: Option<String>,
}

impl RunNotice {
    /// As the record of a run has it.
    pub fn of(diagnostic: &Diagnostic) -> Self {
        Self {
            code: diagnostic.code.as_str().to_owned(),
            message: diagnostic.to_string(),
            hint: diagnostic.hint.clone(),
            stream: diagnostic.stream.as_ref().map(ToString::to_string),
        }
    }
}

/// What keeps a run from being published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum HeldBy {
    /// Data tests of severity `error` found rows.
    Tests,
    /// What sources hold is not what may replace what was loaded: a stream has lost its rows, or a column that models read. Nothing was
    /// built.
    Sources {
        /// What is wrong, one for each stream.
        problems: Vec<RunNotice>,
    },
    /// Readers or relations of somebody else are in the way.
    Blocked {
        /// Who or what, one sentence each.
        what: Vec<String>,
        /// What to do about it.
        hint: String,
    },
    /// Somebody has rolled back, and not lifted it yet.
    Rollback {
        /// The publication that readers are kept on.
        publication: u64,
    },
}

/// The record of a run; also what `millrace run --json` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Its id: start and a few digits that tell runs of one second apart.
    pub run: String,
    /// How it ended.
    pub status: RunStatus,
    /// Why it ran.
    #[serde(default)]
    pub trigger: Trigger,
    /// Name of the environment.
    pub environment: String,
    /// The data version that readers see now; none before the first publish.
    pub data_version: Option<u64>,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub finished_at: Option<String>,
    /// Streams.
    pub streams: Vec<StreamSummary>,
    /// Models.
    pub models: Vec<ModelSummary>,
    /// Data tests that ran.
    pub tests: Vec<TestResult>,
    /// What it told while it ran, in that order, each once.
    #[serde(default)]
    pub notices: Vec<RunNotice>,
    /// For a held run: what holds it.
    #[serde(default)]
    pub held: Option<HeldBy>,
    /// What went wrong.
    pub error: Option<RunError>,
    /// From start to end.
    pub duration_ms: u64,
}

impl RunSummary {
    /// Whether any stream has other rows than before the run.
    pub fn has_news(&self) -> bool {
        let is_new = |stream: &StreamSummary| {
            let rows = stream.rows_loaded + stream.rows_quarantined + stream.rows_removed;
            stream.status == "loaded" && (rows > 0 || stream.rows_in_table == 0)
        };
        self.streams.iter().any(is_new)
    }
}

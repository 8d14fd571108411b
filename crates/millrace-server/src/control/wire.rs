//! What the two ends say to each other.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, Label, Severity, Span};
use millrace_core::name::StreamName;
use millrace_core::project::SourceTexts;
use millrace_engine::error::Error;
use millrace_engine::event::{Event, StepKind};
use millrace_engine::ports::warehouse::{QueryLimits, ResultColumn, Rows, Statement};
use millrace_engine::run::RunSummary;
use millrace_engine::state::lease::Holder;
use serde::{Deserialize, Serialize};

use super::exact::Exact;
use crate::runs::{RollbackRequest, RunEnd, Vars};

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Its [`super::PROTOCOL`].
    pub protocol: u32,
    /// Version of the program.
    pub version: String,
    /// Process number.
    pub process: u32,
    /// Name of the environment that it serves.
    pub environment: String,
    /// When its schedule starts the next run; none where it keeps none.
    pub next_run: Option<Timestamp>,
}

/// An answer that is no success.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Failed {
    pub(super) error: Error,
}

#[derive(Serialize, Deserialize)]
pub(super) struct QueryRequest {
    sql: String,
    params: Vec<Exact>,
    rows: usize,
    time_ms: u64,
}

impl QueryRequest {
    pub(super) fn new(statement: &Statement, limits: QueryLimits) -> Self {
        Self {
            sql: statement.sql.clone(),
            params: statement.params.iter().cloned().map(Exact).collect(),
            rows: limits.rows,
            time_ms: limits.time.as_millis() as u64,
        }
    }

    pub(super) fn parts(self) -> (Statement, QueryLimits) {
        let params = self.params.into_iter().map(|Exact(value)| value);
        let limits = QueryLimits { rows: self.rows, time: Duration::from_millis(self.time_ms) };
        (Statement::with(self.sql, params), limits)
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct DescribeRequest {
    pub(super) sql: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct WireColumn {
    name: String,
    #[serde(rename = "type")]
    data_type: Option<String>,
}

impl From<ResultColumn> for WireColumn {
    fn from(column: ResultColumn) -> Self {
        Self { name: column.name, data_type: column.data_type.map(|kind| kind.to_string()) }
    }
}

impl From<WireColumn> for ResultColumn {
    fn from(column: WireColumn) -> Self {
        Self { name: column.name, data_type: column.data_type.and_then(|kind| kind.parse().ok()) }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct QueryAnswer {
    columns: Vec<WireColumn>,
    data: Vec<Vec<Exact>>,
    truncated: bool,
}

impl From<Rows> for QueryAnswer {
    fn from(rows: Rows) -> Self {
        let data = rows.data.into_iter().map(|column| column.into_iter().map(Exact).collect());
        Self {
            columns: rows.columns.into_iter().map(WireColumn::from).collect(),
            data: data.collect(),
            truncated: rows.truncated,
        }
    }
}

impl From<QueryAnswer> for Rows {
    fn from(answer: QueryAnswer) -> Self {
        let value = |Exact(value)| value;
        Self {
            columns: answer.columns.into_iter().map(ResultColumn::from).collect(),
            data: answer.data.into_iter().map(|column| column.into_iter().map(value).collect()).collect(),
            truncated: answer.truncated,
        }
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct VersionAnswer {
    pub(super) version: String,
}

/// A run that the command line asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunAsked {
    /// Load and build everything anew.
    pub full_refresh: bool,
    /// Let streams lose all of their rows, or more of them than `max_shrink` says.
    pub allow_empty: bool,
    /// What `--max-quarantine` says: `10`, `5%`.
    pub max_quarantine: Option<String>,
    /// What `--var` says.
    pub vars: Vars,
    /// Milliseconds to wait for another run.
    pub wait_ms: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CancelRequest {
    pub(super) ticket: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct RollbackAsked {
    to: Option<u64>,
    release: bool,
    wait_ms: u64,
}

impl From<&RollbackRequest> for RollbackAsked {
    fn from(request: &RollbackRequest) -> Self {
        Self { to: request.to, release: request.release, wait_ms: request.wait.as_millis() as u64 }
    }
}

impl From<RollbackAsked> for RollbackRequest {
    fn from(asked: RollbackAsked) -> Self {
        Self { to: asked.to, release: asked.release, wait: Duration::from_millis(asked.wait_ms) }
    }
}

/// A diagnostic with the texts that it points into.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Said {
    error: bool,
    code: String,
    message: String,
    labels: Vec<SaidLabel>,
    causes: Vec<String>,
    hint: Option<String>,
    stream: Option<Box<StreamName>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SaidLabel {
    file: String,
    start: usize,
    end: usize,
    text: String,
}

impl From<&Diagnostic> for Said {
    fn from(diagnostic: &Diagnostic) -> Self {
        let label = |label: &Label| SaidLabel {
            file: label.span.file.to_string(),
            start: label.span.range.start,
            end: label.span.range.end,
            text: label.text.clone(),
        };
        Self {
            error: diagnostic.is_error(),
            code: diagnostic.code.as_str().to_owned(),
            message: diagnostic.message.clone(),
            labels: diagnostic.labels.iter().map(label).collect(),
            causes: diagnostic.causes.clone(),
            hint: diagnostic.hint.clone(),
            stream: diagnostic.stream.clone(),
        }
    }
}

impl From<Said> for Diagnostic {
    fn from(said: Said) -> Self {
        let label = |label: SaidLabel| Label {
            span: Span::new(&Arc::from(label.file), label.start..label.end),
            text: label.text,
        };
        Self {
            severity: if said.error { Severity::Error } else { Severity::Warning },
            // Both ends are one version, so it is always known.
            code: Code::from_name(&said.code).unwrap_or(Code::Internal),
            message: said.message,
            labels: said.labels.into_iter().map(label).collect(),
            causes: said.causes,
            hint: said.hint,
            stream: said.stream,
        }
    }
}

/// Those of the texts that a diagnostic points into.
fn pointed_at(diagnostics: &[Diagnostic], texts: &SourceTexts) -> SourceTexts {
    let files = diagnostics.iter().flat_map(|diagnostic| &diagnostic.labels).map(|label| &*label.span.file);
    files
        .filter_map(|file| texts.get_key_value(file))
        .map(|(file, text)| (file.clone(), text.clone()))
        .collect()
}

/// One line of a run's stream.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(super) enum RunLine {
    /// The first: by what number the run can be cancelled.
    Ticket {
        ticket: u64,
    },
    Begun {
        summary: Box<RunSummary>,
    },
    Started {
        kind: StepKind,
        name: String,
    },
    Rows {
        name: String,
        rows: u64,
    },
    Done {
        kind: StepKind,
        name: String,
        outcome: String,
        duration_ms: u64,
    },
    Skipped {
        kind: StepKind,
        name: String,
        reason: String,
    },
    Waiting {
        other: String,
        holder: Option<Holder>,
    },
    Notice {
        notice: Said,
    },
    /// The last.
    End(Box<WireEnd>),
}

impl From<Event> for RunLine {
    fn from(event: Event) -> Self {
        match event {
            Event::Begun(summary) => Self::Begun { summary },
            Event::Started { kind, name } => Self::Started { kind, name },
            Event::Rows { name, rows } => Self::Rows { name, rows },
            Event::Done { kind, name, outcome, duration_ms } => {
                Self::Done { kind, name, outcome, duration_ms }
            }
            Event::Skipped { kind, name, reason } => Self::Skipped { kind, name, reason },
            Event::Waiting { other, holder } => Self::Waiting { other, holder },
            Event::Notice(diagnostic) => Self::Notice { notice: Said::from(&*diagnostic) },
        }
    }
}

impl RunLine {
    /// The event, where the line is one.
    pub(super) fn event(self) -> Result<Event, Box<Self>> {
        Ok(match self {
            Self::Begun { summary } => Event::Begun(summary),
            Self::Started { kind, name } => Event::Started { kind, name },
            Self::Rows { name, rows } => Event::Rows { name, rows },
            Self::Done { kind, name, outcome, duration_ms } => {
                Event::Done { kind, name, outcome, duration_ms }
            }
            Self::Skipped { kind, name, reason } => Event::Skipped { kind, name, reason },
            Self::Waiting { other, holder } => Event::Waiting { other, holder },
            Self::Notice { notice } => Event::Notice(Box::new(notice.into())),
            line @ (Self::Ticket { .. } | Self::End(_)) => return Err(Box::new(line)),
        })
    }
}

/// The end of a run.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct WireEnd {
    summary: Option<RunSummary>,
    error: Option<Error>,
    said: Vec<Said>,
    texts: SourceTexts,
}

impl From<RunEnd> for WireEnd {
    fn from(end: RunEnd) -> Self {
        let (summary, error, said, texts) = match end {
            RunEnd::Refused(error) => (None, Some(error), Vec::new(), SourceTexts::new()),
            RunEnd::Unsound(unsound) => (None, None, unsound.diagnostics, unsound.texts),
            RunEnd::Ran(ran) => (Some(ran.summary), ran.error, ran.findings, ran.texts),
        };
        let texts = pointed_at(&said, &texts);
        Self { summary, error, said: said.iter().map(Said::from).collect(), texts }
    }
}

/// What came of a run in the server.
#[derive(Debug)]
pub struct RemoteEnd {
    /// Its record; none where it never began.
    pub summary: Option<RunSummary>,
    /// What ended it early, or kept it from beginning.
    pub error: Option<Error>,
    /// Where there is a record: data tests that found rows, what holds it. Where there is neither: what is wrong with the project.
    pub said: Vec<Diagnostic>,
    /// Texts of the files that they point into.
    pub texts: SourceTexts,
}

impl From<WireEnd> for RemoteEnd {
    fn from(end: WireEnd) -> Self {
        let said = end.said.into_iter().map(Diagnostic::from).collect();
        Self { summary: end.summary, error: end.error, said, texts: end.texts }
    }
}

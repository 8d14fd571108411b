//! The messages of the control interface, and their conversions from and to the domain's types.
//!
//! Durations are milliseconds. Values use the encoding of `exact`, so a query through the server
//! returns the same values as a query in this process.

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

/// Which server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The server's [`super::PROTOCOL`].
    pub protocol: u32,
    /// Version of the program.
    pub version: String,
    /// Process number.
    pub process: u32,
    /// Name of the environment that it serves.
    pub environment: String,
    /// When the schedule starts the next run; `None` if the server keeps no schedule.
    pub next_run: Option<Timestamp>,
}

/// The body of an answer with status 422.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Failed {
    pub(super) error: Error,
}

/// A statement with its parameters and limits.
#[derive(Serialize, Deserialize)]
pub(super) struct QueryRequest {
    sql: String,
    params: Vec<Exact>,
    /// Largest number of rows.
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

    /// The statement and the limits that it was built from.
    pub(super) fn parts(self) -> (Statement, QueryLimits) {
        let params = self.params.into_iter().map(|Exact(value)| value);
        let limits = QueryLimits { rows: self.rows, time: Duration::from_millis(self.time_ms) };
        (Statement::with(self.sql, params), limits)
    }
}

/// A statement whose result columns are asked for.
#[derive(Serialize, Deserialize)]
pub(super) struct DescribeRequest {
    pub(super) sql: String,
}

/// A result column. Its type is the type's text form; `None` if it has no type of the domain.
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

/// The result of a statement, column by column.
#[derive(Serialize, Deserialize)]
pub(super) struct QueryAnswer {
    columns: Vec<WireColumn>,
    /// One list for each column.
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

/// Product and version of the warehouse.
#[derive(Serialize, Deserialize)]
pub(super) struct VersionAnswer {
    pub(super) version: String,
}

/// A request of the command line for a run; see [`crate::runs::RunRequest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunAsked {
    /// Load all rows again and rebuild all models.
    pub full_refresh: bool,
    /// Let streams lose all of their rows, or more of them than `max_shrink` allows.
    pub allow_empty: bool,
    /// The value of `--max-quarantine`, such as `10` or `5%`.
    pub max_quarantine: Option<String>,
    /// The values of `--var`.
    pub vars: Vars,
    /// Milliseconds to wait for another run.
    pub wait_ms: u64,
}

/// The ticket of the run to cancel, see [`RunLine::Ticket`].
#[derive(Serialize, Deserialize)]
pub(super) struct CancelRequest {
    pub(super) ticket: u64,
}

/// The wire form of [`RollbackRequest`].
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

/// The wire form of a [`Diagnostic`].
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

/// A label of a diagnostic; `start` and `end` are byte offsets into the file's text.
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
            // Both ends are the same version, so the code is always known.
            code: Code::from_name(&said.code).unwrap_or(Code::Internal),
            message: said.message,
            labels: said.labels.into_iter().map(label).collect(),
            causes: said.causes,
            hint: said.hint,
            stream: said.stream,
        }
    }
}

/// The texts that the diagnostics point into; the others need not be sent.
fn pointed_at(diagnostics: &[Diagnostic], texts: &SourceTexts) -> SourceTexts {
    let files = diagnostics.iter().flat_map(|diagnostic| &diagnostic.labels).map(|label| &*label.span.file);
    files
        .filter_map(|file| texts.get_key_value(file))
        .map(|(file, text)| (file.clone(), text.clone()))
        .collect()
}

/// One line of a run's stream: the ticket, then events, then the end. The variants in between are
/// those of [`Event`], with diagnostics in their wire form.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(super) enum RunLine {
    /// The first line: the number by which the run can be cancelled.
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
    /// The last line.
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
    /// The event that the line carries; returns the line itself if it is a ticket or an end.
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

/// The wire form of [`RunEnd`]; see [`RemoteEnd`] for the meaning of the fields.
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
        // The client renders the diagnostics, so it needs the texts that they point into.
        let texts = pointed_at(&said, &texts);
        Self { summary, error, said: said.iter().map(Said::from).collect(), texts }
    }
}

/// How a run in the server ended, as the client sees it.
#[derive(Debug)]
pub struct RemoteEnd {
    /// The record of the run; `None` if it did not begin.
    pub summary: Option<RunSummary>,
    /// The error that ended the run early or kept it from beginning.
    pub error: Option<Error>,
    /// With a record: data tests that found rows, and what keeps the run from publishing. With
    /// neither record nor error: the errors of the project.
    pub said: Vec<Diagnostic>,
    /// Texts of the files that the diagnostics point into.
    pub texts: SourceTexts,
}

impl From<WireEnd> for RemoteEnd {
    fn from(end: WireEnd) -> Self {
        let said = end.said.into_iter().map(Diagnostic::from).collect();
        Self { summary: end.summary, error: end.error, said, texts: end.texts }
    }
}

//! Diagnostics: what the user sees if something is wrong. The terminal, `--json`, the web page and
//! the log share this one type.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use crate::code::Code;
use crate::name::StreamName;

/// Severity of a diagnostic. Only `Error` stops a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The command continues.
    Warning,
    /// The command stops before it changes anything.
    Error,
}

/// Byte range `start..end` in a project file. `end` may equal `start`, which marks a position
/// between two characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Span {
    /// Path relative to the project folder, with forward slashes.
    pub file: Arc<str>,
    /// Byte range. If a parser of this crate made it, it is within the file and on character
    /// boundaries.
    pub range: Range<usize>,
}

/// A text with the place at which it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned {
    /// The text.
    pub text: String,
    /// Its place.
    pub span: Span,
}

impl Span {
    /// A span of `file`.
    pub fn new(file: &Arc<str>, range: Range<usize>) -> Self {
        Self { file: Arc::clone(file), range }
    }
}

/// A span and a remark about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place that is marked.
    pub span: Span,
    /// A lower-case fragment; may be empty.
    pub text: String,
}

/// One mistake of a user, or one failure of an external system.
///
/// The message is a lower-case fragment without a final period, with names in backticks. The hint
/// is a sentence or a command to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Stable code, explained by `millrace explain CODE`.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// Marked places. The first one is the place to fix.
    pub labels: Vec<Label>,
    /// Underlying causes, outermost first.
    pub causes: Vec<String>,
    /// Suggestion for the user's next step.
    pub hint: Option<String>,
    /// The stream whose rows it concerns, if a run reports it: pages show it to readers of these
    /// rows. Boxed because few diagnostics have one.
    pub stream: Option<Box<StreamName>>,
}

impl Diagnostic {
    /// An error without labels, causes or hint.
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            code,
            message: message.into(),
            labels: Vec::new(),
            causes: Vec::new(),
            hint: None,
            stream: None,
        }
    }

    /// A warning without labels, causes or hint.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds a label.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Adds a cause, below those already present.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// Sets the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the hint if it is `Some`.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        if hint.is_some() {
            self.hint = hint;
        }
        self
    }

    /// Sets the stream whose rows it concerns.
    #[must_use]
    pub fn of_stream(mut self, stream: &StreamName) -> Self {
        self.stream = Some(Box::new(stream.clone()));
        self
    }

    /// The hint; if there is none, the command that explains the code.
    pub fn next_step(&self) -> String {
        self.hint.clone().unwrap_or_else(|| format!("`millrace explain {}` tells more.", self.code.as_str()))
    }

    /// Whether this stops the command.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

/// Whether at least one diagnostic is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(Diagnostic::is_error)
}

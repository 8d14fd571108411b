//! What the user sees when something is wrong: one shape for the terminal, `--json`, the web page and the log.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use crate::code::Code;
use crate::name::StreamName;

/// How bad it is. Only `Error` stops a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The command goes on.
    Warning,
    /// The command stops before it changes anything.
    Error,
}

/// Bytes `start..end` of one project file. `end` may equal `start`: a place between two characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Span {
    /// Path relative to the project folder, with forward slashes.
    pub file: Arc<str>,
    /// Byte range; always within the file and on character borders when it came from a parser of this crate.
    pub range: Range<usize>,
}

/// A text and its place.
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

/// A span and what is to be said at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// A lower-case fragment; may be empty.
    pub text: String,
}

/// One mistake of a user, or one failure of something outside.
///
/// The message is a lower-case fragment that names the thing in backticks and has no final period; a hint is a sentence
/// or a command to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// Stable name, explained by `millrace explain CODE`.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// Where; the first one is the place to mend.
    pub labels: Vec<Label>,
    /// What led to it, outermost first.
    pub causes: Vec<String>,
    /// What to do next.
    pub hint: Option<String>,
    /// The stream about whose rows it is, where a run says it; pages tell it to those who see these rows. Few have one, hence the box.
    pub stream: Option<Box<StreamName>>,
}

impl Diagnostic {
    /// An error without a place yet.
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

    /// A warning without a place yet.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds a place.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Adds a cause below the message.
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

    /// Sets the hint where there is one.
    #[must_use]
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        if hint.is_some() {
            self.hint = hint;
        }
        self
    }

    /// Says about which stream's rows it is.
    #[must_use]
    pub fn of_stream(mut self, stream: &StreamName) -> Self {
        self.stream = Some(Box::new(stream.clone()));
        self
    }

    /// What to do next; where nothing better is known, where to read on.
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

/// Whether any of them is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(Diagnostic::is_error)
}

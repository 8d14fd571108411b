//! Errors of the outside world: kinds, and one table from kind to diagnostic code, exit code, retry
//! and hint.

use std::fmt;

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use serde::{Deserialize, Serialize};

/// The result of operations on sources and warehouses.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of a failure. It decides on the exit code, the hint, and whether a retry makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// A file or server that a source names does not exist or does not answer.
    SourceUnreachable,
    /// No file or table matches a pattern of a source. That may be correct if earlier rows are
    /// kept.
    SourceEmpty,
    /// The connection to a source broke during a read.
    SourceLost,
    /// The contents of a source changed during a read, so that the result would mix two versions.
    SourceChanged,
    /// The source answers, but its contents do not have the format that the project declares.
    SourceUnreadable,
    /// Settings of a source or warehouse are wrong whatever the other side would answer. Nobody was
    /// contacted.
    Misconfigured,
    /// A `${NAME}` in the settings of a source or warehouse is not set. Nobody was contacted.
    UnsetVariable,
    /// More rows went into quarantine than allowed, or the stream's contract forbids what was
    /// found.
    ContractBroken,
    /// A stream had rows and would keep none, or too few of them. Holds the run.
    StreamEmptied,
    /// A column that models read has vanished from its stream. Holds the run.
    ColumnVanished,
    /// The stream differs from the schema of the read, so its columns must be discovered first.
    /// Internal to a load; never shown to users.
    SchemaDrift,
    /// The warehouse cannot be opened or reached.
    WarehouseUnreachable,
    /// The connection to the warehouse broke during use.
    WarehouseLost,
    /// The open file is not the one that another process would open: it was deleted or replaced.
    WarehouseReplaced,
    /// Another process has the warehouse's file open.
    WarehouseLocked,
    /// Another run holds the lease of the warehouse.
    RunUnderWay,
    /// Another server has handled the scheduled time that a run was started for.
    RunElsewhere,
    /// Another run has taken the lease; the last transaction of this run was rolled back.
    Superseded,
    /// Readers hold locks, or relations of others prevent a publish.
    PublishBlocked,
    /// There is no publication of this kind or number.
    NoPublication,
    /// The state of the warehouse belongs to another project or to other schemas.
    OtherSchemas,
    /// The state of the warehouse was written by a later version of Millrace.
    StateTooNew,
    /// The warehouse rejected SQL that the project contains (a model, a test, a metric).
    Sql,
    /// A value did not fit while a statement ran (overflow, a text that is not a number).
    Data,
    /// The disk is full, or memory ran out.
    Resources,
    /// A query exceeded its time limit.
    TimedOut,
    /// Somebody cancelled the operation.
    Cancelled,
    /// A bug in Millrace.
    Internal,
}

impl ErrorKind {
    /// All kinds in the order of their declaration.
    pub const ALL: [Self; 28] = [
        Self::SourceUnreachable,
        Self::SourceEmpty,
        Self::SourceLost,
        Self::SourceChanged,
        Self::SourceUnreadable,
        Self::Misconfigured,
        Self::UnsetVariable,
        Self::ContractBroken,
        Self::StreamEmptied,
        Self::ColumnVanished,
        Self::SchemaDrift,
        Self::WarehouseUnreachable,
        Self::WarehouseLost,
        Self::WarehouseReplaced,
        Self::WarehouseLocked,
        Self::RunUnderWay,
        Self::RunElsewhere,
        Self::Superseded,
        Self::PublishBlocked,
        Self::NoPublication,
        Self::OtherSchemas,
        Self::StateTooNew,
        Self::Sql,
        Self::Data,
        Self::Resources,
        Self::TimedOut,
        Self::Cancelled,
        Self::Internal,
    ];

    /// Whether the error holds a run instead of failing it: everything that exists is left as it
    /// is.
    pub fn holds(self) -> bool {
        matches!(self, Self::StreamEmptied | Self::ColumnVanished)
    }
}

/// Whether a failed operation should be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// A retry is useless until somebody changes something.
    Never,
    /// The same call may succeed later without anybody's intervention: the schedule retries.
    Later,
    /// Only a connection broke: the run retries the step itself after a short backoff.
    Now,
}

/// How errors of a kind are handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Code of the diagnostic.
    pub code: Code,
    /// Exit code of the command.
    pub exit: u8,
    /// Whether a retry makes sense.
    pub retry: Retry,
    /// The hint for errors that have none of their own.
    pub hint: Option<&'static str>,
}

/// The exit code of a command that ends with these diagnostics. At least one must be an error;
/// warnings do not count. See [`exit_of_codes`].
pub fn exit_of(diagnostics: &[Diagnostic]) -> u8 {
    exit_of_codes(diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).map(|error| error.code))
}

/// The exit code of a command that ends with errors of these codes:
///
/// * 70 if one is a bug;
/// * 2 if one is a mistake in the project or the command, because it must be fixed whatever else
///   failed, and a retry is useless;
/// * 3 if all are failures of the outside world: a source or the warehouse could not be reached or
///   read.
pub fn exit_of_codes(codes: impl IntoIterator<Item = Code>) -> u8 {
    const PROJECT: u8 = 2;
    let codes: Vec<Code> = codes.into_iter().collect();
    if codes.contains(&Code::Internal) {
        return ErrorKind::Internal.policy().exit;
    }
    if !codes.is_empty() && codes.iter().all(|code| is_outside(*code)) { OUTSIDE } else { PROJECT }
}

/// The exit code of failures of the outside world.
const OUTSIDE: u8 = 3;

/// Whether a code belongs to a failure of the outside world, that is, to a kind with exit code 3.
pub fn is_outside(code: Code) -> bool {
    ErrorKind::ALL
        .iter()
        .map(|kind| kind.policy())
        .any(|policy| policy.code == code && policy.exit == OUTSIDE)
}

impl ErrorKind {
    /// The table of policies. Exit codes: 1 the run is held, 2 a mistake in the project, 3 a
    /// failure outside, 4 the run failed on its data or was cancelled, 70 a bug.
    pub fn policy(self) -> Policy {
        use Retry::{Later, Never, Now};
        let (code, exit, retry, hint) = match self {
            Self::SourceUnreachable | Self::SourceEmpty => {
                (Code::SourceUnreachable, 3, Later, Some("`millrace doctor` says what it sees."))
            }
            Self::SourceLost => {
                (Code::SourceUnreachable, 3, Now, Some("Run again; `millrace doctor` says what it sees."))
            }
            Self::SourceChanged => (
                Code::SourceUnreachable,
                3,
                Now,
                Some(
                    "Run again once it is whole. Files are best written under another name and moved into place.",
                ),
            ),
            Self::SourceUnreadable => (Code::SourceUnreadable, 3, Never, None),
            Self::Misconfigured => (Code::WrongValue, 2, Never, None),
            Self::UnsetVariable => (
                Code::UnsetVariable,
                2,
                Never,
                Some("Set it, or write `NAME=…` into `.env` beside `millrace.yml`."),
            ),
            Self::ContractBroken => (
                Code::ContractBroken,
                4,
                Never,
                Some("Mend the source, or say in the stream's `contract:` what may change."),
            ),
            Self::StreamEmptied => (
                Code::StreamEmptied,
                1,
                Never,
                Some(
                    "Look at the source. If that is meant, `millrace run --allow-empty` lets it pass once, `allow_empty: true` of the stream for good.",
                ),
            ),
            Self::ColumnVanished => (Code::ColumnVanished, 1, Never, None),
            Self::SchemaDrift => (Code::SchemaDrift, 4, Later, None),
            Self::WarehouseUnreachable => {
                (Code::WarehouseUnreachable, 3, Later, Some("`millrace doctor` says what it sees."))
            }
            Self::WarehouseLost => {
                (Code::WarehouseUnreachable, 3, Now, Some("Run again; `millrace doctor` says what it sees."))
            }
            Self::WarehouseReplaced => (
                Code::WarehouseReplaced,
                3,
                Never,
                Some(
                    "Stop what has it open (a `millrace serve`, perhaps), put the file back or begin with a new one, and start it again.",
                ),
            ),
            Self::WarehouseLocked => (
                Code::WarehouseLocked,
                3,
                Later,
                Some("Stop the process that holds it (a `millrace serve`, perhaps), then try again."),
            ),
            Self::RunUnderWay => (
                Code::RunUnderWay,
                3,
                Later,
                Some("Wait for it (`millrace run --wait 10m`), or look at it with `millrace status`."),
            ),
            Self::RunElsewhere => (Code::RunElsewhere, 3, Never, None),
            Self::Superseded => {
                (Code::Superseded, 3, Never, Some("`millrace status` says which run has the warehouse now."))
            }
            Self::PublishBlocked => (Code::PublishBlocked, 1, Later, None),
            Self::NoPublication => {
                (Code::NoPublication, 2, Never, Some("`millrace history` lists what there is."))
            }
            Self::OtherSchemas => (Code::OtherSchemas, 2, Never, None),
            Self::StateTooNew => (
                Code::StateTooNew,
                3,
                Never,
                Some("Use the version of Millrace that wrote it, or a newer one."),
            ),
            Self::Sql => (Code::SqlError, 2, Never, None),
            Self::Data => (Code::DataError, 4, Never, None),
            Self::Resources => {
                (Code::OutOfResources, 3, Later, Some("Free some disk or memory, then run again."))
            }
            Self::TimedOut => (Code::TimedOut, 3, Later, None),
            Self::Cancelled => (Code::Cancelled, 4, Never, None),
            Self::Internal => (
                Code::Internal,
                70,
                Never,
                Some("This is a bug. Please report it with the command and this message."),
            ),
        };
        Policy { code, exit, retry, hint }
    }
}

/// A failure outside the project's files. Never contains a cell value or a secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    position: Option<usize>,
}

impl Error {
    /// An error with a message: a lower-case fragment that names its object in backticks.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hint: None, position: None }
    }

    /// Appends a cause, below those that were added before.
    #[must_use]
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Sets the hint: a sentence or a command. Replaces an earlier one.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts a message above the present one, which becomes the first cause.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let inner = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, inner);
        self
    }

    /// Changes the kind.
    #[must_use]
    pub fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the byte of the statement's text at which the engine reported the error.
    #[must_use]
    pub fn at_byte(mut self, position: Option<usize>) -> Self {
        self.position = position;
        self
    }

    /// The kind of the failure.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message without causes.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The causes, outermost first.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// The byte of the statement's text at which the error was reported, if it is one of a
    /// statement.
    pub fn position(&self) -> Option<usize> {
        self.position
    }

    /// The diagnostic that the user sees. The hint of the policy is used if the error has none.
    pub fn to_diagnostic(&self) -> Diagnostic {
        let policy = self.kind.policy();
        let mut diagnostic = Diagnostic::error(policy.code, self.message.clone());
        diagnostic.causes.clone_from(&self.causes);
        diagnostic.hint = self.hint.clone().or(policy.hint.map(str::to_owned));
        diagnostic
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        for cause in &self.causes {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_of_the_project_counts_more_than_what_lies_outside() {
        let of = |codes: &[Code]| {
            exit_of(&codes.iter().map(|code| Diagnostic::error(*code, "it fails")).collect::<Vec<_>>())
        };
        assert_eq!(of(&[Code::SourceUnreachable]), 3);
        assert_eq!(of(&[Code::SourceUnreachable, Code::SourceUnreadable, Code::TimedOut]), 3);
        assert_eq!(of(&[Code::SourceUnreachable, Code::UnknownRef]), 2);
        assert_eq!(of(&[Code::UnknownRef]), 2);
        assert_eq!(of(&[Code::UnknownRef, Code::Internal]), 70);
        let warned =
            [Diagnostic::warning(Code::UnknownRef, "so"), Diagnostic::error(Code::SourceUnreachable, "no")];
        assert_eq!(exit_of(&warned), 3, "a warning decides nothing");
    }

    #[test]
    fn each_kind_is_in_the_list() {
        // Variants are numbered from zero, and the last one is known.
        assert_eq!(ErrorKind::ALL.len(), ErrorKind::Internal as usize + 1);
        assert!(ErrorKind::ALL.iter().enumerate().all(|(at, kind)| *kind as usize == at));
    }

    #[test]
    fn a_set_of_one_error_ends_as_the_error_does() {
        // The exit codes of these kinds describe the outcome of a run (1: held, 4: failed on its
        // data), which diagnostics without a run cannot.
        let of_a_run = [
            ErrorKind::ContractBroken,
            ErrorKind::StreamEmptied,
            ErrorKind::ColumnVanished,
            ErrorKind::SchemaDrift,
            ErrorKind::PublishBlocked,
            ErrorKind::Data,
            ErrorKind::Cancelled,
        ];
        for kind in ErrorKind::ALL {
            let exit = exit_of(&[Error::new(kind, "no").to_diagnostic()]);
            if of_a_run.contains(&kind) {
                assert_eq!((exit, kind.policy().exit == exit), (2, false), "{kind:?}");
            } else {
                assert_eq!(exit, kind.policy().exit, "{kind:?}");
            }
            assert_eq!(is_outside(kind.policy().code), kind.policy().exit == 3, "{kind:?}");
        }
    }
}

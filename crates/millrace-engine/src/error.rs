//! What can go wrong outside: one kind for each, and one table from kind to code, exit and retry.

use std::fmt;

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use serde::{Deserialize, Serialize};

/// The result of everything that touches a source or a warehouse.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; decides what the operator is told and whether trying again makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// A file or server that a source names is not there or does not answer.
    SourceUnreachable,
    /// Nothing is there of what a source names by a pattern, which may be right where what was loaded stays.
    SourceEmpty,
    /// The connection to a source broke while something was read over it.
    SourceLost,
    /// What a source holds changed while it was read, so that what was read is neither the one nor the other.
    SourceChanged,
    /// The source answers, but what it holds cannot be read as what the project says it is.
    SourceUnreadable,
    /// What the project says of a source or a warehouse cannot be right, whatever that would answer. Nobody was asked.
    Misconfigured,
    /// A `${NAME}` of a source or a warehouse is not set. Nobody was asked.
    UnsetVariable,
    /// More rows went to quarantine than allowed, or the contract of the stream forbids what was found.
    ContractBroken,
    /// A stream had rows, and would have none or too few of them left. Holds the run.
    StreamEmptied,
    /// A column that models read is gone from its stream. Holds the run.
    ColumnVanished,
    /// The stream differs from the schema with which it was read, so that its columns have to be worked out first. Nobody is shown it.
    SchemaDrift,
    /// The warehouse cannot be opened or reached.
    WarehouseUnreachable,
    /// The connection to the warehouse broke while it was used.
    WarehouseLost,
    /// What this program has open is not the warehouse that others would open: its file was deleted or replaced.
    WarehouseReplaced,
    /// Another process owns the warehouse.
    WarehouseLocked,
    /// Another run holds the warehouse's lease.
    RunUnderWay,
    /// The time of the schedule that a run stands for has been dealt with by another server.
    RunElsewhere,
    /// Another run has taken over; what this one wrote last was rolled back.
    Superseded,
    /// Readers, or relations of somebody else, are in the way of a publish.
    PublishBlocked,
    /// There is no publication of that kind or number.
    NoPublication,
    /// The warehouse's state belongs to an environment with other schemas.
    OtherSchemas,
    /// The warehouse's state was written by a newer Millrace.
    StateTooNew,
    /// The warehouse refused a statement that the project wrote (a model, a test, a metric).
    Sql,
    /// A value did not fit in the middle of a statement (overflow, a text that is no number).
    Data,
    /// The disk is full, or memory ran out.
    Resources,
    /// A query took longer than its limit.
    TimedOut,
    /// Somebody stopped the work.
    Cancelled,
    /// A bug of ours.
    Internal,
}

impl ErrorKind {
    /// All kinds, in their order.
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

    /// Whether it holds a run, which leaves what is there as it is, and does not fail it.
    pub fn holds(self) -> bool {
        matches!(self, Self::StreamEmptied | Self::ColumnVanished)
    }
}

/// Whether something that failed is worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Somebody has to change something first.
    Never,
    /// The same call may succeed later without a change by anybody: the schedule runs again.
    Later,
    /// Nothing but a connection broke: a run that may do so tries again by itself, after a moment.
    Now,
}

/// What to do about an error of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Code of the diagnostic.
    pub code: Code,
    /// Exit code of the command.
    pub exit: u8,
    /// Whether it is worth another try.
    pub retry: Retry,
    /// What the operator is told when the error brings no better hint.
    pub hint: Option<&'static str>,
}

/// The exit code of a command that ends with these diagnostics, of which at least one is an error; warnings decide nothing. See [`exit_of_codes`].
pub fn exit_of(diagnostics: &[Diagnostic]) -> u8 {
    exit_of_codes(diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).map(|error| error.code))
}

/// The exit code of a command that ends with errors of these codes. A mistake of the project or of the command counts most (2): it has to be
/// mended whatever else failed, and trying again is no use. Where nothing failed but what lies outside, the command ends as that failure does
/// wherever it is met (3, where a source or the warehouse could not be reached or read); a bug is a bug (70).
pub fn exit_of_codes(codes: impl IntoIterator<Item = Code>) -> u8 {
    const PROJECT: u8 = 2;
    let codes: Vec<Code> = codes.into_iter().collect();
    if codes.contains(&Code::Internal) {
        return ErrorKind::Internal.policy().exit;
    }
    if !codes.is_empty() && codes.iter().all(|code| is_outside(*code)) { OUTSIDE } else { PROJECT }
}

/// The exit code where something outside could not be reached or read.
const OUTSIDE: u8 = 3;

/// Whether a code says that something outside could not be reached or read: whether it is of a kind that ends a command so.
pub fn is_outside(code: Code) -> bool {
    ErrorKind::ALL
        .iter()
        .map(|kind| kind.policy())
        .any(|policy| policy.code == code && policy.exit == OUTSIDE)
}

impl ErrorKind {
    /// The table.
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

/// A failure outside the project's files. Never holds a cell value or a secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    position: Option<usize>,
}

impl Error {
    /// An error with a message: a lower-case fragment that names the thing in backticks.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hint: None, position: None }
    }

    /// Adds what lies below it.
    #[must_use]
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Sets the hint: a sentence or a command to run.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts a message above the present one.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let inner = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, inner);
        self
    }

    /// The same as an error of another kind.
    #[must_use]
    pub fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// For an error in a statement: the byte of its text at which the engine saw it.
    #[must_use]
    pub fn at_byte(mut self, position: Option<usize>) -> Self {
        self.position = position;
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message without causes.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What lies below, outermost first.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// The byte of the statement, for an error in one.
    pub fn position(&self) -> Option<usize> {
        self.position
    }

    /// As the user sees it.
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
        // An enum's variants count up from zero, and the last one is known.
        assert_eq!(ErrorKind::ALL.len(), ErrorKind::Internal as usize + 1);
        assert!(ErrorKind::ALL.iter().enumerate().all(|(at, kind)| *kind as usize == at));
    }

    #[test]
    fn a_set_of_one_error_ends_as_the_error_does() {
        // What these end with says what became of the run (1: held, 4: failed in its data), which diagnostics without a run cannot say.
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

//! All exit codes of the program.

use std::process::ExitCode;

use millrace_core::diagnostic::Diagnostic;
use millrace_engine::error::exit_of;

/// An exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit(pub(crate) u8);

impl Exit {
    /// The exit code of a command that fails with these diagnostics; at least one must be an error.
    /// See [`exit_of`].
    pub(crate) fn of(diagnostics: &[Diagnostic]) -> Self {
        debug_assert!(
            diagnostics.iter().any(Diagnostic::is_error),
            "a command without an error does not fail"
        );
        Self(exit_of(diagnostics))
    }
}

/// Success.
pub(crate) const DONE: Exit = Exit(0);
/// The run was held, for example by failed data tests; nothing was published.
pub(crate) const HELD: Exit = Exit(1);
/// The project or the command line has an error.
pub(crate) const PROJECT: Exit = Exit(2);
/// A source or the warehouse could not be reached.
pub(crate) const UNREACHABLE: Exit = Exit(3);
/// A bug of Millrace.
pub(crate) const BUG: Exit = Exit(70);

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

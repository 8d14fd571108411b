//! Exit codes, all of them.

use std::process::ExitCode;

use millrace_core::diagnostic::Diagnostic;
use millrace_engine::error::exit_of;

/// An exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit(pub(crate) u8);

impl Exit {
    /// The code of a command that ends with these diagnostics, of which at least one is an error: see [`exit_of`].
    pub(crate) fn of(diagnostics: &[Diagnostic]) -> Self {
        debug_assert!(
            diagnostics.iter().any(Diagnostic::is_error),
            "a command without an error does not fail"
        );
        Self(exit_of(diagnostics))
    }
}

/// Done.
pub(crate) const DONE: Exit = Exit(0);
/// Data tests failed; nothing was published.
pub(crate) const HELD: Exit = Exit(1);
/// The project or the command is wrong.
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

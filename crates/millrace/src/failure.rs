//! The error type of the commands: diagnostics with an exit code.

use std::path::Path;

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::project::SourceTexts;
use millrace_engine::error::Error;
use serde_json::json;

use crate::exit::{self, Exit};
use crate::terminal;

/// Why a command cannot continue: what to report, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What is wrong; at least one is an error.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Texts of the files that the diagnostics point into.
    pub(crate) texts: SourceTexts,
    /// The exit code.
    pub(crate) exit: Exit,
}

impl Failure {
    /// A failure with one diagnostic that does not point into a file.
    pub(crate) fn new(diagnostic: Diagnostic, exit: Exit) -> Self {
        Self { diagnostics: vec![diagnostic], texts: SourceTexts::new(), exit }
    }

    /// Reports the failure: as one JSON object on stdout with `--json`, else as text on stderr.
    pub(crate) fn report(&self, as_json: bool) -> Exit {
        if as_json {
            let list: Vec<_> =
                self.diagnostics.iter().map(|d| millrace_core::render::to_json(d, &self.texts)).collect();
            terminal::json_line(&json!({"status": "failed", "exit_code": self.exit.0, "diagnostics": list}));
        } else {
            terminal::diagnostics(&self.diagnostics, &self.texts);
        }
        self.exit
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.to_diagnostic(), Exit(error.kind().policy().exit))
    }
}

/// The failure for a file or folder that cannot be written.
pub(crate) fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("`{}` cannot be written", path.display());
    Failure::new(
        Diagnostic::error(Code::CannotWrite, message).caused_by(error.to_string()),
        exit::UNREACHABLE,
    )
}

//! How a command says that it cannot go on.

use std::path::Path;

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::project::SourceTexts;
use millrace_engine::error::Error;
use serde_json::json;

use crate::exit::{self, Exit};
use crate::terminal;

/// A command that cannot go on: what to say and with which code to end.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What is wrong.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Texts of the files that they point into.
    pub(crate) texts: SourceTexts,
    /// The exit code.
    pub(crate) exit: Exit,
}

impl Failure {
    /// One diagnostic that points into no file.
    pub(crate) fn new(diagnostic: Diagnostic, exit: Exit) -> Self {
        Self { diagnostics: vec![diagnostic], texts: SourceTexts::new(), exit }
    }

    /// Says it: to people, and as one JSON object where that was asked for.
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

/// An error of reading or writing a file.
pub(crate) fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("`{}` cannot be written", path.display());
    Failure::new(
        Diagnostic::error(Code::CannotWrite, message).caused_by(error.to_string()),
        exit::UNREACHABLE,
    )
}

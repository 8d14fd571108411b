//! What the program hands to a server for its runs.

use std::sync::Arc;

use futures::future::BoxFuture;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::project::SourceTexts;
use millrace_engine::compile::compiled::Compiled;
use millrace_engine::state::lease::{Holder, IsGone};

/// Variables of templates, as `--var` gives them.
pub type Vars = Vec<(String, String)>;

/// Reads the project's files anew, with these variables over the server's own.
pub type Reload = Arc<dyn Fn(Vars) -> BoxFuture<'static, Result<Reloaded, Unsound>> + Send + Sync>;

/// A project without errors.
pub struct Reloaded {
    /// The project.
    pub compiled: Arc<Compiled>,
    /// Warnings about it.
    pub warnings: Vec<Diagnostic>,
}

/// A project that cannot run.
#[derive(Debug)]
pub struct Unsound {
    /// What is wrong.
    pub diagnostics: Vec<Diagnostic>,
    /// Texts of the files that they point into.
    pub texts: SourceTexts,
}

/// What runs inside the server need.
pub struct Runner {
    /// Reads the project.
    pub reload: Reload,
    /// This process.
    pub holder: Holder,
    /// Says of the process of another run whether it is gone.
    pub is_gone: IsGone,
}

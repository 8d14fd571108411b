//! What the binary passes to a server so that it can run the project.
//!
//! Reading files and environment variables is the binary's business; the server calls back for it.

use std::sync::Arc;

use futures::future::BoxFuture;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::project::SourceTexts;
use millrace_engine::compile::compiled::Compiled;
use millrace_engine::state::lease::{Holder, IsGone};

/// Variables of templates as pairs of name and value, as `--var` gives them.
pub type Vars = Vec<(String, String)>;

/// Reads, compiles and checks the project's files. The given variables override those with which
/// the server was started.
pub type Reload = Arc<dyn Fn(Vars) -> BoxFuture<'static, Result<Reloaded, Unsound>> + Send + Sync>;

/// A project without errors.
pub struct Reloaded {
    /// The compiled project.
    pub compiled: Arc<Compiled>,
    /// Warnings about it.
    pub warnings: Vec<Diagnostic>,
}

/// A project that cannot run.
#[derive(Debug)]
pub struct Unsound {
    /// Its diagnostics, at least one of them an error.
    pub diagnostics: Vec<Diagnostic>,
    /// Texts of the files that the diagnostics point into.
    pub texts: SourceTexts,
}

/// What runs inside the server need.
pub struct Runner {
    /// Reads the project for each run.
    pub reload: Reload,
    /// This process, as the holder of the warehouse's lease.
    pub holder: Holder,
    /// Whether the process that holds the lease is gone, so that the lease can be taken over.
    pub is_gone: IsGone,
}

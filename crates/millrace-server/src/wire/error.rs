//! The JSON form of errors.

use millrace_core::diagnostic::Diagnostic;
use serde::Serialize;
use utoipa::ToSchema;

/// The body of every answer with an error status.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// What is wrong.
    pub(crate) error: ErrorObject,
}

/// What is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ApiError)]
pub(crate) struct ErrorObject {
    /// Stable; `millrace explain CODE` tells more.
    pub(crate) code: String,
    /// A fragment for people.
    pub(crate) message: String,
    /// A sentence or a command to run.
    #[schema(required)]
    pub(crate) hint: Option<String>,
}

impl From<&Diagnostic> for ErrorObject {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            code: diagnostic.code.as_str().to_owned(),
            message: diagnostic.to_string(),
            hint: diagnostic.hint.clone(),
        }
    }
}

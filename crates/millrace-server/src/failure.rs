//! The error type of the handlers: a diagnostic with the HTTP status that fits its code.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_engine::error::Error;

use crate::wire::error::{ErrorBody, ErrorObject};

/// The error of a handler; becomes a JSON body with the code, the message and the hint.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    status: StatusCode,
    diagnostic: Box<Diagnostic>,
}

/// The result of a handler.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure with the status of its code.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Diagnostic::error(code, message).into()
    }

    /// Sets the hint.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.diagnostic.hint = Some(hint.into());
        self
    }

    /// Sets the hint if there is one, else keeps what the diagnostic has.
    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.diagnostic = Box::new(self.diagnostic.maybe_hint(hint));
        self
    }

    /// Replaces the status that the code implies.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Nothing has been published yet, or not the model that is needed. Status 409.
    pub(crate) fn not_published(message: impl Into<String>) -> Self {
        Self::new(Code::NotPublished, message).hint("Run `millrace run`; `millrace status` says how it went.")
    }

    /// The diagnostic's code.
    pub(crate) fn code(&self) -> Code {
        self.diagnostic.code
    }

    /// The diagnostic, for callers outside HTTP such as the binary.
    pub(crate) fn into_diagnostic(self) -> Diagnostic {
        *self.diagnostic
    }

    /// The wire form, for the line of a tile or of a page.
    pub(crate) fn object(&self) -> ErrorObject {
        ErrorObject::from(&*self.diagnostic)
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { status: status_of(diagnostic.code), diagnostic: Box::new(diagnostic) }
    }
}

impl From<Box<Diagnostic>> for Failure {
    fn from(diagnostic: Box<Diagnostic>) -> Self {
        Self { status: status_of(diagnostic.code), diagnostic }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        error.to_diagnostic().into()
    }
}

/// The HTTP status of a code: a mistake in the request is 4xx, a failure behind the server is 5xx.
fn status_of(code: Code) -> StatusCode {
    match code {
        Code::Unauthorized => StatusCode::UNAUTHORIZED,
        Code::WrongHost => StatusCode::FORBIDDEN,
        Code::NotFound | Code::UnknownRef => StatusCode::NOT_FOUND,
        Code::NotPublished | Code::UnpublishedBase => StatusCode::CONFLICT,
        Code::BadQuery | Code::UnknownMetric | Code::UnknownKey | Code::MissingKey | Code::WrongValue => {
            StatusCode::BAD_REQUEST
        }
        Code::RowsGone => StatusCode::GONE,
        Code::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        Code::WarehouseUnreachable
        | Code::WarehouseReplaced
        | Code::WarehouseLocked
        | Code::OutOfResources => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorBody { error: self.object() })).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            // Makes a browser ask for a user name and a password (RFC 7617).
            let challenge = header::HeaderValue::from_static("Basic realm=\"millrace\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

//! Why a request has no answer: a diagnostic with the HTTP status that fits.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_engine::error::Error;

use crate::wire::error::{ErrorBody, ErrorObject};

/// What a handler fails with.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    status: StatusCode,
    diagnostic: Box<Diagnostic>,
}

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

    /// Sets the hint where there is one.
    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.diagnostic = Box::new(self.diagnostic.maybe_hint(hint));
        self
    }

    /// With another status than the code's.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// Nothing has been published, or not what is asked for.
    pub(crate) fn not_published(message: impl Into<String>) -> Self {
        Self::new(Code::NotPublished, message).hint("Run `millrace run`; `millrace status` says how it went.")
    }

    /// Its code.
    pub(crate) fn code(&self) -> Code {
        self.diagnostic.code
    }

    /// As the binary reports it.
    pub(crate) fn into_diagnostic(self) -> Diagnostic {
        *self.diagnostic
    }

    /// As a tile or a page shows it.
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

/// A mistake of the asker is 4xx; what failed behind the server is 5xx.
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
            // Makes a browser ask for a name and a password.
            let challenge = header::HeaderValue::from_static("Basic realm=\"millrace\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

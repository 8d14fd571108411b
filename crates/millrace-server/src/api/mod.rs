//! The endpoints of the HTTP API, one file for each resource.
//!
//! A handler decodes its input itself, so that every mistake becomes a [`Failure`] with a code and
//! a hint instead of a plain-text rejection. The doc comment of a handler becomes its text in the
//! OpenAPI document.

pub(crate) mod dashboards;
pub(crate) mod data;
pub(crate) mod events;
pub(crate) mod failures;
pub(crate) mod health;
pub(crate) mod metrics;
pub(crate) mod options;
pub(crate) mod project;
pub(crate) mod quarantine;
pub(crate) mod runs;

use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::http::StatusCode;
use millrace_core::code::Code;

use crate::failure::{Failure, Result};

/// The request body. Fails with 413 if it exceeds the limit of 64 KiB, and with 400 if the
/// connection broke.
fn whole(body: std::result::Result<Bytes, BytesRejection>) -> Result<Bytes> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Failure::new(Code::BadQuery, "the body is larger than 64 KiB")
            .status(StatusCode::PAYLOAD_TOO_LARGE),
        _ => Failure::new(Code::BadQuery, "the body could not be read"),
    })
}

/// Validates a `limit` parameter: refuses a number outside of 1 to `most`.
fn up_to(most: usize, limit: usize) -> Result<usize> {
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(Failure::new(Code::WrongValue, format!("`limit` is no number from 1 to {most}")))
}

/// The dashboard's name in a path. A path segment that is not UTF-8 names no dashboard.
fn named(path: std::result::Result<Path<String>, PathRejection>) -> Result<String> {
    path.map(|Path(name)| name)
        .map_err(|_| Failure::new(Code::UnknownRef, "there is no dashboard of this name"))
}

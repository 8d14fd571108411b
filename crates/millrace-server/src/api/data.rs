//! `POST /dashboards/{name}/data`: the data of a page as newline-delimited JSON.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::Response;
use futures::StreamExt as _;

use crate::api::{named, whole};
use crate::failure::Result;
use crate::page::Page;
use crate::state::AppState;
use crate::wire::error::ErrorBody;
use crate::wire::page::DataLine;
use crate::wire::request::{DataRequest, DataRequestBody};

/// Everything that a page shows: one line for each tile, as it is ready, in the order of the tiles.
#[utoipa::path(post, path = "/api/v1/dashboards/{name}/data", tag = "dashboards",
    params(("name" = String, Path, description = "Name of the dashboard")),
    request_body = DataRequestBody,
    responses(
        (status = 200, body = DataLine, content_type = "application/x-ndjson"),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 409, body = ErrorBody, description = "Nothing has been published yet."),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody),
    ))]
pub(crate) async fn data(
    State(state): State<AppState>,
    path: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response> {
    let subject = state.page(&named(path)?)?;
    let request = DataRequest::decode(&whole(body)?)?;
    let page = Page::open(state, subject, request).await?;
    let lines = page.lines().map(|line| Ok::<_, Infallible>(written(&line)));
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

/// A line of the answer. Wire types always serialize. If one did not, the page would see an
/// incomplete answer and not a wrong one.
fn written(line: &DataLine) -> Vec<u8> {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text
}

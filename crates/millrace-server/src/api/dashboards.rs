//! `GET /dashboards/{name}`

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};

use crate::api::named;
use crate::failure::Result;
use crate::question::{Asker, guessed_shapes};
use crate::state::AppState;
use crate::wire::dashboard::{Dashboard, document};
use crate::wire::error::ErrorBody;

/// A page without its numbers.
#[utoipa::path(get, path = "/api/v1/dashboards/{name}", tag = "dashboards",
    params(("name" = String, Path, description = "Name of the dashboard")),
    responses(
        (status = 200, body = Dashboard), (status = 404, body = ErrorBody),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody),
    ))]
pub(crate) async fn dashboard(
    State(state): State<AppState>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Dashboard>> {
    let subject = state.page(&named(path)?)?;
    let view = &*subject.view;
    let known = match &state.latest().await? {
        Some(snapshot) => Asker { state: &state, snapshot, view }.shapes().await.ok(),
        None => None,
    };
    // Without a publication, or if it lacks the columns, the types are unknown. The page is drawn
    // with guessed types, and its tiles report the error.
    let shapes = known.unwrap_or_else(|| Arc::new(guessed_shapes(view)));
    Ok(Json(document(&subject, &shapes)))
}

//! `GET /events`

use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{Event, Sse};
use futures::Stream;

use crate::state::AppState;
use crate::wire::error::ErrorBody;

/// Server-sent events: `publish`, `run` and `project`.
#[utoipa::path(get, path = "/api/v1/events", tag = "project", responses(
    (status = 200, body = String, content_type = "text/event-stream",
     description = "`publish` with a `PublishEvent`, `run` with a `Run`, `project` with a `ProjectEvent`; a comment every 15 seconds."),
    (status = 401, body = ErrorBody), (status = 403, body = ErrorBody),
))]
pub(crate) async fn events(
    State(state): State<AppState>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
    state.live().listen()
}

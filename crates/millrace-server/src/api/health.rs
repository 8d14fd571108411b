//! `GET /healthz`

use axum::Json;

use crate::wire::page::Health;

/// Whether the server answers; without authentication.
#[utoipa::path(get, path = "/healthz", tag = "server", responses((status = 200, body = Health)))]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

//! `GET /dashboards/{name}/options`: searches the values of one filter.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use millrace_core::code::Code;
use serde::Deserialize;

use crate::api::named;
use crate::failure::{Failure, Result};
use crate::page::{check_filter, is_retired};
use crate::question::Asker;
use crate::served::Subject;
use crate::snapshot::Snapshot;
use crate::state::AppState;
use crate::wire::error::ErrorBody;
use crate::wire::page::FilterOptions;

/// Largest length of the search text in characters.
const MOST_LETTERS: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    filter: String,
    #[serde(default)]
    search: String,
}

/// The values of a filter that have a text in them, without regard to case and accents; all, where there is none.
#[utoipa::path(get, path = "/api/v1/dashboards/{name}/options", tag = "dashboards",
    params(
        ("name" = String, Path, description = "Name of the dashboard"),
        ("filter" = String, Query, description = "One of its filters."),
        ("search" = Option<String>, Query, description = "At most 200 characters.", max_length = 200),
    ),
    responses(
        (status = 200, body = FilterOptions), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 409, body = ErrorBody, description = "Nothing has been published yet."),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody),
    ))]
pub(crate) async fn options(
    State(state): State<AppState>,
    path: Result<Path<String>, PathRejection>,
    params: Result<Query<Params>, QueryRejection>,
) -> Result<Json<FilterOptions>> {
    let subject = state.page(&named(path)?)?;
    let Query(params) = params.map_err(|_| {
        Failure::new(Code::BadQuery, "the query string has to say `filter`, and may say `search`")
    })?;
    check_filter(&params.filter, &subject.dashboard)?;
    if params.search.chars().count() > MOST_LETTERS {
        return Err(Failure::new(
            Code::WrongValue,
            format!("`search` has more than {MOST_LETTERS} characters"),
        ));
    }
    let snapshot = state.snapshot().await?;
    match look(&state, &subject, &params, &snapshot).await {
        // A publish has dropped the tables meanwhile: tries once more over the newest publication.
        Err(failure) if is_retired(&state, &snapshot, &failure).await => {
            look(&state, &subject, &params, &state.snapshot().await?).await
        }
        found => found,
    }
    .map(Json)
}

/// Reads the values over one publication; an empty search text matches all of them.
async fn look(
    state: &AppState,
    subject: &Subject,
    params: &Params,
    snapshot: &Snapshot,
) -> Result<FilterOptions> {
    snapshot.serves(&subject.view)?;
    let asker = Asker { state, snapshot, view: &subject.view };
    let shapes = asker.shapes().await?;
    let search = Some(params.search.trim()).filter(|text| !text.is_empty());
    let (values, total) = asker.options(&params.filter, &shapes.types, search).await?;
    Ok(FilterOptions { data_version: snapshot.version, values, total })
}

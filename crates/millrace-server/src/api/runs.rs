//! `GET /runs` and `GET /runs/{run}`: the records of runs.
//!
//! The process of a run may die before it records the end. If no run can be in progress, such a run
//! is shown as failed; the next run corrects the record itself.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use millrace_core::code::Code;
use millrace_engine::run::{RunStatus, RunSummary};
use serde::Deserialize;

use crate::api::up_to;
use crate::failure::{Failure, Result};
use crate::state::AppState;
use crate::wire::error::ErrorBody;
use crate::wire::run::{Run, RunDetails, Runs};

/// Largest `limit`.
const MOST_RUNS: usize = 1_000;

#[derive(Deserialize)]
pub(crate) struct Params {
    limit: Option<usize>,
}

/// The ledger: runs, the newest first.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs",
    params(("limit" = Option<usize>, Query, description = "Runs at most: 50 by default, 1,000 at most.", minimum = 1, maximum = 1_000)),
    responses(
        (status = 200, body = Runs), (status = 400, body = ErrorBody),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody),
    ))]
pub(crate) async fn runs(
    State(state): State<AppState>,
    params: Result<Query<Params>, QueryRejection>,
) -> Result<Json<Runs>> {
    // A `limit` that is not a number becomes 0, which is refused like any other wrong limit.
    let limit = up_to(MOST_RUNS, params.map_or(Some(0), |Query(params)| params.limit).unwrap_or(50))?;
    let runs = newest(&state, limit).await?.iter().map(Run::from).collect();
    Ok(Json(Runs { runs }))
}

/// One run, with all its streams, models and data tests.
#[utoipa::path(get, path = "/api/v1/runs/{run}", tag = "runs",
    params(("run" = String, Path, description = "Id of the run")),
    responses(
        (status = 200, body = RunDetails), (status = 404, body = ErrorBody),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody),
    ))]
pub(crate) async fn run(
    State(state): State<AppState>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<RunDetails>> {
    Ok(Json(RunDetails::from(&recorded(&state, path).await?)))
}

/// The newest runs, newest first. Skips records that this version of the program cannot read.
pub(super) async fn newest(state: &AppState, limit: usize) -> Result<Vec<RunSummary>> {
    if !state.has_state().await? {
        return Ok(Vec::new());
    }
    // Before and after the read: a run that began in between must not be shown as failed.
    let idle = is_idle(state);
    let runs = state.warehouse_state().runs(limit).await?;
    let idle = idle && is_idle(state);
    let runs = runs.into_iter().filter_map(|json| serde_json::from_value(json).ok());
    Ok(runs.map(|run| told(run, idle)).collect())
}

/// Whether no run is in progress: none in this server, and no other process can have the warehouse
/// open.
fn is_idle(state: &AppState) -> bool {
    state.warehouse().is_exclusive() && state.runs().under_way().is_none()
}

/// Corrects the status of a run whose process died: still recorded as running although none is.
fn told(mut run: RunSummary, idle: bool) -> RunSummary {
    if idle && run.status == RunStatus::Running {
        run.status = RunStatus::Failed;
    }
    run
}

/// The record of the run that a path names. Fails with `unknown-ref` if there is none.
pub(super) async fn recorded(
    state: &AppState,
    path: Result<Path<String>, PathRejection>,
) -> Result<RunSummary> {
    let unknown = || {
        Failure::new(Code::UnknownRef, "there is no run of this id")
            .hint("`/api/v1/runs` lists the newest ones.")
    };
    let Path(id) = path.map_err(|_| unknown())?;
    if !state.has_state().await? {
        return Err(unknown());
    }
    let idle = is_idle(state);
    let json = state.warehouse_state().run(&id).await?.ok_or_else(unknown)?;
    let run = serde_json::from_value(json).map_err(|error| {
        Failure::new(Code::Internal, format!("the record of run `{id}` cannot be read: {error}"))
    })?;
    Ok(told(run, idle && is_idle(state)))
}

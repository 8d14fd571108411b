//! `GET /quarantine`: rows that could not be loaded.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use millrace_core::value::Value;
use millrace_engine::ports::warehouse::{QueryLimits, Statement};
use serde::Deserialize;

use crate::api::up_to;
use crate::failure::Result;
use crate::state::AppState;
use crate::wire::error::ErrorBody;
use crate::wire::project::{QuarantineStream, QuarantineSummary};
use crate::wire::quarantine::{Quarantine, QuarantineRow};

/// Largest `limit`.
const MOST_ROWS: usize = 10_000;

#[derive(Deserialize)]
pub(crate) struct Params {
    limit: Option<usize>,
}

/// Rows that could not be loaded, the newest first.
#[utoipa::path(get, path = "/api/v1/quarantine", tag = "project",
    params(("limit" = Option<usize>, Query, description = "Rows at most: 100 by default, 10,000 at most.", minimum = 1, maximum = 10_000)),
    responses(
        (status = 200, body = Quarantine), (status = 400, body = ErrorBody),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody),
    ))]
pub(crate) async fn quarantine(
    State(state): State<AppState>,
    params: Result<Query<Params>, QueryRejection>,
) -> Result<Json<Quarantine>> {
    // A `limit` that is not a number becomes 0, which is refused like any other wrong limit.
    let limit = up_to(MOST_ROWS, params.map_or(Some(0), |Query(params)| params.limit).unwrap_or(100))?;
    if !state.has_state().await? {
        return Ok(Json(Quarantine::default()));
    }
    let total = summary(&state).await?.rows;
    let sql = format!(
        "select source, stream, file, line, column_name, code, reason, raw, raw_sha256, run, quarantined_at \
         from {} order by quarantined_at desc, source, stream, file, line, column_name limit {limit}",
        state.warehouse_state().tables().table("quarantine")
    );
    let found = state.warehouse().query(&Statement::new(sql), QueryLimits::STATE).await?;
    let rows = (0..found.len()).map(|at| row(&found.row(at))).collect();
    Ok(Json(Quarantine { total, rows }))
}

/// Decodes one row of the statement above, by the position of its columns.
fn row(values: &[&Value]) -> QuarantineRow {
    let text = |at: usize| values.get(at).and_then(|value| value.as_str()).map(str::to_owned);
    let told = |at: usize| text(at).unwrap_or_default();
    let raw = text(7);
    QuarantineRow {
        stream: format!("{}.{}", told(0), told(1)),
        file: told(2),
        line: values.get(3).and_then(|line| line.as_int()).map_or(0, |line| line as i64),
        column: text(4),
        code: told(5),
        reason: told(6),
        raw_hash: if raw.is_none() { text(8) } else { None },
        raw,
        run: told(9),
        at: values.get(10).map(ToString::to_string).unwrap_or_default(),
    }
}

/// Counts the quarantined rows by stream. The warehouse must have state tables.
pub(crate) async fn summary(state: &AppState) -> Result<QuarantineSummary> {
    let table = state.warehouse_state().tables().table("quarantine");
    let sql = format!("select source, stream, count(*) as n from {table} group by 1, 2 order by 1, 2");
    let found = state.warehouse().query(&Statement::new(sql), QueryLimits::STATE).await?;
    let stream = |at: usize| {
        let row = found.row(at);
        let name = |at: usize| row[at].as_str().unwrap_or_default();
        let rows = row[2].as_int().and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
        QuarantineStream { stream: format!("{}.{}", name(0), name(1)), rows }
    };
    let streams: Vec<_> = (0..found.len()).map(stream).collect();
    Ok(QuarantineSummary { rows: streams.iter().map(|stream| stream.rows).sum(), streams })
}

//! `GET /runs/{run}/failures`: rows that a data test of a run has found.
//!
//! The rows are read from the tables of the held run, which are dropped when the next run begins.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use millrace_core::code::Code;
use millrace_engine::ports::warehouse::Rows;
use millrace_engine::run::data_tests::{Failing, failing_rows};
use millrace_engine::state::test_result::TestResult;
use serde::Deserialize;

use crate::api::runs::recorded;
use crate::api::up_to;
use crate::failure::{Failure, Result};
use crate::state::AppState;
use crate::wire::error::ErrorBody;
use crate::wire::run::{FailureColumn, Failures};
use crate::wire::value::Shape;

/// Largest `limit`. The endpoint shows samples; all rows can be had with SQL.
const MOST_ROWS: usize = 100;

#[derive(Deserialize)]
pub(crate) struct Params {
    test: String,
    limit: Option<usize>,
}

/// Some of the rows that a data test of a run has found.
#[utoipa::path(get, path = "/api/v1/runs/{run}/failures", tag = "runs",
    params(
        ("run" = String, Path, description = "Id of the run"),
        ("test" = String, Query, description = "Name of the data test"),
        ("limit" = Option<usize>, Query, description = "Rows at most: 20 by default, 100 at most.", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, body = Failures), (status = 400, body = ErrorBody), (status = 404, body = ErrorBody),
        (status = 410, body = ErrorBody, description = "A later run has begun; the rows are gone."),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody),
    ))]
pub(crate) async fn failures(
    State(state): State<AppState>,
    path: Result<Path<String>, PathRejection>,
    params: Result<Query<Params>, QueryRejection>,
) -> Result<Json<Failures>> {
    let Ok(Query(params)) = params else {
        let message =
            "name the data test: `?test=not_null(model.column)`, and a number where `limit` is given";
        return Err(Failure::new(Code::WrongValue, message));
    };
    let limit = up_to(MOST_ROWS, params.limit.unwrap_or(20))?;
    let run = recorded(&state, path).await?;
    let failed = |result: &&TestResult| result.test == params.test && result.rows > 0;
    let Some(result) = run.tests.iter().find(failed) else {
        let message = format!("in run `{}` no data test of this name has found rows", run.run);
        return Err(Failure::new(Code::UnknownRef, message));
    };
    match failing_rows(&state.compiled().schemas, &*state.warehouse(), result, limit).await? {
        Failing::Found { column, rows } => Ok(Json(answer(&run.run, result, column, &rows))),
        Failing::Gone => {
            let message = format!(
                "the rows of data test `{}` are gone; run `{}` found {}",
                result.test, run.run, result.rows
            );
            Err(Failure::new(Code::RowsGone, message)
                .hint("They stay until the next run begins, which looks for its own."))
        }
    }
}

/// Builds the answer; `rows` has all columns of the model.
fn answer(run: &str, result: &TestResult, column: String, rows: &Rows) -> Failures {
    let shapes: Vec<Shape> = rows.columns.iter().map(|column| Shape::of(column.data_type)).collect();
    let named = rows.columns.iter().zip(&shapes);
    let values = rows.data.iter().zip(&shapes);
    Failures {
        run: run.to_owned(),
        test: result.test.clone(),
        model: result.model.clone(),
        column,
        total: result.rows,
        columns: named.map(|(column, shape)| FailureColumn::new(&column.name, *shape)).collect(),
        data: values.map(|(values, shape)| values.iter().map(|value| shape.cell(value)).collect()).collect(),
        rows: rows.len(),
    }
}

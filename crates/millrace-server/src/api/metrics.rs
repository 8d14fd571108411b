//! `POST /metrics/query`: an ad-hoc query over one semantic view.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use millrace_core::metric::query::MetricQuery;
use millrace_core::metric::time_range::{Days, TimeRange};

use crate::api::whole;
use crate::failure::Result;
use crate::page::check_range;
use crate::question::{Asker, result};
use crate::state::AppState;
use crate::wire::error::ErrorBody;
use crate::wire::page::{DateRange, MetricAnswer};
use crate::wire::request::{MetricsRequest, MetricsRequestBody};

/// One question about metrics.
#[utoipa::path(post, path = "/api/v1/metrics/query", tag = "metrics",
    request_body = MetricsRequestBody,
    responses(
        (status = 200, body = MetricAnswer),
        (status = 400, body = ErrorBody), (status = 404, body = ErrorBody), (status = 413, body = ErrorBody),
        (status = 409, body = ErrorBody, description = "Nothing has been published yet."),
        (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody),
    ))]
pub(crate) async fn query(
    State(state): State<AppState>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<MetricAnswer>> {
    let request = MetricsRequest::decode(&whole(body)?)?;
    let view = state.view(&request.semantic_view)?;
    check_range(request.range, &view)?;
    let snapshot = state.snapshot().await?;
    snapshot.serves(&view)?;
    let asker = Asker { state: &state, snapshot: &snapshot, view: &view };
    let days = days(&asker, request.range).await?;
    let total =
        MetricQuery { metrics: request.metrics, days, filters: request.filters, ..MetricQuery::default() };
    let rows = MetricQuery {
        dimensions: request.dimensions,
        grain: request.grain,
        order: request.order,
        limit: Some(request.limit),
        ..total.clone()
    };
    // The total is a query of its own: metrics such as ratios do not add up over the rows.
    let told = asker.ask(&rows).await?;
    let total = asker.ask(&total).await?;
    Ok(Json(MetricAnswer {
        data_version: snapshot.version,
        published_at: snapshot.published_at.clone(),
        range: days.map(DateRange::from),
        result: result(&rows, Some(&told), None, &total, None),
    }))
}

/// Resolves a range to days. Returns `None` without a range, and for a relative range if no row has
/// a date.
async fn days(asker: &Asker<'_>, range: Option<TimeRange>) -> Result<Option<Days>> {
    Ok(match range {
        None => None,
        Some(TimeRange::Between(days)) => Some(days),
        Some(range) => asker.extent().await?.map(|data| range.days(data, asker.state.today())),
    })
}

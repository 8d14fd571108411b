//! `GET /project`

use axum::Json;
use axum::extract::State;
use millrace_engine::run::RunSummary;

use crate::api::quarantine::summary;
use crate::failure::Result;
use crate::state::AppState;
use crate::wire::error::ErrorBody;
use crate::wire::project::{DashboardLink, Project, Publication, QuarantineSummary, Run};

/// The project at a glance.
#[utoipa::path(get, path = "/api/v1/project", tag = "project", responses(
    (status = 200, body = Project),
    (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody),
))]
pub(crate) async fn project(State(state): State<AppState>) -> Result<Json<Project>> {
    let publication = state.latest().await?.map(|snapshot| Publication {
        data_version: snapshot.version,
        published_at: snapshot.published_at,
        run: snapshot.run,
    });
    let (last_run, quarantine) = if state.has_state().await? {
        (last_run(&state).await?, summary(&state).await?)
    } else {
        (None, QuarantineSummary::default())
    };
    let compiled = state.compiled();
    let dashboards = compiled.project.dashboards.iter();
    Ok(Json(Project {
        name: compiled.project.manifest.name.clone(),
        version: state.version().to_owned(),
        environment: compiled.environment.clone(),
        locales: state.locales().to_vec(),
        dashboards: dashboards
            .map(|dashboard| DashboardLink {
                name: dashboard.name.text.clone(),
                title: (&dashboard.title).into(),
            })
            .collect(),
        publication,
        last_run,
        quarantine,
    }))
}

/// The newest run. One whose record this program cannot read counts as none.
async fn last_run(state: &AppState) -> Result<Option<Run>> {
    let runs = state.warehouse_state().runs(1).await?;
    let summary = runs.into_iter().next().and_then(|json| serde_json::from_value::<RunSummary>(json).ok());
    Ok(summary.as_ref().map(Run::from))
}

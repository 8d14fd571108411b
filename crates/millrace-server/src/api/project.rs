//! `GET /project`: what the start page and the banner show.

use axum::Json;
use axum::extract::State;
use millrace_core::natural::natural_order;
use millrace_core::project::schedule::Schedule as ProjectSchedule;
use millrace_engine::compile::compiled::Compiled;
use millrace_engine::run::{RunStatus, rfc3339};

use crate::api::quarantine::summary;
use crate::api::runs::newest;
use crate::failure::Result;
use crate::snapshot::Snapshot;
use crate::state::AppState;
use crate::wire::error::ErrorBody;
use crate::wire::project::{
    DashboardLink, DescribedStream, Project, Publication, QuarantineSummary, Rollback, Schedule, Source,
};
use crate::wire::run::Run;

/// The project at a glance.
#[utoipa::path(get, path = "/api/v1/project", tag = "project", responses(
    (status = 200, body = Project),
    (status = 401, body = ErrorBody), (status = 403, body = ErrorBody), (status = 503, body = ErrorBody),
))]
pub(crate) async fn project(State(state): State<AppState>) -> Result<Json<Project>> {
    let snapshot = state.latest().await?;
    // Runs exclude each other, so at most the newest is in progress and the one before it has
    // ended.
    let runs = newest(&state, 2).await?;
    let ended = runs.iter().find(|run| run.status != RunStatus::Running);
    let quarantine =
        if state.has_state().await? { summary(&state).await? } else { QuarantineSummary::default() };
    let compiled = state.compiled();
    let mut dashboards: Vec<_> = compiled.project.dashboards.iter().collect();
    dashboards.sort_by(|a, b| natural_order(&a.name.text, &b.name.text));
    Ok(Json(Project {
        name: compiled.project.manifest.name.clone(),
        version: state.version().to_owned(),
        environment: compiled.environment.clone(),
        time_zone: compiled.project.manifest.time_zone.name().to_owned(),
        locales: state.locales().to_vec(),
        dashboards: dashboards
            .into_iter()
            .map(|dashboard| DashboardLink {
                name: dashboard.name.text.clone(),
                title: (&dashboard.title).into(),
            })
            .collect(),
        sources: sources(&compiled),
        rollback: snapshot.as_ref().and_then(rollback),
        publication: snapshot.map(|snapshot| Publication {
            data_version: snapshot.version,
            published_at: snapshot.published_at,
            run: snapshot.run,
        }),
        last_run: runs.first().map(Run::from),
        last_result: ended.map(Run::from),
        schedule: compiled.project.manifest.schedule.as_ref().map(|schedule| schedule_of(&state, schedule)),
        quarantine,
    }))
}

/// The sources that have a description or streams with one.
fn sources(compiled: &Compiled) -> Vec<Source> {
    let streams = |name: &str| {
        let own = compiled.catalog.streams.values().filter(|stream| stream.name.source == name);
        let described = own.filter_map(|stream| {
            let description = stream.options.description.clone()?;
            Some(DescribedStream { stream: stream.name.to_string(), description })
        });
        described.collect::<Vec<_>>()
    };
    let all = compiled.project.sources.iter().map(|source| Source {
        name: source.name.clone(),
        description: source.description.clone(),
        streams: streams(&source.name),
    });
    all.filter(|source| source.description.is_some() || !source.streams.is_empty()).collect()
}

/// The project's schedule, with the time of the next run if this server keeps the schedule.
fn schedule_of(state: &AppState, schedule: &ProjectSchedule) -> Schedule {
    Schedule {
        cron: schedule.cron.to_string(),
        time_zone: schedule.time_zone.clone(),
        next_run_at: state.next_run().map(rfc3339),
    }
}

/// The rollback that keeps readers on an earlier publication; returns `None` if none is in force.
fn rollback(snapshot: &Snapshot) -> Option<Rollback> {
    Some(Rollback {
        data_version: snapshot.version,
        brought_back: snapshot.held_on?,
        since: snapshot.published_at.clone(),
    })
}

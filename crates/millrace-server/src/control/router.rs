//! The server of the control interface.
//!
//! A request must name exactly the listening address in `Host`, must have no `Origin` (so no page
//! of a browser can ask), and must bring the token. An engine error is status 422 with the error as
//! JSON.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::project::manifest::QuarantineLimit;
use millrace_engine::error::{Error, ErrorKind};
use millrace_engine::state::Publication;
use millrace_engine::state::trigger::{Trigger, TriggerKind};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::wire::{
    CancelRequest, DescribeRequest, Failed, Hello, QueryAnswer, QueryRequest, RollbackAsked, RunAsked,
    VersionAnswer, WireColumn,
};
use super::{PROTOCOL, run_stream};
use crate::runs::RunRequest;
use crate::state::AppState;

/// Largest request body in bytes: allows queries with long lists of values.
const MOST_BODY_BYTES: usize = 64 << 20;
/// Grace period for requests in progress after the server was told to stop.
const LINGER: Duration = Duration::from_secs(2);

/// What the control interface needs. Holds the token: implements neither `Debug` nor `Serialize`.
#[derive(Clone)]
pub struct Control {
    /// The state of the server.
    pub state: AppState,
    /// The token that each request must bring.
    pub token: Arc<str>,
    /// The listening address; the `Host` header must be exactly this.
    pub address: SocketAddr,
    /// Number of this process.
    pub process: u32,
}

/// All routes of the control interface, with the admission check.
pub fn router(control: Control) -> Router {
    let routes = Router::new()
        .route("/hello", get(hello))
        .route("/version", get(version))
        .route("/query", post(query))
        .route("/describe", post(describe))
        .route("/runs", post(runs))
        .route("/runs/cancel", post(cancel))
        .route("/rollback", post(rollback))
        .route("/published", post(published));
    Router::new()
        .nest("/control/v1", routes)
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .layer(from_fn_with_state(control.clone(), admit))
        .with_state(control)
}

/// Answers requests until `shutdown` completes, then gives requests in progress two seconds to end.
/// Runs must be stopped before that, so that their clients still receive the end.
pub async fn serve(
    listener: TcpListener,
    control: Control,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Diagnostic> {
    let (closing, closed) = oneshot::channel::<()>();
    let stop = async move {
        shutdown.await;
        drop(closing);
    };
    let server = axum::serve(listener, router(control)).with_graceful_shutdown(stop);
    tokio::select! {
        ended = server => ended.map_err(|error| {
            Diagnostic::error(Code::Internal, "the control interface ended").caused_by(error.to_string())
        }),
        () = async { let _ = closed.await; sleep(LINGER).await } => Ok(()),
    }
}

/// Admits or refuses a request, see [`refusal`].
async fn admit(State(control): State<Control>, request: Request, next: Next) -> Response {
    match refusal(&control, &request) {
        Some(status) => status.into_response(),
        None => next.run(request).await,
    }
}

/// The status of a refused request: 403 for a wrong host or any origin, 401 for a wrong token.
/// Returns `None` if the request is admitted.
fn refusal(control: &Control, request: &Request) -> Option<StatusCode> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let own = text(HOST) == Some(control.address.to_string().as_str());
    if !own || request.headers().contains_key(ORIGIN) {
        return Some(StatusCode::FORBIDDEN);
    }
    // Compares hashes in constant time: they have a fixed length, so the token's length stays
    // hidden.
    let hash = |token: &str| Sha256::digest(token.as_bytes());
    let brought = text(AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let known = bool::from(hash(brought).ct_eq(&hash(&control.token)));
    (!known).then_some(StatusCode::UNAUTHORIZED)
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::UNPROCESSABLE_ENTITY, Json(self)).into_response()
    }
}

/// The result of a handler.
type Answer<T> = Result<Json<T>, Failed>;

fn failed(error: Error) -> Failed {
    Failed { error }
}

/// `GET /hello`: which server this is.
async fn hello(State(control): State<Control>) -> Json<Hello> {
    Json(Hello {
        protocol: PROTOCOL,
        version: control.state.version().to_owned(),
        process: control.process,
        environment: control.state.compiled().environment.clone(),
        next_run: control.state.next_run(),
    })
}

/// `GET /version`: the warehouse's product and version.
async fn version(State(control): State<Control>) -> Answer<VersionAnswer> {
    let version = control.state.warehouse().version().await.map_err(failed)?;
    Ok(Json(VersionAnswer { version }))
}

/// `POST /query`: runs a read-only statement. Fails if the warehouse's file was replaced on disk.
async fn query(State(control): State<Control>, Json(request): Json<QueryRequest>) -> Answer<QueryAnswer> {
    let (statement, limits) = request.parts();
    control.state.warehouse().check_identity().await.map_err(failed)?;
    let rows = control.state.warehouse().query(&statement, limits).await.map_err(failed)?;
    Ok(Json(rows.into()))
}

/// `POST /describe`: names and types of a statement's result columns.
async fn describe(
    State(control): State<Control>,
    Json(request): Json<DescribeRequest>,
) -> Answer<Vec<WireColumn>> {
    let columns = control.state.warehouse().describe(&request.sql).await.map_err(failed)?;
    Ok(Json(columns.into_iter().map(WireColumn::from).collect()))
}

/// `POST /runs`: starts a run and streams its events.
async fn runs(State(control): State<Control>, Json(asked): Json<RunAsked>) -> Result<Response, Failed> {
    let limit = asked.max_quarantine.as_deref().map(str::parse::<QuarantineLimit>).transpose();
    let limit = limit.map_err(|message| failed(Error::new(ErrorKind::Internal, message)))?;
    let handle = control.state.runs().start(RunRequest {
        trigger: Trigger::by(TriggerKind::Command),
        full_refresh: asked.full_refresh,
        allow_empty: asked.allow_empty,
        max_quarantine: limit,
        vars: asked.vars,
        wait: Duration::from_millis(asked.wait_ms),
    });
    Ok(run_stream::answer(handle))
}

/// `POST /runs/cancel`: cancels a run by its ticket.
async fn cancel(State(control): State<Control>, Json(request): Json<CancelRequest>) -> Json<bool> {
    Json(control.state.runs().cancel(request.ticket))
}

/// `POST /rollback`: restores an earlier publication or lifts a rollback.
async fn rollback(State(control): State<Control>, Json(asked): Json<RollbackAsked>) -> Answer<Publication> {
    control.state.runs().rollback(asked.into()).await.map(Json).map_err(failed)
}

/// `POST /published`: another process has published from the same project.
async fn published(State(control): State<Control>) -> Json<()> {
    control.state.runs().take_up();
    Json(())
}

//! The server's end.

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

/// Bytes of a request's body at most: a query with a long list of values.
const MOST_BODY_BYTES: usize = 64 << 20;
/// Time that requests have to end after the server was told to.
const LINGER: Duration = Duration::from_secs(2);

/// What the control interface of a server is made of. Holds the token: no Debug, no Serialize.
#[derive(Clone)]
pub struct Control {
    /// What the server serves.
    pub state: AppState,
    /// The token that a client must bring.
    pub token: Arc<str>,
    /// Where it listens; clients must name exactly this.
    pub address: SocketAddr,
    /// The process.
    pub process: u32,
}

/// All paths of the control interface.
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

/// Answers until `shutdown` ends; then what is under way has a moment to end. Stop the runs before that.
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

/// Lets in who has the token and is no page of a browser.
async fn admit(State(control): State<Control>, request: Request, next: Next) -> Response {
    match refusal(&control, &request) {
        Some(status) => status.into_response(),
        None => next.run(request).await,
    }
}

fn refusal(control: &Control, request: &Request) -> Option<StatusCode> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let own = text(HOST) == Some(control.address.to_string().as_str());
    if !own || request.headers().contains_key(ORIGIN) {
        return Some(StatusCode::FORBIDDEN);
    }
    // Hashes have one length, so that comparing them tells nothing of the token's either.
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

type Answer<T> = Result<Json<T>, Failed>;

fn failed(error: Error) -> Failed {
    Failed { error }
}

async fn hello(State(control): State<Control>) -> Json<Hello> {
    Json(Hello {
        protocol: PROTOCOL,
        version: control.state.version().to_owned(),
        process: control.process,
        environment: control.state.compiled().environment.clone(),
        next_run: control.state.next_run(),
    })
}

async fn version(State(control): State<Control>) -> Answer<VersionAnswer> {
    let version = control.state.warehouse().version().await.map_err(failed)?;
    Ok(Json(VersionAnswer { version }))
}

async fn query(State(control): State<Control>, Json(request): Json<QueryRequest>) -> Answer<QueryAnswer> {
    let (statement, limits) = request.parts();
    control.state.warehouse().check_identity().await.map_err(failed)?;
    let rows = control.state.warehouse().query(&statement, limits).await.map_err(failed)?;
    Ok(Json(rows.into()))
}

async fn describe(
    State(control): State<Control>,
    Json(request): Json<DescribeRequest>,
) -> Answer<Vec<WireColumn>> {
    let columns = control.state.warehouse().describe(&request.sql).await.map_err(failed)?;
    Ok(Json(columns.into_iter().map(WireColumn::from).collect()))
}

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

async fn cancel(State(control): State<Control>, Json(request): Json<CancelRequest>) -> Json<bool> {
    Json(control.state.runs().cancel(request.ticket))
}

async fn rollback(State(control): State<Control>, Json(asked): Json<RollbackAsked>) -> Answer<Publication> {
    control.state.runs().rollback(asked.into()).await.map(Json).map_err(failed)
}

/// Somebody has published from outside.
async fn published(State(control): State<Control>) -> Json<()> {
    control.state.runs().take_up();
    Json(())
}

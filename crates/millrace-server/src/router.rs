//! Paths, and what every request passes through.

use std::io;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::failure::{Failure, Result};
use crate::state::{AppState, Shared};
use crate::{api, assets, auth};

/// Bytes of a request's body at most; a page with hundreds of filter values takes a few thousand.
const MOST_BODY_BYTES: usize = 64 * 1024;
/// Time until an answer begins. A page's lines may take longer; each of their queries has a limit of its own.
const ANSWER_WITHIN: Duration = Duration::from_mins(2);
/// Time that requests have to end after the server was told to.
const LINGER: Duration = Duration::from_secs(5);

/// What the browser may do on our pages: run our scripts, ask this server. Styles are also set on elements, by the charts.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      frame-ancestors 'none'; base-uri 'none'";

/// All paths of a server.
pub fn router(state: AppState) -> Router {
    let api = Router::new()
        .route("/project", get(api::project::project))
        .route("/dashboards/{name}", get(api::dashboards::dashboard))
        .route("/dashboards/{name}/data", post(api::data::data))
        .route("/dashboards/{name}/options", get(api::options::options))
        .route("/metrics/query", post(api::metrics::query))
        .route("/quarantine", get(api::quarantine::quarantine))
        .route("/runs", get(api::runs::runs))
        .route("/runs/{run}", get(api::runs::run))
        .route("/runs/{run}/failures", get(api::failures::failures))
        .route("/events", get(api::events::events))
        .method_not_allowed_fallback(wrong_method);
    Router::new()
        .nest("/api/v1", api)
        .route("/healthz", get(api::health::health))
        .route("/", get(assets::page))
        .route("/d/{name}", get(assets::page))
        .route("/quarantine", get(assets::page))
        .route("/runs", get(assets::page))
        .route("/runs/{run}", get(assets::page))
        .route("/assets/{*path}", get(assets::asset))
        .method_not_allowed_fallback(wrong_method)
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .layer(from_fn_with_state(state.clone(), admit))
        .layer(from_fn(within_time))
        .layer(from_fn(with_headers))
        .with_state(Shared(state))
}

/// Answers requests until `shutdown` ends; then streams of events are closed, and what is under way has a few seconds to end.
///
/// Refuses a listener that others can reach where the project has no authentication, whatever the state was made for.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::result::Result<(), Diagnostic> {
    let failed =
        |error: io::Error| Diagnostic::error(Code::Internal, "the server ended").caused_by(error.to_string());
    let address = listener.local_addr().map_err(failed)?;
    auth::check_address(address, state.compiled().project.manifest.serve.auth.as_ref())?;
    let (closing, closed) = (state.clone(), state.live().closed());
    let stop = async move {
        shutdown.await;
        closing.close();
    };
    // Lines of a page are small and must not wait for each other; where the system refuses, they do.
    let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
    let server = axum::serve(listener, router(state)).with_graceful_shutdown(stop);
    tokio::select! {
        ended = server => ended.map_err(failed),
        () = async { closed.await; sleep(LINGER).await } => Ok(()),
    }
}

/// Lets a request in, or not: by the name under which the server is asked, by the page that asks, by its credentials.
async fn admit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if let Err(failure) = check_site(&state, &request) {
        return failure.into_response();
    }
    // Owned, because a request with its body cannot be borrowed while the password is hashed.
    let credentials = text(&request, AUTHORIZATION).map(str::to_owned);
    if let Some(auth) = state.auth().filter(|_| request.uri().path() != "/healthz")
        && !auth.admits(credentials.as_deref()).await
    {
        return Failure::new(Code::Unauthorized, "this server wants a token or a password")
            .hint("Send `Authorization: Bearer TOKEN`, or type the token as password.")
            .into_response();
    }
    next.run(request).await
}

fn text(request: &Request, name: HeaderName) -> Option<&str> {
    request.headers().get(name)?.to_str().ok()
}

fn check_site(state: &AppState, request: &Request) -> Result<()> {
    let host = text(request, HOST).or_else(|| request.uri().authority().map(Authority::as_str));
    let Some(host) = host.filter(|host| state.hosts().is_own(host)) else {
        return Err(Failure::new(Code::WrongHost, "the server does not answer under this host name").hint(
            "Ask it under its address, or list the name in `millrace.yml`: `serve: {hosts: [name]}`.",
        ));
    };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let guarded = !reads || request.uri().path() == "/api/v1/events";
    // A header that is no text is no origin of ours.
    let foreign = request.headers().contains_key(ORIGIN)
        && !state.hosts().is_same_origin(text(request, ORIGIN).unwrap_or_default(), host);
    if guarded && foreign {
        return Err(Failure::new(Code::WrongHost, "a page of another site asks"));
    }
    Ok(())
}

async fn within_time(request: Request, next: Next) -> Response {
    let late = || Failure::new(Code::TimedOut, "the answer took too long").into_response();
    timeout(ANSWER_WITHIN, next.run(request)).await.unwrap_or_else(|_| late())
}

async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Files of the page say for themselves how long they keep; nothing else is to be kept.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// A person who has mistyped an address gets the page, which says so and knows the way back; a program gets the error.
async fn nothing_here(request: Request) -> Response {
    let path = request.uri().path();
    let of_a_page = !path.starts_with("/api/") && !path.starts_with("/assets/");
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if of_a_page && reads && text(&request, ACCEPT).is_some_and(|types| types.contains("text/html")) {
        let mut page = assets::page(HeaderMap::new()).await;
        if page.status().is_success() {
            *page.status_mut() = StatusCode::NOT_FOUND;
        }
        return page;
    }
    Failure::new(Code::NotFound, "there is nothing at this address")
        .hint("The API is at `/api/v1/project`.")
        .into_response()
}

async fn wrong_method() -> Failure {
    let message = "this address does not take this method";
    Failure::new(Code::NotFound, message).status(StatusCode::METHOD_NOT_ALLOWED)
}

//! The routes, and the middleware that every request passes through.
//!
//! A request passes, from the outside in: response headers, a timeout, the admission check (`Host`,
//! `Origin`, credentials), the limit on the body, and then its handler.

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

/// Largest request body in bytes; a page with hundreds of filter values takes a few thousand.
const MOST_BODY_BYTES: usize = 64 * 1024;
/// Timeout until an answer begins. The lines of a page may take longer: each of their queries has a
/// timeout of its own.
const ANSWER_WITHIN: Duration = Duration::from_mins(2);
/// Grace period for requests in progress after the server was told to stop.
const LINGER: Duration = Duration::from_secs(5);

/// Content security policy of the pages: own scripts and requests to this server only. Inline
/// styles are allowed because the charts set styles on elements.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      frame-ancestors 'none'; base-uri 'none'";

/// All routes of a server, with the middleware. A layer that is added later runs earlier.
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

/// Answers requests until `shutdown` completes. Then it closes the event streams and gives requests
/// in progress five seconds to end.
///
/// Refuses a listener that other machines can reach if the project has no authentication, whatever
/// address the state was built for.
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
    // Disables Nagle's algorithm: the lines of a page are small and must not wait for each other.
    // If the system refuses, the page is only slower.
    let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
    let server = axum::serve(listener, router(state)).with_graceful_shutdown(stop);
    tokio::select! {
        ended = server => ended.map_err(failed),
        () = async { closed.await; sleep(LINGER).await } => Ok(()),
    }
}

/// Admits or refuses a request, by its `Host`, its `Origin` and its credentials, in this order.
/// `/healthz` needs no credentials.
async fn admit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if let Err(failure) = check_site(&state, &request) {
        return failure.into_response();
    }
    // Owned, because the request's body is not `Sync` and so cannot be borrowed across the `await`.
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

/// The value of a header; returns `None` if it is missing or not visible ASCII.
fn text(request: &Request, name: HeaderName) -> Option<&str> {
    request.headers().get(name)?.to_str().ok()
}

/// Refuses a request under a foreign host name (DNS rebinding), and a request from a foreign page
/// that changes or subscribes to something (cross-site request forgery).
fn check_site(state: &AppState, request: &Request) -> Result<()> {
    let host = text(request, HOST).or_else(|| request.uri().authority().map(Authority::as_str));
    let Some(host) = host.filter(|host| state.hosts().is_own(host)) else {
        return Err(Failure::new(Code::WrongHost, "the server does not answer under this host name").hint(
            "Ask it under its address, or list the name in `millrace.yml`: `serve: {hosts: [name]}`.",
        ));
    };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    // A browser keeps the answer of a foreign GET from its page, but an event stream would stay
    // open.
    let guarded = !reads || request.uri().path() == "/api/v1/events";
    // An `Origin` that is not text counts as foreign.
    let foreign = request.headers().contains_key(ORIGIN)
        && !state.hosts().is_same_origin(text(request, ORIGIN).unwrap_or_default(), host);
    if guarded && foreign {
        return Err(Failure::new(Code::WrongHost, "a page of another site asks"));
    }
    Ok(())
}

/// Ends a request whose answer has not begun after [`ANSWER_WITHIN`], with status 504.
async fn within_time(request: Request, next: Next) -> Response {
    let late = || Failure::new(Code::TimedOut, "the answer took too long").into_response();
    timeout(ANSWER_WITHIN, next.run(request)).await.unwrap_or_else(|_| late())
}

/// Adds the security headers, and `no-store` if the handler has not set a cache policy.
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
    // The static files set their own cache policy; everything else must not be cached.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Answers an unknown path with 404: a browser gets the page, which says so and links back; any
/// other client gets the JSON error.
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

/// Answers a known path with an unsupported method: 405.
async fn wrong_method() -> Failure {
    let message = "this address does not take this method";
    Failure::new(Code::NotFound, message).status(StatusCode::METHOD_NOT_ALLOWED)
}

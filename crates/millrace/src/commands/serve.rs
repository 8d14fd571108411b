//! `millrace serve`: starts the server, its control interface and its schedule, and stops them in
//! order.
//!
//! Start: claim the environment, bind the listener, open the warehouse, announce the control
//! interface. Stop, on a signal: withdraw the record, stop runs, end both listeners, close the
//! warehouse, and release the lock last, so that no other process opens the file before it is
//! closed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, Severity, has_errors};
use millrace_core::digest::hex;
use millrace_core::project::SourceTexts;
use millrace_core::project::environment::Environment;
use millrace_engine::cancel::Cancel;
use millrace_engine::ports::warehouse::Warehouse;
use millrace_server::auth::check_address;
use millrace_server::control::{self, Control};
use millrace_server::runs::{Reload, Reloaded, Runner, Unsound};
use millrace_server::{AppState, Setup, schedule};
use serde_json::json;
use tokio::net::TcpListener;

use super::{Outcome, scheduled};
use crate::cli::{Serve, Where};
use crate::exit::{self, Exit};
use crate::failure::Failure;
use crate::owner::{Announced, Claim, VERSION};
use crate::workspace::Workspace;
use crate::{process, signals, terminal};

/// How long runs may take to roll back when the server is told to stop.
const ROLLING_BACK: Duration = Duration::from_secs(10);
/// The address if neither the command line nor `millrace.yml` names one.
const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4321);

/// Runs the verb until a signal arrives.
pub(super) async fn serve(args: &Serve) -> Outcome {
    let workspace = Workspace::sound(&args.place).await?;
    let address = address(args, &workspace)?;
    // Refuses a public address without authentication before anything is opened or bound.
    let auth = workspace.compiled.project.manifest.serve.auth.as_ref();
    check_address(address, auth).map_err(|diagnostic| Failure::new(diagnostic, exit::PROJECT))?;
    let first = workspace.compiled.project.manifest.environments.first();
    let other = first.filter(|first| first.name != workspace.compiled.environment);
    let claim = Claim::take(&workspace.dir, other.map(|_| workspace.compiled.environment.as_str())).await?;
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|error| cannot_listen(address, &error.to_string()))?;
    let warehouse = workspace.own_warehouse().await?;
    // Before the server announces itself: from then on somebody may send it a signal.
    let ending = signals::cancelled(None);
    let keeps_schedule = !args.no_schedule;
    serve_on(Serving {
        workspace: &workspace,
        claim,
        warehouse,
        listener,
        place: &args.place,
        ending,
        keeps_schedule,
    })
    .await
}

/// The address from the command line, from `serve.address`, or the default.
fn address(args: &Serve, workspace: &Workspace) -> Result<SocketAddr, Failure> {
    let settings = &workspace.compiled.project.manifest.serve;
    if !settings.unset.is_empty() {
        let texts = workspace.compiled.project.texts.clone();
        return Err(Failure { diagnostics: settings.unset.clone(), texts, exit: exit::PROJECT });
    }
    let Some(written) = settings.address.as_ref().filter(|_| args.address.is_none()) else {
        return Ok(args.address.unwrap_or(DEFAULT_ADDRESS));
    };
    written.parse().map_err(|_| {
        let message = format!("`{written}` is no IP address and port");
        let hint = "Write `address: 127.0.0.1:4321` below `serve:` in `millrace.yml`.";
        Failure::new(Diagnostic::error(Code::WrongValue, message).hint(hint), exit::PROJECT)
    })
}

/// What [`serve_on`] needs.
pub(super) struct Serving<'a> {
    pub(super) workspace: &'a Workspace,
    /// The exclusive right to serve the environment.
    pub(super) claim: Claim,
    pub(super) warehouse: Arc<dyn Warehouse>,
    /// The bound listener of the pages and the API.
    pub(super) listener: TcpListener,
    pub(super) place: &'a Where,
    /// Set to stop the server.
    pub(super) ending: Cancel,
    /// Whether this server starts the runs of the project's schedule.
    pub(super) keeps_schedule: bool,
}

/// Serves until `ending` is set or a listener fails. `millrace demo` calls it too.
pub(super) async fn serve_on(serving: Serving<'_>) -> Outcome {
    let Serving { workspace, claim, warehouse, listener, place, ending, keeps_schedule } = serving;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    let runner =
        Runner { reload: reload(workspace, place), holder: process::holder(), is_gone: process::is_gone };
    let state = AppState::new(Setup {
        compiled: Arc::clone(&workspace.compiled),
        warehouse,
        version: VERSION.to_owned(),
        address,
    })
    .map_err(|diagnostic| Failure::new(diagnostic, exit::PROJECT))?
    .with_runner(runner);
    let url = format!("http://{address}");
    let (control_listener, control) = control(&state).await?;
    claim.announce(&Announced {
        address: control.address,
        token: &control.token,
        environment: &workspace.compiled.environment,
        url: &url,
        file: workspace.owned_file().as_ref().map(|owned| owned.path.as_path()),
    })?;
    warn(workspace, keeps_schedule);
    say(workspace, &url, place.json);
    // If either listener fails, the other one stops as well.
    let pages = async {
        let served = millrace_server::serve(listener, state.clone(), until(&ending)).await;
        ending.cancel();
        served
    };
    let (runs, end) = (state.runs(), until(&ending));
    // The control interface answers until all runs have ended, so that their clients see the end.
    let runs_ended = async move {
        end.await;
        runs.stop(ROLLING_BACK).await;
    };
    let asked = async {
        let served = control::serve(control_listener, control, runs_ended).await;
        ending.cancel();
        served
    };
    let withdrawn = async {
        ending.cancelled().await;
        claim.withdraw();
    };
    let scheduled = async {
        if keeps_schedule {
            schedule::keep(&state, |told| scheduled::say(&told, place.json), &ending).await;
        }
    };
    let (served, answered, (), ()) = tokio::join!(pages, asked, withdrawn, scheduled);
    // The order matters: the warehouse must be closed before the lock is released.
    drop(state);
    drop(claim);
    served.and(answered).map_err(|diagnostic| Failure::new(diagnostic, exit::UNREACHABLE))?;
    Ok(exit::DONE)
}

/// The failure of a system call that the server needs.
fn failed(error: &std::io::Error) -> Failure {
    let diagnostic = Diagnostic::error(Code::Internal, "the server failed").caused_by(error.to_string());
    Failure::new(diagnostic, exit::UNREACHABLE)
}

/// Prints where the server can be reached.
fn say(workspace: &Workspace, url: &str, as_json: bool) {
    let dashboards = workspace.compiled.project.dashboards.iter();
    let dashboards: Vec<String> =
        dashboards.map(|dashboard| format!("{url}/d/{}", dashboard.name.text)).collect();
    if as_json {
        terminal::json_line(&json!({"status": "serving", "url": url, "dashboards": dashboards}));
    }
    let first = dashboards.first().map_or(url, String::as_str);
    terminal::note(&format!("\nserving {first}   (Ctrl-C ends it)"));
}

/// Warns of a `notify:` that cannot work because its variables are not set.
fn warn(workspace: &Workspace, keeps_schedule: bool) {
    let manifest = &workspace.compiled.project.manifest;
    if let Some(notify) = manifest.notify.as_ref().filter(|_| keeps_schedule && manifest.schedule.is_some()) {
        let told = notify.unset.iter().map(|unset| {
            let message = format!("nobody is told of runs that fail: {}", unset.message);
            Diagnostic { message, code: Code::WebhookFailed, severity: Severity::Warning, ..unset.clone() }
        });
        terminal::diagnostics(&told.collect::<Vec<_>>(), &workspace.compiled.project.texts);
    }
}

/// Binds the control interface to a free port of the loopback address and creates a random token.
async fn control(state: &AppState) -> Result<(TcpListener, Control), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| failed(&error))?;
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    let mut token = [0; 32];
    getrandom::fill(&mut token).map_err(|error| failed(&std::io::Error::other(error)))?;
    let token = hex(&token).into();
    let process = std::process::id();
    Ok((listener, Control { state: state.clone(), token, address, process }))
}

/// Returns the function that reads the project again for each run, with the environment and the
/// variables with which the server was started.
fn reload(workspace: &Workspace, place: &Where) -> Reload {
    let environment = workspace.environment().cloned();
    let place = Where { env: Some(workspace.compiled.environment.clone()), ..place.clone() };
    Arc::new(move |vars| {
        let (mut place, environment) = (place.clone(), environment.clone());
        place.vars.extend(vars);
        async move { reloaded(&place, environment.as_ref()).await }.boxed()
    })
}

/// Reads, compiles and checks the project. Refuses one whose environment has another warehouse than
/// `open`, because the server keeps its warehouse open.
async fn reloaded(place: &Where, open: Option<&Environment>) -> Result<Reloaded, Unsound> {
    let unsound = |failure: Failure| Unsound { diagnostics: failure.diagnostics, texts: failure.texts };
    let workspace = Workspace::read(place).await.map_err(unsound)?;
    if has_errors(&workspace.diagnostics) {
        let exit = Exit::of(&workspace.diagnostics);
        return Err(unsound(workspace.into_failure(exit)));
    }
    workspace.refuse_unset().map_err(unsound)?;
    workspace.check_before_run().await.map_err(unsound)?;
    let warehouse = |environment: &Environment| (environment.kind.clone(), environment.settings.clone());
    if workspace.environment().map(warehouse) != open.map(warehouse) {
        let message = format!(
            "environment `{}` is another warehouse now than the one that the server has open",
            workspace.compiled.environment
        );
        let hint = "Stop the server and start it again.";
        let diagnostic = Diagnostic::error(Code::RestartNeeded, message).hint(hint);
        return Err(Unsound { diagnostics: vec![diagnostic], texts: SourceTexts::new() });
    }
    Ok(Reloaded { compiled: workspace.compiled, warnings: workspace.diagnostics })
}

/// A future that completes when `ending` is set.
fn until(ending: &Cancel) -> impl Future<Output = ()> + Send + 'static {
    let ending = ending.clone();
    async move { ending.cancelled().await }
}

/// The failure if the address cannot be bound.
pub(super) fn cannot_listen(address: SocketAddr, cause: &str) -> Failure {
    let diagnostic =
        Diagnostic::error(Code::Usage, format!("the server cannot listen on `{address}`")).caused_by(cause);
    Failure::new(diagnostic.hint("Give another one: `--address 127.0.0.1:4322`."), exit::UNREACHABLE)
}

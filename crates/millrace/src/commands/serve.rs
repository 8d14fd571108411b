//! `millrace serve`

use std::net::SocketAddr;
use std::sync::Arc;

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_engine::warehouse::Warehouse;
use millrace_server::auth::check_address;
use millrace_server::{AppState, Setup};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::Outcome;
use crate::cli::Serve;
use crate::workspace::{Failure, Workspace};
use crate::{exit, terminal};

const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4321);

pub(super) async fn serve(args: &Serve) -> Outcome {
    let workspace = Workspace::sound(&args.place).await?;
    let address = address(args, &workspace)?;
    // Before anything is opened or bound.
    let auth = workspace.compiled.project.manifest.serve.auth.as_ref();
    check_address(address, auth).map_err(|diagnostic| Failure::new(diagnostic, exit::PROJECT))?;
    let warehouse = workspace.warehouse().await?;
    let bound = TcpListener::bind(address).await;
    let listener = bound.map_err(|error| cannot_listen(address, &error.to_string()))?;
    serve_on(&workspace, warehouse, listener, args.place.json).await
}

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

/// Serves until somebody stops it.
pub(super) async fn serve_on(
    workspace: &Workspace,
    warehouse: Arc<dyn Warehouse>,
    listener: TcpListener,
    as_json: bool,
) -> Outcome {
    let io = |error: std::io::Error| {
        let diagnostic = Diagnostic::error(Code::Internal, "the server failed").caused_by(error.to_string());
        Failure::new(diagnostic, exit::UNREACHABLE)
    };
    let address = listener.local_addr().map_err(io)?;
    let state = AppState::new(Setup {
        compiled: Arc::clone(&workspace.compiled),
        warehouse,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address,
    })
    .map_err(|diagnostic| Failure::new(diagnostic, exit::PROJECT))?;
    let url = format!("http://{address}");
    let dashboards: Vec<String> = workspace
        .compiled
        .project
        .dashboards
        .iter()
        .map(|dashboard| format!("{url}/d/{}", dashboard.name.text))
        .collect();
    if as_json {
        terminal::json_line(&json!({"status": "serving", "url": url, "dashboards": dashboards}));
    }
    let first = dashboards.first().unwrap_or(&url);
    terminal::note(&format!("\nserving {first}   (Ctrl-C ends it)"));
    let served = millrace_server::serve(listener, state, stopped()).await;
    served.map_err(|diagnostic| Failure::new(diagnostic, exit::UNREACHABLE))?;
    Ok(exit::DONE)
}

/// Ends with Ctrl-C or SIGTERM.
pub(super) async fn stopped() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => {
                signals.recv().await;
            }
            // Without the signal there is still Ctrl-C.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

pub(super) fn cannot_listen(address: SocketAddr, cause: &str) -> Failure {
    let diagnostic =
        Diagnostic::error(Code::Usage, format!("the server cannot listen on `{address}`")).caused_by(cause);
    Failure::new(diagnostic.hint("Give another one: `--address 127.0.0.1:4322`."), exit::UNREACHABLE)
}

//! `millrace serve`

use std::net::SocketAddr;
use std::sync::Arc;

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_engine::warehouse::Warehouse;
use tokio::net::TcpListener;

use super::Outcome;
use crate::cli::Serve;
use crate::exit;
use crate::workspace::{Failure, Workspace};

pub(super) async fn serve(args: &Serve) -> Outcome {
    let workspace = Workspace::sound(&args.place).await?;
    let warehouse = workspace.warehouse().await?;
    let address = args.address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 4321)));
    let listener =
        TcpListener::bind(address).await.map_err(|error| cannot_listen(address, &error.to_string()))?;
    serve_on(&workspace, warehouse, listener, args.place.json).await
}

/// Serves until somebody stops it.
pub(super) async fn serve_on(
    _workspace: &Workspace,
    _warehouse: Arc<dyn Warehouse>,
    _listener: TcpListener,
    _as_json: bool,
) -> Outcome {
    Ok(exit::DONE)
}

pub(super) fn cannot_listen(address: SocketAddr, cause: &str) -> Failure {
    let diagnostic =
        Diagnostic::error(Code::Usage, format!("the server cannot listen on `{address}`")).caused_by(cause);
    Failure::new(diagnostic.hint("Give another one: `--address 127.0.0.1:4322`."), exit::UNREACHABLE)
}

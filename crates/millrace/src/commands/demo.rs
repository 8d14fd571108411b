//! `millrace demo`: generates a demo project, runs it, and serves it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::visible::grouped;
use serde_json::json;

use super::serve::Serving;
use super::{Outcome, run, serve};
use crate::cli::{Demo, Where};
use crate::demo::{DemoOptions, write_demo};
use crate::failure::{Failure, cannot_write};
use crate::owner::Claim;
use crate::progress::duration;
use crate::workspace::Workspace;
use crate::{exit, signals, terminal};

/// A file that marks a folder as made by this command, so that a later call may overwrite it.
const MARKER: &str = ".millrace/demo";

/// Runs the verb. Without `--no-serve` it serves until a signal arrives.
pub(super) async fn demo(args: &Demo) -> Outcome {
    refuse_foreign(&args.dir)?;
    // Marked before anything is written, so that an interrupted call can be repeated.
    let marker = args.dir.join(MARKER);
    let mark = || {
        std::fs::create_dir_all(args.dir.join(".millrace"))?;
        std::fs::write(&marker, "made by `millrace demo`\n")
    };
    mark().map_err(|error| cannot_write(&marker, &error))?;
    // Fails if another demo serves from this folder.
    let claim = Claim::take(&args.dir, None).await?;
    let started = Instant::now();
    let options = DemoOptions { orders: args.orders, seed: args.seed, ..DemoOptions::default() };
    let dir = args.dir.clone();
    let made = tokio::task::spawn_blocking(move || write_demo(&dir, &options)).await;
    let made = made
        .map_err(|error| internal(&error.to_string()))?
        .map_err(|error| cannot_write(&args.dir, &error))?;
    let bytes: u64 = made.files.iter().map(|(_, size)| size).sum();
    let generate_ms = started.elapsed().as_millis() as u64;
    terminal::note(&format!(
        "✓ made    {:<24}  {} orders, {} clients, {} products, {} payments, {:.1} MB  {}",
        args.dir.display().to_string(),
        grouped(made.orders),
        grouped(made.clients),
        grouped(made.products),
        grouped(made.payments),
        bytes as f64 / 1e6,
        duration(generate_ms)
    ));
    let place = Where { project: args.dir.clone(), env: None, vars: Vec::new(), json: args.json };
    // One token for both the run and the server.
    let ending = signals::cancelled(None);
    let workspace = Workspace::sound(&place).await?;
    let warehouse = workspace.own_warehouse().await?;
    let (summary, exit) =
        run::run_in(&workspace, &warehouse, &run::options(&workspace, ending.clone())).await;
    if args.json {
        let files: Vec<_> =
            made.files.iter().map(|(path, bytes)| json!({"path": path, "bytes": bytes})).collect();
        terminal::json_line(&json!({
            "project": args.dir.display().to_string(),
            "made": {
                "orders": made.orders, "faulty_orders": made.faulty_orders, "clients": made.clients,
                "products": made.products, "payments": made.payments, "files": files, "duration_ms": generate_ms,
            },
            "run": summary,
        }));
    }
    if exit != exit::DONE || args.no_serve {
        return Ok(exit);
    }
    let listener = listen(args.address).await?;
    let (workspace, place) = (&workspace, &place);
    serve::serve_on(Serving { workspace, claim, warehouse, listener, place, ending, keeps_schedule: true })
        .await
}

/// The failure of the generating task.
fn internal(cause: &str) -> Failure {
    Failure::new(Diagnostic::error(Code::Internal, "the demo could not be made").caused_by(cause), exit::BUG)
}

/// Refuses a folder that is neither empty nor made by this command.
fn refuse_foreign(dir: &Path) -> Result<(), Failure> {
    let empty = std::fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_none());
    if empty || dir.join(MARKER).exists() {
        return Ok(());
    }
    let message = format!("`{}` is not empty and was not made by `millrace demo`", dir.display());
    Err(Failure::new(
        Diagnostic::error(Code::Usage, message).hint("Give another folder: `millrace demo DIR`."),
        exit::PROJECT,
    ))
}

/// Binds the address, or else one of the next 19 ports, because another demo may be running.
async fn listen(address: SocketAddr) -> Result<tokio::net::TcpListener, Failure> {
    let mut last = None;
    for step in 0..20 {
        let Some(port) = address.port().checked_add(step) else { break };
        match tokio::net::TcpListener::bind(SocketAddr::new(address.ip(), port)).await {
            Ok(listener) => return Ok(listener),
            Err(error) => last = Some(error),
        }
    }
    Err(serve::cannot_listen(address, &last.map(|error| error.to_string()).unwrap_or_default()))
}

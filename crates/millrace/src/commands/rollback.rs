//! `millrace rollback`: restores an earlier publication, or lifts a rollback with `--release`.

use std::sync::Arc;

use millrace_engine::error::Result;
use millrace_engine::ports::warehouse::Warehouse;
use millrace_engine::run::rollback::{RollbackOptions, release, rollback as bring_back};
use millrace_engine::state::Publication;
use millrace_server::runs::RollbackRequest;
use serde_json::json;

use super::Outcome;
use super::run::tell_server;
use crate::cli::Rollback;
use crate::reach::Reached;
use crate::workspace::Workspace;
use crate::{exit, process, terminal};

/// Runs the verb, here or through the server that owns the warehouse.
pub(super) async fn rollback(args: &Rollback) -> Outcome {
    let workspace = Workspace::read(&args.place).await?;
    let publication = match workspace.reach(args.wait).await? {
        Reached::Here(warehouse) => {
            let publication = in_warehouse(args, &workspace, &warehouse).await?;
            tell_server(&workspace).await;
            publication
        }
        Reached::There(server) => {
            let request = RollbackRequest { to: args.to, release: args.release, wait: args.wait };
            server.client().rollback(&request).await?
        }
    };
    if args.place.json {
        terminal::json_line(&json!({
            "status": if args.release { "released" } else { "rolled_back" },
            "data_version": publication.publication, "rollback_to": publication.rollback_to, "pinned": publication.pinned,
        }));
    }
    let (number, of) = (publication.publication, publication.rollback_to.unwrap_or_default());
    terminal::note(&if args.release {
        format!("released: readers still see data version {number}; the next run publishes")
    } else {
        format!(
            "rolled back: data version {number} has the tables of {of}; runs publish nothing until `millrace rollback --release`"
        )
    });
    Ok(exit::DONE)
}

/// Rolls back, or lifts a rollback, in a warehouse that this process has opened.
async fn in_warehouse(
    args: &Rollback,
    workspace: &Workspace,
    warehouse: &Arc<dyn Warehouse>,
) -> Result<Publication> {
    let options = RollbackOptions {
        to: args.to,
        holder: process::holder(),
        is_gone: process::is_gone,
        wait: args.wait,
    };
    if args.release {
        release(&workspace.compiled, warehouse, &options).await
    } else {
        bring_back(&workspace.compiled, warehouse, &options).await
    }
}

//! `millrace rollback`

use millrace_engine::rollback::{RollbackOptions, release, rollback as bring_back};
use serde_json::json;

use super::Outcome;
use crate::cli::Rollback;
use crate::workspace::Workspace;
use crate::{exit, process, terminal};

pub(super) async fn rollback(args: &Rollback) -> Outcome {
    let workspace = Workspace::read(&args.place).await?;
    let warehouse = workspace.warehouse().await?;
    let options = RollbackOptions {
        to: args.to,
        holder: process::holder(),
        is_gone: process::is_gone,
        wait: args.wait,
    };
    let compiled = &workspace.compiled;
    let publication = if args.release {
        release(compiled, &warehouse, &options).await?
    } else {
        bring_back(compiled, &warehouse, &options).await?
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

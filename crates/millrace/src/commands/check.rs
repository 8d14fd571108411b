//! `millrace check`: finds errors of the project without a run.

use millrace_core::diagnostic::{Severity, has_errors};
use millrace_core::render;
use millrace_engine::compile::check::{self, Depth};
use serde_json::json;

use super::Outcome;
use crate::cli::Check;
use crate::exit::{self, Exit};
use crate::terminal;
use crate::workspace::Workspace;

/// Runs the verb. Prints all diagnostics and the counts of what was checked.
pub(super) async fn check(args: &Check) -> Outcome {
    let mut workspace = Workspace::read(&args.place).await?;
    let checked =
        check::check(&workspace.compiled, &workspace.registry, Depth::Whole, &mut workspace.diagnostics)
            .await?;
    // Variables that only a run needs are warnings here: continuous integration checks projects
    // without them.
    for mut diagnostic in workspace.compiled.unset_of_sources() {
        // They are errors already if a source had to be asked because its schema is not captured.
        if workspace.diagnostics.contains(&diagnostic) {
            continue;
        }
        diagnostic.severity = Severity::Warning;
        workspace.diagnostics.push(diagnostic);
    }
    let failed = has_errors(&workspace.diagnostics);
    let texts = &workspace.compiled.project.texts;
    if args.place.json {
        let list: Vec<_> = workspace.diagnostics.iter().map(|d| render::to_json(d, texts)).collect();
        terminal::json_line(&json!({
            "status": if failed { "failed" } else { "ok" },
            "checked": {
                "streams": checked.streams, "models": checked.models, "tests": checked.tests,
                "metrics": checked.metrics, "tiles": checked.tiles,
            },
            "diagnostics": list,
        }));
    } else {
        terminal::diagnostics(&workspace.diagnostics, texts);
        if !failed {
            let counts = [
                (checked.streams, "stream"),
                (checked.models, "model"),
                (checked.tests, "data test"),
                (checked.metrics, "metric"),
                (checked.tiles, "tile"),
            ];
            let words = counts.map(|(count, what)| terminal::counted(count, what));
            terminal::note(&format!("ok: {}", words.join(", ")));
        }
    }
    Ok(if failed { Exit::of(&workspace.diagnostics) } else { exit::DONE })
}

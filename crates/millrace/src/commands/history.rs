//! `millrace history`: the publications, newest first, and what each one changed.

use millrace_engine::run::publish::KEPT;
use millrace_engine::state::{Publication, State};
use serde_json::{Value as Json, json};

use super::Outcome;
use crate::cli::History;
use crate::workspace::Workspace;
use crate::{exit, terminal};

/// Runs the verb.
pub(super) async fn history(args: &History) -> Outcome {
    let workspace = Workspace::read(&args.place).await?;
    let warehouse = workspace.warehouse(args.patience.wait).await?;
    let state = State::of(&*warehouse, &workspace.compiled.schemas);
    // Reads one more than it shows, to compare the last one with its predecessor.
    let found = match state.version().await? {
        None => Vec::new(),
        Some(_) => state.publications(args.limit.saturating_add(1)).await?,
    };
    let shown = &found[..found.len().min(args.limit)];
    if args.place.json {
        let list: Vec<Json> = shown.iter().enumerate().map(|(at, one)| as_json(one, at, &found)).collect();
        terminal::json_line(&json!({"environment": workspace.compiled.environment, "publications": list}));
        return Ok(exit::DONE);
    }
    if shown.is_empty() {
        terminal::note("nothing has been published yet");
        return Ok(exit::DONE);
    }
    let head = ["version", "published", "run", "changed", "tables", "note"].map(str::to_owned);
    let cells: Vec<Vec<String>> = shown
        .iter()
        .enumerate()
        .map(|(at, one)| {
            vec![
                one.publication.to_string(),
                one.published_at.clone(),
                one.run.clone(),
                changed(one, found.get(at + 1)).len().to_string(),
                if at < KEPT { "kept" } else { "dropped" }.to_owned(),
                remark(one, at),
            ]
        })
        .collect();
    terminal::data_line(&terminal::table(&head, &cells, &[true, false, false, true, false, false]));
    Ok(exit::DONE)
}

/// Names of the published models whose tables differ from those of the publication before.
fn changed<'p>(one: &'p Publication, before: Option<&Publication>) -> Vec<&'p str> {
    let same = |name: &str| before.and_then(|before| before.model(name)).map(|model| &model.relation);
    let published = one.models.iter().filter(|model| model.published);
    published
        .filter(|model| same(&model.model) != Some(&model.relation))
        .map(|model| model.model.as_str())
        .collect()
}

/// Notes on a publication, which is number `at` from the newest: whether readers see it, and
/// rollbacks.
fn remark(one: &Publication, at: usize) -> String {
    let mut words = Vec::new();
    if at == 0 {
        words.push("what readers see".to_owned());
    }
    if let Some(number) = one.rollback_to {
        words.push(format!("brought {number} back"));
    }
    if at == 0 && one.pinned {
        words.push("runs publish nothing until `millrace rollback --release`".to_owned());
    }
    words.join("; ")
}

fn as_json(one: &Publication, at: usize, all: &[Publication]) -> Json {
    json!({
        "data_version": one.publication, "published_at": one.published_at, "run": one.run,
        "changed": changed(one, all.get(at + 1)), "kept": at < KEPT, "rollback_to": one.rollback_to,
        "pinned": one.pinned && at == 0, "models": one.models,
    })
}

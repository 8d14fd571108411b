//! `millrace status`

use millrace_core::value::Value;
use millrace_engine::state::State;
use millrace_engine::warehouse::{QueryLimits, Statement};
use serde_json::{Value as Json, json};

use super::Outcome;
use crate::cli::Status;
use crate::workspace::Workspace;
use crate::{exit, terminal};

pub(super) async fn status(args: &Status) -> Outcome {
    let workspace = Workspace::read(&args.place).await?;
    let warehouse = workspace.warehouse().await?;
    let state = State::of(&*warehouse, &workspace.compiled.schemas);
    let environment = &workspace.compiled.environment;
    if state.version().await?.is_none() {
        if args.place.json {
            terminal::json_line(&json!({
                "environment": environment, "publication": null, "runs": [], "streams": [], "quarantine": {"rows": 0},
            }));
        } else {
            terminal::note("nothing has run yet; start with `millrace run`");
        }
        return Ok(exit::DONE);
    }
    let publication = state.publications(1).await?.into_iter().next();
    let runs = state.runs(10).await?;
    let streams = state.streams().await?;
    let counted = Statement::new(format!("select count(*) from {}", state.tables().table("quarantine")));
    let quarantined = warehouse.query(&counted, QueryLimits::STATE).await?;
    let quarantined = quarantined.row(0)[0].as_int().unwrap_or_default() as u64;
    if args.place.json {
        let streams: Vec<Json> = streams
            .iter()
            .map(|s| json!({"stream": s.name.to_string(), "rows": s.rows, "table": s.table.to_string()}))
            .collect();
        terminal::json_line(&json!({
            "environment": environment, "publication": publication, "runs": runs, "streams": streams,
            "quarantine": {"rows": quarantined},
        }));
        return Ok(exit::DONE);
    }
    match &publication {
        Some(p) => terminal::data_line(&format!(
            "{environment}: data version {}, published {} by run {}",
            p.publication, p.published_at, p.run
        )),
        None => terminal::data_line(&format!("{environment}: nothing is published")),
    }
    let head = ["run", "status", "started", "version"].map(str::to_owned);
    let text = |run: &Json, key: &str| run[key].as_str().unwrap_or("").to_owned();
    let cells: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            vec![
                text(run, "run"),
                text(run, "status"),
                text(run, "started_at"),
                run["data_version"].to_string(),
            ]
        })
        .collect();
    terminal::data_line(&format!("\n{}", terminal::table(&head, &cells, &[false, false, false, true])));
    let head = ["stream", "rows"].map(str::to_owned);
    let cells: Vec<Vec<String>> = streams
        .iter()
        .map(|s| vec![s.name.to_string(), Value::Int(i128::from(s.rows)).to_string()])
        .collect();
    terminal::data_line(&format!("\n{}", terminal::table(&head, &cells, &[false, true])));
    if quarantined > 0 {
        terminal::data_line(&format!(
            "\n{quarantined} rows are in quarantine: `millrace query 'select * from {}'`",
            state.tables().table("quarantine")
        ));
    }
    Ok(exit::DONE)
}

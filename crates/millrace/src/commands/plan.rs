//! `millrace plan`: the steps that a run would take, with reasons. Changes nothing.

use millrace_engine::run::plan::{Step, plan as plan_of};
use serde_json::{Value as Json, json};

use super::Outcome;
use crate::cli::Plan;
use crate::workspace::Workspace;
use crate::{exit, terminal};

/// Runs the verb.
pub(super) async fn plan(args: &Plan) -> Outcome {
    let workspace = Workspace::sound(&args.place).await?;
    workspace.refuse_unset()?;
    let warehouse = workspace.warehouse(args.patience.wait).await?;
    let steps = plan_of(&workspace.compiled, &*warehouse).await?;
    if args.place.json {
        let steps: Vec<Json> = steps.iter().map(|step| json!(step)).collect();
        terminal::json_line(&json!({"environment": workspace.compiled.environment, "steps": steps}));
        return Ok(exit::DONE);
    }
    let head = ["step", "name", "reason"].map(str::to_owned);
    let cell = |step: &Step| {
        let verb = if step.needed { step.kind } else { "skip" };
        vec![verb.to_owned(), step.name.clone(), step.reason.clone()]
    };
    terminal::data_line(&terminal::table(
        &head,
        &steps.iter().map(cell).collect::<Vec<_>>(),
        &[false, false, false],
    ));
    Ok(exit::DONE)
}

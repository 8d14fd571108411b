//! `millrace status`: the publication, the schedule, the last runs, the streams and the quarantine.
//!
//! It reads the state tables only, through the server if one owns the warehouse. The text for
//! people and the JSON object have the same content.

use jiff::Timestamp;
use millrace_core::project::schedule::Schedule;
use millrace_core::value::Value;
use millrace_engine::error::Error;
use millrace_engine::ports::warehouse::{QueryLimits, Statement, Warehouse};
use millrace_engine::run::data_tests::{Failing, failing_rows};
use millrace_engine::run::{HeldBy, RunStatus, RunSummary, rfc3339};
use millrace_engine::schedule::scheduler::Timetable;
use millrace_engine::state::test_result::TestResult;
use millrace_engine::state::{Publication, State};
use serde_json::{Value as Json, json};

use super::Outcome;
use super::query::{as_json, as_table, tell_cut};
use crate::cli::Status;
use crate::failure::Failure;
use crate::owner::Server;
use crate::workspace::Workspace;
use crate::{exit, terminal};

/// Runs the verb. With `--rows` it also reads rows that data tests of the last run have found.
pub(super) async fn status(args: &Status) -> Outcome {
    let workspace = Workspace::read(&args.place).await?;
    let warehouse = workspace.warehouse(args.patience.wait).await?;
    let state = State::of(&*warehouse, &workspace.compiled.schemas);
    let environment = &workspace.compiled.environment;
    let kept = Kept::of(&workspace).await?;
    // Before the first run the state tables do not exist, so the queries below would fail.
    if state.version().await?.is_none() {
        if args.place.json {
            terminal::json_line(&json!({
                "environment": environment, "publication": null, "schedule": kept.as_ref().map(Kept::json), "runs": [],
                "streams": [], "quarantine": {"rows": 0},
            }));
        } else {
            terminal::note("nothing has run yet; start with `millrace run`");
            if let Some(kept) = kept {
                terminal::data_line(&kept.text());
            }
        }
        return Ok(exit::DONE);
    }
    let publication = state.publications(1).await?.into_iter().next();
    let runs = state.runs(10).await?;
    let streams = state.streams().await?;
    let counted = Statement::new(format!("select count(*) from {}", state.tables().table("quarantine")));
    let quarantined = warehouse.query(&counted, QueryLimits::STATE).await?;
    let quarantined = quarantined.row(0)[0].as_int().unwrap_or_default() as u64;
    // The rows of failed tests belong to the last run that has ended; a running one has dropped
    // them.
    let ended = last_ended(&runs);
    let found = match (&ended, args.rows) {
        (Some(run), Some(limit)) => found_by(&workspace, &*warehouse, run, limit.into()).await?,
        _ => Vec::new(),
    };
    if args.place.json {
        let streams: Vec<Json> = streams
            .iter()
            .map(|s| json!({"stream": s.name.to_string(), "rows": s.rows, "table": s.table.to_string(), "moments": s.moments}))
            .collect();
        let mut answer = json!({
            "environment": environment, "publication": publication, "schedule": kept.as_ref().map(Kept::json), "runs": runs, "streams": streams,
            "quarantine": {"rows": quarantined},
        });
        if args.rows.is_some() {
            answer["failing"] = found.iter().map(failing_json).collect();
        }
        terminal::json_line(&answer);
        return Ok(exit::DONE);
    }
    match &publication {
        Some(p) => {
            terminal::data_line(&format!(
                "{environment}: data version {}, published {} by run {}",
                p.publication, p.published_at, p.run
            ));
            if let Some(words) = pinned(p) {
                terminal::data_line(&words);
            }
        }
        None => terminal::data_line(&format!("{environment}: nothing is published")),
    }
    if let Some(kept) = &kept {
        terminal::data_line(&kept.text());
    }
    if let Some(words) = ended.as_ref().and_then(|run| hold(run, args.rows.is_some())) {
        terminal::data_line(&format!("\n{words}"));
    }
    if let Some(run) = ended.as_ref().filter(|run| !run.notices.is_empty()) {
        terminal::data_line(&format!("\nrun {} has said:", run.run));
        for notice in &run.notices {
            terminal::data_line(&format!("  {}: {}", notice.code, notice.message));
        }
    }
    for (test, rows) in &found {
        let (text, cut) = failing_text(test, rows);
        terminal::data_line(&format!("\n{text}"));
        tell_cut(cut);
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
    // A large table whose load was resumed by a later run holds rows of several points in time.
    for stream in streams.iter().filter(|stream| stream.moments > 1) {
        let (name, moments) = (&stream.name, stream.moments);
        terminal::data_line(&format!(
            "\nthe rows of {name} are of {moments} moments: `millrace explain several-moments`"
        ));
    }
    if quarantined > 0 {
        terminal::data_line(&format!(
            "\n{quarantined} rows are in quarantine: `millrace query 'select * from {}'`",
            state.tables().table("quarantine")
        ));
    }
    Ok(exit::DONE)
}

/// The project's schedule, and when its next run starts.
struct Kept {
    schedule: Schedule,
    /// `None` if no server of this project keeps the schedule.
    next: Option<Timestamp>,
}

impl Kept {
    /// Asks the running server for the next run. Returns `None` if the project has no schedule.
    async fn of(workspace: &Workspace) -> Result<Option<Self>, Failure> {
        let Some(schedule) = workspace.compiled.project.manifest.schedule.clone() else { return Ok(None) };
        // A server is identified by the warehouse's file, or by its environment if there is no
        // file.
        let server = match workspace.owned_file() {
            Some(_) => workspace.server()?,
            None => Server::beside(&workspace.dir, &workspace.compiled.environment)?,
        };
        let next = match server {
            Some(server) => server.next_run().await,
            None => None,
        };
        Ok(Some(Self { schedule, next }))
    }

    /// The schedule for programs; `next_run_at` is RFC 3339 in UTC.
    fn json(&self) -> Json {
        let Self { schedule, next } = self;
        let next = next.map(rfc3339);
        json!({"cron": schedule.cron.to_string(), "time_zone": schedule.time_zone, "next_run_at": next})
    }

    /// The schedule for people, with the next run in the schedule's own time zone.
    fn text(&self) -> String {
        let Schedule { cron, time_zone, .. } = &self.schedule;
        match self.next {
            Some(next) => {
                let there = Timetable::of(&self.schedule).zone.to_datetime(next).strftime("%Y-%m-%d %H:%M");
                format!("next run {there}, {time_zone} (`{cron}`)")
            }
            None => format!(
                "no server of this machine keeps the schedule (`{cron}`, {time_zone}); `millrace serve` does"
            ),
        }
    }
}

/// The newest run that has ended. Skips records that this program cannot read.
fn last_ended(runs: &[Json]) -> Option<RunSummary> {
    let mut known = runs.iter().filter_map(|run| serde_json::from_value::<RunSummary>(run.clone()).ok());
    known.find(|run| run.status != RunStatus::Running)
}

/// A sentence about the rollback that is in force, if any.
fn pinned(publication: &Publication) -> Option<String> {
    let before = publication.rollback_to.filter(|_| publication.pinned)?;
    Some(format!(
        "a rollback has brought back data version {before}; runs publish nothing until `millrace rollback --release`"
    ))
}

/// Describes why the last run failed or was held; returns `None` for any other status.
/// `rows_follow` says whether the rows of failed data tests are printed after it.
fn hold(run: &RunSummary, rows_follow: bool) -> Option<String> {
    let mut lines = Vec::new();
    match (run.status, &run.held) {
        (RunStatus::Failed, _) => {
            lines.push(format!("failed: run {} published nothing", run.run));
            match &run.error {
                Some(error) => {
                    lines.push(format!("  {}: {}", error.code, error.message));
                    lines.extend(error.hint.iter().map(|hint| format!("  {hint}")));
                }
                // Only a run whose process died has no error in its record.
                None => lines.push("  its process is gone".to_owned()),
            }
        }
        (RunStatus::Held, Some(HeldBy::Blocked { what, hint })) => {
            lines.push(format!("held: run {} is built and tested, but something is in the way", run.run));
            lines.extend(what.iter().map(|what| format!("  {what}")));
            lines.push(format!("  {hint}"));
        }
        (RunStatus::Held, Some(HeldBy::Sources { problems })) => {
            lines.push(format!("held: run {} has built and published nothing", run.run));
            for problem in problems {
                lines.push(format!("  {}: {}", problem.code, problem.message));
                lines.extend(problem.hint.iter().map(|hint| format!("  {hint}")));
            }
        }
        (RunStatus::Held, Some(HeldBy::Rollback { publication })) => {
            lines.push(format!(
                "held: run {} is built and tested; readers are kept on data version {publication}",
                run.run
            ));
        }
        // Records of older versions have no reason; at that time only data tests held runs.
        (RunStatus::Held, Some(HeldBy::Tests) | None) => {
            lines.push(format!("held: data tests of run {} failed, so it published nothing", run.run));
            let failed: Vec<&TestResult> = run.tests.iter().filter(|test| test.rows > 0).collect();
            let width = failed.iter().map(|test| test.test.chars().count()).max().unwrap_or_default();
            lines.extend(failed.iter().map(|test| {
                let warns = if test.holds() { "" } else { "  (warning)" };
                let pad = " ".repeat(width - test.test.chars().count());
                format!("  {}{pad}  {}{warns}", test.test, terminal::counted(test.rows as usize, "row"))
            }));
            if !rows_follow {
                lines.push("`millrace status --rows` shows some of them".to_owned());
            }
        }
        _ => return None,
    }
    Some(lines.join("\n"))
}

/// Reads rows of each data test of a run that found some, at most `limit` for each test.
async fn found_by(
    workspace: &Workspace,
    warehouse: &dyn Warehouse,
    run: &RunSummary,
    limit: usize,
) -> Result<Vec<(TestResult, Failing)>, Error> {
    let mut found = Vec::new();
    for test in run.tests.iter().filter(|test| test.rows > 0) {
        let rows = failing_rows(&workspace.compiled.schemas, warehouse, test, limit).await?;
        found.push((test.clone(), rows));
    }
    Ok(found)
}

/// The rows of a data test as a table, and the number of values that were cut off.
fn failing_text(test: &TestResult, found: &Failing) -> (String, usize) {
    let count = terminal::counted(test.rows as usize, "row");
    let Failing::Found { rows, .. } = found else {
        return (format!("{}: {count}; they are gone, another run has begun", test.test), 0);
    };
    let shown = if (rows.len() as u64) < test.rows { format!("{} of ", rows.len()) } else { String::new() };
    let (table, cut) = as_table(rows);
    (format!("{}: {shown}{count}\n{table}", test.test), cut)
}

/// The rows of a data test for programs; `columns` and `rows` are null if the rows are gone.
fn failing_json((test, found): &(TestResult, Failing)) -> Json {
    let mut answer = match found {
        Failing::Found { rows, .. } => {
            let mut answer = as_json(rows);
            answer["truncated"] = json!((rows.len() as u64) < test.rows);
            answer
        }
        Failing::Gone => json!({"columns": null, "rows": null}),
    };
    answer["test"] = json!(test.test);
    answer["model"] = json!(test.model);
    answer["total"] = json!(test.rows);
    answer
}

//! The verbs of the command line, one file for each.

mod capture;
mod check;
mod connect;
mod demo;
mod doctor;
mod explain;
mod hash_password;
mod history;
mod init;
mod plan;
mod query;
mod rollback;
mod run;
mod run_there;
mod scheduled;
mod serve;
mod status;

use crate::cli::{Cli, Command};
use crate::exit::Exit;
use crate::failure::Failure;

/// How a verb ends: with an exit code, or with a failure that is reported first.
type Outcome = Result<Exit, Failure>;

/// Runs a verb and reports its failure, as JSON if `--json` was given.
pub(crate) async fn dispatch(cli: Cli) -> Exit {
    let (json, outcome) = match cli.command {
        Command::Init(args) => (args.json, init::init(&args)),
        Command::Demo(args) => (args.json, demo::demo(&args).await),
        Command::Capture(args) => (args.place.json, capture::capture(&args).await),
        Command::Check(args) => (args.place.json, check::check(&args).await),
        Command::Plan(args) => (args.place.json, plan::plan(&args).await),
        Command::Run(args) => (args.place.json, run::run(&args).await),
        Command::Query(args) => (args.place.json, query::query(&args).await),
        Command::Serve(args) => (args.place.json, serve::serve(&args).await),
        Command::Status(args) => (args.place.json, status::status(&args).await),
        Command::History(args) => (args.place.json, history::history(&args).await),
        Command::Rollback(args) => (args.place.json, rollback::rollback(&args).await),
        Command::Connect(args) => (args.place.json, connect::connect(&args).await),
        Command::Doctor(args) => (args.place.json, doctor::doctor(&args).await),
        Command::Explain(args) => (args.json, explain::explain(&args)),
        Command::HashPassword => (false, hash_password::hash_password()),
    };
    outcome.unwrap_or_else(|failure| failure.report(json))
}

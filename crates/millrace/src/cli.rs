//! The command line. Doc comments are the help texts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use millrace_core::project::manifest::QuarantineLimit;

use crate::tool::Tool;

/// What scripts and schedulers go by; see `exit.rs` and the table of kinds of failure.
const EXIT_CODES: &str = "Exit codes:
  0   done
  1   data tests failed, or a run was held: nothing was published
  2   the project or the command is wrong
  3   a source or the warehouse could not be reached or read
  4   data cannot be loaded
  70  a bug

A failure outside has the same code in each verb: 3 for a source that does not answer, whether `run`,
`capture`, `check` or `doctor` asked it. Where several things fail at once, a bug counts most, then a
mistake of the project (2), for which another try is no use.";

/// From where data is made to where it is read: sources, warehouse, tests, dashboards, in one program and a folder of text files.
#[derive(Debug, Parser)]
#[command(name = "millrace", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the project is, and how to answer.
#[derive(Debug, Clone, Args)]
pub(crate) struct Where {
    /// The project's folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) project: PathBuf,
    /// The environment (a warehouse of `millrace.yml`); the first by default
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// A variable of templates, over that of `millrace.yml`
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = parse_var)]
    pub(crate) vars: Vec<(String, String)>,
    /// Answer in JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

/// How long to wait for the warehouse.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Patience {
    /// How long to wait for another process that holds the warehouse: `30s`, `10m`
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub(crate) wait: Duration,
}

fn parse_var(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// `500ms`, `30s`, `10m`, `2h`; a bare number is seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().map_err(|_| "write a number and a unit, such as `30s`")?;
    match &text[digits..] {
        "ms" => Ok(Duration::from_millis(number)),
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        "h" => Ok(Duration::from_secs(number.saturating_mul(3600))),
        unit => Err(format!("`{unit}` is no unit of time; there are ms, s, m and h")),
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a new project in a folder
    Init(Init),
    /// Make a shop with two years of data, run it, and serve its dashboard
    Demo(Demo),
    /// Write down the columns and types of sources, for git and for `check`
    Capture(Capture),
    /// Compile the whole project without touching the warehouse
    Check(Check),
    /// Say what a run would do, and why
    Plan(Plan),
    /// Load, build, test and publish
    Run(Run),
    /// Ask the warehouse; published names need no schema
    Query(Query),
    /// Serve dashboards
    Serve(Serve),
    /// Say what is published and how the last runs ended
    Status(Status),
    /// List what has been published, and what each publish changed
    History(History),
    /// Bring an earlier publication back, for all readers at once
    Rollback(Rollback),
    /// Say what another tool needs to read what is published: fields, certificate, networks, a role
    Connect(Connect),
    /// Look at sources and the warehouse layer by layer, and say what is wrong and what to do
    Doctor(Doctor),
    /// Explain the code of a diagnostic
    Explain(Explain),
    /// Read a password from stdin and print its argon2 hash, for `serve: {auth: {users: …}}`
    HashPassword,
}

/// `millrace init`
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// The folder; made where it does not exist
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Name of the project; the folder's by default
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Answer in JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

/// `millrace demo`
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The folder; must be empty, or hold a demo made before
    #[arg(value_name = "DIR", default_value = "demo")]
    pub(crate) dir: PathBuf,
    /// How many orders
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) orders: u64,
    /// Another seed gives another shop
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Stop after the run
    #[arg(long)]
    pub(crate) no_serve: bool,
    /// Where to serve; the next free port where this one is taken
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:4321")]
    pub(crate) address: SocketAddr,
    /// Answer in JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

/// `millrace capture`
#[derive(Debug, Args)]
pub(crate) struct Capture {
    /// Only this source
    #[arg(value_name = "SOURCE")]
    pub(crate) source: Option<String>,
    /// Say what would be written, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// `millrace check`
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) place: Where,
}

/// `millrace plan`
#[derive(Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) patience: Patience,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// `millrace run`
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Rows of a stream that may go to quarantine: a number, or a share such as `5%`
    #[arg(long, value_name = "N|N%")]
    pub(crate) max_quarantine: Option<QuarantineLimit>,
    /// Load and build everything anew
    #[arg(long)]
    pub(crate) full_refresh: bool,
    /// Let streams lose all of their rows, or more of them than `max_shrink` says
    #[arg(long)]
    pub(crate) allow_empty: bool,
    /// How long to wait for another run or for another process that holds the warehouse: `30s`, `10m`
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub(crate) wait: Duration,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// `millrace query`
#[derive(Debug, Args)]
pub(crate) struct Query {
    /// SQL; `-` reads it from stdin
    #[arg(value_name = "SQL")]
    pub(crate) sql: String,
    /// Rows at most
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) patience: Patience,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// `millrace serve`
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen, over that of `millrace.yml`. Beyond loopback only with `auth:`
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) address: Option<SocketAddr>,
    /// Start no runs, whatever `schedule:` says: for a second server, or a look at another environment
    #[arg(long)]
    pub(crate) no_schedule: bool,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// `millrace status`
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Show rows that data tests of the last run have found, N of each (10 without a number)
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) rows: Option<u16>,
    #[command(flatten)]
    pub(crate) patience: Patience,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// `millrace history`
#[derive(Debug, Args)]
pub(crate) struct History {
    /// Publications at most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = at_least_one)]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) patience: Patience,
    #[command(flatten)]
    pub(crate) place: Where,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| (1..=100_000).contains(n))
        .ok_or_else(|| "write a number from 1 to 100000".into())
}

/// `millrace rollback`
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The data version whose tables to bring back; the one before the present by default
    #[arg(long, value_name = "VERSION", conflicts_with = "release")]
    pub(crate) to: Option<u64>,
    /// Let runs publish again
    #[arg(long)]
    pub(crate) release: bool,
    /// How long to wait for a run that is under way: `30s`, `10m`
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_duration)]
    pub(crate) wait: Duration,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// `millrace connect`
#[derive(Debug, Args)]
pub(crate) struct Connect {
    /// The tool
    #[arg(long = "for", value_name = "TOOL")]
    pub(crate) tool: Tool,
    /// The role as which it reads; `NAME_reader` by default, after the project
    #[arg(long, value_name = "NAME", value_parser = role_name)]
    pub(crate) role: Option<String>,
    /// Where the root certificate is written, for tools that ask for a file; `connect` in the project by default
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print the root certificate instead of writing it
    #[arg(long, conflicts_with = "out")]
    pub(crate) print: bool,
    #[command(flatten)]
    pub(crate) place: Where,
}

fn role_name(text: &str) -> Result<String, String> {
    // What the warehouses that have roles reserve.
    let reserved = text.starts_with("pg_") || ["public", "none"].contains(&text);
    if text.is_empty() || text.len() > 63 || reserved || text.contains('\0') {
        return Err("write a name of at most 63 bytes that does not begin with `pg_`".into());
    }
    Ok(text.to_owned())
}

/// `millrace doctor`
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Only this source, or this environment; all sources and one environment by default
    #[arg(value_name = "SOURCE|ENVIRONMENT")]
    pub(crate) what: Option<String>,
    #[command(flatten)]
    pub(crate) patience: Patience,
    #[command(flatten)]
    pub(crate) place: Where,
}

/// `millrace explain`
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The code, such as `unknown-ref`; without it, all codes
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
    /// Answer in JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

//! The benchmark `star`: orders and clients from files to a published star schema.
//!
//! It measures whole runs into DuckDB and PostgreSQL beside the databases' own readers, the share
//! of each step, and what reading through the published views costs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use millrace_testkit::postgres::PostgresServer;
use serde_json::Value as Json;

use crate::measure::{Measured, run};
use crate::page::{HEAD, Options, Row, project, replace, version};
use crate::{Outcome, rows, say};

/// How often everything is run, in turn. The fastest round counts.
const ROUNDS: usize = 2;

/// About how long a session repeats the same question, in milliseconds, and how many sessions do.
const SESSION_MS: f64 = 1500.0;
const SESSIONS: usize = 4;

/// The questions about the published views and the tables behind them. `;;` separates what is run
/// once from what is repeated.
const QUESTIONS: [(&str, &str); 6] = [
    ("count", "select count(*) from {fact}"),
    ("largest key", "select max(order_id) from {fact}"),
    ("one row by its key", "select * from {fact} where order_id = 102500000"),
    ("the same, prepared", "prepare one as select * from {fact} where order_id = 102500000;;execute one"),
    ("group", "select status, sum(amount) from {fact} group by status"),
    (
        "join and group",
        "select country, sum(amount) from {fact} f join {dim} d using (client_id) group by country",
    ),
];

/// Runs the benchmark and writes its section of the page.
pub(crate) fn bench(options: &Options) -> Outcome {
    let versions = [format!("DuckDB {}", version("duckdb")?), version("psql")?];
    let folder = project("star")?;
    say(&format!("writing {} orders and {} clients", options.orders, options.clients));
    rows::write(&folder.join("data"), options.orders, options.clients).map_err(|e| e.to_string())?;
    let server = PostgresServer::start(&[]);
    server.run("postgres", "create database star");

    let url = server.url("star");
    let address = [("BENCH_POSTGRES_URL", url.as_str())];
    let mut table =
        ["millrace → DuckDB", "duckdb: read and copy", "millrace → PostgreSQL", "psql: read and copy"]
            .map(Row::new);
    let mut steps = [BTreeMap::new(), BTreeMap::new()];
    // In turn, so that a slower phase of the machine affects all of them.
    for _ in 0..ROUNDS {
        let _ = std::fs::remove_dir_all(folder.join(".millrace"));
        let ours = options.millrace(&folder, "duckdb", &address)?;
        steps[0] = shares(&ours.stdout)?;
        table[0].took(ours);
        table[1].took(duckdb(&folder)?);
        server.run("star", "drop schema if exists raw, build, publish, _millrace cascade");
        let ours = options.millrace(&folder, "postgres", &address)?;
        steps[1] = shares(&ours.stdout)?;
        table[2].took(ours);
        table[3].took(psql(&folder, &server)?);
    }
    let in_duckdb = Asked { name: "duckdb", client: &|script| in_file(&folder, script) };
    let in_postgres = Asked { name: "psql", client: &|script| told(server.psql("star"), script) };
    let views = [in_duckdb.views()?, in_postgres.views()?];
    write(options, &versions, &table, &steps, &views)
}

/// The reference of DuckDB, and the least that any tool has to do: read the same files and write
/// the same rows.
fn duckdb(folder: &Path) -> Result<Measured, String> {
    let file = folder.join("reference.duckdb");
    let _ = std::fs::remove_file(&file);
    let sql = format!(
        "create table orders as select * from read_json('{0}/orders.json'); create table clients as select * from read_csv('{0}/clients.csv');",
        folder.join("data").display()
    );
    run(Command::new("duckdb").arg(&file).arg("-c").arg(sql))
}

/// The reference of PostgreSQL: `\copy` of the same rows as CSV.
fn psql(folder: &Path, server: &PostgresServer) -> Result<Measured, String> {
    server.run("star", "drop table if exists orders, clients");
    server.run(
        "star",
        "create table orders (order_id bigint, client_id bigint, product_id bigint, order_date date, status text, quantity bigint, \
         unit_price numeric(18,2)); create table clients (client_id bigint, name text, country text, city text, email text, signup_date date)",
    );
    let copy = |table: &str| {
        format!("\\copy {table} from '{}/{table}.csv' csv header", folder.join("data").display())
    };
    let mut command = Command::new("psql");
    command.args(["--no-psqlrc", "--quiet", "--command", &copy("orders"), "--command", &copy("clients")]);
    run(command.arg(server.url("star")))
}

/// The milliseconds of each step of a run, from its summary. What no step accounts for is tests,
/// keys and publishing.
fn shares(stdout: &str) -> Result<BTreeMap<String, f64>, String> {
    let line = stdout.lines().last().unwrap_or_default();
    let summary: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let mut shares = BTreeMap::new();
    let whole = summary["duration_ms"].as_f64().unwrap_or_default();
    for (list, verb, name) in [("streams", "load", "stream"), ("models", "build", "model")] {
        for step in summary[list].as_array().into_iter().flatten() {
            let name = format!("{verb} {}", step[name].as_str().unwrap_or_default());
            shares.insert(name, step["duration_ms"].as_f64().unwrap_or_default());
        }
    }
    let known: f64 = shares.values().sum();
    shares.insert("tests, keys, publish".to_owned(), whole - known);
    Ok(shares)
}

/// A warehouse that is queried with its own client program.
struct Asked<'a> {
    name: &'static str,
    /// Runs a script in one session and returns what it prints.
    client: &'a dyn Fn(&str) -> Result<String, String>,
}

impl Asked<'_> {
    /// The cost of reading through the published views. For each question: the milliseconds through
    /// the view, and those of the table directly.
    fn views(&self) -> Result<Vec<(&'static str, [f64; 2])>, String> {
        let physical = |model: &str| {
            let sql = format!(
                "select 'name=' || max(table_name) from information_schema.tables where table_schema = 'build' and table_name like '{model}$_$_r%' escape '$';"
            );
            let said = (self.client)(&sql)?;
            let name = said.trim().strip_prefix("name=").map(str::to_owned);
            name.ok_or_else(|| format!("{}: no table of {model}: {said}", self.name))
        };
        let (fact, dim) = (physical("fact_orders")?, physical("dim_clients")?);
        QUESTIONS
            .iter()
            .map(|(what, sql)| {
                let on = |fact: &str, dim: &str| sql.replace("{fact}", fact).replace("{dim}", dim);
                let through = on("publish.fact_orders", "publish.dim_clients");
                let direct = on(&format!("build.{fact}"), &format!("build.{dim}"));
                let [view, table] = self.milliseconds([&through, &direct])?;
                say(&format!(
                    "{:<10} {what:<30} {view:>8.3} ms through the view, {table:>8.3} ms direct",
                    self.name
                ));
                Ok((*what, [view, table]))
            })
            .collect()
    }

    /// The milliseconds of each statement when a session repeats it: the fastest of several
    /// sessions, which take turns. In a statement, `;;` separates what is run once from what is
    /// repeated.
    fn milliseconds(&self, statements: [&str; 2]) -> Result<[f64; 2], String> {
        let session = |sql: &str, times: usize| {
            let (once, again) = sql.split_once(";;").unwrap_or(("", sql));
            let script = format!("{once};\n{}", format!("{again};\n").repeat(times));
            let started = Instant::now();
            (self.client)(&script)?;
            Ok::<_, String>(started.elapsed().as_secs_f64() * 1000.0)
        };
        // The difference of two sessions leaves out the start, and the first look at each name.
        let guess = (session(statements[0], 60)? - session(statements[0], 10)?) / 50.0;
        let times = (SESSION_MS / guess.max(0.05)).clamp(10.0, 20_000.0) as usize;
        let mut few = [f64::INFINITY; 2];
        let mut many = [f64::INFINITY; 2];
        for _ in 0..SESSIONS {
            for (at, sql) in statements.into_iter().enumerate() {
                // The difference of both is the time of exactly `times` repetitions.
                few[at] = few[at].min(session(sql, times / 10)?);
                many[at] = many[at].min(session(sql, times + times / 10)?);
            }
        }
        Ok([0, 1].map(|at| (many[at] - few[at]) / times as f64))
    }
}

/// Runs a script in the DuckDB file that a run has made.
fn in_file(folder: &Path, script: &str) -> Result<String, String> {
    let mut command = Command::new("duckdb");
    command.args(["-readonly", "-bail", "-list", "-noheader"]).arg(folder.join(".millrace/star.duckdb"));
    told(command, script)
}

/// Passes a script to a program and returns what it prints. Both may be long, so the output is read
/// while the input is still written.
fn told(mut command: Command, script: &str) -> Result<String, String> {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let mut input = child.stdin.take().ok_or("the program takes no input")?;
    let output = std::thread::scope(|scope| {
        // If the program ends early, the write fails; its stderr says why.
        scope.spawn(move || input.write_all(script.as_bytes()));
        child.wait_with_output().map_err(|error| error.to_string())
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Writes the section of the page.
fn write(
    options: &Options,
    versions: &[String],
    rows: &[Row; 4],
    steps: &[BTreeMap<String, f64>; 2],
    views: &[Vec<(&'static str, [f64; 2])>; 2],
) -> Outcome {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} million orders in a JSON array and {} million clients in CSV to a published star; {}; the quickest of {ROUNDS} rounds, in turn.\n",
        options.orders as f64 / 1e6,
        options.clients as f64 / 1e6,
        versions.join(", ")
    );
    out.push_str(HEAD);
    for (at, row) in rows.iter().enumerate() {
        // Each pair of rows is a run and its reference.
        out.push_str(&row.line(&rows[at / 2 * 2 + 1]));
    }
    out.push_str("\n| step | share, DuckDB | share, PostgreSQL |\n|---|--:|--:|\n");
    let whole = |at: usize| steps[at].values().sum::<f64>();
    for name in steps[0].keys() {
        let share = |at: usize| 100.0 * steps[at].get(name).copied().unwrap_or_default() / whole(at);
        let _ = writeln!(out, "| {name} | {:.0} % | {:.0} % |", share(0), share(1));
    }
    out.push_str("\n| through the published view ÷ physical table | DuckDB | PostgreSQL |\n|---|--:|--:|\n");
    let ratio =
        |[view, table]: [f64; 2]| format!("{:.2} ({table:.2} ms, {:+.2})", view / table, view - table);
    for ((what, duckdb), (_, postgres)) in views[0].iter().zip(&views[1]) {
        let _ = writeln!(out, "| {what} | {} | {} |", ratio(*duckdb), ratio(*postgres));
    }
    replace("star", &out)
}

//! The benchmark `again`: a run in which nothing is new.
//!
//! Such a run must write its own record and nothing else, so the benchmark fails if the data
//! version or any table has changed.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value as Json;

use crate::measure::Measured;
use crate::page::{Options, Row, project, replace, version};
use crate::wire::{fill, mysql_url, start};
use crate::{Outcome, rows, say};

/// How often it is run. The fastest round counts.
const ROUNDS: usize = 10;

/// Runs the benchmark and writes its section of the page.
pub(crate) fn bench(options: &Options) -> Outcome {
    let versions = [version("mariadbd")?, version("psql")?];
    let folder = project("again")?;
    let (mariadb, postgres) = start();
    say(&format!("writing {} people and {} orders", options.rows, options.orders));
    fill(&mariadb, &folder.join("people.tsv"), options.rows)?;
    rows::long_orders(&folder.join("data"), options.orders).map_err(|error| error.to_string())?;
    postgres.run("postgres", "create database again");
    let postgres_url = format!("{}?sslmode=disable", postgres.url("again"));
    let address = [("BENCH_MYSQL_URL", mysql_url(&mariadb)), ("BENCH_POSTGRES_URL", postgres_url)];
    let address = address.each_ref().map(|(name, value)| (*name, value.as_str()));

    let table = [("duckdb", "millrace, DuckDB"), ("postgres", "millrace, PostgreSQL")];
    let mut out = String::new();
    let _ = writeln!(
        out,
        "{} million rows of a table, read as far as it has grown, and {} million orders in a file; {}; the quickest of {ROUNDS} rounds.\n",
        options.rows as f64 / 1e6,
        options.orders as f64 / 1e6,
        versions.join(", ")
    );
    out.push_str("| | time | peak memory | what it wrote |\n|---|--:|--:|---|\n");
    for (environment, what) in table {
        // The first run loads everything; only the later ones are measured.
        let first = options.millrace(&folder, environment, &address)?;
        let version = published(&first, "succeeded")?;
        let mut row = Row::new(what);
        let before = data(&folder, environment, &postgres)?;
        for _ in 0..ROUNDS {
            let again = options.millrace(&folder, environment, &address)?;
            if published(&again, "unchanged")? != version {
                return Err(format!("{what}: something was published"));
            }
            row.took(again);
        }
        if data(&folder, environment, &postgres)? != before {
            return Err(format!("{what}: data was written"));
        }
        let best = row.best.as_ref().ok_or("it was never run")?;
        let _ = writeln!(
            out,
            "| {what} | {:.2} s | {:.0} MB | the record of the run |",
            best.time.as_secs_f64(),
            best.peak_mb
        );
    }
    replace("again", &out)
}

/// The data version after a run. Returns an error unless the run ended with `status`.
fn published(ran: &Measured, status: &str) -> Result<i64, String> {
    let line = ran.stdout.lines().last().unwrap_or_default();
    let summary: Json = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if summary["status"] != status {
        return Err(format!("the run ended as {}, not as {status}", summary["status"]));
    }
    summary["data_version"].as_i64().ok_or_else(|| "the run has no data version".to_owned())
}

/// Describes the tables of a warehouse, apart from those with Millrace's state: their names, files
/// or identifiers, and sizes. Two equal descriptions mean that no data was written.
fn data(
    folder: &Path,
    environment: &str,
    postgres: &millrace_testkit::postgres::PostgresServer,
) -> Result<String, String> {
    if environment == "postgres" {
        return Ok(postgres.run(
            "again",
            // `relfilenode` changes if a table is rewritten, even with the same content.
            "select c.oid::regclass, c.relfilenode, pg_relation_size(c.oid) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
             where n.nspname in ('raw', 'build', 'publish') order by 1",
        ));
    }
    let sql = "select schema_name, table_name, table_oid, estimated_size from duckdb_tables() where schema_name <> '_millrace' order by all";
    let mut command = std::process::Command::new("duckdb");
    command.args(["-readonly", "-list", "-noheader"]).arg(folder.join(".millrace/again.duckdb"));
    Ok(crate::measure::run(command.arg("-c").arg(sql))?.stdout)
}

//! The benchmark `files`: orders as JSON lines, and as one JSON array, into raw tables.
//!
//! After each load the sums of the loaded numbers are compared with those of the generated ones.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use millrace_testkit::postgres::PostgresServer;

use crate::measure::{Measured, run};
use crate::page::{HEAD, Options, Row, project, replace, version};
use crate::{Outcome, rows, say};

/// How often everything is run, in turn. The fastest round counts.
const ROUNDS: usize = 5;

/// The sources: the type of each, and what its file holds.
const KINDS: [(&str, &str); 2] = [("ndjson", "lines"), ("json", "array")];

/// Sums over numbers that a double cannot hold, which have to arrive exactly.
const SUMS: &str = "select count(*), sum(reference), sum(rate), sum(amount), max(length(note)) from raw.";

/// The table of the reference, with the types that the values need.
const REFERENCE: &str = "create table orders (id bigint, reference numeric(25,0), placed date, status text, \
    amount numeric(9,2), rate numeric(31,20), note text)";

/// Runs the benchmark and writes its section of the page.
pub(crate) fn bench(options: &Options) -> Outcome {
    let versions = [format!("DuckDB {}", version("duckdb")?), version("psql")?];
    let folder = project("files")?;
    let data = folder.join("data");
    say(&format!("writing {} orders", options.orders));
    let sums = rows::long_orders(&data, options.orders).map_err(|error| error.to_string())?;
    // PostgreSQL is started afterwards, because a loaded server vacuums in the background.
    let in_duckdb = duckdb(options, &folder, &sums)?;
    let in_postgres = postgres(options, &folder, &sums)?;

    let mut out = String::new();
    let size = fs::metadata(data.join("orders.ndjson")).map_err(|error| error.to_string())?.len();
    let _ = writeln!(
        out,
        "{} million orders of 7 fields, {:.0} MB as lines, one in a thousand with 25 digits before the point or 20 behind it; {}; the quickest of {ROUNDS} rounds, in turn.\n",
        options.orders as f64 / 1e6,
        size as f64 / 1e6,
        versions.join(", ")
    );
    out.push_str(HEAD);
    for table in [&in_duckdb[..], &in_postgres[..]] {
        for row in table {
            out.push_str(&row.line(&table[KINDS.len()]));
        }
    }
    replace("files", &out)
}

/// Measures both files into DuckDB, and the reference.
fn duckdb(options: &Options, folder: &Path, sums: &str) -> Result<[Row; 4], String> {
    let mut table = [
        "lines → DuckDB",
        "array → DuckDB",
        "duckdb: read_json of the lines",
        "the same into a file for 1.3 and later",
    ]
    .map(Row::new);
    for _ in 0..ROUNDS {
        for ((kind, name), row) in KINDS.into_iter().zip(&mut table) {
            source(folder, kind).map_err(|error| error.to_string())?;
            // The folder may not exist.
            let _ = fs::remove_dir_all(folder.join(".millrace"));
            row.took(options.millrace(folder, "duckdb", &[("BENCH_POSTGRES_URL", "")])?);
            let loaded = Command::new("duckdb")
                .args(["-readonly", "-list", "-noheader", "-separator", "|"])
                .arg(folder.join(".millrace/files.duckdb"))
                .arg("-c")
                .arg(SUMS.to_owned() + &raw_table(folder)?)
                .output()
                .map_err(|error| error.to_string())?;
            same(sums, String::from_utf8_lossy(&loaded.stdout).trim(), name)?;
        }
        table[2].took(read_json(folder, false)?);
        table[3].took(read_json(folder, true)?);
    }
    Ok(table)
}

/// Measures both files into PostgreSQL, and the reference.
fn postgres(options: &Options, folder: &Path, sums: &str) -> Result<[Row; 3], String> {
    let server = PostgresServer::start(&[]);
    server.run("postgres", "create database files");
    let url = format!("{}?sslmode=disable", server.url("files"));
    let mut table =
        ["lines → PostgreSQL", "array → PostgreSQL", "psql: \\copy of the same as CSV"].map(Row::new);
    for _ in 0..ROUNDS {
        for ((kind, name), row) in KINDS.into_iter().zip(&mut table) {
            source(folder, kind).map_err(|error| error.to_string())?;
            server.run("files", "drop schema if exists raw, build, publish, _millrace cascade");
            row.took(options.millrace(folder, "postgres", &[("BENCH_POSTGRES_URL", &url)])?);
            let name_in = "select table_name from information_schema.tables where table_schema = 'raw'";
            let raw = server.run("files", name_in);
            same(sums, &server.run("files", &(SUMS.to_owned() + raw.trim())), name)?;
        }
        table[2].took(psql(folder, &server, &url)?);
    }
    Ok(table)
}

/// Writes the source of the project: lines or an array.
fn source(folder: &Path, kind: &str) -> std::io::Result<()> {
    let text = format!("source: files\ntype: {kind}\npath: data/orders.{kind}\nstreams:\n  orders: {{}}\n");
    fs::create_dir_all(folder.join("sources"))?;
    fs::write(folder.join("sources/files.yml"), text)
}

/// The name of the only raw table in the DuckDB file that a run has made.
fn raw_table(folder: &Path) -> Result<String, String> {
    let sql = "select max(table_name) from information_schema.tables where table_schema = 'raw'";
    let mut command = Command::new("duckdb");
    command.args(["-readonly", "-list", "-noheader"]).arg(folder.join(".millrace/files.duckdb"));
    Ok(run(command.arg("-c").arg(sql))?.stdout.trim().to_owned())
}

/// Returns an error unless the loaded sums are the expected ones.
fn same(expected: &str, found: &str, what: &str) -> Outcome {
    if expected == found { Ok(()) } else { Err(format!("{what}: expected {expected}, found {found}")) }
}

/// Measures the reference, into a file of DuckDB's default storage version, or with `for_later`
/// into one of version 1.3, as Millrace makes it (ADR 27).
fn read_json(folder: &Path, for_later: bool) -> Result<Measured, String> {
    let file = folder.join("reference.duckdb");
    let _ = fs::remove_file(&file);
    let select = format!("select * from read_json('{}/orders.ndjson')", folder.join("data").display());
    let mut command = Command::new("duckdb");
    if for_later {
        let attach = format!("attach '{}' as later (storage_version 'v1.3.0')", file.display());
        return run(command.arg("-c").arg(format!("{attach}; create table later.orders as {select}")));
    }
    run(command.arg(&file).arg("-c").arg(format!("create table orders as {select}")))
}

/// Measures the reference: `\copy` of the same orders as CSV.
fn psql(folder: &Path, server: &PostgresServer, url: &str) -> Result<Measured, String> {
    server.run("files", &format!("drop table if exists orders; {REFERENCE}"));
    let copy = format!("\\copy orders from '{}/orders.csv' csv", folder.join("data").display());
    run(Command::new("psql").args(["--no-psqlrc", "--quiet", "--command", &copy]).arg(url))
}

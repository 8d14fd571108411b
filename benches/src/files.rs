//! Orders as JSON lines and as one array into raw tables.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use millrace_testkit::postgres::PostgresServer;

use crate::measure::{Measured, run};
use crate::page::{HEAD, Options, Row, project, replace, version};
use crate::{Outcome, rows, say};

/// How often everything is run, in turn; the quickest counts.
const ROUNDS: usize = 3;

/// Sums over the numbers that a double does not hold, which have to arrive.
const SUMS: &str = "select count(*), sum(reference), sum(rate), sum(amount), max(length(note)) from raw.";

/// The reference's table, of the types that the values need.
const REFERENCE: &str = "create table orders (id bigint, reference numeric(25,0), placed date, status text, \
    amount numeric(9,2), rate numeric(31,20), note text)";

pub(crate) fn bench(options: &Options) -> Outcome {
    let versions = [format!("DuckDB {}", version("duckdb")?), version("psql")?];
    let folder = project("files")?;
    let data = folder.join("data");
    say(&format!("writing {} orders", options.orders));
    let sums = rows::long_orders(&data, options.orders).map_err(|error| error.to_string())?;
    let server = PostgresServer::start(&[]);
    server.run("postgres", "create database files");
    let url = format!("{}?sslmode=disable", server.url("files"));

    let mut table = [
        "lines → DuckDB",
        "array → DuckDB",
        "duckdb: read_json of the lines",
        "lines → PostgreSQL",
        "array → PostgreSQL",
        "psql: \\copy of the same as CSV",
    ]
    .map(Row::new);
    for _ in 0..ROUNDS {
        for (at, (kind, name)) in [("ndjson", "lines"), ("json", "array")].into_iter().enumerate() {
            source(&folder, kind).map_err(|error| error.to_string())?;
            let file = folder.join(".millrace/files.duckdb");
            // What there is none of need not go.
            let _ = fs::remove_dir_all(folder.join(".millrace"));
            table[at].took(options.millrace(&folder, "duckdb", &[("BENCH_POSTGRES_URL", &url)])?);
            let in_duckdb = Command::new("duckdb")
                .args(["-readonly", "-list", "-noheader", "-separator", "|"])
                .arg(&file)
                .arg("-c")
                .arg(SUMS.to_owned() + &raw_table(&folder)?)
                .output()
                .map_err(|error| error.to_string())?;
            same(&sums, String::from_utf8_lossy(&in_duckdb.stdout).trim(), name)?;
            server.run("files", "drop schema if exists raw, build, publish, _millrace cascade");
            table[3 + at].took(options.millrace(&folder, "postgres", &[("BENCH_POSTGRES_URL", &url)])?);
            let name_in = "select table_name from information_schema.tables where table_schema = 'raw'";
            let raw = server.run("files", name_in);
            same(&sums, &server.run("files", &(SUMS.to_owned() + raw.trim())), name)?;
        }
        table[2].took(duckdb(&folder)?);
        table[5].took(psql(&folder, &server, &url)?);
    }

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
    for (at, row) in table.iter().enumerate() {
        out.push_str(&row.line(&table[at / 3 * 3 + 2]));
    }
    replace("files", &out)
}

/// Has the project read lines, or an array.
fn source(folder: &Path, kind: &str) -> std::io::Result<()> {
    let text = format!("source: files\ntype: {kind}\npath: data/orders.{kind}\nstreams:\n  orders: {{}}\n");
    fs::create_dir_all(folder.join("sources"))?;
    fs::write(folder.join("sources/files.yml"), text)
}

/// The one raw table of the file that a run has made.
fn raw_table(folder: &Path) -> Result<String, String> {
    let sql = "select max(table_name) from information_schema.tables where table_schema = 'raw'";
    let mut command = Command::new("duckdb");
    command.args(["-readonly", "-list", "-noheader"]).arg(folder.join(".millrace/files.duckdb"));
    Ok(run(command.arg("-c").arg(sql))?.stdout.trim().to_owned())
}

fn same(expected: &str, found: &str, what: &str) -> Outcome {
    if expected == found { Ok(()) } else { Err(format!("{what}: expected {expected}, found {found}")) }
}

fn duckdb(folder: &Path) -> Result<Measured, String> {
    let file = folder.join("reference.duckdb");
    let _ = fs::remove_file(&file);
    let sql = format!(
        "create table orders as select * from read_json('{}/orders.ndjson')",
        folder.join("data").display()
    );
    run(Command::new("duckdb").arg(&file).arg("-c").arg(sql))
}

fn psql(folder: &Path, server: &PostgresServer, url: &str) -> Result<Measured, String> {
    server.run("files", &format!("drop table if exists orders; {REFERENCE}"));
    let copy = format!("\\copy orders from '{}/orders.csv' csv", folder.join("data").display());
    run(Command::new("psql").args(["--no-psqlrc", "--quiet", "--command", &copy]).arg(url))
}

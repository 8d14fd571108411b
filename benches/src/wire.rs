//! The benchmark `wire`: a table of a MySQL server into a raw table of PostgreSQL.
//!
//! The references are `\copy` of the same rows from a text file, and a client that reads the rows
//! and discards them. At the end both tables are compared.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::postgres::PostgresServer;

use crate::measure::{Measured, run};
use crate::page::{HEAD, Options, Row, copy_of, project, replace, version};
use crate::{Outcome, rows, say};

/// How often everything is run, in turn. The fastest round counts.
const ROUNDS: usize = 4;

/// The table in the MySQL server. Its timestamps are in UTC.
const TABLE: &str = "create table people (id int not null primary key, name varchar(40) not null, city varchar(40), \
    born date, email varchar(80), balance decimal(12,2), seen datetime(6), level tinyint)";

/// The same table for the reference in PostgreSQL.
const REFERENCE: &str = "create table people (id integer not null, name text not null, city text, born date, email text, \
    balance numeric(12,2), seen timestamp, level smallint)";

/// Runs the benchmark and writes its section of the page.
pub(crate) fn bench(options: &Options) -> Outcome {
    let versions = [version("mariadbd")?, version("psql")?];
    let folder = project("wire")?;
    // A copy of the project, because the number of connections is set in its files.
    let alone = over_one_connection()?;
    let text = folder.join("people.tsv");
    let (mariadb, postgres) = start();
    say(&format!("writing {} people", options.rows));
    fill(&mariadb, &text, options.rows)?;
    postgres.run("postgres", "create database wire");

    let mut table = [
        "millrace, first load",
        "millrace, full refresh",
        "millrace, full refresh over one connection",
        "psql: \\copy of a text file",
        "mariadb --quick: reading alone",
    ]
    .map(Row::new);
    let address = [mysql_url(&mariadb), postgres_url(&postgres)];
    for _ in 0..ROUNDS {
        postgres.run("wire", "drop schema if exists raw, build, publish, _millrace cascade");
        table[0].took(load(options, &folder, &address)?);
        table[1].took(load(options, &folder, &address)?);
        table[2].took(load(options, &alone, &address)?);
        table[3].took(psql(&postgres, &text)?);
        table[4].took(quick(&mariadb)?);
    }
    equal(&postgres)?;
    // Once more with many rows, with which the memory is measured.
    say(&format!("writing {} people", options.many));
    fill(&mariadb, &text, options.many)?;
    let mut many = Row::new(&format!("millrace, {} million rows", options.many as f64 / 1e6));
    postgres.run("wire", "drop schema if exists raw, build, publish, _millrace cascade");
    many.took(load(options, &folder, &address)?);
    let mut many_text = Row::new("psql: \\copy of those");
    many_text.took(psql(&postgres, &text)?);
    equal(&postgres)?;

    let mut out = String::new();
    let size = std::fs::metadata(&text).map_err(|error| error.to_string())?.len();
    let _ = writeln!(
        out,
        "{} million rows of 8 columns, {:.0} bytes each as text, without TLS; {}; the quickest of {ROUNDS} rounds, in turn.\n",
        options.rows as f64 / 1e6,
        size as f64 / options.many as f64,
        versions.join(", ")
    );
    out.push_str(HEAD);
    for row in &table {
        out.push_str(&row.line(&table[3]));
    }
    out.push_str(&many.line(&many_text));
    out.push_str(&many_text.line(&many_text));
    replace("wire", &out)
}

/// The same project with one connection to the source; the default is four.
fn over_one_connection() -> Result<PathBuf, String> {
    let folder = copy_of("wire", "wire-alone")?;
    let source = folder.join("sources/shop.yml");
    let text = std::fs::read_to_string(&source).map_err(|error| error.to_string())?;
    std::fs::write(&source, text + "connections: 1\n").map_err(|error| error.to_string())?;
    Ok(folder)
}

/// Starts both servers with their default settings, except for more memory, and a binary log, which
/// nearly every server has that others replicate from.
pub(crate) fn start() -> (MariaDb, PostgresServer) {
    let mariadb = ["--innodb-buffer-pool-size=512M", "--log-bin=binlog", "--server-id=1"];
    (MariaDb::start(&mariadb), PostgresServer::start(&[]))
}

/// The URL of the database in the MySQL server, without TLS.
pub(crate) fn mysql_url(server: &MariaDb) -> String {
    format!("mysql://root@127.0.0.1:{}/wire?ssl-mode=DISABLED", server.port())
}

/// The URL of the database in the PostgreSQL server, without TLS.
fn postgres_url(server: &PostgresServer) -> String {
    format!("{}?sslmode=disable", server.url("wire"))
}

/// Writes the rows to a text file that both servers read as it is, and loads them into the source's
/// table. The load itself is not in the binary log.
pub(crate) fn fill(server: &MariaDb, text: &Path, rows: u64) -> Outcome {
    rows::people(text, rows).map_err(|error| error.to_string())?;
    server
        .run(&format!("create database if not exists wire character set utf8mb4; use wire; drop table if exists people; {TABLE};"));
    let load = format!(
        "set sql_log_bin = 0; load data local infile '{}' into table wire.people character set utf8mb4",
        text.display()
    );
    let mut client = server.client("mariadb");
    run(client.args(["--local-infile=1", "-e", &load])).map(|_| ())
}

/// Measures a load by Millrace.
fn load(options: &Options, folder: &Path, [mysql, postgres]: &[String; 2]) -> Result<Measured, String> {
    options.millrace(folder, "postgres", &[("BENCH_MYSQL_URL", mysql), ("BENCH_POSTGRES_URL", postgres)])
}

/// Measures the reference: `\copy` of the text file.
fn psql(server: &PostgresServer, text: &Path) -> Result<Measured, String> {
    server.run("wire", &format!("drop table if exists people; {REFERENCE}"));
    let mut command = Command::new("psql");
    command
        .args(["--no-psqlrc", "--quiet", "--command"])
        .arg(format!("\\copy people from '{}'", text.display()));
    run(command.arg(postgres_url(server)))
}

/// Measures reading the rows without doing anything with them.
fn quick(server: &MariaDb) -> Result<Measured, String> {
    let mut client = server.client("mariadb");
    let client =
        client.args(["--quick", "--batch", "--skip-column-names", "-e", "select * from wire.people"]);
    run(Command::new("sh").arg("-c").arg(format!("{} > /dev/null", shell(client))))
}

/// A command as a shell reads it. None of its parts may contain an apostrophe.
fn shell(command: &Command) -> String {
    let parts = [command.get_program()].into_iter().chain(command.get_args());
    parts.map(|part| format!("'{}'", part.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// Returns an error unless the reference and the load by Millrace have the same rows.
fn equal(server: &PostgresServer) -> Outcome {
    let table =
        server.run("wire", "select table_name from information_schema.tables where table_schema = 'raw'");
    let names = ["public.people".to_owned(), format!("raw.{}", table.trim())];
    let [reference, ours] = names.map(|name| {
        let sql = format!(
            "select count(*), sum(hashtextextended(concat_ws('|', id, name, city, born, email, balance, seen, level), 0)::numeric) from {name}"
        );
        server.run("wire", &sql)
    });
    if reference == ours { Ok(()) } else { Err(format!("rows differ: {reference} and {ours}")) }
}

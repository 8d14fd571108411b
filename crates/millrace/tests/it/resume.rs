//! A large load of a server's table, committed in parts: whenever the run dies, the next one goes on, and no row is lost or doubled.

use std::process::Stdio;
use std::time::Instant;

use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::postgres::PostgresServer;
use serde_json::Value as Json;

use crate::millrace::{Project, binary};

const ROWS: u64 = 3000;

/// A server with orders, one in a hundred of them with a date that goes to quarantine.
fn start() -> MariaDb {
    let server = MariaDb::start(&["--log-bin", "--server-id=1"]);
    server.run(&format!(
        "create database shop; create user reader identified by 'lecteur'; grant select on shop.* to reader; use shop; set sql_mode = ''; \
         create table orders (id int primary key, total decimal(10, 2), day date, changed_at datetime not null); \
         insert into orders select seq, seq / 4, if(seq % 100 = 0, '0000-00-00', '2026-01-01'), '2026-01-01' + interval seq second \
         from seq_1_to_{ROWS};"
    ));
    server
}

fn source(stream: &str) -> String {
    format!(
        "type: mysql\nurl: \"${{CRM_URL}}\"\nconnections: 2\nrange_rows: 100\nchunk_rows: 500\nstreams:\n  orders: {{{stream}}}\n"
    )
}

fn project(server: &MariaDb) -> Project {
    let postgres = PostgresServer::shared();
    let manifest = format!(
        "name: tiny\nmax_quarantine: 5%\nenvironments:\n  dev: {{type: duckdb, path: .millrace/t.duckdb}}\n  prod: {{type: postgres, url: \"{}\"}}\n",
        postgres.url(&postgres.database())
    );
    Project::of(&[
        ("millrace.yml", manifest.as_str()),
        (".env", format!("CRM_URL=mysql://reader:lecteur@127.0.0.1:{}/shop\n", server.port()).as_str()),
        ("sources/crm.yml", &source("")),
        ("models/orders.sql", "select * from crm.orders"),
    ])
}

/// A run that dies at a point.
fn die(project: &Project, env: &str, point: &str) {
    let mut run = binary();
    run.args(["run", "--env", env, "--project"]).arg(project.path()).env("MILLRACE_FAULT", point);
    let ended = run.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("the binary starts");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(6), "nothing comes by `{point}`");
}

/// Rows that the run loaded, those in the table, those in quarantine of this run, and the moments.
fn loaded(summary: &Json) -> [u64; 4] {
    ["rows_loaded", "rows_in_table", "rows_quarantined", "moments"]
        .map(|key| summary["streams"][0][key].as_u64().expect("a number"))
}

fn unfinished(project: &Project, env: &str) -> u64 {
    let rows = project.rows_in(env, "select count(*), coalesce(sum(row_count), 0) from _millrace.unfinished");
    assert!(rows[0][0] == "0" || rows[0][0] == "1", "{rows:?}");
    rows[0][1].parse().expect("a number")
}

/// What is published is what the source has, every row once; what could not be loaded is in quarantine once, and nothing else is left.
fn assert_whole(server: &MariaDb, project: &Project, env: &str) {
    let sums = "select count(*), count(distinct id), cast(sum(id) as varchar), cast(sum(total) as varchar) from orders";
    let expected = server.run(
        "select concat_ws('|', count(*), count(distinct id), sum(id), sum(total)) from shop.orders where day <> 0",
    );
    assert_eq!(project.rows_in(env, sums)[0].join("|"), expected.trim(), "{env}");
    let refused = server.run("select count(*) from shop.orders where day = 0");
    let quarantined = "select count(*), count(distinct raw) from _millrace.quarantine";
    assert_eq!(project.rows_in(env, quarantined), [[refused.trim(), refused.trim()]], "{env}");
    assert_eq!(unfinished(project, env), 0);
    // What is no longer needed goes when a run begins, or ends.
    project.run_json(0, &["--env", env, "--full-refresh"]);
    let tables = "select count(*) from information_schema.tables where table_schema = 'raw'";
    assert_eq!(project.rows_in(env, tables), [["1"]], "{env}");
}

#[test]
fn a_load_goes_on_where_it_died() {
    let server = start();
    let project = project(&server);
    for env in ["dev", "prod"] {
        // Nothing was committed: all is read anew.
        die(&project, env, "part-rows-written");
        assert_eq!(unfinished(&project, env), 0);
        // One part, and then another one.
        die(&project, env, "part-committed");
        let first = unfinished(&project, env);
        assert!((450..1000).contains(&first), "{first}");
        die(&project, env, "part-committed");
        let second = unfinished(&project, env);
        assert!(second > first + 400 && second < 2000, "{second}");
        let ended = project.run(&["run", "--json", "--env", env]);
        let [rows, in_table, quarantined, moments] = loaded(&ended.json());
        assert_eq!((rows, in_table, quarantined, moments), (2970 - second, 2970, 30, 3), "{}", ended.stderr);
        assert!(ended.stderr.contains("warning[several-moments]"), "{}", ended.stderr);
        let status = project.run(&["status", "--env", env]);
        assert!(status.stdout.contains("the rows of crm.orders are of 3 moments"), "{}", status.stdout);
        assert_whole(&server, &project, env);
        let status = project.run(&["status", "--env", env]);
        assert!(!status.stdout.contains("moments"), "{}", status.stdout);
        // While a load goes on, readers see what was published.
        die(&project, env, "part-committed");
        assert_eq!(project.rows_in(env, "select count(*) from orders"), [["2970"]]);
        assert_eq!(loaded(&project.run_json(0, &["--env", env]))[3], 2);
        assert_whole(&server, &project, env);
    }
}

#[test]
fn a_load_that_is_another_one_begins_anew() {
    let server = start();
    let project = project(&server);
    for env in ["dev", "prod"] {
        let run = |sql: &str| server.run(&format!("use shop; set sql_mode = ''; {sql}"));
        die(&project, env, "part-committed");
        assert_eq!(loaded(&project.run_json(0, &["--env", env, "--full-refresh"])), [2970, 2970, 30, 1]);
        assert_whole(&server, &project, env);
        // Other settings.
        die(&project, env, "part-committed");
        project.write("sources/crm.yml", source("exclude_columns: [changed_at]"));
        assert_eq!(loaded(&project.run_json(0, &["--env", env])), [2970, 2970, 30, 1]);
        project.write("sources/crm.yml", source(""));
        // Another column.
        die(&project, env, "part-committed");
        run("alter table orders add column note varchar(9)");
        assert_eq!(loaded(&project.run_json(0, &["--env", env])), [2970, 2970, 30, 1]);
        run("alter table orders drop column note");
        // Another key, by which nothing can be told apart that has been read.
        die(&project, env, "part-committed");
        run("alter table orders drop primary key, add primary key (changed_at, id)");
        assert_eq!(loaded(&project.run_json(0, &["--env", env])), [2970, 2970, 30, 1]);
        run("alter table orders drop primary key, add primary key (id)");
        assert_whole(&server, &project, env);
        // One moment, or nothing, and no value of an excluded key in the state: no part is ever committed.
        let stream = if env == "dev" { "moment: required" } else { "exclude_columns: [id]" };
        project.write("sources/crm.yml", source(stream));
        let mut whole = binary();
        whole.args(["run", "--json", "--env", env, "--project"]).arg(project.path());
        let ended = whole.env("MILLRACE_FAULT", "part-committed").output().expect("the binary starts");
        assert_eq!(ended.status.code(), Some(0));
        assert_eq!(unfinished(&project, env), 0);
        assert_eq!(project.rows_in(env, "select count(*) from orders"), [["2970"]]);
        project.write("sources/crm.yml", source(""));
    }
}

#[test]
fn a_growing_table_is_whole_after_the_next_load() {
    let server = start();
    let project = project(&server);
    project
        .write("sources/crm.yml", source("mode: incremental, cursor: changed_at, lag: 1m, deletes: ignore"));
    for (env, month) in [("dev", "2026-02"), ("prod", "2026-03")] {
        server.run("delete from shop.orders where id > 100000");
        die(&project, env, "part-committed");
        // Rows that were read, and rows that were not, change; some come.
        server.run(&format!(
            "use shop; update orders set total = total + 1, changed_at = '{month}-01 00:00:00' + interval id second where id % 10 = 1; \
             insert into orders select 100000 + seq, 5, '2026-01-01', '{month}-02' from seq_1_to_50"
        ));
        let [_, _, _, moments] = loaded(&project.run_json(0, &["--env", env]));
        assert_eq!(moments, 2);
        assert_eq!(project.run_json(0, &["--env", env])["status"], "succeeded", "it reads what has changed");
        let sums = "select count(*), cast(sum(id) as varchar), cast(sum(total) as varchar) from orders";
        let expected = server
            .run("select concat_ws('|', count(*), sum(id), sum(total)) from shop.orders where day <> 0");
        assert_eq!(project.rows_in(env, sums)[0].join("|"), expected.trim(), "{env}");
        assert_eq!(project.run_json(0, &["--env", env])["status"], "unchanged");
        // A refresh that dies leaves nothing behind once the table is loaded in another way.
        let refused = "select count(*) from _millrace.quarantine";
        let before = project.rows_in(env, refused);
        let mut run = binary();
        run.args(["run", "--full-refresh", "--env", env, "--project"]).arg(project.path());
        run.env("MILLRACE_FAULT", "part-committed").stdout(Stdio::null()).stderr(Stdio::null());
        assert_eq!(run.status().expect("the binary starts").code(), None);
        assert!(unfinished(&project, env) > 0);
        server.run(&format!("insert into shop.orders values (200000, 5, '2026-01-01', '{month}-03')"));
        assert_eq!(loaded(&project.run_json(0, &["--env", env]))[3], 1);
        assert_eq!((unfinished(&project, env), project.rows_in(env, refused)), (0, before));
    }
}

/// Runs are killed at moments spread over the whole of a load, until one comes to its end by itself.
#[test]
fn killed_again_and_again_a_load_ends_whole() {
    let server = start();
    server.run("use shop; insert into orders select seq, seq / 4, '2026-01-01', '2026-01-01' from seq_10001_to_30000");
    let project = project(&server);
    for env in ["dev", "prod"] {
        let started = Instant::now();
        project.run_json(0, &["--env", env]);
        let length = started.elapsed();
        let mut random = fastrand::Rng::with_seed(u64::from(std::process::id()));
        let mut parts = 0;
        for kill in 0..8 {
            let mut run = binary();
            run.args(["run", "--env", env, "--project"]).arg(project.path());
            let mut run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
            std::thread::sleep(length.mul_f64(0.2 + 0.6 * random.f64()));
            run.kill().expect("a signal");
            run.wait().expect("it ends");
            parts += u32::from(unfinished(&project, env) > 0);
            assert!(project.rows_in(env, "select count(*) from orders") == [["22970"]], "kill {kill}");
        }
        println!("{parts} of 8 kills left a part in {env}");
        project.run_json(0, &["--env", env]);
        assert_whole(&server, &project, env);
    }
}

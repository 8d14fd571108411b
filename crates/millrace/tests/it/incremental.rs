//! A server's table that is read only as far as it has grown, into both warehouses.

use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::postgres::PostgresServer;
use serde_json::Value as Json;

use crate::millrace::{Project, notices};

const SOURCE: &str = "type: mysql\nurl: \"${CRM_URL}\"\nstreams:\n  orders: {mode: incremental, cursor: changed_at, lag: 10m}\n";

fn project(server: &MariaDb) -> Project {
    let postgres = PostgresServer::shared();
    let manifest = format!(
        "name: tiny\nenvironments:\n  dev: {{type: duckdb, path: .millrace/t.duckdb}}\n  prod: {{type: postgres, url: \"{}\"}}\n",
        postgres.url(&postgres.database())
    );
    Project::of(&[
        ("millrace.yml", manifest.as_str()),
        (".env", format!("CRM_URL=mysql://reader:lecteur@127.0.0.1:{}/shop\n", server.port()).as_str()),
        ("sources/crm.yml", SOURCE),
        ("models/orders.sql", "select * from crm.orders"),
    ])
}

/// Rows that the run loaded, and those in the table.
fn loaded(summary: &Json) -> (u64, u64) {
    let stream = &summary["streams"][0];
    (stream["rows_loaded"].as_u64().expect("a number"), stream["rows_in_table"].as_u64().expect("a number"))
}

#[test]
fn a_table_is_read_as_far_as_it_has_grown() {
    let server = MariaDb::start(&[]);
    server.run(
        "create database shop; create user reader identified by 'lecteur'; grant select on shop.* to reader; use shop; \
         create table orders (id int primary key, total decimal(10, 2), changed_at datetime not null, day date); \
         insert into orders select seq, seq / 4, '2026-01-01' + interval seq minute, '2026-01-01' from seq_1_to_1000;",
    );
    let project = project(&server);
    let run = |sql: &str| server.run(&format!("use shop; {sql}"));
    for env in ["dev", "prod"] {
        let go = || project.run_json(0, &["--env", env]);
        let seen = |sql: &str| project.rows_in(env, sql);
        run("delete from orders where id > 1000; update orders set total = 0.25 where id = 1");
        assert_eq!(loaded(&go()), (1000, 1000));
        let plan = project.run(&["plan", "--env", env]);
        assert!(plan.stdout.contains("nothing is new"), "{}", plan.stdout);
        assert_eq!(go()["status"], "unchanged");
        // A new row, a changed one, and one that was committed late.
        run("insert into orders values (1001, 7.10, '2026-02-01', '2026-02-01'); \
             update orders set total = 99, changed_at = '2026-02-01 00:00:01' where id = 1");
        assert_eq!(loaded(&go()), (12, 1001), "ten minutes of rows, and what is new");
        run("insert into orders values (1002, 8, '2026-01-31 23:59:00', null)");
        assert_eq!(loaded(&go()), (3, 1002));
        let sums = "select count(*), cast(sum(total) as varchar) from orders";
        let expected = run("select concat(count(*), '|', sum(total)) from orders");
        assert_eq!(seen(sums)[0].join("|"), expected.trim());
        // A column comes: the rows that are there have values in it, too.
        run("alter table orders add column note varchar(9) default 'x'");
        assert_eq!(loaded(&go()), (1002, 1002));
        assert_eq!(seen("select count(*) from orders where note = 'x'"), [["1002"]]);
        run("alter table orders drop column note; update orders set changed_at = '2026-01-01' where id = 1");
        // What is loaded anew has lost what was deleted.
        run("delete from orders where id = 2");
        assert_eq!(loaded(&project.run_json(0, &["--env", env, "--full-refresh"])), (1001, 1001));
        run("insert into orders values (2, 0.5, '2026-01-01 00:02:00', '2026-01-01')");
    }
}

#[test]
fn what_cannot_be_read_so_is_said_before_a_run() {
    let server = MariaDb::start(&[]);
    server.run(
        "create database shop; create user reader identified by 'lecteur'; grant select on shop.* to reader; use shop; \
         create table orders (id int, changed_at datetime)",
    );
    let project = project(&server);
    let checked = project.run(&["check"]);
    assert!(checked.stderr.contains("warning[deletes-unseen]"), "{}", checked.stderr);
    let keyless = project.run(&["run"]);
    assert_eq!(keyless.code, 4, "{}", keyless.stderr);
    assert!(keyless.stderr.contains("it has none"), "{}", keyless.stderr);
    project.write("sources/crm.yml", SOURCE.replace("lag: 10m", "lag: 10m, key: [id], deletes: ignore"));
    let checked = project.run(&["check"]);
    assert_eq!((checked.code, checked.stderr.contains("deletes-unseen")), (0, false), "{}", checked.stderr);
    project.write("sources/crm.yml", SOURCE.replace("cursor: changed_at, ", ""));
    let checked = project.run(&["check"]);
    assert!(checked.stderr.contains("needs a `cursor`"), "{}", checked.stderr);
    let files = "type: ndjson\npath: data/n.ndjson\nstreams: {n: {key: [id], mode: incremental}}\n";
    project.write("sources/files.yml", files);
    let checked = project.run(&["check"]);
    assert!(checked.stderr.contains("this type of source has no `mode: incremental`"), "{}", checked.stderr);
}

#[test]
fn a_row_that_is_ahead_is_told_and_read_when_anything_is_new() {
    let server = MariaDb::start(&[]);
    server.run(
        "create database shop; create user reader identified by 'lecteur'; grant select on shop.* to reader; use shop; \
         create table orders (id int primary key, total decimal(10, 2), changed_at datetime not null); \
         insert into orders select seq, seq / 4, '2026-01-01' + interval seq minute from seq_1_to_100; \
         insert into orders values (101, 1, '2099-01-01')",
    );
    let project = project(&server);
    project.write("sources/crm.yml", SOURCE.replace("lag: 10m", "lag: 1m, deletes: ignore"));
    let run = |sql: &str| server.run(&format!("use shop; {sql}"));
    let first = project.run_json(0, &[]);
    assert_eq!(notices(&first), ["cursor-ahead"]);
    let message = first["notices"][0]["message"].as_str().expect("a message");
    assert!(
        message.starts_with("1 row of table `orders` has a `changed_at` that the server's clock"),
        "{message}"
    );
    assert_eq!(project.run_json(0, &[])["status"], "unchanged");
    // It is looked at, too: a change of it is news.
    run("update orders set total = 2 where id = 101");
    assert_eq!(project.run_json(0, &[])["status"], "succeeded");
    assert_eq!(project.value("select cast(total as varchar) from orders where id = 101"), "2.00");
    run("insert into orders values (102, 3, '2026-01-01 01:40:30')");
    let second = project.run_json(0, &[]);
    assert_eq!(
        (second["streams"][0]["rows_loaded"].as_u64(), notices(&second)),
        (Some(3), vec!["cursor-ahead"])
    );
    // Mended, it is a row like others.
    run("update orders set changed_at = '2026-01-01 01:41:00' where id = 101");
    let third = project.run_json(0, &[]);
    assert!(notices(&third).is_empty(), "{third}");
    assert_eq!(project.run_json(0, &[])["status"], "unchanged");
}

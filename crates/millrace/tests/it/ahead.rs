//! Rows that are dated ahead of the server's clock hide no others: whatever was written or changed comes with the next run.

use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::postgres::PostgresServer;
use serde_json::Value as Json;

use crate::millrace::Project;

const SOURCE: &str = "type: mysql\nurl: \"${CRM_URL}\"\nstreams:\n  orders: {mode: incremental, cursor: changed_at, lag: 1m, deletes: ignore}\n";

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

fn codes(summary: &Json) -> Vec<&str> {
    let notices = summary["notices"].as_array().expect("notices").iter();
    notices.map(|notice| notice["code"].as_str().expect("a code")).collect()
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
    let run = |sql: &str| server.run(&format!("use shop; {sql}"));
    let first = project.run_json(0, &[]);
    assert_eq!(codes(&first), ["cursor-ahead"]);
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
        (second["streams"][0]["rows_loaded"].as_u64(), codes(&second)),
        (Some(3), vec!["cursor-ahead"])
    );
    // Mended, it is a row like others.
    run("update orders set changed_at = '2026-01-01 01:41:00' where id = 101");
    let third = project.run_json(0, &[]);
    assert!(codes(&third).is_empty(), "{third}");
    assert_eq!(project.run_json(0, &[])["status"], "unchanged");
}

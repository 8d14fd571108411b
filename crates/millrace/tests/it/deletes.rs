//! Rows that a server's table has no more, found by comparing keys, in both warehouses.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::postgres::PostgresServer;
use serde_json::{Value as Json, json};

use crate::millrace::Project;
use crate::server::Server;

const SOURCE: &str = "type: mysql\nurl: \"${CRM_URL}\"\ndefaults: {deletes: reconcile}\nstreams:\n  \
     items: {mode: incremental, cursor: changed_at, lag: 1m}\n  \
     days: {mode: upsert, key: [day]}\n  \
     people: {mode: upsert, key: [email], mask: {email: hash}}\n  \
     rates: {mode: full}\n";

/// A composite key with a text of a collation that takes `A` and `a` for the same, one of dates, and one that is masked.
const TABLES: &str = "create database shop; create user reader identified by 'lecteur'; grant select on shop.* to reader; use shop; \
     create table items (order_id int zerofill, line varchar(20) collate utf8mb4_general_ci, n int, changed_at datetime not null, primary key (order_id, line)); \
     create table days (day date primary key, n int); create table people (email varchar(40) primary key); create table rates (id int primary key); \
     insert into items select seq div 3, concat('Ligne é ', seq % 3), seq, '2026-01-01' + interval seq second from seq_1_to_9000; \
     insert into days select '2026-01-01' + interval seq day, seq from seq_1_to_100; \
     insert into people select concat('p', seq, '@example.fr') from seq_1_to_100; insert into rates values (1), (2);";

fn project(server: &MariaDb) -> Project {
    let postgres = PostgresServer::shared();
    let manifest = format!(
        "name: tiny\nmask_salt: \"${{SALT}}\"\nenvironments:\n  dev: {{type: duckdb, path: .millrace/t.duckdb}}\n  prod: {{type: postgres, url: \"{}\"}}\n",
        postgres.url(&postgres.database())
    );
    Project::of(&[
        ("millrace.yml", manifest.as_str()),
        (
            ".env",
            format!(
                "SALT=0123456789abcdef\nCRM_URL=mysql://reader:lecteur@127.0.0.1:{}/shop\n",
                server.port()
            )
            .as_str(),
        ),
        ("sources/crm.yml", SOURCE),
        ("models/items.sql", "select order_id, line, n from crm.items"),
        ("models/days.sql", "select day from crm.days"),
        ("models/people.sql", "select email from crm.people"),
    ])
}

/// Rows that the run removed, by stream.
fn removed(summary: &Json) -> Vec<(&str, u64)> {
    let streams = summary["streams"].as_array().expect("streams").iter();
    let removed = |stream: &Json| stream["rows_removed"].as_u64().expect("a number");
    streams
        .filter(|stream| removed(stream) > 0)
        .map(|stream| (stream["stream"].as_str().expect("a name"), removed(stream)))
        .collect()
}

#[test]
fn rows_whose_keys_are_gone_are_removed() {
    let server = MariaDb::start(&[]);
    server.run(TABLES);
    let project = project(&server);
    let checked = project.run(&["check"]);
    assert!(!checked.stderr.contains("deletes-unseen"), "{}", checked.stderr);
    let run = |sql: &str| server.run(&format!("use shop; {sql}"));
    for environment in ["dev", "prod"] {
        let go = || project.run_json(0, &["--env", environment]);
        let seen = |sql: &str| project.rows_in(environment, sql)[0].join("|");
        assert_eq!(removed(&go()), []);
        let again = go();
        assert_eq!((again["streams"][1]["status"].as_str(), removed(&again)), (Some("unchanged"), vec![]));
        // Where sums are the same nothing is read; dates have none.
        let said = project.run(&["run", "--env", environment]).stderr;
        assert!(said.contains("deletes of crm.days") && !said.contains("deletes of crm.items"), "{said}");
        // One key to another letter case, which the server takes for the same; some gone; one committed too late to be seen, and one that
        // cannot be loaded.
        run(
            "delete from items where order_id between 100 and 101; update items set line = upper(line) where order_id = 7 and line like '%1'; \
             set sql_mode = ''; insert into items values (90000, 'x', 1, '2020-01-01'), (90001, 'y', 1, '0000-00-00'); \
             delete from days where n % 10 = 0; delete from people where email like 'p1%'",
        );
        let after = go();
        assert_eq!(removed(&after), [("crm.days", 10), ("crm.items", 7), ("crm.people", 12)], "{after}");
        // What came too late is read by its key.
        let expected = run("select concat(count(*), '|', sum(n)) from items where order_id <> 90001");
        assert_eq!(seen("select count(*), sum(n) from items"), expected.trim());
        assert_eq!(seen("select count(*) from items where order_id = 7 and line = 'LIGNE É 1'"), "1");
        let items = &after["streams"][1];
        assert_eq!((&items["stream"], &items["rows_loaded"]), (&json!("crm.items"), &json!(2)), "{after}");
        assert_eq!(
            (seen("select count(*) from days"), seen("select count(*) from people")),
            ("90".into(), "88".into())
        );
        // The one that cannot be loaded is in quarantine, once, and nobody reads anything new for it.
        let again = go();
        assert_eq!(
            (removed(&again), &again["streams"][1]["status"]),
            (vec![], &json!("unchanged")),
            "{again}"
        );
        let said = project.run(&["run", "--env", environment]).stderr;
        assert!(said.contains("0 rows removed, 1 in quarantine"), "{said}");
        let quarantined = "select count(*) from _millrace.quarantine where stream = 'items'";
        assert_eq!(seen(quarantined), "1");
        let plan = project.run(&["plan", "--env", environment]);
        assert!(plan.stdout.contains("rows that its source has deleted are looked for"), "{}", plan.stdout);

        // Keys that are masked nobody can ask for.
        let masked = SOURCE.replace("lag: 1m", "lag: 1m, mask: {line: hash}");
        project.write("sources/crm.yml", &masked);
        assert_eq!(removed(&go()), []);
        run(
            "delete from items where order_id = 90001; insert into items values (90002, 'z', 1, '2020-01-01')",
        );
        let said = project.run(&["run", "--env", environment]).stderr;
        let words = "0 rows removed, 1 of the source not here (`millrace run --full-refresh` reads all)";
        assert!(said.contains(words), "{said}");
        project.run_json(0, &["--env", environment, "--full-refresh"]);
        assert_eq!(seen("select count(*) from items where order_id = 90002"), "1");
        project.write("sources/crm.yml", SOURCE);
        go();

        // All of a table, and at a cadence of its own.
        run("delete from items where order_id < 1500");
        assert!(removed(&go()).iter().any(|(stream, rows)| *stream == "crm.items" && *rows > 4000));
        project.write("sources/crm.yml", SOURCE.replace("reconcile}", "reconcile, reconcile_every: 1d}"));
        run("delete from items where order_id = 2000");
        assert_eq!(removed(&go()), [], "compared less than a day ago");
        let alone = "type: mysql\nurl: \"${CRM_URL}\"\nstreams: {items: {mode: incremental, cursor: changed_at, lag: 1m, deletes: reconcile}, days: {}, people: {}}\n";
        project.write("sources/crm.yml", alone);
        for model in ["days", "people"] {
            project.write(&format!("models/{model}.sql"), "select 1 as one");
        }
        let last = go();
        assert_eq!((removed(&last), &last["status"]), (vec![("crm.items", 3)], &json!("succeeded")));
        assert_eq!(
            (last["streams"][1]["stream"].as_str(), &last["streams"][1]["rows_loaded"]),
            (Some("crm.items"), &json!(0))
        );
        assert_eq!(go()["status"], "unchanged");
        project.write("models/days.sql", "select day from crm.days");
        project.write("models/people.sql", "select email from crm.people");
        project.write("sources/crm.yml", SOURCE);
        run("drop table items; drop table days; drop table people; drop table rates");
        server.run(&TABLES[TABLES.find("create table").expect("tables")..].replacen(
            "create table",
            "use shop; create table",
            1,
        ));
    }
    let project = self::project(&server);
    project.write("sources/crm.yml", SOURCE.replace("reconcile}", "reconcile, reconcile_every: daily}"));
    let checked = project.run(&["check"]);
    assert!(checked.stderr.contains("`reconcile_every` takes a length of time"), "{}", checked.stderr);
    assert_eq!(checked.stderr.matches("takes a length of time").count(), 1, "{}", checked.stderr);
}

#[test]
fn rows_that_come_and_go_meanwhile_are_told_apart() {
    let server = MariaDb::start(&[]);
    server.run(TABLES);
    let project = project(&server);
    project.write(
        "sources/crm.yml",
        "type: mysql\nurl: \"${CRM_URL}\"\nstreams: {items: {mode: incremental, cursor: changed_at, lag: 1h, deletes: reconcile}}\n",
    );
    for model in ["days", "people"] {
        std::fs::remove_file(project.path().join(format!("models/{model}.sql"))).expect("it was there");
    }
    let rounds = AtomicU64::new(1);
    for environment in ["dev", "prod"] {
        project.run_json(0, &["--env", environment]);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let round = rounds.fetch_add(1, Ordering::Relaxed);
                    // New rows at the end, old ones gone from everywhere, and some that go and come back.
                    server.run(&format!(
                        "use shop; insert into items select 200000 + {round} * 100 + seq, 'new', seq, '2026-02-01' + interval {round} second from seq_1_to_50; \
                         delete from items where n = {round} * 7; \
                         begin; create temporary table kept as select * from items where order_id = 2800; \
                         delete from items where order_id = 2800; insert into items select * from kept; commit;"
                    ));
                }
            });
            let runs: Vec<_> = (0..4).map(|_| project.run_json(0, &["--env", environment])).collect();
            done.store(true, Ordering::Release);
            assert!(runs.iter().any(|run| !removed(run).is_empty()), "the writer was slower than four runs");
        });
        project.run_json(0, &["--env", environment]);
        let all = server.run("use shop; select concat(count(*), '|', sum(n), '|', sum(order_id)) from items");
        let seen = project.rows_in(environment, "select count(*), sum(n), sum(order_id) from items");
        assert_eq!(seen[0].join("|"), all.trim(), "{environment}");
    }
}

#[test]
fn a_page_says_of_which_streams_it_does_not_see_deletes() {
    let project = Project::of(&[
        ("millrace.yml", "name: tiny\nenvironments:\n  dev: {type: duckdb, path: .millrace/t.duckdb}\n"),
        (
            "sources/crm.yml",
            "type: mysql\nurl: mysql://reader@127.0.0.1:1/shop\ndefaults: {mode: incremental, cursor: at}\n\
             streams: {orders: {}, clients: {deletes: ignore}, items: {deletes: reconcile}, others: {}}\n",
        ),
        (
            "models/stg.sql",
            "select o.id from crm.orders o join crm.clients using (id) join crm.items using (id)",
        ),
        ("models/fact.sql", "select id from stg"),
        ("models/apart.sql", "select id from crm.others"),
        ("metrics/m.yml", "semantic_view: m\nbase: fact\nmetrics: {n: {sql: count(*)}}\n"),
        ("dashboards/d.yml", "dashboard: d\ntitle: D\nsemantic_view: m\nrows: [[{kpi: n}]]\n"),
    ]);
    let page = Server::start(&project).get("/api/v1/dashboards/d");
    assert_eq!(page["deletes_unseen"], json!(["crm.orders"]));
}

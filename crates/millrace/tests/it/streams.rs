//! Which streams a source file means, by name and by pattern, and which of their columns.

use millrace_testkit::mariadb::MariaDb;
use serde_json::Value as Json;

use crate::millrace::Project;

const TABLES: &str = "create database shop; create user reader identified by 'lecteur'; grant select on shop.* to reader; use shop; \
     create table orders_2025 (id int primary key, email varchar(50), card_number varchar(20)); \
     create table Orders_2026 (id int primary key, email varchar(50), card_number varchar(20)); \
     create table orders_old (id int primary key, email varchar(50), card_number varchar(20)); \
     create table clients (id int primary key); create table tbl_visits (id int primary key); create table tbl_notes (id int primary key); \
     insert into orders_2025 values (1, 'a@b.fr', '4111'); insert into Orders_2026 values (2, 'c@d.fr', '4222'); \
     insert into orders_old values (3, 'e@f.fr', '4333');";

const STREAMS: &str = "streams:\n  \"orders_*\": {exclude_columns: [card_number]}\n  \"orders_20??\": {columns: [id, email]}\n  \
     orders_old: {exclude_columns: [email]}\n  visits: {table: tbl_visits}\n  \"TBL_*\": {}\n";

fn project(server: &MariaDb, streams: &str) -> Project {
    Project::of(&[
        ("millrace.yml", "name: tiny\nenvironments:\n  dev: {type: duckdb, path: .millrace/t.duckdb}\n"),
        (".env", format!("CRM_URL=mysql://reader:lecteur@127.0.0.1:{}/shop\n", server.port()).as_str()),
        ("sources/crm.yml", format!("type: mysql\nurl: \"${{CRM_URL}}\"\n{streams}").as_str()),
        (
            "models/orders.sql",
            "select id, email from crm.orders_2025 union all select id, email from crm.orders_2026",
        ),
    ])
}

fn loaded(summary: &Json) -> Vec<&str> {
    let streams = summary["streams"].as_array().expect("streams").iter();
    streams.map(|stream| stream["stream"].as_str().expect("a name")).collect()
}

/// Columns of the raw table of a stream.
fn columns(project: &Project, stream: &str) -> Vec<String> {
    let sql = format!(
        "select column_name from information_schema.columns where table_schema = 'raw' and table_name ilike 'crm__{stream}__r%' order by 1"
    );
    project.rows(&sql).concat()
}

#[test]
fn a_pattern_stands_for_the_tables_that_match() {
    let server = MariaDb::start(&[]);
    server.run(TABLES);
    let project = project(&server, STREAMS);
    let summary = project.run_json(0, &[]);
    let expected = ["crm.Orders_2026", "crm.orders_2025", "crm.orders_old", "crm.tbl_notes", "crm.visits"];
    assert_eq!(loaded(&summary), expected, "each once, by its name where it has one");
    assert_eq!(columns(&project, "orders_2025"), ["email", "id"]);
    assert_eq!(columns(&project, "orders_old"), ["card_number", "id"]);
    assert_eq!(project.rows("select * from orders order by id"), [["1", "a@b.fr"], ["2", "c@d.fr"]]);

    // What is captured is what a pattern stands for, also where the source cannot be asked.
    assert_eq!(project.run(&["capture"]).code, 0);
    server.run("use shop; create table orders_2027 (id int primary key, email varchar(50))");
    project.write(".env", "CRM_URL=mysql://reader:lecteur@127.0.0.1:1/shop\n");
    let checked = project.run(&["check", "--json"]);
    assert_eq!((checked.code, &checked.json()["checked"]["streams"]), (0, &5.into()), "{}", checked.stderr);
    project.write("sources/crm.yml", project.read("sources/crm.yml") + "  \"invoices_*\": {}\n");
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, 2, "{}", checked.stderr);
    assert!(checked.stderr.contains("error[empty-pattern]: pattern `invoices_*` matches no stream of source `crm` in its captured schema"), "{}", checked.stderr);
    assert!(checked.stderr.contains("sources/crm.yml:9:3"), "{}", checked.stderr);

    // Capturing asks for what is there now.
    project.write(".env", format!("CRM_URL=mysql://reader:lecteur@127.0.0.1:{}/shop\n", server.port()));
    let captured = project.run(&["capture"]);
    assert!(
        captured.stderr.contains("`invoices_*` matches no stream of source `crm`"),
        "{}",
        captured.stderr
    );
    project.write("sources/crm.yml", project.read("sources/crm.yml").replace("invoices_*", "client?"));
    assert_eq!(project.run(&["capture"]).code, 0);
    let summary = project.run_json(0, &[]);
    assert_eq!(loaded(&summary).len(), 7, "{summary}");
    assert!(loaded(&summary).contains(&"crm.orders_2027") && loaded(&summary).contains(&"crm.clients"));
}

#[test]
fn a_column_that_is_not_there_is_said_at_its_place() {
    let server = MariaDb::start(&[]);
    server.run(TABLES);
    let project = project(&server, "streams: {orders_2025: {columns: [id, emial]}, orders_2026: {}}\n");
    let said = |arguments: &[&str], code: i32, words: &str| {
        let ended = project.run(arguments);
        assert_eq!(ended.code, code, "{}", ended.stderr);
        assert!(ended.stderr.contains(words), "{words}\n{}", ended.stderr);
        assert!(ended.stderr.contains("did you mean `email`?"), "{}", ended.stderr);
    };
    let words = "`columns` names `emial`, which stream `crm.orders_2025` does not have";
    said(&["check"], 2, words);
    // Without a captured schema a run asks the server only when it loads.
    said(&["run"], 4, words);
    said(&["capture"], 2, words);
    for (key, words) in [
        ("mask: {emial: hash}", "`mask` names `emial`"),
        ("exclude_columns: [emial]", "`exclude_columns` names `emial`"),
    ] {
        let source = format!(
            "type: mysql\nurl: \"${{CRM_URL}}\"\nstreams: {{orders_2025: {{{key}}}, orders_2026: {{}}}}\n"
        );
        project.write("sources/crm.yml", source);
        project.write(
            "millrace.yml",
            project.read("millrace.yml").replace("mask_salt: \"${SALT}\"\n", "") + "mask_salt: \"${SALT}\"\n",
        );
        project.write(
            ".env",
            format!(
                "SALT=0123456789abcdef\nCRM_URL=mysql://reader:lecteur@127.0.0.1:{}/shop\n",
                server.port()
            ),
        );
        said(&["check"], 2, words);
        said(&["run"], 4, words);
    }
    project.write("sources/crm.yml", "type: mysql\nurl: \"${CRM_URL}\"\nstreams: {orders_2025: {columns: [id], exclude_columns: [email]}}\n");
    let both = project.run(&["check"]);
    assert!(both.stderr.contains("`columns` and `exclude_columns` stand together"), "{}", both.stderr);
    assert!(both.stderr.contains("sources/crm.yml:3:57"), "{}", both.stderr);
}

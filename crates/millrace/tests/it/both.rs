//! The same project in both warehouses, read from a live server: the same figures, digit for digit.

use serde_json::{Value as Json, json};

use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::postgres::{PgBouncer, PostgresServer};

use crate::millrace::{Project, command, copy};
use crate::server::Server;

const PUBLISHED: [&str; 5] = ["fact_orders", "fact_payments", "dim_clients", "dim_products", "dim_date"];

/// Gives a project a second environment `prod` in a database of its own.
pub(crate) fn with_prod(project: &Project, url: &str) {
    let manifest = project.read("millrace.yml");
    let dev = "  dev: {type: duckdb, path: .millrace/shop.duckdb}\n";
    assert!(manifest.contains(dev), "{manifest}");
    project.write(
        "millrace.yml",
        manifest.replace(dev, &format!("{dev}  prod: {{type: postgres, url: \"{url}\"}}\n")),
    );
}

/// Loads the clients of a project into a server, from the dump that the project brings, and makes the project read them there.
fn with_live_clients(project: &Project, server: &MariaDb) {
    server.run(
        "create database shop; create user reader identified by 'lecteur'; grant select on shop.* to reader;",
    );
    // The dump is one of MySQL 8, whose default collation MariaDB does not have.
    let dump = project.read("data/crm.sql").replace("utf8mb4_0900_ai_ci", "utf8mb4_general_ci");
    server.run(&format!("use shop;\n{dump}"));
    std::fs::remove_file(project.path().join("data/crm.sql")).expect("it was there");
    project.write(
        "sources/crm.yml",
        "source: crm\ntype: mysql\nurl: \"${CRM_URL}\"\nstreams:\n  clients: {key: [ClientID]}\n",
    );
    project.write(".env", format!("CRM_URL=mysql://reader:lecteur@127.0.0.1:{}/shop\n", server.port()));
}

/// All rows of a published table, as the program says them, in an order of their own.
fn table(project: &Project, env: &str, table: &str) -> (Json, Vec<String>) {
    let ended = project.run(&[
        "query",
        "--json",
        "--env",
        env,
        "--limit",
        "10000000",
        &format!("select * from {table}"),
    ]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let answer = ended.json();
    assert_eq!(answer["truncated"], false);
    let mut rows: Vec<String> =
        answer["rows"].as_array().expect("rows").iter().map(Json::to_string).collect();
    rows.sort_unstable();
    (answer["columns"].clone(), rows)
}

fn assert_equal_tables(project: &Project) {
    for name in PUBLISHED {
        let (dev, prod) = (table(project, "dev", name), table(project, "prod", name));
        assert!(!dev.1.is_empty(), "{name} is empty");
        let names = |columns: &Json| {
            columns.as_array().expect("columns").iter().map(|c| c["name"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&dev.0), names(&prod.0), "{name}");
        let differs = dev.1.iter().zip(&prod.1).find(|(one, other)| one != other);
        assert_eq!(differs, None, "{name}");
        assert_eq!(dev.1.len(), prod.1.len(), "{name}");
    }
}

/// Everything that a page of the shop shows, line by line, without what is the moment's.
fn page(server: &Server) -> Vec<String> {
    let mut lines: Vec<String> = server
        .page("sales", &json!({"range": "all"}))
        .into_iter()
        .skip(1)
        .map(|mut line| {
            if let Some(line) = line.as_object_mut() {
                line.remove("duration_ms");
                line.remove("cached");
            }
            line.to_string()
        })
        .collect();
    lines.sort_unstable();
    lines
}

#[test]
fn the_shop_from_a_live_server_in_both_warehouses() {
    let (mariadb, postgres) = (MariaDb::start(&[]), PostgresServer::shared());
    let project = Project::shop();
    with_live_clients(&project, &mariadb);
    with_prod(&project, &postgres.url(&postgres.database()));
    for env in ["dev", "prod"] {
        let summary = project.run_json(0, &["--env", env]);
        assert_eq!((&summary["status"], &summary["data_version"]), (&json!("succeeded"), &json!(1)), "{env}");
        // The figures of README.md, which `shop.rs` works out from the files.
        let sum =
            |filter: &str| project.rows_in(env, &format!("select sum(amount) from fact_orders {filter}"));
        assert_eq!(sum(""), [["1452.08"]], "{env}");
        assert_eq!(sum("where status <> 'Annulee'"), [["1190.13"]], "{env}");
        assert_eq!(project.rows_in(env, "select count(*) from fact_orders"), [["20"]], "{env}");
    }
    assert_equal_tables(&project);
    let pages = ["dev", "prod"].map(|env| {
        let server = Server::start_in(&project, env);
        let all = json!({"semantic_view": "sales", "metrics": ["revenue", "orders"], "range": "all"});
        assert_eq!(server.metrics(&all)["result"]["data"], json!([["1190.13"], [20]]), "{env}");
        page(&server)
    });
    assert_eq!(pages[0], pages[1]);
    // Nothing is new in files; the live server is read again, and gives the same.
    let again = project.run_json(0, &["--env", "prod"]);
    assert_eq!(
        again["streams"].as_array().expect("streams").iter().filter(|s| s["status"] == "unchanged").count(),
        3
    );
}

#[test]
fn a_shop_with_faults_is_the_same_in_both_also_through_a_pooler() {
    let postgres = PostgresServer::shared();
    let pooler = PgBouncer::start(postgres, 4);
    let made = Project::empty();
    let dir = made.path().to_str().expect("a path in text");
    assert_eq!(command(&["demo", dir, "--orders", "5000", "--no-serve"]).code, 0);
    let project = Project::empty();
    copy(made.path(), project.path());
    with_prod(&project, &pooler.url(&postgres.database()));
    for env in ["dev", "prod"] {
        assert_eq!(project.run_json(0, &["--env", env])["status"], "succeeded", "{env}");
    }
    assert_equal_tables(&project);
    let quarantine = |env: &str| {
        project.rows_in(env, "select file, line, column_name, code, reason, raw_sha256 from _millrace.quarantine order by 1, 2, 3")
    };
    assert_eq!(quarantine("dev"), quarantine("prod"));
    assert!(!quarantine("dev").is_empty());
}

//! Names of loaded columns as the source spells them, in models that do not quote them, in both warehouses.

use millrace_testkit::postgres::PostgresServer;
use serde_json::json;

use crate::millrace::Project;
use crate::server::Server;

const ROWS: &str = "ClientID,Nom,total\n1,Ana,2.50\n2,Bo,3.25\n2,Bo,1.00\n";

fn project(files: &[(&str, &str)]) -> Project {
    let postgres = PostgresServer::shared();
    let manifest = format!(
        "name: tiny\nnaming: source\nenvironments:\n  dev: {{type: duckdb, path: .millrace/t.duckdb}}\n  prod: {{type: postgres, url: \"{}\"}}\n",
        postgres.url(&postgres.database())
    );
    let project = Project::of(&[
        ("millrace.yml", manifest.as_str()),
        ("sources/files.yml", "type: csv\npath: data/n.csv\nstreams: {clients: {}}\n"),
        ("data/n.csv", ROWS),
    ]);
    for (path, text) in files {
        project.write(path, text);
    }
    project
}

#[test]
fn unquoted_names_are_found_whatever_their_case() {
    let project = project(&[
        (
            "models/stg.sql",
            "select ClientID, c.NOM, Total from files.clients as c where clientid > 0 order by nom",
        ),
        // A name that the text gives means what it says.
        (
            "models/sums.sql",
            "with s as (select clientid as id, sum(total) as total from stg group by ClientID) select s.id, s.total, st.\"Nom\" from s join (select distinct ClientID, nom from stg) st on st.clientid = s.id join (select ClientID from stg group by 1) u using (CLIENTID)",
        ),
    ]);
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    for environment in ["dev", "prod"] {
        project.run_json(0, &["--env", environment]);
        let rows = project.rows_in(environment, "select id, total, \"Nom\" from sums order by id");
        assert_eq!(rows, [["1", "2.50", "Ana"], ["2", "4.25", "Bo"]], "{environment}");
        let sql = "select column_name from information_schema.columns where table_schema = 'publish' and table_name = 'stg' order by ordinal_position";
        assert_eq!(project.rows_in(environment, sql).concat(), ["ClientID", "Nom", "total"], "{environment}");
    }
}

#[test]
fn tests_indexes_and_metrics_find_columns_whatever_their_case() {
    let project = project(&[
        (
            "sources/files.yml",
            "type: csv\nstreams: {orders: {path: data/orders.csv}, clients: {path: data/clients.csv}}\n",
        ),
        (
            "data/orders.csv",
            "OrderID,ClientID,Montant,Jour\n1,1,2.50,2026-01-01\n2,2,3.25,2026-01-02\n3,2,1.00,2026-02-01\n",
        ),
        ("data/clients.csv", "ClientID,Nom\n1,Ana\n2,Bo\n"),
        ("models/fact.sql", "select * from files.orders"),
        ("models/dim.sql", "select * from files.clients"),
        (
            "models/m.yml",
            "models:\n  - name: fact\n    indexes: [[montant, JOUR]]\n    columns:\n      \
             - {name: orderid, description: Its number, data_tests: [not_null, unique]}\n      \
             - {name: CLIENTID, data_tests: [{relationships: {to: ref('dim'), field: clientid}}]}\n      \
             - {name: montant, data_tests: [{accepted_values: {values: [\"2.50\", \"3.25\"], config: {severity: warn}}}]}\n",
        ),
        (
            "metrics/sales.yml",
            "semantic_view: sales\nbase: fact\ntime: jour\njoins: [{to: dim, on: clientid, cardinality: many_to_one}]\n\
             dimensions: {name: {column: dim.NOM}}\n\
             metrics:\n  amount: {sql: sum(montant), where: \"MONTANT > 0 and dim.nom <> 'montant'\"}\n  mean: {sql: avg(Montant)}\n",
        ),
    ]);
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    for environment in ["dev", "prod"] {
        let run = project.run_json(0, &["--env", environment]);
        let tests = run["tests"].as_array().expect("tests").iter();
        let found: Vec<_> = tests.map(|test| (test["test"].as_str(), test["rows"].as_u64())).collect();
        assert!(found.contains(&(Some("accepted_values(fact.montant)"), Some(1))), "{found:?}");
        assert!(found.contains(&(Some("unique(dim.clientid)"), Some(0))), "{found:?}");
        assert_eq!(found.iter().map(|(_, rows)| rows.unwrap_or(9)).sum::<u64>(), 1, "{found:?}");
        let rows = project.run(&["status", "--env", environment, "--rows", "--json"]).json();
        assert!(rows.to_string().contains("\"1.00\""), "{rows}");
        let server = Server::start_in(&project, environment);
        let by_name = json!({"semantic_view": "sales", "metrics": ["amount", "mean"], "dimensions": ["name"], "range": "all"});
        let answer = server.metrics(&by_name);
        let data = &answer["result"]["data"];
        assert_eq!((&data[0], &data[1]), (&json!(["Ana", "Bo"]), &json!(["2.50", "4.25"])), "{answer}");
        let by_month = json!({"semantic_view": "sales", "metrics": ["amount"], "dimensions": ["jour"], "grain": "month", "range": "all"});
        let answer = server.metrics(&by_month);
        assert_eq!(answer["result"]["data"][1], json!(["5.75", "1.00"]), "{answer}");
    }
    let about = "select string_agg(indexdef, ' ') as i from pg_indexes where schemaname = 'build' and tablename like 'fact%'";
    let indexes = project.rows_in("prod", about).concat().concat();
    for columns in ["(\"OrderID\")", "(\"Montant\", \"Jour\")", "(\"Jour\")"] {
        assert!(indexes.contains(columns), "{columns}: {indexes}");
    }
    let described = "select count(*) from pg_catalog.pg_description where description = 'Its number'";
    assert_eq!(project.rows_in("prod", described), [["1"]]);
    // A table that is not built again keeps its columns.
    project.write("data/clients.csv", "ClientID,Nom\n1,Anna\n2,Bo\n");
    let run = project.run_json(0, &["--env", "prod"]);
    assert_eq!(run["models"][1]["status"], "unchanged", "{run}");
}

#[test]
fn names_that_a_warehouse_cannot_tell_apart_or_hold_are_said_before_a_run() {
    let long = "x".repeat(64);
    let project = project(&[
        ("data/n.csv", format!("ID,id,{long}\n1,2,3\n").as_str()),
        ("models/m.sql", "select 1 as one"),
        ("models/long.sql", format!("select 1 as {long}").as_str()),
    ]);
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, 2, "{}", checked.stderr);
    for words in [
        "error[name-collision]: columns `ID` and `id` of stream `files.clients` would both be called `id`",
        "error[name-too-long]: column",
        "warning[name-too-long]: column",
        "sources/files.yml:3:11",
        "hint: Give one another name: `rename: {id: id_2}`.",
    ] {
        assert!(checked.stderr.contains(words), "{words}\n{}", checked.stderr);
    }
}

//! A run whose data test fails publishes nothing.

use millrace_testkit::postgres::PostgresServer;
use serde_json::{Value as Json, json};

use crate::millrace::Project;
use crate::owner::tiny;
use crate::server::Server;

#[test]
fn readers_keep_the_version_before() {
    let project = Project::shop();
    project.run_json(0, &[]);
    let before = project.value("select sum(amount) from fact_orders");
    // Two orders in a state that nobody knows.
    let orders = project.read("data/commandes.json");
    project.write("data/commandes.json", orders.replacen("Validee", "Perdue", 2));
    let ended = project.run(&["run", "--json"]);
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let summary = ended.json();
    assert_eq!(summary["status"], "held");
    assert_eq!(summary["data_version"], 1, "readers still see the first version");
    let failed: Vec<_> = summary["tests"]
        .as_array()
        .expect("tests")
        .iter()
        .filter(|test| test["rows"] != 0)
        .map(|t| (&t["test"], &t["rows"]))
        .collect();
    assert!(failed.contains(&(&json!("accepted_values(fact_orders.status)"), &json!(2))), "{failed:?}");
    assert!(
        ended.stderr.contains("data test `accepted_values(fact_orders.status)` failed for 2 rows"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("--> models/marts/marts.yml:"), "{}", ended.stderr);
    assert_eq!(project.value("select sum(amount) from fact_orders"), before);
    assert_eq!(project.value("select count(*) from fact_orders where status = 'Perdue'"), "0");

    // The command line says what holds it, and shows rows when it is asked to.
    let status = project.run(&["status"]);
    assert!(status.stdout.contains("held: data tests of run "), "{}", status.stdout);
    assert!(status.stdout.contains("  accepted_values(fact_orders.status)  2 rows\n"), "{}", status.stdout);
    assert!(!status.stdout.contains("Perdue") && !ended.stderr.contains("Perdue"), "rows only on demand");
    let rows = project.run(&["status", "--rows"]).stdout;
    assert!(rows.contains("accepted_values(fact_orders.status): 2 rows\n"), "{rows}");
    assert_eq!(rows.matches("Perdue").count(), 2, "{rows}");
    let one = project.run(&["status", "--rows", "1"]).stdout;
    assert!(one.contains("accepted_values(fact_orders.status): 1 of 2 rows\n"), "{one}");
    assert_eq!(one.matches("Perdue").count(), 1, "{one}");

    let server = Server::start(&project);
    let page = server.page("sales", &json!({"range": "all"}));
    assert_eq!(page[0]["data_version"], 1);
    let answer = server.get("/api/v1/project");
    assert_eq!(answer["publication"]["data_version"], 1);
    assert_eq!(answer["last_run"]["status"], "held");
    assert_eq!(answer["last_run"]["failed_tests"][0]["rows"], 2);
    assert_eq!(answer["last_result"]["held"], json!({"by": "tests"}));
    let failures = failures_of(&summary["run"], "accepted_values(fact_orders.status)");
    let found = server.get(&failures);
    assert_eq!((&found["column"], &found["total"]), (&json!("status"), &json!(2)));
    assert_eq!(column(&found, "status"), &json!(["Perdue", "Perdue"]));
    // The same through the server that has the file now.
    let there = project.run(&["status", "--rows", "--json"]).json();
    assert_eq!(there["failing"][0]["total"], 2);
    assert!(there["failing"][0].to_string().contains("Perdue"), "{there}");
    // The next run makes its own; what this one found is still counted.
    let again = project.run_json(1, &[]);
    assert_eq!(server.get(&failures_of(&again["run"], "accepted_values(fact_orders.status)"))["total"], 2);
    let (status, gone) = server.ask("GET", &failures, &[], "");
    assert_eq!(status, 410, "{gone}");
    assert!(gone.contains("\"rows-gone\"") && gone.contains("found 2"), "{gone}");
    let ledger = server.get("/api/v1/runs");
    let told: Vec<_> = ledger["runs"].as_array().expect("runs").iter().map(|run| &run["status"]).collect();
    assert_eq!(told, ["held", "held", "succeeded"]);
    drop(server);

    // Mended, it goes on; nothing of the held run is left.
    project.write("data/commandes.json", orders);
    assert_eq!(project.run_json(0, &[])["data_version"], 2);
    assert_eq!(project.value("select sum(amount) from fact_orders"), before);
}

fn failures_of(run: &Json, test: &str) -> String {
    format!("/api/v1/runs/{}/failures?test={test}", run.as_str().expect("an id"))
}

/// The values of a column of failing rows.
fn column<'a>(found: &'a Json, name: &str) -> &'a Json {
    let at = found["columns"].as_array().expect("columns").iter().position(|column| column["name"] == name);
    &found["data"][at.expect("the column")]
}

#[test]
fn the_last_run_is_the_last_one_that_had_the_lease_whatever_clocks_say() {
    let postgres = PostgresServer::shared();
    let database = postgres.database();
    let project = tiny();
    let url = postgres.url(&database);
    project.write(
        "millrace.yml",
        format!("name: tiny\nenvironments:\n  prod: {{type: postgres, url: \"{url}\"}}\n"),
    );
    project.write(
        "models/numbers.yml",
        "models: [{name: numbers, columns: [{name: id, data_tests: [unique]}]}]\n",
    );
    project.write("sources/files.yml", "type: ndjson\npath: data/n.ndjson\nstreams: {n: {}}\n");
    let first = project.run_json(0, &[]);
    // As if the clock of the machine on which it ran had been two years ahead.
    let id = first["run"].as_str().expect("an id");
    let year = &id[..4];
    let later = (year.parse::<u32>().expect("a year") + 2).to_string();
    postgres.run(
        &database,
        &format!(
            "update _millrace.runs set run = replace(run, '{year}', '{later}'), started_at = started_at + interval '2 years', \
             finished_at = finished_at + interval '2 years', summary = replace(summary, '{year}', '{later}'); \
             update _millrace.publications set run = replace(run, '{year}', '{later}'), published_at = published_at + interval '2 years'"
        ),
    );
    project.write("data/n.ndjson", "{\"id\": 1}\n{\"id\": 1}\n");
    let second = project.run_json(1, &[]);
    let status = project.run(&["status"]);
    assert!(
        status
            .stdout
            .contains(&format!("held: data tests of run {}", second["run"].as_str().expect("an id"))),
        "{}",
        status.stdout
    );
    let server = Server::start(&project);
    assert_eq!(server.get("/api/v1/project")["last_run"]["run"], second["run"]);
    let told = |server: &Server| -> Vec<Json> {
        let runs = server.get("/api/v1/runs");
        runs["runs"].as_array().expect("runs").iter().map(|run| run["status"].clone()).collect()
    };
    assert_eq!(told(&server), ["held", "succeeded"]);
    // What it mends is seen, too, and the version of then is followed by the next one.
    project.write("data/n.ndjson", "{\"id\": 1}\n{\"id\": 2}\n");
    assert_eq!(project.run_json(0, &[])["data_version"], 2);
    assert_eq!(told(&server), ["succeeded", "held", "succeeded"]);
    let status = project.run(&["status"]);
    assert!(!status.stdout.contains("held: "), "{}", status.stdout);
}

#[test]
fn rows_of_a_test_that_the_run_brought_with_it_lack_what_the_stream_excludes() {
    let project = Project::of(&[
        ("millrace.yml", "name: tiny\nenvironments: {dev: {type: duckdb, path: .millrace/tiny.duckdb}}\n"),
        (
            "sources/files.yml",
            "type: ndjson\npath: data/n.ndjson\nstreams: {n: {key: [id], exclude_columns: [card]}}\n",
        ),
        (
            "data/n.ndjson",
            "{\"id\": 1, \"name\": \"Zoé\", \"card\": \"4970-1234\"}\n{\"id\": 2, \"card\": \"4970-5678\"}\n",
        ),
        ("models/people.sql", "select * from files.n"),
    ]);
    project.run_json(0, &[]);
    let server = Server::start(&project);
    // The server serves the project that was published; the test is only in the files, and in the record of the run.
    project.write(
        "models/people.yml",
        "models: [{name: people, columns: [{name: name, data_tests: [not_null]}]}]\n",
    );
    let held = project.run_json(1, &["--full-refresh"]);
    let found = server.get(&failures_of(&held["run"], "not_null(people.name)"));
    assert_eq!(column(&found, "id"), &json!([2]));
    assert_eq!(column(&found, "name"), &json!([null]));
    assert!(!found.to_string().contains("card") && !found.to_string().contains("4970"), "{found}");
}

/// Every kind of data test fails here, on a text, a number and a date.
const FAILING: &str = "
models:
  - name: people
    columns:
      - {name: id, data_tests: [unique]}
      - {name: name, data_tests: [not_null, {accepted_values: {values: [Zoé, \"O'Hara\"]}}]}
      - {name: born, data_tests: [{relationships: {to: days, field: day}}]}
";

#[test]
fn both_warehouses_show_the_same_rows_of_every_kind_of_test() {
    let postgres = PostgresServer::shared();
    let url = postgres.url(&postgres.database());
    let manifest = format!(
        "name: tiny\nenvironments:\n  dev: {{type: duckdb, path: .millrace/tiny.duckdb}}\n  prod: {{type: postgres, url: \"{url}\"}}\n"
    );
    let people = [
        (1, "\"Zoé\"", "2001-01-01"),
        (1, "\"O'Hara\"", "2001-01-01"),
        (2, "null", "2001-01-01"),
        (3, "\"Bob\"", "1999-12-31"),
    ];
    let people: Vec<String> = people
        .iter()
        .enumerate()
        .map(|(at, (id, name, born))| {
            format!("{{\"line\": {at}, \"id\": {id}, \"name\": {name}, \"born\": \"{born}\"}}\n")
        })
        .collect();
    let project = Project::of(&[
        ("millrace.yml", &manifest),
        ("sources/files.yml", "type: ndjson\npath: data/n.ndjson\nstreams: {n: {key: [line]}}\n"),
        (
            "sources/files.schema.yml",
            "streams: {n: {columns: [{name: line, type: int64, nullable: false}, {name: id, type: int64}, {name: name, type: text}, {name: born, type: date}]}}\n",
        ),
        ("data/n.ndjson", &people.concat()),
        ("models/people.sql", "select line, id, name, born from files.n"),
        ("models/days.sql", "select born as day from files.n where id < 3"),
        ("models/people.yml", FAILING),
    ]);
    let told = |env: &str| {
        project.run_json(1, &["--env", env]);
        let ended = project.run(&["status", "--rows", "--json", "--env", env]);
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let failing = ended.json()["failing"].as_array().expect("data tests").clone();
        failing.into_iter().map(|test| (test["test"].clone(), test["rows"].clone())).collect::<Vec<_>>()
    };
    let expected = [
        ("unique(people.id)", json!([[0, 1, "Zoé", "2001-01-01"], [1, 1, "O'Hara", "2001-01-01"]])),
        ("not_null(people.name)", json!([[2, 2, null, "2001-01-01"]])),
        ("accepted_values(people.name)", json!([[3, 3, "Bob", "1999-12-31"]])),
        ("relationships(people.born → days.day)", json!([[3, 3, "Bob", "1999-12-31"]])),
    ];
    let expected = expected.map(|(test, rows)| (json!(test), rows));
    for env in ["dev", "prod"] {
        let mut told = told(env);
        // Two rows of one value stand together, in whatever order.
        told[0].1.as_array_mut().expect("rows").sort_by_key(|row| row[0].as_i64());
        assert_eq!(told, expected, "{env}");
    }
}

#[test]
fn a_run_that_failed_says_why() {
    let project = Project::shop();
    project.run_json(0, &[]);
    std::fs::remove_file(project.path().join("data/crm.sql")).expect("it is there");
    assert_eq!(project.run(&["run"]).code, 3);
    let status = project.run(&["status"]).stdout;
    assert!(status.contains("failed: run "), "{status}");
    assert!(status.contains("  source-unreachable: "), "{status}");
}

#[test]
fn a_rollback_is_told_until_it_is_lifted() {
    let project = tiny();
    for id in 1..=2 {
        project.write("data/n.ndjson", format!("{{\"id\": {id}}}\n"));
        project.run_json(0, &[]);
    }
    let server = Server::start(&project);
    assert_eq!(project.run(&["rollback"]).code, 0);
    let told = server.get("/api/v1/project");
    assert_eq!(
        (&told["rollback"]["data_version"], &told["rollback"]["brought_back"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(told["rollback"]["since"], told["publication"]["published_at"]);
    project.write("data/n.ndjson", "{\"id\": 3}\n");
    let held = project.run_json(1, &[]);
    let run = server.get(&format!("/api/v1/runs/{}", held["run"].as_str().expect("an id")));
    assert_eq!(run["held"], json!({"by": "rollback", "data_version": 3}));
    let status = project.run(&["status"]).stdout;
    assert!(status.contains("a rollback has brought back data version 1;"), "{status}");
    assert!(status.contains("readers are kept on data version 3"), "{status}");
    assert_eq!(project.run(&["rollback", "--release"]).code, 0);
    assert_eq!(server.get("/api/v1/project")["rollback"], Json::Null);
    assert!(!project.run(&["status"]).stdout.contains("brought back"));
}

#[test]
fn a_warning_does_not_hold() {
    let project = Project::shop();
    let payments = project.read("data/paiements.ndjson");
    let first = payments.lines().next().expect("a payment");
    let stranger = first.replacen("\"CommandeID\":", "\"CommandeID\": 9999999, \"x\":", 1);
    assert_ne!(first, stranger);
    let stranger = stranger.split(", \"x\":").next().expect("the start").to_owned()
        + &first[first
            .find("\"CommandeID\":")
            .map(|at| at + first[at..].find(',').expect("a comma"))
            .expect("a field")..];
    let id = stranger.find("\"PaiementID\":").expect("an id");
    let end = id + stranger[id..].find(',').expect("a comma");
    let stranger = format!("{}\"PaiementID\": 9999999{}", &stranger[..id], &stranger[end..]);
    project.write("data/paiements.ndjson", format!("{}\n{stranger}\n", payments.trim_end()));
    let ended = project.run(&["run", "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("warning[test-failed]"), "{}", ended.stderr);
    assert_eq!(ended.json()["status"], "succeeded");
}

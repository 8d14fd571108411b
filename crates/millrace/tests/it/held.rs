//! A run whose data test fails publishes nothing.

use serde_json::json;

use crate::millrace::Project;
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

    let server = Server::start(&project);
    let page = server.page("sales", &json!({"range": "all"}));
    assert_eq!(page[0]["data_version"], 1);
    let answer = server.get("/api/v1/project");
    assert_eq!(answer["publication"]["data_version"], 1);
    assert_eq!(answer["last_run"]["status"], "held");
    assert_eq!(answer["last_run"]["failed_tests"][0]["rows"], 2);
    drop(server);

    // Mended, it goes on; nothing of the held run is left.
    project.write("data/commandes.json", orders);
    assert_eq!(project.run_json(0, &[])["data_version"], 2);
    assert_eq!(project.value("select sum(amount) from fact_orders"), before);
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

//! The reference project on its own twenty orders. The figures are worked out here from the files, without SQL.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::millrace::Project;
use crate::server::Server;

/// Money in cents.
type Cents = i64;

struct Oracle {
    orders: Vec<(String, String, Cents)>,
}

fn cents(text: &str) -> Cents {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = format!("{fraction:0<2}");
    assert_eq!(fraction.len(), 2, "{text}");
    whole.parse::<Cents>().expect("euros") * 100 + fraction.parse::<Cents>().expect("cents")
}

fn money(cents: Cents) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

impl Oracle {
    /// Joins the files by hand.
    fn of(project: &Project) -> Self {
        let products: BTreeMap<String, Cents> = project
            .read("data/produits.csv")
            .lines()
            .skip(1)
            .map(|line| {
                let fields: Vec<&str> = line.split(',').collect();
                (fields[0].to_owned(), cents(fields[fields.len() - 1]))
            })
            .collect();
        let dump = project.read("data/crm.sql");
        let values = dump.split("VALUES").nth(1).expect("rows");
        let clients: BTreeMap<String, String> = values
            .split("),")
            .map(|row| {
                let id: String = row
                    .chars()
                    .skip_while(|c| !c.is_ascii_digit())
                    .take_while(char::is_ascii_digit)
                    .collect();
                // The countries of the example have no quotes in them.
                let known = ["France", "Espagne", "USA", "Belgique", "Allemagne"];
                let country =
                    known.iter().find(|name| row.contains(&format!("'{name}'"))).expect("a country");
                (id, (*country).to_owned())
            })
            .collect();
        let orders: Vec<Json> = serde_json::from_str(&project.read("data/commandes.json")).expect("JSON");
        let orders = orders
            .iter()
            .map(|order| {
                let amount =
                    order["Quantite"].as_i64().expect("a number") * products[&order["ProduitID"].to_string()];
                let country = clients[&order["ClientID"].to_string()].clone();
                (country, order["Statut"].as_str().expect("a status").to_owned(), amount)
            })
            .collect();
        Self { orders }
    }

    fn revenue(&self, keep: impl Fn(&str, &str) -> bool) -> String {
        money(
            self.orders
                .iter()
                .filter(|(country, status, _)| keep(country, status))
                .map(|(.., amount)| amount)
                .sum(),
        )
    }

    fn count(&self, keep: impl Fn(&str, &str) -> bool) -> usize {
        self.orders.iter().filter(|(country, status, _)| keep(country, status)).count()
    }

    fn countries(&self) -> Vec<String> {
        let mut names: Vec<String> = self.orders.iter().map(|(country, ..)| country.clone()).collect();
        names.sort();
        names.dedup();
        names
    }
}

#[test]
fn the_figures_of_twenty_orders() {
    let project = Project::shop();
    let oracle = Oracle::of(&project);
    // What README.md of the example says, worked out by other means again.
    assert_eq!(oracle.count(|_, _| true), 20);
    assert_eq!(oracle.revenue(|_, status| status != "Annulee"), "1190.13");
    assert_eq!(oracle.revenue(|_, _| true), "1452.08");

    let summary = project.run_json(0, &[]);
    assert_eq!(summary["status"], "succeeded");
    assert_eq!(summary["data_version"], 1);
    let loaded = |name: &str| {
        let streams = summary["streams"].as_array().expect("streams").iter();
        streams.clone().find(|stream| stream["stream"] == name).map(|stream| stream["rows_loaded"].clone())
    };
    assert_eq!(loaded("files.orders"), Some(json!(20)));
    assert_eq!(project.value("select sum(amount) from fact_orders"), oracle.revenue(|_, _| true));
    assert_eq!(project.value("select count(*) from fact_orders"), "20");

    let server = Server::start(&project);
    let all =
        server.metrics(&json!({"semantic_view": "sales", "metrics": ["revenue", "orders"], "range": "all"}));
    assert_eq!(all["result"]["data"], json!([[oracle.revenue(|_, s| s != "Annulee")], [20]]));
    let by_country = server.metrics(&json!({
        "semantic_view": "sales", "metrics": ["revenue"], "dimensions": ["country"], "order_by": ["country"],
    }));
    let expected: Vec<String> = oracle
        .countries()
        .iter()
        .map(|name| oracle.revenue(|country, s| country == name && s != "Annulee"))
        .collect();
    assert_eq!(by_country["result"]["data"], json!([oracle.countries(), expected]));
    let by_status = server.metrics(&json!({
        "semantic_view": "sales", "metrics": ["orders"], "dimensions": ["status"], "order_by": ["status"],
    }));
    let statuses = ["Annulee", "En attente", "Validee"];
    let expected: Vec<usize> =
        statuses.iter().map(|name| oracle.count(|_, status| status == *name)).collect();
    assert_eq!(by_status["result"]["data"], json!([statuses, expected]));
    page(&server, &oracle);
}

/// The page's own request over all days.
fn page(server: &Server, oracle: &Oracle) {
    let lines = server.page("sales", &json!({"range": "all"}));
    assert_eq!(lines[0]["type"], "start");
    assert_eq!(lines[lines.len() - 1]["type"], "end");
    let dashboard = server.get("/api/v1/dashboards/sales");
    let tiles: Vec<&Json> = dashboard["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .flat_map(|row| row.as_array().expect("tiles"))
        .collect();
    let result = |kind: &str, metric: &str| {
        let tile = tiles
            .iter()
            .find(|tile| tile["kind"] == kind && tile["metric"]["name"] == metric)
            .expect("a tile");
        let line = lines.iter().find(|line| line["id"] == tile["id"]).expect("its line");
        assert_eq!(line["type"], "tile", "{line}");
        line["result"].clone()
    };
    assert_eq!(result("kpi", "revenue")["total"]["revenue"], oracle.revenue(|_, s| s != "Annulee"));
    assert_eq!(result("kpi", "orders")["total"]["orders"], 20);
    let area = result("area", "revenue");
    assert_eq!(
        (&area["columns"][0]["type"], &area["columns"][1]["type"]),
        (&json!("date"), &json!("decimal"))
    );
    assert_eq!(result("pie", "orders")["columns"][1]["type"], "integer");
    let days = area["data"][0].as_array().expect("days");
    let first = days[0].as_str().expect("a day");
    let last = days[days.len() - 1].as_str().expect("a day");
    // A continuous axis: every day from the first to the last, zero where nobody bought.
    assert_eq!((first, last, days.len()), ("2026-09-14", "2026-10-26", 43));
    let sum: Cents =
        area["data"][1].as_array().expect("amounts").iter().map(|v| cents(v.as_str().expect("exact"))).sum();
    assert_eq!(money(sum), oracle.revenue(|_, s| s != "Annulee"));
    let pie = result("pie", "orders");
    let shares: f64 = pie["data"][2]
        .as_array()
        .expect("shares")
        .iter()
        .map(|v| v.as_str().expect("exact").parse::<f64>().expect("a number"))
        .sum();
    assert!((shares - 1.0).abs() < 0.001, "{shares}");
}

#[test]
fn spread_dates_moves_days_the_same_way_each_time() {
    let project = Project::shop();
    let oracle = Oracle::of(&project);
    project.run_json(0, &[]);
    let plain = project.rows("select order_id, order_date from fact_orders order by 1");
    let summary = project.run_json(0, &["--var", "spread_dates=true"]);
    assert_eq!(summary["status"], "succeeded");
    let spread = project.rows("select order_id, order_date from fact_orders order by 1");
    assert_ne!(plain, spread);
    assert_eq!(project.run_json(0, &["--var", "spread_dates=true"])["status"], "unchanged");
    let moved = project.rows(
        "select count(*) from fact_orders f join files.orders o on o.commande_id = f.order_id \
         where f.order_date > o.date_commande or f.order_date < o.date_commande - 29",
    );
    assert_eq!(moved, [["0"]]);
    assert_eq!(project.value("select sum(amount) from fact_orders"), oracle.revenue(|_, _| true));
    assert_eq!(project.run_json(0, &[])["status"], "succeeded");
    assert_eq!(project.rows("select order_id, order_date from fact_orders order by 1"), plain);
}

#[test]
fn a_source_that_lost_columns_holds_the_run_that_reads_them() {
    let project = Project::shop();
    let clients = |more: &str, values: &str| {
        format!(
            "CREATE TABLE clients (ClientID INT PRIMARY KEY, NomClient VARCHAR(255), {more}Pays VARCHAR(50), DateInscription DATE, updated_at DATETIME);\n\
             INSERT INTO clients VALUES (101, 'Only', {values}'France', '2026-01-02', NULL);\n"
        )
    };
    project.write("data/paiements.ndjson", "");
    project.write(
        "data/commandes.json",
        r#"[{"CommandeID": 1, "ClientID": 101, "ProduitID": 999999, "Quantite": 2, "DateCommande": "2026-01-03", "Statut": "Validee"}]"#,
    );
    let first = project.run(&["run"]);
    assert_eq!(first.code, 0, "{}", first.stderr);
    project.write("data/crm.sql", clients("", ""));
    let held = project.run(&["run"]);
    assert_eq!(held.code, 1, "{}", held.stderr);
    assert!(held.stderr.contains("warning[schema-drift]"), "{}", held.stderr);
    assert!(held.stderr.contains("error[column-vanished]"), "{}", held.stderr);
    // What is there may be empty.
    project.write("data/crm.sql", clients("Email VARCHAR(255), Ville VARCHAR(50), ", "NULL, NULL, "));
    let ended = project.run(&["run"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(
        project.rows("select client_name, email, city, country from dim_clients"),
        [["Only", "NULL", "NULL", "France"]]
    );
    // A product that nobody knows has no price, and so no amount: nothing is made up.
    assert_eq!(project.rows("select unit_price, amount from fact_orders"), [["NULL", "NULL"]]);
}

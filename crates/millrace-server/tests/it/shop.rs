//! A small project, its published tables, and a client.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use millrace_core::diagnostic::Diagnostic;
use millrace_core::name::Relation;
use millrace_core::project::environment::Schemas;
use millrace_core::project::{Connectors, ProjectFile, load};
use millrace_engine::compile::compiled::{Choices, Compiled, compile};
use millrace_engine::ports::registry::Registry;
use millrace_engine::ports::warehouse::{Statement, Warehouse};
use millrace_engine::state::{BuiltModel, Publication, State, Tables};
use millrace_server::{AppState, Setup, router};
use serde_json::Value as Json;
use tower::ServiceExt as _;

pub(crate) const MANIFEST: &str = "name: shop\nenvironments:\n  dev: {type: duckdb, path: \":memory:\"}\n";

const METRICS: &str = "
semantic_view: sales
base: fact_orders
time: order_date
joins:
  - {to: dim_clients, on: client_id, cardinality: many_to_one}
dimensions:
  country: {column: dim_clients.country, label: {en: Country, fr: Pays}}
  status: {column: status}
  pieces: {column: pieces}
  shipped: {column: shipped}
metrics:
  revenue: {sql: sum(amount), where: \"status <> 'Annulee'\", format: {currency: EUR}, label: {en: Revenue, fr: \"Chiffre d'affaires\"}}
  orders: {sql: count(distinct order_id)}
  average_order: {ratio: [revenue, orders], filters: differ, format: {currency: EUR}}
  mean_amount: {sql: avg(amount)}
  serial: {sql: sum(serial)}
  weight: {sql: sum(weight)}
  highest: {sql: max(amount)}
  cancelled_share: {ratio: [cancelled, orders], filters: differ, format: percent}
  cancelled: {sql: count(distinct order_id), where: \"status = 'Annulee'\", format: integer}
  broken: {sql: sum(no_such_column)}
";

const TIMELESS: &str = "
semantic_view: clients
base: dim_clients
dimensions:
  country: {column: country}
metrics:
  clients: {sql: count(*)}
";

const SALES: &str = "
dashboard: sales
title: {en: Sales, fr: Ventes}
semantic_view: sales
time: {range: last 30 days, grain: day, compare: previous_period}
filters: [country, status, pieces, shipped]
rows:
  - [{kpi: revenue, spark: day}, {kpi: orders}, {kpi: average_order, spark: week}]
  - [{area: revenue, by: order_date, fill: zero}, {line: orders, by: order_date, grain: week}]
  - [{bar: revenue, by: country, sort: -value, limit: 2}, {pie: orders, by: status}]
  - [{table: [revenue, orders, serial], by: [country, status], sort: -revenue, title: {en: All}}]
";

const BROKEN: &str = "
dashboard: broken
semantic_view: sales
rows:
  - [{kpi: orders}, {kpi: broken}, {bar: orders, by: status}]
";

const CLIENTS: &str = "
dashboard: clients
semantic_view: clients
filters: [country]
rows:
  - [{kpi: clients}, {bar: clients, by: country}]
";

/// An order; amounts in cents.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) client: i64,
    pub(crate) status: Option<&'static str>,
    pub(crate) date: &'static str,
    pub(crate) cents: Option<i64>,
}

const fn order(
    id: i64,
    client: i64,
    status: Option<&'static str>,
    date: &'static str,
    cents: Option<i64>,
) -> Order {
    Order { id, client, status, date, cents }
}

/// Client 4 is in no table of clients; order 9 has two lines.
pub(crate) const ORDERS: [Order; 12] = [
    order(1, 1, Some("Validee"), "2024-09-03", Some(10_050)),
    order(2, 2, Some("Annulee"), "2024-09-15", Some(9_999)),
    order(3, 2, Some("Validee"), "2024-10-01", Some(2_500)),
    order(4, 1, Some("Validee"), "2024-10-02", Some(33)),
    order(5, 2, Some("En attente"), "2024-10-02", Some(4_200)),
    order(6, 3, Some("Validee"), "2024-10-10", Some(777)),
    order(7, 3, None, "2024-10-11", Some(5_000)),
    order(8, 1, Some("Annulee"), "2024-10-11", Some(123_456)),
    order(9, 4, Some("Validee"), "2024-10-20", Some(1_000)),
    order(9, 4, Some("Validee"), "2024-10-20", Some(2_000)),
    order(10, 2, Some("Validee"), "2024-10-31", None),
    order(11, 1, Some("En attente"), "2024-10-31", Some(1)),
];

/// Each order has this one beyond 2^53, so that a sum is beyond 2^53 too.
pub(crate) const SERIAL: i128 = 9_007_199_254_740_993;

/// The country of a client; none for what is NULL or has no client.
pub(crate) fn country(client: i64) -> Option<&'static str> {
    match client {
        1 => Some("France"),
        2 => Some("Espagne"),
        _ => None,
    }
}

/// Cents as the text of a decimal with two digits.
pub(crate) fn money(cents: i64) -> String {
    format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
}

/// Orders of days, both included.
pub(crate) fn between(from: &str, to: &str) -> Vec<Order> {
    ORDERS.into_iter().filter(|order| from <= order.date && order.date <= to).collect()
}

/// Revenue as the semantic view defines it: SQL's `<>` is not true of NULL, and a sum of nothing is NULL.
pub(crate) fn revenue(orders: &[Order]) -> Option<i64> {
    let counted = orders.iter().filter(|order| order.status.is_some_and(|status| status != "Annulee"));
    let cents: Vec<i64> = counted.filter_map(|order| order.cents).collect();
    (!cents.is_empty()).then(|| cents.iter().sum())
}

/// Distinct orders.
pub(crate) fn count(orders: &[Order]) -> usize {
    let mut ids: Vec<i64> = orders.iter().map(|order| order.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len()
}

/// Day number of 2024-11-15, the day of the tests.
pub(crate) const TODAY: i32 = 20_042;

/// A server over a warehouse of its own.
pub(crate) struct Shop {
    pub(crate) state: AppState,
    pub(crate) warehouse: Arc<dyn Warehouse>,
    router: Router,
}

/// What a test changes.
pub(crate) struct Plan {
    pub(crate) manifest: String,
    pub(crate) address: SocketAddr,
    pub(crate) publish: bool,
    pub(crate) today: i32,
    /// Puts something between the server and the warehouse.
    pub(crate) between: fn(Arc<dyn Warehouse>) -> Arc<dyn Warehouse>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            manifest: MANIFEST.to_owned(),
            address: ([127, 0, 0, 1], 4321).into(),
            publish: true,
            today: TODAY,
            between: |warehouse| warehouse,
        }
    }
}

pub(crate) async fn compiled(manifest: &str) -> Compiled {
    compiled_of(&[
        ("millrace.yml", manifest),
        ("models/fact_orders.sql", "select 1 as order_id"),
        ("models/dim_clients.sql", "select 1 as client_id"),
        ("metrics/sales.yml", METRICS),
        ("metrics/clients.yml", TIMELESS),
        ("dashboards/sales.yml", SALES),
        ("dashboards/broken.yml", BROKEN),
        ("dashboards/clients.yml", CLIENTS),
    ])
    .await
}

/// A project made of these files.
pub(crate) async fn compiled_of(files: &[(&str, &str)]) -> Compiled {
    let mut registry = Registry::default();
    millrace_connectors::register(&mut registry);
    let mut connectors = Connectors::default();
    for connector in registry.warehouses() {
        connectors.add_warehouse(connector.kind(), connector.spec());
    }
    let file = |(path, text): &(&str, &str)| ProjectFile { path: (*path).into(), bytes: (*text).into() };
    let files: Vec<ProjectFile> = files.iter().map(file).collect();
    let (project, mut diagnostics) = load(&files, &connectors, &BTreeMap::new());
    let choices = Choices::default();
    let compiled = compile(project, Path::new("."), &choices, &registry, &mut diagnostics).await;
    assert!(diagnostics.is_empty(), "{diagnostics:#?}");
    compiled.expect("it compiles")
}

fn literal(text: Option<&str>) -> String {
    text.map_or("null".into(), |text| format!("'{text}'"))
}

/// The statements that make a publication's tables, with the orders given.
pub(crate) fn tables(number: u64, orders: &[Order]) -> Vec<Statement> {
    let mut sql = vec![
        "create schema if not exists build".to_owned(),
        format!("create table build.dim_clients__p{number} (client_id bigint, country varchar)"),
        format!("insert into build.dim_clients__p{number} values (1, 'France'), (2, 'Espagne'), (3, null)"),
        format!(
            "create table build.fact_orders__p{number} (order_id bigint, client_id bigint, status varchar, order_date date, \
             amount decimal(18,2), pieces integer, shipped boolean, serial bigint, weight double)"
        ),
    ];
    for (at, order) in orders.iter().enumerate() {
        let cents = order.cents.map(money);
        sql.push(format!(
            "insert into build.fact_orders__p{number} values ({}, {}, {}, date '{}', {}, {}, {}, {SERIAL}, 0.1)",
            order.id,
            order.client,
            literal(order.status),
            order.date,
            cents.unwrap_or_else(|| "null".into()),
            at % 3,
            at % 2 == 0,
        ));
    }
    sql.into_iter().map(Statement::new).collect()
}

/// The record of a publication.
pub(crate) fn publication(number: u64) -> Statement {
    let model = |name: &str| BuiltModel {
        model: name.into(),
        relation: Relation::new("build", format!("{name}__p{number}")),
        is_view: false,
        published: true,
        fingerprint: String::new(),
        rows: None,
        columns: Vec::new(),
    };
    let publication = Publication {
        publication: number,
        run: format!("run{number}"),
        published_at: format!("2024-11-15T10:00:0{number}Z"),
        fingerprint: String::new(),
        models: vec![model("fact_orders"), model("dim_clients")],
        rollback_to: None,
        pinned: false,
    };
    Tables::in_schema("_millrace").record_publication(&publication, 0).expect("a record")
}

pub(crate) async fn publish(warehouse: &dyn Warehouse, number: u64, orders: &[Order]) {
    State::of(warehouse, &Schemas::default()).migrate().await.expect("state");
    let mut statements = tables(number, orders);
    statements.push(publication(number));
    warehouse.transact(&statements).await.expect("a publish");
}

impl Shop {
    pub(crate) async fn new() -> Self {
        Self::with(Plan::default()).await.expect("a server")
    }

    pub(crate) async fn with(plan: Plan) -> Result<Self, Diagnostic> {
        Self::of(Arc::new(compiled(&plan.manifest).await), plan).await
    }

    /// Over another project.
    pub(crate) async fn of(compiled: Arc<Compiled>, plan: Plan) -> Result<Self, Diagnostic> {
        let own = millrace_connectors::duckdb::open_scratch().expect("a warehouse");
        if plan.publish {
            publish(&*own, 1, &ORDERS).await;
        }
        Self::over(compiled, (plan.between)(own), plan.address, plan.today)
    }

    /// Over a warehouse that has tables already.
    pub(crate) fn over(
        compiled: Arc<Compiled>,
        warehouse: Arc<dyn Warehouse>,
        address: SocketAddr,
        today: i32,
    ) -> Result<Self, Diagnostic> {
        let setup = Setup { compiled, warehouse: Arc::clone(&warehouse), version: "0.0.1".into(), address };
        let state = AppState::new(setup)?.with_today(move || today);
        Ok(Self { router: router(state.clone()), state, warehouse })
    }

    /// Status, headers and the whole body.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> (StatusCode, HeaderMap, Vec<u8>) {
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header("host", "localhost:4321");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        (head.status, head.headers, body.to_vec())
    }

    /// The response itself, for answers that do not end.
    pub(crate) async fn open(&self, path: &str) -> axum::response::Response {
        let request = Request::builder().uri(path).header("host", "localhost").body(Body::empty());
        self.router.clone().oneshot(request.expect("a request")).await.expect("an answer")
    }

    /// Status and JSON of an answer.
    pub(crate) async fn json(&self, method: &str, path: &str, body: &Json) -> (StatusCode, Json) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, _, answer) = self.send(method, path, &[], body).await;
        (status, serde_json::from_slice(&answer).unwrap_or(Json::Null))
    }

    pub(crate) async fn get(&self, path: &str) -> Json {
        let (status, answer) = self.json("GET", path, &Json::Null).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    /// The lines of a page.
    pub(crate) async fn page(&self, name: &str, request: &Json) -> Vec<Json> {
        let path = format!("/api/v1/dashboards/{name}/data");
        let (status, headers, body) = self.send("POST", &path, &[], request.to_string()).await;
        let body = String::from_utf8(body).expect("UTF-8");
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(headers["content-type"], "application/x-ndjson");
        body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    pub(crate) async fn metrics(&self, question: &Json) -> Json {
        let (status, answer) = self.json("POST", "/api/v1/metrics/query", question).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }
}

/// The result of a tile among the lines of a page.
pub(crate) fn tile<'a>(lines: &'a [Json], id: &str) -> &'a Json {
    let line = lines.iter().find(|line| line["id"] == id);
    &line.unwrap_or_else(|| panic!("no tile {id}"))["result"]
}

//! No request makes the server fail.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};

use crate::shop::Shop;

fn of(names: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(names), 0..4)
}

fn value() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        ".{0,8}".prop_map(Json::from),
        Just(json!("France")),
    ]
}

fn range() -> impl Strategy<Value = Json> {
    let date = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])";
    prop_oneof![
        Just(Json::Null),
        Just(json!("all")),
        (0u32..20_000, prop::sample::select(&["day", "week", "month", "quarter", "year"][..]))
            .prop_map(|(n, unit)| json!(format!("last {n} {unit}s"))),
        (date, date).prop_map(|(from, to)| json!({"from": from, "to": to})),
        value(),
    ]
}

fn filters() -> impl Strategy<Value = Json> {
    let name = prop::sample::select(&["country", "status", "pieces", "shipped", "order_date", "x"][..]);
    prop::collection::btree_map(name, prop::collection::vec(value(), 0..4), 0..3)
        .prop_map(|filters| json!(filters))
}

fn question() -> impl Strategy<Value = Json> {
    let metrics =
        of(&["revenue", "orders", "average_order", "mean_amount", "serial", "weight", "highest", "x"]);
    let dimensions = of(&["country", "status", "pieces", "shipped", "order_date"]);
    let order = of(&["revenue", "-orders", "-country", "order_date", "-weight", "average_order"]);
    let grain = prop::sample::select(&["day", "week", "month", "quarter", "year", "x"][..]);
    (metrics, dimensions, order, grain, range(), filters(), 0u32..5).prop_map(
        |(metrics, dimensions, order_by, grain, range, filters, limit)| {
            json!({"semantic_view": "sales", "metrics": metrics, "dimensions": dimensions, "order_by": order_by,
                "grain": grain, "range": range, "filters": filters, "limit": limit})
        },
    )
}

fn page() -> impl Strategy<Value = Json> {
    let tiles = of(&["1-1", "1-3", "2-1", "2-2", "3-2", "4-1"]);
    (range(), filters(), tiles)
        .prop_map(|(range, filters, tiles)| json!({"range": range, "filters": filters, "tiles": tiles}))
}

#[test]
fn no_question_makes_the_server_fail() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let shop = runtime.block_on(Shop::new());
    let mut runner = TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(question(), page()), |(question, page)| {
        let (status, answer) = runtime.block_on(shop.json("POST", "/api/v1/metrics/query", &question));
        prop_assert!(!status.is_server_error(), "{question}: {answer}");
        let path = "/api/v1/dashboards/sales/data";
        let (status, _, body) = runtime.block_on(shop.send("POST", path, &[], page.to_string()));
        let body = String::from_utf8(body).expect("UTF-8");
        prop_assert!(!status.is_server_error(), "{page}: {body}");
        prop_assert!(!body.contains("\"type\":\"tile\",\"id\":\"1-1\",\"error\""), "{page}: {body}");
        if status.is_success() {
            prop_assert!(body.lines().last().is_some_and(|line| line.contains("\"end\"")), "{page}: {body}");
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

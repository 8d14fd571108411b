//! `POST /metrics/query`

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use crate::shop::{ORDERS, Order, Shop, between, count, country, money, revenue};

#[tokio::test]
async fn a_question_about_all_orders() {
    let shop = Shop::new().await;
    let answer =
        shop.metrics(&json!({"semantic_view": "sales", "metrics": ["revenue", "orders", "weight"]})).await;
    assert_eq!((&answer["data_version"], &answer["range"]), (&json!(1), &Json::Null));
    let result = &answer["result"];
    let cents = revenue(&ORDERS).expect("some");
    assert_eq!(result["total"]["revenue"], money(cents));
    assert_eq!(result["data"][1], json!([count(&ORDERS)]));
    assert_eq!(
        result["columns"][2],
        json!({"name": "weight", "role": "metric", "type": "float", "scale": null})
    );
    assert!((result["total"]["weight"].as_f64().expect("a number") - 1.2).abs() < 1e-9);
    assert_eq!((&result["previous"], &result["change"]), (&Json::Null, &Json::Null));
}

#[tokio::test]
async fn cut_by_months_and_countries() {
    let shop = Shop::new().await;
    let question = json!({
        "semantic_view": "sales", "metrics": ["revenue", "orders"], "dimensions": ["order_date", "country"], "grain": "month",
        "range": "all", "filters": {"status": ["Validee", null]}, "order_by": ["order_date", "-orders"], "limit": 3,
    });
    let answer = shop.metrics(&question).await;
    assert_eq!(answer["range"], json!({"from": "2024-09-03", "to": "2024-10-31"}));
    let kept: Vec<Order> =
        ORDERS.into_iter().filter(|order| matches!(order.status, None | Some("Validee"))).collect();
    let mut expected = Vec::new();
    for month in ["2024-09", "2024-10"] {
        let mut rows: Vec<_> = [Some("Espagne"), Some("France"), None]
            .into_iter()
            .filter_map(|name| {
                let group: Vec<Order> = kept
                    .iter()
                    .copied()
                    .filter(|order| order.date.starts_with(month) && country(order.client) == name)
                    .collect();
                (!group.is_empty()).then(|| (format!("{month}-01"), name, revenue(&group), count(&group)))
            })
            .collect();
        rows.sort_by_key(|(.., orders)| std::cmp::Reverse(*orders));
        expected.extend(rows);
    }
    assert!(expected.len() > 3);
    expected.truncate(3);
    let result = &answer["result"];
    for (at, (month, name, cents, orders)) in expected.iter().enumerate() {
        let row: Vec<_> = (0..4).map(|column| result["data"][column][at].clone()).collect();
        assert_eq!(row, [json!(month), json!(name), json!(cents.map(money)), json!(orders)], "row {at}");
    }
    assert_eq!((&result["rows"], &result["truncated"]), (&json!(3), &json!(true)));
}

#[tokio::test]
async fn averages_and_ratios_are_divided_exactly() {
    let shop = Shop::new().await;
    let question = json!({"semantic_view": "sales", "metrics": ["mean_amount", "cancelled_share"],
        "range": {"from": "2024-10-01", "to": "2024-10-11"}});
    let answer = shop.metrics(&question).await;
    let orders = between("2024-10-01", "2024-10-11");
    let cents: Vec<i64> = orders.iter().filter_map(|order| order.cents).collect();
    let (sum, n) = (i128::from(cents.iter().sum::<i64>()) * 1_000_000, cents.len() as i128);
    let mean = (sum * 2 + n) / (n * 2);
    let expected = format!("{}.{:08}", mean / 100_000_000, mean % 100_000_000);
    assert_eq!(answer["result"]["total"]["mean_amount"], expected);
    let cancelled = orders.iter().filter(|order| order.status == Some("Annulee")).count();
    let share = format!("{:.6}", cancelled as f64 / count(&orders) as f64);
    assert_eq!(answer["result"]["total"]["cancelled_share"], share);
    let columns = &answer["result"]["columns"];
    assert_eq!((&columns[0]["scale"], &columns[1]["scale"]), (&json!(8), &json!(6)));
}

#[tokio::test]
async fn mistakes_are_refused() {
    let shop = Shop::new().await;
    for (question, status, code) in [
        (json!({"metrics": ["revenue"]}), 400, "missing-key"),
        (json!({"semantic_view": "sales"}), 400, "missing-key"),
        (json!({"semantic_view": "sale", "metrics": ["revenue"]}), 404, "unknown-ref"),
        (json!({"semantic_view": "sales", "metrics": ["revenu"]}), 400, "unknown-metric"),
        (
            json!({"semantic_view": "sales", "metrics": ["revenue"], "dimensions": ["pays"]}),
            400,
            "unknown-metric",
        ),
        (
            json!({"semantic_view": "sales", "metrics": ["revenue"], "filters": {"pays": []}}),
            400,
            "unknown-metric",
        ),
        (
            json!({"semantic_view": "sales", "metrics": ["revenue"], "dimensions": ["order_date"]}),
            400,
            "bad-query",
        ),
        (json!({"semantic_view": "sales", "metrics": ["revenue"], "order_by": ["orders"]}), 400, "bad-query"),
        (json!({"semantic_view": "sales", "metrics": ["revenue"], "grain": "decade"}), 400, "wrong-value"),
        (json!({"semantic_view": "sales", "metrics": ["revenue"], "limit": 0}), 400, "wrong-value"),
        (
            json!({"semantic_view": "clients", "metrics": ["clients"], "range": "last 1 days"}),
            400,
            "bad-query",
        ),
        (json!({"semantic_view": "sales", "metrics": ["broken"]}), 500, "sql-error"),
    ] {
        let (got, answer) = shop.json("POST", "/api/v1/metrics/query", &question).await;
        assert_eq!((got.as_u16(), &answer["error"]["code"]), (status, &json!(code)), "{question}: {answer}");
    }
    let (status, _) = shop.json("GET", "/api/v1/metrics/query", &Json::Null).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

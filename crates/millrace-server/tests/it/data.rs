//! `POST /dashboards/{name}/data`

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use crate::shop::{
    ORDERS, Order, Plan, SERIAL, Shop, TODAY, between, count, country, money, publish, revenue, tile,
};

fn opt_money(cents: Option<i64>) -> Json {
    cents.map_or(Json::Null, |cents| json!(money(cents)))
}

/// Days of September and October 2024, in order.
fn days(from: &str, to: &str) -> Vec<String> {
    let september = (1..=30).map(|day| format!("2024-09-{day:02}"));
    let october = (1..=31).map(|day| format!("2024-10-{day:02}"));
    september.chain(october).filter(|day| from <= day.as_str() && day.as_str() <= to).collect()
}

/// `(now − before) / |before|` with four digits, half to even is not met here.
fn change(now: i64, before: i64) -> String {
    let scaled = ((now - before) as f64 / before.abs() as f64 * 10_000.0).round() as i64;
    format!("{}{}.{:04}", if scaled < 0 { "-" } else { "" }, scaled.abs() / 10_000, scaled.abs() % 10_000)
}

#[tokio::test]
async fn a_page_comes_in_the_order_of_its_tiles() {
    let shop = Shop::new().await;
    let lines = shop.page("sales", &json!({})).await;
    let types: Vec<_> = lines.iter().map(|line| line["type"].as_str().expect("a type")).collect();
    assert_eq!(types, ["start", "tile", "tile", "tile", "tile", "tile", "tile", "tile", "tile", "end"]);
    let ids: Vec<_> = lines.iter().filter_map(|line| line["id"].as_str()).collect();
    assert_eq!(ids, ["1-1", "1-2", "1-3", "2-1", "2-2", "3-1", "3-2", "4-1"]);
    let start = &lines[0];
    assert_eq!(start["data_version"], 1);
    assert_eq!(start["published_at"], "2024-11-15T10:00:01Z");
    assert_eq!(start["range"], json!({"from": "2024-10-02", "to": "2024-10-31"}));
    assert_eq!(start["compare"], json!({"from": "2024-09-02", "to": "2024-10-01"}));
    let options = json!({
        "country": ["Espagne", "France", null], "status": ["Annulee", "En attente", "Validee", null],
        "pieces": [0, 1, 2], "shipped": [false, true],
    });
    assert_eq!(start["options"], options);
    assert!(lines[9]["duration_ms"].is_u64());
}

#[tokio::test]
async fn figures_are_exact_and_compared() {
    let shop = Shop::new().await;
    let lines = shop.page("sales", &json!({})).await;
    let (now, before) = (between("2024-10-02", "2024-10-31"), between("2024-09-02", "2024-10-01"));
    let (now_cents, before_cents) = (revenue(&now).expect("some"), revenue(&before).expect("some"));
    let kpi = tile(&lines, "1-1");
    assert_eq!(kpi["total"], json!({"revenue": money(now_cents)}));
    assert_eq!(kpi["previous"], json!({"revenue": money(before_cents)}));
    assert_eq!(kpi["change"], json!({"revenue": change(now_cents, before_cents)}));
    let orders = tile(&lines, "1-2");
    assert_eq!(orders["total"], json!({"orders": count(&now)}));
    assert_eq!(orders["change"], json!({"orders": change(count(&now) as i64, count(&before) as i64)}));
    assert_eq!((&orders["columns"], &orders["data"], &orders["rows"]), (&json!([]), &json!([]), &json!(0)));
    // Cents divided by a count, with two plus six digits: done in integers.
    let scaled = i128::from(now_cents) * 1_000_000;
    let divisor = count(&now) as i128;
    let rounded = (scaled * 2 + divisor) / (divisor * 2);
    let expected = format!("{}.{:08}", rounded / 100_000_000, rounded % 100_000_000);
    assert_eq!(tile(&lines, "1-3")["total"], json!({"average_order": expected}));
}

#[tokio::test]
async fn time_lines_have_every_step() {
    let shop = Shop::new().await;
    let lines = shop.page("sales", &json!({})).await;
    let steps = days("2024-10-02", "2024-10-31");
    let of_day = |day: &String| revenue(&between(day, day));
    // The area has `fill: zero`, the spark line of a sum is filled by itself.
    let filled: Vec<Json> = steps.iter().map(|day| json!(money(of_day(day).unwrap_or(0)))).collect();
    for id in ["2-1", "1-1"] {
        let area = tile(&lines, id);
        assert_eq!(area["data"], json!([steps, filled]), "{id}");
        assert_eq!(area["rows"], steps.len());
        let columns = json!([
            {"name": "order_date", "role": "dimension", "type": "date", "scale": null},
            {"name": "revenue", "role": "metric", "type": "decimal", "scale": 2},
        ]);
        assert_eq!(area["columns"], columns);
    }
    // Weeks from Monday; the first and the last meet the range only in part, and one has no order.
    let weeks = ["2024-09-30", "2024-10-07", "2024-10-14", "2024-10-21", "2024-10-28"];
    let ends = ["2024-10-06", "2024-10-13", "2024-10-20", "2024-10-27", "2024-11-03"];
    let in_range = |from: &str, to: &str| between(from.max("2024-10-02"), to);
    let counted = weeks.iter().zip(ends).map(|(from, to)| match count(&in_range(from, to)) {
        0 => Json::Null,
        n => json!(n),
    });
    assert_eq!(tile(&lines, "2-2")["data"], json!([weeks, counted.collect::<Vec<_>>()]));
    // A ratio of nothing is no zero.
    let spark = &tile(&lines, "1-3")["data"][1];
    assert_eq!(spark[3], Json::Null);
    assert_ne!(spark[0], Json::Null);
}

#[tokio::test]
async fn bars_are_cut_off_and_rings_have_shares() {
    let shop = Shop::new().await;
    let lines = shop.page("sales", &json!({})).await;
    let now = between("2024-10-02", "2024-10-31");
    let of = |name: Option<&str>| -> Vec<Order> {
        now.iter().copied().filter(|order| country(order.client) == name).collect()
    };
    let mut bars: Vec<(Option<&str>, Option<i64>)> =
        [None, Some("Espagne"), Some("France")].map(|name| (name, revenue(&of(name)))).into();
    bars.sort_by_key(|(_, cents)| std::cmp::Reverse(*cents));
    let bar = tile(&lines, "3-1");
    let names: Vec<_> = bars.iter().take(2).map(|(name, _)| name).collect();
    let values: Vec<_> = bars.iter().take(2).map(|(_, cents)| opt_money(*cents)).collect();
    assert_eq!(bar["data"], json!([names, values]));
    assert_eq!((&bar["truncated"], &bar["rows"]), (&json!(true), &json!(2)));
    assert_eq!(
        bar["total"],
        json!({"revenue": opt_money(revenue(&now))}),
        "the total is not the sum of what is shown"
    );

    let pie = tile(&lines, "3-2");
    let total = count(&now) as f64;
    let statuses = pie["data"][0].as_array().expect("statuses");
    assert_eq!(statuses.len(), 4);
    for (at, status) in statuses.iter().enumerate() {
        let of_status: Vec<Order> =
            now.iter().copied().filter(|order| order.status == status.as_str()).collect();
        assert_eq!(pie["data"][1][at], count(&of_status), "{status}");
        let share = format!("{:.4}", count(&of_status) as f64 / total);
        assert_eq!(pie["data"][2][at], share, "{status}");
    }
    assert_eq!(pie["columns"][2], json!({"name": "share", "role": "share", "type": "decimal", "scale": 4}));
    assert_eq!(pie["truncated"], false);
}

#[tokio::test]
async fn large_integers_come_as_text() {
    let shop = Shop::new().await;
    let lines = shop.page("sales", &json!({"tiles": ["4-1"]})).await;
    assert_eq!(lines.len(), 3);
    let table = tile(&lines, "4-1");
    let rows = between("2024-10-02", "2024-10-31").len() as i128;
    assert_eq!(table["total"]["serial"], json!((SERIAL * rows).to_string()));
    assert_eq!(
        table["columns"][4],
        json!({"name": "serial", "role": "metric", "type": "integer", "scale": null})
    );
    // Ordered by revenue, the greatest first, and what has none last.
    let shown: Vec<_> = table["data"][2].as_array().expect("values").iter().collect();
    let cents =
        |value: &Json| value.as_str().map(|text| text.replace('.', "").parse::<i64>().expect("digits"));
    let mut sorted: Vec<_> = shown.iter().map(|value| cents(value)).collect();
    sorted.sort_by_key(|cents| std::cmp::Reverse(*cents));
    assert_eq!(shown.iter().map(|value| cents(value)).collect::<Vec<_>>(), sorted);
}

#[tokio::test]
async fn filters_keep_values_and_null() {
    let shop = Shop::new().await;
    let now = between("2024-10-02", "2024-10-31");
    for (filter, keeps) in [
        (
            json!({"country": ["France"]}),
            Box::new(|o: &Order| country(o.client) == Some("France")) as Box<dyn Fn(&Order) -> bool>,
        ),
        (json!({"country": [null]}), Box::new(|o: &Order| country(o.client).is_none())),
        (json!({"country": ["Espagne", null]}), Box::new(|o: &Order| country(o.client) != Some("France"))),
        (json!({"status": [null]}), Box::new(|o: &Order| o.status.is_none())),
        (json!({"status": ["it's \"x\"; drop table y; --\u{0}"]}), Box::new(|_: &Order| false)),
        (json!({"country": []}), Box::new(|_: &Order| false)),
        (
            json!({"country": ["France"], "status": ["Validee"]}),
            Box::new(|o: &Order| country(o.client) == Some("France") && o.status == Some("Validee")),
        ),
    ] {
        let lines = shop.page("sales", &json!({"filters": filter, "tiles": ["1-2"]})).await;
        let kept: Vec<Order> = now.iter().copied().filter(|order| keeps(order)).collect();
        assert_eq!(tile(&lines, "1-2")["total"], json!({"orders": count(&kept)}), "{filter}");
    }
    // Numbers and truth values in the types that the options have.
    let pieces = |at: usize| ORDERS[at].date >= "2024-10-02" && at % 3 == 1 && at.is_multiple_of(2);
    let kept: Vec<Order> = (0..ORDERS.len()).filter(|at| pieces(*at)).map(|at| ORDERS[at]).collect();
    let request = json!({"filters": {"pieces": [1], "shipped": [true]}, "tiles": ["1-2"]});
    let lines = shop.page("sales", &request).await;
    assert_eq!(tile(&lines, "1-2")["total"], json!({"orders": count(&kept)}));
}

#[tokio::test]
async fn ranges_are_what_the_reader_chooses() {
    let shop = Shop::new().await;
    for (range, from, to, compare) in [
        (json!("all"), "2024-09-03", "2024-10-31", Json::Null),
        (
            json!("last 1 month"),
            "2024-10-01",
            "2024-10-31",
            json!({"from": "2024-08-31", "to": "2024-09-30"}),
        ),
        (
            json!({"from": "2024-10-11", "to": "2024-10-11"}),
            "2024-10-11",
            "2024-10-11",
            json!({"from": "2024-10-10", "to": "2024-10-10"}),
        ),
        (
            json!({"from": "2030-01-01", "to": "2030-01-02"}),
            "2030-01-01",
            "2030-01-02",
            json!({"from": "2029-12-30", "to": "2029-12-31"}),
        ),
    ] {
        let lines = shop.page("sales", &json!({"range": range})).await;
        assert_eq!(lines[0]["range"], json!({"from": from, "to": to}), "{range}");
        assert_eq!(lines[0]["compare"], compare, "{range}");
        let kpi = tile(&lines, "1-1");
        assert_eq!(kpi["total"]["revenue"], opt_money(revenue(&between(from, to))), "{range}");
        assert_eq!(kpi["previous"].is_null(), compare.is_null(), "{range}");
        assert_eq!(kpi["change"].is_null(), compare.is_null(), "{range}");
    }
    // No data in these days: figures without a value, charts with all steps, bars without any.
    let lines = shop.page("sales", &json!({"range": {"from": "2030-01-01", "to": "2030-01-02"}})).await;
    assert_eq!(tile(&lines, "1-2")["total"], json!({"orders": 0}));
    assert_eq!(tile(&lines, "1-1")["change"], json!({"revenue": null}));
    assert_eq!(tile(&lines, "2-1")["data"], json!([["2030-01-01", "2030-01-02"], [null, null]]));
    assert_eq!(tile(&lines, "3-2")["data"], json!([[], [], []]));
}

#[tokio::test]
async fn days_to_come_do_not_move_the_page() {
    let shop = Shop::with(Plan { today: TODAY - 31, ..Plan::default() }).await.expect("a server");
    // Today is 2024-10-15, and there are orders of the 20th and the 31st.
    let lines = shop.page("sales", &json!({"range": "last 2 days"})).await;
    assert_eq!(lines[0]["range"], json!({"from": "2024-10-14", "to": "2024-10-15"}));
}

#[tokio::test]
async fn a_date_out_of_all_reason_breaks_nothing() {
    let mut orders = ORDERS.to_vec();
    orders[0].date = "0202-01-01";
    orders.push(Order { date: "infinity", ..orders[1] });
    let shop = Shop::with(Plan { publish: false, ..Plan::default() }).await.expect("a server");
    publish(&*shop.warehouse, 1, &orders).await;
    let lines = shop.page("sales", &json!({"range": "all"})).await;
    assert_eq!(lines.len(), 10);
    // More steps than a chart could show: only those with rows come.
    assert_eq!(tile(&lines, "2-1")["data"][0][0], "0202-01-01");
    let steps = tile(&lines, "2-1")["rows"].as_u64().expect("a number");
    assert!(steps < 20, "{steps}");
    let lines = shop.page("sales", &json!({})).await;
    assert_eq!(lines[0]["range"]["to"], "2024-11-15", "today, where data goes beyond it");
}

#[tokio::test]
async fn without_rows_there_is_no_range() {
    let shop = Shop::with(Plan { publish: false, ..Plan::default() }).await.expect("a server");
    publish(&*shop.warehouse, 1, &[]).await;
    let lines = shop.page("sales", &json!({})).await;
    assert_eq!((&lines[0]["range"], &lines[0]["compare"]), (&Json::Null, &Json::Null));
    assert_eq!(lines.len(), 10);
    assert_eq!(tile(&lines, "1-1")["total"], json!({"revenue": null}));
    assert_eq!(tile(&lines, "1-2")["total"], json!({"orders": 0}));
    for id in ["1-1", "2-1", "3-1", "3-2", "4-1"] {
        assert_eq!(tile(&lines, id)["rows"], 0, "{id}");
        assert_eq!(tile(&lines, id)["previous"], Json::Null, "{id}");
    }
}

#[tokio::test]
async fn a_view_without_time_has_no_range() {
    let shop = Shop::new().await;
    let lines = shop.page("clients", &json!({"range": "all"})).await;
    assert_eq!(lines[0]["range"], Json::Null);
    assert_eq!(tile(&lines, "1-1")["total"], json!({"clients": 3}));
    assert_eq!(tile(&lines, "1-2")["data"], json!([["Espagne", "France", null], [1, 1, 1]]));
    let path = "/api/v1/dashboards/clients/data";
    let (status, body) = shop.json("POST", path, &json!({"range": "last 3 days"})).await;
    assert_eq!((status, &body["error"]["code"]), (StatusCode::BAD_REQUEST, &json!("bad-query")));
    assert_eq!(shop.get("/api/v1/dashboards/clients").await["time"], Json::Null);
}

#[tokio::test]
async fn a_tile_that_fails_fails_alone() {
    let shop = Shop::new().await;
    let lines = shop.page("broken", &json!({})).await;
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert_eq!(lines[2]["id"], "1-2");
    assert_eq!(lines[2]["error"]["code"], "sql-error");
    assert!(lines[2]["error"]["message"].as_str().expect("a message").contains("no_such_column"));
    assert!(lines[2].get("result").is_none());
    assert_eq!(lines[1]["result"]["total"]["orders"], 11);
    assert_eq!(lines[4]["type"], "end");
}

#[tokio::test]
async fn what_the_dashboard_lacks_is_refused_with_a_hint() {
    let shop = Shop::new().await;
    for (body, status, code, hint) in [
        (json!({"filters": {"contry": ["x"]}}), 400, "bad-query", "did you mean `country`?"),
        (json!({"tiles": ["9-9"]}), 400, "bad-query", "it has:"),
        (json!({"rnage": "all"}), 400, "unknown-key", "did you mean `range`?"),
        (json!({"range": "last 0 days"}), 400, "bad-query", "last 30 days"),
        (json!([]), 400, "bad-query", ""),
    ] {
        let (got, answer) = shop.json("POST", "/api/v1/dashboards/sales/data", &body).await;
        assert_eq!((got.as_u16(), &answer["error"]["code"]), (status, &json!(code)), "{body}");
        let told = answer["error"]["hint"].as_str().unwrap_or_default();
        assert!(told.contains(hint), "{body}: {told}");
    }
    let (status, answer) = shop.json("POST", "/api/v1/dashboards/sale/data", &json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(answer["error"]["hint"], "did you mean `sales`?");
    let large = format!("{{\"filters\": {{\"country\": [\"{}\"]}}}}", "x".repeat(70_000));
    let (status, _, body) = shop.send("POST", "/api/v1/dashboards/sales/data", &[], large).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{}", String::from_utf8_lossy(&body));
}

#[tokio::test]
async fn the_same_page_costs_its_queries_once() {
    let shop = Shop::new().await;
    let first = shop.page("sales", &json!({})).await;
    let asked = shop.state.queries();
    assert!(asked > 8, "{asked}");
    let second = shop.page("sales", &json!({})).await;
    assert_eq!(shop.state.queries(), asked, "all from the cache");
    assert_eq!(first[..9], second[..9]);
    publish(&*shop.warehouse, 2, &ORDERS[..6]).await;
    let third = shop.page("sales", &json!({"range": "all"})).await;
    assert_eq!(third[0]["data_version"], 2);
    assert!(shop.state.queries() > asked);
    assert_eq!(tile(&third, "1-2")["total"], json!({"orders": count(&ORDERS[..6])}));
}

#[tokio::test]
async fn the_same_page_asked_twice_at_once_costs_its_queries_once() {
    let (shop, other) = (Shop::new().await, Shop::new().await);
    shop.page("sales", &json!({})).await;
    let request = json!({});
    tokio::join!(other.page("sales", &request), other.page("sales", &request));
    assert_eq!(other.state.queries(), shop.state.queries());
}

#[tokio::test]
async fn zeros_are_drawn_only_where_there_is_data() {
    let shop = Shop::new().await;
    let range = json!({"range": {"from": "2024-08-31", "to": "2024-11-02"}});
    let lines = shop.page("sales", &range).await;
    assert_eq!(lines[0]["extent"], json!({"from": "2024-09-03", "to": "2024-10-31"}));
    let line = tile(&lines, "2-1");
    let of = |day: &str| {
        let at = line["data"][0]
            .as_array()
            .expect("days")
            .iter()
            .position(|found| found == day)
            .expect("it is there");
        line["data"][1][at].clone()
    };
    for (day, value) in [
        ("2024-08-31", Json::Null),
        ("2024-09-02", Json::Null),
        ("2024-09-03", json!("100.50")),
        ("2024-09-04", json!("0.00")),
        ("2024-10-30", json!("0.00")),
        ("2024-11-01", Json::Null),
    ] {
        assert_eq!(of(day), value, "{day}");
    }
    // A range without data has no zeros at all.
    let lines = shop.page("sales", &json!({"range": {"from": "2024-01-01", "to": "2024-01-31"}})).await;
    let values = tile(&lines, "2-1")["data"][1].as_array().expect("values").clone();
    assert_eq!((values.len(), values.iter().all(Json::is_null)), (31, true));
}

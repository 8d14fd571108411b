//! `GET /dashboards/{name}/options`, and titles that tell tiles apart.

use axum::http::StatusCode;
use millrace_engine::ports::warehouse::Statement;
use serde_json::{Value as Json, json};

use crate::shop::{ORDERS, Shop, publish};

/// 5,432 countries of clients, as plain code makes and finds them again.
fn countries() -> Vec<String> {
    let odd = [
        "États-Unis",
        "ÉTATS FÉDÉRÉS",
        "e\u{301}tat nouveau",
        "100 %",
        "a_b",
        "it's",
        "Ελλάδα",
        "Straße",
        "\\",
    ];
    let made = (0..5_432 - odd.len()).map(|at| format!("Land {at:05}"));
    odd.iter().map(|name| (*name).to_owned()).chain(made).collect()
}

async fn shop() -> Shop {
    let shop = Shop::new().await;
    publish(&*shop.warehouse, 2, &ORDERS).await;
    let rows = countries()
        .iter()
        .enumerate()
        .map(|(at, name)| format!("({at}, '{}')", name.replace('\'', "''")))
        .collect::<Vec<_>>();
    let sql = format!("insert into build.dim_clients__p2 values {}", rows.join(", "));
    let emptied = Statement::new("delete from build.dim_clients__p2 where country is not null");
    shop.warehouse.transact(&[emptied, Statement::new(sql)]).await.expect("rows");
    shop
}

async fn found(shop: &Shop, query: &str) -> Json {
    shop.get(&format!("/api/v1/dashboards/sales/options?filter=country{query}")).await
}

#[tokio::test]
async fn a_cut_list_says_so_and_a_search_goes_beyond_it() {
    let shop = shop().await;
    let start = shop.page("sales", &json!({"tiles": []})).await[0].clone();
    let listed = start["options"]["country"].as_array().expect("a list").clone();
    assert_eq!(listed.len(), 1_000);
    assert_eq!(listed[999], Json::Null, "NULL is among them, whatever is cut");
    assert_eq!(start["options_cut"], json!({"country": 5_433}));

    let all = found(&shop, "").await;
    assert_eq!((&all["total"], all["values"].as_array().map(Vec::len)), (&json!(5_433), Some(1_000)));
    let last = found(&shop, "&search=LAND+05422").await;
    assert_eq!(last, json!({"data_version": 2, "values": ["Land 05422"], "total": 1}));
    let many = found(&shop, "&search=land").await;
    assert_eq!((&many["total"], many["values"].as_array().map(Vec::len)), (&json!(5_423), Some(1_000)));
    let none = found(&shop, "&search=atlantis").await;
    assert_eq!(none, json!({"data_version": 2, "values": [], "total": 0}));
}

#[tokio::test]
async fn case_and_accents_do_not_matter_and_nothing_is_a_pattern() {
    let shop = shop().await;
    for (search, expected) in [
        ("etats", vec!["États-Unis", "ÉTATS FÉDÉRÉS"]),
        ("%C3%89TAT", vec!["e\u{301}tat nouveau", "États-Unis", "ÉTATS FÉDÉRÉS"]),
        ("federes", vec!["ÉTATS FÉDÉRÉS"]),
        ("%25", vec!["100 %"]),
        ("a_b", vec!["a_b"]),
        ("it%27s", vec!["it's"]),
        ("%5C", vec!["\\"]),
        ("%CE%95%CE%9B%CE%9B%CE%91%CE%94%CE%91", vec!["Ελλάδα"]),
        ("++stra++", vec!["Straße"]),
    ] {
        let answer = found(&shop, &format!("&search={search}")).await;
        let mut values: Vec<&str> =
            answer["values"].as_array().expect("a list").iter().filter_map(Json::as_str).collect();
        values.sort_unstable();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(values, expected, "{search}");
        assert_eq!(answer["total"], expected.len(), "{search}");
    }
}

#[tokio::test]
async fn numbers_come_in_the_order_of_numbers() {
    let shop = Shop::new().await;
    let start = shop.page("sales", &json!({"tiles": []})).await[0].clone();
    assert_eq!(start["options"]["pieces"], json!([0, 1, 2]));
    let one = shop.get("/api/v1/dashboards/sales/options?filter=pieces&search=1").await;
    assert_eq!(one["values"], json!([1]));
}

#[tokio::test]
async fn what_is_not_there_is_refused_without_repeating_the_text() {
    let shop = Shop::new().await;
    let long = "x".repeat(201);
    for path in [
        "/api/v1/dashboards/sales/options".to_owned(),
        "/api/v1/dashboards/sales/options?filter=nothing".to_owned(),
        "/api/v1/dashboards/sales/options?filter=country&limit=3".to_owned(),
        format!("/api/v1/dashboards/sales/options?filter=country&search={long}"),
    ] {
        let (status, answer) = shop.json("GET", &path, &Json::Null).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {answer}");
        assert!(!answer.to_string().contains("xxx"), "{answer}");
    }
}

#[tokio::test]
async fn tiles_without_a_title_say_what_they_are_cut_by() {
    let shop = Shop::new().await;
    let page = shop.get("/api/v1/dashboards/sales").await;
    let titles: Vec<&Json> = page["rows"]
        .as_array()
        .expect("rows")
        .iter()
        .flat_map(|row| row.as_array().expect("tiles"))
        .map(|tile| &tile["title"])
        .collect();
    assert_eq!(*titles[0], json!({"en": "Revenue", "fr": "Chiffre d'affaires"}));
    assert_eq!(*titles[3], json!({"en": "Revenue by day", "fr": "Chiffre d'affaires par jour"}));
    assert_eq!(*titles[4], json!({"en": "Orders by week", "fr": "Orders par semaine"}));
    assert_eq!(*titles[5], json!({"en": "Revenue by country", "fr": "Chiffre d'affaires par pays"}));
    assert_eq!(*titles[7], json!({"en": "All"}));
}

//! `GET /project`, `/dashboards/{name}`, `/quarantine`, and a project that has never run.

use axum::http::StatusCode;
use millrace_core::project::environment::Schemas;
use millrace_core::value::Value;
use millrace_engine::ports::warehouse::Statement;
use millrace_engine::state::{RunRecord, State, Tables};
use serde_json::{Value as Json, json};

use crate::shop::{Plan, Shop};

#[tokio::test]
async fn the_project_at_a_glance() {
    let shop = Shop::new().await;
    let project = shop.get("/api/v1/project").await;
    let expected = json!({
        "name": "shop", "version": "0.0.1", "environment": "dev", "time_zone": "UTC", "locales": ["en", "fr"], "sources": [],
        "dashboards": [
            {"name": "broken", "title": {"en": "Broken"}},
            {"name": "clients", "title": {"en": "Clients"}},
            {"name": "sales", "title": {"en": "Sales", "fr": "Ventes"}},
        ],
        "publication": {"data_version": 1, "published_at": "2024-11-15T10:00:01Z", "run": "run1"},
        "last_run": null, "last_result": null, "rollback": null, "schedule": null,
        "quarantine": {"rows": 0, "streams": []},
    });
    assert_eq!(project, expected);
}

#[tokio::test]
async fn the_last_run_says_why_nothing_is_new() {
    let shop = Shop::new().await;
    let summary = json!({
        "run": "20241115T100000-abcd", "status": "held", "environment": "dev", "data_version": 1,
        "started_at": "2024-11-15T10:00:00Z", "finished_at": "2024-11-15T10:00:01Z", "streams": [], "models": [],
        "tests": [
            {"test": "unique(dim_clients.client_id)", "model": "dim_clients", "severity": "error", "rows": 0, "table": "build.d"},
            {"test": "not_null(fact_orders.client_id)", "model": "fact_orders", "severity": "error", "rows": 4, "table": "build.f"},
            {"test": "not_null(fact_orders.status)", "model": "fact_orders", "severity": "warn", "rows": 1, "table": "build.f"},
        ],
        "error": {"code": "test-failed", "message": "one data test failed", "hint": null}, "duration_ms": 812,
    });
    let statements = Tables::in_schema("_millrace").record_run(&RunRecord {
        run: "20241115T100000-abcd",
        started_at: 0,
        finished_at: Some(1),
        status: "held",
        summary: &summary,
        scheduled_for: None,
        fence: 0,
    });
    shop.warehouse.transact(&statements).await.expect("a record");
    let project = shop.get("/api/v1/project").await;
    let expected = json!({
        "run": "20241115T100000-abcd", "trigger": {"kind": "command", "scheduled_for": null, "attempt": 1},
        "status": "held", "held": {"by": "tests"}, "started_at": "2024-11-15T10:00:00Z",
        "finished_at": "2024-11-15T10:00:01Z", "duration_ms": 812, "data_version": 1,
        "rows_loaded": 0, "rows_quarantined": 0, "rows_removed": 0, "models_built": 0, "models_unchanged": 0, "streams": [],
        "notices": [],
        "failed_tests": [
            {"test": "not_null(fact_orders.client_id)", "model": "fact_orders", "rows": 4, "severity": "error"},
            {"test": "not_null(fact_orders.status)", "model": "fact_orders", "rows": 1, "severity": "warn"},
        ],
        "error": {"code": "test-failed", "message": "one data test failed", "hint": null},
    });
    assert_eq!(project["last_run"], expected);
}

#[tokio::test]
async fn a_dashboard_without_its_numbers() {
    let shop = Shop::new().await;
    let sales = shop.get("/api/v1/dashboards/sales").await;
    assert_eq!(
        sales["time"],
        json!({"dimension": "order_date", "label": {"en": "Order date"}, "range": "last 30 days", "grain": "day",
               "compare": "previous_period"})
    );
    assert_eq!(
        sales["filters"],
        json!([
            {"name": "country", "label": {"en": "Country", "fr": "Pays"}, "type": "text"},
            {"name": "status", "label": {"en": "Status"}, "type": "text"},
            {"name": "pieces", "label": {"en": "Pieces"}, "type": "integer"},
            {"name": "shipped", "label": {"en": "Shipped"}, "type": "boolean"},
        ])
    );
    let revenue = json!({"name": "revenue", "label": {"en": "Revenue", "fr": "Chiffre d'affaires"},
        "format": {"style": "currency", "currency": "EUR", "scale": 2}, "description": null});
    let orders = json!({"name": "orders", "label": {"en": "Orders"},
        "format": {"style": "integer", "currency": null, "scale": 0}, "description": null});
    let rows = &sales["rows"];
    assert_eq!(
        rows[0][0],
        json!({"id": "1-1", "kind": "kpi", "title": {"en": "Revenue", "fr": "Chiffre d'affaires"}, "metric": revenue,
               "dimension": null, "grain": "day", "fill": null})
    );
    assert_eq!((&rows[0][1]["metric"], &rows[0][1]["grain"]), (&orders, &Json::Null));
    assert_eq!((&rows[1][0]["fill"], &rows[1][0]["grain"]), (&json!("zero"), &json!("day")));
    assert_eq!(rows[1][0]["dimension"]["type"], "date");
    assert_eq!((&rows[1][1]["fill"], &rows[1][1]["grain"]), (&Json::Null, &json!("week")));
    assert_eq!((&rows[2][0]["kind"], &rows[2][0]["grain"]), (&json!("bar"), &Json::Null));
    let table = &rows[3][0];
    assert_eq!((&table["metric"], &table["dimension"]), (&Json::Null, &Json::Null));
    assert_eq!(table["metrics"][2]["format"], json!({"style": "decimal", "currency": null, "scale": 2}));
    assert_eq!(table["dimensions"][1]["name"], "status");
    let (status, body) = shop.json("GET", "/api/v1/dashboards/nothing", &Json::Null).await;
    assert_eq!((status, &body["error"]["code"]), (StatusCode::NOT_FOUND, &json!("unknown-ref")));
    let (status, _) = shop.json("GET", "/api/v1/dashboards/%FF", &Json::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

async fn quarantine(shop: &Shop, line: i64, at: i64, raw: Option<&str>) {
    let sql = "insert into _millrace.quarantine (source, stream, run, quarantined_at, file, line, column_name, code, reason, raw, raw_sha256) \
               values ('files', 'orders', 'run1', $1, 'data/orders.json', $2, 'Quantite', \
               'wrong-type', 'expected an integer, found text', $3, 'ab12')";
    let values = [Value::TimestampTz(at), Value::Int(line.into()), raw.map_or(Value::Null, Value::text)];
    shop.warehouse.transact(&[Statement::with(sql, values)]).await.expect("a row");
}

#[tokio::test]
async fn the_quarantine_lists_the_newest_first() {
    let shop = Shop::new().await;
    quarantine(&shop, 17, 1_000_000, Some("{\"Quantite\": \"deux\"}")).await;
    quarantine(&shop, 18, 2_000_000, None).await;
    quarantine(&shop, 3, 2_000_000, None).await;
    let answer = shop.get("/api/v1/quarantine?limit=2").await;
    let hidden = |line: i64| {
        json!({"stream": "files.orders", "file": "data/orders.json", "line": line, "column": "Quantite",
            "code": "wrong-type", "reason": "expected an integer, found text", "raw": null, "raw_hash": "ab12",
            "run": "run1", "at": "1970-01-01T00:00:02Z"})
    };
    assert_eq!(answer, json!({"total": 3, "rows": [hidden(3), hidden(18)]}));
    let all = shop.get("/api/v1/quarantine").await;
    assert_eq!(all["rows"][2]["raw"], "{\"Quantite\": \"deux\"}");
    assert!(all["rows"][2].get("raw_hash").is_none());
    let project = shop.get("/api/v1/project").await;
    let expected = json!({"rows": 3, "streams": [{"stream": "files.orders", "rows": 3}]});
    assert_eq!(project["quarantine"], expected);
    for bad in ["0", "10001", "-1", "x", ""] {
        let (status, _) = shop.json("GET", &format!("/api/v1/quarantine?limit={bad}"), &Json::Null).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{bad}");
    }
}

#[tokio::test]
async fn a_project_that_never_ran() {
    let shop = Shop::with(Plan { publish: false, ..Plan::default() }).await.expect("a server");
    for migrated in [false, true] {
        if migrated {
            State::of(&*shop.warehouse, &Schemas::default()).migrate().await.expect("state");
        }
        let project = shop.get("/api/v1/project").await;
        assert_eq!((&project["publication"], &project["last_run"]), (&Json::Null, &Json::Null));
        assert_eq!(project["quarantine"]["rows"], 0);
        let sales = shop.get("/api/v1/dashboards/sales").await;
        assert_eq!(sales["filters"][2]["type"], "text", "nobody knows better yet");
        assert_eq!(shop.get("/api/v1/quarantine").await, json!({"total": 0, "rows": []}));
        let question = json!({"semantic_view": "sales", "metrics": ["revenue"]});
        for (path, body) in
            [("/api/v1/dashboards/sales/data", json!({})), ("/api/v1/metrics/query", question)]
        {
            let (status, answer) = shop.json("POST", path, &body).await;
            assert_eq!(status, StatusCode::CONFLICT, "{path}");
            assert_eq!(answer["error"]["code"], "not-published");
            assert!(answer["error"]["hint"].as_str().expect("a hint").contains("millrace run"));
        }
    }
}

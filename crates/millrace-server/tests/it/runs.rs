//! `GET /runs`, `/runs/{run}` and `/runs/{run}/failures`; what holds a run, and the next one.

use axum::http::StatusCode;
use jiff::Timestamp;
use millrace_engine::ports::warehouse::{Statement, Warehouse};
use millrace_engine::state::{RunRecord, Tables};
use serde_json::{Value as Json, json};

use crate::retired::shared;
use crate::shop::{ORDERS, Plan, SERIAL, Shop, money};

/// A run that is held by data tests over the published tables, and one that was before.
pub(crate) const HELD: &str = "20241115T100000-abcd";
const BEFORE: &str = "20241114T100000-0001";

fn test(name: &str, severity: &str, rows: usize, table: &str, tested: &Json) -> Json {
    json!({
        "test": name, "model": "fact_orders", "severity": severity, "rows": rows, "table": table,
        "other_table": "build.dim_clients__p1", "tested": tested,
    })
}

fn without_other(mut test: Json) -> Json {
    test.as_object_mut().expect("an object").remove("other_table");
    test
}

/// All four kinds of tests, with figures worked out from the orders; one whose table is gone; one that passed.
fn tests() -> Json {
    let table = "build.fact_orders__p1";
    let none = ORDERS.iter().filter(|order| order.status.is_none()).count();
    let twice = ORDERS.iter().filter(|a| ORDERS.iter().filter(|b| b.id == a.id).count() > 1).count();
    let other = ORDERS.iter().filter(|order| order.status.is_some_and(|status| status != "Validee")).count();
    let orphans = ORDERS.iter().filter(|order| order.client > 3).count();
    let column = |name: &str, check: Json| json!({"column": name, "check": check});
    let gone = column("status", json!({"kind": "not_null"}));
    json!([
        without_other(test(
            "not_null(fact_orders.status)",
            "error",
            none,
            table,
            &column("status", json!({"kind": "not_null"}))
        )),
        without_other(test(
            "unique(fact_orders.order_id)",
            "warn",
            twice,
            table,
            &column("order_id", json!({"kind": "unique"}))
        )),
        without_other(test(
            "accepted_values(fact_orders.status)",
            "warn",
            other,
            table,
            &column("status", json!({"kind": "accepted_values", "values": ["Validee"]})),
        )),
        test(
            "relationships(fact_orders.client_id → dim_clients.client_id)",
            "error",
            orphans,
            table,
            &column("client_id", json!({"kind": "relationships", "to": "dim_clients", "field": "client_id"})),
        ),
        without_other(test("not_null(fact_orders.amount)", "error", 7, "build.fact_orders__r9", &gone)),
        without_other(test("not_null(fact_orders.order_id)", "error", 0, table, &Json::Null)),
    ])
}

pub(crate) fn summary(run: &str, changed: &Json) -> Json {
    let mut summary = json!({
        "run": run, "status": "held", "environment": "dev", "data_version": 1,
        "started_at": "2024-11-15T10:00:00Z", "finished_at": "2024-11-15T10:00:01Z",
        "streams": [
            {"stream": "files.orders", "status": "loaded", "rows_loaded": 12, "rows_quarantined": 2, "rows_removed": 3, "rows_in_table": 12, "duration_ms": 5},
            {"stream": "crm.clients", "status": "unchanged", "rows_loaded": 0, "rows_quarantined": 0, "rows_in_table": 3, "duration_ms": 1},
        ],
        "models": [
            {"model": "fact_orders", "status": "built", "reason": "never built", "materialization": "table", "published": true, "rows": 12, "duration_ms": 9},
            {"model": "stg_orders", "status": "unchanged", "reason": "nothing it reads is new", "materialization": "view", "published": false, "rows": null, "duration_ms": 0},
        ],
        "tests": tests(), "held": {"by": "tests"}, "error": null, "duration_ms": 812,
    });
    for (key, value) in changed.as_object().into_iter().flatten() {
        summary[key] = value.clone();
    }
    summary
}

pub(crate) async fn record(warehouse: &dyn Warehouse, at: i64, summary: &Json) {
    let text = |key: &str| summary[key].as_str().expect("a text");
    let statements = Tables::in_schema("_millrace").record_run(&RunRecord {
        run: text("run"),
        started_at: at,
        finished_at: Some(at + 1),
        status: text("status"),
        summary,
        scheduled_for: None,
        fence: 0,
    });
    warehouse.transact(&statements).await.expect("a record");
}

async fn shop() -> Shop {
    let shop = Shop::with(Plan { between: shared, ..Plan::default() }).await.expect("a server");
    let tried = json!({
        "trigger": {"kind": "retry", "scheduled_for": "2024-11-14T09:45:00Z", "attempt": 2}, "status": "failed", "held": null,
        "tests": [], "error": {"code": "source-unreachable", "message": "source `crm` cannot be reached", "hint": null},
    });
    record(&*shop.warehouse, 1_000, &summary(BEFORE, &tried)).await;
    record(&*shop.warehouse, 2_000, &summary(HELD, &json!({}))).await;
    shop
}

async fn failures(shop: &Shop, test: &str, more: &str) -> (StatusCode, Json) {
    let encoded: Vec<String> = test.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let encoded = encoded.concat();
    shop.json("GET", &format!("/api/v1/runs/{HELD}/failures?test={encoded}{more}"), &Json::Null).await
}

/// The values of a column of the answer.
fn column<'a>(answer: &'a Json, name: &str) -> &'a Json {
    let at = answer["columns"].as_array().expect("columns").iter().position(|column| column["name"] == name);
    &answer["data"][at.expect("the column")]
}

#[tokio::test]
async fn the_ledger_says_why_what_and_how() {
    let shop = shop().await;
    let ledger = shop.get("/api/v1/runs").await;
    let ids: Vec<_> = ledger["runs"].as_array().expect("runs").iter().map(|run| &run["run"]).collect();
    assert_eq!(ids, [HELD, BEFORE], "the newest first");
    let held = &ledger["runs"][0];
    assert_eq!(held["trigger"], json!({"kind": "command", "scheduled_for": null, "attempt": 1}));
    assert_eq!((&held["held"], &held["data_version"]), (&json!({"by": "tests"}), &json!(1)));
    assert_eq!((&held["rows_loaded"], &held["rows_quarantined"]), (&json!(12), &json!(2)));
    assert_eq!(held["rows_removed"], 3);
    assert_eq!((&held["models_built"], &held["models_unchanged"]), (&json!(1), &json!(1)));
    let streams: Vec<_> = held["streams"].as_array().expect("streams").iter().map(|s| &s["stream"]).collect();
    assert_eq!(streams, ["files.orders"], "only what was new");
    assert_eq!(held["failed_tests"].as_array().map(Vec::len), Some(5));
    let failed = &ledger["runs"][1];
    assert_eq!(
        failed["trigger"],
        json!({"kind": "retry", "scheduled_for": "2024-11-14T09:45:00Z", "attempt": 2})
    );
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("failed"), &json!("source-unreachable"))
    );
    let one = shop.get("/api/v1/runs?limit=1").await;
    assert_eq!(one["runs"].as_array().map(Vec::len), Some(1));
    for limit in ["0", "1001", "x"] {
        let (status, _) = shop.json("GET", &format!("/api/v1/runs?limit={limit}"), &Json::Null).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{limit}");
    }
}

#[tokio::test]
async fn one_run_in_full() {
    let shop = shop().await;
    let run = shop.get(&format!("/api/v1/runs/{HELD}")).await;
    assert_eq!(run["streams"].as_array().map(Vec::len), Some(2), "all streams");
    assert_eq!(run["models"][1]["reason"], "nothing it reads is new");
    assert_eq!(run["tests"].as_array().map(Vec::len), Some(6), "also those that passed");
    let (status, answer) = shop.json("GET", "/api/v1/runs/20200101T000000-0000", &Json::Null).await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::NOT_FOUND, &json!("unknown-ref")));
}

#[tokio::test]
async fn some_rows_of_each_kind_of_test() {
    let shop = shop().await;
    let (status, found) = failures(&shop, "not_null(fact_orders.status)", "").await;
    assert_eq!(status, StatusCode::OK, "{found}");
    let order = ORDERS.iter().find(|order| order.status.is_none()).expect("an order without status");
    assert_eq!((&found["column"], &found["total"], &found["rows"]), (&json!("status"), &json!(1), &json!(1)));
    assert_eq!(found["columns"].as_array().map(Vec::len), Some(9), "all columns of the model");
    assert_eq!(found["columns"][4], json!({"name": "amount", "type": "decimal", "scale": 2}));
    // The encoding of values is that of all answers.
    assert_eq!(column(&found, "order_id"), &json!([order.id]));
    assert_eq!(column(&found, "amount"), &json!([order.cents.map(money)]));
    assert_eq!(column(&found, "order_date"), &json!([order.date]));
    assert_eq!(column(&found, "status"), &json!([null]));
    assert_eq!(column(&found, "serial"), &json!([SERIAL.to_string()]));

    let (_, twice) = failures(&shop, "unique(fact_orders.order_id)", "").await;
    assert_eq!(column(&twice, "order_id"), &json!([9, 9]));
    let (_, other) = failures(&shop, "accepted_values(fact_orders.status)", "").await;
    assert_eq!(column(&other, "status"), &json!(["Annulee", "Annulee", "En attente", "En attente"]));
    let (_, some) = failures(&shop, "accepted_values(fact_orders.status)", "&limit=3").await;
    assert_eq!((&some["rows"], &some["total"]), (&json!(3), &json!(4)));
    let orphans = "relationships(fact_orders.client_id → dim_clients.client_id)";
    let (_, orphans) = failures(&shop, orphans, "").await;
    assert_eq!(column(&orphans, "client_id"), &json!([4, 4]));
}

#[tokio::test]
async fn rows_that_are_gone_are_still_counted() {
    let shop = shop().await;
    let (status, answer) = failures(&shop, "not_null(fact_orders.amount)", "").await;
    assert_eq!((status, &answer["error"]["code"]), (StatusCode::GONE, &json!("rows-gone")));
    assert!(answer["error"]["message"].as_str().expect("a message").ends_with("found 7"), "{answer}");
    // The other table of a test can go as well.
    let orphans = "relationships(fact_orders.client_id → dim_clients.client_id)";
    assert_eq!(failures(&shop, orphans, "").await.0, StatusCode::OK);
    let drop = Statement::new("drop table build.dim_clients__p1");
    shop.warehouse.transact(&[drop]).await.expect("it is dropped");
    assert_eq!(failures(&shop, orphans, "").await.0, StatusCode::GONE);
    for (test, more, expected) in [
        ("not_null(fact_orders.order_id)", "", StatusCode::NOT_FOUND),
        ("no_such_test", "", StatusCode::NOT_FOUND),
        ("not_null(fact_orders.status)", "&limit=101", StatusCode::BAD_REQUEST),
        ("not_null(fact_orders.status)", "&limit=0", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(failures(&shop, test, more).await.0, expected, "{test}{more}");
    }
    let (status, answer) = shop.json("GET", &format!("/api/v1/runs/{HELD}/failures"), &Json::Null).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
}

#[tokio::test]
async fn what_holds_a_run_is_told() {
    let shop = shop().await;
    let project = shop.get("/api/v1/project").await;
    assert_eq!((&project["last_run"]["run"], &project["last_result"]["run"]), (&json!(HELD), &json!(HELD)));
    for (at, held) in [
        json!({"by": "blocked", "what": ["`report` of bob depends on column `a`"], "hint": "Drop it."}),
        json!({"by": "rollback", "publication": 3}),
    ]
    .into_iter()
    .enumerate()
    {
        let run = format!("20241116T10000{at}-abcd");
        record(&*shop.warehouse, 3_000 + at as i64, &summary(&run, &json!({"held": held, "tests": []})))
            .await;
        let told = shop.get(&format!("/api/v1/runs/{run}")).await;
        let mut expected = held.clone();
        if held["by"] == "rollback" {
            expected = json!({"by": "rollback", "data_version": 3});
        }
        assert_eq!(told["held"], expected);
    }
    // While a run is under way, what came of the one before is still told.
    let running =
        json!({"status": "running", "held": null, "tests": [], "finished_at": null, "data_version": null});
    record(&*shop.warehouse, 9_000, &summary("20241117T100000-abcd", &running)).await;
    let project = shop.get("/api/v1/project").await;
    assert_eq!(project["last_run"]["status"], "running");
    assert_eq!(
        (&project["last_result"]["run"], &project["last_result"]["status"]),
        (&json!("20241116T100001-abcd"), &json!("held"))
    );
}

#[tokio::test]
async fn a_notice_says_which_stream_it_is_about() {
    let shop = shop().await;
    let run = "20241118T100000-abcd";
    let notice = |stream: Json| json!({"code": "stream-shrunk", "message": "it has lost rows", "hint": null, "stream": stream});
    // As an earlier version has written it down.
    let unsaid = json!({"code": "schema-drift", "message": "a column is new", "hint": null});
    let told = json!({"notices": [notice(json!("files.orders")), unsaid]});
    record(&*shop.warehouse, 4_000, &summary(run, &told)).await;
    let notices = shop.get(&format!("/api/v1/runs/{run}")).await["notices"].clone();
    assert_eq!(notices[0], notice(json!("files.orders")));
    assert_eq!(notices[1]["stream"], Json::Null);
    assert_eq!(notices[1]["code"], "schema-drift");
}

#[tokio::test]
async fn a_run_whose_process_died_is_not_under_way() {
    let running =
        json!({"status": "running", "held": null, "tests": [], "finished_at": null, "duration_ms": 0});
    // Nobody else can have this warehouse, and this server runs nothing.
    let shop = Shop::new().await;
    record(&*shop.warehouse, 1_000, &summary(HELD, &running)).await;
    for run in [
        &shop.get("/api/v1/project").await["last_result"],
        &shop.get("/api/v1/runs").await["runs"][0],
        &shop.get(&format!("/api/v1/runs/{HELD}")).await,
    ] {
        assert_eq!((&run["run"], &run["status"]), (&json!(HELD), &json!("failed")));
        assert_eq!((&run["finished_at"], &run["error"]), (&Json::Null, &Json::Null));
    }
}

#[tokio::test]
async fn nobody_sees_rows_without_the_token() {
    let manifest = format!("{}serve: {{auth: {{token: t}}}}\n", crate::shop::MANIFEST);
    let shop = Shop::with(Plan { manifest, ..Plan::default() }).await.expect("a server");
    record(&*shop.warehouse, 1, &summary(HELD, &json!({}))).await;
    let rows = format!("/api/v1/runs/{HELD}/failures?test=not_null(fact_orders.status)");
    for path in ["/api/v1/runs", &format!("/api/v1/runs/{HELD}"), &rows, "/runs"] {
        assert_eq!(shop.send("GET", path, &[], "").await.0, StatusCode::UNAUTHORIZED, "{path}");
    }
    let (status, ..) = shop.send("GET", &rows, &[("authorization", "Bearer t")], "").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_rollback_that_holds_is_told() {
    let shop = Shop::new().await;
    assert_eq!(shop.get("/api/v1/project").await["rollback"], Json::Null);
    let sql = "update _millrace.publications set record = replace(record, '\"run\":', '\"rollback_to\":7,\"pinned\":true,\"run\":')";
    shop.warehouse.transact(&[Statement::new(sql)]).await.expect("an update");
    assert_eq!(
        shop.get("/api/v1/project").await["rollback"],
        json!({"data_version": 1, "brought_back": 7, "since": "2024-11-15T10:00:01Z"})
    );
}

#[tokio::test]
async fn a_project_that_never_ran_has_no_runs() {
    let shop = Shop::with(Plan { publish: false, ..Plan::default() }).await.expect("a server");
    assert_eq!(shop.get("/api/v1/runs").await, json!({"runs": []}));
    let (status, _) = shop.json("GET", "/api/v1/runs/x", &Json::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    // Nobody keeps a schedule here.
    shop.state.set_next_run(Some(Timestamp::UNIX_EPOCH));
    assert_eq!(shop.get("/api/v1/project").await["schedule"], Json::Null);
}

//! `docs/reference/openapi.json` is what the server says of itself, and its answers are what that says.

use std::path::Path;

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use crate::runs::{HELD, record, summary};
use crate::shop::Shop;

#[test]
fn the_snapshot_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/openapi.json");
    let mut text = serde_json::to_string_pretty(&millrace_server::openapi()).expect("JSON");
    text.push('\n');
    if std::env::var_os("MILLRACE_BLESS").is_some() {
        std::fs::write(&path, &text).expect("it can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "docs/reference/openapi.json is stale: run `make bless`");
}

/// Objects that are one.
fn merged(parts: &[Json], contract: &Json) -> Json {
    let (mut required, mut properties) = (Vec::new(), serde_json::Map::new());
    for part in parts {
        let name = part["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
        let part = name.map_or(part, |name| &contract["components"]["schemas"][name]);
        required.extend(part["required"].as_array().cloned().unwrap_or_default());
        properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
    }
    json!({"type": "object", "required": required, "properties": properties})
}

/// Where a value does not fit a schema; a small part of JSON Schema, namely what the contract uses.
fn misfits(value: &Json, schema: &Json, contract: &Json, at: &str, found: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or_default();
        let target = &contract["components"]["schemas"][name];
        assert!(target.is_object(), "{reference} leads nowhere");
        return misfits(value, target, contract, at, found);
    }
    if let Some(any) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let fits = any.iter().any(|one| {
            let mut of_one = Vec::new();
            misfits(value, one, contract, at, &mut of_one);
            of_one.is_empty()
        });
        if !fits {
            found.push(format!("{at}: {value} is none of the alternatives"));
        }
        return;
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return misfits(value, &merged(parts, contract), contract, at, found);
    }
    let kind = match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(n) if n.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    };
    let wanted: Vec<&str> = match &schema["type"] {
        Json::String(one) => vec![one],
        Json::Array(several) => several.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    let fits = wanted.contains(&kind) || (kind == "integer" && wanted.contains(&"number"));
    if !wanted.is_empty() && !fits {
        found.push(format!("{at}: {value} is no {wanted:?}"));
    }
    if let Some(values) = schema["enum"].as_array()
        && !values.contains(value)
    {
        found.push(format!("{at}: {value} is none of {values:?}"));
    }
    if let (Json::Object(fields), Some(properties)) = (value, schema["properties"].as_object()) {
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            if !fields.contains_key(required) {
                found.push(format!("{at}: `{required}` is missing"));
            }
        }
        for (name, field) in fields {
            match properties.get(name) {
                Some(schema) => misfits(field, schema, contract, &format!("{at}.{name}"), found),
                None => found.push(format!("{at}: `{name}` is not in the contract")),
            }
        }
    } else if let (Json::Object(fields), more @ Json::Object(_)) = (value, &schema["additionalProperties"]) {
        for (name, field) in fields {
            misfits(field, more, contract, &format!("{at}.{name}"), found);
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        misfits(item, &schema["items"], contract, &format!("{at}[{index}]"), found);
    }
}

fn check(answer: &Json, schema: &str, contract: &Json) {
    let mut found = Vec::new();
    let reference = json!({"$ref": format!("#/components/schemas/{schema}")});
    misfits(answer, &reference, contract, schema, &mut found);
    assert!(found.is_empty(), "{found:#?}");
}

#[tokio::test]
async fn answers_are_what_the_contract_says() {
    let contract = millrace_server::openapi();
    let shop = Shop::new().await;
    record(&*shop.warehouse, 1, &summary(HELD, &json!({}))).await;
    check(&shop.get("/api/v1/project").await, "Project", &contract);
    check(&shop.get("/api/v1/runs").await, "Runs", &contract);
    check(&shop.get(&format!("/api/v1/runs/{HELD}")).await, "RunDetails", &contract);
    let rows = format!("/api/v1/runs/{HELD}/failures?test=not_null(fact_orders.status)");
    check(&shop.get(&rows).await, "Failures", &contract);
    check(&shop.get("/api/v1/dashboards/sales").await, "Dashboard", &contract);
    check(&shop.get("/api/v1/dashboards/sales/options?filter=country").await, "FilterOptions", &contract);
    check(&shop.get("/api/v1/quarantine").await, "Quarantine", &contract);
    for name in ["sales", "broken", "clients"] {
        for line in shop.page(name, &json!({})).await {
            check(&line, "DataEvent", &contract);
        }
    }
    let question =
        json!({"semantic_view": "sales", "metrics": ["revenue", "weight"], "dimensions": ["status"]});
    check(&shop.metrics(&question).await, "MetricAnswer", &contract);
    let (_, refusal) = shop.json("POST", "/api/v1/metrics/query", &json!([])).await;
    check(&refusal, "ErrorBody", &contract);
}

#[tokio::test]
async fn every_path_of_the_contract_is_served() {
    let contract = millrace_server::openapi();
    let shop = Shop::new().await;
    let paths = contract["paths"].as_object().expect("paths");
    assert_eq!(paths.len(), 11);
    record(&*shop.warehouse, 1, &summary(HELD, &json!({}))).await;
    for (path, methods) in paths.iter().filter(|(path, _)| !path.ends_with("/events")) {
        for method in methods.as_object().expect("methods").keys() {
            let mut address = path.replace("{name}", "sales").replace("{run}", HELD);
            if path.ends_with("/options") {
                address.push_str("?filter=country&search=a");
            }
            if path.ends_with("/failures") {
                address.push_str("?test=not_null(fact_orders.status)");
            }
            let (status, ..) = shop.send(&method.to_uppercase(), &address, &[], "").await;
            assert!(
                !matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED),
                "{method} {path}: {status}"
            );
        }
    }
}

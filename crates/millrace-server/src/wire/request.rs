//! Request bodies, decoded strictly.
//!
//! An unknown key is an error that names the nearest known one. No message repeats the value of a
//! filter, because filter values are cell values. The `…Body` types exist only for the OpenAPI
//! document; decoding is done by hand, for better messages.

use std::collections::BTreeMap;

use millrace_core::code::Code;
use millrace_core::metric::query::Filters;
use millrace_core::metric::time_range::{Days, Grain, TimeRange, parse_date};
use millrace_core::suggest::did_you_mean;
use serde::Serialize;
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

use crate::failure::{Failure, Result};
use crate::wire::dashboard;
use crate::wire::page::DateRange;
use crate::wire::value::Cell;

/// Largest number of metrics, of dimensions and of sort keys in one query; far beyond what a page
/// shows.
const MOST_NAMES: usize = 50;
/// Largest `limit` of a metric query.
const MOST_ROWS: usize = 100_000;
const RANGE_HINT: &str =
    "Write `all`, `last 30 days`, or an object with `from` and `to`, each `YYYY-MM-DD`, both in the range.";

/// `POST /dashboards/{name}/data`. All of it is optional.
#[derive(Serialize, ToSchema)]
#[schema(as = DataRequest)]
pub(crate) struct DataRequestBody {
    /// The dashboard's own where there is none.
    range: Option<RangeBody>,
    /// Values to keep, by dimension; only dimensions that the dashboard filters by.
    filters: Option<BTreeMap<String, Vec<Cell>>>,
    /// Ids of the tiles that are wanted; all where there is none.
    tiles: Option<Vec<String>>,
}

/// `POST /metrics/query`
#[derive(Serialize, ToSchema)]
pub(crate) struct MetricsRequestBody {
    semantic_view: String,
    /// At least one.
    metrics: Vec<String>,
    /// May name the time dimension; `grain` then says how it is cut.
    dimensions: Option<Vec<String>>,
    grain: Option<dashboard::Grain>,
    /// Without one, rows without a date count too.
    range: Option<RangeBody>,
    /// Values to keep, by dimension.
    filters: Option<BTreeMap<String, Vec<Cell>>>,
    /// Metrics or dimensions of this question; `-` in front: the greatest first.
    order_by: Option<Vec<String>>,
    /// Rows at most: 1,000 by default, 100,000 at most.
    limit: Option<usize>,
}

/// Two days, or `last N days|weeks|months|years` or `all`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "the schema of what `range` reads")]
pub(crate) enum RangeBody {
    Between(DateRange),
    Words(String),
}

/// A decoded request for a page's data. `None` and empty mean: as the dashboard says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DataRequest {
    pub(crate) range: Option<TimeRange>,
    pub(crate) filters: Filters,
    pub(crate) tiles: Option<Vec<String>>,
}

/// A decoded metric query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetricsRequest {
    pub(crate) semantic_view: String,
    pub(crate) metrics: Vec<String>,
    pub(crate) dimensions: Vec<String>,
    pub(crate) grain: Option<Grain>,
    pub(crate) range: Option<TimeRange>,
    pub(crate) filters: Filters,
    /// Name, and whether the order is descending.
    pub(crate) order: Vec<(String, bool)>,
    pub(crate) limit: usize,
}

impl DataRequest {
    /// Decodes a body; an empty body selects the dashboard's defaults.
    pub(crate) fn decode(body: &[u8]) -> Result<Self> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let fields = object(body)?;
        known(&fields, &["range", "filters", "tiles"])?;
        Ok(Self {
            range: range(&fields)?,
            filters: filters(&fields)?,
            tiles: fields
                .get("tiles")
                .filter(|tiles| !tiles.is_null())
                .map(|_| names(&fields, "tiles"))
                .transpose()?,
        })
    }
}

impl MetricsRequest {
    /// Decodes a body. `semantic_view` and at least one metric are required.
    pub(crate) fn decode(body: &[u8]) -> Result<Self> {
        let fields = object(body)?;
        let keys =
            ["semantic_view", "metrics", "dimensions", "grain", "range", "filters", "order_by", "limit"];
        known(&fields, &keys)?;
        let Some(semantic_view) = fields.get("semantic_view").and_then(Json::as_str) else {
            return Err(Failure::new(Code::MissingKey, "`semantic_view` is missing or no text"));
        };
        let metrics = names(&fields, "metrics")?;
        if metrics.is_empty() {
            return Err(Failure::new(Code::MissingKey, "`metrics` names no metric"));
        }
        let order = names(&fields, "order_by")?.into_iter().map(|name| match name.strip_prefix('-') {
            Some(rest) => (rest.to_owned(), true),
            None => (name, false),
        });
        Ok(Self {
            semantic_view: semantic_view.to_owned(),
            metrics,
            dimensions: names(&fields, "dimensions")?,
            grain: grain(&fields)?,
            range: range(&fields)?,
            filters: filters(&fields)?,
            order: order.collect(),
            limit: limit(&fields)?,
        })
    }
}

/// Parses a JSON object; an error gives line and column.
fn object(body: &[u8]) -> Result<Map<String, Json>> {
    // The parser's own message could repeat a value; line and column are enough to find the
    // mistake.
    let parsed: Json = serde_json::from_slice(body).map_err(|error| {
        let message = format!("the body is not JSON, at line {} column {}", error.line(), error.column());
        Failure::new(Code::BadQuery, message)
    })?;
    match parsed {
        Json::Object(fields) => Ok(fields),
        _ => Err(Failure::new(Code::BadQuery, "the body is not a JSON object")),
    }
}

/// Refuses keys that are not in `keys`.
fn known(fields: &Map<String, Json>, keys: &[&str]) -> Result<()> {
    let Some(stranger) = fields.keys().find(|key| !keys.contains(&key.as_str())) else { return Ok(()) };
    let hint = did_you_mean(stranger, keys.iter().copied(), "there are");
    Err(Failure::new(Code::UnknownKey, format!("the body has no key `{stranger}`")).maybe_hint(hint))
}

/// A list of names; empty if the key is missing or `null`.
fn names(fields: &Map<String, Json>, key: &str) -> Result<Vec<String>> {
    let wrong = || Failure::new(Code::WrongValue, format!("`{key}` is not a list of names"));
    let list = match fields.get(key) {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(value) => value.as_array().ok_or_else(wrong)?,
    };
    if list.len() > MOST_NAMES {
        return Err(Failure::new(Code::WrongValue, format!("`{key}` has more than {MOST_NAMES} names")));
    }
    list.iter().map(|name| name.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
}

/// The time step; `None` if the key is missing or `null`.
fn grain(fields: &Map<String, Json>) -> Result<Option<Grain>> {
    let text = match fields.get("grain") {
        None | Some(Json::Null) => return Ok(None),
        Some(value) => value.as_str().unwrap_or_default(),
    };
    let found = Grain::from_name(text);
    found.map(Some).ok_or_else(|| {
        let hint = did_you_mean(text, Grain::NAMES.iter().copied(), "there are");
        Failure::new(Code::WrongValue, "`grain` is no step of time").maybe_hint(hint)
    })
}

/// The row limit: 1,000 by default, from 1 to [`MOST_ROWS`].
fn limit(fields: &Map<String, Json>) -> Result<usize> {
    let value = match fields.get("limit") {
        None | Some(Json::Null) => return Ok(1_000),
        Some(value) => value.as_u64().and_then(|n| usize::try_from(n).ok()),
    };
    value
        .filter(|limit| (1..=MOST_ROWS).contains(limit))
        .ok_or_else(|| Failure::new(Code::WrongValue, format!("`limit` is no number from 1 to {MOST_ROWS}")))
}

/// The date range: a text such as `last 30 days`, or two days that exist, in order. `None` if the
/// key is missing or `null`.
fn range(fields: &Map<String, Json>) -> Result<Option<TimeRange>> {
    let wrong = |message: &str| Failure::new(Code::BadQuery, message).hint(RANGE_HINT);
    match fields.get("range") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => text.parse().map(Some).map_err(|_| wrong("`range` is no range of time")),
        Some(Json::Object(ends)) => {
            known(ends, &["from", "to"])?;
            let day = |key: &str| ends.get(key).and_then(Json::as_str).and_then(parse_date);
            match (day("from"), day("to")) {
                (Some(from), Some(to)) if from <= to => Ok(Some(TimeRange::Between(Days { from, to }))),
                (Some(_), Some(_)) => Err(wrong("`range` ends before it begins")),
                _ => Err(wrong("`range` lacks a day that exists")),
            }
        }
        Some(_) => Err(wrong("`range` is no range of time")),
    }
}

/// The values to keep, by dimension, as texts; `None` is NULL. The warehouse compares them as the
/// dimension's type.
fn filters(fields: &Map<String, Json>) -> Result<Filters> {
    let entries = match fields.get("filters") {
        None | Some(Json::Null) => return Ok(Filters::new()),
        Some(value) => value.as_object(),
    };
    let Some(entries) = entries else {
        return Err(Failure::new(Code::WrongValue, "`filters` is not an object of lists"));
    };
    let mut filters = Filters::new();
    for (name, values) in entries {
        let wrong = || {
            Failure::new(Code::WrongValue, format!("filter `{name}` is not a list of values"))
                .hint("Write a list of texts, numbers, `true`, `false` or `null`: the values to keep.")
        };
        let value = |value: &Json| match value {
            Json::Null => Ok(None),
            Json::Bool(b) => Ok(Some(b.to_string())),
            Json::Number(n) => Ok(Some(n.to_string())),
            Json::String(text) => Ok(Some(text.clone())),
            Json::Array(_) | Json::Object(_) => Err(wrong()),
        };
        let values = values.as_array().ok_or_else(wrong)?;
        filters.insert(name.clone(), values.iter().map(value).collect::<Result<_>>()?);
    }
    Ok(filters)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(body: &str) -> String {
        match DataRequest::decode(body.as_bytes()) {
            Ok(request) => format!("{request:?}"),
            Err(failure) => {
                let object = failure.object();
                format!("{}: {} ({})", object.code, object.message, object.hint.unwrap_or_default())
            }
        }
    }

    #[test]
    fn mistakes_are_named_but_values_are_not_repeated() {
        for (body, expected) in [
            ("{", "bad-query: the body is not JSON, at line 1 column 1 ()"),
            ("[]", "bad-query: the body is not a JSON object ()"),
            (r#"{"fitlers": {}}"#, "unknown-key: the body has no key `fitlers` (did you mean `filters`?)"),
            (r#"{"tiles": "1-1"}"#, "wrong-value: `tiles` is not a list of names ()"),
        ] {
            assert_eq!(refusal(body), expected);
        }
        let told = refusal(r#"{"filters": {"country": ["France", ["secret"]]}}"#);
        assert!(told.starts_with("wrong-value: filter `country` is not a list of values"), "{told}");
        assert!(!told.contains("secret") && !told.contains("France"), "{told}");
        for range in [
            r#""yesterday""#,
            "7",
            r#"{"from": "2026-02-30", "to": "2026-03-01"}"#,
            r#"{"from": "2026-01-01"}"#,
        ] {
            let told = refusal(&format!("{{\"range\": {range}}}"));
            assert!(told.starts_with("bad-query: `range`"), "{told}");
        }
        let told = refusal(r#"{"range": {"from": "2026-02-02", "to": "2026-02-01"}}"#);
        assert!(told.contains("ends before it begins"), "{told}");
    }

    #[test]
    fn values_of_filters_are_texts_of_any_type() {
        let body = br#"{"filters": {"a": ["x", null, 5, true, 1.5, "9007199254740993"]}, "range": null}"#;
        let request = DataRequest::decode(body).unwrap_or_default();
        let texts: Vec<_> = request.filters["a"].iter().map(Option::as_deref).collect();
        assert_eq!(texts, [Some("x"), None, Some("5"), Some("true"), Some("1.5"), Some("9007199254740993")]);
        assert_eq!(DataRequest::decode(b"").unwrap_or_default(), DataRequest::default());
    }

    fn json() -> impl Strategy<Value = Json> {
        let keys =
            "(range|filters|tiles|from|to|semantic_view|metrics|dimensions|grain|order_by|limit|[a-z]{0,3})";
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            ".{0,12}".prop_map(Json::from),
            "(all|last [0-9]{1,11} (days|weeks|months|years|quarters)|[0-9]{4}-[0-9]{2}-[0-9]{2})"
                .prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
                prop::collection::btree_map(keys, inner, 0..6)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(value in json(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for body in [value.to_string().into_bytes(), bytes] {
                let _ = DataRequest::decode(&body);
                let _ = MetricsRequest::decode(&body);
            }
        }
    }
}

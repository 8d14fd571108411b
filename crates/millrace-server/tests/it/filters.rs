//! Questions with filters and ranges over columns of every type, on both warehouses, against figures worked out in plain Rust over the
//! same rows: what a filter offers keeps exactly its rows, and a moment counts for its day in the project's zone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fastrand::Rng;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use millrace_core::name::Relation;
use millrace_core::project::environment::Schemas;
use millrace_core::project::settings::{Setting, Settings};
use millrace_engine::ports::registry::WarehouseConnector as _;
use millrace_engine::ports::warehouse::{Statement, Warehouse};
use millrace_engine::state::{BuiltModel, Publication, State, Tables};
use millrace_testkit::postgres::PostgresServer;
use serde_json::{Value as Json, json};

use crate::shop::{Shop, compiled_of};

/// Questions to each warehouse.
const QUESTIONS: usize = 1_000;
const ROWS: usize = 600;
const ZONE: &str = "Europe/Paris";

const MANIFEST: &str =
    "name: facts\ntime_zone: Europe/Paris\nenvironments:\n  dev: {type: duckdb, path: \":memory:\"}\n";

/// Columns, each a dimension of its name; the moment is the time.
const COLUMNS: [(&str, &str); 9] = [
    ("small", "smallint"),
    ("large", "bigint"),
    ("money", "decimal(18,4)"),
    ("single", "real"),
    ("double", "double precision"),
    ("flag", "boolean"),
    ("day", "date"),
    ("clock", "timestamp"),
    ("word", "varchar"),
];

fn view() -> String {
    let dimensions: Vec<String> =
        COLUMNS.iter().map(|(name, _)| format!("  {name}: {{column: {name}}}")).collect();
    format!(
        "semantic_view: facts\nbase: facts\ntime: moment\ndimensions:\n{}\n  instant: {{column: instant}}\n\
         metrics:\n  rows: {{sql: count(*)}}\n  total: {{sql: sum(amount)}}\n",
        dimensions.join("\n")
    )
}

fn dashboard() -> String {
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    format!(
        "dashboard: facts\nsemantic_view: facts\nfilters: [{}, instant, moment]\nrows:\n  - [{{kpi: rows}}]\n",
        names.join(", ")
    )
}

/// A row: its cells as JSON has them, by dimension, and what the metrics count.
struct Row {
    cells: BTreeMap<&'static str, Json>,
    moment: Option<Timestamp>,
    amount: i64,
    /// As an SQL literal each, in the order of the table's columns.
    literals: Vec<String>,
}

/// True so many times of a hundred.
fn chance(random: &mut Rng, percent: usize) -> bool {
    random.usize(..100) < percent
}

fn pick<'a, T>(random: &mut Rng, all: &'a [T]) -> &'a T {
    random.choice(all).expect("one at least")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn float(text: &str) -> Json {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() => json!(x),
        _ => json!(text),
    }
}

/// A moment near one of the days on which the clock is changed in Paris, half of them about midnight.
fn moment(random: &mut Rng) -> Timestamp {
    let around = *pick(random, &["2026-03-29T00:00:00Z", "2026-10-25T00:00:00Z"]);
    let around: Timestamp = around.parse().expect("a moment");
    let days = SignedDuration::from_hours(24 * random.i64(-12..12));
    let minutes = if random.bool() {
        *pick(random, &[-90, -61, -60, -30, 0, 30, 60, 90, 120, 1_290, 1_320, 1_350, 1_380, 1_410])
    } else {
        random.i64(0..1_440)
    };
    around + days + SignedDuration::from_mins(minutes)
}

fn row(random: &mut Rng) -> Row {
    let texts = [
        "O'Brien",
        "a\"b",
        "back\\slash",
        "tab\there",
        "",
        " ",
        "trailing ",
        "été",
        "日本",
        "100%_",
        "$1",
        "NaN",
        "1.0",
        "null",
        "true",
        "line\nbreak",
        "\u{1f600}",
        "é",
        "e\u{301}",
    ];
    let doubles = [
        "1.0",
        "542.0",
        "1e-7",
        "1e15",
        "-0.0",
        "0.0",
        "0.1",
        "1e300",
        "5e-324",
        "123456789.123",
        "NaN",
        "Infinity",
        "-Infinity",
        "-2.5",
    ];
    let singles = ["0.1", "1.5", "3.4e38", "1e-7", "16777216.0", "NaN", "Infinity", "-0.0", "0.3"];
    let large = [0i64, 1, -1, i64::MAX, i64::MIN, 9_007_199_254_740_991, 9_007_199_254_740_993, 42];
    let money = ["0.0000", "1.5000", "-2.0001", "99999999999999.9999", "0.1000", "10.0000"];
    let clocks =
        ["2026-03-29T02:30:00", "1969-12-31T23:59:59.999999", "2026-10-25T00:00:00", "0001-01-01T00:00:00"];
    let days = ["2026-03-29", "1900-01-01", "0001-01-01", "9999-12-31", "2026-10-25"];
    let mut cells = BTreeMap::new();
    let mut literals = Vec::new();
    let mut cell = |random: &mut Rng, name: &'static str, cell: Json, literal: String| {
        let missing = chance(random, 10);
        cells.insert(name, if missing { Json::Null } else { cell });
        literals.push(if missing { "null".to_owned() } else { literal });
    };
    let small = *pick(random, &[0i16, 1, -1, i16::MAX, i16::MIN, 7]);
    cell(random, "small", json!(small), format!("cast({small} as smallint)"));
    let n = *pick(random, &large);
    let exact = n.unsigned_abs() <= 9_007_199_254_740_991;
    cell(
        random,
        "large",
        if exact { json!(n) } else { json!(n.to_string()) },
        format!("cast('{n}' as bigint)"),
    );
    let amount = *pick(random, &money);
    cell(random, "money", json!(amount), format!("cast('{amount}' as decimal(18,4))"));
    let single = *pick(random, &singles);
    cell(random, "single", float(single), format!("cast('{single}' as real)"));
    let double = *pick(random, &doubles);
    cell(random, "double", float(double), format!("cast('{double}' as double precision)"));
    let flag = random.bool();
    cell(random, "flag", json!(flag), flag.to_string());
    let day = *pick(random, &days);
    cell(random, "day", json!(day), format!("date '{day}'"));
    let clock = *pick(random, &clocks);
    cell(random, "clock", json!(clock), format!("timestamp '{}'", clock.replace('T', " ")));
    let word = *pick(random, &texts);
    cell(random, "word", json!(word), quoted(word));
    // Minutes, so that some are there more than once.
    let instant = moment(random);
    let instant = instant - SignedDuration::from_secs(instant.as_second().rem_euclid(21_600));
    cell(random, "instant", json!(instant.to_string()), format!("timestamptz '{instant}'"));
    let at = moment(random);
    let missing = chance(random, 5);
    literals.push(if missing { "null".to_owned() } else { format!("timestamptz '{at}'") });
    let amount = random.i64(-1_000..1_000);
    literals.push(amount.to_string());
    let moment = (!missing).then_some(at);
    let zone = TimeZone::get(ZONE).expect("a zone");
    cells.insert(
        "moment",
        moment.map_or(Json::Null, |at| json!(at.to_zoned_datetime(zone).date().to_string())),
    );
    Row { cells, moment, amount, literals }
}

async fn publish(warehouse: &dyn Warehouse, rows: &[Row]) {
    State::of(warehouse, &Schemas::default()).migrate().await.expect("state");
    let columns: Vec<String> = COLUMNS.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
    let values: Vec<String> = rows.iter().map(|row| format!("({})", row.literals.join(", "))).collect();
    let publication = Publication {
        publication: 1,
        run: "run1".into(),
        published_at: "2026-11-15T10:00:00Z".into(),
        fingerprint: String::new(),
        models: vec![BuiltModel {
            model: "facts".into(),
            relation: Relation::new("build", "facts__p1"),
            is_view: false,
            published: true,
            fingerprint: String::new(),
            rows: None,
            columns: Vec::new(),
        }],
        rollback_to: None,
        pinned: false,
    };
    let statements = [
        Statement::new("create schema if not exists build"),
        Statement::new(format!(
            "create table build.facts__p1 ({}, instant timestamptz, moment timestamptz, amount bigint)",
            columns.join(", ")
        )),
        Statement::new(format!("insert into build.facts__p1 values {}", values.join(", "))),
        Tables::in_schema("_millrace").record_publication(&publication, 0).expect("a record"),
    ];
    warehouse.transact(&statements).await.expect("a publish");
}

/// Whether a cell is one that was chosen: numbers by what they are, everything else by its text.
fn is_among(cell: &Json, chosen: &[Json]) -> bool {
    chosen.iter().any(|value| match (cell.as_f64(), value.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b).is_eq() || (a + 0.0).total_cmp(&(b + 0.0)).is_eq(),
        _ => cell == value,
    })
}

/// The first day of the step of a day.
fn cut(day: Date, grain: &str) -> Date {
    match grain {
        "day" => day,
        "week" => (0..7)
            .map(|back| day.saturating_sub(SignedDuration::from_hours(24 * back)))
            .find(|day| day.weekday() == jiff::civil::Weekday::Monday)
            .expect("a Monday"),
        "month" => day.first_of_month(),
        _ => day.first_of_year(),
    }
}

struct Harness {
    shop: Shop,
    rows: Vec<Row>,
    options: BTreeMap<String, Vec<Json>>,
    random: Rng,
    seed: u64,
}

impl Harness {
    async fn over(warehouse: Arc<dyn Warehouse>) -> Self {
        let seed = std::env::var("MILLRACE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(13);
        let mut random = Rng::with_seed(seed);
        let rows: Vec<Row> = (0..ROWS).map(|_| row(&mut random)).collect();
        publish(&*warehouse, &rows).await;
        let (view, dashboard) = (view(), dashboard());
        let compiled = compiled_of(&[
            ("millrace.yml", MANIFEST),
            ("models/facts.sql", "select 1 as amount"),
            ("metrics/facts.yml", &view),
            ("dashboards/facts.yml", &dashboard),
        ])
        .await;
        let shop = Shop::over(Arc::new(compiled), warehouse, ([127, 0, 0, 1], 4321).into(), 20_000);
        let shop = shop.expect("a server");
        let lines = shop.page("facts", &json!({})).await;
        let options = serde_json::from_value(lines[0]["options"].clone()).expect("lists of values");
        Self { shop, rows, options, random, seed }
    }

    /// What is offered is what the rows have.
    fn check_options(&self) {
        for (name, offered) in &self.options {
            for row in &self.rows {
                let cell = &row.cells[name.as_str()];
                assert!(is_among(cell, offered), "{name}: {cell} is not offered among {offered:?}");
            }
            for value in offered {
                let there = self
                    .rows
                    .iter()
                    .any(|row| is_among(&row.cells[name.as_str()], std::slice::from_ref(value)));
                assert!(there, "{name}: {value} is offered, and no row has it");
            }
        }
        assert_eq!(self.options.len(), COLUMNS.len() + 2, "{:?}", self.options.keys());
    }

    /// Each value alone keeps its rows.
    async fn check_each_value(&self) {
        for (name, offered) in &self.options {
            for value in offered {
                let filters = BTreeMap::from([(name.clone(), vec![value.clone()])]);
                self.check(&filters, None, None).await;
            }
        }
    }

    async fn check(
        &self,
        filters: &BTreeMap<String, Vec<Json>>,
        range: Option<(Date, Date)>,
        grain: Option<&str>,
    ) {
        let zone = TimeZone::get(ZONE).expect("a zone");
        let day = |row: &Row| row.moment.map(|at| at.to_zoned_datetime(zone.clone()).date());
        let kept: Vec<&Row> = self
            .rows
            .iter()
            .filter(|row| filters.iter().all(|(name, values)| is_among(&row.cells[name.as_str()], values)))
            .filter(|row| range.is_none_or(|(from, to)| day(row).is_some_and(|day| from <= day && day <= to)))
            .collect();
        let mut question =
            json!({"semantic_view": "facts", "metrics": ["rows", "total"], "filters": filters});
        if let Some((from, to)) = range {
            question["range"] = json!({"from": from.to_string(), "to": to.to_string()});
        }
        if let Some(grain) = grain {
            question["dimensions"] = json!(["moment"]);
            question["grain"] = json!(grain);
        }
        let answer = self.shop.metrics(&question).await;
        let total = &answer["result"]["total"];
        assert_eq!(total["rows"], json!(kept.len()), "{question} (MILLRACE_SEED={})", self.seed);
        let sum: i64 = kept.iter().map(|row| row.amount).sum();
        let sum = if kept.is_empty() { Json::Null } else { json!(sum) };
        assert_eq!(total["total"], sum, "{question} (MILLRACE_SEED={})", self.seed);
        if let Some(grain) = grain {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for row in &kept {
                let step = day(row).map_or("none".to_owned(), |day| cut(day, grain).to_string());
                *counts.entry(step).or_default() += 1;
            }
            let data = &answer["result"]["data"];
            let steps = data[0].as_array().expect("steps").iter();
            let steps = steps.map(|step| step.as_str().unwrap_or("none").to_owned());
            let numbers = data[1].as_array().expect("numbers").iter();
            let numbers = numbers.map(|n| n.as_u64().expect("a count") as usize);
            let told: BTreeMap<String, usize> = steps.zip(numbers).collect();
            assert_eq!(told, counts, "{question} (MILLRACE_SEED={})", self.seed);
        }
    }

    async fn check_random(&mut self) {
        let names: Vec<String> = self.options.keys().cloned().collect();
        for _ in 0..QUESTIONS {
            let random = &mut self.random;
            let mut filters: BTreeMap<String, Vec<Json>> = BTreeMap::new();
            for _ in 0..random.usize(..3) {
                let name = pick(random, &names).clone();
                let mut values = Vec::new();
                for _ in 0..random.usize(1..5) {
                    values.push(match random.usize(..10) {
                        // What no row of most columns has, and what would be an error in some of them.
                        0 => pick(random, &[json!(1e30), json!(-7.25), json!(99_999_999_999_i64)]).clone(),
                        _ => pick(random, &self.options[&name]).clone(),
                    });
                }
                filters.insert(name, values);
            }
            let date = |random: &mut Rng| {
                let base = *pick(random, &["2026-03-29", "2026-10-25"]);
                let base: Date = base.parse().expect("a day");
                base.saturating_add(SignedDuration::from_hours(24 * random.i64(-14..14)))
            };
            let ends = BTreeSet::from([date(random), date(random)]);
            let range = chance(random, 60).then(|| {
                let all: Vec<&Date> = ends.iter().collect();
                (**all.first().expect("one"), **all.last().expect("one"))
            });
            let grain = *pick(random, &[None, Some("day"), Some("week"), Some("month"), Some("year")]);
            self.check(&filters, range, grain).await;
        }
    }
}

async fn compare(warehouse: Arc<dyn Warehouse>) {
    let mut harness = Harness::over(warehouse).await;
    harness.check_options();
    harness.check_each_value().await;
    harness.check_random().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_keeps_exactly_its_rows_in_duckdb() {
    compare(millrace_connectors::duckdb::open_scratch().expect("a warehouse")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_keeps_exactly_its_rows_in_postgres() {
    let server = PostgresServer::shared();
    let settings = Settings::new([("url".to_owned(), Setting::Text(server.url(&server.database())))]);
    let opened = millrace_connectors::postgres::Postgres.open(std::path::Path::new("."), &settings);
    compare(opened.expect("a warehouse")).await;
}

//! Texts without case and accents, alike in every warehouse.

use millrace_core::value::Value;
use millrace_engine::warehouse::{QueryLimits, Statement, Warehouse};

/// Texts, what is looked for, and whether it is found.
const CASES: &[(&str, &str, bool)] = &[
    ("États-Unis", "etats", true),
    ("ÉTATS FÉDÉRÉS", "federes", true),
    ("e\u{301}tat", "ÉTAT", true),
    ("Åland", "aland", true),
    ("Čeština", "cestina", true),
    ("Straße", "STRA", true),
    ("Straße", "strasse", false),
    ("100 %", "%", true),
    ("100", "%", false),
    ("a_b", "a_b", true),
    ("axb", "a_b", false),
    ("a\\b", "\\", true),
    ("it's", "'", true),
    ("日本", "本", true),
];

async fn finds(warehouse: &dyn Warehouse) {
    let dialect = warehouse.dialect();
    let (text, search) = (dialect.folded("cast($1 as varchar)"), dialect.folded("cast($2 as varchar)"));
    let sql = format!("select strpos({text}, {search}) > 0 as found");
    for (text, search, found) in CASES {
        let values = [*text, *search].map(|text| Value::Text(text.into()));
        let rows =
            warehouse.query(&Statement::with(&sql, values), QueryLimits::STATE).await.expect("an answer");
        assert_eq!(rows.data[0], [Value::Bool(*found)], "{search} in {text}");
    }
}

#[cfg(feature = "duckdb")]
#[tokio::test]
async fn duckdb_folds() {
    finds(&millrace_connectors::duckdb::DuckdbWarehouse::open_in_memory().expect("an engine")).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgres_folds() {
    finds(&*crate::postgres::fresh().0).await;
}

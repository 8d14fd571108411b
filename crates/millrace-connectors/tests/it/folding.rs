//! Texts without case and accents, alike in every warehouse.

use millrace_core::value::Value;
use millrace_engine::ports::warehouse::{QueryLimits, Statement, Warehouse};

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

/// In another encoding than UTF-8 there is nothing that takes accents away; letter case is folded as far as the locale knows it.
#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgres_folds_in_other_encodings() {
    let server = millrace_testkit::postgres::PostgresServer::shared();
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let name = format!("folds_{}", encoding.to_lowercase());
        server.run(
            "postgres",
            &format!("create database {name} encoding '{encoding}' locale 'C' template template0"),
        );
        let warehouse = crate::postgres::open(&server.url(&name));
        let table = "create table t as select cast(x as varchar) as x from (values ('Paris'), ('Étampes'), ('Lyon')) as v(x)";
        warehouse.transact(&[Statement::new(table)]).await.expect("a table");
        let dialect = warehouse.dialect();
        let (text, search) = (dialect.folded("x"), dialect.folded("cast($1 as varchar)"));
        // Whether it is planned with the value or without it.
        let sql = format!("select count(*) as n from t where strpos({text}, {search}) > 0");
        for (search, found) in [("PAR", 1), ("étampes", 0), ("Étampes", 1), ("o", 1), ("x", 0)] {
            for _ in 0..8 {
                let question = Statement::with(&sql, [Value::Text(search.into())]);
                let rows = warehouse.query(&question, QueryLimits::STATE).await.expect("an answer");
                assert_eq!(rows.data[0], [Value::Int(found)], "{search} in {encoding}");
            }
        }
        let constant = format!("select {} as folded", dialect.folded("'PARIS'"));
        let rows = warehouse.query(&Statement::new(constant), QueryLimits::STATE).await.expect("an answer");
        assert_eq!(rows.data[0], [Value::Text("paris".into())], "{encoding}");
    }
}

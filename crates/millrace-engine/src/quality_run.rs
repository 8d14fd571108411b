//! Data tests against the tables that a run has built.

use std::time::Duration;

use millrace_core::name::Relation;
use millrace_core::quality::{DataTest, TestSeverity};
use millrace_core::value::Value;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::warehouse::{QueryLimits, Statement, Warehouse};

/// What a data test found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    /// Name: `not_null(fact_orders.client_id)`.
    pub test: String,
    /// The model.
    pub model: String,
    /// What it does when it finds rows.
    pub severity: TestSeverity,
    /// Rows that fail.
    pub rows: u64,
    /// The table that was tested.
    pub table: String,
}

impl TestResult {
    /// Whether it holds the publish.
    pub fn holds(&self) -> bool {
        self.rows > 0 && self.severity == TestSeverity::Error
    }
}

/// Runs one data test. `relation` gives the physical table of a model.
pub async fn run_test(
    warehouse: &dyn Warehouse,
    test: &DataTest,
    relation: impl Fn(&str) -> Option<Relation>,
) -> Result<TestResult> {
    const LIMITS: QueryLimits = QueryLimits { rows: 1, time: Duration::from_hours(1) };
    let table = relation(&test.model).unwrap_or_else(|| Relation::new("build", &test.model));
    let other = test.other_model().and_then(&relation);
    let (sql, values) = test.count_sql(&table, other.as_ref());
    let statement = Statement::with(sql, values.into_iter().map(Value::Text));
    let rows = warehouse
        .query(&statement, LIMITS)
        .await
        .map_err(|error| error.context(format!("data test `{}` cannot run", test.name())))?;
    let failures =
        rows.data.first().and_then(|column| column.first()).and_then(Value::as_int).unwrap_or_default();
    Ok(TestResult {
        test: test.name(),
        model: test.model.clone(),
        severity: test.severity,
        rows: failures as u64,
        table: format!("{}.{}", table.schema, table.name),
    })
}

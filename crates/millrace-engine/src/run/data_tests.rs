//! Data tests: counts failing rows in the tables that a run has built, and reads failing rows of
//! earlier runs.

use std::time::Duration;

use millrace_core::name::Relation;
use millrace_core::project::environment::Schemas;
use millrace_core::quality::DataTest;
use millrace_core::value::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::ports::warehouse::{QueryLimits, Rows, Statement, Warehouse};
use crate::state::test_result::TestResult;
use crate::state::{BuiltModel, State};

/// Runs one data test and counts its failing rows. `built` looks up the built models by name. Reads
/// only, so it may be retried.
pub async fn run_test<'a>(
    warehouse: &dyn Warehouse,
    test: &DataTest,
    built: impl Fn(&str) -> Option<&'a BuiltModel>,
) -> Result<TestResult> {
    const LIMITS: QueryLimits = QueryLimits { rows: 1, time: Duration::from_hours(1) };
    let (ours, theirs) = (built(&test.model), test.other_model().and_then(&built));
    let table = ours.map_or_else(|| Relation::new("build", &test.model), |built| built.relation.clone());
    let other = theirs.map(|built| built.relation.clone());
    let spelling = |built: Option<&BuiltModel>| built.map(BuiltModel::spelling).unwrap_or_default();
    let spelled = test.spelled(&spelling(ours), &spelling(theirs));
    let (sql, values) = spelled.count_sql(&table, other.as_ref());
    let statement = Statement::with(sql, values.into_iter().map(Value::Text));
    let rows = warehouse
        .query(&statement, LIMITS)
        .await
        .map_err(|error| error.context(format!("data test `{}` cannot run", test.name())))?;
    let count = rows.data.first().and_then(|column| column.first()).and_then(Value::as_int);
    // An unreadable count must not pass for zero failures.
    let Some(failures) = count.and_then(|count| u64::try_from(count).ok()) else {
        let message = format!("data test `{}` gave no number of rows", test.name());
        return Err(Error::new(ErrorKind::Internal, message));
    };
    let told = |relation: &Relation| format!("{}.{}", relation.schema, relation.name);
    Ok(TestResult {
        test: test.name(),
        model: test.model.clone(),
        severity: test.severity,
        rows: failures,
        table: told(&table),
        other_table: other.as_ref().map(told),
        // Stored only for failures, because only their rows are looked up later.
        tested: (failures > 0).then(|| (&spelled).into()),
    })
}

/// The failing rows of a data test in an earlier run.
#[derive(Debug, Clone, PartialEq)]
pub enum Failing {
    /// Rows from the tested table itself.
    Found {
        /// The tested column.
        column: String,
        /// The rows, with all columns of the table.
        rows: Rows,
    },
    /// The tested table no longer exists, because a later run has begun.
    Gone,
}

/// Reads at most `limit` failing rows of an earlier run. The tables of a run exist until the next
/// run begins, or as long as they are published. Limited to 30 s, because a person waits.
pub async fn failing_rows(
    schemas: &Schemas,
    warehouse: &dyn Warehouse,
    result: &TestResult,
    limit: usize,
) -> Result<Failing> {
    const TIME: Duration = Duration::from_secs(30);
    let relation = |told: &str| {
        // If the build schema was renamed since, the table counts as gone.
        let name = told.strip_prefix(&schemas.build)?.strip_prefix('.')?;
        Some(Relation::new(&schemas.build, name))
    };
    let (Some(test), Some(table)) = (result.definition(), relation(&result.table)) else {
        return Ok(Failing::Gone);
    };
    let other = result.other_table.as_deref().and_then(relation);
    let state = State::of(warehouse, schemas);
    let there = async || -> Result<bool> {
        let present = state.relations(&schemas.build).await?;
        let has = |wanted: &Relation| present.iter().any(|(relation, _)| relation == wanted);
        Ok(has(&table) && other.as_ref().is_none_or(has) && other.is_some() == test.other_model().is_some())
    };
    if !there().await? {
        return Ok(Failing::Gone);
    }
    let (sql, values) = test.rows_sql(&table, other.as_ref(), limit);
    let statement = Statement::with(sql, values.into_iter().map(Value::Text));
    match warehouse.query(&statement, QueryLimits { rows: limit, time: TIME }).await {
        Ok(rows) => Ok(Failing::Found { column: test.column.text, rows }),
        // A run that began meanwhile has dropped the tables.
        Err(_) if !there().await? => Ok(Failing::Gone),
        Err(error) => Err(error.context(format!("the rows of data test `{}` cannot be read", result.test))),
    }
}

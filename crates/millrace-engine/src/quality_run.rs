//! Data tests against the tables that a run has built.

use std::time::Duration;

use millrace_core::diagnostic::Span;
use millrace_core::name::Relation;
use millrace_core::project::decode::Spanned;
use millrace_core::project::environment::Schemas;
use millrace_core::quality::{Check, DataTest, TestSeverity};
use millrace_core::value::Value;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::state::{BuiltModel, State};
use crate::warehouse::{QueryLimits, Rows, Statement, Warehouse};

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
    /// For a test that reads a second table: that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_table: Option<String>,
    /// What was tested, where it found rows: so that they can be told later, whatever the project's files say by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<Tested>,
}

/// A data test as a record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// The column, or the first one of a combination.
    pub column: String,
    /// The others of a combination.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// The condition on the rows that are tested: SQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// What is asked of it.
    pub check: TestedFor,
}

/// What a data test asks of a column, as a record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TestedFor {
    /// No NULL.
    NotNull,
    /// No value twice.
    Unique,
    /// One of these values.
    AcceptedValues {
        /// As texts.
        values: Vec<String>,
        /// Whether they are compared as numbers.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        numbers: bool,
    },
    /// A value of another model's column.
    Relationships {
        /// The other model.
        to: String,
        /// Its column.
        field: String,
    },
}

impl From<&DataTest> for Tested {
    fn from(test: &DataTest) -> Self {
        let check = match &test.check {
            Check::NotNull => TestedFor::NotNull,
            Check::Unique => TestedFor::Unique,
            Check::AcceptedValues { values, numbers } => {
                TestedFor::AcceptedValues { values: values.clone(), numbers: *numbers }
            }
            Check::Relationships { to, field } => {
                TestedFor::Relationships { to: to.text.clone(), field: field.clone() }
            }
        };
        Self {
            column: test.column.text.clone(),
            with: test.with.iter().map(|column| column.text.clone()).collect(),
            filter: test.filter.as_ref().map(|filter| filter.text.clone()),
            check,
        }
    }
}

impl TestResult {
    /// Whether it holds the publish.
    pub fn holds(&self) -> bool {
        self.rows > 0 && self.severity == TestSeverity::Error
    }

    /// The data test, where the record says what it was.
    fn definition(&self) -> Option<DataTest> {
        let Tested { column, with, filter, check } = self.tested.clone()?;
        // A record has no place in a file.
        let span = Span::new(&"".into(), 0..0);
        let named = |text| Spanned { text, span: span.clone() };
        let check = match check {
            TestedFor::NotNull => Check::NotNull,
            TestedFor::Unique => Check::Unique,
            TestedFor::AcceptedValues { values, numbers } => Check::AcceptedValues { values, numbers },
            TestedFor::Relationships { to, field } => Check::Relationships { to: named(to), field },
        };
        Some(DataTest {
            model: self.model.clone(),
            column: named(column),
            with: with.into_iter().map(named).collect(),
            check,
            severity: self.severity,
            filter: filter.map(named),
            given_name: Some(self.test.clone()),
            suffix: None,
            span: span.clone(),
            derived_from: None,
        })
    }
}

/// Runs one data test. `built` gives a model as it was built.
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
    // A count that cannot be read is no zero.
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
        tested: (failures > 0).then(|| (&spelled).into()),
    })
}

/// The rows that a data test of an earlier run has found.
#[derive(Debug, Clone, PartialEq)]
pub enum Failing {
    /// Some of them, from the very table that was tested.
    Found {
        /// The column that is tested.
        column: String,
        /// With all columns of the table.
        rows: Rows,
    },
    /// That table is there no more: a later run has begun.
    Gone,
}

/// At most `limit` of the rows that a data test has found. They are read from the tables of its run, which stay until the next run
/// begins, or for as long as they are published.
pub async fn failing_rows(
    schemas: &Schemas,
    warehouse: &dyn Warehouse,
    result: &TestResult,
    limit: usize,
) -> Result<Failing> {
    const TIME: Duration = Duration::from_secs(30);
    let relation = |told: &str| {
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
        // A run that began in between has dropped them.
        Err(_) if !there().await? => Ok(Failing::Gone),
        Err(error) => Err(error.context(format!("the rows of data test `{}` cannot be read", result.test))),
    }
}

//! The results of data tests, as the record of a run stores them.
//!
//! A failed test is stored with its definition, so that its failing rows can be found later even if
//! the project's files have changed.

use millrace_core::diagnostic::{Span, Spanned};
use millrace_core::quality::{Check, DataTest, TestSeverity};
use serde::{Deserialize, Serialize};

/// The result of a data test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestResult {
    /// The test's name: `not_null(fact_orders.client_id)`.
    pub test: String,
    /// The tested model.
    pub model: String,
    /// What happens if rows fail.
    pub severity: TestSeverity,
    /// The number of failing rows.
    pub rows: u64,
    /// The physical table that was tested.
    pub table: String,
    /// The second physical table, for a test that reads two (`relationships`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_table: Option<String>,
    /// The definition of the test; only present if rows failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<Tested>,
}

/// The definition of a data test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tested {
    /// The tested column, or the first one of a combination.
    pub column: String,
    /// The other columns of a combination.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// The test's `where`: a SQL condition that selects the tested rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// What is tested.
    pub check: TestedFor,
}

/// The kind of a data test with its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TestedFor {
    /// The column is not NULL.
    NotNull,
    /// No value, or no combination of values, occurs twice.
    Unique,
    /// The value is one of these.
    AcceptedValues {
        /// The accepted values as texts.
        values: Vec<String>,
        /// Whether values are compared as numbers.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        numbers: bool,
    },
    /// The value occurs in a column of another model.
    Relationships {
        /// The other model.
        to: String,
        /// The column of the other model.
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
    /// Whether the result holds the publish: rows failed and the severity is `error`.
    pub fn holds(&self) -> bool {
        self.rows > 0 && self.severity == TestSeverity::Error
    }

    /// The data test as the project would define it; `None` if the record has no definition.
    pub(crate) fn definition(&self) -> Option<DataTest> {
        let Tested { column, with, filter, check } = self.tested.clone()?;
        // The diagnostics of this test have no place in a file.
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

//! What a data test found, as the record of a run keeps it.

use millrace_core::diagnostic::{Span, Spanned};
use millrace_core::quality::{Check, DataTest, TestSeverity};
use serde::{Deserialize, Serialize};

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
    pub(crate) fn definition(&self) -> Option<DataTest> {
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

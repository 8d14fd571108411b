//! Data tests: queries that must return no rows.

use serde::{Deserialize, Serialize};

use crate::diagnostic::Span;
use crate::name::{Ident, Relation};
use crate::project::decode::Spanned;

/// What a test that finds rows does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TestSeverity {
    /// Holds the publish.
    Error,
    /// Is reported.
    Warn,
}

/// What is tested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// No value is NULL.
    NotNull,
    /// No two rows have the same value; NULLs do not count.
    Unique,
    /// Every value that is not NULL is one of these.
    AcceptedValues {
        /// As texts; compared with the column's text.
        values: Vec<String>,
    },
    /// Every value that is not NULL is among those of another model's column.
    Relationships {
        /// The other model.
        to: Spanned,
        /// Its column.
        field: String,
    },
}

/// A data test of one column of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataTest {
    /// The model.
    pub model: String,
    /// The column.
    pub column: Spanned,
    /// What is tested.
    pub check: Check,
    /// What it does when it finds rows.
    pub severity: TestSeverity,
    /// Where it is written.
    pub span: Span,
    /// For a test that something else implies (`semantic view sales joins many_to_one`): what.
    pub derived_from: Option<String>,
}

impl DataTest {
    /// A stable name: `not_null(fact_orders.client_id)`.
    pub fn name(&self) -> String {
        let of = format!("{}.{}", self.model, self.column.text);
        match &self.check {
            Check::NotNull => format!("not_null({of})"),
            Check::Unique => format!("unique({of})"),
            Check::AcceptedValues { .. } => format!("accepted_values({of})"),
            Check::Relationships { to, field } => format!("relationships({of} → {}.{field})", to.text),
        }
    }

    /// What is tested, as a text that changes when it does.
    pub fn check_text(&self) -> String {
        match &self.check {
            Check::NotNull => "not_null".to_owned(),
            Check::Unique => "unique".to_owned(),
            Check::AcceptedValues { values } => format!("accepted_values {values:?}"),
            Check::Relationships { to, field } => format!("relationships {} {field}", to.text),
        }
    }

    /// The model beside its own that the test reads.
    pub fn other_model(&self) -> Option<&str> {
        match &self.check {
            Check::Relationships { to, .. } => Some(&to.text),
            _ => None,
        }
    }

    /// A query of one row and one column `failures`: the number of rows that fail. Values are parameters `$1` …, returned
    /// beside the text. Portable SQL.
    pub fn count_sql(&self, table: &Relation, other: Option<&Relation>) -> (String, Vec<String>) {
        let column = Ident::new(&self.column.text);
        match (&self.check, other) {
            (Check::NotNull, _) => {
                (format!("select count(*) as failures from {table} where {column} is null"), Vec::new())
            }
            (Check::Unique, _) => (
                format!(
                    "select coalesce(sum(n), 0) as failures from (select count(*) as n from {table} \
                     where {column} is not null group by {column} having count(*) > 1) as twice"
                ),
                Vec::new(),
            ),
            (Check::AcceptedValues { values }, _) => {
                let places: Vec<_> = (1..=values.len()).map(|i| format!("${i}")).collect();
                (
                    format!(
                        "select count(*) as failures from {table} where {column} is not null and cast({column} as varchar) \
                         not in ({})",
                        places.join(", ")
                    ),
                    values.clone(),
                )
            }
            (Check::Relationships { field, .. }, Some(other)) => {
                let field = Ident::new(field);
                (
                    format!(
                        "select count(*) as failures from {table} as child where child.{column} is not null and not exists \
                         (select 1 from {other} as parent where parent.{field} = child.{column})"
                    ),
                    Vec::new(),
                )
            }
            // Resolution refuses a test whose other model does not exist.
            (Check::Relationships { .. }, None) => ("select 0 as failures".to_owned(), Vec::new()),
        }
    }
}

//! Data tests: queries that must return no rows.

use serde::{Deserialize, Serialize};

use crate::diagnostic::Span;
use crate::name::{Ident, Relation};
use crate::project::decode::Spanned;
use crate::sql::spelling::Spelling;

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

    /// The same test with its columns as the tables spell them: its own model's, and the other's.
    #[must_use]
    pub fn spelled(&self, ours: &Spelling, theirs: &Spelling) -> Self {
        let text = ours.column(&self.column.text).to_owned();
        let check = match &self.check {
            Check::Relationships { to, field } => {
                Check::Relationships { to: to.clone(), field: theirs.column(field).to_owned() }
            }
            check => check.clone(),
        };
        Self { column: Spanned { text, span: self.column.span.clone() }, check, ..self.clone() }
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
                // The sum of integers is a decimal in PostgreSQL, and no number that all clients read as a count.
                format!(
                    "select cast(coalesce(sum(n), 0) as bigint) as failures from (select count(*) as n from {table} \
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
    /// A query of the rows that fail, at most `limit`, with all columns of the tested table in their order: the very rows that
    /// [`Self::count_sql`] counts. Rows of the same value stand together. Values are parameters `$1` …, returned beside the text.
    /// Portable SQL.
    pub fn rows_sql(
        &self,
        table: &Relation,
        other: Option<&Relation>,
        limit: usize,
    ) -> (String, Vec<String>) {
        let column = Ident::new(&self.column.text);
        match (&self.check, other) {
            (Check::NotNull, _) => {
                (format!("select * from {table} where {column} is null limit {limit}"), Vec::new())
            }
            (Check::Unique, _) => (
                format!(
                    "select * from {table} where {column} in (select {column} from {table} where {column} is not null \
                     group by {column} having count(*) > 1) order by {column} limit {limit}"
                ),
                Vec::new(),
            ),
            (Check::AcceptedValues { values }, _) => {
                let places: Vec<_> = (1..=values.len()).map(|i| format!("${i}")).collect();
                (
                    format!(
                        "select * from {table} where {column} is not null and cast({column} as varchar) not in ({}) \
                         order by cast({column} as varchar) limit {limit}",
                        places.join(", ")
                    ),
                    values.clone(),
                )
            }
            (Check::Relationships { field, .. }, Some(other)) => {
                let field = Ident::new(field);
                (
                    format!(
                        "select child.* from {table} as child where child.{column} is not null and not exists \
                         (select 1 from {other} as parent where parent.{field} = child.{column}) \
                         order by child.{column} limit {limit}"
                    ),
                    Vec::new(),
                )
            }
            // As above: resolution refuses such a test.
            (Check::Relationships { .. }, None) => {
                (format!("select * from {table} where false limit {limit}"), Vec::new())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere() -> Span {
        Span::new(&"models.yml".into(), 0..0)
    }

    fn test(check: Check) -> DataTest {
        DataTest {
            model: "fact".into(),
            column: Spanned { text: "client \"id\"".into(), span: nowhere() },
            check,
            severity: TestSeverity::Error,
            span: nowhere(),
            derived_from: None,
        }
    }

    /// Both queries of a test, and the values that both take.
    fn sql(check: Check) -> (String, String, Vec<String>) {
        let (table, other) = (Relation::new("build", "fact__r7"), Relation::new("build", "dim__r4"));
        let test = test(check);
        let (count, values) = test.count_sql(&table, Some(&other));
        let (rows, same) = test.rows_sql(&table, Some(&other), 20);
        assert_eq!(values, same);
        (count, rows, values)
    }

    /// What stands between `where` and what orders, groups or limits.
    fn condition(sql: &str) -> &str {
        let after = sql.split_once(" where ").map_or("", |(_, after)| after);
        [" order by ", " limit "]
            .into_iter()
            .fold(after, |text, end| text.split(end).next().unwrap_or_default())
    }

    #[test]
    fn rows_are_those_that_are_counted() {
        let relationships =
            Check::Relationships { to: Spanned { text: "dim".into(), span: nowhere() }, field: "id".into() };
        let accepted = Check::AcceptedValues { values: vec!["a".into(), "b'c".into()] };
        for check in [Check::NotNull, accepted, relationships] {
            let (count, rows, _) = sql(check);
            assert_eq!(condition(&count), condition(&rows));
        }
        let (count, rows, _) = sql(Check::Unique);
        let twice =
            "where \"client \"\"id\"\"\" is not null group by \"client \"\"id\"\"\" having count(*) > 1)";
        assert!(count.contains(twice) && rows.contains(twice), "{count}\n{rows}");
        assert!(rows.ends_with(" order by \"client \"\"id\"\"\" limit 20"), "{rows}");
    }

    #[test]
    fn values_are_parameters_and_names_are_quoted() {
        let (_, rows, values) = sql(Check::AcceptedValues { values: vec!["a".into(), "b'c".into()] });
        assert_eq!(values, ["a", "b'c"]);
        assert_eq!(
            rows,
            "select * from \"build\".\"fact__r7\" where \"client \"\"id\"\"\" is not null and \
             cast(\"client \"\"id\"\"\" as varchar) not in ($1, $2) order by cast(\"client \"\"id\"\"\" as varchar) limit 20"
        );
        let (_, rows, _) = sql(Check::NotNull);
        assert_eq!(rows, "select * from \"build\".\"fact__r7\" where \"client \"\"id\"\"\" is null limit 20");
    }
}

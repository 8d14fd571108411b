//! Data tests: SQL queries that must return no rows.
//!
//! A [`DataTest`] is plain data. It produces two portable queries: [`DataTest::count_sql`] counts
//! the failing rows, and [`DataTest::rows_sql`] lists the same rows. Values are always bound as
//! parameters.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::diagnostic::Span;
use crate::diagnostic::Spanned;
use crate::digest::sha256;
use crate::metric::filter::digits;
use crate::name::{Ident, Relation};
use crate::sql::spelling::Spelling;

/// Precision of `decimal` that every warehouse supports.
const DECIMAL: usize = 38;

/// What happens if a test finds failing rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TestSeverity {
    /// The publication is held back.
    Error,
    /// The failure is only reported.
    Warn,
}

/// The condition that a test checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// No value is NULL.
    NotNull,
    /// No two rows have the same value, or the same combination of values. Rows with a NULL in one
    /// of the columns are ignored.
    Unique,
    /// Every value that is not NULL is one of the listed values.
    AcceptedValues {
        /// The accepted values, as text.
        values: Vec<String>,
        /// `true`: values are numbers and are compared as numbers. `false`: values are compared
        /// with the text of the column.
        numbers: bool,
    },
    /// Every value that is not NULL exists in a column of another model (a foreign key).
    Relationships {
        /// The other model.
        to: Spanned,
        /// The column of the other model.
        field: String,
    },
}

/// A data test of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataTest {
    /// The model that is tested.
    pub model: String,
    /// The tested column. A uniqueness test may cover several columns: this one and those in
    /// `with`.
    pub column: Spanned,
    /// The other columns of a tested combination.
    pub with: Vec<Spanned>,
    /// The condition that is checked.
    pub check: Check,
    /// What happens if it finds failing rows.
    pub severity: TestSeverity,
    /// An SQL condition over the model's columns that selects the tested rows; `None` tests all
    /// rows.
    pub filter: Option<Spanned>,
    /// The name given in the project file.
    pub given_name: Option<String>,
    /// A short digest that distinguishes it from tests with the same name; set by [`distinct`].
    pub suffix: Option<String>,
    /// Where the test is written.
    pub span: Span,
    /// For a test that another declaration implies (`semantic view sales joins many_to_one`): that
    /// declaration.
    pub derived_from: Option<String>,
}

impl DataTest {
    /// The name of the test: `not_null(fact_orders.client_id)`, or the one given in the project
    /// file. Names are unique within a project after [`distinct`].
    pub fn name(&self) -> String {
        let columns: Vec<&str> = self.columns().collect();
        let of = format!("{}.{}", self.model, columns.join(", "));
        let name = match (&self.given_name, &self.check) {
            (Some(name), _) => name.clone(),
            (None, Check::NotNull) => format!("not_null({of})"),
            (None, Check::Unique) => format!("unique({of})"),
            (None, Check::AcceptedValues { .. }) => format!("accepted_values({of})"),
            (None, Check::Relationships { to, field }) => {
                format!("relationships({of} → {}.{field})", to.text)
            }
        };
        self.suffix.iter().fold(name, |name, suffix| format!("{name} #{suffix}"))
    }

    /// The names of all tested columns.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.column).chain(&self.with).map(|column| column.text.as_str())
    }

    /// A text that changes if the check, its columns or the selected rows change.
    pub fn check_text(&self) -> String {
        let columns: Vec<&str> = self.columns().collect();
        let check = match &self.check {
            Check::NotNull => "not_null".to_owned(),
            Check::Unique => "unique".to_owned(),
            Check::AcceptedValues { values, numbers } => format!("accepted_values {values:?} {numbers}"),
            Check::Relationships { to, field } => format!("relationships {} {field}", to.text),
        };
        let filter = self.filter.as_ref().map(|filter| filter.text.as_str());
        format!("{} {columns:?} {check} {filter:?}", self.model)
    }

    /// Whether two tests have the same name given by the file, check, rows and severity.
    pub fn is_same(&self, other: &Self) -> bool {
        self.severity == other.severity
            && self.given_name == other.given_name
            && self.check_text() == other.check_text()
    }

    /// The same test with its columns spelled as in the tables: `ours` for the tested model,
    /// `theirs` for the other one.
    #[must_use]
    pub fn spelled(&self, ours: &Spelling, theirs: &Spelling) -> Self {
        let spelled = |column: &Spanned| Spanned {
            text: ours.column(&column.text).to_owned(),
            span: column.span.clone(),
        };
        let check = match &self.check {
            Check::Relationships { to, field } => {
                Check::Relationships { to: to.clone(), field: theirs.column(field).to_owned() }
            }
            check => check.clone(),
        };
        Self {
            column: spelled(&self.column),
            with: self.with.iter().map(spelled).collect(),
            check,
            ..self.clone()
        }
    }

    /// The second model that the test reads, if any.
    pub fn other_model(&self) -> Option<&str> {
        match &self.check {
            Check::Relationships { to, .. } => Some(&to.text),
            _ => None,
        }
    }

    /// SQL of the tested rows, under the alias `child`.
    fn child(&self, table: &Relation) -> String {
        match &self.filter {
            None => format!("{table} as child"),
            // The filter is on its own line because it may end with a `--` comment.
            Some(filter) => format!("(select * from {table} where (\n{}\n)) as child", filter.text),
        }
    }

    /// Two pieces of SQL: the columns separated by commas, and a condition that none of them is
    /// NULL.
    fn combination(&self) -> (String, String) {
        let columns: Vec<String> = self.columns().map(|column| Ident::new(column).to_string()).collect();
        let present: Vec<String> = columns.iter().map(|column| format!("{column} is not null")).collect();
        (columns.join(", "), present.join(" and "))
    }

    /// The condition that selects failing rows, and its parameters. Not for [`Check::Unique`],
    /// which needs a `group by`.
    fn failing(&self, other: Option<&Relation>) -> (String, Vec<String>) {
        let column = Ident::new(&self.column.text);
        match (&self.check, other) {
            (Check::NotNull, _) => (format!("{column} is null"), Vec::new()),
            (Check::AcceptedValues { values, numbers: false }, _) => {
                let places: Vec<_> = (1..=values.len()).map(|i| format!("${i}")).collect();
                let list = places.join(", ");
                let condition = format!("{column} is not null and cast({column} as varchar) not in ({list})");
                (condition, values.clone())
            }
            (Check::AcceptedValues { values, numbers: true }, _) => {
                let condition = format!("{column} is not null and {}", is_other_number(&column, values));
                (condition, values.clone())
            }
            (Check::Relationships { field, .. }, Some(other)) => {
                let field = Ident::new(field);
                let condition = format!(
                    "{column} is not null and not exists \
                     (select 1 from {other} as parent where parent.{field} = child.{column})"
                );
                (condition, Vec::new())
            }
            // The second case cannot occur: resolution refuses a test whose other model does not
            // exist.
            (Check::Unique | Check::Relationships { .. }, _) => ("false".to_owned(), Vec::new()),
        }
    }

    /// A query with one row and one column `failures`: the number of failing rows. Returns the SQL
    /// and the values of its parameters `$1` …. The SQL is portable.
    pub fn count_sql(&self, table: &Relation, other: Option<&Relation>) -> (String, Vec<String>) {
        let rows = self.child(table);
        if self.check == Check::Unique {
            let (columns, present) = self.combination();
            // PostgreSQL sums integers to a decimal, which not all clients read as a count.
            let sql = format!(
                "select cast(coalesce(sum(n), 0) as bigint) as failures from (select count(*) as n from {rows} \
                 where {present} group by {columns} having count(*) > 1) as twice"
            );
            return (sql, Vec::new());
        }
        let (condition, values) = self.failing(other);
        (format!("select count(*) as failures from {rows} where {condition}"), values)
    }

    /// A query of at most `limit` failing rows, with all columns of the tested table in their
    /// order. It selects exactly the rows that [`Self::count_sql`] counts, and rows with the same
    /// value are adjacent. Returns the SQL and the values of its parameters `$1` …. The SQL is
    /// portable.
    pub fn rows_sql(
        &self,
        table: &Relation,
        other: Option<&Relation>,
        limit: usize,
    ) -> (String, Vec<String>) {
        let rows = self.child(table);
        let column = Ident::new(&self.column.text);
        if self.check == Check::Unique {
            let (columns, present) = self.combination();
            let sql = format!(
                "select * from {rows} where ({columns}) in (select {columns} from {rows} where {present} \
                 group by {columns} having count(*) > 1) order by {columns} limit {limit}"
            );
            return (sql, Vec::new());
        }
        let (condition, values) = self.failing(other);
        let order = match &self.check {
            Check::NotNull | Check::Unique => String::new(),
            Check::AcceptedValues { .. } => format!(" order by cast({column} as varchar)"),
            Check::Relationships { .. } => format!(" order by {column}"),
        };
        let sql = format!("select * from {rows} where {condition}{order} limit {limit}");
        (sql, values)
    }
}

/// The condition that a number is none of the values `$1` ….
///
/// Two integers beyond 2^53 may be equal as `double precision`. A number that is equal to a value
/// as `double precision` must therefore also be equal to one as an exact decimal. Both sides are
/// converted through their text: for `double precision` that is the shortest text, and a parameter
/// is text whatever the type of the column is.
fn is_other_number(column: &Ident, values: &[String]) -> String {
    let column = column.to_string();
    let not_in = |kind: &str, ours: String| {
        let places = (1..=values.len()).map(|i| format!("cast(cast(${i} as varchar) as {kind})"));
        format!("cast({ours} as {kind}) not in ({})", places.collect::<Vec<_>>().join(", "))
    };
    let differs = not_in("double precision", column.clone());
    let exact: Option<Vec<(usize, usize)>> = values.iter().map(|value| digits(value)).collect();
    let exact = exact.unwrap_or_default();
    let most = |of: fn(&(usize, usize)) -> usize| exact.iter().map(of).max();
    // One extra digit before the point: a number close to a value may need it (9999999999999999 and
    // 10000000000000000 are one `double precision`).
    let decimal = most(|(whole, _)| *whole + 1).zip(most(|(_, scale)| *scale));
    match decimal.filter(|(whole, scale)| whole + scale <= DECIMAL) {
        // The cast to decimal is only reached for numbers close to a value, so it cannot overflow.
        Some((whole, _)) => {
            let exactly = not_in(
                &format!("decimal({DECIMAL}, {})", DECIMAL - whole),
                format!("cast({column} as varchar)"),
            );
            format!("case when {differs} then true else {exactly} end")
        }
        None => differs,
    }
}

/// Removes tests that equal an earlier one, and makes the names of the others unique. If several
/// tests have one name, each gets six hex digits of a digest of its check and severity as suffix.
#[must_use]
pub fn distinct(tests: Vec<DataTest>) -> Vec<DataTest> {
    let mut kept: Vec<DataTest> = Vec::with_capacity(tests.len());
    let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for test in tests {
        let known = places.entry(test.name()).or_default();
        if !known.iter().any(|at| kept[*at].is_same(&test)) {
            known.push(kept.len());
            kept.push(test);
        }
    }
    for same_name in places.into_values().filter(|at| at.len() > 1) {
        let mut taken: Vec<String> = Vec::new();
        for at in same_name {
            let test = &mut kept[at];
            let mut text = format!("{} {:?}", test.check_text(), test.severity);
            // What `name:` calls as another is called by itself may have the same check.
            while taken.contains(&sha256(&text)[..6].to_owned()) {
                text.push_str(&format!(" {}", test.column.text));
            }
            taken.push(sha256(&text)[..6].to_owned());
            test.suffix = taken.last().cloned();
        }
    }
    kept
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
            with: Vec::new(),
            check,
            severity: TestSeverity::Error,
            filter: None,
            given_name: None,
            suffix: None,
            span: nowhere(),
            derived_from: None,
        }
    }

    /// Both queries of a test, and the parameter values that they share.
    fn sql(check: Check) -> (String, String, Vec<String>) {
        let (table, other) = (Relation::new("build", "fact__r7"), Relation::new("build", "dim__r4"));
        let test = test(check);
        let (count, values) = test.count_sql(&table, Some(&other));
        let (rows, same) = test.rows_sql(&table, Some(&other), 20);
        assert_eq!(values, same);
        (count, rows, values)
    }

    /// The part between `where` and the next `order`, `group` or `limit` clause.
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
        let accepted = Check::AcceptedValues { values: vec!["a".into(), "b'c".into()], numbers: false };
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
        let (_, rows, values) =
            sql(Check::AcceptedValues { values: vec!["a".into(), "b'c".into()], numbers: false });
        assert_eq!(values, ["a", "b'c"]);
        assert_eq!(
            rows,
            "select * from \"build\".\"fact__r7\" as child where \"client \"\"id\"\"\" is not null and \
             cast(\"client \"\"id\"\"\" as varchar) not in ($1, $2) order by cast(\"client \"\"id\"\"\" as varchar) limit 20"
        );
        // Nine digits and one more leave 28. A value that is not an exact number is compared as
        // double precision only.
        for (values, cast) in [(&["900000000", "1.5"][..], "decimal(38, 28)"), (&["1e40", "NaN"], "double")] {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            let (_, rows, _) = sql(Check::AcceptedValues { values, numbers: true });
            assert_eq!(rows.contains("case when"), cast.starts_with("decimal"), "{rows}");
            assert!(rows.contains(&format!("as {cast}")), "{rows}");
        }
        let (_, rows, _) = sql(Check::NotNull);
        assert_eq!(
            rows,
            "select * from \"build\".\"fact__r7\" as child where \"client \"\"id\"\"\" is null limit 20"
        );
    }

    #[test]
    fn a_combination_is_tested_as_one() {
        let mut test = test(Check::Unique);
        test.column.text = "a".into();
        test.with = vec![Spanned { text: "b".into(), span: nowhere() }];
        test.filter = Some(Spanned { text: "a > 1 -- only these".into(), span: nowhere() });
        let (count, _) = test.count_sql(&Relation::new("build", "fact"), None);
        assert_eq!(
            count,
            "select cast(coalesce(sum(n), 0) as bigint) as failures from (select count(*) as n from \
             (select * from \"build\".\"fact\" where (\na > 1 -- only these\n)) as child \
             where \"a\" is not null and \"b\" is not null group by \"a\", \"b\" having count(*) > 1) as twice"
        );
        assert_eq!(test.name(), "unique(fact.a, b)");
    }

    #[test]
    fn what_differs_in_anything_is_another_test() {
        let accepted = |values: &[&str], severity| DataTest {
            severity,
            ..test(Check::AcceptedValues {
                values: values.iter().map(|value| (*value).to_owned()).collect(),
                numbers: false,
            })
        };
        let warns = accepted(&["a", "b", "c"], TestSeverity::Warn);
        let holds = accepted(&["a", "b"], TestSeverity::Error);
        let of_some =
            DataTest { filter: Some(Spanned { text: "true".into(), span: nowhere() }), ..holds.clone() };
        let named = DataTest { given_name: Some("of my own".into()), ..holds.clone() };
        let all = [&warns, &holds, &warns, &of_some, &holds, &named].map(Clone::clone);
        let kept = distinct(all.to_vec());
        assert_eq!(kept.len(), 4);
        let names: std::collections::BTreeSet<String> = kept.iter().map(DataTest::name).collect();
        assert_eq!(names.len(), 4, "{names:?}");
        assert!(names.contains("of my own"), "{names:?}");
        // A test that is called as another is by itself.
        let usual = DataTest { column: Spanned { text: "other".into(), span: nowhere() }, ..holds.clone() };
        let same = DataTest { given_name: Some(usual.name()), ..holds.clone() };
        let both = distinct(vec![usual, same]);
        assert_ne!(both[0].name(), both[1].name());
        let again: Vec<String> = distinct(kept.clone()).iter().map(DataTest::name).collect();
        assert_eq!(again, kept.iter().map(DataTest::name).collect::<Vec<_>>());
    }
}

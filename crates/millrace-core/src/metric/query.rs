//! Compiles a question about metrics to one SQL statement. The SQL is portable.
//!
//! A statement selects the dimensions first, then the aggregates that the metrics need, each
//! aggregate once. Joins are added only for models that a column comes from. Values are bound as
//! parameters; ratios and averages are divided afterwards, in [`crate::metric::result`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::metric::filter::{Comparison, DimensionTypes};
use crate::metric::time_range::{Days, Grain};
use crate::metric::view::{Aggregate, Dimension, Formula, SemanticView};
use crate::name::{Ident, Relation};
use crate::schema::DataType;
use crate::sql::spelling::{Spelling, respelled};
use crate::suggest::did_you_mean;
use crate::value::Value;

/// Values to keep, by dimension name; `None` is SQL's NULL.
pub type Filters = BTreeMap<String, Vec<Option<String>>>;

/// A question: which metrics, by which dimensions, over which rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetricQuery {
    /// Names of metrics.
    pub metrics: Vec<String>,
    /// Names of dimensions. The time dimension is truncated to `grain`.
    pub dimensions: Vec<String>,
    /// The time step; required if the time dimension is among the dimensions.
    pub grain: Option<Grain>,
    /// The days to include; `None` includes all.
    pub days: Option<Days>,
    /// Values to keep.
    pub filters: Filters,
    /// Metrics or dimensions to order by, each with `true` for descending order. Ties are ordered
    /// by the dimensions.
    pub order: Vec<(String, bool)>,
    /// Maximum number of rows.
    pub limit: Option<usize>,
}

/// A statement, and how to build the answer from its columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// SQL with parameters `$1` ….
    pub sql: String,
    /// Values of the parameters.
    pub params: Vec<Value>,
    /// The columns of each metric, in the order of the question.
    pub metrics: Vec<MetricColumns>,
    /// Number of dimensions, which are the first columns.
    pub dimensions: usize,
    /// The requested limit. The statement returns one more row, which shows that the answer is
    /// truncated.
    pub limit: Option<usize>,
}

/// The columns of the statement that a metric is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricColumns {
    /// The value of this column.
    One(usize),
    /// The first column divided by the second.
    Quotient(usize, usize),
}

/// Physical tables by model name.
pub type Tables = BTreeMap<String, Table>;

/// The physical table of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Schema and name.
    pub relation: Relation,
    /// Its columns, used to resolve the names of semantic views regardless of case.
    pub spelling: Spelling,
}

/// An error without a place: the question comes from a request, not from a file.
fn bad(message: String, hint: Option<String>, code: Code) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(code, message).maybe_hint(hint))
}

impl SemanticView {
    /// The dimension with this name; the error suggests a similar one.
    pub(super) fn known_dimension(&self, name: &str) -> Result<&Dimension, Box<Diagnostic>> {
        self.dimension(name).ok_or_else(|| {
            let names = self.dimensions.iter().map(|dimension| dimension.name.text.as_str());
            let message = format!("semantic view `{}` has no dimension `{name}`", self.name);
            bad(message, did_you_mean(name, names, "it has"), Code::UnknownMetric)
        })
    }

    /// Compiles a question. `tables` holds the physical tables of published models. `types`
    /// determines how values of filters and days are compared.
    ///
    /// Fails if a name is unknown, the question is empty, the time dimension has no grain, a range
    /// is given for a view without time, or a model is not published.
    pub fn compile_query(
        &self,
        query: &MetricQuery,
        tables: &Tables,
        types: &DimensionTypes,
    ) -> Result<Compiled, Box<Diagnostic>> {
        let mut statement = Statement::new(self, tables, types);
        for name in &query.dimensions {
            let dimension = self.known_dimension(name)?;
            let expression = statement.dimension(dimension, query.grain)?;
            statement.columns.push(expression);
        }
        let mut metrics = Vec::new();
        for name in &query.metrics {
            let metric = self.metric(name).ok_or_else(|| {
                let names = self.metrics.iter().map(|metric| metric.name.text.as_str());
                let message = format!("semantic view `{}` has no metric `{name}`", self.name);
                bad(message, did_you_mean(name, names, "it has"), Code::UnknownMetric)
            })?;
            metrics.push(statement.formula(&metric.formula)?);
        }
        if metrics.is_empty() && query.dimensions.is_empty() {
            return Err(bad("the query asks for nothing".into(), None, Code::BadQuery));
        }
        let condition = statement.condition(query)?;
        let order = statement.order(query, &metrics)?;
        let sql = statement.sql(query, &condition, &order)?;
        Ok(Compiled {
            sql,
            params: statement.params,
            metrics,
            dimensions: query.dimensions.len(),
            limit: query.limit,
        })
    }

    /// A statement with one row: the first and the last day that have data. Returns `None` if the
    /// view has no time or its base has no table.
    pub fn compile_extent(&self, tables: &Tables) -> Option<String> {
        let base = tables.get(&self.base.text)?;
        let time = Ident::new(base.spelling.column(&self.time.as_ref()?.text));
        let base = &base.relation;
        Some(format!(
            "select cast(min({time}) as date) as first, cast(max({time}) as date) as last from {base}"
        ))
    }

    /// A statement whose columns have the types of the given dimensions, in their order. At least
    /// one dimension is required.
    pub fn compile_types(
        &self,
        tables: &Tables,
        dimensions: &[&Dimension],
    ) -> Result<String, Box<Diagnostic>> {
        let types = DimensionTypes::default();
        let mut statement = Statement::new(self, tables, &types);
        for dimension in dimensions {
            let column = statement.column(dimension);
            statement.columns.push(column);
        }
        statement.sql(&MetricQuery::default(), "", "")
    }
}

/// The SQL by which filters compare a dimension's column, and how values are compared. The time
/// dimension is compared by day.
pub(super) fn compared(dimension: &Dimension, column: &str, types: &DimensionTypes) -> (String, Comparison) {
    if dimension.is_time {
        return (format!("cast({column} as date)"), Comparison::of(Some(DataType::Date)));
    }
    let comparison = Comparison::of(types.get(&dimension.name.text).copied().flatten());
    (comparison.column(column), comparison)
}

/// The table of a model. A model without one is not published.
pub(super) fn table_of<'t>(model: &str, tables: &'t Tables) -> Result<&'t Table, Box<Diagnostic>> {
    tables.get(model).ok_or_else(|| {
        let hint = Some("Run `millrace run`; a view over raw tables is never published.".to_owned());
        bad(format!("model `{model}` is not published"), hint, Code::UnpublishedBase)
    })
}

/// A statement under construction. `needs` collects the joined models, `columns` the select list,
/// and `params` the values of `$1` ….
struct Statement<'v> {
    view: &'v SemanticView,
    tables: &'v Tables,
    types: &'v DimensionTypes,
    columns: Vec<String>,
    needs: BTreeSet<String>,
    params: Vec<Value>,
}

impl<'v> Statement<'v> {
    fn new(view: &'v SemanticView, tables: &'v Tables, types: &'v DimensionTypes) -> Self {
        Self { view, tables, types, columns: Vec::new(), needs: BTreeSet::new(), params: Vec::new() }
    }

    /// A column name as the model's table spells it.
    fn spelled<'a>(&'a self, model: &str, name: &'a str) -> &'a str {
        self.tables.get(model).map_or(name, |table| table.spelling.column(name))
    }

    fn qualified(&self, model: &str, name: &str) -> String {
        format!("{}.{}", Ident::new(model), Ident::new(self.spelled(model, name)))
    }

    /// The qualified column of a dimension; records the join that it needs.
    fn column(&mut self, dimension: &Dimension) -> String {
        if dimension.model != self.view.base.text {
            self.needs.insert(dimension.model.clone());
        }
        self.qualified(&dimension.model, &dimension.column.text)
    }

    /// The select expression of a dimension. The time dimension is truncated to the grain, which it
    /// requires.
    fn dimension(&mut self, dimension: &Dimension, grain: Option<Grain>) -> Result<String, Box<Diagnostic>> {
        let column = self.column(dimension);
        if !dimension.is_time {
            return Ok(column);
        }
        match grain {
            Some(grain) => Ok(format!("cast(date_trunc('{}', {column}) as date)", grain.as_str())),
            None => Err(bad(
                format!("`{}` is the time; say by which step", dimension.name.text),
                Some(format!("Add `grain`: one of {}.", Grain::NAMES.join(", "))),
                Code::BadQuery,
            )),
        }
    }

    /// The position of an aggregate in the select list. Two metrics that use the same aggregate
    /// share one column.
    fn aggregate(&mut self, aggregate: &Aggregate) -> usize {
        self.needs.extend(aggregate.needs.iter().cloned());
        let sql = aggregate.columns.iter().fold(aggregate.sql.clone(), |sql, (model, name)| {
            respelled(&sql, model, name, self.spelled(model, name)).into_owned()
        });
        let known = self.columns.iter().position(|column| *column == sql);
        known.unwrap_or_else(|| {
            self.columns.push(sql);
            self.columns.len() - 1
        })
    }

    /// Adds the aggregates of a metric. The parts of a ratio must be plain aggregates.
    fn formula(&mut self, formula: &Formula) -> Result<MetricColumns, Box<Diagnostic>> {
        Ok(match formula {
            Formula::Aggregate(aggregate) => MetricColumns::One(self.aggregate(aggregate)),
            Formula::Average(sum, count) => {
                MetricColumns::Quotient(self.aggregate(sum), self.aggregate(count))
            }
            Formula::Ratio(numerator, denominator) => {
                let view = self.view;
                let mut part = |at: usize| match &view.metrics[at].formula {
                    Formula::Aggregate(aggregate) => Ok(self.aggregate(aggregate)),
                    _ => Err(bad(
                        format!(
                            "`{}` is a quotient already and cannot be part of a ratio",
                            view.metrics[at].name.text
                        ),
                        Some("Make the ratio of sums and counts.".to_owned()),
                        Code::BadMetric,
                    )),
                };
                MetricColumns::Quotient(part(*numerator)?, part(*denominator)?)
            }
        })
    }

    /// Adds a parameter and returns its placeholder.
    fn param(&mut self, value: Value) -> String {
        self.params.push(value);
        format!("${}", self.params.len())
    }

    /// The `where` clause for days and filters; empty if there are none.
    fn condition(&mut self, query: &MetricQuery) -> Result<String, Box<Diagnostic>> {
        let mut parts = Vec::new();
        if let Some(days) = query.days {
            let Some(time) = &self.view.time else {
                let hint = Some("Add `time: column` to the semantic view.".to_owned());
                return Err(bad(
                    format!("semantic view `{}` has no time", self.view.name),
                    hint,
                    Code::BadQuery,
                ));
            };
            // Half-open, so that a timestamp at any time of the last day is included.
            let column = self.qualified(&self.view.base.text, &time.text);
            let [from, after] = self.ends(days);
            parts.push(format!("{column} >= {from} and {column} < {after}"));
        }
        for (name, values) in &query.filters {
            let view = self.view;
            let dimension = view.known_dimension(name)?;
            let column = self.column(dimension);
            parts.push(self.kept(dimension, &column, values));
        }
        Ok(if parts.is_empty() { String::new() } else { format!("\nwhere {}", parts.join("\n  and ")) })
    }

    /// Parameters for the start of the first day and for the start of the day after the last one.
    fn ends(&mut self, days: Days) -> [String; 2] {
        let zoned = self.view.time_type(self.types) == Some(DataType::TimestampTz);
        [days.from, days.to.saturating_add(1)].map(|day| match self.view.zone.start_of(day) {
            // The start of a day follows the zone's rules, because the clock may change at
            // midnight.
            Some(at) if zoned => {
                let at = self.param(Value::TimestampTz(at));
                format!("cast({at} as timestamptz)")
            }
            _ => self.param(Value::Date(day)),
        })
    }

    /// The condition that keeps the given values of a dimension. No values at all keep no row.
    fn kept(&mut self, dimension: &Dimension, column: &str, values: &[Option<String>]) -> String {
        let (compared, comparison) = compared(dimension, column, self.types);
        let (mut typed, mut texts) = (Vec::new(), Vec::new());
        for text in values.iter().flatten() {
            match comparison.value(text) {
                Some(value) => {
                    let parameter = self.param(value);
                    typed.push(comparison.parameter(&parameter));
                }
                // Values that the type has besides those of this crate, such as PostgreSQL's
                // `infinity`, are compared as text. Any other text matches nothing.
                None => texts.push(self.param(Value::text(text))),
            }
        }
        let mut any = Vec::new();
        if !typed.is_empty() {
            any.push(format!("{compared} in ({})", typed.join(", ")));
        }
        if !texts.is_empty() {
            let text = match comparison {
                Comparison::Text => compared,
                Comparison::Typed(_) => Comparison::Text.column(&compared),
            };
            any.push(format!("{text} in ({})", texts.join(", ")));
        }
        if values.contains(&None) {
            any.push(format!("{column} is null"));
        }
        if any.is_empty() { "false".into() } else { format!("({})", any.join(" or ")) }
    }

    /// The `order by` clause. Dimensions that are not named follow in ascending order, so that the
    /// result is deterministic.
    fn order(&self, query: &MetricQuery, metrics: &[MetricColumns]) -> Result<String, Box<Diagnostic>> {
        let mut parts = Vec::new();
        for (name, descending) in &query.order {
            let direction = if *descending { "desc" } else { "asc" };
            let expression = if let Some(at) = query.dimensions.iter().position(|d| d == name) {
                (at + 1).to_string()
            } else if let Some(at) = query.metrics.iter().position(|m| m == name) {
                match metrics[at] {
                    MetricColumns::One(column) => (column + 1).to_string(),
                    // A float is sufficient for ordering; the displayed numbers are divided
                    // exactly.
                    MetricColumns::Quotient(above, below) => format!(
                        "cast({} as double precision) / nullif({}, 0)",
                        self.columns[above], self.columns[below]
                    ),
                }
            } else {
                let names = query.dimensions.iter().chain(&query.metrics).map(String::as_str);
                let message = format!("the query orders by `{name}`, which it does not ask for");
                return Err(bad(message, did_you_mean(name, names, "it asks for"), Code::BadQuery));
            };
            parts.push(format!("{expression} {direction} nulls last"));
        }
        for (at, name) in query.dimensions.iter().enumerate() {
            if !query.order.iter().any(|(by, _)| by == name) {
                parts.push(format!("{} asc nulls last", at + 1));
            }
        }
        Ok(if parts.is_empty() { String::new() } else { format!("\norder by {}", parts.join(", ")) })
    }

    /// Assembles the statement. Only needed models are joined, and always by left join, so that
    /// rows of the base without a partner are counted.
    fn sql(&self, query: &MetricQuery, condition: &str, order: &str) -> Result<String, Box<Diagnostic>> {
        let base = &self.view.base.text;
        let columns: Vec<_> = self.columns.iter().enumerate().map(|(i, c)| format!("{c} as c{i}")).collect();
        let mut sql = format!(
            "select {}\nfrom {} as {}",
            columns.join(", "),
            table_of(base, self.tables)?.relation,
            Ident::new(base)
        );
        for join in self.view.joins.iter().filter(|join| self.needs.contains(&join.to.text)) {
            let other = Ident::new(&join.to.text);
            let on: Vec<_> = join
                .on
                .iter()
                .map(|(ours, theirs)| {
                    let (ours, theirs) =
                        (self.qualified(base, &ours.text), self.qualified(&join.to.text, &theirs.text));
                    format!("{ours} = {theirs}")
                })
                .collect();
            let table = &table_of(&join.to.text, self.tables)?.relation;
            let _ = write!(sql, "\nleft join {table} as {other} on {}", on.join(" and "));
        }
        sql.push_str(condition);
        if !query.dimensions.is_empty() {
            let places: Vec<_> = (1..=query.dimensions.len()).map(|i| i.to_string()).collect();
            let _ = write!(sql, "\ngroup by {}", places.join(", "));
        }
        sql.push_str(order);
        if let Some(limit) = query.limit {
            // One more row than the limit shows that rows were cut off.
            let _ = write!(sql, "\nlimit {}", limit.saturating_add(1));
        }
        Ok(sql)
    }
}

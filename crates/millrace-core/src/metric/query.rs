//! A question about metrics, as one SQL statement. Portable SQL.

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

/// Values to keep of a dimension; `None` is SQL's NULL.
pub type Filters = BTreeMap<String, Vec<Option<String>>>;

/// A question about metrics.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetricQuery {
    /// Metrics, at least one.
    pub metrics: Vec<String>,
    /// Dimensions; the time dimension is cut by `grain`.
    pub dimensions: Vec<String>,
    /// The time step; needed where the time dimension is among the dimensions.
    pub grain: Option<Grain>,
    /// Days; all where there is none.
    pub days: Option<Days>,
    /// Values to keep.
    pub filters: Filters,
    /// Metrics or dimensions to order by, each with whether the greatest comes first. Dimensions break ties.
    pub order: Vec<(String, bool)>,
    /// Rows at most.
    pub limit: Option<usize>,
}

/// A statement and how its columns make up the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// SQL with parameters `$1` ….
    pub sql: String,
    /// Their values.
    pub params: Vec<Value>,
    /// One for each metric asked for.
    pub metrics: Vec<MetricColumns>,
    /// Number of dimensions; they are the first columns.
    pub dimensions: usize,
    /// The limit that was asked for; the statement asks for one row more, to know whether there are more.
    pub limit: Option<usize>,
}

/// The columns of the statement that make up a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricColumns {
    /// This one.
    One(usize),
    /// This one divided by that one.
    Quotient(usize, usize),
}

/// Tables by model name.
pub type Tables = BTreeMap<String, Table>;

/// A model's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Where it is.
    pub relation: Relation,
    /// Its columns, by which those of semantic views are found without regard to letter case.
    pub spelling: Spelling,
}

fn bad(message: String, hint: Option<String>, code: Code) -> Box<Diagnostic> {
    Box::new(Diagnostic::error(code, message).maybe_hint(hint))
}

impl SemanticView {
    pub(super) fn known_dimension(&self, name: &str) -> Result<&Dimension, Box<Diagnostic>> {
        self.dimension(name).ok_or_else(|| {
            let names = self.dimensions.iter().map(|dimension| dimension.name.text.as_str());
            let message = format!("semantic view `{}` has no dimension `{name}`", self.name);
            bad(message, did_you_mean(name, names, "it has"), Code::UnknownMetric)
        })
    }

    /// Compiles a question. `tables` gives the physical table of every model that the view reads, `types` decides how values of
    /// filters and days are compared.
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

    /// A statement of one row: the first and the last day with data; none where the view has no time.
    pub fn compile_extent(&self, tables: &Tables) -> Option<String> {
        let base = tables.get(&self.base.text)?;
        let time = Ident::new(base.spelling.column(&self.time.as_ref()?.text));
        let base = &base.relation;
        Some(format!(
            "select cast(min({time}) as date) as first, cast(max({time}) as date) as last from {base}"
        ))
    }

    /// A statement whose columns have the types of these dimensions of the view, at least one, in their order.
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

/// SQL of a dimension's column as filters compare it, and how.
pub(super) fn compared(dimension: &Dimension, column: &str, types: &DimensionTypes) -> (String, Comparison) {
    if dimension.is_time {
        return (format!("cast({column} as date)"), Comparison::of(Some(DataType::Date)));
    }
    let comparison = Comparison::of(types.get(&dimension.name.text).copied().flatten());
    (comparison.column(column), comparison)
}

pub(super) fn table_of<'t>(model: &str, tables: &'t Tables) -> Result<&'t Table, Box<Diagnostic>> {
    tables.get(model).ok_or_else(|| {
        let hint = Some("Run `millrace run`; a view over raw tables is never published.".to_owned());
        bad(format!("model `{model}` is not published"), hint, Code::UnpublishedBase)
    })
}

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

    /// A column of a model, as its table spells it.
    fn spelled<'a>(&'a self, model: &str, name: &'a str) -> &'a str {
        self.tables.get(model).map_or(name, |table| table.spelling.column(name))
    }

    fn qualified(&self, model: &str, name: &str) -> String {
        format!("{}.{}", Ident::new(model), Ident::new(self.spelled(model, name)))
    }

    fn column(&mut self, dimension: &Dimension) -> String {
        if dimension.model != self.view.base.text {
            self.needs.insert(dimension.model.clone());
        }
        self.qualified(&dimension.model, &dimension.column.text)
    }

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

    fn param(&mut self, value: Value) -> String {
        self.params.push(value);
        format!("${}", self.params.len())
    }

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

    /// Parameters for the beginning of the first day, and of the day after the last one.
    fn ends(&mut self, days: Days) -> [String; 2] {
        let zoned = self.view.time_type(self.types) == Some(DataType::TimestampTz);
        [days.from, days.to.saturating_add(1)].map(|day| match self.view.zone.start_of(day) {
            // The zone's own rules say when a day begins, also where the clock is changed at midnight.
            Some(at) if zoned => {
                let at = self.param(Value::TimestampTz(at));
                format!("cast({at} as timestamptz)")
            }
            _ => self.param(Value::Date(day)),
        })
    }

    /// The condition that keeps those values of a dimension.
    fn kept(&mut self, dimension: &Dimension, column: &str, values: &[Option<String>]) -> String {
        let (compared, comparison) = compared(dimension, column, self.types);
        let (mut typed, mut texts) = (Vec::new(), Vec::new());
        for text in values.iter().flatten() {
            match comparison.value(text) {
                Some(value) => {
                    let parameter = self.param(value);
                    typed.push(comparison.parameter(&parameter));
                }
                // What the type has beside its own values, such as PostgreSQL's `infinity`; anything else meets nothing.
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

    fn order(&self, query: &MetricQuery, metrics: &[MetricColumns]) -> Result<String, Box<Diagnostic>> {
        let mut parts = Vec::new();
        for (name, descending) in &query.order {
            let direction = if *descending { "desc" } else { "asc" };
            let expression = if let Some(at) = query.dimensions.iter().position(|d| d == name) {
                (at + 1).to_string()
            } else if let Some(at) = query.metrics.iter().position(|m| m == name) {
                match metrics[at] {
                    MetricColumns::One(column) => (column + 1).to_string(),
                    // Only the order is by a float; the numbers shown are divided exactly.
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
            let _ = write!(sql, "\nlimit {}", limit.saturating_add(1));
        }
        Ok(sql)
    }
}

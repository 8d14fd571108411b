//! Queries over one semantic view and one data version: compiled to SQL, run, and decoded with
//! types.
//!
//! Input is a `MetricQuery`; output is exact values plus the shape (logical type and scale) of each
//! column. The SQL names the physical tables of the snapshot, so every query of a page reads the
//! same data version. Results go through the cache of [`AppState::query`].

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_core::code::Code;
use millrace_core::metric::filter::DimensionTypes;
use millrace_core::metric::query::{MetricColumns, MetricQuery};
use millrace_core::metric::result::{Answer, answer, change};
use millrace_core::metric::time_range::Days;
use millrace_core::metric::view::{Dimension, SemanticView};
use millrace_core::value::Value;
use millrace_engine::ports::warehouse::{ResultColumn, Statement};

use crate::failure::{Failure, Result};
use crate::snapshot::Snapshot;
use crate::state::AppState;
use crate::wire::result::{Column, Role, TileResult};
use crate::wire::value::{Cell, Shape};

/// Types of a semantic view's dimensions, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shapes {
    /// As pages show them; the time dimension is always a date.
    pub(crate) shown: BTreeMap<String, Shape>,
    /// As the warehouse stores them; filters compare values as these types. Empty before the first
    /// publish.
    pub(crate) types: DimensionTypes,
}

/// The farthest day from 1970-01-01, in either direction, that a warehouse can store as a
/// timestamp. Values beyond it, such as DuckDB's `infinity`, are not days and are clamped.
const FARTHEST_DAY: i32 = 100_000_000;

/// Runs queries over one semantic view and one data version.
pub(crate) struct Asker<'a> {
    pub(crate) state: &'a AppState,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) view: &'a SemanticView,
}

/// An answer with the shapes of its columns, in the order of the query.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) answer: Answer,
    pub(crate) dimensions: Vec<Shape>,
    pub(crate) metrics: Vec<Shape>,
}

impl Asker<'_> {
    /// Compiles and runs one query. Fails with the compiler's diagnostic or the warehouse's error.
    pub(crate) async fn ask(&self, query: &MetricQuery) -> Result<Told> {
        // Only filters and ranges depend on the dimensions' types; without them no `describe` is
        // needed.
        let compares = !query.filters.is_empty() || query.days.is_some();
        let shapes = if compares { self.shapes().await? } else { Arc::default() };
        let compiled = self.view.compile_query(query, &self.snapshot.tables, &shapes.types)?;
        let statement = Statement::with(compiled.sql.clone(), compiled.params.clone());
        let rows = self.state.query(self.snapshot.version, &statement).await?;
        let shape = |at: usize| Shape::of(rows.columns.get(at).and_then(|column| column.data_type));
        let mut answer = answer(&compiled, &rows.data);
        answer.truncated |= rows.truncated;
        let metric = |columns: &MetricColumns| match *columns {
            MetricColumns::One(at) => shape(at),
            MetricColumns::Quotient(above, below) => Shape::quotient(shape(above), shape(below)),
        };
        Ok(Told {
            answer,
            dimensions: (0..compiled.dimensions).map(shape).collect(),
            metrics: compiled.metrics.iter().map(metric).collect(),
        })
    }

    /// The first and the last day with data. Returns `None` if the view has no time dimension or no
    /// row has a date.
    pub(crate) async fn extent(&self) -> Result<Option<Days>> {
        let Some(sql) = self.view.compile_extent(&self.snapshot.tables) else { return Ok(None) };
        let statement = Statement::new(sql);
        let rows = self.state.query(self.snapshot.version, &statement).await?;
        let day = |at: usize| match rows.data.get(at).and_then(|column| column.first()) {
            Some(Value::Date(day)) => Some((*day).clamp(-FARTHEST_DAY, FARTHEST_DAY)),
            _ => None,
        };
        Ok(day(0).zip(day(1)).map(|(from, to)| Days { from, to }))
    }

    /// The distinct values of a dimension, at most 1,000, NULL last, and the count of all of them.
    /// With `search`, only values that contain this text.
    pub(crate) async fn options(
        &self,
        name: &str,
        types: &DimensionTypes,
        search: Option<&str>,
    ) -> Result<(Vec<Cell>, u64)> {
        let dialect = self.state.warehouse().dialect();
        let search = search.map(|text| (text, &*dialect));
        let (sql, params) = self.view.compile_options(name, &self.snapshot.tables, types, search)?;
        let statement = Statement::with(sql, params);
        let rows = self.state.query(self.snapshot.version, &statement).await?;
        let shape = Shape::of(rows.columns.first().and_then(|column| column.data_type));
        let mut values: Vec<Cell> =
            rows.data.first().into_iter().flatten().map(|value| shape.cell(value)).collect();
        // The statement sorts NULL first; pages show it last.
        if matches!(values.first(), Some(Cell::Null)) {
            values.rotate_left(1);
        }
        let total = rows.data.get(1).and_then(|totals| totals.first()).and_then(Value::as_int);
        Ok((values, total.and_then(|total| u64::try_from(total).ok()).unwrap_or_default()))
    }

    /// The types of the view's dimensions, from the cache or described by the warehouse. A
    /// dimension that the publication does not have keeps a guessed type.
    pub(crate) async fn shapes(&self) -> Result<Arc<Shapes>> {
        if let Some(known) = self.state.known_shapes(&self.view.name, self.snapshot.version) {
            return Ok(known);
        }
        let all: Vec<&Dimension> = self.view.dimensions.iter().collect();
        let mut shapes = guessed_shapes(self.view);
        match self.described(&all).await {
            Ok(columns) => shapes.take_up(&all, &columns),
            // The publication may lack the column of one dimension. Describes each on its own, so
            // that the others get their types; a query that needs the missing one fails when it is
            // asked.
            Err(failure) if is_of_statement(&failure) && all.len() > 1 => {
                for dimension in &all {
                    match self.described(&[dimension]).await {
                        Ok(columns) => shapes.take_up(&[dimension], &columns),
                        Err(failure) if is_of_statement(&failure) => {}
                        Err(failure) => return Err(failure),
                    }
                }
            }
            Err(failure) => return Err(failure),
        }
        let shapes = Arc::new(shapes);
        self.state.remember_shapes(&self.view.name, self.snapshot.version, &shapes);
        Ok(shapes)
    }

    /// The result columns of these dimensions, in their order, as the warehouse describes them.
    async fn described(&self, dimensions: &[&Dimension]) -> Result<Vec<ResultColumn>> {
        if dimensions.is_empty() {
            return Ok(Vec::new());
        }
        let sql = self.view.compile_types(&self.snapshot.tables, dimensions)?;
        Ok(self.state.warehouse().describe(&sql).await?)
    }
}

impl Shapes {
    /// Records the described columns; `columns` are in the order of `dimensions`.
    fn take_up(&mut self, dimensions: &[&Dimension], columns: &[ResultColumn]) {
        for (dimension, column) in dimensions.iter().zip(columns) {
            let name = &dimension.name.text;
            // Pages show the time dimension by day, whatever its stored type.
            let shape = if dimension.is_time { Shape::DATE } else { Shape::of(column.data_type) };
            self.shown.insert(name.clone(), shape);
            self.types.insert(name.clone(), column.data_type);
        }
    }
}

/// Whether the failure means that the publication lacks a name in the statement. Any other failure
/// may be temporary, so its result must not be cached.
fn is_of_statement(failure: &Failure) -> bool {
    matches!(failure.code(), Code::SqlError | Code::UnknownColumn | Code::UnpublishedBase)
}

/// The types to assume before the first publish: the time dimension is a date, all others are text.
pub(crate) fn guessed_shapes(view: &SemanticView) -> Shapes {
    let shape = |is_time: bool| if is_time { Shape::DATE } else { Shape::TEXT };
    let shown = view.dimensions.iter().map(|found| (found.name.text.clone(), shape(found.is_time))).collect();
    Shapes { shown, types: DimensionTypes::default() }
}

impl Told {
    /// The metrics of a single-row answer, by name; NULL if the answer has no row.
    fn totals(&self, metrics: &[String]) -> BTreeMap<String, Cell> {
        let cell = |at: usize| self.metrics[at].cell(self.total(at));
        metrics.iter().enumerate().map(|(at, name)| (name.clone(), cell(at))).collect()
    }

    /// One metric of a single-row answer, by position; NULL if the answer has no row.
    pub(crate) fn total(&self, at: usize) -> &Value {
        self.answer.metrics.get(at).and_then(|column| column.first()).unwrap_or(&Value::Null)
    }
}

/// Builds the wire form of a result.
///
/// `rows` is `None` for a KPI without a line. `shares` are the fractions of a pie, one for each
/// row. `total` and `previous` are single-row answers over the selected and the comparison range.
pub(crate) fn result(
    query: &MetricQuery,
    rows: Option<&Told>,
    shares: Option<&[Value]>,
    total: &Told,
    previous: Option<&Told>,
) -> TileResult {
    let mut columns = Vec::new();
    let mut data = Vec::new();
    if let Some(told) = rows {
        let mut column = |name: &str, role: Role, shape: Shape, values: &[Value]| {
            columns.push(Column::new(name, role, shape));
            data.push(values.iter().map(|value| shape.cell(value)).collect());
        };
        for ((name, shape), values) in
            query.dimensions.iter().zip(&told.dimensions).zip(&told.answer.dimensions)
        {
            column(name, Role::Dimension, *shape, values);
        }
        for ((name, shape), values) in query.metrics.iter().zip(&told.metrics).zip(&told.answer.metrics) {
            column(name, Role::Metric, *shape, values);
        }
        if let Some(shares) = shares {
            column("share", Role::Share, Shape::RATIO, shares);
        }
    }
    let changes = previous.map(|previous| {
        let cell = |at: usize| Shape::RATIO.cell(&change(total.total(at), previous.total(at)));
        query.metrics.iter().enumerate().map(|(at, name)| (name.clone(), cell(at))).collect()
    });
    TileResult {
        rows: rows.map_or(0, |told| told.answer.rows()),
        truncated: rows.is_some_and(|told| told.answer.truncated),
        columns,
        data,
        total: total.totals(&query.metrics),
        previous: previous.map(|previous| previous.totals(&query.metrics)),
        change: changes,
    }
}

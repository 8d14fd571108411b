//! The check of semantic views: the queries of their metrics and tiles are described over the
//! models in the scratch warehouse.

use std::collections::BTreeSet;

use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, Label, Span, Spanned};
use millrace_core::metric::filter::DimensionTypes;
use millrace_core::metric::query::{Compiled, MetricQuery, Table, Tables};
use millrace_core::metric::tile::{Choice, queries};
use millrace_core::metric::time_range::Days;
use millrace_core::metric::view::{Dimension, Formula, Metric, SemanticView};
use millrace_core::name::Relation;
use millrace_core::schema::DataType;
use millrace_core::sql::spelling::Spelling;
use millrace_core::value::Value;

use super::{Checker, sql_diagnostic};
use crate::error::Result;

/// The columns of a metric, each with its model. A ratio has none, because it consists of metrics.
fn places(metric: &Metric) -> &[(String, Spanned)] {
    match &metric.formula {
        Formula::Aggregate(aggregate) | Formula::Average(aggregate, _) => &aggregate.places,
        Formula::Ratio(..) => &[],
    }
}

/// The query's text with typed NULLs in place of its parameters, because `describe` takes none. The
/// types are all that matters. Parameters are replaced from the last to the first, so that `$1`
/// does not match the beginning of `$10`.
fn described(compiled: Compiled) -> String {
    compiled.params.iter().enumerate().rev().fold(compiled.sql, |sql, (at, value)| {
        let stand_in = match value {
            Value::Date(_) => "cast(null as date)",
            _ => "cast(null as varchar)",
        };
        sql.replace(&format!("${}", at + 1), stand_in)
    })
}

impl Checker<'_> {
    /// Checks one semantic view: its columns, then its metrics, then its tiles. Each stage needs
    /// the one before it.
    pub(super) async fn view(&mut self, view: &SemanticView) -> Result<()> {
        // A model that could not be described has been reported.
        if !view.models().iter().all(|model| self.columns.contains_key(&model.text)) {
            return Ok(());
        }
        let what = format!("semantic view `{}`", view.name);
        let mut whole = true;
        if let Some(time) = &view.time {
            whole &= self.has_column(&view.base.text, time, &what);
            let temporal = self.column(&view.base.text, &time.text).and_then(|column| column.data_type);
            if temporal.is_some_and(|data_type: DataType| !data_type.is_temporal()) {
                let message =
                    format!("`{}` is no date or timestamp, so it cannot be the time of {what}", time.text);
                let hint = format!("Cast it in model `{}`: `cast({} as date)`.", view.base.text, time.text);
                self.diagnostics
                    .push(Diagnostic::error(Code::BadQuery, message).at(time.span.clone(), "").hint(hint));
                whole = false;
            }
        }
        for join in &view.joins {
            for (ours, theirs) in &join.on {
                whole &= self.has_column(&view.base.text, ours, &what);
                whole &= self.has_column(&join.to.text, theirs, &what);
            }
        }
        for dimension in &view.dimensions {
            // The time dimension shares its place with `time`, which has been checked above.
            if view.time.as_ref().is_none_or(|time| time.span != dimension.column.span) {
                let there = self.has_column(
                    &dimension.model,
                    &dimension.column,
                    &format!("dimension `{}`", dimension.name.text),
                );
                if !there {
                    self.name_users(view, &dimension.name.text);
                }
                whole &= there;
            }
        }
        if !whole {
            return Ok(());
        }
        let tables: Tables = view
            .models()
            .into_iter()
            .map(|model| {
                // The scratch warehouse spells columns as the models do, so names need no look-up.
                let relation = Relation::new("build", &model.text);
                (model.text.clone(), Table { relation, spelling: Spelling::default() })
            })
            .collect();
        let types = self.types(view);
        let broken = if self.all_metrics(view, (&tables, &types)).await {
            self.checked.metrics += view.metrics.len();
            BTreeSet::new()
        } else {
            self.each_metric(view, (&tables, &types)).await
        };
        self.tiles(view, (&tables, &types), &broken).await;
        Ok(())
    }

    /// Whether all metrics of a view compile. One query for all of them is the fast path.
    async fn all_metrics(&self, view: &SemanticView, (tables, types): (&Tables, &DimensionTypes)) -> bool {
        let metrics = view.metrics.iter().map(|metric| metric.name.text.clone()).collect();
        let query = MetricQuery { metrics, ..MetricQuery::default() };
        let are_there = view.metrics.iter().all(|metric| {
            places(metric).iter().all(|(model, column)| self.column(model, &column.text).is_some())
        });
        match view.compile_query(&query, tables, types) {
            Ok(compiled) if are_there => self.scratch.describe(&described(compiled)).await.is_ok(),
            _ => false,
        }
    }

    /// Checks the metrics one by one and reports each error. Returns the names of broken metrics.
    async fn each_metric<'v>(
        &mut self,
        view: &'v SemanticView,
        (tables, types): (&Tables, &DimensionTypes),
    ) -> BTreeSet<&'v str> {
        let mut broken: BTreeSet<&str> = BTreeSet::new();
        // Ratios come last, so that an error in a part is reported at the part only.
        let is_ratio = |metric: &&Metric| matches!(metric.formula, Formula::Ratio(..));
        let (ratios, aggregates): (Vec<&Metric>, Vec<&Metric>) = view.metrics.iter().partition(is_ratio);
        for metric in aggregates.into_iter().chain(ratios) {
            let name = metric.name.text.as_str();
            let query = MetricQuery { metrics: vec![name.to_owned()], ..MetricQuery::default() };
            let what = format!("metric `{name}` does not compile");
            if let Formula::Ratio(above, below) = metric.formula {
                let is_broken = |at: usize| broken.contains(view.metrics[at].name.text.as_str());
                if is_broken(above) || is_broken(below) {
                    broken.insert(name);
                    continue;
                }
            }
            if self.has_columns(metric)
                && self.query(view, &query, (tables, types), &what, &metric.name.span).await
            {
                self.checked.metrics += 1;
            } else {
                broken.insert(name);
                self.name_users(view, name);
            }
        }
        broken
    }

    /// The types of the dimensions whose columns exist.
    fn types(&self, view: &SemanticView) -> DimensionTypes {
        let of = |dimension: &Dimension| {
            let found = self.column(&dimension.model, &dimension.column.text)?;
            Some((dimension.name.text.clone(), found.data_type))
        };
        view.dimensions.iter().filter_map(of).collect()
    }

    /// Whether the columns of a metric exist; reports the first one that does not.
    fn has_columns(&mut self, metric: &Metric) -> bool {
        let what = format!("metric `{}`", metric.name.text);
        places(metric).iter().all(|(model, column)| self.has_column(model, column, &what))
    }

    /// Adds to the last diagnostic the tiles that use a broken dimension or metric, so that the
    /// user sees what is affected.
    fn name_users(&mut self, view: &SemanticView, name: &str) {
        let compiled = self.compiled;
        let Some(diagnostic) = self.diagnostics.last_mut() else { return };
        for dashboard in compiled.project.dashboards.iter().filter(|d| d.semantic_view.text == view.name) {
            for tile in dashboard.rows.iter().flatten() {
                let used = tile.by.iter().chain(&tile.metrics).find(|used| used.text == name);
                if let Some(used) = used {
                    let text = format!("tile {} of dashboard `{}` needs it", tile.id, dashboard.name.text);
                    diagnostic.labels.push(Label { span: used.span.clone(), text });
                }
            }
        }
    }

    /// Describes the query of each tile whose metrics compile.
    async fn tiles(
        &mut self,
        view: &SemanticView,
        tables: (&Tables, &DimensionTypes),
        broken: &BTreeSet<&str>,
    ) {
        let compiled = self.compiled;
        // Any period will do, because only the text of the query matters.
        let days = view.time.as_ref().map(|_| Days { from: 0, to: 30 });
        let choice = Choice { days, compare: days.map(|days| days.previous()), ..Choice::default() };
        let dashboards = compiled.project.dashboards.iter().filter(|d| d.semantic_view.text == view.name);
        for dashboard in dashboards {
            for tile in dashboard.rows.iter().flatten() {
                // The error of a metric lists the tiles that use it.
                if tile.metrics.iter().any(|metric| broken.contains(metric.text.as_str())) {
                    continue;
                }
                // Names that the view does not have were reported when the dashboard was compiled.
                let known = tile.metrics.iter().all(|metric| view.metric(&metric.text).is_some())
                    && tile.by.iter().all(|by| view.dimension(&by.text).is_some());
                let Some(span) = tile.metrics.first().map(|metric| &metric.span).filter(|_| known) else {
                    continue;
                };
                let queries = queries(dashboard, tile, view, &choice);
                let what =
                    format!("tile {} of dashboard `{}` does not compile", tile.id, dashboard.name.text);
                if let Some(rows) = &queries.rows {
                    if self.query(view, rows, tables, &what, span).await {
                        self.checked.tiles += 1;
                    }
                } else {
                    // A tile with a single figure asks for nothing but its metric, which has been
                    // checked.
                    self.checked.tiles += 1;
                }
            }
        }
    }

    /// Compiles and describes a query, and returns whether both succeeded. Reports an error unless
    /// one is reported at the same place already.
    async fn query(
        &mut self,
        view: &SemanticView,
        query: &MetricQuery,
        (tables, types): (&Tables, &DimensionTypes),
        what: &str,
        span: &Span,
    ) -> bool {
        let compiled = match view.compile_query(query, tables, types) {
            Ok(compiled) => compiled,
            Err(mut diagnostic) => {
                // An error at a metric is reported once, not again for each tile.
                if diagnostic.labels.is_empty() {
                    *diagnostic = diagnostic.at(span.clone(), "");
                }
                self.diagnostics.push(*diagnostic);
                return false;
            }
        };
        match self.scratch.describe(&described(compiled)).await {
            Ok(_) => true,
            Err(error) => {
                let known = self
                    .diagnostics
                    .iter()
                    .any(|d| d.labels.first().is_some_and(|label| label.span == *span));
                if !known {
                    self.diagnostics.push(sql_diagnostic(what, &error, span.clone()));
                }
                false
            }
        }
    }
}

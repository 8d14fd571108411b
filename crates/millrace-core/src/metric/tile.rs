//! Translates a dashboard's tiles into metric queries, and checks dashboards against their semantic
//! views.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::diagnostic::Spanned;
use crate::metric::query::{Filters, MetricQuery};
use crate::metric::time_range::{Days, Grain};
use crate::metric::view::SemanticView;
use crate::project::dashboard_file::{Compare, DashboardDef, TileDef, TileKind};
use crate::suggest::did_you_mean;

/// The queries of one tile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileQueries {
    /// Rows of the chart or table; `None` for a figure without a sparkline.
    pub rows: Option<MetricQuery>,
    /// The metrics over the whole range, in one row.
    pub total: MetricQuery,
    /// The same metrics over the comparison range.
    pub previous: Option<MetricQuery>,
    /// First days of the time steps to fill; `Some` if the rows are a time series.
    pub steps: Option<Vec<i32>>,
}

/// The range and filters chosen by a reader.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// Days of the range; `None` if the view has no time.
    pub days: Option<Days>,
    /// Days of the comparison range.
    pub compare: Option<Days>,
    /// Values to keep, by dimension.
    pub filters: Filters,
}

/// The comparison range for `days`; `None` if the page compares with nothing.
pub fn compared(days: Days, compare: Option<Compare>) -> Option<Days> {
    compare.map(|compare| match compare {
        Compare::PreviousPeriod => days.previous(),
        Compare::PreviousYear => days.year_before(),
    })
}

/// The queries of a tile. All names must have been checked by [`check_dashboard`].
pub fn queries(
    dashboard: &DashboardDef,
    tile: &TileDef,
    view: &SemanticView,
    choice: &Choice,
) -> TileQueries {
    let metrics: Vec<String> = tile.metrics.iter().map(|metric| metric.text.clone()).collect();
    let total = MetricQuery {
        metrics: metrics.clone(),
        days: choice.days,
        filters: choice.filters.clone(),
        ..MetricQuery::default()
    };
    let previous = choice.compare.map(|days| MetricQuery { days: Some(days), ..total.clone() });
    let grain = grain_of(dashboard, tile);
    let dimensions: Vec<String> = match tile.kind {
        // A figure has rows only for its sparkline, which is a time series.
        TileKind::Kpi => {
            let time = view.dimensions.iter().find(|dimension| dimension.is_time);
            time.filter(|_| tile.grain.is_some()).map(|time| time.name.text.clone()).into_iter().collect()
        }
        _ => tile.by.iter().map(|by| by.text.clone()).collect(),
    };
    if dimensions.is_empty() && tile.kind == TileKind::Kpi {
        return TileQueries { rows: None, total, previous, steps: None };
    }
    // A time series needs every step in the range, so it has neither limit nor order of its own. A
    // table lists only steps that have rows.
    let by_time = |name: &String| view.dimension(name).is_some_and(|dimension| dimension.is_time);
    let over_time = dimensions.len() == 1 && by_time(&dimensions[0]) && tile.kind != TileKind::Table;
    let steps = match choice.days {
        Some(days) if over_time => Some(grain.steps(&days)),
        _ => None,
    };
    let rows = MetricQuery {
        order: if over_time { Vec::new() } else { order(tile, &metrics, &dimensions) },
        limit: (!over_time).then_some(tile.limit),
        grain: dimensions.iter().any(by_time).then_some(grain),
        dimensions,
        ..total.clone()
    };
    TileQueries { rows: Some(rows), total, previous, steps }
}

/// The time step of a tile: its own, or that of the dashboard.
pub fn grain_of(dashboard: &DashboardDef, tile: &TileDef) -> Grain {
    tile.grain.unwrap_or(dashboard.grain)
}

/// The sort order of a tile's rows: by its first metric, descending, unless `sort` says otherwise.
/// A leading `-` means descending; `value` stands for the first metric.
fn order(tile: &TileDef, metrics: &[String], dimensions: &[String]) -> Vec<(String, bool)> {
    let first = || metrics.first().cloned().unwrap_or_default();
    match &tile.sort {
        None if dimensions.is_empty() => Vec::new(),
        None => vec![(first(), true)],
        Some(sort) => {
            let (name, descending) =
                sort.text.strip_prefix('-').map_or((sort.text.as_str(), false), |name| (name, true));
            vec![(if name == "value" { first() } else { name.to_owned() }, descending)]
        }
    }
}

/// Checks the names in a dashboard against its semantic view: filters, metrics, dimensions and sort
/// keys. Also reports lines over time that have no time dimension.
pub fn check_dashboard(dashboard: &DashboardDef, view: &SemanticView, diagnostics: &mut Vec<Diagnostic>) {
    let metrics: Vec<&str> = view.metrics.iter().map(|metric| metric.name.text.as_str()).collect();
    let dimensions: Vec<&str> =
        view.dimensions.iter().map(|dimension| dimension.name.text.as_str()).collect();
    let mut check = |name: &Spanned, what: &str, known: &[&str]| {
        if !known.contains(&name.text.as_str()) {
            let message = format!("semantic view `{}` has no {what} `{}`", view.name, name.text);
            let hint = did_you_mean(&name.text, known.iter().copied(), "it has");
            diagnostics.push(
                Diagnostic::error(Code::UnknownMetric, message).at(name.span.clone(), "").maybe_hint(hint),
            );
        }
    };
    for filter in &dashboard.filters {
        check(filter, "dimension", &dimensions);
    }
    for tile in dashboard.rows.iter().flatten() {
        for metric in &tile.metrics {
            check(metric, "metric", &metrics);
        }
        for by in &tile.by {
            check(by, "dimension", &dimensions);
        }
        if let Some(sort) = &tile.sort {
            let mut known: Vec<&str> = vec!["value"];
            known.extend(tile.metrics.iter().chain(&tile.by).map(|name| name.text.as_str()));
            let name = sort.text.strip_prefix('-').unwrap_or(&sort.text);
            check(
                &Spanned { text: name.to_owned(), span: sort.span.clone() },
                "column in this tile named",
                &known,
            );
        }
    }
    for tile in dashboard.rows.iter().flatten() {
        // An unknown dimension has been reported above and counts as time here.
        let timed = |by: &Spanned| view.dimension(&by.text).is_none_or(|dimension| dimension.is_time);
        let lacks_time = match tile.kind {
            TileKind::Area | TileKind::Line => tile.by.iter().find(|by| !timed(by)),
            TileKind::Kpi if tile.grain.is_some() && view.time.is_none() => tile.metrics.first(),
            _ => None,
        };
        if let Some(name) = lacks_time {
            let message = format!("a line over time cannot be cut by `{}`, which is no time", name.text);
            let hint = match &view.time {
                Some(time) => format!("Use `by: {}`, or a `bar`.", time.text),
                None => "Add `time: column` to the semantic view.".to_owned(),
            };
            diagnostics.push(Diagnostic::error(Code::BadQuery, message).at(name.span.clone(), "").hint(hint));
        }
    }
}

//! The description of a dashboard: titles, filters and tiles, without data.

use millrace_core::diagnostic::Spanned;
use millrace_core::metric::tile::grain_of;
use millrace_core::metric::time_range;
use millrace_core::metric::title::{Cut, default_title};
use millrace_core::metric::view::{self, Formula, SemanticView};
use millrace_core::project::dashboard_file::{self, DashboardDef, TileDef};
use millrace_core::project::localized::Localized;
use millrace_core::project::semantic_file::Format as FileFormat;
use serde::Serialize;
use utoipa::ToSchema;

use crate::question::Shapes;
use crate::served::Subject;
use crate::wire::localized::LocalizedText;
use crate::wire::value::{LogicalType, Shape};

/// A page of tiles.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Dashboard {
    pub(crate) name: String,
    pub(crate) title: LocalizedText,
    pub(crate) semantic_view: String,
    /// What the semantic view is about, for people; `null` where the project does not say.
    #[schema(required)]
    pub(crate) about: Option<String>,
    /// `null` where the semantic view has no time.
    #[schema(required)]
    pub(crate) time: Option<DashboardTime>,
    pub(crate) filters: Vec<Dimension>,
    /// Streams whose rows it shows, as `source.stream`.
    pub(crate) streams: Vec<String>,
    /// Streams of which it may show rows that their source has deleted, as `source.stream`: the project does not say what becomes of those.
    pub(crate) deletes_unseen: Vec<String>,
    /// From top to bottom and from left to right.
    pub(crate) rows: Vec<Vec<Tile>>,
}

/// What the page shows at first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DashboardTime {
    /// The time dimension.
    pub(crate) dimension: String,
    pub(crate) label: LocalizedText,
    /// `last N days|weeks|months|years` or `all`.
    pub(crate) range: String,
    pub(crate) grain: Grain,
    /// What figures are compared with; `null`: nothing.
    #[schema(required)]
    pub(crate) compare: Option<Compare>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Grain {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Compare {
    PreviousPeriod,
    PreviousYear,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Dimension {
    pub(crate) name: String,
    pub(crate) label: LocalizedText,
    /// Before the first publish a guess: `date` for the time, else `text`.
    #[serde(rename = "type")]
    pub(crate) kind: LogicalType,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Metric {
    pub(crate) name: String,
    pub(crate) label: LocalizedText,
    pub(crate) format: Format,
    /// What it means, for people; `null` where the project does not say.
    #[schema(required)]
    pub(crate) description: Option<String>,
}

/// How numbers are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Format {
    pub(crate) style: Style,
    /// ISO 4217, with `currency`.
    #[schema(required)]
    pub(crate) currency: Option<String>,
    /// Digits after the point.
    pub(crate) scale: u8,
}

/// The numbers of `percent` are ratios: 0.25 is shown as 25 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Style {
    Integer,
    Decimal,
    Currency,
    Percent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TileKind {
    Kpi,
    Area,
    Line,
    Bar,
    Pie,
    Table,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fill {
    Zero,
}

/// One chart, figure or table.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Tile {
    /// `row-place`, counted from 1.
    pub(crate) id: String,
    pub(crate) kind: TileKind,
    pub(crate) title: LocalizedText,
    /// `null` on a `table`.
    #[schema(required)]
    pub(crate) metric: Option<Metric>,
    /// What the metric is cut by; `null` on a `kpi` and a `table`.
    #[schema(required)]
    pub(crate) dimension: Option<Dimension>,
    /// Only on a `table`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metrics: Option<Vec<Metric>>,
    /// Only on a `table`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dimensions: Option<Vec<Dimension>>,
    /// The time step where the tile is cut by time; on a `kpi` that of its spark line.
    #[schema(required)]
    pub(crate) grain: Option<Grain>,
    /// What stands for steps without rows.
    #[schema(required)]
    pub(crate) fill: Option<Fill>,
}

/// Builds the description of a dashboard. `shapes` are the types of the semantic view's dimensions.
pub(crate) fn document(subject: &Subject, shapes: &Shapes) -> Dashboard {
    let (dashboard, view) = (&subject.dashboard, &*subject.view);
    let by = |name: &Spanned| view.dimension(&name.text).map(|found| dimension(found, shapes));
    let time = view.dimensions.iter().find(|dimension| dimension.is_time).map(|time| DashboardTime {
        dimension: time.name.text.clone(),
        label: (&time.label).into(),
        range: dashboard.range_text.clone(),
        grain: grain(dashboard.grain),
        compare: dashboard.compare.map(|compare| match compare {
            dashboard_file::Compare::PreviousPeriod => Compare::PreviousPeriod,
            dashboard_file::Compare::PreviousYear => Compare::PreviousYear,
        }),
    });
    let rows = dashboard
        .rows
        .iter()
        .map(|row| row.iter().map(|def| tile(def, tile_grain(dashboard, def, view), view, shapes)).collect());
    Dashboard {
        name: dashboard.name.text.clone(),
        title: (&dashboard.title).into(),
        semantic_view: view.name.clone(),
        about: view.description.clone(),
        time,
        filters: dashboard.filters.iter().filter_map(by).collect(),
        streams: subject.streams.clone(),
        deletes_unseen: subject.deletes_unseen.clone(),
        rows: rows.collect(),
    }
}

/// The time step of a tile: for a KPI that of its line, for other tiles only if a dimension is the
/// time.
fn tile_grain(dashboard: &DashboardDef, tile: &TileDef, view: &SemanticView) -> Option<time_range::Grain> {
    if tile.kind == dashboard_file::TileKind::Kpi {
        return tile.grain;
    }
    let timed = tile.by.iter().any(|by| view.dimension(&by.text).is_some_and(|found| found.is_time));
    timed.then(|| grain_of(dashboard, tile))
}

/// Builds the description of a tile. Tables have lists of metrics and dimensions, other tiles one
/// of each.
fn tile(def: &TileDef, step: Option<time_range::Grain>, view: &SemanticView, shapes: &Shapes) -> Tile {
    use dashboard_file::TileKind as Kind;
    let metrics: Vec<Metric> =
        def.metrics.iter().filter_map(|name| view.metric(&name.text).map(metric)).collect();
    let dimensions: Vec<Dimension> = def
        .by
        .iter()
        .filter_map(|by| view.dimension(&by.text).map(|found| dimension(found, shapes)))
        .collect();
    let table = def.kind == Kind::Table;
    Tile {
        id: def.id.clone(),
        kind: match def.kind {
            Kind::Kpi => TileKind::Kpi,
            Kind::Area => TileKind::Area,
            Kind::Line => TileKind::Line,
            Kind::Bar => TileKind::Bar,
            Kind::Pie => TileKind::Pie,
            Kind::Table => TileKind::Table,
        },
        title: def.title.as_ref().map_or_else(|| untitled(def, step, view), LocalizedText::from),
        metric: metrics.first().filter(|_| !table).cloned(),
        dimension: dimensions.first().filter(|_| !table).cloned(),
        metrics: table.then_some(metrics),
        dimensions: table.then_some(dimensions),
        grain: step.map(grain),
        fill: def.fill_zero.then_some(Fill::Zero),
    }
}

/// The default title of a tile, made from its metrics and dimensions.
fn untitled(def: &TileDef, grain: Option<time_range::Grain>, view: &SemanticView) -> LocalizedText {
    let metrics: Vec<&Localized> =
        def.metrics.iter().filter_map(|name| view.metric(&name.text)).map(|metric| &metric.label).collect();
    let found = def.by.iter().filter_map(|by| view.dimension(&by.text));
    let cut = found.map(|found| match grain.filter(|_| found.is_time) {
        Some(grain) => Cut::Time(grain),
        None => Cut::Dimension(&found.label),
    });
    let by: Vec<Cut<'_>> = cut.collect();
    (&default_title(&metrics, &by)).into()
}

fn dimension(dimension: &view::Dimension, shapes: &Shapes) -> Dimension {
    Dimension {
        name: dimension.name.text.clone(),
        label: (&dimension.label).into(),
        kind: shapes.shown.get(&dimension.name.text).copied().unwrap_or(Shape::TEXT).kind,
    }
}

fn metric(metric: &view::Metric) -> Metric {
    Metric {
        name: metric.name.text.clone(),
        label: (&metric.label).into(),
        format: format(metric.format.as_ref(), &metric.formula),
        description: metric.description.clone(),
    }
}

/// The format of a metric. Without one in the file, counts are integers and everything else has two
/// digits after the decimal point.
fn format(format: Option<&FileFormat>, formula: &Formula) -> Format {
    let (style, currency, scale) = match (format, formula) {
        (Some(FileFormat::Integer), _) => (Style::Integer, None, 0),
        (Some(FileFormat::Decimal { decimals }), _) => (Style::Decimal, None, *decimals),
        (Some(FileFormat::Percent), _) => (Style::Percent, None, 1),
        (Some(FileFormat::Currency { code, decimals }), _) => {
            (Style::Currency, Some(code.clone()), *decimals)
        }
        (None, Formula::Aggregate(aggregate)) if calls(&aggregate.sql, "count") => (Style::Integer, None, 0),
        (None, _) => (Style::Decimal, None, 2),
    };
    Format { style, currency, scale }
}

/// Whether an SQL expression begins with a call of `function`, ignoring case.
pub(crate) fn calls(sql: &str, function: &str) -> bool {
    let sql = sql.trim_start();
    let name = sql.get(..function.len()).is_some_and(|name| name.eq_ignore_ascii_case(function));
    name && sql[function.len()..].trim_start().starts_with('(')
}

fn grain(grain: time_range::Grain) -> Grain {
    match grain {
        time_range::Grain::Day => Grain::Day,
        time_range::Grain::Week => Grain::Week,
        time_range::Grain::Month => Grain::Month,
        time_range::Grain::Quarter => Grain::Quarter,
        time_range::Grain::Year => Grain::Year,
    }
}

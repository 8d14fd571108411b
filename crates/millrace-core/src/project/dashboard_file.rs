//! Decodes `dashboards/*.yml`: dashboards and their tiles, before their names are resolved.

use std::sync::Arc;

use crate::code::Code;
use crate::diagnostic::Spanned;
use crate::metric::time_range::{Grain, TimeRange};
use crate::project::decode::Decoder;
use crate::project::localized::Localized;
use crate::project::spec::{KeyKind, KeySpec, MapSpec};
use crate::project::yaml::Node;

/// The keys of a dashboard.
pub static DASHBOARD: MapSpec = MapSpec {
    doc: "`dashboards/*.yml`: a page of tiles.",
    keys: &[
        KeySpec::required(
            "dashboard",
            KeyKind::Text,
            "Name of the dashboard, also in its address: `/d/NAME`.",
        ),
        KeySpec::optional("title", KeyKind::Localized, "As the page shows it."),
        KeySpec::required("semantic_view", KeyKind::Text, "Where its metrics and dimensions come from."),
        KeySpec::optional(
            "time",
            KeyKind::Map(&TIME),
            "The range that the page shows at first, and its grain.",
        ),
        KeySpec::optional(
            "filters",
            KeyKind::ListOf(&KeyKind::Text),
            "Dimensions that readers may filter by.",
        ),
        KeySpec::required(
            "rows",
            KeyKind::ListOf(&KeyKind::ListOf(&KeyKind::Map(&TILE))),
            "Rows of tiles, from top to bottom and from left to right.",
        ),
    ],
};

static TIME: MapSpec = MapSpec {
    doc: "The range that a page shows at first.",
    keys: &[
        KeySpec::optional(
            "range",
            KeyKind::Text,
            "`last N days|weeks|months|years`, or `all` (the default).",
        ),
        KeySpec::optional(
            "grain",
            KeyKind::OneOf(Grain::NAMES),
            "The time step of its charts; `day` by default.",
        ),
        KeySpec::optional(
            "compare",
            KeyKind::OneOf(&["previous_period", "previous_year"]),
            "What figures are compared with.",
        ),
    ],
};

static TILE: MapSpec = MapSpec {
    doc: "One chart, figure or table: one of `kpi`, `area`, `line`, `bar`, `pie`, `table`.",
    keys: &[
        KeySpec::optional("kpi", KeyKind::Text, "A figure: the metric."),
        KeySpec::optional("area", KeyKind::Text, "A filled line over time: the metric."),
        KeySpec::optional("line", KeyKind::Text, "A line over time: the metric."),
        KeySpec::optional("bar", KeyKind::Text, "Bars, one a value of `by`: the metric."),
        KeySpec::optional("pie", KeyKind::Text, "A ring of shares, one a value of `by`: the metric."),
        KeySpec::optional("table", KeyKind::ListOf(&KeyKind::Text), "A table: the metrics."),
        KeySpec::optional(
            "by",
            KeyKind::AnyOf(&[KeyKind::ListOf(&KeyKind::Text), KeyKind::Text]),
            "The dimension, or for a table the dimensions, by which the metric is cut.",
        ),
        KeySpec::optional(
            "title",
            KeyKind::Localized,
            "As the page shows it; the metric's label by default.",
        ),
        KeySpec::optional("spark", KeyKind::OneOf(Grain::NAMES), "For a figure: a small line of this grain."),
        KeySpec::optional(
            "grain",
            KeyKind::OneOf(Grain::NAMES),
            "The time step, where it is not the page's.",
        ),
        KeySpec::optional(
            "fill",
            KeyKind::OneOf(&["zero"]),
            "What stands for steps without rows; nothing by default.",
        ),
        KeySpec::optional(
            "sort",
            KeyKind::Text,
            "`value` or `-value` (greatest first, the default), the dimension's name with or without `-`, or a metric of the table.",
        ),
        KeySpec::optional(
            "limit",
            KeyKind::Integer(1, 10_000),
            "Rows at most; 10 for bars, 12 for rings, 1,000 for tables.",
        ),
    ],
};

/// The keys that set the kind of a tile.
pub const TILE_KINDS: [&str; 6] = ["kpi", "area", "line", "bar", "pie", "table"];

/// A dashboard as written in its file.
#[derive(Debug, Clone)]
pub struct DashboardDef {
    /// Name, also in its URL.
    pub name: Spanned,
    /// Path of its file.
    pub file: Arc<str>,
    /// Title for pages.
    pub title: Localized,
    /// The semantic view that provides metrics and dimensions.
    pub semantic_view: Spanned,
    /// The initial time range.
    pub range: TimeRange,
    /// The initial time range as written.
    pub range_text: String,
    /// Time step of its charts.
    pub grain: Grain,
    /// The comparison range of figures.
    pub compare: Option<Compare>,
    /// Dimensions that readers can filter by.
    pub filters: Vec<Spanned>,
    /// Tiles, row by row.
    pub rows: Vec<Vec<TileDef>>,
}

/// The range that figures are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// The range of the same length that ends just before.
    PreviousPeriod,
    /// The same range one year earlier.
    PreviousYear,
}

impl Compare {
    /// The name in project files and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreviousPeriod => "previous_period",
            Self::PreviousYear => "previous_year",
        }
    }
}

/// The kind of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TileKind {
    /// A single figure, with an optional sparkline.
    Kpi,
    /// An area chart over time.
    Area,
    /// A line chart over time.
    Line,
    /// A bar chart.
    Bar,
    /// A ring chart.
    Pie,
    /// A table.
    Table,
}

impl TileKind {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "kpi" => Self::Kpi,
            "area" => Self::Area,
            "line" => Self::Line,
            "bar" => Self::Bar,
            "pie" => Self::Pie,
            "table" => Self::Table,
            _ => return None,
        })
    }

    /// The name in project files and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kpi => "kpi",
            Self::Area => "area",
            Self::Line => "line",
            Self::Bar => "bar",
            Self::Pie => "pie",
            Self::Table => "table",
        }
    }
}

/// A tile.
#[derive(Debug, Clone)]
pub struct TileDef {
    /// `ROW-PLACE`, both counted from 1.
    pub id: String,
    /// The kind of tile.
    pub kind: TileKind,
    /// Metrics; exactly one except in tables.
    pub metrics: Vec<Spanned>,
    /// Dimensions; at most one except in tables, which may have eight.
    pub by: Vec<Spanned>,
    /// Title, if the file sets one.
    pub title: Option<Localized>,
    /// Time step, if it is not the dashboard's; for a figure, the step of its sparkline.
    pub grain: Option<Grain>,
    /// Whether time steps without rows show zero.
    pub fill_zero: bool,
    /// Sort order as written.
    pub sort: Option<Spanned>,
    /// Maximum number of rows.
    pub limit: usize,
}

/// Decodes a dashboard. Returns `None` if its name or semantic view is missing, which is reported.
pub fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<DashboardDef> {
    decoder.check("this dashboard", node, &[&DASHBOARD]);
    let name = decoder.spanned(node, "dashboard")?;
    decoder.name(&name, "a dashboard");
    let semantic_view = decoder.spanned(node, "semantic_view")?;
    let time = node.get("time");
    let in_time = |key: &str| time.and_then(|time| Some((time.get(key)?.text()?, &time.get(key)?.range)));
    let mut range = TimeRange::All;
    if let Some((text, place)) = in_time("range") {
        match text.parse() {
            Ok(parsed) => range = parsed,
            Err(message) => decoder.report(
                Code::WrongValue,
                place,
                message,
                Some("Write `last 30 days` or `all`.".into()),
            ),
        }
    }
    let rows = node.get("rows").and_then(Node::seq).unwrap_or_default();
    let mut tiles = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        let nodes = row.seq().unwrap_or_default().iter().enumerate();
        tiles.push(
            nodes.filter_map(|(j, tile)| tile_def(tile, format!("{}-{}", i + 1, j + 1), decoder)).collect(),
        );
    }
    Some(DashboardDef {
        title: decoder.localized(node, "title").unwrap_or_else(|| Localized::from_name(&name.text)),
        name,
        file: Arc::clone(decoder.file),
        semantic_view,
        range,
        range_text: in_time("range").map_or("all", |(text, _)| text).to_owned(),
        grain: in_time("grain").and_then(|(text, _)| Grain::from_name(text)).unwrap_or(Grain::Day),
        compare: in_time("compare").and_then(|(text, _)| match text {
            "previous_period" => Some(Compare::PreviousPeriod),
            "previous_year" => Some(Compare::PreviousYear),
            _ => None,
        }),
        filters: decoder.spanned_list(node, "filters"),
        rows: tiles,
    })
}

/// Decodes a tile. Refuses a tile that does not have exactly one kind, or has the wrong number of
/// dimensions for its kind.
fn tile_def(node: &Node, id: String, decoder: &mut Decoder<'_>) -> Option<TileDef> {
    let entries = node.map()?;
    let kinds: Vec<_> =
        entries.iter().filter_map(|e| Some((TileKind::from_name(&e.key)?, &e.key, &e.key_range))).collect();
    let [(kind, key, key_range)] = kinds.as_slice() else {
        // An unknown key has been reported; it may be a misspelled kind.
        if entries.iter().all(|entry| TILE.key(&entry.key).is_some()) {
            let hint = format!("Write one of {}.", TILE_KINDS.map(|kind| format!("`{kind}`")).join(", "));
            decoder.report(Code::WrongValue, &node.range, "a tile has one kind", Some(hint));
        }
        return None;
    };
    let grain = |key: &str| node.get(key).and_then(Node::text).and_then(Grain::from_name);
    let by = decoder.spanned_list(node, "by");
    let wanted = match kind {
        TileKind::Kpi => 0..=0,
        TileKind::Table => 0..=8,
        _ => 1..=1,
    };
    if !wanted.contains(&by.len()) {
        let message = match kind {
            TileKind::Kpi => "a figure is cut by nothing; take `by` away".to_owned(),
            TileKind::Table => "a table has at most 8 dimensions".to_owned(),
            _ => format!("`{key}` needs one dimension in `by`"),
        };
        decoder.report(Code::WrongValue, key_range, message, None);
        return None;
    }
    let limit = node
        .get("limit")
        .and_then(Node::scalar)
        .and_then(super::yaml::Scalar::as_integer)
        .and_then(|n| usize::try_from(n).ok());
    Some(TileDef {
        id,
        kind: *kind,
        metrics: decoder.spanned_list(node, key),
        by,
        title: decoder.localized(node, "title"),
        grain: if *kind == TileKind::Kpi { grain("spark") } else { grain("grain") },
        fill_zero: node.get("fill").and_then(Node::text) == Some("zero"),
        sort: decoder.spanned(node, "sort"),
        limit: limit.unwrap_or(match kind {
            TileKind::Bar => 10,
            TileKind::Pie => 12,
            _ => 1000,
        }),
    })
}

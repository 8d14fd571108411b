//! The lines of a page's data, the answer to a metric query, filter values, and events.

use std::collections::BTreeMap;

use millrace_core::metric::time_range::Days;
use millrace_core::value::Value;
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::error::ErrorObject;
use crate::wire::result::TileResult;
use crate::wire::value::Cell;

/// One line of a page's data.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
#[schema(as = DataEvent)]
pub(crate) enum DataLine {
    /// The first line. A second one begins the page anew: a publish has retired what the page was reading.
    Start(Start),
    /// A tile's numbers.
    Tile(TileLine),
    /// The last line of a whole page.
    End(End),
    /// The last line of a page that could not be finished.
    Error(ErrorLine),
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DataStart)]
pub(crate) struct Start {
    pub(crate) data_version: u64,
    /// RFC 3339, UTC.
    pub(crate) published_at: String,
    /// `null` where the semantic view has no time, or no row with a date.
    #[schema(required)]
    pub(crate) range: Option<DateRange>,
    /// `null` where nothing is compared; with the range `all`, always.
    #[schema(required)]
    pub(crate) compare: Option<DateRange>,
    /// The first and the last day that have data; `null` where the semantic view has no time, or no row with a date.
    #[schema(required)]
    pub(crate) extent: Option<DateRange>,
    /// The values of each filter, at most 1,000. A filter whose values could not be read is missing.
    pub(crate) options: BTreeMap<String, Vec<Cell>>,
    /// Of the filters that have more values than `options` lists: how many there are.
    pub(crate) options_cut: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DataTile)]
pub(crate) struct TileLine {
    pub(crate) id: String,
    /// Either this …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<TileResult>,
    /// … or that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<ErrorObject>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DataEnd)]
pub(crate) struct End {
    pub(crate) duration_ms: u64,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = DataError)]
pub(crate) struct ErrorLine {
    pub(crate) error: ErrorObject,
}

/// Both ends belong to the range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DateRange {
    /// `YYYY-MM-DD`.
    pub(crate) from: String,
    /// `YYYY-MM-DD`.
    pub(crate) to: String,
}

impl From<Days> for DateRange {
    fn from(days: Days) -> Self {
        Self { from: Value::Date(days.from).to_string(), to: Value::Date(days.to).to_string() }
    }
}

/// Values of a filter, and how many there are.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct FilterOptions {
    pub(crate) data_version: u64,
    /// In their own order, NULL last; at most 1,000.
    pub(crate) values: Vec<Cell>,
    /// Those that are not listed among them.
    pub(crate) total: u64,
}

/// The answer to a question about metrics.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct MetricAnswer {
    pub(crate) data_version: u64,
    /// RFC 3339, UTC.
    pub(crate) published_at: String,
    /// `null` where no range was asked for, or there is no row with a date.
    #[schema(required)]
    pub(crate) range: Option<DateRange>,
    pub(crate) result: TileResult,
}

/// A publish, as the stream of events tells it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct PublishEvent {
    pub(crate) data_version: u64,
    /// RFC 3339, UTC.
    pub(crate) published_at: String,
}

/// That there is something new about the project: its files, its schedule, a rollback that was lifted.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ProjectEvent {}

/// `GET /healthz`
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`
    pub(crate) status: &'static str,
}

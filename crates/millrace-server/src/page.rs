//! The data of one dashboard page, streamed line by line over a single data version.
//!
//! The first line is the head: data version, date ranges and filter values. Then follows one line
//! for each tile, in the order of the dashboard, and one last line. Up to four tiles are queried at
//! the same time. A failing tile gets an error line of its own and does not end the page. If a
//! publish retires the tables while the page is read, the page starts again, once, over the newest
//! publication with a second head.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream, StreamExt as _, stream};
use millrace_core::code::Code;
use millrace_core::metric::result::{fill_steps, shares};
use millrace_core::metric::tile::{Choice, TileQueries, compared, queries};
use millrace_core::metric::time_range::{Days, TimeRange};
use millrace_core::metric::view::{Formula, SemanticView};
use millrace_core::project::dashboard_file::{DashboardDef, TileDef, TileKind};
use millrace_core::suggest::did_you_mean;
use tokio::sync::mpsc::{Sender, channel};
use tokio_stream::wrappers::ReceiverStream;

use crate::failure::{Failure, Result};
use crate::question::{Asker, guessed_shapes, result};
use crate::served::Subject;
use crate::snapshot::Snapshot;
use crate::state::AppState;
use crate::wire::dashboard::calls;
use crate::wire::page::{DataLine, DateRange, End, ErrorLine, Start, TileLine};
use crate::wire::request::DataRequest;
use crate::wire::result::TileResult;
use crate::wire::value::Cell;

/// How many tiles of one page are queried at the same time.
const TILES_AT_ONCE: usize = 4;
/// Largest number of time steps that are filled in. A longer range comes from a wrong date in some
/// row; then the result has only the steps with rows.
const MOST_STEPS: usize = 20_000;

/// A page over one data version, opened and ready to be streamed.
pub(crate) struct Page {
    state: AppState,
    subject: Arc<Subject>,
    request: DataRequest,
    snapshot: Snapshot,
    head: Head,
    began: Instant,
}

/// What is known before the first tile is queried.
struct Head {
    /// The date ranges and filters that all tiles use.
    choice: Choice,
    /// The first and the last day with data; `None` if they do not overlap the selected range.
    extent: Option<Days>,
    /// The first line of the answer.
    start: Start,
}

/// Why a pass over the tiles ended.
enum Ended {
    /// All tiles are written.
    Done,
    /// The client has closed the connection.
    Gone,
    /// A publish has retired the tables that the page reads; with the error of the query.
    Retired(Failure),
}

impl Page {
    /// Validates the request against the dashboard and reads the head. If a publish retires the
    /// tables meanwhile, it tries once more over the newest publication.
    pub(crate) async fn open(state: AppState, subject: Arc<Subject>, request: DataRequest) -> Result<Self> {
        check(&request, &subject.dashboard, &subject.view)?;
        let began = Instant::now();
        let snapshot = state.snapshot().await?;
        match head(&state, &subject, &request, &snapshot).await {
            Ok(head) => Ok(Self { state, subject, request, snapshot, head, began }),
            Err(failure) if is_retired(&state, &snapshot, &failure).await => {
                let snapshot = state.snapshot().await?;
                let head = head(&state, &subject, &request, &snapshot).await?;
                Ok(Self { state, subject, request, snapshot, head, began })
            }
            Err(failure) => Err(failure),
        }
    }

    /// The lines of the page. The queries run inside this stream, not in a task of their own, so
    /// dropping the stream cancels them.
    pub(crate) fn lines(self) -> impl Stream<Item = DataLine> + Send {
        let (sender, receiver) = channel(TILES_AT_ONCE);
        let work = self.write(sender).into_stream().filter_map(|()| async { None });
        stream::select(ReceiverStream::new(receiver), work)
    }

    /// Writes all lines: the tiles, a second time after a retirement, then the last line. After a
    /// second retirement the last line is an error.
    async fn write(mut self, lines: Sender<DataLine>) {
        let mut ended = self.tiles(&lines).await;
        if let Ended::Retired(_) = ended {
            ended = match self.reopen().await {
                Ok(()) => self.tiles(&lines).await,
                Err(failure) => Ended::Retired(failure),
            };
        }
        let last = match ended {
            Ended::Gone => return,
            Ended::Done => DataLine::End(End { duration_ms: self.began.elapsed().as_millis() as u64 }),
            Ended::Retired(failure) => DataLine::Error(ErrorLine { error: failure.object() }),
        };
        // Fails only if the client has gone.
        let _ = lines.send(last).await;
    }

    /// Reads the head again, over the newest publication.
    async fn reopen(&mut self) -> Result<()> {
        self.snapshot = self.state.snapshot().await?;
        self.head = head(&self.state, &self.subject, &self.request, &self.snapshot).await?;
        Ok(())
    }

    /// Writes the head and then each requested tile, in the order of the dashboard. `buffered`
    /// keeps that order while several tiles are queried.
    async fn tiles(&self, lines: &Sender<DataLine>) -> Ended {
        if lines.send(DataLine::Start(self.head.start.clone())).await.is_err() {
            return Ended::Gone;
        }
        let wanted = |tile: &&TileDef| self.request.tiles.as_ref().is_none_or(|ids| ids.contains(&tile.id));
        let tiles: Vec<&TileDef> = self.subject.dashboard.rows.iter().flatten().filter(wanted).collect();
        let work: Vec<BoxFuture<'_, _>> = tiles.iter().map(|tile| self.tile(tile).boxed()).collect();
        let mut results = stream::iter(work).buffered(TILES_AT_ONCE).zip(stream::iter(&tiles));
        while let Some((result, tile)) = results.next().await {
            let line = match result {
                Ok(result) => TileLine { id: tile.id.clone(), result: Some(result), error: None },
                Err(failure) if is_retired(&self.state, &self.snapshot, &failure).await => {
                    return Ended::Retired(failure);
                }
                Err(failure) => TileLine { id: tile.id.clone(), result: None, error: Some(failure.object()) },
            };
            if lines.send(DataLine::Tile(line)).await.is_err() {
                return Ended::Gone;
            }
        }
        Ended::Done
    }

    /// Queries one tile: the total, the total of the comparison range, and the rows if the tile has
    /// any; fills in missing time steps and computes the shares of a pie.
    async fn tile(&self, tile: &TileDef) -> Result<TileResult> {
        let view = &*self.subject.view;
        let asker = Asker { state: &self.state, snapshot: &self.snapshot, view };
        let TileQueries { rows, total, previous, steps } =
            queries(&self.subject.dashboard, tile, view, &self.head.choice);
        let total_told = asker.ask(&total).await?;
        let previous = match &previous {
            Some(previous) => Some(asker.ask(previous).await?),
            None => None,
        };
        // A figure without a line has a total only.
        let Some(query) = rows else {
            return Ok(result(&total, None, None, &total_told, previous.as_ref()));
        };
        let mut told = asker.ask(&query).await?;
        if let Some(steps) = steps.filter(|steps| steps.len() <= MOST_STEPS) {
            let known = self.head.extent.filter(|_| fills_with_zero(tile, view));
            fill_steps(&mut told.answer, &steps, known);
        }
        let parts = match told.answer.metrics.as_slice() {
            [values] if tile.kind == TileKind::Pie => Some(shares(values, total_told.total(0))),
            _ => None,
        };
        Ok(result(&query, Some(&told), parts.as_deref(), &total_told, previous.as_ref()))
    }
}

/// Whether time steps without rows are zero. The tile's `fill` decides; for the line of a KPI it is
/// the metric: sums and counts over no rows are zero, averages and ratios have no value.
fn fills_with_zero(tile: &TileDef, view: &SemanticView) -> bool {
    if tile.kind != TileKind::Kpi {
        return tile.fill_zero;
    }
    let metric = tile.metrics.first().and_then(|name| view.metric(&name.text));
    metric.is_some_and(|metric| match &metric.formula {
        Formula::Aggregate(aggregate) => calls(&aggregate.sql, "sum") || calls(&aggregate.sql, "count"),
        Formula::Average(..) | Formula::Ratio(..) => false,
    })
}

/// Refuses the name of a filter that the dashboard does not have, with `bad-query`.
pub(crate) fn check_filter(name: &str, dashboard: &DashboardDef) -> Result<()> {
    let filters = dashboard.filters.iter().map(|filter| filter.text.as_str());
    if filters.clone().any(|filter| filter == name) {
        return Ok(());
    }
    let message = format!("dashboard `{}` has no filter `{name}`", dashboard.name.text);
    let hint = did_you_mean(name, filters, "it has");
    Err(Failure::new(Code::BadQuery, message).maybe_hint(hint))
}

/// Refuses filters and tiles that the dashboard does not have, and a range that the view cannot
/// apply.
fn check(request: &DataRequest, dashboard: &DashboardDef, view: &SemanticView) -> Result<()> {
    for name in request.filters.keys() {
        check_filter(name, dashboard)?;
    }
    let tiles: Vec<&str> = dashboard.rows.iter().flatten().map(|tile| tile.id.as_str()).collect();
    let mut asked = request.tiles.iter().flatten();
    if let Some(stranger) = asked.find(|id| !tiles.contains(&id.as_str())) {
        let message = format!("dashboard `{}` has no tile `{stranger}`", dashboard.name.text);
        let hint = did_you_mean(stranger, tiles, "it has");
        return Err(Failure::new(Code::BadQuery, message).maybe_hint(hint));
    }
    check_range(request.range, view)
}

/// Refuses a date range if the semantic view has no time dimension; the range `all` is always
/// valid.
pub(crate) fn check_range(range: Option<TimeRange>, view: &SemanticView) -> Result<()> {
    match range {
        Some(TimeRange::Last(..) | TimeRange::Between(_)) if view.time.is_none() => Err(Failure::new(
            Code::BadQuery,
            format!("semantic view `{}` has no time, so it has no range", view.name),
        )
        .hint("Leave `range` out, or add `time: column` to the semantic view.")),
        _ => Ok(()),
    }
}

/// Reads the head of a page: resolves the selected range to days, derives the comparison range, and
/// reads the values of all filters. Fails if the view's base model is not in the publication.
async fn head(
    state: &AppState,
    subject: &Subject,
    request: &DataRequest,
    snapshot: &Snapshot,
) -> Result<Head> {
    let (dashboard, view) = (&subject.dashboard, &*subject.view);
    snapshot.serves(view)?;
    let asker = Asker { state, snapshot, view };
    let range = request.range.unwrap_or(dashboard.range);
    let extent = asker.extent().await?;
    let days = match (range, extent) {
        (TimeRange::Between(days), _) => Some(days),
        (range, Some(data)) => Some(range.days(data, state.today())),
        (_, None) => None,
    };
    let compare = match range {
        // There is no data before the whole extent, so nothing to compare with.
        TimeRange::All => None,
        _ => days.and_then(|days| compared(days, dashboard.compare)),
    };
    let (options, options_cut) = options(&asker, dashboard).await?;
    let start = Start {
        data_version: snapshot.version,
        published_at: snapshot.published_at.clone(),
        range: days.map(DateRange::from),
        compare: compare.map(DateRange::from),
        extent: extent.map(DateRange::from),
        options,
        options_cut,
    };
    // Outside the extent, steps without rows are unknown and not zero.
    let meet = |data: &Days| days.is_some_and(|days| data.from <= days.to && days.from <= data.to);
    let choice = Choice { days, compare, filters: request.filters.clone() };
    Ok(Head { choice, extent: extent.filter(meet), start })
}

/// The values of filters, by the filter's name.
type Options = BTreeMap<String, Vec<Cell>>;

/// The values of every filter, and the total count of those filters whose list is cut off. A filter
/// that cannot be read is left out, so that the page is still drawn and its tiles report the error.
async fn options(asker: &Asker<'_>, dashboard: &DashboardDef) -> Result<(Options, BTreeMap<String, u64>)> {
    let shapes = match asker.shapes().await {
        Ok(shapes) => shapes,
        Err(failure) if is_retired(asker.state, asker.snapshot, &failure).await => return Err(failure),
        Err(_) => Arc::new(guessed_shapes(asker.view)),
    };
    let (mut options, mut cut) = (BTreeMap::new(), BTreeMap::new());
    for filter in &dashboard.filters {
        match asker.options(&filter.text, &shapes.types, None).await {
            Ok((values, total)) => {
                if total > values.len() as u64 {
                    cut.insert(filter.text.clone(), total);
                }
                options.insert(filter.text.clone(), values);
            }
            Err(failure) if is_retired(asker.state, asker.snapshot, &failure).await => return Err(failure),
            Err(_) => {}
        }
    }
    Ok((options, cut))
}

/// Whether a query failed because a publish has dropped the tables that it names. The warehouse
/// reports that as an SQL error, so the test is whether a newer data version exists.
pub(crate) async fn is_retired(state: &AppState, snapshot: &Snapshot, failure: &Failure) -> bool {
    failure.code() == Code::SqlError
        && matches!(state.latest().await, Ok(Some(latest)) if latest.version != snapshot.version)
}

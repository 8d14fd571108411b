//! The numbers of one page: everything it shows, over one data version, line by line as each is ready.

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

/// Tiles that are worked on at the same time.
const TILES_AT_ONCE: usize = 4;
/// Steps of time that are filled at most. A range beyond that is a mistake in some row's date; only the steps with rows come then.
const MOST_STEPS: usize = 20_000;

/// A page over one data version.
pub(crate) struct Page {
    state: AppState,
    subject: Arc<Subject>,
    request: DataRequest,
    snapshot: Snapshot,
    head: Head,
    began: Instant,
}

/// What stands before the tiles.
struct Head {
    choice: Choice,
    /// The first and the last day with data, where the range has some of them.
    extent: Option<Days>,
    start: Start,
}

/// Why the tiles ended.
enum Ended {
    Done,
    /// The reader has gone away.
    Gone,
    /// A publish has retired the tables that the page reads.
    Retired(Failure),
}

impl Page {
    /// Checks the request, and reads all that stands before the tiles.
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

    /// The lines of the page. Dropping the stream ends its queries: nothing runs beside it.
    pub(crate) fn lines(self) -> impl Stream<Item = DataLine> + Send {
        let (sender, receiver) = channel(TILES_AT_ONCE);
        let work = self.write(sender).into_stream().filter_map(|()| async { None });
        stream::select(ReceiverStream::new(receiver), work)
    }

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
        // Nobody is left to be told where the receiver is gone.
        let _ = lines.send(last).await;
    }

    /// The same page over the newest publication.
    async fn reopen(&mut self) -> Result<()> {
        self.snapshot = self.state.snapshot().await?;
        self.head = head(&self.state, &self.subject, &self.request, &self.snapshot).await?;
        Ok(())
    }

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

/// Whether steps without rows are zero. On a figure's line that is so where no rows add up to zero: sums and counts.
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

/// Refuses a filter that the dashboard does not have.
pub(crate) fn check_filter(name: &str, dashboard: &DashboardDef) -> Result<()> {
    let filters = dashboard.filters.iter().map(|filter| filter.text.as_str());
    if filters.clone().any(|filter| filter == name) {
        return Ok(());
    }
    let message = format!("dashboard `{}` has no filter `{name}`", dashboard.name.text);
    let hint = did_you_mean(name, filters, "it has");
    Err(Failure::new(Code::BadQuery, message).maybe_hint(hint))
}

/// Refuses what the dashboard does not have.
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

/// Refuses a range where there is no time.
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

/// What stands before the tiles: the days that are shown and compared with, and the values of the filters.
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
        // Before all data lies none to compare with.
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
    let meet = |data: &Days| days.is_some_and(|days| data.from <= days.to && days.from <= data.to);
    let choice = Choice { days, compare, filters: request.filters.clone() };
    Ok(Head { choice, extent: extent.filter(meet), start })
}

/// The values of filters, by name.
type Options = BTreeMap<String, Vec<Cell>>;

/// The values of every filter, and of those that are not all listed how many there are. One that cannot be read is left out, so that the tiles
/// can say what is wrong.
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

/// Whether a query failed because a publish has retired the tables that it named meanwhile.
pub(crate) async fn is_retired(state: &AppState, snapshot: &Snapshot, failure: &Failure) -> bool {
    failure.code() == Code::SqlError
        && matches!(state.latest().await, Ok(Some(latest)) if latest.version != snapshot.version)
}

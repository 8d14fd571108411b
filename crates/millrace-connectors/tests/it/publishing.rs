//! Publishing while people read: nobody sees two versions at once, nobody gets an error, and the space is given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use millrace_core::name::Relation;
use millrace_core::value::Value;
use millrace_engine::ports::warehouse::{
    PublishOutcome, PublishRequest, PublishedView, QueryLimits, Statement, Warehouse,
};

/// How many publishes, and who reads meanwhile.
pub(crate) struct Storm {
    /// Publishes.
    pub(crate) publishes: u64,
    /// Readers that run at the same time.
    pub(crate) readers: usize,
    /// Milliseconds that a reader waits between two reads, least and most; none for readers that never pause.
    pub(crate) pause: Option<(u64, u64)>,
    /// Rows of the fact table.
    pub(crate) rows: u64,
    /// How long a publish may try.
    pub(crate) budget: Duration,
}

/// What was seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Reads that gave an answer.
    pub(crate) reads: usize,
    /// Reads that saw tables of two publications.
    pub(crate) mixed: usize,
    /// Errors of readers.
    pub(crate) errors: Vec<String>,
    /// How long each publish took while others read.
    pub(crate) took: Vec<Duration>,
    /// The same of [`ALONE`] publishes after the last reader had gone: what the machine needs by itself.
    pub(crate) alone: Vec<Duration>,
    /// Publishes that gave up, with what was in the way.
    pub(crate) blocked: Vec<String>,
}

/// How much longer a publish may take beside readers who pause, as a median.
pub(crate) const TIMES: u32 = 10;

/// Publishes without readers after those with readers.
pub(crate) const ALONE: u64 = 15;

impl Seen {
    /// The medians of the publishes with readers and of those without.
    pub(crate) fn medians(&self) -> (Duration, Duration) {
        let median = |took: &[Duration]| {
            let mut took = took.to_vec();
            took.sort_unstable();
            took.get(took.len() / 2).copied().unwrap_or_default()
        };
        (median(&self.took), median(&self.alone))
    }
}

/// The tables of publication `number`: the fact always anew, the dimension with every third one, shared by the others. Both carry their
/// version, and the fact that of the dimension with which it was published.
fn dimension(number: u64) -> u64 {
    number / 3
}

fn columns_of(number: u64) -> &'static str {
    // Twenty in two hundred: a column more, one renamed, one gone, one of another type.
    match number / 10 % 4 {
        0 => "",
        1 => ", cast(k as bigint) as extra",
        2 => ", cast(k as varchar) as renamed",
        _ => ", cast(k as varchar) as extra",
    }
}

pub(crate) fn physical(number: u64) -> [Statement; 2] {
    let (fact, dim) = (number, dimension(number));
    [
        Statement::new(format!(
            "create table build.dim__r{dim} as select k, {dim} as version, 'name ' || k as name{} from build.numbers where k < 50",
            columns_of(dim * 3)
        )),
        Statement::new(format!(
            "create table build.fact__r{fact} as select k % 50 as k, {fact} as version, {dim} as dim_version, k * 1.5 as amount{} \
             from build.numbers",
            columns_of(fact)
        )),
    ]
}

fn request(number: u64, budget: Duration) -> PublishRequest {
    let view = |name: &str, version: u64| PublishedView {
        view: Relation::new("publish", name),
        target: Relation::new("build", format!("{name}__r{version}")),
        description: Some(format!("the {name}s")),
        columns: vec![("k".to_owned(), "a number".to_owned())],
    };
    let views = vec![view("fact", number), view("dim", dimension(number))];
    let before = if number == 0 { Vec::new() } else { views.iter().map(|view| view.view.clone()).collect() };
    let record =
        vec![Statement::with("insert into build.published values ($1)", [Value::Int(number.into())])];
    PublishRequest { views, before, record, budget }
}

async fn read(warehouse: &dyn Warehouse, turn: usize) -> Result<bool, String> {
    let sql = if turn.is_multiple_of(2) {
        "select distinct f.version, f.dim_version, d.version as found from publish.fact as f join publish.dim as d on d.k = f.k"
    } else {
        "select distinct f.version, f.dim_version, d.version as found from publish.dim as d join publish.fact as f on d.k = f.k"
    };
    let limits = QueryLimits { rows: 100, time: Duration::from_secs(30) };
    let rows = warehouse.query(&Statement::new(sql), limits).await.map_err(|error| error.to_string())?;
    if rows.is_empty() {
        return Err("a join gave nothing".to_owned());
    }
    let row = rows.row(0);
    Ok(rows.len() == 1 && row[1] == row[2])
}

/// Waits until there were more reads than `publishes`, on a machine of any speed.
async fn read_more_than(reads: &AtomicUsize, publishes: u64) {
    let since = Instant::now();
    while (reads.load(Ordering::Relaxed) as u64) <= publishes {
        assert!(since.elapsed() < Duration::from_mins(1), "nobody reads");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Publishes again and again through `writer` while others read through `reader`.
pub(crate) async fn storm(writer: Arc<dyn Warehouse>, reader: Arc<dyn Warehouse>, plan: &Storm) -> Seen {
    let run = |sql: String| {
        let writer = Arc::clone(&writer);
        async move { writer.transact(&[Statement::new(sql)]).await.expect("a statement") }
    };
    for sql in
        ["create schema build", "create schema publish", "create table build.published (publication bigint)"]
    {
        run(sql.to_owned()).await;
    }
    run(format!("create table build.numbers as select * from generate_series(0, {}) as t(k)", plan.rows - 1))
        .await;
    writer.transact(&physical(0)).await.expect("tables");
    let first = writer.publish(&request(0, plan.budget)).await.expect("a publish");
    assert_eq!(first, PublishOutcome::Published { tries: 1 });

    let stop = Arc::new(AtomicBool::new(false));
    let reads = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..plan.readers)
        .map(|number| {
            let (reader, stop, reads) = (Arc::clone(&reader), Arc::clone(&stop), Arc::clone(&reads));
            let pause = plan.pause;
            tokio::spawn(async move {
                let (mut mixed, mut errors) = (0, Vec::new());
                let (mut turn, mut random) = (number, fastrand::Rng::with_seed(number as u64));
                while !stop.load(Ordering::Relaxed) {
                    match read(&*reader, turn).await {
                        Ok(whole) => mixed += usize::from(!whole),
                        Err(error) => errors.push(error),
                    }
                    reads.fetch_add(1, Ordering::Relaxed);
                    turn += 1;
                    if let Some((least, most)) = pause {
                        tokio::time::sleep(Duration::from_millis(random.u64(least..=most))).await;
                    }
                }
                (mixed, errors)
            })
        })
        .collect();

    let mut seen = Seen::default();
    let mut shown = 0;
    for number in 1..=plan.publishes {
        // No faster than the readers: what nobody read in between proves nothing.
        read_more_than(&reads, number).await;
        match publish(&*writer, plan, number, &mut shown).await {
            Ok(took) => seen.took.push(took),
            Err(by) => seen.blocked.extend(by),
        }
    }
    stop.store(true, Ordering::Relaxed);
    for reader in readers {
        let (mixed, errors) = reader.await.expect("a reader");
        seen.mixed += mixed;
        seen.errors.extend(errors);
    }
    for number in plan.publishes + 1..=plan.publishes + ALONE {
        seen.alone.push(publish(&*writer, plan, number, &mut shown).await.expect("nobody is in the way"));
    }
    seen.reads = reads.load(Ordering::Relaxed);
    seen
}

/// Builds and publishes version `number`, and drops what no longer counts, as a run does. `shown` is the version that readers see. Returns how
/// long the publish took; an error names who was in the way.
async fn publish(
    writer: &dyn Warehouse,
    plan: &Storm,
    number: u64,
    shown: &mut u64,
) -> Result<Duration, Vec<String>> {
    let tables = physical(number);
    let fresh = if dimension(number) == dimension(number - 1) { &tables[1..] } else { &tables[..] };
    writer.transact(fresh).await.expect("tables");
    let started = Instant::now();
    let outcome = match writer.publish(&request(number, plan.budget)).await.expect("a publish") {
        PublishOutcome::Published { .. } => {
            *shown = number;
            Ok(started.elapsed())
        }
        PublishOutcome::Blocked { by, .. } => {
            assert!(started.elapsed() < plan.budget + Duration::from_secs(3), "{:?}", started.elapsed());
            assert!(!by.is_empty(), "nobody is named");
            Err(by)
        }
    };
    // The tables of the last three publications stay.
    let old = |name: &str, version: u64| (Relation::new("build", format!("{name}__r{version}")), false);
    let mut gone = Vec::new();
    if number >= 3 && number - 3 != *shown {
        gone.push(old("fact", number - 3));
        let dim = dimension(number - 3);
        if dim != dimension(number - 2) && dim != dimension(*shown) {
            gone.push(old("dim", dim));
        }
    }
    writer.retire(&gone).await.expect("a clean-up");
    writer.settle().await.expect("a checkpoint");
    outcome
}

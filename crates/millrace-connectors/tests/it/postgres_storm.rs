//! Publishing in PostgreSQL under readers, by the same measure as in a file.

use std::sync::Arc;
use std::time::Duration;

use millrace_connectors::postgres::Postgres;
use millrace_core::project::settings::{Setting, Settings};
use millrace_engine::ports::registry::WarehouseConnector as _;
use millrace_engine::ports::warehouse::Warehouse;
use millrace_testkit::postgres::{PgBouncer, PostgresServer};

use crate::leasing;
use crate::publishing::{Seen, Storm, TIMES, storm};

fn open(url: &str) -> Arc<dyn Warehouse> {
    let settings = Settings::new([("url".to_owned(), Setting::Text(url.to_owned()))]);
    Postgres.open(std::path::Path::new("/"), &settings).expect("a warehouse")
}

async fn under(readers: usize, pause: Option<(u64, u64)>, publishes: u64, budget: Duration) -> Seen {
    let server = PostgresServer::shared();
    let url = server.url(&server.database());
    let plan = Storm { publishes, readers, pause, rows: 20_000, budget };
    storm(open(&url), open(&url), &plan).await
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_who_pause_see_whole_publications() {
    let seen = under(8, Some((100, 700)), 200, Duration::from_secs(30)).await;
    println!("{} reads, medians {:?}", seen.reads, seen.medians());
    assert_eq!((seen.mixed, seen.errors.as_slice()), (0, [].as_slice()));
    assert_eq!((seen.took.len(), seen.blocked.len()), (200, 0));
    let (with_readers, alone) = seen.medians();
    assert!(with_readers <= alone * TIMES, "{with_readers:?} with readers, {alone:?} without");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_readers_who_never_pause_it_ends_within_its_budget() {
    let seen = under(4, None, 12, Duration::from_secs(4)).await;
    println!(
        "{} reads, medians {:?}, {} blocked: {:?}",
        seen.reads,
        seen.medians(),
        seen.blocked.len(),
        seen.blocked.first()
    );
    assert_eq!((seen.mixed, seen.errors.as_slice()), (0, [].as_slice()));
    assert!(seen.blocked.iter().all(|who| who.contains("process ")), "{:?}", seen.blocked);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_at_a_time_also_through_a_pooler() {
    let server = PostgresServer::shared();
    let pooler = PgBouncer::start(server, 3);
    let url = pooler.url(&server.database());
    let warehouse = open(&url);
    leasing::one_run_at_a_time(&*warehouse).await;
    leasing::many_at_once(Arc::clone(&warehouse)).await;
}

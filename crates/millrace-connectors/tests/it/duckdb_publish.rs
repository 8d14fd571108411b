//! Publishing in a DuckDB file under readers.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use millrace_connectors::duckdb::DuckdbWarehouse;
use millrace_core::name::Relation;
use millrace_engine::ports::warehouse::{
    PublishOutcome, PublishRequest, PublishedView, QueryLimits, Statement, Warehouse,
};

use crate::publishing::{ALONE, Seen, Storm, TIMES, physical, storm};

/// Bytes of a file with its write-ahead log.
fn bytes(path: &Path) -> u64 {
    let log = path.with_extension("duckdb.wal");
    [path, log.as_path()].into_iter().filter_map(|path| fs::metadata(path).ok()).map(|meta| meta.len()).sum()
}

fn open(path: &Path) -> Arc<dyn Warehouse> {
    Arc::new(DuckdbWarehouse::open(path, []).expect("a file"))
}

/// Publishes under readers; also gives the size of the file, and that of one that holds only what is live at the end: the tables of the
/// three publications that are kept, and what they were made from.
async fn under(pause: Option<(u64, u64)>, publishes: u64) -> (Seen, u64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("w.duckdb");
    let warehouse = open(&path);
    let plan = Storm { publishes, readers: 4, pause, rows: 100_000, budget: Duration::from_secs(30) };
    let seen = storm(Arc::clone(&warehouse), Arc::clone(&warehouse), &plan).await;
    let fresh = folder.path().join("fresh.duckdb");
    let other = open(&fresh);
    let mut statements = vec![
        Statement::new("create schema build"),
        Statement::new("create table build.numbers as select * from generate_series(0, 99999) as t(k)"),
    ];
    let last = publishes + ALONE;
    let kept = last - 2..=last;
    statements.extend(kept.clone().map(|number| physical(number)[1].clone()));
    let mut dims: Vec<Statement> = kept.map(|number| physical(number)[0].clone()).collect();
    dims.dedup();
    statements.extend(dims);
    other.transact(&statements).await.expect("tables");
    other.settle().await.expect("a checkpoint");
    (seen, bytes(&path), bytes(&fresh))
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_who_pause_see_whole_publications_and_the_file_stays_small() {
    let (seen, file, live) = under(Some((5, 40)), 100).await;
    println!("{} reads, medians {:?}, {file} bytes, {live} live", seen.reads, seen.medians());
    assert_eq!((seen.mixed, seen.errors.as_slice()), (0, [].as_slice()));
    assert_eq!((seen.took.len(), seen.blocked.len()), (100, 0));
    let (with_readers, alone) = seen.medians();
    assert!(with_readers <= alone * TIMES, "{with_readers:?} with readers, {alone:?} without");
    assert!(file <= 3 * live, "{file} bytes for {live}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_who_never_pause_stop_nobody() {
    let (seen, file, live) = under(None, 25).await;
    println!("{} reads, medians {:?}, {file} bytes, {live} live", seen.reads, seen.medians());
    assert_eq!((seen.mixed, seen.errors.as_slice()), (0, [].as_slice()));
    assert_eq!((seen.took.len(), seen.blocked.len()), (25, 0));
    assert!(file <= 3 * live, "{file} bytes for {live}");
}

#[tokio::test]
async fn a_name_of_somebody_else_is_left_alone() {
    let warehouse = DuckdbWarehouse::open_in_memory().expect("an engine");
    let setup = [
        "create schema build",
        "create schema publish",
        "create table build.a__r1 as select 1 as x",
        "create table publish.a as select 2 as x",
    ];
    warehouse.transact(&setup.map(Statement::new)).await.expect("tables");
    let view = |description: &str| PublishedView {
        view: Relation::new("publish", "a"),
        target: Relation::new("build", "a__r1"),
        description: Some(description.to_owned()),
        columns: Vec::new(),
    };
    let mut request = PublishRequest {
        views: vec![view("it's; a 'test")],
        before: Vec::new(),
        record: Vec::new(),
        budget: Duration::from_secs(1),
    };
    let outcome = warehouse.publish(&request).await.expect("an answer");
    assert!(
        matches!(&outcome, PublishOutcome::Blocked { by, .. } if by[0].contains("`publish.a`")),
        "{outcome:?}"
    );
    let value = |sql: &'static str| {
        let warehouse = &warehouse;
        async move {
            let rows = warehouse.query(&Statement::new(sql), QueryLimits::STATE).await.expect("rows");
            rows.row(0)[0].to_string()
        }
    };
    assert_eq!(value("select x from publish.a").await, "2");
    // Also where the name was published before.
    request.before = vec![Relation::new("publish", "a"), Relation::new("publish", "a")];
    let outcome = warehouse.publish(&request).await.expect("an answer");
    assert!(matches!(&outcome, PublishOutcome::Blocked { .. }), "{outcome:?}");
    request.before = Vec::new();
    // Gone, it is published; and a name that is no longer published goes.
    warehouse.transact(&[Statement::new("drop table publish.a")]).await.expect("a drop");
    let outcome = warehouse.publish(&request).await.expect("an answer");
    assert_eq!(outcome, PublishOutcome::Published { tries: 1 });
    assert_eq!(value("select comment from duckdb_views() where view_name = 'a'").await, "it's; a 'test");
    request.before = vec![Relation::new("publish", "a")];
    request.views = vec![PublishedView { view: Relation::new("publish", "b"), ..view("") }];
    let outcome = warehouse.publish(&request).await.expect("an answer");
    assert_eq!(outcome, PublishOutcome::Published { tries: 1 });
    assert_eq!(
        value(
            "select string_agg(table_name, ',') from information_schema.tables where table_schema = 'publish'"
        )
        .await,
        "b"
    );
}

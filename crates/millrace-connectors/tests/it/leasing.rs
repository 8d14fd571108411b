//! The lease of a run, in a real warehouse: one holder, and a fence behind the former one.

use std::time::Duration;

use millrace_core::project::environment::Schemas;
use millrace_core::value::Value;
use millrace_engine::error::ErrorKind;
use millrace_engine::ports::warehouse::{QueryLimits, Statement, Warehouse};
use millrace_engine::state::State;
use millrace_engine::state::lease::Holder;

pub(crate) fn holder(machine: &str, process: u32) -> Holder {
    Holder { machine: machine.into(), host: machine.into(), process, started: "1".into() }
}

fn alive(_: &Holder) -> bool {
    false
}

fn gone(_: &Holder) -> bool {
    true
}

pub(crate) async fn number(warehouse: &dyn Warehouse, sql: &str) -> i128 {
    let rows = warehouse.query(&Statement::new(sql), QueryLimits::STATE).await.expect("rows");
    rows.row(0)[0].as_int().expect("a number")
}

/// A warehouse that several machines share.
pub(crate) async fn one_run_at_a_time(warehouse: &dyn Warehouse) {
    let state = State::of(warehouse, &Schemas::default());
    state.migrate().await.expect("state");
    state.migrate().await.expect("nothing to do");
    let take = async |run: &str, holder: &Holder, is_gone| {
        state.take_lease(run, holder, is_gone, Duration::ZERO, |_| {}).await
    };
    let (here, there) = (holder("here", 1), holder("there", 1));
    let first = take("first", &here, alive).await.expect("nobody has it");
    let refused = take("second", &there, alive).await.expect_err("somebody has it");
    assert_eq!(refused.kind(), ErrorKind::RunUnderWay);
    assert!(refused.message().contains("`first`") && refused.message().contains("`here`"), "{refused}");
    // That a process of another machine is gone cannot be known there.
    assert_eq!(take("second", &there, gone).await.map_err(|e| e.kind()).err(), Some(ErrorKind::RunUnderWay));
    // On its own machine it can.
    let second = take("second", &holder("here", 2), gone).await.expect("the first one is gone");
    assert!(second.fence() > first.fence());

    // The first one comes back: nothing of it is written.
    warehouse.transact(&[Statement::new("create table kept (who varchar)")]).await.expect("a table");
    let write = |who: &str| Statement::with("insert into kept values ($1)", [Value::text(who)]);
    let late = warehouse.transact(&[write("first"), first.guard()]).await.expect_err("its fence is old");
    assert_eq!(late.kind(), ErrorKind::Superseded);
    warehouse.transact(&[write("second"), second.guard()]).await.expect("it has the lease");
    assert_eq!(number(warehouse, "select count(*) from kept").await, 1);
    // Nor can it give back what is not its own.
    warehouse.transact(&[first.release()]).await.expect("nothing happens");
    assert_eq!(state.lease().await.expect("a lease").expect("held").run, "second");

    // Without a sign of life for its term, anybody may take over.
    let past = "update _millrace.lease set expires_at = now() - interval '1 second'";
    warehouse.transact(&[Statement::new(past)]).await.expect("time goes by");
    let third = take("third", &there, alive).await.expect("it has run out");
    let late = warehouse.transact(&[write("second"), second.guard()]).await.expect_err("its fence is old");
    assert_eq!(late.kind(), ErrorKind::Superseded);
    warehouse.transact(&[third.release()]).await.expect("given back");
    assert_eq!(state.lease().await.expect("a lease"), None);
    warehouse.transact(&[Statement::new("drop table kept")]).await.expect("tidy");
}

/// Runs that come at the same moment: one after the other, each once.
pub(crate) async fn many_at_once(warehouse: std::sync::Arc<dyn Warehouse>) {
    let schemas = Schemas::default();
    let setup = Statement::new("create table turns (run bigint, started boolean)");
    State::of(&*warehouse, &schemas).migrate().await.expect("state");
    warehouse.transact(&[setup]).await.expect("a table");
    let tasks: Vec<_> = (0..6_u32)
        .map(|run| {
            let warehouse = std::sync::Arc::clone(&warehouse);
            tokio::spawn(async move {
                let state = State::of(&*warehouse, &Schemas::default());
                let wait = Duration::from_mins(1);
                let name = format!("run{run}");
                let lease = state.take_lease(&name, &holder("here", run), alive, wait, |_| {}).await;
                let lease = lease.expect("its turn comes");
                let turn = |started| {
                    let values = [Value::Int(run.into()), Value::Bool(started)];
                    Statement::with("insert into turns values ($1, $2)", values)
                };
                warehouse.transact(&[turn(true), lease.guard()]).await.expect("it has the lease");
                // Whoever has started and not ended is alone.
                let open =
                    "select count(*) from (select run from turns group by run having count(*) = 1) as open";
                assert_eq!(number(&*warehouse, open).await, 1);
                warehouse
                    .transact(&[turn(false), lease.guard(), lease.release()])
                    .await
                    .expect("it had the lease");
                lease.fence()
            })
        })
        .collect();
    let mut fences = Vec::new();
    for task in tasks {
        fences.push(task.await.expect("a run"));
    }
    fences.sort_unstable();
    fences.dedup();
    assert_eq!(fences.len(), 6);
    assert_eq!(number(&*warehouse, "select count(*) from turns").await, 12);
}

#[cfg(feature = "duckdb")]
#[tokio::test]
async fn in_a_file_another_process_is_a_dead_one() {
    let warehouse = millrace_connectors::duckdb::DuckdbWarehouse::open_in_memory().expect("an engine");
    let state = State::of(&warehouse, &Schemas::default());
    state.migrate().await.expect("state");
    let take =
        async |run: &str, holder: &Holder| state.take_lease(run, holder, alive, Duration::ZERO, |_| {}).await;
    let first = take("first", &holder("here", 1)).await.expect("nobody has it");
    // The same process has two runs, perhaps: the second one waits, however long the first one takes.
    let past = "update _millrace.lease set expires_at = now() - interval '1 hour'";
    warehouse.transact(&[Statement::new(past)]).await.expect("time goes by");
    let refused = take("second", &holder("here", 1)).await.expect_err("the first one runs");
    assert_eq!(refused.kind(), ErrorKind::RunUnderWay);
    // It ended without giving the lease back.
    drop(first);
    let first = take("second", &holder("here", 1)).await.expect("it has ended");
    // No other process can have the file while this one has it.
    let third = take("third", &holder("here", 2)).await.expect("the first one is dead");
    let late = warehouse.transact(&[first.guard()]).await.expect_err("its fence is old");
    assert_eq!(late.kind(), ErrorKind::Superseded);
    warehouse.transact(&[third.guard(), third.release()]).await.expect("it has the lease");
}

#[cfg(feature = "duckdb")]
#[tokio::test]
async fn a_state_of_a_newer_program_is_left_alone() {
    let warehouse = millrace_connectors::duckdb::DuckdbWarehouse::open_in_memory().expect("an engine");
    let state = State::of(&warehouse, &Schemas::default());
    state.migrate().await.expect("state");
    warehouse.transact(&[Statement::new("update _millrace.meta set version = 99")]).await.expect("newer");
    let refused = state.migrate().await.expect_err("it is newer");
    assert_eq!(refused.kind(), ErrorKind::StateTooNew);
    assert!(refused.message().contains("99"), "{refused}");
}

#[cfg(feature = "duckdb")]
#[tokio::test]
async fn the_first_version_of_the_state_comes_forward() {
    let warehouse = millrace_connectors::duckdb::DuckdbWarehouse::open_in_memory().expect("an engine");
    let state = State::of(&warehouse, &Schemas::default());
    state.migrate().await.expect("state");
    // As the first version left it.
    let back = [
        "drop table _millrace.lease",
        "drop table _millrace.owner",
        "drop table _millrace.schedule",
        "drop table _millrace.key_comparisons",
        "drop table _millrace.unfinished",
        "alter table _millrace.runs drop column fence",
        "alter table _millrace.runs drop column scheduled_for",
        "alter table _millrace.streams drop column quarantined",
        "alter table _millrace.streams drop column removed_in",
        "alter table _millrace.quarantine drop column key_sha256",
        "alter table _millrace.streams drop column moments",
        "alter table _millrace.streams drop column table_columns",
        "update _millrace.meta set version = 1",
        "insert into _millrace.runs values ('r1', now(), now(), 'succeeded', '{}')",
        "insert into _millrace.streams values ('s', 't', 'raw', 's__t__r1', 7, 'x', null, 3, now(), 'r1')",
    ];
    warehouse.transact(&back.map(Statement::new)).await.expect("an old state");
    // Who only looks brings nothing forward.
    let streams = state.streams().await.expect("streams");
    assert_eq!((streams[0].load_number, &streams[0].columns), (7, &None));
    state.migrate().await.expect("it comes forward");
    assert_eq!(
        state.version().await.expect("a version"),
        Some(millrace_engine::state::migrations::STATE_VERSION)
    );
    assert_eq!(
        number(&warehouse, "select count(*) from _millrace.runs where scheduled_for is null").await,
        1
    );
    assert_eq!(state.lease().await.expect("a lease"), None);
}

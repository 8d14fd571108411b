//! What has come since the last read, by the greatest value of a column.

use std::collections::BTreeMap;

use millrace_core::project::source_file::ReadMode;
use millrace_engine::error::ErrorKind;
use millrace_engine::ports::source::{Source, StreamRequest};
use millrace_testkit::mariadb::MariaDb;

use super::{live, start};
use crate::reading::{Loaded, discover, read_since, stream, wait};

/// A table on its way into a warehouse.
struct Growing<'a> {
    source: &'a dyn Source,
    stream: StreamRequest,
    last: Option<Loaded>,
}

impl Growing<'_> {
    /// The rows that the next read gives.
    fn more(&mut self) -> Vec<String> {
        let schema = discover(self.source, &self.stream).expect("columns").schema;
        let cursor = self.last.as_ref().and_then(|last| last.outcome.cursor.clone());
        let loaded = read_since(self.source, &self.stream, &schema, cursor).expect("readable");
        let lines = loaded.lines();
        self.last = Some(loaded);
        lines
    }

    /// Whether anything has come since.
    fn is_new(&self) -> bool {
        let last = self.last.as_ref().and_then(|last| last.outcome.cursor.clone()).expect("it was read");
        wait(self.source.position(&self.stream, &last)).expect("a position") != Some(last)
    }
}

fn incremental(table: &str, pairs: &[(&str, &str)]) -> StreamRequest {
    StreamRequest { mode: ReadMode::Incremental, ..stream(table, pairs) }
}

#[test]
fn only_what_has_come_is_read_again() {
    read_again(&start(&["--default-time-zone=+05:00"]));
}

/// Moments, of a server whose clock is not that of UTC.
pub(super) fn read_again(server: &MariaDb) {
    server.run(
        "create database g; use g; set time_zone = '+00:00'; \
         create table t (id int primary key, v varchar(9) character set latin1, b blob, at timestamp(6) null); \
         insert into t values (1, 'é', x'00ff', '2026-11-24 10:00:00.5'), (2, null, null, null), \
         (3, 'c', '', '2026-11-24 11:59:30'), (4, 'd', '', '2026-11-24 12:00:00.000001');",
    );
    let source = live(server, "g");
    let mut table = Growing {
        source: &*source,
        stream: incremental("t", &[("cursor", "AT"), ("lag", "1m")]),
        last: None,
    };
    let run = |sql: &str| server.run(&format!("use g; set time_zone = '+00:00'; {sql}"));
    // All rows, those without a value too.
    assert_eq!(table.more().len(), 4);
    assert!(!table.is_new());
    // One that was committed late: its value is smaller than the greatest.
    run("insert into t values (5, 'late', '', '2026-11-24 11:59:59')");
    assert!(table.is_new());
    let again = table.more();
    assert_eq!(again.iter().map(|line| &line[..1]).collect::<Vec<_>>(), ["3", "4", "5"], "{again:?}");
    assert!(!table.is_new());
    // A change within the same moment, and one that moves a row to it.
    run("update t set v = 'dd', at = at where id = 4");
    assert!(table.is_new());
    assert!(table.more().iter().any(|line| line.starts_with("4|dd|")));
    run("update t set at = '2026-11-24 12:00:00.000001' where id = 3");
    assert!(table.is_new());
    table.more();
    // What lies further back than the lag is not seen; nor is what has no value.
    run("insert into t values (6, 'old', '', '2026-11-24 11:00:00'), (7, 'none', '', null)");
    assert!(!table.is_new());
    run("insert into t values (8, 'new', '', '2026-11-25 00:00:00')");
    assert!(table.is_new());
    let more = table.more();
    assert!(
        more.iter().any(|line| line.starts_with("8|new|")) && !more.iter().any(|line| line.starts_with('6'))
    );
    // A row that goes is no news until something else is; an empty table begins anew.
    run("delete from t");
    assert!(table.is_new());
    assert_eq!(table.more(), [""; 0]);
    assert!(!table.is_new());
    run("insert into t values (9, 'first', '', '2020-01-01 00:00:00')");
    assert!(table.is_new());
    assert_eq!(table.more().len(), 1);
}

#[test]
fn numbers_and_days_grow_too() {
    numbers_and_days(&start(&[]));
}

pub(super) fn numbers_and_days(server: &MariaDb) {
    server.run(
        "create database if not exists g; use g; create table n (id bigint unsigned primary key, d date not null); \
         insert into n values (1, '2026-11-01'), (18446744073709551614, '2026-11-24');",
    );
    let source = live(server, "g");
    for (cursor, lag) in [("id", "0"), ("d", "1d")] {
        server.run("use g; delete from n where id = 18446744073709551615");
        let stream = incremental("n", &[("cursor", cursor), ("lag", lag)]);
        let mut table = Growing { source: &*source, stream, last: None };
        assert_eq!(table.more().len(), 2, "{cursor}");
        assert!(!table.is_new());
        server.run("use g; insert into n values (18446744073709551615, '2026-11-25')");
        assert!(table.is_new());
        let more = table.more();
        assert_eq!(more.last().map(String::as_str), Some("18446744073709551615|2026-11-25"), "{cursor}");
        assert!(more.len() <= 2 && !table.is_new());
    }
    // A date of zeros cannot be counted back from: the whole table is read.
    server.run("use g; set sql_mode = ''; create table z (id int primary key, d date); insert into z values (1, '0000-00-00')");
    let mut table = Growing { source: &*source, stream: incremental("z", &[("cursor", "d")]), last: None };
    table.more();
    server.run("use g; insert into z values (2, '2026-11-25')");
    assert!(table.is_new());
    assert_eq!(table.more(), ["2|2026-11-25"]);
    let unknown = incremental("n", &[("cursor", "idd")]);
    let schema = discover(&*source, &unknown).expect("columns").schema;
    let error = read_since(&*source, &unknown, &schema, None).expect_err("no such column");
    assert_eq!(error.kind(), ErrorKind::ContractBroken);
    assert!(error.to_diagnostic().hint.is_some_and(|hint| hint.contains("`id`")));
}

/// A type of cursor, and the moment that an application gives to what it writes: the server's wall clock, or UTC.
const CURSORS: [(&str, &str); 5] = [
    ("datetime(6)", "now(6)"),
    ("datetime", "utc_timestamp()"),
    ("timestamp(3) null", "now(3)"),
    ("date", "curdate()"),
    ("date", "utc_date()"),
];

/// Dates that are ahead: of a year that is far off, of the day after tomorrow, of less than an hour, of seconds.
const AHEAD: [&str; 4] = [
    "'2037-12-31 23:59:59'",
    "now() + interval 40 hour",
    "now() + interval 50 minute",
    "now() + interval 1 second",
];

/// What an application does, as statements.
fn done(random: &mut fastrand::Rng, next: &mut u32, now: &str) -> String {
    let statements = (0..random.usize(1..4)).map(|_| {
        let (some, of) = (random.u32(..5), random.u32(5..9));
        let ahead = AHEAD[random.usize(..AHEAD.len())];
        match random.u32(..6) {
            0 => {
                *next += 1;
                format!("insert into t values ({next}, {next}, {ahead})")
            }
            // What was ahead is mended, or is changed and stays ahead.
            1 => format!(
                "update t set total = total + 1, at = {now} where at > utc_timestamp() + interval 1 day"
            ),
            2 => format!("update t set total = total + 1, at = {ahead} where id % {of} = {some}"),
            3 => format!("update t set total = total + 1, at = {now} where id % {of} = {some}"),
            _ => {
                *next += 2;
                format!("insert into t values ({}, 0, {now}), ({next}, 1, {now})", *next - 1)
            }
        }
    });
    statements.collect::<Vec<_>>().join("; ")
}

#[test]
fn rows_that_are_ahead_of_the_clock_hide_no_others() {
    let (seed, rounds) = millrace_testkit::cases("MILLRACE_AHEAD", 20_261_128, 6);
    for zone in ["+00:00", "+05:00", "-05:00"] {
        let server = start(&[&format!("--default-time-zone={zone}")]);
        server.run("create database a");
        let run = |sql: &str| server.run(&format!("use a; {sql}"));
        let source = live(&server, "a");
        for (column, now) in CURSORS {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut next = 30;
            run(&format!(
                "drop table if exists t; create table t (id int primary key, total int, at {column}); \
                 insert into t select seq, seq, '2026-01-01' + interval seq hour from seq_1_to_30"
            ));
            let stream = incremental("t", &[("cursor", "at"), ("lag", "1m")]);
            let mut table = Growing { source: &*source, stream, last: None };
            // What a warehouse has that merges what is read, by key.
            let mut merged: BTreeMap<String, String> = BTreeMap::new();
            let mut merge = |table: &mut Growing<'_>| -> String {
                for line in table.more() {
                    let mut cells = line.splitn(3, '|').map(str::to_owned);
                    merged.insert(cells.next().expect("an id"), cells.next().expect("a total"));
                }
                let totals = merged.values().map(|total| total.parse::<i64>().expect("a number"));
                format!("{}|{}", merged.len(), totals.sum::<i64>())
            };
            merge(&mut table);
            for round in 0..rounds {
                let statements = done(&mut random, &mut next, now);
                let truth = run(&format!("{statements}; select concat(count(*), '|', sum(total)) from t"));
                let about = format!(
                    "MILLRACE_AHEAD={seed},{rounds} {zone} {column} {now} round {round}: {statements}"
                );
                assert_eq!(merge(&mut table), truth.trim(), "{about}");
            }
        }
    }
}

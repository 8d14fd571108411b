//! A table is read over several connections, by ranges of its key: every row once, of one moment.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use millrace_core::project::source_file::ReadMode;
use millrace_engine::error::ErrorKind;
use millrace_engine::ports::source::{Source, StreamRequest};
use millrace_testkit::mariadb::MariaDb;

use super::{start, url};
use crate::reading::{Loaded, discover, load, read_since, source, stream};

/// Rows of a range.
const RANGE: u64 = 100;

/// A source that reads over three connections, in ranges of a hundred rows.
pub(super) fn parallel(server: &MariaDb, pairs: &[(&str, &str)]) -> Arc<dyn Source> {
    let url = url(server, "p");
    let mut all = vec![("url", url.as_str()), ("connections", "3"), ("range_rows", "100")];
    all.extend(pairs);
    source("mysql", Path::new("."), &all)
}

fn start_with_binlog() -> MariaDb {
    start(&["--log-bin", "--server-id=1", "--character-set-server=utf8mb4"])
}

fn sorted(loaded: &Loaded) -> Vec<String> {
    let mut lines = loaded.lines();
    lines.sort_unstable();
    lines
}

fn how(loaded: &Loaded) -> &str {
    loaded.outcome.how.as_deref().unwrap_or("over one connection")
}

/// Tables with keys of every kind and spread, each with 2000 rows. `seq` has the numbers from 1 to 2000.
const KEYS: [(&str, &str, &str); 19] = [
    ("negative", "k int primary key", "select seq * 3 - 3000"),
    ("greatest", "k bigint unsigned primary key", "select 18446744073709551616 - seq"),
    ("gap", "k bigint primary key", "select if(seq > 1000, 1152921504606846976, 0) + seq"),
    ("dense", "k bigint primary key", "select if(seq = 1, -9000000000000000000, 1000000000000000 + seq)"),
    ("money", "k decimal(20,2) primary key", "select if(seq = 1, -1, seq / 100)"),
    ("days", "k date primary key", "select if(seq = 1, '0000-00-00', '2019-12-30' + interval seq day)"),
    ("moments", "k datetime(6) primary key", "select '2026-11-24 23:59:59.999' + interval seq microsecond"),
    (
        "stamps",
        "k timestamp(3) primary key",
        "select if(seq = 1, '1970-01-01 00:00:01', '2030-03-31 01:59:00' + interval seq * 100 second)",
    ),
    ("texts", "k varchar(40) primary key", "select concat('user-', hex(crc32(seq)), seq)"),
    (
        "bytewise",
        "k varchar(40) collate utf8mb4_bin primary key",
        "select concat(elt(1 + seq % 4, 'a', 'A', 'ä', 'a\\''), char(9 + seq % 3), seq)",
    ),
    ("western", "k varchar(20) character set latin1 primary key", "select concat('é', seq)"),
    ("padded", "k char(10) primary key, k2 int", "select concat(' ', seq), seq"),
    (
        "bytes",
        "k varbinary(16) primary key",
        "select unhex(concat(lpad(hex(crc32(seq)), 8, '0'), lpad(hex(seq), 8, '0')))",
    ),
    (
        "alike",
        "k varchar(9), k2 int, primary key (k, k2)",
        "select elt(1 + seq % 5, 'a', 'A', 'ä', 'a ', 'b'), seq",
    ),
    (
        "tenants",
        "k int, k2 varchar(40), primary key (k, k2)",
        "select if(seq % 50 = 0, seq, 7), concat(hex(crc32(seq)), seq)",
    ),
    (
        "one_day",
        "k date, k2 bigint unsigned, primary key (k, k2)",
        "select if(seq % 100 = 0, '2024-02-29', '2026-11-24'), cast(9223372036854775807 as unsigned) + seq",
    ),
    ("three", "k varchar(9), k2 date, k3 int, primary key (k, k2, k3)", "select 'x', '2026-11-24', -seq"),
    ("half", "k int, k2 double, primary key (k, k2)", "select seq % 3, seq / 7"),
    ("odd`name", "`a``b` int auto_increment primary key", "select seq * seq"),
];

fn make_keys(server: &MariaDb) {
    server.run("create database p character set utf8mb4");
    super::numbers(server, "p", 2000);
    let mut sql =
        "use p; set sql_mode = '', time_zone = '+00:00'; set global log_output = 'TABLE'; ".to_owned();
    for (name, columns, values) in KEYS {
        let name = name.replace('`', "``");
        sql.push_str(&format!(
            "create table `{name}` ({columns}, pad char(60) not null default 'x'); insert into `{name}` ("
        ));
        let names: Vec<&str> =
            ["k", "k2", "k3"].into_iter().filter(|column| columns.contains(&format!("{column} "))).collect();
        let names = if names.is_empty() { "`a``b`".to_owned() } else { names.join(", ") };
        sql.push_str(&format!("{names}) {values} from numbers;"));
    }
    server.run(&sql);
}

/// The statements that have read a table, and the connection of each.
fn statements(server: &MariaDb) -> Vec<(String, String)> {
    let sql = "select thread_id, argument from mysql.general_log where command_type = 'Execute' and argument like '%force index (primary)%'";
    let lines = server.run(sql);
    lines.lines().filter_map(|line| line.split_once('\t')).map(|(id, sql)| (id.into(), sql.into())).collect()
}

/// Reads the tables over three connections: every row comes once, and no reader has much more to do than the others.
pub(super) fn every_row_once(server: &MariaDb) {
    make_keys(server);
    let several = parallel(server, &[("zero_dates", "null")]);
    let one = parallel(server, &[("zero_dates", "null"), ("connections", "1")]);
    for (name, ..) in KEYS {
        let expected = load(&*one, &stream(name, &[])).expect("readable");
        let all = expected.rows.len() + expected.quarantined.len();
        assert_eq!((all, how(&expected)), (2000, "over one connection"), "{name}");
        server.run("set global general_log = 1; truncate mysql.general_log");
        let loaded = load(&*several, &stream(name, &[])).expect("readable");
        server.run("set global general_log = 0");
        assert_eq!(how(&loaded), "over 3 connections", "{name}");
        assert_eq!(sorted(&loaded), sorted(&expected), "{name}");
        assert_eq!(loaded.quarantined.len(), expected.quarantined.len(), "{name}");
        // No statement has much more than a range, so no reader has to read more than the others.
        let statements = statements(server);
        let counts = statements.iter().map(|(_, sql)| {
            let from = sql.find(" from ").expect("a statement");
            let sql = format!(
                "use p; set names utf8mb4, time_zone = '+00:00', sql_mode = ''; select count(*){}",
                &sql[from..]
            );
            server.run(&sql).trim().parse::<u64>().expect("a number")
        });
        let counts: Vec<u64> = counts.collect();
        assert_eq!(counts.iter().sum::<u64>(), 2000, "{name}");
        // A double is not cut by, so that table is cut only as far as its first column goes.
        let most = if name == "half" { 700 } else { 3 * RANGE };
        assert!(counts.iter().all(|&count| count <= most), "{name}: {counts:?}");
        assert!(counts.len() < 200, "{name}: {counts:?}");
        let readers: BTreeSet<&String> = statements.iter().map(|(reader, _)| reader).collect();
        assert!(readers.len() > 1, "{name}");
    }
}

#[test]
fn every_row_once_whatever_the_key() {
    every_row_once(&start_with_binlog());
}

#[test]
fn what_cannot_be_cut_is_read_over_one_connection() {
    let server = start_with_binlog();
    make_keys(&server);
    server.run(
        "use p; create table words (k enum('b', 'a'), k2 int, primary key (k, k2)); insert into words select 1 + seq % 2, seq from numbers; \
         create table keyless (k int); insert into keyless select seq from numbers; \
         create table prefix (k text, primary key (k(5))); insert into prefix select seq from numbers; \
         create table floats (k double primary key); insert into floats select seq / 3 from numbers; \
         create table locks (k int primary key) engine = MyISAM; insert into locks select seq from numbers; \
         create table few (k int primary key); insert into few select seq from numbers limit 150; \
         create view seen as select * from texts;",
    );
    let several = parallel(&server, &[]);
    for (name, rows) in [
        ("words", 2000),
        ("keyless", 2000),
        ("prefix", 2000),
        ("floats", 2000),
        ("locks", 2000),
        ("few", 150),
        ("seen", 2000),
    ] {
        let loaded = load(&*several, &stream(name, &[])).expect("readable");
        assert_eq!((loaded.rows.len(), loaded.outcome.how.as_deref()), (rows, None), "{name}");
    }
    // Where rows are merged by something else than the primary key, the last one of a key counts.
    for (key, expected) in [(&["k"][..], None), (&["k2", "k"], Some("over 3 connections"))] {
        let table = stream("alike", &[]);
        let mut schema = discover(&*several, &table).expect("columns").schema;
        schema.primary_key = key.iter().map(|&column| column.to_owned()).collect();
        let loaded = read_since(&*several, &table, &schema, None).expect("readable");
        assert_eq!((loaded.rows.len(), loaded.outcome.how.as_deref()), (2000, expected));
    }
    // The first read as far as a column has grown, and the next one.
    let growing = StreamRequest {
        mode: ReadMode::Incremental,
        ..stream("one_day", &[("cursor", "k2"), ("lag", "10")])
    };
    let schema = discover(&*several, &growing).expect("columns").schema;
    let first = read_since(&*several, &growing, &schema, None).expect("readable");
    assert_eq!((first.rows.len(), how(&first)), (2000, "over 3 connections"));
    let next = read_since(&*several, &growing, &schema, first.outcome.cursor).expect("readable");
    assert_eq!((next.rows.len(), how(&next)), (10, "over one connection"));
}

/// What does not fit, in the order in which rows were sent.
#[test]
fn rows_in_quarantine_have_numbers_of_their_own() {
    let server = start_with_binlog();
    server.run(
        "create database p; use p; set sql_mode = ''; create table d (id int primary key, d date); \
         insert into d select seq, if(seq % 10 = 0, '0000-00-00', '2024-02-29') from seq_1_to_2000;",
    );
    let loaded = load(&*parallel(&server, &[]), &stream("d", &[])).expect("readable");
    assert_eq!((loaded.rows.len(), how(&loaded)), (1800, "over 3 connections"));
    let lines: BTreeSet<u64> = loaded.quarantined.iter().map(|row| row.line).collect();
    assert_eq!(lines.len(), 200);
    assert!(lines.iter().all(|line| (1..=2000).contains(line)));
    let nulls = load(&*parallel(&server, &[("zero_dates", "null")]), &stream("d", &[])).expect("readable");
    assert_eq!(nulls.rows.len(), 2000);
    assert_eq!(
        nulls.outcome.conversions.iter().map(|c| (c.column.as_str(), c.rows)).collect::<Vec<_>>(),
        [("d", 200)]
    );
}

/// Statements that move money between accounts of one half, in rows that change, come and go.
fn trades(half: u64, random: &mut fastrand::Rng) -> String {
    let mut account = || 1000 * (1 + half * 1500 + random.u64(..1500));
    let mut sql = "use p; set session transaction isolation level read committed;".to_owned();
    for _ in 0..300 {
        let (a, b) = (account(), account());
        sql.push_str(&format!(
            "begin; update accounts set cents = cents - 57 where id = {a}; update accounts set cents = cents + 7 where id = {b}; \
             insert into accounts (id, cents) values ({a} + 1, 50) on duplicate key update cents = cents + 50; \
             update ignore accounts set id = {b} + 2 where id = {a} + 1; commit;"
        ));
    }
    sql
}

/// Reads accounts between which money moves all the while: in all there is always the same.
pub(super) fn one_moment(server: &MariaDb, pairs: &[(&str, &str)]) {
    server.run("create database p");
    super::numbers(server, "p", 3000);
    server.run(
        "use p; create table accounts (id bigint primary key, cents bigint not null, pad char(100) not null default ''); \
         insert into accounts (id, cents) select seq * 1000, 100000 from numbers;",
    );
    let source = parallel(server, pairs);
    let ended = AtomicBool::new(false);
    let trade = &|half| {
        let mut random = fastrand::Rng::with_seed(half);
        while !ended.load(Ordering::Relaxed) {
            server.run(&trades(half, &mut random));
        }
    };
    // MariaDB gives one who asks at the same time another session's answer.
    let watch = &|| {
        let sql = "show session status like 'Binlog_snapshot%';".repeat(200);
        while !ended.load(Ordering::Relaxed) {
            server.run(&sql);
        }
    };
    let mut parallel_reads = 0;
    std::thread::scope(|scope| {
        scope.spawn(watch);
        let traders = [0, 1].map(|half| scope.spawn(move || trade(half)));
        for _ in 0..15 {
            let loaded = load(&*source, &stream("accounts", &[]));
            let Ok(loaded) = loaded else {
                ended.store(true, Ordering::Relaxed);
                panic!("{loaded:?}");
            };
            let cents =
                loaded.rows.iter().map(|row| row[1].as_deref().and_then(|cents| cents.parse::<i64>().ok()));
            let cents = cents.sum::<Option<i64>>();
            ended.fetch_or(cents != Some(300_000_000), Ordering::Relaxed);
            assert_eq!(cents, Some(300_000_000), "{}", how(&loaded));
            parallel_reads += u32::from(how(&loaded) == "over 3 connections");
        }
        ended.store(true, Ordering::Relaxed);
        for trader in traders {
            trader.join().expect("trade");
        }
    });
    let count = server.run("select count(*) > 3000 from p.accounts");
    assert_eq!(count.trim(), "1", "money has moved");
    assert!(parallel_reads > 3, "{parallel_reads}");
}

#[test]
fn several_connections_see_one_moment() {
    one_moment(&start_with_binlog(), &[]);
}

#[test]
fn a_lock_makes_a_moment_too() {
    let server = start(&[]);
    server.run("grant lock tables on *.* to reader");
    one_moment(&server, &[("snapshot", "lock")]);
}

#[test]
fn without_a_moment_one_connection_reads() {
    let server = start(&[]);
    server.run(
        "create database p; use p; create table t (id int primary key, v int); insert into t select seq, 1 from seq_1_to_2000; \
         create user poor identified by 'x' with max_user_connections 1; grant select on p.* to poor;",
    );
    let loaded = load(&*parallel(&server, &[]), &stream("t", &[])).expect("readable");
    assert_eq!((loaded.rows.len(), how(&loaded)), (2000, "over one connection: the server keeps no binlog"));
    let poor = format!("mysql://poor:x@127.0.0.1:{}/p", server.port());
    let loaded = load(&*parallel(&server, &[("url", &poor)]), &stream("t", &[])).expect("readable");
    let words = "over one connection: the server has no more connections for this user";
    assert_eq!((loaded.rows.len(), how(&loaded)), (2000, words));
    // A lock is not made without the privilege, and nothing else instead.
    let error =
        load(&*parallel(&server, &[("snapshot", "lock")]), &stream("t", &[])).expect_err("no privilege");
    assert_eq!((error.kind(), error.message()), (ErrorKind::SourceUnreadable, "table `t` cannot be locked"));
    let hint = error.to_diagnostic().hint.unwrap_or_default();
    assert!(hint.contains("grant lock tables on `p`.* to 'reader'@'%'"), "{hint}");
}

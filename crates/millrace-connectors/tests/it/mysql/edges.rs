//! Tables, privileges and moments at the edges: each is read, or is told of as what it is.

use std::path::Path;
use std::sync::Arc;

use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::batch_queue;
use millrace_engine::ports::source::{Drift, ReadRequest, Source};
use millrace_testkit::mariadb::MariaDb;

use super::{live, start, url};
use crate::reading::{discover, load, source, stream, wait};

fn shown(error: &Error) -> String {
    format!("{error} [{}]", error.to_diagnostic().hint.unwrap_or_default())
}

fn has(error: &Error, words: &[&str]) {
    let text = shown(error);
    assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
}

#[test]
fn wide_tables_and_odd_names() {
    let server = start(&[]);
    server.run("create database edge");
    // InnoDB takes 1,017 columns, MyISAM more.
    let columns: Vec<String> = (0..2_000).map(|at| format!("c{at} tinyint")).collect();
    server.run(&format!(
        "use edge; create table wide ({}) engine=MyISAM; insert into wide () values ()",
        columns.join(", ")
    ));
    let longest = "n".repeat(64);
    server.run(&format!("use edge; create table `{longest}` (`{longest}` int); insert into `{longest}` values (5);
        create table `select` (`from` int, `where` text, `a``b` int, `c d` int, `é` int, `#` int); insert into `select` values (1, 'x', 2, 3, 4, 5);
        create table `percent%table` (id int); create table `dot.ted` (id int); create sequence counted;"));
    let live = live(&server, "edge");
    let all = wait(live.streams()).expect("streams");
    assert!(all.contains(&longest) && all.contains(&"select".to_owned()), "{all:?}");
    assert!(!all.contains(&"counted".to_owned()), "{all:?}");
    let wide = load(live.as_ref(), &stream("wide", &[])).expect("readable");
    assert_eq!((wide.schema.columns.len(), wide.rows.len()), (2_000, 1));
    assert_eq!(
        load(live.as_ref(), &stream("long", &[("table", &longest)])).expect("readable").lines(),
        ["5"]
    );
    let reserved = load(live.as_ref(), &stream("select", &[])).expect("readable");
    assert_eq!(reserved.lines(), ["1|x|2|3|4|5"]);
    assert_eq!(
        reserved.schema.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(),
        ["from", "where", "a`b", "c d", "é", "#"]
    );
    for name in ["percent%table", "dot.ted"] {
        assert_eq!(load(live.as_ref(), &stream(name, &[])).expect(name).lines(), [""; 0], "{name}");
    }
}

#[test]
fn a_row_larger_than_the_largest_packet() {
    let server = start(&["--max-allowed-packet=1M", "--net-buffer-length=16K"]);
    server.run("create database edge; use edge; create table big (id int primary key, a longtext, b longtext, c longtext)");
    let fill = "insert into edge.big values (1, 'x', 'y', null), (2, repeat('a', 900000), repeat('b', 900000), repeat('c', 900000))";
    server.run(fill);
    for _ in 0..3 {
        // Texts grow beyond what one statement could send.
        server.run("use edge; insert into big select id + 10, a, b, c from big where id = 2 on duplicate key update c = values(c)");
    }
    let loaded = load(live(&server, "edge").as_ref(), &stream("big", &[])).expect("readable");
    let lengths: Vec<usize> =
        loaded.rows.iter().map(|row| row.iter().flatten().map(String::len).sum()).collect();
    assert_eq!(lengths, [3, 2_700_001, 2_700_002]);
}

#[test]
fn what_happens_between_the_catalogue_and_the_rows() {
    let server = start(&[]);
    server.run("create database edge; use edge; create table t (id int primary key, v int, w int); insert into t select seq, seq, seq from seq_1_to_100");
    let live = live(&server, "edge");
    let schema = discover(live.as_ref(), &stream("t", &[])).expect("columns").schema;
    let read = |schema: &millrace_core::schema::StreamSchema| -> Result<()> {
        let request = ReadRequest {
            stream: stream("t", &[]),
            columns: schema.columns.clone(),
            key: Vec::new(),
            quarantine_unknown_columns: false,
            quarantine_nul: false,
            cursor: None,
            seen: None,
            drift: Drift::default(),
        };
        let (sender, mut receiver) = batch_queue(1 << 20);
        let drain = async { while receiver.recv().await.is_some() {} };
        let (outcome, ()) = wait(async { tokio::join!(live.read(request, sender), drain) });
        outcome.map(|_| ())
    };
    read(&schema).expect("as it was");
    server.run("drop table edge.t");
    let gone = read(&schema).expect_err("dropped");
    assert_eq!(gone.kind(), ErrorKind::SourceUnreadable);
    has(&gone, &["has no table `t`"]);
}

/// Reads a view that takes as long as the test needs: each of its rows waits.
fn while_reading(server: &MariaDb, live: &Arc<dyn Source>, meanwhile: impl FnOnce(&MariaDb, u64)) -> Error {
    let schema = discover(live.as_ref(), &stream("slow", &[])).expect("columns").schema;
    let request = ReadRequest {
        stream: stream("slow", &[]),
        columns: schema.columns,
        key: Vec::new(),
        quarantine_unknown_columns: false,
        quarantine_nul: false,
        cursor: None,
        seen: None,
        drift: Drift::default(),
    };
    let source = Arc::clone(live);
    let reading = std::thread::spawn(move || {
        let (sender, mut receiver) = batch_queue(1 << 20);
        let drain = async { while receiver.recv().await.is_some() {} };
        wait(async { tokio::join!(source.read(request, sender), drain) }).0
    });
    let running =
        "select id from information_schema.processlist where info like 'select%slow%' and user = 'reader'";
    let process = loop {
        if let Ok(process) = server.run(running).trim().parse() {
            break process;
        }
        std::thread::yield_now();
    };
    meanwhile(server, process);
    reading.join().expect("no panic").expect_err("it was interrupted")
}

#[test]
fn what_an_administrator_ends() {
    let server = start(&[]);
    server.run("create database edge; use edge; create table t (id int primary key); insert into t select seq from seq_1_to_100; create view slow as select id, sleep(1) as s from t");
    let live = live(&server, "edge");
    let query =
        while_reading(&server, &live, |server, process| _ = server.run(&format!("kill query {process}")));
    assert_eq!(query.kind(), ErrorKind::SourceUnreachable, "{}", shown(&query));
    has(&query, &["table `slow` cannot be read", "somebody ended the statement"]);
    let connection =
        while_reading(&server, &live, |server, process| _ = server.run(&format!("kill {process}")));
    assert_eq!(connection.kind(), ErrorKind::SourceLost, "{}", shown(&connection));
    has(&connection, &["table `slow` cannot be read"]);
    assert!(!shown(&connection).contains("bytes remaining"), "{}", shown(&connection));
}

#[test]
fn privileges_that_are_missing_and_limits() {
    let server = start(&[]);
    server.run(
        "create database edge; create database other; use edge; create table mine (id int); create table theirs (id int);
         create user one identified by 'x'; grant select on edge.mine to one; create user few identified by 'x' with max_user_connections 1;
         grant select on edge.* to few; create user often identified by 'x' with max_connections_per_hour 1; grant select on edge.* to often;",
    );
    let port = server.port();
    let at = |user: &str, database: &str| {
        source("mysql", Path::new("."), &[("url", &format!("mysql://{user}:x@127.0.0.1:{port}/{database}"))])
    };
    let one = at("one", "edge");
    assert_eq!(wait(one.streams()).expect("streams"), ["mine"]);
    let theirs = discover(one.as_ref(), &stream("theirs", &[])).expect_err("no privilege");
    assert_eq!(theirs.kind(), ErrorKind::SourceUnreadable);
    has(&theirs, &["no table `theirs`, or it may not be read"]);
    let other = wait(at("one", "other").streams()).expect_err("another database");
    assert_eq!(other.kind(), ErrorKind::SourceUnreachable);
    has(&other, &["user `one` may not use database `other`", "grant select on `other`.*"]);
    let nowhere = wait(source("mysql", Path::new("."), &[("url", &url(&server, "nowhere"))]).streams());
    has(&nowhere.expect_err("no such database"), &["has no database `nowhere`", "show databases"]);
    // The second connection of a user who may have one; the server's own limit; one an hour.
    wait(at("often", "edge").streams()).expect("the first of this hour");
    let often = wait(at("often", "edge").streams()).expect_err("the second");
    assert_eq!(often.kind(), ErrorKind::SourceUnreachable);
    has(
        &often,
        &[
            "has no connection left for user `often`",
            "alter user 'often'@'%' with max_connections_per_hour 0",
        ],
    );
    server.run("set global max_connections = 10");
    let full: Vec<_> =
        (0..12).map_while(|_| std::net::TcpStream::connect(("127.0.0.1", port)).ok()).collect();
    let error = (0..200).find_map(|_| wait(live(&server, "edge").streams()).err()).expect("no room");
    drop(full);
    assert_eq!(error.kind(), ErrorKind::SourceUnreachable, "{}", shown(&error));
    has(&error, &["has no connection left", "`max_connections`"]);
}

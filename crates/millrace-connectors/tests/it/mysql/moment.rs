//! A read is of one moment, takes little memory, and ends when it is told to.

use millrace_engine::error::ErrorKind;
use millrace_engine::ports::batch::batch_queue;
use millrace_engine::ports::source::{Drift, ReadRequest, Source, StreamRequest};
use millrace_testkit::mariadb::MariaDb;

use super::{live, start};
use crate::reading::{discover, load, stream, wait};

const ROWS: u64 = 200_000;

/// A table of 200,000 rows and some 25 MB.
fn start_big() -> MariaDb {
    let server = start(&["--net-buffer-length=16384"]);
    server.run(&format!(
        "create database b; use b; create table big (id int primary key, t varchar(200) not null, d datetime(6));
         insert into big select seq, repeat(char(97 + seq % 26), 100), '2024-02-29' + interval seq second from seq_1_to_{ROWS};"
    ));
    server
}

/// All of a stream, with the columns that it has.
pub(super) fn request(source: &dyn Source, stream: StreamRequest) -> ReadRequest {
    let schema = discover(source, &stream).expect("readable").schema;
    ReadRequest {
        stream,
        columns: schema.columns,
        key: schema.primary_key,
        quarantine_unknown_columns: false,
        quarantine_nul: false,
        cursor: None,
        drift: Drift::default(),
        seen: None,
    }
}

/// Statements that the reader's connections are running, and the connections themselves.
fn activity(server: &MariaDb) -> (usize, usize) {
    let answer = server.run("select command from information_schema.processlist where user = 'reader'");
    (answer.lines().filter(|command| *command != "Sleep").count(), answer.lines().count())
}

/// Waits until the server has noticed that the reader is gone.
fn is_gone(server: &MariaDb) -> bool {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while std::time::Instant::now() < deadline {
        if activity(server).1 == 0 {
            return true;
        }
    }
    false
}

fn bytes_sent(server: &MariaDb) -> u64 {
    let answer = server.run("show global status like 'Bytes_sent'");
    answer.trim().rsplit('\t').next().and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn rows_are_of_one_moment_and_come_in_batches() {
    let server = start_big();
    let live = live(&server, "b");
    let request = request(live.as_ref(), stream("big", &[]));
    assert!(is_gone(&server), "nothing is held between calls");
    let (sender, mut receiver) = batch_queue(1 << 20);
    let (mut rows, mut sum, mut batches) = (0u64, 0i64, 0);
    wait(async {
        let (outcome, ()) = tokio::join!(live.read(request, sender), async {
            while let Some(batch) = receiver.recv().await {
                if batches == 0 {
                    // The read has begun, and is far from its end.
                    assert_eq!(activity(&server), (1, 1));
                    server.run(&format!(
                        "insert into b.big values (0, 'new', null), ({}, 'new', null); update b.big set t = 'changed' where id > 10;",
                        ROWS + 1
                    ));
                }
                batches += 1;
                assert!(batch.rows.num_rows() <= 1 << 14 && batch.bytes() < 8 << 20, "{}", batch.bytes());
                rows += batch.rows.num_rows() as u64;
                let ids = arrow_array::cast::AsArray::as_primitive::<arrow_array::types::Int32Type>(
                    batch.rows.column(0),
                );
                sum += ids.values().iter().map(|&id| i64::from(id)).sum::<i64>();
                let texts = arrow_array::cast::AsArray::as_string::<i32>(batch.rows.column(1));
                assert!(texts.iter().all(|text| text.is_some_and(|text| text.len() == 100)));
            }
        });
        outcome.expect("read");
    });
    assert_eq!((rows, sum), (ROWS, (ROWS * (ROWS + 1) / 2) as i64));
    assert!(batches > 10);
    assert!(is_gone(&server));
    let after = load(live.as_ref(), &stream("big", &[])).expect("readable");
    assert_eq!(after.rows.len() as u64, ROWS + 2);
}

#[test]
fn a_read_that_nobody_wants_any_more_is_cut_off() {
    let server = start_big();
    let live = live(&server, "b");
    let request = request(live.as_ref(), stream("big", &[]));
    let before = bytes_sent(&server);

    let (sender, mut receiver) = batch_queue(1 << 10);
    let stopped = wait(async {
        tokio::join!(live.read(request.clone(), sender), async {
            receiver.recv().await.expect("a batch");
            drop(receiver);
        })
        .0
    });
    assert_eq!(stopped.expect_err("cancelled").kind(), ErrorKind::Cancelled);
    assert!(is_gone(&server));

    // The whole future is dropped, and the runtime lives on.
    wait(async {
        let (sender, mut receiver) = batch_queue(1 << 10);
        tokio::select! {
            _ = live.read(request.clone(), sender) => panic!("it cannot end before its rows are taken"),
            batch = receiver.recv() => assert!(batch.is_some()),
        }
        assert!(is_gone(&server));
    });
    let sent = bytes_sent(&server) - before;
    assert!(sent < 20_000_000, "two reads of 25 MB were not read to their ends in the background: {sent}");

    // The server ends it.
    let (sender, mut receiver) = batch_queue(1 << 10);
    let killed = wait(async {
        tokio::join!(live.read(request, sender), async {
            receiver.recv().await.expect("a batch");
            let id = server.run("select id from information_schema.processlist where user = 'reader'");
            server.run(&format!("kill {id}"));
            while receiver.recv().await.is_some() {}
        })
        .0
    });
    let killed = killed.expect_err("killed");
    assert_eq!(killed.kind(), ErrorKind::SourceLost, "{killed}");
    assert_eq!(killed.message(), "table `big` cannot be read");
}

#[test]
fn what_the_server_sets_for_all_does_not_change_a_read() {
    let server = start(&[
        "--sql-mode=ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH,NO_BACKSLASH_ESCAPES",
        "--init-connect=set sql_select_limit = 1, character_set_results = latin1, autocommit = 0",
        "--default-time-zone=-07:00",
        "--transaction-isolation=READ-UNCOMMITTED",
    ]);
    server.run(
        "create database own character set utf8mb4; use own; set time_zone = '+00:00';
         create table s (a int primary key, c char(9), t timestamp);
         insert into s values (1, 'é', '2024-02-29 12:00:00'), (2, '😀', '2024-02-29 12:00:01');",
    );
    let loaded = load(live(&server, "own").as_ref(), &stream("s", &[])).expect("readable");
    assert_eq!(loaded.lines(), ["1|é|2024-02-29T12:00:00Z", "2|😀|2024-02-29T12:00:01Z"]);
}

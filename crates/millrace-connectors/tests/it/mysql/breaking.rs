//! A connection of several breaks: what was read up to the last mark, and what is left from there, are all rows, each once.

use std::path::Path;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int32Type;
use millrace_core::cursor::Cursor;
use millrace_engine::ports::batch::{Batch, Rest, batch_queue};
use millrace_engine::ports::source::Source;
use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::proxy::{Fault, How, Proxy, Way, When};

use super::moment::request;
use super::{start, url};
use crate::reading::{discover, read_since, source, stream, wait};

/// Waits until the server has answered all that it was asked.
fn is_idle(server: &MariaDb) {
    let busy =
        "select count(*) from information_schema.processlist where user = 'reader' and command <> 'Sleep'";
    let deadline = Instant::now() + Duration::from_secs(20);
    while server.run(busy).trim() != "0" {
        assert!(Instant::now() < deadline, "the server is still asked");
    }
}

fn ids(batch: &Batch) -> Vec<i32> {
    batch.rows.column(0).as_primitive::<Int32Type>().values().to_vec()
}

/// Reads up to where it breaks: the rows up to the last mark, and that mark.
fn broken(source: &dyn Source, server: &MariaDb, proxy: &Proxy, bytes: u64) -> (Vec<i32>, Option<Cursor>) {
    let request = request(source, stream("t", &[]));
    proxy.set(Fault { way: Way::ToServer, when: When::Bytes(bytes), how: How::Stall });
    let (sender, mut batches) = batch_queue(1 << 20);
    let (mut kept, mut mark) = (Vec::new(), None);
    std::thread::scope(|scope| {
        // One who stops while a range is cut holds up the others, who have read what they took.
        scope.spawn(|| {
            assert!(proxy.wait(Duration::from_secs(20)), "no {bytes} bytes are sent");
            is_idle(server);
            proxy.let_go();
        });
        let read = wait(async {
            let receive = async {
                loop {
                    let (mut part, rest) = batches.up_to_mark();
                    let mut rows = Vec::new();
                    while let Some(batch) = part.recv().await {
                        rows.extend(ids(&batch));
                    }
                    drop(part);
                    let Ok(Rest { mark: at, batches: more }) = rest.await else { break };
                    kept.extend(rows);
                    (mark, batches) = (Some(at), more);
                }
            };
            tokio::join!(source.read(request, sender), receive).0
        });
        assert!(read.is_err(), "it broke");
    });
    proxy.clear();
    (kept, mark)
}

#[test]
fn nothing_is_lost_and_nothing_comes_twice() {
    let server = start(&["--log-bin", "--server-id=1"]);
    server.run("create database p; use p; create table p.t (id int primary key, v char(50) not null default 'x'); insert into p.t (id) select seq from seq_1_to_2000");
    let proxy = Proxy::start(server.port());
    let url = url(&server, "p").replace(&server.port().to_string(), &proxy.port().to_string());
    let pairs = [("url", url.as_str()), ("connections", "2"), ("range_rows", "100"), ("chunk_rows", "150")];
    let source = source("mysql", Path::new("."), &pairs);
    let stream = stream("t", &[]);
    let schema = discover(source.as_ref(), &stream).expect("columns").schema;
    proxy.clear();
    read_since(source.as_ref(), &stream, &schema, None).expect("readable");
    let bytes = proxy.passed(Way::ToServer);
    let mut marks = 0;
    for part in 4..=14 {
        let (mut rows, mark) = broken(source.as_ref(), &server, &proxy, bytes * part / 21);
        let more = read_since(source.as_ref(), &stream, &schema, mark).expect("readable");
        marks += usize::from(!rows.is_empty());
        rows.extend(
            more.rows
                .iter()
                .map(|row| row[0].as_deref().and_then(|id| id.parse::<i32>().ok()).expect("a number")),
        );
        rows.sort_unstable();
        assert!(rows.iter().copied().eq(1..=2000), "{part}: {} rows", rows.len());
    }
    assert!(marks > 5, "{marks}");
}

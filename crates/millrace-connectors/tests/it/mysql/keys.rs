//! The keys of tables, in parts.

use millrace_core::value::Value;
use millrace_engine::error::ErrorKind;
use millrace_engine::ports::batch::batch_queue;
use millrace_engine::ports::keys::{KeyHash, KeyParts, KeyRequest, KeySums, RowKeys};
use millrace_engine::ports::source::Source;
use millrace_testkit::mariadb::MariaDb;

use super::{live, start};
use crate::reading::{discover, stream, wait};

/// The request for the primary key of a table.
fn keys(source: &dyn Source, table: &str) -> KeyRequest {
    let stream = stream(table, &[]);
    let schema = discover(source, &stream).expect("columns").schema;
    let columns = schema.primary_key.iter().map(|name| schema.column(name).expect("a column").clone());
    KeyRequest { columns: columns.collect(), stream }
}

fn sums(source: &dyn Source, request: &KeyRequest, digits: usize) -> Option<KeySums> {
    wait(source.key_sums(request, digits)).expect("sums").map(|summed| summed.sums)
}

/// How many keys are sent for these parts, or in all.
fn sent(source: &dyn Source, request: &KeyRequest, parts: Option<&KeyParts>) -> i128 {
    let (sender, mut receiver) = batch_queue(1 << 20);
    wait(async {
        let (read, rows) = tokio::join!(source.read_keys(request, parts, sender), async {
            let mut rows = 0;
            while let Some(batch) = receiver.recv().await {
                assert_eq!(batch.rows.num_columns(), request.columns.len());
                rows += batch.rows.num_rows() as i128;
            }
            rows
        });
        read.expect("readable");
        rows
    })
}

#[test]
fn parts_are_told_by_sums_and_read_alone() {
    told_by_sums(&start(&[]), KeyHash::Md5);
}

/// Sums and parts of a server that hashes keys like that.
pub(super) fn told_by_sums(server: &MariaDb, hash: KeyHash) {
    server.run("create database shop");
    super::numbers(server, "shop", 1000);
    server.run(
        "use shop; \
         create table items (id int zerofill, name varchar(9) charset latin1, n int, primary key (id, name)); \
         insert into items select seq, if(seq % 2, 'é', 'a'), seq from numbers; \
         create table days (day date primary key); insert into days values ('2026-01-01'), ('2026-01-02'); \
         create table none (id int primary key)",
    );
    let source = live(server, "shop");
    let request = keys(source.as_ref(), "items");
    let summed = wait(source.key_sums(&request, 1)).expect("sums");
    assert_eq!(summed.map(|summed| summed.hash), Some(hash));
    let before = sums(source.as_ref(), &request, 1).expect("numbers and texts can be summed");
    assert_eq!((before.len(), before.values().map(|sum| sum.rows).sum::<i128>()), (16, 1000));
    for name in ["0", "f"] {
        let parts = KeyParts { hash, digits: 1, names: vec![name.to_owned()] };
        assert_eq!(sent(source.as_ref(), &request, Some(&parts)), before[name].rows, "{name}");
    }
    assert_eq!(sent(source.as_ref(), &request, None), 1000);
    assert!(sums(source.as_ref(), &request, 3).expect("sums").keys().all(|part| part.len() == 3));
    // Another value beside the key changes nothing, another letter of the key one part or two.
    server.run("use shop; update items set n = 0");
    assert_eq!(sums(source.as_ref(), &request, 1).as_ref(), Some(&before));
    server.run("use shop; update items set name = 'A' where id = 2");
    let after = sums(source.as_ref(), &request, 1).expect("sums");
    let differ = before.iter().filter(|(part, sum)| after.get(*part) != Some(sum)).count();
    assert!((1..=2).contains(&differ), "{differ}");
    // What has no text that is the same everywhere is not summed; all keys are sent.
    let days = keys(source.as_ref(), "days");
    assert_eq!((sums(source.as_ref(), &days, 1), sent(source.as_ref(), &days, None)), (None, 2));
    let none = keys(source.as_ref(), "none");
    assert_eq!(sums(source.as_ref(), &none, 1), Some(KeySums::new()));
}

/// How many rows of these keys are sent.
fn by_key(source: &dyn Source, table: &str, rows: Vec<Vec<Value>>) -> Result<usize, ErrorKind> {
    let request = keys(source, table);
    let keys = RowKeys { columns: request.columns.clone(), rows };
    let (sender, mut receiver) = batch_queue(1 << 20);
    wait(async {
        let (read, rows) = tokio::join!(source.read_rows(request.of_all_rows(), &keys, sender), async {
            let mut rows = 0;
            while let Some(batch) = receiver.recv().await {
                rows += batch.rows.num_rows();
            }
            rows
        });
        read.map(|_| rows).map_err(|error| error.kind())
    })
}

#[test]
fn rows_are_read_by_keys_of_every_type_that_has_some() {
    let server = start(&[]);
    server.run(
        "create database k; use k; set time_zone = '+00:00'; \
         create table numbers (a bigint unsigned, b smallint, primary key (a, b)); \
         insert into numbers values (18446744073709551615, -1), (18446744073709551615, 1), (0, -1); \
         create table texts (t varchar(20) charset latin1 collate latin1_bin primary key); insert into texts values ('it''s \\\\ é'), ('x'); \
         create table emoji (t varchar(20) charset utf8mb4 primary key); insert into emoji values ('🦆'), ('x'); \
         create table bytes (b binary(3) primary key); insert into bytes values (x'00ff27'), (x'000000'); \
         create table days (d date primary key); insert into days values ('2026-01-01'), ('1000-01-01'); \
         create table moments (m datetime(6), s timestamp, primary key (m, s)); \
         insert into moments values ('2026-01-01 23:59:59.000001', '2026-03-29 01:30:00'), ('2026-01-01', '2026-03-29 01:30:00'); \
         create table many (id int primary key); insert into many select seq from seq_1_to_1000",
    );
    let source = live(&server, "k");
    let source = source.as_ref();
    let text = |text: &str| vec![Value::text(text)];
    assert_eq!(by_key(source, "numbers", vec![vec![Value::Int(u64::MAX.into()), Value::Int(-1)]]), Ok(1));
    assert_eq!(by_key(source, "texts", vec![text("it's \\ é"), text("') or 1 = 1 -- ")]), Ok(1));
    assert_eq!(by_key(source, "emoji", vec![text("🦆")]), Ok(1));
    assert_eq!(by_key(source, "bytes", vec![vec![Value::Bytes(vec![0, 0xff, 0x27])]]), Ok(1));
    // 2026-01-01.
    assert_eq!(by_key(source, "days", vec![vec![Value::Date(20_454)]]), Ok(1));
    let moment = Value::Timestamp((20_454 * 86_400 + 86_399) * 1_000_000 + 1);
    // 2026-03-29 01:30:00.
    let stamp = Value::TimestampTz((20_541 * 86_400 + 5_400) * 1_000_000);
    assert_eq!(by_key(source, "moments", vec![vec![moment, stamp]]), Ok(1));
    let many = (500..1_500).map(|n| vec![Value::Int(n)]).collect();
    assert_eq!(by_key(source, "many", many), Ok(501));
    assert_eq!(by_key(source, "many", Vec::new()), Ok(0));
    assert_eq!(by_key(source, "many", vec![vec![Value::Null]]), Err(ErrorKind::Internal));
}

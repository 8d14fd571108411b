//! The keys of tables, in parts.

use millrace_engine::batch::batch_queue;
use millrace_engine::keys::{KeyHash, KeyParts, KeyRequest, KeySums};
use millrace_engine::source::Source;
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

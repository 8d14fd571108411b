//! Files of JSON and CSV through the registry: paths, packing, positions.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use millrace_core::cursor::Cursor;
use millrace_engine::error::ErrorKind;
use millrace_engine::source::Drift;

use crate::reading::{discover, load, read, source, stream, wait};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("written");
    encoder.finish().expect("finished")
}

fn write(dir: &Path, name: &str, bytes: &[u8]) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn a_pattern_reads_its_files_in_order_packed_or_not() {
    let dir = tempfile::tempdir().expect("a folder");
    // Two members, one after the other, are one file.
    let packed = [gzip(b"{\"id\":1,\"p\":22.99}\n{\"id\""), gzip(b":2}\n{\"id\":}\n")].concat();
    write(dir.path(), "data/orders_1.ndjson.gz", &packed);
    write(dir.path(), "data/orders_2.ndjson", b"\xEF\xBB\xBF{\"id\":3,\"p\":1}");
    write(dir.path(), "data/orders_3.ndjson", b"");
    let source = source("ndjson", dir.path(), &[("path", "data/orders_*")]);
    let orders = stream("orders", &[]);
    let loaded = load(source.as_ref(), &orders).expect("readable");
    assert_eq!(loaded.lines(), ["1|22.99", "2|~", "3|1.00"]);
    assert_eq!(loaded.quarantined.len(), 1);
    assert_eq!(
        (loaded.quarantined[0].file.as_str(), loaded.quarantined[0].line),
        ("data/orders_1.ndjson.gz", 3)
    );
    let Some(Cursor::Files { files }) = &loaded.outcome.cursor else { panic!("a cursor of files") };
    let names: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(names, ["data/orders_1.ndjson.gz", "data/orders_2.ndjson", "data/orders_3.ndjson"]);
    assert_eq!(files[0].size, packed.len() as u64, "bytes on disk");
    assert_eq!(files[0].hash, blake3::hash(&packed).to_hex().as_str());
    let last = loaded.outcome.cursor.clone().expect("a cursor");
    let position = || wait(source.position(&orders, &last)).expect("a position");
    assert_eq!(position(), loaded.outcome.cursor);
    assert_eq!(wait(source.streams()).expect("streams"), ["src"]);
    write(dir.path(), "data/orders_3.ndjson", b"\n");
    assert_ne!(position(), loaded.outcome.cursor);
    // What it was before, under another time.
    write(dir.path(), "data/orders_3.ndjson", b"");
    assert_eq!(position(), loaded.outcome.cursor);
}

#[test]
fn a_stream_has_its_own_settings() {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), "a.csv", b"id;n\n1;x\n");
    write(dir.path(), "b.csv", b"7|y\n");
    let source = source("csv", dir.path(), &[("delimiter", ";")]);
    let a = load(source.as_ref(), &stream("a", &[("path", "a.csv")])).expect("readable");
    assert_eq!(a.lines(), ["1|x"]);
    let b = stream("b", &[("path", "b.csv"), ("delimiter", "|"), ("header", "false")]);
    assert_eq!(load(source.as_ref(), &b).expect("readable").lines(), ["7|y"]);
    assert_eq!(wait(source.streams()).expect("streams"), [""; 0]);
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let dir = tempfile::tempdir().expect("a folder");
    let packed = gzip("{\"id\":1}\n".repeat(10_000).as_bytes());
    write(dir.path(), "cut.ndjson.gz", &packed[..packed.len() - 5]);
    write(dir.path(), "plain.ndjson.gz", b"{\"id\":1,\"name\":\"Anna\"}\n");
    write(dir.path(), "wide.ndjson", b"\xFF\xFE{\0}\0");
    write(dir.path(), "folder/x.ndjson", b"");
    let source = source("ndjson", dir.path(), &[]);
    for (path, kind, expected) in [
        ("none.ndjson", ErrorKind::SourceUnreachable, "cannot be opened"),
        ("none_*.ndjson", ErrorKind::SourceUnreachable, "no file matches"),
        ("folder", ErrorKind::SourceUnreachable, "folder"),
        ("cut.ndjson.gz", ErrorKind::SourceUnreadable, "end too early"),
        ("plain.ndjson.gz", ErrorKind::SourceUnreadable, "not good gzip"),
        ("wide.ndjson", ErrorKind::SourceUnreadable, "UTF-16"),
    ] {
        let error = discover(source.as_ref(), &stream("s", &[("path", path)])).expect_err(path);
        assert!(error.to_string().contains(expected), "{path}: {error}");
        assert_eq!(error.kind(), kind, "{path}");
        assert!(error.to_diagnostic().hint.is_some(), "{path}");
    }
    assert_eq!(
        discover(source.as_ref(), &stream("s", &[])).expect_err("no path").kind(),
        ErrorKind::SourceUnreadable
    );
}

#[test]
fn a_read_ends_when_nobody_takes_its_rows() {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), "a.ndjson", "{\"id\":1}\n".repeat(300_000).as_bytes());
    let source = source("ndjson", dir.path(), &[("path", "a.ndjson")]);
    let a = stream("a", &[]);
    let schema = discover(source.as_ref(), &a).expect("readable").schema;
    let whole = read(source.as_ref(), &a, &schema).expect("readable");
    assert_eq!((whole.rows.len(), whole.quarantined.len()), (300_000, 0));
    let (sender, receiver) = millrace_engine::batch::batch_queue(1 << 10);
    let request = millrace_engine::source::ReadRequest {
        stream: a,
        columns: schema.columns,
        key: Vec::new(),
        quarantine_unknown_columns: false,
        quarantine_nul: false,
        cursor: None,
        drift: Drift::default(),
    };
    let error = wait(async {
        tokio::join!(source.read(request, sender), async {
            let mut receiver = receiver;
            receiver.recv().await.expect("a batch");
        })
        .0
    });
    assert_eq!(error.expect_err("cancelled").kind(), ErrorKind::Cancelled);
}

#[test]
fn a_read_watches_for_what_nobody_has_decided_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let filler = "{\"id\":1,\"n\":2}\n".repeat(200_000);
    let source = source("ndjson", dir.path(), &[("path", "a.ndjson")]);
    let a = stream("a", &[]);
    write(dir.path(), "a.ndjson", filler.as_bytes());
    let captured = discover(source.as_ref(), &a).expect("readable").schema;
    let drift = Drift { columns: true, types: true };
    let ends = |last: &str, drift: Drift| {
        write(dir.path(), "a.ndjson", (filler.clone() + last).as_bytes());
        let (sender, mut receiver) = millrace_engine::batch::batch_queue(1 << 30);
        let request = millrace_engine::source::ReadRequest {
            stream: a.clone(),
            columns: captured.columns.clone(),
            key: Vec::new(),
            quarantine_unknown_columns: false,
            quarantine_nul: false,
            cursor: None,
            drift,
        };
        let ended = wait(source.read(request, sender));
        while receiver.blocking_recv().is_some() {}
        ended.map(drop).map_err(|error| error.kind())
    };
    let gone = Drift { columns: true, types: false };
    assert_eq!(ends("", drift), Ok(()));
    assert_eq!(ends("{\"id\":3,\"n\":4,\"new\":5}\n", drift), Err(ErrorKind::SchemaDrift));
    assert_eq!(ends("{\"id\":3,\"n\":4,\"new\":5}\n", Drift::default()), Ok(()));
    assert_eq!(ends("{\"id\":3,\"n\":\"x\"}\n", drift), Err(ErrorKind::SchemaDrift));
    assert_eq!(ends("{\"id\":3,\"n\":\"x\"}\n", gone), Ok(()), "the row is in quarantine");
    // A column that no record has.
    write(dir.path(), "a.ndjson", b"");
    assert_eq!(ends("", gone), Ok(()));
    let without = "{\"id\":1}\n".repeat(200_000);
    write(dir.path(), "b.ndjson", without.as_bytes());
    let b = stream("b", &[("path", "b.ndjson")]);
    let (sender, mut receiver) = millrace_engine::batch::batch_queue(1 << 30);
    let request = millrace_engine::source::ReadRequest {
        stream: b,
        columns: captured.columns,
        key: Vec::new(),
        quarantine_unknown_columns: false,
        quarantine_nul: false,
        cursor: None,
        drift: gone,
    };
    let ended = wait(source.read(request, sender));
    while receiver.blocking_recv().is_some() {}
    assert_eq!(ended.expect_err("`n` is gone").kind(), ErrorKind::SchemaDrift);
}

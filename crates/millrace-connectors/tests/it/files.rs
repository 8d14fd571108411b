//! Files of JSON and CSV through the registry: paths, packing, positions.

use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use millrace_core::cursor::{Cursor, FileState};
use millrace_engine::error::ErrorKind;
use millrace_engine::ports::source::Drift;

use crate::reading::{discover, is_new, load, read, source, stream, wait};

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("written");
    encoder.finish().expect("finished")
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 1).expect("packed")
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
    let Some(Cursor::Files { files, .. }) = &loaded.outcome.cursor else { panic!("a cursor of files") };
    let names: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(names, ["data/orders_1.ndjson.gz", "data/orders_2.ndjson", "data/orders_3.ndjson"]);
    assert_eq!(files[0].size, packed.len() as u64, "bytes on disk");
    assert_eq!(files[0].hash, blake3::hash(&packed).to_hex().as_str());
    let last = loaded.outcome.cursor.clone().expect("a cursor");
    let is_new = || is_new(source.as_ref(), &orders, &last);
    assert!(!is_new());
    assert_eq!(wait(source.streams()).expect("streams"), ["src"]);
    write(dir.path(), "data/orders_3.ndjson", b"\n");
    assert!(is_new());
    // What it was before, under another time.
    write(dir.path(), "data/orders_3.ndjson", b"");
    assert!(!is_new());
}

#[test]
fn a_file_that_was_too_young_for_a_stamp_gets_one() {
    // A file that was written before this test was built.
    let (dir, path) = (Path::new(env!("CARGO_MANIFEST_DIR")), "Cargo.toml".to_owned());
    let bytes = std::fs::read(dir.join(&path)).expect("this crate's own");
    let hash = blake3::hash(&bytes).to_hex().to_string();
    let young = FileState { path: path.clone(), size: bytes.len() as u64, hash, stamp: None };
    let last = Cursor::Files { files: vec![young], kept: false };
    let source = source("csv", dir, &[("path", &path)]);
    let now = wait(source.position(&stream("s", &[]), &last)).expect("a position").expect("one of files");
    assert!(now.is_at(&last) && last.is_at(&now));
    let Cursor::Files { files, .. } = &now else { panic!("a cursor of files") };
    assert!(files[0].stamp.is_some());
    assert_eq!(wait(source.position(&stream("s", &[]), &now)).expect("a position"), Some(now));
}

#[test]
fn packed_files_are_told_by_name_or_by_how_they_start() {
    let dir = tempfile::tempdir().expect("a folder");
    write(dir.path(), "a.ndjson.zst", &[zstd(b"{\"id\":1}\n{\"id\""), zstd(b":2}\n")].concat());
    write(dir.path(), "b.ndjson", &zstd(b"{\"id\":3}\n"));
    write(dir.path(), "c.ndjson", &gzip(b"{\"id\":4}\n"));
    write(dir.path(), "d.ndjson.ZST", &zstd(b""));
    let source = source("ndjson", dir.path(), &[("path", "*")]);
    let loaded = load(source.as_ref(), &stream("s", &[])).expect("readable");
    assert_eq!(
        (loaded.lines(), loaded.quarantined.len()),
        (["1", "2", "3", "4"].map(str::to_owned).to_vec(), 0)
    );
}

#[test]
fn what_is_no_character_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let text = "{\"id\":1,\"n\":\"café 😀\"}\n{\"id\":2,\"n\":\"x\"}\n";
    write(dir.path(), "marked.ndjson.gz", &gzip(&[b"\xFF\xFE".to_vec(), wide(text)].concat()));
    write(dir.path(), "bare.ndjson", &wide(text));
    write(dir.path(), "cut.ndjson", &wide(text)[..wide(text).len() - 3]);
    write(dir.path(), "west.ndjson", b"{\"id\":1,\"n\":\"caf\xE9 \x80\"}\n{\"id\":2,\"n\":\"x\"}\n");
    let source = source("ndjson", dir.path(), &[]);
    let lines = |path, encoding: &[(&'static str, &'static str)]| {
        let settings = [&[("path", path)], encoding].concat();
        let loaded = load(source.as_ref(), &stream("s", &settings)).expect(path);
        (loaded.lines(), loaded.quarantined)
    };
    for (path, encoding, expected) in [
        ("marked.ndjson.gz", &[][..], "1|café 😀"),
        ("bare.ndjson", &[("encoding", "utf-16")], "1|café 😀"),
        ("bare.ndjson", &[("encoding", "utf-16le")], "1|café 😀"),
        ("west.ndjson", &[("encoding", "windows-1252")], "1|café €"),
    ] {
        let (lines, quarantined) = lines(path, encoding);
        assert_eq!((lines, quarantined.len()), (vec![expected.to_owned(), "2|x".to_owned()], 0), "{path}");
    }
    for (path, encoding, line, reason) in [
        ("west.ndjson", &[][..], 1, "which is UTF-8 unless `encoding:` says otherwise"),
        ("west.ndjson", &[("encoding", "latin-1")], 1, "is it `encoding: windows-1252`?"),
        ("cut.ndjson", &[("encoding", "utf-16")], 2, "not all bytes are characters of utf-16"),
    ] {
        let (_, quarantined) = lines(path, encoding);
        assert_eq!((quarantined.len(), quarantined[0].line), (1, line), "{path}");
        assert_eq!(quarantined[0].code.as_str(), "bad-encoding", "{path}");
        assert!(quarantined[0].reason.contains(reason), "{}", quarantined[0].reason);
    }
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
    write(dir.path(), "wide.ndjson", b"{\0}\0");
    let frames = zstd("{\"id\":1}\n".repeat(10_000).as_bytes());
    write(dir.path(), "cut.ndjson.zst", &frames[..frames.len() - 5]);
    write(dir.path(), "half.ndjson.zst", &[&frames[..], &frames[..20]].concat());
    write(dir.path(), "empty.ndjson.zst", b"");
    write(dir.path(), "plain.ndjson.zst", b"{\"id\":1,\"name\":\"Anna\"}\n");
    let mut broken = zstd::stream::Encoder::new(Vec::new(), 1).expect("an encoder");
    broken.include_checksum(true).expect("a checksum");
    broken.write_all(b"{\"id\":1}\n").expect("written");
    let mut broken = broken.finish().expect("finished");
    *broken.last_mut().expect("a checksum") ^= 1;
    write(dir.path(), "broken.ndjson.zst", &broken);
    write(dir.path(), "folder/x.ndjson", b"");
    let source = source("ndjson", dir.path(), &[]);
    for (path, kind, expected) in [
        ("none.ndjson", ErrorKind::SourceUnreachable, "cannot be opened"),
        ("none_*.ndjson", ErrorKind::SourceEmpty, "no file matches"),
        ("folder", ErrorKind::SourceUnreachable, "folder"),
        ("cut.ndjson.gz", ErrorKind::SourceUnreadable, "end too early"),
        ("plain.ndjson.gz", ErrorKind::SourceUnreadable, "not good gzip"),
        ("wide.ndjson", ErrorKind::SourceUnreadable, "UTF-16"),
        ("cut.ndjson.zst", ErrorKind::SourceUnreadable, "zstd data of file `cut.ndjson.zst` end too early"),
        ("half.ndjson.zst", ErrorKind::SourceUnreadable, "end too early"),
        ("empty.ndjson.zst", ErrorKind::SourceUnreadable, "end too early"),
        ("plain.ndjson.zst", ErrorKind::SourceUnreadable, "not good zstd"),
        ("broken.ndjson.zst", ErrorKind::SourceUnreadable, "not good zstd"),
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
    let (sender, receiver) = millrace_engine::ports::batch::batch_queue(1 << 10);
    let request = millrace_engine::ports::source::ReadRequest {
        stream: a,
        columns: schema.columns,
        key: Vec::new(),
        quarantine_unknown_columns: false,
        quarantine_nul: false,
        cursor: None,
        drift: Drift::default(),
        seen: None,
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
    let drift = Drift { columns: true, types: true, ..Drift::default() };
    let ends = |last: &str, drift: Drift| {
        write(dir.path(), "a.ndjson", (filler.clone() + last).as_bytes());
        let (sender, mut receiver) = millrace_engine::ports::batch::batch_queue(1 << 30);
        let request = millrace_engine::ports::source::ReadRequest {
            stream: a.clone(),
            columns: captured.columns.clone(),
            key: Vec::new(),
            quarantine_unknown_columns: false,
            quarantine_nul: false,
            cursor: None,
            drift,
            seen: None,
        };
        let ended = wait(source.read(request, sender));
        while receiver.blocking_recv().is_some() {}
        ended.map(drop).map_err(|error| error.kind())
    };
    let gone = Drift { columns: true, ..Drift::default() };
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
    let (sender, mut receiver) = millrace_engine::ports::batch::batch_queue(1 << 30);
    let request = millrace_engine::ports::source::ReadRequest {
        stream: b,
        columns: captured.columns,
        key: Vec::new(),
        quarantine_unknown_columns: false,
        quarantine_nul: false,
        cursor: None,
        drift: gone,
        seen: None,
    };
    let ended = wait(source.read(request, sender));
    while receiver.blocking_recv().is_some() {}
    assert_eq!(ended.expect_err("`n` is gone").kind(), ErrorKind::SchemaDrift);
}

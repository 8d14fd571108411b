//! Files that somebody writes to while they are read. The reader waits for whoever takes its batches, so that the change comes in its midst
//! each time.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use millrace_core::cursor::Cursor;
use millrace_engine::error::{ErrorKind, Result};
use millrace_engine::ports::batch::batch_queue;
use millrace_engine::ports::source::{Discovered, Drift, ReadOutcome, ReadRequest, Source, StreamRequest};
use parquet::arrow::ArrowWriter;

use crate::reading::{discover, source, stream, wait};

/// More than the batches that may be on their way.
const ROWS: usize = 300_000;

/// Reads a stream, and changes something once the first batch has come. The second value is the number of rows.
fn stepped(
    source: &dyn Source,
    stream: &StreamRequest,
    discovered: &Discovered,
    change: impl FnOnce(),
) -> (Result<ReadOutcome>, usize) {
    let request = ReadRequest {
        stream: stream.clone(),
        columns: discovered.schema.columns.clone(),
        key: Vec::new(),
        quarantine_unknown_columns: false,
        quarantine_nul: false,
        cursor: None,
        drift: Drift::default(),
        seen: discovered.position.clone(),
    };
    // A batch is all that fits.
    let (sender, mut receiver) = batch_queue(1);
    wait(async {
        tokio::join!(source.read(request, sender), async {
            let mut rows = receiver.recv().await.map_or(0, |batch| batch.rows.num_rows());
            change();
            while let Some(batch) = receiver.recv().await {
                rows += batch.rows.num_rows();
            }
            rows
        })
    })
}

/// A file of a kind with the numbers from `from` on, each once.
fn write(place: &Path, kind: &str, from: i64) {
    let numbers = || (0..ROWS as i64).map(|n| 1_000_000 + from + n);
    if kind == "parquet" {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers()));
        let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column]).expect("a batch");
        let file = File::create(place).expect("a file");
        let mut writer = ArrowWriter::try_new(file, schema, None).expect("a writer");
        writer.write(&batch).expect("written");
        writer.close().expect("closed");
        return;
    }
    let mut text = String::new();
    let (start, end) = match kind {
        "csv" => ("id\n", ""),
        "json" => ("[", "{}]"),
        "mysql_dump" => ("CREATE TABLE `s` (`id` int NOT NULL);\nINSERT INTO `s` VALUES ", "(1);\n"),
        _ => ("", ""),
    };
    text.push_str(start);
    for n in numbers() {
        let _infallible = match kind {
            "csv" => writeln!(text, "{n}"),
            "json" => write!(text, "{{\"id\":{n}}},"),
            "ndjson" => writeln!(text, "{{\"id\":{n}}}"),
            _ => write!(text, "({n}),"),
        };
    }
    text.push_str(end);
    let bytes = if place.extension().is_some_and(|suffix| suffix == "gz") {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(text.as_bytes()).expect("packed");
        packed.finish().expect("packed")
    } else {
        text.into_bytes()
    };
    let mut file = File::options().write(true).create(true).truncate(false).open(place).expect("a file");
    file.write_all(&bytes).expect("written");
    file.set_len(bytes.len() as u64).expect("cut");
}

fn kinds() -> [(&'static str, &'static str); 6] {
    [
        ("csv", "s.csv"),
        ("csv", "s.csv.gz"),
        ("json", "s.json"),
        ("ndjson", "s.ndjson"),
        ("parquet", "s.parquet"),
        ("mysql_dump", "s.sql"),
    ]
}

#[test]
fn a_file_that_is_rewritten_while_it_is_read_is_not_loaded() {
    for (kind, name) in kinds() {
        let dir = tempfile::tempdir().expect("a folder");
        let place = dir.path().join(name);
        write(&place, kind, 0);
        let (source, stream) = (source(kind, dir.path(), &[]), stream("s", &[("path", name)]));
        let discovered = discover(source.as_ref(), &stream).expect(name);
        // In place, with the same size.
        let (outcome, _) =
            stepped(source.as_ref(), &stream, &discovered, || write(&place, kind, ROWS as i64));
        let error = outcome.expect_err(name);
        assert_eq!(error.kind(), ErrorKind::SourceChanged, "{name}: {error}");
        assert!(error.message().contains(name), "{error}");
        // Once it has come to rest it is as good as any other.
        let discovered = discover(source.as_ref(), &stream).expect(name);
        let (outcome, rows) = stepped(source.as_ref(), &stream, &discovered, || ());
        outcome.expect(name);
        assert!(rows >= ROWS, "{name}: {rows}");
    }
}

/// What is done to a file, in words, and how.
type Change = (&'static str, fn(&Path));

#[test]
fn every_way_to_change_a_file_is_seen() {
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(2);
    let touched = |place: &Path, at| {
        File::options().write(true).open(place).and_then(|file| file.set_modified(at)).expect("a time");
    };
    let changes: [Change; 6] = [
        ("appended to", |place| {
            let mut file = File::options().append(true).open(place).expect("a file");
            file.write_all(b"7\n").expect("written");
        }),
        ("truncated", |place| {
            File::options().write(true).open(place).and_then(|file| file.set_len(40)).expect("truncated");
        }),
        ("replaced", |place| {
            let other = place.with_extension("new");
            write(&other, "csv", 5);
            fs::rename(other, place).expect("renamed");
        }),
        ("deleted", |place| fs::remove_file(place).expect("removed")),
        ("emptied and written anew", |place| {
            fs::write(place, "").expect("written");
            write(place, "csv", 5);
        }),
        ("written with its former time", |place| {
            let time = fs::metadata(place).and_then(|about| about.modified()).expect("a time");
            write(place, "csv", 5);
            File::options().write(true).open(place).and_then(|file| file.set_modified(time)).expect("a time");
        }),
    ];
    let dir = tempfile::tempdir().expect("a folder");
    for (what, change) in changes {
        let place = dir.path().join("s.csv");
        write(&place, "csv", 0);
        touched(&place, old);
        let (source, stream) = (source("csv", dir.path(), &[]), stream("s", &[("path", "s.csv")]));
        let discovered = discover(source.as_ref(), &stream).expect("readable");
        let (outcome, _) = stepped(source.as_ref(), &stream, &discovered, || change(&place));
        assert_eq!(outcome.expect_err(what).kind(), ErrorKind::SourceChanged, "{what}");
    }
}

#[test]
fn a_file_that_changes_between_two_looks_is_not_loaded_with_the_columns_of_the_first() {
    for (kind, name) in kinds() {
        let dir = tempfile::tempdir().expect("a folder");
        let place = dir.path().join(name);
        write(&place, kind, 0);
        let path = format!("*{}", &name[1..]);
        let (source, stream) = (source(kind, dir.path(), &[]), stream("s", &[("path", path.as_str())]));
        let discovered = discover(source.as_ref(), &stream).expect(name);
        assert!(matches!(discovered.position, Some(Cursor::Files { .. })), "{name}");
        fs::remove_file(&place).expect("removed");
        write(&place, kind, 1);
        let (outcome, _) = stepped(source.as_ref(), &stream, &discovered, || ());
        assert_eq!(outcome.expect_err(name).kind(), ErrorKind::SourceChanged, "{name}");
        if kind == "mysql_dump" {
            continue;
        }
        // Another file has come.
        let discovered = discover(source.as_ref(), &stream).expect(name);
        write(&dir.path().join(format!("t{}", &name[1..])), kind, 9);
        let (outcome, _) = stepped(source.as_ref(), &stream, &discovered, || ());
        assert_eq!(outcome.expect_err(name).kind(), ErrorKind::SourceChanged, "{name}");
    }
}

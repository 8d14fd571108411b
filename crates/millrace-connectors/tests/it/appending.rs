//! Which files a load reads that comes after others.

use std::path::Path;

use millrace_core::cursor::Cursor;
use millrace_core::project::source_file::ReadMode;
use millrace_engine::error::ErrorKind;
use millrace_engine::ports::source::{Source, StreamRequest};

use crate::reading::{discover, is_new, read_since, source, stream};

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).expect("written");
}

/// A folder of files of one stream, and where its last load ended.
struct Drops<'a> {
    source: &'a dyn Source,
    stream: StreamRequest,
    last: Option<Cursor>,
}

impl Drops<'_> {
    /// What a load reads, which finds out first whether anything is new.
    fn load(&mut self) -> Vec<String> {
        let schema = discover(self.source, &self.stream).expect("readable").schema;
        let is_new = self.is_new();
        let loaded = read_since(self.source, &self.stream, &schema, self.last.take()).expect("readable");
        self.last.clone_from(&loaded.outcome.cursor);
        assert!(is_new || loaded.rows.is_empty());
        assert!(!self.is_new(), "it was loaded just now");
        loaded.lines()
    }

    fn is_new(&self) -> bool {
        self.last.as_ref().is_none_or(|last| is_new(self.source, &self.stream, last))
    }

    fn fails(&self) -> ErrorKind {
        let schema = discover(self.source, &self.stream).expect("readable").schema;
        read_since(self.source, &self.stream, &schema, self.last.clone()).expect_err("it fails").kind()
    }
}

#[test]
fn a_file_is_appended_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = source("csv", dir.path(), &[("path", "*.csv")]);
    let stream = StreamRequest { mode: ReadMode::Append, ..stream("s", &[]) };
    let mut drops = Drops { source: source.as_ref(), stream, last: None };
    write(dir.path(), "b.csv", "id\n1\n");
    write(dir.path(), "d.csv", "id\n2\n");
    assert_eq!(drops.load(), ["1", "2"]);
    // In whatever order they come; the same content under another name is another file.
    write(dir.path(), "a.csv", "id\n3\n");
    write(dir.path(), "c.csv", "id\n1\n");
    assert!(drops.is_new());
    assert_eq!(drops.load(), ["3", "1"]);
    // What is gone was loaded, also when it comes back.
    std::fs::remove_file(dir.path().join("b.csv")).expect("gone");
    assert!(!drops.is_new());
    write(dir.path(), "e.csv", "id\n4\n");
    assert_eq!(drops.load(), ["4"]);
    write(dir.path(), "b.csv", "id\n1\n");
    assert!(!drops.is_new());
    for name in ["a.csv", "b.csv", "c.csv", "d.csv", "e.csv"] {
        std::fs::remove_file(dir.path().join(name)).expect("gone");
    }
    assert!(!drops.is_new(), "an empty folder");
    write(dir.path(), "b.csv", "id\n1\n5\n");
    assert!(drops.is_new());
    assert_eq!(drops.fails(), ErrorKind::ContractBroken);
}

#[test]
fn files_are_merged_from_the_first_new_one_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = source("csv", dir.path(), &[("path", "*.csv")]);
    let stream = StreamRequest { mode: ReadMode::Upsert, ..stream("s", &[]) };
    let mut drops = Drops { source: source.as_ref(), stream, last: None };
    for (name, id) in [("b.csv", 1), ("d.csv", 2), ("f.csv", 3)] {
        write(dir.path(), name, &format!("id\n{id}\n"));
    }
    assert_eq!(drops.load(), ["1", "2", "3"]);
    write(dir.path(), "g.csv", "id\n4\n");
    assert_eq!(drops.load(), ["4"]);
    // Rows of a later file go before those of an earlier one, whenever that comes.
    write(dir.path(), "e.csv", "id\n5\n");
    assert_eq!(drops.load(), ["5", "3", "4"]);
    write(dir.path(), "d.csv", "id\n6\n");
    assert_eq!(drops.load(), ["6", "5", "3", "4"]);
    std::fs::remove_file(dir.path().join("b.csv")).expect("gone");
    assert!(!drops.is_new());
    write(dir.path(), "g.csv", "id\n7\n");
    assert_eq!(drops.load(), ["7"]);
}

#[test]
fn a_full_load_reads_all_that_there_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let source = source("csv", dir.path(), &[("path", "*.csv")]);
    let mut drops = Drops { source: source.as_ref(), stream: stream("s", &[]), last: None };
    write(dir.path(), "a.csv", "id\n1\n");
    write(dir.path(), "b.csv", "id\n2\n");
    assert_eq!(drops.load(), ["1", "2"]);
    std::fs::remove_file(dir.path().join("a.csv")).expect("gone");
    assert!(drops.is_new(), "its rows have to go");
    assert_eq!(drops.load(), ["2"]);
}

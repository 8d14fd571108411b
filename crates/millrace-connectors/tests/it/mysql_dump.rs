//! Dumps of a real server, compared with what the server itself says of its values.

use std::io::Write as _;
use std::path::Path;

use millrace_core::project::settings::{Setting, Settings};
use millrace_engine::error::ErrorKind;
use millrace_engine::ports::registry::Registry;
use millrace_engine::ports::source::SourceContext;
use millrace_testkit::mariadb::MariaDb;

use crate::mysql_values::{COLUMNS, ROWS, ask, compare, make_types};
use crate::reading::{Loaded, discover, is_new, load, source, stream, wait};

fn dumped(
    server: &MariaDb,
    dir: &Path,
    arguments: &[&str],
    table: &str,
) -> millrace_engine::error::Result<Loaded> {
    server.dump(&dir.join("dump.sql"), arguments);
    let source = source("mysql_dump", dir, &[("path", "dump.sql")]);
    load(source.as_ref(), &stream(table, &[]))
}

#[test]
fn every_type_as_the_server_has_it() {
    let server = MariaDb::start(&["--default-time-zone=+05:00", "--character-set-server=utf8mb4"]);
    let dir = tempfile::tempdir().expect("a folder");
    make_types(&server);
    let expected = ask(&server);
    assert!(expected.len() == ROWS.len() && expected.iter().all(|row| row.len() == COLUMNS.len()));
    for arguments in [
        &["types"][..],
        &["--hex-blob", "--complete-insert", "--skip-extended-insert", "types"],
        &["--routines", "--triggers", "--events", "--replace", "--databases", "types"],
        &["--skip-comments", "--skip-opt", "--insert-ignore", "--compatible=ansi", "--quote-names", "types"],
    ] {
        let loaded = dumped(&server, dir.path(), arguments, "Types").expect("readable");
        assert_eq!(loaded.schema.primary_key, ["id"], "{arguments:?}");
        compare(&loaded, &expected);
    }
    let path = [("path", "dump.sql")];
    assert_eq!(wait(source("mysql_dump", dir.path(), &path).streams()).expect("streams"), ["types"]);

    let no_zone = dumped(&server, dir.path(), &["--skip-tz-utc", "types"], "types").expect_err("no zone");
    assert!(no_zone.to_diagnostic().hint.is_some_and(|hint| hint.contains("--tz-utc")));
    let latin1 = dumped(&server, dir.path(), &["--default-character-set=latin1", "types"], "types")
        .expect_err("latin1");
    assert!(latin1.to_diagnostic().hint.is_some_and(|hint| hint.contains("utf8mb4")));
    server.run("create database french character set latin1; use french; create table t (a int primary key, b varchar(9), c blob);
        insert into t values (1, 'é€', x'E980');");
    server.dump(&dir.path().join("latin1.sql"), &["--default-character-set=latin1", "french"]);
    let french = source("mysql_dump", dir.path(), &[("path", "latin1.sql"), ("encoding", "latin-1")]);
    assert_eq!(load(french.as_ref(), &stream("t", &[])).expect("readable").lines(), ["1|é€|\\xe980"]);

    // Cut off at any place, a dump is not taken for a whole one.
    server.dump(&dir.path().join("dump.sql"), &["types"]);
    let whole = std::fs::read(dir.path().join("dump.sql")).expect("a dump");
    for part in 1..20 {
        std::fs::write(dir.path().join("cut.sql"), &whole[..whole.len() * part / 20]).expect("written");
        let source = source("mysql_dump", dir.path(), &[("path", "cut.sql")]);
        let error = load(source.as_ref(), &stream("types", &[])).expect_err("cut off");
        assert_eq!(error.kind(), ErrorKind::SourceUnreadable, "{part}");
    }
    odd_columns(&server, dir.path());
    zero_dates(&server, dir.path());
}

/// Columns that the server fills, and columns that it hides.
fn odd_columns(server: &MariaDb, dir: &Path) {
    server.run(
        "create database odd; use odd;
         create table odd (a int primary key, g int as (a * 2) virtual, s int as (a * 3) stored, h int invisible default 7, z text);
         insert into odd (a, h, z) values (1, 8, 'x'), (2, default, null);
         create table `we``ird \"name` (`co``l` int); insert into `we``ird \"name` values (5);",
    );
    for arguments in [&["odd"][..], &["--complete-insert", "odd"]] {
        let loaded = dumped(server, dir, arguments, "odd").expect("readable");
        let names: Vec<&str> = loaded.schema.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["a", "h", "z"]);
        assert_eq!(loaded.lines(), ["1|8|x", "2|7|~"], "{:?}", loaded.quarantined);
        assert_eq!(loaded.quarantined, []);
    }
    let weird = dumped(server, dir, &["odd"], "we`ird \"name").expect("readable");
    assert_eq!((weird.schema.columns[0].name.as_str(), weird.lines()), ("co`l", vec!["5".to_owned()]));
    let missing = dumped(server, dir, &["odd"], "od").expect_err("no such table");
    assert!(missing.to_diagnostic().hint.is_some_and(|hint| hint.contains("odd")));
}

fn zero_dates(server: &MariaDb, dir: &Path) {
    server.run(
        "set sql_mode = ''; create database zero; use zero;
         create table zero (a int primary key, d date not null, t datetime, s timestamp null);
         insert into zero values (1, '0000-00-00', null, null), (2, '2024-02-29', '2024-00-10 01:02:03', null),
           (3, '2024-02-29', null, '0000-00-00 00:00:00'), (4, '2024-02-29', null, null);",
    );
    let loaded = dumped(server, dir, &["zero"], "zero").expect("readable");
    assert_eq!(loaded.lines(), ["4|2024-02-29|~|~"]);
    let columns: Vec<_> =
        loaded.quarantined.iter().map(|row| (row.column.as_deref(), row.code.as_str())).collect();
    assert_eq!(
        columns,
        [(Some("d"), "out-of-range"), (Some("t"), "out-of-range"), (Some("s"), "out-of-range")]
    );
    assert!(loaded.quarantined[1].raw.starts_with("(2,"));

    let source = source("mysql_dump", dir, &[("path", "dump.sql"), ("zero_dates", "null")]);
    let zero = stream("zero", &[]);
    assert!(discover(source.as_ref(), &zero).expect("readable").schema.columns[1].nullable);
    let loaded = load(source.as_ref(), &zero).expect("readable");
    assert_eq!(loaded.lines(), ["1|~|~|~", "2|2024-02-29|~|~", "3|2024-02-29|~|~", "4|2024-02-29|~|~"]);
    let counted: Vec<_> = loaded.outcome.conversions.iter().map(|c| (c.column.as_str(), c.rows)).collect();
    assert_eq!(counted, [("d", 1), ("t", 1), ("s", 1)]);
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).expect("packed");
    encoder.finish().expect("packed")
}

#[test]
fn a_list_of_files_some_of_them_packed() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut rows = String::new();
    for row in 0..500 {
        for table in 0..7 {
            rows += &format!("insert into t{table} values ({row},'{}');\n", "x".repeat(table * 40));
        }
    }
    let schema: Vec<String> =
        (0..7).map(|table| format!("create table t{table} (a int primary key, b text);\n")).collect();
    std::fs::write(dir.path().join("rows.sql.gz"), packed(&rows)).expect("written");
    std::fs::write(dir.path().join("z.sql"), schema.concat()).expect("written");
    let mut registry = Registry::default();
    millrace_connectors::register(&mut registry);
    let context = SourceContext { name: "src".to_owned(), project_dir: dir.path().to_path_buf() };
    let paths = Setting::List(vec!["rows.sql.gz".to_owned(), "z.sql".to_owned()]);
    let settings = Settings::new([("path".to_owned(), paths)]);
    let source = registry.source("mysql_dump").expect("a kind").source(context, &settings).expect("a source");
    assert_eq!(wait(source.streams()).expect("streams").len(), 7);
    for table in 0..7 {
        let stream = stream(&format!("t{table}"), &[]);
        let loaded = load(source.as_ref(), &stream).expect("readable");
        assert_eq!((loaded.rows.len(), loaded.quarantined.len()), (500, 0));
        assert_eq!(loaded.rows[499][0].as_deref(), Some("499"));
        let cursor = loaded.outcome.cursor.expect("a position");
        assert!(!is_new(source.as_ref(), &stream, &cursor), "nothing is new");
    }
    // A file that has changed is read through again.
    std::fs::write(dir.path().join("rows.sql.gz"), packed("insert into t0 values (7,'y');"))
        .expect("written");
    assert_eq!(load(source.as_ref(), &stream("t0", &[])).expect("readable").lines(), ["7|y"]);
    assert_eq!(load(source.as_ref(), &stream("t1", &[])).expect("readable").lines(), [""; 0]);
}

#[test]
fn files_that_are_no_dump() {
    let dir = tempfile::tempdir().expect("a folder");
    for (name, bytes, expected) in [
        ("a.sql", vec![], "no statement"),
        ("a.sql.gz", packed(""), "no statement"),
        ("a.sql.bz2", b"BZh91AY&SYxxxxxxxxxx".to_vec(), "packed by bzip2"),
        ("a.sql.xz", b"\xFD7zXZ\0\0\x04xxxxxxxx".to_vec(), "packed by xz"),
        ("a.zip", b"PK\x03\x04xxxxxxxxxxxx".to_vec(), "ZIP archive"),
        ("b.sql", b"insert into t values (1);".to_vec(), "no file of the dump creates the table"),
        (
            "c.sql",
            b"-- MySQL dump 10.13\ncreate table t (a int);\n-- Dump completed".to_vec(),
            "no rows of any",
        ),
    ] {
        std::fs::write(dir.path().join(name), bytes).expect("written");
        let source = source("mysql_dump", dir.path(), &[("path", name)]);
        let error = load(source.as_ref(), &stream("t", &[])).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::SourceUnreadable, "{name}");
        assert!(error.to_string().contains(expected), "{name}: {error}");
    }
    let mut registry = Registry::default();
    millrace_connectors::register(&mut registry);
    let context = SourceContext { name: "src".to_owned(), project_dir: dir.path().to_path_buf() };
    let settings = Settings::new([("time_zone".to_owned(), Setting::Text("Mars/Base".to_owned()))]);
    let error =
        registry.source("mysql_dump").expect("a kind").source(context, &settings).err().expect("no zone");
    assert!(error.to_string().contains("Mars/Base"), "{error}");
}

//! MySQL 5.6: no JSON, no TLS, passwords of two kinds, values that later servers refuse.

use std::path::Path;

use millrace_engine::error::ErrorKind;
use millrace_engine::ports::source::StreamRequest;
use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::mysql;

use super::doctor::{assert_says, findings};
use super::{READER, live, url};
use crate::reading::{discover, load, read_since, source, stream, wait};

fn started() -> MariaDb {
    let server = mysql::start(&["--character-set-server=latin1", "--default-time-zone=+05:00"]);
    server.run(READER);
    server
}

/// Column, definition, value in SQL, and what is read; `~` is NULL.
const VALUES: &[(&str, &str, &str, &str)] = &[
    ("tiny", "tinyint(1)", "7", "7"),
    ("utiny", "tinyint unsigned", "255", "255"),
    ("big", "bigint", "-9223372036854775808", "-9223372036854775808"),
    ("ubig", "bigint unsigned", "18446744073709551615", "18446744073709551615"),
    ("filled", "int(8) zerofill", "42", "42"),
    (
        "wide",
        "decimal(65,30)",
        "'-12345678901234567890123456789012345.000000000000000000000000000001'",
        "-12345678901234567890123456789012345.000000000000000000000000000001",
    ),
    ("day", "date", "'9999-12-31'", "9999-12-31"),
    ("moment", "datetime(6)", "'1000-01-01 00:00:00.000001'", "1000-01-01T00:00:00.000001"),
    ("year4", "year", "2155", "2155"),
    (
        "bits",
        "bit(64)",
        "b'1111111111111111111111111111111111111111111111111111111111111111'",
        "18446744073709551615",
    ),
    ("label", "enum('a','é')", "'é'", "é"),
    ("labels", "set('x','y','z')", "'x,z'", "x,z"),
    ("latin", "varchar(9) character set latin1", "'é€'", "é€"),
    ("japanese", "varchar(9) character set sjis", "'日本'", "日本"),
    ("emoji", "varchar(9) character set utf8mb4", "'🦆'", "🦆"),
    ("nothing", "int", "null", "~"),
];

#[test]
fn types_as_the_server_has_them() {
    let server = started();
    let columns: Vec<String> = VALUES.iter().map(|(name, kind, ..)| format!("{name} {kind} null")).collect();
    let values: Vec<&str> = VALUES.iter().map(|(_, _, value, _)| *value).collect();
    server.run(&format!(
        "set names utf8mb4; create database d; use d; create table t (id int primary key, {}); insert into t values (1, {});
         create table odd (id int primary key, zero date, long_time time, label enum('a') not null);
         set sql_mode = ''; insert into odd values (1, '0000-00-00', '838:59:59', 'b'), (2, '2024-02-29', '-00:00:01', 'a');",
        columns.join(", "),
        values.join(", ")
    ));
    let source = live(&server, "d");
    assert_eq!(wait(source.streams()).expect("streams"), ["odd", "t"]);
    let loaded = load(source.as_ref(), &stream("t", &[])).expect("readable");
    assert_eq!(loaded.schema.primary_key, ["id"]);
    for ((name, _, _, expected), found) in VALUES.iter().zip(&loaded.rows[0][1..]) {
        assert_eq!(found.as_deref().unwrap_or("~"), *expected, "{name}");
    }
    let odd = load(source.as_ref(), &stream("odd", &[])).expect("readable");
    assert_eq!((odd.rows.len(), odd.quarantined.len()), (1, 1));
    let odd = load(source.as_ref(), &stream("odd", &[("zero_dates", "null")])).expect("readable");
    assert_eq!((odd.rows.len(), odd.rows[0][1].as_deref(), odd.rows[0][3].as_deref()), (2, None, Some("")));
}

#[test]
fn what_has_come_is_read_and_what_is_refused_is_said() {
    let server = started();
    server
        .run("create database d; use d; create table t (id int primary key); insert into t values (1), (2);");
    let source_of_d = live(&server, "d");
    let grown = StreamRequest {
        mode: millrace_core::project::source_file::ReadMode::Incremental,
        ..stream("t", &[("cursor", "id"), ("lag", "0")])
    };
    let schema = discover(source_of_d.as_ref(), &grown).expect("columns").schema;
    let first = read_since(source_of_d.as_ref(), &grown, &schema, None).expect("readable");
    assert_eq!(first.rows.len(), 2);
    server.run("insert into d.t values (3)");
    let more = read_since(source_of_d.as_ref(), &grown, &schema, first.outcome.cursor).expect("readable");
    assert!(
        more.lines().contains(&"3".to_owned()) && !more.lines().contains(&"1".to_owned()),
        "{:?}",
        more.lines()
    );

    server.run("create user sha identified with sha256_password; set old_passwords = 2; set password for sha = password('s3cret');");
    let good = url(&server, "d");
    for (url, words) in [
        (format!("{good}?ssl-mode=REQUIRED"), "has no TLS, which `ssl-mode=REQUIRED` asks for"),
        (format!("{good}?ssl-mode=VERIFY_IDENTITY"), "has no TLS"),
        (good.replace("reader", "root").replace("p%40ss%3Aw%2Frd", "s3cret"), "does not let user `root` in"),
        (
            good.replace("reader", "sha").replace("p%40ss%3Aw%2Frd", "s3cret"),
            "asks user `sha` for `sha256_password`, which is not supported",
        ),
        (url_of(&server, "nowhere"), "has no database `nowhere`"),
    ] {
        let error = wait(source("mysql", Path::new("."), &[("url", &url)]).streams()).expect_err(words);
        assert_eq!(error.kind(), ErrorKind::SourceUnreachable);
        let text = format!("{error} {:?}", error.to_diagnostic().hint);
        assert!(text.contains(words) && !text.contains("s3cret"), "{text}");
    }
    for mode in ["PREFERRED", "DISABLED"] {
        let url = format!("{good}?ssl-mode={mode}");
        assert_eq!(wait(source("mysql", Path::new("."), &[("url", &url)]).streams()).expect("let in"), ["t"]);
    }
}

fn url_of(server: &MariaDb, database: &str) -> String {
    format!("mysql://root@127.0.0.1:{}/{database}", server.port())
}

#[test]
fn every_row_once_over_several_connections() {
    let server = started();
    server.run("grant replication client on *.* to reader");
    super::parallel::every_row_once(&server);
}

#[test]
fn several_connections_see_one_moment() {
    let server = started();
    server.run("grant replication client on *.* to reader");
    super::parallel::one_moment(&server, &[]);
}

#[test]
fn only_what_has_come_is_read_again() {
    let server = started();
    super::incremental::read_again(&server);
    super::incremental::numbers_and_days(&server);
}

#[test]
fn doctor_says_what_keeps_it_from_one_moment() {
    let server = started();
    server.run("create database d; create table d.t (id int primary key)");
    let found = findings(&server, &[], &["t"]);
    let why = "server doubtful: large tables are read over one connection: the user may not see the server's binlog position";
    assert_says(
        &found,
        &[why, "grant replication client on *.* to 'reader'@'%'", "may read each stream's table"],
    );
    server.run("grant replication client on *.* to reader");
    let found = findings(&server, &[], &["t"]);
    assert_says(
        &found,
        &["server good: several connections can read at one moment", "of transactions on their way"],
    );
}

//! What `doctor` says of a user's privileges, and of whether several connections can see one moment.

use std::path::Path;

use millrace_testkit::mariadb::MariaDb;

use super::{start, url};
use crate::reading::{source, stream, wait};

/// Findings of a source with these settings beside its URL, a line each, of a stream for each table.
pub(super) fn findings(server: &MariaDb, pairs: &[(&str, &str)], tables: &[&str]) -> String {
    let url = url(server, "d");
    let mut all = vec![("url", url.as_str())];
    all.extend(pairs);
    let streams: Vec<_> = tables.iter().map(|table| stream(table, &[])).collect();
    let found = wait(source("mysql", Path::new("/"), &all).diagnose(&streams));
    let line = |finding: &millrace_engine::ports::diagnosis::Finding| {
        let hint = finding.hint.as_deref().unwrap_or_default();
        format!("{} {}: {} {hint}\n", finding.layer.word(), finding.verdict.word(), finding.saw)
    };
    found.findings().iter().map(line).collect()
}

/// Each of the words is in it.
pub(super) fn assert_says(found: &str, words: &[&str]) {
    for word in words {
        assert!(found.contains(word), "{word}\n{found}");
    }
}

#[test]
fn what_a_user_lacks_is_said() {
    let server = start(&[]);
    server.run(
        "create database d; use d; create table a (id int primary key); create table b (id int primary key, n int); create table c (id int); \
         revoke select on *.* from reader; grant select on d.a to reader; grant select (n) on d.b to reader; grant insert on d.c to reader;",
    );
    let found = findings(&server, &[], &["a", "b"]);
    assert_says(
        &found,
        &[
            "privileges good: may read each stream's table",
            "server doubtful: large tables are read over one connection: the server keeps no binlog `snapshot: lock` makes",
        ],
    );
    let found = findings(&server, &[], &["a", "c", "none"]);
    assert_says(
        &found,
        &[
            "privileges doubtful: user `reader` may not read `c`, `none`, or they are not there",
            "grant select on `d`.`c` to 'reader'@'%'",
        ],
    );
    let found = findings(&server, &[("connections", "1")], &["a"]);
    assert_says(
        &found,
        &["server good: large tables are read over one connection, as `connections: 1` says"],
    );
    let lacks = "privileges doubtful: `snapshot: lock` needs the privilege `LOCK TABLES`";
    let found = findings(&server, &[("snapshot", "lock")], &["a"]);
    assert_says(&found, &[lacks, "grant lock tables on `d`.* to 'reader'@'%'"]);
    server.run("grant lock tables on d.* to reader");
    assert!(!findings(&server, &[("snapshot", "lock")], &["a"]).contains("LOCK TABLES"));
    server.run("grant usage on *.* to reader with max_user_connections 1");
    let found = findings(&server, &[], &["a"]);
    assert_says(&found, &["the server lets this user have no more Raise the user's `max_user_connections`."]);
}

//! MySQL 9: no `mysql_native_password`, certificates of its own, JSON.

use std::path::Path;

use millrace_engine::ports::keys::KeyHash;
use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::mysql;

use super::READER;
use super::doctor::{assert_says, findings};
use crate::reading::{load, source, stream};

/// What comes of a user's connection with parameters: whether it is encrypted.
fn connect(server: &MariaDb, user: &str, parameters: &str) -> Result<bool, String> {
    let url = format!("mysql://{user}@127.0.0.1:{}/d?{parameters}", server.port());
    let source = source("mysql", Path::new("/"), &[("url", &url)]);
    match load(source.as_ref(), &stream("whether_encrypted", &[])) {
        Ok(loaded) => Ok(loaded.rows[0][0].as_deref() == Some("1")),
        Err(error) => {
            let text = format!("{error} [{}]", error.to_diagnostic().hint.unwrap_or_default());
            assert!(!text.contains("s3cret"), "{text}");
            Err(text)
        }
    }
}

#[test]
fn passwords_types_and_its_own_certificate() {
    let server = mysql::start_9(&["--log-bin", "--performance-schema=ON"]);
    server.run(
        "create database d; create user full identified with caching_sha2_password by 's3cret';
         create user sha identified with sha256_password by 's3cret'; create user blank identified with caching_sha2_password by '';
         grant select on *.* to full, sha, blank;
         create sql security invoker view d.whether_encrypted as
           select variable_value <> '' as encrypted from performance_schema.session_status where variable_name = 'Ssl_cipher';
         create table d.t (id int primary key, j json, d decimal(65,30), e enum('a','é'), b bit(64));
         insert into d.t values (1, '{\"a\": [1, null]}', -12345678901234567890123456789012345.000000000000000000000000000001, 'é', ~0);",
    );
    let ca = server.file("data/ca.pem").display().to_string();
    for (parameters, encrypted) in [
        // Without TLS the password is encrypted for the server's key; afterwards the server has it in its cache.
        ("ssl-mode=DISABLED".to_owned(), false),
        ("ssl-mode=DISABLED".to_owned(), false),
        ("ssl-mode=REQUIRED".to_owned(), true),
        (String::new(), true),
        (format!("ssl-ca={ca}"), true),
    ] {
        assert_eq!(connect(&server, "full:s3cret", &parameters), Ok(encrypted), "{parameters}");
    }
    // In TLS the first time, too.
    server.run("flush privileges");
    for _ in 0..2 {
        assert_eq!(connect(&server, "full:s3cret", "ssl-mode=REQUIRED"), Ok(true));
        assert_eq!(connect(&server, "blank", "ssl-mode=REQUIRED"), Ok(true));
    }
    for (user, parameters, words) in [
        ("full:wr0ng", "ssl-mode=DISABLED".to_owned(), "does not let user `full` in"),
        ("full:wr0ng", "ssl-mode=REQUIRED".to_owned(), "does not let user `full` in"),
        (
            "sha:s3cret",
            "ssl-mode=REQUIRED".to_owned(),
            "asks user `sha` for `sha256_password`, which is not supported",
        ),
        (
            "sha:s3cret",
            "ssl-mode=DISABLED".to_owned(),
            "asks user `sha` for `sha256_password`, which is not supported",
        ),
        ("full:s3cret", format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}"), "not for `127.0.0.1`"),
        ("full:s3cret", "ssl-mode=VERIFY_CA".to_owned(), "who is not among those that are trusted"),
    ] {
        let error = connect(&server, user, &parameters).expect_err(&parameters);
        assert!(error.contains(words), "{user} {parameters}: {error}");
    }
    let url = format!("mysql://full:s3cret@127.0.0.1:{}/d", server.port());
    let loaded = load(source("mysql", Path::new("/"), &[("url", &url)]).as_ref(), &stream("t", &[]))
        .expect("readable");
    assert_eq!(
        loaded.lines(),
        [
            "1|{\"a\": [1, null]}|-12345678901234567890123456789012345.000000000000000000000000000001|é|18446744073709551615"
        ]
    );
}

/// A server that tells of transactions on their way, and a user who may see where it is in its binlog.
fn with_gtids() -> MariaDb {
    let server = mysql::start_9(&["--gtid-mode=ON", "--enforce-gtid-consistency=ON"]);
    server.run(READER);
    server.run("grant replication client on *.* to reader");
    server
}

#[test]
fn every_row_once_over_several_connections() {
    super::parallel::every_row_once(&with_gtids());
}

#[test]
fn several_connections_see_one_moment() {
    super::parallel::one_moment(&with_gtids(), &[]);
}

/// It has no `md5()`.
#[test]
fn keys_are_told_by_another_hash() {
    let server = mysql::start_9(&[]);
    server.run(READER);
    super::keys::told_by_sums(&server, KeyHash::Sha256);
}

#[test]
fn only_what_has_come_is_read_again() {
    let server = mysql::start_9(&["--default-time-zone=+05:00"]);
    server.run(READER);
    super::incremental::read_again(&server);
    super::incremental::numbers_and_days(&server);
}

/// Without GTIDs, and with a user who may or may not see where it is in its binlog.
#[test]
fn doctor_and_a_quiet_server() {
    let server = mysql::start_9(&["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]);
    server.run(READER);
    server.run("create database d; create database p; create table d.t (id int primary key)");
    super::numbers(&server, "p", 2000);
    let why = "the user may not see the server's binlog position";
    let read = || {
        let loaded =
            load(&*super::parallel::parallel(&server, &[]), &stream("numbers", &[])).expect("readable");
        assert_eq!(loaded.rows.len(), 2000);
        loaded.outcome.how
    };
    assert_says(
        &findings(&server, &[], &["t"]),
        &[
            "server good: 9.",
            "server good: binary log ROW, row image FULL",
            &format!("server doubtful: large tables are read over one connection: {why}"),
            "grant replication client on *.* to 'reader'@'%'",
        ],
    );
    assert_eq!(read(), Some(format!("over one connection: {why}")));
    server.run("grant replication client on *.* to reader");
    assert_says(&findings(&server, &[], &["t"]), &["can read at one moment, while little is written"]);
    assert_eq!(read().as_deref(), Some("over 3 connections"));
}

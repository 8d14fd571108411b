//! A server that is reached over a socket of this machine, and no other way.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use millrace_engine::error::{Error, ErrorKind};
use millrace_engine::ports::diagnosis::{Diagnosis, Verdict};
use millrace_engine::ports::source::Source;
use millrace_testkit::mariadb::MariaDb;

use super::start;
use crate::reading::{load, source, stream, wait};

/// As a URL has it in the place of a host.
fn encoded(path: &str) -> String {
    path.replace('/', "%2F")
}

fn of(pairs: &[(&str, &str)]) -> Arc<dyn Source> {
    source("mysql", Path::new("."), pairs)
}

fn layers(found: &Diagnosis) -> Vec<(&'static str, Verdict)> {
    found.findings().iter().map(|finding| (finding.layer.word(), finding.verdict)).collect()
}

fn shown(error: &Error) -> String {
    format!("{error} [{}]", error.to_diagnostic().hint.unwrap_or_default())
}

#[test]
fn without_a_network() {
    let server = start(&["--skip-networking"]);
    server.run("create database db; create table db.t (id int primary key, v text); insert into db.t values (1, 'é'), (2, 'b')");
    let path = server.file("s").display().to_string();
    let password = "p%40ss%3Aw%2Frd";
    for pairs in [
        vec![("url", format!("mysql://reader:{password}@{}/db", encoded(&path)))],
        vec![("url", format!("mysql://reader:{password}@localhost/db?socket={path}"))],
        vec![("url", format!("mysql://reader:{password}@/db")), ("socket", path.clone())],
        vec![
            ("url", "mysql://localhost/db".to_owned()),
            ("socket", path.clone()),
            ("user", "reader".to_owned()),
            ("password", "p@ss:w/rd".to_owned()),
        ],
    ] {
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let source = of(&pairs);
        assert_eq!(wait(source.streams()).expect("let in"), ["t"], "{pairs:?}");
        assert_eq!(load(source.as_ref(), &stream("t", &[])).expect("readable").lines(), ["1|é", "2|b"]);
        let found = wait(source.diagnose(&[stream("t", &[])]));
        assert!(!found.has_failed(), "{found:?}");
        let layers = layers(&found);
        for layer in ["dns", "tcp", "tls", "authentication", "database", "privileges", "server"] {
            assert!(layers.iter().any(|(word, _)| *word == layer), "{layer}: {layers:?}");
        }
        assert!(
            found.findings().iter().any(|finding| finding.saw == format!("`{path}` answers")),
            "{found:?}"
        );
    }
    // A large one over several connections.
    server.run("use db; create table db.large (id int primary key, v char(50) not null default 'x'); insert into db.large (id) select seq from seq_1_to_5000");
    let pairs = [("url", format!("mysql://reader:{password}@{}/db", encoded(&path)))];
    let pairs = [("url", pairs[0].1.as_str()), ("range_rows", "500"), ("snapshot", "lock")];
    server.run("grant lock tables on *.* to reader");
    let large = load(of(&pairs).as_ref(), &stream("large", &[])).expect("readable");
    assert_eq!(large.rows.len(), 5000);
    assert_eq!(large.outcome.how.as_deref(), Some("over 4 connections"));
}

#[test]
fn as_the_systems_user() {
    let server = MariaDb::start(&["--skip-networking"]);
    let output = Command::new("id").arg("-un").output().expect("`id` runs");
    let user = String::from_utf8(output.stdout).expect("a name").trim().to_owned();
    server.run("create database db; create table db.t (id int primary key); insert into db.t values (7); create user other@localhost identified via unix_socket; grant select on db.* to other@localhost");
    let verb = if user == "root" { "alter" } else { "create" };
    server.run(&format!(
        "{verb} user {user}@localhost identified via unix_socket; grant select on db.* to {user}@localhost"
    ));
    let path = server.file("s").display().to_string();
    let own = of(&[("url", &format!("mysql://{user}@{}/db", encoded(&path)))]);
    assert_eq!(load(own.as_ref(), &stream("t", &[])).expect("readable").lines(), ["7"]);
    let found = wait(own.diagnose(&[]));
    assert!(!found.has_failed(), "{found:?}");
    // Somebody else's account, for which the system's word is asked.
    let other = of(&[("url", &format!("mysql://other@{}/db", encoded(&path)))]);
    let error = wait(other.streams()).expect_err("another user");
    assert_eq!(error.kind(), ErrorKind::SourceUnreachable);
    assert!(shown(&error).contains(&format!("`{path}` does not let user `other` in")), "{}", shown(&error));
    assert!(shown(&error).contains("unix_socket"), "{}", shown(&error));
    let found = wait(other.diagnose(&[]));
    assert!(layers(&found).contains(&("authentication", Verdict::Failed)), "{found:?}");
}

#[test]
fn sockets_that_are_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let gone = folder.path().join("gone.sock").display().to_string();
    let file = folder.path().join("file").display().to_string();
    std::fs::write(&file, "").expect("written");
    let dead = folder.path().join("dead.sock").display().to_string();
    drop(std::os::unix::net::UnixListener::bind(&dead).expect("a socket"));
    let long = format!("/{}", "a".repeat(200));
    for (path, words) in [
        (&gone, "Is the server running, and is that its socket?"),
        (&file, "nobody listens at it"),
        (&dead, "nobody listens at it"),
        (&long, "up to 107 bytes"),
    ] {
        let source = of(&[("url", &format!("mysql://u@{}/d", encoded(path)))]);
        let error = wait(source.streams()).expect_err("no server");
        assert_eq!(error.kind(), ErrorKind::SourceUnreachable, "{}", shown(&error));
        assert!(shown(&error).contains(&format!("`{path}` cannot be reached")), "{}", shown(&error));
        assert!(shown(&error).contains(words), "{words}: {}", shown(&error));
        let found = wait(source.diagnose(&[]));
        assert_eq!(layers(&found)[..2], [("dns", Verdict::Good), ("tcp", Verdict::Failed)], "{found:?}");
    }
}

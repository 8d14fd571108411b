//! A server that is there, and says nothing any more.

use std::path::Path;
use std::sync::Arc;

use millrace_engine::error::ErrorKind;
use millrace_engine::ports::source::Source;
use millrace_testkit::certificates::{Authority, Wanted};
use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::proxy::{Fault, How, Proxy, Way, When};

use super::{READER, start};
use crate::reading::{discover, load, read, source, stream};

fn patient(server: &MariaDb, port: u16, mode: &str, read_timeout: &str) -> Arc<dyn Source> {
    server.run("create database if not exists s; use s; create table if not exists s.t (id int primary key, note text) as select seq as id, md5(seq) as note from seq_1_to_5000");
    let url = format!("mysql://reader:p%40ss%3Aw%2Frd@127.0.0.1:{port}/s?ssl-mode={mode}");
    source("mysql", Path::new("."), &[("url", &url), ("read_timeout", read_timeout)])
}

#[test]
fn silence_in_the_middle_of_rows_ends_a_read() {
    let server = MariaDb::start_with(
        &Authority::new("a root").sign(Wanted { common: "db", ..Wanted::default() }),
        &[],
    );
    server.run(READER);
    let proxy = Proxy::start(server.port());
    for (mode, way, bytes) in [
        ("DISABLED", Way::ToClient, 100_000),
        ("DISABLED", Way::ToServer, 1_300),
        ("REQUIRED", Way::ToClient, 100_000),
    ] {
        let source = patient(&server, proxy.port(), mode, "300ms");
        let schema = discover(source.as_ref(), &stream("t", &[])).expect("readable").schema;
        proxy.set(Fault { way, when: When::Bytes(bytes), how: How::Stall });
        let error = read(source.as_ref(), &stream("t", &[]), &schema).expect_err("it is silent");
        assert!(proxy.clear(), "{mode} {way:?}: not met");
        assert_eq!(error.kind(), ErrorKind::SourceLost, "{mode} {way:?}: {error}");
        let said = format!("`127.0.0.1:{}` has said nothing for 300 ms", proxy.port());
        assert!(error.to_string().contains(&said), "{mode} {way:?}: {error}");
        let hint = error.to_diagnostic().hint.expect("a hint");
        assert!(hint.contains("`read_timeout`"), "{hint}");
        proxy.let_go();
        // The way is whole again.
        assert_eq!(load(source.as_ref(), &stream("t", &[])).expect("readable").rows.len(), 5000);
    }
}

#[test]
fn a_length_of_time_that_is_none_is_told() {
    let server = start(&[]);
    let source = patient(&server, server.port(), "DISABLED", "300");
    let error = discover(source.as_ref(), &stream("t", &[])).expect_err("no unit");
    assert_eq!(error.message(), "`read_timeout: 300` is no length of time");
}

//! A live server, read as the engine reads it, compared with what the server itself says and with its dumps.

use std::path::Path;
use std::sync::Arc;

use millrace_engine::ports::source::Source;
use millrace_testkit::mariadb::MariaDb;

use crate::mysql_values::{COLUMNS, ask, compare, make_types};
use crate::reading::{load, source, stream, wait};

mod breaking;
mod columns;
mod doctor;
mod edges;
mod incremental;
mod keys;
mod moment;
#[cfg(feature = "test-mysql-9")]
mod new_server;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod old_server;
mod parallel;
mod refusal;
mod socket;
mod stalled;
mod tls;
pub(crate) mod values;

/// A user who may read everything, and nothing else.
pub(crate) const READER: &str =
    "create user reader identified by 'p@ss:w/rd'; grant select on *.* to reader;";

/// Starts a server with a user `reader`.
pub(crate) fn start(options: &[&str]) -> MariaDb {
    let server = MariaDb::start(options);
    // Users without a name would be found before `reader`.
    let anonymous =
        server.run("select concat('drop user ''''@''', host, ''';') from mysql.user where user = '';");
    server.run(&anonymous);
    server.run(READER);
    server
}

/// A table `numbers` with the numbers from 1 on, in a database that is there. MariaDB alone has such sequences of its own.
pub(crate) fn numbers(server: &MariaDb, database: &str, count: u32) {
    let rows: Vec<String> = (1..=count).map(|number| format!("({number})")).collect();
    server.run(&format!(
        "create table {database}.numbers (seq int primary key); insert into {database}.numbers values {};",
        rows.join(", ")
    ));
}

/// The address of a database for that user.
pub(crate) fn url(server: &MariaDb, database: &str) -> String {
    format!("mysql://reader:p%40ss%3Aw%2Frd@127.0.0.1:{}/{database}", server.port())
}

/// A source that reads a database.
pub(crate) fn live(server: &MariaDb, database: &str) -> Arc<dyn Source> {
    source("mysql", Path::new("."), &[("url", &url(server, database))])
}

#[test]
fn every_type_as_the_server_and_its_dump_have_it() {
    let server = start(&["--default-time-zone=+05:00", "--character-set-server=latin1"]);
    make_types(&server);
    let live = live(&server, "types");
    let loaded = load(live.as_ref(), &stream("Types", &[])).expect("readable");
    assert_eq!(loaded.schema.primary_key, ["id"]);
    compare(&loaded, &ask(&server));
    assert_eq!(wait(live.streams()).expect("streams"), ["types", "v"]);

    let dir = tempfile::tempdir().expect("a folder");
    server.dump(&dir.path().join("dump.sql"), &["types"]);
    let dump = source("mysql_dump", dir.path(), &[("path", "dump.sql")]);
    let dumped = load(dump.as_ref(), &stream("types", &[])).expect("readable");
    assert_eq!(dumped.schema, loaded.schema);
    assert_eq!(dumped.rows, loaded.rows);
    assert_eq!(COLUMNS.len(), loaded.schema.columns.len());
    values::extremes(&server);
}

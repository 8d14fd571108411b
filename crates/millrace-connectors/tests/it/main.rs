//! Connectors from the outside, as the engine calls them.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[cfg(feature = "files")]
mod cell_text;
#[cfg(feature = "duckdb")]
mod duckdb;
#[cfg(all(feature = "json", feature = "csv"))]
mod files;
#[cfg(feature = "mysql-dump")]
mod mariadb;
#[cfg(feature = "mysql-dump")]
mod mysql_dump;
#[cfg(feature = "files")]
mod reading;

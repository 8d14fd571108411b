//! Connectors from the outside, as the engine calls them.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[cfg(all(feature = "json", feature = "csv"))]
mod appending;
#[cfg(feature = "files")]
mod cell_text;
#[cfg(all(feature = "json", feature = "csv", feature = "parquet", feature = "mysql-dump"))]
mod changing;
#[cfg(all(feature = "mysql", feature = "mysql-dump", feature = "duckdb", feature = "postgres"))]
mod differential;
#[cfg(feature = "duckdb")]
mod duckdb;
#[cfg(feature = "duckdb")]
mod duckdb_publish;
#[cfg(all(feature = "mysql", feature = "mysql-dump"))]
mod dump_literals;
#[cfg(all(feature = "mysql", feature = "mysql-dump"))]
mod dump_statements;
#[cfg(all(feature = "json", feature = "csv"))]
mod files;
#[cfg(any(feature = "duckdb", feature = "postgres"))]
mod folding;
#[cfg(all(feature = "json", feature = "csv"))]
mod growing;
#[cfg(any(feature = "duckdb", feature = "postgres"))]
mod leasing;
#[cfg(any(feature = "duckdb", feature = "postgres"))]
mod merging;
#[cfg(all(feature = "mysql", feature = "mysql-dump"))]
mod mysql;
#[cfg(all(feature = "mysql", feature = "mysql-dump"))]
mod mysql_dump;
#[cfg(all(feature = "mysql", feature = "mysql-dump"))]
mod mysql_values;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_storm;
#[cfg(any(feature = "duckdb", feature = "postgres"))]
mod publishing;
#[cfg(feature = "files")]
mod reading;
#[cfg(all(feature = "json", feature = "csv"))]
mod remote;
#[cfg(any(feature = "duckdb", feature = "postgres"))]
mod secrets;

//! The connectors of Millrace: one folder for each system that it reads or writes, and one line for
//! each in [`register`].
//!
//! Each connector is a feature of this crate, so that a build has only the libraries that it needs.
//! `files` holds what readers of files share, `mysql_types` what a MySQL server and a dump share,
//! and `reachability`, `timeouts` and `tls` what connections to servers share.

#[cfg(feature = "csv")]
pub mod csv_files;
#[cfg(feature = "duckdb")]
pub mod duckdb;
#[cfg(feature = "files")]
#[cfg_attr(
    not(all(feature = "csv", feature = "json", feature = "mysql-dump")),
    allow(dead_code, reason = "each format uses a part of it")
)]
mod files;
#[cfg(feature = "fuzz")]
#[doc(hidden)]
pub mod fuzz;
#[cfg(feature = "json")]
pub mod json_files;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "mysql-dump")]
pub mod mysql_dump;
#[cfg(any(feature = "mysql", feature = "mysql-dump"))]
#[cfg_attr(
    not(all(feature = "mysql", feature = "mysql-dump")),
    allow(dead_code, reason = "a server and a dump each use a part of it")
)]
mod mysql_types;
#[cfg(feature = "parquet")]
pub mod parquet_files;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "tls")]
mod reachability;
#[cfg(any(
    feature = "csv",
    feature = "duckdb",
    feature = "json",
    feature = "mysql-dump",
    feature = "parquet"
))]
mod size;
#[cfg(feature = "tls")]
#[cfg_attr(
    not(all(feature = "mysql", feature = "postgres")),
    allow(dead_code, reason = "each server uses a part of it")
)]
mod timeouts;
#[cfg(feature = "tls")]
#[cfg_attr(
    not(all(feature = "mysql", feature = "postgres")),
    allow(dead_code, unreachable_pub, reason = "each server uses a part of it")
)]
mod tls;

use millrace_engine::ports::registry::Registry;

/// Adds every connector of this build to the registry.
pub fn register(registry: &mut Registry) {
    #[cfg(feature = "csv")]
    registry.add_source(csv_files::Csv);
    #[cfg(feature = "json")]
    registry.add_source(json_files::Json);
    #[cfg(feature = "json")]
    registry.add_source(json_files::Ndjson);
    #[cfg(feature = "mysql")]
    registry.add_source(mysql::Mysql);
    #[cfg(feature = "mysql-dump")]
    registry.add_source(mysql_dump::MysqlDump);
    #[cfg(feature = "parquet")]
    registry.add_source(parquet_files::Parquet);
    #[cfg(feature = "postgres")]
    registry.add_warehouse(postgres::Postgres);
    #[cfg(feature = "duckdb")]
    {
        registry.add_warehouse(duckdb::Duckdb);
        registry.set_portable(std::sync::Arc::new(duckdb::DuckdbAnalyzer::default()), duckdb::open_scratch);
    }
}

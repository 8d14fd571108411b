//! Types and values of MySQL and MariaDB tables, shared by the connectors for live servers
//! (`mysql`) and dumps (`mysql_dump`).
//!
//! Both use one table of types and one conversion of values, so a project can switch between a
//! server and its dump and load the same data.

pub(crate) mod logical;
pub(crate) mod stored;
pub(crate) mod zero_dates;

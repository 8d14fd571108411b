//! Compilation of a project: streams, models, metrics and dashboards are resolved by name and
//! checked against captured schemas. Nothing in this stage changes a warehouse.

pub mod bi_types;
pub mod catalog;
pub mod check;
pub mod compiled;
pub mod contract;
mod excluded_streams;
pub(crate) mod known_columns;
pub(crate) mod masks;
pub mod recapture;
mod stream_names;
pub(crate) mod table_names;
pub mod unknown_columns;
mod unset_variables;

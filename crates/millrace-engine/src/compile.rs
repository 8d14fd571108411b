//! A project, compiled and checked: streams, models, metrics and pages by name, against captured schemas. Nothing here changes a
//! warehouse.

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

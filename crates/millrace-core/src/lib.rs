//! The domain of Millrace: turns project files into diagnostics, a build graph, SQL text and exact
//! metric results.
//!
//! **Does no I/O, reads no clock, spawns nothing.** Time and file contents are arguments.

pub mod code;
pub mod cursor;
pub mod diagnostic;
pub mod digest;
pub mod graph;
pub mod mask;
pub mod materialization;
pub mod metric;
pub mod name;
pub mod natural;
pub mod project;
pub mod quality;
pub mod quarantine;
pub mod render;
pub mod schedule;
pub mod schema;
pub mod sql;
pub mod suggest;
pub mod time_zone;
pub mod value;
pub mod visible;

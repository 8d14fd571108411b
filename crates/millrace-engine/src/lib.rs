//! Orchestration: reads sources, loads the warehouse, builds and tests models, publishes.
//!
//! Names no database product; connectors do that, behind the traits of [`source`] and [`warehouse`].

pub mod batch;
pub mod cancel;
pub mod catalog;
pub mod check;
pub mod compiled;
pub mod contract;

pub mod deletes;
mod destination;
pub mod diagnosis;
pub mod error;
pub mod event;
mod excluded;
pub mod fault;
pub mod keys;
pub mod lease;
mod load;
mod load_columns;
mod mask;
pub mod merge;
pub mod migrate;
mod missing_rows;
pub mod model_run;
mod names;
mod nul;
mod owner;
pub mod plan;
pub mod publish;
pub mod quality_run;
mod quarantine;
pub mod readable;
pub mod reader;
pub mod recapture;
pub mod registry;
pub mod report;
mod retry;
pub mod rollback;
pub mod run;
pub mod scheduler;
pub mod seen;
pub mod source;
pub mod state;
pub mod strangers;
mod stream_names;
pub mod summary;
pub mod sync;
pub mod trigger;
pub mod unfinished;
mod unset;
pub mod warehouse;

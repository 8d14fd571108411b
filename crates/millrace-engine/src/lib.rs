//! Orchestration: reads sources, loads the warehouse, builds and tests models, publishes.
//!
//! Names no database product; connectors do that, behind the traits of [`source`] and [`warehouse`].

pub mod batch;
pub mod catalog;
pub mod check;
pub mod compiled;
pub mod contract;
pub mod error;
pub mod event;
pub mod model_run;
pub mod plan;
pub mod publish;
pub mod quality_run;
pub mod registry;
pub mod run;
pub mod source;
pub mod state;
pub mod sync;
pub mod warehouse;

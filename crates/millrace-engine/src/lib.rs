//! Orchestration: reads sources, loads the warehouse, builds and tests models, publishes.
//!
//! A folder is a stage, and a stage uses only those above it in this list: [`ports`], [`compile`], [`state`], [`load`], [`run`],
//! [`schedule`] (a test of `xtask` holds that). Names no database product; connectors do that, behind the traits of [`ports`].

pub mod cancel;
pub mod compile;
pub mod error;
pub mod event;
pub mod fault;
pub mod load;
pub mod ports;
mod retry;
pub mod run;
pub mod schedule;
pub mod state;

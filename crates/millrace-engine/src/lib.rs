//! The engine: loads streams from sources into the warehouse, builds and tests models, and
//! publishes them.
//!
//! Each folder is a stage, and a stage uses only those before it in this list: [`ports`],
//! [`compile`], [`state`], [`load`], [`run`], [`schedule`] (ADR 35; a test of `xtask` checks it).
//! The engine names no database product; connectors do, behind the traits of [`ports`].

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

//! Loads one stream from its source into its raw table, with its checkpoint and its quarantine in
//! the same transaction.
//!
//! `columns` decides on the columns, `destination` on the table, `sync` runs source and warehouse
//! concurrently, and `transaction` writes the checkpoint. `reconcile` finds rows that a load cannot
//! see.

pub(crate) mod columns;
mod destination;
mod dropped_columns;
pub mod merge;
mod quarantine_share;
pub mod reconcile;
mod resolved;
pub(crate) mod resume;
mod shrink;
pub mod sync;
mod transaction;
mod transform;

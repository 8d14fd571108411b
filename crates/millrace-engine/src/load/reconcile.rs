//! Rows that a load cannot see: those that the source has deleted, and those that it has and the table lacks.

mod backfill;
pub mod deletes;

//! Rows that a load cannot see: rows that the source has deleted, and rows that the source has and
//! the table lacks.

mod backfill;
pub mod deletes;

//! What is done to batches on their way from a source to the warehouse.

pub(crate) mod mask;
pub(crate) mod nul;

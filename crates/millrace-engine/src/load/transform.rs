//! Transformations of batches between source and warehouse.

pub(crate) mod mask;
pub(crate) mod nul;

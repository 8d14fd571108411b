//! Semantic views, compiled: metrics and dimensions to SQL, and what comes back to exact numbers.

pub mod filter;
pub mod options;
pub mod query;
pub mod result;
pub mod tile;
pub mod time_range;
pub mod title;
pub mod view;

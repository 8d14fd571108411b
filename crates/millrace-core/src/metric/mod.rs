//! Semantic views: compiles metrics and dimensions to SQL, and results to exact numbers.

pub mod filter;
pub mod options;
pub mod query;
pub mod result;
pub mod tile;
pub mod time_range;
pub mod title;
pub mod view;

//! SQL as text and as names; no engine is named here.

pub mod analyzer;
pub mod column_names;
pub mod columns_read;
pub mod dialect;
pub mod spelling;
pub mod template;
pub mod text;
pub mod var;
pub mod volatile;

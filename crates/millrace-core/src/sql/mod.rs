//! SQL as text and names: templates, analysis results, identifiers, positions. Nothing here depends
//! on one engine.

pub mod analyzer;
pub mod column_names;
pub mod columns_read;
pub mod dialect;
pub mod spelling;
pub mod template;
pub mod text;
pub mod var;
pub mod volatile;

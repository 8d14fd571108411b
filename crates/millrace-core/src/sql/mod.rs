//! SQL as text and as names; no engine is named here.

pub mod analyzer;
pub mod dialect;
pub mod template;
pub mod text;

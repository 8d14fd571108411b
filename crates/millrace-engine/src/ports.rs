//! The contracts between the engine and what is outside of it: systems that are read, and warehouses.

pub mod batch;
pub mod bi_type;
pub mod diagnosis;
pub mod keys;
pub mod reader_access;
pub mod registry;
pub mod seen;
pub mod source;
pub mod warehouse;

//! The contracts between the engine and external systems: the traits of sources and warehouses, and
//! the values that cross them.

pub mod batch;
pub mod bi_type;
pub mod diagnosis;
pub mod keys;
pub mod reader_access;
pub mod registry;
pub mod seen;
pub mod source;
pub mod warehouse;

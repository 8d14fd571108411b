//! When runs start by themselves.

pub mod scheduler;

//! Real servers for tests and benchmarks.
//!
//! Each server runs in a scratch folder, on a free port of this machine, and ends with the process
//! that started it. A program that is not installed is an error that says how to get it, never a
//! skipped test.

#![allow(clippy::missing_panics_doc, reason = "a test that cannot go on has failed")]

mod cases;
pub mod certificates;
pub mod cloud;
pub mod mariadb;
pub mod mysql;
pub mod postgres;
mod process;
pub mod proxy;
pub mod web;

pub use self::cases::cases;
pub use self::process::peak_memory;

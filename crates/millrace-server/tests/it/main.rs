//! The server from the outside: requests into the router over a real warehouse, answers compared with figures worked out in plain Rust.

mod assets;
mod contract;
mod control;
mod data;
mod events;
mod filters;
mod guard;
mod keys;
mod metrics;
mod options;
mod project;
mod properties;
mod retired;
mod runs;
mod shop;
mod start;

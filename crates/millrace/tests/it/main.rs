//! The real binary, from the outside.

mod both;
mod broken;
mod connect;
mod crash;
mod demo;
mod faults;
mod held;
mod hooks;
mod incremental;
mod millrace;
mod nul;
mod owner;
mod owner_runs;
mod properties;
mod reference;
mod rollback;
mod runs;
mod schedule;
mod schemas;
mod server;
mod shop;

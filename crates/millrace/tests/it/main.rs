//! The real binary, from the outside.

mod appending;
mod both;
mod broken;
mod connect;
mod crash;
mod deletes;
mod demo;
mod files;
mod held;
mod hooks;
mod incremental;
mod masking;
mod millrace;
mod names;
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
mod streams;

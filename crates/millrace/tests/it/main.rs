//! The real binary, from the outside.

mod broken;
mod crash;
mod demo;
mod held;
mod hooks;
mod millrace;
mod properties;
mod reference;
mod rollback;
mod runs;
mod schemas;
mod server;
mod shop;

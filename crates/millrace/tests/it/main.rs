//! The real binary, from the outside.

mod broken;
mod demo;
mod held;
mod millrace;
mod properties;
mod reference;
mod runs;
mod server;
mod shop;

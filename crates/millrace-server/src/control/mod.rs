//! The control interface: how the command line talks to the server that owns a warehouse's file.
//!
//! It has a listener of its own on this machine's loopback address, never the public one, and a token that only the owner of the
//! project's folder can read. Both ends are the same version of the program, so the format is nobody's contract: [`PROTOCOL`] and
//! the version must be equal, or the client refuses.

mod client;
mod exact;
mod remote;
mod router;
mod run_stream;
mod wire;

pub use client::{Client, RemoteRun};
pub use remote::RemoteWarehouse;
pub use router::{Control, router, serve};
pub use wire::{Hello, RemoteEnd, RunAsked};

/// Grows with each change of what the two ends say to each other.
pub const PROTOCOL: u32 = 1;

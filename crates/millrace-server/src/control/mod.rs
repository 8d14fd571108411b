//! The control interface: how the command line uses the server that owns a warehouse's file.
//!
//! It is JSON over HTTP on a listener of its own, bound to the loopback address and never to the
//! public one. A request needs a token that only the owner of the project's folder can read. Both
//! ends are the same version of the program, so the format is not a public contract: the binary
//! compares [`PROTOCOL`] and the version before it talks to a server, and refuses if either
//! differs.

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

/// Version of the control interface; incremented with each change of its messages.
pub const PROTOCOL: u32 = 1;

//! The HTTP server: answers the dashboards' queries from the newest publication and serves the
//! pages.
//!
//! `docs/reference/http-api.md` is the contract. The binary opens the warehouse and the listener
//! and passes both in; everything else is here. [`serve`] answers requests until it is told to
//! stop, and [`AppState`] is the state that all requests share. [`runs`] executes runs inside the
//! server, [`schedule`] starts them on time, and [`control`] is the private interface of the
//! command line.

mod api;
mod assets;
pub mod auth;
mod cache;
pub mod control;
mod failure;
mod host;
mod live;
mod openapi;
mod page;
mod question;
mod router;
pub mod runs;
pub mod schedule;
mod served;
mod snapshot;
mod state;
mod wire;

pub use openapi::openapi;
pub use router::{router, serve};
pub use state::{AppState, Setup};

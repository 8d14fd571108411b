//! The HTTP server: publications of a warehouse as the numbers of dashboards, and the page that shows them.
//!
//! `docs/reference/http-api.md` is the contract. The binary opens the warehouse and the listener; everything else is here: [`serve`]
//! answers until it is told to stop, [`AppState`] is what the requests share.

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

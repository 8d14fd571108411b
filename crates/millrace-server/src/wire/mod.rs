//! The shapes of JSON that go over the wire. They change only with the contract, whatever becomes of the domain's own types.

pub(crate) mod dashboard;
pub(crate) mod error;
pub(crate) mod localized;
pub(crate) mod page;
pub(crate) mod project;
pub(crate) mod quarantine;
pub(crate) mod request;
pub(crate) mod result;
pub(crate) mod run;
pub(crate) mod value;

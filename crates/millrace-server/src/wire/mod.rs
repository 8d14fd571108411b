//! The JSON types of the HTTP API, kept separate from the domain's types.
//!
//! They change only with the contract (`docs/reference/http-api.md`), so a change of a domain type
//! cannot change an answer by accident. Doc comments of types with `ToSchema` are the descriptions
//! in `docs/reference/openapi.json`: editing one changes that file.

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

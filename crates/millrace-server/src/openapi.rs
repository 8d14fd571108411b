//! The OpenAPI document, generated from the wire types and the handlers.
//!
//! Doc comments of both become its descriptions, so an edit there changes the contract's snapshot.

use serde_json::Value as Json;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::api;
use crate::wire::page::{ProjectEvent, PublishEvent};
use crate::wire::run::Run;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Millrace",
        description = "What `millrace serve` answers; docs/reference/http-api.md says what the values mean.",
        version = "1",
        license(name = "MIT", identifier = "MIT"),
    ),
    paths(
        api::project::project,
        api::dashboards::dashboard,
        api::data::data,
        api::options::options,
        api::metrics::query,
        api::quarantine::quarantine,
        api::runs::runs,
        api::runs::run,
        api::failures::failures,
        api::events::events,
        api::health::health,
    ),
    components(schemas(ProjectEvent, PublishEvent, Run)),
    security((), ("token" = []), ("password" = [])),
    modifiers(&Guard),
)]
struct Contract;

/// Adds the two security schemes, bearer token and basic authentication.
struct Guard;

impl utoipa::Modify for Guard {
    fn modify(&self, contract: &mut utoipa::openapi::OpenApi) {
        let components = contract.components.get_or_insert_default();
        for (name, scheme) in [("token", HttpAuthScheme::Bearer), ("password", HttpAuthScheme::Basic)] {
            let scheme = HttpBuilder::new().scheme(scheme).build();
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
}

/// The OpenAPI document; `docs/reference/openapi.json` is its snapshot.
pub fn openapi() -> Json {
    // Never fails: maps with text keys and plain values always serialize.
    serde_json::to_value(Contract::openapi()).unwrap_or_default()
}

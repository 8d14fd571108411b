//! Decodes `environments:` of `millrace.yml`: named warehouses, and the schemas in them that the
//! project uses.

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::project::decode::{Decoder, TYPE, kind_of};
use crate::project::settings::Settings;
use crate::project::spec::{KeyKind, KeySpec, MapSpec};
use crate::project::yaml::Node;
use crate::suggest::did_you_mean;

/// The keys that every environment has in addition to `type:`.
pub static ENVIRONMENT: MapSpec = MapSpec {
    doc: "A warehouse with a name. Its `type:` decides on the other keys.",
    keys: &[KeySpec::optional(
        "schemas",
        KeyKind::Map(&SCHEMAS),
        "Names of the schemas that the project uses there. Several environments, of several developers perhaps, share one database when each names its own four.",
    )],
};

static SCHEMAS: MapSpec = MapSpec {
    doc: "The schemas of an environment; `${NAME}` is replaced, so `\"${USER}_raw\"` gives each developer their own.",
    keys: &[
        KeySpec::optional("raw", KeyKind::Text, "Copies of streams; private. `raw` by default."),
        KeySpec::optional("build", KeyKind::Text, "Physical tables of models; private. `build` by default."),
        KeySpec::optional("publish", KeyKind::Text, "The names that readers use. `publish` by default."),
        KeySpec::optional(
            "state",
            KeyKind::Text,
            "What Millrace remembers: runs, checkpoints, publications, quarantine. `_millrace` by default.",
        ),
    ],
};

/// The schemas of an environment. Their names are distinct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schemas {
    /// Raw tables: copies of streams. Private.
    pub raw: String,
    /// Physical tables of models. Private.
    pub build: String,
    /// The views that readers use.
    pub publish: String,
    /// The engine's state: runs, checkpoints, publications, quarantine.
    pub state: String,
}

impl Default for Schemas {
    fn default() -> Self {
        Self {
            raw: "raw".into(),
            build: "build".into(),
            publish: "publish".into(),
            state: "_millrace".into(),
        }
    }
}

/// A named warehouse.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Name.
    pub name: String,
    /// The value of `type:`.
    pub kind: String,
    /// The connector's settings.
    pub settings: Settings,
    /// The schemas that the project uses.
    pub schemas: Schemas,
    /// One error for each `${NAME}` that is not set. They are reported when the environment is
    /// used.
    pub unset: Vec<Diagnostic>,
}

/// Maximum length of a schema name in bytes: the smallest limit of all warehouses.
pub const LONGEST_NAME: usize = 63;

/// Decodes one environment. Returns `None` if its type is missing or unknown, which is reported.
pub(crate) fn environment(name: String, node: &Node, decoder: &mut Decoder<'_>) -> Option<Environment> {
    let (kind, range) = kind_of(node, &format!("environment `{name}`"), decoder)?;
    let Some(spec) = decoder.connectors.warehouse(&kind) else {
        let known = decoder.connectors.warehouse_kinds();
        let hint = did_you_mean(&kind, known, "this build has");
        decoder.report(Code::UnknownType, &range, format!("there is no warehouse of type `{kind}`"), hint);
        return None;
    };
    decoder.check(&format!("environment `{name}`"), node, &[&TYPE, &ENVIRONMENT, spec]);
    let (settings, mut unset) = decoder.settings(node, spec);
    let schemas = node.get("schemas").map(|node| schemas(node, &mut unset, decoder)).unwrap_or_default();
    Some(Environment { name, kind, settings, schemas, unset })
}

/// Decodes `schemas:`. Refuses names that a warehouse reserves or cannot hold, and two schemas with
/// the same name.
fn schemas(node: &Node, unset: &mut Vec<Diagnostic>, decoder: &mut Decoder<'_>) -> Schemas {
    let mut schemas = Schemas::default();
    let mut taken: Vec<String> = Vec::new();
    for (key, slot) in [
        ("raw", &mut schemas.raw),
        ("build", &mut schemas.build),
        ("publish", &mut schemas.publish),
        ("state", &mut schemas.state),
    ] {
        if let Some(value) = node.get(key)
            && let Some(text) = value.text()
        {
            let before = unset.len();
            *slot = decoder.interpolated(text, &value.range, unset);
            // Names that PostgreSQL or DuckDB uses for schemas of its own.
            // Not every warehouse tells upper from lower case in them.
            let folded = slot.to_lowercase();
            let reserved = folded.starts_with("pg_")
                || ["information_schema", "main", "temp"].contains(&folded.as_str());
            // A name with an unset variable is incomplete; the variable is reported instead.
            if unset.len() == before && (slot.is_empty() || slot.len() > LONGEST_NAME || reserved) {
                let message = format!("`{slot}` cannot name a schema");
                let hint = "Give it a name of its own of at most 63 bytes that does not begin with `pg_`.";
                decoder.report(Code::BadName, &value.range, message, Some(hint.to_owned()));
            }
        }
        if taken.contains(&slot.to_lowercase()) {
            let message = format!("two of the schemas are named `{slot}`");
            let hint = "Readers see the published schema and no other, so each needs a name of its own.";
            decoder.report(Code::BadName, &node.range, message, Some(hint.to_owned()));
        }
        taken.push(slot.to_lowercase());
    }
    schemas
}

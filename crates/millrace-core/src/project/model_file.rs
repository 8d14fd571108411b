//! Decodes `models/**/*.yml` and defines models as read from `models/**/*.sql` and those files.

use std::sync::Arc;

use crate::diagnostic::Span;
use crate::diagnostic::Spanned;
use crate::materialization::Materialization;
use crate::project::data_test::{DATA_TESTS, data_test};
use crate::project::decode::Decoder;
use crate::project::spec::{KeyKind, KeySpec, MapSpec};
use crate::project::yaml::{Node, Scalar};
use crate::quality::DataTest;

/// The keys of a file that describes models.
pub static MODELS: MapSpec = MapSpec {
    doc: "`models/**/*.yml`: descriptions, columns and data tests of models, in dbt's form.",
    keys: &[
        KeySpec::optional("version", KeyKind::Integer(2, 2), "dbt's; means nothing here."),
        KeySpec::required("models", KeyKind::ListOf(&KeyKind::Map(&MODEL)), "The models."),
    ],
};

static MODEL: MapSpec = MapSpec {
    doc: "What is said of one model.",
    keys: &[
        KeySpec::required("name", KeyKind::Text, "Name of the model: its file's name without `.sql`."),
        KeySpec::optional("description", KeyKind::Text, "What one row is, for people."),
        KeySpec::optional("materialization", KeyKind::OneOf(Materialization::NAMES), "`table` or `view`."),
        KeySpec::optional("config", KeyKind::Map(&CONFIG), "dbt's place for `materialized` and hooks."),
        KeySpec::optional("post_hook", HOOKS, POST_HOOK_DOC),
        KeySpec::optional(
            "indexes",
            KeyKind::ListOf(&KeyKind::AnyOf(&[KeyKind::ListOf(&KeyKind::Text), KeyKind::Text])),
            "Indexes that the table gets before it is published, each a column or a list of columns, where the warehouse has indexes. Those that semantic views need (keys of joins, the time) are made without being named.",
        ),
        KeySpec::optional(
            "columns",
            KeyKind::ListOf(&KeyKind::Map(&COLUMN)),
            "Columns with descriptions and data tests.",
        ),
        KeySpec::optional("data_tests", DATA_TESTS, "Data tests of the model as a whole."),
        KeySpec::optional("tests", DATA_TESTS, "dbt's older name of `data_tests`."),
    ],
};

const HOOKS: KeyKind = KeyKind::AnyOf(&[KeyKind::ListOf(&KeyKind::Text), KeyKind::Text]);

const POST_HOOK_DOC: &str = "SQL statements that run on the table just built, before its data tests and before it is published; `{{ this }}` is the table.";

static CONFIG: MapSpec = MapSpec {
    doc: "dbt's configuration of a model.",
    keys: &[
        KeySpec::optional("materialized", KeyKind::OneOf(Materialization::NAMES), "`table` or `view`."),
        KeySpec::optional("post_hook", HOOKS, POST_HOOK_DOC),
        KeySpec::optional("post-hook", HOOKS, "dbt's other spelling of `post_hook`."),
        KeySpec::optional(
            "enabled",
            KeyKind::Bool,
            "Whether there is such a model; `false` leaves it out with its data tests.",
        ),
    ],
};

static COLUMN: MapSpec = MapSpec {
    doc: "One column of a model.",
    keys: &[
        KeySpec::required("name", KeyKind::Text, "Name of the column."),
        KeySpec::optional("description", KeyKind::Text, "What it holds, for people."),
        KeySpec::optional("data_tests", DATA_TESTS, "Data tests of the column."),
        KeySpec::optional("tests", DATA_TESTS, "dbt's older name of `data_tests`."),
    ],
};

/// A model, from its SQL file and its descriptions.
#[derive(Debug, Clone)]
pub struct ModelDef {
    /// Name: the file name without `.sql`.
    pub name: String,
    /// Path of the SQL file.
    pub file: Arc<str>,
    /// Text of the SQL file.
    pub text: String,
    /// Materialization, if its folder or its description sets one.
    pub materialization: Option<Materialization>,
    /// What one row represents.
    pub description: Option<String>,
    /// Templates of statements that run on the table after it has been built.
    pub post_hooks: Vec<Spanned>,
    /// Requested indexes, each a list of columns.
    pub indexes: Vec<Vec<String>>,
    /// Described columns.
    pub columns: Vec<ColumnDoc>,
    /// Data tests, without those derived from semantic views.
    pub tests: Vec<DataTest>,
    /// Whether the model is part of the project, if its description says so.
    pub enabled: Option<bool>,
}

/// The description of a column.
#[derive(Debug, Clone)]
pub struct ColumnDoc {
    /// Name, with its place.
    pub name: Spanned,
    /// What the column holds.
    pub description: Option<String>,
}

/// The description of a model in a YAML file, before it is joined with the SQL file.
#[derive(Debug, Clone)]
pub struct ModelDoc {
    /// Name of the model, with its place.
    pub name: Spanned,
    /// Materialization, if set.
    pub materialization: Option<Materialization>,
    /// What one row represents.
    pub description: Option<String>,
    /// Templates of statements that run on the table after it has been built.
    pub post_hooks: Vec<Spanned>,
    /// Requested indexes, each a list of columns.
    pub indexes: Vec<Vec<String>>,
    /// Described columns.
    pub columns: Vec<ColumnDoc>,
    /// Data tests.
    pub tests: Vec<DataTest>,
    /// Whether the model is part of the project, if set.
    pub enabled: Option<bool>,
}

/// Decodes a file that describes models.
pub fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Vec<ModelDoc> {
    decoder.check("this file of models", node, &[&MODELS]);
    let models = node.get("models").and_then(Node::seq).unwrap_or_default();
    models.iter().filter_map(|model| model_doc(model, decoder)).collect()
}

/// Decodes one description. Each setting is read from Millrace's key and from dbt's key or
/// `config`.
fn model_doc(node: &Node, decoder: &mut Decoder<'_>) -> Option<ModelDoc> {
    let name = decoder.spanned(node, "name")?;
    let materialization = node
        .get("materialization")
        .or_else(|| node.get("config")?.get("materialized"))
        .and_then(Node::text)
        .and_then(Materialization::from_name);
    let mut post_hooks = Vec::new();
    let config = node.get("config");
    for (holder, key) in [(Some(node), "post_hook"), (config, "post_hook"), (config, "post-hook")] {
        post_hooks.extend(holder.map(|holder| decoder.spanned_list(holder, key)).unwrap_or_default());
    }
    let columns = |node: &Node| {
        let names = node.seq().unwrap_or(std::slice::from_ref(node)).iter().filter_map(Node::text);
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    let indexes = node.get("indexes").and_then(Node::seq).unwrap_or_default().iter().map(columns).collect();
    let mut doc = ModelDoc {
        post_hooks,
        indexes,
        description: decoder.text(node, "description"),
        name,
        materialization,
        columns: Vec::new(),
        tests: Vec::new(),
        enabled: config.and_then(|config| config.get("enabled")?.scalar()).and_then(Scalar::as_bool),
    };
    for list in ["data_tests", "tests"].iter().filter_map(|key| node.get(key)?.seq()) {
        for test in list {
            doc.tests.extend(data_test(test, &doc.name.text, None, decoder));
        }
    }
    for column in node.get("columns").and_then(Node::seq).unwrap_or_default() {
        let Some(name) = decoder.spanned(column, "name") else { continue };
        for list in ["data_tests", "tests"].iter().filter_map(|key| column.get(key)?.seq()) {
            for test in list {
                doc.tests.extend(data_test(test, &doc.name.text, Some(&name), decoder));
            }
        }
        doc.columns.push(ColumnDoc { description: decoder.text(column, "description"), name });
    }
    Some(doc)
}

/// An empty span at the start of a file, for diagnostics about a model that have no better place.
pub fn start_of(file: &Arc<str>) -> Span {
    Span::new(file, 0..0)
}

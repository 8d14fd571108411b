//! Decodes data tests in dbt's form, as written in files that describe models.
//!
//! Arguments may stand directly below the test's name or in dbt's `arguments`, settings also in
//! dbt's `config`.

use crate::code::Code;
use crate::diagnostic::Spanned;
use crate::project::decode::Decoder;
use crate::project::spec::{KeyKind, KeySpec, MapSpec};
use crate::project::yaml::{Entry, Node, NodeValue, Scalar};
use crate::quality::{Check, DataTest, TestSeverity};
use crate::suggest::did_you_mean;

/// A list of data tests, each a name or a name with arguments.
pub(super) const DATA_TESTS: KeyKind =
    KeyKind::ListOf(&KeyKind::AnyOf(&[KeyKind::Text, KeyKind::Map(&DATA_TEST)]));

/// The kinds of data tests.
static DATA_TEST: MapSpec = MapSpec {
    doc: "A data test: one of these, with its arguments.",
    keys: &[
        KeySpec::optional("not_null", KeyKind::Map(&PLAIN), "No value is NULL."),
        KeySpec::optional("unique", KeyKind::Map(&PLAIN), "No value is there twice; NULL does not count."),
        KeySpec::optional(
            "accepted_values",
            KeyKind::Map(&ACCEPTED_VALUES),
            "Every value that is not NULL is one of `values`.",
        ),
        KeySpec::optional(
            "relationships",
            KeyKind::Map(&RELATIONSHIPS),
            "Every value that is not NULL is among those of another model's column.",
        ),
    ],
};

// Arguments and settings that several kinds of tests share.
const COLUMN_NAME: KeySpec =
    KeySpec::optional("column_name", KeyKind::Text, "The column, where the test does not stand below one.");
const NAME: KeySpec = KeySpec::optional(
    "name",
    KeyKind::Text,
    "Name of the test, in place of one that is made of what it asks.",
);
const SEVERITY: KeySpec = KeySpec::optional(
    "severity",
    KeyKind::OneOf(&["error", "warn"]),
    "`error` (the default) holds the publish, `warn` only says so.",
);
const WHERE: KeySpec = KeySpec::optional(
    "where",
    KeyKind::Text,
    "Which rows are tested: an SQL condition over the columns of the model.",
);
const CONFIG_KEY: KeySpec =
    KeySpec::optional("config", KeyKind::Map(&CONFIG), "dbt's place for `severity`, `where` and `enabled`.");

/// dbt's `config`, an alternative place for settings.
static CONFIG: MapSpec = MapSpec {
    doc: "dbt's configuration of a data test.",
    keys: &[SEVERITY, WHERE, KeySpec::optional("enabled", KeyKind::Bool, "`false` leaves the test out.")],
};

/// Tests without arguments of their own.
static PLAIN: MapSpec = MapSpec {
    doc: "Arguments of `not_null` and `unique`.",
    keys: &[
        COLUMN_NAME,
        NAME,
        SEVERITY,
        WHERE,
        CONFIG_KEY,
        KeySpec::optional("arguments", KeyKind::Map(&PLAIN_ARGUMENTS), "dbt's place for arguments."),
    ],
};

static PLAIN_ARGUMENTS: MapSpec =
    MapSpec { doc: "Arguments of `not_null` and `unique`.", keys: &[COLUMN_NAME] };

const VALUES: KeySpec =
    KeySpec::optional("values", KeyKind::ListOf(&KeyKind::Scalar), "The values that there may be.");
const QUOTE: KeySpec = KeySpec::optional(
    "quote",
    KeyKind::Bool,
    "`false` says that `values` are numbers, and compares them as such; else they are compared with the column's text.",
);

/// Arguments of `accepted_values`.
static ACCEPTED_VALUES: MapSpec = MapSpec {
    doc: "Arguments of `accepted_values`.",
    keys: &[
        VALUES,
        QUOTE,
        COLUMN_NAME,
        NAME,
        SEVERITY,
        WHERE,
        CONFIG_KEY,
        KeySpec::optional("arguments", KeyKind::Map(&ACCEPTED_ARGUMENTS), "dbt's place for arguments."),
    ],
};

static ACCEPTED_ARGUMENTS: MapSpec =
    MapSpec { doc: "Arguments of `accepted_values`.", keys: &[VALUES, QUOTE, COLUMN_NAME] };

const TO: KeySpec =
    KeySpec::optional("to", KeyKind::Text, "The other model: its name, or dbt's `ref('name')`.");
const FIELD: KeySpec = KeySpec::optional("field", KeyKind::Text, "Its column.");

/// Arguments of `relationships`.
static RELATIONSHIPS: MapSpec = MapSpec {
    doc: "Arguments of `relationships`.",
    keys: &[
        TO,
        FIELD,
        COLUMN_NAME,
        NAME,
        SEVERITY,
        WHERE,
        CONFIG_KEY,
        KeySpec::optional("arguments", KeyKind::Map(&RELATION_ARGUMENTS), "dbt's place for arguments."),
    ],
};

static RELATION_ARGUMENTS: MapSpec =
    MapSpec { doc: "Arguments of `relationships`.", keys: &[TO, FIELD, COLUMN_NAME] };

/// The names of all tests, for suggestions.
const TEST_NAMES: [&str; 4] = ["not_null", "unique", "accepted_values", "relationships"];

/// Decodes a test such as `not_null` or
/// `{accepted_values: {values: […], config: {severity: warn}}}`. `column` is the column that it
/// stands below, if any. Returns `None` if the test is invalid, which is reported, or disabled.
pub(super) fn data_test(
    node: &Node,
    model: &str,
    column: Option<&Spanned>,
    decoder: &mut Decoder<'_>,
) -> Option<DataTest> {
    let nothing = Node { value: NodeValue::Map(Vec::new()), range: node.range.clone() };
    let (kind, kind_range, arguments) = match (node.text(), node.map()) {
        (Some(kind), _) => (kind, node.range.clone(), &nothing),
        (None, Some([Entry { key, key_range, value }])) => (key.as_str(), key_range.clone(), value),
        _ => {
            let hint = Some("Write `not_null`, or `accepted_values: {values: [a, b]}`.".to_owned());
            let message = "a data test is a name, or one name with its arguments";
            // A value of another shape has been reported by the check of keys.
            if node.map().is_some() {
                decoder.report(Code::BadDataTest, &node.range, message, hint);
            }
            return None;
        }
    };
    let mut refuse = |message: String, hint: Option<String>| {
        decoder.report(Code::BadDataTest, &kind_range, message, hint);
        None
    };
    // dbt accepts arguments directly and below `arguments`.
    let argument = |key: &str| arguments.get(key).or_else(|| arguments.get("arguments")?.get(key));
    // dbt's `config` takes precedence over a key of the test itself.
    let setting =
        |key: &str| arguments.get("config").and_then(|config| config.get(key)).or(arguments.get(key));
    let check = match kind {
        "not_null" => Check::NotNull,
        "unique" => Check::Unique,
        "accepted_values" => {
            let values: Vec<&Scalar> = argument("values")
                .and_then(Node::seq)
                .map(|list| list.iter().filter_map(Node::scalar).collect())
                .unwrap_or_default();
            if values.is_empty() {
                let hint = Some("Add `values: [a, b]`.".to_owned());
                return refuse("`accepted_values` needs a list of `values`".to_owned(), hint);
            }
            let numbers = argument("quote").and_then(Node::scalar).and_then(Scalar::as_bool) == Some(false);
            // The warehouse casts the values to numbers and fails on any other text.
            let is_number = |value: &&Scalar| value.text.parse::<f64>().is_ok();
            if numbers && !values.iter().all(is_number) {
                let hint = Some("Take `quote: false` away, and they are compared as texts.".to_owned());
                return refuse("`accepted_values` with `quote: false` takes numbers".to_owned(), hint);
            }
            let values = values.iter().map(|scalar| scalar.text.clone()).collect();
            Check::AcceptedValues { values, numbers }
        }
        "relationships" => {
            let (Some(to), Some(field)) = (argument("to"), argument("field").and_then(Node::text)) else {
                let hint = Some("Add `to: model` and `field: column`.".to_owned());
                return refuse("`relationships` needs `to` and `field`".to_owned(), hint);
            };
            let to = Spanned {
                text: ref_name(to.text().unwrap_or_default()).to_owned(),
                span: decoder.span(&to.range),
            };
            Check::Relationships { to, field: field.to_owned() }
        }
        // A test with arguments and an unknown name was reported by the check of keys.
        _ if node.text().is_none() => return None,
        _ => {
            let hint = did_you_mean(kind, TEST_NAMES, "there are");
            return refuse(format!("there is no data test `{kind}`"), hint);
        }
    };
    let spanned =
        |node: &Node| Some(Spanned { text: node.text()?.to_owned(), span: decoder.span(&node.range) });
    let Some(column) = column.cloned().or_else(|| argument("column_name").and_then(spanned)) else {
        let hint = Some("Move it below the column, or add `column_name`.".to_owned());
        decoder.report(
            Code::BadDataTest,
            &kind_range,
            format!("data test `{kind}` does not say of which column"),
            hint,
        );
        return None;
    };
    if setting("enabled").and_then(Node::scalar).and_then(Scalar::as_bool) == Some(false) {
        return None;
    }
    Some(DataTest {
        model: model.to_owned(),
        column,
        with: Vec::new(),
        check,
        // Any other value was reported by the check of keys.
        severity: match setting("severity").and_then(Node::text) {
            Some("warn") => TestSeverity::Warn,
            _ => TestSeverity::Error,
        },
        filter: setting("where").and_then(spanned),
        given_name: arguments.get("name").and_then(Node::text).map(str::to_owned),
        suffix: None,
        span: decoder.span(&kind_range),
        derived_from: None,
    })
}

/// The name of a model written as `dim_clients` or, as in dbt, `ref('dim_clients')`.
fn ref_name(written: &str) -> &str {
    let inner = written.trim().strip_prefix("ref(").and_then(|rest| rest.strip_suffix(')'));
    inner.map_or(written.trim(), |name| name.trim().trim_matches(['\'', '"']))
}

//! Decodes `metrics/*.yml`: semantic views, before their names are resolved.

use std::sync::Arc;

use crate::code::Code;
use crate::diagnostic::Span;
use crate::diagnostic::Spanned;
use crate::project::decode::Decoder;
use crate::project::localized::Localized;
use crate::project::spec::{KeyKind, KeySpec, MapSpec};
use crate::project::yaml::Node;

/// The keys of a semantic view.
pub static SEMANTIC_VIEW: MapSpec = MapSpec {
    doc: "`metrics/*.yml`: a model with its joins, dimensions and metrics.",
    keys: &[
        KeySpec::required("semantic_view", KeyKind::Text, "Name of the semantic view."),
        KeySpec::required("base", KeyKind::Text, "The model whose rows are aggregated."),
        KeySpec::optional("description", KeyKind::Text, "What it is about, for people."),
        KeySpec::optional(
            "time",
            KeyKind::Text,
            "The date or timestamp column of the base that ranges and grains use.",
        ),
        KeySpec::optional(
            "joins",
            KeyKind::ListOf(&KeyKind::Map(&JOIN)),
            "Models that dimensions come from.",
        ),
        KeySpec::optional(
            "dimensions",
            KeyKind::MapOf(&KeyKind::Map(&DIMENSION)),
            "What metrics are cut by.",
        ),
        KeySpec::required("metrics", KeyKind::MapOf(&KeyKind::Map(&METRIC)), "Named aggregates."),
    ],
};

static JOIN: MapSpec = MapSpec {
    doc: "A model that is joined to the base.",
    keys: &[
        KeySpec::required("to", KeyKind::Text, "The model."),
        KeySpec::required(
            "on",
            KeyKind::AnyOf(&[KeyKind::Text, KeyKind::MapOf(&KeyKind::Text)]),
            "The column that both have, or `{column_of_base: column_of_the_other}`.",
        ),
        KeySpec::required(
            "cardinality",
            KeyKind::OneOf(&["many_to_one", "one_to_one", "one_to_many", "many_to_many"]),
            "How many rows meet. A data test holds it to that; only `many_to_one` and `one_to_one` count no row twice.",
        ),
    ],
};

static DIMENSION: MapSpec = MapSpec {
    doc: "What metrics are cut by.",
    keys: &[
        KeySpec::required(
            "column",
            KeyKind::Text,
            "A column of the base, or `model.column` of a joined model.",
        ),
        KeySpec::optional("label", KeyKind::Localized, "As pages show it."),
    ],
};

static METRIC: MapSpec = MapSpec {
    doc: "A named aggregate.",
    keys: &[
        KeySpec::optional("sql", KeyKind::Text, "One aggregate over columns of the base: `sum(amount)`."),
        KeySpec::optional("where", KeyKind::Text, "Which rows of the base it counts."),
        KeySpec::optional(
            "ratio",
            KeyKind::ListOf(&KeyKind::Text),
            "Two metrics: the first divided by the second.",
        ),
        KeySpec::optional(
            "filters",
            KeyKind::OneOf(&["differ"]),
            "Of a ratio: that its parts count different rows, and are meant to. Without it `check` warns of that.",
        ),
        KeySpec::optional("label", KeyKind::Localized, "As pages show it."),
        KeySpec::optional("description", KeyKind::Text, "What it means, for people."),
        KeySpec::optional(
            "format",
            KeyKind::AnyOf(&[KeyKind::OneOf(&["integer", "decimal", "percent"]), KeyKind::Map(&FORMAT)]),
            "`integer`, `decimal`, `percent`, `{currency: EUR}` or `{decimals: 3}`.",
        ),
    ],
};

static FORMAT: MapSpec = MapSpec {
    doc: "How numbers are shown.",
    keys: &[
        KeySpec::optional("currency", KeyKind::Text, "ISO 4217 code."),
        KeySpec::optional("decimals", KeyKind::Integer(0, 12), "Digits after the point."),
    ],
};

/// A semantic view as written in its file.
#[derive(Debug, Clone)]
pub struct SemanticViewDef {
    /// Name of the view.
    pub name: Spanned,
    /// Path of its file.
    pub file: Arc<str>,
    /// The model whose rows are aggregated.
    pub base: Spanned,
    /// The time column of the base model.
    pub time: Option<Spanned>,
    /// Description for people.
    pub description: Option<String>,
    /// Joined models.
    pub joins: Vec<JoinDef>,
    /// Dimensions, in the order of the file.
    pub dimensions: Vec<DimensionDef>,
    /// Metrics, in the order of the file.
    pub metrics: Vec<MetricDef>,
}

/// A joined model.
#[derive(Debug, Clone)]
pub struct JoinDef {
    /// The model.
    pub to: Spanned,
    /// Pairs of columns: one of the base, one of the joined model.
    pub on: Vec<(Spanned, Spanned)>,
    /// Whether each row of the base matches at most one row of the joined model.
    pub to_one: bool,
    /// The cardinality as written.
    pub cardinality: Spanned,
}

/// A dimension.
#[derive(Debug, Clone)]
pub struct DimensionDef {
    /// Name.
    pub name: Spanned,
    /// `column` or `model.column`.
    pub column: Spanned,
    /// Label for pages.
    pub label: Localized,
}

/// A metric.
#[derive(Debug, Clone)]
pub struct MetricDef {
    /// Name.
    pub name: Spanned,
    /// How it is computed.
    pub definition: MetricDefinition,
    /// Label for pages.
    pub label: Localized,
    /// Number format.
    pub format: Option<Format>,
    /// Description for people.
    pub description: Option<String>,
    /// The place of `filters: differ`, which declares that the parts of a ratio count different
    /// rows.
    pub filters_differ: Option<Span>,
}

/// How a metric is computed.
#[derive(Debug, Clone)]
pub enum MetricDefinition {
    /// One SQL aggregate.
    Aggregate {
        /// The expression.
        sql: Spanned,
        /// Condition on the rows that it counts.
        filter: Option<Spanned>,
    },
    /// One metric divided by another.
    Ratio {
        /// The dividend.
        numerator: Spanned,
        /// The divisor.
        denominator: Spanned,
    },
}

/// How the numbers of a metric are displayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// An integer.
    Integer,
    /// A decimal number.
    Decimal {
        /// Digits after the point.
        decimals: u8,
    },
    /// A percentage: the value times 100.
    Percent,
    /// An amount of money.
    Currency {
        /// ISO 4217 code.
        code: String,
        /// Digits after the point.
        decimals: u8,
    },
}

/// Decodes a semantic view. Returns `None` if its name or base is missing, which is reported.
pub fn decode(node: &Node, decoder: &mut Decoder<'_>) -> Option<SemanticViewDef> {
    decoder.check("this semantic view", node, &[&SEMANTIC_VIEW]);
    let name = decoder.spanned(node, "semantic_view")?;
    let base = decoder.spanned(node, "base")?;
    decoder.name(&name, "a semantic view");
    let joins = node.get("joins").and_then(Node::seq).unwrap_or_default();
    let joins = joins.iter().filter_map(|join| join_def(join, decoder)).collect();
    let mut view = SemanticViewDef {
        name,
        file: Arc::clone(decoder.file),
        base,
        time: decoder.spanned(node, "time"),
        description: decoder.text(node, "description"),
        joins,
        dimensions: Vec::new(),
        metrics: Vec::new(),
    };
    for entry in node.get("dimensions").and_then(Node::map).unwrap_or_default() {
        let name = Spanned { text: entry.key.clone(), span: decoder.span(&entry.key_range) };
        let Some(column) = decoder.spanned(&entry.value, "column") else { continue };
        if decoder.name(&name, "a dimension") {
            let label =
                decoder.localized(&entry.value, "label").unwrap_or_else(|| Localized::from_name(&name.text));
            view.dimensions.push(DimensionDef { name, column, label });
        }
    }
    for entry in node.get("metrics").and_then(Node::map).unwrap_or_default() {
        let name = Spanned { text: entry.key.clone(), span: decoder.span(&entry.key_range) };
        if decoder.name(&name, "a metric") {
            view.metrics.extend(metric_def(name, &entry.value, decoder));
        }
    }
    Some(view)
}

/// Decodes a join. `on` is one column name for both sides, or pairs of columns. Refuses
/// cardinalities with which the join would duplicate rows of the base.
fn join_def(node: &Node, decoder: &mut Decoder<'_>) -> Option<JoinDef> {
    let to = decoder.spanned(node, "to")?;
    let on = node.get("on")?;
    let on = match on.map() {
        Some(entries) => entries
            .iter()
            .filter_map(|entry| {
                let ours = Spanned { text: entry.key.clone(), span: decoder.span(&entry.key_range) };
                let theirs =
                    Spanned { text: entry.value.text()?.to_owned(), span: decoder.span(&entry.value.range) };
                Some((ours, theirs))
            })
            .collect(),
        None => decoder.spanned(node, "on").map(|both| vec![(both.clone(), both)])?,
    };
    let cardinality = decoder.spanned(node, "cardinality")?;
    let to_one = matches!(cardinality.text.as_str(), "many_to_one" | "one_to_one");
    // Each row of the base would appear once for every match, so sums would be too large.
    if !to_one {
        let message = format!("a `{}` join to `{}` would count rows twice", cardinality.text, to.text);
        let hint = "Make a semantic view of its own with that model as `base`.";
        decoder.report(Code::FanOut, &cardinality.span.range, message, Some(hint.to_owned()));
    }
    Some(JoinDef { to, on, to_one, cardinality })
}

/// Decodes a metric: an aggregate (`sql` with an optional `where`) or a ratio, and its format.
fn metric_def(name: Spanned, node: &Node, decoder: &mut Decoder<'_>) -> Option<MetricDef> {
    let ratio = decoder.spanned_list(node, "ratio");
    let definition = match (decoder.spanned(node, "sql"), ratio.as_slice()) {
        (Some(sql), []) => MetricDefinition::Aggregate { sql, filter: decoder.spanned(node, "where") },
        (None, [numerator, denominator]) if node.get("where").is_none() => {
            MetricDefinition::Ratio { numerator: numerator.clone(), denominator: denominator.clone() }
        }
        _ => {
            let hint =
                "Write `sql: sum(amount)`, with `where:` where it needs one, or `ratio: [revenue, orders]`.";
            let message =
                format!("metric `{}` is neither one aggregate nor a ratio of two metrics", name.text);
            decoder.report(Code::BadMetric, &name.span.range, message, Some(hint.to_owned()));
            return None;
        }
    };
    let label = decoder.localized(node, "label").unwrap_or_else(|| Localized::from_name(&name.text));
    // An invalid form has been reported by the check of keys, and reads as a decimal.
    let format = node.get("format").and_then(|value| {
        let decimals = |default| {
            let written =
                value.get("decimals").and_then(Node::scalar).and_then(super::yaml::Scalar::as_integer);
            written.and_then(|n| u8::try_from(n).ok()).unwrap_or(default)
        };
        Some(match (value.text(), value.get("currency").and_then(Node::text)) {
            (Some("integer"), _) => Format::Integer,
            (Some("percent"), _) => Format::Percent,
            (_, Some(code)) => {
                if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_uppercase()) {
                    let hint = Some("Use an ISO 4217 code such as `EUR`.".to_owned());
                    decoder.report(Code::WrongValue, &value.range, format!("`{code}` is no currency"), hint);
                    return None;
                }
                Format::Currency { code: code.to_owned(), decimals: decimals(minor_units(code)) }
            }
            _ => Format::Decimal { decimals: decimals(2) },
        })
    });
    let filters = node.get("filters");
    if let Some(value) = filters
        && matches!(definition, MetricDefinition::Aggregate { .. })
    {
        let message = format!("metric `{}` is no ratio, so it has no `filters`", name.text);
        let hint = Some("Which rows an aggregate counts is what `where` says.".to_owned());
        decoder.report(Code::WrongValue, &value.range, message, hint);
    }
    Some(MetricDef {
        name,
        definition,
        label,
        format,
        description: decoder.text(node, "description"),
        filters_differ: filters.map(|value| decoder.span(&value.range)),
    })
}

/// Digits after the point of a currency (ISO 4217). Lists the currencies whose number is not two.
fn minor_units(code: &str) -> u8 {
    match code {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

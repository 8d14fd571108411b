//! Decodes `sources/*.yml`: a source, its streams and their options.
//!
//! A stream takes a key from its own mapping, otherwise from the source's `defaults`. The keys of
//! the source's type come from its connector.

use std::sync::Arc;

use crate::code::Code;
use crate::diagnostic::Spanned;
use crate::diagnostic::{Diagnostic, Span};
use crate::name::StreamName;
use crate::project::column_choice::{COLUMNS, ColumnChoice, EXCLUDE_COLUMNS, MASK, choice};
use crate::project::column_words::{ChosenType, RENAME, Renamed, TYPES, renames, types};
use crate::project::decode::Decoder;
use crate::project::decode::kind_of;
use crate::project::deletes::{Deletes, deletes};
use crate::project::exclude::{EXCLUDE, Exclude, exclude};
use crate::project::manifest::QuarantineLimit;
use crate::project::settings::Settings;
use crate::project::shrink::{ALLOW_EMPTY, MAX_SHRINK, Shrink, allow_empty, max_shrink};
use crate::project::spec::{KeyKind, KeySpec, MapSpec};
use crate::project::stream_pattern::{StreamPattern, is_pattern};
use crate::project::yaml::Node;
use crate::suggest::did_you_mean;

/// The keys of all sources; each connector adds its own.
pub static SOURCE: MapSpec = MapSpec {
    doc: "`sources/*.yml`: a system that is read.",
    keys: &[
        KeySpec::optional("source", KeyKind::Text, "Name of the source; the file's name by default."),
        KeySpec::required("type", KeyKind::Text, "The kind of source, which decides on the other keys."),
        KeySpec::optional("description", KeyKind::Text, "What it is, for people."),
        KeySpec::optional("defaults", KeyKind::Any, "Settings of streams that do not say otherwise."),
        KeySpec::optional(
            "streams",
            KeyKind::MapOf(&KeyKind::Any),
            "The streams that are loaded, by name, or by a pattern in which `*` stands for any characters and `?` for one. Without it, all that the source has.",
        ),
        EXCLUDE,
    ],
};

/// The keys of all streams; each connector adds its own.
pub static STREAM: MapSpec = MapSpec {
    doc: "One table or one file pattern of a source.",
    keys: &[
        KeySpec::optional("description", KeyKind::Text, "What it is, for people."),
        KeySpec::optional(
            "key",
            KeyKind::AnyOf(&[KeyKind::ListOf(&KeyKind::Text), KeyKind::Text]),
            "Columns that tell its rows apart, under the source's names. A row that lacks one goes to quarantine.",
        ),
        KeySpec::optional(
            "mode",
            KeyKind::OneOf(&["full", "upsert", "append", "incremental"]),
            "`full` (the default): each run that finds something new loads everything anew. `upsert`: rows replace those of the same key and the others stay, also when columns come, go or get wider. `append`: rows of files that were not loaded before are added. `incremental`: as `upsert`, and only what has come since the last load is read; see the source's `cursor`.",
        ),
        COLUMNS,
        EXCLUDE_COLUMNS,
        MASK,
        RENAME,
        KeySpec::optional("contract", KeyKind::Map(&CONTRACT), "What the stream may do when it changes."),
        KeySpec::optional(
            "nul",
            KeyKind::OneOf(&["error", "quarantine", "strip"]),
            "What becomes of a text with the character U+0000: it is loaded where the warehouse can hold it, else the load fails and names the column (`error`, the default); its row goes to quarantine in every warehouse (`quarantine`); or the character is taken out, and the rows are counted (`strip`).",
        ),
        KeySpec::optional("max_quarantine", KeyKind::Text, "As in `millrace.yml`, for this stream."),
        ALLOW_EMPTY,
        MAX_SHRINK,
    ],
};

static CONTRACT: MapSpec = MapSpec {
    doc: "What a stream may do when it differs from its captured schema.",
    keys: &[
        KeySpec::optional(
            "columns",
            KeyKind::OneOf(&["evolve", "freeze", "quarantine"]),
            "A column that is new: loaded (`evolve`, the default), an error (`freeze`), or a reason to set its rows aside (`quarantine`).",
        ),
        KeySpec::optional(
            "types",
            KeyKind::OneOf(&["evolve", "freeze", "quarantine"]),
            "Values that do not fit their column: numbers widen it, and other rows are set aside (`evolve`, the default), the run stops (`freeze`), or their rows are set aside (`quarantine`).",
        ),
    ],
};

/// How a stream reacts to one kind of schema drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnChange {
    /// Adapt the table.
    Evolve,
    /// Stop the run.
    Freeze,
    /// Send the affected rows to quarantine.
    Quarantine,
}

impl OnChange {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "evolve" => Some(Self::Evolve),
            "freeze" => Some(Self::Freeze),
            "quarantine" => Some(Self::Quarantine),
            _ => None,
        }
    }
}

/// How a stream reacts to schema drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract {
    /// Reaction to new columns.
    pub columns: OnChange,
    /// Reaction to values that do not fit their column.
    pub types: OnChange,
}

/// How texts with the character U+0000 are handled, which not every warehouse can store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnNul {
    /// Depends on the warehouse: the text is loaded, or the load fails.
    Error,
    /// The row goes to quarantine.
    Quarantine,
    /// The character is removed, and the row is counted.
    Strip,
}

/// How a load changes the rows of earlier loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMode {
    /// Replace all rows.
    Full,
    /// Upsert: rows replace those with the same key; the others stay.
    Upsert,
    /// Append rows of files that were not loaded before.
    Append,
    /// Upsert only rows that have changed since the last load, as told by a cursor.
    Incremental,
}

impl ReadMode {
    /// Whether rows of earlier loads are kept.
    pub fn keeps(self) -> bool {
        self != Self::Full
    }

    /// Whether rows are merged by key.
    pub fn merges(self) -> bool {
        matches!(self, Self::Upsert | Self::Incremental)
    }
}

/// A source.
#[derive(Debug, Clone)]
pub struct SourceDef {
    /// Name of the source.
    pub name: String,
    /// The value of `type:`.
    pub kind: String,
    /// Path of its file.
    pub file: Arc<str>,
    /// The place of its name, or of its type if the file sets no name.
    pub span: Span,
    /// Description for people.
    pub description: Option<String>,
    /// The connector's settings of the source.
    pub settings: Settings,
    /// Streams by name. `None` if the file has no `streams`, which means all streams of the source.
    pub streams: Option<Vec<StreamDef>>,
    /// Stream patterns, in the order of the file.
    pub patterns: Vec<StreamPattern>,
    /// Streams that are left out of patterns, or of a source without `streams`.
    pub exclude: Exclude,
    /// Options of streams that the file does not name.
    pub defaults: StreamOptions,
    /// One error for each `${NAME}` that is not set. They are reported when the source is read.
    pub unset: Vec<Diagnostic>,
}

/// A stream that is named in a source file.
#[derive(Debug, Clone)]
pub struct StreamDef {
    /// Full name of the stream.
    pub name: StreamName,
    /// The place of its name.
    pub span: Span,
    /// Its options.
    pub options: StreamOptions,
}

/// The options of a stream.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// Description for people.
    pub description: Option<String>,
    /// Key columns, under the source's names.
    pub key: Vec<String>,
    /// How a load changes the rows of earlier loads.
    pub mode: ReadMode,
    /// Which columns are loaded, left out or masked.
    pub choice: ColumnChoice,
    /// Columns whose name in the warehouse is set by the file.
    pub rename: Vec<Renamed>,
    /// Columns whose type is set by the file.
    pub types: Vec<ChosenType>,
    /// How rows are handled that were deleted in the source.
    pub deletes: Deletes,
    /// How it reacts to schema drift.
    pub contract: Contract,
    /// How texts with the character U+0000 are handled.
    pub nul: OnNul,
    /// Maximum number of rows in quarantine, if the stream sets it.
    pub max_quarantine: Option<QuarantineLimit>,
    /// Whether the stream may lose all of its rows.
    pub allow_empty: bool,
    /// Maximum share of its rows that it may lose between two loads, if the stream sets it.
    pub max_shrink: Option<Shrink>,
    /// The connector's settings of the stream.
    pub settings: Settings,
}

/// Decodes a source file. `stem` is the file's name without extension, the default for the source's
/// name. Returns `None` if the type is missing or unknown, or the name is invalid; this is
/// reported.
pub fn decode(node: &Node, stem: &str, decoder: &mut Decoder<'_>) -> Option<SourceDef> {
    let (kind, kind_range) = kind_of(node, "this source", decoder)?;
    let Some((source_spec, stream_spec)) = decoder.connectors.source(&kind) else {
        let hint = did_you_mean(&kind, decoder.connectors.source_kinds(), "this build has");
        decoder.report(Code::UnknownType, &kind_range, format!("there is no source of type `{kind}`"), hint);
        return None;
    };
    decoder.check("this source", node, &[&SOURCE, source_spec]);
    let name = decoder
        .spanned(node, "source")
        .unwrap_or_else(|| Spanned { text: stem.to_owned(), span: decoder.span(&kind_range) });
    if !decoder.name(&name, "a source") {
        return None;
    }
    let (settings, mut unset) = decoder.settings(node, source_spec);
    let nothing = Node { value: crate::project::yaml::NodeValue::Map(Vec::new()), range: 0..0 };
    // Only connectors of files have `types` at the source, as a default for all streams.
    let of_source = if source_spec.key(TYPES.name).is_some() { node } else { &nothing };
    let mut options = |node: &Node, defaults: &Node, what: &str, decoder: &mut Decoder<'_>| {
        // `orders:` without a value is a stream with default options.
        if node.scalar().is_some_and(crate::project::yaml::Scalar::is_null) {
            return stream_options(&nothing, defaults, of_source, stream_spec, &mut unset, decoder);
        }
        decoder.check(what, node, &[&STREAM, stream_spec]);
        stream_options(node, defaults, of_source, stream_spec, &mut unset, decoder)
    };
    let default_node = node.get("defaults").unwrap_or(&nothing);
    let defaults = options(default_node, &nothing, "`defaults`", decoder);
    let mut streams = None;
    let mut patterns = Vec::new();
    if let Some(entries) = node.get("streams").and_then(Node::map) {
        let mut list = Vec::new();
        for entry in entries {
            let stream = Spanned { text: entry.key.clone(), span: decoder.span(&entry.key_range) };
            if is_pattern(&entry.key) {
                let what = format!("pattern `{}`", entry.key);
                let options = options(&entry.value, default_node, &what, decoder);
                // A `table` would give all streams of the pattern the same rows.
                if let Some(table) = entry.value.get("table") {
                    let hint = "Name that stream, without a pattern.".to_owned();
                    let message = format!("{what} stands for many tables, and names one");
                    decoder.report(Code::WrongValue, &table.range, message, Some(hint));
                }
                patterns.push(StreamPattern { pattern: stream.text, span: stream.span, options });
            } else if decoder.name(&stream, "a stream") {
                let options =
                    options(&entry.value, default_node, &format!("stream `{}`", entry.key), decoder);
                list.push(StreamDef {
                    name: StreamName::new(&name.text, stream.text),
                    span: stream.span,
                    options,
                });
            }
        }
        streams = Some(list);
    }
    let exclude = exclude(node, streams.is_none() || !patterns.is_empty(), decoder);
    Some(SourceDef {
        name: name.text,
        kind,
        file: Arc::clone(decoder.file),
        span: name.span,
        description: decoder.text(node, "description"),
        settings,
        streams,
        patterns,
        exclude,
        defaults,
        unset,
    })
}

/// Decodes the options of a stream or pattern from its own mapping and the defaults, and checks
/// combinations of keys. `of_source` is the source's mapping if `types` may be set there. Variables
/// that are not set are added to `unset`.
fn stream_options(
    node: &Node,
    defaults: &Node,
    of_source: &Node,
    spec: &MapSpec,
    unset: &mut Vec<Diagnostic>,
    decoder: &mut Decoder<'_>,
) -> StreamOptions {
    let either = |key: &str| node.get(key).or_else(|| defaults.get(key));
    let holder = |key: &str| if node.get(key).is_some() { node } else { defaults };
    let change = |key: &str, default: OnChange| {
        let found = [node, defaults].iter().find_map(|n| n.get("contract")?.get(key)?.text());
        found.and_then(OnChange::from_name).unwrap_or(default)
    };
    let mode = match either("mode").and_then(Node::text) {
        Some("upsert") => ReadMode::Upsert,
        Some("append") => ReadMode::Append,
        Some("incremental") => ReadMode::Incremental,
        _ => ReadMode::Full,
    };
    let nul = match either("nul").and_then(Node::text) {
        Some("quarantine") => OnNul::Quarantine,
        Some("strip") => OnNul::Strip,
        _ => OnNul::Error,
    };
    let key = decoder.texts(holder("key"), "key");
    if mode == ReadMode::Upsert && key.is_empty() {
        let range = either("mode").map_or(node.range.clone(), |n| n.range.clone());
        let hint = Some("Add `key: [column]`.".to_owned());
        decoder.report(Code::MissingKey, &range, "`mode: upsert` needs a `key`", hint);
    }
    // Whether a source supports incremental reads shows in the keys of its streams.
    if mode == ReadMode::Incremental && either("cursor").is_none() {
        let range = either("mode").map_or(node.range.clone(), |n| n.range.clone());
        if spec.keys.iter().any(|key| key.name == "cursor") {
            let hint = "Add `cursor: updated_at`, a column that grows with each change of a row.".to_owned();
            decoder.report(Code::MissingKey, &range, "`mode: incremental` needs a `cursor`", Some(hint));
        } else {
            let hint = "Such a source is read whole; `mode: upsert` keeps what it no longer has.".to_owned();
            decoder.report(
                Code::WrongValue,
                &range,
                "this type of source has no `mode: incremental`",
                Some(hint),
            );
        }
    }
    let deletes = deletes(node, defaults, decoder);
    if nul == OnNul::Strip && matches!(deletes, Deletes::Reconciled { .. }) {
        let range = either("nul").map_or(node.range.clone(), |n| n.range.clone());
        // If a key loses a character here, the key in the source looks deleted.
        let hint = Some("Write `nul: quarantine`, or `deletes: ignore`.".to_owned());
        decoder.report(
            Code::WrongValue,
            &range,
            "`nul: strip` changes keys, which `deletes: reconcile` compares",
            hint,
        );
    }
    let mut max_quarantine = None;
    if let Some(value) = either("max_quarantine") {
        match value.text().unwrap_or_default().parse() {
            Ok(limit) => max_quarantine = Some(limit),
            Err(message) => decoder.report(Code::WrongValue, &value.range, message, None),
        }
    }
    let (own, own_unset) = decoder.settings(node, spec);
    let (default_settings, _) = decoder.settings(defaults, spec);
    unset.extend(own_unset);
    StreamOptions {
        description: decoder.text(node, "description"),
        key,
        mode,
        choice: choice(node, defaults, decoder),
        rename: renames(node, defaults, decoder),
        types: types(&[node, defaults, of_source], decoder),
        deletes,
        contract: Contract {
            columns: change("columns", OnChange::Evolve),
            types: change("types", OnChange::Evolve),
        },
        nul,
        max_quarantine,
        allow_empty: allow_empty(node, defaults),
        max_shrink: max_shrink(either("max_shrink"), decoder),
        settings: own.or(&default_settings),
    }
}

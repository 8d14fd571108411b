//! `sources/*.yml`.

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

/// The keys that every source has.
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

/// The keys that every stream has.
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

/// What a stream may do about one kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnChange {
    /// Follow it.
    Evolve,
    /// Stop.
    Freeze,
    /// Set rows aside.
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

/// A stream's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract {
    /// Columns that appear.
    pub columns: OnChange,
    /// Values that do not fit their column.
    pub types: OnChange,
}

/// What becomes of a text with the character U+0000, which not every warehouse can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnNul {
    /// The warehouse decides: it is loaded, or the load fails.
    Error,
    /// Its row is set aside.
    Quarantine,
    /// The character is taken out, and the row is counted.
    Strip,
}

/// How a stream is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadMode {
    /// Everything anew.
    Full,
    /// Merge by key.
    Upsert,
    /// Add what was not loaded before.
    Append,
    /// Merge by key what has come since the last load.
    Incremental,
}

impl ReadMode {
    /// Whether rows of earlier loads stay.
    pub fn keeps(self) -> bool {
        self != Self::Full
    }

    /// Whether rows replace those of the same key.
    pub fn merges(self) -> bool {
        matches!(self, Self::Upsert | Self::Incremental)
    }
}

/// A system that is read.
#[derive(Debug, Clone)]
pub struct SourceDef {
    /// Name.
    pub name: String,
    /// The word after `type:`.
    pub kind: String,
    /// Its file.
    pub file: Arc<str>,
    /// Where the name of the source (or its type) stands.
    pub span: Span,
    /// What it is, for people.
    pub description: Option<String>,
    /// Settings of the source.
    pub settings: Settings,
    /// Streams; none when the file names none and all that the source has are meant.
    pub streams: Option<Vec<StreamDef>>,
    /// Streams by pattern, in the order of the file.
    pub patterns: Vec<StreamPattern>,
    /// What patterns, or a source without `streams`, do not stand for.
    pub exclude: Exclude,
    /// What a stream has that the file does not name.
    pub defaults: StreamOptions,
    /// `${NAME}`s that are not set; errors when the source is read.
    pub unset: Vec<Diagnostic>,
}

/// A stream of a source.
#[derive(Debug, Clone)]
pub struct StreamDef {
    /// Full name.
    pub name: StreamName,
    /// Where its name stands.
    pub span: Span,
    /// How it is read.
    pub options: StreamOptions,
}

/// How a stream is read.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// What it is, for people.
    pub description: Option<String>,
    /// Columns of the key, under the source's names.
    pub key: Vec<String>,
    /// What becomes of the rows of earlier loads.
    pub mode: ReadMode,
    /// Which columns are loaded, and how.
    pub choice: ColumnChoice,
    /// Names of columns in the warehouse, where a person has chosen them.
    pub rename: Vec<Renamed>,
    /// Types of columns, where a person has chosen them.
    pub types: Vec<ChosenType>,
    /// What becomes of rows that the source has deleted.
    pub deletes: Deletes,
    /// What it may do when it changes.
    pub contract: Contract,
    /// What becomes of texts with the character U+0000.
    pub nul: OnNul,
    /// How many rows may go to quarantine, where the stream says so.
    pub max_quarantine: Option<QuarantineLimit>,
    /// Whether it may lose all of its rows.
    pub allow_empty: bool,
    /// The share of its rows that it may lose from one load to the next, where the stream says so.
    pub max_shrink: Option<Shrink>,
    /// The connector's own settings of the stream.
    pub settings: Settings,
}

/// Decodes a source file.
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
    // What the source's connector takes for all streams.
    let of_source = if source_spec.key(TYPES.name).is_some() { node } else { &nothing };
    let mut options = |node: &Node, defaults: &Node, what: &str, decoder: &mut Decoder<'_>| {
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
        // A key that has lost a character here looks like one that is gone there.
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

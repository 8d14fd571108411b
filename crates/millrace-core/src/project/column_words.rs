//! Decodes the names and types of columns that a project sets: `rename` and `types`.

use crate::code::Code;
use crate::diagnostic::Spanned;
use crate::name::Naming;
use crate::project::decode::Decoder;
use crate::project::source_file::StreamOptions;
use crate::project::spec::{KeyKind, KeySpec};
use crate::project::yaml::Node;
use crate::schema::{DataType, StreamSchema, TYPE_NAMES};
use crate::suggest::did_you_mean;

pub(super) const RENAME: KeySpec = KeySpec::optional(
    "rename",
    KeyKind::MapOf(&KeyKind::Text),
    "What columns are called in the warehouse, in place of what `naming` makes of them: `{\"Source's name\": name}`. All other keys go on with the source's names.",
);

/// The key `types`, for sources of files and their streams.
pub const TYPES: KeySpec = KeySpec::optional(
    "types",
    KeyKind::MapOf(&KeyKind::Text),
    "Types of columns, in place of what their values suggest: `{ref: text, price: \"decimal(18,4)\"}`, by the source's names. A value that does not fit goes to quarantine. A stream's own `types` go before its source's.",
);

/// A renamed column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renamed {
    /// The column, in the spelling of the source.
    pub column: Spanned,
    /// Its name in the warehouse.
    pub name: String,
}

/// A column whose type is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenType {
    /// The column, in the spelling of the source.
    pub column: Spanned,
    /// Its type.
    pub data_type: DataType,
}

impl StreamOptions {
    /// The name in the warehouse of a column of the source: set by `rename`, otherwise derived by
    /// `naming`.
    pub fn column_name(&self, naming: Naming, source_name: &str) -> String {
        let renamed = self.rename.iter().find(|renamed| renamed.column.text == source_name);
        renamed.map_or_else(|| naming.column(source_name), |renamed| renamed.name.clone())
    }

    /// The type set for a column of the source, if any.
    pub fn chosen_type(&self, source_name: &str) -> Option<DataType> {
        let chosen = self.types.iter().find(|chosen| chosen.column.text == source_name);
        chosen.map(|chosen| chosen.data_type)
    }

    /// Replaces the types in a schema with those that are set.
    #[must_use]
    pub fn with_chosen_types(&self, mut schema: StreamSchema) -> StreamSchema {
        for column in &mut schema.columns {
            column.data_type = self.chosen_type(&column.name).unwrap_or(column.data_type);
        }
        schema
    }
}

/// Decodes `rename`. A stream's own mapping replaces that of the defaults as a whole.
pub(super) fn renames(node: &Node, defaults: &Node, decoder: &mut Decoder<'_>) -> Vec<Renamed> {
    let holder = if node.get("rename").is_some() { node } else { defaults };
    let mut all = Vec::new();
    for entry in holder.get("rename").and_then(Node::map).unwrap_or_default() {
        let Some(name) = entry.value.text() else { continue };
        if name.is_empty() || name.contains('\0') {
            let message = format!("column `{}` cannot have such a name", entry.key);
            decoder.report_once(Code::WrongValue, &entry.value.range, message, None);
            continue;
        }
        let column = Spanned { text: entry.key.clone(), span: decoder.span(&entry.key_range) };
        all.push(Renamed { column, name: name.to_owned() });
    }
    all
}

/// Decodes `types` from the first mapping that has the key. Invalid types are reported and skipped.
pub(super) fn types(holders: &[&Node], decoder: &mut Decoder<'_>) -> Vec<ChosenType> {
    let Some(entries) = holders.iter().find_map(|holder| holder.get(TYPES.name)).and_then(Node::map) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    for entry in entries {
        let text = entry.value.text().unwrap_or_default();
        match text.parse() {
            Ok(data_type) => {
                let column = Spanned { text: entry.key.clone(), span: decoder.span(&entry.key_range) };
                all.push(ChosenType { column, data_type });
            }
            Err(_) => {
                let hint = did_you_mean(text, TYPE_NAMES, "the types are");
                let message = format!("`{text}` is no logical type");
                decoder.report_once(Code::WrongValue, &entry.value.range, message, hint);
            }
        }
    }
    all
}

//! Decodes which columns of a stream are loaded or masked: `columns`, `exclude_columns` and `mask`
//! (ADR 13).

use crate::code::Code;
use crate::diagnostic::Spanned;
use crate::project::decode::Decoder;
use crate::project::spec::{KeyKind, KeySpec};
use crate::project::yaml::Node;

pub(super) const COLUMNS: KeySpec = KeySpec::optional(
    "columns",
    KeyKind::ListOf(&KeyKind::Text),
    "The columns that are loaded, under the source's names; all others are left out as if they stood in `exclude_columns`.",
);

pub(super) const EXCLUDE_COLUMNS: KeySpec = KeySpec::optional(
    "exclude_columns",
    KeyKind::ListOf(&KeyKind::Text),
    "Columns that are never loaded nor kept in quarantine. Not together with `columns`.",
);

pub(super) const MASK: KeySpec = KeySpec::optional(
    "mask",
    KeyKind::MapOf(&KeyKind::OneOf(&["hash"])),
    "Columns whose values are masked before they reach the warehouse: with `hash` equal values become equal texts of 64 hex digits (HMAC-SHA-256 under `mask_salt` in `millrace.yml`), NULL stays NULL.",
);

/// Which columns of a stream are loaded. Names are those of the source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnChoice {
    /// The only columns that are loaded; `None` loads all except `excluded`.
    pub only: Option<Vec<Spanned>>,
    /// Columns that are not loaded.
    pub excluded: Vec<Spanned>,
    /// Columns whose values are masked.
    pub masked: Vec<Spanned>,
}

impl ColumnChoice {
    /// The columns that are not loaded.
    pub fn left_out(&self) -> LeftOut {
        let texts = |list: &[Spanned]| list.iter().map(|name| name.text.clone()).collect();
        LeftOut { names: texts(&self.excluded), all_but: self.only.as_deref().map(texts) }
    }

    /// Whether a column is masked.
    pub fn masks(&self, column: &str) -> bool {
        self.masked.iter().any(|name| name.text == column)
    }

    /// Whether the text of a record may contain values that must not be stored. Quarantine then
    /// keeps only a hash of it.
    pub fn hides(&self) -> bool {
        self.only.is_some() || !self.excluded.is_empty() || !self.masked.is_empty()
    }
}

/// The columns that a stream does not load: a list, or all columns except a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    names: Vec<String>,
    all_but: Option<Vec<String>>,
}

impl LeftOut {
    /// Whether a column is left out. It need not exist: the source may get it later.
    pub fn contains(&self, column: &str) -> bool {
        let is = |name: &String| name == column;
        self.names.iter().any(is) || self.all_but.as_ref().is_some_and(|kept| !kept.iter().any(is))
    }

    /// Whether a column is left out by name, not just because it is not among those to keep.
    pub fn names(&self, column: &str) -> bool {
        self.names.iter().any(|name| name == column)
    }

    /// Whether a column is left out by name, ignoring case.
    pub fn names_in_any_case(&self, column: &str) -> bool {
        let folded = column.to_lowercase();
        self.names.iter().any(|name| name.to_lowercase() == folded)
    }

    /// Whether a whole object is left out. Its fields are columns named `OBJECT_FIELD`. It is left
    /// out if its own name is listed, or if none of its fields is among the columns to keep.
    pub fn contains_object(&self, object: &str) -> bool {
        let within = |kept: &String| kept.strip_prefix(object).is_some_and(|rest| rest.starts_with('_'));
        self.names.iter().any(|name| name == object)
            || self.all_but.as_ref().is_some_and(|kept| !kept.iter().any(within))
    }

    /// A text that changes if other columns are left out. It is part of the stream's fingerprint.
    pub fn fingerprint(&self) -> String {
        let all_but = self.all_but.as_ref().map_or_else(String::new, |kept| format!(" all but {kept:?}"));
        format!("{:?}{all_but}", self.names)
    }
}

impl From<Vec<String>> for LeftOut {
    fn from(names: Vec<String>) -> Self {
        Self { names, all_but: None }
    }
}

/// Decodes the choice of a stream. A stream with `columns` or `exclude_columns` of its own ignores
/// both keys of the defaults. Refuses both keys together, an empty `columns`, and a masked cursor.
pub(super) fn choice(node: &Node, defaults: &Node, decoder: &mut Decoder<'_>) -> ColumnChoice {
    if let (Some(_), Some(excluded)) = (node.get("columns"), node.get("exclude_columns")) {
        let message = "`columns` and `exclude_columns` stand together";
        let hint = "Keep one: `columns` leaves out all that it does not name.".to_owned();
        decoder.report(Code::WrongValue, &excluded.range, message, Some(hint));
    }
    let chooses = ["columns", "exclude_columns"].iter().any(|key| node.get(key).is_some());
    let holder = if chooses { node } else { defaults };
    let only = holder.get("columns").map(|_| decoder.spanned_list(holder, "columns"));
    if let (Some([]), Some(columns)) = (only.as_deref(), holder.get("columns")) {
        let hint = "Name those that are to be loaded, or leave `columns` out.".to_owned();
        decoder.report_once(Code::WrongValue, &columns.range, "`columns` names no column", Some(hint));
    }
    let holder_of_mask = if node.get("mask").is_some() { node } else { defaults };
    let masked = holder_of_mask.get("mask").and_then(Node::map).unwrap_or_default();
    let masked =
        masked.iter().map(|entry| Spanned { text: entry.key.clone(), span: decoder.span(&entry.key_range) });
    let choice = ColumnChoice {
        only,
        excluded: decoder.spanned_list(holder, "exclude_columns"),
        masked: masked.collect(),
    };
    let cursor = node.get("cursor").or_else(|| defaults.get("cursor")).and_then(Node::text);
    for name in &choice.masked {
        if cursor.is_some_and(|cursor| cursor.eq_ignore_ascii_case(&name.text)) {
            let message = format!("`{}` is the stream's `cursor`, and cannot be masked", name.text);
            let hint = "What is new is told by its values, which the checkpoint keeps. Take another cursor, or leave it out of what models publish.";
            decoder.report_once(Code::WrongValue, &name.span.range, message, Some(hint.to_owned()));
        }
    }
    choice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out() {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let some = LeftOut::from(names(&["a"]));
        let all_but = LeftOut { names: Vec::new(), all_but: Some(names(&["a"])) };
        assert_eq!(["a", "b"].map(|name| some.contains(name)), [true, false]);
        assert_eq!(["a", "b", "A"].map(|name| all_but.contains(name)), [false, true, true]);
        let all_but_within = LeftOut { names: Vec::new(), all_but: Some(names(&["a", "b_x"])) };
        assert_eq!(["a", "b"].map(|name| some.contains_object(name)), [true, false]);
        assert_eq!(["a", "b", "c"].map(|name| all_but_within.contains_object(name)), [true, false, true]);
        // The format is fixed: with another one, all streams would be loaded again.
        assert_eq!(some.fingerprint(), "[\"a\"]");
        assert_ne!(all_but.fingerprint(), LeftOut::default().fingerprint());
    }
}

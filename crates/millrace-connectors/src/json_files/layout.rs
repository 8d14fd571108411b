//! The settings that say where the records are in a JSON file, and what is done with the objects
//! and arrays within them (ADR 18).

use std::collections::BTreeMap;

use millrace_core::project::settings::Settings;
use millrace_core::project::spec::{KeyKind, KeySpec};
use millrace_engine::error::{Error, ErrorKind, Result};

/// The key `records` of `type: json`.
pub(super) const RECORDS: KeySpec = KeySpec::optional(
    "records",
    KeyKind::Text,
    "Where in the document the array of records is: `$` (the default) is the document itself, `$.data.orders` the value of `orders` in the object `data`. `$[*].lines` or `$.data.orders[*].lines` are the elements of the arrays `lines` of all records: a child stream, which needs `parent`.",
);

/// The key `records` of `type: ndjson`, where no document surrounds the records.
pub(super) const LINE_RECORDS: KeySpec = KeySpec::optional(
    "records",
    KeyKind::Text,
    "`$` (the default): each line is a record. `$[*].lines`: the elements of the arrays `lines` of all lines' objects are; a child stream, which needs `parent`.",
);

/// The key `parent` of a child stream.
pub(super) const PARENT: KeySpec = KeySpec::optional(
    "parent",
    KeyKind::MapOf(&KeyKind::Text),
    "Of a child stream: columns that each row gets from the record that it stands in, by the field that they come from: `{order_id: id}`.",
);

/// The key `index` of a child stream.
pub(super) const INDEX: KeySpec = KeySpec::optional(
    "index",
    KeyKind::Text,
    "Of a child stream: name of the column that says which element of its array a row is, from 1 on (`index` by default).",
);

/// The key `nested`.
pub(super) const NESTED: KeySpec = KeySpec::optional(
    "nested",
    KeyKind::OneOf(&["keep", "flatten"]),
    "Objects within records: `keep` (the default) leaves each as it is, in a column of JSON; `flatten` makes columns of their fields, `address.city` becomes `address_city`, down to eight levels. Arrays stay JSON.",
);

/// How many levels of nested objects `nested: flatten` turns into columns.
const LEVELS: usize = 8;

/// Where the records of a stream are, and what is done with values within them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The keys that lead from the document to the array of records, outermost first.
    pub(super) path: Vec<String>,
    /// Levels of nested objects that become columns; 0 keeps objects as JSON.
    pub(super) levels: usize,
    /// For a child stream: the rows within the records. `None` if the records themselves are the
    /// rows.
    pub(super) children: Option<Children>,
}

/// The rows of a child stream: the elements of an array within each record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Children {
    /// The keys that lead from a record to the array of its rows, outermost first.
    pub(super) path: Vec<String>,
    /// The columns that are copied from the record, each with the field that it comes from.
    pub(super) parent: BTreeMap<String, String>,
    /// The name of the column with the place of a row in its array, from 1 on.
    pub(super) index: String,
}

impl Layout {
    /// Reads the layout from the settings of a JSON stream. Returns an error if `records` is not a
    /// path, if `parent` or `index` is given without rows within records, if such rows lack
    /// `parent`, or if `index` is also a column of `parent`.
    pub(super) fn of(settings: &Settings) -> Result<Self> {
        let written = settings.text("records").unwrap_or("$");
        // `path` leads to the records, `within` from a record to the rows of a child stream.
        let (path, within) = parse(written).ok_or_else(|| {
            Error::new(ErrorKind::SourceUnreadable, format!("`records: {written}` is no path")).hint(
                "Write `$`, `$.data.orders` with the names of the keys that lead to the array, or `$[*].lines` for an array within each record.",
            )
        })?;
        let parent = settings.map("parent").cloned().unwrap_or_default();
        let index = settings.text("index").unwrap_or("index").to_owned();
        let children = match within {
            None if settings.text("index").is_some() => {
                return Err(Error::new(
                    ErrorKind::SourceUnreadable,
                    "`index` is for rows that stand within records",
                )
                .hint("Say where they are: `records: $[*].lines`."));
            }
            None if parent.is_empty() => None,
            None => {
                return Err(Error::new(
                    ErrorKind::SourceUnreadable,
                    "`parent` is for rows that stand within records",
                )
                .hint("Say where they are: `records: $[*].lines`."));
            }
            Some(_) if parent.is_empty() => {
                let message = format!(
                    "`records: {written}` are rows within records, which need a `parent` to be joined to"
                );
                return Err(Error::new(ErrorKind::SourceUnreadable, message)
                    .hint("Write, for instance, `parent: {order_id: id}`: a column, and the record's field that it is."));
            }
            Some(_) if parent.contains_key(&index) => {
                let message = format!("`{index}` is a column of `parent` and the `index` too");
                return Err(Error::new(ErrorKind::SourceUnreadable, message)
                    .hint("Give the place in the array another name: `index: line`, say."));
            }
            Some(path) => Some(Children { path, parent, index }),
        };
        let levels = if settings.text("nested") == Some("flatten") { LEVELS } else { 0 };
        Ok(Self { path, levels, children })
    }

    /// Reads the layout of an NDJSON stream. In addition, a path to the records is an error,
    /// because no document surrounds them.
    pub(super) fn of_lines(settings: &Settings) -> Result<Self> {
        let layout = Self::of(settings)?;
        if layout.path.is_empty() {
            return Ok(layout);
        }
        Err(Error::new(ErrorKind::SourceUnreadable, "in files of lines each line is a record")
            .hint("Write `records: $[*].lines` for an array within each of them."))
    }

    /// Whether each record is one row, without flattening.
    pub(super) fn is_plain(&self) -> bool {
        self.levels == 0 && self.children.is_none()
    }
}

/// Parses a path such as `$.a[*].b`: the keys that lead to the records, and those that lead from a
/// record to the rows within it, if it has any. Returns `None` if the text is not such a path.
fn parse(text: &str) -> Option<(Vec<String>, Option<Vec<String>>)> {
    fn keys(text: &str) -> Option<Vec<String>> {
        if text.is_empty() {
            return Some(Vec::new());
        }
        let keys: Vec<String> = text.strip_prefix('.')?.split('.').map(str::to_owned).collect();
        keys.iter().all(|key| !key.is_empty() && !key.contains(['[', ']', '*'])).then_some(keys)
    }
    let rest = text.strip_prefix('$')?;
    let Some((before, after)) = rest.split_once("[*]") else { return Some((keys(rest)?, None)) };
    let within = keys(after.strip_suffix("[*]").unwrap_or(after))?;
    Some((keys(before)?, (!within.is_empty()).then_some(within)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let list = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        for (text, expected) in [
            ("$", Some((list(&[]), None))),
            ("$[*]", Some((list(&[]), None))),
            ("$.a.b", Some((list(&["a", "b"]), None))),
            ("$[*].lines", Some((list(&[]), Some(list(&["lines"]))))),
            ("$.a[*].b.c[*]", Some((list(&["a"]), Some(list(&["b", "c"]))))),
            ("a", None),
            ("$a", None),
            ("$.", None),
            ("$.a[0]", None),
            ("$[*].a[*].b", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}

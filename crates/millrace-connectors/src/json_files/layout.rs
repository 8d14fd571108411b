//! What a project says about how records lie in JSON files: where they are, and what becomes of the objects and arrays within them.

use std::collections::BTreeMap;

use millrace_core::project::settings::Settings;
use millrace_core::project::spec::{KeyKind, KeySpec};
use millrace_engine::error::{Error, ErrorKind, Result};

pub(super) const RECORDS: KeySpec = KeySpec::optional(
    "records",
    KeyKind::Text,
    "Where in the document the array of records is: `$` (the default) is the document itself, `$.data.orders` the value of `orders` in the object `data`. `$[*].lines` or `$.data.orders[*].lines` are the elements of the arrays `lines` of all records: a child stream, which needs `parent`.",
);

pub(super) const LINE_RECORDS: KeySpec = KeySpec::optional(
    "records",
    KeyKind::Text,
    "`$` (the default): each line is a record. `$[*].lines`: the elements of the arrays `lines` of all lines' objects are; a child stream, which needs `parent`.",
);

pub(super) const PARENT: KeySpec = KeySpec::optional(
    "parent",
    KeyKind::MapOf(&KeyKind::Text),
    "Of a child stream: columns that each row gets from the record that it stands in, by the field that they come from: `{order_id: id}`.",
);

pub(super) const INDEX: KeySpec = KeySpec::optional(
    "index",
    KeyKind::Text,
    "Of a child stream: name of the column that says which element of its array a row is, from 1 on (`index` by default).",
);

pub(super) const NESTED: KeySpec = KeySpec::optional(
    "nested",
    KeyKind::OneOf(&["keep", "flatten"]),
    "Objects within records: `keep` (the default) leaves each as it is, in a column of JSON; `flatten` makes columns of their fields, `address.city` becomes `address_city`, down to eight levels. Arrays stay JSON.",
);

/// Levels of objects within a record that are made columns of.
const LEVELS: usize = 8;

/// How records lie in files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The keys that lead from the document to the array of records, outermost first.
    pub(super) path: Vec<String>,
    /// Levels of objects within a record that are made columns of.
    pub(super) levels: usize,
    pub(super) children: Option<Children>,
}

/// Rows within records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Children {
    /// The keys that lead from a record to the array of its rows, outermost first.
    pub(super) path: Vec<String>,
    /// Columns from the record, and the fields that they come from.
    pub(super) parent: BTreeMap<String, String>,
    /// The column for a row's place in its array.
    pub(super) index: String,
}

impl Layout {
    pub(super) fn of(settings: &Settings) -> Result<Self> {
        let written = settings.text("records").unwrap_or("$");
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

    /// The same of files of lines, which have no document around the records.
    pub(super) fn of_lines(settings: &Settings) -> Result<Self> {
        let layout = Self::of(settings)?;
        if layout.path.is_empty() {
            return Ok(layout);
        }
        Err(Error::new(ErrorKind::SourceUnreadable, "in files of lines each line is a record")
            .hint("Write `records: $[*].lines` for an array within each of them."))
    }

    /// Whether each record is a row as it stands.
    pub(super) fn is_plain(&self) -> bool {
        self.levels == 0 && self.children.is_none()
    }
}

/// The keys of a path to records, and those from a record on.
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

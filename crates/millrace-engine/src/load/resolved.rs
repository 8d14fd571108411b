//! Finds rows in quarantine that are resolved because a later load brings a row with their key.
//!
//! For rows of servers and of JSON files, the text in quarantine names the values, including the
//! key. A digest of the key is stored with the row and looked for among rows that load. A key whose
//! values are written differently in both places is not found; then the row stays in quarantine.

use std::collections::{BTreeSet, HashSet};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array as _, RecordBatch};
use arrow_schema::DataType as ArrowType;
use millrace_core::digest::of_parts;
use millrace_core::value::Value;
use serde_json::Value as Json;

use crate::compile::catalog::Stream;
use crate::compile::contract::Target;
use crate::error::Result;
use crate::ports::warehouse::{QueryLimits, Statement, Warehouse};
use crate::state::Tables;

/// A column of the key.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct KeyColumn {
    /// The source's name.
    theirs: String,
    /// The warehouse's name.
    ours: String,
    /// Its index among the columns of the load.
    at: usize,
}

/// Watches a load for keys that are in quarantine.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    /// The columns of the key.
    key: Vec<KeyColumn>,
    /// Digests of keys of this stream in quarantine before the load.
    known: HashSet<String>,
    /// Those that the load has brought, or put into quarantine again.
    come: BTreeSet<String>,
}

impl Resolved {
    /// A watcher for a load that is merged by key. For other loads it has no key and does nothing.
    /// A masked key cannot be recognized either.
    pub(crate) fn of(stream: &Stream, target: &Target) -> Self {
        let masked = |name: &str| stream.options.choice.masked.iter().any(|masked| masked.text == name);
        let columns = target.source_columns.iter().zip(&target.warehouse_columns).enumerate();
        let mut key: Vec<KeyColumn> = columns
            .filter(|(_, (_, ours))| target.key.contains(&ours.name))
            .map(|(at, (theirs, ours))| KeyColumn {
                theirs: theirs.name.clone(),
                ours: ours.name.clone(),
                at,
            })
            .collect();
        // A fixed order of the columns, so that digests of different loads are comparable.
        key.sort();
        if !stream.options.mode.merges() || key.iter().any(|column| masked(&column.theirs)) {
            key.clear();
        }
        Self { key, ..Self::default() }
    }

    /// Looks up which keys of the stream are in quarantine.
    pub(crate) async fn look_up(
        &mut self,
        stream: &Stream,
        tables: &Tables,
        warehouse: &dyn Warehouse,
    ) -> Result<()> {
        if self.key.is_empty() {
            return Ok(());
        }
        let sql = format!(
            "select distinct key_sha256 from {} where source = $1 and stream = $2 and key_sha256 is not null",
            tables.table("quarantine")
        );
        let found = warehouse.query(&Statement::with(sql, stream.name.params()), QueryLimits::STATE).await?;
        self.known =
            found.data.first().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(())
    }

    /// The digest of the key in the text of a row that the source refused; `None` if the text does
    /// not name the whole key.
    pub(crate) fn of_text(&self, raw: &str) -> Option<String> {
        self.named_in(raw, |column| &column.theirs)
    }

    /// The same for a row that the warehouse refused, whose text has the warehouse's names.
    pub(crate) fn of_warehouse_text(&self, raw: &str) -> Option<String> {
        self.named_in(raw, |column| &column.ours)
    }

    /// The digest of the key in a JSON object. Only texts and numbers have a comparable form.
    fn named_in(&self, raw: &str, name: impl Fn(&KeyColumn) -> &str) -> Option<String> {
        if self.key.is_empty() || !raw.starts_with('{') {
            return None;
        }
        let record: Json = serde_json::from_str(raw).ok()?;
        let parts = self.key.iter().map(|column| match &record[name(column)] {
            Json::String(text) => Some(text.clone()),
            Json::Number(number) => Some(number.to_string()),
            _ => None,
        });
        Some(of_parts(parts.collect::<Option<Vec<String>>>()?))
    }

    /// Notes that a row with this key was put into quarantine again; the new row replaces the old
    /// one.
    pub(crate) fn set_aside(&mut self, key: Option<&String>) {
        if let Some(key) = key.filter(|key| self.known.contains(*key)) {
            self.come.insert(key.clone());
        }
    }

    /// Notes the keys of loaded rows.
    pub(crate) fn loaded(&mut self, rows: &RecordBatch) {
        // Nothing left to find, which is the usual case.
        if self.known.len() == self.come.len() {
            return;
        }
        for row in 0..rows.num_rows() {
            let parts = self.key.iter().map(|column| text(rows, column.at, row));
            if let Some(parts) = parts.collect::<Option<Vec<String>>>() {
                self.set_aside(Some(&of_parts(parts)));
            }
        }
    }

    /// Digests of the keys that were in quarantine and have come.
    pub(crate) fn come(&self) -> Vec<&str> {
        self.come.iter().map(String::as_str).collect()
    }
}

/// A key value in the form that texts of rows have. `None` for NULL, and for types that texts can
/// write in several ways.
fn text(rows: &RecordBatch, column: usize, row: usize) -> Option<String> {
    let array = rows.columns().get(column)?;
    if array.is_null(row) {
        return None;
    }
    Some(match array.data_type() {
        ArrowType::Int8 => array.as_primitive::<Int8Type>().value(row).to_string(),
        ArrowType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
        ArrowType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
        ArrowType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        ArrowType::UInt8 => array.as_primitive::<UInt8Type>().value(row).to_string(),
        ArrowType::UInt16 => array.as_primitive::<UInt16Type>().value(row).to_string(),
        ArrowType::UInt32 => array.as_primitive::<UInt32Type>().value(row).to_string(),
        ArrowType::UInt64 => array.as_primitive::<UInt64Type>().value(row).to_string(),
        ArrowType::Decimal128(_, _) => array.as_primitive::<Decimal128Type>().value_as_string(row),
        ArrowType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, StringArray};

    use super::*;

    #[test]
    fn a_key_that_comes_is_found_by_what_quarantine_has_of_it() {
        let column =
            |theirs: &str, ours: &str, at| KeyColumn { theirs: theirs.into(), ours: ours.into(), at };
        let key = vec![column("id", "kind", 1), column("kind", "id", 0)];
        let mut resolved = Resolved { key, ..Resolved::default() };
        let of = |resolved: &Resolved, raw: &str| resolved.of_text(raw);
        let one = of(&resolved, r#"{"id": 1, "kind": "a", "n": "x"}"#).expect("a key");
        let two = of(&resolved, r#"{"kind": "b", "id": 2, "n": "x"}"#).expect("a key");
        // The warehouse's names may differ from the source's.
        assert_eq!(resolved.of_warehouse_text(r#"{"kind": 1, "id": "a"}"#), Some(one.clone()));
        for odd in ["", "1,a", "[1]", "{", r#"{"id": 1}"#, r#"{"id": null, "kind": "a"}"#] {
            assert_eq!(of(&resolved, odd), None, "{odd}");
        }
        resolved.known = HashSet::from([one.clone(), two.clone()]);
        let kinds: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), Some("a"), None]));
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 1, 2]));
        resolved.loaded(&RecordBatch::try_from_iter([("k", kinds), ("i", ids)]).expect("rows"));
        assert_eq!(resolved.come(), [one.as_str()]);
        resolved.set_aside(Some(&two));
        resolved.set_aside(Some(&"other".to_owned()));
        assert_eq!(resolved.come().len(), 2);
    }
}

//! The columns of a table into which loads are merged, when the stream's columns change.
//!
//! A merge never casts a value to a type that may not hold it: a column gets the type that holds
//! both exactly, and the load is refused if there is none. See ADR 0011.

use millrace_core::name::StreamName;
use millrace_core::project::column_choice::LeftOut;
use millrace_core::schema::Column;

use crate::compile::contract::{Target, wider};
use crate::compile::masks::Masks;
use crate::error::{Error, ErrorKind, Result};
use crate::state::raw_column::RawColumn;

/// The columns of a load as a table of its own has them. `merges` tells whether the key is used.
pub(crate) fn columns_of(target: &Target, merges: bool, masks: Option<&Masks>) -> Vec<RawColumn> {
    let pairs = target.source_columns.iter().zip(&target.warehouse_columns);
    let raw = |(theirs, ours): (&Column, &Column)| RawColumn {
        source: theirs.name.clone(),
        name: ours.name.clone(),
        data_type: ours.data_type,
        nullable: ours.nullable,
        key: merges && target.key.contains(&ours.name),
        masked: masks.and_then(|masks| masks.of_column(&theirs.name)),
    };
    pairs.map(raw).collect()
}

/// A column of the merged table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merged {
    pub(crate) column: RawColumn,
    /// The column of the earlier table whose values it takes over; `None` for a new column.
    pub(crate) from: Option<RawColumn>,
}

/// The columns of the merged table: those of the earlier table, then new ones. Excluded columns are
/// removed with their values. Refuses another key, another mask, types without a common type, and
/// names that differ only in letter case.
pub(crate) fn merged(
    stream: &StreamName,
    before: &[RawColumn],
    arriving: Vec<RawColumn>,
    excluded: &LeftOut,
) -> Result<Vec<Merged>> {
    let refused = |what: String, hint: &str| {
        let message =
            format!("what arrives in stream `{stream}` cannot be merged with what was loaded before: {what}");
        Err(Error::new(ErrorKind::ContractBroken, message).hint(hint))
    };
    let refuse = |what: String| {
        refused(
            what,
            "Go back to the former settings or captured schema, or begin anew with what the source has now: `millrace run --full-refresh`.",
        )
    };
    let keys = |columns: &[RawColumn]| {
        let mut keys: Vec<String> =
            columns.iter().filter(|column| column.key).map(|column| column.source.clone()).collect();
        keys.sort();
        keys
    };
    if keys(before) != keys(&arriving) {
        let list = |columns: &[RawColumn]| keys(columns).join("`, `");
        return refuse(format!("the key was `{}` and is now `{}`", list(before), list(&arriving)));
    }
    let mut left = arriving;
    let mut columns = Vec::new();
    for old in before.iter().filter(|old| !excluded.contains(&old.source)) {
        // A column is recognized by the source's name, or else by the warehouse's, since it can be
        // renamed on either side.
        let at = left
            .iter()
            .position(|new| new.source == old.source)
            .or_else(|| left.iter().position(|new| new.name == old.name));
        let Some(new) = at.map(|at| left.remove(at)) else {
            // The source no longer has the column; its values stay.
            let column = RawColumn { nullable: true, ..old.clone() };
            columns.push(Merged { column, from: Some(old.clone()) });
            continue;
        };
        if old.masked != new.masked {
            let (how, hint) = other_mask(old, &new);
            return refused(format!("column `{}` {how}", old.name), hint);
        }
        let Some(data_type) = wider(old.data_type, new.data_type) else {
            return refuse(format!(
                "column `{}` was {} and is now {}",
                old.name, old.data_type, new.data_type
            ));
        };
        let column = RawColumn { data_type, nullable: old.nullable || new.nullable, ..new };
        columns.push(Merged { column, from: Some(old.clone()) });
    }
    // Existing rows have no value for new columns.
    let new = left.into_iter().map(|new| RawColumn { nullable: true, ..new });
    columns.extend(new.map(|column| Merged { column, from: None }));
    for (i, one) in columns.iter().enumerate() {
        let same = |other: &&Merged| other.column.name.to_lowercase() == one.column.name.to_lowercase();
        if let Some(other) = columns[..i].iter().find(same) {
            return refuse(format!(
                "columns `{}` and `{}` would both be called `{}`",
                other.column.source, one.column.source, one.column.name
            ));
        }
    }
    Ok(columns)
}

/// How the masking of a column has changed, and what to do about it. Within one table, equal values
/// must have equal masks.
fn other_mask(old: &RawColumn, new: &RawColumn) -> (&'static str, &'static str) {
    match (&old.masked, &new.masked) {
        (Some(_), Some(_)) => (
            "was masked under another `mask_salt`",
            "Set the variable of `mask_salt` to what it was. If that is lost or no longer secret, all masks have to be made anew, of what the source has now: `millrace run --full-refresh`.",
        ),
        (None, _) => (
            "was not masked, and is to be now",
            "Its values stay in the warehouse as they are until all is loaded anew, with what the source has now: `millrace run --full-refresh`.",
        ),
        (Some(_), None) => (
            "was masked, and is not to be now",
            "Nobody can find the values of its masks: mask it again, or load all anew, with what the source has now: `millrace run --full-refresh`.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use millrace_core::schema::DataType;

    use super::*;

    fn raw(source: &str, data_type: DataType, nullable: bool) -> RawColumn {
        let (source, name, key) = (source.to_owned(), source.to_lowercase(), source == "Id");
        RawColumn { source, name, data_type, nullable, key, masked: None }
    }

    fn merge(before: &[RawColumn], arriving: &[RawColumn], excluded: &[&str]) -> Result<Vec<RawColumn>> {
        let excluded: LeftOut = excluded.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>().into();
        let columns = merged(&StreamName::new("s", "t"), before, arriving.to_vec(), &excluded)?;
        Ok(columns.into_iter().map(|merged| merged.column).collect())
    }

    #[test]
    fn a_table_keeps_what_it_has_and_takes_what_is_new() {
        let decimal = |precision, scale| DataType::Decimal { precision, scale };
        let before = [
            raw("Id", DataType::Int32, false),
            raw("Prix", decimal(6, 2), false),
            raw("Old", DataType::Text, false),
        ];
        assert_eq!(merge(&before, &before, &[]).expect("the same"), before);
        let arriving = [
            raw("New", DataType::Text, false),
            raw("Id", DataType::Int64, false),
            raw("Prix", DataType::Int32, false),
        ];
        let expected = [
            raw("Id", DataType::Int64, false),
            raw("Prix", decimal(12, 2), false),
            raw("Old", DataType::Text, true),
            raw("New", DataType::Text, true),
        ];
        let after = merge(&before, &arriving, &[]).expect("all of it fits");
        assert_eq!(after, expected);
        // Later rows with fewer columns need no other table.
        assert_eq!(merge(&after, &arriving, &[]).expect("it is there"), expected);
        assert_eq!(merge(&after, &arriving, &["Old"]).expect("it goes").len(), 3);
        let text = serde_json::to_string(&expected).expect("JSON");
        assert_eq!(serde_json::from_str::<Vec<RawColumn>>(&text).expect("JSON"), expected);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let before = [raw("Id", DataType::Int32, false), raw("V", DataType::Int32, true)];
        let refused = |arriving: &[RawColumn]| {
            let error = merge(&before, arriving, &[]).expect_err("it does not fit");
            assert_eq!(error.kind(), ErrorKind::ContractBroken);
            error.message().to_owned()
        };
        let text = refused(&[raw("Id", DataType::Int32, false), raw("V", DataType::Text, true)]);
        assert!(text.contains("`v` was int32 and is now text"), "{text}");
        let masked = RawColumn { masked: Some("of a salt".into()), ..raw("V", DataType::Int32, true) };
        let text = refused(&[raw("Id", DataType::Int32, false), masked]);
        assert!(text.contains("`v` was not masked, and is to be now"), "{text}");
        let key = RawColumn { key: true, ..raw("V", DataType::Int32, true) };
        let text = refused(&[raw("Id", DataType::Int32, false), key]);
        assert!(text.contains("the key was `Id` and is now `Id`, `V`"), "{text}");
    }

    #[test]
    fn a_column_of_another_name_in_the_warehouse_is_the_same_one() {
        let before = [raw("Id", DataType::Int32, false)];
        let renamed = [RawColumn { name: "Id".into(), ..before[0].clone() }];
        let columns = merged(&StreamName::new("s", "t"), &before, renamed.to_vec(), &LeftOut::default())
            .expect("a name");
        assert_eq!(columns, [Merged { column: renamed[0].clone(), from: Some(before[0].clone()) }]);
    }
}

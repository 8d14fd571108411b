//! Unquoted names of columns, found without regard to letter case and written as the tables have them.
//!
//! Engines differ in what an unquoted `ClientID` means: one finds a column of any case, another only `clientid`. So each reference that can
//! mean one known column only is sent in quotes, with that column's own letters.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::name::Ident;
use crate::sql::analyzer::ColumnReference;
use crate::sql::text::identifiers;

/// The columns of all tables that a text reads.
#[derive(Debug, Clone, Default)]
pub struct KnownColumns(BTreeMap<String, BTreeSet<String>>);

impl KnownColumns {
    /// Adds a table's columns.
    pub fn add(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            self.0.entry(name.to_lowercase()).or_default().insert(name);
        }
    }

    /// The one column that an unquoted name can mean; none where that is written so anyway, where there is no such column, or several.
    fn of(&self, name: &str) -> Option<&str> {
        let mut spellings = self.0.get(&name.to_lowercase())?.iter();
        let (only, other) = (spellings.next()?, spellings.next());
        (other.is_none() && *only != only.to_lowercase()).then_some(only)
    }
}

/// Replacements that write the references of `sql` as the known columns are spelled. Names that the text itself gives (`aliases`, in lower
/// case) stay: they mean what stands there.
pub fn quoted_columns(
    sql: &str,
    columns: &[ColumnReference],
    aliases: &BTreeSet<String>,
    known: &KnownColumns,
) -> Vec<(Range<usize>, String)> {
    let replacement = |column: &ColumnReference| {
        let name = column.path.last()?;
        let range = identifiers(sql, column.at).nth(column.path.len() - 1)?;
        let written = sql.get(range.clone())?;
        // In quotes it stands as it is meant, and elsewhere the parse tree speaks of something else.
        if written != name || aliases.contains(&name.to_lowercase()) {
            return None;
        }
        Some((range, Ident::new(known.of(name)?).to_string()))
    };
    columns.iter().filter_map(replacement).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::text;

    #[test]
    fn what_can_mean_one_column_is_written_as_that() {
        let mut known = KnownColumns::default();
        known.add(["ClientID", "total", "Date", "ID"].map(str::to_owned));
        known.add(["id", "Prix TTC"].map(str::to_owned));
        for (sql, path, expected) in [
            ("select clientid", &["clientid"][..], "select \"ClientID\""),
            ("select c . CLIENTID as x", &["c", "CLIENTID"], "select c . \"ClientID\" as x"),
            ("select \"clientid\"", &["clientid"], "select \"clientid\""),
            ("select Total", &["Total"], "select Total"),
            ("select date", &["date"], "select \"Date\""),
            ("select id", &["id"], "select id"),
            ("select mine", &["mine"], "select mine"),
            ("select nothing", &["nothing"], "select nothing"),
        ] {
            let path = path.iter().map(|part| (*part).to_owned()).collect();
            let aliases = BTreeSet::from(["mine".to_owned()]);
            let found = quoted_columns(sql, &[ColumnReference { path, at: 7 }], &aliases, &known);
            assert_eq!(text::replace(sql, &found), expected);
        }
    }
}

//! Resolves unquoted column names without regard to case, and quotes them in the spelling of the
//! tables.
//!
//! Engines treat an unquoted `ClientID` differently: one finds a column in any case, another only
//! `clientid`. Each reference that can refer to only one known column is therefore sent in quotes,
//! in that column's spelling.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::name::Ident;
use crate::sql::analyzer::ColumnReference;
use crate::sql::text::{identifiers, literal_or_comment_end};

/// The columns of all tables that a text reads: their spellings by lower-case name.
#[derive(Debug, Clone, Default)]
pub struct KnownColumns(BTreeMap<String, BTreeSet<String>>);

impl KnownColumns {
    /// Adds the columns of a table.
    pub fn add(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            self.0.entry(name.to_lowercase()).or_default().insert(name);
        }
    }

    /// The spelling of the only column that an unquoted name can refer to. Returns `None` if there
    /// is no such column, if there are several spellings, or if it is lower case and needs no
    /// quotes.
    fn of(&self, name: &str) -> Option<&str> {
        let mut spellings = self.0.get(&name.to_lowercase())?.iter();
        let (only, other) = (spellings.next()?, spellings.next());
        (other.is_none() && *only != only.to_lowercase()).then_some(only)
    }
}

/// The replacements that write column references in `sql` in the spelling of the known columns.
/// `aliases` holds the names that the text defines, in lower case; references to them are left
/// unchanged.
pub fn quoted_columns(
    sql: &str,
    columns: &[ColumnReference],
    aliases: &BTreeSet<String>,
    known: &KnownColumns,
) -> Vec<(Range<usize>, String)> {
    let quoted = |range: Range<usize>| {
        let name = sql.get(range.clone())?;
        // A quoted name is already exact.
        let is_own = name.starts_with('"') || aliases.contains(&name.to_lowercase());
        Some((range, Ident::new(known.of(name).filter(|_| !is_own)?).to_string()))
    };
    let named = |column: &ColumnReference| {
        let range = identifiers(sql, column.at).nth(column.path.len().checked_sub(1)?)?;
        // If the text at this position is different, the parse tree describes something that is
        // written in another way.
        quoted(range).filter(|(range, _)| sql.get(range.clone()) == column.path.last().map(String::as_str))
    };
    columns.iter().filter_map(named).chain(joined(sql).into_iter().filter_map(quoted)).collect()
}

/// The names in `using (…)`, whose positions the parse tree does not contain. Skips comments and
/// string literals.
fn joined(sql: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < sql.len() {
        let rest = &sql[at..];
        let word = identifiers(sql, at).next().map_or(0..0, |range| 0..range.end - range.start);
        let list = rest.get(word.end..).unwrap_or_default().trim_start().strip_prefix('(');
        if let Some(list) = list.filter(|_| rest[word.clone()].eq_ignore_ascii_case("using")) {
            let mut start = sql.len() - list.len();
            for part in list.split(')').next().unwrap_or_default().split(',') {
                let name = start + (part.len() - part.trim_start().len());
                found.extend(identifiers(sql, name).next());
                start += part.len() + 1;
            }
        }
        at += match literal_or_comment_end(sql, at) - at {
            0 if word.end > 0 => word.end,
            0 => rest.chars().next().map_or(1, char::len_utf8),
            skipped => skipped,
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::text;

    #[test]
    fn lists_of_joins_are_found_in_the_text() {
        let sql = "select 'é using (a)' from x -- using (b)\n join y USING( ClientID ,\"n\") join z using(k) /*/ using (c) */ where using_x (1) > 0";
        let names: Vec<&str> = joined(sql).into_iter().map(|range| &sql[range]).collect();
        assert_eq!(names, ["ClientID", "\"n\"", "k"]);
        for odd in ["", "using", "using (", "using (,", "'using (a", "\"using (a", "é"] {
            assert!(joined(odd).len() <= 1, "{odd}");
        }
    }

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

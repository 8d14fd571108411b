//! Resolves column names from project files without regard to case, to the spelling of a table.
//!
//! Names from project files are sent in quotes. One engine ignores the case of quoted names and
//! another does not, so each name is first looked up among the columns of the table.

use std::borrow::Cow;

use crate::name::Ident;
use crate::sql::text::{identifier_end, literal_or_comment_end};

/// The columns of a table, in the table's spelling.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spelling(Vec<String>);

impl Spelling {
    /// Creates a lookup for these columns. Pass none if the columns are unknown; every name then
    /// stays as written.
    pub fn of(columns: impl IntoIterator<Item = String>) -> Self {
        Self(columns.into_iter().collect())
    }

    /// The column that a name refers to: the one spelled exactly like it, otherwise the only one
    /// that differs just in case. If there is no such column or more than one, the name itself.
    pub fn column<'a>(&'a self, name: &'a str) -> &'a str {
        if self.0.iter().any(|column| column == name) {
            return name;
        }
        let lower = name.to_lowercase();
        let mut alike = self.0.iter().filter(|column| column.to_lowercase() == lower);
        match (alike.next(), alike.next()) {
            (Some(only), None) => only,
            _ => name,
        }
    }
}

/// Replaces `"table"."name"` with `"table"."column"` in `sql`. String literals, comments and other
/// quoted names stay unchanged, whatever quotes are in them.
pub fn respelled<'a>(sql: &'a str, table: &str, name: &str, column: &str) -> Cow<'a, str> {
    if name == column {
        return Cow::Borrowed(sql);
    }
    let qualified = |name: &str| format!("{}.{}", Ident::new(table), Ident::new(name));
    let (from, to) = (qualified(name), qualified(column));
    let mut out = String::with_capacity(sql.len());
    let mut at = 0;
    while let Some(first) = sql[at..].chars().next() {
        // A quote after it would belong to a longer name.
        if sql[at..].strip_prefix(&from).is_some_and(|after| !after.starts_with('"')) {
            out.push_str(&to);
            at += from.len();
            continue;
        }
        let end = literal_or_comment_end(sql, at).max(identifier_end(sql, at)).max(at + first.len_utf8());
        out.push_str(&sql[at..end]);
        at = end;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_its_own_spelling_or_the_only_one() {
        let columns = Spelling::of(["ClientID", "id", "ID", "Été"].map(str::to_owned));
        for (name, column) in [
            ("ClientID", "ClientID"),
            ("clientid", "ClientID"),
            ("CLIENTID", "ClientID"),
            ("id", "id"),
            ("Id", "Id"),
            ("ÉTÉ", "Été"),
            ("none", "none"),
        ] {
            assert_eq!(columns.column(name), column, "{name}");
        }
        assert_eq!(Spelling::default().column("Id"), "Id");
    }

    #[test]
    fn texts_stay_as_they_are() {
        let sql = "sum(\"t\".\"amount\") filter (where \"t\".\"kind\" <> 'it''s \"t\".\"amount\"' and \"t\".\"amount\" > 0)";
        assert_eq!(
            respelled(sql, "t", "amount", "Amount"),
            "sum(\"t\".\"Amount\") filter (where \"t\".\"kind\" <> 'it''s \"t\".\"amount\"' and \"t\".\"Amount\" > 0)"
        );
        assert_eq!(respelled(sql, "t", "kind", "kind"), sql);
        for (sql, expected) in [
            ("\"t\".\"it's\" = \"t\".\"a\"", "\"t\".\"it's\" = \"t\".\"A\""),
            ("\"t\".\"a\" -- it's\n + \"t\".\"a\"", "\"t\".\"A\" -- it's\n + \"t\".\"A\""),
            ("/* \"t\".\"a\"' */ \"t\".\"a\"", "/* \"t\".\"a\"' */ \"t\".\"A\""),
            ("\"t\".\"a\"\"b\" > \"é\"", "\"t\".\"a\"\"b\" > \"é\""),
            ("\"x\"\"t\".\"a\"", "\"x\"\"t\".\"a\""),
            ("\"open", "\"open"),
        ] {
            assert_eq!(respelled(sql, "t", "a", "A"), expected);
        }
    }
}

//! Columns that a project names without regard to letter case, written as a table has them.
//!
//! A name in a project's file is sent in quotes, which one engine reads without regard to letter case and another does not. So it is first
//! looked up among the columns of the table.

use std::borrow::Cow;

use crate::name::Ident;

/// The columns of a table, as it spells them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spelling(Vec<String>);

impl Spelling {
    /// Of these columns; of none where they are not known, and then every name stands as it is written.
    pub fn of(columns: impl IntoIterator<Item = String>) -> Self {
        Self(columns.into_iter().collect())
    }

    /// The column that a name means: the one that is spelled so, or else the only one that differs from it in nothing but letter case. The
    /// name itself where there is no such column, or there are several.
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

/// SQL in which `"table"."name"` becomes `"table"."column"`. Texts between single quotes stay.
pub fn respelled<'a>(sql: &'a str, table: &str, name: &str, column: &str) -> Cow<'a, str> {
    if name == column {
        return Cow::Borrowed(sql);
    }
    let qualified = |name: &str| format!("{}.{}", Ident::new(table), Ident::new(name));
    let (from, to) = (qualified(name), qualified(column));
    // Every second part is a text, and a quote that is doubled within one ends it and begins another.
    let parts = sql.split('\'').enumerate();
    let parts = parts.map(|(at, part)| if at % 2 == 0 { part.replace(&from, &to) } else { part.to_owned() });
    Cow::Owned(parts.collect::<Vec<_>>().join("'"))
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
    }
}

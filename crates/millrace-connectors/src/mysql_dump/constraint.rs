//! Parses the keys and constraints of a table's definition.

use crate::mysql_dump::script::Word;
use crate::mysql_dump::table::{closing, split, top_level};

/// A primary or unique key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Key {
    /// The name, if the definition has one.
    pub(super) name: Option<String>,
    /// The columns, each with the length of its prefix if only a prefix is part of the key:
    /// characters of a text, bytes of a binary value.
    pub(super) columns: Vec<(String, Option<usize>)>,
    /// Whether a part of the key is an expression.
    pub(super) computed: bool,
}

impl Key {
    /// Parses the key whose columns are in the first parentheses. `words` follow PRIMARY or UNIQUE;
    /// `symbol` is the name of the constraint, which the key has if it has no name of its own.
    pub(super) fn of(symbol: Option<&str>, words: &[Word]) -> Self {
        let open = words.iter().position(|word| word.is_symbol(b'('));
        let before = &words[..open.unwrap_or(words.len())];
        let name = before
            .iter()
            .take_while(|word| !word.is_any(&["USING", "TYPE"]))
            .find(|word| !word.is_any(&["KEY", "INDEX", "IF", "NOT", "EXISTS"]));
        let name = name.and_then(Word::name).or(symbol).map(str::to_owned);
        let mut key = Self { name, ..Self::default() };
        let parts = open.and_then(|open| Some(split(&words[open + 1..closing(words, open)?])));
        for part in parts.unwrap_or_default() {
            match part.first().and_then(Word::name) {
                Some(name) => {
                    let length = part.get(2).filter(|_| part.get(1).is_some_and(|word| word.is_symbol(b'(')));
                    key.columns.push((name.to_owned(), length.and_then(|word| word.text.parse().ok())));
                }
                None => key.computed = true,
            }
        }
        key
    }

    /// Returns a key of one whole column.
    pub(super) fn of_column(name: &str) -> Self {
        Self { columns: vec![(name.to_owned(), None)], ..Self::default() }
    }

    /// Returns whether the key has this name, in any letter case. A key without a name has that of
    /// its first column.
    pub(super) fn is_named(&self, name: &str) -> bool {
        let own = self.name.as_deref().or_else(|| self.columns.first().map(|(column, _)| column.as_str()));
        own.is_some_and(|own| own.eq_ignore_ascii_case(name))
    }
}

/// The keys that the definition of a column declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnKeys {
    pub(super) primary: bool,
    pub(super) unique: bool,
}

/// Finds the keys that a column's definition declares: `PRIMARY KEY` or `KEY` alone, `UNIQUE` or
/// `UNIQUE KEY`, and `SERIAL`, which is unique. `words` follow the column's name.
pub(super) fn column_keys(words: &[Word]) -> ColumnKeys {
    let flat = top_level(words);
    let is_primary = |at: usize| flat[at].is("KEY") && !(at > 0 && flat[at - 1].is("UNIQUE"));
    ColumnKeys {
        primary: (0..flat.len()).any(is_primary),
        unique: flat.iter().any(|word| word.is_any(&["UNIQUE", "SERIAL"])),
    }
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ForeignKey {
    /// The referenced table, without its database.
    pub(super) parent: String,
    /// Whether rows are deleted or changed with the rows that they refer to (`ON DELETE CASCADE`,
    /// `ON UPDATE SET NULL`).
    pub(super) cascades: bool,
}

impl ForeignKey {
    /// Parses the foreign key of an element of a definition or of a column. Returns `None` if there
    /// is none.
    pub(super) fn of(words: &[Word]) -> Option<Self> {
        let at = words.iter().position(|word| word.is("REFERENCES"))?;
        let rest = &words[at + 1..];
        let parent = match rest {
            [_, dot, table, ..] if dot.is_symbol(b'.') => table,
            [table, ..] => table,
            [] => return None,
        };
        let cascades = rest.windows(3).any(|words| {
            words[0].is("ON")
                && words[1].is_any(&["DELETE", "UPDATE"])
                && words[2].is_any(&["CASCADE", "SET"])
        });
        Some(Self { parent: parent.text.clone(), cascades })
    }
}

/// Returns whether an element has a CHECK that the server enforces. If `but_json`, a CHECK that the
/// text is JSON does not count, because the reader checks that itself.
pub(super) fn has_check(words: &[Word], but_json: bool) -> bool {
    let mut depth = 0i64;
    for (at, word) in words.iter().enumerate() {
        depth += i64::from(word.is_symbol(b'(')) - i64::from(word.is_symbol(b')'));
        if depth != 0 || !word.is("CHECK") {
            continue;
        }
        let end = words.get(at + 1).filter(|word| word.is_symbol(b'(')).and_then(|_| closing(words, at + 1));
        let after = end.map_or(&[][..], |end| &words[end + 1..]);
        let is_off = matches!(after, [not, enforced, ..] if not.is("NOT") && enforced.is("ENFORCED"));
        // `CHECK (json_valid(c))`, with nothing else in the parentheses.
        let is_json = but_json && end == Some(at + 6) && words[at + 2].is("json_valid");
        if !is_off && !is_json {
            return true;
        }
    }
    false
}

/// Returns whether a table is partitioned in such a way that some values belong to no partition, so
/// that the server rejects their rows.
pub(super) fn has_gaps(options: &[Word]) -> bool {
    let by = options.windows(2).position(|pair| pair[0].is("PARTITION") && pair[1].is("BY"));
    by.is_some_and(|by| {
        let how = &options[by + 2..];
        how.iter().take(2).any(|word| word.is_any(&["RANGE", "LIST"]))
            && !how.iter().any(|word| word.is_any(&["MAXVALUE", "DEFAULT"]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql_dump::table::tests::words;

    #[test]
    fn keys_of_columns() {
        for (definition, primary, unique) in [
            ("int", false, false),
            ("int primary key", true, false),
            ("int auto_increment key", true, false),
            ("int unique", false, true),
            ("int unique key", false, true),
            ("int unique key primary key", true, true),
            ("serial", false, true),
            ("int serial default value", false, true),
            ("int comment 'primary key' check (c <> 'unique key')", false, false),
        ] {
            assert_eq!(column_keys(&words(definition)), ColumnKeys { primary, unique }, "{definition}");
        }
    }

    #[test]
    fn names_and_parts_of_keys() {
        let key = Key::of(None, &words("KEY `u` USING BTREE (`a`(10), b DESC)"));
        assert_eq!(key.columns, [("a".to_owned(), Some(10)), ("b".to_owned(), None)]);
        assert!(key.is_named("U") && !key.is_named("a") && !key.computed);
        assert!(Key::of(Some("s"), &words("(a)")).is_named("s"));
        assert!(Key::of(None, &words("INDEX (a)")).is_named("a"));
        assert!(Key::of(None, &words("USING HASH ((a + 1))")).computed);
    }

    #[test]
    fn foreign_keys_and_checks() {
        let foreign = |sql: &str| ForeignKey::of(&words(sql)).map(|key| (key.parent, key.cascades));
        let parent = |cascades| Some(("p".to_owned(), cascades));
        assert_eq!(foreign("int"), None);
        assert_eq!(foreign("int references p (a)"), parent(false));
        assert_eq!(foreign("int references `d`.`p` (a) on delete set null"), parent(true));
        assert_eq!(
            foreign("constraint f foreign key (a) references p (a) on delete restrict on update cascade"),
            parent(true)
        );
        for (sql, but_json, found) in [
            ("int check (a > 0)", false, true),
            ("int check (a > 0) not enforced", false, false),
            ("int check (a > 0) not enforced check (a < 9)", false, true),
            ("longtext check (json_valid(`c`))", true, false),
            ("longtext check (json_valid(`c`))", false, true),
            ("longtext check (json_valid(`c`) and c <> '')", true, true),
            ("int comment 'check'", false, false),
        ] {
            assert_eq!(has_check(&words(sql), but_json), found, "{sql}");
        }
        assert!(has_gaps(&words("engine=InnoDB partition by range (a) (partition p values less than (5))")));
        assert!(!has_gaps(&words("partition by range (a) (partition p values less than maxvalue)")));
        assert!(!has_gaps(&words("partition by hash (a) partitions 4")));
    }
}

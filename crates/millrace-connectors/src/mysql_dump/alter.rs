//! What ALTER TABLE does to a table, as far as dumps have it: keys, and attributes of columns that change no value.

use crate::mysql_dump::column::TableColumn;
use crate::mysql_dump::script::Word;
use crate::mysql_dump::table::{Table, top_level};

/// What became of a part of an ALTER TABLE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Altered {
    /// It changes no row.
    Followed,
    /// It drops a key, under which the table had one row until then.
    KeyDropped,
    /// It changes columns.
    NotFollowed,
}

/// Carries a part of an ALTER TABLE out.
pub(super) fn alter(table: &mut Table, part: &[Word]) -> Altered {
    let [verb, rest @ ..] = part else { return Altered::Followed };
    let next =
        |keywords: &[&str]| rest.first().is_some_and(|word| keywords.iter().any(|keyword| word.is(keyword)));
    let is_followed = match verb.text.to_ascii_uppercase().as_str() {
        "ADD"
            if next(&[
                "PRIMARY",
                "KEY",
                "INDEX",
                "UNIQUE",
                "FULLTEXT",
                "SPATIAL",
                "CONSTRAINT",
                "FOREIGN",
                "CHECK",
            ]) =>
        {
            table.add_key(rest);
            table.spell_key().is_ok()
        }
        "MODIFY" => modify(table, if next(&["COLUMN"]) { &rest[1..] } else { rest }),
        "DISABLE" | "ENABLE" => next(&["KEYS"]),
        "AUTO_INCREMENT" | "COMMENT" | "ORDER" | "ROW_FORMAT" | "FORCE" | "LOCK" | "ALGORITHM"
        | "KEY_BLOCK_SIZE" | "MAX_ROWS" | "MIN_ROWS" | "AVG_ROW_LENGTH" | "PACK_KEYS" | "CHECKSUM"
        | "STATS_PERSISTENT" | "STATS_AUTO_RECALC" | "STATS_SAMPLE_PAGES" | "DELAY_KEY_WRITE"
        | "TRANSACTIONAL" | "PAGE_CHECKSUM" | "PAGE_COMPRESSED" | "ENCRYPTED" | "SECONDARY_ENGINE" => true,
        "ENGINE" => rest
            .iter()
            .any(|word| word.is_any(&["InnoDB", "MyISAM", "Aria", "MEMORY", "RocksDB", "TokuDB", "ARCHIVE"])),
        "DROP" if next(&["FOREIGN", "CHECK"]) => true,
        "DROP" if next(&["PRIMARY", "KEY", "INDEX", "CONSTRAINT"]) => {
            let name = if next(&["PRIMARY"]) {
                Some("PRIMARY")
            } else {
                rest[1..].iter().find(|word| !word.is_any(&["IF", "EXISTS"])).and_then(Word::name)
            };
            if name.is_some_and(|name| table.drop_key(name)) {
                return Altered::KeyDropped;
            }
            true
        }
        "RENAME" if next(&["KEY", "INDEX"]) => {
            if let [_, from, to, name, ..] = rest
                && to.is("TO")
                && let (Some(from), Some(name)) = (from.name(), name.name())
            {
                for key in table.unique_keys.iter_mut().filter(|key| key.is_named(from)) {
                    key.name = Some(name.to_owned());
                }
            }
            true
        }
        _ => false,
    };
    if is_followed { Altered::Followed } else { Altered::NotFollowed }
}

/// Takes a column's definition anew, which may differ from the one before in what changes no value. False where it does in more.
fn modify(table: &mut Table, words: &[Word]) -> bool {
    let Some(name) = words.first().and_then(Word::name) else { return false };
    // Rows without names of columns would mean others.
    if top_level(&words[1..]).iter().any(|word| word.is_any(&["FIRST", "AFTER"])) {
        return false;
    }
    let Ok(changed) = TableColumn::parse(name, &words[1..], table.default_collation()) else { return false };
    let column = table.columns.iter_mut().find(|column| column.name.eq_ignore_ascii_case(name));
    let Some(column) =
        column.filter(|column| column.data_type == changed.data_type && column.rule == changed.rule)
    else {
        return false;
    };
    column.nullable = changed.nullable;
    column.auto_increment = changed.auto_increment;
    column.has_default = changed.has_default;
    column.null_differs = changed.null_differs;
    table.add_column_keys(name, &words[1..], changed.data_type);
    table.spell_key().is_ok()
}

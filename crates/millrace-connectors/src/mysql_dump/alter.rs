//! Applies ALTER TABLE to a table's definition, as far as dumps use it: keys, and attributes of
//! columns that change no stored value.

use crate::mysql_dump::column::TableColumn;
use crate::mysql_dump::script::Word;
use crate::mysql_dump::table::{Table, top_level};

/// The result of one part of an ALTER TABLE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Altered {
    /// It was applied and changes no row.
    Followed,
    /// It was applied and drops a primary or unique key, to which the rows so far were subject.
    KeyDropped,
    /// It changes columns or does something unknown.
    NotFollowed,
}

/// Applies one part of an ALTER TABLE to the definition. Parts are separated by commas.
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
        // Engines that keep the rows of the table as they are.
        "ENGINE" => rest
            .iter()
            .any(|word| word.is_any(&["InnoDB", "MyISAM", "Aria", "MEMORY", "RocksDB", "TokuDB", "ARCHIVE"])),
        // The constraint is not removed from the definition: rows so far were subject to it.
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
        // A later DROP may use the new name.
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

/// Applies MODIFY. Returns `false` if the new definition changes stored values: another type or
/// rule, or another position of the column.
fn modify(table: &mut Table, words: &[Word]) -> bool {
    let Some(name) = words.first().and_then(Word::name) else { return false };
    // Rows without a column list would assign their values to other columns.
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

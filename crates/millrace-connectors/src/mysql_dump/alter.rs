//! What ALTER TABLE does to a table, as far as dumps have it: keys, and attributes of columns that change no value.

use crate::mysql_dump::script::Word;
use crate::mysql_dump::table::{Table, TableColumn};

/// Carries a part of an ALTER TABLE out. False where it is one that changes columns.
pub(super) fn alter(table: &mut Table, part: &[Word]) -> bool {
    let [verb, rest @ ..] = part else { return true };
    let next =
        |keywords: &[&str]| rest.first().is_some_and(|word| keywords.iter().any(|keyword| word.is(keyword)));
    match verb.text.to_ascii_uppercase().as_str() {
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
            let key = table.primary_key.clone();
            for column in &mut table.columns {
                column.nullable &= !key.iter().any(|name| name.eq_ignore_ascii_case(&column.name));
            }
            let spelled = |name: &String| {
                let column = table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
                column.map_or_else(|| name.clone(), |column| column.name.clone())
            };
            table.primary_key = key.iter().map(spelled).collect();
            true
        }
        "MODIFY" => {
            let rest = if next(&["COLUMN"]) { &rest[1..] } else { rest };
            let Some(name) = rest.first().and_then(Word::name) else { return false };
            let Ok(changed) = TableColumn::parse(name, &rest[1..], table.texture()) else { return false };
            let column = table.columns.iter_mut().find(|column| column.name.eq_ignore_ascii_case(name));
            match column.filter(|column| column.data_type == changed.data_type && column.rule == changed.rule)
            {
                Some(column) => {
                    column.nullable = changed.nullable;
                    column.numbered = changed.numbered;
                    column.has_default = changed.has_default;
                    true
                }
                None => false,
            }
        }
        "DISABLE" | "ENABLE" => next(&["KEYS"]),
        "AUTO_INCREMENT" | "COMMENT" | "ORDER" | "ROW_FORMAT" | "FORCE" | "LOCK" | "ALGORITHM"
        | "KEY_BLOCK_SIZE" | "MAX_ROWS" | "MIN_ROWS" | "AVG_ROW_LENGTH" | "PACK_KEYS" | "CHECKSUM"
        | "STATS_PERSISTENT" | "STATS_AUTO_RECALC" | "STATS_SAMPLE_PAGES" | "DELAY_KEY_WRITE"
        | "TRANSACTIONAL" | "PAGE_CHECKSUM" | "PAGE_COMPRESSED" | "ENCRYPTED" | "SECONDARY_ENGINE" => true,
        "ENGINE" => rest
            .iter()
            .any(|word| word.is_any(&["InnoDB", "MyISAM", "Aria", "MEMORY", "RocksDB", "TokuDB", "ARCHIVE"])),
        "DROP" => next(&["PRIMARY", "KEY", "INDEX", "FOREIGN", "CONSTRAINT", "CHECK"]),
        "RENAME" => next(&["KEY", "INDEX"]),
        _ => false,
    }
}

//! Texts in every character set that the server has.

use millrace_testkit::mariadb::MariaDb;

use super::{Side, agree};
use crate::mysql_values::Ask;

/// Signs of many scripts; what a character set has not, the server writes as `?`.
const SIGNS: &str = "Az~ éàÿ ß Łőž Ωπ Жя שלום ไทย ქარ Ե 你好 功縗 ソ表 한글 € ¥ ﾊ “–” 😀";

/// A table with a column for each character set. Of those with one byte a sign, all bytes but NUL stand in it.
pub(super) fn all(server: &MariaDb, sides: &[Side]) {
    let known =
        server.run("select character_set_name, maxlen from information_schema.character_sets order by 1");
    let sets: Vec<(&str, bool)> = known
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .map(|(name, longest)| (name, longest == "1"))
        .collect();
    for needed in [
        "latin1", "cp1251", "gbk", "sjis", "utf16", "utf16le", "utf32", "utf8mb4", "big5", "eucjpms",
        "binary",
    ] {
        assert!(sets.iter().any(|(name, _)| *name == needed), "{needed}: {known}");
    }
    let bytes: Vec<String> = (1..=255u8).map(|byte| format!("{byte:02x}")).collect();
    let bytes = bytes.concat();
    let mut definitions = vec!["id int primary key".to_owned()];
    let mut values = [vec!["1".to_owned()], vec!["2".to_owned()], vec!["3".to_owned()], vec!["4".to_owned()]];
    for (name, single) in &sets {
        definitions.push(format!("of_{name} text character set {name}"));
        let signs = format!("convert(_utf8mb4'{SIGNS}' using {name})");
        let raw = match *name {
            _ if *single => format!("_{name} x'{bytes}'"),
            // Their second byte is a backslash.
            "sjis" | "cp932" => format!("_{name} x'835C955C'"),
            "gbk" => "_gbk x'D55CBF5C'".to_owned(),
            "big5" => "_big5 x'A55C'".to_owned(),
            _ => signs.clone(),
        };
        for (row, value) in values.iter_mut().zip([signs, raw, "''".to_owned(), "null".to_owned()]) {
            row.push(value);
        }
    }
    let rows: Vec<String> = values.iter().map(|row| format!("({})", row.join(", "))).collect();
    server.run(&format!(
        "use v; set names utf8mb4; set sql_mode = ''; create table charsets ({});\ninsert into charsets values {};",
        definitions.join(", "),
        rows.join(", ")
    ));
    let column = |name: &str| (format!("of_{name}"), if name == "binary" { Ask::Bytes } else { Ask::Text });
    let columns: Vec<(String, Ask)> = sets.iter().map(|(name, _)| column(name)).collect();
    let columns: Vec<(&str, Ask)> = columns.iter().map(|(name, ask)| (name.as_str(), *ask)).collect();
    assert_eq!(agree(server, sides, "charsets", &columns), 4 * sets.len());
}

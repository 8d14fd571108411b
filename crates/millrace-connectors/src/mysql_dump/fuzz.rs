//! The claims that fuzzing checks: any bytes can be read as a dump, and any text survives being
//! written into one.

use std::fmt::Write as _;

use millrace_engine::error::Result;

use crate::files::Limits;
use crate::files::testing::{Outcome, blocks, collect, request};
use crate::fuzz::input::Input;
use crate::mysql_dump::index::Wanted;
use crate::mysql_dump::read::{given, read_given};
use crate::mysql_dump::zone::Zone;

const COLUMNS: [&str; 5] = ["id int32!", "name text", "day date", "bits uint64", "price decimal(12,2)"];

const TABLE: &str = "CREATE TABLE `t` (id INT PRIMARY KEY, name TEXT, day DATE, bits BIT(9), price DECIMAL(12,2)) CHARSET=utf8mb4;\n";

/// Reads any bytes as a dump with blocks of different sizes, which must give the same result. Or
/// writes texts into a dump, which must be read back unchanged.
///
/// # Panics
/// If a claim does not hold.
pub fn dump(data: &[u8]) {
    let mut input = Input(data);
    let (way, block) = (input.byte(), 1 + usize::from(input.byte()));
    if way & 3 == 3 {
        return texts(input);
    }
    let mut text = Vec::new();
    if way & 1 != 0 {
        text.extend_from_slice(TABLE.as_bytes());
    }
    if way & 2 != 0 {
        text.extend_from_slice(b"INSERT INTO `t` VALUES ");
    }
    text.extend_from_slice(input.0);
    let show = |block| read(&text, block, way & 4 != 0).map_err(|error| error.to_string());
    assert_eq!(show(block), show(1 << 20), "blocks of {block}");
}

/// The table `t` in any letter case.
fn wanted() -> Wanted {
    Wanted { name: "t".to_owned(), exact: false, database: None }
}

/// Reads the rows of `t` with blocks of this size.
fn read(sql: &[u8], block: usize, zero_dates_to_null: bool) -> Result<Outcome> {
    let request = request(&COLUMNS);
    collect(&request.columns, |sender| {
        let limits = Limits { record: 1 << 20, ..blocks(block) };
        let index = given(&[("f", sql)], (Zone::Unknown, None), limits)?;
        read_given(&index, &wanted(), &request, zero_dates_to_null, sender, limits)?;
        Ok(())
    })
}

/// Checks that texts which are written into a dump are read back unchanged.
fn texts(mut input: Input<'_>) {
    let block = 1 + usize::from(input.byte());
    let mut sql = format!("{TABLE}INSERT INTO `t` VALUES ");
    let mut expected = Vec::new();
    while !input.0.is_empty() && expected.len() < 50 {
        let text = String::from_utf8_lossy(input.text()).into_owned();
        let comma = if expected.is_empty() { "" } else { ",\n" };
        let _ = write!(sql, "{comma}({},'{}',NULL,0,1)", expected.len(), escaped(&text));
        expected.push(text);
    }
    if expected.is_empty() {
        return;
    }
    sql.push_str(";\n");
    let found = read(sql.as_bytes(), block, false).expect("it was written so");
    assert_eq!(found.quarantined, []);
    let names: Vec<String> =
        found.rows.into_iter().filter_map(|row| row.into_iter().nth(1).flatten()).collect();
    assert_eq!(names, expected);
}

/// Escapes a text as `mysqldump` does, which is as `mysql_real_escape_string` does.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '\0' => out.push_str("\\0"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\x1A' => out.push_str("\\Z"),
            '\'' | '"' | '\\' => out.extend(['\\', c]),
            _ => out.push(c),
        }
        out
    })
}

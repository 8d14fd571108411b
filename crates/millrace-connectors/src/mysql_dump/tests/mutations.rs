//! Dumps with something wrong in them: no record goes unseen.

use super::{limits, wanted};
use crate::files::testing::{collect, request};
use crate::mysql_dump::read::{given, read_given};
use crate::mysql_dump::zone::Zone;

const CASES: u64 = 2000;
const SEED: u64 = 20_261_128;

/// Numbers from a seed, the same everywhere (Numerical Recipes' generator).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}

const TEXTS: [&str; 10] =
    ["''", "'a'", "'it''s'", "'x\\'y'", "'),(9,'", "'a;b'", "NULL", "'-- c'", "'/*'", "'\\\\'"];

/// A dump of the tables `t` and `u`.
fn dump(dice: &mut Dice) -> String {
    let mut sql = String::from(
        "-- made\nSET NAMES utf8mb4;\ncreate table t (a int, b varchar(50));\ncreate table u (a int, b text);\n",
    );
    for _ in 0..=dice.roll(4) {
        let table = dice.pick(&["t", "t", "`t`", "u"]);
        let rows: Vec<String> =
            (0..=dice.roll(4)).map(|_| format!("({},{})", dice.roll(100), dice.pick(&TEXTS))).collect();
        sql += &format!("INSERT INTO {table} VALUES {};\n", rows.join(dice.pick(&[",", ",\n", " , "])));
        sql += dice.pick(&["", "-- next\n", "UNLOCK TABLES;\n", "/*!40000 ALTER TABLE t ENABLE KEYS */;\n"]);
    }
    sql
}

const STATEMENTS: [&str; 17] = [
    "DELETE FROM t;",
    "UPDATE t SET a = 1;",
    "TRUNCATE t;",
    "DROP TABLE t;",
    "ROLLBACK;",
    "CALL p();",
    "source x.sql;",
    "COMMIT;",
    "START TRANSACTION;",
    "SET autocommit=0;",
    "ALTER TABLE t DROP b;",
    "RENAME TABLE t TO v;",
    "CREATE OR REPLACE TABLE t (a int, b text);",
    "REPLACE INTO t VALUES (1,'r');",
    "/*! DELETE FROM t */;",
    "/*!50000 INSERT INTO t VALUES (7,'c') */;",
    "quit;",
];

/// Puts something wrong into a dump.
fn mutated(dice: &mut Dice, sql: &str) -> String {
    let mut at = dice.roll(sql.len() + 1);
    while !sql.is_char_boundary(at) {
        at -= 1;
    }
    let (before, after) = sql.split_at(at);
    match dice.roll(8) {
        0 => format!(
            "{before}{}{after}",
            dice.pick(&["'", "\"", "`", "\\", "(", ")", ",", ";", "/*", "*/", "-- ", "#", "/*!", "\n"])
        ),
        1 => format!("{before}{}", after.get(1..).unwrap_or_default()),
        2 => before.to_owned(),
        3 => {
            let lines: Vec<&str> = sql.lines().collect();
            let line = dice.roll(lines.len());
            [&lines[..=line], &lines[line..]].concat().join("\n")
        }
        4 => String::new(),
        5 => {
            let lines: Vec<&str> = sql.lines().collect();
            let line = dice.roll(lines.len() + 1);
            [&lines[..line], &[dice.pick(&STATEMENTS)], &lines[line..]].concat().join("\n")
        }
        6 => format!("{before}{}{after}", dice.pick(&STATEMENTS)),
        _ => {
            let mut end = dice.roll(after.len() + 1);
            while !after.is_char_boundary(end) {
                end -= 1;
            }
            format!("{before}{}", &after[end..])
        }
    }
}

/// What a few lines of code see in a dump.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// Rows of `t` in statements that end.
    records: usize,
    /// Rows of `t` in one that the file ends in.
    unfinished: Option<usize>,
    /// Whether something follows rows of `t` that changes them, or that nobody can follow.
    is_harmed: bool,
    statements: usize,
}

/// Words, strings as `'`, and symbols; none where a string or a comment does not end.
fn pieces(sql: &str) -> Option<Vec<String>> {
    let (mut rest, mut found) = (sql, Vec::new());
    while let Some(c) = rest.chars().next() {
        let word =
            rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
        let is_remark = rest.starts_with('#')
            || (rest.starts_with("--") && rest[2..].chars().next().is_none_or(|c| c <= ' '));
        if word > 0 {
            found.push(rest[..word].to_ascii_lowercase());
            rest = &rest[word..];
        } else if is_remark {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if let Some(executed) = rest.strip_prefix("/*!") {
            rest = executed.trim_start_matches(|c: char| c.is_ascii_digit());
        } else if rest.starts_with("/*") {
            rest = &rest[rest[2..].find("*/")? + 4..];
        } else if let Some(after) = rest.strip_prefix("*/") {
            rest = after;
        } else if matches!(c, '\'' | '"' | '`') {
            let mut letters = rest[1..].char_indices().peekable();
            let end = loop {
                let (at, letter) = letters.next()?;
                if letter == '\\' && c != '`' {
                    letters.next()?;
                } else if letter == c {
                    if letters.peek().is_some_and(|(_, next)| *next == c) {
                        letters.next();
                    } else {
                        break at;
                    }
                }
            };
            found.push(if c == '`' { rest[1..=end].to_ascii_lowercase() } else { "'".to_owned() });
            rest = &rest[end + 2..];
        } else {
            if c > ' ' {
                found.push(c.to_string());
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    Some(found)
}

fn seen(sql: &str) -> Option<Seen> {
    const HARM: [&str; 10] =
        ["delete", "update", "truncate", "drop", "call", "source", "alter", "rename", "quit", "rollback"];
    let (found, mut seen) = (pieces(sql)?, Seen::default());
    let mut any = false;
    for (number, statement) in found.split(|piece| piece == ";").enumerate() {
        let is_last = number == found.iter().filter(|piece| *piece == ";").count();
        let words: Vec<&str> = statement.iter().map(String::as_str).collect();
        seen.statements += usize::from(!words.is_empty());
        match words.as_slice() {
            ["insert" | "replace", "into", "t", rest @ ..] => {
                let from = rest.iter().position(|word| *word == "values").unwrap_or(rest.len());
                let (mut depth, mut count) = (0i32, 0);
                for word in &rest[from..] {
                    count += usize::from(*word == "(" && depth == 0);
                    depth += i32::from(*word == "(") - i32::from(*word == ")");
                }
                any = true;
                if is_last { seen.unfinished = Some(count) } else { seen.records += count }
            }
            ["alter", "table", "t", "enable", ..] | ["rollback", ..] | [] => {}
            [verb, ..] => {
                let of_t = words.contains(&"t") || matches!(*verb, "call" | "source" | "quit");
                seen.is_harmed |= any && HARM.contains(verb) && of_t;
                seen.is_harmed |= any && words.starts_with(&["create", "or", "replace", "table", "t"]);
            }
        }
    }
    Some(seen)
}

/// Rows and rows in quarantine of `t`, or an error.
fn told(sql: &str, block: usize) -> Result<usize, String> {
    let request = request(&["a int32", "b text"]);
    let outcome = collect(&request.columns, |sender| {
        let index = given(&[("f", sql.as_bytes())], (Zone::Unknown, None), limits(block))?;
        read_given(&index, &wanted("t"), &request, false, sender, limits(block)).map(|_| ())
    });
    outcome.map(|outcome| outcome.rows.len() + outcome.quarantined.len()).map_err(|error| error.to_string())
}

#[test]
fn no_record_goes_unseen() {
    let (mut dice, mut read) = (Dice(SEED), 0);
    for case in 0..CASES {
        let whole = dump(&mut dice);
        let plain = seen(&whole).expect("a dump");
        assert_eq!(told(&whole, 4096), Ok(plain.records), "seed {SEED}, case {case}: {whole}");
        let sql = mutated(&mut dice, &whole);
        let Ok(count) = told(&sql, 1 + dice.roll(40)) else { continue };
        read += 1;
        let found = seen(&sql).unwrap_or_else(|| {
            panic!("seed {SEED}, case {case}: a string does not end, and {count} were read:\n{sql}")
        });
        assert!(found.statements > 0, "seed {SEED}, case {case}: read from nothing");
        assert!(!found.is_harmed, "seed {SEED}, case {case}: rows are no longer there:\n{sql}");
        // Where the file ends within a statement, that is told beside the rows.
        let expected = found.records + found.unfinished.map_or(0, |rows| rows + 1);
        assert_eq!(count, expected, "seed {SEED}, case {case}:\n{sql}");
    }
    assert!(read > CASES / 5, "only {read} of {CASES} were read");
}

//! Dumps with something wrong in them: no record goes unseen.

use fastrand::Rng;

use super::{limits, wanted};
use crate::files::testing::{collect, request};
use crate::mysql_dump::index::Wanted;
use crate::mysql_dump::read::{given, read_given};
use crate::mysql_dump::zone::Zone;

const CASES: u64 = 2000;
const SEED: u64 = 20_261_128;

fn pick<'a>(random: &mut Rng, of: &[&'a str]) -> &'a str {
    random.choice(of).expect("one at least")
}

const TEXTS: [&str; 10] =
    ["''", "'a'", "'it''s'", "'x\\'y'", "'),(9,'", "'a;b'", "NULL", "'-- c'", "'/*'", "'\\\\'"];

/// A file of a dump: what makes its session, which stays as it is, and what follows.
#[derive(Debug, Clone)]
struct Script {
    start: &'static str,
    body: String,
}

impl Script {
    fn text(&self) -> String {
        format!("{}{}", self.start, self.body)
    }
}

/// A dump of the tables `a.t`, `a.u` and `b.t`, of one session or two.
fn dump(random: &mut Rng) -> Vec<Script> {
    let first = random.choice(&[
        "-- made\nSET NAMES utf8mb4;\ncreate database a; create database b; use a;\ncreate table t (a int, b varchar(50));\ncreate table u (a int, b text);\ncreate table b.t (a int, b text);\n",
        "create table a.t (a int primary key, b varchar(50));\ncreate table a.u (a int, b text);\ncreate table b.t (a int key, b text);\nuse a;\n",
    ]);
    let mut scripts = vec![Script { start: first.expect("two"), body: body(random) }];
    if random.bool() {
        scripts.push(Script { start: "-- another session\nuse a;\n", body: body(random) });
    }
    scripts
}

fn body(random: &mut Rng) -> String {
    let mut sql = String::new();
    for _ in 0..=random.usize(..4) {
        let (before, after) = random
            .choice(&[
                ("", ""),
                ("", ""),
                ("USE b;\n", "USE a;\n"),
                ("CREATE TEMPORARY TABLE t (a int, b text);\n", "DROP TEMPORARY TABLE t;\n"),
                ("START TRANSACTION;\n", "COMMIT;\n"),
                ("SET autocommit=0;\n", "COMMIT;\nSET autocommit=1;\n"),
            ])
            .expect("one at least");
        sql += before;
        for _ in 0..=random.usize(..2) {
            let table = pick(random, &["t", "t", "`t`", "u", "a.t", "b.t"]);
            let rows: Vec<String> = (0..=random.usize(..4))
                .map(|_| format!("({},{})", random.usize(..100), pick(random, &TEXTS)))
                .collect();
            let rows = rows.join(pick(random, &[",", ",\n", " , "]));
            sql += &format!("INSERT INTO {table} VALUES {rows};\n");
            sql += pick(
                random,
                &["", "-- next\n", "UNLOCK TABLES;\n", "/*!40000 ALTER TABLE u ENABLE KEYS */;\n"],
            );
        }
        sql += after;
    }
    sql
}

const STATEMENTS: [&str; 25] = [
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
    "USE b;",
    "use a",
    "CREATE TEMPORARY TABLE t (a int, b text);",
    "DROP TEMPORARY TABLE t;",
    "INSERT INTO a.t VALUES (5,'x');",
    "UNLOCK TABLES;",
    "COMMIT AND CHAIN;",
    "INSERT INTO u SELECT (a), b FROM t WHERE (a) AND b;",
];

/// Puts something wrong into a dump; none where the file is emptied.
fn mutated(random: &mut Rng, sql: &str) -> Option<String> {
    let mut at = random.usize(..=sql.len());
    while !sql.is_char_boundary(at) {
        at -= 1;
    }
    let (before, after) = sql.split_at(at);
    Some(match random.usize(..8) {
        0 => format!(
            "{before}{}{after}",
            pick(random, &["'", "\"", "`", "\\", "(", ")", ",", ";", "/*", "*/", "-- ", "#", "/*!", "\n"])
        ),
        1 => format!("{before}{}", after.get(1..).unwrap_or_default()),
        2 => before.to_owned(),
        3 => {
            let lines: Vec<&str> = sql.lines().collect();
            let line = random.usize(..lines.len());
            [&lines[..=line], &lines[line..]].concat().join("\n")
        }
        4 => return None,
        5 => {
            let lines: Vec<&str> = sql.lines().collect();
            let line = random.usize(..=lines.len());
            [&lines[..line], &[pick(random, &STATEMENTS)], &lines[line..]].concat().join("\n")
        }
        6 => format!("{before}{}{after}", pick(random, &STATEMENTS)),
        _ => {
            let mut end = random.usize(..=after.len());
            while !after.is_char_boundary(end) {
                end -= 1;
            }
            format!("{before}{}", &after[end..])
        }
    })
}

/// What a few lines of code see in a dump.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// Rows of `a.t` in statements that end.
    records: usize,
    /// Rows of `a.t` in those that a file ends in, and one more for each such file.
    unfinished: usize,
    /// Whether something follows rows of `a.t` that changes them, that nobody can follow, or that a server does not keep.
    is_harmed: bool,
    /// Statements of the file that has the fewest.
    statements: usize,
}

/// What a session has come to.
#[derive(Debug)]
struct Session {
    database: Option<String>,
    /// Tables of the session alone: those named `t`, by their databases.
    temporary: Vec<Option<String>>,
    in_transaction: bool,
    autocommit: bool,
    /// Whether rows of `a.t` are not committed.
    is_open: bool,
}

impl Session {
    /// Whether a name at a place, with its database or without, means `t` of database `a`, and no table of the session alone.
    fn is_t(&self, words: &[&str], at: usize) -> bool {
        let database = if at >= 2 && words[at - 1] == "." {
            Some(words[at - 2].to_owned())
        } else {
            self.database.clone()
        };
        words[at] == "t" && database.as_deref() == Some("a") && !self.temporary.contains(&database)
    }

    fn commit(&mut self) {
        (self.is_open, self.in_transaction) = (false, false);
    }
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

fn seen(scripts: &[Script]) -> Option<Seen> {
    let mut seen = Seen { statements: usize::MAX, ..Seen::default() };
    let mut any = false;
    for script in scripts {
        let found = pieces(&script.text())?;
        let ends = found.iter().filter(|piece| *piece == ";").count();
        let mut session = Session {
            database: None,
            temporary: Vec::new(),
            in_transaction: false,
            autocommit: true,
            is_open: false,
        };
        let mut statements = 0;
        for (number, statement) in found.split(|piece| piece == ";").enumerate() {
            let words: Vec<&str> = statement.iter().map(String::as_str).collect();
            statements += usize::from(!words.is_empty());
            look(&words, number == ends, &mut session, &mut seen, &mut any);
        }
        seen.is_harmed |= session.is_open;
        seen.statements = seen.statements.min(statements);
    }
    Some(seen)
}

fn look(words: &[&str], is_last: bool, session: &mut Session, seen: &mut Seen, any: &mut bool) {
    const HARM: [&str; 9] =
        ["delete", "update", "truncate", "drop", "call", "source", "alter", "rename", "quit"];
    match words {
        ["use", name, rest @ ..] => {
            session.database = Some((*name).to_owned());
            // The client takes it without a semicolon too, where its line ends.
            look(rest, is_last, session, seen, any);
        }
        ["create", "temporary", "table", "t", ..] => session.temporary.push(session.database.clone()),
        ["drop", "temporary", "table", "t"] => {
            let database = session.database.clone();
            session.temporary.retain(|other| *other != database);
        }
        ["drop", "table", "t"] if session.temporary.contains(&session.database) => {
            let database = session.database.clone();
            session.temporary.retain(|other| *other != database);
        }
        ["start", "transaction"] | ["commit", "and", "chain"] => {
            (session.is_open, session.in_transaction) = (false, true);
        }
        ["commit"] | ["alter", "table", "u", "enable", ..] => session.commit(),
        ["rollback", ..] => {
            seen.is_harmed |= session.is_open;
            session.in_transaction = false;
        }
        ["set", "autocommit", "=", value] => {
            if *value == "1" && !session.autocommit {
                session.commit();
            }
            session.autocommit = *value != "0";
        }
        ["insert" | "replace", "into", rest @ ..] => {
            let from = rest.iter().position(|word| matches!(*word, "values" | "value")).unwrap_or(rest.len());
            let name = rest.iter().position(|word| *word == "(").unwrap_or(from).min(from);
            if name == 0 || !session.is_t(rest, name - 1) {
                return;
            }
            let (mut depth, mut count) = (0i32, 0);
            for word in &rest[from..] {
                count += usize::from(*word == "(" && depth == 0);
                depth += i32::from(*word == "(") - i32::from(*word == ")");
            }
            *any = true;
            session.is_open |= session.in_transaction || !session.autocommit;
            if is_last { seen.unfinished += count + 1 } else { seen.records += count }
        }
        [] => {}
        [verb, ..] => {
            let names_t = (0..words.len()).any(|at| session.is_t(words, at));
            let of_t = names_t || matches!(*verb, "call" | "source" | "quit");
            seen.is_harmed |= *any && HARM.contains(verb) && of_t;
            if matches!(*verb, "create" | "drop" | "alter" | "truncate" | "rename") {
                session.commit();
            }
            let is_replaced = words.starts_with(&["create", "or", "replace", "table", "t"]);
            seen.is_harmed |= *any && is_replaced && session.database.as_deref() == Some("a");
        }
    }
}

/// Rows and rows in quarantine of `a.t`, or an error.
fn told(scripts: &[Script], block: usize) -> Result<usize, String> {
    let request = request(&["a int32", "b text"]);
    let texts: Vec<String> = scripts.iter().map(Script::text).collect();
    let files: Vec<(&str, &[u8])> = texts.iter().map(|text| ("f", text.as_bytes())).collect();
    let wanted = Wanted { database: Some("a".to_owned()), ..wanted("t") };
    let outcome = collect(&request.columns, |sender| {
        let index = given(&files, (Zone::Unknown, None), limits(block))?;
        read_given(&index, &wanted, &request, false, sender, limits(block)).map(|_| ())
    });
    outcome.map(|outcome| outcome.rows.len() + outcome.quarantined.len()).map_err(|error| error.to_string())
}

#[test]
fn no_record_goes_unseen() {
    let (mut random, mut read) = (Rng::with_seed(SEED), 0);
    for case in 0..CASES {
        let mut scripts = dump(&mut random);
        let show =
            |scripts: &[Script]| scripts.iter().map(Script::text).collect::<Vec<_>>().join("\n=====\n");
        let plain = seen(&scripts).expect("a dump");
        assert!(!plain.is_harmed && plain.unfinished == 0);
        let whole = told(&scripts, 4096);
        assert_eq!(whole, Ok(plain.records), "seed {SEED}, case {case}: {}", show(&scripts));
        let at = random.usize(..scripts.len());
        match mutated(&mut random, &scripts[at].body) {
            Some(body) => scripts[at].body = body,
            None => scripts[at] = Script { start: "", body: String::new() },
        }
        let Ok(count) = told(&scripts, random.usize(1..=40)) else { continue };
        read += 1;
        let sql = show(&scripts);
        let found = seen(&scripts).unwrap_or_else(|| {
            panic!("seed {SEED}, case {case}: a string does not end, and {count} were read:\n{sql}")
        });
        assert!(found.statements > 0, "seed {SEED}, case {case}: read from nothing");
        assert!(!found.is_harmed, "seed {SEED}, case {case}: rows are no longer there:\n{sql}");
        // Where a file ends within a statement, that is told beside the rows.
        let expected = found.records + found.unfinished;
        assert_eq!(count, expected, "seed {SEED}, case {case}:\n{sql}");
    }
    assert!(read > CASES / 5, "only {read} of {CASES} were read");
}

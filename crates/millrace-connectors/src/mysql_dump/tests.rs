use millrace_core::quarantine::QuarantineCode;
use millrace_engine::error::Result;
use millrace_engine::ports::source::{Conversion, ReadRequest};
use proptest::prelude::*;

use crate::files::Limits;
use crate::files::testing::{Outcome, blocks, collect, request, shown};
use crate::mysql_dump::charset::Charset;
use crate::mysql_dump::index::Wanted;
use crate::mysql_dump::read::{given, read_given};
use crate::mysql_dump::zone::Zone;

mod keys;
mod mutations;
mod names;
mod statements;

pub(super) fn wanted(name: &str) -> Wanted {
    Wanted { name: name.to_owned(), exact: false, database: None }
}

pub(super) fn limits(block: usize) -> Limits {
    Limits { record: 1 << 20, ..blocks(block) }
}

fn schema(sql: &[u8], block: usize, table: &str) -> Result<(Vec<String>, Vec<String>)> {
    let index = given(&[("f", sql)], (Zone::Unknown, None), limits(block))?;
    let schema = index.table(&wanted(table))?.1.schema(false);
    Ok((shown(&schema), schema.primary_key))
}

fn read_with(
    sql: &[u8],
    block: usize,
    request: &ReadRequest,
    zero_dates_to_null: bool,
) -> Result<(Outcome, Vec<Conversion>)> {
    let mut conversions = Vec::new();
    let outcome = collect(&request.columns, |sender| {
        let index = given(&[("f", sql)], (Zone::Unknown, None), limits(block))?;
        conversions = read_given(&index, &wanted("t"), request, zero_dates_to_null, sender, limits(block))?;
        Ok(())
    })?;
    Ok((outcome, conversions))
}

fn read(sql: &str, columns: &[&str]) -> Outcome {
    let outcomes: Vec<Outcome> = [1, 3, 50, 1 << 20]
        .map(|block| read_with(sql.as_bytes(), block, &request(columns), false).expect("readable").0)
        .into();
    assert!(
        outcomes.windows(2).all(|pair| pair[0] == pair[1]),
        "the size of blocks must not matter: {outcomes:#?}"
    );
    outcomes.into_iter().next().expect("an outcome")
}

fn error(sql: &str, columns: &[&str]) -> String {
    let error = read_with(sql.as_bytes(), 7, &request(columns), false).expect_err("unreadable");
    format!("{error}; {}", error.to_diagnostic().hint.unwrap_or_default())
}

/// Reads the wanted table from files. Returns its rows, those in quarantine marked by `!`, or the
/// error.
#[expect(clippy::needless_pass_by_value, reason = "each case makes its settings where it calls")]
pub(super) fn load(
    files: &[(&str, &str)],
    settings: (Zone, Option<Charset>),
    wanted: &Wanted,
    columns: &[&str],
) -> Result<String, String> {
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    let request = request(columns);
    let outcome = collect(&request.columns, |sender| {
        let index = given(&files, settings.clone(), limits(9))?;
        read_given(&index, wanted, &request, false, sender, limits(9)).map(|_| ())
    });
    match outcome {
        Ok(outcome) => Ok(outcome
            .lines()
            .into_iter()
            .chain(outcome.set_aside().into_iter().map(|row| format!("!{row}")))
            .collect::<Vec<_>>()
            .join(" ; ")),
        Err(error) => Err(format!("{error} {}", error.to_diagnostic().hint.unwrap_or_default())),
    }
}

pub(super) fn rows(sql: &str) -> Result<String, String> {
    load(&[("f", sql)], (Zone::Unknown, None), &wanted("t"), &["a int32"])
}

/// Compares the rows that were read with the expected ones, or an error with a part of its message.
pub(super) fn check(found: Result<String, String>, expected: Result<&str, &str>, sql: &str) {
    match (found, expected) {
        (found, Ok(expected)) => assert_eq!(found, Ok(expected.to_owned()), "{sql}"),
        (Err(message), Err(expected)) => assert!(message.contains(expected), "{sql}: {message}"),
        (found, _) => panic!("{sql}: {found:?}"),
    }
}

const HEADER: &str =
    "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump 10.19  Distrib 10.11.6-MariaDB\n--\n
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
DROP TABLE IF EXISTS `t`;
";

#[test]
fn a_dump_by_a_program() {
    let sql = format!(
        "{HEADER}/*!40101 SET character_set_client = utf8 */;
CREATE TABLE `t` (
  `id` int(11) NOT NULL AUTO_INCREMENT,
  `name` varchar(20) DEFAULT NULL COMMENT 'it''s; )',
  `at` timestamp NULL DEFAULT NULL,
  `twice` int(11) GENERATED ALWAYS AS (`id` * 2) VIRTUAL,
  PRIMARY KEY (`id`),
  KEY `n` (`name`)
) ENGINE=InnoDB AUTO_INCREMENT=4 DEFAULT CHARSET=utf8mb4;
LOCK TABLES `other` WRITE;
INSERT INTO `other` VALUES (1,'INSERT INTO `t` VALUES (9);\\'');
LOCK TABLES `t` WRITE;
/*!40000 ALTER TABLE `t` DISABLE KEYS */;
INSERT INTO `t` (`id`, `name`, `at`) VALUES (1,'a\\'b','2024-02-29 10:00:00'),
(2,NULL,NULL),(3,'x;y\\n',NULL);
/*!40000 ALTER TABLE `t` ENABLE KEYS */;
UNLOCK TABLES;
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER `g` BEFORE INSERT ON `t`
FOR EACH ROW BEGIN -- don't
  SET NEW.name = 'x'; INSERT INTO t VALUES (7); END */;;
DELIMITER ;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;
"
    );
    let complete = format!("{sql}-- Dump completed on 2024-01-01\n");
    for block in [1, 13, 1 << 20] {
        let (columns, key) = schema(complete.as_bytes(), block, "T").expect("readable");
        assert_eq!(columns, ["id int32!", "name text", "at timestamptz"]);
        assert_eq!(key, ["id"]);
    }
    let outcome = read(&complete, &["at timestamptz", "id int32!", "name text"]);
    assert_eq!(outcome.lines(), ["2024-02-29T10:00:00Z|1|a'b", "~|2|~", "~|3|x;y\n"]);
    assert_eq!(outcome.quarantined, []);
    assert!(error(&sql, &["id int32!"]).contains("Dump completed"));
}

#[test]
fn sql_by_hand() {
    let sql = "\nCREATE TABLE IF NOT EXISTS t (\n  ID INT PRIMARY KEY,\n  Name VARCHAR(255),\n  Day DATE\n);\nTRUNCATE TABLE t;\nDELETE FROM t;
insert ignore into T values (2005, 'z', '2024-01-01');
INSERT INTO t (ID, Name, Day) VALUES
(2001, 'John Doe', '2023-05-10'), -- one
(2002, \"Ann \"\"X\"\"\", '0000-00-00'),
(2003, 5),
('x', 'y', '2023-02-30'),
(now(), ')', NULL),
(2004, NULL, '2023-07-20');
insert into T values (NULL, '', NULL);
insert t value (2006, 'w', null)";
    let outcome = read(sql, &["ID int32!", "Name text", "Day date"]);
    assert_eq!(
        outcome.lines(),
        ["2005|z|2024-01-01", "2001|John Doe|2023-05-10", "2004|~|2023-07-20", "2006|w|~"]
    );
    assert_eq!(
        outcome.set_aside(),
        [
            "12 Day:out-of-range (2002, \"Ann \"\"X\"\"\", '0000-00-00')",
            "13 broken-record (2003, 5)",
            "14 ID:wrong-type ('x', 'y', '2023-02-30')",
            "15 broken-record (now(), ')', NULL)",
            "17 ID:missing-value (NULL, '', NULL)",
            // The file ends within the last statement.
            "18 broken-record ",
        ]
    );
}

#[test]
fn zero_dates_become_null_where_asked_for() {
    let sql = "CREATE TABLE t (a int, d date, e datetime); INSERT INTO t VALUES (1,'0000-00-00','2024-00-01 00:00:00'),('x','0000-00-00',NULL);";
    let (outcome, conversions) =
        read_with(sql.as_bytes(), 9, &request(&["a int32", "d date", "e timestamp"]), true)
            .expect("readable");
    assert_eq!(outcome.lines(), ["1|~|~"]);
    let counted: Vec<_> = conversions.iter().map(|c| (c.column.as_str(), c.what, c.rows)).collect();
    assert_eq!(counted, [("d", "zero date to null", 1), ("e", "zero date to null", 1)]);
}

#[test]
fn columns_and_defaults() {
    let sql = "CREATE TABLE t (a int, b int DEFAULT 5, c int); INSERT INTO t (A, c) VALUES (1,2); INSERT INTO t (b) VALUES (3);";
    let outcome = read(sql, &["a int32", "c int32"]);
    assert_eq!(outcome.lines(), ["1|2", "~|~"], "a column without a default is NULL");
    let outcome = read(sql, &["a int32", "b int32"]);
    assert_eq!(outcome.lines(), ["~|3"]);
    assert_eq!(outcome.set_aside(), ["1 b:missing-value (1,2)"], "only the server knows a default");
    let mut wanted = request(&["a int32"]);
    wanted.quarantine_unknown_columns = true;
    wanted.stream.excluded = vec!["c".to_owned()].into();
    let (outcome, _) = read_with(sql.as_bytes(), 9, &wanted, false).expect("readable");
    assert_eq!(outcome.lines(), ["1"]);
    assert_eq!(outcome.set_aside(), ["1 b:unknown-column (3)"]);
    let sql = "CREATE TABLE t (a int, b int INVISIBLE, c int); INSERT INTO t VALUES (1,2);";
    assert_eq!(read(sql, &["a int32", "b int32", "c int32"]).lines(), ["1|~|2"]);
}

#[test]
fn what_cannot_be_followed_is_an_error() {
    let start = "CREATE TABLE t (a int, b timestamp NULL); INSERT INTO t (a) VALUES (1);";
    for (sql, expected) in [
        (format!("{start} TRUNCATE t;"), "TRUNCATE of table `t` follows its rows"),
        (format!("{start} DROP TABLE IF EXISTS x, `t`;"), "DROP of table `t` follows its rows"),
        (format!("{start} UPDATE t SET a = 2;"), "UPDATE of table `t` follows its rows"),
        (format!("{start} ALTER TABLE t ADD COLUMN c int;"), "ALTER TABLE changes columns of `t`"),
        (format!("{start} RENAME TABLE t TO u;"), "RENAME of table `t`"),
        (format!("{start} LOAD DATA INFILE 'x' INTO TABLE t;"), "LOAD of table `t`"),
        (format!("{start} INSERT INTO t SELECT 1;"), "INSERT without VALUES"),
        (format!("{start} INSERT INTO t (a) VALUES (1) ON DUPLICATE KEY UPDATE a = 2;"), "ON DUPLICATE KEY"),
        (format!("{start} INSERT INTO t (a, z) VALUES (1, 2);"), "a column `z` that its table lacks"),
        (format!("{start} CREATE TABLE other.t (a int);"), "more than one database"),
        (format!("{start} DELIMITER $$\nINSERT INTO t VALUES (1)$$"), "between DELIMITER commands"),
        (format!("{start} INSERT INTO x VALUES ('"), "is not closed"),
        (format!("{start} INSERT INTO x VALUES (1)"), "ends within a statement"),
        (
            "SET NAMES latin1; CREATE TABLE t (a int); INSERT INTO t VALUES (1);".to_owned(),
            "--default-character-set=utf8mb4",
        ),
        ("SET sql_mode = some_function(1);".to_owned(), "sql_mode is set to an expression"),
        ("CREATE TABLE u (a int);".to_owned(), "has no table `t`"),
        ("CREATE TABLE t (a hyperlink);".to_owned(), "`hyperlink`"),
        ("CREATE TABLE t LIKE u;".to_owned(), "without a list of columns"),
        ("INSERT INTO t VALUES (1);".to_owned(), "--no-create-info"),
        (String::new(), "no statement"),
    ] {
        let message = error(&sql, &["a int32"]);
        assert!(message.contains(expected), "{sql}: {message}");
    }
    assert!(error(start, &["b timestamptz"]).contains("--tz-utc"));
    let harmless = format!(
        "{start} ALTER TABLE t ADD PRIMARY KEY (a), ADD KEY k (b), MODIFY a int(11) NOT NULL AUTO_INCREMENT; CREATE TABLE x (a hyperlink); COMMIT;"
    );
    assert_eq!(read(&harmless, &["a int32"]).lines(), ["1"]);
    assert_eq!(schema(harmless.as_bytes(), 5, "t").expect("readable").0, ["a int32!", "b timestamptz"]);
    assert!(schema(harmless.as_bytes(), 5, "x").expect_err("strange").to_string().contains("hyperlink"));
}

#[test]
fn a_cut_off_statement_is_never_taken_for_a_whole_one() {
    let sql = "CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1,'x'),(2,'y;');";
    for end in sql.find("VALUES").expect("rows")..sql.len() {
        match read_with(&sql.as_bytes()[..end], 8, &request(&["a int32", "b text"]), false) {
            Ok((outcome, _)) => assert!(!outcome.quarantined.is_empty(), "{}", &sql[..end]),
            Err(error) => assert_eq!(error.kind(), millrace_engine::error::ErrorKind::SourceUnreadable),
        }
    }
}

#[test]
fn bytes_that_are_no_text() {
    let sql = b"CREATE TABLE t (a text, b blob); INSERT INTO t VALUES ('\xE9','x'),('y','\xE9\\0');";
    let (outcome, _) = read_with(sql, 6, &request(&["a text", "b bytes"]), false).expect("readable");
    assert_eq!(outcome.lines(), ["y|\\xe900"]);
    assert_eq!(outcome.quarantined[0].code, QuarantineCode::BadEncoding);
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = b"'".to_vec();
    for &byte in text {
        match byte {
            0 => out.extend_from_slice(b"\\0"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\'' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            other => out.push(other),
        }
    }
    out.push(b'\'');
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_come_back(
        rows in prop::collection::vec((any::<i64>(), prop::option::of("\\PC{0,6}|[\\\\'\n,();]{0,6}"), prop::collection::vec(any::<u8>(), 0..8)), 0..12),
        block in 1usize..60,
        extended in any::<bool>(),
    ) {
        let mut sql = b"CREATE TABLE `t` (`a` bigint, `b` text, `c` blob);\n".to_vec();
        for (at, (a, b, c)) in rows.iter().enumerate() {
            sql.extend_from_slice(if at == 0 || !extended { b"INSERT INTO `t` VALUES " } else { b"," });
            sql.extend_from_slice(format!("({a},").as_bytes());
            sql.extend_from_slice(&b.as_ref().map_or(b"NULL".to_vec(), |text| quoted(text.as_bytes())));
            sql.extend_from_slice(b",_binary ");
            sql.extend_from_slice(&quoted(c));
            sql.push(b')');
            if at + 1 == rows.len() || !extended {
                sql.extend_from_slice(b";\n");
            }
        }
        let (outcome, _) = read_with(&sql, block, &request(&["a int64", "b text", "c bytes"]), false).expect("readable");
        let hex = |bytes: &[u8]| millrace_core::value::Value::Bytes(bytes.to_vec()).to_string();
        let expected: Vec<_> = rows.iter().map(|(a, b, c)| vec![Some(a.to_string()), b.clone(), Some(hex(c))]).collect();
        prop_assert_eq!(outcome.quarantined, []);
        prop_assert_eq!(outcome.rows, expected);
    }

    #[test]
    fn any_bytes(
        tail in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            prop::collection::vec(prop::sample::select(vec![
                "INSERT INTO t VALUES ", "(1,'x')", ",", ";", "(", ")", "'", "\\", "`", "/*", "*/", "/*!50000 ", "-- ", "\n", "#", "NULL", "0x1",
                "DELIMITER ;;\n", "CREATE TABLE ", "DROP TABLE t", "ALTER TABLE t ", "SET ", "(a int)", "t", "-1", "b'1'", "_binary", "é", "\"",
            ]), 0..25).prop_map(|tokens| tokens.concat().into_bytes()),
        ],
        block in 1usize..40,
    ) {
        let mut sql = b"CREATE TABLE t (a int, b text);".to_vec();
        sql.extend_from_slice(&tail);
        let show = |block| read_with(&sql, block, &request(&["a int32", "b text"]), false).map_err(|error| error.to_string());
        prop_assert_eq!(show(block), show(1 << 20));
        let _ = schema(&sql, block, "t");
    }
}

//! Statements that are followed, that are harmless, and that are refused.

use super::{check, limits, load, rows, wanted};
use crate::mysql_dump::charset::Charset;
use crate::mysql_dump::read::given;
use crate::mysql_dump::zone::Zone;

const START: &str = "create table t (a int, b varchar(9), key k (b)); insert into t values (1,'x');";

#[test]
fn harmless_statements() {
    for sql in [
        "lock tables t write; unlock tables;",
        "/*!40000 ALTER TABLE `t` DISABLE KEYS */; /*!40000 ALTER TABLE `t` ENABLE KEYS */;",
        "alter table t add primary key (a), add unique key u (b), add constraint f foreign key (a) references x (a) on delete cascade;",
        "alter table t modify a int not null auto_increment, auto_increment=5; alter table t add index (b); alter table t engine=InnoDB;",
        "create database if not exists d /*!40100 default character set utf8mb4 */; use d;",
        "use d\nset names utf8mb4;",
        "start transaction; commit; begin; commit work; set autocommit=0; commit; set autocommit=1;",
        "set @@session.sql_log_bin=0; set @@global.gtid_purged=/*!80000 '+'*/ 'a:1-5';",
        "set session transaction isolation level read committed; set password = 'x'; set default role x to y;",
        "analyze table t; optimize table t; check table t; flush tables; show tables; select 'loading' as info;",
        "create or replace view v as select * from t; create algorithm=undefined definer=`r`@`%` sql security definer view w as select 1;",
        "drop view if exists v; drop trigger if exists g; drop procedure if exists p; drop function f; drop event if exists e; drop index k on t;",
        "create index k on t (a); create unique index l on t (a); create user u; grant all on d.* to u; revoke all on d.* from u;",
        "create sequence s start with 1; do setval(s, 5, 0); create temporary table z (a int); insert into z values (5); drop temporary table z;",
        "delimiter ;;\ncreate trigger g after insert on t for each row begin delete from t; end;;\n/*!50003 set sql_mode = '' */;;\ncreate procedure p() begin update t set a=2; end;;\ndelimiter ;\n",
        "create trigger g before update on t for each row set new.a = 1;",
        "update other set a = 1; delete from other; truncate other; drop table if exists other; rollback;",
        "change master to master_log_file='x', master_log_pos=4; stop slave; start slave; savepoint x; release savepoint x;",
        "-- a remark; delete from t;\n# another; drop table t;\n/* update t set a = 1; */",
        "/*M!999999\\- enable the sandbox mode */ /*!999999 drop table t */;",
        "replace into u values (1),(1); create table u (a int);",
    ] {
        // UPDATE of what is no table of the dump may be one of a view.
        let other = if sql.starts_with("update other") { "create table other (a int); " } else { "" };
        assert_eq!(rows(&format!("{other}{START} {sql}")), Ok("1".to_owned()), "{sql}");
    }
}

#[test]
fn what_is_not_followed_is_refused_with_its_line() {
    for (sql, expected) in [
        ("source rows.sql ;", "`path: [schema.sql, rows.sql]`"),
        ("\\. rows.sql\n", "line 2: "),
        ("insert into u values (1)\\g insert into t values (2);", "command of the mysql client"),
        ("call p();", "the statement CALL"),
        ("prepare s from 'delete from t'; execute s;", "the statement PREPARE"),
        ("execute immediate 'delete from t';", "the statement EXECUTE"),
        ("start transaction; insert into t values (2,'y'); rollback;", "a ROLLBACK"),
        ("set autocommit=0; insert into t values (2,'y'); rollback to savepoint x;", "a ROLLBACK"),
        ("start transaction; insert into t values (2,'y');", "without a COMMIT"),
        ("set autocommit = off; insert into t values (2,'y');", "without a COMMIT"),
        ("xa start 'x';", "the statement XA"),
        ("handler t open;", "the statement HANDLER"),
        ("do f();", "the statement DO"),
        ("binlog 'x';", "the statement BINLOG"),
        ("with c as (select 1) delete from t;", "the statement WITH"),
        ("set sql_mode='ANSI_QUOTES'; update \"t\" set \"a\"=5;", "UPDATE of table `t`"),
        ("set sql_mode=ansi; delete from \"t\" where \"a\"=2;", "DELETE of table `t`"),
        (
            "set @@sql_mode=concat(@@sql_mode,',ANSI_QUOTES'); delete from d.\"t\" as x;",
            "DELETE of table `t`",
        ),
        ("set sql_mode=4; delete from \"t\";", "DELETE of table `t`"),
        (
            "create view v as select * from t; update v set a = 5;",
            "UPDATE of what may be a view of table `t`",
        ),
        ("create view v as select * from t; insert into v values (5, 'x');", "the view `v`"),
        ("delete x from t as x where a = 1;", "DELETE of table `t`"),
        ("delete from u, t using u join t;", "DELETE of table `t`"),
        ("update d.t set a = 1;", "UPDATE of table `t`"),
        ("update nobody set a = 1;", "UPDATE of what may be a view of table `t`"),
        ("update (select 1 from u where 1) x join t set t.a = 5;", "UPDATE of table `t`"),
        ("create or replace table t (a int, b int);", "created again"),
        ("create table t (a int, b int);", "created twice"),
        ("create table t (a int, b varchar(9), key k (b));", "created twice"),
        ("set statement max_statement_time=1 for insert into t values (9,'z');", "SET STATEMENT"),
        ("load data infile 'x' into table t;", "LOAD of table `t`"),
        ("load xml infile 'x' into table d.t;", "LOAD of table `t`"),
        ("insert into t select 1, 'x';", "without VALUES"),
        ("insert into t set a = 5;", "without VALUES"),
        ("insert into t values (1,'x') on duplicate key update a = 2;", "ON DUPLICATE KEY"),
        ("rename table t to u;", "RENAME of table `t`"),
        ("rename tables x to y, u to t;", "RENAME of table `t`"),
        ("alter table t rename to u;", "ALTER TABLE changes columns"),
        ("alter table t drop column b;", "ALTER TABLE changes columns"),
        ("alter table t modify a bigint;", "ALTER TABLE changes columns"),
        ("alter table t convert to character set latin1;", "ALTER TABLE changes columns"),
        ("alter table t truncate partition p;", "ALTER TABLE changes columns"),
        ("alter ignore table t add unique key (a);", "ALTER TABLE changes columns"),
        ("drop database d; truncate t;", "TRUNCATE of table `t`"),
        ("drop tables u, t;", "DROP of table `t`"),
        ("/*!50001 delete from t */;", "DELETE of table `t`"),
        ("/*M!100100 truncate table t */;", "TRUNCATE of table `t`"),
        ("/*!50001 select 1; delete from u */;", "several statements"),
        ("/*!80000 insert into t values (2,'y') */;", "only some servers"),
        ("/*!50001 /*!50001 select 1 */ */;", "within another"),
        ("*/ select 1;", "closes no comment"),
        (
            "create trigger g before insert on t for each row set new.a = 1; insert into t values (2,'y');",
            "after a trigger",
        ),
        ("create function f() returns int begin delete from t; return 1; end;", "cut into pieces"),
        ("create procedure p() begin select 1; end;", "cut into pieces"),
        ("insert into u insert into t values (2,'y');", "neither VALUES nor a query"),
        ("insert into u (a), (2,'y');", "neither VALUES nor a query"),
        ("create function f() returns int return 1; select f();", "calls the function `f`"),
        ("delimiter $$\ncall p()$$", "the statement CALL"),
        ("delimiter $$\nselect 1; delete from t$$", "several statements"),
        ("quit", "command `quit`"),
        ("foo bar;", "the statement FOO"),
        ("(select 1);", "begins with no word"),
        ("begin not atomic delete from t; end;", "BEGIN of something"),
        (
            "create table p (a int primary key, foreign key (a) references t (a) on delete cascade); insert into p values (1); delete from t;",
            "DELETE of table `t`",
        ),
    ] {
        let message = rows(&format!("{START}\n{sql}")).expect_err(sql);
        assert!(message.contains(expected), "{sql}: {message}");
        assert!(message.contains("line "), "{sql}: {message}");
    }
}

#[test]
fn a_semicolon_that_is_missing_hides_no_rows() {
    for before in [
        "create table x (a int)",
        "create temporary table x (a int)",
        "create view v as select 1",
        "drop table if exists x",
        "drop view if exists x",
        "alter table u enable keys",
        "truncate u",
        "delete from u",
        "set names utf8mb4",
        "set autocommit = 1",
        "start transaction",
        "commit work",
        "rollback",
        "lock tables t write",
        "unlock tables",
        "flush tables",
        "select 1",
        "show tables",
    ] {
        let sql = format!("create table u (a int); {START} {before}\ninsert into t values (2,'y');");
        check(rows(&sql), Err("an INSERT begins within another statement"), before);
    }
}

#[test]
fn transactions() {
    let open = Err("without a COMMIT");
    for (sql, expected) in [
        (
            "start transaction; insert into t values (2,'y'); commit and chain; insert into t values (3,'z');",
            open,
        ),
        (
            "start transaction; insert into t values (2,'y'); commit and no chain; insert into t values (3,'z');",
            Ok("1 ; 2 ; 3"),
        ),
        ("start transaction; insert into t values (2,'y'); unlock tables;", open),
        ("start transaction; insert into t values (2,'y'); lock instance for backup; unlock instance;", open),
        ("lock tables t write; set autocommit=0; insert into t values (2,'y'); unlock tables;", Ok("1 ; 2")),
        ("lock tables t write; start transaction; insert into t values (2,'y'); unlock tables;", open),
        ("start transaction; insert into t values (2,'y'); checksum table t;", open),
        ("start transaction; insert into t values (2,'y'); analyze table t;", Ok("1 ; 2")),
        ("start transaction; insert into t values (2,'y'); create temporary table z (a int);", open),
        (
            "start transaction; insert into t values (2,'y'); create view v as select 1; insert into t values (3,'z');",
            Ok("1 ; 2 ; 3"),
        ),
        (
            "start transaction; insert into t values (2,'y'); create database e; insert into t values (3,'z');",
            Ok("1 ; 2 ; 3"),
        ),
        (
            "start transaction; insert into t values (2,'y'); drop database e; insert into t values (3,'z');",
            Ok("1 ; 2 ; 3"),
        ),
        ("set autocommit = some_function(); insert into t values (2,'y');", open),
        ("start transaction; rollback; insert into t values (2,'y');", Ok("1 ; 2")),
        ("start transaction; rollback and chain; insert into t values (2,'y');", open),
        ("start transaction; savepoint x; rollback to x; insert into t values (2,'y');", open),
        (
            "create table u (a int); start transaction; insert into t values (2,'y'); load data infile 'x' into table u;",
            open,
        ),
    ] {
        check(rows(&format!("{START} {sql}")), expected, sql);
    }
}

#[test]
fn a_statement_that_is_not_followed_ends_the_reading_of_its_table() {
    let tail = "rows are followed by something";
    for (sql, expected) in [
        ("insert into u values (1) on duplicate key update a = values(a)+1;", tail),
        ("insert into u (a) values (1),(2) as n(a) on duplicate key update a = (n.a) * 2;", tail),
        ("insert into u values (1) returning (a) + 1;", tail),
        ("insert into u select (a) from (select 1 as a) x where (a) and b;", "INSERT without VALUES"),
        ("insert into u (a) select (a) from x where (a) and (b) or (c);", "INSERT without VALUES"),
        ("insert into u (a) (select (a) from x);", "INSERT without VALUES"),
        ("insert into u set a = (1) + 2;", "INSERT without VALUES"),
        ("insert into u table x;", "INSERT without VALUES"),
    ] {
        let whole = format!("create table u (a int); {START} {sql} insert into t values (2,'y');");
        check(rows(&whole), Ok("1 ; 2"), sql);
        let found = load(&[("f", &whole)], (Zone::Unknown, None), &wanted("u"), &["a int32"]);
        check(found, Err(expected), sql);
    }
    // A quote that is missing must not hide rows of another table.
    for sql in [
        "insert into u ('a;",
        "insert into u select 'a;",
        "insert into u values (1) on duplicate key update a = 'a;",
    ] {
        let whole = format!(
            "create table u (a int); {START}\n{sql}\ninsert into t values (2,'y');\ninsert into u values ('z');"
        );
        check(rows(&whole), Err("quotes do not match"), sql);
    }
}

#[test]
fn a_use_ends_with_its_statement_or_line() {
    // All in one line, which is longer than a record may be.
    let many = "insert into u values (1,'x');".repeat(50_000);
    let long = format!("use d; {START} create table u (a int, b text); {many}");
    assert!(long.len() > limits(9).record);
    check(rows(&long), Ok("1"), "a long line");
    for (sql, expected) in [
        ("use d", Ok("1")),
        ("use d -- a remark", Ok("1")),
        ("use d\t# a remark", Ok("1")),
        ("use d /* a remark */ ;", Ok("1")),
        ("use d; use e;", Ok("1")),
        ("use d - e", Err("more than the name of a database")),
        ("use d insert into t values (2,'y');", Err("more than the name of a database")),
    ] {
        check(
            rows(&format!("create table t (a int, b text); insert into t values (1,'x'); {sql}\n")),
            expected,
            sql,
        );
    }
}

#[test]
fn what_servers_make_of_nothing() {
    let moments = |sql: &str| {
        let whole = format!("set time_zone='+00:00'; {sql}");
        load(&[("f", &whole)], (Zone::Unknown, None), &wanted("t"), &["a int32", "b timestamptz"])
    };
    let sql = "create table t (a int, b timestamp); insert into t values (1,null),(2,'2024-07-01 12:00:00'); insert into t (a) values (3);";
    let expected = "2|2024-07-01T12:00:00Z ; !1 b:missing-value (1,null) ; !1 b:missing-value (3)";
    check(moments(sql), Ok(expected), sql);
    let sql = "create table t (a int, b timestamp null); insert into t values (1,null); insert into t (a) values (3);";
    check(moments(sql), Ok("1|~ ; 3|~"), sql);
    let sql = "create table t (a int, b char(36) default (uuid()), c int); insert into t (a) values (1);";
    let texts = load(&[("f", sql)], (Zone::Unknown, None), &wanted("t"), &["a int32", "b text"]);
    check(texts, Ok("!1 b:missing-value (1)"), sql);
    check(rows(sql), Ok("1"), sql);
    let labels: Vec<String> = (0..65).map(|label| format!("'{label}'")).collect();
    let sql = format!(
        "create table t (a int, b set({})); insert into t values (1,18446744073709551615);",
        labels.join(",")
    );
    check(rows(&sql), Err("more than 64 labels"), "65 labels");
}

#[test]
fn tables_that_a_server_would_have_otherwise() {
    for (sql, expected) in [
        ("create table t (a int) engine=blackhole; insert into t values (1);", "keeps no rows of its own"),
        ("create table t (a int) engine=merge union=(x);", "keeps no rows of its own"),
        ("create table t (a int) select 1 as a;", "made of a query"),
        ("create table t as select 1 as a;", "without a list of columns"),
        ("insert into t values (1); create table t (a int);", "created after its rows"),
        ("create temporary table t (a int); insert into t values (1);", "has no table `t`"),
        ("create table `t\u{FFFD}` (a int);", "has no table `t`"),
        ("-- nothing", "no statement"),
        ("", "no statement"),
        ("create table t (a int); insert into t values (1), ; ", "expected a row"),
        ("set @OLD_SQL_MODE=@@SQL_MODE; create table t (a int); insert into t values (1);", "cut off"),
        (
            "-- phpMyAdmin SQL Dump\nstart transaction; create table t (a int); commit; start transaction; insert into t values (1);",
            "COMMIT",
        ),
    ] {
        let message = rows(sql).expect_err(sql);
        assert!(message.contains(expected), "{sql}: {message}");
    }
    let latin1 = b"create table `t\xE9` (a int); insert into `t\xE9` values (1);";
    let error = given(&[("f", latin1)], (Zone::Unknown, None), limits(9)).expect_err("not UTF-8");
    assert!(error.to_string().contains("line 1: the dump is not UTF-8"), "{error}");
    let index = given(&[("f", latin1)], (Zone::Unknown, Some(Charset::Latin1)), limits(9)).expect("latin1");
    assert_eq!(index.names(None), ["té"]);
}

#[test]
fn settings_in_all_spellings() {
    let text = |sql: &str| load(&[("f", sql)], (Zone::Unknown, None), &wanted("t"), &["b text"]);
    let start = "create table t (b varchar(40) character set utf8mb4);";
    for (set, expected) in [
        ("set names latin1", Err("written in `latin1`")),
        ("SET CHARACTER SET latin1", Err("written in `latin1`")),
        ("SET CHARSET 'latin1'", Err("written in `latin1`")),
        ("set character_set_client=latin1", Err("written in `latin1`")),
        ("set @@character_set_client := 'latin1'", Err("written in `latin1`")),
        ("set @@SESSION.character_set_client = (latin1)", Err("written in `latin1`")),
        ("set @c = 'latin1'; set character_set_client = @c", Err("written in `latin1`")),
        ("set session character_set_client = 8", Err("written in `8`")),
        ("set autocommit = 1, names latin1", Err("written in `latin1`")),
        ("set names latin1; set names default", Ok("é")),
        ("set @o = @@character_set_client; set names latin1; set character_set_client = @o", Ok("é")),
        ("set @@global.character_set_client = latin1; set global character_set_client = latin1", Ok("é")),
        ("set names 'utf8' collate 'utf8_bin'", Ok("é")),
        ("set names binary", Ok("é")),
        ("set character set utf8", Ok("é")),
    ] {
        match (text(&format!("{start} {set}; insert into t values ('é');")), expected) {
            (found, Ok(expected)) => assert_eq!(found, Ok(expected.to_owned()), "{set}"),
            (Err(message), Err(expected)) => assert!(message.contains(expected), "{set}: {message}"),
            (found, _) => panic!("{set}: {found:?}"),
        }
    }
    for set in [
        "set sql_mode='NO_BACKSLASH_ESCAPES'",
        "set @@session.sql_mode := concat(@@sql_mode, ',NO_BACKSLASH_ESCAPES')",
        "set session sql_mode = 1048576",
        "set @m = 'NO_BACKSLASH_ESCAPES'; set local sql_mode = @m",
        "set names utf8mb4, @@sql_mode = (select 'NO_BACKSLASH_ESCAPES')",
    ] {
        assert_eq!(
            text(&format!("{start} {set}; insert into t values ('a\\n'),('\\'),('it''s');")),
            Ok("a\\n ; \\ ; it's".to_owned()),
            "{set}"
        );
    }
    let moments = |set: &str, zone: Zone| {
        let sql = format!(
            "create table t (b timestamp null); {set}; insert into t values ('2024-07-01 12:00:00');"
        );
        load(&[("f", &sql)], (zone, None), &wanted("t"), &["b timestamptz"])
    };
    for (set, expected) in [
        ("set time_zone='+00:00'", Ok("12")),
        ("set @@session.time_zone='+00:00'", Ok("12")),
        ("set time_zone='+00:00'; set @@session.time_zone='+05:00'", Ok("07")),
        ("set time_zone := '+05:00'", Ok("07")),
        ("set names utf8mb4, @@session.time_zone='+05:00'", Ok("07")),
        ("set @z = '+05:00'; set time_zone = @z", Ok("07")),
        ("set time_zone = 'Europe/Paris'", Ok("10")),
        ("set time_zone='+00:00'; set @@global.time_zone='+05:00'", Ok("12")),
        ("set global time_zone='+05:00'", Err("does not say in which zone")),
        ("set time_zone='+00:00'; set time_zone='SYSTEM'", Err("does not say in which zone")),
        (
            "set @OLD_TIME_ZONE=@@TIME_ZONE; set time_zone='+00:00'; set time_zone=@OLD_TIME_ZONE",
            Err("does not say in which zone"),
        ),
        ("set time_zone=ifnull(@OLD_TIME_ZONE, 'system')", Err("does not say in which zone")),
        ("set time_zone='Mars/Base'", Err("does not say in which zone")),
    ] {
        match (moments(set, Zone::Unknown), expected) {
            (found, Ok(hour)) => assert_eq!(found, Ok(format!("2024-07-01T{hour}:00:00Z")), "{set}"),
            (Err(message), Err(expected)) => assert!(message.contains(expected), "{set}: {message}"),
            (found, _) => panic!("{set}: {found:?}"),
        }
    }
    let paris = Zone::named("Europe/Paris").expect("a zone");
    assert_eq!(moments("set @x = 1", paris.clone()), Ok("2024-07-01T10:00:00Z".to_owned()));
    assert_eq!(
        moments("set time_zone='+00:00'", paris),
        Ok("2024-07-01T12:00:00Z".to_owned()),
        "what the dump says goes first"
    );
}

#[test]
fn what_other_programs_write() {
    let load =
        |sql: &str, columns: &[&str]| load(&[("f", sql)], (Zone::Unknown, None), &wanted("t"), columns);
    let mydumper = "/*!40101 SET NAMES binary*/;\n/*!40103 SET TIME_ZONE='+00:00' */;\ncreate table `t` (`a` int not null, `b` varchar(9), `j` json, primary key (`a`)) default charset=utf8mb4;\ninsert into `t` values (1,\"é\",CONVERT(\"{\\\"a\\\": 1}\" USING UTF8MB4));";
    assert_eq!(load(mydumper, &["a int32", "b text", "j json"]), Ok("1|é|{\"a\": 1}".to_owned()));
    let sakila = "create table t (a int, /*!50705 g geometry not null,*/ b text); insert into t values (1,/*!50705 0x0000000001010000003E0A325D63345CC0761FDB8D99D94840,*/'x');";
    assert_eq!(load(sakila, &["a int32", "b text"]), Ok("1|x".to_owned()));
    let phpmyadmin = "SET SQL_MODE = \"NO_AUTO_VALUE_ON_ZERO\";\nSTART TRANSACTION;\nSET time_zone = \"+00:00\";\n/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n/*!40101 SET NAMES utf8mb4 */;\nCREATE TABLE `t` (`a` int(11) NOT NULL, `b` varchar(9)) ENGINE=InnoDB;\nINSERT INTO `t` (`a`, `b`) VALUES\n(0, 'x'),\n(1, 'y');\nDELIMITER $$\nCREATE TRIGGER `g` BEFORE INSERT ON `t` FOR EACH ROW SET NEW.b = 1\n$$\nDELIMITER ;\nALTER TABLE `t`\n  ADD PRIMARY KEY (`a`);\nALTER TABLE `t`\n  MODIFY `a` int(11) NOT NULL AUTO_INCREMENT, AUTO_INCREMENT=2;\nCOMMIT;\n/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;\n";
    assert_eq!(load(phpmyadmin, &["a int32", "b text"]), Ok("0|x ; 1|y".to_owned()));
    let heidi = "/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;\n/*!40101 SET NAMES utf8 */;\n/*!50503 SET NAMES utf8mb4 */;\n/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;\n/*!40103 SET TIME_ZONE='+00:00' */;\n/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;\n/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;\n/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;\nCREATE DATABASE IF NOT EXISTS `d`;\nUSE `d`;\nCREATE TABLE IF NOT EXISTS `t` (`a` int, `b` timestamp NULL);\nDELETE FROM `t`;\nINSERT INTO `t` (`a`, `b`) VALUES\n\t(1, '2024-07-01 12:00:00');\n/*!40103 SET TIME_ZONE=IFNULL(@OLD_TIME_ZONE, 'system') */;\n/*!40101 SET SQL_MODE=IFNULL(@OLD_SQL_MODE, '') */;\n/*!40014 SET FOREIGN_KEY_CHECKS=IFNULL(@OLD_FOREIGN_KEY_CHECKS, 1) */;\n/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;\n/*!40111 SET SQL_NOTES=IFNULL(@OLD_SQL_NOTES, 1) */;\n";
    assert_eq!(load(heidi, &["a int32", "b timestamptz"]), Ok("1|2024-07-01T12:00:00Z".to_owned()));
    let cut = heidi.rfind("/*!40111").expect("a footer");
    assert!(load(&heidi[..cut], &["a int32"]).expect_err("cut off").contains("cut off"));
    let adminer = "-- Adminer 4.8.1 MySQL dump\nSET NAMES utf8;\nSET time_zone = '+00:00';\nSET foreign_key_checks = 0;\nDELIMITER ;;\nDROP PROCEDURE IF EXISTS `p`;;\nCREATE PROCEDURE `p` () BEGIN SELECT 1; END;;\nDELIMITER ;\nDROP TABLE IF EXISTS `t`;\nCREATE TABLE `t` (`a` int NOT NULL);\nTRUNCATE `t`;\nINSERT INTO `t` (`a`) VALUES (1);\n-- 2024-01-01 00:00:00\n";
    assert_eq!(load(adminer, &["a int32"]), Ok("1".to_owned()));
    let events = "create table t (a timestamp null); set time_zone='+00:00';\nDELIMITER ;;\n/*!50003 SET @saved_time_zone = @@time_zone */ ;;\n/*!50003 SET time_zone = 'SYSTEM' */ ;;\n/*!50106 CREATE*/ /*!50117 DEFINER=`r`@`%`*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 DAY DO DELETE FROM t */ ;;\n/*!50003 SET time_zone = @saved_time_zone */ ;;\nDELIMITER ;\ninsert into t values ('2024-07-01 12:00:00');";
    assert_eq!(load(events, &["a timestamptz"]), Ok("2024-07-01T12:00:00Z".to_owned()));
    let definitions = "-- MySQL dump 10.13\ncreate table t (a int);\n-- Dump completed on x\n";
    let index = given(&[("f", definitions.as_bytes())], (Zone::Unknown, None), limits(9)).expect("readable");
    assert!(index.definitions_only);
}

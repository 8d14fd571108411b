//! Rows that repeat a key, and those that INSERT IGNORE and REPLACE would not keep.

use super::{check, load, rows, wanted};
use crate::mysql_dump::zone::Zone;

const MET: &str = "meets a row whose key may be there";
const MAY_MEET: &str = "the keys cannot be compared";

#[test]
fn repeated_keys() {
    let start =
        "create table t (a int primary key, b varchar(9) collate utf8mb4_general_ci, unique key u (b));";
    let met = "meets a row whose key may be there";
    for (sql, expected) in [
        ("replace into t values (1,'a'),(2,'b'); replace into t values (3,'c');", Ok("1 ; 2 ; 3")),
        ("insert ignore into t values (1,'a'),(2,'b');", Ok("1 ; 2")),
        ("replace into t values (1,'a'),(2,'b');\nreplace into t values (1,'c');", Err(met)),
        ("insert ignore into t values (1,'a'),('01','c');", Err(met)),
        ("insert into t values (1,'a'); insert ignore into t values (2,'A ');", Err(met)),
        ("replace into t values (1,'é'),(2,'E');", Err(met)),
        ("replace into t values (1,null),(2,null);", Ok("1 ; 2")),
        ("replace into t (b) values ('a');", Err("may meet a row")),
        ("insert into t values (1,'a'),(2,'b'),(1,'c'),(3,'d');", Ok("1 ; 2 ; 3 ; !1 duplicate-key (1,'c')")),
        ("insert into t values (1,'a'),(2,'a');", Ok("1 ; 2")),
    ] {
        check(rows(&format!("{start}{sql}")), expected, sql);
    }
    // Keys that come at the end, as phpMyAdmin writes them.
    let late =
        "create table t (a int, b int); insert into t values (1,1),(1,2); alter table t add primary key (a);";
    assert_eq!(rows(late), Ok("1 ; !1 duplicate-key (1,2)".to_owned()));
    let zero = "create table t (a int auto_increment primary key); insert into t values (0),(5),(null);";
    assert_eq!(rows(zero), Ok("5 ; !1 a:out-of-range (0) ; !1 a:missing-value (null)".to_owned()));
    let kept = zero.replace("insert", "set sql_mode='NO_AUTO_VALUE_ON_ZERO'; insert");
    assert_eq!(rows(&kept), Ok("0 ; 5 ; !1 a:missing-value (null)".to_owned()));
}

#[test]
fn keys_in_all_spellings() {
    for (table, insert, expected) in [
        ("a int auto_increment key", "replace into t values (1),(1)", Err(MET)),
        ("a int unique", "replace into t values (1),(1)", Err(MET)),
        ("a int unique key", "replace into t values (1),(1)", Err(MET)),
        ("a int, key (a)", "replace into t values (1),(1)", Ok("1 ; 1")),
        (
            "a int primary key",
            "insert into t values (1),(1.0),('1')",
            Ok("1 ; !1 duplicate-key (1.0) ; !1 duplicate-key ('1')"),
        ),
        ("a int primary key", "replace into t values (1),(1.0)", Err(MET)),
        ("a int primary key", "replace into t values (1),(1e0)", Err(MET)),
        ("a int, d decimal(5,2), primary key (a,d)", "replace into t values (1,1),(1.0,1.00)", Err(MET)),
        ("a int, d decimal(5,2) unique", "replace into t values (1,1.5),(2,1.50)", Err(MET)),
        ("a int, f float unique", "replace into t values (1,1.1),(2,1.10000001)", Err(MET)),
        (
            "a int, b varchar(9), primary key (b(2))",
            "insert into t values (1,'abc'),(2,'abd'),(3,'b')",
            Ok("1 ; 3 ; !1 duplicate-key (2,'abd')"),
        ),
        ("a int, b varchar(9) unique", "replace into t (a) values (1),(2)", Ok("1 ; 2")),
        ("a int, b int unique default 5", "replace into t (a) values (1)", Err(MAY_MEET)),
    ] {
        check(rows(&format!("create table t ({table}); {insert};")), expected, insert);
    }
    for (sql, expected) in [
        ("create unique index u on t (b);", Err(MET)),
        ("create or replace unique index if not exists u using btree on t (b desc);", Err(MET)),
        ("alter table t add unique (b);", Err(MET)),
        ("alter table t modify b int unique;", Err(MET)),
        ("alter table t modify b int unique key;", Err(MET)),
        ("create index u on t (b);", Ok("1 ; 2")),
        ("create temporary table x (b int); create unique index u on x (b);", Ok("1 ; 2")),
    ] {
        let whole =
            format!("create table t (a int primary key, b int); {sql} replace into t values (1,5),(2,5);");
        check(rows(&whole), expected, sql);
    }
    let modified = "create table t (a int); alter table t modify a int auto_increment primary key; insert into t values (1),(1);";
    assert_eq!(rows(modified), Ok("1 ; !1 duplicate-key (1)".to_owned()));
}

#[test]
fn keys_that_are_dropped() {
    for (sql, insert, expected) in [
        ("alter table t drop primary key;", "insert into t values (1,1),(1,2);", Ok("1 ; 1")),
        ("drop index `primary` on t;", "insert into t values (1,1),(1,2);", Ok("1 ; 1")),
        ("alter table t drop index b;", "replace into t values (1,1),(2,1);", Ok("1 ; 2")),
        ("alter table t drop key if exists b;", "replace into t values (1,1),(2,1);", Ok("1 ; 2")),
        ("drop index if exists b on t;", "replace into t values (1,1),(2,1);", Ok("1 ; 2")),
        ("alter table t drop index k;", "replace into t values (1,1),(2,1);", Err(MET)),
        (
            "alter table t rename index b to c; alter table t drop index c;",
            "replace into t values (1,1),(2,1);",
            Ok("1 ; 2"),
        ),
        (
            "alter table t rename index b to c; alter table t drop index b;",
            "replace into t values (1,1),(2,1);",
            Err(MET),
        ),
        (
            "insert into t values (1,1);",
            "alter table t drop primary key;",
            Err("a key of table `t` is dropped after its rows"),
        ),
        (
            "insert into t values (1,1);",
            "drop index b on t;",
            Err("a key of table `t` is dropped after its rows"),
        ),
        ("insert into t values (1,1);", "drop index k on t; alter table t drop index k;", Ok("1")),
    ] {
        let whole =
            format!("create table t (a int primary key, b int, unique (b), key k (a,b)); {sql} {insert}");
        check(rows(&whole), expected, &whole);
    }
    let moved =
        "create table t (a int, b int); alter table t modify a int after b; insert into t values (1,2);";
    check(rows(moved), Err("changes columns of `t`"), moved);
}

#[test]
fn a_plain_insert_is_held_to_its_own_key() {
    let start = "create table t (a int, b varchar(9) collate utf8mb4_general_ci primary key, c int unique);";
    for (sql, expected) in [
        // A server may refuse the second; whoever compares by a collation that is known in part must not.
        ("insert into t values (1,'a',1),(2,'A',2),(3,'é',3),(4,'e',3);", Ok("1 ; 2 ; 3 ; 4")),
        (
            "replace into t values (0,'x',0); insert into t values (1,'a',1),(2,'A',2),(3,'é',3),(4,'e',3);",
            Ok("0 ; 1 ; 2 ; 3 ; 4"),
        ),
        (
            "replace into t values (0,'a',0); insert into t values (1,'a',1);",
            Ok("0 ; !1 duplicate-key (1,'a',1)"),
        ),
        ("insert into t values (1,'a',1); replace into t values (0,'A',0);", Err(MET)),
        ("insert into t values (1,'a',1); replace into t values (2,'b',1);", Err(MET)),
    ] {
        check(rows(&format!("{start} {sql}")), expected, sql);
    }
    for (collation, sql, expected) in [
        ("utf8mb4_0900_as_ci", "replace into t values (1,'é'),(2,'e');", Ok("1 ; 2")),
        ("utf8mb4_0900_as_ci", "replace into t values (1,'é'),(2,'É');", Err(MET)),
        ("utf8mb4_0900_bin", "replace into t values (1,'a'),(2,'a ');", Ok("1 ; 2")),
        ("utf8mb4_bin", "replace into t values (1,'a'),(2,'a ');", Err(MET)),
        ("utf8mb4_bin", "replace into t values (1,'a'),(2,'A');", Ok("1 ; 2")),
    ] {
        let whole = format!("create table t (a int, b varchar(9) collate {collation} unique); {sql}");
        check(rows(&whole), expected, &whole);
    }
}

#[test]
fn rows_whose_keys_cannot_be_read() {
    let start = "create table t (a int, b int primary key);";
    for (sql, expected) in [
        ("replace into t values (1,1); replace into t values (2,f(1));", Err(MAY_MEET)),
        ("insert ignore into t values (1,now()),(2,2);", Err(MAY_MEET)),
        ("replace into t values (1,1),(2);", Err(MAY_MEET)),
        ("replace into t values (1,1),(2,'x');", Err(MAY_MEET)),
        ("replace into t values (1,1),(2,1.4);", Err(MAY_MEET)),
        ("replace into t values (1,1),(2,null);", Err(MAY_MEET)),
        // What a plain INSERT has under a key that cannot be told, a later INSERT IGNORE may be passed over for.
        ("insert into t values (1,f(1)); insert ignore into t values (2,1);", Err(MAY_MEET)),
        (
            "insert ignore into t values (2,1); insert into t values (1,f(1));",
            Ok("2 ; !1 broken-record (1,f(1))"),
        ),
        ("insert into t values (1,f(1)),(2,2);", Ok("2 ; !1 broken-record (1,f(1))")),
    ] {
        check(rows(&format!("{start} {sql}")), expected, sql);
    }
    let without = "create table t (a int); replace into t values (1),(f(1)),(1);";
    assert_eq!(
        rows(without),
        Ok("1 ; 1 ; !1 broken-record (f(1))".to_owned()),
        "nothing is replaced without a key"
    );
}

#[test]
fn what_insert_ignore_may_pass_over() {
    let foreign = "INSERT IGNORE passes over rows of `t` that a foreign key";
    let check_of = "INSERT IGNORE passes over rows of `t` that a CHECK";
    for (table, expected) in [
        ("a int, foreign key (a) references p (a)", Err(foreign)),
        ("a int references p (a)", Err(foreign)),
        ("a int check (a > 0)", Err(check_of)),
        ("a int, constraint c check (a > 0)", Err(check_of)),
        ("a int check (a > 0) not enforced", Ok("1")),
        ("a int) partition by list (a) (partition p values in (2)", Err("the list of its partitions")),
        ("a int) partition by range (a) (partition p values less than maxvalue", Ok("1")),
        ("a int, j longtext check (json_valid(`j`))", Ok("1")),
    ] {
        let names = if table.contains("longtext") { "(1,'{}')" } else { "(1)" };
        let (create, insert) =
            (format!("create table t ({table});"), format!("insert ignore into t values {names};"));
        check(rows(&format!("{create} {insert}")), expected, table);
        let plain = insert.replace("ignore ", "");
        check(rows(&format!("{create} {plain}")), Ok("1"), table);
        // The definition may be in another file.
        let files = [("data", insert.as_str()), ("schema", create.as_str())];
        check(load(&files, (Zone::Unknown, None), &wanted("t"), &["a int32"]), expected, table);
    }
    let off =
        "set foreign_key_checks=0; create table t (a int references p (a)); insert ignore into t values (1);";
    check(rows(off), Ok("1"), off);
    let on = off.replace("insert", "set @@session.foreign_key_checks = 'ON'; insert");
    check(rows(&on), Err(foreign), &on);
}

#[test]
fn rows_that_go_with_those_of_another_table() {
    let tables = "create table p (a int primary key); create table t (a int, foreign key (a) references p (a) on delete cascade); create table g (a int references t (a) on update set null);";
    let rows_of_both = "insert into p values (1); insert into t values (1);";
    let passed_on = "of table `p` follows rows of table `t`, whose foreign key passes it on";
    for (sql, expected) in [
        (format!("{rows_of_both} delete from p;"), Err(passed_on)),
        (format!("{rows_of_both} update p set a = 2;"), Err(passed_on)),
        (format!("{rows_of_both} replace into p values (1);"), Err(passed_on)),
        (
            format!("{rows_of_both} set foreign_key_checks=0; delete from p; replace into p values (1);"),
            Ok("1"),
        ),
        (format!("{rows_of_both} truncate p;"), Ok("1")),
        (format!("{rows_of_both} drop table p;"), Ok("1")),
        // A table that holds nothing has nothing to pass on.
        ("insert into t values (1); delete from p;".to_owned(), Ok("1")),
        ("insert into t values (1); delete from g;".to_owned(), Ok("1")),
        ("replace into p values (1); insert into t values (1);".to_owned(), Ok("1")),
    ] {
        check(rows(&format!("{tables} {sql}")), expected, &sql);
    }
    let grandchild = |sql: &str| {
        let whole = format!("{tables} {sql}");
        load(&[("f", &whole)], (Zone::Unknown, None), &wanted("g"), &["a int32"])
    };
    let sql = "insert into p values (1); insert into g values (1); delete from p;";
    check(grandchild(sql), Err("of table `p` follows rows of table `g`"), sql);
    // Foreign keys may be in a later file.
    let data = format!("{rows_of_both} delete from p;");
    let files = [("data", data.as_str()), ("schema", tables)];
    let found = load(&files, (Zone::Unknown, None), &wanted("t"), &["a int32"]);
    check(found, Err("DELETE of table `p`, to which a foreign key refers"), &data);
}

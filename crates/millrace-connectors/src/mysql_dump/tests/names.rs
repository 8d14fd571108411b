//! Which table a name means: databases, files, temporary tables, letter case.

use super::{check, load, rows, wanted};
use crate::mysql_dump::index::Wanted;
use crate::mysql_dump::zone::Zone;

fn pick(files: &[(&str, &str)], name: &str, database: Option<&str>) -> Result<String, String> {
    let wanted = Wanted { database: database.map(str::to_owned), ..wanted(name) };
    load(files, (Zone::Unknown, None), &wanted, &["a int32"])
}

#[test]
fn several_databases_and_files() {
    let sql = "create database a; use a; create table t (a int); insert into t values (1);
        create database b; use b; create table t (a int); insert into t values (2); insert into a.t values (3);
        create table only_b (a int); insert into only_b values (4);";
    let pick = |name: &str, database: Option<&str>| {
        let wanted = Wanted { database: database.map(str::to_owned), ..wanted(name) };
        load(&[("f", sql)], (Zone::Unknown, None), &wanted, &["a int32"])
    };
    assert_eq!(pick("only_b", None), Ok("4".to_owned()));
    assert_eq!(pick("t", Some("b")), Ok("2".to_owned()));
    assert_eq!(pick("t", Some("a")), Ok("1 ; 3".to_owned()));
    assert!(pick("t", None).expect_err("two").contains("`database:`"));
    assert!(
        pick("only_b", Some("a")).expect_err("none").contains("has no table `only_b` in the database `a`")
    );
    let schema = ("shop-schema.sql", "create table t (a int); create table n (a int);");
    let data = ("shop-data.sql", "insert into t values (1); insert into u values (2);");
    for files in [[schema, data], [data, schema]] {
        let load = |name: &str| load(&files, (Zone::Unknown, None), &wanted(name), &["a int32"]);
        assert_eq!(load("t"), Ok("1".to_owned()));
        assert_eq!(load("n"), Ok(String::new()));
        assert!(load("u").expect_err("no definition").contains("no file of the dump creates the table"));
    }
}

#[test]
fn rows_that_stand_between_those_of_a_table_are_those_of_their_own() {
    let sql = "create database a; use a; create table t (a int); insert into t values (1);
        create database b; use b; create table t (a int); insert into t values (2); insert into a.t values (3);
        insert into t values (4); insert into a.t values (5); use a; insert into t values (6); insert into b.t values (7);";
    check(pick(&[("f", sql)], "t", Some("a")), Ok("1 ; 3 ; 5 ; 6"), sql);
    check(pick(&[("f", sql)], "t", Some("b")), Ok("2 ; 4 ; 7"), sql);
    let used = "use a; create table t (a int); insert into t values (1); use a\ninsert into t values (2);";
    check(rows(used), Ok("1 ; 2"), used);
    let start = "create table t (a int); insert into t values (1);";
    for (sql, expected) in [
        (
            "create temporary table t (a int); insert into t values (99); drop temporary table t; insert into t values (2);",
            Ok("1 ; 2"),
        ),
        (
            "create temporary table t (a int); insert into t values (99); drop table t; insert into t values (2);",
            Ok("1 ; 2"),
        ),
        (
            "create temporary table x.t (a int); insert into x.t values (99); drop temporary table x.t;",
            Ok("1"),
        ),
        ("use y; create temporary table x.t (a int); insert into y.t values (2);", Ok("1 ; 2")),
        ("use y; create temporary table x.t (a int); insert into t values (2);", Ok("1 ; 2")),
        ("create temporary table T (a int); insert into t values (2);", Err("`t` may be a temporary table")),
        (
            "create temporary table t (a int); insert into x.t values (2);",
            Err("`t` may be a temporary table"),
        ),
        (
            "create temporary table t (a int); alter table t add b int; truncate t; delete from t; update t set a = 5;",
            Ok("1"),
        ),
    ] {
        check(rows(&format!("{start} {sql}")), expected, sql);
    }
}

#[test]
fn a_statement_of_a_temporary_table_may_be_one_of_another_too() {
    let start = "create table t (a int); create table u (a int); insert into t values (1); create temporary table z (a int);";
    for (sql, expected) in [
        ("update t join z set t.a = 5;", Err("UPDATE of table `t`")),
        ("update z join t set t.a = 5;", Err("UPDATE of table `t`")),
        ("delete t from z join t;", Err("DELETE of table `t`")),
        ("create view v as select * from t; update z join v set v.a = 5;", Err("view of table `t`")),
        ("update z set a = 5; delete from z; update z join u set u.a = 5;", Ok("1")),
    ] {
        check(rows(&format!("{start} {sql}")), expected, sql);
    }
}

#[test]
fn rows_before_their_definition_are_found_by_it() {
    let schema = ("schema.sql", "create table t (a int);");
    for (data, expected) in [
        ("insert into T values (1);", Ok("1")),
        ("use d; insert into T values (1);", Ok("1")),
        ("insert into T values (1); delete from T;", Err("DELETE of table `T`")),
        ("insert into t values (1); insert into T values (2);", Err("rows of `T` may be those of table `t`")),
    ] {
        check(pick(&[("data.sql", data), schema], "t", None), expected, data);
    }
    let data = ("data.sql", "insert into t values (1);");
    let used = ("schema.sql", "use d; create table t (a int);");
    check(pick(&[data, used], "t", Some("d")), Ok("1"), used.1);
    let several = ("schema.sql", "create table a.t (a int); create table b.t (a int);");
    check(pick(&[data, several], "t", Some("b")), Err("may be those of more than one table"), several.1);
    let cased = ("schema.sql", "create table t (a int); create table T (a int);");
    check(pick(&[("data.sql", "insert into T values (1);"), cased], "T", None), Ok("1"), cased.1);
    for late in [
        "insert into T values (1); create table t (a int);",
        "insert into t values (1); use d; create table t (a int);",
    ] {
        check(rows(late), Err("created after its rows"), late);
    }
    // The file ends within rows of a table that is known under another name.
    let cut = ("data.sql", "insert into T values (1)");
    let before = ("before.sql", "insert into nobody values (1);");
    check(pick(&[before, cut, schema], "t", None), Ok("1 ; !1 broken-record "), cut.1);
}

#[test]
fn charsets_of_databases() {
    let text = |sql: &str| {
        let whole = format!(
            "set names binary; create database d character set latin1; use d; {sql} insert into t values (x'E9');"
        );
        load(&[("f", &whole)], (Zone::Unknown, None), &wanted("t"), &["b text"])
    };
    let (table, refused) = ("create table t (b varchar(9));", Ok("!1 b:bad-encoding (x'E9')"));
    for (sql, expected) in [
        ("", Ok("é")),
        ("create database if not exists D character set utf8mb4;", Ok("é")),
        ("alter database d character set utf8mb4;", refused),
        ("alter database collate = utf8mb4_general_ci;", refused),
        ("alter schema d default charset utf8mb4; alter database d character set latin1;", Ok("é")),
        ("drop database d; create database d character set utf8mb4;", refused),
        ("create or replace database d character set utf8mb4;", refused),
    ] {
        check(text(&format!("{sql} {table}")), expected, sql);
    }
    let dropped = "use d; create table t (a int); insert into t values (1); create or replace database d;";
    check(rows(dropped), Err("DROP of table `t`"), dropped);
}

#[test]
fn a_dump_of_many_tables_is_followed_in_little_time() {
    let mut sql = String::new();
    for table in 0..5000 {
        sql += &format!("create table t{table} (a int);");
    }
    for row in 0..100_000 {
        sql += &format!("insert into t{} values ({row});", row % 5000);
    }
    sql += "create table t (a int); insert into t values (1);";
    let started = std::time::Instant::now();
    let index = crate::mysql_dump::read::given(
        &[("f", sql.as_bytes())],
        (Zone::Unknown, None),
        super::limits(1 << 20),
    );
    assert_eq!(index.expect("readable").names(None).len(), 5001);
    // A look at all tables for each row takes minutes.
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

//! The same scripts fed to a server and to the reader of dumps: what the reader loads of a table is what the server has of it. It may refuse
//! what it cannot follow.

use std::fmt::Write as _;

use fastrand::Rng;
use millrace_testkit::mariadb::MariaDb;

use crate::reading::{load, source, stream};

fn pick<'a>(random: &mut Rng, of: &[&'a str]) -> &'a str {
    random.choice(of).expect("one at least")
}

const KEYS: [&str; 6] = [
    "int primary key",
    "int auto_increment key",
    "int unique",
    "int",
    "decimal(5,2) primary key",
    "double unique key",
];

const TEXTS: [&str; 8] = [
    "varchar(9)",
    "varchar(9) collate utf8mb4_general_ci unique",
    "varchar(9) collate utf8mb4_bin unique",
    "varchar(9) collate utf8mb4_nopad_bin unique",
    "varchar(9) collate utf8mb4_uca1400_as_ci unique",
    "varchar(9) collate utf8mb4_uca1400_ai_cs unique",
    "varchar(9), unique u (v(2))",
    "varchar(9) default 'd'",
];

const MORE: [&str; 5] = [
    "",
    "",
    ", foreign key (k) references p (k) on delete cascade",
    ", check (k <> 3)",
    ", constraint f foreign key (k) references p (k)",
];

/// A script whose tables are `t` and `p` of the database `a`, and `t` of `b`.
fn script(random: &mut Rng, a: &str, b: &str) -> String {
    let mut sql = format!("create database {a}; create database {b}; use {a}; set names utf8mb4;\n");
    let more = pick(random, &MORE);
    // A foreign key has to be of the type that it refers to.
    let key = if more.contains("foreign") { pick(random, &KEYS[..4]) } else { pick(random, &KEYS) };
    let text = pick(random, &TEXTS);
    write!(
        sql,
        "create table p (k int primary key);\ncreate table t (k {key}, v {text}{more}) engine=InnoDB default charset=utf8mb4;\ncreate table {b}.t (k int, v varchar(9));\n"
    )
    .expect("written");
    if random.bool() {
        sql += "set foreign_key_checks=0;\n";
    }
    for number in 0..=random.usize(..9) {
        let row = |random: &mut Rng| {
            let small = random.usize(1..6).to_string();
            let fresh = (100 + number * 10 + random.usize(..10)).to_string();
            let key = match random.usize(..6) {
                0 => format!("{small}.0"),
                1 => format!("'{small}'"),
                2 => small,
                _ => fresh.clone(),
            };
            let text = pick(random, &["'a'", "'A'", "'é'", "'e'", "'b '", "'b'", "null", "'ab'", "'abc'"]);
            let text = if random.bool() { format!("'x{fresh}'") } else { text.to_owned() };
            format!("({key},{text})")
        };
        let one = row(random);
        let table = match random.usize(..8) {
            0 => format!("{b}.t"),
            1 => format!("{a}.t"),
            2 => "`t`".to_owned(),
            _ => "t".to_owned(),
        };
        let statement = match random.usize(..26) {
            0..=7 => format!("insert into {table} values {one}"),
            8 => format!("insert into {table} values {one},{}", row(random)),
            9 | 10 => format!("replace into {table} values {one}"),
            11 | 12 => format!("insert ignore into {table} values {one}"),
            13 => format!("insert into {table} (k) values ({})", 200 + number),
            14 => format!("use {b};\ninsert into t values {one};\nuse {a}\n"),
            15 => format!(
                "create temporary table t (k int, v varchar(9));\ninsert into {table} values {one};\ndrop {}table t",
                pick(random, &["temporary ", ""])
            ),
            16 => format!(
                "{};\ninsert into {table} values {one};\n{}",
                pick(random, &["start transaction", "begin", "set autocommit=0"]),
                pick(
                    random,
                    &[
                        "commit",
                        "commit and chain",
                        "rollback",
                        "unlock tables",
                        "checksum table t",
                        "analyze table t",
                        "create view w as select 1",
                        ""
                    ]
                )
            ),
            17 => format!("lock tables t write;\ninsert into t values {one};\nunlock tables"),
            18 => format!("insert into p values ({})", random.usize(1..6)),
            19 => pick(
                random,
                &[
                    "delete from p",
                    "replace into p values (1),(2)",
                    "update p set k = k + 50",
                    "truncate p",
                    "drop table p",
                ],
            )
            .to_owned(),
            20 => pick(
                random,
                &[
                    "alter table t drop primary key",
                    "alter table t drop index v",
                    "drop index u on t",
                    "alter table t drop index k",
                ],
            )
            .to_owned(),
            21 => pick(
                random,
                &[
                    "create unique index n on t (v)",
                    "alter table t add unique (k)",
                    "alter table t add primary key (k)",
                    "alter table t modify v varchar(9) unique",
                ],
            )
            .to_owned(),
            22 => format!(
                "create temporary table z (k int);\ninsert into z values (1);\n{};\ndrop table z",
                pick(
                    random,
                    &[
                        "update z set k = 5",
                        "delete t from t join z on t.k <> z.k",
                        "update t join z set t.v = 'q'",
                        "delete from z"
                    ]
                )
            ),
            23 => pick(
                random,
                &[
                    "delete from t",
                    "update t set v = 'u'",
                    "truncate t",
                    "insert into t select k + 70, null from p",
                    "insert into t values (1,'a') on duplicate key update v = values(v)",
                ],
            )
            .to_owned(),
            24 => pick(
                random,
                &[
                    "set foreign_key_checks=0",
                    "set foreign_key_checks=1",
                    "set sql_mode='NO_AUTO_VALUE_ON_ZERO'",
                ],
            )
            .to_owned(),
            _ => format!("insert into {table} values {one}").replace('\'', "\""),
        };
        sql += &statement;
        sql += ";\n";
    }
    sql
}

#[test]
fn what_is_loaded_of_a_script_is_what_a_server_has() {
    let (seed, cases) = millrace_testkit::cases("MILLRACE_SCRIPTS", 20_261_128, 60);
    println!("MILLRACE_SCRIPTS={seed},{cases}");
    let server = MariaDb::start(&["--character-set-server=utf8mb4"]);
    let dir = tempfile::tempdir().expect("a folder");
    let mut random = Rng::with_seed(seed);
    let (mut carried_out, mut read, mut wrong) = (0, 0, String::new());
    for case in 0..cases {
        let (a, b) = (format!("a{case}"), format!("b{case}"));
        let sql = script(&mut random, &a, &b);
        // What a server stops at is no dump.
        if server.attempt(&sql).is_err() {
            continue;
        }
        carried_out += 1;
        std::fs::write(dir.path().join("dump.sql"), &sql).expect("written");
        let source = source("mysql_dump", dir.path(), &[("path", "dump.sql"), ("database", &a)]);
        let Ok(loaded) = load(source.as_ref(), &stream("t", &[])) else { continue };
        read += 1;
        let kept = server.run(&format!("set names utf8mb4; select k, coalesce(v, '~') from {a}.t"));
        let mut kept: Vec<String> = kept.lines().map(|line| line.replace('\t', "|")).collect();
        kept.sort();
        let mut lines = loaded.lines();
        lines.sort();
        // A row in quarantine is not loaded, and may be there.
        let is_part = lines.iter().all(|line| kept.contains(line));
        if !is_part
            || kept.len() > lines.len() + loaded.quarantined.len()
            || (loaded.quarantined.is_empty() && lines != kept)
        {
            writeln!(
                wrong,
                "-- case {case}\n{sql}\nloaded {lines:?} and {}, the server has {kept:?}\n",
                loaded.quarantined.len()
            )
            .expect("written");
        }
    }
    println!("{carried_out} of {cases} scripts were carried out, {read} of them read");
    assert!(wrong.is_empty(), "{wrong}");
    assert!(carried_out > cases / 3 && read > cases / 6, "{carried_out} were carried out, {read} read");
}

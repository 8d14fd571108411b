//! The same INSERTs fed to a server and to the reader of dumps: what the reader loads is what the server keeps. What it does not load is in
//! quarantine.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

use fastrand::Rng;

use crate::mysql_values::{Ask, answer, expression};
use crate::reading::{load, source, stream};
use millrace_testkit::mariadb::MariaDb;

const SEED: u64 = 20_261_128;

fn pick<T: Copy>(random: &mut Rng, of: &[T]) -> T {
    *random.choice(of).expect("one at least")
}

/// Columns: definition, how the server is asked, of which kind literals are made, and how many of them have to be loaded at least.
const COLUMNS: &[(&str, Ask, Kind, usize)] = &[
    ("tinyint", Ask::Text, Kind::Number, 20),
    ("tinyint unsigned", Ask::Text, Kind::Number, 20),
    ("smallint", Ask::Text, Kind::Number, 20),
    ("mediumint", Ask::Text, Kind::Number, 20),
    ("mediumint unsigned", Ask::Text, Kind::Number, 20),
    ("int unsigned", Ask::Text, Kind::Number, 20),
    ("bigint", Ask::Text, Kind::Number, 20),
    ("bigint unsigned", Ask::Text, Kind::Number, 20),
    ("int(5) zerofill", Ask::Number, Kind::Number, 20),
    ("decimal(5,2)", Ask::Text, Kind::Number, 20),
    ("decimal(30,10) unsigned", Ask::Text, Kind::Number, 20),
    ("float", Ask::Float, Kind::Number, 20),
    ("float(7,2)", Ask::Float, Kind::Number, 10),
    ("double", Ask::Double, Kind::Number, 20),
    ("double(8,3) unsigned", Ask::Double, Kind::Number, 10),
    ("year", Ask::Number, Kind::Year, 20),
    ("date", Ask::Text, Kind::Moment, 10),
    ("datetime", Ask::Moment, Kind::Moment, 20),
    ("datetime(3)", Ask::Moment, Kind::Moment, 20),
    ("datetime(6)", Ask::Moment, Kind::Moment, 20),
    ("timestamp null", Ask::Moment, Kind::Moment, 10),
    ("time", Ask::Micros, Kind::Time, 20),
    ("time(6)", Ask::Micros, Kind::Time, 20),
    ("bit(1)", Ask::Flag, Kind::Bits, 10),
    ("bit(9)", Ask::Number, Kind::Bits, 10),
    ("bit(64)", Ask::Number, Kind::Bits, 10),
    ("enum('a','b','C d','10','é')", Ask::Text, Kind::Label, 20),
    ("enum('a','b','B') collate utf8mb4_bin", Ask::Text, Kind::Label, 10),
    ("set('x','y','Z w','b')", Ask::Text, Kind::Label, 20),
    ("char(4)", Ask::Text, Kind::Text, 20),
    ("varchar(4)", Ask::Text, Kind::Text, 20),
    ("varchar(4) character set latin1", Ask::Text, Kind::Text, 20),
    ("varchar(4) character set utf8mb3", Ask::Text, Kind::Text, 20),
    ("char(4) character set ascii", Ask::Text, Kind::Text, 10),
    ("character varying(3)", Ask::Text, Kind::Text, 10),
    ("tinytext", Ask::Text, Kind::Text, 20),
    ("binary(4)", Ask::Bytes, Kind::Text, 10),
    ("varbinary(4)", Ask::Bytes, Kind::Text, 10),
    ("tinyblob", Ask::Bytes, Kind::Text, 10),
    ("json", Ask::Text, Kind::Json, 5),
    ("uuid", Ask::Text, Kind::Address, 3),
    ("inet6", Ask::Text, Kind::Address, 3),
    ("point", Ask::Geometry, Kind::Geometry, 2),
];

#[derive(Clone, Copy)]
enum Kind {
    Number,
    Year,
    Moment,
    Time,
    Bits,
    Label,
    Text,
    Json,
    Address,
    Geometry,
}

/// Literals as people and programs write them, and worse.
fn literals(kind: Kind, random: &mut Rng) -> Vec<String> {
    let fixed = |list: &str| list.split(" | ").map(str::to_owned).collect::<Vec<_>>();
    let mut found = match kind {
        Kind::Number | Kind::Year => fixed(
            "0 | 1 | -1 | 127 | 128 | -128 | -129 | 255 | 256 | 32767 | 32768 | 65535 | 69 | 70 | 2024 | 1901 | 1900 | 2155 | 2156 | \
             8388607 | 8388608 | 16777216 | 2147483647 | 4294967295 | 4294967296 | 9223372036854775807 | 18446744073709551615 | 18446744073709551616 | 1.0 | 1.5 | -0.5 | \
             1e2 | 1E-2 | '5' | ' 5' | '5 ' | '5a' | '' | '0x10' | 0x10 | x'41' | b'101' | true | false | +5 | - 5 | 007 | '007' | -0 | \
             '-0' | 1. | '.5' | .5 | '+5' | '0' | '00' | '0000' | 0000 | '7' | '99' | '2024' | 123.456 | 999.99 | 999.995 | 1e30 | 1e40 | \
             1e400 | 0.1 | 0.30000001192092896 | '1e2' | _utf8mb4'5' | '1,5'",
        ),
        Kind::Moment => fixed(
            "'2024-2-9' | '20240209' | 20240209 | 20240209101112 | '20240209101112' | '24-2-9' | '70-1-1' | '2024/02/09' | '2024.02.09' | \
             '2024-02-09 1:2:3' | '2024-02-09T01:02:03' | '2024-02-09 01:02' | '2024-02-09 10' | '0000-00-00' | '2024-00-10' | \
             '2024-02-30' | '2024-02-09 24:00:00' | '2024-02-09 10:11:12.6' | '2024-02-09 10:11:12.600000' | '2024-02-09 10:11:12.1234567' | \
             '2024-02-09 10:11:12+01:00' | '2024-02-09x' | '' | 0 | 240209 | '240209' | '2024-02-09 00:00:00' | '1969-12-31 23:59:59' | \
             '1970-01-01 00:00:01' | '2038-01-19 03:14:07' | '9999-12-31' | '1000-01-01' | '0001-01-01' | '2024-02-09  10:11:12' | \
             ' 2024-02-09' | '2024-02-09 ' | '2024:02:09' | '2024-02-09 10.11.12'",
        ),
        Kind::Time => fixed(
            "'10:11:12' | '1:2:3' | '10:11' | '101112' | 101112 | '1112' | 1112 | '12' | 12 | '-10:11:12' | '838:59:59' | '839:00:00' | \
             '10:11:12.6' | '10:11:12.000' | '10:11:12.1234567' | '1 10:11:12' | '34 22:59:59' | '35 0:0:0' | '10:60:00' | '99' | '' | \
             '2024-02-09 10:11:12' | 0 | '0' | -101112 | '10:11:12x' | '100:00:00' | '1 10' | '-1 1:00:00'",
        ),
        Kind::Bits => fixed(
            "b'0' | b'1' | b'10' | 0 | 1 | 2 | '1' | '\\0' | 0x01 | 0x1ff | 0x200 | true | b'111111111' | b'' | x'' | '' | \
             18446744073709551615 | -1 | '\\1' | 0xFFFFFFFFFFFFFFFF | 1.0",
        ),
        Kind::Label => fixed(
            "'a' | 'A' | 'a ' | 'b' | 'B' | 'c D' | 'C d' | 'é' | 'É' | 'e' | 1 | 2 | 3 | 4 | 5 | 6 | 0 | '1' | '2' | '10' | 'x,y' | 'y,x' | \
             'X, y' | 'x,x' | 'Z w,x' | 'z W' | '' | ' a' | 7 | 15 | 16 | 'x,' | 'q' | 0x61 | _binary'a' | 'x ,y' | 'x,b' | 'b,X'",
        ),
        Kind::Text => fixed(
            "'abc' | 'abcd' | 'abcde' | 'ab  ' | 'abcd  ' | '  ' | '' | 'éà' | 'éàüñ' | 'éàüñé' | '中' | '😀' | '€' | 0x61 | 0xC3A9 | 0xE9 | \
             x'6162636465' | _binary'é' | _binary'ab' | _latin1'ab' | _latin1 0xE9 | _utf8mb4'é' | _utf8mb4 0xC3A9 | 1 | 1.50 | -2 | 1e3 | \
             007 | true | unhex('C3A9') | unhex('61') | convert('é' using utf8mb4) | N'é' | 'a\\0b' | 'a\\'b' | 12345 | '\\%'",
        ),
        Kind::Json => fixed(
            "'{}' | '[1, 2.50]' | '' | '{a:1}' | '1.' | '\"x\"' | 'null' | '[1,]' | '\"\\\\u00e9\"' | 1 | '{\"a\": \"é\"}' | ' [] '",
        ),
        Kind::Address => fixed(
            "'123e4567-e89b-12d3-a456-426655440000' | '123E4567-E89B-12D3-A456-426655440000' | '123e4567e89b12d3a456426655440000' | '::1' | \
             '2001:db8::1' | '2001:0DB8::1' | '::ffff:1.2.3.4' | '1.2.3.4' | '' | 'x' | 'fe80::1:0:0:1' | \
             '00000000-0000-0000-0000-000000000001' | '2001:db8:0:0:1:0:0:1'",
        ),
        Kind::Geometry => fixed(
            "st_geomfromtext('POINT(1 -2.5)') | 0x000000000101000000000000000000F03F00000000000004C0 | \
             st_geomfromwkb(0x0101000000000000000000F03F00000000000004C0) | 'x' | 1 | st_geomfromtext('nonsense') | \
             GeomFromText('POINT(3 4)', 0)",
        ),
    };
    let many = match kind {
        Kind::Json | Kind::Address | Kind::Geometry => 0,
        _ => 120,
    };
    for _ in 0..many {
        found.push(match kind {
            Kind::Number => {
                let sign = pick(random, &["", "", "-"]);
                let whole: String = (0..=random.usize(..20)).map(|_| random.digit(10)).collect();
                let digits = random.usize(..5);
                let fraction: String = (0..digits).map(|_| random.digit(10)).collect();
                let point = if digits > 0 { "." } else { "" };
                let whole = &whole[..=random.usize(..whole.len())];
                let quote = pick(random, &["", "", "'"]);
                format!(
                    "{quote}{sign}{whole}{point}{fraction}{}{quote}",
                    pick(random, &["", "", "", "e1", "e-1", "e20"])
                )
            }
            Kind::Year => {
                let quote = pick(random, &["", "'"]);
                let sides = pick(random, &[10, 100, 1000, 2300]);
                format!("{quote}{}{quote}", random.usize(..sides))
            }
            Kind::Moment => {
                let years = [random.usize(1000..2200), random.usize(..100), random.usize(..9999)];
                let year = pick(random, &years);
                let separator = pick(random, &["-", "-", "/", "."]);
                let day = format!("{year}{separator}{}{separator}{}", random.usize(..14), random.usize(..33));
                let time = format!("{}:{}:{}", random.usize(..25), random.usize(..61), random.usize(..61));
                let fraction = pick(random, &["", "", ".5", ".123", ".123456", ".000"]);
                match random.usize(..4) {
                    0 => format!("'{day}'"),
                    1 => format!("'{year:04}-{:02}-{:02} {time}'", random.usize(..13), random.usize(..32)),
                    2 => format!("'{day} {time}{fraction}'"),
                    _ => format!("{year:04}{:02}{:02}", random.usize(..13), random.usize(..32)),
                }
            }
            Kind::Time => {
                let sides = pick(random, &[24, 100, 900]);
                let hours = random.usize(..sides);
                let sign = pick(random, &["", "", "-"]);
                let fraction = pick(random, &["", "", ".5", ".123456"]);
                match random.usize(..3) {
                    0 => format!("'{sign}{hours}:{}:{}{fraction}'", random.usize(..61), random.usize(..61)),
                    1 => format!(
                        "'{sign}{} {}:{}'",
                        random.usize(..36),
                        random.usize(..24),
                        random.usize(..60)
                    ),
                    _ => format!("{sign}{}", random.usize(..10_000_000)),
                }
            }
            Kind::Bits => random.usize(..1024).to_string(),
            Kind::Label => {
                let parts: Vec<&str> = (0..=random.usize(..3))
                    .map(|_| pick(random, &["x", "Y", "z w", "a", "B", "é"]))
                    .collect();
                format!("'{}{}'", parts.join(","), pick(random, &["", " "]))
            }
            _ => {
                let text: String = (0..random.usize(..7))
                    .map(|_| pick(random, &["a", "é", " ", "€", "ж", "\\\\", "''", "0"]))
                    .collect();
                format!("{}'{text}'", pick(random, &["", "", "", "_binary", "_utf8mb4"]))
            }
        });
    }
    found
}

fn is_near(one: &str, other: Option<&str>) -> bool {
    let number = |text: &str| text.parse::<f64>().expect("a number");
    other.is_some_and(|other| (number(one) - number(other)).abs() <= number(one).abs() * 1e-5)
}

#[test]
fn what_is_loaded_of_a_literal_is_what_a_server_keeps() {
    println!("seed {SEED}");
    let server = MariaDb::start(&["--character-set-server=utf8mb4"]);
    let dir = tempfile::tempdir().expect("a folder");
    let mut random = Rng::with_seed(SEED);
    let mut sql = String::from("create database d; use d; set names utf8mb4; set time_zone = '+00:00';\n");
    let mut made = Vec::new();
    for (at, (definition, .., kind, _)) in COLUMNS.iter().enumerate() {
        writeln!(sql, "create table t{at} (id int primary key, v {definition}) default charset=utf8mb4;")
            .expect("written");
        let literals = literals(*kind, &mut random);
        for (id, literal) in literals.iter().enumerate() {
            writeln!(sql, "insert into t{at} values ({id}, {literal});").expect("written");
        }
        made.push(literals);
    }
    std::fs::write(dir.path().join("dump.sql"), &sql).expect("written");
    let mut client = server.client("mariadb");
    let mut process = client
        .args(["--force", "--binary-mode"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a client");
    process.stdin.take().expect("its input").write_all(sql.as_bytes()).expect("written");
    process.wait().expect("its end");
    let source = source("mysql_dump", dir.path(), &[("path", "dump.sql")]);
    let mut wrong = String::new();
    for (at, (definition, ask, _, least)) in COLUMNS.iter().enumerate() {
        let asked = server.run(&format!(
            "use d; set time_zone = '+00:00'; select id, {} from t{at}",
            expression("v", *ask)
        ));
        let kept: BTreeMap<usize, Option<String>> = asked
            .lines()
            .map(|line| {
                let (id, value) = line.split_once('\t').expect("two columns");
                (id.parse().expect("a number"), answer(value, *ask))
            })
            .collect();
        let loaded = load(source.as_ref(), &stream(&format!("t{at}"), &[])).expect("readable");
        assert_eq!(
            loaded.rows.len() + loaded.quarantined.len(),
            made[at].len(),
            "{definition}: every row is somewhere"
        );
        for row in &loaded.rows {
            let id: usize = row[0].as_deref().expect("an id").parse().expect("a number");
            // A moment of a TIMESTAMP is shown with its zone.
            let value = row[1].as_deref().map(|value| match ask {
                Ask::Moment => value.trim_end_matches('Z').to_owned(),
                _ => value.to_owned(),
            });
            match kept.get(&id) {
                // MariaDB from 11.5 on keeps what this one refuses.
                None if definition.starts_with("timestamp") && value.as_deref() > Some("2038-01-19") => {}
                // What a server without strict mode keeps of a value that is no label, and so what its dumps have.
                None if definition.starts_with("enum") && value.as_deref() == Some("") => {}
                Some(kept) if *kept == value => {}
                // The server shows six digits of a FLOAT.
                Some(Some(kept)) if matches!(ask, Ask::Float) && is_near(kept, value.as_deref()) => {}
                kept => {
                    let literal = &made[at][id];
                    writeln!(wrong, "{definition} <- {literal}: {value:?}, the server has {kept:?}")
                        .expect("written");
                }
            }
        }
        if loaded.rows.len() < *least {
            writeln!(wrong, "{definition}: only {} of {} were loaded", loaded.rows.len(), made[at].len())
                .expect("written");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

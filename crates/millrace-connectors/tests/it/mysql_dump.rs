//! Dumps of a real server, compared with what the server itself says of its values.

use std::path::Path;

use millrace_core::value::Value;
use millrace_engine::error::ErrorKind;

use crate::mariadb::MariaDb;
use crate::reading::{Loaded, discover, load, source, stream, wait};

/// How the server is asked for a value, and what of its answer is compared.
#[derive(Clone, Copy)]
enum Ask {
    /// The text of the value.
    Text,
    /// The number that it is in a sum.
    Number,
    /// A floating-point number, compared as one.
    Float,
    Double,
    /// A date and time.
    Moment,
    /// Microseconds of a TIME.
    Micros,
    /// A BIT(1).
    Flag,
    /// Bytes.
    Bytes,
}

/// Columns with every type: name, definition, logical type, how to ask for it.
const COLUMNS: &[(&str, &str, &str, Ask)] = &[
    ("id", "int NOT NULL", "int32", Ask::Text),
    ("ti", "tinyint", "int8", Ask::Text),
    ("tb", "tinyint(1)", "int8", Ask::Text),
    ("tu", "tinyint unsigned", "uint8", Ask::Text),
    ("si", "smallint", "int16", Ask::Text),
    ("su", "smallint unsigned", "uint16", Ask::Text),
    ("mi", "mediumint", "int32", Ask::Text),
    ("mu", "mediumint unsigned", "uint32", Ask::Text),
    ("ii", "int", "int32", Ask::Text),
    ("iz", "int(8) zerofill", "uint32", Ask::Number),
    ("bi", "bigint", "int64", Ask::Text),
    ("bu", "bigint unsigned", "uint64", Ask::Text),
    ("de", "decimal(10,2)", "decimal(10,2)", Ask::Text),
    ("dw", "decimal(65,30)", "decimal(65,30)", Ask::Text),
    ("fl", "float", "float32", Ask::Float),
    ("db", "double", "float64", Ask::Double),
    ("da", "date", "date", Ask::Text),
    ("dt", "datetime", "timestamp", Ask::Moment),
    ("d6", "datetime(6)", "timestamp", Ask::Moment),
    ("ts", "timestamp NULL", "timestamptz", Ask::Moment),
    ("t3", "timestamp(3) NULL", "timestamptz", Ask::Moment),
    ("tm", "time", "interval", Ask::Micros),
    ("t6", "time(6)", "interval", Ask::Micros),
    ("ye", "year", "int16", Ask::Number),
    ("b1", "bit(1)", "boolean", Ask::Flag),
    ("b9", "bit(9)", "uint64", Ask::Number),
    ("b64", "bit(64)", "uint64", Ask::Number),
    ("en", "enum('a','b,)''','é')", "text", Ask::Text),
    ("se", "set('x','y','z')", "text", Ask::Text),
    ("ch", "char(10)", "text", Ask::Text),
    ("vc", "varchar(100)", "text", Ask::Text),
    ("la", "varchar(100) character set latin1", "text", Ask::Text),
    ("tx", "longtext", "text", Ask::Text),
    ("bn", "binary(4)", "bytes", Ask::Bytes),
    ("vb", "varbinary(20)", "bytes", Ask::Bytes),
    ("bl", "longblob", "bytes", Ask::Bytes),
    ("js", "json", "json", Ask::Text),
    ("po", "point", "bytes", Ask::Bytes),
    ("uu", "uuid", "text", Ask::Text),
];

/// Values by row; columns that a row leaves out are NULL.
const ROWS: &[&str] = &[
    "id=1, ti=-128, tb=1, tu=255, si=-32768, su=65535, mi=-8388608, mu=16777215, ii=-2147483648, iz=42,
     bi=-9223372036854775808, bu=18446744073709551615, de=-99999999.99,
     dw=-12345678901234567890123456789012345.000000000000000000000000000001, fl=3.40282e38, db=-1.7976931348623157e308,
     da='1000-01-01', dt='9999-12-31 23:59:59', d6='2024-02-29 12:34:56.123456', ts='2038-01-19 05:14:07',
     t3='1970-01-01 02:00:01.500', tm='-838:59:59', t6='838:59:58.999999', ye=2155, b1=b'1', b9=b'101010101', b64=~0,
     en='b,)''', se='x,z', ch='a b', vc='it''s \\\\ \"q\" \\n\\r\\t\\0\\Z%_ ;--#/*x*/', la='Élève à côté', tx='😀 emoji; INSERT INTO `t`',
     bn='a', vb=x'00FF27225C0A0D1A', bl=unhex(repeat('00015C27', 300)), js='{\"a\": [1, 2.50, \"\\\\u0000 é\"]}', po=point(1, -2.5),
     uu='123e4567-e89b-12d3-a456-426655440000'",
    "id=2, ti=127, tb=-1, tu=0, iz=12345678, bi=9223372036854775807, de=0.01, dw=0.1, fl=0.1, db=0.1, d6='2024-02-29 00:00:00.000001',
     tm='00:00:00', t6='-00:00:00.000001', ye=0, b1=b'0', b9=0, b64=1, en=99, se='', ch='', vc='', la='', tx='', vb='', bl='', js='[]'",
    "id=3, fl=-1.5e-30, db=5e-324, dw=0, de=0, vc='NULL', la='¿ÿ€', bl=x'EFBBBF', b64=9223372036854775808, b9=39, b1=1",
    "id=4",
];

fn make_types(server: &MariaDb) {
    let columns: Vec<String> =
        COLUMNS.iter().map(|(name, definition, ..)| format!("`{name}` {definition}")).collect();
    let mut sql = format!(
        "set sql_mode = ''; set time_zone = '+02:00'; create database types; use types;
         create table types ({}, primary key (id)); create view v as select id from types;\n",
        columns.join(", ")
    );
    for row in ROWS {
        sql += &format!("insert into types set {row};\n");
    }
    sql += "delimiter $$\ncreate trigger g before delete on types for each row begin
         -- don't; drop table `types`
         set @x = 'insert into types values (1);'; end$$
         create procedure p() begin delete from types; insert into types (id) values (9); end$$
         create event e on schedule every 1 year do begin truncate table types; end$$\n";
    server.run(&sql);
}

/// The server's own words for all values of the table.
fn ask(server: &MariaDb) -> Vec<Vec<Option<String>>> {
    let expressions: Vec<String> = COLUMNS
        .iter()
        .map(|(name, .., ask)| match ask {
            Ask::Text | Ask::Float | Ask::Double => {
                format!("hex(convert(cast(`{name}` as char) using utf8mb4))")
            }
            Ask::Number | Ask::Flag => format!("hex(cast(cast(`{name}` + 0 as unsigned) as char))"),
            Ask::Moment => format!("hex(date_format(`{name}`, '%Y-%m-%dT%H:%i:%s.%f'))"),
            Ask::Micros => format!("hex(cast(cast(time_to_sec(`{name}`) * 1000000 as signed) as char))"),
            Ask::Bytes => format!("hex(`{name}`)"),
        })
        .collect();
    let sql =
        format!("set time_zone = '+00:00'; select {} from types.types order by id;", expressions.join(", "));
    let cell = |(text, (.., ask)): (&str, &(&str, &str, &str, Ask))| {
        (text != "NULL").then(|| {
            let bytes: Vec<u8> = text
                .as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex"))
                .collect();
            let text = || String::from_utf8(bytes.clone()).expect("UTF-8");
            match ask {
                Ask::Bytes => Value::Bytes(bytes.clone()).to_string(),
                Ask::Text | Ask::Number => text(),
                Ask::Float => text().parse::<f32>().expect("a float").to_string(),
                Ask::Double => text().parse::<f64>().expect("a double").to_string(),
                Ask::Micros => format!("{}us", text()),
                Ask::Flag => (text() == "1").to_string(),
                Ask::Moment => text().trim_end_matches('0').trim_end_matches('.').to_owned(),
            }
        })
    };
    server.run(&sql).lines().map(|line| line.split('\t').zip(COLUMNS).map(cell).collect()).collect()
}

fn compare(loaded: &Loaded, expected: &[Vec<Option<String>>]) {
    assert_eq!(loaded.quarantined, []);
    let types: Vec<String> =
        loaded.schema.columns.iter().map(|column| column.data_type.to_string()).collect();
    assert_eq!(types, COLUMNS.iter().map(|column| column.2).collect::<Vec<_>>());
    assert_eq!(loaded.rows.len(), expected.len());
    for (row, expected) in loaded.rows.iter().zip(expected) {
        for (((name, .., ask), found), expected) in COLUMNS.iter().zip(row).zip(expected) {
            // An instant is written with its zone here, and in UTC by the server.
            let found = found
                .as_ref()
                .map(|text| if matches!(ask, Ask::Moment) { text.trim_end_matches('Z') } else { text });
            assert_eq!(found, expected.as_deref(), "column `{name}` of row {:?}", row[0]);
        }
    }
}

fn dumped(
    server: &MariaDb,
    dir: &Path,
    arguments: &[&str],
    table: &str,
) -> millrace_engine::error::Result<Loaded> {
    server.dump(&dir.join("dump.sql"), arguments);
    let source = source("mysql_dump", dir, &[("path", "dump.sql")]);
    load(source.as_ref(), &stream(table, &[]))
}

#[test]
fn every_type_as_the_server_has_it() {
    let server = MariaDb::start(&["--default-time-zone=+05:00", "--character-set-server=utf8mb4"]);
    let dir = tempfile::tempdir().expect("a folder");
    make_types(&server);
    let expected = ask(&server);
    assert!(expected.len() == ROWS.len() && expected.iter().all(|row| row.len() == COLUMNS.len()));
    for arguments in [
        &["types"][..],
        &["--hex-blob", "--complete-insert", "--skip-extended-insert", "types"],
        &["--routines", "--triggers", "--events", "--replace", "--databases", "types"],
        &["--skip-comments", "--skip-opt", "--insert-ignore", "--compatible=ansi", "--quote-names", "types"],
    ] {
        let loaded = dumped(&server, dir.path(), arguments, "Types").expect("readable");
        assert_eq!(loaded.schema.primary_key, ["id"], "{arguments:?}");
        compare(&loaded, &expected);
    }
    let path = [("path", "dump.sql")];
    assert_eq!(wait(source("mysql_dump", dir.path(), &path).streams()).expect("streams"), ["types"]);

    let no_zone = dumped(&server, dir.path(), &["--skip-tz-utc", "types"], "types").expect_err("no zone");
    assert!(no_zone.to_diagnostic().hint.is_some_and(|hint| hint.contains("--tz-utc")));
    let latin1 = dumped(&server, dir.path(), &["--default-character-set=latin1", "types"], "types")
        .expect_err("latin1");
    assert!(latin1.to_diagnostic().hint.is_some_and(|hint| hint.contains("utf8mb4")));

    // Cut off at any place, a dump is not taken for a whole one.
    server.dump(&dir.path().join("dump.sql"), &["types"]);
    let whole = std::fs::read(dir.path().join("dump.sql")).expect("a dump");
    for part in 1..20 {
        std::fs::write(dir.path().join("cut.sql"), &whole[..whole.len() * part / 20]).expect("written");
        let source = source("mysql_dump", dir.path(), &[("path", "cut.sql")]);
        let error = load(source.as_ref(), &stream("types", &[])).expect_err("cut off");
        assert_eq!(error.kind(), ErrorKind::SourceUnreadable, "{part}");
    }
    odd_columns(&server, dir.path());
    zero_dates(&server, dir.path());
}

/// Columns that the server fills, and columns that it hides.
fn odd_columns(server: &MariaDb, dir: &Path) {
    server.run(
        "create database odd; use odd;
         create table odd (a int primary key, g int as (a * 2) virtual, s int as (a * 3) stored, h int invisible default 7, z text);
         insert into odd (a, h, z) values (1, 8, 'x'), (2, default, null);
         create table `we``ird \"name` (`co``l` int); insert into `we``ird \"name` values (5);",
    );
    for arguments in [&["odd"][..], &["--complete-insert", "odd"]] {
        let loaded = dumped(server, dir, arguments, "odd").expect("readable");
        let names: Vec<&str> = loaded.schema.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["a", "h", "z"]);
        assert_eq!(loaded.lines(), ["1|8|x", "2|7|~"], "{:?}", loaded.quarantined);
        assert_eq!(loaded.quarantined, []);
    }
    let weird = dumped(server, dir, &["odd"], "we`ird \"name").expect("readable");
    assert_eq!((weird.schema.columns[0].name.as_str(), weird.lines()), ("co`l", vec!["5".to_owned()]));
    let missing = dumped(server, dir, &["odd"], "od").expect_err("no such table");
    assert!(missing.to_diagnostic().hint.is_some_and(|hint| hint.contains("odd")));
}

fn zero_dates(server: &MariaDb, dir: &Path) {
    server.run(
        "set sql_mode = ''; create database zero; use zero;
         create table zero (a int primary key, d date not null, t datetime, s timestamp null);
         insert into zero values (1, '0000-00-00', null, null), (2, '2024-02-29', '2024-00-10 01:02:03', null),
           (3, '2024-02-29', null, '0000-00-00 00:00:00'), (4, '2024-02-29', null, null);",
    );
    let loaded = dumped(server, dir, &["zero"], "zero").expect("readable");
    assert_eq!(loaded.lines(), ["4|2024-02-29|~|~"]);
    let columns: Vec<_> =
        loaded.quarantined.iter().map(|row| (row.column.as_deref(), row.code.as_str())).collect();
    assert_eq!(
        columns,
        [(Some("d"), "out-of-range"), (Some("t"), "out-of-range"), (Some("s"), "out-of-range")]
    );
    assert!(loaded.quarantined[1].raw.starts_with("(2,"));

    let source = source("mysql_dump", dir, &[("path", "dump.sql"), ("zero_dates", "null")]);
    let zero = stream("zero", &[]);
    assert!(discover(source.as_ref(), &zero).expect("readable").schema.columns[1].nullable);
    let loaded = load(source.as_ref(), &zero).expect("readable");
    assert_eq!(loaded.lines(), ["1|~|~|~", "2|2024-02-29|~|~", "3|2024-02-29|~|~", "4|2024-02-29|~|~"]);
    let counted: Vec<_> = loaded.outcome.conversions.iter().map(|c| (c.column.as_str(), c.rows)).collect();
    assert_eq!(counted, [("d", 1), ("t", 1), ("s", 1)]);
}

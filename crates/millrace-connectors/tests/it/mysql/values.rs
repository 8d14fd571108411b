//! Each type by itself, with the values at its ends.

use crate::mysql_values::{Ask, answer, expression};
use crate::reading::{load, source, stream};
use millrace_testkit::mariadb::MariaDb;

/// Types with the least, the greatest, zero and odd values of each; NULL is added.
const VALUES: &[(&str, &str, Ask, &[&str])] = &[
    ("tinyint", "int8", Ask::Text, &["-128", "127", "0"]),
    ("tinyint(1)", "int8", Ask::Text, &["7", "-1", "0", "1"]),
    ("tinyint unsigned", "uint8", Ask::Text, &["0", "255"]),
    ("smallint", "int16", Ask::Text, &["-32768", "32767"]),
    ("smallint(3) unsigned zerofill", "uint16", Ask::Number, &["0", "65535"]),
    ("mediumint", "int32", Ask::Text, &["-8388608", "8388607"]),
    ("mediumint unsigned", "uint32", Ask::Text, &["0", "16777215"]),
    ("int", "int32", Ask::Text, &["-2147483648", "2147483647"]),
    ("int unsigned", "uint32", Ask::Text, &["0", "4294967295"]),
    ("bigint", "int64", Ask::Text, &["-9223372036854775808", "9223372036854775807"]),
    ("bigint unsigned", "uint64", Ask::Text, &["0", "18446744073709551615"]),
    (
        "decimal(65,30)",
        "decimal(65,30)",
        Ask::Text,
        &[
            "99999999999999999999999999999999999.999999999999999999999999999999",
            "-99999999999999999999999999999999999.999999999999999999999999999999",
            "0",
            "0.000000000000000000000000000001",
        ],
    ),
    (
        "decimal(65,0)",
        "decimal(65,0)",
        Ask::Text,
        &["99999999999999999999999999999999999999999999999999999999999999999", "-1"],
    ),
    ("decimal(30,30)", "decimal(30,30)", Ask::Text, &["-0.999999999999999999999999999999", "1e-30"]),
    ("decimal(38,38)", "decimal(38,38)", Ask::Text, &["0.99999999999999999999999999999999999999", "-1e-38"]),
    ("decimal(12,2) zerofill", "decimal(12,2)", Ask::Decimal, &["0", "12.5"]),
    (
        "date",
        "date",
        Ask::Text,
        &["'0001-01-01'", "'1000-01-01'", "'1969-12-31'", "'2000-02-29'", "'9999-12-31'"],
    ),
    ("datetime", "timestamp", Ask::Moment, &["'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'"]),
    ("datetime(6)", "timestamp", Ask::Moment, &["'1969-12-31 23:59:59.999999'", "'2024-03-31 02:30:00.5'"]),
    // Around the changes of clocks where the session that writes may be. What is in no clock there is moved by the server.
    (
        "timestamp null",
        "timestamptz",
        Ask::Instant,
        &["'1970-01-01 01:00:01'", "'2038-01-19 04:14:07'", "'2024-10-27 02:30:00'", "'2024-03-31 02:30:00'"],
    ),
    (
        "timestamp(6) null",
        "timestamptz",
        Ask::Instant,
        &[
            "'2024-03-31 01:59:59.999999'",
            "'2024-03-31 03:00:00'",
            "'2024-10-27 01:59:59.999999'",
            "'2024-10-27 03:00:00.000001'",
            "'1999-12-31 23:59:59.5'",
        ],
    ),
    ("time", "interval", Ask::Micros, &["'-838:59:59'", "'838:59:59'", "'00:00:00'", "'-00:00:01'"]),
    ("time(6)", "interval", Ask::Micros, &["'-838:59:59.999999'", "'838:59:59.999999'", "'24:00:00.000001'"]),
    ("year", "int16", Ask::Number, &["0000", "1901", "2155"]),
    ("bit(1)", "boolean", Ask::Flag, &["b'0'", "b'1'"]),
    ("bit(17)", "uint64", Ask::Number, &["0", "131071"]),
    ("bit(64)", "uint64", Ask::Number, &["0", "~0", "39"]),
    ("enum('a','','é€')", "text", Ask::Text, &["'a'", "2", "'é€'", "'not one of them'"]),
    ("set('x','y z','ü')", "text", Ask::Text, &["''", "'x,ü'", "'x,y z,ü'"]),
    ("char(8)", "text", Ask::Text, &["''", "'a  '", "'  b'", "'😀'"]),
    ("varchar(30) character set latin1", "text", Ask::Text, &["'Élève €'", "x'8081'"]),
    // A warehouse that cannot hold it says so.
    ("varchar(30)", "text", Ask::Text, &["'a\\0b'"]),
    ("varchar(30) character set gbk", "text", Ask::Text, &["'你好'"]),
    ("varchar(30) character set sjis", "text", Ask::Text, &["'ソ表'"]),
    ("varchar(30) character set utf16", "text", Ask::Text, &["'é😀'"]),
    ("varchar(30) character set ascii", "text", Ask::Text, &["'~'"]),
    ("varchar(30) character set binary", "bytes", Ask::Bytes, &["x'00ff'"]),
    ("varchar(30) character set utf8", "text", Ask::Text, &["'é€'", "'\\t\\r\\n\\Z'"]),
    ("longtext", "text", Ask::Text, &["''", "'it''s \\\\ \\n \"q\"'", "repeat('é', 40000)"]),
    ("binary(4)", "bytes", Ask::Bytes, &["''", "'a'", "x'00000000'"]),
    ("varbinary(9)", "bytes", Ask::Bytes, &["''", "x'00'", "x'ff00ff'"]),
    ("tinyblob", "bytes", Ask::Bytes, &["x'efbbbf'"]),
    ("longblob", "bytes", Ask::Bytes, &["repeat(x'00ff27', 100000)"]),
    (
        "json",
        "json",
        Ask::Text,
        &[
            "'{\"a\": [1, 2.50, 12345678901234567890123], \"b\": -0.0, \"a\": 1e300}'",
            "'null'",
            "'\"\\\\u0000\"'",
            "json_object('d', cast(1.50 as decimal(10,2)), 't', cast('-838:59:59' as time), 'b', _binary x'00ff')",
        ],
    ),
    ("geometry", "bytes", Ask::Geometry, &["st_geomfromtext('linestring(0 0, 1.5 -2)', 4326)"]),
    ("multipolygon", "bytes", Ask::Geometry, &["st_geomfromtext('multipolygon(((0 0,0 3,3 3,0 0)))')"]),
    ("vector(3)", "bytes", Ask::Bytes, &["x'0000803f00000040000040c0'"]),
    ("uuid", "text", Ask::Text, &["'123e4567-e89b-12d3-a456-426655440000'"]),
    ("inet6", "text", Ask::Text, &["'::1'"]),
    ("inet4", "text", Ask::Text, &["'10.0.0.5'"]),
];

/// A type as a server has it, in the table `v.tN` with columns `id` and `v`.
pub(crate) struct Written {
    pub(crate) table: String,
    pub(crate) data_type: &'static str,
    pub(crate) logical: &'static str,
    pub(crate) ask: Ask,
    /// NULL among them.
    pub(crate) count: usize,
}

/// Writes all of them that the server has, by the clocks of a zone, into the database `v`, a table for each. Returns them, and the types
/// that the server has not.
pub(crate) fn write(server: &MariaDb, zone: &str) -> (Vec<Written>, Vec<&'static str>) {
    server.run("create database v character set utf8mb4");
    let (mut written, mut lacking) = (Vec::new(), Vec::new());
    let mut sql = format!("use v; set sql_mode = ''; set names utf8mb4; set time_zone = '{zone}';\n");
    for (at, &(data_type, logical, ask, values)) in VALUES.iter().enumerate() {
        let table = format!("t{at}");
        let create = format!("create table v.{table} (id int auto_increment primary key, v {data_type})");
        if server.attempt(&create).is_err() {
            lacking.push(data_type);
            continue;
        }
        for value in values.iter().chain(["null"].iter()) {
            sql += &format!("insert into {table} (v) values ({value});\n");
        }
        written.push(Written { table, data_type, logical, ask, count: values.len() + 1 });
    }
    server.run(&sql);
    (written, lacking)
}

pub(super) fn extremes(server: &MariaDb) {
    let (written, lacking) = write(server, "+01:00");
    assert_eq!(lacking, ["vector(3)"]);
    let live = super::live(server, "v");
    let dir = tempfile::tempdir().expect("a folder");
    server.dump(&dir.path().join("dump.sql"), &["v"]);
    let dump = source("mysql_dump", dir.path(), &[("path", "dump.sql")]);
    for Written { table, data_type, logical, ask, count } in written {
        let stream = stream(&table, &[]);
        let loaded = load(live.as_ref(), &stream).expect(data_type);
        assert_eq!(loaded.quarantined, [], "{data_type}");
        let found = &loaded.schema.columns[1];
        assert_eq!((found.data_type.to_string().as_str(), found.nullable), (logical, true), "{data_type}");
        let sql =
            format!("set time_zone = '+00:00'; select {} from v.{table} order by id;", expression("v", ask));
        let expected: Vec<_> = server.run(&sql).lines().map(|hex| answer(hex, ask)).collect();
        let found: Vec<_> = loaded.rows.iter().map(|row| row[1].clone()).collect();
        let comparable = |cell: &Option<String>| match ask {
            Ask::Moment => cell.as_ref().map(|text| text.trim_end_matches('Z').to_owned()),
            _ => cell.clone(),
        };
        assert_eq!(found.iter().map(comparable).collect::<Vec<_>>(), expected, "{data_type}");
        assert_eq!(found.len(), count, "{data_type}");
        let dumped = load(dump.as_ref(), &stream).expect(data_type);
        assert_eq!(dumped.schema, loaded.schema, "{data_type}");
        assert_eq!(dumped.rows, loaded.rows, "{data_type}");
    }
}

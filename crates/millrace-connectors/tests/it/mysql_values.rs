//! Every type of MySQL, its odd values, and what the server itself says they are.

use millrace_core::value::Value;

use crate::reading::Loaded;
use millrace_testkit::mariadb::MariaDb;

/// How the server is asked for a value, and what of its answer is compared.
#[derive(Clone, Copy)]
pub(crate) enum Ask {
    /// The text of the value.
    Text,
    /// The number that it is in a sum.
    Number,
    /// A floating-point number, compared as one.
    Float,
    Double,
    /// A number that the server fills with zeros, digits after the point and all.
    Decimal,
    /// A date and time.
    Moment,
    /// An instant, whatever the zone of the session: microseconds since 1970 in UTC.
    Instant,
    /// Microseconds of a TIME.
    Micros,
    /// A BIT(1).
    Flag,
    /// Bytes.
    Bytes,
    /// A geometry, as WKB.
    Geometry,
}

/// Columns with every type: name, definition, logical type, how to ask for it.
pub(crate) const COLUMNS: &[(&str, &str, &str, Ask)] = &[
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
    ("po", "point", "bytes", Ask::Geometry),
    ("uu", "uuid", "text", Ask::Text),
];

/// Values by row; columns that a row leaves out are NULL.
pub(crate) const ROWS: &[&str] = &[
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

pub(crate) fn make_types(server: &MariaDb) {
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

/// The expression whose value, in hex, is what the server says of a column.
pub(crate) fn expression(name: &str, ask: Ask) -> String {
    match ask {
        // Without a `cast`, which in MySQL 5.6 ends at a byte that its charset has not, where the protocol has a `?`.
        Ask::Text | Ask::Float | Ask::Double | Ask::Micros => format!("hex(convert(`{name}` using utf8mb4))"),
        Ask::Number | Ask::Flag => format!("hex(cast(cast(`{name}` + 0 as unsigned) as char))"),
        Ask::Decimal => format!("hex(cast(`{name}` + 0 as char))"),
        Ask::Moment => format!("hex(date_format(`{name}`, '%Y-%m-%dT%H:%i:%s.%f'))"),
        // Of a TIMESTAMP this is the number that the server keeps, converted by nothing.
        Ask::Instant => {
            format!("hex(cast(cast(unix_timestamp(`{name}`) * 1000000 as signed) as char))")
        }
        Ask::Bytes => format!("hex(`{name}`)"),
        // MySQL 8 and later write a latitude first there, though they keep the longitude first. Others pass over such a comment.
        Ask::Geometry => format!("hex(st_aswkb(`{name}`/*!80000 , 'axis-order=long-lat'*/))"),
    }
}

/// The value of such an expression, as [`crate::cell_text::cell`] writes it; an instant without its zone.
pub(crate) fn answer(hex: &str, ask: Ask) -> Option<String> {
    if hex == "NULL" {
        return None;
    }
    let digits =
        |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Vec<u8> = hex.as_bytes().chunks(2).map(|pair| digits(pair).expect("hex")).collect();
    let text = || String::from_utf8(bytes.clone()).expect("UTF-8");
    Some(match ask {
        Ask::Bytes | Ask::Geometry => Value::Bytes(bytes).to_string(),
        Ask::Text | Ask::Number | Ask::Decimal => text(),
        Ask::Instant => Value::TimestampTz(text().parse().expect("a number")).to_string(),
        Ask::Float => text().parse::<f32>().expect("a float").to_string(),
        Ask::Double => text().parse::<f64>().expect("a double").to_string(),
        Ask::Micros => format!("{}us", micros(&text())),
        Ask::Flag => (text() == "1").to_string(),
        Ask::Moment => text().trim_end_matches('0').trim_end_matches('.').to_owned(),
    })
}

/// A TIME in microseconds, from `[-]HHH:MM:SS[.ffffff]`.
fn micros(text: &str) -> i64 {
    let digits = text.trim_start_matches('-');
    let (clock, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let number = |text: &str| text.parse::<i64>().expect("a number");
    let seconds = clock.split(':').fold(0, |sum, part| sum * 60 + number(part));
    let micros = seconds * 1_000_000 + number(&format!("{fraction:0<6}"));
    if text.starts_with('-') { -micros } else { micros }
}

/// The server's own words for all values of the table.
pub(crate) fn ask(server: &MariaDb) -> Vec<Vec<Option<String>>> {
    let expressions: Vec<String> = COLUMNS.iter().map(|(name, .., ask)| expression(name, *ask)).collect();
    let sql =
        format!("set time_zone = '+00:00'; select {} from types.types order by id;", expressions.join(", "));
    let row = |line: &str| line.split('\t').zip(COLUMNS).map(|(hex, (.., ask))| answer(hex, *ask)).collect();
    server.run(&sql).lines().map(row).collect()
}

pub(crate) fn compare(loaded: &Loaded, expected: &[Vec<Option<String>>]) {
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

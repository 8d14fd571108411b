//! Columns that are not what they seem: generated, invisible, excluded, lost, renamed by nobody sane; and rows that do not fit.

use std::path::Path;

use millrace_core::schema::{Column, DataType};
use millrace_engine::ports::batch::batch_queue;
use millrace_engine::ports::source::{Drift, ReadRequest};

use super::{live, start, url};
use crate::reading::{Loaded, discover, load, read, source, stream, wait};

#[test]
fn names_generated_and_invisible_columns() {
    let server = start(&["--character-set-server=utf8mb4"]);
    server.run(
        "create database `we``ird dé`; use `we``ird dé`;
         create table odd (a int primary key, g int as (a * 2) virtual, s int as (a * 3) stored, h int invisible default 7, z text);
         insert into odd (a, h, z) values (1, 8, 'x'), (2, default, null);
         create table `t``a\"b ü.` (`co``l` int not null, `ü x` text, `a.b` int, primary key (`ü x`(3), `co``l`));
         insert into `t``a\"b ü.` values (5, 'é', 6);
         create table Twin (a int); create table twin (b int);
         create view seen as select a, z, a + 0.5 as half from odd;
         create sequence numbers; create table versioned (a int) with system versioning;",
    );
    let live = live(&server, "we%60ird%20d%C3%A9");
    assert_eq!(
        wait(live.streams()).expect("streams"),
        ["Twin", "odd", "seen", "t`a\"b ü.", "twin", "versioned"]
    );
    let odd = load(live.as_ref(), &stream("ODD", &[])).expect("readable");
    let names: Vec<&str> = odd.schema.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["a", "g", "s", "h", "z"]);
    assert_eq!(odd.lines(), ["1|2|3|8|x", "2|4|6|7|~"]);
    assert_eq!(odd.schema.primary_key, ["a"]);
    let weird = load(live.as_ref(), &stream("weird", &[("table", "t`a\"b ü.")])).expect("readable");
    assert_eq!(weird.schema.primary_key, ["ü x", "co`l"]);
    assert_eq!(weird.lines(), ["5|é|6"]);
    let seen = load(live.as_ref(), &stream("seen", &[])).expect("readable");
    assert_eq!(seen.lines(), ["1|x|1.5", "2|~|2.5"]);
    assert!(seen.schema.primary_key.is_empty());
    let exact = load(live.as_ref(), &stream("twin", &[])).expect("readable");
    assert_eq!(exact.schema.columns[0].name, "b");
    let either = discover(live.as_ref(), &stream("TWIN", &[])).expect_err("one of two");
    assert!(either.to_diagnostic().hint.is_some_and(|hint| hint.contains("`Twin`, `twin`")));
}

#[test]
fn floats_come_bit_by_bit() {
    let server = start(&[]);
    server.run(
        "create database f; use f; create table f (id int primary key, f float, d double);
         insert into f select seq, (rand(7) - 0.5) * pow(10, floor(rand(8) * 75) - 37), (rand(9) - 0.5) * pow(10, floor(rand(10) * 600) - 300)
           from seq_1_to_3000;
         insert into f values (0, 16777217, -0e0), (-1, 1e-45, 4.9e-324), (-2, 3.4028234e38, 1.7976931348623157e308);",
    );
    let loaded = load(live(&server, "f").as_ref(), &stream("f", &[])).expect("readable");
    // In the text protocol a FLOAT has six digits; as a part of a sum it has them all.
    let answer = server.run("select f + 0e0, d from f.f order by id");
    let expected = answer.lines().map(|line| {
        let (float, double) = line.split_once('\t').expect("two columns");
        let float = float.parse::<f64>().expect("a float");
        assert_eq!(
            f64::from(float as f32).to_bits(),
            float.to_bits(),
            "the server's own value is a binary32"
        );
        ((float as f32).to_bits(), double.parse::<f64>().expect("a double").to_bits())
    });
    let found = loaded.rows.iter().map(|row| {
        let number = |at: usize| row[at].clone().expect("a number");
        let double = number(2).parse::<f64>().expect("a double");
        (number(1).parse::<f32>().expect("a float").to_bits(), double.to_bits())
    });
    assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert_eq!(loaded.rows.len(), 3003);
}

#[test]
fn zero_dates_go_where_the_stream_says() {
    let server = start(&[]);
    server.run(
        "set sql_mode = 'ALLOW_INVALID_DATES'; create database z; use z;
         create table zero (a int primary key, d date not null, t datetime(3), s timestamp null);
         insert into zero values (1, '0000-00-00', null, null), (2, '2024-02-29', '2024-00-10 01:02:03', null),
           (3, '2024-02-29', null, '0000-00-00 00:00:00'), (4, '2024-02-29', null, null), (5, '2023-02-31', null, null),
           (6, '0000-05-05', null, null);",
    );
    let zero = stream("zero", &[]);
    let loaded = load(live(&server, "z").as_ref(), &zero).expect("readable");
    assert_eq!(loaded.lines(), ["4|2024-02-29|~|~"]);
    assert_eq!(
        set_aside(&loaded),
        ["1 d out-of-range", "2 t out-of-range", "3 s out-of-range", "5 d wrong-type", "6 d out-of-range"]
    );
    assert_eq!(
        loaded.quarantined[1].raw,
        r#"{"a":2,"d":"2024-02-29","t":"2024-00-10 01:02:03.000","s":null}"#
    );
    assert!(loaded.quarantined.iter().all(|row| !row.reason.contains("20")));

    let url = url(&server, "z");
    for (source_says, stream_says) in
        [(Some("null"), None), (None, Some("null")), (Some("quarantine"), Some("null"))]
    {
        let mut settings = vec![("url", url.as_str())];
        settings.extend(source_says.map(|word| ("zero_dates", word)));
        let source = source("mysql", Path::new("."), &settings);
        let own: Vec<_> = stream_says.map(|word| ("zero_dates", word)).into_iter().collect();
        let loaded = load(source.as_ref(), &stream("zero", &own)).expect("readable");
        assert!(loaded.schema.columns[1].nullable && !loaded.schema.columns[0].nullable);
        assert_eq!(
            loaded.lines(),
            ["1|~|~|~", "2|2024-02-29|~|~", "3|2024-02-29|~|~", "4|2024-02-29|~|~", "6|~|~|~"]
        );
        let counted: Vec<_> =
            loaded.outcome.conversions.iter().map(|c| (c.column.as_str(), c.rows)).collect();
        assert_eq!(counted, [("d", 2), ("t", 1), ("s", 1)]);
        assert_eq!(set_aside(&loaded), ["5 d wrong-type"]);
    }
}

/// Quarantined rows as `line column code`.
fn set_aside(loaded: &Loaded) -> Vec<String> {
    let shown = |row: &millrace_core::quarantine::QuarantinedRow| {
        format!("{} {} {}", row.line, row.column.as_deref().unwrap_or("~"), row.code.as_str())
    };
    loaded.quarantined.iter().map(shown).collect()
}

#[test]
fn columns_of_a_schema_that_the_table_no_longer_has() {
    let server = start(&[]);
    server.run(
        "create database c; use c;
         create table c (id bigint primary key, name varchar(9), amount decimal(12,4), secret text, extra int);
         insert into c values (1, 'a', 1.5, 's3cret', 1), (300, 'b', 1.55, 's3cret', 2), (3, 'c', 2.5, 's3cret', null);",
    );
    let live = live(&server, "c");
    let mut c = stream("c", &[]);
    c.excluded = vec!["secret".to_owned()].into();
    let mut schema = discover(live.as_ref(), &c).expect("readable").schema;
    let column = |name: &str, data_type, nullable| Column { name: name.to_owned(), data_type, nullable };
    schema.columns = vec![
        column("amount", DataType::Decimal { precision: 10, scale: 1 }, true),
        column("gone", DataType::Text, true),
        column("id", DataType::Int8, false),
        column("name", DataType::Text, true),
    ];
    let loaded = read(live.as_ref(), &c, &schema).expect("readable");
    assert_eq!(loaded.lines(), ["1.5|~|1|a", "2.5|~|3|c"]);
    // Rows come in the order of the primary key.
    assert_eq!(set_aside(&loaded), ["3 id out-of-range"]);
    assert_eq!(loaded.quarantined[0].file, "c");
    assert_eq!(loaded.quarantined[0].raw, r#"{"id":300,"name":"b","amount":1.5500}"#);

    // The contract lets no unknown column in: every row has `extra`, though not in every row it holds something.
    let request = ReadRequest {
        stream: c.clone(),
        columns: vec![column("id", DataType::Int64, false), column("name", DataType::Text, true)],
        key: vec!["extra".to_owned(), "id".to_owned()],
        quarantine_unknown_columns: true,
        quarantine_nul: false,
        cursor: None,
        drift: Drift::default(),
        seen: None,
    };
    let quarantined = |request: ReadRequest| {
        let (sender, mut receiver) = batch_queue(1 << 20);
        wait(live.read(request, sender)).expect("readable");
        let batch = receiver.blocking_recv().expect("a batch");
        let columns: Vec<_> = batch.quarantined.iter().map(|row| row.column.clone()).collect();
        (batch.rows.num_rows(), columns, batch.quarantined[0].clone())
    };
    let (rows, columns, first) = quarantined(request.clone());
    assert_eq!((rows, columns), (0, vec![Some("amount".to_owned()); 3]));
    assert_eq!(first.raw, r#"{"id":1,"name":"a","amount":1.5000,"extra":1}"#);
    assert!(!first.raw.contains("s3cret"));

    // A part of the key that is empty.
    let columns = vec![column("extra", DataType::Int32, true), column("id", DataType::Int64, false)];
    let request = ReadRequest { columns, quarantine_unknown_columns: false, ..request };
    let (rows, columns, first) = quarantined(request);
    assert_eq!((rows, columns, first.code.as_str()), (2, vec![Some("extra".to_owned())], "missing-value"));
    assert_eq!(first.line, 2);

    // Nothing at all is left of it.
    schema.columns = vec![column("gone", DataType::Text, true)];
    assert_eq!(read(live.as_ref(), &c, &schema).expect("readable").lines(), ["~", "~", "~"]);
}

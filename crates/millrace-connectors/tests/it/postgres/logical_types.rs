//! Each logical type there and back, and PostgreSQL's other types as texts.

use std::sync::Arc;

use arrow_array::types::IntervalMonthDayNano;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray, StringArray,
    TimestampMicrosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use arrow_buffer::i256;
use millrace_core::schema::DataType;
use millrace_core::value::{Decimal, Value};
use millrace_engine::ports::warehouse::{LoadMode, QueryLimits, Statement};

use super::{Finish, column, fresh, load, rows, run};

fn text(s: &str) -> Value {
    Value::text(s)
}

fn number(n: i128) -> Value {
    Value::Int(n)
}

fn exact(mantissa: i128, scale: u8) -> Value {
    Value::Decimal(Decimal { mantissa, scale })
}

fn wide(text: &str) -> i256 {
    i256::from_string(text).expect("a number")
}

type Case = (DataType, ArrayRef, [Value; 2]);

fn numbers() -> Vec<Case> {
    let decimal = |precision, scale| DataType::Decimal { precision, scale };
    let narrow = |values: Vec<i128>, precision, scale| -> ArrayRef {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(precision, scale).expect("it fits"))
    };
    let broad = |values: [&str; 2], scale| -> ArrayRef {
        let values: Vec<i256> = values.into_iter().map(wide).collect();
        Arc::new(Decimal256Array::from(values).with_precision_and_scale(65, scale).expect("it fits"))
    };
    let big = 10i128.pow(38) - 1;
    let nines = "9".repeat(65);
    vec![
        (DataType::Int8, Arc::new(Int8Array::from(vec![i8::MIN, i8::MAX])), [number(-128), number(127)]),
        (
            DataType::Int16,
            Arc::new(Int16Array::from(vec![i16::MIN, i16::MAX])),
            [number(-32768), number(32767)],
        ),
        (
            DataType::Int32,
            Arc::new(Int32Array::from(vec![i32::MIN, i32::MAX])),
            [number(i32::MIN.into()), number(i32::MAX.into())],
        ),
        (
            DataType::Int64,
            Arc::new(Int64Array::from(vec![i64::MIN, i64::MAX])),
            [number(i64::MIN.into()), number(i64::MAX.into())],
        ),
        (DataType::UInt8, Arc::new(UInt8Array::from(vec![0, u8::MAX])), [number(0), number(255)]),
        (DataType::UInt16, Arc::new(UInt16Array::from(vec![0, u16::MAX])), [number(0), number(65535)]),
        (
            DataType::UInt32,
            Arc::new(UInt32Array::from(vec![0, u32::MAX])),
            [number(0), number(u32::MAX.into())],
        ),
        (
            DataType::UInt64,
            Arc::new(UInt64Array::from(vec![0, u64::MAX])),
            [exact(0, 0), exact(u64::MAX.into(), 0)],
        ),
        (decimal(4, 2), narrow(vec![-9999, 1], 4, 2), [exact(-9999, 2), exact(1, 2)]),
        (decimal(12, 8), narrow(vec![1234, -100_000_000], 12, 8), [exact(1234, 8), exact(-100_000_000, 8)]),
        (decimal(38, 10), narrow(vec![-big, big], 38, 10), [exact(-big, 10), exact(big, 10)]),
        (decimal(38, 38), narrow(vec![-big, 1], 38, 38), [exact(-big, 38), exact(1, 38)]),
        (
            decimal(65, 30),
            broad([&nines, "-1"], 30),
            [text(&format!("{}.{}", "9".repeat(35), "9".repeat(30))), exact(-1, 30)],
        ),
        (
            decimal(65, 0),
            broad([&format!("-{nines}"), "10000000000000000000000000000000000000000"], 0),
            [text(&format!("-{nines}")), text("10000000000000000000000000000000000000000")],
        ),
        (
            DataType::Float32,
            Arc::new(Float32Array::from(vec![0.1, f32::MIN_POSITIVE])),
            [Value::Float(0.1), Value::Float(1.175_494_4e-38)],
        ),
        (
            DataType::Float64,
            Arc::new(Float64Array::from(vec![f64::MIN_POSITIVE, f64::MAX])),
            [Value::Float(f64::MIN_POSITIVE), Value::Float(f64::MAX)],
        ),
        (
            DataType::Float64,
            Arc::new(Float64Array::from(vec![f64::INFINITY, -0.0])),
            [Value::Float(f64::INFINITY), Value::Float(-0.0)],
        ),
    ]
}

fn others() -> Vec<Case> {
    let day = 86_400_000_000i64;
    vec![
        (
            DataType::Boolean,
            Arc::new(BooleanArray::from(vec![true, false])),
            [Value::Bool(true), Value::Bool(false)],
        ),
        // The first and the last day that PostgreSQL has.
        (
            DataType::Date,
            Arc::new(Date32Array::from(vec![-2_440_588, 2_145_042_905])),
            [Value::Date(-2_440_588), Value::Date(2_145_042_905)],
        ),
        (
            DataType::Date,
            Arc::new(Date32Array::from(vec![-719_162, 2_932_896])),
            [Value::Date(-719_162), Value::Date(2_932_896)],
        ),
        (
            DataType::Timestamp,
            Arc::new(TimestampMicrosecondArray::from(vec![-1, -2_440_588 * day])),
            [Value::Timestamp(-1), Value::Timestamp(-2_440_588 * day)],
        ),
        (
            DataType::Timestamp,
            Arc::new(TimestampMicrosecondArray::from(vec![253_402_300_799_999_999, i64::MAX])),
            [Value::Timestamp(253_402_300_799_999_999), Value::Timestamp(i64::MAX)],
        ),
        (
            DataType::TimestampTz,
            Arc::new(TimestampMicrosecondArray::from(vec![-1, 1]).with_timezone("UTC")),
            [Value::TimestampTz(-1), Value::TimestampTz(1)],
        ),
        (
            DataType::Interval,
            Arc::new(IntervalMonthDayNanoArray::from(vec![
                IntervalMonthDayNano::new(0, 0, -3_020_399_000_000_000),
                IntervalMonthDayNano::new(0, 0, 3_020_399_999_999_000),
            ])),
            [text("-838:59:59"), text("838:59:59.999999")],
        ),
        (
            DataType::Text,
            Arc::new(StringArray::from(vec!["", "é\u{1F600}\\N\t\n\r\"'x"])),
            [text(""), text("é\u{1F600}\\N\t\n\r\"'x")],
        ),
        // What `jsonb` would not keep: the order and doubles of keys, blanks, U+0000, a lone surrogate, a number out of all bounds.
        (
            DataType::Json,
            Arc::new(StringArray::from(vec![
                r#"{"b":1e200000, "a":1.50,"a" : 2}"#,
                r#"["\u0000", "\ud800", -0]"#,
            ])),
            [text(r#"{"b":1e200000, "a":1.50,"a" : 2}"#), text(r#"["\u0000", "\ud800", -0]"#)],
        ),
        (
            DataType::Bytes,
            Arc::new(BinaryArray::from(vec![&b"\0\xff\\x41"[..], b""])),
            [Value::Bytes(b"\0\xff\\x41".to_vec()), Value::Bytes(Vec::new())],
        ),
    ]
}

/// Each logical type with least, greatest, odd and missing values: what goes in comes out.
#[tokio::test]
async fn every_type_there_and_back() {
    let (warehouse, _) = fresh();
    for (data_type, values, expected) in numbers().into_iter().chain(others()) {
        let columns = [column("n", DataType::Int64), column("v", data_type)];
        let nothing = arrow_array::new_null_array(values.data_type(), 1);
        let batches = vec![
            vec![Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef, values],
            vec![Arc::new(Int64Array::from(vec![3])), nothing],
        ];
        load(&*warehouse, &columns, LoadMode::Create, batches, Finish::well()).await.expect("it loads");
        let found = rows(&*warehouse, "select v from raw.t order by n").await;
        assert_eq!(found.data[0][..2], expected, "{data_type}");
        assert_eq!(found.data[0][2], Value::Null, "{data_type}");
        // Bits, not only numbers that are equal.
        let shown = |value: &Value| value.to_string();
        assert_eq!(shown(&found.data[0][1]), shown(&expected[1]), "{data_type}");
        run(&*warehouse, &["drop table raw.t"]).await;
    }
}

#[tokio::test]
async fn other_types_come_as_text() {
    let (warehouse, _) = fresh();
    run(
        &*warehouse,
        &[
            "create type mood as enum ('sad', 'it''s ok')",
            "create type pair as (a int, b text)",
            "create domain positive as int check (value > 0)",
        ],
    )
    .await;
    for (sql, expected) in [
        ("array[1, null, 3]", "{1,NULL,3}"),
        ("row(1, 'x')::pair", "(1,x)"),
        ("'it''s ok'::mood", "it's ok"),
        ("time '12:30:00.5'", "12:30:00.5"),
        ("inet '10.0.0.1/8'", "10.0.0.1/8"),
        ("b'101'", "101"),
        ("interval '14 months 3 days 4 hours'", "1 year 2 months 3 days 04:00:00"),
        ("'6d7c0f4e-0000-4000-8000-000000000001'::uuid", "6d7c0f4e-0000-4000-8000-000000000001"),
        ("jsonb '{\"b\": 1, \"a\": 1.50}'", "{\"a\": 1.50, \"b\": 1}"),
        ("'infinity'::date", "infinity"),
        ("'-infinity'::timestamptz", "-infinity"),
        ("timestamp '294276-12-31 23:59:59'", "294276-12-31T23:59:59"),
        ("'NaN'::numeric", "NaN"),
        ("1e100::numeric", &format!("1{}", "0".repeat(100))),
        ("int4range(1, 5)", "[1,5)"),
        ("'pg_class'::regclass", "pg_class"),
        ("'a'::\"char\"", "a"),
        ("'untyped'", "untyped"),
        ("xmlelement(name a)", "<a/>"),
        ("null::mood", ""),
    ] {
        let statement = Statement::new(format!("select 1 as same, {sql} as same, 2"));
        let found = warehouse
            .query(&statement, QueryLimits::STATE)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        assert_eq!(found.row(0)[1].to_string(), expected, "{sql}");
        assert_eq!((found.row(0)[0], found.row(0)[2]), (&number(1), &number(2)), "{sql}");
    }
    let found = rows(
        &*warehouse,
        "select 5::positive as a, sum(b) as b, avg(b) as c from (values (1.50), (2.25)) t(b)",
    )
    .await;
    assert_eq!(found.row(0), [&number(5), &exact(375, 2), &exact(18_750_000_000_000_000, 16)]);
    assert_eq!(found.columns[1].data_type, Some(DataType::Decimal { precision: 38, scale: 2 }));
    assert_eq!(
        rows(&*warehouse, "select sum(n) from generate_series(1::bigint, 3) n").await.columns[0].data_type,
        Some(DataType::Decimal { precision: 38, scale: 0 })
    );
    assert_eq!(rows(&*warehouse, "show server_encoding").await.row(0), [&text("UTF8")]);
}

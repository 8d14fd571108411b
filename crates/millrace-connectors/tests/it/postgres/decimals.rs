//! A million decimals of up to 65 digits, as PostgreSQL itself reads and prints them.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Decimal256Array, Int64Array};
use arrow_buffer::i256;
use fastrand::Rng;
use millrace_core::schema::DataType;
use millrace_core::value::Value;
use millrace_engine::ports::warehouse::LoadMode;
use millrace_testkit::postgres::PostgresServer;

use super::{Finish, column, fresh, load, one, rows};

/// Digits, and how many of them stand after the point.
const SHAPES: [(u8, u8); 25] = [
    (1, 0),
    (4, 2),
    (5, 5),
    (9, 4),
    (10, 0),
    (12, 2),
    (18, 6),
    (19, 0),
    (20, 10),
    (27, 9),
    (28, 3),
    (36, 18),
    (38, 0),
    (38, 10),
    (38, 38),
    (39, 0),
    (39, 38),
    (44, 22),
    (50, 10),
    (55, 7),
    (60, 30),
    (65, 0),
    (65, 1),
    (65, 30),
    (65, 38),
];

/// A million in all.
const ROWS: usize = 40_000;

/// Digits as they come, or in runs of one and the same, as carries and groups of four have it; a sign or none.
fn digits(random: &mut Rng, longest: u8) -> String {
    let length = random.usize(1..=usize::from(longest));
    let mut text = String::with_capacity(length + 1);
    if random.bool() {
        text.push('-');
    }
    let end = text.len() + length;
    let in_runs = random.usize(..3) == 0;
    while text.len() < end {
        let digit =
            if in_runs { random.choice(['0', '9', '1']).expect("one at least") } else { random.digit(10) };
        let run = if in_runs { random.usize(1..=8) } else { 1 };
        (0..run.min(end - text.len())).for_each(|_| text.push(digit));
    }
    text
}

/// A number from its digits, by nothing but texts.
fn printed(digits: &str, scale: usize) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    let digits = digits.trim_start_matches('0');
    let sign = if digits.is_empty() { "" } else { sign };
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// A column of them.
fn array(digits: &[String], precision: u8, scale: u8) -> ArrayRef {
    let scale = scale as i8;
    if precision <= 38 {
        let values = digits.iter().map(|digits| digits.parse::<i128>().expect("a number"));
        let array = Decimal128Array::from_iter_values(values).with_precision_and_scale(precision, scale);
        Arc::new(array.expect("it fits"))
    } else {
        let values = digits.iter().map(|digits| i256::from_string(digits).expect("a number"));
        let array = Decimal256Array::from_iter_values(values).with_precision_and_scale(precision, scale);
        Arc::new(array.expect("it fits"))
    }
}

/// The same numbers by our binary COPY, and as texts that PostgreSQL reads by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_million_decimals_are_postgres_own() {
    let mut random = Rng::with_seed(20_261_128);
    let digits: Vec<Vec<String>> = SHAPES
        .iter()
        .map(|(precision, _)| (0..ROWS).map(|_| digits(&mut random, *precision)).collect())
        .collect();

    let (warehouse, database) = fresh();
    let names: Vec<String> = (0..SHAPES.len()).map(|at| format!("c{at}")).collect();
    let mut columns = vec![column("n", DataType::Int64)];
    let mut arrays: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(0..ROWS as i64))];
    for ((name, (precision, scale)), digits) in names.iter().zip(SHAPES).zip(&digits) {
        columns.push(column(name, DataType::Decimal { precision, scale }));
        arrays.push(array(digits, precision, scale));
    }
    load(&*warehouse, &columns, LoadMode::Create, vec![arrays], Finish::well()).await.expect("it loads");

    let types: Vec<String> = names.iter().map(|name| format!("{name} numeric")).collect();
    let mut script = format!("create table said (n bigint, {});\ncopy said from stdin;\n", types.join(", "));
    for row in 0..ROWS {
        let _ = write!(script, "{row}");
        for ((_, scale), digits) in SHAPES.iter().zip(&digits) {
            script.push('\t');
            script.push_str(&printed(&digits[row], usize::from(*scale)));
        }
        script.push('\n');
    }
    script.push_str("\\.\n");
    PostgresServer::shared().run(&database, &script);

    let differs: Vec<String> = names
        .iter()
        .map(|name| format!("sum((t.{name} is distinct from said.{name} or t.{name}::text is distinct from said.{name}::text)::int)"))
        .collect();
    let sql = format!("select concat_ws(',', {}) from raw.t full join said using (n)", differs.join(", "));
    assert_eq!(one(&*warehouse, &sql).await, vec!["0"; SHAPES.len()].join(","));
    let nonzero: Vec<String> = names.iter().map(|name| format!("sum((t.{name} <> 0)::int)")).collect();
    let nonzero = one(&*warehouse, &format!("select {} from raw.t as t", nonzero.join(" + "))).await;
    assert!(nonzero.parse::<usize>().expect("a number") > ROWS * SHAPES.len() * 9 / 10, "{nonzero}");

    // And back.
    let list = names.join(", ");
    let back = rows(&*warehouse, &format!("select {list} from raw.t order by n limit 1000")).await;
    for ((values, digits), (_, scale)) in back.data.iter().zip(&digits).zip(SHAPES) {
        for (value, digits) in values.iter().zip(digits) {
            assert!(matches!(value, Value::Decimal(_) | Value::Text(_)));
            assert_eq!(value.to_string(), printed(digits, usize::from(scale)));
        }
    }
}

//! No part of a cell is in a message: odd texts go through whatever fails on them, in every warehouse, and are looked for in all that is said.

use fastrand::Rng;
use millrace_core::value::Value;
use millrace_engine::error::Error;
use millrace_engine::ports::warehouse::{QueryLimits, Statement, Warehouse};

/// Texts that are tried.
const SECRETS: usize = 48;

/// Letters that stand beside each other in no message of a program.
fn token(random: &mut Rng) -> String {
    const LETTERS: &[u8] = b"qxzjkvw79";
    (0..12).map(|_| char::from(*random.choice(LETTERS).expect("a letter"))).collect()
}

/// A text of tokens between what programs that take messages apart are misled by.
fn secret(random: &mut Rng) -> (String, Vec<String>) {
    const BETWEEN: &[&str] = &[
        "'",
        "\"",
        "`",
        "''",
        " to INT32",
        " to ",
        "\n",
        "\r\nLINE 1: ",
        "{",
        "}",
        "{\"exception_type\":\"Parser\",\"exception_message\":\"",
        " Error: ",
        ": ",
        "\\",
        "$",
        "%s",
        "%",
        "{}",
        "(",
        ")",
        "[",
        ",",
        " of relation ",
        "\" of relation \"",
        "O'Brien ",
        "é",
        "日本",
        "\t",
        ";",
        "--",
        "/*",
        "*/",
        " ",
        "",
        "no space left on device ",
        "NOT NULL constraint failed: ",
        "constraint",
        "lock",
        "null",
        "2026-10-",
        "1",
        "-",
        "1e",
        "$.",
        "\\x",
        "\u{202e}",
    ];
    let mut tokens = Vec::new();
    let mut text = String::from(*random.choice(BETWEEN).expect("one at least"));
    for _ in 0..=random.usize(..3) {
        let token = token(random);
        text.push_str(&token);
        text.push_str(random.choice(BETWEEN).expect("one at least"));
        tokens.push(token);
    }
    (text, tokens)
}

/// What fails on a text in both.
const COMMON: &[&str] = &[
    "select cast(t as integer) from s where id = $1",
    "select cast(t as bigint) from s where id = $1",
    "select cast(t as date) from s where id = $1",
    "select cast(t as timestamp) from s where id = $1",
    "select cast(t as time) from s where id = $1",
    "select cast(t as interval) from s where id = $1",
    "select cast(t as decimal(10,2)) from s where id = $1",
    "select cast(t as double precision) from s where id = $1",
    "select cast(t as boolean) from s where id = $1",
    "select cast(t as uuid) from s where id = $1",
    "select cast(t as json) from s where id = $1",
    "select cast(t as mood) from s where id = $1",
    "select cast(t as integer[]) from s where id = $1",
    "select date_trunc(t, timestamp '2026-01-01') from s where id = $1",
    "select date_part(t, timestamp '2026-01-01') from s where id = $1",
    "select regexp_replace('x', t, '') from s where id = $1",
    "select timezone(t, timestamp '2026-01-01') from s where id = $1",
    "select nextval(t) from s where id = $1",
    "select current_setting(t) from s where id = $1",
    "select cast(n as smallint) from s where id = $1",
    "select cast(cast(n as decimal(20,0)) * 1000 as decimal(8,2)) from s where id = $1",
    "select 1 % (n - n) + cast(t as integer) from s where id = $1",
    "select n / (n - n) from s where id = $1",
    "select n * n * n from s where id = $1",
    "select (select t from s where s.id <= o.id + 1) from s as o where id = $1",
    "select t like '%' || t escape t from s where id = $1",
];

const OF_DUCKDB: &[&str] = &[
    "select error(t) from s where id = $1",
    "select strptime('x', t) from s where id = $1",
    "select strptime(t, '%Y') from s where id = $1",
    "select strftime(timestamp '2026-01-01', t) from s where id = $1",
    "select regexp_matches('x', t) from s where id = $1",
    "select regexp_extract('x', t) from s where id = $1",
    "select json_extract('{\"a\":1}', t) from s where id = $1",
    "select json_extract_string(t, '$.a') from s where id = $1",
    "select json_transform(t, '\"INTEGER\"') from s where id = $1",
    "select json_transform_strict('\"' || n || '\"', '\"DATE\"') from s where id = $1",
    "select cast(cast(t as json) as integer) from s where id = $1",
    "select cast(to_json(t) as integer) from s where id = $1",
    "select printf(t, 1) from s where id = $1",
    "select format(t, 1) from s where id = $1",
    "select from_base64(t) from s where id = $1",
    "select unhex(t) from s where id = $1",
    "select cast(t as blob) from s where id = $1",
    "select cast(t as bit) from s where id = $1",
    "select cast(t as struct(a integer)) from s where id = $1",
    "select cast(t as map(varchar, integer)) from s where id = $1",
    "select cast(t as timestamptz) from s where id = $1",
    "select list_aggregate([1], t) from s where id = $1",
    "select decode(encode(t) || '\\xff'::blob) from s where id = $1",
    "select make_date(n, 1, 1) from s where id = $1",
    "select chr(n) from s where id = $1",
    "select t::union(a integer, b date) from s where id = $1",
    "select time_bucket(cast(t as interval), date '2026-01-01') from s where id = $1",
];

const OF_POSTGRES: &[&str] = &[
    "select cast(t as regclass) from s where id = $1",
    "select cast(t as regtype) from s where id = $1",
    "select cast(t as regproc) from s where id = $1",
    "select cast(t as regprocedure) from s where id = $1",
    "select cast(t as regrole) from s where id = $1",
    "select cast(t as regconfig) from s where id = $1",
    "select cast(t as regnamespace) from s where id = $1",
    "select cast(t as jsonpath) from s where id = $1",
    "select cast(t as jsonb) from s where id = $1",
    "select cast(t as tsquery) from s where id = $1",
    "select cast(t as tsvector) from s where id = $1",
    "select cast(t as xml) from s where id = $1",
    "select cast(t as inet) from s where id = $1",
    "select cast(t as point) from s where id = $1",
    "select cast(t as int4range) from s where id = $1",
    "select cast(t as bytea) from s where id = $1",
    "select cast(t as bit(4)) from s where id = $1",
    "select cast(t as pg_lsn) from s where id = $1",
    "select cast(t as money) from s where id = $1",
    "select has_table_privilege(t, 'select') from s where id = $1",
    "select has_schema_privilege('public', t) from s where id = $1",
    "select pg_size_bytes(t) from s where id = $1",
    "select set_config(t, t, true) from s where id = $1",
    "select to_date(t, 'YYYY-MM-DD') from s where id = $1",
    "select to_number(t, '999') from s where id = $1",
    "select to_timestamp('x', t) from s where id = $1",
    "select encode('x', t) from s where id = $1",
    "select decode(t, 'hex') from s where id = $1",
    "select convert_to('x', t) from s where id = $1",
    "select substring('x' similar t escape t) from s where id = $1",
    "select shout(t) from s where id = $1",
    "select shout_as_undefined(t) from s where id = $1",
    "select query_to_xml(t, true, true, '') from s where id = $1",
    "select ts_stat(t) from s where id = $1",
    "select chr(cast(n as integer)) from s where id = $1",
    "select jsonb_path_query('{}', cast('strict $.a' as jsonpath), cast('{\"' || n || '\":1}' as jsonb)) from s where id = $1",
    "select json_populate_record(cast(null as pair), json_build_object('a', t)) from s where id = $1",
    "select lo_get(n) from s where id = $1",
    "select pg_input_error_info(t, t) from s where id = $1",
];

/// What a statement that changes something fails on.
const CHANGES: &[&str] = &[
    "insert into keyed select t from s where id = $1 union all select t from s where id = $1",
    "insert into checked select t from s where id = $1",
    "insert into referring select t from s where id = $1",
    "insert into whole select cast(t as integer) from s where id = $1",
    "insert into given select t, null from s where id = $1",
    "update s set n = cast(t as integer) where id = $1",
];

const TABLES: &[&str] = &[
    "create table s (id bigint, t varchar, n bigint)",
    "create type mood as enum ('sad', 'happy')",
    "create table keyed (t varchar primary key)",
    "create table referring (t varchar references keyed (t))",
    "create table checked (t varchar check (length(t) < 0))",
    "create table whole (n integer)",
    "create table given (t varchar, u varchar not null)",
];

/// In any letter case, four letters in a row of a token, or six digits of the number.
fn leaked(said: &str, tokens: &[String], number: i64) -> Option<String> {
    let said = said.to_lowercase();
    let number = number.to_string();
    let of = |text: &str, length: usize| {
        (0..=text.len() - length).map(|at| text[at..at + length].to_owned()).collect::<Vec<_>>()
    };
    let parts = tokens.iter().flat_map(|token| of(token, 4)).chain(of(&number, 6));
    parts.into_iter().find(|part| said.contains(part))
}

fn everything(error: &Error) -> String {
    format!("{error} {error:?}")
}

/// Asks and changes with odd texts in the table; what fails must not say any of them. A run is the same each time; `MILLRACE_SECRETS_SEED` gives
/// another.
pub(crate) async fn no_cell_is_in_a_message(warehouse: &dyn Warehouse, own: &[&str], prepared: &[&str]) {
    let seed =
        std::env::var("MILLRACE_SECRETS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_128);
    let mut random = Rng::with_seed(seed);
    let made: Vec<Statement> = TABLES.iter().chain(prepared).map(|sql| Statement::new(*sql)).collect();
    warehouse.transact(&made).await.expect("tables");
    let (mut failed, mut wrong, mut never) = (0, Vec::new(), Vec::new());
    let mut secrets = Vec::new();
    for id in 0..SECRETS {
        let (text, tokens) = secret(&mut random);
        let number = random.i64(7_000_000_000..8_999_999_999);
        let values = [Value::Int(id as i128), Value::Text(text), Value::Int(i128::from(number))];
        warehouse
            .transact(&[Statement::with("insert into s values ($1, $2, $3)", values)])
            .await
            .expect("a row");
        secrets.push((tokens, number));
    }
    let questions =
        COMMON.iter().chain(own).map(|sql| (*sql, false)).chain(CHANGES.iter().map(|sql| (*sql, true)));
    for (sql, changes) in questions {
        let before = failed;
        for (id, (tokens, number)) in secrets.iter().enumerate() {
            let statement = Statement::with(sql, [Value::Int(id as i128)]);
            let error = if changes {
                warehouse.transact(&[statement]).await.err()
            } else {
                warehouse.query(&statement, QueryLimits::STATE).await.err()
            };
            let Some(error) = error else { continue };
            failed += 1;
            let said = everything(&error);
            if let Some(part) = leaked(&said, tokens, *number) {
                wrong.push(format!("{sql}\n    says {part}: {said}"));
                break;
            }
        }
        if failed == before {
            never.push(sql);
        }
    }
    assert!(
        wrong.is_empty(),
        "MILLRACE_SECRETS_SEED={seed}: {} statements say cells:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(failed > 1_500, "MILLRACE_SECRETS_SEED={seed}: only {failed} failures; without one: {never:#?}");
}

#[cfg(feature = "duckdb")]
#[tokio::test]
async fn duckdb_says_no_cell() {
    let warehouse = millrace_connectors::duckdb::DuckdbWarehouse::open_in_memory().expect("an engine");
    no_cell_is_in_a_message(&warehouse, OF_DUCKDB, &["create sequence known"]).await;
}

#[cfg(feature = "postgres")]
#[tokio::test]
async fn postgres_says_no_cell() {
    let functions = [
        "create type pair as (a integer, b date)",
        "create function shout(t text) returns text language plpgsql as $$ begin raise exception '%', t; end $$",
        "create function shout_as_undefined(t text) returns text language plpgsql as \
         $$ begin raise exception 'no %', t using errcode = '42P01', hint = t, detail = t; end $$",
    ];
    let (warehouse, _) = crate::postgres::fresh();
    no_cell_is_in_a_message(&*warehouse, OF_POSTGRES, &functions).await;
}

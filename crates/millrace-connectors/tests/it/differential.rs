//! Values of every type, from a server into both warehouses: what these then hold is what the server itself says. Nothing here says what a
//! value should be; the server does, by the text of its own client, and for floating-point numbers by the bits of its binary protocol.

mod charsets;
mod floats;
mod odd;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use millrace_connectors::duckdb::DuckdbWarehouse;
use millrace_connectors::postgres::Postgres;
use millrace_core::digest::sha256;
use millrace_core::name::Relation;
use millrace_core::project::settings::{Setting, Settings};
use millrace_core::quarantine::QuarantinedRow;
use millrace_core::schema::StreamSchema;
use millrace_core::value::Value;
use millrace_engine::error::{ErrorKind, Result};
use millrace_engine::ports::batch::{Batch, batch_queue};
use millrace_engine::ports::registry::WarehouseConnector as _;
use millrace_engine::ports::source::{Drift, ReadOutcome, ReadRequest, Source, StreamRequest};
use millrace_engine::ports::warehouse::{
    FinishLoad, LoadMode, LoadOutcome, LoadRequest, QueryLimits, Statement, Statements, Warehouse, made,
};
use millrace_testkit::mariadb::MariaDb;
use millrace_testkit::postgres::PostgresServer;

use crate::mysql::READER;
use crate::mysql::values::Written;
use crate::mysql_values::{Ask, answer, expression};
use crate::reading::{discover, stream, wait};

/// A warehouse, and how it is asked.
struct Side {
    name: &'static str,
    warehouse: Arc<dyn Warehouse>,
}

impl Side {
    /// A new one of each.
    fn both() -> [Self; 2] {
        let server = PostgresServer::shared();
        let url = Setting::Text(server.url(&server.database()));
        let postgres = Postgres.open(Path::new("/"), &Settings::new([("url".to_owned(), url)]));
        let duckdb = DuckdbWarehouse::open_in_memory().expect("an engine");
        [
            Self { name: "duckdb", warehouse: Arc::new(duckdb) },
            Self { name: "postgres", warehouse: postgres.expect("a warehouse") },
        ]
    }

    /// The expression whose text is the value of a column, written as [`answer`] writes the server's.
    fn expression(&self, column: &str, ask: Ask) -> String {
        let duckdb = self.name == "duckdb";
        match ask {
            Ask::Moment if duckdb => format!("strftime({column}, '%Y-%m-%dT%H:%M:%S.%f')"),
            Ask::Moment => format!("to_char({column}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"),
            Ask::Instant | Ask::Micros if duckdb => format!("cast(epoch_us({column}) as varchar)"),
            Ask::Instant | Ask::Micros => {
                format!("cast(cast(extract(epoch from {column}) * 1000000 as bigint) as text)")
            }
            Ask::Bytes | Ask::Geometry if duckdb => format!("'\\x' || lower(hex({column}))"),
            // It leaves out the zero before the point of a type that has no digits there.
            Ask::Text if duckdb => {
                format!("regexp_replace(cast({column} as varchar), '^(-?)\\.(\\d+)$', '\\10.\\2')")
            }
            _ => format!("cast({column} as varchar)"),
        }
    }

    /// Answers of the warehouse, a column each, in the order of `id`.
    fn values(&self, table: &str, columns: &[(&str, Ask)]) -> Vec<Vec<Option<String>>> {
        let list: Vec<String> = columns.iter().map(|(column, ask)| self.expression(column, *ask)).collect();
        let rows = self.query(&format!("select {} from raw.{table} order by id", list.join(", ")));
        let columns = rows.into_iter().zip(columns);
        columns.map(|(values, (_, ask))| values.iter().map(|value| read(value, *ask)).collect()).collect()
    }

    fn query(&self, sql: &str) -> Vec<Vec<Value>> {
        let rows = wait(self.warehouse.query(&Statement::new(sql), QueryLimits::STATE));
        rows.unwrap_or_else(|error| panic!("{}: {sql}: {error}", self.name)).data
    }

    fn run(&self, sql: &str) {
        wait(self.warehouse.transact(&[Statement::new(sql)])).expect("it runs");
    }

    /// Loads a stream, and returns what was set aside and how the read ended.
    fn load(
        &self,
        source: &dyn Source,
        stream: &StreamRequest,
        schema: &StreamSchema,
    ) -> Result<(Vec<QuarantinedRow>, ReadOutcome)> {
        let read = ReadRequest {
            stream: stream.clone(),
            columns: schema.columns.clone(),
            key: schema.primary_key.clone(),
            quarantine_unknown_columns: false,
            quarantine_nul: false,
            cursor: None,
            drift: Drift::default(),
            seen: None,
        };
        let request = LoadRequest {
            table: Relation::new("raw", &stream.stream),
            columns: schema.columns.clone(),
            mode: LoadMode::Create,
        };
        let (sender, receiver) = batch_queue(1 << 20);
        let (told, aside) = std::sync::mpsc::channel();
        let (read, loaded) = wait(async {
            tokio::join!(
                source.read(read, sender),
                self.warehouse.load(request, receiver, Box::new(Aside(told)))
            )
        });
        loaded?;
        Ok((aside.iter().flatten().collect(), read?))
    }
}

/// A value that a warehouse gave, in the words of [`answer`].
fn read(value: &Value, ask: Ask) -> Option<String> {
    let text = value.as_str()?;
    Some(match ask {
        Ask::Moment => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        Ask::Micros => format!("{text}us"),
        Ask::Instant => Value::TimestampTz(text.parse().expect("a number")).to_string(),
        _ => text.to_owned(),
    })
}

/// Passes on what is set aside.
struct Aside(std::sync::mpsc::Sender<Vec<QuarantinedRow>>);

#[async_trait]
impl FinishLoad for Aside {
    fn saw(&mut self, batch: &Batch) -> Result<()> {
        self.0.send(batch.quarantined.clone()).expect("somebody listens");
        Ok(())
    }

    async fn finish(self: Box<Self>, _outcome: LoadOutcome) -> Result<Statements> {
        Ok(made(Vec::new()))
    }
}

/// What the server says of the values of a table, a column each.
fn said(server: &MariaDb, table: &str, columns: &[(&str, Ask)]) -> Vec<Vec<Option<String>>> {
    let list: Vec<String> = columns.iter().map(|(column, ask)| expression(column, *ask)).collect();
    let sql = format!("set time_zone = '+00:00'; select {} from {table} order by id;", list.join(", "));
    let printed = server.run(&sql);
    let mut values = vec![Vec::new(); columns.len()];
    for line in printed.lines() {
        for ((hex, (_, ask)), list) in line.split('\t').zip(columns).zip(&mut values) {
            list.push(answer(hex, *ask));
        }
    }
    values
}

/// Loads a table into both warehouses and holds it against what the server says. Returns the number of values.
fn agree(server: &MariaDb, sides: &[Side], table: &str, columns: &[(&str, Ask)]) -> usize {
    let source = crate::mysql::live(server, "v");
    let stream = stream(table, &[]);
    let discovered = discover(source.as_ref(), &stream).expect("columns");
    let expected = said(server, &format!("v.{table}"), columns);
    let has_nul = expected.iter().flatten().flatten().any(|value| value.contains('\0'));
    for side in sides {
        let loaded = side.load(source.as_ref(), &stream, &discovered.schema);
        if has_nul && side.name == "postgres" {
            let error = loaded.expect_err("no text of it has the character U+0000");
            assert!(error.kind() == ErrorKind::Data && error.message().contains("column `v`"), "{error}");
            continue;
        }
        let (aside, _) = loaded.unwrap_or_else(|error| panic!("{}: {table}: {error}", side.name));
        assert_eq!(aside, [], "{}: {table}", side.name);
        for ((name, _), (found, expected)) in
            columns.iter().zip(side.values(table, columns).iter().zip(&expected))
        {
            assert_eq!(found, expected, "{}: column `{name}` of {table}", side.name);
        }
    }
    expected.iter().map(Vec::len).sum()
}

/// What a server has not of all that is looked at.
struct Lacks {
    types: &'static [&'static str],
    columns: &'static [&'static str],
}

/// Compares all that a server has, and what it has not with what is known of it. Its clocks are set to those of Paris.
fn compare(server: &MariaDb, lacks: &Lacks) {
    server.set_time_zone("Europe/Paris");
    assert_eq!(
        server.run("select timediff(from_unixtime(1711846800), from_unixtime(1711846799))").trim(),
        "01:00:01"
    );
    let sides = Side::both();
    let (written, lacking) = crate::mysql::values::write(server, "Europe/Paris");
    assert_eq!(lacking, lacks.types);
    let mut compared = 0;
    for Written { table, data_type, logical, ask, count } in &written {
        let source = crate::mysql::live(server, "v");
        let schema = discover(source.as_ref(), &stream(table, &[])).expect("columns").schema;
        assert_eq!(schema.columns[1].data_type.to_string(), *logical, "{data_type}");
        assert_eq!(agree(server, &sides, table, &[("v", *ask)]), *count, "{data_type}");
        compared += count;
    }
    assert!(compared > 140, "{compared}");
    crate::mysql::numbers(server, "v", 20_000);
    assert_eq!(odd::columns(server, &sides), lacks.columns);
    odd::zero_dates(server, &sides);
    charsets::all(server, &sides);
    floats::bit_by_bit(server, &sides);
}

/// Keys are compared by such hashes.
#[test]
fn both_warehouses_hash_a_text_as_anybody_does() {
    for text in ["", "Ligne é 🦆", "a'b\\c"] {
        let quoted = format!("'{}'", text.replace('\'', "''"));
        for side in Side::both() {
            let hash = side.warehouse.dialect().sha256(&quoted);
            let found = side.query(&format!("select {hash}"));
            assert_eq!(found[0][0].as_str(), Some(sha256(text).as_str()), "{}: {text}", side.name);
        }
    }
}

#[test]
fn every_type_in_both_warehouses_is_what_mariadb_says() {
    let server = crate::mysql::start(&["--character-set-server=utf8mb4"]);
    let lacks = Lacks { types: &["vector(3)"], columns: &["text column_format compressed"] };
    compare(&server, &lacks);
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn every_type_in_both_warehouses_is_what_mysql_5_6_says() {
    let server = millrace_testkit::mysql::start(&["--character-set-server=utf8mb4"]);
    server.run(READER);
    let lacks = Lacks {
        types: &["decimal(38,38)", "json", "vector(3)", "uuid", "inet6", "inet4"],
        columns: &[
            "int as (a * 2) virtual",
            "varchar(20) as (concat('é', a)) stored",
            "int default 7 invisible",
            "varchar(20) default (concat('a', 'b'))",
            "text compressed",
            "text column_format compressed",
        ],
    };
    compare(&server, &lacks);
}

#[cfg(feature = "test-mysql-9")]
mod new_server {
    use super::{Lacks, READER, compare};

    #[test]
    fn every_type_in_both_warehouses_is_what_mysql_9_says() {
        let server = millrace_testkit::mysql::start_9(&[]);
        server.run(READER);
        let lacks = Lacks {
            types: &["decimal(38,38)", "uuid", "inet6", "inet4"],
            columns: &["text compressed", "text column_format compressed"],
        };
        compare(&server, &lacks);
    }
}

//! What a warehouse remembers: schema `_millrace`, with a version and forward migrations. Portable SQL.

use millrace_core::cursor::Cursor;
use millrace_core::name::{Relation, StreamName};
use millrace_core::value::Value;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::{Error, ErrorKind, Result};
use crate::warehouse::{QueryLimits, Statement, Warehouse};

/// The version that this program writes.
pub const STATE_VERSION: i128 = 1;

/// The statements that bring the state from each version to the next; the first from nothing.
const MIGRATIONS: [&[&str]; 1] = [&[
    "create schema if not exists _millrace",
    "create table _millrace.meta (version bigint not null)",
    "insert into _millrace.meta values (0)",
    "create table _millrace.runs (run varchar not null primary key, started_at timestamptz not null, \
     finished_at timestamptz, status varchar not null, summary varchar not null)",
    "create table _millrace.streams (source varchar not null, stream varchar not null, raw_schema varchar not null, \
     raw_table varchar not null, load_number bigint not null, spec varchar not null, position varchar, \
     row_count bigint not null, loaded_at timestamptz not null, run varchar not null, primary key (source, stream))",
    "create table _millrace.quarantine (source varchar not null, stream varchar not null, run varchar not null, \
     quarantined_at timestamptz not null, file varchar not null, line bigint not null, column_name varchar, code varchar not null, \
     reason varchar not null, raw varchar, raw_sha256 varchar not null)",
    "create table _millrace.publications (publication bigint not null primary key, run varchar not null, \
     published_at timestamptz not null, fingerprint varchar not null, record varchar not null)",
]];

/// A stream's last committed load.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedStream {
    /// The stream.
    pub name: StreamName,
    /// Its raw table.
    pub table: Relation,
    /// Grows with each load; versions what is built from it.
    pub load_number: i128,
    /// Fingerprint of how it was loaded: settings, columns.
    pub spec: String,
    /// Where the load ended.
    pub position: Option<Cursor>,
    /// Rows in the raw table.
    pub rows: u64,
}

/// The record of one publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// Its number, which is the data version.
    pub publication: u64,
    /// The run that made it.
    pub run: String,
    /// RFC 3339, UTC.
    pub published_at: String,
    /// SHA-256 over everything that decides on it.
    pub fingerprint: String,
    /// Models, built.
    pub models: Vec<BuiltModel>,
}

/// A model in a publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltModel {
    /// Name.
    pub model: String,
    /// The physical table or view.
    pub relation: Relation,
    /// Whether it is a view.
    pub is_view: bool,
    /// Whether readers see it.
    pub published: bool,
    /// SHA-256 over its SQL and all that it was built from.
    pub fingerprint: String,
    /// Rows of a table.
    pub rows: Option<u64>,
}

impl Publication {
    /// The model of that name.
    pub fn model(&self, name: &str) -> Option<&BuiltModel> {
        self.models.iter().find(|built| built.model == name)
    }
}

/// The state of one warehouse.
#[derive(Clone, Copy)]
pub struct State<'w> {
    warehouse: &'w dyn Warehouse,
}

impl<'w> State<'w> {
    /// Of that warehouse.
    pub fn of(warehouse: &'w dyn Warehouse) -> Self {
        Self { warehouse }
    }

    /// The version that is there; none in a warehouse that no run has touched.
    pub async fn version(&self) -> Result<Option<i128>> {
        let sql = "select count(*) as n from information_schema.tables where table_schema = '_millrace' and table_name = 'meta'";
        if self.number(&Statement::new(sql)).await? == Some(0) {
            return Ok(None);
        }
        self.number(&Statement::new("select max(version) as version from _millrace.meta")).await
    }

    /// Brings the state to [`STATE_VERSION`]. Refuses one that is newer.
    pub async fn migrate(&self) -> Result<()> {
        let version = self.version().await?;
        let present = version.unwrap_or(0);
        if present > STATE_VERSION {
            let message =
                format!("the warehouse's state has version {present}; this program knows {STATE_VERSION}");
            return Err(Error::new(ErrorKind::StateTooNew, message));
        }
        for (at, steps) in MIGRATIONS.iter().enumerate().skip(present as usize) {
            let mut statements: Vec<Statement> = steps.iter().map(|sql| Statement::new(*sql)).collect();
            let number = Value::Int(at as i128 + 1);
            statements.push(Statement::with("update _millrace.meta set version = $1", [number]));
            self.warehouse.transact(&statements).await?;
        }
        Ok(())
    }

    async fn number(&self, statement: &Statement) -> Result<Option<i128>> {
        let rows = self.warehouse.query(statement, QueryLimits::STATE).await?;
        Ok(rows.data.first().and_then(|column| column.first()).and_then(Value::as_int))
    }

    /// The last committed load of every stream.
    pub async fn streams(&self) -> Result<Vec<LoadedStream>> {
        let sql = "select source, stream, raw_schema, raw_table, load_number, spec, position, row_count from _millrace.streams \
                   order by source, stream";
        let rows = self.warehouse.query(&Statement::new(sql), QueryLimits::STATE).await?;
        (0..rows.len())
            .map(|at| {
                let row = rows.row(at);
                let text = |i: usize| row[i].as_str().unwrap_or_default().to_owned();
                let position = row[6].as_str().map(serde_json::from_str).transpose().map_err(|error| {
                    Error::new(ErrorKind::Internal, "a checkpoint cannot be read").caused_by(error)
                })?;
                Ok(LoadedStream {
                    name: StreamName::new(text(0), text(1)),
                    table: Relation::new(text(2), text(3)),
                    load_number: row[4].as_int().unwrap_or_default(),
                    spec: text(5),
                    position,
                    rows: row[7].as_int().unwrap_or_default() as u64,
                })
            })
            .collect()
    }

    /// Publications, the newest first.
    pub async fn publications(&self, limit: usize) -> Result<Vec<Publication>> {
        let sql =
            format!("select record from _millrace.publications order by publication desc limit {limit}");
        let rows = self.warehouse.query(&Statement::new(sql), QueryLimits::STATE).await?;
        let records = rows.data.first().into_iter().flatten().filter_map(Value::as_str);
        records
            .map(|record| {
                serde_json::from_str(record).map_err(|error| {
                    Error::new(ErrorKind::Internal, "a publication cannot be read").caused_by(error)
                })
            })
            .collect()
    }

    /// Summaries of runs, the newest first.
    pub async fn runs(&self, limit: usize) -> Result<Vec<Json>> {
        let sql =
            format!("select summary from _millrace.runs order by started_at desc, run desc limit {limit}");
        let rows = self.warehouse.query(&Statement::new(sql), QueryLimits::STATE).await?;
        let summaries = rows.data.first().into_iter().flatten().filter_map(Value::as_str);
        Ok(summaries.filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// Physical tables and views of a schema: name, and whether it is a view.
    pub async fn relations(&self, schema: &str) -> Result<Vec<(Relation, bool)>> {
        let sql = "select table_name, table_type from information_schema.tables where table_schema = $1 order by table_name";
        let statement = Statement::with(sql, [Value::text(schema)]);
        let rows = self.warehouse.query(&statement, QueryLimits::STATE).await?;
        let relation = |at: usize| {
            let row = rows.row(at);
            let name = row[0].as_str().unwrap_or_default();
            (Relation::new(schema, name), row[1].as_str() == Some("VIEW"))
        };
        Ok((0..rows.len()).map(relation).collect())
    }
}

/// The statement that marks runs whose process died as failed. Only for the owner of the warehouse.
pub fn abandon_runs() -> Statement {
    Statement::new(
        "update _millrace.runs set status = 'failed', \
         summary = replace(summary, '\"status\":\"running\"', '\"status\":\"failed\"') where status = 'running'",
    )
}

/// The statement that records a run, replacing what was recorded of it.
pub fn record_run(
    run: &str,
    started_at: i64,
    finished_at: Option<i64>,
    status: &str,
    summary: &Json,
) -> [Statement; 2] {
    [
        Statement::with("delete from _millrace.runs where run = $1", [Value::text(run)]),
        Statement::with(
            "insert into _millrace.runs (run, started_at, finished_at, status, summary) values ($1, $2, $3, $4, $5)",
            [
                Value::text(run),
                Value::TimestampTz(started_at),
                finished_at.map_or(Value::Null, Value::TimestampTz),
                Value::text(status),
                Value::text(summary.to_string()),
            ],
        ),
    ]
}

/// The statements that make a load the stream's present one.
pub fn record_load(stream: &LoadedStream, run: &str, at: i64) -> Result<Vec<Statement>> {
    let position = stream.position.as_ref().map(serde_json::to_string).transpose();
    let position = position
        .map_err(|error| Error::new(ErrorKind::Internal, "a cursor cannot be written").caused_by(error))?;
    let name = || [Value::text(&stream.name.source), Value::text(&stream.name.stream)];
    let mut values: Vec<Value> = name().to_vec();
    values.extend([
        Value::text(&stream.table.schema),
        Value::text(&stream.table.name),
        Value::Int(stream.load_number),
        Value::text(&stream.spec),
        position.map_or(Value::Null, Value::Text),
        Value::Int(i128::from(stream.rows)),
        Value::TimestampTz(at),
        Value::text(run),
    ]);
    Ok(vec![
        Statement::with("delete from _millrace.streams where source = $1 and stream = $2", name()),
        Statement::with(
            "insert into _millrace.streams (source, stream, raw_schema, raw_table, load_number, spec, position, row_count, \
             loaded_at, run) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            values,
        ),
    ])
}

/// The statement that records a publication.
pub fn record_publication(publication: &Publication, at: i64) -> Result<Statement> {
    let record = serde_json::to_string(publication).map_err(|error| {
        Error::new(ErrorKind::Internal, "a publication cannot be written").caused_by(error)
    })?;
    Ok(Statement::with(
        "insert into _millrace.publications (publication, run, published_at, fingerprint, record) values ($1, $2, $3, $4, $5)",
        [
            Value::Int(i128::from(publication.publication)),
            Value::text(&publication.run),
            Value::TimestampTz(at),
            Value::text(&publication.fingerprint),
            Value::Text(record),
        ],
    ))
}

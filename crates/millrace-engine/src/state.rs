//! What a warehouse remembers, in a schema of its own (`_millrace`). Portable SQL; `state/migrations.rs` has the tables.

use jiff::Timestamp;
use millrace_core::cursor::Cursor;
use millrace_core::name::{Relation, StreamName};
use millrace_core::project::environment::Schemas;
use millrace_core::sql::spelling::Spelling;
use millrace_core::value::Value;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::error::{Error, ErrorKind, Result};
use crate::ports::warehouse::{QueryLimits, Statement, Warehouse};
use crate::state::migrations::FENCED_RUNS;
use crate::state::raw_column::RawColumn;

pub mod lease;
pub mod migrations;
mod owner;
pub(crate) mod quarantine;
pub(crate) mod quarantine_buffer;
pub mod raw_column;
pub mod run_summary;
pub mod test_result;
pub mod trigger;
pub mod unfinished;

/// What times of a schedule are compared with: no time after it is dealt with, though a server whose clock was ahead may have said so.
const SOON: &str = "now() + interval '1 minute'";

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
    /// The raw table's columns; none where an earlier version of this program loaded it.
    pub columns: Option<Vec<RawColumn>>,
    /// Of how many moments its rows are: more than one where a load was gone on with after it had died.
    pub moments: u32,
    /// Its rows in quarantine after that load; none where an earlier version of this program loaded it.
    pub quarantined: Option<u64>,
    /// The data version since which the project has no such stream; none where it has it.
    pub removed_in: Option<u64>,
}

impl LoadedStream {
    /// Whether its next load reads all of it, so that it brings back what is in quarantine.
    pub(crate) fn is_read_whole(&self) -> bool {
        let keeps = matches!(self.position, Some(Cursor::Files { kept: true, .. } | Cursor::Column { .. }));
        !keeps && !self.columns.iter().flatten().any(|column| column.key)
    }
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
    /// For a rollback: the publication whose tables it brought back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_to: Option<u64>,
    /// Whether runs publish nothing until somebody lifts the rollback.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
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
    /// Its columns as it spells them, where the project leaves loaded ones their letters (`naming: source`); else empty: then a name means the
    /// same everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

impl BuiltModel {
    /// By which the project's names of its columns are looked up.
    pub fn spelling(&self) -> Spelling {
        Spelling::of(self.columns.iter().cloned())
    }
}

impl Publication {
    fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| {
            Error::new(ErrorKind::Internal, "a publication cannot be written").caused_by(error)
        })
    }

    /// The model of that name.
    pub fn model(&self, name: &str) -> Option<&BuiltModel> {
        self.models.iter().find(|built| built.model == name)
    }
}

/// The tables of the state, by name; makes the statements that write them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    schema: String,
}

impl Tables {
    /// Those in that schema.
    pub fn in_schema(schema: &str) -> Self {
        Self { schema: schema.to_owned() }
    }

    /// A table's full name, quoted.
    pub fn table(&self, name: &str) -> String {
        Relation::new(&self.schema, name).to_string()
    }
}

/// The state of one warehouse.
#[derive(Clone)]
pub struct State<'w> {
    warehouse: &'w dyn Warehouse,
    tables: Tables,
}

impl<'w> State<'w> {
    /// Of that warehouse, in the schema that the environment names.
    pub fn of(warehouse: &'w dyn Warehouse, schemas: &Schemas) -> Self {
        Self { warehouse, tables: Tables::in_schema(&schemas.state) }
    }

    /// Its tables.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    pub(crate) fn warehouse(&self) -> &'w dyn Warehouse {
        self.warehouse
    }

    pub(crate) fn schema(&self) -> &str {
        &self.tables.schema
    }

    /// The last committed load of every stream. Also of a state that an earlier version of this program left, and no run has brought
    /// forward yet.
    pub async fn streams(&self) -> Result<Vec<LoadedStream>> {
        let sql = format!("select * from {} order by source, stream", self.tables.table("streams"));
        let rows = self.warehouse.query(&Statement::new(sql), QueryLimits::STATE).await?;
        let column = |name: &str| rows.columns.iter().position(|column| column.name == name);
        (0..rows.len())
            .map(|row| {
                let value = |name: &str| column(name).map_or(&Value::Null, |at| &rows.data[at][row]);
                let text = |name: &str| value(name).as_str().unwrap_or_default().to_owned();
                let unreadable =
                    |error| Error::new(ErrorKind::Internal, "a checkpoint cannot be read").caused_by(error);
                let position = value("position").as_str().map(serde_json::from_str).transpose();
                let columns = value("table_columns").as_str().map(serde_json::from_str).transpose();
                Ok(LoadedStream {
                    name: StreamName::new(text("source"), text("stream")),
                    table: Relation::new(text("raw_schema"), text("raw_table")),
                    load_number: value("load_number").as_int().unwrap_or_default(),
                    spec: text("spec"),
                    position: position.map_err(unreadable)?,
                    rows: value("row_count").as_int().unwrap_or_default() as u64,
                    columns: columns.map_err(unreadable)?,
                    moments: value("moments").as_int().map_or(1, |moments| moments as u32),
                    quarantined: value("quarantined").as_int().map(|rows| rows as u64),
                    removed_in: value("removed_in").as_int().map(|number| number as u64),
                })
            })
            .collect()
    }

    /// Publications, the newest first.
    pub async fn publications(&self, limit: usize) -> Result<Vec<Publication>> {
        let sql = format!(
            "select record from {} order by publication desc limit {limit}",
            self.tables.table("publications")
        );
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

    /// Summaries of runs, the newest first: in the order in which they had the lease. Clocks, of which one may have been ahead, decide only
    /// among those that an earlier version of this program recorded.
    pub async fn runs(&self, limit: usize) -> Result<Vec<Json>> {
        let runs = self.tables.table("runs");
        let ordered = |fence: &str| {
            let sql =
                format!("select summary from {runs} order by {fence}started_at desc, run desc limit {limit}");
            Statement::new(sql)
        };
        let rows = match self.warehouse.query(&ordered("coalesce(fence, 0) desc, "), QueryLimits::STATE).await
        {
            Ok(rows) => rows,
            // What an earlier version left has no such column until a run brings it forward.
            Err(_) if self.version().await?.is_some_and(|version| version < FENCED_RUNS) => {
                self.warehouse.query(&ordered(""), QueryLimits::STATE).await?
            }
            Err(error) => return Err(error),
        };
        let summaries = rows.data.first().into_iter().flatten().filter_map(Value::as_str);
        Ok(summaries.filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// The summary of one run; none where no run has that id.
    pub async fn run(&self, id: &str) -> Result<Option<Json>> {
        let sql = format!("select summary from {} where run = $1", self.tables.table("runs"));
        let rows = self.warehouse.query(&Statement::with(sql, [Value::text(id)]), QueryLimits::STATE).await?;
        let mut summaries = rows.data.first().into_iter().flatten().filter_map(Value::as_str);
        Ok(summaries.next().and_then(|text| serde_json::from_str(text).ok()))
    }

    /// Up to when the times of the schedule are dealt with; none where no server has kept it. A run that has come to its end has dealt
    /// with its time, also where the server died before it could say so.
    pub async fn schedule_handled(&self) -> Result<Option<Timestamp>> {
        let (schedule, runs) = (self.tables().table("schedule"), self.tables().table("runs"));
        let sql = format!(
            "select max(handled_at) as handled_at from (select handled_at from {schedule} union all select scheduled_for from {runs} \
             where scheduled_for is not null and status in ('succeeded', 'unchanged', 'held')) as handled \
             where handled_at <= {SOON}"
        );
        let rows = self.warehouse.query(&Statement::new(sql), QueryLimits::STATE).await?;
        let handled = rows.data.first().and_then(|column| column.first());
        match handled {
            Some(Value::TimestampTz(micros)) => Ok(Timestamp::from_microsecond(*micros).ok()),
            _ => Ok(None),
        }
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

impl Tables {
    /// The statements that say of runs whose process died, or could not write how it ended, that they failed; or that they succeeded, where
    /// they have published. Only for the holder of the lease.
    pub fn abandon_runs(&self) -> [Statement; 2] {
        let (runs, publications) = (self.table("runs"), self.table("publications"));
        let ended = |status: &str, which: &str| {
            Statement::new(format!(
                "update {runs} set status = '{status}', \
                 summary = replace(summary, '\"status\":\"running\"', '\"status\":\"{status}\"') where status = 'running'{which}"
            ))
        };
        [ended("succeeded", &format!(" and run in (select run from {publications})")), ended("failed", "")]
    }

    /// The statements that record up to when the times of the schedule are dealt with. What was recorded later stays, unless it lies in
    /// the future.
    pub fn record_schedule(&self, up_to: Timestamp) -> [Statement; 2] {
        let schedule = self.table("schedule");
        let at = || Value::TimestampTz(up_to.as_microsecond());
        [
            Statement::with(
                format!(
                    "delete from {schedule} where name = 'schedule' and (handled_at < cast($1 as timestamptz) or handled_at > {SOON})"
                ),
                [at()],
            ),
            Statement::with(
                format!(
                    "insert into {schedule} select 'schedule', cast($1 as timestamptz) where not exists (select 1 from {schedule} where name = 'schedule')"
                ),
                [at()],
            ),
        ]
    }

    /// The statements that record a run, replacing what was recorded of it. Times are microseconds of UTC.
    pub fn record_run(&self, record: &RunRecord<'_>) -> [Statement; 2] {
        let runs = self.table("runs");
        [
            Statement::with(format!("delete from {runs} where run = $1"), [Value::text(record.run)]),
            Statement::with(
                format!(
                    "insert into {runs} (run, started_at, finished_at, status, summary, scheduled_for, fence) \
                     values ($1, $2, $3, $4, $5, $6, $7)"
                ),
                [
                    Value::text(record.run),
                    Value::TimestampTz(record.started_at),
                    record.finished_at.map_or(Value::Null, Value::TimestampTz),
                    Value::text(record.status),
                    Value::text(record.summary.to_string()),
                    record.scheduled_for.map_or(Value::Null, Value::TimestampTz),
                    Value::Int(record.fence.into()),
                ],
            ),
        ]
    }

    /// The statements that make a load the stream's present one; they come after those that record what it has put into quarantine.
    pub fn record_load(&self, stream: &LoadedStream, run: &str, at: i64) -> Result<Vec<Statement>> {
        let name = || stream.name.params();
        let mut values: Vec<Value> = name().to_vec();
        values.extend([
            Value::text(&stream.table.schema),
            Value::text(&stream.table.name),
            Value::Int(stream.load_number),
            Value::text(&stream.spec),
            json(stream.position.as_ref())?,
            Value::Int(i128::from(stream.rows)),
            Value::TimestampTz(at),
            Value::text(run),
            json(stream.columns.as_ref())?,
            Value::Int(i128::from(stream.moments)),
        ]);
        values.extend(name());
        let (streams, quarantine) = (self.table("streams"), self.table("quarantine"));
        Ok(vec![
            Statement::with(format!("delete from {streams} where source = $1 and stream = $2"), name()),
            Statement::with(
                format!(
                    "insert into {streams} (source, stream, raw_schema, raw_table, load_number, spec, position, row_count, \
                     loaded_at, run, table_columns, moments, quarantined) \
                     select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, count(*) \
                     from {quarantine} where source = $13 and stream = $14"
                ),
                values,
            ),
        ])
    }

    /// The statement that writes the position of a stream anew, where its present load is still this one.
    pub(crate) fn record_position(&self, stream: &LoadedStream) -> Result<Statement> {
        let sql = format!(
            "update {} set position = $1 where source = $2 and stream = $3 and load_number = $4",
            self.table("streams")
        );
        let StreamName { source, stream: name } = &stream.name;
        let number = Value::Int(stream.load_number);
        let values = [json(stream.position.as_ref())?, Value::text(source), Value::text(name), number];
        Ok(Statement::with(sql, values))
    }

    /// The question whether a load of a run is the stream's present one.
    pub(crate) fn find_load(&self, stream: &LoadedStream, run: &str) -> Statement {
        let sql = format!(
            "select count(*) from {} where source = $1 and stream = $2 and load_number = $3 and run = $4",
            self.table("streams")
        );
        let StreamName { source, stream: name } = &stream.name;
        let number = Value::Int(stream.load_number);
        Statement::with(sql, [Value::text(source), Value::text(name), number, Value::text(run)])
    }

    /// The statement that records a publication.
    pub fn record_publication(&self, publication: &Publication, at: i64) -> Result<Statement> {
        let record = publication.to_json()?;
        Ok(Statement::with(
            format!(
                "insert into {} (publication, run, published_at, fingerprint, record) values ($1, $2, $3, $4, $5)",
                self.table("publications")
            ),
            [
                Value::Int(i128::from(publication.publication)),
                Value::text(&publication.run),
                Value::TimestampTz(at),
                Value::text(&publication.fingerprint),
                Value::Text(record),
            ],
        ))
    }

    /// The statement that replaces the record of a publication.
    pub fn amend_publication(&self, publication: &Publication) -> Result<Statement> {
        let sql = format!("update {} set record = $1 where publication = $2", self.table("publications"));
        let number = Value::Int(i128::from(publication.publication));
        Ok(Statement::guard(sql, [Value::Text(publication.to_json()?), number]))
    }
}

/// What is recorded of a load as JSON; null where there is none of it.
fn json<T: Serialize>(part: Option<&T>) -> Result<Value> {
    let text = part.map(serde_json::to_string).transpose();
    let text = text.map_err(|error| {
        Error::new(ErrorKind::Internal, "a checkpoint cannot be written").caused_by(error)
    })?;
    Ok(text.map_or(Value::Null, Value::Text))
}

/// What is recorded of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunRecord<'a> {
    /// Its id.
    pub run: &'a str,
    /// When it began, in microseconds of UTC.
    pub started_at: i64,
    /// When it ended.
    pub finished_at: Option<i64>,
    /// A word of [`run_summary::RunStatus`].
    pub status: &'a str,
    /// Its summary.
    pub summary: &'a Json,
    /// The time of the schedule that it stands for.
    pub scheduled_for: Option<i64>,
    /// The fence of its lease, by which runs are ordered.
    pub fence: i64,
}

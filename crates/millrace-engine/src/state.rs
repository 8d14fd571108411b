//! The persistent state of a warehouse, in a schema of its own (`_millrace`): checkpoints of
//! streams, publications, records of runs, and the schedule.
//!
//! [`State`] reads it. [`Tables`] makes the statements that write it and leaves their execution to
//! the caller, so that they commit in one transaction with the data that they describe. All SQL is
//! portable. `state/migrations.rs` defines the tables.

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

/// Upper bound for handled times of the schedule. A later time comes from a server whose clock was
/// ahead; it is ignored, because no run would start until then otherwise.
const SOON: &str = "now() + interval '1 minute'";

/// The last committed load of a stream: its checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedStream {
    /// The stream's name.
    pub name: StreamName,
    /// The raw table that holds its rows.
    pub table: Relation,
    /// Grows with each load. Fingerprints of models that read the stream contain it.
    pub load_number: i128,
    /// Fingerprint of the settings and columns with which it was loaded.
    pub spec: String,
    /// The cursor at which the load ended; `None` if the source keeps no positions.
    pub position: Option<Cursor>,
    /// Number of rows in the raw table.
    pub rows: u64,
    /// The columns of the raw table; `None` if an earlier version of this program loaded it.
    pub columns: Option<Vec<RawColumn>>,
    /// At how many points in time the rows were read: more than 1 if a load was resumed after its
    /// run had died.
    pub moments: u32,
    /// Number of its rows in quarantine after that load; `None` if an earlier version of this
    /// program loaded it.
    pub quarantined: Option<u64>,
    /// The data version since which the project lacks the stream; `None` if the project has it.
    pub removed_in: Option<u64>,
}

impl LoadedStream {
    /// Whether the next load reads the whole stream, so that rows in quarantine are read again: the
    /// cursor keeps no earlier rows, and no key merges loads.
    pub(crate) fn is_read_whole(&self) -> bool {
        let keeps = matches!(self.position, Some(Cursor::Files { kept: true, .. } | Cursor::Column { .. }));
        !keeps && !self.columns.iter().flatten().any(|column| column.key)
    }
}

/// The record of a publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// The number of the publication, which is the data version.
    pub publication: u64,
    /// The id of the run that published.
    pub run: String,
    /// RFC 3339, UTC.
    pub published_at: String,
    /// SHA-256 of everything that determines the published data.
    pub fingerprint: String,
    /// All models of the project with their physical relations.
    pub models: Vec<BuiltModel>,
    /// The publication whose tables were restored, if this one is a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_to: Option<u64>,
    /// Whether the rollback holds: runs publish nothing until somebody lifts it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
}

/// A model in a publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltModel {
    /// The model's name.
    pub model: String,
    /// The physical table or view.
    pub relation: Relation,
    /// Whether the relation is a view.
    pub is_view: bool,
    /// Whether readers see it in the published schema.
    pub published: bool,
    /// SHA-256 of its SQL and of the versions of everything that it reads.
    pub fingerprint: String,
    /// Number of rows; `None` for a view.
    pub rows: Option<u64>,
    /// Its columns as the warehouse spells them, if the project keeps the letter case of the source
    /// (`naming: source`). Empty otherwise, because names then need no look-up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

impl BuiltModel {
    /// The look-up from the project's names of columns to their spelling in the warehouse.
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

/// The names of the state's tables, and the statements that write them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    schema: String,
}

impl Tables {
    /// The tables in the given schema.
    pub fn in_schema(schema: &str) -> Self {
        Self { schema: schema.to_owned() }
    }

    /// The qualified and quoted name of a table.
    pub fn table(&self, name: &str) -> String {
        Relation::new(&self.schema, name).to_string()
    }
}

/// Read access to the state of one warehouse.
#[derive(Clone)]
pub struct State<'w> {
    warehouse: &'w dyn Warehouse,
    tables: Tables,
}

impl<'w> State<'w> {
    /// The state of a warehouse, in the schema that the environment names.
    pub fn of(warehouse: &'w dyn Warehouse, schemas: &Schemas) -> Self {
        Self { warehouse, tables: Tables::in_schema(&schemas.state) }
    }

    /// The tables, for statements that write.
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    pub(crate) fn warehouse(&self) -> &'w dyn Warehouse {
        self.warehouse
    }

    pub(crate) fn schema(&self) -> &str {
        &self.tables.schema
    }

    /// The last committed load of every stream, ordered by name. Also reads a state that an earlier
    /// version left and no run has migrated: absent columns read as NULL, which is why the query
    /// selects `*`.
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

    /// The last `limit` publications, newest first. Fails with `Internal` if a record cannot be
    /// parsed.
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

    /// The summaries of the last `limit` runs, newest first. The order is that of the fences,
    /// because clocks of machines differ; start times order only runs without a fence, which an
    /// earlier version recorded. Summaries that cannot be parsed are left out.
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
            // The column `fence` is missing until a run migrates the state.
            Err(_) if self.version().await?.is_some_and(|version| version < FENCED_RUNS) => {
                self.warehouse.query(&ordered(""), QueryLimits::STATE).await?
            }
            Err(error) => return Err(error),
        };
        let summaries = rows.data.first().into_iter().flatten().filter_map(Value::as_str);
        Ok(summaries.filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    /// The summary of one run; `None` if there is no run of that id.
    pub async fn run(&self, id: &str) -> Result<Option<Json>> {
        let sql = format!("select summary from {} where run = $1", self.tables.table("runs"));
        let rows = self.warehouse.query(&Statement::with(sql, [Value::text(id)]), QueryLimits::STATE).await?;
        let mut summaries = rows.data.first().into_iter().flatten().filter_map(Value::as_str);
        Ok(summaries.next().and_then(|text| serde_json::from_str(text).ok()))
    }

    /// The time up to which the schedule's times are handled; `None` if no server has recorded one.
    /// A run that ended counts too, because its server may have died before it recorded the time.
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

    /// Tables and views of a schema, by name, each with whether it is a view.
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
    /// The statements that end the records of runs still marked as running, because their process
    /// died or could not record the end: runs that have published succeeded, all others failed.
    /// Only the holder of the lease may run them, because then no such run is alive.
    pub fn abandon_runs(&self) -> [Statement; 2] {
        let (runs, publications) = (self.table("runs"), self.table("publications"));
        let ended = |status: &str, which: &str| {
            // The status stands twice: in its column and within the JSON text of the summary.
            Statement::new(format!(
                "update {runs} set status = '{status}', \
                 summary = replace(summary, '\"status\":\"running\"', '\"status\":\"{status}\"') where status = 'running'{which}"
            ))
        };
        [ended("succeeded", &format!(" and run in (select run from {publications})")), ended("failed", "")]
    }

    /// The statements that record up to which time the schedule is handled. A later recorded time
    /// stays, unless it lies in the future.
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

    /// The statements that replace the record of a run.
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

    /// The statements that make a load the stream's checkpoint. They must run after those that
    /// write the load's quarantine, because they count its rows. `at` is in microseconds since 1970
    /// UTC.
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

    /// The statement that replaces the position of a stream, if the checkpoint is still this load.
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

    /// The query whether a load of a run is the stream's checkpoint: its count is 1 or 0. It
    /// resolves a commit whose outcome is unknown.
    pub(crate) fn find_load(&self, stream: &LoadedStream, run: &str) -> Statement {
        let sql = format!(
            "select count(*) from {} where source = $1 and stream = $2 and load_number = $3 and run = $4",
            self.table("streams")
        );
        let StreamName { source, stream: name } = &stream.name;
        let number = Value::Int(stream.load_number);
        Statement::with(sql, [Value::text(source), Value::text(name), number, Value::text(run)])
    }

    /// The statement that inserts a publication. `at` is in microseconds since 1970 UTC.
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

    /// The statement that replaces the record of a publication. A guard: it fails if there is no
    /// such publication.
    pub fn amend_publication(&self, publication: &Publication) -> Result<Statement> {
        let sql = format!("update {} set record = $1 where publication = $2", self.table("publications"));
        let number = Value::Int(i128::from(publication.publication));
        Ok(Statement::guard(sql, [Value::Text(publication.to_json()?), number]))
    }
}

/// A part of a checkpoint as JSON text; NULL if it is absent.
fn json<T: Serialize>(part: Option<&T>) -> Result<Value> {
    let text = part.map(serde_json::to_string).transpose();
    let text = text.map_err(|error| {
        Error::new(ErrorKind::Internal, "a checkpoint cannot be written").caused_by(error)
    })?;
    Ok(text.map_or(Value::Null, Value::Text))
}

/// The columns of a run's record. Times are in microseconds since 1970 UTC.
#[derive(Debug, Clone, Copy)]
pub struct RunRecord<'a> {
    /// The run's id.
    pub run: &'a str,
    /// When it began.
    pub started_at: i64,
    /// When it ended; `None` while it is under way.
    pub finished_at: Option<i64>,
    /// The status, as [`run_summary::RunStatus::as_str`] writes it.
    pub status: &'a str,
    /// The summary as JSON.
    pub summary: &'a Json,
    /// The time of the schedule that the run is for.
    pub scheduled_for: Option<i64>,
    /// The fencing token of its lease, by which runs are ordered.
    pub fence: i64,
}

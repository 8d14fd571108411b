//! The versions of the state's tables, and the statements that migrate from each version to the
//! next. Portable SQL.
//!
//! Migrations only add tables and columns, so that reading code can treat absent columns as NULL.

use millrace_core::name::Ident;
use millrace_core::value::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::ports::warehouse::{QueryLimits, Statement};
use crate::state::State;

/// The version that this program reads and writes.
pub const STATE_VERSION: i128 = 7;

/// The first version in which the records of runs have the fence of their lease.
pub(crate) const FENCED_RUNS: i128 = 7;

/// The statements that migrate from version N to N + 1, by N; version 0 is an empty warehouse.
/// `{s}` stands for the schema.
const MIGRATIONS: [&[&str]; STATE_VERSION as usize] = [
    &[
        "create schema if not exists {s}",
        "create table {s}.meta (version bigint not null)",
        "insert into {s}.meta values (0)",
        "create table {s}.runs (run varchar not null primary key, started_at timestamptz not null, \
         finished_at timestamptz, status varchar not null, summary varchar not null)",
        "create table {s}.streams (source varchar not null, stream varchar not null, raw_schema varchar not null, \
         raw_table varchar not null, load_number bigint not null, spec varchar not null, position varchar, \
         row_count bigint not null, loaded_at timestamptz not null, run varchar not null, primary key (source, stream))",
        "create table {s}.quarantine (source varchar not null, stream varchar not null, run varchar not null, \
         quarantined_at timestamptz not null, file varchar not null, line bigint not null, column_name varchar, code varchar not null, \
         reason varchar not null, raw varchar, raw_sha256 varchar not null)",
        "create table {s}.publications (publication bigint not null primary key, run varchar not null, \
         published_at timestamptz not null, fingerprint varchar not null, record varchar not null)",
    ],
    &[
        // One row, which a run holds while it changes the warehouse; see `state/lease.rs`.
        "create table {s}.lease (name varchar not null primary key, fence bigint not null, run varchar, holder varchar, \
         taken_at timestamptz, expires_at timestamptz)",
        "insert into {s}.lease values ('run', 0, null, null, null, null)",
        // The schemas that the state describes; see `State::claim`.
        "create table {s}.owner (raw_schema varchar not null, build_schema varchar not null, publish_schema varchar not null)",
        "alter table {s}.runs add column scheduled_for timestamptz",
    ],
    &[
        // One row, once a server has run a schedule: the time up to which it is handled.
        "create table {s}.schedule (name varchar not null primary key, handled_at timestamptz not null)",
    ],
    &[
        // The raw table's columns, which later loads are merged by; see `load/merge.rs`.
        "alter table {s}.streams add column table_columns varchar",
        // The project that owns the schemas; see `State::claim`.
        "alter table {s}.owner add column project varchar",
    ],
    &[
        // The last comparison of a stream's keys with those of its source; see
        // `load/reconcile/deletes.rs`.
        "create table {s}.key_comparisons (source varchar not null, stream varchar not null, compared_at timestamptz not null, \
         run varchar not null, removed bigint not null, missing bigint not null, primary key (source, stream))",
    ],
    &[
        // Loads that are committed in parts and are not complete; see `state/unfinished.rs`.
        "create table {s}.unfinished (source varchar not null, stream varchar not null, raw_schema varchar not null, \
         raw_table varchar not null, spec varchar not null, position varchar not null, row_count bigint not null, \
         quarantined bigint not null, table_columns varchar not null, runs varchar not null, moments bigint not null, \
         loaded_at timestamptz not null, primary key (source, stream))",
        // At how many points in time the rows were read; NULL stands for 1.
        "alter table {s}.streams add column moments bigint",
    ],
    &[
        // The fence of the lease of the run, by which runs are ordered without clocks; NULL for
        // runs of earlier versions.
        "alter table {s}.runs add column fence bigint",
        // The stream's rows in quarantine after its last load, for comparison with the next load;
        // NULL if an earlier version loaded it.
        "alter table {s}.streams add column quarantined bigint",
        // The digest of the key of a row in quarantine, if its text has one. The row leaves
        // quarantine when a row with that key is loaded; see `load/resolved.rs`.
        "alter table {s}.quarantine add column key_sha256 varchar",
        // The data version since which the project lacks the stream; NULL if it has it. See
        // `run/removed_streams.rs`.
        "alter table {s}.streams add column removed_in bigint",
        // Rows that a comparison of keys did not remove because they were too many; see
        // `load/reconcile/deletes.rs`.
        "alter table {s}.key_comparisons add column withheld bigint",
    ],
];

impl State<'_> {
    /// The version of the state that is there; `None` if no run has ever used the warehouse.
    pub async fn version(&self) -> Result<Option<i128>> {
        let sql = "select count(*) as n from information_schema.tables where table_schema = $1 and table_name = 'meta'";
        let there = Statement::with(sql, [Value::text(self.schema())]);
        if self.number(&there).await? == Some(0) {
            return Ok(None);
        }
        let sql = format!("select max(version) as version from {}.meta", Ident::new(self.schema()));
        self.number(&Statement::new(sql)).await
    }

    /// Migrates the state to [`STATE_VERSION`]. Fails with `StateTooNew` if the state has a later
    /// version. Several processes may call it at once: all steps run in one transaction with a
    /// guard on the version, and the process that loses finds them done.
    pub async fn migrate(&self) -> Result<()> {
        // The second round usually only confirms that this process or another one has migrated.
        for _ in 0..2 {
            let present = self.version().await?.unwrap_or(0);
            if present > STATE_VERSION {
                let message = format!(
                    "the warehouse's state has version {present}; this program knows {STATE_VERSION}"
                );
                return Err(Error::new(ErrorKind::StateTooNew, message));
            }
            if present == STATE_VERSION {
                return Ok(());
            }
            let schema = Ident::new(self.schema()).to_string();
            let steps = MIGRATIONS[present as usize..].iter().copied().flatten();
            let mut statements: Vec<Statement> =
                steps.map(|sql| Statement::new(sql.replace("{s}", &schema))).collect();
            let numbers = [Value::Int(STATE_VERSION), Value::Int(present)];
            let sql = format!("update {schema}.meta set version = $1 where version = $2");
            statements.push(Statement::guard(sql, numbers));
            // If the version changed in spite of the error, another process has migrated, or this
            // commit's answer was lost.
            if let Err(error) = self.warehouse().transact(&statements).await
                && self.version().await?.unwrap_or(0) == present
            {
                return Err(
                    error.context("the warehouse's state cannot be brought to this program's version")
                );
            }
        }
        Err(Error::new(ErrorKind::Internal, "the warehouse's state does not come to its version"))
    }

    /// The single integer that a query returns; `None` if it is NULL or there is no row.
    pub(crate) async fn number(&self, statement: &Statement) -> Result<Option<i128>> {
        let rows = self.warehouse().query(statement, QueryLimits::STATE).await?;
        Ok(rows.data.first().and_then(|column| column.first()).and_then(Value::as_int))
    }
}

//! The versions of a warehouse's state, and the statements that bring it from each to the next. Portable SQL.

use millrace_core::name::Ident;
use millrace_core::value::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::ports::warehouse::{QueryLimits, Statement};
use crate::state::State;

/// The version that this program writes.
pub const STATE_VERSION: i128 = 7;

/// The first version whose runs have the fence of their lease on record.
pub(crate) const FENCED_RUNS: i128 = 7;

/// The statements that bring the state from each version to the next; the first from nothing. `{s}` is the schema.
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
        // One row, which a run holds while it may change the warehouse; see `state/lease.rs`.
        "create table {s}.lease (name varchar not null primary key, fence bigint not null, run varchar, holder varchar, \
         taken_at timestamptz, expires_at timestamptz)",
        "insert into {s}.lease values ('run', 0, null, null, null, null)",
        // Which schemas the state speaks of; see `State::claim`.
        "create table {s}.owner (raw_schema varchar not null, build_schema varchar not null, publish_schema varchar not null)",
        "alter table {s}.runs add column scheduled_for timestamptz",
    ],
    &[
        // One row, once a server has kept the schedule: up to when its times are dealt with.
        "create table {s}.schedule (name varchar not null primary key, handled_at timestamptz not null)",
    ],
    &[
        // The raw table's columns, by which a later load is merged; see `load/merge.rs`.
        "alter table {s}.streams add column table_columns varchar",
        // Whose schemas they are; see `State::claim`.
        "alter table {s}.owner add column project varchar",
    ],
    &[
        // The last comparison of a stream's keys with its source's; see `load/reconcile/deletes.rs`.
        "create table {s}.key_comparisons (source varchar not null, stream varchar not null, compared_at timestamptz not null, \
         run varchar not null, removed bigint not null, missing bigint not null, primary key (source, stream))",
    ],
    &[
        // Loads that were committed in parts and have not come to their end; see `state/unfinished.rs`.
        "create table {s}.unfinished (source varchar not null, stream varchar not null, raw_schema varchar not null, \
         raw_table varchar not null, spec varchar not null, position varchar not null, row_count bigint not null, \
         quarantined bigint not null, table_columns varchar not null, runs varchar not null, moments bigint not null, \
         loaded_at timestamptz not null, primary key (source, stream))",
        // How many moments the rows of a raw table are of; none stands for one.
        "alter table {s}.streams add column moments bigint",
    ],
    &[
        // The fence of the lease under which a run was recorded: it grows with each run, whatever clocks say. None of earlier versions' runs.
        "alter table {s}.runs add column fence bigint",
        // Rows of the stream in quarantine after its last load, with which those after the next one are compared; none where an
        // earlier version loaded it.
        "alter table {s}.streams add column quarantined bigint",
        // The digest of the key of a row in quarantine, where its text has one: the row ends when one of its key is loaded. See `load/resolved.rs`.
        "alter table {s}.quarantine add column key_sha256 varchar",
        // The data version since which a stream is not in the project any more; none of one that is. See `run/removed_streams.rs`.
        "alter table {s}.streams add column removed_in bigint",
        // Rows that a comparison of keys would have removed, and did not because they were too many; see `load/reconcile/deletes.rs`.
        "alter table {s}.key_comparisons add column withheld bigint",
    ],
];

impl State<'_> {
    /// The version that is there; none in a warehouse that no run has touched.
    pub async fn version(&self) -> Result<Option<i128>> {
        let sql = "select count(*) as n from information_schema.tables where table_schema = $1 and table_name = 'meta'";
        let there = Statement::with(sql, [Value::text(self.schema())]);
        if self.number(&there).await? == Some(0) {
            return Ok(None);
        }
        let sql = format!("select max(version) as version from {}.meta", Ident::new(self.schema()));
        self.number(&Statement::new(sql)).await
    }

    /// Brings the state to [`STATE_VERSION`]. Refuses one that is newer. Several processes may do it at once: all steps happen in one
    /// transaction with the version's number, and whoever comes second finds them done.
    pub async fn migrate(&self) -> Result<()> {
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

    pub(crate) async fn number(&self, statement: &Statement) -> Result<Option<i128>> {
        let rows = self.warehouse().query(statement, QueryLimits::STATE).await?;
        Ok(rows.data.first().and_then(|column| column.first()).and_then(Value::as_int))
    }
}

//! The contract of a warehouse: the system that data is loaded into, transformed in and published
//! from.
//!
//! Each method is one transaction or none, so nothing depends on a session, and connection poolers
//! work. The engine decides what is written; a warehouse knows nothing of streams, models or runs.
//! It keeps three promises: a load commits rows and checkpoint together ([`Warehouse::load`]), a
//! guard that fails rolls its transaction back ([`Statement::guard()`]), and readers see either the
//! former publication or the present one ([`Warehouse::publish`]).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use millrace_core::name::Relation;
use millrace_core::schema::{Column, DataType};
use millrace_core::sql::dialect::Dialect;
use millrace_core::time_zone::ProjectZone;
use millrace_core::value::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::ports::batch::BatchReceiver;

/// One SQL statement and its parameters. Identifiers are part of the text and quoted by
/// [`millrace_core::name::Ident`]; values are always bound, never part of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// SQL in the warehouse's dialect; parameters are `$1`, `$2`, ….
    pub sql: String,
    /// Values of the parameters, in order.
    pub params: Vec<Value>,
    /// Whether the statement is a guard: it must touch exactly one row; otherwise its transaction
    /// is rolled back with [`crate::error::ErrorKind::Superseded`].
    pub guard: bool,
}

impl Statement {
    /// A statement without parameters.
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Vec::new(), guard: false }
    }

    /// A statement with parameters.
    pub fn with(sql: impl Into<String>, params: impl IntoIterator<Item = Value>) -> Self {
        Self { sql: sql.into(), params: params.into_iter().collect(), guard: false }
    }

    /// A guard: a statement that must touch exactly one row, or its transaction does not commit.
    pub fn guard(sql: impl Into<String>, params: impl IntoIterator<Item = Value>) -> Self {
        Self { guard: true, ..Self::with(sql, params) }
    }

    /// Checks the number of rows that the statement touched, and returns it. Fails with
    /// `Superseded` if the statement is a guard and the number is not 1. Warehouses call it after
    /// each statement.
    pub fn check(&self, touched: u64) -> Result<u64> {
        if self.guard && touched != 1 {
            let message = "another run has taken over the warehouse; nothing of this one was written";
            return Err(Error::new(ErrorKind::Superseded, message));
        }
        Ok(touched)
    }
}

/// Limits of a query.
#[derive(Debug, Clone, Copy)]
pub struct QueryLimits {
    /// The most rows that are returned; [`Rows::truncated`] tells that there were more.
    pub rows: usize,
    /// The time limit, after which the query is interrupted and fails with `TimedOut`.
    pub time: Duration,
}

impl QueryLimits {
    /// Limits for small queries on the program's own state.
    pub const STATE: Self = Self { rows: 1_000_000, time: Duration::from_mins(1) };

    /// Limits for queries of a run on the tables that it builds, which may be large.
    pub const WORK: Self = Self { rows: 1_000_000, time: Duration::from_hours(1) };
}

/// A query result in columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    /// Names and logical types, in order.
    pub columns: Vec<ResultColumn>,
    /// One vector per column, all of the same length.
    pub data: Vec<Vec<Value>>,
    /// Whether rows beyond the limit were cut off.
    pub truncated: bool,
}

impl Rows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.data.first().map_or(0, Vec::len)
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of one row.
    pub fn row(&self, index: usize) -> Vec<&Value> {
        self.data.iter().map(|column| &column[index]).collect()
    }
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// The name in the query's select list.
    pub name: String,
    /// The logical type. `None` for a type without a logical counterpart (a list, say); its values
    /// arrive as text.
    pub data_type: Option<DataType>,
}

/// How the rows of a load go into the raw table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadMode {
    /// Create the table and fill it.
    Create,
    /// Upsert: a row replaces the row of the same key. Among arriving rows of one key the last one
    /// wins. The table is created if it does not exist.
    Upsert(Merge),
    /// Append: rows are added. The table is created if it does not exist. The key of the merge is
    /// empty.
    Append(Merge),
    /// Add rows to a table that earlier parts of the same load have created. Their keys do not
    /// occur in the table yet.
    Continue {
        /// The number of rows in the table.
        rows: u64,
        /// Warehouse names of the columns by which later loads are merged; empty if there is no
        /// key.
        key: Vec<String>,
    },
}

/// How rows are merged into a table that may have rows already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// Warehouse names of the key columns; empty if rows are appended without looking for existing
    /// ones.
    pub key: Vec<String>,
    /// All columns of the table. It has every column of the arriving rows, with a type that holds
    /// their values exactly; its other columns are NULL in arriving rows.
    pub columns: Vec<Column>,
    /// An earlier table whose rows are copied first. If it is given, the target is a table that
    /// does not exist yet.
    pub former: Option<Former>,
}

/// An earlier table whose rows are copied into another one. It is not changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// The table.
    pub table: Relation,
    /// Its columns, each with the name of the column that receives its values.
    pub columns: Vec<(Column, String)>,
}

/// One load of one stream.
#[derive(Debug, Clone)]
pub struct LoadRequest {
    /// The raw table.
    pub table: Relation,
    /// Its columns under the warehouse's names, in the order of the batches' columns.
    pub columns: Vec<Column>,
    /// How the rows go into the table.
    pub mode: LoadMode,
}

/// The result of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadOutcome {
    /// Rows that arrived in batches.
    pub rows_read: u64,
    /// Rows in the table after the load.
    pub rows_in_table: u64,
}

/// Statements that are created one by one while they run, because all of them together may not fit
/// into memory.
pub type Statements = Box<dyn Iterator<Item = Result<Statement>> + Send>;

/// Wraps statements that exist already.
pub fn made(statements: Vec<Statement>) -> Statements {
    Box::new(statements.into_iter().map(Ok))
}

/// The last step of a load before its commit: the engine returns the statements that make
/// checkpoint and quarantine durable, or an error, which rolls everything back. One object serves
/// one call of [`Warehouse::load`].
#[async_trait]
pub trait FinishLoad: Send {
    /// Called for each batch before it is written, in order: counts rows and keeps the quarantined
    /// ones. An error ends the load. For a row that the warehouse itself puts into quarantine
    /// because it cannot hold it, `file` is empty and `line` is the row's number within the batch.
    fn saw(&mut self, batch: &crate::ports::batch::Batch) -> Result<()>;
    /// Called once, after the last row was written into the open transaction. The warehouse runs
    /// the returned statements in order in the same transaction, then commits.
    async fn finish(self: Box<Self>, outcome: LoadOutcome) -> Result<Statements>;
}

/// A table that is about to be published, and what makes it fast to query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedTable {
    /// The physical table.
    pub table: Relation,
    /// Columns that are unique and not NULL, as data tests of this run have shown; empty if no test
    /// shows it.
    pub key: Vec<String>,
    /// The indexes to create, each a list of columns.
    pub indexes: Vec<Vec<String>>,
}

/// One published name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedView {
    /// The name that readers use.
    pub view: Relation,
    /// The physical table or view that it selects from.
    pub target: Relation,
    /// The model's description, for a comment on the view.
    pub description: Option<String>,
    /// Descriptions of its columns as (name, text), for comments on them.
    pub columns: Vec<(String, String)>,
}

/// A publication: all names that readers will see.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishRequest {
    /// All published names, in the order in which they may be created.
    pub views: Vec<PublishedView>,
    /// The names that the previous publication had. Relations of these names may be replaced or
    /// dropped. Any other relation of a wanted name belongs to somebody else and is never touched.
    pub before: Vec<Relation>,
    /// The statements that record the publication, with their guard. They run in the same
    /// transaction.
    pub record: Vec<Statement>,
    /// How long to retry while readers hold locks.
    pub budget: Duration,
}

/// The result of a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishOutcome {
    /// Readers see the present publication.
    Published {
        /// The number of attempts; more than 1 if readers held locks.
        tries: u32,
    },
    /// Nothing changed for readers.
    Blocked {
        /// What is in the way: one sentence each, with the name or the process of the reader or
        /// owner.
        by: Vec<String>,
        /// What to do about it.
        hint: String,
    },
}

/// A database into which data is loaded, in which models are built, and from which they are
/// published.
///
/// One object is shared by all tasks of a process, and its methods may be called concurrently. Each
/// call is one transaction or none; nothing of a session outlives a call. If the future of a call
/// is dropped, the statement may run on to its end, but no partial work is committed.
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// The SQL dialect.
    fn dialect(&self) -> Arc<dyn Dialect>;

    /// The same warehouse with another session time zone, in which its SQL computes days and hours
    /// of timestamps; as opened it uses UTC. Statements fail if the engine does not know the zone.
    /// Returns `None` if the zone cannot be chosen here because another process decides on it.
    fn in_time_zone(&self, _zone: &ProjectZone) -> Option<Arc<dyn Warehouse>> {
        None
    }

    /// Name and version of the engine, for `doctor` and the record of a run.
    async fn version(&self) -> Result<String>;

    /// Runs one query. Has no side effects; may be retried.
    async fn query(&self, statement: &Statement, limits: QueryLimits) -> Result<Rows>;

    /// Names and types of a query's columns, found without running it. An error has
    /// [`crate::error::Error::position`].
    async fn describe(&self, sql: &str) -> Result<Vec<ResultColumn>>;

    /// Runs statements in one transaction, all or none, and returns how many rows each one touched.
    /// After an error nothing is changed, with one exception: if the connection is lost during the
    /// commit, the outcome is unknown. Before a retry the caller then has to query whether its
    /// changes are there.
    async fn transact(&self, statements: &[Statement]) -> Result<Vec<u64>>;

    /// Writes all batches, then runs what `finish` returns, and commits all of it in one
    /// transaction.
    ///
    /// If the source fails, `batches` ends and the engine makes `finish` fail, so the transaction
    /// is rolled back. If [`BatchReceiver::is_part`] tells at the end that more rows follow in
    /// [`LoadMode::Continue`], work on the whole table (its key, its statistics) may be left to the
    /// last part. After an error nothing is changed, except if the connection was lost during the
    /// commit (see [`Self::transact`]).
    async fn load(
        &self,
        request: LoadRequest,
        batches: BatchReceiver,
        finish: Box<dyn FinishLoad>,
    ) -> Result<LoadOutcome>;

    /// Whether no other process can open the warehouse while this object exists. Then a lease that
    /// another process left behind is void, because that process must be gone.
    fn is_exclusive(&self) -> bool;

    /// Fails with [`ErrorKind::WarehouseReplaced`] if this object writes to something else than a
    /// process would find that opens the warehouse at this moment: a file that was deleted or
    /// replaced while it was open. Called before each run and before and after each publish; must
    /// be cheap. The default, which never fails, is for servers: they are found by their address
    /// each time.
    async fn check_identity(&self) -> Result<()> {
        Ok(())
    }

    /// Creates keys, indexes and statistics of tables that are about to be published. Called once
    /// in each run, after the data tests. May do nothing, and leaves existing ones as they are.
    async fn prepare(&self, tables: &[PreparedTable]) -> Result<()>;

    /// Publishes: points the published names at their physical tables, creates and drops names, and
    /// runs `request.record`, all in one transaction.
    ///
    /// A reader of several names sees either all of the former publication or all of this one, and
    /// no reader gets an error. Privileges that were granted on a name are kept. Returns `Blocked`,
    /// with nothing changed, if readers hold locks beyond the budget, if relations of others depend
    /// on what would have to be dropped, or if a relation of somebody else has a name that is to be
    /// published.
    async fn publish(&self, request: &PublishRequest) -> Result<PublishOutcome>;

    /// Drops tables and views (each with whether it is a view) that no publication needs any more
    /// and nobody reads at the moment. Waits for readers for a moment at most. Returns the
    /// relations that remain, each with the reason; the engine tries them again after a later run.
    async fn retire(&self, relations: &[(Relation, bool)]) -> Result<Vec<(Relation, String)>>;

    /// Frees the disk space of dropped tables, as far as no reader prevents it. Called after each
    /// publish. May do nothing.
    async fn settle(&self) -> Result<()>;
}

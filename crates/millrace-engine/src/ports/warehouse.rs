//! The contract of a warehouse.

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

/// One statement with its values. Identifiers are in the text, by [`millrace_core::name::Ident`]; values never are.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// SQL in the warehouse's dialect; parameters are `$1`, `$2`, ….
    pub sql: String,
    /// Values of the parameters, in order.
    pub params: Vec<Value>,
    /// Whether it is a guard: it must touch exactly one row, else its whole transaction is rolled back with
    /// [`crate::error::ErrorKind::Superseded`].
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

    /// A statement that must touch exactly one row for its transaction to commit.
    pub fn guard(sql: impl Into<String>, params: impl IntoIterator<Item = Value>) -> Self {
        Self { guard: true, ..Self::with(sql, params) }
    }

    /// Whether `touched` rows are what the statement asks for.
    pub fn check(&self, touched: u64) -> Result<u64> {
        if self.guard && touched != 1 {
            let message = "another run has taken over the warehouse; nothing of this one was written";
            return Err(Error::new(ErrorKind::Superseded, message));
        }
        Ok(touched)
    }
}

/// How much a query may take.
#[derive(Debug, Clone, Copy)]
pub struct QueryLimits {
    /// Rows that are returned at most; [`Rows::truncated`] says that there were more.
    pub rows: usize,
    /// Time after which the query is interrupted and fails with `TimedOut`.
    pub time: Duration,
}

impl QueryLimits {
    /// What the program's own small look-ups use.
    pub const STATE: Self = Self { rows: 1_000_000, time: Duration::from_mins(1) };

    /// What a run asks of the tables that it builds, however large they are.
    pub const WORK: Self = Self { rows: 1_000_000, time: Duration::from_hours(1) };
}

/// A result, column by column.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    /// Names and logical types, in order.
    pub columns: Vec<ResultColumn>,
    /// One vector a column, all of the same length.
    pub data: Vec<Vec<Value>>,
    /// Whether rows beyond the limit were left out.
    pub truncated: bool,
}

impl Rows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.data.first().map_or(0, Vec::len)
    }

    /// Whether there is none.
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
    /// As the query names it.
    pub name: String,
    /// Logical type; none for a type that has no logical one (a list, say): its values come as text.
    pub data_type: Option<DataType>,
}

/// How rows go into a raw table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadMode {
    /// Make the table and fill it.
    Create,
    /// Rows of the same key replace those in the table, which is made where it is not there; the last one of a key wins.
    Upsert(Merge),
    /// Rows are added to those in the table, which is made where it is not there; its key is empty.
    Append(Merge),
    /// Rows are added to a table that earlier parts of the same load have made. Their keys are new.
    Continue {
        /// Rows that the table has.
        rows: u64,
        /// Warehouse names of the columns by which later loads are merged into it; empty where none are.
        key: Vec<String>,
    },
}

/// How rows come into a table that may hold some.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// Warehouse names of the key's columns. Empty where rows are added, whatever is there.
    pub key: Vec<String>,
    /// All columns of the table. Those of the rows are among them, each with a type that holds theirs exactly; the others are NULL in
    /// every row that arrives.
    pub columns: Vec<Column>,
    /// What the table takes over before it is merged into; then it is a new one.
    pub former: Option<Former>,
}

/// A table whose rows another one takes over. It stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// The table.
    pub table: Relation,
    /// Its columns, and the name of the one that takes over the values of each.
    pub columns: Vec<(Column, String)>,
}

/// One load of one stream.
#[derive(Debug, Clone)]
pub struct LoadRequest {
    /// The raw table.
    pub table: Relation,
    /// Its columns under the warehouse's names, in the order of the batches' columns.
    pub columns: Vec<Column>,
    /// How.
    pub mode: LoadMode,
}

/// What a load did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadOutcome {
    /// Rows that arrived.
    pub rows_read: u64,
    /// Rows in the table now.
    pub rows_in_table: u64,
}

/// Statements that are made one by one while they run, since all of them together may be too much to hold.
pub type Statements = Box<dyn Iterator<Item = Result<Statement>> + Send>;

/// Statements that are there already.
pub fn made(statements: Vec<Statement>) -> Statements {
    Box::new(statements.into_iter().map(Ok))
}

/// The last word before a load commits: the engine gives the statements that make the checkpoint and the quarantine durable,
/// or an error, which rolls everything back.
#[async_trait]
pub trait FinishLoad: Send {
    /// Looks at a batch before it is written: counts, keeps what is quarantined. An error ends the load. Of a row that the warehouse itself
    /// sets aside, because it cannot hold it, `file` is empty and `line` is its number in the batch.
    fn saw(&mut self, batch: &crate::ports::batch::Batch) -> Result<()>;
    /// Called once, after the last row was written into the open transaction. The warehouse runs what it returns, one after the other.
    async fn finish(self: Box<Self>, outcome: LoadOutcome) -> Result<Statements>;
}

/// A table that is about to be published: what makes it quick to read and plain to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedTable {
    /// The physical table.
    pub table: Relation,
    /// Columns whose values are distinct and never NULL, as data tests of this run have shown; empty where nothing says so.
    pub key: Vec<String>,
    /// Columns for which an index is wanted, each list one index.
    pub indexes: Vec<Vec<String>>,
}

/// One published name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedView {
    /// The name that readers use.
    pub view: Relation,
    /// The physical table or view behind it.
    pub target: Relation,
    /// What the model is, for a comment on the view.
    pub description: Option<String>,
    /// What its columns are, by name, for comments on them.
    pub columns: Vec<(String, String)>,
}

/// What is published, all at once.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishRequest {
    /// All published names, in the order in which they may be made.
    pub views: Vec<PublishedView>,
    /// Names that the publication before this one had. A relation of that name may be replaced or dropped; any other relation in the
    /// way is somebody else's and is never touched.
    pub before: Vec<Relation>,
    /// The record of the publication, with its guard; run in the same transaction.
    pub record: Vec<Statement>,
    /// How long to try where readers are in the way.
    pub budget: Duration,
}

/// What came of a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishOutcome {
    /// Readers see the new version.
    Published {
        /// How often the warehouse had to be asked; more than once where readers were in the way.
        tries: u32,
    },
    /// Nothing has changed for readers.
    Blocked {
        /// What is in the way, one sentence each, with the name or the process of whoever it is.
        by: Vec<String>,
        /// What to do about it.
        hint: String,
    },
}

/// Where data lands and is transformed.
///
/// Shared by all tasks of a process; methods may be called concurrently. Each call is one transaction or none: nothing of a
/// session is left between calls. Dropping a call's future may leave the statement running to its end, but never commits half.
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// How SQL is written for it.
    fn dialect(&self) -> Arc<dyn Dialect>;

    /// The same warehouse, whose SQL reads days and hours of moments in that zone; as it was opened it reads them in UTC. A zone that the
    /// engine does not know makes statements fail. None where somebody else decides on the zone.
    fn in_time_zone(&self, _zone: &ProjectZone) -> Option<Arc<dyn Warehouse>> {
        None
    }

    /// Name and version of the engine, for `doctor` and the record of a run.
    async fn version(&self) -> Result<String>;

    /// Runs one query. May be retried.
    async fn query(&self, statement: &Statement, limits: QueryLimits) -> Result<Rows>;

    /// Names and types of a select's columns without running it. An error has [`crate::error::Error::position`].
    async fn describe(&self, sql: &str) -> Result<Vec<ResultColumn>>;

    /// Runs statements in one transaction, all or none, and returns the rows that each touched. After an error nothing happened,
    /// except that a connection lost while committing leaves the outcome unknown; the engine then looks at what it wrote.
    async fn transact(&self, statements: &[Statement]) -> Result<Vec<u64>>;

    /// Writes all batches, then what `finish` returns, in one transaction. Where [`BatchReceiver::is_part`] says at their end that more
    /// follows in [`LoadMode::Continue`], what looks at the whole table (its key, its statistics) may be left for the last part. When `batches` ends because the source failed, the
    /// engine makes `finish` fail. After an error nothing happened.
    async fn load(
        &self,
        request: LoadRequest,
        batches: BatchReceiver,
        finish: Box<dyn FinishLoad>,
    ) -> Result<LoadOutcome>;

    /// Whether no other process can have the warehouse while this object lives. A run that left its lease behind is dead then.
    fn is_exclusive(&self) -> bool;

    /// Fails with [`ErrorKind::WarehouseReplaced`] where what this object writes to is not what somebody who opens the warehouse now would
    /// find: a file that was deleted or replaced under it. Asked before each run and around each publish; must be cheap. A server, which is found
    /// by its address each time, has no such thing.
    async fn check_identity(&self) -> Result<()> {
        Ok(())
    }

    /// Makes tables quick to read before they are published: keys, indexes, statistics. Called once for each run, after the data
    /// tests. May do nothing. What is there already is left as it is.
    async fn prepare(&self, tables: &[PreparedTable]) -> Result<()>;

    /// Points the published names at their physical tables, makes new ones, drops those that are gone and runs `request.record`, all in
    /// one transaction, such that a reader of several names sees either all of the former version or all of this one, and none gets
    /// an error. What others were granted on a name they keep. Returns `Blocked`, with nothing changed, where readers do not let go
    /// within the budget, where relations of somebody else depend on what would have to go, or where one bears a name that is to be
    /// published.
    async fn publish(&self, request: &PublishRequest) -> Result<PublishOutcome>;

    /// Drops tables and views that no publication needs any more (name, and whether it is a view), as far as nobody reads them now.
    /// Never waits for readers for more than a moment; returns those that stay, each with a reason.
    async fn retire(&self, relations: &[(Relation, bool)]) -> Result<Vec<(Relation, String)>>;

    /// Gives back the space of what was dropped, as far as nobody is in the way. Called after each publish. May do nothing.
    async fn settle(&self) -> Result<()>;
}

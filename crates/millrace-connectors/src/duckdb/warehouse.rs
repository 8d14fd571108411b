//! The [`Warehouse`] contract for a DuckDB file.
//!
//! One engine has the file open, and each call works on a connection of its own. DuckDB blocks, so
//! the work runs on threads for blocking work and is interrupted if the caller goes away. If an
//! error has invalidated the database, the engine is replaced by a new one as soon as nobody uses
//! the former.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use duckdb::types::Value as DuckdbValue;
use duckdb::{Config, Connection, InterruptHandle, params_from_iter};
use millrace_core::name::Relation;
use millrace_core::schema::DataType;
use millrace_core::sql::dialect::Dialect;
use millrace_core::time_zone::ProjectZone;
use millrace_core::value::Value;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::batch::BatchReceiver;
use millrace_engine::ports::warehouse::{
    FinishLoad, LoadOutcome, LoadRequest, PreparedTable, PublishOutcome, PublishRequest, QueryLimits,
    ResultColumn, Rows, Statement, Warehouse,
};

use super::dialect::{DuckdbDialect, logical_type, result_type};
use super::failure::{CLOSED, is_invalidated, open_error, statement_error};
use super::feed;
use super::load::load;
use super::publish::publish;
use super::value::{from_duckdb, to_duckdb};

/// Settings of each connection, since DuckDB keeps them per connection: PostgreSQL's behavior where
/// the two engines read the same SQL differently, and errors with positions.
const SESSION: &str = "set errors_as_json = true; set integer_division = true; \
    set default_null_order = 'nulls_last_on_asc_first_on_desc'";

/// DuckDB's option for the oldest version that must be able to read a new file.
const STORAGE_VERSION: &str = "storage_compatibility_version";
/// The first version that stores texts by a dictionary of compressed ones (`DICT_FSST`), without
/// trying both ways for each.
const DEFAULT_STORAGE_VERSION: &str = "v1.3.0";

/// Time limit for giving back space.
const MOST_SETTLING: Duration = Duration::from_secs(5);

/// A DuckDB file, used in one time zone. Each call works on a connection of its own.
pub struct DuckdbWarehouse {
    opened: Arc<Opened>,
    /// The time zone of its connections.
    zone: ProjectZone,
}

/// The open file, shared by the warehouses of all time zones.
struct Opened {
    /// What [`DuckdbWarehouse::open`] was given; `None` for a database in memory, which cannot be
    /// reopened.
    file: Option<File>,
    engine: Mutex<Engine>,
}

impl Opened {
    /// Fails if somebody who opens the warehouse would not find what is written here: see
    /// [`File::check`].
    fn check(&self) -> Result<()> {
        // Nobody else can open a database in memory.
        self.file.as_ref().map_or(Ok(()), File::check)
    }
}

/// The path and options with which the file is opened.
struct File {
    path: PathBuf,
    options: Vec<(String, String)>,
    /// The identity of the open file; `None` if the operating system does not give one.
    identity: Mutex<Option<Identity>>,
}

impl File {
    /// Opens or creates the file and records its identity.
    fn open(&self) -> Result<Connection> {
        let config =
            config()?.with(STORAGE_VERSION, DEFAULT_STORAGE_VERSION).map_err(|error| refused(&error))?;
        let config = self.options.iter().try_fold(config, |config, (key, value)| {
            let option = if key == "storage_version" { STORAGE_VERSION } else { key };
            config.with(option, value).map_err(|error| {
                Error::new(ErrorKind::WarehouseUnreachable, format!("DuckDB does not take `{key}: {value}`"))
                    .caused_by(error)
            })
        })?;
        let connection = Connection::open_with_flags(&self.path, config);
        let connection = connection.map_err(|error| open_error(&self.path, &error))?;
        *self.identity.lock().unwrap_or_else(PoisonError::into_inner) = Identity::of(&self.path);
        Ok(connection)
    }

    /// Fails with `WarehouseReplaced` if the path no longer leads to the open file.
    fn check(&self) -> Result<()> {
        let opened = *self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(opened), found) = (opened, Identity::of(&self.path)) else { return Ok(()) };
        if found == Some(opened) {
            return Ok(());
        }
        let what = if found.is_none() && !self.path.exists() {
            "was deleted"
        } else {
            "was replaced by another file"
        };
        let message = format!("the warehouse `{}` {what} while it was open", self.path.display());
        Err(Error::new(ErrorKind::WarehouseReplaced, message))
    }
}

/// Identifies a file among all files of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self { device: metadata.dev(), inode: metadata.ino() })
    }

    #[cfg(not(unix))]
    fn of(_path: &Path) -> Option<Self> {
        None
    }
}

/// The engine while it has the file open. All connections are cloned from one.
struct Engine {
    /// `None` if the file could not be reopened.
    connection: Option<Connection>,
    /// One clone for each connection in use, so that a strong count above one means that somebody
    /// works.
    users: Arc<()>,
}

impl Engine {
    /// Wraps a connection and registers the table function for loads.
    fn new(connection: Connection) -> Result<Self> {
        feed::register(&connection)?;
        Ok(Self { connection: Some(connection), users: Arc::new(()) })
    }

    /// A connection for one call, with the token that counts it. `None` if the engine refuses all
    /// work because the database is invalidated.
    fn connect(&self, zone: &ProjectZone) -> Result<Option<(Connection, Arc<()>)>> {
        let Some(connection) = &self.connection else { return Ok(None) };
        let session = format!("{SESSION}; set TimeZone = '{}'", zone.name().replace('\'', "''"));
        let own = connection.try_clone().and_then(|own| own.execute_batch(&session).map(|()| own));
        match own {
            Ok(own) => Ok(Some((own, Arc::clone(&self.users)))),
            Err(error) if is_invalidated(&error) => Ok(None),
            Err(error) => Err(statement_error(&error)),
        }
    }
}

impl DuckdbWarehouse {
    /// Opens a file, and creates it if it does not exist. Blocks. `options` are settings of DuckDB
    /// by name, and `storage_version`.
    pub fn open<'a>(path: &Path, options: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let options = options.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        let file = File { path: path.to_owned(), options: options.collect(), identity: Mutex::new(None) };
        let connection = file.open()?;
        Self::of(Some(file), connection)
    }

    /// Opens an empty warehouse in memory.
    pub fn open_in_memory() -> Result<Self> {
        let connection = Connection::open_in_memory_with_flags(config()?);
        let connection = connection.map_err(|error| open_error(Path::new(":memory:"), &error))?;
        Self::of(None, connection)
    }

    fn of(file: Option<File>, connection: Connection) -> Result<Self> {
        let opened = Opened { file, engine: Mutex::new(Engine::new(connection)?) };
        Ok(Self { opened: Arc::new(opened), zone: ProjectZone::default() })
    }

    /// A connection for one call, with the token that counts it. If the engine was invalidated and
    /// nobody uses it, reopens the file first and blocks meanwhile; if somebody does, fails.
    fn connect(&self) -> Result<(Connection, Arc<()>)> {
        let mut engine = self.opened.engine.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connected) = engine.connect(&self.zone)? {
            return Ok(connected);
        }
        let closed = || Error::new(ErrorKind::WarehouseUnreachable, CLOSED);
        // Two engines on one file would each write their own version of it. The former one ends
        // with its last connection.
        let unused = Arc::strong_count(&engine.users) == 1;
        let file = self.opened.file.as_ref().filter(|_| unused).ok_or_else(closed)?;
        // The former engine has to let go of the file before the next one opens it.
        engine.connection = None;
        *engine = Engine::new(file.open()?)?;
        engine.connect(&self.zone)?.ok_or_else(closed)
    }

    /// Runs blocking work on a connection of its own, on a thread for blocking work. Interrupts the
    /// work if the caller goes away or the limit is exceeded; the latter is `TimedOut`.
    async fn work<T: Send + 'static>(
        &self,
        limit: Option<Duration>,
        work: impl FnOnce(Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (connection, user) = self.connect()?;
        let interrupt = Interrupt(Some(connection.interrupt_handle()));
        let mut task = tokio::task::spawn_blocking(move || {
            let done = work(connection);
            drop(user);
            done
        });
        let joined = match limit {
            None => task.await,
            Some(limit) => match tokio::time::timeout(limit, &mut task).await {
                Ok(joined) => joined,
                Err(_) => {
                    interrupt.now();
                    // The work ends a moment after the interrupt and uses the connection until
                    // then.
                    let _ = task.await;
                    let message = format!("the query took longer than {} s", limit.as_secs());
                    return Err(Error::new(ErrorKind::TimedOut, message));
                }
            },
        };
        interrupt.disarm();
        joined.map_err(|error| {
            Error::new(ErrorKind::Internal, "the warehouse's thread ended").caused_by(error)
        })?
    }
}

/// Settings of each engine.
fn config() -> Result<Config> {
    // All extensions that are used are linked in, so DuckDB must not download any while a user
    // waits.
    let config = Config::default().enable_autoload_extension(false);
    config
        .and_then(|config| config.with("autoinstall_known_extensions", "false"))
        .map_err(|error| refused(&error))
}

fn refused(error: &duckdb::Error) -> Error {
    Error::new(ErrorKind::Internal, "DuckDB refused its configuration").caused_by(error)
}

/// Interrupts the running query when it is dropped, because the caller no longer waits for it.
struct Interrupt(Option<Arc<InterruptHandle>>);

impl Interrupt {
    fn now(&self) {
        if let Some(handle) = &self.0 {
            handle.interrupt();
        }
    }

    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.now();
    }
}

/// Runs a statement and returns the number of rows that it touched. Fails with `Superseded` if it
/// is a guard and did not touch exactly one.
pub(super) fn execute(connection: &Connection, statement: &Statement) -> Result<u64> {
    let params: Vec<DuckdbValue> = statement.params.iter().map(to_duckdb).collect();
    let rows = connection
        .execute(&statement.sql, params_from_iter(params))
        .map_err(|error| statement_error(&error))?;
    statement.check(rows as u64)
}

/// Runs `work` between BEGIN and COMMIT; rolls back if it fails.
pub(super) fn in_transaction<T>(connection: &Connection, work: impl FnOnce() -> Result<T>) -> Result<T> {
    connection.execute_batch("begin").map_err(|error| statement_error(&error))?;
    let done = work().and_then(|value| {
        connection.execute_batch("commit").map_err(|error| statement_error(&error))?;
        Ok(value)
    });
    if done.is_err() {
        // The rollback fails only if the transaction has ended already.
        let _ = connection.execute_batch("rollback");
    }
    done
}

/// The columns of a select, by DESCRIBE. Positions in errors are shifted back by the length of the
/// prefix.
fn describe(connection: &Connection, sql: &str) -> Result<Vec<ResultColumn>> {
    const BEFORE: &str = "describe ";
    let shifted = |error: &duckdb::Error| {
        let error = statement_error(error);
        let position = error.position().map(|at| at.saturating_sub(BEFORE.len()));
        error.at_byte(position)
    };
    let mut statement = connection.prepare(&format!("{BEFORE}{sql}")).map_err(|error| shifted(&error))?;
    let columns = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .and_then(Iterator::collect::<duckdb::Result<Vec<_>>>)
        .map_err(|error| shifted(&error))?;
    Ok(columns
        .into_iter()
        .map(|(name, kind)| ResultColumn { name, data_type: logical_type(&kind) })
        .collect())
}

/// Runs a query. If a column has a type without a logical type, runs the query once more inside a
/// statement that casts such columns to text.
fn query(connection: &Connection, statement: &Statement, limits: QueryLimits) -> Result<Rows> {
    let rows = fetch(connection, &statement.sql, &statement.params, limits)?;
    let odd: Vec<bool> = rows.columns.iter().map(|column| column.data_type.is_none()).collect();
    if !odd.contains(&true) {
        return Ok(rows);
    }
    let names: Vec<String> = (0..odd.len()).map(|i| format!("c{i}")).collect();
    let casts: Vec<String> = names
        .iter()
        .zip(&odd)
        .map(|(name, odd)| if *odd { format!("cast({name} as varchar)") } else { name.clone() })
        .collect();
    let sql = format!("select {} from ({}\n) as q({})", casts.join(", "), statement.sql, names.join(", "));
    let texts = fetch(connection, &sql, &statement.params, limits)?;
    Ok(Rows { columns: rows.columns, ..texts })
}

/// Executes a statement and collects its rows, up to `limits.rows`.
fn fetch(connection: &Connection, sql: &str, params: &[Value], limits: QueryLimits) -> Result<Rows> {
    let params: Vec<DuckdbValue> = params.iter().map(to_duckdb).collect();
    let mut prepared = connection.prepare(sql).map_err(|error| statement_error(&error))?;
    // Streaming execution produces rows as they are requested. A materialized result would take the
    // memory of all rows, however few are wanted. The Arrow stream itself is dropped: `Rows` reads
    // values of the same execution.
    prepared.stream_arrow(params_from_iter(params)).map(drop).map_err(|error| statement_error(&error))?;
    let mut rows = prepared.raw_query();
    let columns: Vec<ResultColumn> = rows.as_ref().map_or_else(Vec::new, |statement| {
        let names = statement.column_names().into_iter().enumerate();
        names
            .map(|(at, name)| ResultColumn {
                name,
                data_type: result_type(&statement.column_logical_type(at)),
            })
            .collect()
    });
    let zoned: Vec<bool> =
        columns.iter().map(|column| column.data_type == Some(DataType::TimestampTz)).collect();
    let mut result = Rows { data: vec![Vec::new(); columns.len()], columns, truncated: false };
    while let Some(row) = rows.next().map_err(|error| statement_error(&error))? {
        if result.len() >= limits.rows {
            result.truncated = true;
            break;
        }
        for (at, column) in result.data.iter_mut().enumerate() {
            let value: DuckdbValue = row.get(at).map_err(|error| statement_error(&error))?;
            column.push(from_duckdb(value, zoned[at]).unwrap_or(Value::Null));
        }
    }
    Ok(result)
}

#[async_trait]
impl Warehouse for DuckdbWarehouse {
    fn dialect(&self) -> Arc<dyn Dialect> {
        Arc::new(DuckdbDialect)
    }

    fn in_time_zone(&self, zone: &ProjectZone) -> Option<Arc<dyn Warehouse>> {
        Some(Arc::new(Self { opened: Arc::clone(&self.opened), zone: zone.clone() }))
    }

    async fn version(&self) -> Result<String> {
        let rows = self.query(&Statement::new("select version()"), QueryLimits::STATE).await?;
        Ok(format!("DuckDB {}", rows.row(0)[0]))
    }

    async fn query(&self, statement: &Statement, limits: QueryLimits) -> Result<Rows> {
        let statement = statement.clone();
        self.work(Some(limits.time), move |connection| query(&connection, &statement, limits)).await
    }

    async fn describe(&self, sql: &str) -> Result<Vec<ResultColumn>> {
        let sql = sql.to_owned();
        self.work(None, move |connection| describe(&connection, &sql)).await
    }

    async fn transact(&self, statements: &[Statement]) -> Result<Vec<u64>> {
        self.opened.check()?;
        let statements = statements.to_vec();
        self.work(None, move |connection| {
            in_transaction(&connection, || {
                statements.iter().map(|statement| execute(&connection, statement)).collect()
            })
        })
        .await
    }

    async fn load(
        &self,
        request: LoadRequest,
        batches: BatchReceiver,
        finish: Box<dyn FinishLoad>,
    ) -> Result<LoadOutcome> {
        self.opened.check()?;
        self.work(None, move |connection| load(&connection, &request, batches, finish)).await
    }

    fn is_exclusive(&self) -> bool {
        // The engine locks the file, and nobody else can open a database in memory.
        true
    }

    async fn check_identity(&self) -> Result<()> {
        self.opened.check()
    }

    async fn prepare(&self, _tables: &[PreparedTable]) -> Result<()> {
        // DuckDB keeps zone maps for all data. An index would cost more than it saves, since only
        // point look-ups use it.
        Ok(())
    }

    async fn publish(&self, request: &PublishRequest) -> Result<PublishOutcome> {
        self.opened.check()?;
        let request = request.clone();
        self.work(None, move |connection| publish(&connection, &request)).await
    }

    async fn retire(&self, relations: &[(Relation, bool)]) -> Result<Vec<(Relation, String)>> {
        let relations = relations.to_vec();
        self.work(None, move |connection| {
            let mut stay = Vec::new();
            for (relation, is_view) in relations {
                let kind = if is_view { "view" } else { "table" };
                // Readers keep their snapshots, so a drop waits for nobody.
                if let Err(error) = connection.execute_batch(&format!("drop {kind} if exists {relation}")) {
                    stay.push((relation, statement_error(&error).to_string()));
                }
            }
            Ok(stay)
        })
        .await
    }

    async fn settle(&self) -> Result<()> {
        // A plain CHECKPOINT is refused while anybody reads, so the file would grow by a copy with
        // each publish. The forced one waits only for writers. If one of them takes long, the
        // checkpoint after the next publish makes up for it.
        let forced = |connection: Connection| {
            connection.execute_batch("force checkpoint").map_err(|error| statement_error(&error))
        };
        let _ = self.work(Some(MOST_SETTLING), forced).await;
        Ok(())
    }
}

//! One transaction on a connection of the pool.
//!
//! The module relies on no session state, so a pooler in transaction mode may sit between this
//! program and the server:
//!
//! * Each transaction sets all settings that matter with `set local` when it begins.
//! * Statements have no names, or are closed before the transaction ends; those that the driver
//!   prepares for types that it does not know are deallocated.
//!
//! A transaction ends by [`Session::end`], [`Session::undo`], [`Session::leave_unchanged`] or
//! [`Session::cancel`]. Dropping the session cancels it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, ready, select};
use millrace_core::name::Ident;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::warehouse::Statement;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row, SimpleQueryMessage, Statement as Prepared};

use super::connect::Connected;
use super::failure::{is_conflict, is_lost, statement_error};
use super::pool::{Pool, Route, Taken};
use super::value::Param;
use super::watch::{Backend, Trouble, WHO, Watch};

/// How long sending a cancel request, or a rollback, may take.
const CANCEL: Duration = Duration::from_secs(10);

/// How long the server may take to begin a transaction on a connection that was just made.
const BEGIN: Duration = Duration::from_secs(130);

/// How long the server may take to end a statement after a cancel request.
const CANCELLED: Duration = Duration::from_secs(2);

/// The kind of a transaction: which route it takes, and its limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purpose {
    pub(super) route: Route,
    /// Whether the transaction is `read write`; otherwise it is `read only`.
    pub(super) writes: bool,
    /// `statement_timeout` of the transaction; `None` sets no limit.
    pub(super) time: Option<Duration>,
    /// `lock_timeout`: how long a statement waits for another session's lock.
    pub(super) lock: Duration,
    /// Whether the transaction takes a connection beyond the pool's limit instead of waiting for
    /// one.
    pub(super) vital: bool,
}

impl Purpose {
    /// For statements that write and may take long: past the pooler, without a time limit, with a
    /// lock timeout of one minute.
    pub(super) const WORK: Self =
        Self { route: Route::Direct, writes: true, time: None, lock: Duration::from_mins(1), vital: false };

    /// For queries: read only, by the URL's own route; `time` limits each statement and each wait
    /// for a lock.
    pub(super) const fn question(time: Duration) -> Self {
        Self { route: Route::Given, writes: false, time: Some(time), lock: time, vital: false }
    }

    /// The same with another time limit for each statement.
    pub(super) fn within(self, time: Option<Duration>) -> Self {
        Self { time, ..self }
    }
}

/// An open transaction. Dropping it cancels the running statement and closes the connection, which
/// rolls everything back.
pub(super) struct Session {
    taken: Option<Taken>,
    runtime: Handle,
    /// Whether the connection may not go back to the pool, because it may still hold named
    /// statements.
    tainted: bool,
    /// Whether an error was a conflict, so that repeating the whole transaction may succeed.
    conflict: bool,
    /// Whether the connection is broken or silent.
    lost: bool,
    /// How the server identifies the transaction; `None` until it has begun.
    backend: Option<Backend>,
}

impl Session {
    /// Begins a transaction. If the pool's connection turns out to be dead, tries once more on a
    /// connection that is made for it. Fails with the kind of the connection's or statement's
    /// error.
    pub(super) async fn begin(pool: &Arc<Pool>, purpose: Purpose) -> Result<Self> {
        let mut fresh = false;
        loop {
            let mut session = Self::on(pool.take(purpose.route, purpose.vital, fresh).await?);
            let sql = begin_sql(pool, purpose, session.version());
            let limit = session.patience();
            let begun = within(limit, session.client()?.simple_query(&sql)).await;
            let Err(error) = session.begun(begun, &sql) else { return Ok(session) };
            let again = session.lost && session.was_used() && !fresh;
            session.hang_up();
            if !again {
                return Err(error);
            }
            fresh = true;
        }
    }

    /// Begins a transaction and prepares a statement in one round trip. The outer error says that
    /// the transaction did not begin; the inner result is that of the statement. Replaces a dead
    /// connection as [`Session::begin`] does.
    pub(super) async fn begin_preparing(
        pool: &Arc<Pool>,
        purpose: Purpose,
        sql: &str,
    ) -> Result<(Self, Result<Prepared>)> {
        let mut fresh = false;
        loop {
            let mut session = Self::on(pool.take(purpose.route, purpose.vital, fresh).await?);
            let begin = begin_sql(pool, purpose, session.version());
            let (client, watch) = (session.client()?, session.answers()?);
            let trouble = match begin_and_prepare(client, watch, &begin, sql, session.patience()).await {
                Ok((backend, prepared)) => {
                    session.backend = backend;
                    let prepared = session.prepared(prepared, sql).await;
                    return Ok((session, prepared));
                }
                Err(trouble) => trouble,
            };
            let error = session.failed(trouble, &begin);
            let again = session.lost && session.was_used() && !fresh;
            session.hang_up();
            if !again {
                return Err(error);
            }
            fresh = true;
        }
    }

    fn on(taken: Taken) -> Self {
        Self {
            taken: Some(taken),
            runtime: Handle::current(),
            tainted: false,
            conflict: false,
            lost: false,
            backend: None,
        }
    }

    /// Whether the connection was used before, so that the server may have closed it meanwhile.
    fn was_used(&self) -> bool {
        self.taken.as_ref().is_some_and(|taken| taken.used)
    }

    /// The server's version, such as 150004; 0 if it is not known.
    pub(super) fn version(&self) -> u32 {
        self.taken.as_ref().map_or(0, |taken| taken.connected.version)
    }

    /// The driver's client. Fails if the transaction has ended.
    pub(super) fn client(&self) -> Result<&Client> {
        self.taken.as_ref().map(|taken| &taken.connected.client).ok_or_else(ended)
    }

    /// Whether an error of this transaction was a conflict, so that repeating the whole transaction
    /// may succeed.
    pub(super) fn is_conflict(&self) -> bool {
        self.conflict
    }

    /// Whether the connection is broken or silent.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// The watch through which every answer of this transaction is awaited. Fails if the
    /// transaction has ended.
    pub(super) fn answers(&self) -> Result<Watch<'_>> {
        self.taken.as_ref().map(|taken| taken.watch(self.backend.as_ref())).ok_or_else(ended)
    }

    /// How long the server may take to begin a transaction. A pooler without a free connection says
    /// so only after two minutes, so a connection that was just made gets more than that. One that
    /// was used before may be dead; it is replaced after the connect timeout.
    fn patience(&self) -> Duration {
        match &self.taken {
            Some(taken) if taken.used => taken.connect_timeout(),
            _ => BEGIN,
        }
    }

    /// Records how the server identifies the transaction, or makes the error of a failed beginning.
    fn begun(&mut self, begun: Result<Vec<SimpleQueryMessage>, Trouble>, sql: &str) -> Result<()> {
        self.backend = Backend::of(&begun.map_err(|trouble| self.failed(trouble, sql))?);
        Ok(())
    }

    /// Makes the error of a statement of this transaction. Records whether it was a conflict and
    /// whether the connection is gone. If it is, the reason for which the connection ended becomes
    /// a cause.
    pub(super) fn failed(&mut self, trouble: impl Into<Trouble>, sql: &str) -> Error {
        let error = match trouble.into() {
            Trouble::Said(error) => error,
            Trouble::Silent(error) => {
                self.lost = true;
                return error;
            }
        };
        self.conflict |= is_conflict(&error);
        self.lost |= is_lost(&error);
        let found = statement_error(&error, sql);
        let ended = self.taken.as_ref().filter(|_| self.lost).and_then(|taken| taken.connected.ended.get());
        match ended {
            Some(ended) if !found.causes().contains(ended) => found.caused_by(ended),
            _ => found,
        }
    }

    /// Runs statements without parameters in sequence and discards their results.
    pub(super) async fn batch(&mut self, sql: &str) -> Result<()> {
        let done = self.answers()?.over(self.client()?.batch_execute(sql)).await;
        done.map_err(|trouble| self.failed(trouble, sql))
    }

    /// Runs a statement and returns the number of rows that it touched. Fails with `Superseded` if
    /// the statement is a guard and did not touch exactly one row.
    pub(super) async fn execute(&mut self, statement: &Statement) -> Result<u64> {
        let params: Vec<Param<'_>> = statement.params.iter().map(Param).collect();
        // Parameters are sent as `unknown`, so the server converts each to the type that the
        // statement needs.
        let typed: Vec<_> = params.iter().map(|param| (param as _, Type::UNKNOWN)).collect();
        let done = self.answers()?.over(self.client()?.execute_typed(&statement.sql, &typed)).await;
        let touched = done.map_err(|trouble| self.failed(trouble, &statement.sql))?;
        statement.check(touched)
    }

    /// Runs a query on the server's catalog. Its columns must have built-in types, because the
    /// driver would look up others by named statements.
    pub(super) async fn catalog(
        &mut self,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>> {
        let found = self.answers()?.over(self.client()?.query_typed(sql, params)).await;
        found.map_err(|trouble| self.failed(trouble, sql))
    }

    /// Prepares a statement. Dropping the result closes it in the server, which must happen before
    /// the transaction ends.
    pub(super) async fn prepare(&mut self, sql: &str) -> Result<Prepared> {
        let done = self.answers()?.over(self.client()?.prepare(sql)).await;
        self.prepared(done, sql).await
    }

    /// Makes the error of a failed prepare. If the statement uses types that are not built in,
    /// deallocates the named statements by which the driver looked them up, and keeps the
    /// connection from returning to the pool.
    async fn prepared(&mut self, done: Result<Prepared, Trouble>, sql: &str) -> Result<Prepared> {
        let prepared = done.map_err(|trouble| self.failed(trouble, sql))?;
        let own = |kind: &Type| Type::from_oid(kind.oid()).is_none();
        if prepared.columns().iter().any(|column| own(column.type_())) || prepared.params().iter().any(own) {
            // The driver looks up such types by named statements and keeps those.
            self.tainted = true;
            self.forget_statements().await?;
        }
        Ok(prepared)
    }

    /// Deallocates the driver's named statements for type lookups, which are told by the beginning
    /// of their texts.
    async fn forget_statements(&mut self) -> Result<()> {
        let sql = "select name::text from pg_catalog.pg_prepared_statements \
                   where statement like 'SELECT t.typname, t.typtype%' or statement like 'SELECT enumlabel%' \
                   or statement like 'SELECT attname, atttypid%'";
        let rows = self.catalog(sql, &[]).await?;
        let names = rows.iter().filter_map(|row| row.try_get::<_, String>(0).ok());
        let drops: Vec<String> = names.map(|name| format!("deallocate {}", Ident::new(name))).collect();
        if drops.is_empty() { Ok(()) } else { self.batch(&drops.join("; ")).await }
    }

    /// Commits if `done` is `Ok`, else rolls back and returns its error. If the connection is lost
    /// during the commit, the error says that the outcome is unknown.
    pub(super) async fn end<T>(mut self, done: Result<T>) -> Result<T> {
        match done {
            Ok(value) => {
                let committed = self.answers()?.over(self.client()?.batch_execute("commit")).await;
                if let Err(trouble) = committed {
                    let found = self.failed(trouble, "commit");
                    let found = if self.lost {
                        found.caused_by("it was lost while committing, so whether it was done is not known")
                    } else {
                        found
                    };
                    self.hang_up();
                    return Err(found);
                }
                self.leave();
                Ok(value)
            }
            Err(error) => {
                self.undo().await;
                Err(error)
            }
        }
    }

    /// Rolls back. The connection goes back to the pool only if the server confirms the rollback.
    pub(super) async fn undo(mut self) {
        let undone = match self.client() {
            Ok(client) if !self.lost => within(CANCEL, client.batch_execute("rollback")).await.is_ok(),
            _ => false,
        };
        if undone {
            self.leave();
        } else {
            self.hang_up();
        }
    }

    /// Ends a transaction that changed nothing. The rollback runs in a task of its own, so the
    /// caller does not wait for it.
    pub(super) fn leave_unchanged(mut self) {
        let Some(taken) = self.taken.take() else { return };
        let tainted = self.tainted;
        self.runtime.spawn(async move {
            let done = timeout(CANCEL, taken.connected.client.batch_execute("rollback")).await;
            if matches!(done, Ok(Ok(()))) && !tainted {
                taken.give_back();
            } else {
                taken.connected.task.abort();
            }
        });
    }

    /// Gives the connection back to the pool, unless it is tainted.
    fn leave(&mut self) {
        if let Some(taken) = self.taken.take()
            && !self.tainted
        {
            taken.give_back();
        }
    }

    /// Drops the connection. If it is lost, its task is aborted too.
    fn hang_up(&mut self) {
        if let Some(taken) = self.taken.take().filter(|_| self.lost) {
            // The task would wait for an answer that will not come.
            taken.connected.task.abort();
        }
    }

    /// Cancels the running statement and closes the connection, which ends the transaction. Does
    /// not wait.
    pub(super) fn cancel(mut self) {
        self.cancel_now();
    }

    /// Sends a cancel request and then closes the connection, in a task of its own, because `drop`
    /// cannot wait.
    fn cancel_now(&mut self) {
        let Some(taken) = self.taken.take() else { return };
        if taken.connected.client.is_closed() {
            return;
        }
        self.runtime.spawn(async move {
            let Connected { client, task, tls, .. } = &taken.connected;
            // The request goes first, while the pooler's connection certainly still belongs to this
            // transaction.
            let _ = timeout(CANCEL, client.cancel_token().cancel_query(tls.clone())).await;
            // A pooler may lose the request. Then closing the connection has to suffice: the server
            // checks for its client every few seconds.
            let _ = timeout(CANCELLED, client.batch_execute("rollback")).await;
            task.abort();
        });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.cancel_now();
    }
}

fn ended() -> Error {
    Error::new(ErrorKind::Internal, "a transaction was used after its end")
}

/// Awaits an answer that must arrive within the limit; otherwise the connection counts as stalled.
async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Trouble> {
    match timeout(limit, answer).await {
        Ok(answered) => answered.map_err(Trouble::Said),
        Err(_) => Err(Trouble::not_begun(limit)),
    }
}

/// Sends the begin statements and the prepare in one go and awaits both answers. The limit applies
/// to the beginning. The outer error says that the transaction did not begin; the inner result is
/// that of the prepare.
async fn begin_and_prepare(
    client: &Client,
    watch: Watch<'_>,
    begin: &str,
    sql: &str,
    limit: Duration,
) -> Result<(Option<Backend>, Result<Prepared, Trouble>), Trouble> {
    let (begun, prepared) = (pin!(client.simple_query(begin)), pin!(client.prepare(sql)));
    let begun = timeout(limit, async {
        // The answers come in the order of sending, but either future may be polled to its end
        // first.
        match select(begun, prepared).await {
            Either::Left((begun, prepared)) => (begun, Either::Left(prepared)),
            Either::Right((prepared, begun)) => (begun.await, Either::Right(ready(prepared))),
        }
    });
    let (begun, prepared) = begun.await.map_err(|_| Trouble::not_begun(limit))?;
    let backend = Backend::of(&begun?);
    let prepared = Watch { backend: backend.as_ref(), ..watch }.over(prepared).await;
    Ok((backend, prepared))
}

/// The statements with which every transaction begins: isolation, all settings that change how
/// values are read and written, time limits, the URL's own settings, and last [`WHO`]. A search
/// path is set unless the URL sets one.
fn begin_sql(pool: &Pool, purpose: Purpose, version: u32) -> String {
    let milliseconds =
        |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX).clamp(1, i32::MAX as u32);
    let mut sql = format!(
        "begin isolation level read committed, read {}; set local timezone = '{}'; set local datestyle = 'ISO, YMD'; \
         set local intervalstyle = 'postgres'; set local bytea_output = 'hex'; set local standard_conforming_strings = on; \
         set local extra_float_digits = {}; set local statement_timeout = {}; set local lock_timeout = {}",
        if purpose.writes { "write" } else { "only" },
        pool.time_zone().name().replace('\'', "''"),
        if version >= 120_000 { 1 } else { 3 },
        purpose.time.map_or(0, milliseconds),
        milliseconds(purpose.lock),
    );
    if purpose.writes {
        // A run waits for its source between two statements, and a load takes as long as it needs.
        sql.push_str("; set local idle_in_transaction_session_timeout = 0");
        if version >= 170_000 {
            sql.push_str("; set local transaction_timeout = 0");
        }
    }
    if version >= 140_000 {
        // The server then ends a statement whose client has died. Only servers on Linux accept the
        // setting.
        sql.push_str(
            "; select pg_catalog.set_config('client_connection_check_interval', '5s', true) \
             where pg_catalog.version() like '%linux%'",
        );
    }
    let settings = &pool.server().settings;
    if !settings.iter().any(|(name, _)| name.eq_ignore_ascii_case("search_path")) {
        sql.push_str("; set local search_path = public");
    }
    for (name, value) in settings {
        sql.push_str(&format!("; select pg_catalog.set_config({}, {}, true)", literal(name), literal(value)));
    }
    sql.push_str("; ");
    sql.push_str(WHO);
    sql
}

/// A string literal, for statements that take no parameters. Removes NUL characters.
pub(super) fn literal(text: &str) -> String {
    let text = text.replace('\0', "").replace('\'', "''");
    if text.contains('\\') {
        // An `E''` literal reads the same with both values of `standard_conforming_strings`.
        return format!(" E'{}'", text.replace('\\', "\\\\"));
    }
    format!("'{text}'")
}

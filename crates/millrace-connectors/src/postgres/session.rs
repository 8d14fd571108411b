//! One transaction.
//!
//! Nothing of a session is relied on, so that a pooler in transaction mode may be in between: what matters is set anew for each
//! transaction, statements have no names, and those of the driver that have one are gone before the transaction ends.

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

/// How long a request to cancel may take.
const CANCEL: Duration = Duration::from_secs(10);

/// How long the server may take to begin a transaction.
const BEGIN: Duration = Duration::from_secs(130);

/// How long the server may take to do it.
const CANCELLED: Duration = Duration::from_secs(2);

/// What a transaction is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purpose {
    pub(super) route: Route,
    /// Whether it may write.
    pub(super) writes: bool,
    /// How long one statement may take; none for as long as it does.
    pub(super) time: Option<Duration>,
    /// How long it waits for another session's lock.
    pub(super) lock: Duration,
    /// Whether it must not wait until others are done.
    pub(super) vital: bool,
}

impl Purpose {
    /// For statements that change things and may take long.
    pub(super) const WORK: Self =
        Self { route: Route::Direct, writes: true, time: None, lock: Duration::from_mins(1), vital: false };

    /// For questions.
    pub(super) const fn question(time: Duration) -> Self {
        Self { route: Route::Given, writes: false, time: Some(time), lock: time, vital: false }
    }

    /// At most that long.
    pub(super) fn within(self, time: Option<Duration>) -> Self {
        Self { time, ..self }
    }
}

/// An open transaction. Dropping it cancels what runs and hangs up, which undoes everything.
pub(super) struct Session {
    taken: Option<Taken>,
    runtime: Handle,
    /// Whether the connection holds something that others must not find.
    tainted: bool,
    /// Whether another try of the whole transaction may go better.
    conflict: bool,
    /// Whether the connection is gone.
    lost: bool,
    /// What the transaction is known by in the server.
    backend: Option<Backend>,
}

impl Session {
    /// Begins a transaction. A connection that turns out to be dead is replaced.
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

    /// Begins a transaction and prepares a statement in it, on one way there and back. The statement's own error comes second.
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

    fn was_used(&self) -> bool {
        self.taken.as_ref().is_some_and(|taken| taken.used)
    }

    pub(super) fn version(&self) -> u32 {
        self.taken.as_ref().map_or(0, |taken| taken.connected.version)
    }

    pub(super) fn client(&self) -> Result<&Client> {
        self.taken.as_ref().map(|taken| &taken.connected.client).ok_or_else(ended)
    }

    /// Whether what failed last may go better when the whole transaction is tried again.
    pub(super) fn is_conflict(&self) -> bool {
        self.conflict
    }

    /// Whether the connection is gone.
    pub(super) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Waits for this transaction's answers.
    pub(super) fn answers(&self) -> Result<Watch<'_>> {
        self.taken.as_ref().map(|taken| taken.watch(self.backend.as_ref())).ok_or_else(ended)
    }

    /// How long the server may take to begin a transaction. A pooler may have no connection for it, which it says after two minutes by
    /// itself; one that was there already is made anew before that.
    fn patience(&self) -> Duration {
        match &self.taken {
            Some(taken) if taken.used => taken.connect_timeout(),
            _ => BEGIN,
        }
    }

    fn begun(&mut self, begun: Result<Vec<SimpleQueryMessage>, Trouble>, sql: &str) -> Result<()> {
        self.backend = Backend::of(&begun.map_err(|trouble| self.failed(trouble, sql))?);
        Ok(())
    }

    /// The error of a statement of this transaction.
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

    /// Runs statements without values, one after another, and returns nothing.
    pub(super) async fn batch(&mut self, sql: &str) -> Result<()> {
        let done = self.answers()?.over(self.client()?.batch_execute(sql)).await;
        done.map_err(|trouble| self.failed(trouble, sql))
    }

    /// Runs a statement and returns the rows that it touched.
    pub(super) async fn execute(&mut self, statement: &Statement) -> Result<u64> {
        let params: Vec<Param<'_>> = statement.params.iter().map(Param).collect();
        // The server takes a parameter of the type `unknown` as whatever the statement needs there.
        let typed: Vec<_> = params.iter().map(|param| (param as _, Type::UNKNOWN)).collect();
        let done = self.answers()?.over(self.client()?.execute_typed(&statement.sql, &typed)).await;
        let touched = done.map_err(|trouble| self.failed(trouble, &statement.sql))?;
        statement.check(touched)
    }

    /// Rows of a question about the server's own catalog, whose columns are of its own plain types.
    pub(super) async fn catalog(
        &mut self,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>> {
        let found = self.answers()?.over(self.client()?.query_typed(sql, params)).await;
        found.map_err(|trouble| self.failed(trouble, sql))
    }

    /// Prepares a statement. It is gone when it is dropped, which must be before the transaction ends.
    pub(super) async fn prepare(&mut self, sql: &str) -> Result<Prepared> {
        let done = self.answers()?.over(self.client()?.prepare(sql)).await;
        self.prepared(done, sql).await
    }

    async fn prepared(&mut self, done: Result<Prepared, Trouble>, sql: &str) -> Result<Prepared> {
        let prepared = done.map_err(|trouble| self.failed(trouble, sql))?;
        let own = |kind: &Type| Type::from_oid(kind.oid()).is_none();
        if prepared.columns().iter().any(|column| own(column.type_())) || prepared.params().iter().any(own) {
            // To know a type that is not PostgreSQL's own the driver prepares statements, which it keeps.
            self.tainted = true;
            self.forget_statements().await?;
        }
        Ok(prepared)
    }

    /// Takes back the driver's statements about types.
    async fn forget_statements(&mut self) -> Result<()> {
        let sql = "select name::text from pg_catalog.pg_prepared_statements \
                   where statement like 'SELECT t.typname, t.typtype%' or statement like 'SELECT enumlabel%' \
                   or statement like 'SELECT attname, atttypid%'";
        let rows = self.catalog(sql, &[]).await?;
        let names = rows.iter().filter_map(|row| row.try_get::<_, String>(0).ok());
        let drops: Vec<String> = names.map(|name| format!("deallocate {}", Ident::new(name))).collect();
        if drops.is_empty() { Ok(()) } else { self.batch(&drops.join("; ")).await }
    }

    /// Commits where all went well, else undoes everything.
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

    /// Undoes everything.
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

    /// Ends a transaction that has changed nothing; nobody waits for it.
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

    fn leave(&mut self) {
        if let Some(taken) = self.taken.take()
            && !self.tainted
        {
            taken.give_back();
        }
    }

    fn hang_up(&mut self) {
        if let Some(taken) = self.taken.take().filter(|_| self.lost) {
            // It would wait for an answer that does not come.
            taken.connected.task.abort();
        }
    }

    /// Ends what runs, and with it the transaction.
    pub(super) fn cancel(mut self) {
        self.cancel_now();
    }

    fn cancel_now(&mut self) {
        let Some(taken) = self.taken.take() else { return };
        if taken.connected.client.is_closed() {
            return;
        }
        self.runtime.spawn(async move {
            let Connected { client, task, tls, .. } = &taken.connected;
            // First the request, while the connection is surely still this transaction's own.
            let _ = timeout(CANCEL, client.cancel_token().cancel_query(tls.clone())).await;
            // A pooler may lose it. Then hanging up has to do: the server looks for its client every few seconds.
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

/// An answer that has to come at once, or does not come any more.
async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Trouble> {
    match timeout(limit, answer).await {
        Ok(answered) => answered.map_err(Trouble::Said),
        Err(_) => Err(Trouble::not_begun(limit)),
    }
}

/// Both are sent at once; their answers come one after the other.
async fn begin_and_prepare(
    client: &Client,
    watch: Watch<'_>,
    begin: &str,
    sql: &str,
    limit: Duration,
) -> Result<(Option<Backend>, Result<Prepared, Trouble>), Trouble> {
    let (begun, prepared) = (pin!(client.simple_query(begin)), pin!(client.prepare(sql)));
    let begun = timeout(limit, async {
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

/// What every transaction begins with.
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
        // Between two of its statements a run waits for its source, and a load takes as long as it takes.
        sql.push_str("; set local idle_in_transaction_session_timeout = 0");
        if version >= 170_000 {
            sql.push_str("; set local transaction_timeout = 0");
        }
    }
    if version >= 140_000 {
        // A statement whose caller has died is ended. Servers on other systems refuse the setting.
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

/// A text where SQL takes no parameter.
pub(super) fn literal(text: &str) -> String {
    let text = text.replace('\0', "").replace('\'', "''");
    if text.contains('\\') {
        // Read the same whatever `standard_conforming_strings` says.
        return format!(" E'{}'", text.replace('\\', "\\\\"));
    }
    format!("'{text}'")
}

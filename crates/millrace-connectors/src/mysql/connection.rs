//! One connection to a server, with its session set up for reading.
//!
//! All statements of the connector go through [`Connection`]. It bounds the wait for each answer by
//! `read_timeout` and turns the driver's errors into the engine's (`failure.rs`).

use std::path::Path;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures::poll;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::diagnosis::Layer;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use tokio::time::timeout;

use crate::mysql::address::Address;
use crate::mysql::failure;
use crate::mysql::reach::{Unreached, reach};
use crate::mysql::tunnel::Tunnel;

/// How long [`Connection::close`] waits for the server to end the session.
const DISCONNECT: Duration = Duration::from_secs(2);

/// Default of `read_timeout`: how long the server may send nothing while an answer is expected. It
/// is longer than a server works on a statement before the first row, unless that statement has to
/// scan a very large table.
pub(super) const READ_TIMEOUT: Duration = Duration::from_mins(10);

/// Statements that set the session up: timestamps in UTC, texts in UTF-8, repeatable reads, and
/// none of the modes and limits that change what a read returns or end it early
/// (`PAD_CHAR_TO_FULL_LENGTH`, `ANSI_QUOTES`, `sql_select_limit`). `net_write_timeout` is a day
/// because a slow warehouse may keep the server from sending for that long.
const SET_UP: [&str; 3] = [
    "SET NAMES utf8mb4",
    "SET SESSION time_zone = '+00:00', sql_mode = '', sql_select_limit = 18446744073709551615, sql_big_selects = 1, sql_quote_show_create = 1, net_write_timeout = 86400",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
];

/// An open connection. [`Self::close`] ends the session with the server; dropping the value closes
/// the socket at once, without reading what is left of a result.
pub(super) struct Connection {
    /// `None` only while the connection is being closed.
    driver: Option<Conn>,
    /// The TLS tunnel to the server, if the connection uses TLS.
    tunnel: Option<Tunnel>,
    address: Address,
    /// How long the server may send nothing while an answer or a row is expected.
    read_timeout: Duration,
}

/// Waits for answers of one connection. Separate from [`Connection`] because the driver is borrowed
/// mutably while an answer is awaited.
#[derive(Clone, Copy)]
pub(super) struct Answers<'a> {
    address: &'a Address,
    read_timeout: Duration,
}

impl Answers<'_> {
    /// Waits for the answer to a statement or for the next row of a result, at most `read_timeout`.
    /// `doing` says in an error message what could not be done; `table` is the table that the
    /// statement is about. A timeout becomes an error of kind `SourceLost`.
    pub(super) async fn wait<T>(
        self,
        doing: &str,
        table: Option<&str>,
        answer: impl Future<Output = mysql_async::Result<T>>,
    ) -> Result<T> {
        let mut answer = pin!(answer);
        // Most rows have already arrived. Only a row that has to be waited for costs a timer.
        let answered = match poll!(answer.as_mut()) {
            Poll::Ready(answered) => Ok(answered),
            Poll::Pending => timeout(self.read_timeout, answer).await,
        };
        match answered {
            Ok(answered) => answered.map_err(|error| failure::asking(&error, doing, table, self.address)),
            Err(_) => Err(failure::silent(doing, self.read_timeout, self.address)),
        }
    }
}

impl Connection {
    /// Connects and runs the statements that set the session up.
    pub(super) async fn open(address: &Address, project_dir: &Path, read_timeout: Duration) -> Result<Self> {
        Self::try_open(address, project_dir, read_timeout).await.map_err(|unreached| unreached.error)
    }

    /// Like [`Self::open`], but an error also names the layer that failed, for `doctor`.
    pub(super) async fn try_open(
        address: &Address,
        project_dir: &Path,
        read_timeout: Duration,
    ) -> Result<Self, Unreached> {
        let (driver, tunnel) = reach(address, project_dir).await?;
        let address = address.clone();
        let mut connection = Self { driver: Some(driver), tunnel, address, read_timeout };
        for statement in SET_UP {
            let failed = connection.run(statement).await;
            failed.map_err(|error| Unreached { layer: Layer::Server, error })?;
        }
        Ok(connection)
    }

    /// Returns the driver's connection and the value that waits for its answers.
    pub(super) fn parts(&mut self) -> Result<(&mut Conn, Answers<'_>)> {
        let gone = || Error::new(ErrorKind::Internal, "a connection was used after it was closed");
        let answers = Answers { address: &self.address, read_timeout: self.read_timeout };
        Ok((self.driver.as_mut().ok_or_else(gone)?, answers))
    }

    /// The address of the server.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Runs a statement that returns no rows.
    pub(super) async fn run(&mut self, statement: &str) -> Result<()> {
        let (driver, answers) = self.parts()?;
        answers.wait("the session cannot be set up", None, driver.query_drop(statement)).await
    }

    /// Runs a query with few rows and returns all of them. `doing` says in an error message what
    /// could not be done.
    pub(super) async fn ask(&mut self, sql: &str, doing: &str) -> Result<Vec<Row>> {
        let (driver, answers) = self.parts()?;
        answers.wait(doing, None, driver.query(sql)).await
    }

    /// Like [`Self::ask`], for a query about a table. The table's name is bound as the only
    /// parameter.
    pub(super) async fn ask_of(&mut self, sql: &str, table: &str, doing: &str) -> Result<Vec<Row>> {
        let (driver, answers) = self.parts()?;
        answers.wait(doing, Some(table), driver.exec(sql, (table,))).await
    }

    /// Ends the session with the server. Waits at most two seconds and ignores errors.
    pub(super) async fn close(mut self) {
        if let Some(driver) = self.driver.take() {
            // Nothing is read after this point, so a failure loses nothing.
            let _ = timeout(DISCONNECT, async {
                let _ = driver.disconnect().await;
                if let Some(tunnel) = self.tunnel.take() {
                    tunnel.close().await;
                }
            })
            .await;
        }
    }
}

impl Drop for Connection {
    /// If the driver is dropped inside a Tokio runtime, it continues in the background and reads
    /// the rest of the current result, which may be most of a large table. Dropped on a thread
    /// without a runtime, it only closes the socket.
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            std::thread::scope(|scope| {
                scope.spawn(move || drop(driver));
            });
        }
    }
}

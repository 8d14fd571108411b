//! One connection, set up for reading.

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

/// Time for the server to take leave.
const DISCONNECT: Duration = Duration::from_secs(2);

/// How long a server may say nothing, where the project does not say: longer than it is at work on what it is asked for before the first
/// row, unless it has to look at all of a very large table.
pub(super) const READ_TIMEOUT: Duration = Duration::from_mins(10);

/// The session: moments in UTC, texts in UTF-8, and none of the modes and limits that make a read differ or end early
/// (`PAD_CHAR_TO_FULL_LENGTH`, `ANSI_QUOTES`, `sql_select_limit`). A slow warehouse may keep the server waiting.
const SET_UP: [&str; 3] = [
    "SET NAMES utf8mb4",
    "SET SESSION time_zone = '+00:00', sql_mode = '', sql_select_limit = 18446744073709551615, sql_big_selects = 1, sql_quote_show_create = 1, net_write_timeout = 86400",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
];

/// An open connection. [`Self::close`] takes leave of the server; dropping it cuts the connection.
pub(super) struct Connection {
    /// Gone only while it is closed.
    driver: Option<Conn>,
    /// What leads it to the server, where that is in TLS.
    tunnel: Option<Tunnel>,
    address: Address,
    /// How long the server may say nothing while something is expected of it.
    read_timeout: Duration,
}

/// Where the answers of a connection come from, and how long each may take to come.
#[derive(Clone, Copy)]
pub(super) struct Answers<'a> {
    address: &'a Address,
    read_timeout: Duration,
}

impl Answers<'_> {
    /// Waits for an answer: of a statement, or the next row of one. `doing` is what fails with it, `table` what it is about.
    pub(super) async fn wait<T>(
        self,
        doing: &str,
        table: Option<&str>,
        answer: impl Future<Output = mysql_async::Result<T>>,
    ) -> Result<T> {
        let mut answer = pin!(answer);
        // Most rows are there already: only one that has to be waited for costs a timer.
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
    /// Connects and sets the session up.
    pub(super) async fn open(address: &Address, project_dir: &Path, read_timeout: Duration) -> Result<Self> {
        Self::try_open(address, project_dir, read_timeout).await.map_err(|unreached| unreached.error)
    }

    /// The same, with what is missing where it fails.
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

    /// The driver's connection, and what waits for its answers.
    pub(super) fn parts(&mut self) -> Result<(&mut Conn, Answers<'_>)> {
        let gone = || Error::new(ErrorKind::Internal, "a connection was used after it was closed");
        let answers = Answers { address: &self.address, read_timeout: self.read_timeout };
        Ok((self.driver.as_mut().ok_or_else(gone)?, answers))
    }

    /// Where it leads.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Runs a statement that gives no rows.
    pub(super) async fn run(&mut self, statement: &str) -> Result<()> {
        let (driver, answers) = self.parts()?;
        answers.wait("the session cannot be set up", None, driver.query_drop(statement)).await
    }

    /// The rows of a small question; `doing` is what fails with it.
    pub(super) async fn ask(&mut self, sql: &str, doing: &str) -> Result<Vec<Row>> {
        let (driver, answers) = self.parts()?;
        answers.wait(doing, None, driver.query(sql)).await
    }

    /// The same for a question about a table, whose name is its parameter.
    pub(super) async fn ask_of(&mut self, sql: &str, table: &str, doing: &str) -> Result<Vec<Row>> {
        let (driver, answers) = self.parts()?;
        answers.wait(doing, Some(table), driver.exec(sql, (table,))).await
    }

    /// Takes leave. A server that does not answer is left alone.
    pub(super) async fn close(mut self) {
        if let Some(driver) = self.driver.take() {
            // Nothing is to be saved any more, so nothing can fail that matters.
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
    /// The driver, dropped where a runtime is, would go on in the background and read what is left of a result to its end, all
    /// of a large table perhaps. Dropped where there is none, it closes the socket.
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            std::thread::scope(|scope| {
                scope.spawn(move || drop(driver));
            });
        }
    }
}

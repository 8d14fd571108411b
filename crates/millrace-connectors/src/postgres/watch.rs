//! Detects a connection that has stalled although it is still open.
//!
//! A statement may take hours, so a time limit cannot tell a stalled connection from a slow one.
//! When the server has been silent for some time, a second connection asks `pg_stat_activity` about
//! the backend process of the first:
//!
//! * If the process is working, the wait goes on.
//! * If the process waits for its client, while this side waits for the server, data has been lost
//!   between them.
//! * If the process or its transaction is gone, the end of the connection has not been reported.
//! * If no second connection can be made, the server is gone or hangs.
//!
//! Only [`LOOKS`] checks in a row that find a problem end the wait, with `WarehouseLost`.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::future::{Either, select};
use futures::poll;
use millrace_engine::error::{Error, ErrorKind};
use tokio::time::{Instant, timeout};
use tokio_postgres::SimpleQueryMessage;

use super::connect::{Connected, Unreached};
use super::failure::statement_error;
use super::pool::{Pool, Route};
use super::session::literal;
use super::url::Host;
use crate::timeouts::shown;

/// How long the server may be silent before the first check, if the project sets no `silence`.
pub(super) const SILENCE: Duration = Duration::from_mins(1);

/// How many checks in a row must find a problem. A single one may hit an answer that is just on its
/// way.
const LOOKS: u32 = 3;

/// How long connecting for a check, and its query, may take each.
const LOOK: Duration = Duration::from_secs(30);

/// What identifies a transaction in the server.
#[derive(Debug, Clone)]
pub(super) struct Backend {
    /// Process id of the backend.
    process: u32,
    /// When the transaction began, as PostgreSQL writes it.
    began: String,
    /// When the server was started, in the same form. One host name may lead to several servers.
    server: String,
}

/// The last statement with which a transaction begins; its row identifies the transaction.
pub(super) const WHO: &str =
    "select pg_catalog.pg_backend_pid(), pg_catalog.now(), pg_catalog.pg_postmaster_start_time()";

impl Backend {
    /// Reads the row of [`WHO`]; `None` if there is none or if it has another form.
    pub(super) fn of(answer: &[SimpleQueryMessage]) -> Option<Self> {
        let row = answer.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        })?;
        let text = |at| row.get(at).map(str::to_owned);
        Some(Self { process: row.get(0)?.parse().ok()?, began: text(1)?, server: text(2)? })
    }

    /// The query of a check. Its one row says whether this server can answer for the process,
    /// whether the process is still in this transaction, and whether it waits for its client.
    fn looked_at(&self) -> String {
        format!(
            "select pg_catalog.pg_postmaster_start_time() = {}::timestamptz and pg_catalog.current_setting('track_activities') = 'on', \
             coalesce(a.xact_start = {}::timestamptz, false), coalesce(a.wait_event_type = 'Client', false) \
             from (select 1) as one left join pg_catalog.pg_stat_activity as a on a.pid = {}",
            literal(&self.server),
            literal(&self.began),
            self.process
        )
    }

    /// The statement that terminates the backend, so that the transaction's locks are released. It
    /// does nothing if the process is in another transaction by then.
    fn ended(&self) -> String {
        format!(
            "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where pid = {} and xact_start = {}::timestamptz",
            self.process,
            literal(&self.began)
        )
    }
}

/// Why an answer failed to arrive.
pub(super) enum Trouble {
    /// The driver or the server reported an error.
    Said(tokio_postgres::Error),
    /// The connection is silent.
    Silent(Error),
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Said(error)
    }
}

impl Trouble {
    /// The server did not begin a transaction within `waited`.
    pub(super) fn not_begun(waited: Duration) -> Self {
        let cause = format!("no transaction was begun within {}", shown(waited));
        Self::Silent(Error::new(ErrorKind::WarehouseLost, STALLED).caused_by(cause))
    }
}

const STALLED: &str = "the connection to the server has stalled";

/// The result of one check.
enum Seen {
    /// The process is working, or the check could not tell.
    AtWork,
    /// The process waits for this side.
    Waiting,
    /// The process or its transaction is gone.
    Over,
    /// No second connection can be made.
    Unreachable(Error),
}

/// The connection of one check. Dropping it closes it, answered or not.
struct Beside(Connected);

impl Drop for Beside {
    fn drop(&mut self) {
        self.0.task.abort();
    }
}

/// Awaits the answers of one transaction.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a> {
    pub(super) pool: &'a Arc<Pool>,
    pub(super) route: Route,
    /// The host of the watched connection, which the check has to reach too.
    pub(super) host: &'a Host,
    /// The transaction; `None` while it is not known yet.
    pub(super) backend: Option<&'a Backend>,
}

impl Watch<'_> {
    /// Awaits an answer for as long as the server is working on it. Fails with [`Trouble::Silent`]
    /// after [`LOOKS`] checks in a row that found a problem.
    pub(super) async fn over<T>(
        self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Trouble> {
        let mut answer = pin!(answer);
        // Most answers, such as the next row of a result, are already there and need no timer.
        if let Poll::Ready(answered) = poll!(answer.as_mut()) {
            return answered.map_err(Trouble::Said);
        }
        let began = Instant::now();
        let mut against = 0;
        loop {
            if let Ok(answered) = timeout(self.pool.silence(), answer.as_mut()).await {
                return answered.map_err(Trouble::Said);
            }
            // The answer may still arrive during the check.
            let seen = match select(answer.as_mut(), pin!(self.look())).await {
                Either::Left((answered, _)) => return answered.map_err(Trouble::Said),
                Either::Right((seen, _)) => seen,
            };
            against = if matches!(seen, Seen::AtWork) { 0 } else { against + 1 };
            if against >= LOOKS {
                // The process would keep the transaction and its locks open.
                if let (Seen::Waiting, Some(backend)) = (&seen, self.backend) {
                    self.end(backend).await;
                }
                return Err(Trouble::Silent(self.stalled(seen, began.elapsed())));
            }
        }
    }

    /// One check over a second connection.
    async fn look(&self) -> Seen {
        let late = || {
            let message = format!("the server has not answered within {}", shown(LOOK));
            Unreached { code: None, error: Error::new(ErrorKind::WarehouseUnreachable, message) }
        };
        let beside = match timeout(LOOK, self.beside()).await.unwrap_or_else(|_| Err(late())) {
            Ok(beside) => beside,
            // A server that refuses the connection is running.
            Err(Unreached { code: Some(_), .. }) => return Seen::AtWork,
            Err(unreached) => return Seen::Unreachable(unreached.error),
        };
        let sql = self.backend.map_or_else(|| "select false, false, false".to_owned(), Backend::looked_at);
        let answer = match timeout(LOOK, beside.0.client.simple_query(&sql)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.code().is_none() => {
                return Seen::Unreachable(statement_error(&error, &sql));
            }
            // A pooler without a free server connection accepts the client and does not answer.
            Ok(Err(_)) | Err(_) => return Seen::AtWork,
        };
        let found = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some([0, 1, 2].map(|at| row.get(at).unwrap_or_default())),
            _ => None,
        });
        match found {
            Some(["t", "t", "t"]) => Seen::Waiting,
            Some(["t", "f", _]) => Seen::Over,
            _ => Seen::AtWork,
        }
    }

    /// Opens the second connection, to the host of the watched one.
    async fn beside(&self) -> Result<Beside, Unreached> {
        self.pool.beside(self.route, self.host).await.map(Beside)
    }

    /// Terminates the backend of the transaction. If that fails, the server notices the dead client
    /// itself, later.
    async fn end(&self, backend: &Backend) {
        let ended = timeout(LOOK, async {
            if let Ok(beside) = self.beside().await {
                let _ = beside.0.client.simple_query(&backend.ended()).await;
            }
        });
        let _ = ended.await;
    }

    /// Makes the error, with the result of the last check as its cause.
    fn stalled(&self, seen: Seen, silent: Duration) -> Error {
        let error = Error::new(ErrorKind::WarehouseLost, STALLED)
            .caused_by(format!("nothing has come over it for {}, and it is still open", shown(silent)));
        let process = self.backend.map(|backend| format!("process {}", backend.process)).unwrap_or_default();
        match seen {
            Seen::AtWork => error,
            Seen::Waiting => error.caused_by(format!(
                "{process} of the server waits for this side: something on the way holds back what is sent"
            )),
            Seen::Over => {
                error.caused_by(format!("{process} of the server is no more, or has ended the transaction"))
            }
            Seen::Unreachable(other) => other.causes().iter().fold(
                error.caused_by(format!("no other can be made: {}", other.message())),
                Error::caused_by,
            ),
        }
    }
}

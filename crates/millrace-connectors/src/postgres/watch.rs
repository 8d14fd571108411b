//! A server that says nothing: is it still at work?
//!
//! A statement may take hours, so no limit of time tells a stalled connection from a long one. Another connection does: it asks the server
//! what the process of the silent one does. One that works is waited for. One that waits for this side, which waits for it, or whose
//! transaction is over, has been cut off without a word; and where no other connection can be made either, the server is gone or hangs.

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

/// After how long without a word from the server it is looked at, where the project does not say.
pub(super) const SILENCE: Duration = Duration::from_mins(1);

/// How often in a row a connection has to look stalled: what is on its way at that moment does, for a moment.
const LOOKS: u32 = 3;

/// How long a look may take.
const LOOK: Duration = Duration::from_secs(30);

/// What a transaction is known by in the server.
#[derive(Debug, Clone)]
pub(super) struct Backend {
    /// Number of its process.
    process: u32,
    /// When it began, as a text of PostgreSQL's.
    began: String,
    /// When its server was started, as such a text: a name may lead to several.
    server: String,
}

/// The last statement of what begins a transaction: it gives what the transaction is known by.
pub(super) const WHO: &str =
    "select pg_catalog.pg_backend_pid(), pg_catalog.now(), pg_catalog.pg_postmaster_start_time()";

impl Backend {
    /// From the answer to that.
    pub(super) fn of(answer: &[SimpleQueryMessage]) -> Option<Self> {
        let row = answer.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        })?;
        let text = |at| row.get(at).map(str::to_owned);
        Some(Self { process: row.get(0)?.parse().ok()?, began: text(1)?, server: text(2)? })
    }

    /// One row: whether the server can say it, whether the process is in this transaction, and whether it waits for its client.
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

    /// Ends what is left of the transaction, so that its locks are in nobody's way.
    fn ended(&self) -> String {
        format!(
            "select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where pid = {} and xact_start = {}::timestamptz",
            self.process,
            literal(&self.began)
        )
    }
}

/// Why there is no answer.
pub(super) enum Trouble {
    /// The driver or the server says why.
    Said(tokio_postgres::Error),
    /// Nobody says anything.
    Silent(Error),
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Said(error)
    }
}

impl Trouble {
    /// A server that has not even begun a transaction.
    pub(super) fn not_begun(waited: Duration) -> Self {
        let cause = format!("no transaction was begun within {}", shown(waited));
        Self::Silent(Error::new(ErrorKind::WarehouseLost, STALLED).caused_by(cause))
    }
}

const STALLED: &str = "the connection to the server has stalled";

/// What a look finds.
enum Seen {
    /// Work; or an answer that leaves it open.
    AtWork,
    /// The process waits for this side.
    Waiting,
    /// The process or its transaction is no more.
    Over,
    /// No other connection can be made.
    Unreachable(Error),
}

/// A connection for one look, which ends with it, answered or not.
struct Beside(Connected);

impl Drop for Beside {
    fn drop(&mut self) {
        self.0.task.abort();
    }
}

/// Waits for answers of one transaction.
#[derive(Clone, Copy)]
pub(super) struct Watch<'a> {
    pub(super) pool: &'a Arc<Pool>,
    pub(super) route: Route,
    /// Where the connection leads that is watched.
    pub(super) host: &'a Host,
    pub(super) backend: Option<&'a Backend>,
}

impl Watch<'_> {
    /// Waits for an answer for as long as the server is at work on it.
    pub(super) async fn over<T>(
        self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Trouble> {
        let mut answer = pin!(answer);
        // Most of what is asked for a row at a time is there already.
        if let Poll::Ready(answered) = poll!(answer.as_mut()) {
            return answered.map_err(Trouble::Said);
        }
        let began = Instant::now();
        let mut against = 0;
        loop {
            if let Ok(answered) = timeout(self.pool.silence(), answer.as_mut()).await {
                return answered.map_err(Trouble::Said);
            }
            let seen = match select(answer.as_mut(), pin!(self.look())).await {
                Either::Left((answered, _)) => return answered.map_err(Trouble::Said),
                Either::Right((seen, _)) => seen,
            };
            against = if matches!(seen, Seen::AtWork) { 0 } else { against + 1 };
            if against >= LOOKS {
                if let (Seen::Waiting, Some(backend)) = (&seen, self.backend) {
                    self.end(backend).await;
                }
                return Err(Trouble::Silent(self.stalled(seen, began.elapsed())));
            }
        }
    }

    async fn look(&self) -> Seen {
        let late = || {
            let message = format!("the server has not answered within {}", shown(LOOK));
            Unreached { code: None, error: Error::new(ErrorKind::WarehouseUnreachable, message) }
        };
        let beside = match timeout(LOOK, self.beside()).await.unwrap_or_else(|_| Err(late())) {
            Ok(beside) => beside,
            // Who refuses, is there.
            Err(Unreached { code: Some(_), .. }) => return Seen::AtWork,
            Err(unreached) => return Seen::Unreachable(unreached.error),
        };
        let sql = self.backend.map_or_else(|| "select false, false, false".to_owned(), Backend::looked_at);
        let answer = match timeout(LOOK, beside.0.client.simple_query(&sql)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.code().is_none() => {
                return Seen::Unreachable(statement_error(&error, &sql));
            }
            // A pooler without a free session lets in, and does not answer.
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

    async fn beside(&self) -> Result<Beside, Unreached> {
        self.pool.beside(self.route, self.host).await.map(Beside)
    }

    /// Ends what is left of the transaction. Where that fails the server finds out by itself, later.
    async fn end(&self, backend: &Backend) {
        let ended = timeout(LOOK, async {
            if let Ok(beside) = self.beside().await {
                let _ = beside.0.client.simple_query(&backend.ended()).await;
            }
        });
        let _ = ended.await;
    }

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

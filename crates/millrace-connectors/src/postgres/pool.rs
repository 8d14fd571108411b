//! A small pool of connections. An idle connection is closed after a few seconds, because a cloud's
//! server sleeps only if nobody is connected.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millrace_core::time_zone::ProjectZone;
use millrace_engine::error::{Error, ErrorKind, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use super::connect::{Connected, Unreached, connect, reach_now};
use super::tls::MakeTls;
use super::url::{Host, Server, Target};
use super::watch::{Backend, Watch};

/// How long an unused connection is kept.
const IDLE: Duration = Duration::from_secs(10);

/// Which of the two addresses of the server to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// As the URL says, which may be a pooler.
    Given,
    /// Past the pooler, for work that is long or that writes.
    Direct,
}

/// A connection that nobody uses, and since when.
struct Idle {
    route: Route,
    connected: Connected,
    since: Instant,
}

/// The idle connections.
#[derive(Default)]
struct Kept {
    idle: VecDeque<Idle>,
    /// Whether a task is running that closes them in time.
    watched: bool,
}

/// All connections to one warehouse, with the time zone of one user of them. Clones for other zones
/// share the connections.
#[derive(Clone)]
pub(super) struct Pool {
    /// What the URL says.
    given: Server,
    /// The same past the pooler, if the URL names one.
    direct: Option<Server>,
    tls: MakeTls,
    /// One permit for each connection that may be in use at once.
    room: Arc<Semaphore>,
    /// How long the server may be silent before [`Watch`] checks on it.
    silence: Duration,
    zone: ProjectZone,
    kept: Arc<Mutex<Kept>>,
}

/// A connection in use, with its permit.
pub(super) struct Taken {
    pub(super) connected: Connected,
    /// Whether it was used before. The server may then have closed it in the meantime.
    pub(super) used: bool,
    route: Route,
    pool: Arc<Pool>,
    /// `None` for a connection beyond the limit.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Pool {
    /// A pool of at most `connections` connections in use at once. Opens none yet.
    pub(super) fn new(given: Server, tls: MakeTls, connections: usize, silence: Duration) -> Arc<Self> {
        let direct = given.direct();
        let room = Arc::new(Semaphore::new(connections));
        let (zone, kept) = (ProjectZone::default(), Arc::default());
        Arc::new(Self { given, direct, tls, room, silence, zone, kept })
    }

    /// The same connections for transactions that read days and hours of timestamps in `zone`.
    pub(super) fn in_time_zone(&self, zone: &ProjectZone) -> Arc<Self> {
        Arc::new(Self { zone: zone.clone(), ..self.clone() })
    }

    /// The time zone of transactions from this pool.
    pub(super) fn time_zone(&self) -> &ProjectZone {
        &self.zone
    }

    /// How long the server may be silent before it is checked on.
    pub(super) fn silence(&self) -> Duration {
        self.silence
    }

    /// A connection beyond the limit, to this host and to no other. Does not retry.
    pub(super) async fn beside(&self, route: Route, host: &Host) -> Result<Connected, Unreached> {
        let server = Server { hosts: vec![host.clone()], target: Target::Any, ..self.to(route).clone() };
        reach_now(&server, &self.tls).await
    }

    /// The server to connect to on a route.
    fn to(&self, route: Route) -> &Server {
        match (&self.direct, route) {
            (Some(direct), Route::Direct) => direct,
            _ => &self.given,
        }
    }

    /// What the URL says.
    pub(super) fn server(&self) -> &Server {
        &self.given
    }

    /// Whether the URL names a pooler.
    pub(super) fn is_pooled(&self) -> bool {
        self.direct.is_some()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an idle connection, or makes one. Waits while the limit is reached, unless the work is
    /// `vital`. `fresh` never takes one that was used before.
    pub(super) async fn take(self: &Arc<Self>, route: Route, vital: bool, fresh: bool) -> Result<Taken> {
        let route = if self.direct.is_none() { Route::Given } else { route };
        let closed = |error| Error::new(ErrorKind::Internal, "the warehouse was closed").caused_by(error);
        let permit =
            if vital { None } else { Some(Arc::clone(&self.room).acquire_owned().await.map_err(closed)?) };
        let taken =
            |connected, used| Taken { connected, used, route, pool: Arc::clone(self), _permit: permit };
        if fresh {
            // Whatever ended one connection has most likely ended the other idle ones too.
            self.kept().idle.clear();
        } else if let Some(connected) = self.idle(route) {
            return Ok(taken(connected, true));
        }
        let connected = connect(self.to(route), &self.tls).await?;
        Ok(taken(connected, false))
    }

    /// Takes the idle connection of a route that was used last; drops the closed ones.
    fn idle(&self, route: Route) -> Option<Connected> {
        let mut kept = self.kept();
        kept.idle.retain(|idle| !idle.connected.client.is_closed());
        let at = kept.idle.iter().rposition(|idle| idle.route == route)?;
        kept.idle.remove(at).map(|idle| idle.connected)
    }

    /// Closes connections that have been idle for too long. Ends when none is left.
    async fn watch(self: Arc<Self>) {
        loop {
            sleep(IDLE / 4).await;
            let mut kept = self.kept();
            kept.idle.retain(|idle| idle.since.elapsed() < IDLE && !idle.connected.client.is_closed());
            if kept.idle.is_empty() {
                kept.watched = false;
                return;
            }
        }
    }
}

impl Taken {
    /// The watch for the answers of a transaction on this connection.
    pub(super) fn watch<'a>(&'a self, backend: Option<&'a Backend>) -> Watch<'a> {
        Watch { pool: &self.pool, route: self.route, host: &self.connected.host, backend }
    }

    /// The connect timeout of its server.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.pool.to(self.route).connect_timeout
    }

    /// Returns the connection to the pool. No transaction may be open on it.
    pub(super) fn give_back(self) {
        let Self { connected, route, pool, .. } = self;
        if connected.client.is_closed() {
            return;
        }
        let mut kept = pool.kept();
        kept.idle.push_back(Idle { route, connected, since: Instant::now() });
        if !kept.watched {
            kept.watched = true;
            drop(kept);
            tokio::spawn(Arc::clone(&pool).watch());
        }
    }
}

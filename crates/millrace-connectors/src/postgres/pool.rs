//! Connections: few, kept for a moment, never while there is nothing to do. A cloud's server sleeps only when nobody is connected.

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

/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(10);

/// Which way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// As the URL says; through a pooler, perhaps.
    Given,
    /// Past the pooler: for work that is long or changes things.
    Direct,
}

struct Idle {
    route: Route,
    connected: Connected,
    since: Instant,
}

#[derive(Default)]
struct Kept {
    idle: VecDeque<Idle>,
    /// Whether somebody will look after them.
    watched: bool,
}

/// All connections to one warehouse, and the zone in which a part of the program uses them.
#[derive(Clone)]
pub(super) struct Pool {
    given: Server,
    /// Past the pooler, where the URL names one.
    direct: Option<Server>,
    tls: MakeTls,
    room: Arc<Semaphore>,
    silence: Duration,
    zone: ProjectZone,
    kept: Arc<Mutex<Kept>>,
}

/// A connection in use.
pub(super) struct Taken {
    pub(super) connected: Connected,
    /// Whether it was used before: then the server may have hung up in the meantime.
    pub(super) used: bool,
    route: Route,
    pool: Arc<Pool>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Pool {
    pub(super) fn new(given: Server, tls: MakeTls, connections: usize, silence: Duration) -> Arc<Self> {
        let direct = given.direct();
        let room = Arc::new(Semaphore::new(connections));
        let (zone, kept) = (ProjectZone::default(), Arc::default());
        Arc::new(Self { given, direct, tls, room, silence, zone, kept })
    }

    /// The same connections, whose transactions read days and hours of moments in that zone.
    pub(super) fn in_time_zone(&self, zone: &ProjectZone) -> Arc<Self> {
        Arc::new(Self { zone: zone.clone(), ..self.clone() })
    }

    pub(super) fn time_zone(&self) -> &ProjectZone {
        &self.zone
    }

    /// After how long without a word from the server it is looked at.
    pub(super) fn silence(&self) -> Duration {
        self.silence
    }

    /// A connection beside those that are counted, to the host of one of them.
    pub(super) async fn beside(&self, route: Route, host: &Host) -> Result<Connected, Unreached> {
        let server = Server { hosts: vec![host.clone()], target: Target::Any, ..self.to(route).clone() };
        reach_now(&server, &self.tls).await
    }

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

    /// A connection, waiting for one where all are in use, but for what is `vital`. `fresh` takes none that was used before.
    pub(super) async fn take(self: &Arc<Self>, route: Route, vital: bool, fresh: bool) -> Result<Taken> {
        let route = if self.direct.is_none() { Route::Given } else { route };
        let closed = |error| Error::new(ErrorKind::Internal, "the warehouse was closed").caused_by(error);
        let permit =
            if vital { None } else { Some(Arc::clone(&self.room).acquire_owned().await.map_err(closed)?) };
        let taken =
            |connected, used| Taken { connected, used, route, pool: Arc::clone(self), _permit: permit };
        if fresh {
            // Whatever ended one connection has most likely ended the others.
            self.kept().idle.clear();
        } else if let Some(connected) = self.idle(route) {
            return Ok(taken(connected, true));
        }
        let connected = connect(self.to(route), &self.tls).await?;
        Ok(taken(connected, false))
    }

    fn idle(&self, route: Route) -> Option<Connected> {
        let mut kept = self.kept();
        kept.idle.retain(|idle| !idle.connected.client.is_closed());
        let at = kept.idle.iter().rposition(|idle| idle.route == route)?;
        kept.idle.remove(at).map(|idle| idle.connected)
    }

    /// Closes what nobody has used for a while, until nothing is left.
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
    /// Waits for answers of a transaction on it.
    pub(super) fn watch<'a>(&'a self, backend: Option<&'a Backend>) -> Watch<'a> {
        Watch { pool: &self.pool, route: self.route, host: &self.connected.host, backend }
    }

    /// How long its server may take to answer at all.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.pool.to(self.route).connect_timeout
    }

    /// Gives the connection back for others to use: no transaction is open on it.
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

//! What happens while a page is open, told to every page that listens.

use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt as _, future, stream};
use serde::Serialize;
use tokio::sync::{broadcast, watch};
use tokio_stream::wrappers::BroadcastStream;

use crate::snapshot::Snapshot;
use crate::wire::page::{ProjectEvent, PublishEvent};
use crate::wire::run::Run;

/// Events that a slow listener may lag behind before it loses some; its page catches up with the next one.
const KEPT: usize = 64;

#[derive(Debug, Clone)]
enum Told {
    Publish(PublishEvent),
    // Large beside a publish, but few are under way at any time.
    Run(Box<Run>),
    Project,
}

/// The newest data version that anybody has seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// Nobody has looked.
    Never,
    /// There was none.
    Unpublished,
    /// This one.
    Version(u64),
}

/// The stream of events of one server.
pub(crate) struct Live {
    events: broadcast::Sender<Told>,
    seen: Mutex<Seen>,
    closing: watch::Sender<bool>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self {
            events: broadcast::Sender::new(KEPT),
            seen: Mutex::new(Seen::Never),
            closing: watch::Sender::new(false),
        }
    }

    /// Tells all listeners of a publish that has just happened, unless they know.
    pub(crate) fn published(&self, data_version: u64, published_at: &str) {
        if self.see(Seen::Version(data_version)) < Seen::Version(data_version) {
            self.tell(data_version, published_at);
        }
    }

    /// Tells all listeners of what somebody has found who looked, where it is newer than what was seen before. The first look
    /// finds nothing new.
    pub(crate) fn looked(&self, found: Option<&Snapshot>) {
        let now = found.map_or(Seen::Unpublished, |snapshot| Seen::Version(snapshot.version));
        let before = self.see(now);
        if let Some(snapshot) = found
            && before != Seen::Never
            && before < now
        {
            self.tell(snapshot.version, &snapshot.published_at);
        }
    }

    /// Returns what was seen before. A slow request that has read an older version changes nothing.
    fn see(&self, now: Seen) -> Seen {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *seen;
        *seen = before.max(now);
        before
    }

    fn tell(&self, data_version: u64, published_at: &str) {
        let event = PublishEvent { data_version, published_at: published_at.to_owned() };
        // Fails only where nobody listens.
        let _ = self.events.send(Told::Publish(event));
    }

    /// Tells all listeners of a run that began or ended.
    pub(crate) fn run(&self, run: Run) {
        let _ = self.events.send(Told::Run(Box::new(run)));
    }

    /// Tells all listeners to ask for the project anew.
    pub(crate) fn project(&self) {
        let _ = self.events.send(Told::Project);
    }

    /// Ends all streams: the server shuts down.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Returns when the server shuts down.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut closing = self.closing.subscribe();
        async move {
            // An error says that the server is gone altogether.
            let _ = closing.wait_for(|closing| *closing).await;
        }
    }

    /// A stream for one listener. A comment first, so that the browser knows at once that it is open.
    pub(crate) fn listen(&self) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
        let events = BroadcastStream::new(self.events.subscribe()).filter_map(|told| {
            // A listener that lags has lost what was told before; what follows is newer.
            future::ready(told.ok().and_then(|told| match told {
                Told::Publish(publish) => event("publish", &publish),
                Told::Run(run) => event("run", &run),
                Told::Project => event("project", &ProjectEvent {}),
            }))
        });
        let stream = stream::once(future::ready(Event::default().comment("open"))).chain(events);
        Sse::new(stream.take_until(Box::pin(self.closed())).map(Ok))
            .keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
    }
}

fn event(name: &str, body: &impl Serialize) -> Option<Event> {
    Event::default().event(name).json_data(body).ok()
}

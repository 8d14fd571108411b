//! Server-sent events for open pages: publishes, runs and changes of the project.
//!
//! Every request that reads the newest publication reports what it found, so pages also learn of
//! publishes by other processes. Each data version is announced at most once. A listener that lags
//! behind loses events; each event carries the newest state, so the next one brings its page up to
//! date.

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

/// How many events a slow listener may lag behind before it loses the oldest.
const KEPT: usize = 64;

/// An event on its way to the listeners.
#[derive(Debug, Clone)]
enum Told {
    Publish(PublishEvent),
    // Boxed, because it is much larger than the other variants.
    Run(Box<Run>),
    Project,
}

/// The newest data version that any request or run has seen. The order of the variants is the order
/// of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// The warehouse has not been read yet.
    Never,
    /// Nothing was published.
    Unpublished,
    /// This data version was published.
    Version(u64),
}

/// The event stream of one server.
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

    /// Announces a publish that has just happened, unless it was announced before.
    pub(crate) fn published(&self, data_version: u64, published_at: &str) {
        if self.see(Seen::Version(data_version)) < Seen::Version(data_version) {
            self.tell(data_version, published_at);
        }
    }

    /// Takes what a request has found in the warehouse, and announces it if it is newer than what
    /// was seen before. The first look announces nothing: pages that open later read it themselves.
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

    /// Records what was seen and returns what was seen before. Never goes back: a slow request may
    /// report an older data version.
    fn see(&self, now: Seen) -> Seen {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *seen;
        *seen = before.max(now);
        before
    }

    fn tell(&self, data_version: u64, published_at: &str) {
        let event = PublishEvent { data_version, published_at: published_at.to_owned() };
        // Fails only if there is no listener.
        let _ = self.events.send(Told::Publish(event));
    }

    /// Announces a run that began or ended.
    pub(crate) fn run(&self, run: Run) {
        let _ = self.events.send(Told::Run(Box::new(run)));
    }

    /// Asks all pages to load the project again.
    pub(crate) fn project(&self) {
        let _ = self.events.send(Told::Project);
    }

    /// Ends all streams, because the server shuts down.
    pub(crate) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// A future that completes when the server shuts down.
    pub(crate) fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut closing = self.closing.subscribe();
        async move {
            // An error means that the sender was dropped, and so the server too.
            let _ = closing.wait_for(|closing| *closing).await;
        }
    }

    /// The stream for one listener. It begins with a comment, so that the browser knows at once
    /// that the connection is open, and sends one every 15 seconds if there is nothing else to
    /// send.
    pub(crate) fn listen(&self) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
        let events = BroadcastStream::new(self.events.subscribe()).filter_map(|told| {
            // An error means that this listener lagged and lost events; the following ones are
            // newer.
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

/// One server-sent event with a JSON body; returns `None` if the body does not serialize.
fn event(name: &str, body: &impl Serialize) -> Option<Event> {
    Event::default().event(name).json_data(body).ok()
}

//! What happens while a page is open, told to every page that listens.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, StreamExt as _, future, stream};
use serde::Serialize;
use tokio::sync::{broadcast, watch};
use tokio_stream::wrappers::BroadcastStream;

use crate::wire::page::PublishEvent;
use crate::wire::project::Run;

/// Events that a slow listener may lag behind before it loses some; its page catches up with the next one.
const KEPT: usize = 64;

#[derive(Debug, Clone)]
enum Told {
    Publish(PublishEvent),
    Run(Run),
}

/// The stream of events of one server.
pub(crate) struct Live {
    events: broadcast::Sender<Told>,
    closing: watch::Sender<bool>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { events: broadcast::Sender::new(KEPT), closing: watch::Sender::new(false) }
    }

    /// Tells all listeners of a publish.
    pub(crate) fn publish(&self, event: PublishEvent) {
        // Fails only where nobody listens.
        let _ = self.events.send(Told::Publish(event));
    }

    /// Tells all listeners of a run that began or ended.
    pub(crate) fn run(&self, run: Run) {
        let _ = self.events.send(Told::Run(run));
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

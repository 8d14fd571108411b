//! The events of a run as newline-delimited JSON. If the client disconnects, the run is cancelled.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::Response;
use futures::{Stream, StreamExt as _, stream};
use millrace_engine::cancel::Cancel;

use super::wire::{RunLine, WireEnd};
use crate::runs::RunHandle;

/// Cancels the run when it is dropped; that has no effect on a run that has ended. The stream owns
/// it, and the HTTP server drops the stream when the client disconnects.
struct Reader(Cancel);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// What the stream does next.
enum Next {
    /// Waits for an event, or for the end after the last one.
    Events(RunHandle, Reader),
    /// Nothing: the end was sent.
    Nothing,
}

/// Builds the answer: one line for the ticket, one for each event, one for the end.
pub(super) fn answer(handle: RunHandle) -> Response {
    let first = RunLine::Ticket { ticket: handle.ticket };
    let lines = stream::once(async { first }).chain(lines(handle));
    let mut response =
        Response::new(Body::from_stream(lines.map(|line| Ok::<_, Infallible>(written(&line)))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

/// The lines after the ticket.
fn lines(handle: RunHandle) -> impl Stream<Item = RunLine> + Send {
    let reader = Reader(handle.cancel.clone());
    stream::unfold(Next::Events(handle, reader), async |next| match next {
        Next::Events(mut handle, reader) => match handle.events.recv().await {
            Some(event) => Some((RunLine::from(event), Next::Events(handle, reader))),
            None => Some((RunLine::End(Box::new(WireEnd::from(handle.end().await))), Next::Nothing)),
        },
        Next::Nothing => None,
    })
}

/// A line of the answer. Lines always serialize; if one did not, the client would report a broken
/// stream.
fn written(line: &RunLine) -> Vec<u8> {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text
}

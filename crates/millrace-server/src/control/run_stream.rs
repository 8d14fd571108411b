//! A run as the lines of an answer. When the answer's reader goes away, the run is cancelled.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::Response;
use futures::{Stream, StreamExt as _, stream};
use millrace_engine::cancel::Cancel;

use super::wire::{RunLine, WireEnd};
use crate::runs::RunHandle;

/// Cancels the run when it is dropped, which does nothing to one that has ended.
struct Reader(Cancel);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Where the stream is.
enum Next {
    Events(RunHandle, Reader),
    Nothing,
}

/// The answer: a line for the ticket, one for each event, one for the end.
pub(super) fn answer(handle: RunHandle) -> Response {
    let first = RunLine::Ticket { ticket: handle.ticket };
    let lines = stream::once(async { first }).chain(lines(handle));
    let mut response =
        Response::new(Body::from_stream(lines.map(|line| Ok::<_, Infallible>(written(&line)))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

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

/// A line. These always serialize; were one not to, the client would find the stream broken.
fn written(line: &RunLine) -> Vec<u8> {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text
}

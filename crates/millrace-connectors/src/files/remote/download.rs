//! Reads the bytes of a remote file, and continues after an interruption.

use std::io::{self, Read};
use std::sync::Arc;

use millrace_engine::error::Error;

use crate::files::remote::Object;
use crate::files::remote::web::{Ask, PAUSES};

/// A running download. If the connection ends too early, the rest is requested with `Range` and
/// `If-Range`, as long as the server can prove by an entity tag that it is the rest of the same
/// version. Otherwise the read fails, so that a part never passes for the whole file.
pub(crate) struct Download {
    object: Arc<Object>,
    body: Box<dyn Read + Send>,
    etag: Option<String>,
    /// Bytes received so far, where the next request continues.
    received: u64,
    /// Length of the whole file, if the server named it. Without one the HTTP client detects an
    /// early end by the chunks.
    length: Option<u64>,
    /// Requests for the rest since bytes last arrived.
    tries: usize,
}

impl Download {
    pub(super) fn new(
        object: Arc<Object>,
        body: Box<dyn Read + Send>,
        etag: Option<String>,
        length: Option<u64>,
    ) -> Self {
        Self { object, body, etag, received: 0, length, tries: 0 }
    }

    /// Requests the rest after an interruption, after a pause. Fails without an entity tag, after
    /// as many tries as [`PAUSES`] has entries, or if the server no longer has this version.
    fn resume(&mut self, why: &str) -> Result<(), Error> {
        let (Some(etag), Some(pause)) = (&self.etag, PAUSES.get(self.tries)) else {
            return Err(self.object.unreachable(why));
        };
        self.tries += 1;
        std::thread::sleep(*pause);
        // `If-Range` makes the server send the whole file if it has another version.
        let answer = self.object.ask(&Ask::Rest(etag, self.received))?;
        match answer.body {
            Some(body) if answer.status == 206 && answer.start == Some(self.received) => {
                self.body = body;
                Ok(())
            }
            _ => Err(self.object.unreachable("it has changed while it was fetched")),
        }
    }
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Reading into an empty buffer returns 0, which must not look like the end of the body.
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let why = match self.body.read(buffer) {
                // The end of the connection is not the end of the file.
                Ok(0) if self.length.is_some_and(|length| self.received < length) => {
                    "the connection ended before the file did".to_owned()
                }
                Ok(n) => {
                    self.received += n as u64;
                    // Progress resets the tries, so a large file survives many interruptions.
                    self.tries = 0;
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error.to_string(),
            };
            self.resume(&why).map_err(io::Error::other)?;
        }
    }
}

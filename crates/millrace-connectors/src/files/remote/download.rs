//! The bytes of a file while they are fetched.

use std::io::{self, Read};
use std::sync::Arc;

use millrace_engine::error::Error;

use crate::files::remote::Object;
use crate::files::remote::web::{Ask, PAUSES};

/// A file on its way. Where the connection ends too early, the rest is asked for, as long as the server can say that it is the rest of the
/// same file; else reading fails, so that a part is never taken for the whole.
pub(crate) struct Download {
    object: Arc<Object>,
    body: Box<dyn Read + Send>,
    etag: Option<String>,
    received: u64,
    length: Option<u64>,
    /// How often the rest was asked for since bytes came last.
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

    /// Goes on after an interruption.
    fn resume(&mut self, why: &str) -> Result<(), Error> {
        let (Some(etag), Some(pause)) = (&self.etag, PAUSES.get(self.tries)) else {
            return Err(self.object.unreachable(why));
        };
        self.tries += 1;
        std::thread::sleep(*pause);
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
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let why = match self.body.read(buffer) {
                Ok(0) if self.length.is_some_and(|length| self.received < length) => {
                    "the connection ended before the file did".to_owned()
                }
                Ok(n) => {
                    self.received += n as u64;
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

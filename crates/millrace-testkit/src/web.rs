//! An HTTP server on a loopback port whose answers a test defines.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// A request to the server. Its method is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The path and the query, as they were sent.
    pub target: String,
    /// Headers by their names in lower case.
    pub headers: BTreeMap<String, String>,
}

/// An answer of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// Headers, apart from those about the connection and the body's length.
    pub headers: Vec<(&'static str, String)>,
    /// The whole body, also if `cut` sends a part of it only.
    pub body: Vec<u8>,
    /// Closes the connection after so many bytes of the body, although the header announces all of
    /// them.
    pub cut: Option<usize>,
    /// Whether the body is sent in chunked encoding, without a length.
    pub chunked: bool,
    /// Whether the header has the length of the body, if it is not chunked.
    pub length: bool,
}

impl Reply {
    /// An answer with a whole body and its length.
    pub fn of(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), cut: None, chunked: false, length: true }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The server. Its thread is never joined and ends with the process.
pub struct WebServer {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl WebServer {
    /// Starts the server on a free port. `answer` is called for one request after the other; each
    /// connection serves one request.
    pub fn start(answer: impl Fn(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let Some(request) = read(&stream) else { continue };
                let reply = answer(&request);
                seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                // Tests make clients disconnect early.
                let _ = write(&stream, &reply);
            }
        });
        Self { port, requests }
    }

    /// The URL of a path on this server.
    pub fn address(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The requests since the last call of this function.
    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Reads the head of a request. A body is ignored. Returns `None` if there is no request line.
fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let target = lines.next()?.split(' ').nth(1)?.to_owned();
    let head = lines.take_while(|line| !line.is_empty());
    let headers = head.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    });
    Some(Request { target, headers: headers.collect() })
}

/// Writes an answer, as broken as the test asks for.
fn write(mut stream: &TcpStream, reply: &Reply) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Word\r\nconnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if reply.chunked {
        head.push_str("transfer-encoding: chunked\r\n");
    } else if reply.length && reply.status != 304 {
        head.push_str(&format!("content-length: {}\r\n", reply.body.len()));
    }
    stream.write_all(head.as_bytes())?;
    stream.write_all(b"\r\n")?;
    let body = &reply.body[..reply.cut.unwrap_or(reply.body.len())];
    if !reply.chunked {
        return stream.write_all(body);
    }
    // Chunks are small, so that their borders are anywhere in the content.
    for chunk in body.chunks(7) {
        write!(stream, "{:x}\r\n", chunk.len())?;
        stream.write_all(chunk)?;
        stream.write_all(b"\r\n")?;
    }
    if reply.cut.is_none() { stream.write_all(b"0\r\n\r\n") } else { Ok(()) }
}

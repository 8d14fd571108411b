//! A TCP proxy in front of a server that breaks on request: at a given byte, or at a given text in
//! what passes through it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The direction in which bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// When a fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// After so many bytes in the fault's direction, over all connections since the fault was set.
    Bytes(u64),
    /// With the bytes that contain the last of these texts, after the others have passed in order.
    /// A text must be within one read.
    Texts(&'static [&'static [u8]]),
}

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Closes the connection on both sides.
    Cut,
    /// The same, without the bytes of that moment.
    CutBefore,
    /// Closes the fault's direction only: the receiver sees the end, the other direction stays
    /// open.
    HalfClose,
    /// Forwards nothing more in this direction and tells neither side, until [`Proxy::let_go`] cuts
    /// the connection.
    Stall,
}

/// A fault that happens once. Later connections are whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// In which direction.
    pub way: Way,
    /// When it happens.
    pub when: When,
    /// What it does.
    pub how: How,
}

/// The fault, and what has passed since it was set.
#[derive(Debug, Default)]
struct State {
    fault: Option<Fault>,
    /// Bytes in each direction since the fault was set.
    passed: [u64; 2],
    /// How many of its texts have passed.
    texts: usize,
    /// Whether the fault has happened.
    met: bool,
    /// Whether a connection is stalled.
    stalled: bool,
    /// Whether the proxy is being dropped.
    over: bool,
    /// Both ends of the open connections.
    open: Vec<TcpStream>,
}

/// The state, and the signal that it has changed, for the threads of all connections.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts bytes that are about to be forwarded. If the fault happens with them, returns how
    /// many of them still go through, and what happens then.
    fn count(&self, way: Way, bytes: &[u8]) -> Option<(usize, How)> {
        let mut state = self.state();
        let before = state.passed[way as usize];
        state.passed[way as usize] += bytes.len() as u64;
        let fault = state.fault.filter(|fault| fault.way == way)?;
        let through = match fault.when {
            When::Bytes(after) => {
                usize::try_from(after.saturating_sub(before)).ok().filter(|n| *n < bytes.len())?
            }
            When::Texts(texts) => {
                while let Some(text) = texts.get(state.texts)
                    && bytes.windows(text.len()).any(|found| found == *text)
                {
                    state.texts += 1;
                }
                (state.texts == texts.len()).then_some(bytes.len())?
            }
        };
        let through = if fault.how == How::CutBefore { 0 } else { through };
        // The fault happens once: later bytes and connections pass as before.
        state.fault = None;
        state.met = true;
        state.stalled = fault.how == How::Stall;
        Some((through, fault.how))
    }
}

/// A proxy on a port of this machine that forwards bytes both ways. It and its connections end when
/// it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy in front of a server on a port of this machine.
    pub fn start(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let listening = std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if theirs.state().over {
                    return;
                }
                // If the server is down, the client's connection is closed.
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                splice(&client, &server, &theirs);
            }
        });
        Self { port, shared, listening: Some(listening) }
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sets a fault, replaces one that has not happened yet, and starts to count.
    pub fn set(&self, fault: Fault) {
        let mut state = self.shared.state();
        (state.fault, state.passed, state.texts, state.met) = (Some(fault), [0, 0], 0, false);
    }

    /// Removes the fault. Returns whether it has happened.
    pub fn clear(&self) -> bool {
        let mut state = self.shared.state();
        (state.fault, state.passed) = (None, [0, 0]);
        state.met
    }

    /// Bytes in a direction since a fault was set or removed.
    pub fn passed(&self, way: Way) -> u64 {
        self.shared.state().passed[way as usize]
    }

    /// Waits until the fault has happened, at most `most`. Returns whether it has.
    pub fn wait(&self, most: Duration) -> bool {
        let state = self.shared.state();
        let waited = self.shared.changed.wait_timeout_while(state, most, |state| !state.met);
        waited.unwrap_or_else(PoisonError::into_inner).0.met
    }

    /// Ends a stall by cutting every connection that is open.
    pub fn let_go(&self) {
        let mut state = self.shared.state();
        state.stalled = false;
        for end in state.open.drain(..) {
            // It may be closed already.
            let _ = end.shutdown(Shutdown::Both);
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().over = true;
        self.let_go();
        // Wakes the listening thread, so that it sees `over`.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

/// Starts the threads that forward bytes between two ends. They end when one end closes.
fn splice(client: &TcpStream, server: &TcpStream, shared: &Arc<Shared>) {
    let copy = |end: &TcpStream| end.try_clone().expect("a handle");
    shared.state().open.extend([copy(client), copy(server)]);
    for (from, to, way) in
        [(copy(client), copy(server), Way::ToServer), (copy(server), copy(client), Way::ToClient)]
    {
        let _ = to.set_nodelay(true);
        let shared = Arc::clone(shared);
        std::thread::spawn(move || pump(from, to, way, &shared));
    }
}

/// Forwards bytes in one direction until an end closes or the fault happens.
fn pump(mut from: TcpStream, mut to: TcpStream, way: Way, shared: &Shared) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        let bytes = &buffer[..read];
        let (through, how) = match shared.count(way, bytes) {
            _ if read == 0 => break,
            None => {
                if to.write_all(bytes).is_err() {
                    break;
                }
                continue;
            }
            Some(broken) => broken,
        };
        let _ = to.write_all(&bytes[..through]);
        shared.changed.notify_all();
        match how {
            How::Cut | How::CutBefore => {
                let _ = to.shutdown(Shutdown::Both);
                let _ = from.shutdown(Shutdown::Both);
                return;
            }
            // Keep reading, so that the sender is not blocked by a full buffer.
            How::HalfClose => {
                let _ = to.shutdown(Shutdown::Write);
                while from.read(&mut buffer).is_ok_and(|read| read > 0) {}
                return;
            }
            How::Stall => {
                let state = shared.state();
                let waited = shared.changed.wait_while(state, |state| state.stalled && !state.over);
                drop(waited);
                break;
            }
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers each byte with two, for one connection after the other.
    fn server() -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let mut byte = [0];
                while client.read(&mut byte).is_ok_and(|read| read == 1) {
                    let _ = client.write_all(&[byte[0], byte[0]]);
                }
            }
        });
        port
    }

    /// Sends a text, and returns what comes until the end.
    fn answer(proxy: &Proxy, text: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", proxy.port())).expect("it listens");
        let mut found = Vec::new();
        let sent = stream.write_all(text).and_then(|()| stream.shutdown(Shutdown::Write));
        let mut buffer = [0; 64];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            found.extend_from_slice(&buffer[..read]);
        }
        drop(sent);
        found
    }

    #[test]
    fn it_breaks_once_and_where_it_is_told_to() {
        let proxy = Proxy::start(server());
        assert_eq!(answer(&proxy, b"abc"), b"aabbcc");
        proxy.set(Fault { way: Way::ToClient, when: When::Bytes(3), how: How::Cut });
        assert_eq!(answer(&proxy, b"abc"), b"aab");
        assert!(proxy.clear());
        assert_eq!(answer(&proxy, b"abc"), b"aabbcc");
        assert_eq!((proxy.passed(Way::ToServer), proxy.passed(Way::ToClient)), (3, 6));
        proxy.set(Fault { way: Way::ToServer, when: When::Bytes(1), how: How::HalfClose });
        assert_eq!(answer(&proxy, b"abc"), b"aa");
        proxy.set(Fault { way: Way::ToServer, when: When::Texts(&[b"bc"]), how: How::Stall });
        std::thread::scope(|scope| {
            let stalled = scope.spawn(|| answer(&proxy, b"abc"));
            assert!(proxy.wait(Duration::from_secs(20)));
            proxy.let_go();
            assert!(b"aabbcc".starts_with(&stalled.join().expect("an answer")[..]));
        });
        proxy.set(Fault { way: Way::ToServer, when: When::Texts(&[b"x"]), how: How::Cut });
        assert_eq!(answer(&proxy, b"abc"), b"aabbcc");
        assert!(!proxy.clear());
    }
}

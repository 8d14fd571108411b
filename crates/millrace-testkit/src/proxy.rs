//! A way to a server that breaks when it is told to, at a byte or a text of what goes over it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// When the way breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// After so many bytes that go this way, over all connections since the fault was set.
    Bytes(u64),
    /// With the bytes that hold the last of these texts, once the others have gone by in their order.
    Texts(&'static [&'static [u8]]),
}

/// How it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The connection is closed on both sides.
    Cut,
    /// The same, and what would have gone through at that moment does not.
    CutBefore,
    /// The side that would have got more sees the end; the other way stays open.
    HalfClose,
    /// Nothing goes this way any more, and nobody is told, until [`Proxy::let_go`] cuts the connection.
    Stall,
}

/// A fault that happens once. Connections after it are whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which way.
    pub way: Way,
    /// When.
    pub when: When,
    /// How.
    pub how: How,
}

#[derive(Debug, Default)]
struct State {
    fault: Option<Fault>,
    /// Bytes that went either way since the fault was set.
    passed: [u64; 2],
    /// How many of its texts have gone by.
    texts: usize,
    /// Whether the fault has happened.
    met: bool,
    stalled: bool,
    over: bool,
    /// Both ends of what is open.
    open: Vec<TcpStream>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts bytes that are about to go a way. Where the fault comes with them: how many still go through, and how it breaks.
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
        state.fault = None;
        state.met = true;
        state.stalled = fault.how == How::Stall;
        Some((through, fault.how))
    }
}

/// Listens on a port of this machine and passes on what comes, both ways. Gone with its connections when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Before a server on a port of this machine.
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
                // A server that is down hangs up on whoever comes.
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                splice(&client, &server, &theirs);
            }
        });
        Self { port, shared, listening: Some(listening) }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sets a fault, in the place of one that has not happened yet, and begins to count.
    pub fn set(&self, fault: Fault) {
        let mut state = self.shared.state();
        (state.fault, state.passed, state.texts, state.met) = (Some(fault), [0, 0], 0, false);
    }

    /// Takes the fault back, and says whether it has happened.
    pub fn clear(&self) -> bool {
        let mut state = self.shared.state();
        (state.fault, state.passed) = (None, [0, 0]);
        state.met
    }

    /// Bytes that have gone a way since a fault was set or taken back.
    pub fn passed(&self, way: Way) -> u64 {
        self.shared.state().passed[way as usize]
    }

    /// Waits until the fault has happened; false where it has not within that time.
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
            // Gone already, perhaps.
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
        // Wakes who listens.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

/// Passes bytes on between the two until one of them closes; the threads that do so end then.
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
            // The end of what goes this way; what comes is read, so that the other side can go on.
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

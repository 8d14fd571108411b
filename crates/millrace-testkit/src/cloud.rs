//! A proxy like those in front of a cloud's database servers. It routes by the server name in the
//! TLS handshake, closes connections while the server sleeps, and cuts connections. TLS passes
//! through it untouched.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How the proxy behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Front {
    /// How many connections it closes before it lets one through.
    pub asleep: u32,
    /// How long the first connection that is let through has to wait.
    pub wakes_in: Duration,
    /// The suffix of the host names that it routes. It closes connections without TLS or for
    /// another name. Empty routes everything.
    pub domain: &'static str,
    /// Bytes from a client that make it cut the connection. They must arrive in one read.
    pub cut: Option<&'static [u8]>,
}

/// A running proxy. It ends with the process.
#[derive(Debug, Clone)]
pub struct Working {
    port: u16,
    state: Arc<Mutex<State>>,
}

/// What connections share: how to behave next, and what has happened.
#[derive(Debug, Default)]
struct State {
    asleep: u32,
    wakes_in: Duration,
    /// How many connections asked for each name.
    asked: BTreeMap<String, u32>,
    /// How many connections were closed because of their name.
    refused: u32,
}

/// The `SSLRequest` message of a PostgreSQL client: its length, and its code.
const REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

impl Front {
    /// Starts the proxy in front of a PostgreSQL server on a port of this machine.
    pub fn start(self, server: u16) -> Working {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let state = State { asleep: self.asleep, wakes_in: self.wakes_in, ..State::default() };
        let working = Working { port, state: Arc::new(Mutex::new(state)) };
        let shared = working.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || self.serve(&shared, client, server));
            }
        });
        working
    }

    /// Serves one connection: reads the name from the TLS handshake, decides, and then copies bytes
    /// both ways until a side closes or the cut is due.
    fn serve(self, working: &Working, mut client: TcpStream, server: u16) -> io::Result<()> {
        let mut first = [0; 8];
        client.read_exact(&mut first)?;
        let tls = first == REQUEST;
        let mut hello = first.to_vec();
        let mut name = String::new();
        if tls {
            // The client sends the name only after this answer.
            client.write_all(b"S")?;
            // The TLS record header: type, version (2 bytes), length (2 bytes).
            hello = vec![0; 5];
            client.read_exact(&mut hello)?;
            let mut rest = vec![0; usize::from(hello[3]) << 8 | usize::from(hello[4])];
            client.read_exact(&mut rest)?;
            name = server_name(&rest);
            hello.extend(rest);
        }
        let wait = {
            let mut state = working.state.lock().expect("no panic");
            if !name.ends_with(self.domain) {
                state.refused += 1;
                return Ok(());
            }
            if tls {
                *state.asked.entry(name).or_default() += 1;
            }
            if state.asleep > 0 {
                state.asleep -= 1;
                return Ok(());
            }
            std::mem::take(&mut state.wakes_in)
        };
        std::thread::sleep(wait);
        let mut server = TcpStream::connect(("127.0.0.1", server))?;
        if tls {
            server.write_all(&REQUEST)?;
            let mut answer = [0];
            server.read_exact(&mut answer)?;
            assert_eq!(&answer, b"S");
        }
        server.write_all(&hello)?;
        let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
        let back = std::thread::spawn(move || {
            let _ = io::copy(&mut from_server, &mut to_client);
            let _ = to_client.shutdown(Shutdown::Both);
        });
        let mut buffer = vec![0; 65_536];
        loop {
            let read = client.read(&mut buffer).unwrap_or_default();
            let cut =
                self.cut.is_some_and(|cut| buffer[..read].windows(cut.len()).any(|window| window == cut));
            if read == 0 || cut || server.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Both);
        let _ = client.shutdown(Shutdown::Both);
        back.join().expect("no panic");
        Ok(())
    }
}

impl Working {
    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections asked for a name.
    pub fn asked(&self, name: &str) -> u32 {
        self.state.lock().expect("no panic").asked.get(name).copied().unwrap_or_default()
    }

    /// How many connections were closed because of their name, or for lack of one.
    pub fn refused(&self) -> u32 {
        self.state.lock().expect("no panic").refused
    }
}

/// The server name in a `ClientHello` (RFC 6066, section 3). Returns an empty text if it has none.
fn server_name(hello: &[u8]) -> String {
    let word = |at: usize| usize::from(hello[at]) << 8 | usize::from(hello[at + 1]);
    // Handshake type and length, version, random; session id, cipher suites, compression methods;
    // then the length of the extensions.
    let mut at = 4 + 2 + 32;
    at += 1 + usize::from(hello[at]);
    at += 2 + word(at);
    at += 1 + usize::from(hello[at]);
    at += 2;
    while at + 4 <= hello.len() {
        let (kind, length) = (word(at), word(at + 2));
        if kind == 0 {
            // The list's length (2), the type of the name (1) and its length (2) precede the name.
            let name = &hello[at + 9..at + 9 + word(at + 7)];
            return String::from_utf8_lossy(name).into_owned();
        }
        at += 4 + length;
    }
    String::new()
}

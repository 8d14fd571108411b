//! Makes TLS for the driver, whose own TLS cannot skip the check of the name and cannot read X.509
//! certificates of version 1 (ADR 16).
//!
//! The driver gets a Unix socket in a folder that only this user may enter, and the socket accepts
//! one connection of this process. Behind it this module speaks TLS with the server. Over a Unix
//! socket the driver sends passwords in the clear; the TLS connection protects them. Nothing that
//! the driver says about the user leaves this process before the server's certificate has been
//! accepted.
//!
//! While the user logs in, packets are forwarded one by one with their numbers adjusted. After
//! that, bytes are copied.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustls::pki_types::ServerName;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::mysql::wire::{Packet, REQUEST, TLS};

/// Buffer for bytes that go to the server.
const SENT: usize = 1 << 14;
/// Buffer for bytes that come from the server.
const RECEIVED: usize = 1 << 18;

/// The longest path of a socket that every system accepts, in bytes.
const PATH: usize = 100;

/// The authentication methods that the driver can answer. It would end, with or without an error,
/// if it were asked for another.
const METHODS: [&str; 3] = ["mysql_native_password", "caching_sha2_password", "client_ed25519"];

/// Why a tunnel ended before the user was logged in.
#[derive(Debug)]
pub(super) enum Ended {
    /// The TLS handshake failed.
    Tls(io::Error),
    /// The server asks for an authentication method that the driver does not have.
    Method(String),
    /// The connection broke.
    Broken(io::Error),
}

/// A tunnel. Dropping it ends its task and removes its socket.
pub(super) struct Tunnel {
    folder: Folder,
    ended: Arc<OnceLock<Ended>>,
    task: JoinHandle<()>,
}

impl Tunnel {
    /// Starts a tunnel to a server that has already sent its greeting. The TLS handshake runs in
    /// the background, once the driver has connected to [`Self::socket`].
    pub(super) fn open(
        server: TcpStream,
        greeting: Packet,
        connector: TlsConnector,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let folder = Folder::new()?;
        let listener = UnixListener::bind(folder.socket())?;
        let ended = Arc::new(OnceLock::new());
        let word = Arc::clone(&ended);
        let task = tokio::spawn(async move {
            // The reason is stored before the driver's end is closed, so that whoever sees it
            // closed finds the reason.
            let mut driver = match only(&listener).await {
                Ok(driver) => driver,
                Err(error) => {
                    let _ = word.set(Ended::Broken(error));
                    return;
                }
            };
            drop(listener);
            match log_in(&mut driver, server, &greeting, &connector, name).await {
                // How the session ends is for the driver to see: the server may close the
                // connection as with any client.
                Ok(mut server) => {
                    let _ = copy_bidirectional_with_sizes(&mut driver, &mut server, SENT, RECEIVED).await;
                }
                Err(end) => {
                    let _ = word.set(end);
                }
            }
        });
        Ok(Self { folder, ended, task })
    }

    /// Path of the socket for the driver.
    pub(super) fn socket(&self) -> String {
        self.folder.socket().display().to_string()
    }

    /// Why the tunnel ended; `None` if the login has not failed in it.
    pub(super) fn ended(&self) -> Option<&Ended> {
        self.ended.get()
    }

    /// Waits until both sides have closed the connection.
    pub(super) async fn close(mut self) {
        let _ = (&mut self.task).await;
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A temporary folder with one socket, removed when this is dropped.
struct Folder(PathBuf);

impl Folder {
    /// Makes a folder of mode 0700 with a random name. `/tmp` is the second choice, because the
    /// temporary folder of a user may have a path that is too long for a socket.
    fn new() -> io::Result<Self> {
        let mut failed = None;
        for base in [std::env::temp_dir(), PathBuf::from("/tmp")] {
            let name = format!("millrace-{:016x}", RandomState::new().hash_one(std::process::id()));
            let folder = base.join(name);
            if folder.as_os_str().len() + 2 > PATH {
                continue;
            }
            match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => return Ok(Self(folder)),
                Err(error) => failed = Some(error),
            }
        }
        Err(failed
            .unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "there is no folder for a socket")))
    }

    fn socket(&self) -> PathBuf {
        self.0.join("s")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = remove(&self.0, &self.socket());
    }
}

fn remove(folder: &Path, socket: &Path) -> io::Result<()> {
    std::fs::remove_file(socket)?;
    std::fs::remove_dir(folder)
}

/// Accepts the driver's connection. Connections of other processes are dropped, if the system tells
/// the peer's process.
async fn only(listener: &UnixListener) -> io::Result<UnixStream> {
    loop {
        let (stream, _) = listener.accept().await?;
        let process = stream.peer_cred()?.pid();
        if process.is_none_or(|process| i64::from(process) == i64::from(std::process::id())) {
            return Ok(stream);
        }
    }
}

/// Forwards packets until the server has accepted or refused the user, and returns the encrypted
/// stream.
///
/// The request for TLS is a packet that the driver does not know about. So until the login ends,
/// the server's packet numbers are ahead of the driver's by one.
async fn log_in(
    driver: &mut UnixStream,
    mut server: TcpStream,
    greeting: &Packet,
    connector: &TlsConnector,
    name: ServerName<'static>,
) -> Result<TlsStream<TcpStream>, Ended> {
    greeting.write(driver).await.map_err(Ended::Broken)?;
    let mut answer = Packet::read(driver).await.map_err(Ended::Broken)?;
    let Some(head) = answer.body.get_mut(..REQUEST) else {
        return Err(Ended::Broken(io::Error::new(
            io::ErrorKind::InvalidData,
            "the driver's answer is too short",
        )));
    };
    let flags = TLS.to_le_bytes();
    head.iter_mut().zip(flags).for_each(|(byte, flag)| *byte |= flag);
    // The request for TLS equals the first bytes of the answer, with the flag for TLS. The server
    // takes the capabilities from here.
    let request = Packet { number: answer.number, body: head.to_vec() };
    request.write(&mut server).await.map_err(Ended::Broken)?;
    let mut server = connector.connect(name, server).await.map_err(Ended::Tls)?;
    forward(answer, 1, &mut server).await?;
    loop {
        let packet = Packet::read(&mut server).await.map_err(ended)?;
        let (first, second) = (packet.body.first().copied(), packet.body.get(1).copied());
        if let (Some(0xfe), Some(method)) = (first, method(&packet.body))
            && !METHODS.contains(&method)
        {
            return Err(Ended::Method(method.to_owned()));
        }
        forward(packet, u8::MAX, driver).await?;
        match (first, second) {
            // OK or error: the login has ended.
            (Some(0x00 | 0xff), _) => return Ok(server),
            // Fast authentication of `caching_sha2_password`: the server knows the password and
            // sends the next packet without an answer.
            (Some(0x01), Some(0x03)) => {}
            _ => {
                let packet = Packet::read(driver).await.map_err(Ended::Broken)?;
                forward(packet, 1, &mut server).await?;
            }
        }
    }
}

/// Classifies an error after the handshake. It may still be an error of TLS: the server may refuse
/// the client certificate only then.
fn ended(error: io::Error) -> Ended {
    let is_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some();
    if is_tls { Ended::Tls(error) } else { Ended::Broken(error) }
}

/// The name of the method in a request to switch the authentication method; `None` if there is no
/// valid name.
fn method(body: &[u8]) -> Option<&str> {
    let name = body.get(1..)?.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(name).ok().filter(|name| !name.is_empty())
}

/// Sends a packet with its number increased by `by`, modulo 256.
async fn forward(packet: Packet, by: u8, to: &mut (impl tokio::io::AsyncWrite + Unpin)) -> Result<(), Ended> {
    let packet = Packet { number: packet.number.wrapping_add(by), ..packet };
    packet.write(to).await.map_err(Ended::Broken)
}

//! TLS for the driver, whose own cannot leave the name unseen and reads no certificate of X.509 version 1.
//!
//! The driver is given a socket in a folder that only this user may enter, with one connection; behind it is the server, in TLS as this
//! program makes it. Over a socket the driver sends passwords as they are, which the TLS around them keeps. Nothing of it leaves this
//! process before the server's certificate is what was asked for (ADR 16).

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

/// Buffers for what goes to the server, and for what comes.
const SENT: usize = 1 << 14;
const RECEIVED: usize = 1 << 18;

/// The longest path of a socket that every system takes.
const PATH: usize = 100;

/// What the driver knows how to answer. Asked for another, it would end, with or without an error.
const METHODS: [&str; 3] = ["mysql_native_password", "caching_sha2_password", "client_ed25519"];

/// Why a tunnel ended before somebody was logged in.
#[derive(Debug)]
pub(super) enum Ended {
    /// No TLS came about.
    Tls(io::Error),
    /// The server asks for a way to log in that the driver does not have.
    Method(String),
    /// The connection broke.
    Broken(io::Error),
}

/// A tunnel, open as long as this lives.
pub(super) struct Tunnel {
    folder: Folder,
    ended: Arc<OnceLock<Ended>>,
    task: JoinHandle<()>,
}

impl Tunnel {
    /// Leads to a server that has sent its greeting.
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
            // Said before the driver's end is closed, so that whoever sees that closed finds it.
            let mut driver = match only(&listener).await {
                Ok(driver) => driver,
                Err(error) => {
                    let _ = word.set(Ended::Broken(error));
                    return;
                }
            };
            drop(listener);
            match log_in(&mut driver, server, &greeting, &connector, name).await {
                // How it ends is the driver's to see: the server may hang up on it as on any client.
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

    /// The socket at its near end.
    pub(super) fn socket(&self) -> String {
        self.folder.socket().display().to_string()
    }

    /// Why it ended, where nobody could log in through it.
    pub(super) fn ended(&self) -> Option<&Ended> {
        self.ended.get()
    }

    /// Waits until both sides have hung up.
    pub(super) async fn close(mut self) {
        let _ = (&mut self.task).await;
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A folder for one socket.
struct Folder(PathBuf);

impl Folder {
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

/// The driver's connection: the one that comes from this process.
async fn only(listener: &UnixListener) -> io::Result<UnixStream> {
    loop {
        let (stream, _) = listener.accept().await?;
        let process = stream.peer_cred()?.pid();
        if process.is_none_or(|process| i64::from(process) == i64::from(std::process::id())) {
            return Ok(stream);
        }
    }
}

/// Lets the driver and the server talk until one has let the other in. Each packet has a number; the request for TLS, of which the driver
/// knows nothing, puts the server's numbers ahead by one until then.
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
    // The server takes the answer's beginning for what the answer will begin with.
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
            // Let in, or turned away.
            (Some(0x00 | 0xff), _) => return Ok(server),
            // A password that the server has seen before: it goes on by itself.
            (Some(0x01), Some(0x03)) => {}
            _ => {
                let packet = Packet::read(driver).await.map_err(Ended::Broken)?;
                forward(packet, 1, &mut server).await?;
            }
        }
    }
}

/// What a server hangs up with after TLS is there may still be TLS: a certificate of this side that it does not take.
fn ended(error: io::Error) -> Ended {
    let is_tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some();
    if is_tls { Ended::Tls(error) } else { Ended::Broken(error) }
}

/// The name of the method in a request to log in by another.
fn method(body: &[u8]) -> Option<&str> {
    let name = body.get(1..)?.split(|byte| *byte == 0).next()?;
    std::str::from_utf8(name).ok().filter(|name| !name.is_empty())
}

async fn forward(packet: Packet, by: u8, to: &mut (impl tokio::io::AsyncWrite + Unpin)) -> Result<(), Ended> {
    let packet = Packet { number: packet.number.wrapping_add(by), ..packet };
    packet.write(to).await.map_err(Ended::Broken)
}

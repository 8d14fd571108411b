//! Connects to a server with the protection that its address asks for.
//!
//! With TLS, this module connects and reads the greeting, and the driver talks to a tunnel
//! (`tunnel.rs`, ADR 16). Without TLS, the driver connects itself. An error names the layer that
//! failed, so that `doctor` can say how far the connection came.

use std::io;
use std::path::Path;
use std::time::Duration;

use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::diagnosis::Layer;
use mysql_async::{Conn, OptsBuilder};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::mysql::address::{Address, SslMode};
use crate::mysql::failure;
use crate::mysql::tls::connector;
use crate::mysql::tunnel::{Ended, Tunnel};
use crate::mysql::wire::{Greeting, Packet};
use crate::timeouts::{INTERVAL, KEEPALIVE, RETRIES, UNACKNOWLEDGED};

/// Time to connect, including the TLS handshake and the login.
pub(super) const CONNECT: Duration = Duration::from_secs(10);

/// Most bytes of a row, which is the limit of the protocol: 1 GiB.
const LARGEST: usize = 1 << 30;

/// Why there is no connection, and which layer failed.
pub(super) struct Unreached {
    pub(super) layer: Layer,
    pub(super) error: Error,
}

/// An error before the server has sent anything belongs to the TCP layer.
impl From<Error> for Unreached {
    fn from(error: Error) -> Self {
        Self { layer: Layer::Tcp, error }
    }
}

/// Connects as the address asks, within [`CONNECT`]. It goes without TLS only if the mode is
/// `DISABLED`, or if it is `PREFERRED` and the server's greeting says that it has no TLS.
pub(super) async fn reach(
    address: &Address,
    project_dir: &Path,
) -> Result<(Conn, Option<Tunnel>), Unreached> {
    let late =
        || failure::unreachable(&io::Error::new(io::ErrorKind::TimedOut, "no answer within 10 s"), address);
    timeout(CONNECT, connect(address, project_dir)).await.unwrap_or_else(|_| Err(late().into()))
}

/// Connects without TLS or through a tunnel. Nothing about the user is sent before the server's
/// certificate has been accepted.
async fn connect(address: &Address, project_dir: &Path) -> Result<(Conn, Option<Tunnel>), Unreached> {
    let plain = || async { Ok((log_in(plain(address), address).await?, None)) };
    if address.ssl_mode == SslMode::Disabled {
        return plain().await;
    }
    let tls = |error| Unreached { layer: Layer::Tls, error };
    let connector = connector(address, project_dir).await.map_err(tls)?;
    let (server, greeting, has_tls) = dial(address).await?;
    if !has_tls {
        drop(server);
        return if address.ssl_mode == SslMode::Preferred {
            plain().await
        } else {
            Err(tls(failure::without_tls(address)))
        };
    }
    let name = address.server_name().ok_or_else(|| tls(failure::nameless(address)))?;
    let tunnel = Tunnel::open(server, greeting, connector, name).map_err(|error| {
        Error::new(ErrorKind::Resources, "no socket could be made for a connection in TLS").caused_by(error)
    })?;
    let options = builder(address).socket(Some(tunnel.socket()));
    match driver(options).await {
        Ok(driver) => Ok((driver, Some(tunnel))),
        // The driver only sees that its end of the tunnel was closed. The tunnel knows the reason.
        Err(Failed::Driver(error)) if failure::is_gone(&error) => Err(match tunnel.ended() {
            Some(Ended::Tls(error)) => tls(failure::unencrypted(error, address)),
            Some(Ended::Method(name)) => Unreached {
                layer: Layer::Authentication,
                error: failure::unknown_method(Some(name), address),
            },
            Some(Ended::Broken(error)) => failure::unreachable(error, address).into(),
            None => Failed::Driver(error).said(address),
        }),
        Err(failed) => Err(failed.said(address)),
    }
}

/// Opens a TCP connection and reads the greeting. Also returns whether the server has TLS. Sends
/// nothing.
pub(super) async fn dial(address: &Address) -> Result<(TcpStream, Packet, bool), Unreached> {
    let unreachable = |error: io::Error| Unreached::from(failure::unreachable(&error, address));
    let mut server = tcp(address).await.map_err(unreachable)?;
    let greeting = Packet::read(&mut server).await.map_err(unreachable)?;
    match Greeting::parse(&greeting.body) {
        Some(Greeting::Open { tls }) => Ok((server, greeting, tls)),
        Some(Greeting::Refused { code, message }) => {
            let said = format!("error {code} of the server: {message}");
            Err(Unreached { layer: failure::layer(code), error: failure::refused(code, said, address) })
        }
        None => {
            Err(unreachable(io::Error::new(io::ErrorKind::InvalidData, "that is no greeting of MySQL's")))
        }
    }
}

/// Opens a TCP connection with keepalive and, on Linux, a timeout for unacknowledged data, so that
/// a server that vanished from the network is noticed (ADR 24).
async fn tcp(address: &Address) -> io::Result<TcpStream> {
    let server = TcpStream::connect((address.host.as_str(), address.port)).await?;
    server.set_nodelay(true)?;
    let socket = SockRef::from(&server);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(INTERVAL).with_retries(RETRIES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(server)
}

/// Options for a connection without TLS, over TCP or a socket. The driver opens it and takes only
/// the first of the keepalive's times; the system's defaults apply to the others.
fn plain(address: &Address) -> OptsBuilder {
    if let Some(path) = &address.socket {
        return builder(address).socket(Some(path.as_str()));
    }
    builder(address)
        .ip_or_hostname(address.host.as_str())
        .tcp_port(address.port)
        .tcp_keepalive(Some(KEEPALIVE))
}

/// Options that both kinds of connection share.
fn builder(address: &Address) -> OptsBuilder {
    OptsBuilder::default()
        .user(Some(address.user.as_str()))
        .pass(address.password.as_deref())
        .db_name(Some(address.database.as_str()))
        // A server may send rows that are larger than the largest packet that it accepts.
        .max_allowed_packet(Some(LARGEST))
        // Otherwise the driver would switch to the server's socket on this machine, where the login
        // may belong to another user.
        .prefer_socket(false)
}

/// Lets the driver connect, with the layer of a failure.
async fn log_in(options: OptsBuilder, address: &Address) -> Result<Conn, Unreached> {
    driver(options).await.map_err(|failed| failed.said(address))
}

/// Why the driver has no connection.
enum Failed {
    Driver(mysql_async::Error),
    /// It panicked, as it does if a server asks for an authentication method that it knows by name
    /// only.
    Panicked,
}

impl Failed {
    /// The error with its layer.
    fn said(&self, address: &Address) -> Unreached {
        match self {
            Self::Driver(error) => {
                let layer = match error {
                    mysql_async::Error::Server(said) => failure::layer(said.code),
                    error if failure::is_gone(error) => Layer::Tcp,
                    _ => Layer::Authentication,
                };
                Unreached { layer, error: failure::connecting(error, address) }
            }
            Self::Panicked => {
                Unreached { layer: Layer::Authentication, error: failure::unknown_method(None, address) }
            }
        }
    }
}

async fn driver(options: OptsBuilder) -> Result<Conn, Failed> {
    // A panic of the driver ends only this task. The set aborts the task if the caller is dropped.
    let mut task = JoinSet::new();
    task.spawn(Conn::new(options));
    match task.join_next().await {
        Some(Ok(opened)) => opened.map_err(Failed::Driver),
        Some(Err(_)) | None => Err(Failed::Panicked),
    }
}

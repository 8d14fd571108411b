//! Tells where a server is and which certificates it presents, for other tools and for `doctor`.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use millrace_core::project::settings::Settings;
use millrace_engine::error::{Error, ErrorKind, Result};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::connect::NO_TLS;
use super::url::{Host, Server};
pub use crate::tls::chain::{Certificate, CertificateChain};
use crate::tls::chain::{Judged, judge};

/// The address of a warehouse as its URL gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAccess {
    /// Name or address of the first server; the directory of a Unix socket begins with `/`.
    pub host: String,
    /// The IP address, if the URL gives one beside the name (`hostaddr`).
    pub address: Option<IpAddr>,
    /// The TCP port.
    pub port: u16,
    /// The other servers of the URL, as `host:port`.
    pub others: Vec<String>,
    /// The database; `None` if the URL names neither a database nor a user.
    pub database: Option<String>,
    /// The user; `None` means the operating system's user.
    pub user: Option<String>,
    /// `sslmode` in libpq's words: `disable`, `allow`, `prefer`, `require`, `verify-ca` or
    /// `verify-full`.
    pub sslmode: &'static str,
    /// The host past the pooler; `None` if the URL names no pooler.
    pub direct_host: Option<String>,
    /// Whether the server is on this machine. Tools on other machines cannot reach it by that name.
    pub is_here: bool,
}

/// Reads the settings of an environment of `type: postgres`. Makes no connection.
pub fn access(project_dir: &Path, settings: &Settings) -> Result<ServerAccess> {
    let server = super::server(project_dir, settings)?;
    let first = first(&server)?;
    Ok(ServerAccess {
        host: first.name.clone(),
        address: first.address,
        port: first.port,
        others: server.hosts[1..].iter().map(ToString::to_string).collect(),
        database: server.database().map(str::to_owned),
        user: server.user.clone(),
        sslmode: server.tls.mode.as_str(),
        direct_host: first.direct().map(|direct| direct.name),
        is_here: first.is_here(),
    })
}

/// The first host of the URL.
fn first(server: &Server) -> Result<&Host> {
    server.hosts.first().ok_or_else(|| Error::new(ErrorKind::Internal, "a URL without a host"))
}

/// Fetches the certificate chain that a server presents, whatever `sslmode` says. Sends neither
/// user nor password.
pub async fn certificate_chain(project_dir: &Path, settings: &Settings) -> Result<CertificateChain> {
    let server = super::server(project_dir, settings)?;
    Ok(judged(&server, first(&server)?).await?.chain)
}

/// The certificates that one server presents, with the verdict on them. Fails if the server does
/// not answer within the connect timeout, or has no TLS.
pub(super) async fn judged(server: &Server, host: &Host) -> Result<Judged> {
    let asked = timeout(server.connect_timeout, ask(server, host)).await;
    let sent = asked.map_err(|_| {
        let limit: Duration = server.connect_timeout;
        unreachable(host, "cannot be reached").caused_by(format!("no answer within {} s", limit.as_secs()))
    })??;
    judge(&server.tls.asked(), &sent, &server_name(host)?)
}

/// An error about a host.
fn unreachable(host: &Host, what: &str) -> Error {
    Error::new(ErrorKind::WarehouseUnreachable, format!("the server `{host}` {what}"))
}

/// The name of the host for the TLS handshake.
fn server_name(host: &Host) -> Result<ServerName<'static>> {
    ServerName::try_from(host.name.clone()).map_err(|_| unreachable(host, "has no name that TLS knows"))
}

/// Connects to a host, negotiates TLS as PostgreSQL's protocol prescribes, and returns the
/// certificates of the handshake without judging them.
async fn ask(server: &Server, host: &Host) -> Result<Vec<CertificateDer<'static>>> {
    /// The `SSLRequest`, the first message of the protocol: its length (8) and its code.
    const REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
    let failed = |error: &dyn fmt::Display| unreachable(host, "cannot be reached").caused_by(error);
    if host.socket().is_some() {
        return Err(unreachable(host, "is reached by a socket, where there is no TLS"));
    }
    let connected = match host.address {
        Some(address) => TcpStream::connect((address, host.port)).await,
        None => TcpStream::connect((host.name.as_str(), host.port)).await,
    };
    let mut stream = connected.map_err(|error| failed(&error))?;
    if !server.tls.direct {
        stream.write_all(&REQUEST).await.map_err(|error| failed(&error))?;
        // The server answers `S` if it continues with TLS, and `N` if it does not.
        if stream.read_u8().await.map_err(|error| failed(&error))? != b'S' {
            return Err(unreachable(host, "has no TLS").hint(NO_TLS));
        }
    }
    let onlooker = TlsConnector::from(server.tls.asked().onlooker()?);
    let connected = onlooker.connect(server_name(host)?, stream).await;
    let mut stream =
        connected.map_err(|error| unreachable(host, "does not agree on TLS").caused_by(error))?;
    let sent = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let sent = sent.iter().map(|certificate| certificate.clone().into_owned()).collect();
    // Only the certificates were wanted.
    let _ = stream.shutdown().await;
    Ok(sent)
}

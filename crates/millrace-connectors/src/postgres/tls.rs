//! Connects rustls with the PostgreSQL driver, for TLS as libpq's `sslmode` defines it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use millrace_engine::error::{ErrorKind, Result};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use super::url::{SslMode, Tls};
use crate::tls::{Asked, Check, Roots, certificate};

/// Creates a TLS connector for each connection of the driver. Cheap to clone.
#[derive(Clone)]
pub(super) struct MakeTls(Arc<ClientConfig>);

impl MakeTls {
    /// Builds the configuration. Blocks while it reads the files with certificates and keys.
    pub(super) fn new(tls: &Tls) -> Result<Self> {
        Ok(Self(tls.asked().config()?))
    }
}

impl Tls {
    /// The checks that `sslmode` and the root certificates demand of a server's certificate.
    pub(super) fn asked(&self) -> Asked {
        // As in libpq, a file of root certificates is used in the weaker modes too, whenever a
        // connection uses TLS.
        let verified = self.mode >= SslMode::VerifyCa || matches!(self.roots, Roots::File(_));
        let check = match self.mode {
            SslMode::VerifyFull => Check::Named,
            SslMode::Disable => Check::Nothing,
            _ if verified => Check::Signed,
            _ => Check::Nothing,
        };
        Asked {
            check,
            roots: self.roots.clone(),
            client: self.client.clone(),
            only_13: self.only_13,
            // With direct TLS, ALPN has to name the protocol.
            protocol: self.direct.then_some(b"postgresql".as_slice()),
            failure: ErrorKind::WarehouseUnreachable,
        }
    }
}

impl<S> MakeTlsConnect<S> for MakeTls
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Encrypted<S>;
    type TlsConnect = Connect;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Connect> {
        Ok(Connect { connector: TlsConnector::from(Arc::clone(&self.0)), host: host.to_owned() })
    }
}

/// A TLS handshake with one host, still to be made.
pub(super) struct Connect {
    connector: TlsConnector,
    host: String,
}

impl<S> TlsConnect<S> for Connect
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Stream = Encrypted<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            let name = ServerName::try_from(self.host).map_err(|_| {
                io::Error::new(io::ErrorKind::InvalidInput, "the host's name is none that TLS knows")
            })?;
            Ok(Encrypted(self.connector.connect(name, stream).await?))
        })
    }
}

/// A stream over TLS.
pub(super) struct Encrypted<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    /// `tls-server-end-point` (RFC 5929): a hash of the server's certificate. `None` if the
    /// certificate's signature algorithm gives no hash.
    fn channel_binding(&self) -> ChannelBinding {
        let certificates = self.0.get_ref().1.peer_certificates();
        let hash = certificates.and_then(<[_]>::first).and_then(|first| certificate::end_point(first));
        hash.map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

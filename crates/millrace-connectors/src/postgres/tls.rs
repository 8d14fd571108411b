//! TLS as libpq's `sslmode` asks for it, on rustls.

use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use millrace_engine::error::{Error, ErrorKind, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

use super::certificate;
use super::parameter::shown;
use super::url::{Roots, SslMode, Tls};

/// The driver's way to TLS.
#[derive(Clone)]
pub(super) struct MakeTls(Arc<ClientConfig>);

impl MakeTls {
    /// Reads the files that are needed. Blocks for as long.
    pub(super) fn new(tls: &Tls) -> Result<Self> {
        Ok(Self(Arc::new(config(tls, verifier(tls)?)?)))
    }
}

/// A connector that takes any certificate, to look at it.
pub(super) fn onlooker(tls: &Tls) -> Result<TlsConnector> {
    Ok(TlsConnector::from(Arc::new(config(tls, Arc::new(Anybody))?)))
}

fn config(tls: &Tls, verifier: Arc<dyn ServerCertVerifier>) -> Result<ClientConfig> {
    let versions: &[&rustls::SupportedProtocolVersion] =
        if tls.only_13 { &[&rustls::version::TLS13] } else { rustls::ALL_VERSIONS };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(|error| Error::new(ErrorKind::Internal, "TLS cannot be set up").caused_by(error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &tls.client {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let unreadable = |path, error: &dyn std::fmt::Display| {
                unusable(format!("the client certificate's file {} cannot be used", shown(path)))
                    .caused_by(error)
            };
            let chain = CertificateDer::pem_file_iter(certificate)
                .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
                .map_err(|error| unreadable(certificate, &error))?;
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| {
                unreadable(key, &error).hint("It must hold a key in PEM without a password.")
            })?;
            builder.with_client_auth_cert(chain, secret).map_err(|error| unreadable(certificate, &error))?
        }
    };
    if tls.direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(ring::default_provider())))
}

/// A file or store of certificates cannot be used.
fn unusable(message: String) -> Error {
    Error::new(ErrorKind::WarehouseUnreachable, message)
}

/// The certificates of who may sign, whole.
pub(super) fn roots(roots: &Roots) -> Result<Vec<CertificateDer<'static>>> {
    let system = || rustls_native_certs::load_native_certs().certs;
    let found = match roots {
        Roots::Public => {
            let mut all: Vec<_> = webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec();
            all.extend(system());
            all
        }
        Roots::System => system(),
        Roots::File(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
            .map_err(|error| {
                unusable(format!("the file of root certificates {} cannot be read", shown(path)))
                    .caused_by(error)
            })?,
    };
    if found.is_empty() {
        return Err(match roots {
            Roots::File(path) => unusable(format!("the file {} holds no certificate", shown(path))),
            _ => unusable("this system has no root certificates".to_owned())
                .hint("Leave `sslrootcert=system` out: Mozilla's are built in."),
        });
    }
    Ok(found)
}

/// A store of certificates that may sign. Some that systems bring along do not parse; they are left out.
pub(super) fn store(certificates: &[CertificateDer<'static>]) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates.iter().cloned());
    store
}

/// What the library says about a chain and a name.
pub(super) fn web_pki(store: RootCertStore) -> Result<Arc<WebPkiServerVerifier>> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider())
        .build()
        .map_err(|error| unusable("none of the root certificates can be used".to_owned()).caused_by(error))
}

/// What the mode asks of a server's certificate.
pub(super) fn verifier(tls: &Tls) -> Result<Arc<dyn ServerCertVerifier>> {
    // As libpq does, a file of roots is looked at in the weaker modes too, wherever TLS is used.
    let verified = tls.mode >= SslMode::VerifyCa || matches!(tls.roots, Roots::File(_));
    if !verified || tls.mode == SslMode::Disable {
        return Ok(Arc::new(Anybody));
    }
    let certificates = roots(&tls.roots)?;
    let inner = web_pki(store(&certificates))?;
    // Thousands of public ones need no look at each: only a file of one's own holds a server's own certificate.
    let pinned = if matches!(tls.roots, Roots::File(_)) { certificates } else { Vec::new() };
    Ok(Arc::new(Chain { inner, pinned, names: tls.mode == SslMode::VerifyFull }))
}

/// Checks that a trusted authority signed the certificate, and perhaps that it names the host.
#[derive(Debug)]
struct Chain {
    inner: Arc<WebPkiServerVerifier>,
    /// Certificates of servers that are trusted as they are: self-signed ones, given as their own root.
    pinned: Vec<CertificateDer<'static>>,
    names: bool,
}

impl ServerCertVerifier for Chain {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let found = self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp, now);
        let wrong_name = match &found {
            Err(rustls::Error::InvalidCertificate(error)) if is_name(error) => true,
            // A server's own certificate as its root: an authority's is not let pass as a server's by the library.
            Err(rustls::Error::InvalidCertificate(error))
                if self.pinned.iter().any(|pinned| pinned == end_entity) && is_purpose(error) =>
            {
                let parsed = rustls::server::ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&parsed, server_name).is_err()
            }
            _ => return found,
        };
        let named = || {
            let host = server_name.to_str();
            certificate::common_name_only(end_entity).is_some_and(|name| certificate::names(name, &host))
        };
        if !wrong_name || !self.names || named() { Ok(ServerCertVerified::assertion()) } else { found }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The chain is good, the name is another's.
pub(super) fn is_name(error: &CertificateError) -> bool {
    matches!(error, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
}

/// The certificate is an authority's. Its dates were looked at before.
fn is_purpose(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity"))
}

/// Takes any certificate whose key the server has: TLS without knowing with whom.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
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

/// One handshake to come.
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

/// A stream in TLS.
pub(super) struct Encrypted<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
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

#[cfg(test)]
mod tests;

//! Decides whether a server's certificate is accepted, as rustls's certificate verifier.
//!
//! rustls's own verifier does most of the work. This module adds what it refuses although database
//! clients accept it: a name mismatch if the name is not checked, the common name if there are no
//! alternative names, a server's own certificate in the file of roots, and certificates of version
//! 1.

use std::sync::Arc;

use millrace_engine::error::{Error as Failure, Result as Done};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use super::certificate::{self, Parts};
use super::key::{has_signed, old, signed_12, signed_13};
use super::refusal::{Refusal, is_name, is_purpose};
use super::roots::{Roots, store};
use super::{Asked, provider};

/// Checks that a trusted authority signed the certificate and, if asked, that it names the host.
#[derive(Debug)]
pub(super) struct Chain {
    inner: Arc<WebPkiServerVerifier>,
    /// The certificates of a file of roots; empty otherwise. They may include a server's own
    /// self-signed certificate, which is then trusted as it is, and authorities that signed
    /// certificates of version 1.
    pinned: Vec<CertificateDer<'static>>,
    /// Whether the certificate must name the host.
    names: bool,
}

impl Chain {
    /// Trusts these certificates, which come from the roots in `asked`. Fails if none of them can
    /// be used.
    pub(super) fn new(certificates: Vec<CertificateDer<'static>>, asked: &Asked, names: bool) -> Done<Self> {
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(store(&certificates)), provider())
            .build()
            .map_err(|error| {
                Failure::new(asked.failure, "none of the root certificates can be used").caused_by(error)
            })?;
        // Public roots are many and never a server's own certificate, so they are not compared one
        // by one.
        let pinned = if matches!(asked.roots, Roots::File(_)) { certificates } else { Vec::new() };
        Ok(Self { inner, pinned, names })
    }

    /// Whether the file of roots contains exactly this certificate.
    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        self.pinned.iter().any(|pinned| pinned == certificate)
    }

    /// Checks the chain and, if asked, the name.
    pub(super) fn verify(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let named = self.chain(own, intermediates, server_name, ocsp, now)?;
        let host = server_name.to_str();
        let by_common_name =
            || certificate::common_name_only(own).is_some_and(|name| certificate::names(name, &host));
        if !self.names || matches!(named, Named::Yes) || by_common_name() {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Refusal::Name { host: host.into_owned(), names: certificate::hosts(own) }.into_error())
    }

    /// Checks the chain, and returns whether the name matches or has still to be checked.
    fn chain(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<Named, Error> {
        let refused = |refusal: Refusal| Err(refusal.into_error());
        if let Some(parts) = old(own) {
            return match self.first_version(own, &parts, now) {
                Ok(()) => Ok(Named::Open),
                Err(refusal) => refused(refusal),
            };
        }
        match self.inner.verify_server_cert(own, intermediates, server_name, ocsp, now) {
            Ok(_) => Ok(Named::Yes),
            Err(Error::InvalidCertificate(error)) if is_name(&error) => Ok(Named::Open),
            // A server's own certificate in the file of roots. rustls does not accept the
            // certificate of an authority as that of a server.
            Err(Error::InvalidCertificate(error)) if self.is_pinned(own) && is_purpose(&error) => {
                let parsed = rustls::server::ParsedCertificate::try_from(own)?;
                let named = rustls::client::verify_server_name(&parsed, server_name).is_ok();
                Ok(if named { Named::Yes } else { Named::Open })
            }
            Err(Error::InvalidCertificate(error)) => refused(Refusal::of(&error, own, server_name)),
            Err(error) => Err(error),
        }
    }

    /// Checks a certificate of version 1. It is trusted only if the file of roots contains it or
    /// the authority that signed it directly: version 1 cannot say what a certificate may be used
    /// for, so no chain is followed.
    fn first_version(
        &self,
        own: &CertificateDer<'_>,
        parts: &Parts<'_>,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let summary = certificate::summary(own)
            .ok_or_else(|| Refusal::Unusable("it is no certificate that can be read".to_owned()))?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if summary.ends_at < now {
            return Err(Refusal::Ended(Some(summary.ends_at)));
        }
        if summary.begins_at > now {
            return Err(Refusal::Early(Some(summary.begins_at)));
        }
        let authorities = self.pinned.iter().filter_map(|pinned| certificate::parts(pinned));
        if self.is_pinned(own) || authorities.into_iter().any(|authority| has_signed(&authority, parts)) {
            return Ok(());
        }
        Err(if certificate::is_own_issuer(own) {
            Refusal::Own
        } else {
            Refusal::Unknown { issuer: summary.issuer }
        })
    }
}

/// Whether the certificate names the host, as far as rustls has checked.
enum Named {
    /// It does.
    Yes,
    /// Not yet known to.
    Open,
}

/// Which servers are accepted.
#[derive(Debug)]
pub(super) enum Believed {
    /// Any server that has the key of the certificate it shows: encrypted, but with an unknown
    /// server.
    Anybody,
    /// Servers with a certificate that a trusted authority signed.
    Signed(Chain),
}

impl ServerCertVerifier for Believed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self {
            Self::Anybody => Ok(ServerCertVerified::assertion()),
            Self::Signed(chain) => chain.verify(end_entity, intermediates, server_name, ocsp, now),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signed_12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signed_13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

//! Who is believed to be the server that was asked for.

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

/// Checks that a trusted authority signed the certificate, and perhaps that it names the host.
#[derive(Debug)]
pub(super) struct Chain {
    inner: Arc<WebPkiServerVerifier>,
    /// Certificates of a file of one's own. They may be a server's own, self-signed, which is trusted as it is; and they may have signed
    /// certificates of version 1.
    pinned: Vec<CertificateDer<'static>>,
    names: bool,
}

impl Chain {
    /// Trusts these certificates of the roots that are asked for.
    pub(super) fn new(certificates: Vec<CertificateDer<'static>>, asked: &Asked, names: bool) -> Done<Self> {
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(store(&certificates)), provider())
            .build()
            .map_err(|error| {
                Failure::new(asked.failure, "none of the root certificates can be used").caused_by(error)
            })?;
        // Thousands of public ones need no look at each, and never are a server's own.
        let pinned = if matches!(asked.roots, Roots::File(_)) { certificates } else { Vec::new() };
        Ok(Self { inner, pinned, names })
    }

    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        self.pinned.iter().any(|pinned| pinned == certificate)
    }

    /// The verdict on the chain and, where that was asked for, on the name.
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

    /// The verdict on the chain, and whether the name is still to be looked at.
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
            // A server's own certificate as its root: an authority's is not let pass as a server's by the library.
            Err(Error::InvalidCertificate(error)) if self.is_pinned(own) && is_purpose(&error) => {
                let parsed = rustls::server::ParsedCertificate::try_from(own)?;
                let named = rustls::client::verify_server_name(&parsed, server_name).is_ok();
                Ok(if named { Named::Yes } else { Named::Open })
            }
            Err(Error::InvalidCertificate(error)) => refused(Refusal::of(&error, own, server_name)),
            Err(error) => Err(error),
        }
    }

    /// A certificate of version 1 is trusted where a file of one's own has it, or the authority that signed it, without others between:
    /// it says of nothing for what it may be used.
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

/// Whether the certificate names the host, as far as the library looks.
enum Named {
    Yes,
    Open,
}

/// Who is believed.
#[derive(Debug)]
pub(super) enum Believed {
    /// Whoever has the key of the certificate that they show: TLS without knowing with whom.
    Anybody,
    /// Whom an authority has signed for.
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

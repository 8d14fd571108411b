//! TLS to servers, on rustls: what a connection requires of the server's certificate, and why it is
//! refused.
//!
//! Both database connectors use it. [`Asked`] says what is required and makes rustls's
//! configuration from it. Beyond what rustls does, it accepts certificates of X.509 version 1 from
//! a file of one's own, looks at the common name if there are no alternative names, and explains
//! refusals in words (ADR 16).

pub(crate) mod certificate;
pub(crate) mod chain;
mod key;
mod refusal;
mod roots;
mod verifier;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use millrace_engine::error::{Error, ErrorKind, Result};
use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub(crate) use refusal::{Refusal, day};
pub(crate) use roots::{Roots, roots};
use verifier::{Believed, Chain};

/// How much of a server's certificate is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Check {
    /// Nothing: any server is accepted.
    Nothing,
    /// A trusted authority signed it, and its dates are valid today.
    Signed,
    /// The same, and it names the host.
    Named,
}

/// What a connection requires of TLS.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// How much of the certificate is checked.
    pub(crate) check: Check,
    /// The authorities that are trusted.
    pub(crate) roots: Roots,
    /// PEM files with the client certificate and its key.
    pub(crate) client: Option<(PathBuf, PathBuf)>,
    /// Whether only TLS 1.3 is accepted.
    pub(crate) only_13: bool,
    /// The protocol for ALPN, for servers that need to know it during the handshake.
    pub(crate) protocol: Option<&'static [u8]>,
    /// The kind of the error if a file cannot be used.
    pub(crate) failure: ErrorKind,
}

impl Asked {
    /// Makes the configuration for rustls. Reads the files that are needed, so it blocks.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>> {
        self.with(self.verifier()?)
    }

    /// Like [`Self::config`], but any certificate is accepted, so that it can be inspected.
    pub(crate) fn onlooker(&self) -> Result<Arc<ClientConfig>> {
        self.with(Believed::Anybody)
    }

    /// Makes the verifier. The root certificates are read only if they are needed.
    fn verifier(&self) -> Result<Believed> {
        Ok(match self.check {
            Check::Nothing => Believed::Anybody,
            Check::Signed | Check::Named => {
                let trusted = roots(&self.roots, self.failure)?;
                Believed::Signed(Chain::new(trusted, self, self.check == Check::Named)?)
            }
        })
    }

    /// Makes the configuration with a verifier and, if there is one, the client certificate.
    fn with(&self, believed: Believed) -> Result<Arc<ClientConfig>> {
        let versions: &[&rustls::SupportedProtocolVersion] =
            if self.only_13 { &[&rustls::version::TLS13] } else { rustls::ALL_VERSIONS };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .map_err(|error| Error::new(ErrorKind::Internal, "TLS cannot be set up").caused_by(error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(believed));
        let mut config = match &self.client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let unreadable = |path: &Path, error: &dyn std::fmt::Display| {
                    let message =
                        format!("the client certificate's file `{}` cannot be used", path.display());
                    Error::new(self.failure, message).caused_by(error)
                };
                let chain = CertificateDer::pem_file_iter(certificate)
                    .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
                    .map_err(|error| unreadable(certificate, &error))?;
                let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| {
                    unreadable(key, &error).hint("It must hold a key in PEM without a password.")
                })?;
                builder
                    .with_client_auth_cert(chain, secret)
                    .map_err(|error| unreadable(certificate, &error))?
            }
        };
        config.alpn_protocols.extend(self.protocol.map(<[u8]>::to_vec));
        Ok(Arc::new(config))
    }
}

/// The cryptography provider (ring), made once.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(ring::default_provider())))
}

#[cfg(test)]
mod tests;

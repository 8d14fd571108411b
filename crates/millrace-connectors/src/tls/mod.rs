//! TLS to servers, on rustls: what a connection asks of the other side's certificate, and why it is refused.

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

/// How much of a server's certificate is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Check {
    /// Nothing: whoever answers is believed.
    Nothing,
    /// That somebody who is trusted signed it, and that it is good today.
    Signed,
    /// The same, and that it names the host.
    Named,
}

/// What a connection asks for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) check: Check,
    pub(crate) roots: Roots,
    /// Certificate and key of this side (PEM).
    pub(crate) client: Option<(PathBuf, PathBuf)>,
    /// Whether only TLS 1.3 will do.
    pub(crate) only_13: bool,
    /// The protocol inside, where the server wants to know before.
    pub(crate) protocol: Option<&'static [u8]>,
    /// What kind of failure it is where a file cannot be used.
    pub(crate) failure: ErrorKind,
}

impl Asked {
    /// For the library. Reads the files that are needed, and blocks for as long.
    pub(crate) fn config(&self) -> Result<Arc<ClientConfig>> {
        self.with(self.verifier()?)
    }

    /// The same, but any certificate is taken, to look at it.
    pub(crate) fn onlooker(&self) -> Result<Arc<ClientConfig>> {
        self.with(Believed::Anybody)
    }

    fn verifier(&self) -> Result<Believed> {
        Ok(match self.check {
            Check::Nothing => Believed::Anybody,
            Check::Signed | Check::Named => {
                let trusted = roots(&self.roots, self.failure)?;
                Believed::Signed(Chain::new(trusted, self, self.check == Check::Named)?)
            }
        })
    }

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

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(ring::default_provider())))
}

#[cfg(test)]
mod tests;

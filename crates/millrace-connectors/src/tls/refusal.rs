//! Explains in words why a server's certificate is refused.
//!
//! A [`Refusal`] travels through rustls inside its error type and is taken out again where the
//! handshake fails.

use std::fmt;
use std::io;
use std::sync::Arc;

use millrace_core::value::civil_from_days;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, OtherError};

use super::certificate;

/// Why a server's certificate is refused. Its text continues a sentence that begins with the
/// server: “its certificate …”.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It names other hosts, or none.
    Name {
        /// The host that was asked for.
        host: String,
        /// The hosts that it names.
        names: Vec<String>,
    },
    /// No trusted authority signed it.
    Unknown {
        /// Who signed it.
        issuer: String,
    },
    /// It is signed only by itself, and is not trusted.
    Own,
    /// Its validity ended at this second since 1970 UTC. `None` if a certificate of an authority in
    /// its chain has ended.
    Ended(Option<i64>),
    /// Its validity begins at this second since 1970 UTC. `None` if that is a certificate of an
    /// authority.
    Early(Option<i64>),
    /// It is not a certificate for servers.
    Purpose,
    /// It cannot be used, for the reason given.
    Unusable(String),
}

impl Refusal {
    /// Converts an error of rustls about the certificate `own`.
    pub(super) fn of(error: &CertificateError, own: &[u8], server_name: &ServerName<'_>) -> Self {
        let summary = certificate::summary(own);
        match error {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::Name { host: server_name.to_str().into_owned(), names: certificate::hosts(own) }
            }
            CertificateError::UnknownIssuer if certificate::is_own_issuer(own) => Self::Own,
            CertificateError::UnknownIssuer => {
                Self::Unknown { issuer: summary.map(|summary| summary.issuer).unwrap_or_default() }
            }
            CertificateError::Expired => Self::Ended(None),
            CertificateError::ExpiredContext { not_after, .. } => {
                let ends = i64::try_from(not_after.as_secs()).ok();
                // The error may be about another certificate of the chain; then its date is not
                // that of `own`.
                Self::Ended(summary.map(|summary| summary.ends_at).filter(|at| Some(*at) == ends))
            }
            CertificateError::NotValidYet => Self::Early(None),
            CertificateError::NotValidYetContext { not_before, .. } => {
                let begins = i64::try_from(not_before.as_secs()).ok();
                Self::Early(summary.map(|summary| summary.begins_at).filter(|at| Some(*at) == begins))
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                Self::Purpose
            }
            // A self-signed certificate of an authority that the server uses as its own.
            CertificateError::Other(_) if is_purpose(error) && certificate::is_own_issuer(own) => Self::Own,
            CertificateError::Other(_) if is_purpose(error) => Self::Purpose,
            other => Self::Unusable(other.to_string()),
        }
    }

    /// Wraps the refusal in rustls's error type.
    pub(super) fn into_error(self) -> rustls::Error {
        CertificateError::Other(OtherError(Arc::new(self))).into()
    }

    /// Takes the refusal out of an I/O error of a handshake, if it is one.
    pub(crate) fn within(error: &io::Error) -> Option<Self> {
        Self::inside(error.get_ref()?.downcast_ref::<rustls::Error>()?)
    }

    /// Takes the refusal out of rustls's error. Any other error becomes [`Self::Unusable`].
    pub(super) fn from_error(error: &rustls::Error) -> Self {
        Self::inside(error).unwrap_or_else(|| Self::Unusable(error.to_string()))
    }

    fn inside(error: &rustls::Error) -> Option<Self> {
        match error {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
                inner.downcast_ref::<Self>().cloned()
            }
            _ => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { host, names } if names.is_empty() => {
                write!(f, "its certificate names no host, and so not `{host}`")
            }
            Self::Name { host, names } => {
                let names: Vec<String> = names.iter().take(8).map(|name| format!("`{name}`")).collect();
                write!(f, "its certificate is for {}, not for `{host}`", names.join(", "))
            }
            Self::Unknown { issuer } => {
                write!(f, "its certificate is signed by `{issuer}`, who is not among those that are trusted")
            }
            Self::Own => f.write_str("its certificate is signed by itself, and by nobody who is trusted"),
            Self::Ended(Some(at)) => write!(f, "its certificate ended on {}", day(*at)),
            Self::Ended(None) => f.write_str("a certificate that vouches for its own has ended"),
            Self::Early(Some(at)) => write!(f, "its certificate begins on {}", day(*at)),
            Self::Early(None) => f.write_str("a certificate that vouches for its own has not begun"),
            Self::Purpose => f.write_str("its certificate is not one for servers"),
            Self::Unusable(why) => write!(f, "its certificate cannot be used: {why}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// The day of a second since 1970 UTC, such as `2026-11-24`.
pub(crate) fn day(second: i64) -> String {
    let (year, month, day) = civil_from_days(second.div_euclid(86_400));
    format!("{year:04}-{month:02}-{day:02}")
}

/// Whether the error says that the chain is valid and only the name does not match.
pub(super) fn is_name(error: &CertificateError) -> bool {
    matches!(error, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
}

/// Whether the error says that the certificate is that of an authority. The library has checked its
/// dates before.
pub(super) fn is_purpose(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity"))
}

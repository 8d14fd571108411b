//! Why a server's certificate is refused, in words.

use std::fmt;
use std::io;
use std::sync::Arc;

use millrace_core::value::civil_from_days;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, OtherError};

use super::certificate;

/// Why a server's certificate is not what was asked for. Reads on from “its certificate …”.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is another host's.
    Name {
        /// The host that was asked for.
        host: String,
        /// What it is for.
        names: Vec<String>,
    },
    /// Nobody who is trusted has signed it.
    Unknown {
        /// Who has.
        issuer: String,
    },
    /// Nobody but itself has.
    Own,
    /// It was good until that second since 1970 UTC; none where that is one of those that vouch for it.
    Ended(Option<i64>),
    /// It will be good from that second on.
    Early(Option<i64>),
    /// It is one for another purpose.
    Purpose,
    /// It cannot be used; why.
    Unusable(String),
}

impl Refusal {
    /// The library's words in ours.
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
            // An authority's that stands for itself.
            CertificateError::Other(_) if is_purpose(error) && certificate::is_own_issuer(own) => Self::Own,
            CertificateError::Other(_) if is_purpose(error) => Self::Purpose,
            other => Self::Unusable(other.to_string()),
        }
    }

    /// As the library passes it on.
    pub(super) fn into_error(self) -> rustls::Error {
        CertificateError::Other(OtherError(Arc::new(self))).into()
    }

    /// The refusal in an error of a handshake, where it is one.
    pub(crate) fn within(error: &io::Error) -> Option<Self> {
        Self::inside(error.get_ref()?.downcast_ref::<rustls::Error>()?)
    }

    /// The refusal that an error of the library is.
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

/// The day of a second since 1970, in UTC.
pub(crate) fn day(second: i64) -> String {
    let (year, month, day) = civil_from_days(second.div_euclid(86_400));
    format!("{year:04}-{month:02}-{day:02}")
}

/// The chain is good, the name is another's.
pub(super) fn is_name(error: &CertificateError) -> bool {
    matches!(error, CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. })
}

/// The certificate is an authority's. Its dates were looked at before.
pub(super) fn is_purpose(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity"))
}

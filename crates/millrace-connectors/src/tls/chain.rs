//! What a server shows of itself, and who vouches for it.

use base64ct::{Base64, Encoding};
use millrace_engine::error::Result;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::refusal::Refusal;
use super::verifier::Chain;
use super::{Asked, certificate, roots};

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// As files have it, with its line of `BEGIN`.
    pub pem: String,
    /// Whom it is for: `CN=…, O=…`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// When it ends, in seconds since 1970 UTC.
    pub ends_at: i64,
}

/// What a server showed when it was asked for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateChain {
    /// The certificates that it sent, its own first.
    pub sent: Vec<Certificate>,
    /// The hosts that its own is for.
    pub hosts: Vec<String>,
    /// The root that vouches for them: among those that are trusted for this connection. Tools that ask for a file of root certificates
    /// are served by this one.
    pub root: Option<Certificate>,
    /// Whether its certificate names the host, and is trusted.
    pub names_host: bool,
    /// Why it is not trusted; none where it is, but for the name.
    pub problem: Option<String>,
}

/// The verdict on a server's certificates.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) chain: CertificateChain,
    /// Why its own is not trusted.
    pub(crate) refusal: Option<Refusal>,
    /// Whose it is, where it is trusted and does not name the host.
    pub(crate) name: Option<Refusal>,
}

/// The verdict on what a server has sent, its own certificate first.
pub(crate) fn judge(
    asked: &Asked,
    sent: &[CertificateDer<'static>],
    name: &ServerName<'_>,
) -> Result<Judged> {
    let known = roots(&asked.roots, asked.failure)?;
    let mut chain = CertificateChain {
        sent: sent.iter().filter_map(shown).collect(),
        hosts: sent.first().map(|own| certificate::hosts(own)).unwrap_or_default(),
        root: None,
        names_host: false,
        problem: None,
    };
    let Some((own, others)) = sent.split_first() else {
        let refusal = Refusal::Unusable("there is none".to_owned());
        chain.problem = Some(refusal.to_string());
        return Ok(Judged { chain, refusal: Some(refusal), name: None });
    };
    let verify = |trusted: Vec<CertificateDer<'static>>, names: bool| -> Result<Option<Refusal>> {
        let verifier = Chain::new(trusted, asked, names)?;
        let verdict = verifier.verify(own, others, name, &[], UnixTime::now());
        Ok(verdict.err().map(|error| Refusal::from_error(&error)))
    };
    if let Some(refusal) = verify(known.clone(), false)? {
        chain.problem = Some(refusal.to_string());
        return Ok(Judged { chain, refusal: Some(refusal), name: None });
    }
    let wrong_name = verify(known.clone(), true)?;
    chain.names_host = wrong_name.is_none();
    for candidate in known {
        let signed = sent.iter().any(|one| certificate::may_have_signed(&candidate, one));
        // Roots of one name may have several keys.
        if signed && verify(vec![candidate.clone()], false)?.is_none() {
            chain.root = shown(&candidate);
            break;
        }
    }
    Ok(Judged { chain, refusal: None, name: wrong_name })
}

fn shown(certificate: &CertificateDer<'_>) -> Option<Certificate> {
    let summary = certificate::summary(certificate)?;
    Some(Certificate {
        pem: pem(certificate),
        subject: summary.subject,
        issuer: summary.issuer,
        ends_at: summary.ends_at,
    })
}

/// RFC 7468: Base64 in lines of 64.
fn pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in der.chunks(48) {
        text.push_str(&Base64::encode_string(line));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

//! Judges the certificate chain that a server has sent, for `doctor` and for tools that need the
//! root certificate.

use base64ct::{Base64, Encoding};
use millrace_engine::error::Result;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::refusal::Refusal;
use super::verifier::Chain;
use super::{Asked, certificate, roots};

/// A certificate of a chain, as tools and people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// In PEM, with the line `BEGIN CERTIFICATE`.
    pub pem: String,
    /// The owner, as `CN=…, O=…`.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Until when it is valid, in seconds since 1970 UTC.
    pub ends_at: i64,
}

/// The certificate chain that a server sent in a TLS handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateChain {
    /// The certificates that the server sent, its own first. Those that do not parse are left out.
    pub sent: Vec<Certificate>,
    /// The hosts that the server's own certificate is for.
    pub hosts: Vec<String>,
    /// The trusted root certificate that the chain ends at. Tools that want a file of root
    /// certificates can use this one.
    pub root: Option<Certificate>,
    /// Whether the server's certificate is trusted and names the host.
    pub names_host: bool,
    /// Why it is not trusted; `None` if it is, even if it names another host.
    pub problem: Option<String>,
}

/// The verdict on a server's certificates.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) chain: CertificateChain,
    /// Why the server's own certificate is not trusted.
    pub(crate) refusal: Option<Refusal>,
    /// The name mismatch, if the certificate is trusted but does not name the host.
    pub(crate) name: Option<Refusal>,
}

/// Judges the certificates that a server has sent, its own first. Reads the root certificates, so
/// it blocks. A certificate that is refused is a verdict; an error means that the roots cannot be
/// used.
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
    // The library does not say which root it used. Each root whose name fits is tried alone.
    for candidate in known {
        let signed = sent.iter().any(|one| certificate::may_have_signed(&candidate, one));
        // Several roots may share a name and differ in their keys.
        if signed && verify(vec![candidate.clone()], false)?.is_none() {
            chain.root = shown(&candidate);
            break;
        }
    }
    Ok(Judged { chain, refusal: None, name: wrong_name })
}

/// Describes a certificate, or returns `None` if it does not parse.
fn shown(certificate: &CertificateDer<'_>) -> Option<Certificate> {
    let summary = certificate::summary(certificate)?;
    Some(Certificate {
        pem: pem(certificate),
        subject: summary.subject,
        issuer: summary.issuer,
        ends_at: summary.ends_at,
    })
}

/// Encodes a certificate in PEM (RFC 7468): Base64 in lines of 64 characters.
fn pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for line in der.chunks(48) {
        text.push_str(&Base64::encode_string(line));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

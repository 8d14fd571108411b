//! Checks signatures by the keys of X.509 certificates of version 1, which rustls refuses to read.
//!
//! Such certificates are on servers that were set up by MySQL's manual or with `openssl x509 -req`
//! without a file of extensions, and on MariaDB servers that make their own certificate. All other
//! certificates are left to rustls.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use rustls::{CertificateError, DigitallySignedStruct, Error};

use super::certificate::{self, Parts};
use super::provider;

/// Checks the handshake's signature in TLS 1.2, which proves that the server has the certificate's
/// private key.
pub(super) fn signed_12(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let algorithms = provider().signature_verification_algorithms;
    let Some(parts) = old(certificate) else {
        return verify_tls12_signature(message, certificate, signed, &algorithms);
    };
    // In TLS 1.2 a scheme does not fix the curve, so the key's own algorithm has to match too.
    let fitting = algorithms.mapping.iter().filter(|(scheme, _)| *scheme == signed.scheme);
    let valid = fitting.flat_map(|(_, algorithms)| algorithms.iter()).any(|algorithm| {
        algorithm.public_key_alg_id().as_ref() == parts.key_algorithm
            && algorithm.verify_signature(parts.key, message, signed.signature()).is_ok()
    });
    if valid { Ok(HandshakeSignatureValid::assertion()) } else { Err(CertificateError::BadSignature.into()) }
}

/// Checks the handshake's signature in TLS 1.3.
pub(super) fn signed_13(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let algorithms = provider().signature_verification_algorithms;
    match old(certificate) {
        None => verify_tls13_signature(message, certificate, signed, &algorithms),
        Some(parts) => {
            let key = SubjectPublicKeyInfoDer::from(parts.key_info);
            verify_tls13_signature_with_raw_key(message, &key, signed, &algorithms)
        }
    }
}

/// The parts of a certificate of version 1. Returns `None` for other versions and for bytes that do
/// not parse.
pub(super) fn old<'a>(certificate: &'a CertificateDer<'_>) -> Option<Parts<'a>> {
    certificate::parts(certificate).filter(|parts| parts.version == 1)
}

/// Whether the authority's key signed the certificate, and its name is the issuer.
pub(super) fn has_signed(authority: &Parts<'_>, certificate: &Parts<'_>) -> bool {
    authority.subject == certificate.issuer
        && provider().signature_verification_algorithms.all.iter().any(|algorithm| {
            algorithm.signature_alg_id().as_ref() == certificate.algorithm
                && algorithm.public_key_alg_id().as_ref() == authority.key_algorithm
                && algorithm
                    .verify_signature(authority.key, certificate.signed, certificate.signature)
                    .is_ok()
        })
}

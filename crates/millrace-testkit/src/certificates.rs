//! Generates certificates for tests.

use base64ct::{Base64, Encoding as _};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    SigningKey as _, date_time_ymd,
};

/// A certificate authority.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, both in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

/// The contents of a certificate.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Its subject alternative names: hosts and addresses.
    pub names: &'a [&'a str],
    /// Its common name.
    pub common: &'a str,
    /// Whether it expired in 2020.
    pub expired: bool,
}

impl Wanted<'_> {
    /// The parameters of `rcgen` for these contents.
    fn params(self) -> CertificateParams {
        let names: Vec<String> = self.names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, self.common);
        if self.expired {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        params
    }

    /// A self-signed certificate.
    pub fn self_signed(self) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = self.params().self_signed(&key).expect("a certificate");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Authority {
    /// A root certificate with a key of its own.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a root"))
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Signs a certificate.
    pub fn sign(&self, wanted: Wanted<'_>) -> Identity {
        let key = KeyPair::generate().expect("a key");
        Identity { certificate: self.signed(wanted, &key).pem(), key: key.serialize_pem() }
    }

    /// Signs a certificate for a given key.
    fn signed(&self, wanted: Wanted<'_>, key: &KeyPair) -> Certificate {
        wanted.params().signed_by(key, &self.0).expect("a certificate")
    }

    /// Signs a certificate of X.509 version 1, as `openssl x509 -req` does without a file of
    /// extensions. Such a certificate states no version and has no extensions. `rcgen` makes
    /// version 3 only, so the two fields are cut out of its DER, and the rest is signed again.
    pub fn sign_first_version(&self, wanted: Wanted<'_>) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let third = self.signed(Wanted { names: &[], ..wanted }, &key);
        // A certificate is a sequence of the signed part, the algorithm, and the signature.
        let (_, whole) = value(third.der());
        let mut parts = values(whole);
        let inside = values(value(&parts[0]).1);
        let old: Vec<u8> =
            // 0xa0 tags the version, 0xa3 the extensions.
            inside.into_iter().filter(|part| ![0xa0, 0xa3].contains(&part[0])).flatten().collect();
        parts[0] = with_head(0x30, &old);
        let signature = self.0.key().sign(&parts[0]).expect("a signature");
        parts[2] = with_head(0x03, &[&[0], signature.as_slice()].concat());
        Identity { certificate: pem(&with_head(0x30, &parts.concat())), key: key.serialize_pem() }
    }
}

/// The length of the header (tag and length) of the DER value at the start of `bytes`, and the
/// contents of that value.
fn value(bytes: &[u8]) -> (usize, &[u8]) {
    let (head, length) = match bytes[1] {
        short @ 0..0x80 => (2, usize::from(short)),
        long => {
            let count = usize::from(long & 0x7f);
            (2 + count, bytes[2..2 + count].iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
        }
    };
    (head, &bytes[head..head + length])
}

/// The values within the contents of a DER sequence, each with its header.
fn values(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let (head, contents) = value(bytes);
        let (one, rest) = bytes.split_at(head + contents.len());
        all.push(one.to_vec());
        bytes = rest;
    }
    all
}

/// Encodes a DER value: tag, length and contents. At most 65,535 bytes.
fn with_head(tag: u8, contents: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(contents.len()).expect("a small value").to_be_bytes();
    // DER has the length in one byte up to 127, otherwise in as many bytes as the first says.
    let head = match (high, low) {
        (0, 0..0x80) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [&head, contents].concat()
}

/// Encodes a certificate as PEM (RFC 7468): Base64 in lines of 64 characters.
fn pem(der: &[u8]) -> String {
    let lines = der.chunks(48).map(|line| Base64::encode_string(line) + "\n");
    format!("-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n", lines.collect::<String>())
}

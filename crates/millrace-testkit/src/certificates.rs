//! Certificates, made where they are needed.

use base64ct::{Base64, Encoding as _};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    SigningKey as _, date_time_ymd,
};

/// Who signs certificates.
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

/// What a certificate says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Its alternative names: hosts and addresses.
    pub names: &'a [&'a str],
    /// Its common name.
    pub common: &'a str,
    /// Whether it ended in 2020.
    pub expired: bool,
}

impl Wanted<'_> {
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

    /// Signed by itself alone.
    pub fn self_signed(self) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = self.params().self_signed(&key).expect("a certificate");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Authority {
    /// A new one.
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

    fn signed(&self, wanted: Wanted<'_>, key: &KeyPair) -> Certificate {
        wanted.params().signed_by(key, &self.0).expect("a certificate")
    }

    /// Signs a certificate of X.509 version 1, as `openssl x509 -req` does without a file of extensions: one that says no version and
    /// has no extensions.
    pub fn sign_first_version(&self, wanted: Wanted<'_>) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let third = self.signed(Wanted { names: &[], ..wanted }, &key);
        let (_, whole) = value(third.der());
        let mut parts = values(whole);
        let inside = values(value(&parts[0]).1);
        let old: Vec<u8> =
            inside.into_iter().filter(|part| ![0xa0, 0xa3].contains(&part[0])).flatten().collect();
        parts[0] = with_head(0x30, &old);
        let signature = self.0.key().sign(&parts[0]).expect("a signature");
        parts[2] = with_head(0x03, &[&[0], signature.as_slice()].concat());
        Identity { certificate: pem(&with_head(0x30, &parts.concat())), key: key.serialize_pem() }
    }
}

/// How many bytes the head of a DER value has, and its contents.
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

/// The values of a sequence, whole.
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

fn with_head(tag: u8, contents: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(contents.len()).expect("a small value").to_be_bytes();
    let head = match (high, low) {
        (0, 0..0x80) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [&head, contents].concat()
}

/// RFC 7468: Base64 in lines of 64.
fn pem(der: &[u8]) -> String {
    let lines = der.chunks(48).map(|line| Base64::encode_string(line) + "\n");
    format!("-----BEGIN CERTIFICATE-----\n{}-----END CERTIFICATE-----\n", lines.collect::<String>())
}

//! Reads the parts of an X.509 certificate (RFC 5280, DER) that rustls does not expose: the hash
//! for channel binding, the common name, the fields that version 1 has, and the texts for people.
//!
//! The input comes from a server and may be any bytes. A function returns `None` (or an empty
//! result) for what does not parse, and never panics.

use std::net::IpAddr;

use millrace_core::value::days_from_civil;
use sha2::{Digest, Sha256, Sha384, Sha512};

// Tags of DER. `EXTENSIONS` and `VERSION` are the context-specific tags 3 and 0 of a certificate.
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const OID: u8 = 0x06;
const EXTENSIONS: u8 = 0xA3;
const VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const BITS: u8 = 0x03;
const OCTETS: u8 = 0x04;
// Object identifiers: `commonName` (2.5.4.3) and `subjectAltName` (2.5.29.17).
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

/// Splits off one DER value. Returns its tag, its contents, and the bytes after it. Lengths have at
/// most four bytes.
fn value(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        let digits = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), &rest[count..])
    };
    Some((tag, rest.get(..length)?, &rest[length..]))
}

/// Returns the contents of the first value and the bytes after it, if the value has this tag.
fn expect(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    value(bytes).filter(|(found, ..)| *found == tag).map(|(_, inner, rest)| (inner, rest))
}

/// The parts of a certificate that are used. Each one is the contents without tag and length,
/// except `signed` and `key_info`, which include them.
pub(super) struct Parts<'a> {
    /// 1, 2 or 3.
    pub(super) version: u8,
    /// All bytes that the signature covers.
    pub(super) signed: &'a [u8],
    /// The algorithm of the signature, with its parameters.
    pub(super) algorithm: &'a [u8],
    /// The object identifier of the signature's algorithm.
    signed_with: &'a [u8],
    pub(super) signature: &'a [u8],
    pub(super) issuer: &'a [u8],
    /// The two dates: valid from, valid until.
    validity: &'a [u8],
    pub(super) subject: &'a [u8],
    /// The key and its algorithm, with tag and length.
    pub(super) key_info: &'a [u8],
    /// The algorithm of the key, with its parameters.
    pub(super) key_algorithm: &'a [u8],
    pub(super) key: &'a [u8],
    extensions: Option<&'a [u8]>,
}

/// Splits a certificate into its parts. Unknown fields after the key are skipped.
pub(super) fn parts(certificate: &[u8]) -> Option<Parts<'_>> {
    let (all, _) = expect(certificate, SEQUENCE)?;
    let (inner, rest) = expect(all, SEQUENCE)?;
    let signed = &all[..all.len() - rest.len()];
    let (algorithm, rest) = expect(rest, SEQUENCE)?;
    let (signed_with, _) = expect(algorithm, OID)?;
    let signature = bits(rest)?;
    // The version is optional: a certificate without it is of version 1, and the number 0 means 1.
    let (mut version, mut rest) = (1, inner);
    if let Some((versions, behind)) = expect(rest, VERSION) {
        version = expect(versions, INTEGER)?.0.first()?.checked_add(1)?;
        rest = behind;
    }
    // Serial number and algorithm are skipped; then follow issuer, validity, subject and key.
    let (_, _, rest) = value(rest)?;
    let (_, rest) = expect(rest, SEQUENCE)?;
    let (issuer, rest) = expect(rest, SEQUENCE)?;
    let (validity, rest) = expect(rest, SEQUENCE)?;
    let (subject, rest) = expect(rest, SEQUENCE)?;
    let (key, behind) = expect(rest, SEQUENCE)?;
    let (key_info, mut rest) = (&rest[..rest.len() - behind.len()], behind);
    let (key_algorithm, key) = expect(key, SEQUENCE)?;
    let key = bits(key)?;
    let mut extensions = None;
    while let Some((tag, inner, behind)) = value(rest) {
        if tag == EXTENSIONS {
            extensions = Some(expect(inner, SEQUENCE)?.0);
        }
        rest = behind;
    }
    Some(Parts {
        version,
        signed,
        algorithm,
        signed_with,
        signature,
        issuer,
        validity,
        subject,
        key_info,
        key_algorithm,
        key,
        extensions,
    })
}

/// The contents of a bit string of whole bytes.
fn bits(bytes: &[u8]) -> Option<&[u8]> {
    let (unused, bytes) = expect(bytes, BITS)?.0.split_first()?;
    (*unused == 0).then_some(bytes)
}

/// The channel binding `tls-server-end-point` of RFC 5929: the certificate's hash by the hash
/// function of its signature, or SHA-256 if that function is MD5 or SHA-1. Returns `None` for a
/// signature that names no hash function, such as Ed25519.
pub(crate) fn end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    // PKCS #1 (1.2.840.113549.1.1) and ECDSA (1.2.840.10045.4). The bytes after these prefixes name
    // the hash function.
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];
    let signed_with = parts(certificate)?.signed_with;
    let bits = if let Some([last]) = signed_with.strip_prefix(RSA) {
        match last {
            4 | 5 | 11 => 256,
            12 => 384,
            13 => 512,
            _ => return None,
        }
    } else {
        match signed_with.strip_prefix(ECDSA)? {
            [1] | [3, 2] => 256,
            [3, 3] => 384,
            [3, 4] => 512,
            _ => return None,
        }
    };
    Some(match bits {
        384 => Sha384::digest(certificate).to_vec(),
        512 => Sha512::digest(certificate).to_vec(),
        _ => Sha256::digest(certificate).to_vec(),
    })
}

/// What people read of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    /// The owner, as `CN=…, O=…`.
    pub(super) subject: String,
    /// Who signed it.
    pub(super) issuer: String,
    /// From when on it is valid, in seconds since 1970 UTC.
    pub(super) begins_at: i64,
    /// Until when it is valid, in seconds since 1970 UTC.
    pub(super) ends_at: i64,
}

/// Summarizes a certificate. Returns `None` if it does not parse.
pub(super) fn summary(certificate: &[u8]) -> Option<Summary> {
    let parts = parts(certificate)?;
    let (begins, rest) = moment(parts.validity)?;
    Some(Summary {
        subject: distinguished(parts.subject),
        issuer: distinguished(parts.issuer),
        begins_at: begins,
        ends_at: moment(rest)?.0,
    })
}

/// Whether a certificate names itself as its issuer. The signature is not checked.
pub(super) fn is_own_issuer(certificate: &[u8]) -> bool {
    parts(certificate).is_some_and(|parts| parts.issuer == parts.subject)
}

/// Whether the subject of `root` is the issuer of `certificate`. The signature is not checked.
pub(super) fn may_have_signed(root: &[u8], certificate: &[u8]) -> bool {
    match (parts(root), parts(certificate)) {
        (Some(root), Some(certificate)) => root.subject == certificate.issuer,
        _ => false,
    }
}

/// Parses `YYMMDDHHMMSSZ` (`UTCTime`, 1950 to 2049) or `YYYYMMDDHHMMSSZ` (`GeneralizedTime`).
/// Returns seconds since 1970 UTC and the bytes after the value.
fn moment(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (tag, text, rest) = value(bytes)?;
    let text = std::str::from_utf8(text).ok()?;
    let text = if tag == UTC_TIME {
        let century = if text.get(..1)? < "5" { "20" } else { "19" };
        format!("{century}{text}")
    } else {
        text.to_owned()
    };
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let (month, day) = (number(4, 6)?, number(6, 8)?);
    let days = days_from_civil(number(0, 4)?.into(), month.clamp(1, 12), day);
    let seconds = number(8, 10)? * 3600 + number(10, 12)? * 60 + number(12, 14)?;
    Some((days * 86_400 + i64::from(seconds), rest))
}

/// The parts of a distinguished name that people look at.
fn distinguished(name: &[u8]) -> String {
    attributes(name)
        .filter_map(|(kind, text)| {
            let word = match kind {
                COMMON_NAME => "CN",
                [0x55, 0x04, 0x0a] => "O",
                [0x55, 0x04, 0x0b] => "OU",
                [0x55, 0x04, 0x06] => "C",
                _ => return None,
            };
            Some(format!("{word}={text}"))
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// Object identifier and text of a name's attributes. Those that are not UTF-8 are left out.
fn attributes(name: &[u8]) -> impl Iterator<Item = (&[u8], &str)> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let (set, behind) = expect(rest, SET)?;
        rest = behind;
        let (attribute, _) = expect(set, SEQUENCE)?;
        let (kind, text) = expect(attribute, OID)?;
        Some((kind, value(text)?.1))
    })
    .filter_map(|(kind, text)| Some((kind, std::str::from_utf8(text).ok()?)))
}

/// The common name, if the certificate has no alternative names at all. libpq and MySQL's clients
/// look at it in that case, and rustls never does.
pub(super) fn common_name_only(certificate: &[u8]) -> Option<&str> {
    let parts = parts(certificate)?;
    if alternative_names(&parts).is_some() {
        return None;
    }
    // A NUL byte in a name is an attack: some programs read only the part before it.
    let names = attributes(parts.subject).filter(|(kind, name)| *kind == COMMON_NAME && !name.contains('\0'));
    names.last().map(|(_, name)| name)
}

/// The contents of the extension with the alternative names. The extension counts as present, with
/// no names, even if its contents do not parse.
fn alternative_names<'a>(parts: &Parts<'a>) -> Option<&'a [u8]> {
    let mut rest = parts.extensions.unwrap_or_default();
    while let Some((extension, behind)) = expect(rest, SEQUENCE) {
        let (kind, extension) = expect(extension, OID)?;
        if kind == ALTERNATIVE_NAMES {
            // A flag that says whether the extension is critical may come before its contents.
            let (tag, _, after) = value(extension)?;
            let names = if tag == OCTETS { extension } else { after };
            return Some(
                expect(names, OCTETS)
                    .and_then(|(names, _)| expect(names, SEQUENCE))
                    .map_or(&[], |(names, _)| names),
            );
        }
        rest = behind;
    }
    None
}

/// The DNS names and IP addresses that a certificate is for, or its common name if there are no
/// alternative names. For people to read.
pub(super) fn hosts(certificate: &[u8]) -> Vec<String> {
    const NAME: u8 = 0x82;
    const ADDRESS: u8 = 0x87;
    let Some(parts) = parts(certificate) else { return Vec::new() };
    let Some(mut rest) = alternative_names(&parts) else {
        return common_name_only(certificate).map(str::to_owned).into_iter().collect();
    };
    let mut found = Vec::new();
    while let Some((tag, inner, behind)) = value(rest) {
        match tag {
            NAME => found.extend(std::str::from_utf8(inner).ok().map(str::to_owned)),
            ADDRESS => found.extend(address(inner).map(|address| address.to_string())),
            _ => {}
        }
        rest = behind;
    }
    found
}

/// An IPv4 or IPv6 address from its 4 or 16 bytes.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Whether a name in a certificate matches a host. `*.domain` matches exactly one label, and the
/// domain must have at least two. Letter case does not matter.
pub(super) fn names(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return true;
    }
    let Some(domain) = pattern.strip_prefix("*.") else { return false };
    host.split_once('.').is_some_and(|(label, rest)| {
        !label.is_empty() && rest.eq_ignore_ascii_case(domain) && domain.contains('.')
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{
        CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519,
    };

    use super::*;

    fn certificate(names: &[&str], common: &str, key: &KeyPair) -> Vec<u8> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, common);
        params.self_signed(key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        for (algorithm, length) in [(&PKCS_ECDSA_P256_SHA256, 32), (&PKCS_ECDSA_P384_SHA384, 48)] {
            let key = KeyPair::generate_for(algorithm).expect("a key");
            let found = end_point(&certificate(&["db.example"], "x", &key));
            assert_eq!(found.map(|hash| hash.len()), Some(length));
        }
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        assert_eq!(end_point(&certificate(&["db.example"], "x", &key)), None);
    }

    #[test]
    fn the_common_name_counts_where_there_is_no_other() {
        let key = KeyPair::generate().expect("a key");
        assert_eq!(common_name_only(&certificate(&[], "db.example", &key)), Some("db.example"));
        let others = certificate(&["other.example", "10.0.0.1", "::1"], "db.example", &key);
        assert_eq!(common_name_only(&others), None);
        assert_eq!(hosts(&others), ["other.example", "10.0.0.1", "::1"]);
        assert_eq!(hosts(&certificate(&[], "db.example", &key)), ["db.example"]);
    }

    #[test]
    fn what_people_read() {
        let key = KeyPair::generate().expect("a key");
        for (year, ends_at) in [(2030, 1_898_640_000), (2051, 2_561_328_000)] {
            let mut params = CertificateParams::new(Vec::new()).expect("no names");
            params.distinguished_name.push(DnType::CommonName, "é root");
            params.distinguished_name.push(DnType::OrganizationName, "Millrace");
            params.not_after = rcgen::date_time_ymd(year, 3, 2);
            let root = params.self_signed(&key).expect("a certificate");
            let found = summary(root.der()).expect("it parses");
            assert_eq!((found.subject.as_str(), found.ends_at), ("CN=é root, O=Millrace", ends_at));
            assert!(may_have_signed(root.der(), root.der()));
            assert!(!may_have_signed(&certificate(&[], "other", &key), root.der()));
        }
    }

    #[test]
    fn names_with_a_star() {
        for (pattern, host, fits) in [
            ("db.example", "DB.example", true),
            ("*.example.org", "db.example.org", true),
            ("*.example.org", "a.db.example.org", false),
            ("*.example.org", "example.org", false),
            ("*.org", "example.org", false),
            ("*", "example", false),
            ("d*.example.org", "db.example.org", false),
        ] {
            assert_eq!(names(pattern, host), fits, "{pattern} {host}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0usize..600, at in 0usize..600, byte in any::<u8>()) {
            let _ = (end_point(&bytes), common_name_only(&bytes), hosts(&bytes));
            let key = KeyPair::generate().expect("a key");
            let mut whole = certificate(&["a.example"], "b", &key);
            let at = at % whole.len();
            whole[at] = byte;
            whole.truncate(cut);
            let _ = (end_point(&whole), common_name_only(&whole), summary(&whole), hosts(&whole));
        }
    }
}

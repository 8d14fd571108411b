use std::time::Duration;

use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{ServerName, UnixTime};

use super::*;

struct Made {
    folder: tempfile::TempDir,
    root: CertifiedIssuer<'static, KeyPair>,
    key: KeyPair,
}

impl Made {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = || KeyPair::generate().expect("a key");
        let root = CertifiedIssuer::self_signed(params, key()).expect("a root");
        Self { folder: tempfile::tempdir().expect("a folder"), root, key: key() }
    }

    fn params(names: &[&str], common: &str) -> CertificateParams {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, common);
        params
    }

    fn signed(&self, params: &CertificateParams) -> Certificate {
        params.signed_by(&self.key, &self.root).expect("a certificate")
    }

    /// The verdict of a check with a file of roots, as text.
    fn verdict(&self, check: Check, roots: &str, presented: &Certificate, host: &str) -> Result<(), String> {
        let file = self.folder.path().join("roots.crt");
        std::fs::write(&file, roots).expect("a file");
        let asked = Asked {
            check,
            roots: Roots::File(file),
            client: None,
            only_13: false,
            protocol: None,
            failure: ErrorKind::SourceUnreachable,
        };
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        let now = UnixTime::since_unix_epoch(Duration::from_hours(490_000));
        let verifier = asked.verifier().expect("a verifier");
        let found = verifier.verify_server_cert(presented.der(), &[], &name, &[], now);
        found.map(|_| ()).map_err(|error| Refusal::from_error(&error).to_string())
    }
}

#[test]
fn who_is_trusted() {
    use Check::{Named, Nothing, Signed};
    let made = Made::new("root");
    let other = Made::new("other");
    let root = made.root.pem();
    let good = made.signed(&Made::params(&["db.example", "*.wild.example", "10.0.0.1"], "x"));
    let common = made.signed(&Made::params(&[], "db.example"));
    let mut expired = Made::params(&["db.example"], "x");
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let mut own = Made::params(&["db.example"], "own");
    own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut own_expired = own.clone();
    own_expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let own_leaf = Made::params(&["db.example"], "own leaf").self_signed(&made.key).expect("a certificate");
    let (expired, stranger) = (made.signed(&expired), other.signed(&Made::params(&["db.example"], "x")));
    let own = own.self_signed(&made.key).expect("a certificate");
    let own_expired = own_expired.self_signed(&made.key).expect("a certificate");
    let (own_pem, leaf_pem, own_expired_pem) = (own.pem(), own_leaf.pem(), own_expired.pem());
    let ok = Ok(());
    for (what, check, roots, presented, host, expected) in [
        ("good", Named, &root, &good, "db.example", ok),
        ("good, by a star", Named, &root, &good, "a.wild.example", ok),
        ("good, by address", Named, &root, &good, "10.0.0.1", ok),
        ("another name", Named, &root, &good, "db2.example", Err("is for")),
        ("another address", Named, &root, &good, "10.0.0.2", Err("is for")),
        ("another name", Signed, &root, &good, "db2.example", ok),
        ("a common name only", Named, &root, &common, "db.example", ok),
        (
            "another common name",
            Named,
            &root,
            &common,
            "db2.example",
            Err("is for `db.example`, not for `db2.example`"),
        ),
        ("the common name beside others", Named, &root, &good, "x", Err("is for")),
        ("expired", Named, &root, &expired, "db.example", Err("ended on 2020-01-01")),
        ("expired", Signed, &root, &expired, "db.example", Err("ended on 2020-01-01")),
        ("expired", Nothing, &root, &expired, "db.example", ok),
        ("of a stranger", Named, &root, &stranger, "db.example", Err("not among those that are trusted")),
        ("of a stranger", Signed, &root, &stranger, "db.example", Err("not among those that are trusted")),
        ("its own root", Named, &own_pem, &own, "db.example", ok),
        ("its own root, another name", Named, &own_pem, &own, "db2.example", Err("")),
        ("its own root, another name", Signed, &own_pem, &own, "db2.example", ok),
        ("its own root, no authority", Named, &leaf_pem, &own_leaf, "db.example", ok),
        (
            "its own root, expired",
            Named,
            &own_expired_pem,
            &own_expired,
            "db.example",
            Err("ended on 2020-01-01"),
        ),
        ("self-signed, unknown", Signed, &root, &own_leaf, "db.example", Err("signed by itself")),
        ("self-signed, unknown", Signed, &root, &own, "db.example", Err("signed by itself")),
    ] {
        let found = made.verdict(check, roots, presented, host);
        match (&found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(words)) => assert!(error.contains(words), "{what}, {check:?}: {error}"),
            _ => panic!("{what}, {check:?}: {found:?}"),
        }
    }
}

#[test]
fn public_roots_are_there_without_a_file() {
    let found = roots(&Roots::Public, ErrorKind::SourceUnreachable).expect("roots");
    assert!(found.len() > 100, "{}", found.len());
    // A root of Let's Encrypt, which signs the certificates of Neon and others.
    let isrg = found
        .iter()
        .filter_map(|root| certificate::summary(root))
        .any(|root| root.subject.contains("ISRG Root X1"));
    assert!(isrg);
    assert!(roots::store(&found).len() > 100);
}

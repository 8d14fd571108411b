//! What a connection trusts.

use std::path::Path;

use millrace_engine::error::{Error, ErrorKind, Result};
use mysql_async::SslOpts;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::files::input::blocking;
use crate::mysql::address::{Address, SslMode};

/// What the driver is told of TLS; none where it is not wanted. With a file of authorities those alone are trusted, otherwise
/// Mozilla's, which are in the program, and the system's.
pub(super) async fn options(address: &Address, project_dir: &Path) -> Result<Option<SslOpts>> {
    let unverified =
        || SslOpts::default().with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true);
    let options = match address.ssl_mode {
        SslMode::Disabled => return Ok(None),
        SslMode::Preferred | SslMode::Required => return Ok(Some(unverified())),
        SslMode::VerifyCa => SslOpts::default().with_danger_skip_domain_validation(true),
        SslMode::VerifyIdentity => SslOpts::default(),
    };
    let (own, file) = match &address.ssl_ca {
        Some(file) => (true, Some((file.clone(), project_dir.join(file)))),
        None => (false, None),
    };
    let certificates = blocking(move || match file {
        Some((name, path)) => authorities(&name, &path),
        None => Ok(usable(rustls_native_certs::load_native_certs().certs)),
    })
    .await?;
    let certificates = certificates.into_iter().map(|certificate| certificate.to_vec().into()).collect();
    Ok(Some(options.with_root_certs(certificates).with_disable_built_in_roots(own)))
}

/// The certificates of a PEM file.
fn authorities(name: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let failed = |what: &str| Error::new(ErrorKind::SourceUnreachable, format!("`ssl_ca: {name}` {what}"));
    let bytes = std::fs::read(path).map_err(|error| failed("cannot be read").caused_by(error))?;
    let found = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| failed("is no file of certificates").caused_by(error))?;
    let count = found.len();
    let usable = usable(found);
    if usable.is_empty() || usable.len() < count {
        return Err(failed("has no certificate of an authority, or one that cannot be used")
            .hint("It has to be in PEM, with `-----BEGIN CERTIFICATE-----`, of X.509 version 3."));
    }
    Ok(usable)
}

/// Those that can vouch for others. The system's store may have some that can't, and one would make the driver refuse all.
fn usable(certificates: Vec<CertificateDer<'static>>) -> Vec<CertificateDer<'static>> {
    let usable =
        |certificate: &CertificateDer<'static>| RootCertStore::empty().add(certificate.clone()).is_ok();
    certificates.into_iter().filter(usable).collect()
}

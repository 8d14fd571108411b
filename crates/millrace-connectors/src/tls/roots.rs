//! Who may sign a server's certificate.

use std::path::PathBuf;

use millrace_engine::error::{Error, ErrorKind, Result};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Who may sign a server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Mozilla's, which are built in, and the system's.
    Public,
    /// The system's.
    System,
    /// Those in a file (PEM).
    File(PathBuf),
}

/// Their certificates, whole. An error is of that kind.
pub(crate) fn roots(roots: &Roots, failure: ErrorKind) -> Result<Vec<CertificateDer<'static>>> {
    let system = || rustls_native_certs::load_native_certs().certs;
    let unusable = |message: String| Error::new(failure, message);
    let found = match roots {
        Roots::Public => {
            let mut all: Vec<_> = webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec();
            all.extend(system());
            all
        }
        Roots::System => system(),
        Roots::File(path) => CertificateDer::pem_file_iter(path)
            .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
            .map_err(|error| {
                unusable(format!("the file of root certificates `{}` cannot be read", path.display()))
                    .caused_by(error)
            })?,
    };
    if found.is_empty() {
        return Err(match roots {
            Roots::File(path) => unusable(format!("the file `{}` holds no certificate", path.display()))
                .hint("It has to be in PEM, with `-----BEGIN CERTIFICATE-----`."),
            _ => unusable("this system has no root certificates".to_owned())
                .hint("Mozilla's are built in: ask for those, or name a file."),
        });
    }
    Ok(found)
}

/// A store of certificates that may sign. Some that systems bring along do not parse; they are left out.
pub(super) fn store(certificates: &[CertificateDer<'static>]) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates.iter().cloned());
    store
}

//! Loads the root certificates: the authorities that may sign a server's certificate.

use std::path::PathBuf;

use millrace_engine::error::{Error, ErrorKind, Result};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Which authorities may sign a server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Those of Mozilla, which are built in, and those of the system.
    Public,
    /// Those of the system.
    System,
    /// Those in a PEM file.
    File(PathBuf),
}

/// Returns the complete certificates. Reads files, so it blocks. If there is no certificate or a
/// file cannot be read, the error is of kind `failure`.
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

/// Makes rustls's store of trusted certificates. Some certificates of systems do not parse; they
/// are left out.
pub(super) fn store(certificates: &[CertificateDer<'static>]) -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates.iter().cloned());
    store
}

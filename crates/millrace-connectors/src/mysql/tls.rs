//! Translates MySQL's TLS modes into what is checked in `crate::tls`.

use std::path::Path;

use millrace_engine::error::{ErrorKind, Result};
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::files::input::blocking;
use crate::mysql::address::{Address, SslMode};
use crate::tls::{Asked, Check, Roots};

impl Address {
    /// What the connection requires of the server's certificate. With a file of authorities only
    /// those are trusted; otherwise those of Mozilla, which are built in, and of the system.
    pub(super) fn asked(&self, project_dir: &Path) -> Asked {
        Asked {
            check: match self.ssl_mode {
                SslMode::Disabled | SslMode::Preferred | SslMode::Required => Check::Nothing,
                SslMode::VerifyCa => Check::Signed,
                SslMode::VerifyIdentity => Check::Named,
            },
            roots: self.ssl_ca.as_ref().map_or(Roots::Public, |file| Roots::File(project_dir.join(file))),
            client: self
                .client
                .as_ref()
                .map(|(certificate, key)| (project_dir.join(certificate), project_dir.join(key))),
            only_13: false,
            protocol: None,
            failure: ErrorKind::SourceUnreachable,
        }
    }

    /// The host as a name for TLS. TLS accepts no other host names than DNS names and IP addresses.
    /// If the mode does not check the name, such a host is replaced by a placeholder, else the
    /// result is `None`.
    pub(super) fn server_name(&self) -> Option<ServerName<'static>> {
        let name = ServerName::try_from(self.host.clone()).ok();
        let unseen = || ServerName::try_from("unknown.invalid").ok();
        name.or_else(|| if self.ssl_mode == SslMode::VerifyIdentity { None } else { unseen() })
    }
}

/// Makes the TLS connector for an address. Reads certificate files on a thread that may block.
pub(super) async fn connector(address: &Address, project_dir: &Path) -> Result<TlsConnector> {
    let asked = address.asked(project_dir);
    Ok(TlsConnector::from(blocking(move || asked.config()).await?))
}

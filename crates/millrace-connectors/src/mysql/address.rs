//! Parses the address of a server:
//! `mysql://user:password@host:3306/database?ssl-mode=VERIFY_IDENTITY`, or over a socket of this
//! machine `mysql://user@%2Frun%2Fmysqld%2Fmysqld.sock/database`.
//!
//! Keys of the source may stand for the user, the password, the socket and the TLS files. Giving
//! one of them in both places is an error.
//!
//! Invariant: no error message repeats a part of the URL other than the names of its parameters. If
//! a password contains a character that a URL cannot have, any part of the URL may be a piece of
//! it.

use millrace_core::suggest::did_you_mean;
use millrace_engine::error::{Error, ErrorKind, Result};

/// The default port of MySQL.
const PORT: u16 = 3306;

/// The parameters that a URL may have, in the spelling for messages.
const PARAMETERS: [&str; 5] = ["ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "socket"];

/// MySQL's names of the TLS modes.
const MODES: [(&str, SslMode); 5] = [
    ("DISABLED", SslMode::Disabled),
    ("PREFERRED", SslMode::Preferred),
    ("REQUIRED", SslMode::Required),
    ("VERIFY_CA", SslMode::VerifyCa),
    ("VERIFY_IDENTITY", SslMode::VerifyIdentity),
];

/// The TLS mode of a connection, with the meaning that MySQL's own clients give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SslMode {
    /// No TLS.
    Disabled,
    /// TLS, unless the server has none.
    Preferred,
    /// TLS without a check of the certificate.
    Required,
    /// TLS with a certificate that a trusted authority signed.
    VerifyCa,
    /// The same, and the certificate must name the host.
    VerifyIdentity,
}

impl SslMode {
    /// MySQL's name of the mode.
    pub(super) fn name(self) -> &'static str {
        MODES.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }

    /// Whether the server's certificate is checked.
    pub(super) fn verifies(self) -> bool {
        matches!(self, Self::VerifyCa | Self::VerifyIdentity)
    }
}

/// A server, a database and a user. It holds a password, so it does not implement `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
    /// Path of the server's socket on this machine. If it is set, host and port mean nothing.
    pub(super) socket: Option<String>,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) database: String,
    pub(super) ssl_mode: SslMode,
    /// PEM file with the trusted authorities, as the project writes the path.
    pub(super) ssl_ca: Option<String>,
    /// PEM files with the client certificate and its key.
    pub(super) client: Option<(String, String)>,
}

/// Settings of a source that replace parts of its URL. It may hold a password, so it does not
/// implement `Debug`.
#[derive(Clone, Copy, Default)]
pub(super) struct UrlOverrides<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) password: Option<&'a str>,
    pub(super) socket: Option<&'a str>,
    pub(super) ca: Option<&'a str>,
    pub(super) cert: Option<&'a str>,
    pub(super) key: Option<&'a str>,
}

impl Address {
    /// Parses a URL and the settings beside it. Every error is of kind `Misconfigured`.
    pub(super) fn parse(url: &str, overrides: UrlOverrides<'_>) -> Result<Self> {
        let scheme = ["mysql://", "mariadb://"].iter().find_map(|scheme| url.strip_prefix(scheme));
        let rest = scheme.ok_or_else(|| wrong("`url` does not begin with `mysql://`"))?;
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) =
            rest.split_once('/').filter(|(_, database)| !database.is_empty()).ok_or_else(|| {
                wrong("`url` names no database")
                    .hint("Write it behind the host: `mysql://user@host/database`.")
            })?;
        // The last `@` separates the host, because a password may contain others.
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None if overrides.user.is_some() => (None, authority),
            None => {
                return Err(wrong("`url` names no user").hint(
                    "Write them before the host, `mysql://user@host/database`, or in the source's key `user`.",
                ));
            }
        };
        let (user, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
            Some((user, password)) => (Some(user), Some(decoded(password)?).filter(|text| !text.is_empty())),
            None => (None, None),
        };
        // Such a character means that one before it, perhaps in the password, was not escaped.
        if database.contains(['/', '@', '#']) || user.is_some_and(str::is_empty) {
            return Err(wrong("`url` is no address of a database"));
        }
        let user = once("user", user.map(decoded).transpose()?, overrides.user)?;
        let password = once("password", password, overrides.password)?;
        let mut address = Self {
            host: String::new(),
            port: PORT,
            socket: None,
            user: user.filter(|user| !user.is_empty()).ok_or_else(|| wrong("`user` is empty"))?,
            // An empty password is no password.
            password: password.filter(|password| !password.is_empty()),
            database: decoded(database)?,
            ssl_mode: SslMode::Preferred,
            ssl_ca: None,
            client: None,
        };
        address.take_parameters(parameters, overrides)?;
        address.take_host(host)?;
        Ok(address)
    }

    /// Takes the host, which may be the path of a socket or, beside the key `socket`, `localhost`
    /// or empty. Called after the parameters, which may name a socket and a TLS mode: a socket
    /// excludes the modes that require encryption.
    fn take_host(&mut self, text: &str) -> Result<()> {
        if let Some(path) = Some(decoded(text)?).filter(|host| host.starts_with('/')) {
            self.socket = once("socket", Some(path), self.socket.as_deref())?;
        } else if self.socket.is_none() {
            (self.host, self.port) = host_and_port(text)?;
            return Ok(());
        } else if text.starts_with("localhost:") {
            return Err(refused(
                "`url` names a port, and a socket has none".to_owned(),
                "Write `localhost` without it, `mysql://user@localhost/database`, or leave `socket` out.",
            ));
        } else if !text.is_empty() && text != "localhost" {
            return Err(refused(
                "`url` names a host, and a socket is one of this machine".to_owned(),
                "Write `localhost` in its place, `mysql://user@localhost/database`, or leave `socket` out.",
            ));
        }
        let path = self.socket.as_deref().unwrap_or_default();
        if !path.starts_with('/') || path.contains('\0') {
            return Err(refused(
                "`socket` is no whole path of a file".to_owned(),
                "Write it from `/` on, as `select @@socket` on the server has it: `/run/mysqld/mysqld.sock`.",
            ));
        }
        if self.ssl_mode != SslMode::Preferred && self.ssl_mode != SslMode::Disabled {
            return Err(refused(
                format!("`ssl-mode={}` asks for encryption, and a socket has none", self.ssl_mode.name()),
                "Leave it out: nothing that goes over a socket leaves this machine.",
            ));
        }
        // What goes over a socket does not leave this machine.
        self.ssl_mode = SslMode::Disabled;
        Ok(())
    }

    /// Takes the URL's parameters. Refuses combinations that would give less protection than they
    /// seem to: authorities that are not asked, or a client certificate that may not be sent.
    fn take_parameters(&mut self, parameters: &str, overrides: UrlOverrides<'_>) -> Result<()> {
        let (mut mode, mut socket) = (None, None);
        let (mut authority, mut certificate, mut key) = (None, None, None);
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name.to_ascii_lowercase().replace('_', "-").as_str() {
                "ssl-mode" => mode = Some(ssl_mode(&decoded(value)?)?),
                "ssl-ca" => authority = Some(decoded(value)?),
                "ssl-cert" => certificate = Some(decoded(value)?),
                "ssl-key" => key = Some(decoded(value)?),
                "socket" => socket = Some(decoded(value)?),
                _ => return Err(unknown_parameter(name)),
            }
        }
        self.socket = once("socket", socket, overrides.socket)?;
        self.ssl_ca = once("ssl_ca", authority, overrides.ca)?;
        let certificate = once("ssl_cert", certificate, overrides.cert)?;
        let key = once("ssl_key", key, overrides.key)?;
        // MySQL's clients do the same: naming an authority means that it should be checked.
        let default = if self.ssl_ca.is_some() { SslMode::VerifyCa } else { SslMode::Preferred };
        self.ssl_mode = mode.unwrap_or(default);
        if self.ssl_ca.is_some() && !self.ssl_mode.verifies() {
            return Err(refused(
                format!(
                    "`ssl-ca` means nothing with `ssl-mode={}`, which verifies nothing",
                    self.ssl_mode.name()
                ),
                "Write `ssl-mode=VERIFY_IDENTITY` (or `VERIFY_CA`), or leave `ssl-ca` out.",
            ));
        }
        self.client = match (certificate, key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate, key)),
            _ => {
                return Err(refused(
                    "there is one of `ssl-cert` and `ssl-key`".to_owned(),
                    "Name both files: the certificate of this side, and its key.",
                ));
            }
        };
        if self.client.is_some() && matches!(self.ssl_mode, SslMode::Disabled | SslMode::Preferred) {
            return Err(refused(
                format!("`ssl-cert` may go unseen with `ssl-mode={}`", self.ssl_mode.name()),
                "Write `ssl-mode=VERIFY_IDENTITY` (or `REQUIRED` or `VERIFY_CA`).",
            ));
        }
        Ok(())
    }

    /// The server in the form for messages: the path of its socket, or host and port.
    pub(super) fn server(&self) -> String {
        if let Some(path) = &self.socket {
            path.clone()
        } else if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Returns the value from the URL or from the key beside it; both at once are an error.
fn once(name: &str, in_url: Option<String>, beside: Option<&str>) -> Result<Option<String>> {
    match (in_url, beside) {
        (Some(_), Some(_)) => Err(refused(
            format!("`{name}` stands in `url`, and once more beside it"),
            "Leave one of the two out.",
        )),
        (in_url, beside) => Ok(in_url.or_else(|| beside.map(str::to_owned))),
    }
}

fn refused(message: String, hint: &str) -> Error {
    Error::new(ErrorKind::Misconfigured, message).hint(hint)
}

/// An error about the URL as a whole, with a hint that shows its form.
fn wrong(message: &str) -> Error {
    Error::new(ErrorKind::Misconfigured, message).hint(
        "Write `mysql://user:${PASSWORD}@host:3306/database`; in a password `@` is %40, `:` %3A, `/` %2F, `?` %3F, `#` %23 and `%` %25.",
    )
}

/// The error for an unknown parameter, with the nearest known one.
fn unknown_parameter(name: &str) -> Error {
    // A longer text, or one with other characters, is unlikely to be a name and may be a piece of a
    // password.
    if name.len() > 32 || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        return wrong("`url` has a parameter that is not known");
    }
    let error = Error::new(ErrorKind::Misconfigured, format!("`url` has an unknown parameter `{name}`"));
    error.hint(did_you_mean(name, PARAMETERS, "the parameters are").unwrap_or_default())
}

/// Parses a TLS mode; letter case and `-` or `_` do not matter.
fn ssl_mode(text: &str) -> Result<SslMode> {
    let name = text.to_ascii_uppercase().replace('-', "_");
    let found = MODES.iter().find(|(known, _)| *known == name).map(|(_, mode)| *mode);
    found.ok_or_else(|| {
        let hint = did_you_mean(&name, MODES.map(|(name, _)| name), "the modes are").unwrap_or_default();
        Error::new(ErrorKind::Misconfigured, "`ssl-mode` in `url` is none of MySQL's modes").hint(hint)
    })
}

/// Splits a host and an optional port from 1 to 65535. IPv6 addresses are in brackets.
fn host_and_port(text: &str) -> Result<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        // An IPv6 address contains colons itself.
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(|| wrong("the host in `url` does not end"))?;
            (host, port)
        }
        None => text.find(':').map_or((text, ""), |colon| text.split_at(colon)),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => PORT,
        port => port
            .and_then(|port| port.parse().ok())
            .filter(|&port| port > 0)
            .ok_or_else(|| wrong("the port in `url` is no number from 1 to 65535"))?,
    };
    if host.is_empty() {
        return Err(wrong("`url` names no host"));
    }
    Ok((decoded(host)?, port))
}

/// Decodes percent escapes (`%41`). The result must be UTF-8.
fn decoded(text: &str) -> Result<String> {
    let broken = || wrong("`url` has a `%` that is not followed by two hexadecimal digits of a character");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(broken()) };
        bytes.push((high << 4 | low) as u8);
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Address> {
        Address::parse(url, UrlOverrides::default())
    }

    #[test]
    fn addresses() {
        let address = parse("mysql://read%40er:p%3Aa%25s@db.example:3307/my%20shop?SSL_MODE=verify-identity")
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((address.host.as_str(), address.port), ("db.example", 3307));
        assert_eq!((address.user.as_str(), address.password.as_deref()), ("read@er", Some("p:a%s")));
        assert_eq!((address.database.as_str(), address.ssl_mode), ("my shop", SslMode::VerifyIdentity));
        for (url, host, port) in [
            ("mysql://u@h/d", "h", 3306),
            ("mariadb://u:@[::1]:33/d", "::1", 33),
            ("mysql://u@[::1]/d", "::1", 3306),
        ] {
            let address = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!((address.host.as_str(), address.port, address.password), (host, port, None), "{url}");
            assert_eq!(address.ssl_mode, SslMode::Preferred);
        }
    }

    #[test]
    fn authorities() {
        let ca = |url: &str, key: Option<&str>| {
            Address::parse(url, UrlOverrides { ca: key, ..UrlOverrides::default() })
                .map(|address| (address.ssl_mode, address.ssl_ca))
        };
        assert_eq!(
            ca("mysql://u@h/d?ssl-ca=a.pem", None).ok(),
            Some((SslMode::VerifyCa, Some("a.pem".into())))
        );
        assert_eq!(
            ca("mysql://u@h/d?ssl-mode=Verify_Identity", Some("b.pem")).ok(),
            Some((SslMode::VerifyIdentity, Some("b.pem".into())))
        );
        let useless = ca("mysql://u@h/d?ssl-mode=required", Some("b.pem")).expect_err("verifies nothing");
        assert!(useless.message().contains("ssl-mode=REQUIRED"));
        for url in ["mysql://u@h/d?ssl-ca=a", "mysql://u@h/d?ssl_cert=a", "mysql://u@h/d?SSL-KEY=a"] {
            let all =
                UrlOverrides { ca: Some("b"), cert: Some("b"), key: Some("b"), ..UrlOverrides::default() };
            let error = Address::parse(url, all).err().unwrap_or_else(|| panic!("{url} says it twice"));
            assert!(error.message().contains("stands in `url`, and once more beside it"), "{url}: {error}");
        }
        let own = "mysql://u@h/d?ssl-mode=REQUIRED&ssl-cert=c.pem";
        let files = UrlOverrides { key: Some("k.pem"), ..UrlOverrides::default() };
        let address = Address::parse(own, files).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(address.client, Some(("c.pem".into(), "k.pem".into())));
        assert!(parse(own).is_err_and(|error| error.message().contains("one of `ssl-cert`")));
        assert!(
            parse("mysql://u@h/d?ssl-cert=c&ssl-key=k")
                .is_err_and(|error| error.message().contains("unseen"))
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_a_secret() {
        for (url, message) in [
            ("postgres://u:s3cret@h/d", "does not begin with"),
            ("mysql://h/d", "names no user"),
            ("mysql://u:s3cret@h", "names no database"),
            ("mysql://u:s3cret@/d", "names no host"),
            ("mysql://u:s3cret@h:x/d", "port"),
            ("mysql://u:s3cret@h:0/d", "port"),
            ("mysql://u:s3cret@[::1/d", "does not end"),
            ("mysql://u:s3%cret@h/d", "two hexadecimal digits"),
            ("mysql://u:s3cret/x@h/d", "names no user"),
            ("mysql://u:1/s3cret@h/d", "names no user"),
            ("mysql://u@x:s3cret/a@h/d", "no address"),
            ("mysql://u:s3cret?x@h/d", "names no database"),
            ("mysql://u@h/s3cret@h/d", "no address"),
            ("mysql://u@h/d?s3cret!=1", "not known"),
            ("mysql://u@h/d?ssl-mode=s3cret", "none of MySQL's modes"),
        ] {
            let error = parse(url).err().unwrap_or_else(|| panic!("{url} is wrong"));
            let text = format!("{error} {:?}", error.to_diagnostic().hint);
            assert!(text.contains(message) && !text.contains("s3cret"), "{url}: {text}");
        }
        let unknown = parse("mysql://u@h/d?sslmode=REQUIRED").err().expect("unknown");
        assert_eq!(unknown.message(), "`url` has an unknown parameter `sslmode`");
        assert!(unknown.to_diagnostic().hint.is_some_and(|hint| hint.contains("`ssl-mode`")));
    }

    #[test]
    fn sockets() {
        let socket = Some("/run/mysqld/mysqld.sock".to_owned());
        for (url, overrides) in [
            ("mysql://root@%2Frun%2Fmysqld%2Fmysqld.sock/db", UrlOverrides::default()),
            ("mysql://root@localhost/db?socket=/run/mysqld/mysqld.sock", UrlOverrides::default()),
            ("mysql://root@/db?socket=%2Frun%2Fmysqld%2Fmysqld.sock", UrlOverrides::default()),
            (
                "mysql://root@localhost/db",
                UrlOverrides { socket: socket.as_deref(), ..UrlOverrides::default() },
            ),
            (
                "mysql:///db",
                UrlOverrides { socket: socket.as_deref(), user: Some("root"), ..UrlOverrides::default() },
            ),
        ] {
            let address = Address::parse(url, overrides).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!((&address.socket, address.user.as_str()), (&socket, "root"), "{url}");
            assert_eq!((address.ssl_mode, address.password.as_deref()), (SslMode::Disabled, None), "{url}");
            assert_eq!(address.server(), "/run/mysqld/mysqld.sock");
        }
        for (url, message) in [
            ("mysql://u@db.example/d?socket=/s", "a socket is one of this machine"),
            ("mysql://u@localhost/d?socket=s", "no whole path"),
            ("mysql://u@localhost/d?socket=", "no whole path"),
            ("mysql://u@%2Fs/d?socket=/t", "`socket` stands in `url`, and once more"),
            ("mysql://u@%2Fs/d?ssl-mode=REQUIRED", "`ssl-mode=REQUIRED` asks for encryption"),
            ("mysql://u@%2Fs/d?ssl-ca=a.pem", "`ssl-mode=VERIFY_CA` asks for encryption"),
            ("mysql://u@localhost:3306/d?socket=/s", "names a port, and a socket has none"),
            ("mysql://u@/d", "names no host"),
        ] {
            let error = parse(url).err().unwrap_or_else(|| panic!("{url} is wrong"));
            assert_eq!(error.kind(), ErrorKind::Misconfigured);
            assert!(error.message().contains(message), "{url}: {error}");
        }
    }

    #[test]
    fn user_and_password_beside_the_url() {
        let overrides =
            UrlOverrides { user: Some("r@der"), password: Some("s3:cret/%41"), ..UrlOverrides::default() };
        let address =
            Address::parse("mysql://db.example:3307/shop", overrides).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!((address.user.as_str(), address.password.as_deref()), ("r@der", Some("s3:cret/%41")));
        assert_eq!((address.host.as_str(), address.port), ("db.example", 3307));
        let only = UrlOverrides { user: None, ..overrides };
        let address = Address::parse("mysql://u@h/d", only).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((address.user.as_str(), address.password.as_deref()), ("u", Some("s3:cret/%41")));
        for (url, overrides, message) in [
            ("mysql://u@h/d", overrides, "`user` stands in `url`, and once more"),
            ("mysql://u:s3cret@h/d", only, "`password` stands in `url`, and once more"),
            ("mysql://h/d", only, "names no user"),
            ("mysql://h/d", UrlOverrides { user: Some(""), ..overrides }, "`user` is empty"),
        ] {
            let error = Address::parse(url, overrides).err().unwrap_or_else(|| panic!("{url} is wrong"));
            let text = format!("{error} {:?}", error.to_diagnostic().hint);
            assert!(text.contains(message) && !text.contains("s3"), "{url}: {text}");
        }
    }
}

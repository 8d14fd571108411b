//! Parses libpq's connection URL:
//! <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>.
//!
//! The driver has a parser of its own, but knows only three of the six `sslmode`s. Differences to
//! libpq: without `sslmode` a remote server gets `verify-full` and a server on this machine
//! `prefer`, and nothing is read from files in the user's home directory.
//!
//! Errors never quote the URL, because the wrong part may be the password.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use millrace_core::suggest::did_you_mean;
use millrace_engine::error::{Error, ErrorKind, Result};

use super::parameter::{self, PARAMETERS};
use crate::tls::Roots;

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The address of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    /// A host name, an IP address, or the directory of a Unix socket (it begins with `/`).
    pub(super) name: String,
    /// The IP address to use instead of looking the name up (`hostaddr`).
    pub(super) address: Option<IpAddr>,
    /// The TCP port; for a socket, the number in its file name.
    pub(super) port: u16,
}

impl Host {
    /// The directory of the Unix socket, if this is one.
    pub(super) fn socket(&self) -> Option<&Path> {
        self.name.starts_with('/').then(|| Path::new(&self.name))
    }

    /// Whether the server is on this machine, so that no network lies in between.
    pub(super) fn is_here(&self) -> bool {
        let name = self.name.trim_end_matches('.').to_ascii_lowercase();
        self.socket().is_some()
            || name == "localhost"
            || name.ends_with(".localhost")
            || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The same server past its pooler, by Neon's naming: `ep-x-pooler.eu…` is the pooler of
    /// `ep-x.eu…`. `None` for other names.
    pub(super) fn direct(&self) -> Option<Self> {
        let (label, domain) = self.name.split_once('.')?;
        let label = label.strip_suffix("-pooler").filter(|label| !label.is_empty())?;
        // An address given as `hostaddr` is kept: it is that of the pooler or of a proxy, which
        // routes by the name.
        Some(Self { name: format!("{label}.{domain}"), ..self.clone() })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// libpq's `sslmode`, from the weakest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SslMode {
    /// No TLS.
    Disable,
    /// TLS only if the server refuses a connection without it.
    Allow,
    /// TLS if the server offers it.
    Prefer,
    /// Always TLS, without a check of the certificate.
    Require,
    /// TLS with a certificate that a trusted authority signed.
    VerifyCa,
    /// TLS with such a certificate that also names the host.
    VerifyFull,
}

impl SslMode {
    /// libpq's word for each mode.
    pub(super) const WORDS: [(&'static str, Self); 6] = [
        ("disable", Self::Disable),
        ("allow", Self::Allow),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    /// libpq's word for the mode.
    pub(super) fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, mode)| *mode == self).map_or("", |(word, _)| *word)
    }
}

/// The TLS settings of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) mode: SslMode,
    /// The trusted root certificates.
    pub(super) roots: Roots,
    /// Paths of the client certificate and its key (PEM).
    pub(super) client: Option<(PathBuf, PathBuf)>,
    /// Whether TLS begins without an `SSLRequest`, as PostgreSQL 17 accepts it
    /// (`sslnegotiation=direct`).
    pub(super) direct: bool,
    /// Whether TLS 1.3 is the minimum; otherwise it is 1.2.
    pub(super) only_13: bool,
}

/// libpq's `target_session_attrs`: which kind of server is acceptable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// libpq's `channel_binding`: whether authentication is bound to the TLS channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    Disable,
    Prefer,
    Require,
}

/// TCP keepalive settings; `None` leaves the operating system's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keepalive {
    pub(super) on: bool,
    /// Silence before the first probe.
    pub(super) idle: Option<Duration>,
    /// Time between probes.
    pub(super) interval: Option<Duration>,
    /// Unanswered probes after which the connection is broken.
    pub(super) count: Option<u32>,
    /// How long sent data may stay unacknowledged (`tcp_user_timeout`).
    pub(super) unacknowledged: Option<Duration>,
}

/// All that a URL says, with defaults and environment variables applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    /// At least one host; they are tried in this order.
    pub(super) hosts: Vec<Host>,
    /// Whether the hosts are tried in random order (`load_balance_hosts=random`).
    pub(super) shuffle: bool,
    /// `None` means the operating system's user.
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    /// `None` means the user's name.
    pub(super) database: Option<String>,
    pub(super) tls: Tls,
    pub(super) binding: Binding,
    /// Settings from `options` (`-c name=value`). Each transaction sets them, which works through a
    /// pooler too.
    pub(super) settings: Vec<(String, String)>,
    /// The rest of `options`, sent at startup.
    pub(super) options: Option<String>,
    pub(super) application_name: String,
    /// How long one host may take to answer.
    pub(super) connect_timeout: Duration,
    pub(super) target: Target,
    pub(super) keepalive: Keepalive,
}

impl Server {
    /// Parses a URL. libpq's environment variables give what it leaves out, and paths of files are
    /// relative to `folder`. Fails with `Misconfigured`.
    pub(super) fn parse(url: &str, variables: &BTreeMap<String, String>, folder: &Path) -> Result<Self> {
        let rest = url.strip_prefix("postgresql://").or_else(|| url.strip_prefix("postgres://"));
        let rest = rest.ok_or_else(|| {
            wrong("the URL does not begin with `postgres://`")
                .hint("Write `postgres://USER:PASSWORD@HOST/DATABASE`, with the password as `${NAME}`.")
        })?;
        // As in libpq, the first `@` before a `/` ends user and password.
        let authority_end = rest.find('/').unwrap_or(rest.len());
        let (who, rest) = match rest[..authority_end].find('@') {
            Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
            None => (None, rest),
        };
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        let (hosts, path) = place.split_once('/').map_or((place, None), |(hosts, path)| (hosts, Some(path)));
        // A stray `@` or `/` is most likely part of a password that was not percent-encoded.
        // Guessing on would send a part of the password as a host or database name.
        let stray = path.is_some_and(|path| path.contains(['@', '/'])) || hosts.contains('@');
        if stray || (who.is_none() && query.is_some_and(|query| query.contains('@'))) {
            return Err(wrong("the URL has an `@` or a `/` where none belongs")
                .hint("In a user, password or database, write `@` as `%40`, `/` as `%2F`, `:` as `%3A`."));
        }
        let mut said = parameter::Said::default();
        if let Some(who) = who {
            let (user, password) = who.split_once(':').map_or((who, None), |(user, pass)| (user, Some(pass)));
            said.put("user", decoded(user)?);
            if let Some(password) = password {
                said.put("password", decoded(password)?);
            }
        }
        if let Some(path) = path {
            said.put("dbname", decoded(path)?);
        }
        authority(hosts, &mut said)?;
        for pair in query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| {
                wrong("a parameter of the URL has no value").hint("Write `?name=value&name=value`.")
            })?;
            let (name, value) = (decoded(name)?, decoded(value)?);
            match (name.as_str(), value.as_str()) {
                // JDBC's form, which libpq accepts too.
                ("ssl", "true") => said.put("sslmode", "require".to_owned()),
                _ => said.put(known(&name)?, value),
            }
        }
        said.fall_back(variables);
        parameter::server(&said, folder)
    }

    /// The same servers past their poolers; `None` if no host is a pooler.
    pub(super) fn direct(&self) -> Option<Self> {
        let pooled = self.hosts.iter().any(|host| host.direct().is_some());
        let hosts = self.hosts.iter().map(|host| host.direct().unwrap_or_else(|| host.clone())).collect();
        pooled.then(|| Self { hosts, ..self.clone() })
    }

    /// The database's name, if the URL tells it.
    pub(super) fn database(&self) -> Option<&str> {
        self.database.as_deref().or(self.user.as_deref())
    }
}

/// The static name of a parameter, or an error with the nearest known one. The error repeats the
/// name only if it looks like one, because a stray part of a password may stand there.
fn known(name: &str) -> Result<&'static str> {
    if let Some(known) = PARAMETERS.iter().find(|known| **known == name) {
        return Ok(known);
    }
    let plain = name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let error = if plain {
        wrong(format!("the URL has the parameter `{name}`, which is not known"))
    } else {
        wrong("the URL has a parameter that is not known")
    };
    Err(match did_you_mean(name, PARAMETERS, "there are") {
        Some(hint) => error.hint(hint),
        None => error.hint("The reference, `postgres.md`, lists them."),
    })
}

/// Splits `host:port,[::1]:5433,…` into the parameters `host` and `port`. An empty authority sets
/// neither.
fn authority(hosts: &str, said: &mut parameter::Said) -> Result<()> {
    if hosts.is_empty() {
        return Ok(());
    }
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in hosts.split(',') {
        let bad = || wrong("a host of the URL is not written `HOST`, `HOST:PORT` or `[ADDRESS]:PORT`");
        let (name, port) = match host.strip_prefix('[') {
            Some(bracketed) => {
                let (name, rest) = bracketed.split_once(']').ok_or_else(bad)?;
                name.parse::<IpAddr>().map_err(|_| bad())?;
                (name, rest.strip_prefix(':').or(rest.is_empty().then_some("")).ok_or_else(bad)?)
            }
            None => host.split_once(':').unwrap_or((host, "")),
        };
        names.push(decoded(name)?);
        ports.push(decoded(port)?);
    }
    said.put("host", names.join(","));
    if ports.iter().any(|port| !port.is_empty()) {
        said.put("port", ports.join(","));
    }
    Ok(())
}

/// Decodes percent-encoding, such as `%41` for `A`. Refuses `%00` and bytes that are not UTF-8.
fn decoded(text: &str) -> Result<String> {
    let bad = || {
        wrong("the URL has a `%` that is not followed by two hexadecimal digits of UTF-8")
            .hint("A `%` itself, in a password perhaps, is written `%25`.")
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(bad)?;
        let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16).ok().filter(|byte| hex && *byte != 0).ok_or_else(bad)?;
        bytes.push(byte);
        rest = &tail[2..];
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

/// An error about the URL.
pub(super) fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Misconfigured, message)
}

#[cfg(test)]
mod tests;

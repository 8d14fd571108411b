//! libpq's connection URL, whole: <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING>.
//!
//! Parsed here, because the driver knows only three of the six `sslmode`s. Where it differs from libpq: without `sslmode` a server
//! elsewhere is asked for `verify-full`, one on this machine for `prefer`; nothing is read from files in the user's home. An error never quotes the URL: what is wrong in it may be the password.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use millrace_core::suggest::did_you_mean;
use millrace_engine::error::{Error, ErrorKind, Result};

use super::parameter::{self, PARAMETERS};
use crate::tls::Roots;

/// A text that `Debug` hides.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Host {
    /// A name, an address, or the folder of a socket (it begins with `/`).
    pub(super) name: String,
    /// The address, where it is not to be looked up.
    pub(super) address: Option<IpAddr>,
    /// Its port.
    pub(super) port: u16,
}

impl Host {
    /// The folder of its socket, where it is one.
    pub(super) fn socket(&self) -> Option<&Path> {
        self.name.starts_with('/').then(|| Path::new(&self.name))
    }

    /// Whether nobody else can be in between.
    pub(super) fn is_here(&self) -> bool {
        let name = self.name.trim_end_matches('.').to_ascii_lowercase();
        self.socket().is_some()
            || name == "localhost"
            || name.ends_with(".localhost")
            || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The same server past its pooler, as Neon names them: `ep-x-pooler.eu…` is the pooler of `ep-x.eu…`.
    pub(super) fn direct(&self) -> Option<Self> {
        let (label, domain) = self.name.split_once('.')?;
        let label = label.strip_suffix("-pooler").filter(|label| !label.is_empty())?;
        // An address given by hand is the pooler's; the other name is looked up, where no proxy routes by it.
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

/// How much TLS: libpq's `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SslMode {
    /// None.
    Disable,
    /// Only where the server lets nobody in without.
    Allow,
    /// Where the server has it.
    Prefer,
    /// Always, with whomever.
    Require,
    /// With a server whose certificate a trusted authority signed.
    VerifyCa,
    /// With a server whose certificate also names the host.
    VerifyFull,
}

impl SslMode {
    pub(super) const WORDS: [(&'static str, Self); 6] = [
        ("disable", Self::Disable),
        ("allow", Self::Allow),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    /// As libpq writes it.
    pub(super) fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, mode)| *mode == self).map_or("", |(word, _)| *word)
    }
}

/// TLS as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) mode: SslMode,
    pub(super) roots: Roots,
    /// Certificate and key of this side (PEM).
    pub(super) client: Option<(PathBuf, PathBuf)>,
    /// Whether the first byte is TLS, as PostgreSQL 17 takes it.
    pub(super) direct: bool,
    /// Whether only TLS 1.3 will do.
    pub(super) only_13: bool,
}

/// Which kind of server will do: libpq's `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// Whether authentication is tied to the TLS channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binding {
    Disable,
    Prefer,
    Require,
}

/// TCP's signs of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keepalive {
    pub(super) on: bool,
    pub(super) idle: Option<Duration>,
    pub(super) interval: Option<Duration>,
    pub(super) count: Option<u32>,
    /// How long sent data may stay unacknowledged.
    pub(super) unacknowledged: Option<Duration>,
}

/// All that a URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) hosts: Vec<Host>,
    pub(super) shuffle: bool,
    /// The operating system's user where the URL names none.
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    /// Named as the user where the URL names none.
    pub(super) database: Option<String>,
    pub(super) tls: Tls,
    pub(super) binding: Binding,
    /// `-c name=value` of `options`: set in each transaction, which works through a pooler too.
    pub(super) settings: Vec<(String, String)>,
    /// What else `options` says; sent at the start.
    pub(super) options: Option<String>,
    pub(super) application_name: String,
    pub(super) connect_timeout: Duration,
    pub(super) target: Target,
    pub(super) keepalive: Keepalive,
}

impl Server {
    /// Parses a URL; libpq's environment variables stand for what it leaves out. Files that they name are relative to `folder`.
    pub(super) fn parse(url: &str, variables: &BTreeMap<String, String>, folder: &Path) -> Result<Self> {
        let rest = url.strip_prefix("postgresql://").or_else(|| url.strip_prefix("postgres://"));
        let rest = rest.ok_or_else(|| {
            wrong("the URL does not begin with `postgres://`")
                .hint("Write `postgres://USER:PASSWORD@HOST/DATABASE`, with the password as `${NAME}`.")
        })?;
        // As libpq does: the first `@` before a `/` ends user and password.
        let authority_end = rest.find('/').unwrap_or(rest.len());
        let (who, rest) = match rest[..authority_end].find('@') {
            Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
            None => (None, rest),
        };
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        let (hosts, path) = place.split_once('/').map_or((place, None), |(hosts, path)| (hosts, Some(path)));
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
                // As JDBC writes it; libpq takes it too.
                ("ssl", "true") => said.put("sslmode", "require".to_owned()),
                _ => said.put(known(&name)?, value),
            }
        }
        said.fall_back(variables);
        parameter::server(&said, folder)
    }

    /// The servers past their poolers, where the URL names one.
    pub(super) fn direct(&self) -> Option<Self> {
        let pooled = self.hosts.iter().any(|host| host.direct().is_some());
        let hosts = self.hosts.iter().map(|host| host.direct().unwrap_or_else(|| host.clone())).collect();
        pooled.then(|| Self { hosts, ..self.clone() })
    }

    /// The database that is asked for, as far as the URL says.
    pub(super) fn database(&self) -> Option<&str> {
        self.database.as_deref().or(self.user.as_deref())
    }
}

/// The parameter of that name, or an error with the nearest one.
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

/// `host:port,[::1]:5433,…`
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

/// `%41` as `A`.
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

/// Something is wrong with the URL.
pub(super) fn wrong(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Misconfigured, message)
}

#[cfg(test)]
mod tests;

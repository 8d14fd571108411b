//! The parameters of a connection URL: their names, environment variables, defaults and meaning, as
//! libpq defines them.
//!
//! [`Said`] collects the values from the URL and from environment variables; [`server`] turns them
//! into a [`Server`] or into the error for the first value that is wrong. A parameter that is not
//! supported is refused and never ignored, because it may ask for a protection. Errors name
//! parameters and quote no value that may be a secret.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use millrace_core::suggest::did_you_mean;
use millrace_engine::error::Result;

use super::url::{Binding, Host, Keepalive, Secret, Server, SslMode, Target, Tls, wrong};
use crate::timeouts::{INTERVAL, KEEPALIVE, RETRIES, UNACKNOWLEDGED};
use crate::tls::Roots;

/// The port if the URL names none.
const PORT: u16 = 5432;
/// Connect timeout if the URL sets none. A cloud's server that sleeps takes seconds to answer.
const CONNECT: Duration = Duration::from_secs(15);

/// All parameters of libpq.
pub(super) const PARAMETERS: [&str; 46] = [
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "dbname",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "options",
    "passfile",
    "password",
    "port",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "service",
    "servicefile",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcert",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkey",
    "sslkeylogfile",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// libpq's environment variables, each with its parameter:
/// <https://www.postgresql.org/docs/current/libpq-envars.html>. Those that name a service or files
/// in the home directory are left out. Those of parameters that are not supported are here, so that
/// they are refused as they are in the URL.
pub(super) const VARIABLES: [(&str, &str); 26] = [
    ("PGAPPNAME", "application_name"),
    ("PGCHANNELBINDING", "channel_binding"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGDATABASE", "dbname"),
    ("PGGSSENCMODE", "gssencmode"),
    ("PGHOST", "host"),
    ("PGHOSTADDR", "hostaddr"),
    ("PGLOADBALANCEHOSTS", "load_balance_hosts"),
    ("PGOPTIONS", "options"),
    ("PGPASSWORD", "password"),
    ("PGPORT", "port"),
    ("PGREQUIREAUTH", "require_auth"),
    ("PGREQUIREPEER", "requirepeer"),
    ("PGREQUIRESSL", "requiressl"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLCERTMODE", "sslcertmode"),
    ("PGSSLCRL", "sslcrl"),
    ("PGSSLCRLDIR", "sslcrldir"),
    ("PGSSLKEY", "sslkey"),
    ("PGSSLMAXPROTOCOLVERSION", "ssl_max_protocol_version"),
    ("PGSSLMINPROTOCOLVERSION", "ssl_min_protocol_version"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLNEGOTIATION", "sslnegotiation"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGUSER", "user"),
];

/// The names of [`VARIABLES`].
pub(super) const fn variables() -> [&'static str; VARIABLES.len()] {
    let mut names = [""; VARIABLES.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = VARIABLES[at].0;
        at += 1;
    }
    names
}

/// Parameters that are not supported, each with the values that are harmless because they ask for
/// nothing.
const NOT_HERE: [(&str, &[&str]); 20] = [
    ("client_encoding", &["auto", "UTF8", "utf8", "UTF-8", "utf-8"]),
    ("gssdelegation", &["0"]),
    ("gssencmode", &["disable", "prefer"]),
    ("gsslib", &[]),
    ("krbsrvname", &[]),
    ("max_protocol_version", &["3.0", "3.2", "latest"]),
    ("min_protocol_version", &["3.0"]),
    ("passfile", &[]),
    ("replication", &["false", "off", "no", "0"]),
    ("require_auth", &[]),
    ("requirepeer", &[]),
    ("requiressl", &["0"]),
    ("service", &[]),
    ("servicefile", &[]),
    ("sslcertmode", &["allow"]),
    ("sslcompression", &["0"]),
    ("sslcrl", &[]),
    ("sslcrldir", &[]),
    ("sslkeylogfile", &[]),
    ("sslsni", &["1"]),
];

/// The values of parameters, from the URL and from environment variables. The last value of a name
/// counts.
#[derive(Default)]
pub(super) struct Said {
    /// Values that the URL gives, by parameter.
    url: BTreeMap<&'static str, String>,
    /// Values of environment variables, by parameter, each with the variable's name.
    variables: BTreeMap<&'static str, (&'static str, String)>,
}

impl Said {
    /// Sets a value that the URL gives.
    pub(super) fn put(&mut self, name: &'static str, value: String) {
        self.url.insert(name, value);
    }

    /// Adds the values of environment variables, which count if the URL gives none.
    pub(super) fn fall_back(&mut self, variables: &BTreeMap<String, String>) {
        for (variable, name) in VARIABLES {
            // `hostaddr` belongs to the host that the environment names, not to one that the URL
            // names.
            let other = name == "hostaddr" && self.url.contains_key("host");
            if let Some(value) = variables.get(variable).filter(|_| !other) {
                self.variables.insert(name, (variable, value.clone()));
            }
        }
    }

    /// The value of a parameter; the URL precedes the environment. As in libpq, an empty value
    /// counts as none.
    fn get(&self, name: &str) -> Option<&str> {
        let said = |text: &&str| !text.is_empty();
        let url = self.url.get(name).map(String::as_str).filter(said);
        url.or_else(|| self.variables.get(name).map(|(_, value)| value.as_str()).filter(said))
    }

    /// Where the value of a parameter comes from, for messages.
    fn source(&self, name: &str) -> String {
        let in_url = self.url.get(name).is_some_and(|value| !value.is_empty());
        match self.variables.get(name).filter(|_| !in_url) {
            Some((variable, _)) => format!("the environment's `{variable}`"),
            None => format!("the URL's `{name}`"),
        }
    }

    /// The value as a number; `None` if there is none. Fails with `Misconfigured` if it is no
    /// number.
    fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let number = |text: &str| {
            text.trim().parse().map_err(|_| wrong(format!("{} is no number", self.source(name))))
        };
        self.get(name).map(number).transpose()
    }

    /// What a value stands for, by a table of words; `default` if there is no value. An unknown
    /// word is an error, with the nearest known one as a hint.
    fn word<T: Copy>(&self, name: &str, words: &[(&str, T)], default: T) -> Result<T> {
        let Some(said) = self.get(name) else { return Ok(default) };
        let found = words.iter().find(|(word, _)| *word == said);
        found.map(|(_, meant)| *meant).ok_or_else(|| {
            let error = wrong(format!("{} is none that there is", self.source(name)));
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            match did_you_mean(said, words, "there are") {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })
    }
}

/// Builds the server from all parameters. Paths are relative to `folder`. Fails with
/// `Misconfigured` for a parameter that is not supported, has a wrong value or contradicts another
/// one.
pub(super) fn server(said: &Said, folder: &Path) -> Result<Server> {
    for (name, harmless) in NOT_HERE {
        if said.get(name).is_some_and(|value| !harmless.contains(&value)) {
            return Err(wrong(format!("{} is not supported", said.source(name)))
                .hint("Leave it out; what it would protect from is then not protected from."));
        }
    }
    let hosts = hosts(said)?;
    let tls = tls(said, &hosts, folder)?;
    let binding = said.word(
        "channel_binding",
        &[("disable", Binding::Disable), ("prefer", Binding::Prefer), ("require", Binding::Require)],
        Binding::Prefer,
    )?;
    if binding == Binding::Require && tls.mode == SslMode::Disable {
        return Err(wrong("the URL asks for `channel_binding=require`, which is nothing without TLS"));
    }
    let target = said.word(
        "target_session_attrs",
        &[
            ("any", Target::Any),
            ("read-write", Target::ReadWrite),
            ("read-only", Target::ReadOnly),
            ("primary", Target::Primary),
            ("standby", Target::Standby),
            ("prefer-standby", Target::PreferStandby),
        ],
        Target::Any,
    )?;
    // The settings in `options` are set in each transaction, which works through a pooler too.
    let (settings, options) = options(said.get("options").unwrap_or_default());
    let name = said.get("application_name").or_else(|| said.get("fallback_application_name"));
    Ok(Server {
        shuffle: said.word("load_balance_hosts", &[("disable", false), ("random", true)], false)?,
        user: said.get("user").map(str::to_owned),
        password: said.get("password").map(|password| Secret(password.to_owned())),
        database: said.get("dbname").map(str::to_owned),
        tls,
        binding,
        settings,
        options,
        application_name: name.unwrap_or("millrace").to_owned(),
        connect_timeout: match said.number::<i64>("connect_timeout")? {
            None => CONNECT,
            // libpq takes 0 and less for no limit; here that means an hour.
            Some(seconds) if seconds <= 0 => Duration::from_hours(1),
            Some(seconds) => Duration::from_secs(seconds.unsigned_abs().clamp(2, 3600)),
        },
        target,
        keepalive: keepalive(said)?,
        hosts,
    })
}

/// The TCP keepalive settings. A missing value takes this program's default, and 0 the operating
/// system's.
fn keepalive(said: &Said) -> Result<Keepalive> {
    let number = |name: &str| said.number::<u32>(name);
    let seconds = |name: &str, default: Duration| -> Result<Option<Duration>> {
        let said = number(name)?.map(|n| Duration::from_secs(n.into()));
        Ok(Some(said.unwrap_or(default)).filter(|time| !time.is_zero()))
    };
    let unacknowledged =
        number("tcp_user_timeout")?.map_or(UNACKNOWLEDGED, |n| Duration::from_millis(n.into()));
    Ok(Keepalive {
        on: said.number::<i64>("keepalives")? != Some(0),
        // The system's own times are a quarter of an hour and more, so they apply only if the URL
        // asks for them by 0, as in libpq.
        idle: seconds("keepalives_idle", KEEPALIVE)?,
        interval: seconds("keepalives_interval", INTERVAL)?,
        count: Some(number("keepalives_count")?.unwrap_or(RETRIES)).filter(|n| *n > 0),
        unacknowledged: Some(unacknowledged).filter(|time| !time.is_zero()),
    })
}

/// The hosts, from the comma-separated lists `host`, `hostaddr` and `port`. A single port holds for
/// all hosts; otherwise the lists must have the same length. `localhost` stands for an empty host.
fn hosts(said: &Said) -> Result<Vec<Host>> {
    let list = |name: &str| -> Vec<String> {
        said.get(name)
            .map_or_else(Vec::new, |text| text.split(',').map(|part| part.trim().to_owned()).collect())
    };
    let (mut names, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    if names.is_empty() {
        names = if addresses.is_empty() { vec!["localhost".to_owned()] } else { addresses.clone() };
    }
    let fits = |list: &[String]| list.len() <= 1 || list.len() == names.len();
    if !fits(&ports) || !(addresses.is_empty() || addresses.len() == names.len()) {
        return Err(wrong("the URL has not as many ports or addresses as hosts"));
    }
    let host = |(at, name): (usize, &String)| -> Result<Host> {
        let address = addresses.get(at).filter(|address| !address.is_empty());
        let address =
            address.map(|address| address.parse().map_err(|_| wrong("the URL's `hostaddr` is no address")));
        let port = ports.get(at).or(ports.first()).filter(|port| !port.is_empty());
        let port = port.map(|port| port.parse::<u16>().ok().filter(|port| *port > 0));
        let port = match port {
            None => PORT,
            Some(port) => port.ok_or_else(|| {
                wrong("the URL's port is no number from 1 to 65535").hint(
                    "If it is part of a password: write `/` as `%2F`, `@` as `%40`, `:` as `%3A` there.",
                )
            })?,
        };
        let name = if name.is_empty() { "localhost" } else { name };
        // Other characters are most likely part of a password that was not percent-encoded.
        let plain = |c: char| c.is_alphanumeric() || ".-_:%".contains(c);
        if !name.starts_with('/') && !name.chars().all(plain) {
            return Err(wrong("a host of the URL is neither a name, an address nor the folder of a socket"));
        }
        Ok(Host { name: name.to_owned(), address: address.transpose()?, port })
    };
    names.iter().enumerate().map(host).collect()
}

/// The TLS settings. Without `sslmode` they depend on the hosts: `prefer` if all are on this
/// machine, else `verify-full`.
fn tls(said: &Said, hosts: &[Host], folder: &Path) -> Result<Tls> {
    let file = |name: &str| said.get(name).map(|path| folder.join(path));
    let roots = match said.get("sslrootcert") {
        None => Roots::Public,
        Some("system") => Roots::System,
        Some(path) => Roots::File(folder.join(path)),
    };
    let asked = match said.get("sslmode") {
        None => None,
        Some(_) => Some(said.word("sslmode", &SslMode::WORDS, SslMode::VerifyFull)?),
    };
    let here =
        hosts.iter().all(|host| host.is_here() && host.address.is_none_or(|address| address.is_loopback()));
    let mode = match (asked, &roots) {
        (Some(mode), Roots::System) if mode < SslMode::VerifyFull => {
            return Err(wrong(format!("the URL asks for `sslmode={}` with `sslrootcert=system`", mode.as_str()))
                .hint("Anybody gets a certificate from a public authority; `sslmode=verify-full` looks at the name too."));
        }
        (None, Roots::System) => SslMode::VerifyFull,
        // As in libpq, a file of root certificates makes `require` verify the certificate.
        (Some(SslMode::Require), Roots::File(_)) => SslMode::VerifyCa,
        (Some(mode), _) => mode,
        (None, _) if here => SslMode::Prefer,
        (None, _) => SslMode::VerifyFull,
    };
    let client = match (file("sslcert"), file("sslkey")) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate, key)),
        _ => return Err(wrong("the URL has one of `sslcert` and `sslkey`; both are needed")),
    };
    if said.get("sslpassword").is_some() {
        return Err(wrong("the URL's `sslpassword` is not supported")
            .hint("Give the key without a password (`openssl pkey`)."));
    }
    let direct = said.word("sslnegotiation", &[("postgres", false), ("direct", true)], false)?;
    if direct && mode < SslMode::Require {
        return Err(wrong("the URL asks for `sslnegotiation=direct`, which needs `sslmode=require` or more"));
    }
    // rustls has no TLS below 1.2, so a lower minimum means 1.2. A maximum below 1.3 is refused.
    let versions = [("TLSv1", 0), ("TLSv1.1", 1), ("TLSv1.2", 2), ("TLSv1.3", 3)];
    let least = said.word("ssl_min_protocol_version", &versions, 2)?;
    if said.word("ssl_max_protocol_version", &versions, 3)? < 3 {
        return Err(wrong("the URL's `ssl_max_protocol_version` is below TLSv1.3").hint("Leave it out."));
    }
    Ok(Tls { mode, roots, client, direct, only_13: least == 3 })
}

/// Parses `options` as PostgreSQL does: words are separated by whitespace, which a backslash
/// escapes. Returns the settings (`-c name=value` and `--name=value`) and the remaining words, as
/// they were written.
fn options(text: &str) -> (Vec<(String, String)>, Option<String>) {
    // Each word as it is meant, and as it is written.
    let mut words: Vec<(String, String)> = Vec::new();
    let mut word: Option<(String, String)> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        let (meant, written) = word.get_or_insert_default();
        written.push(c);
        if c == '\\' {
            if let Some(next) = chars.next() {
                written.push(next);
                meant.push(next);
            }
        } else {
            meant.push(c);
        }
    }
    words.extend(word);
    let setting = |text: &str| {
        let (name, value) = text.split_once('=')?;
        let name = name.replace('-', "_");
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.');
        (plain && !name.is_empty()).then(|| (name, value.to_owned()))
    };
    let (mut settings, mut left) = (Vec::new(), Vec::new());
    let mut words = words.into_iter().peekable();
    while let Some((meant, written)) = words.next() {
        let found = match (meant.as_str(), words.peek()) {
            ("-c", Some((next, _))) => setting(next).inspect(|_| {
                words.next();
            }),
            _ => meant.strip_prefix("--").or_else(|| meant.strip_prefix("-c")).and_then(setting),
        };
        match found {
            Some(found) => settings.push(found),
            None => left.push(written),
        }
    }
    (settings, (!left.is_empty()).then(|| left.join(" ")))
}

/// [`options`] for the tests of `url`.
#[cfg(test)]
pub(super) fn options_of(text: &str) -> (Vec<(String, String)>, Option<String>) {
    options(text)
}

//! Makes connections: tries the hosts of a URL in turn, negotiates TLS by `sslmode`, and retries
//! while a server wakes up.
//!
//! One round tries each host, within the connect timeout for each TLS mode. If all hosts fail,
//! rounds repeat with a growing, random backoff, for as long as the most hopeful failure allows:
//! 30 s for a server that may be waking, 3 s for one that refuses connections, not at all for other
//! failures. The error lists what each host answered in the last round.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use millrace_engine::error::{Error, ErrorKind, Result};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::config::{ChannelBinding, SslMode as DriverMode, SslNegotiation};
use tokio_postgres::{Client, Config, SimpleQueryMessage};

use super::failure::{Again, again, server_error};
use super::tls::MakeTls;
use super::url::{Binding, Host, Server, SslMode, Target};
use crate::tls::Refusal;

/// How long to retry a server that may be waking.
const LATER: Duration = Duration::from_secs(30);
/// How long to retry a server that refuses connections, as one does while it starts.
const SOON: Duration = Duration::from_secs(3);

/// An open connection.
pub(super) struct Connected {
    pub(super) client: Client,
    /// The host that it leads to.
    pub(super) host: Host,
    /// Why the connection ended; set by the task when that happens.
    pub(super) ended: Arc<OnceLock<String>>,
    /// The server's version, such as 150004; 0 if the server does not say.
    pub(super) version: u32,
    /// The task that reads and writes. Aborting it closes the connection, whatever the server is
    /// doing.
    pub(super) task: AbortHandle,
    /// The TLS configuration for a cancel request, which needs a connection of its own.
    pub(super) tls: MakeTls,
}

/// A random number from 0 up to, but not including, `below`.
pub(super) fn jitter(below: u64) -> u64 {
    RandomState::new().hash_one(0u8) % below.max(1)
}

/// Why one try at one host failed.
enum Failed {
    /// The error of the driver, which may hold the server's own.
    Driver(tokio_postgres::Error),
    /// No answer within the connect timeout.
    TimedOut(Duration),
    /// The server is not of the kind that `target_session_attrs` asks for.
    Target,
}

impl Failed {
    /// The SQLSTATE that the server sent, if it sent one.
    fn code(&self) -> Option<String> {
        match self {
            Self::Driver(error) => error.code().map(|code| code.code().to_owned()),
            Self::TimedOut(_) | Self::Target => None,
        }
    }
}

/// Why no connection could be made.
pub(super) struct Unreached {
    /// SQLSTATE of the last host that answered with one.
    pub(super) code: Option<String>,
    pub(super) error: Error,
}

impl Unreached {
    fn of(failures: &[(Host, Failed)], waited: Duration) -> Self {
        let code = failures.iter().rev().find_map(|(_, failed)| failed.code());
        Self { code, error: unreachable(failures, waited) }
    }
}

/// Connects to the first host that fits. Retries with pauses while a host says that it may accept
/// connections soon.
pub(super) async fn connect(server: &Server, tls: &MakeTls) -> Result<Connected> {
    reach(server, tls).await.map_err(|unreached| unreached.error)
}

/// The same as [`reach`] with a single round and no retries.
pub(super) async fn reach_now(server: &Server, tls: &MakeTls) -> Result<Connected, Unreached> {
    let mut failures = Vec::new();
    let connected = once(server, tls, &mut failures).await;
    connected.ok_or_else(|| Unreached::of(&failures, Duration::ZERO))
}

/// The same as [`connect`], but a failure also has the SQLSTATE.
pub(super) async fn reach(server: &Server, tls: &MakeTls) -> Result<Connected, Unreached> {
    let started = Instant::now();
    let mut pause = 100;
    loop {
        let mut failures = Vec::new();
        match once(server, tls, &mut failures).await {
            Some(connected) => return Ok(connected),
            None => {
                let patience = failures.iter().map(|(_, failed)| patience(failed)).max().unwrap_or_default();
                if started.elapsed() >= patience {
                    return Err(Unreached::of(&failures, started.elapsed()));
                }
            }
        }
        sleep(Duration::from_millis(pause + jitter(pause))).await;
        pause = (pause * 2).min(4_000);
    }
}

/// How long a failure justifies retries, counted from the first try.
fn patience(failed: &Failed) -> Duration {
    match failed {
        Failed::Driver(error) => match again(error) {
            Again::No => Duration::ZERO,
            Again::Soon => SOON,
            Again::Later => LATER,
        },
        Failed::TimedOut(_) | Failed::Target => Duration::ZERO,
    }
}

/// One round: tries each host, with each of its TLS modes, and returns the first connection that
/// fits `target_session_attrs`. If there is none, `failures` holds the last failure of each host.
async fn once(server: &Server, tls: &MakeTls, failures: &mut Vec<(Host, Failed)>) -> Option<Connected> {
    let mut hosts = server.hosts.clone();
    if server.shuffle {
        hosts.sort_by_cached_key(|_| jitter(u64::MAX));
    }
    // `prefer-standby` takes two rounds: all hosts are asked for a standby before any other server
    // is accepted.
    let rounds: &[Target] = match server.target {
        Target::PreferStandby => &[Target::Standby, Target::Any],
        ref target => std::slice::from_ref(target),
    };
    for target in rounds {
        failures.clear();
        for host in &hosts {
            let mut failed = None;
            for mode in modes(server.tls.mode, host) {
                match timeout(server.connect_timeout, one(server, host, *mode, tls, *target)).await {
                    Ok(Ok(connected)) => return Some(connected),
                    Ok(Err(error)) => {
                        // Another TLS mode can only help if the server itself refused this one.
                        let refused =
                            matches!(&error, Failed::Driver(error) if error.as_db_error().is_some());
                        failed = Some(error);
                        if !refused {
                            break;
                        }
                    }
                    Err(_) => failed = Some(Failed::TimedOut(server.connect_timeout)),
                }
            }
            failures.extend(failed.map(|failed| (host.clone(), failed)));
        }
    }
    None
}

/// The TLS modes to try in turn. `allow` connects without TLS first, and with TLS if the server
/// refuses that. A Unix socket needs no TLS.
fn modes(mode: SslMode, host: &Host) -> &'static [DriverMode] {
    match mode {
        _ if host.socket().is_some() => &[DriverMode::Disable],
        SslMode::Disable => &[DriverMode::Disable],
        SslMode::Allow => &[DriverMode::Disable, DriverMode::Require],
        SslMode::Prefer => &[DriverMode::Prefer],
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[DriverMode::Require],
    }
}

/// Opens one connection to one host and checks that the server is of the wanted kind.
async fn one(
    server: &Server,
    host: &Host,
    mode: DriverMode,
    tls: &MakeTls,
    target: Target,
) -> Result<Connected, Failed> {
    let config = config(server, host, mode);
    let (client, connection) = config.connect(tls.clone()).await.map_err(Failed::Driver)?;
    let version = connection.parameter("server_version").map_or(0, version_number);
    let ended = Arc::new(OnceLock::new());
    let word = Arc::clone(&ended);
    // The task ends when the client has been dropped and all its answers are there, or when the
    // server closes the connection.
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            let said = error.as_db_error().map(|said| server_error(said).to_string());
            let _ = word.set(said.unwrap_or_else(|| causes(&error).join(": ")));
        }
    })
    .abort_handle();
    if !fits(&client, target).await.map_err(Failed::Driver)? {
        return Err(Failed::Target);
    }
    Ok(Connected { client, host: host.clone(), ended, version, task, tls: tls.clone() })
}

/// Converts `15.4 (Debian …)` to 150004 and `9.6.2` to 90600; patch numbers are left out, because
/// no caller needs them.
fn version_number(text: &str) -> u32 {
    let mut numbers =
        text.split(|c: char| !c.is_ascii_digit()).map(|digits| digits.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    major.saturating_mul(10_000).saturating_add(minor.saturating_mul(if major < 10 { 100 } else { 1 }))
}

/// The driver's configuration for one host, with all that the URL says.
fn config(server: &Server, host: &Host, mode: DriverMode) -> Config {
    let mut config = Config::new();
    config
        .host(&host.name)
        .port(host.port)
        .ssl_mode(mode)
        .application_name(&server.application_name)
        .connect_timeout(server.connect_timeout)
        .keepalives(server.keepalive.on)
        .channel_binding(match server.binding {
            Binding::Disable => ChannelBinding::Disable,
            Binding::Prefer => ChannelBinding::Prefer,
            Binding::Require => ChannelBinding::Require,
        })
        .ssl_negotiation(if server.tls.direct { SslNegotiation::Direct } else { SslNegotiation::Postgres });
    if let Some(address) = host.address {
        config.hostaddr(address);
    }
    if let Some(user) = &server.user {
        config.user(user);
    }
    if let Some(password) = &server.password {
        config.password(&password.0);
    }
    if let Some(database) = server.database() {
        config.dbname(database);
    }
    if let Some(options) = &server.options {
        config.options(options);
    }
    if let Some(idle) = server.keepalive.idle {
        config.keepalives_idle(idle);
    }
    if let Some(interval) = server.keepalive.interval {
        config.keepalives_interval(interval);
    }
    if let Some(count) = server.keepalive.count {
        config.keepalives_retries(count);
    }
    if let Some(unacknowledged) = server.keepalive.unacknowledged {
        config.tcp_user_timeout(unacknowledged);
    }
    config
}

/// Asks the server whether it is of the kind that `target` wants.
async fn fits(client: &Client, target: Target) -> Result<bool, tokio_postgres::Error> {
    let (sql, wanted) = match target {
        Target::Any | Target::PreferStandby => return Ok(true),
        Target::ReadWrite => ("show transaction_read_only", "off"),
        Target::ReadOnly => ("show transaction_read_only", "on"),
        Target::Primary => ("select pg_catalog.pg_is_in_recovery()", "f"),
        Target::Standby => ("select pg_catalog.pg_is_in_recovery()", "t"),
    };
    let answer = client.simple_query(sql).await?;
    Ok(answer.iter().any(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0) == Some(wanted),
        _ => false,
    }))
}

/// The messages of an error and of all its sources, without repetitions in sequence.
fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let mut found = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        found.push(cause.to_string());
        source = cause.source();
    }
    found.dedup();
    found
}

/// Makes the error when no host can be used. A single host gives its own error; several give one
/// error with theirs as causes.
fn unreachable(failures: &[(Host, Failed)], waited: Duration) -> Error {
    let one = |host: &Host, failed: &Failed| match failed {
        Failed::Target => Error::new(
            ErrorKind::WarehouseUnreachable,
            format!("the server `{host}` is not of the kind that `target_session_attrs` asks for"),
        ),
        Failed::TimedOut(limit) => Error::new(
            ErrorKind::WarehouseUnreachable,
            format!("the server `{host}` has not answered within {} s", limit.as_secs()),
        ),
        Failed::Driver(error) => driver(host, error),
    };
    let error = match failures {
        [(host, failed)] => one(host, failed),
        several => {
            let error = Error::new(ErrorKind::WarehouseUnreachable, "none of the URL's servers can be used");
            several.iter().fold(error, |error, (host, failed)| error.caused_by(one(host, failed)))
        }
    };
    if waited < Duration::from_secs(1) {
        error
    } else {
        error.caused_by(format!("tried for {} s", waited.as_secs()))
    }
}

/// Makes the error for a failure of the driver at one host: a refusal of the server, a failed TLS
/// handshake, a failed or impossible authentication, or an unreachable host.
fn driver(host: &Host, error: &tokio_postgres::Error) -> Error {
    if let Some(said) = error.as_db_error() {
        let found = server_error(said);
        let hint = no_entry(said).or_else(|| (said.code().code() == "28P01").then_some(PASSWORD));
        let found = found.context(format!("the server `{host}` refuses the connection"));
        return match hint {
            Some(hint) => found.hint(hint),
            None => found,
        };
    }
    let causes = causes(error);
    let (message, hint) = match error.to_string().as_str() {
        "error performing TLS handshake" => {
            let without = causes.iter().any(|cause| cause.contains("does not support TLS"));
            if without {
                (format!("the server `{host}` has no TLS"), Some(NO_TLS))
            } else {
                return untrusted(host, error, &causes);
            }
        }
        "authentication error" => (format!("the server `{host}` cannot be authenticated with"), None),
        "invalid configuration" if causes.iter().any(|cause| cause.contains("password missing")) => (
            format!("the server `{host}` asks for a password, and the URL has none"),
            Some(
                "Write `postgres://USER:${PASSWORD}@…`, and set `PASSWORD` in the environment or in `.env`.",
            ),
        ),
        _ => (format!("the server `{host}` cannot be reached"), None),
    };
    let found = causes
        .into_iter()
        .skip(1)
        .fold(Error::new(ErrorKind::WarehouseUnreachable, message), Error::caused_by);
    match hint {
        Some(hint) => found.hint(hint),
        None => found,
    }
}

/// The hint for a server without TLS.
pub(super) const NO_TLS: &str =
    "Turn `ssl` on there; or, where nobody is in between, say `?sslmode=disable` in the URL.";

/// The hint for a refused password.
const PASSWORD: &str =
    "Look at the user and the password of the URL; signs such as `@`, `/` and `%` are percent-encoded there.";

/// The hint for SQLSTATE 28000: `pg_hba.conf` has no line for this connection.
fn no_entry(said: &tokio_postgres::error::DbError) -> Option<&'static str> {
    (said.code().code() == "28000").then_some(
        "Its `pg_hba.conf` has no line for this user, database, address and encryption; with `sslmode=disable` it may be TLS that it asks for.",
    )
}

/// Makes the error of a failed TLS handshake. If the certificate was refused, the hint says what to
/// do about it.
fn untrusted(host: &Host, error: &tokio_postgres::Error, causes: &[String]) -> Error {
    let io = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    let Some(refusal) = io.and_then(Refusal::within) else {
        let message = format!("TLS with the server `{host}` fails");
        let failed = Error::new(ErrorKind::WarehouseUnreachable, message).hint(
            "Its TLS may be older than 1.2, or it asks for a certificate of this side (`sslcert`, `sslkey`).",
        );
        return causes.iter().skip(1).fold(failed, Error::caused_by);
    };
    let message = format!("the server `{host}` cannot be trusted");
    Error::new(ErrorKind::WarehouseUnreachable, message).caused_by(&refusal).hint(advice(&refusal))
}

/// The hint for a refused certificate.
pub(super) fn advice(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Unknown { .. } => {
            "Name the file of the authority that signed its certificate: `?sslrootcert=FILE`."
        }
        Refusal::Own => {
            "Name the file with that certificate, as somebody you trust gave it to you: `?sslrootcert=FILE`."
        }
        Refusal::Name { .. } => {
            "Use the name that is in its certificate, or `sslmode=verify-ca` to leave the name unseen."
        }
        Refusal::Ended(_) => "Whoever runs the server has to renew it.",
        Refusal::Early(_) => "Is this machine's clock right?",
        Refusal::Purpose | Refusal::Unusable(_) => "Whoever runs the server has to give it another.",
    }
}

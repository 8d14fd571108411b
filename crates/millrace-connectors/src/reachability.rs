//! Checks for `doctor` how far a server can be reached: its name, its port and its certificate.
//! Shared by the connectors of servers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use millrace_engine::error::{Error, ErrorKind};
use millrace_engine::ports::diagnosis::{Diagnosis, Layer};
use rustls::pki_types::UnixTime;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::tls::chain::Judged;
use crate::tls::{Check, Refusal, day};

/// How long one attempt may take.
pub(crate) const LOOK: Duration = Duration::from_secs(5);

/// A certificate that ends within this many seconds (30 days) is worth a warning.
const SOON: i64 = 30 * 86_400;

/// The layers of a connection to a server; each rests on those before it.
pub(crate) const LAYERS: [Layer; 7] = [
    Layer::Dns,
    Layer::Tcp,
    Layer::Tls,
    Layer::Authentication,
    Layer::Database,
    Layer::Privileges,
    Layer::Server,
];

/// The address of a server.
pub(crate) struct Place<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// Its IP address, if the name is not to be looked up.
    pub(crate) address: Option<IpAddr>,
    /// The kind of the error if it cannot be reached.
    pub(crate) failure: ErrorKind,
}

impl Place<'_> {
    /// Looks the name up and connects to each of its addresses until one answers. Returns false if
    /// none does; then those of `layers` that rest on it are noted as not looked at.
    pub(crate) async fn look(&self, found: &mut Diagnosis, layers: &[Layer]) -> bool {
        let addresses = match self.resolve().await {
            Ok((addresses, saw)) => {
                found.good(Layer::Dns, saw);
                addresses
            }
            Err(error) => {
                found.ends(Layer::Dns, &error, layers);
                return false;
            }
        };
        let mut failed = None;
        for address in addresses {
            match timeout(LOOK, TcpStream::connect(address)).await {
                Ok(Ok(_)) => {
                    found.good(Layer::Tcp, format!("`{address}` answers"));
                    return true;
                }
                Ok(Err(error)) => failed = Some((address, error)),
                Err(_) => failed = Some((address, io::ErrorKind::TimedOut.into())),
            }
        }
        let error = match failed {
            Some((address, error)) => self.silent(address, &error),
            None => Error::new(self.failure, format!("`{}` has no address", self.host)),
        };
        found.ends(Layer::Tcp, &error, layers);
        false
    }

    /// Returns the server's addresses and the finding about its name.
    async fn resolve(&self) -> Result<(Vec<SocketAddr>, String), Error> {
        let host = self.host;
        if let Some(address) = self.address {
            let saw = format!("`{host}` is not looked up: it is said to be {address}");
            return Ok((vec![(address, self.port).into()], saw));
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok((vec![(address, self.port).into()], format!("`{host}` is an address")));
        }
        let unknown = |cause: &dyn std::fmt::Display| {
            Error::new(self.failure, format!("nobody knows the name `{host}`"))
                .caused_by(cause)
                .hint("Is it spelled as it should be, and is this machine in a network that knows it?")
        };
        // The system's resolver may take much longer than `LOOK` to give up.
        let addresses: Vec<_> = match timeout(LOOK, lookup_host((host, self.port))).await {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(error)) => return Err(unknown(&error)),
            Err(_) => return Err(unknown(&format!("no answer within {} s", LOOK.as_secs()))),
        };
        let mut shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
        shown.dedup();
        Ok((addresses, format!("`{host}` is {}", shown.join(", "))))
    }

    /// The error for an address that does not accept connections.
    fn silent(&self, address: SocketAddr, error: &io::Error) -> Error {
        let (what, hint) = match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                ("nothing listens at", "Is the server running, and is the port right?")
            }
            io::ErrorKind::TimedOut => (
                "nobody answers at",
                "A firewall may stand between, or the server lets only some networks in: is this machine's address among them?",
            ),
            _ => ("there is no way to", "Is this machine in the right network (a VPN, perhaps)?"),
        };
        Error::new(self.failure, format!("{what} `{address}`")).caused_by(error).hint(hint)
    }
}

/// The text of an I/O error on a connection. Two texts of the drivers are replaced by clearer ones:
/// for example, they report only the error of their codec if a connection ends in the middle of a
/// message.
pub(crate) fn words(error: &io::Error) -> String {
    match error.to_string().as_str() {
        "bytes remaining on stream" => "the connection was closed in the middle of an answer".to_owned(),
        "Packets out of sync" => "what came is no answer to what was asked".to_owned(),
        other => other.to_owned(),
    }
}

/// Adds findings about a server's certificate, judged by what was required: `check` and the word
/// `mode` for it. `advice` makes the hint for a refusal. Returns whether a connection would be
/// accepted.
pub(crate) fn certificate(
    found: &mut Diagnosis,
    judged: &Judged,
    check: Check,
    mode: &str,
    failure: ErrorKind,
    advice: impl Fn(&Refusal) -> String,
) -> bool {
    let chain = &judged.chain;
    let Some(own) = chain.sent.first() else {
        found.failed(Layer::Tls, &Error::new(failure, "the server sent no certificate that can be read"));
        return false;
    };
    let by = match &chain.root {
        Some(root) => format!("`{}`", root.subject),
        None => format!("`{}`", own.issuer),
    };
    // A root certificate that the server sends along is not an intermediate.
    let others = chain.sent.iter().skip(1).filter(|one| one.subject != one.issuer);
    let between = match others.count() {
        0 => String::new(),
        others => format!(" by way of {others} more"),
    };
    // A certificate may name many hosts; eight are enough to recognize it.
    let hosts: Vec<String> = chain.hosts.iter().take(8).map(|host| format!("`{host}`")).collect();
    let names = if hosts.is_empty() { "no host".to_owned() } else { hosts.join(", ") };
    let saw = format!("`{}`, signed by {by}{between}, until {}, for {names}", own.subject, day(own.ends_at));
    let refused = judged.refusal.as_ref().or(judged.name.as_ref());
    // Only a refusal that the mode asks about is an error. Any other one is told without a warning.
    let wrong = match check {
        Check::Nothing => None,
        Check::Signed => judged.refusal.as_ref(),
        Check::Named => refused,
    };
    if let Some(refusal) = wrong {
        let error = Error::new(failure, saw).caused_by(refusal).hint(advice(refusal));
        found.failed(Layer::Tls, &error);
        return false;
    }
    let left = own.ends_at - i64::try_from(UnixTime::now().as_secs()).unwrap_or_default();
    match refused {
        Some(refusal) => {
            found.good(Layer::Tls, format!("encrypted: {saw}. {refusal}, and `{mode}` does not ask"));
        }
        None if left < SOON => {
            found.doubtful(
                Layer::Tls,
                format!("{saw}: that is soon"),
                "Whoever runs the server has to renew it.",
            );
        }
        None => found.good(Layer::Tls, saw),
    }
    true
}

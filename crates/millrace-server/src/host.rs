//! Checks of the `Host` and `Origin` headers.
//!
//! A page of another site can make a browser send requests to this server (cross-site request
//! forgery), and with DNS rebinding it can even read the answers. A foreign `Origin` reveals the
//! first, a foreign `Host` the second. An IP address in `Host` is safe: only a name can be rebound.

use std::net::{IpAddr, SocketAddr};

use axum::http::uri::Authority;

/// The names and the address under which a server may be addressed.
pub(crate) struct Hosts {
    address: IpAddr,
    /// Lower case, with or without a port. A name without a port stands for every port.
    names: Vec<String>,
}

impl Hosts {
    /// The listening address, and the names of `serve.hosts`.
    pub(crate) fn new(address: SocketAddr, names: &[String]) -> Self {
        let names = names.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        Self { address: address.ip().to_canonical(), names }
    }

    /// Whether a `Host` header names this server. For the server's own address any port is
    /// accepted, because a tunnel or a proxy may use another one.
    pub(crate) fn is_own(&self, host: &str) -> bool {
        let Some(host) = authority(host) else { return false };
        self.is_listed(&host) || self.is_address(&host)
    }

    /// Whether `serve.hosts` lists the host, with its port or without one.
    fn is_listed(&self, host: &Authority) -> bool {
        let (name, whole) = (host.host().to_ascii_lowercase(), host.as_str().to_ascii_lowercase());
        self.names.iter().any(|known| *known == name || *known == whole)
    }

    /// Whether the host is the listening address. A server on a loopback or an unspecified address
    /// also accepts `localhost` and every loopback address; an unspecified one accepts any IP
    /// address.
    fn is_address(&self, host: &Authority) -> bool {
        let near = self.address.is_loopback() || self.address.is_unspecified();
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        match name.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            // A literal IP address cannot be rebound to this server by an attacker's DNS.
            Ok(ip) => ip == self.address || self.address.is_unspecified() || (near && ip.is_loopback()),
            Err(_) => near && name.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Whether an `Origin` header belongs to this server's own pages. `host` is the `Host` header
    /// of the same request; a missing port is the default port of the origin's scheme.
    pub(crate) fn is_same_origin(&self, origin: &str, host: &str) -> bool {
        let (origin, default_port) = match origin.split_once("://") {
            Some(("http", rest)) => (rest, 80),
            Some(("https", rest)) => (rest, 443),
            _ => return false,
        };
        let (Some(origin), Some(host)) = (authority(origin), authority(host)) else { return false };
        // Behind a proxy, `Host` may be the server's address while the origin is the listed name.
        let same_name = origin.host().eq_ignore_ascii_case(host.host());
        let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
        (same_name && port(&origin) == port(&host)) || self.is_listed(&origin)
    }
}

/// Parses a host with an optional port. Returns `None` for anything else, such as user info or a
/// path.
fn authority(text: &str) -> Option<Authority> {
    text.parse::<Authority>().ok().filter(|_| !text.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(address: &str, names: &[&str]) -> Hosts {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Hosts::new(address.parse().expect("an address"), &names)
    }

    #[test]
    fn only_own_names_are_answered() {
        let names = &["bi.example.com", "Other.example:8443"];
        for (address, host, own) in [
            ("127.0.0.1:4321", "127.0.0.1:4321", true),
            ("127.0.0.1:4321", "localhost:4321", true),
            ("127.0.0.1:4321", "LOCALHOST", true),
            ("127.0.0.1:4321", "localhost:9999", true),
            ("127.0.0.1:4321", "[::1]:4321", true),
            ("127.0.0.1:4321", "127.0.0.2", true),
            ("127.0.0.1:4321", "192.168.1.5:4321", false),
            ("127.0.0.1:4321", "evil.example:4321", false),
            ("127.0.0.1:4321", "127.0.0.1.evil.example", false),
            ("127.0.0.1:4321", "localhost@evil.example", false),
            ("127.0.0.1:4321", "localhost.", false),
            ("127.0.0.1:4321", "", false),
            ("127.0.0.1:4321", "bi.example.com", true),
            ("127.0.0.1:4321", "BI.example.com:443", true),
            ("127.0.0.1:4321", "other.example:8443", true),
            ("127.0.0.1:4321", "other.example", false),
            ("[::1]:4321", "[::1]", true),
            ("[::ffff:127.0.0.1]:4321", "127.0.0.1", true),
            ("192.168.1.5:4321", "192.168.1.5:4321", true),
            ("192.168.1.5:4321", "192.168.1.6:4321", false),
            ("192.168.1.5:4321", "localhost:4321", false),
            ("0.0.0.0:4321", "10.1.2.3:4321", true),
            ("0.0.0.0:4321", "localhost:4321", true),
            ("0.0.0.0:4321", "evil.example", false),
        ] {
            assert_eq!(hosts(address, names).is_own(host), own, "{address} asked as {host}");
        }
    }

    #[test]
    fn only_own_pages_may_ask() {
        let hosts = hosts("127.0.0.1:4321", &["bi.example.com"]);
        for (origin, host, same) in [
            ("http://localhost:4321", "localhost:4321", true),
            ("http://LOCALHOST:4321", "localhost:4321", true),
            ("http://localhost", "localhost:80", true),
            ("https://bi.example.com", "bi.example.com", true),
            ("https://bi.example.com", "127.0.0.1:4321", true),
            ("http://localhost:3000", "localhost:4321", false),
            ("http://127.0.0.1:4321", "localhost:4321", false),
            ("http://evil.example", "localhost:4321", false),
            ("null", "localhost:4321", false),
            ("file://", "localhost:4321", false),
            ("", "localhost:4321", false),
            ("http://localhost:4321/x", "localhost:4321", false),
        ] {
            assert_eq!(hosts.is_same_origin(origin, host), same, "{origin} asks {host}");
        }
    }
}

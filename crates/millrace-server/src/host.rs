//! Under which names the server may be asked, and by whose pages.
//!
//! A page of another site can make a browser send requests to this server, and by DNS rebinding even read the answers. A name that is not
//! the server's own tells the second, an `Origin` that is not tells the first.

use std::net::{IpAddr, SocketAddr};

use axum::http::uri::Authority;

/// Names of a server.
pub(crate) struct Hosts {
    address: IpAddr,
    /// Lower-case, with or without a port.
    names: Vec<String>,
}

impl Hosts {
    /// Those of the address, and further ones.
    pub(crate) fn new(address: SocketAddr, names: &[String]) -> Self {
        let names = names.iter().map(|name| name.trim().to_ascii_lowercase()).collect();
        Self { address: address.ip().to_canonical(), names }
    }

    /// Whether a `Host` header names this server. Any port will do: a tunnel or a proxy may have another.
    pub(crate) fn is_own(&self, host: &str) -> bool {
        let Some(host) = authority(host) else { return false };
        self.is_listed(&host) || self.is_address(&host)
    }

    fn is_listed(&self, host: &Authority) -> bool {
        let (name, whole) = (host.host().to_ascii_lowercase(), host.as_str().to_ascii_lowercase());
        self.names.iter().any(|known| *known == name || *known == whole)
    }

    fn is_address(&self, host: &Authority) -> bool {
        let near = self.address.is_loopback() || self.address.is_unspecified();
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        match name.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            // No name that somebody else could point here: an address is what it is.
            Ok(ip) => ip == self.address || self.address.is_unspecified() || (near && ip.is_loopback()),
            Err(_) => near && name.eq_ignore_ascii_case("localhost"),
        }
    }

    /// Whether an `Origin` header is that of this server's own pages, asked for under `host`.
    pub(crate) fn is_same_origin(&self, origin: &str, host: &str) -> bool {
        let (origin, default_port) = match origin.split_once("://") {
            Some(("http", rest)) => (rest, 80),
            Some(("https", rest)) => (rest, 443),
            _ => return false,
        };
        let (Some(origin), Some(host)) = (authority(origin), authority(host)) else { return false };
        // A proxy may ask under the server's own address what its readers ask under its name.
        let same_name = origin.host().eq_ignore_ascii_case(host.host());
        let port = |authority: &Authority| authority.port_u16().unwrap_or(default_port);
        (same_name && port(&origin) == port(&host)) || self.is_listed(&origin)
    }
}

/// A host with or without a port, and nothing else: no user, no path.
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

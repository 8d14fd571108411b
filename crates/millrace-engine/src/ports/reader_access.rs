//! How other tools connect to what is published: the server's address, its certificate, and a
//! read-only role that sees the published schema and nothing else.

use std::net::IpAddr;

use millrace_core::name::Relation;
use millrace_core::project::environment::Schemas;

use crate::ports::bi_type::Unreadable;

/// The question: the schemas of an environment, and the role that readers will have.
#[derive(Debug, Clone, Copy)]
pub struct ReaderRequest<'a> {
    /// The schemas of the environment.
    pub schemas: &'a Schemas,
    /// Name of the readers' role.
    pub role: &'a str,
}

/// The connection parameters that other tools need. Contains no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderAccess {
    /// Host name or address of the server. A folder of Unix sockets begins with `/`.
    pub host: String,
    /// The address of the server, if the project gives it so that the name need not be resolved.
    pub address: Option<IpAddr>,
    /// The TCP port.
    pub port: u16,
    /// Further servers of the same database, as `host:port`.
    pub others: Vec<String>,
    /// The database's name.
    pub database: String,
    /// From where the server can be reached.
    pub reach: Reach,
    /// The host of the server, if `host` is a connection pooler in front of it.
    pub direct_host: Option<String>,
    /// How far a client can verify the server's certificate.
    pub tls: Tls,
    /// The role of the readers.
    pub role: ReaderRole,
    /// Published columns of types that such tools cannot read, in the order of their tables.
    pub unreadable: Vec<UnreadableColumn>,
    /// Schemas other than the environment's that every role can read, so the reader can too.
    pub open_schemas: Vec<String>,
}

/// From where a server can be reached, as far as its name and address tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Possibly from anywhere.
    Anywhere,
    /// Only from its own network: the address is a private one.
    Network,
    /// Only on this machine.
    Machine,
}

/// How far a client can verify the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The strictest check that succeeds.
    pub check: TlsCheck,
    /// The root certificate of the chain; always present if `check` is `Signed` or `Full`.
    pub root: Option<RootCertificate>,
    /// Why `check` is not `Full`: a lower-case fragment.
    pub problem: Option<String>,
}

/// How strictly a client can verify the server, from the weakest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsCheck {
    /// The server has no TLS.
    None,
    /// The connection is encrypted, but no trusted root signs the certificate.
    Encrypted,
    /// A trusted root signs the certificate, but it is issued for another name.
    Signed,
    /// A trusted root signs the certificate, and it is issued for this name.
    Full,
}

/// A root certificate: the end of the server's certificate chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootCertificate {
    /// The certificate in PEM.
    pub pem: String,
    /// Its subject: `CN=…, O=…`.
    pub subject: String,
    /// When it expires, in seconds since 1970 UTC.
    pub ends_at: i64,
    /// Which trust store it was found in.
    pub origin: RootOrigin,
}

/// The trust store in which a root certificate was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootOrigin {
    /// The file that the environment's settings name.
    File,
    /// The public roots that browsers and operating systems trust.
    Public,
    /// The trust store of this machine only.
    System,
}

/// The role that other tools connect as, and the statements that create it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderRole {
    /// The name of the role.
    pub name: String,
    /// Whether a role of that name exists.
    pub exists: bool,
    /// What an existing role can do beyond reading, in words; empty if there is nothing.
    pub excess: Vec<String>,
    /// The role of the environment, which writes and publishes.
    pub writer: String,
    /// Whether the writer has the privileges for the statements; otherwise a superuser runs them.
    pub writer_may: bool,
    /// Statements that create the role, in order, each without a semicolon. They set no password,
    /// so that no password is printed.
    pub statements: Vec<String>,
    /// Statements that revoke from `PUBLIC` what this role would inherit. Roles of other programs
    /// may depend on it, so they are kept apart.
    pub for_everybody: Vec<String>,
    /// The command or statement that sets the role's password.
    pub password: String,
}

/// A published column of a type that other tools do not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableColumn {
    /// The published relation.
    pub relation: Relation,
    /// The column's name.
    pub column: String,
    /// Its type, as the warehouse spells it.
    pub type_name: String,
    /// Why other tools cannot read it.
    pub kind: Unreadable,
}

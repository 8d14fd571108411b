//! How other tools read what is published: where the warehouse is, who vouches for it, and a role that sees the published schema and
//! nothing else.

use std::net::IpAddr;

use millrace_core::name::Relation;
use millrace_core::project::environment::Schemas;

use crate::ports::bi_type::Unreadable;

/// Which warehouse to look at, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct ReaderRequest<'a> {
    /// The schemas of the environment.
    pub schemas: &'a Schemas,
    /// Name of the role for readers.
    pub role: &'a str,
}

/// What other tools need to know of a warehouse. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderAccess {
    /// Name or address of the server; the folder of a socket begins with `/`.
    pub host: String,
    /// The address of the server, where the project gives it because the name is not to be looked up.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: u16,
    /// Further servers of the same database, as `host:port`.
    pub others: Vec<String>,
    /// The database.
    pub database: String,
    /// From where the server can be reached.
    pub reach: Reach,
    /// The host of the server itself, where `host` is a pooler before it.
    pub direct_host: Option<String>,
    /// What a client can ask of the server's certificate.
    pub tls: Tls,
    /// The role.
    pub role: ReaderRole,
    /// Columns that are published now and that such tools cannot read, in the order of their tables.
    pub unreadable: Vec<UnreadableColumn>,
    /// Schemas beside the environment's into which everybody may look, the reader too.
    pub open_schemas: Vec<String>,
}

/// From where a server can be reached, as far as its name and address say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Perhaps from everywhere.
    Anywhere,
    /// Only within its own network: its address is a private one.
    Network,
    /// Only on this machine.
    Machine,
}

/// What a client can ask of the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The most that a client can ask for and get.
    pub check: TlsCheck,
    /// The root that vouches for the certificate; always there where `check` is `Signed` or `Full`.
    pub root: Option<RootCertificate>,
    /// Why it is not `Full`, a lower-case fragment.
    pub problem: Option<String>,
}

/// How much a client can know of the server that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsCheck {
    /// The server has no TLS.
    None,
    /// Nobody can listen, but nobody vouches for the server.
    Encrypted,
    /// A trusted root vouches for the server, under another name.
    Signed,
    /// A trusted root vouches for the server under this name.
    Full,
}

/// A certificate that vouches for the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootCertificate {
    /// As files have it.
    pub pem: String,
    /// Whose it is: `CN=…, O=…`.
    pub subject: String,
    /// When it ends, in seconds since 1970 UTC.
    pub ends_at: i64,
    /// Where it was found.
    pub origin: RootOrigin,
}

/// Where a root was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootOrigin {
    /// In the file that the environment names.
    File,
    /// Among those that browsers and operating systems trust.
    Public,
    /// Among those of this machine only.
    System,
}

/// The role as which other tools read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderRole {
    /// Its name.
    pub name: String,
    /// Whether there is one of that name already.
    pub exists: bool,
    /// What a role that is there can do beyond reading, in words; empty where it is as it should be.
    pub excess: Vec<String>,
    /// Who writes and publishes: the role of the environment.
    pub writer: String,
    /// Whether the writer may run the statements; otherwise a superuser does.
    pub writer_may: bool,
    /// Statements that make the role, in order, each without a semicolon. They give it no password, so that none is known to others.
    pub statements: Vec<String>,
    /// Statements that take from everybody what this role would have too. Other programs' roles may rely on it.
    pub for_everybody: Vec<String>,
    /// What gives the role its password.
    pub password: String,
}

/// A published column of a type that other tools do not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableColumn {
    /// The published name.
    pub relation: Relation,
    /// The column.
    pub column: String,
    /// Its type, as the warehouse writes it.
    pub type_name: String,
    /// What is wrong with that.
    pub kind: Unreadable,
}

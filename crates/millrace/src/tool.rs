//! BI tools and clients that read the warehouse: the connection fields of each, named as in its own
//! form.
//!
//! All of them speak PostgreSQL's protocol. libpq's parameters are at
//! <https://www.postgresql.org/docs/current/libpq-connect.html>, those of the JDBC driver at
//! <https://jdbc.postgresql.org/documentation/use/>.

use std::path::Path;

use clap::ValueEnum;
use millrace_core::name::Ident;
use millrace_engine::ports::reader_access::{Reach, ReaderAccess, RootOrigin, TlsCheck};

/// A tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tool {
    /// PostgreSQL's own client, and whatever else takes libpq's URLs
    Psql,
    /// The Java driver, and whatever is built on it
    Jdbc,
    /// Google's Looker Studio
    LookerStudio,
    /// Metabase
    Metabase,
    /// Apache Superset
    Superset,
    /// Microsoft's Power BI
    PowerBi,
}

/// What a user enters into a tool, and what to know about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sheet {
    /// The tool, with the place in it where the fields are.
    pub(crate) title: &'static str,
    /// Fields with the tool's own names, in the tool's order.
    pub(crate) fields: Vec<(&'static str, String)>,
    /// Networks from which the tool connects; empty if it connects from the machine on which it
    /// runs.
    pub(crate) networks: &'static [&'static str],
    /// What else to know about the tool.
    pub(crate) notes: Vec<String>,
    /// What prevents the connection or weakens its security.
    pub(crate) warnings: Vec<String>,
}

/// The networks from which Looker Studio connects, as its documentation of the PostgreSQL connector
/// lists them.
const LOOKER_STUDIO: &[&str] = &["142.251.74.0/23", "2001:4860:4807::/48"];

/// Stands in the field of the password, which Millrace does not know.
const PASSWORD: &str = "the one that you give the role";

impl Tool {
    /// Whether the tool needs a file with the root certificate. Power BI uses those that Windows
    /// trusts, so it needs no file for a publicly trusted one.
    pub(crate) fn needs_root(self, access: &ReaderAccess) -> bool {
        let root = access.tls.root.as_ref();
        root.is_some_and(|root| self != Self::PowerBi || root.origin != RootOrigin::Public)
    }

    /// The file extension of the certificate. Looker Studio's form only accepts `pem`; Windows
    /// opens `crt`.
    pub(crate) fn root_ending(self) -> &'static str {
        if self == Self::LookerStudio { "pem" } else { "crt" }
    }

    /// Builds the sheet. `schema` is the schema of the published models; `root` is the file with
    /// the root certificate, if the tool needs one.
    pub(crate) fn sheet(self, access: &ReaderAccess, schema: &str, root: Option<&Path>) -> Sheet {
        let target = Target { access, schema, root: root.map(|path| path.display().to_string()) };
        let mut sheet = match self {
            Self::Psql => target.psql(),
            Self::Jdbc => target.jdbc(),
            Self::LookerStudio => target.looker_studio(),
            Self::Metabase => target.metabase(),
            Self::Superset => target.superset(),
            Self::PowerBi => target.power_bi(),
        };
        sheet.warnings = target.warnings(self);
        sheet
    }
}

/// The warehouse that a tool connects to.
struct Target<'a> {
    access: &'a ReaderAccess,
    schema: &'a str,
    root: Option<String>,
}

impl Target<'_> {
    fn host(&self) -> String {
        self.access.host.clone()
    }

    fn port(&self) -> String {
        self.access.port.to_string()
    }

    fn user(&self) -> String {
        self.access.role.name.clone()
    }

    /// libpq's `sslmode` for the checks of the environment.
    fn sslmode(&self) -> &'static str {
        match self.access.tls.check {
            TlsCheck::None => "disable",
            TlsCheck::Encrypted => "require",
            TlsCheck::Signed => "verify-ca",
            TlsCheck::Full => "verify-full",
        }
    }

    fn is_encrypted(&self) -> bool {
        self.access.tls.check != TlsCheck::None
    }

    /// Whether the host is a folder with a Unix socket.
    fn socket(&self) -> bool {
        self.access.host.starts_with('/')
    }

    /// `host:port` for URLs; an IPv6 address is in brackets.
    fn first(&self) -> String {
        let host = &self.access.host;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        format!("{host}:{}", self.access.port)
    }

    /// All servers, separated by commas, as libpq and the JDBC driver accept them.
    fn all(&self) -> String {
        std::iter::once(self.first()).chain(self.access.others.iter().cloned()).collect::<Vec<_>>().join(",")
    }

    /// `sslmode` and `sslrootcert` as query parameters. Slashes stay readable; they need no
    /// encoding in a query.
    fn tls_parameters(&self) -> String {
        let root =
            self.root.as_ref().map(|root| format!("&sslrootcert={}", encoded(root).replace("%2F", "/")));
        format!("sslmode={}{}", self.sslmode(), root.unwrap_or_default())
    }

    /// A URL for libpq or `SQLAlchemy`. `user` must be percent-encoded and may include a password.
    fn url(&self, scheme: &str, user: &str, servers: &str) -> String {
        let database = encoded(&self.access.database);
        if self.socket() {
            let (host, port) = (encoded(&self.access.host), self.access.port);
            return format!("{scheme}://{user}@/{database}?host={host}&port={port}");
        }
        // One `hostaddr` cannot stand for several servers.
        let address = self.access.address.filter(|_| self.access.others.is_empty());
        let address = address.map(|address| format!("&hostaddr={}", encoded(&address.to_string())));
        format!(
            "{scheme}://{user}@{servers}/{database}?{}{}",
            self.tls_parameters(),
            address.unwrap_or_default()
        )
    }

    fn psql(&self) -> Sheet {
        let url = self.url("postgresql", &encoded(&self.user()), &self.all());
        sheet(
            "psql",
            vec![
                ("Command", format!("psql '{}'", url.replace('\'', "'\\''"))),
                ("Password", PASSWORD.to_owned()),
            ],
            vec!["The URL in it serves every program that is built on libpq.".to_owned()],
        )
    }

    fn jdbc(&self) -> Sheet {
        // A pooler refuses `search_path` as a startup parameter; the role has it as a default
        // anyway. It may also run each statement in another session, where prepared statements are
        // missing.
        let session = match self.access.direct_host {
            Some(_) => "&prepareThreshold=0".to_owned(),
            None => format!("&currentSchema={}", encoded(&in_search_path(self.schema))),
        };
        let url = format!(
            "jdbc:postgresql://{}/{}?{}{session}",
            self.all(),
            encoded(&self.access.database),
            self.tls_parameters()
        );
        sheet(
            "JDBC, driver org.postgresql",
            vec![("URL", url), ("User", self.user()), ("Password", PASSWORD.to_owned())],
            vec!["Fetch rows in portions (`setFetchSize` with `setAutoCommit(false)`): the driver holds all of them otherwise.".to_owned()],
        )
    }

    fn looker_studio(&self) -> Sheet {
        let mut fields = vec![
            ("Host name or IP", self.host()),
            ("Port", self.port()),
            ("Database", self.access.database.clone()),
            ("Username", self.user()),
            ("Password", PASSWORD.to_owned()),
            ("Enable SSL", if self.is_encrypted() { "on" } else { "off" }.to_owned()),
        ];
        fields.extend(self.root.clone().map(|root| ("Server certificate", root)));
        Sheet {
            networks: LOOKER_STUDIO,
            ..sheet(
                "Looker Studio: Create, Data source, PostgreSQL, Basic",
                fields,
                vec![
                    format!(
                        "A data source is one table, from the list as `{}.NAME`, or one statement without a semicolon.",
                        self.schema
                    ),
                    "A blend joins five tables at most: join in a model what is looked at together."
                        .to_owned(),
                    "Leave client certificate and key empty.".to_owned(),
                ],
            )
        }
    }

    fn metabase(&self) -> Sheet {
        let mut fields = vec![
            ("Database type", "PostgreSQL".to_owned()),
            ("Host", self.host()),
            ("Port", self.port()),
            ("Database name", self.access.database.clone()),
            ("Username", self.user()),
            ("Password", PASSWORD.to_owned()),
            ("Schemas", format!("Only these…: {}", self.schema)),
            ("Use a secure connection (SSL)", if self.is_encrypted() { "on" } else { "off" }.to_owned()),
        ];
        if self.is_encrypted() {
            fields.push(("SSL Mode", self.sslmode().to_owned()));
        }
        fields.extend(self.root.clone().map(|root| ("SSL Root Certificate (PEM)", root)));
        if self.access.direct_host.is_some() {
            fields.push(("Additional JDBC connection string options", "prepareThreshold=0".to_owned()));
        }
        sheet(
            "Metabase: Admin settings, Databases, Add a database",
            fields,
            vec!["Metabase looks at each table when it syncs; once a day is enough where runs keep their columns.".to_owned()],
        )
    }

    fn superset(&self) -> Sheet {
        let user = format!("{}:PASSWORD", encoded(&self.user()));
        sheet(
            "Superset: Settings, Database Connections, + Database, PostgreSQL, Connect this database with a SQLAlchemy URI string",
            vec![
                ("SQLAlchemy URI", self.url("postgresql+psycopg2", &user, &self.first())),
                ("Password", PASSWORD.to_owned()),
                ("Schema", self.schema.to_owned()),
            ],
            vec![
                "In the URI, PASSWORD is that of the role, with `%` and two digits for characters that URLs reserve.".to_owned(),
                "Leave Allow DML, CREATE TABLE AS and CREATE VIEW AS off: the role can do none of them.".to_owned(),
            ],
        )
    }

    fn power_bi(&self) -> Sheet {
        let mut notes = vec![
            "Import copies the tables at each refresh; DirectQuery asks the warehouse at each click, for two minutes at most.".to_owned(),
            "The service in the cloud connects from Azure's service tag `PowerBI`, or through a gateway from the gateway's machine.".to_owned(),
        ];
        if let Some(root) = &self.root {
            notes.push(format!(
                "Windows does not know who vouches for the server. On the machine of Power BI Desktop, and of the gateway, as \
                 administrator: certutil -addstore Root {root}"
            ));
        }
        let mut fields = vec![
            ("Server", self.first()),
            ("Database", self.access.database.clone()),
            ("Data Connectivity mode", "Import, or DirectQuery".to_owned()),
            ("User name", self.user()),
            ("Password", PASSWORD.to_owned()),
        ];
        if self.is_encrypted() {
            fields.push(("Use Encrypted Connection", "on".to_owned()));
        }
        sheet("Power BI: Get data, PostgreSQL database", fields, notes)
    }

    /// Warnings about the tool's reach, its support for sockets and several servers, and TLS checks
    /// that are weaker than full verification.
    fn warnings(&self, tool: Tool) -> Vec<String> {
        let (access, host) = (self.access, &self.access.host);
        let own_program = matches!(tool, Tool::Psql | Tool::Jdbc);
        let mut warnings = Vec::new();
        let beyond = match access.reach {
            Reach::Anywhere => None,
            Reach::Network => Some("has an address of a private network"),
            Reach::Machine => Some("is this machine"),
        };
        if let Some(where_it_is) = beyond {
            match tool {
                Tool::LookerStudio => warnings.push(format!(
                    "`{host}` {where_it_is}, which Looker Studio does not reach; publish to a warehouse in the cloud"
                )),
                Tool::PowerBi => warnings.push(format!(
                    "`{host}` {where_it_is}, which Power BI's service reaches only through a gateway there"
                )),
                Tool::Metabase | Tool::Superset if access.reach == Reach::Machine => {
                    warnings.push(format!("`{host}` {where_it_is}: the tool must run on it too"));
                }
                _ => {}
            }
        }
        if self.socket() && tool != Tool::Psql {
            warnings.push(format!("`{host}` is a socket's folder; the tool needs a name or an address"));
        }
        if access.address.is_some() && !matches!(tool, Tool::Psql | Tool::Superset) {
            warnings.push(format!(
                "the environment's URL says which address `{host}` has; the tool must be able to look the name up"
            ));
        }
        if !access.others.is_empty() && !own_program {
            warnings.push(format!("the tool takes one server, so {} are left out", access.others.join(", ")));
        }
        let problem = access.tls.problem.as_deref().unwrap_or_default();
        match access.tls.check {
            TlsCheck::Full => {}
            // The connection does not leave the machine.
            TlsCheck::None if access.reach == Reach::Machine => {}
            TlsCheck::None => warnings.push(format!("whoever is in between reads along: {problem}")),
            TlsCheck::Encrypted => warnings.push(format!(
                "nobody vouches for the server's certificate ({problem}), so an impostor would not be noticed; name the file of its \
                 root in the environment's URL: `sslrootcert=FILE`"
            )),
            TlsCheck::Signed => warnings.push(format!(
                "{problem}, so only who signed it is checked; use the name in the certificate in the environment's URL"
            )),
        }
        warnings
    }
}

/// A sheet without networks and warnings.
fn sheet(title: &'static str, fields: Vec<(&'static str, String)>, notes: Vec<String>) -> Sheet {
    Sheet { title, fields, networks: &[], notes, warnings: Vec::new() }
}

/// A schema's name for `search_path`, quoted unless it consists of lower-case letters and
/// underscores.
fn in_search_path(schema: &str) -> String {
    let plain = schema.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if plain { schema.to_owned() } else { Ident::new(schema).to_string() }
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests;

//! What BI tools need to read the warehouse: the server's address and TLS, the columns that they
//! cannot read, and the SQL that creates a role for readers.
//!
//! Published names are views. A view reads with the privileges of its owner, so the role for
//! readers needs none on the tables behind the views.

use std::net::IpAddr;
use std::path::Path;

use millrace_core::name::{Ident, Relation};
use millrace_core::project::settings::Settings;
use millrace_core::value::Value;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::bi_type::Unreadable;
use millrace_engine::ports::reader_access::{
    Reach, ReaderAccess, ReaderRequest, ReaderRole, RootCertificate, RootOrigin, Tls, TlsCheck,
    UnreadableColumn,
};
use millrace_engine::ports::registry::WarehouseConnector as _;
use millrace_engine::ports::warehouse::{QueryLimits, Rows, Statement, Warehouse};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::Postgres;
use super::inspect::{ServerAccess, access, certificate_chain};
use super::url::SslMode;
use crate::tls::chain::CertificateChain;
use crate::tls::{Roots, roots};

/// Settings of a reader's sessions. They bound how long a reader can hold up a publish: by a long
/// query on a view, or by a transaction that is left open.
const SETTINGS: [(&str, &str); 3] = [
    ("default_transaction_read_only", "on"),
    ("statement_timeout", "'2min'"),
    ("idle_in_transaction_session_timeout", "'30s'"),
];

/// Connection limit of the role for readers. All tools together share it, and each keeps a pool of
/// its own.
const CONNECTIONS: u32 = 30;

/// Collects everything about readers' access for `request.role`. Connects to the warehouse with the
/// environment's own role; fails if that fails.
pub(super) async fn reader_access(
    project_dir: &Path,
    settings: &Settings,
    request: ReaderRequest<'_>,
) -> Result<ReaderAccess> {
    let found = access(project_dir, settings)?;
    let (dir, own) = (project_dir.to_owned(), settings.clone());
    // Opening reads certificate files, which blocks.
    let opened = tokio::task::spawn_blocking(move || Postgres.open(&dir, &own)).await;
    let warehouse = opened.map_err(|error| {
        Error::new(ErrorKind::Internal, "the warehouse could not be opened").caused_by(error)
    })??;
    let (database, role) = role(&*warehouse, request).await?;
    Ok(ReaderAccess {
        reach: reach(&found).await,
        tls: tls(project_dir, settings).await?,
        unreadable: unreadable(&*warehouse, &request.schemas.publish).await?,
        open_schemas: open_schemas(&*warehouse, request).await?,
        role,
        database,
        host: found.host,
        address: found.address,
        port: found.port,
        others: found.others,
        direct_host: found.direct_host,
    })
}

/// Which check of the server's certificate a tool can make, and the root certificate that it needs
/// for it. Runs after the warehouse has answered, so an error here is due to TLS. If `sslmode`
/// allows connections without TLS, a failure is a result and not an error.
async fn tls(project_dir: &Path, settings: &Settings) -> Result<Tls> {
    let server = super::server(project_dir, settings)?;
    let chain = match certificate_chain(project_dir, settings).await {
        // The chain is fetched whatever `sslmode` says, because other tools may use TLS even if
        // this program does not.
        Ok(chain) => chain,
        Err(error) if server.tls.mode < SslMode::Require => {
            return Ok(Tls { check: TlsCheck::None, root: None, problem: Some(error.message().to_owned()) });
        }
        Err(error) => return Err(error),
    };
    let (known, origin) = match &server.tls.roots {
        Roots::File(_) => {
            (roots(&server.tls.roots, ErrorKind::WarehouseUnreachable)?, Some(RootOrigin::File))
        }
        Roots::Public | Roots::System => (Vec::new(), None),
    };
    // A server's own certificate that is given as the root file is a root itself.
    let own =
        chain.sent.first().filter(|own| known.iter().any(|known| Some(known) == der(&own.pem).as_ref()));
    let Some(found) = chain.root.as_ref().or(own) else {
        let problem = chain.problem.unwrap_or_else(|| "no root was found that vouches for it".to_owned());
        return Ok(Tls { check: TlsCheck::Encrypted, root: None, problem: Some(problem) });
    };
    // Roots in a file are named as such; otherwise Mozilla's list decides between public and the
    // system's own.
    let origin =
        origin.unwrap_or_else(|| if is_public(&found.pem) { RootOrigin::Public } else { RootOrigin::System });
    let root = RootCertificate {
        pem: found.pem.clone(),
        subject: found.subject.clone(),
        ends_at: found.ends_at,
        origin,
    };
    Ok(if is_named(&chain, server.tls.mode) {
        Tls { check: TlsCheck::Full, root: Some(root), problem: None }
    } else {
        let problem = "the certificate does not name the host".to_owned();
        Tls { check: TlsCheck::Signed, root: Some(root), problem: Some(problem) }
    })
}

/// Whether the certificate names the host. With `verify-full` the connection that was just made has
/// verified it.
fn is_named(chain: &CertificateChain, mode: SslMode) -> bool {
    chain.names_host || mode == SslMode::VerifyFull
}

/// The certificate in DER form; `None` if the PEM text is broken.
fn der(pem: &str) -> Option<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).ok()
}

/// Whether a root certificate is in Mozilla's list of public roots.
fn is_public(pem: &str) -> bool {
    der(pem).is_some_and(|root| webpki_root_certs::TLS_SERVER_ROOT_CERTS.contains(&root))
}

/// From where the server can be reached, judged by its addresses: this machine, a private network,
/// or anywhere. A name that cannot be resolved counts as anywhere.
async fn reach(found: &ServerAccess) -> Reach {
    if found.is_here {
        return Reach::Machine;
    }
    // `hostaddr` precedes the name, as it does for connections.
    let addresses: Vec<IpAddr> = match (found.address, found.host.parse::<IpAddr>()) {
        (Some(address), _) | (None, Ok(address)) => vec![address],
        (None, Err(_)) => match tokio::net::lookup_host((found.host.as_str(), found.port)).await {
            Ok(addresses) => addresses.map(|address| address.ip()).collect(),
            Err(_) => Vec::new(),
        },
    };
    let all = |is: fn(&IpAddr) -> bool| !addresses.is_empty() && addresses.iter().all(is);
    if all(std::net::IpAddr::is_loopback) {
        Reach::Machine
    } else if all(is_private) {
        Reach::Network
    } else {
        Reach::Anywhere
    }
}

/// Whether an address is never routed on the internet: RFC 1918, 3927, 4193, 6598, and loopback.
fn is_private(address: &IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            // 100.64.0.0/10 is the shared address space of RFC 6598.
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_link_local() || v4.is_loopback() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Runs a query with text parameters, within the limits for the program's own look-ups.
async fn ask(warehouse: &dyn Warehouse, sql: &str, params: &[&str]) -> Result<Rows> {
    let params = params.iter().map(|text| Value::Text((*text).to_owned()));
    warehouse.query(&Statement::with(sql, params), QueryLimits::STATE).await
}

/// The text of a value; empty for NULL and for other types.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Describes the role for readers and the statements that create or correct it. Returns the
/// database's name and the role. Refuses the role that writes the warehouse.
///
/// Privileges that PUBLIC has on schemas and on temporary tables are listed separately
/// (`for_everybody`), because revoking them affects other users of the database.
async fn role(warehouse: &dyn Warehouse, request: ReaderRequest<'_>) -> Result<(String, ReaderRole)> {
    let schemas = request.schemas;
    let rows = ask(
        warehouse,
        "select cast(current_database() as text), cast(current_user as text), r.rolsuper or r.rolcreaterole, \
         exists (select from pg_catalog.pg_namespace where nspname = cast($1 as text)), \
         exists (select from pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) \
           where grantee = 0 and privilege_type = 'TEMPORARY') \
         from pg_catalog.pg_roles r, pg_catalog.pg_database d \
         where r.rolname = current_user and d.datname = current_database()",
        &[&schemas.publish],
    )
    .await?;
    if rows.is_empty() {
        return Err(Error::new(ErrorKind::Internal, "the server does not know its own role and database"));
    }
    let row = rows.row(0);
    let is = |at: usize| *row[at] == Value::Bool(true);
    let (database, writer) = (text(row[0]), text(row[1]));
    if writer == request.role {
        let message = format!("`{writer}` is the role that writes the warehouse, so readers cannot have it");
        return Err(Error::new(ErrorKind::Sql, message).hint("Give another name with `--role`."));
    }
    let excess = excess(warehouse, request.role).await?;
    let closed = [&schemas.raw, &schemas.build, &schemas.state];
    let everybody = ask(
        warehouse,
        "select cast(n.nspname as text) from pg_catalog.pg_namespace n \
         where n.nspname in ('public', cast($1 as text), cast($2 as text), cast($3 as text)) and n.nspname <> cast($4 as text) \
         and exists (select from pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) \
           where grantee = 0) order by 1",
        &[&schemas.raw, &schemas.build, &schemas.state, &schemas.publish],
    )
    .await?;
    let mut for_everybody: Vec<String> = (0..everybody.len())
        .map(|at| format!("revoke all on schema {} from public", Ident::new(text(everybody.row(at)[0]))))
        .collect();
    if is(4) {
        for_everybody.push(format!("revoke temporary on database {} from public", Ident::new(&database)));
    }
    let there = if excess.is_some() { present(warehouse, &closed).await? } else { Vec::new() };
    let role = Ident::new(request.role);
    let names = Names { role: &role, writer: &Ident::new(&writer), database: &Ident::new(&database) };
    let role = ReaderRole {
        name: request.role.to_owned(),
        exists: excess.is_some(),
        statements: statements(&names, &Ident::new(&schemas.publish), !is(3), excess.is_some(), &there),
        for_everybody,
        password: format!("\\password {role}"),
        excess: excess.unwrap_or_default(),
        writer_may: is(2),
        writer,
    };
    Ok((database, role))
}

/// Quoted names for the statements: the role for readers, the role that writes the warehouse, and
/// the database.
struct Names<'a> {
    role: &'a Ident,
    writer: &'a Ident,
    database: &'a Ident,
}

/// The statements that create the role, or alter it if it exists, and give it exactly the
/// privileges that it needs. `make` adds the schema for published names, and `closed` lists
/// existing schemas from which the role is shut out.
fn statements(
    names: &Names<'_>,
    publish: &Ident,
    make: bool,
    exists: bool,
    closed: &[String],
) -> Vec<String> {
    let Names { role, writer, database } = names;
    let verb = if exists { "alter" } else { "create" };
    let mut all = vec![format!("{verb} role {role} login connection limit {CONNECTIONS}")];
    all.extend(SETTINGS.iter().map(|(name, value)| format!("alter role {role} set {name} = {value}")));
    all.push(format!("alter role {role} in database {database} set search_path = {publish}"));
    for schema in closed.iter().map(Ident::new) {
        all.push(format!("revoke all on all tables in schema {schema} from {role}"));
        all.push(format!("revoke all on schema {schema} from {role}"));
    }
    if make {
        // GRANT needs an existing schema, which otherwise the first run would create.
        all.push(format!("create schema if not exists {publish} authorization {writer}"));
    }
    all.push(format!("grant connect on database {database} to {role}"));
    all.push(format!("grant usage on schema {publish} to {role}"));
    all.push(format!("grant select on all tables in schema {publish} to {role}"));
    all.push(format!(
        "alter default privileges for role {writer} in schema {publish} grant select on tables to {role}"
    ));
    all
}

/// What the role may do beyond reading, in words; `None` if the role does not exist.
async fn excess(warehouse: &dyn Warehouse, role: &str) -> Result<Option<Vec<String>>> {
    let rows = ask(
        warehouse,
        "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, \
         coalesce((select cast(string_agg(g.rolname, ', ' order by g.rolname) as text) from pg_catalog.pg_auth_members m \
           join pg_catalog.pg_roles g on g.oid = m.roleid where m.member = r.oid), '') \
         from pg_catalog.pg_roles r where rolname = cast($1 as text)",
        &[role],
    )
    .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let row = rows.row(0);
    let words = [
        "is a superuser",
        "passes over row security",
        "may make roles",
        "may make databases",
        "may replicate the server",
    ];
    let mut excess: Vec<String> = words
        .iter()
        .zip(&row)
        .filter(|(_, value)| ***value == Value::Bool(true))
        .map(|(word, _)| (*word).to_owned())
        .collect();
    let groups = text(row[5]);
    if !groups.is_empty() {
        excess.push(format!("is a member of {groups}"));
    }
    Ok(Some(excess))
}

/// Those of the schemas that exist.
async fn present(warehouse: &dyn Warehouse, schemas: &[&String; 3]) -> Result<Vec<String>> {
    let sql = "select cast(nspname as text) from pg_catalog.pg_namespace \
         where nspname in (cast($1 as text), cast($2 as text), cast($3 as text)) order by 1";
    let rows = ask(warehouse, sql, &schemas.map(String::as_str)).await?;
    Ok((0..rows.len()).map(|at| text(rows.row(at)[0])).collect())
}

/// Schemas outside of this project that every role may use, without PostgreSQL's own and `public`.
async fn open_schemas(warehouse: &dyn Warehouse, request: ReaderRequest<'_>) -> Result<Vec<String>> {
    let schemas = request.schemas;
    let rows = ask(
        warehouse,
        "select cast(n.nspname as text) from pg_catalog.pg_namespace n \
         where n.nspname !~ '^pg_' and n.nspname not in ('public', 'information_schema') \
         and n.nspname not in (cast($1 as text), cast($2 as text), cast($3 as text), cast($4 as text)) \
         and exists (select from pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) \
           where grantee = 0 and privilege_type = 'USAGE') order by 1",
        &[&schemas.raw, &schemas.build, &schemas.state, &schemas.publish],
    )
    .await?;
    Ok((0..rows.len()).map(|at| text(rows.row(at)[0])).collect())
}

/// Columns of the published schema whose types other tools cannot read, or read as something else.
async fn unreadable(warehouse: &dyn Warehouse, publish: &str) -> Result<Vec<UnreadableColumn>> {
    let rows = ask(
        warehouse,
        "select cast(c.relname as text), cast(a.attname as text), pg_catalog.format_type(a.atttypid, a.atttypmod), \
         cast(t.typtype as text) \
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         join pg_catalog.pg_attribute a on a.attrelid = c.oid join pg_catalog.pg_type t on t.oid = a.atttypid \
         where n.nspname = cast($1 as text) and c.relkind in ('v', 'r', 'm', 'p', 'f') and a.attnum > 0 and not a.attisdropped \
         order by c.relname, a.attnum",
        &[publish],
    )
    .await?;
    let found = (0..rows.len()).filter_map(|at| {
        let row = rows.row(at);
        let type_name = text(row[2]);
        let kind = kind(&type_name, &text(row[3]))?;
        Some(UnreadableColumn {
            relation: Relation::new(publish, text(row[0])),
            column: text(row[1]),
            type_name,
            kind,
        })
    });
    Ok(found.collect())
}

/// Why JDBC readers cannot use a type, or `None` if they can. `name` is what `format_type` writes,
/// and `typtype` is `pg_type.typtype`.
fn kind(name: &str, typtype: &str) -> Option<Unreadable> {
    let digits = name.strip_prefix("numeric(").and_then(|rest| rest.split_once(',')?.0.parse::<u32>().ok());
    Some(match name {
        "json" | "jsonb" => Unreadable::Json,
        "bytea" => Unreadable::Bytes,
        "uuid" => Unreadable::Uuid,
        "numeric" => Unreadable::Unbounded,
        _ if name.ends_with("[]") => Unreadable::List,
        _ if name.starts_with("interval") => Unreadable::Interval,
        _ if name.starts_with("numeric(") => return (digits? > 38).then_some(Unreadable::WideDecimal),
        "boolean" | "smallint" | "integer" | "bigint" | "real" | "double precision" | "text" | "date"
        | "name" | "\"char\"" => {
            return None;
        }
        _ if name.starts_with("time") || name.starts_with("character") => return None,
        // A value of an enumeration arrives as text.
        _ if typtype == "e" => return None,
        _ if typtype == "c" => Unreadable::Record,
        _ => Unreadable::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_networks_of_ones_own() {
        for (address, expected) in [
            ("10.1.2.3", true),
            ("172.31.0.1", true),
            ("192.168.1.1", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("169.254.1.1", true),
            ("8.8.8.8", false),
            ("fd00::1", true),
            ("fe80::1", true),
            ("::ffff:10.0.0.1", true),
            ("2001:4860::1", false),
        ] {
            assert_eq!(is_private(&address.parse().expect("an address")), expected, "{address}");
        }
    }

    #[test]
    fn types_that_arrive_as_something_else() {
        for (name, typtype, expected) in [
            ("numeric(18,2)", "b", None),
            ("numeric(65,30)", "b", Some(Unreadable::WideDecimal)),
            ("numeric", "b", Some(Unreadable::Unbounded)),
            ("timestamp with time zone", "b", None),
            ("character varying(20)", "b", None),
            ("interval day to second", "b", Some(Unreadable::Interval)),
            ("integer[]", "b", Some(Unreadable::List)),
            ("publish.mood", "e", None),
            ("publish.pair", "c", Some(Unreadable::Record)),
            ("inet", "b", Some(Unreadable::Other)),
            ("int4range", "r", Some(Unreadable::Other)),
        ] {
            assert_eq!(kind(name, typtype), expected, "{name}");
        }
    }
}

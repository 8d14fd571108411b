//! The checks of `doctor` for a PostgreSQL server: from DNS and TCP over TLS and login to the
//! server's settings.

use std::path::Path;

use millrace_core::project::environment::Schemas;
use millrace_core::project::settings::Settings;
use millrace_core::value::Value;
use millrace_engine::error::{Error, ErrorKind, Result};
use millrace_engine::ports::diagnosis::{Diagnosis, Layer};
use millrace_engine::ports::registry::WarehouseConnector as _;
use millrace_engine::ports::warehouse::{QueryLimits, Rows, Statement, Warehouse};

use super::connect::{Unreached, advice, reach};
use super::inspect::judged;
use super::tls::MakeTls;
use super::url::{Host, Server, SslMode};
use super::{CONNECTIONS, Postgres};
use crate::reachability::{self, LAYERS, Place};
use crate::tls::{Check, Refusal};

/// The layers that are checked for each host of the URL.
const WAY: [Layer; 3] = [Layer::Dns, Layer::Tcp, Layer::Tls];

/// The oldest major version that the PostgreSQL project still supports, as a version number.
const SUPPORTED: i128 = 140_000;

/// Runs the checks, layer by layer: the settings, then each host up to its certificate, the login,
/// and what a session sees. A layer that fails ends the checks; the layers behind it are reported
/// as skipped.
pub(super) async fn diagnose(project_dir: &Path, settings: &Settings, schemas: &Schemas) -> Diagnosis {
    let mut found = Diagnosis::default();
    let server = match super::server(project_dir, settings) {
        Ok(server) => server,
        Err(error) => {
            found.ends(Layer::Settings, &error, &LAYERS);
            return found;
        }
    };
    // Each host has its own network path. One host that can be reached is enough, so failures of
    // the others are only warnings then.
    let mut ways = Vec::new();
    for host in &server.hosts {
        ways.push(to(&server, host).await);
    }
    let reached = ways.iter().any(|way| !way.has_failed());
    for way in ways {
        found.extend(if reached { way.softened() } else { way });
    }
    if !reached {
        found.skip(&LAYERS[WAY.len()..]);
        return found;
    }
    if !log_in(&mut found, &server).await {
        return found;
    }
    let (dir, own) = (project_dir.to_owned(), settings.clone());
    // Opening reads certificate files, which blocks.
    let opened = tokio::task::spawn_blocking(move || Postgres.open(&dir, &own)).await;
    let warehouse = opened.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Internal, "the warehouse could not be opened").caused_by(error))
    });
    let inside = match warehouse {
        Ok(warehouse) => inside(&mut found, &*warehouse, settings, schemas).await,
        Err(error) => Err(error),
    };
    if let Err(error) = inside {
        found.failed(Layer::Server, &error);
    }
    found
}

/// Checks one host, up to its certificate. A Unix socket has no name to resolve and no TLS.
async fn to(server: &Server, host: &Host) -> Diagnosis {
    let mut found = Diagnosis::default();
    if let Some(folder) = host.socket() {
        found.good(Layer::Tcp, format!("a socket of this machine, in `{}`", folder.display()));
        return found;
    }
    let failure = ErrorKind::WarehouseUnreachable;
    let place = Place { host: &host.name, port: host.port, address: host.address, failure };
    if !place.look(&mut found, &WAY).await {
        return found;
    }
    let mode = format!("sslmode={}", server.tls.mode.as_str());
    let check = server.tls.asked().check;
    match judged(server, host).await {
        // `judged` connects with TLS whatever `sslmode` says, so its result does not count for
        // `disable`.
        _ if server.tls.mode == SslMode::Disable => found.good(Layer::Tls, format!("none, as `{mode}` asks")),
        Ok(judged) => {
            let advice = |refusal: &Refusal| advice(refusal).to_owned();
            reachability::certificate(&mut found, &judged, check, &mode, failure, advice);
        }
        // A server without TLS passes if `sslmode` permits connections without it.
        Err(error) if error.message().ends_with("has no TLS") && server.tls.mode < SslMode::Require => {
            found.good(Layer::Tls, format!("the server has none, and `{mode}` goes on without"));
        }
        // `allow` connects without TLS first, so a failed handshake need not matter.
        Err(error) if check == Check::Nothing && server.tls.mode == SslMode::Allow => {
            found.good(Layer::Tls, format!("{error}; `{mode}` tries without first"));
        }
        Err(error) => found.failed(Layer::Tls, &error),
    }
    found
}

/// Logs in. Reports the layers of authentication and database, and returns whether it succeeded.
async fn log_in(found: &mut Diagnosis, server: &Server) -> bool {
    let tls = match MakeTls::new(&server.tls) {
        Ok(tls) => tls,
        Err(error) => {
            found.ends(Layer::Tls, &error, &LAYERS);
            return false;
        }
    };
    let user = server.user.as_deref().unwrap_or("of the operating system");
    let let_in = || format!("user `{user}` is let in");
    match reach(server, &tls).await {
        Ok(connected) => {
            // The connection was only for the login; the checks that follow use the pool's own.
            connected.task.abort();
            found.good(Layer::Authentication, let_in());
            found.good(Layer::Database, format!("`{}` is there", server.database().unwrap_or(user)));
            true
        }
        Err(Unreached { code, error }) => {
            // These codes are about what follows after the login; all others are about the login.
            let layer = match code.as_deref() {
                Some("3D000" | "42501") => Layer::Database,
                Some("53300" | "57P03") => Layer::Server,
                _ => Layer::Authentication,
            };
            if layer > Layer::Authentication {
                found.good(Layer::Authentication, let_in());
            }
            found.ends(layer, &error, &LAYERS);
            false
        }
    }
}

/// Checks what a session can see: privileges, version, role of the server, encoding and free
/// connections.
async fn inside(
    found: &mut Diagnosis,
    warehouse: &dyn Warehouse,
    settings: &Settings,
    schemas: &Schemas,
) -> Result<()> {
    privileges(found, warehouse, schemas).await?;
    let rows = ask(
        warehouse,
        "select current_setting('server_version_num')::bigint, current_setting('server_encoding'), \
         pg_catalog.pg_is_in_recovery(), \
         current_setting('max_connections')::bigint - current_setting('superuser_reserved_connections')::bigint \
           - (select count(*) from pg_catalog.pg_stat_activity where datid is not null), \
         (select rolconnlimit::bigint - (select count(*) from pg_catalog.pg_stat_activity where usename = current_user) \
            from pg_catalog.pg_roles where rolname = current_user and rolconnlimit >= 0)",
        &[],
    )
    .await?;
    let row = rows.row(0);
    let version = warehouse.version().await?;
    if row[0].as_int().is_some_and(|number| number < SUPPORTED) {
        found.doubtful(Layer::Server, version, "Nobody mends this version any more: move to a newer one.");
    } else {
        found.good(Layer::Server, version);
    }
    if *row[2] == Value::Bool(true) {
        let error =
            Error::new(ErrorKind::WarehouseUnreachable, "the server is a standby, which takes no changes")
                .hint("Name the primary, or all servers with `target_session_attrs=read-write`.");
        found.failed(Layer::Server, &error);
    }
    match row[1].as_str() {
        Some("UTF8") => found.good(Layer::Server, "encoding UTF8"),
        // SQL_ASCII stores any bytes, and so everything that is sent in UTF-8.
        Some("SQL_ASCII") => found.doubtful(
            Layer::Server,
            "encoding SQL_ASCII: texts are kept and their characters are not known, so that `length`, `upper` and sorting count bytes",
            "Make the database with `encoding 'UTF8' template template0`.",
        ),
        Some(other) => found.doubtful(
            Layer::Server,
            format!("encoding {other}: a load fails with the first text that has another character"),
            "Make the database with `encoding 'UTF8' template template0`.",
        ),
        None => {}
    }
    let wanted = settings.text("connections").and_then(|text| text.parse().ok()).unwrap_or(CONNECTIONS);
    // One more connection renews the lease of a run.
    let wanted = i128::try_from(wanted).unwrap_or(i128::MAX) + 1;
    // Both the server and the role limit connections; the smaller rest counts. A value is NULL if
    // there is no limit.
    let free = [row[3].as_int(), row[4].as_int()].into_iter().flatten().min().unwrap_or_default().max(0);
    if free < wanted {
        found.doubtful(
            Layer::Server,
            format!("{free} connections are free, and a run may take {wanted}"),
            "Lower `connections` of the environment, or raise `max_connections` or the role's limit.",
        );
    } else {
        found.good(
            Layer::Server,
            format!("{free} connections are free, of which a run takes {wanted} at most"),
        );
    }
    Ok(())
}

/// Checks that the role can create schemas, or that all schemas exist and it can create tables in
/// them.
async fn privileges(found: &mut Diagnosis, warehouse: &dyn Warehouse, schemas: &Schemas) -> Result<()> {
    let names = [&schemas.raw, &schemas.build, &schemas.publish, &schemas.state];
    let rows = ask(
        warehouse,
        "select current_user::text, current_database()::text, \
         pg_catalog.has_database_privilege(current_database(), 'CREATE'), \
         (select pg_catalog.count(*) from pg_catalog.pg_namespace where nspname in ($1::text, $2::text, $3::text, $4::text) \
            and pg_catalog.has_schema_privilege(oid, 'CREATE')), \
         (select coalesce(pg_catalog.string_agg(pg_catalog.quote_ident(nspname), ', '), '') from pg_catalog.pg_namespace \
            where nspname in ($1::text, $2::text, $3::text, $4::text) and not pg_catalog.has_schema_privilege(oid, 'CREATE'))",
        &names.map(String::as_str),
    )
    .await?;
    let row = rows.row(0);
    let [user, database, closed] = [0, 1, 4].map(|at| row[at].as_str().unwrap_or_default().to_owned());
    let (makes, ready) = (*row[2] == Value::Bool(true), row[3].as_int().unwrap_or_default());
    let refused = |what: String, hint: String| Error::new(ErrorKind::WarehouseUnreachable, what).hint(hint);
    if !closed.is_empty() {
        let error = refused(
            format!("role `{user}` may make nothing in the schemas {closed}"),
            format!("Run as their owner: grant create, usage on schema {closed} to {user}"),
        );
        found.failed(Layer::Privileges, &error);
    } else if makes || ready == 4 {
        found.good(Layer::Privileges, "may make schemas, or has them");
    } else {
        let error = refused(
            format!("role `{user}` may make no schemas in `{database}`"),
            format!("Run as its owner: grant create on database {database} to {user}"),
        );
        found.failed(Layer::Privileges, &error);
    }
    Ok(())
}

/// Runs a query with text parameters, within the limits for the program's own look-ups.
async fn ask(warehouse: &dyn Warehouse, sql: &str, params: &[&str]) -> Result<Rows> {
    let params = params.iter().map(|text| Value::Text((*text).to_owned()));
    warehouse.query(&Statement::with(sql, params), QueryLimits::STATE).await
}

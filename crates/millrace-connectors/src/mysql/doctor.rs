//! Checks for `doctor` how far a server can be reached: settings, name, port, TLS, login, database,
//! privileges, and the server's settings.
//!
//! Each layer rests on those before it. Up to the database, the first one that fails ends the
//! check, and the later ones are noted as not looked at. The check of TLS sends neither user nor
//! password.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use millrace_core::project::settings::Settings;
use millrace_engine::error::{ErrorKind, Result};
use millrace_engine::ports::diagnosis::{Diagnosis, Layer};
use millrace_engine::ports::source::StreamRequest;
use mysql_async::from_row_opt;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::files::input::blocking;
use crate::mysql::address::{Address, SslMode};
use crate::mysql::connection::Connection;
use crate::mysql::reach::{Unreached, dial};
use crate::mysql::wire::{Packet, REQUEST, TLS};
use crate::mysql::{failure, privileges};
use crate::reachability::{self, LAYERS, LOOK, Place};
use crate::tls::Refusal;
use crate::tls::chain::{Judged, judge};

/// Capabilities in the request for TLS: `CLIENT_SSL`, and `CLIENT_PROTOCOL_41` and
/// `CLIENT_SECURE_CONNECTION`, which every server expects.
const CAPABILITIES: u32 = TLS | 0x0200 | 0x8000;

/// How long an answer may take. All queries here are cheap.
const ANSWER: Duration = Duration::from_secs(30);

/// Checks the layers one after the other, as far as they work. An error in the settings is the
/// first finding. `read_timeout` counts only if it is shorter than [`ANSWER`].
pub(super) async fn diagnose(
    reached: Result<(Address, Duration)>,
    project_dir: &Path,
    settings: &Settings,
    streams: &[StreamRequest],
) -> Diagnosis {
    let mut found = Diagnosis::default();
    let (address, read_timeout) = match reached {
        Ok(reached) => reached,
        Err(error) => {
            found.ends(Layer::Settings, &error, &LAYERS);
            return found;
        }
    };
    let answers = match &address.socket {
        Some(path) => over_a_socket(&mut found, path, &address).await,
        None => {
            let failure = ErrorKind::SourceUnreachable;
            let place = Place { host: &address.host, port: address.port, address: None, failure };
            place.look(&mut found, &LAYERS).await && encryption(&mut found, &address, project_dir).await
        }
    };
    if !answers {
        return found;
    }
    match Connection::try_open(&address, project_dir, read_timeout.min(ANSWER)).await {
        Ok(mut connection) => {
            found.good(Layer::Authentication, format!("user `{}` is let in", address.user));
            found.good(Layer::Database, format!("`{}` is there", address.database));
            inside(&mut found, &mut connection, settings, streams).await;
            connection.close().await;
        }
        Err(Unreached { layer, error }) => {
            // The lower layers worked a moment ago, so an error of theirs is shown as one of the
            // login.
            let layer = layer.max(Layer::Authentication);
            if layer > Layer::Authentication {
                found.good(Layer::Authentication, format!("user `{}` is let in", address.user));
            }
            found.ends(layer, &error, &LAYERS);
        }
    }
    found
}

/// Checks whether a server listens at a socket of this machine.
async fn over_a_socket(found: &mut Diagnosis, path: &str, address: &Address) -> bool {
    found.good(Layer::Dns, "no name is looked up: the server is reached over a socket of this machine");
    let opened = timeout(LOOK, UnixStream::connect(path)).await;
    match opened.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(_) => {
            found.good(Layer::Tcp, format!("`{path}` answers"));
            found.good(Layer::Tls, "none: what goes over a socket does not leave this machine");
            true
        }
        Err(error) => {
            found.ends(Layer::Tcp, &failure::unreachable(&error, address), &LAYERS);
            false
        }
    }
}

/// Checks whether TLS works as the mode requires. Returns false if the connection would fail
/// because of it.
async fn encryption(found: &mut Diagnosis, address: &Address, project_dir: &Path) -> bool {
    let mode = format!("ssl-mode={}", address.ssl_mode.name());
    if address.ssl_mode == SslMode::Disabled {
        found.good(Layer::Tls, format!("none, as `{mode}` asks"));
        return true;
    }
    // A server that stalls would keep the handshake from ending.
    let late = || failure::unreachable(&io::ErrorKind::TimedOut.into(), address).into();
    let judged = match timeout(LOOK, papers(address, project_dir)).await.unwrap_or_else(|_| Err(late())) {
        Ok(Some(judged)) => judged,
        Ok(None) if address.ssl_mode == SslMode::Preferred => {
            found.good(Layer::Tls, format!("the server has none, and `{mode}` goes on without"));
            return true;
        }
        Ok(None) => {
            found.ends(Layer::Tls, &failure::without_tls(address), &LAYERS);
            return false;
        }
        Err(Unreached { layer, error }) => {
            found.ends(layer, &error, &LAYERS);
            return false;
        }
    };
    let check = address.asked(project_dir).check;
    let advice = |refusal: &Refusal| failure::advice(refusal, address);
    let trusted =
        reachability::certificate(found, &judged, check, &mode, ErrorKind::SourceUnreachable, advice);
    if !trusted {
        found.skip(&LAYERS[3..]);
    }
    trusted
}

/// Makes a TLS handshake that accepts any certificate and judges what the server sent. Returns
/// `None` if the server has no TLS. Sends neither user nor password.
async fn papers(address: &Address, project_dir: &Path) -> Result<Option<Judged>, Unreached> {
    let tls = |error| Unreached { layer: Layer::Tls, error };
    let unencrypted = |error: io::Error| tls(failure::unencrypted(&error, address));
    let (mut server, greeting, has_tls) = dial(address).await?;
    if !has_tls {
        return Ok(None);
    }
    let asked = address.asked(project_dir);
    let name = address.server_name().ok_or_else(|| tls(failure::nameless(address)))?;
    let (own, known) = (asked.clone(), name.clone());
    let config = blocking(move || own.onlooker()).await.map_err(tls)?;
    let mut request = vec![0; REQUEST];
    request[..4].copy_from_slice(&CAPABILITIES.to_le_bytes());
    // The largest packet (16 MiB), and `utf8` (33), a character set that all servers have.
    request[4..8].copy_from_slice(&(1u32 << 24).to_le_bytes());
    request[8] = 33;
    let request = Packet { number: greeting.number.wrapping_add(1), body: request };
    request.write(&mut server).await.map_err(unencrypted)?;
    let stream = TlsConnector::from(config).connect(name, server).await.map_err(unencrypted)?;
    let sent = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let sent: Vec<_> = sent.iter().map(|certificate| certificate.clone().into_owned()).collect();
    let judged = blocking(move || judge(&asked, &sent, &known)).await;
    judged.map(Some).map_err(tls)
}

/// Checks what a session can see: tables, privileges and settings. An error in one of these does
/// not end the others.
async fn inside(
    found: &mut Diagnosis,
    connection: &mut Connection,
    settings: &Settings,
    streams: &[StreamRequest],
) {
    let address = connection.address().clone();
    let visible = "select count(*) from information_schema.tables where table_schema = database()";
    match number(connection, visible).await {
        Ok(0) => found.doubtful(
            Layer::Privileges,
            format!("user `{}` sees no table in `{}`", address.user, address.database),
            failure::grant(None, &address),
        ),
        Ok(tables) => {
            let are = if tables == 1 { "table or view" } else { "tables and views" };
            found.good(Layer::Privileges, format!("sees {tables} {are}; each stream is tried below"));
        }
        Err(error) => found.failed(Layer::Privileges, &error),
    }
    if let Err(error) = privileges::tables(found, connection, settings, streams).await {
        found.failed(Layer::Privileges, &error);
    }
    match variables(connection).await {
        Ok(variables) => server(found, &variables),
        Err(error) => found.failed(Layer::Server, &error),
    }
    if let Err(error) = privileges::moment(found, connection, settings, streams).await {
        found.failed(Layer::Server, &error);
    }
}

/// Runs a query for one number; 0 if the answer is not a number.
async fn number(connection: &mut Connection, sql: &str) -> Result<u64> {
    let rows = connection.ask(sql, "the server cannot be asked").await?;
    Ok(rows.into_iter().find_map(|row| from_row_opt::<(u64,)>(row).ok()).map_or(0, |(number,)| number))
}

/// Returns the server's variables by name. Those that the server does not have are left out.
async fn variables(connection: &mut Connection) -> Result<BTreeMap<String, String>> {
    let sql = "show global variables where variable_name in ('version', 'version_comment', 'log_bin', 'binlog_format', \
               'binlog_row_image', 'gtid_mode', 'gtid_strict_mode', 'sql_mode', 'time_zone', 'system_time_zone', \
               'max_statement_time', 'max_execution_time')";
    let rows = connection.ask(sql, "the server's settings cannot be read").await?;
    Ok(rows.into_iter().filter_map(|row| from_row_opt::<(String, String)>(row).ok()).collect())
}

/// Adds findings about the version, the binary log, the SQL mode, the time zone and limits on the
/// time of a statement.
fn server(found: &mut Diagnosis, settings: &BTreeMap<String, String>) {
    let get = |name: &str| settings.get(name).map_or("", String::as_str);
    found.good(Layer::Server, format!("{} ({})", get("version"), get("version_comment")));
    if get("log_bin") == "ON" {
        let log = format!("binary log {}, row image {}", get("binlog_format"), get("binlog_row_image"));
        if get("binlog_format") == "ROW" && get("binlog_row_image") == "FULL" {
            found.good(Layer::Server, log);
        } else {
            found.doubtful(
                Layer::Server,
                log,
                "Only `binlog_format=ROW` with `binlog_row_image=FULL` says all of each change. Whole and incremental reads do not need it.",
            );
        }
    } else {
        found.good(Layer::Server, "no binary log, which whole and incremental reads do not need");
    }
    let mode = get("sql_mode");
    if mode.contains("STRICT_TRANS_TABLES") || mode.contains("STRICT_ALL_TABLES") {
        found.good(Layer::Server, format!("sql_mode `{mode}`; this program's session has its own"));
    } else {
        found.doubtful(
            Layer::Server,
            format!("sql_mode `{mode}` is not strict: programs may have stored dates such as 0000-00-00"),
            "Rows with such dates go to quarantine, or become NULL with `zero_dates: \"null\"`.",
        );
    }
    let zone = if get("time_zone") == "SYSTEM" { get("system_time_zone") } else { get("time_zone") };
    found.good(Layer::Server, format!("time zone `{zone}`; moments are read in UTC"));
    // MariaDB counts in seconds, MySQL in milliseconds.
    let limits = [("max_statement_time", 1_000.0), ("max_execution_time", 1.0)];
    for (name, unit) in limits {
        let milliseconds = get(name).parse::<f64>().unwrap_or_default() * unit;
        if milliseconds > 0.0 {
            found.doubtful(
                Layer::Server,
                format!("`{name}` ends a read after {} s", milliseconds / 1_000.0),
                "Set it to 0 for this user, if tables take longer to read.",
            );
        }
    }
}

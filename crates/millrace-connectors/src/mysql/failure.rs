//! Turns errors of the driver and the server into the engine's errors, with a hint on what to do.
//!
//! Each error gets a kind, which decides about retries. Error numbers are those of the server's
//! error reference (<https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html>).
//! No message contains a value from a table: server messages that may repeat values are left out,
//! and errors of the driver are shown only if their text holds none.

use std::io;
use std::time::Duration;

use millrace_core::project::yaml::written;
use millrace_engine::error::{Error, ErrorKind};
use millrace_engine::ports::diagnosis::Layer;
use mysql_async::{DriverError, IoError, ServerError};

use crate::mysql::address::{Address, SslMode};
use crate::mysql::quoted;
use crate::reachability;
use crate::timeouts::shown;
use crate::tls::Refusal;

/// Converts an error of the driver while it connects and logs in.
pub(super) fn connecting(error: &mysql_async::Error, address: &Address) -> Error {
    let server = address.server();
    match error {
        mysql_async::Error::Server(said) => refused(said.code, told(said), address),
        mysql_async::Error::Io(IoError::Io(io)) => unreachable(io, address),
        mysql_async::Error::Driver(DriverError::UnknownAuthPlugin { name }) => {
            unknown_method(Some(name), address)
        }
        mysql_async::Error::Driver(DriverError::MysqlOldPasswordDisabled) => {
            unknown_method(Some("mysql_old_password"), address)
        }
        mysql_async::Error::Driver(DriverError::CleartextPluginDisabled) => {
            unknown_method(Some("mysql_clear_password"), address)
        }
        other => broken(other, &format!("`{server}` does not answer as a MySQL server does")),
    }
}

/// What could not be done if a statement that reads `table` fails.
pub(super) fn cannot_be_read(table: &str) -> String {
    format!("table `{table}` cannot be read")
}

/// Whether an error of the driver says only that the other end closed the connection.
pub(super) fn is_gone(error: &mysql_async::Error) -> bool {
    matches!(error, mysql_async::Error::Io(_) | mysql_async::Error::Driver(DriverError::ConnectionClosed))
}

/// The server cannot be reached; the kind of the I/O error decides the hint.
pub(super) fn unreachable(io: &io::Error, address: &Address) -> Error {
    let hint = match io.kind() {
        io::ErrorKind::NotFound if address.socket.is_some() => {
            "Is the server running, and is that its socket? `select @@socket` on the server says where it is."
        }
        io::ErrorKind::ConnectionRefused if address.socket.is_some() => {
            "The socket is there and nobody listens at it: is the server running?"
        }
        io::ErrorKind::PermissionDenied if address.socket.is_some() => {
            "The user that runs `millrace` may not use the socket, or may not enter its folder."
        }
        io::ErrorKind::InvalidInput if address.socket.is_some() => {
            "The system takes paths of sockets up to 107 bytes: a symbolic link may have a shorter one."
        }
        io::ErrorKind::ConnectionRefused => {
            "Nothing listens there: is the server running, and is the port right?"
        }
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::InvalidData => {
            "Something answered and hung up: is that a MySQL server, and does it let this machine in?"
        }
        _ => "Is the host spelled as it should be, and does a firewall stand between?",
    };
    let message = format!("`{}` cannot be reached", address.server());
    Error::new(ErrorKind::SourceUnreachable, message).caused_by(reachability::words(io)).hint(hint)
}

/// The server asks for an authentication method that is not supported.
pub(super) fn unknown_method(name: Option<&str>, address: &Address) -> Error {
    let asked = name.map_or_else(|| "another way to log in".to_owned(), |name| format!("`{name}`"));
    let message =
        format!("`{}` asks user `{}` for {asked}, which is not supported", address.server(), address.user);
    Error::new(ErrorKind::SourceUnreachable, message)
        .hint("Give the user a password of `caching_sha2_password`, `mysql_native_password` or `ed25519`.")
}

/// The server has no TLS, and the mode requires it.
pub(super) fn without_tls(address: &Address) -> Error {
    let (server, mode) = (address.server(), address.ssl_mode.name());
    let message = format!("`{server}` has no TLS, which `ssl-mode={mode}` asks for");
    Error::new(ErrorKind::SourceUnreachable, message)
        .hint("Set TLS up in the server, or, in a network that you trust, write `ssl-mode=DISABLED`.")
}

/// The host is not a valid name in TLS, so no certificate can name it.
pub(super) fn nameless(address: &Address) -> Error {
    let message = format!("no certificate can name the host `{}`", address.host);
    Error::new(ErrorKind::SourceUnreachable, message).hint("Use the server's name, or `ssl-mode=VERIFY_CA`.")
}

/// The layer that failed if the server refuses a login with this error number.
pub(super) fn layer(code: u16) -> Layer {
    match code {
        // ER_SECURE_TRANSPORT_REQUIRED
        3159 => Layer::Tls,
        // ER_DBACCESS_DENIED_ERROR, ER_BAD_DB_ERROR
        1044 | 1049 => Layer::Database,
        _ => Layer::Authentication,
    }
}

/// The TLS handshake failed, perhaps because the certificate was refused.
pub(super) fn unencrypted(error: &io::Error, address: &Address) -> Error {
    let message = format!("no encrypted connection to `{}` could be made", address.server());
    let found = Error::new(ErrorKind::SourceUnreachable, message);
    match Refusal::within(error) {
        Some(refusal) => found.caused_by(&refusal).hint(advice(&refusal, address)),
        None => found.caused_by(error).hint(
            "The server's TLS may be older than 1.2, or broken. Mend it there or, in a network that you trust, write `ssl-mode=DISABLED`.",
        ),
    }
}

/// The hint for a certificate that is refused.
pub(super) fn advice(refusal: &Refusal, address: &Address) -> String {
    match refusal {
        Refusal::Unknown { .. } => match &address.ssl_ca {
            Some(file) => {
                format!("Name the authority that did sign it in `{file}`, or ask whose server that is.")
            }
            None => "Name the authority that signed it with `ssl_ca: file.pem`.".to_owned(),
        },
        Refusal::Own => {
            "Give that certificate, as somebody you trust gave it to you, as `ssl_ca: file.pem`.".to_owned()
        }
        Refusal::Name { .. } => {
            "Use a name that the certificate has, or `ssl-mode=VERIFY_CA` to leave the name unseen."
                .to_owned()
        }
        Refusal::Ended(_) => "Whoever runs the server has to renew it.".to_owned(),
        Refusal::Early(_) => "Is this machine's clock right?".to_owned(),
        Refusal::Purpose | Refusal::Unusable(_) => {
            "Whoever runs the server has to give it another.".to_owned()
        }
    }
}

/// The server answers and refuses the login with this error number. Other numbers than those listed
/// get a general message.
pub(super) fn refused(code: u16, said: String, address: &Address) -> Error {
    let (user, database, server) = (&address.user, &address.database, address.server());
    let (message, hint) = match code {
        // ER_ACCESS_DENIED_ERROR, ER_ACCESS_DENIED_NO_PASSWORD_ERROR, ER_MUST_CHANGE_PASSWORD_LOGIN
        1045 | 1698 | 1862 => (
            format!("`{server}` does not let user `{user}` in"),
            if address.socket.is_some() {
                format!(
                    "A user of the plugin `unix_socket` or `auth_socket` is let in only where the system's user of that name runs `millrace`; any other needs a password. Is there one for {}@'localhost'?",
                    literal(user)
                )
            } else {
                format!(
                    "Is the password in `url` right, and may `{user}` come from this machine{}? In a password `@`, `:` and `/` are written %40, %3A and %2F; the source's key `password` takes it as it is.",
                    if address.ssl_mode == SslMode::Disabled { ", without encryption too" } else { "" },
                )
            },
        ),
        // ER_DBACCESS_DENIED_ERROR
        1044 => (
            format!("user `{user}` may not use database `{database}`"),
            format!("Run on the server: grant select on {}.* to {}@'%'", quoted(database), literal(user)),
        ),
        // ER_BAD_DB_ERROR
        1049 => (
            format!("`{server}` has no database `{database}`"),
            "Is it spelled as in `show databases`? Letter case counts on most servers.".to_owned(),
        ),
        // ER_HOST_NOT_PRIVILEGED, ER_HOST_IS_BLOCKED
        1130 | 1129 => (
            format!("`{server}` does not let this machine in"),
            format!("Is there a user {}@'%', or one for this machine's address?", literal(user)),
        ),
        // ER_CON_COUNT_ERROR
        1040 => (
            format!("`{server}` has no connection left"),
            "Try again later, lower `connections` of the source, or raise the server's `max_connections`."
                .to_owned(),
        ),
        // ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED
        1203 | 1226 => {
            let limits = ["max_connections_per_hour", "max_queries_per_hour", "max_updates_per_hour"];
            let limit =
                limits.into_iter().find(|limit| said.contains(limit)).unwrap_or("max_user_connections");
            (
                format!("`{server}` has no connection left for user `{user}`"),
                format!(
                    "Try again later, lower `connections` of the source, or raise the user's limit on the server: alter user {}@'%' with {limit} 0",
                    literal(user)
                ),
            )
        }
        // ER_SECURE_TRANSPORT_REQUIRED
        3159 => (
            format!("`{server}` takes encrypted connections only"),
            "Write `ssl-mode=REQUIRED` or, to know whose server it is, `ssl-mode=VERIFY_IDENTITY`."
                .to_owned(),
        ),
        _ => {
            (format!("`{server}` refuses the connection"), "`millrace doctor` says what it sees.".to_owned())
        }
    };
    Error::new(ErrorKind::SourceUnreachable, message).caused_by(said).hint(hint)
}

/// Converts an error of a statement. `doing` says what could not be done, such as: table `clients`
/// cannot be read. The kind decides about retries: `SourceUnreachable`, `SourceLost` and `TimedOut`
/// may be tried again, `SourceUnreadable` never is.
pub(super) fn asking(
    error: &mysql_async::Error,
    doing: &str,
    table: Option<&str>,
    address: &Address,
) -> Error {
    let mysql_async::Error::Server(server) = error else { return broken(error, doing) };
    let failed = |kind| Error::new(kind, doing).caused_by(told(server));
    match server.code {
        // ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR
        1142 | 1143 => failed(ErrorKind::SourceUnreadable).hint(grant(table, address)),
        // ER_VIEW_INVALID
        1356 => failed(ErrorKind::SourceUnreadable).hint(broken_view(table)),
        // ER_NO_SUCH_TABLE, for a table that existed when it was described, or for one behind a
        // view
        1146 => failed(ErrorKind::SourceUnreadable)
            .hint("It was there a moment ago: did somebody drop or rename it? Run again when it is back, or leave the stream out."),
        // ER_BAD_FIELD_ERROR, for a column that existed when the table was described.
        // ER_TABLE_DEF_CHANGED: an ALTER TABLE came between the snapshot and the first row.
        1054 | 1412 => failed(ErrorKind::SourceUnreachable).hint("The table was changed just now. Run again."),
        // ER_NET_PACKET_TOO_LARGE, ER_WARN_ALLOWED_PACKET_OVERFLOWED
        1153 | 1301 => failed(ErrorKind::SourceUnreadable)
            .hint("A row or a value is larger than the server sends: raise its `max_allowed_packet` (1G at most), or leave the column out with `exclude_columns`."),
        // ER_STATEMENT_TIMEOUT of MariaDB, ER_QUERY_TIMEOUT of MySQL
        1969 | 3024 => failed(ErrorKind::TimedOut)
            .hint("The server stops long statements: raise its `max_statement_time` or `max_execution_time` for this user."),
        // ER_SERVER_SHUTDOWN, ER_CONNECTION_KILLED
        1053 | 1927 => failed(ErrorKind::SourceLost),
        // ER_QUERY_INTERRUPTED
        1317 => failed(ErrorKind::SourceUnreachable)
            .caused_by("somebody ended the statement (`kill query`), or the server did")
            .hint("Run again."),
        // ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK
        1205 | 1213 => failed(ErrorKind::SourceUnreachable)
            .hint("Another session holds a lock on the table, `lock tables` or `alter table` perhaps. Run again when it is done."),
        // ER_USER_LIMIT_REACHED, for statements in an hour
        1226 => failed(ErrorKind::SourceUnreachable)
            .hint("The server lets this user ask only so often in an hour. Run again later, or raise the limit."),
        _ => failed(ErrorKind::SourceUnreadable),
    }
}

/// The server has sent nothing for `time` over a connection that the system still takes for open.
pub(super) fn silent(doing: &str, time: Duration, address: &Address) -> Error {
    let server = address.server();
    Error::new(ErrorKind::SourceLost, doing)
        .caused_by(format!("`{server}` has said nothing for {}, over a connection that is still open", shown(time)))
        .hint(
            "If the server is at work on a long statement, give it more time with `read_timeout` of the source; if not, it or something on the way to it hangs. `millrace doctor` says what it sees.",
        )
}

/// A hint with the statement that lets the user read a table, or all of them.
pub(super) fn grant(table: Option<&str>, address: &Address) -> String {
    let table = table.map_or_else(|| "*".to_owned(), quoted);
    let (database, user) = (quoted(&address.database), literal(&address.user));
    format!("Run on the server: grant select on {database}.{table} to {user}@'%'")
}

/// A hint with the statement that lets the user lock the tables that it reads.
pub(super) fn grant_lock(address: &Address) -> String {
    let (database, user) = (quoted(&address.database), literal(&address.user));
    format!(
        "Run on the server: grant lock tables on {database}.* to {user}@'%'. Or leave `snapshot: lock` out."
    )
}

/// A hint with the statement that lets the user see the server's binlog position.
pub(super) fn grant_place(address: &Address) -> String {
    format!("Run on the server: grant replication client on *.* to {}@'%'", literal(&address.user))
}

/// Quotes a name in a statement that people run; both backslash and quote are escaped.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The connection broke, or the bytes that arrived make no sense. A broken connection is a
/// `SourceLost`, which may be tried again; the others are `SourceUnreadable`.
fn broken(error: &mysql_async::Error, doing: &str) -> Error {
    let (kind, cause) = match error {
        mysql_async::Error::Io(IoError::Io(io)) if io.kind() == io::ErrorKind::TimedOut => {
            (ErrorKind::SourceLost, "nothing that was sent reached the server any more".to_owned())
        }
        // The codec's error. The connection cannot be used after it, and another connection would
        // fail in the same way.
        mysql_async::Error::Driver(DriverError::PacketTooLarge) => {
            return too_large(doing);
        }
        mysql_async::Error::Io(IoError::Io(io)) if is_too_large(io) => return too_large(doing),
        mysql_async::Error::Io(IoError::Io(io)) => (ErrorKind::SourceLost, reachability::words(io)),
        mysql_async::Error::Driver(DriverError::ConnectionClosed) => {
            (ErrorKind::SourceLost, "the connection was closed".to_owned())
        }
        mysql_async::Error::Driver(
            DriverError::PacketOutOfOrder
            | DriverError::UnexpectedPacket { .. }
            | DriverError::CantParseServerVersion { .. },
        ) => (ErrorKind::SourceUnreadable, "what came is no answer of a MySQL server".to_owned()),
        // Some of the driver's errors hold values, but the text of these does not show them.
        mysql_async::Error::Driver(driver) => (ErrorKind::SourceUnreadable, driver.to_string()),
        _ => (ErrorKind::SourceUnreadable, "the driver does not say why".to_owned()),
    };
    Error::new(kind, doing).caused_by(cause)
}

/// A row of more than a gigabyte, which the protocol cannot transfer.
fn too_large(doing: &str) -> Error {
    Error::new(ErrorKind::SourceUnreadable, doing)
        .caused_by("a row has more than a gigabyte, which is more than the protocol holds")
        .hint("Leave its largest columns out: `exclude_columns: [name]`.")
}

/// Whether an I/O error is the codec's error about a packet that is too large. Its text is the only
/// sign.
fn is_too_large(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.to_string().contains("max_allowed_packet"))
}

/// The hint for a view that the server itself cannot read.
fn broken_view(table: Option<&str>) -> String {
    let name = written(table.unwrap_or("name"));
    format!(
        "The view names something that is gone, or its definer may not read it. Mend it on the server, or leave it out with `exclude: [{name}]` of the source."
    )
}

/// The server's error as text. Messages of SQLSTATE classes 22 and 23 are about data and repeat
/// values, so only their number is kept.
fn told(error: &ServerError) -> String {
    let ServerError { code, state, message } = error;
    if state.starts_with("22") || state.starts_with("23") {
        return format!("error {code} ({state}) of the server");
    }
    format!("error {code} ({state}) of the server: {message}")
}

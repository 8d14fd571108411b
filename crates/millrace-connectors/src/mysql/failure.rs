//! What the driver says went wrong, in our words.
//!
//! Numbers are those of the server's error reference
//! (<https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html>).

use millrace_engine::error::{Error, ErrorKind};
use mysql_async::{DriverError, IoError, ServerError};

use crate::mysql::address::{Address, SslMode};
use crate::mysql::quoted;

/// An error while a connection is made.
pub(super) fn connecting(error: &mysql_async::Error, address: &Address) -> Error {
    let server = address.server();
    match error {
        mysql_async::Error::Server(server_error) => refused(server_error, address),
        mysql_async::Error::Io(IoError::Tls(tls)) => unencrypted(tls, address),
        // What TLS refuses in a handshake comes in the clothes of the network.
        mysql_async::Error::Io(IoError::Io(io)) if is_tls(io) => unencrypted(io, address),
        mysql_async::Error::Io(IoError::Io(io)) => {
            let message = format!("`{server}` cannot be reached");
            let hint = match io.kind() {
                std::io::ErrorKind::ConnectionRefused => {
                    "Nothing listens there: is the server running, and is the port right?"
                }
                std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset => {
                    "Something answered and hung up: is that a MySQL server, and does it let this machine in?"
                }
                _ => "Is the host spelled as it should be, and does a firewall stand between?",
            };
            Error::new(ErrorKind::SourceUnreachable, message).caused_by(io).hint(hint)
        }
        mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            let mode = address.ssl_mode.name();
            let message = format!("`{server}` has no TLS, which `ssl-mode={mode}` asks for");
            Error::new(ErrorKind::SourceUnreachable, message)
                .hint("Set TLS up in the server, or, in a network that you trust, write `ssl-mode=DISABLED`.")
        }
        mysql_async::Error::Driver(DriverError::UnknownAuthPlugin { name }) => {
            let message =
                format!("`{server}` asks user `{}` for `{name}`, which is not supported", address.user);
            Error::new(ErrorKind::SourceUnreachable, message)
                .hint("Give the user a password of `caching_sha2_password` or `mysql_native_password`.")
        }
        other => broken(other, &format!("`{server}` does not answer as a MySQL server does")),
    }
}

fn is_tls(error: &std::io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some()
}

/// No TLS came about.
fn unencrypted(cause: impl std::fmt::Display, address: &Address) -> Error {
    let message = format!("no encrypted connection to `{}` could be made", address.server());
    let hint = match address.ssl_mode {
        SslMode::VerifyIdentity => {
            "Name the host as the certificate does, and the authority that signed it with `ssl_ca: file.pem`."
        }
        // The driver leaves the check of the name out only in words that its TLS no longer uses.
        SslMode::VerifyCa => {
            "Name the authority that signed the certificate with `ssl_ca: file.pem`. The certificate has to name the host also with `VERIFY_CA`, so far."
        }
        _ => {
            "The server's TLS is too old, or its certificate is one that cannot be used (of X.509 version 1, perhaps). Give it another or, in a network that you trust, write `ssl-mode=DISABLED`."
        }
    };
    Error::new(ErrorKind::SourceUnreachable, message).caused_by(cause).hint(hint)
}

/// The server answers, and does not let us in.
fn refused(error: &ServerError, address: &Address) -> Error {
    let (user, database, server) = (&address.user, &address.database, address.server());
    let (message, hint) = match error.code {
        // ER_ACCESS_DENIED_ERROR, ER_ACCESS_DENIED_NO_PASSWORD_ERROR, ER_MUST_CHANGE_PASSWORD_LOGIN
        1045 | 1698 | 1862 => (
            format!("`{server}` does not let user `{user}` in"),
            format!(
                "Is the password in `url` right, and may `{user}` come from this machine? In a password `@`, `:` and `/` are written %40, %3A and %2F."
            ),
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
        // ER_CON_COUNT_ERROR, ER_TOO_MANY_USER_CONNECTIONS, ER_USER_LIMIT_REACHED
        1040 | 1203 | 1226 => (
            format!("`{server}` has no connection left for user `{user}`"),
            "Try again later, or raise its limit.".to_owned(),
        ),
        _ => {
            (format!("`{server}` refuses the connection"), "`millrace doctor` says what it sees.".to_owned())
        }
    };
    Error::new(ErrorKind::SourceUnreachable, message).caused_by(told(error)).hint(hint)
}

/// An error of a statement. `doing` is what could not be done: `table `clients` cannot be read`.
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
        1356 => failed(ErrorKind::SourceUnreadable)
            .hint("The view names something that is gone, or its definer may not read it."),
        // ER_TABLE_DEF_CHANGED: an ALTER TABLE came between the snapshot and the first row.
        1412 => failed(ErrorKind::SourceUnreachable).hint("The table was changed just now. Run again."),
        // ER_STATEMENT_TIMEOUT of MariaDB, ER_QUERY_TIMEOUT of MySQL
        1969 | 3024 => failed(ErrorKind::TimedOut)
            .hint("The server stops long statements: raise its `max_statement_time` or `max_execution_time` for this user."),
        // ER_SERVER_SHUTDOWN, ER_CONNECTION_KILLED
        1053 | 1927 => failed(ErrorKind::SourceLost),
        // ER_QUERY_INTERRUPTED, ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK
        1317 | 1205 | 1213 => failed(ErrorKind::SourceUnreachable),
        _ => failed(ErrorKind::SourceUnreadable),
    }
}

/// The statement that lets the user read.
pub(super) fn grant(table: Option<&str>, address: &Address) -> String {
    let table = table.map_or_else(|| "*".to_owned(), quoted);
    let (database, user) = (quoted(&address.database), literal(&address.user));
    format!("Run on the server: grant select on {database}.{table} to {user}@'%'")
}

/// A name in quotes, in a statement for people to run.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The connection broke, or what came over it makes no sense.
fn broken(error: &mysql_async::Error, doing: &str) -> Error {
    let (kind, cause) = match error {
        mysql_async::Error::Io(io) => (ErrorKind::SourceLost, io.to_string()),
        mysql_async::Error::Driver(DriverError::ConnectionClosed) => {
            (ErrorKind::SourceLost, "the connection was closed".to_owned())
        }
        // Some of the driver's errors hold values; none of those shows them.
        mysql_async::Error::Driver(driver) => (ErrorKind::SourceUnreadable, driver.to_string()),
        _ => (ErrorKind::SourceUnreadable, "the driver does not say why".to_owned()),
    };
    Error::new(kind, doing).caused_by(cause)
}

/// What the server said. Its messages about data (SQLSTATE 22 and 23) repeat values.
fn told(error: &ServerError) -> String {
    let ServerError { code, state, message } = error;
    if state.starts_with("22") || state.starts_with("23") {
        return format!("error {code} ({state}) of the server");
    }
    format!("error {code} ({state}) of the server: {message}")
}

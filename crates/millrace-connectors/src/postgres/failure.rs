//! Converts errors of PostgreSQL and of its driver to [`Error`]s.
//!
//! The SQLSTATE decides on the kind of the error (Appendix A of PostgreSQL's manual lists the
//! codes). Cell values must not reach a message, so the server's text is passed on only if it can
//! hold nothing but names and the statement's own text. Errors about data quote cells, in their
//! message and in DETAIL; for those this module has texts of its own.

use std::error::Error as StdError;
use std::io;

use millrace_engine::error::{Error, ErrorKind};
use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

use crate::reachability;

/// Whether a failed connection attempt is worth a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// A retry would fail the same way.
    No,
    /// The server may be starting.
    Soon,
    /// The server may be waking, as in a cloud, or has no free connection at the moment.
    Later,
}

/// Converts the error of a statement. `sql` is the text of the statement; a position that the
/// server gives becomes a byte offset in it.
pub(super) fn statement_error(error: &tokio_postgres::Error, sql: &str) -> Error {
    let Some(said) = error.as_db_error() else { return client_error(error) };
    let position = match said.position() {
        Some(ErrorPosition::Original(position)) => byte_of(sql, *position),
        _ => None,
    };
    let found = told(said, Some(sql)).at_byte(position);
    if is_lost(error) { found.of_kind(ErrorKind::WarehouseLost) } else { found }
}

/// Converts the server's character position, counted from 1, to a byte offset; `None` if it lies
/// beyond the text.
fn byte_of(sql: &str, position: u32) -> Option<usize> {
    let before = usize::try_from(position).ok()?.checked_sub(1)?;
    sql.char_indices().map(|(byte, _)| byte).chain([sql.len()]).nth(before)
}

/// Converts an error that the server sent outside of a statement, such as while connecting.
pub(super) fn server_error(said: &DbError) -> Error {
    told(said, None)
}

/// Maps an error of the server to a kind, a message and a hint by its SQLSTATE. `sql` is the
/// statement's text, if there is one. The order of the arms matters: exact codes come before
/// classes. If no other cause is known, the SQLSTATE becomes the cause.
fn told(said: &DbError, sql: Option<&str>) -> Error {
    let code = said.code().code();
    let words = match sql {
        Some(sql) => about_names(said.message(), sql),
        None => one_line(said.message()),
    };
    let name = |part: Option<&str>| part.map(|part| format!(" `{part}`")).unwrap_or_default();
    let error = match (&code[..2.min(code.len())], code) {
        // A function's RAISE may use any code, and its text may hold cells.
        _ if said.routine() == Some("exec_stmt_raise") => {
            Error::new(ErrorKind::Sql, "a function of the database raised an error of its own")
        }
        (_, "57014") => Error::new(ErrorKind::Cancelled, "the statement was cancelled"),
        (_, "55P03") => Error::new(ErrorKind::TimedOut, "another session holds a lock that the statement needs"),
        (_, "42501") => Error::new(ErrorKind::Sql, words)
            .hint("The role of the URL lacks a privilege; `postgres.md` in the reference lists those that it needs."),
        (_, "53100" | "58030") => Error::new(ErrorKind::Resources, "the warehouse's disk is full, or fails"),
        // A limit on the size of a file has no code of its own; the server's routine tells it.
        _ if said.routine() == Some("mdextend") => {
            Error::new(ErrorKind::Resources, "the warehouse's disk has no room for a larger file")
        }
        (_, "53200") => Error::new(ErrorKind::Resources, "the warehouse ran out of memory"),
        (_, "53300") => no_connection(&words),
        (_, "28P01") => unreachable("the server does not accept the password"),
        (_, "28000") => unreachable("the server does not let this user in").caused_by(words),
        (_, "3D000") => unreachable("the server has no such database")
            .caused_by(words)
            .hint("Is it spelled as in `\\l` of psql? Somebody who may makes it with `create database`."),
        (_, "25006") => unwritable(said),
        // A row of a table. The server's message holds the limit and no data.
        (_, "54000") if words.starts_with("row is too big") => {
            Error::new(ErrorKind::Data, "a row is larger than PostgreSQL can hold").caused_by(words).hint(
                "Beside long texts, which it keeps elsewhere, a row has 8,160 bytes: about a thousand numbers, or 450 long texts. Load fewer columns with `columns:` or `exclude_columns:`.",
            )
        }
        // A value of an index, such as that of a key.
        (_, "54000") if words.starts_with("index row") => {
            Error::new(ErrorKind::Data, "a value is too long for the index of its key").caused_by("SQLSTATE 54000").hint(
                "PostgreSQL takes keys of some 2,700 bytes. Give the stream a shorter `key`, or none.",
            )
        }
        (_, "54011") => Error::new(ErrorKind::Data, "a table has more columns than PostgreSQL can hold")
            .caused_by(words)
            .hint("It holds 1,600. Load fewer with `columns:` or `exclude_columns:`."),
        (_, "22021" | "22P05") => uncharted(said),
        (_, "2BP01") => {
            let error = Error::new(ErrorKind::Sql, words);
            // This is the only DETAIL that holds nothing but names.
            said.detail().into_iter().flat_map(str::lines).take(8).fold(error, Error::caused_by)
        }
        (_, "P0001") => Error::new(ErrorKind::Sql, "a function of the database raised an error of its own"),
        ("42" | "0A" | "3F" | "54" | "2F" | "0L" | "26" | "34", _) => {
            let error = Error::new(ErrorKind::Sql, words);
            // A hint for an error that occurred while rows were read may quote one of them.
            let placed = matches!(said.position(), Some(ErrorPosition::Original(_)));
            let hint = said.hint().filter(|_| sql.is_none() || placed);
            hint.into_iter().fold(error, |error, hint| error.hint(sentence(hint)))
        }
        ("22", _) => Error::new(
            ErrorKind::Data,
            match copied(said).column {
                Some(column) => format!("column `{column}`: {}", data_error(code)),
                None => data_error(code).to_owned(),
            },
        ),
        ("21", _) => Error::new(ErrorKind::Data, "a subquery that is used as a value has more than one row"),
        ("23", _) => {
            let what = match code {
                "23502" => format!("a value of column{} is NULL, where none may be", name(said.column())),
                "23503" => format!("a row breaks the foreign key{}", name(said.constraint())),
                "23505" => format!("two rows have the same key{}", name(said.constraint())),
                "23514" => format!("a row breaks the check{}", name(said.constraint())),
                _ => format!("a row breaks the constraint{}", name(said.constraint())),
            };
            let table = said.table().map(|table| format!(" of table `{table}`")).unwrap_or_default();
            Error::new(ErrorKind::Data, format!("{what}{table}"))
        }
        ("40", _) => Error::new(ErrorKind::TimedOut, "other transactions were in the way, again and again")
            .caused_by(words),
        ("08" | "57", _) => unreachable("the server ended the connection").caused_by(words),
        ("53", _) => Error::new(ErrorKind::Resources, "the server lacks resources").caused_by(words),
        ("28", _) => unreachable("the server does not let this user in").caused_by(words),
        _ if is_waking(said) => unreachable("the server is not awake").caused_by(words),
        _ => Error::new(ErrorKind::Internal, "the server failed"),
    };
    if error.causes().is_empty() { error.caused_by(format!("SQLSTATE {code}")) } else { error }
}

/// Tells which limit on connections was reached: that of the server, of the database or of the
/// role. All three have the same SQLSTATE.
fn no_connection(words: &str) -> Error {
    let (message, hint) = if words.starts_with("too many connections for role") {
        (
            "the role has no free connection",
            "Raise its limit, `alter role NAME connection limit N`, or lower `connections` of the environment.",
        )
    } else if words.starts_with("too many connections for database") {
        (
            "the database has no free connection",
            "Raise its limit, `alter database NAME connection limit N`, or lower `connections` of the environment.",
        )
    } else {
        (
            "the server has no free connection",
            "Raise its `max_connections`, or lower `connections` of the environment.",
        )
    };
    unreachable(message).caused_by(words).hint(hint)
}

/// Makes the error of a write that was refused: the server is a standby, or the session is read
/// only (`default_transaction_read_only`).
fn unwritable(said: &DbError) -> Error {
    if said.message().contains("recovery") {
        return unreachable("the server is a standby, which takes no changes")
            .hint("Name the primary, or all servers with `target_session_attrs=read-write`.");
    }
    Error::new(ErrorKind::Sql, "the statement would write, where only reading is allowed").hint(
        "If the whole server or the role is set to read only (`default_transaction_read_only`), somebody has to let it write again.",
    )
}

/// Makes the error of a text with a character that the database's encoding does not have.
fn uncharted(said: &DbError) -> Error {
    let what = "a text with a character that the encoding of the database does not have";
    let message = match copied(said).column {
        Some(column) => format!("column `{column}` has {what}"),
        None => format!("there is {what}"),
    };
    Error::new(ErrorKind::Data, message).hint(
        "Make the database in UTF8: `create database NAME encoding 'UTF8' template template0`. `millrace doctor` says which encoding it has.",
    )
}

/// The position in a COPY that the server reports.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Copied {
    /// The row of the COPY, counted from 1. For an error that concerns a row as a whole it may be a
    /// later row.
    pub(super) row: Option<u64>,
    /// The column, if the error concerns one value.
    pub(super) column: Option<String>,
}

/// Reads the position from a context such as `COPY t, line 5, column v`. With the binary format the
/// context holds no value.
pub(super) fn copied(said: &DbError) -> Copied {
    said.where_().map(copied_at).unwrap_or_default()
}

/// The same from the text of the context.
fn copied_at(context: &str) -> Copied {
    let line = context.lines().find(|line| line.starts_with("COPY ")).unwrap_or_default();
    let Some((_, place)) = line.rsplit_once(", line ") else { return Copied::default() };
    let (row, column) = match place.split_once(", column ") {
        Some((row, column)) => (row, Some(column.to_owned())),
        None => (place, None),
    };
    Copied { row: row.parse().ok(), column }
}

/// Returns the server's message if all names that it quotes occur in the statement; otherwise cuts
/// it before the first quotation mark.
///
/// The statement may have been running, even if the server gives a position in it. A quoted name
/// may then be a cell that was used as a name (`name::regclass`, `path::jsonpath`,
/// `query_to_xml(text)`).
fn about_names(message: &str, sql: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let (Some(from), Some(to)) = (line.find('"'), line.rfind('"')) else { return one_line(line) };
    let quoted = line.get(from + 1..to).unwrap_or_default();
    // The form `column "a" of relation "b"`: two names, with fixed words of the server between
    // them.
    let names = match quoted.split('"').collect::<Vec<_>>()[..] {
        [one] => vec![one],
        [one, " of relation " | " on table " | " on relation " | " for table " | " for relation ", other] => {
            vec![one, other]
        }
        _ => Vec::new(),
    };
    let lower = sql.to_lowercase();
    let is_ours = |name: &&str| !name.is_empty() && lower.contains(&name.to_lowercase());
    if !names.is_empty() && names.iter().all(is_ours) && !message.trim_end().contains('\n') {
        return one_line(line);
    }
    one_line(&format!("{}…", line[..from].trim_end()))
}

/// Our own texts for the codes of class 22, because the server's texts quote the value.
fn data_error(code: &str) -> &'static str {
    match code {
        "22001" => "a text is longer than its type allows",
        "22003" => "a number is out of the range of its type",
        "22007" => "a text does not read as the date or time that it is cast to",
        "22008" => "a date or time is out of range",
        "22012" => "division by zero",
        "22023" => "a function was given a value that it does not take",
        "22030" | "22032" | "22P06" => "a text is not the JSON that it is taken for",
        "22P02" => "a text does not read as the type that it is cast to",
        "22P03" => "the server did not understand the rows that were sent",
        "2201E" | "2201F" => "a logarithm or power is not defined for a value",
        "2201W" | "2201X" => "a LIMIT or OFFSET is negative",
        "2202E" | "2203F" => "a position is outside of an array, or a value is no scalar",
        "22011" => "a substring has a negative length",
        "2201B" => "a regular expression is not valid",
        _ => "a value does not fit where the SQL puts it",
    }
}

/// The first line of a message in the form of our own messages: no final period, backticks for
/// quotes.
fn one_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().trim().trim_end_matches('.').replace('"', "`")
}

/// A hint of the server in the form of our own hints.
fn sentence(hint: &str) -> String {
    hint.trim().replace('"', "`")
}

fn unreachable(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::WarehouseUnreachable, message)
}

/// Converts an error that the driver raised itself, most often a broken connection.
fn client_error(error: &tokio_postgres::Error) -> Error {
    if is_lost(error) {
        let found = Error::new(ErrorKind::WarehouseLost, "the connection to the server was lost");
        return match error.source() {
            Some(source) => match source.downcast_ref::<io::Error>() {
                Some(io) => found.caused_by(reachability::words(io)),
                None => found.caused_by(source),
            },
            None => found,
        };
    }
    let text = error.to_string();
    if text.starts_with("error serializing parameter") {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        return Error::new(ErrorKind::Data, "a value cannot be given to PostgreSQL").caused_by(cause);
    }
    if text.starts_with("expected ") {
        return Error::new(
            ErrorKind::Internal,
            format!("a statement has the wrong number of values: {text}"),
        );
    }
    Error::new(ErrorKind::Internal, format!("the driver failed: {text}"))
}

/// Whether the error means that the connection can no longer be used.
pub(super) fn is_lost(error: &tokio_postgres::Error) -> bool {
    if let Some(said) = error.as_db_error() {
        return matches!(
            said.code().code(),
            "57P01" | "57P02" | "57P03" | "57P05" | "08003" | "08006" | "08P01"
        ) || (said.code() == &SqlState::INTERNAL_ERROR && is_waking(said));
    }
    error.is_closed() || io_kind(error).is_some()
}

/// The kind of the I/O error below an error of the driver, if there is one.
fn io_kind(error: &tokio_postgres::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(found) = source {
        if let Some(io) = found.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        source = found.source();
    }
    None
}

/// Whether a message says that a cloud is still waking the server. Neon and PgBouncer have no codes
/// of their own for this, so the texts are matched.
fn is_waking(said: &DbError) -> bool {
    const TEXTS: [&str; 5] = [
        "Couldn't connect to compute node",
        "Control plane request failed",
        "endpoint is idle",
        "query_wait_timeout",
        "server login has been failing",
    ];
    TEXTS.iter().any(|text| said.message().contains(text))
}

/// Whether a failed connection attempt is worth a retry, and for how long.
pub(super) fn again(error: &tokio_postgres::Error) -> Again {
    if let Some(said) = error.as_db_error() {
        let waking = matches!(
            said.code().code(),
            "08000" | "08001" | "08003" | "08004" | "08006" | "57P01" | "57P02" | "57P03" | "53300"
        );
        // A pooler uses 08P01 for many errors, which only its texts tell apart.
        return if waking || is_waking(said) { Again::Later } else { Again::No };
    }
    if error.is_closed() {
        return Again::Later;
    }
    match io_kind(error) {
        Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => {
            Again::Later
        }
        Some(io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => Again::Soon,
        _ => Again::No,
    }
}

/// Whether the whole transaction may be repeated: it lost against another transaction, or two
/// transactions created the same object at the same moment.
pub(super) fn is_conflict(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|said| match said.code().code() {
        // 42P05 and 26000 are about the name of a statement that another client left in a pooler's
        // connection.
        "40001" | "40P01" | "42P05" | "26000" => true,
        // Two sessions ran the same `create … if not exists` at once.
        "23505" => said.schema() == Some("pg_catalog"),
        "XX000" => said.message().contains("concurrently updated"),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_a_copy() {
        let at = |row, column: Option<&str>| Copied { row, column: column.map(str::to_owned) };
        assert_eq!(copied_at("COPY s__t__r1, line 5, column v"), at(Some(5), Some("v")));
        assert_eq!(copied_at("COPY s__t__r1, line 17"), at(Some(17), None));
        assert_eq!(copied_at("COPY a, line 1, b, line 2, column c, d"), at(Some(2), Some("c, d")));
        assert_eq!(copied_at("SQL function \"f\" statement 1"), Copied::default());
        assert_eq!(copied_at("COPY t, line 2: \"a value\""), at(None, None), "text, not binary");
    }

    #[test]
    fn positions_are_bytes() {
        assert_eq!(byte_of("select 'é', x", 13), Some(13));
        assert_eq!(byte_of("select 'é', x", 1), Some(0));
        assert_eq!(byte_of("ab", 3), Some(2));
        assert_eq!(byte_of("ab", 4), None);
        assert_eq!(byte_of("ab", 0), None);
    }
}

//! Converts errors of DuckDB to [`Error`]s.
//!
//! With `errors_as_json` a message is JSON behind a prefix such as `Binder Error: `, and has the
//! byte position in the statement. The class of the error decides on its kind. Cell values must not
//! reach a message, so the engine's text is passed on only if it can hold nothing but the
//! statement's own text; for errors about data this module has texts of its own.

use duckdb::Error as DuckdbError;
use millrace_core::suggest::did_you_mean;
use millrace_engine::error::{Error, ErrorKind};
use serde_json::Value as Json;

/// The parts of an error of DuckDB.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// The class: `Binder`, `Catalog`, `Parser`, `Conversion`, …
    pub(super) class: String,
    /// The first line of the message.
    pub(super) message: String,
    /// The name that was not found.
    pub(super) name: Option<String>,
    /// Names that DuckDB offers instead.
    pub(super) candidates: Vec<String>,
    /// Byte offset in the statement.
    pub(super) position: Option<usize>,
}

/// The message while the engine refuses all work after an error.
pub(super) const CLOSED: &str = "DuckDB has closed the file after an error; it is opened anew, as it was last committed, once nobody uses it";

/// Takes an error apart. A text without JSON gives only the class and the message.
pub(super) fn said(error: &DuckdbError) -> Said {
    let text = match error {
        DuckdbError::DuckDBFailure(_, Some(text)) => text.clone(),
        other => other.to_string(),
    };
    let (prefix, rest) = text.split_once(" Error: ").unwrap_or(("", &text));
    let json: Option<Json> = rest.find('{').and_then(|at| serde_json::from_str(&rest[at..]).ok());
    let field = |name: &str| Some(json.as_ref()?.get(name)?.as_str()?.to_owned());
    let message = field("exception_message").unwrap_or_else(|| rest.to_owned());
    let candidates = field("candidates").unwrap_or_default();
    Said {
        class: field("exception_type").unwrap_or_else(|| prefix.to_owned()),
        message: one_line(&message),
        name: field("name"),
        candidates: candidates
            .split(',')
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect(),
        position: field("position").and_then(|text| text.parse().ok()),
    }
}

/// The first line, without the lines that show the statement, in the form of our own messages: a
/// lower-case fragment without a final period.
fn one_line(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default().trim().trim_end_matches(['!', '.']);
    let mut chars = first.chars();
    match (chars.next(), chars.next()) {
        (Some(a), Some(b)) if a.is_uppercase() && b.is_lowercase() => {
            format!("{}{}", a.to_lowercase(), &first[a.len_utf8()..])
        }
        _ => first.to_owned(),
    }
}

/// Converts the error of a statement. Only for errors about the statement itself the engine's text
/// is passed on; errors about data quote cells, so they get our own texts.
pub(super) fn statement_error(error: &DuckdbError) -> Error {
    let said = said(error);
    let (kind, message) = match said.class.as_str() {
        _ if is_invalidated(error) => (ErrorKind::WarehouseUnreachable, CLOSED.to_owned()),
        // This can hit anything that touches the disk: a read, a commit, a checkpoint.
        _ if is_full(&said.message) => (ErrorKind::Resources, "the disk is full".to_owned()),
        // A parser knows nothing but the statement's text, so its message holds no data.
        "Parser" | "Syntax" | "Parameter Not Resolved" | "Parameter Not Allowed" => {
            (ErrorKind::Sql, said.message.clone())
        }
        "Binder" | "Catalog" | "Not implemented" => (ErrorKind::Sql, about_statement(&said)),
        "Conversion" => (ErrorKind::Data, not_converted(&said.message)),
        "Constraint" => (ErrorKind::Data, constraint(&said.message)),
        "Out of Range" => {
            (ErrorKind::Data, "a number, a date or a place is out of the range of its type".to_owned())
        }
        "Divide by Zero" => (ErrorKind::Data, "division by zero".to_owned()),
        "Invalid Input" => (ErrorKind::Data, invalid_input(&said.message).to_owned()),
        "Mismatch Type" | "Invalid type" | "Decimal" => {
            (ErrorKind::Data, "a value does not fit where the SQL puts it".to_owned())
        }
        "INTERRUPT" | "Interrupt" => (ErrorKind::TimedOut, "the query was interrupted".to_owned()),
        "Out of Memory" => (ErrorKind::Resources, "the warehouse ran out of memory".to_owned()),
        "IO" if said.message.contains("lock") => (ErrorKind::WarehouseLocked, said.message.clone()),
        "IO" => (ErrorKind::WarehouseUnreachable, said.message.clone()),
        // A commit reports a violated key like a statement does, but under another class.
        "TransactionContext" if said.message.to_lowercase().contains("constraint") => {
            (ErrorKind::Data, constraint(&said.message))
        }
        "" => {
            (ErrorKind::Internal, "the engine failed without saying of what kind the failure is".to_owned())
        }
        class => (ErrorKind::Internal, format!("the engine failed: {}", known_class(class))),
    };
    let error = Error::new(kind, message).at_byte(said.position);
    let candidates = said.candidates.iter().map(String::as_str);
    // The engine offers only the nearest few names, never all.
    match did_you_mean(said.name.as_deref().unwrap_or_default(), candidates, "there are, among others") {
        Some(hint) if kind == ErrorKind::Sql => error.hint(hint),
        _ => error,
    }
}

/// The engine's text about names and functions. If it has a position or a name, the error arose
/// while the statement was read, and the text is safe. Otherwise it may have arisen while the
/// statement ran (the path of a JSON function or the name of a sequence, from a column), and what
/// it quotes may be a cell. Then the text is cut before the first quotation mark.
fn about_statement(said: &Said) -> String {
    if said.position.is_some() || said.name.is_some() {
        return said.message.clone();
    }
    match said.message.find(['\'', '"', '`']) {
        Some(at) => format!("{}…", said.message[..at].trim_end()),
        None if said.message.starts_with("sequence with name") => "a sequence does not exist".to_owned(),
        None => said.message.clone(),
    }
}

/// Names of types in messages of conversions, without parameters.
const TYPES: &[&str] = &[
    "BIGINT",
    "BIT",
    "BLOB",
    "BOOL",
    "BOOLEAN",
    "DATE",
    "DECIMAL",
    "DOUBLE",
    "ENUM",
    "FLOAT",
    "HUGEINT",
    "INT",
    "INT128",
    "INT16",
    "INT32",
    "INT64",
    "INT8",
    "INTEGER",
    "INTERVAL",
    "JSON",
    "LIST",
    "MAP",
    "SMALLINT",
    "STRUCT",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMPTZ",
    "TIMESTAMP_MS",
    "TIMESTAMP_NS",
    "TIMESTAMP_S",
    "TINYINT",
    "UBIGINT",
    "UHUGEINT",
    "UINT128",
    "UINT16",
    "UINT32",
    "UINT64",
    "UINT8",
    "UINTEGER",
    "USMALLINT",
    "UTINYINT",
    "UUID",
    "VARCHAR",
];

/// Our text for a failed conversion. The engine's message ends with the type, behind the value. The
/// type is named only if it is in [`TYPES`], so that no part of a value can take its place.
fn not_converted(message: &str) -> String {
    let lower = message.to_lowercase();
    for (begin, wanted) in
        [("invalid date", "DATE"), ("invalid timestamp", "TIMESTAMP"), ("invalid time", "TIME")]
    {
        if lower.starts_with(begin) {
            return format!("a text cannot be converted to {wanted}");
        }
    }
    let word = message.rsplit(' ').next().unwrap_or_default().trim_end_matches(['!', '.', ':']);
    let base = word.split('(').next().unwrap_or_default();
    match TYPES.iter().find(|known| **known == base) {
        Some(known) => format!("a value cannot be converted to {known}"),
        None => "a value cannot be converted to the type that it is cast to".to_owned(),
    }
}

/// Our text for a violated constraint. Only the one for NOT NULL names the column, because only
/// that message ends with names alone.
fn constraint(message: &str) -> String {
    let lower = message.to_lowercase();
    let names = lower.strip_prefix("not null constraint failed: ").and_then(|_| message.rsplit_once(": "));
    match names {
        Some((_, column)) => format!("a value of column `{column}` is NULL, where none may be"),
        None if lower.contains("foreign key") => "a row breaks a foreign key".to_owned(),
        None if lower.contains("uplicate key") => "two rows have the same key".to_owned(),
        None if lower.starts_with("check constraint") => "a row breaks a check".to_owned(),
        None => "a row breaks a constraint".to_owned(),
    }
}

/// Our text for an argument that a function refused. The engine's message begins with what it is
/// about.
fn invalid_input(message: &str) -> &'static str {
    let begins = |words: &str| message.to_lowercase().starts_with(words);
    if begins("malformed json") {
        "a text is not the JSON that it is taken for"
    } else if begins("more than one row returned by a subquery") {
        "a subquery that is used as a value has more than one row"
    } else if begins("failed to cast") || begins("failed to parse") {
        "a text does not read as what the SQL takes it for"
    } else {
        "a function was given a value that it does not take"
    }
}

/// The class of an error if it is one of the engine's known classes, else a general phrase.
fn known_class(class: &str) -> &str {
    const KNOWN: &[&str] = &[
        "INTERNAL",
        "Internal",
        "FATAL",
        "Fatal",
        "Serialization",
        "TransactionContext",
        "Connection",
        "Network",
        "HTTP",
        "Extension",
        "Missing Extension",
        "Dependency",
        "Expression",
        "Executor",
        "Index",
        "Stat",
        "Settings",
        "Sequence",
        "Scheduler",
        "Planner",
        "Optimizer",
        "Null Pointer",
        "Permission",
        "Unknown Type",
        "Invalid Configuration",
        "Object Size",
        "Cast",
        "Autoload",
        "Error",
    ];
    KNOWN
        .iter()
        .find(|known| **known == class)
        .copied()
        .unwrap_or("a failure of a kind that it has no name for")
}

/// Whether the engine refuses all work, because an error, most likely of the disk, has left it
/// unsure about its file.
pub(super) fn is_invalidated(error: &DuckdbError) -> bool {
    said(error).message.contains("database has been invalidated")
}

/// Whether the message says that a disk, a quota or a file can take no more. The texts are those of
/// strerror(3).
fn is_full(message: &str) -> bool {
    ["No space left on device", "File too large", "Disk quota exceeded"]
        .iter()
        .any(|words| message.contains(words))
}

/// Converts an error from opening a file. If another process holds the file, the message names the
/// process, and the program if the operating system tells it.
pub(super) fn open_error(path: &std::path::Path, error: &DuckdbError) -> Error {
    let said = said(error);
    let shown = path.display();
    if said.message.contains("lock") {
        // The engine writes "Conflicting lock is held in /usr/bin/duckdb (PID 4711)", without the
        // program if the system does not tell it.
        let text = error.to_string();
        let (before, after) = text.split_once("(PID ").unwrap_or_default();
        let program = before.rsplit_once(" held in ").map(|(_, path)| path.trim()).unwrap_or_default();
        let program = program.rsplit('/').next().filter(|name| !name.is_empty());
        let program = program.map(|name| format!(" (`{name}`)")).unwrap_or_default();
        let message = match after.split_once(')') {
            Some((pid, _)) => format!("the DuckDB file `{shown}` is held by process {pid}{program}"),
            None => format!("the DuckDB file `{shown}` is held by another process"),
        };
        return Error::new(ErrorKind::WarehouseLocked, message);
    }
    Error::new(ErrorKind::WarehouseUnreachable, format!("the DuckDB file `{shown}` cannot be opened"))
        .caused_by(said.message)
        .hint("If it is no DuckDB file, or of another version, move it away: a run makes it anew.")
}

#[cfg(test)]
mod tests {
    use duckdb::Connection;

    use super::*;

    #[test]
    fn errors_keep_places_and_hide_cells() {
        let connection = Connection::open_in_memory().expect("memory");
        connection.execute_batch("set errors_as_json = true; create table t(client_id int)").expect("set up");
        let failure = |sql: &str| {
            let error = connection.execute_batch(sql).expect_err("it fails");
            let error = statement_error(&error);
            (error.kind(), error.message().to_owned(), error.position())
        };
        let (kind, message, position) = failure("select 'é', client from t");
        assert_eq!((kind, position), (ErrorKind::Sql, Some(13)));
        assert!(message.contains("client"), "{message}");
        let full = duckdb::Error::DuckDBFailure(
            duckdb::ffi::Error::new(1),
            Some("TransactionContext Error: Failed to commit: Could not write file \"w.wal\": No space left on device".into()),
        );
        assert_eq!(statement_error(&full).kind(), ErrorKind::Resources);
        let (kind, message, _) = failure("select cast('secret' as integer)");
        assert_eq!(kind, ErrorKind::Data);
        assert!(!message.contains("secret"), "{message}");
    }
}

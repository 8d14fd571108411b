//! What DuckDB says when something fails, as an [`Error`].
//!
//! With `errors_as_json` its messages are JSON behind a prefix such as `Binder Error: `, with the byte of the statement.

use duckdb::Error as DuckdbError;
use millrace_core::suggest::did_you_mean;
use millrace_engine::error::{Error, ErrorKind};
use serde_json::Value as Json;

/// What DuckDB said, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    /// `Binder`, `Catalog`, `Parser`, `Conversion`, …
    pub(super) class: String,
    /// One line.
    pub(super) message: String,
    /// The name that it did not find.
    pub(super) name: Option<String>,
    /// Names that it offers instead.
    pub(super) candidates: Vec<String>,
    /// Byte of the statement.
    pub(super) position: Option<usize>,
}

/// What is said where the engine has closed its file.
pub(super) const CLOSED: &str = "DuckDB has closed the file after an error; it is opened anew, as it was last committed, once nobody uses it";

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

/// The first line, without the lines that draw the statement; a lower-case fragment as our own messages are.
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

/// An error of a statement. A message about data may quote a cell's value, so only its kind is passed on.
pub(super) fn statement_error(error: &DuckdbError) -> Error {
    let said = said(error);
    let (kind, message) = match said.class.as_str() {
        _ if is_invalidated(error) => (ErrorKind::WarehouseUnreachable, CLOSED.to_owned()),
        // Whatever was under way when the system said so: a read, a commit, a checkpoint.
        _ if is_full(&said.message) => (ErrorKind::Resources, "the disk is full".to_owned()),
        "Binder" | "Catalog" | "Parser" | "Syntax" | "Parameter Not Resolved" | "Parameter Not Allowed" => {
            (ErrorKind::Sql, said.message.clone())
        }
        "Not implemented" => (ErrorKind::Sql, said.message.clone()),
        "Conversion" | "Out of Range" | "Invalid Input" | "Constraint" | "Mismatch Type" | "Invalid type"
        | "Decimal" | "Divide by Zero" => (
            ErrorKind::Data,
            format!("{} error: {}", said.class.to_lowercase(), without_values(&said.message)),
        ),
        "INTERRUPT" | "Interrupt" => (ErrorKind::TimedOut, "the query was interrupted".to_owned()),
        "Out of Memory" => (ErrorKind::Resources, "the warehouse ran out of memory".to_owned()),
        "IO" if said.message.contains("lock") => (ErrorKind::WarehouseLocked, said.message.clone()),
        "IO" => (ErrorKind::WarehouseUnreachable, said.message.clone()),
        "" => (ErrorKind::Internal, said.message.clone()),
        class => (
            ErrorKind::Internal,
            format!("{} error: {}", class.to_lowercase(), without_values(&said.message)),
        ),
    };
    let error = Error::new(kind, message).at_byte(said.position);
    let candidates = said.candidates.iter().map(String::as_str);
    match did_you_mean(said.name.as_deref().unwrap_or_default(), candidates, "there are") {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Whether the engine refuses all work since an error, of the disk most likely, left it unsure of its file.
pub(super) fn is_invalidated(error: &DuckdbError) -> bool {
    said(error).message.contains("database has been invalidated")
}

/// The system's words for a disk, a quota or a file that takes no more (strerror(3)).
fn is_full(message: &str) -> bool {
    ["No space left on device", "File too large", "Disk quota exceeded"]
        .iter()
        .any(|words| message.contains(words))
}

/// The message with quoted texts taken out: they may be cells.
fn without_values(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for (i, part) in message.split(['\'', '"']).enumerate() {
        out.push_str(if i % 2 == 0 { part } else { "…" });
    }
    out
}

/// An error of opening a file.
pub(super) fn open_error(path: &std::path::Path, error: &DuckdbError) -> Error {
    let said = said(error);
    let shown = path.display();
    if said.message.contains("lock") {
        // "Conflicting lock is held in /usr/bin/duckdb (PID 4711)"; without the program where the system does not tell it.
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

//! Rows that were set aside, in the warehouse's state.

use millrace_core::digest::sha256;
use millrace_core::name::StreamName;
use millrace_core::quarantine::QuarantinedRow;
use millrace_core::value::Value;

use crate::state::Tables;
use crate::warehouse::Statement;

/// Rows of one statement.
const CHUNK: usize = 50;

/// What is recorded with each row of a load.
pub(crate) struct About<'a> {
    pub(crate) stream: &'a StreamName,
    pub(crate) run: &'a str,
    /// In microseconds since 1970 UTC.
    pub(crate) now: i64,
    /// Whether the row's text is not kept: the project excludes columns, which may be in it.
    pub(crate) hide_raw: bool,
}

/// The statements that remove what a load replaces: all of the stream or, where the load is merged with earlier ones, the same rows.
pub(crate) fn replaced(
    stream: &StreamName,
    tables: &Tables,
    rows: &[QuarantinedRow],
    merges: bool,
) -> Vec<Statement> {
    let table = tables.table("quarantine");
    let name = || [Value::text(&stream.source), Value::text(&stream.stream)];
    let of_stream = format!("delete from {table} where source = $1 and stream = $2");
    if !merges {
        return vec![Statement::with(of_stream, name())];
    }
    let same = |rows: &[QuarantinedRow]| {
        let places: Vec<String> =
            (0..rows.len()).map(|row| format!("(${}, ${})", row * 2 + 3, row * 2 + 4)).collect();
        let sql = format!("{of_stream} and (file, raw_sha256) in ({})", places.join(", "));
        let rows = rows.iter().flat_map(|row| [Value::text(&row.file), Value::text(sha256(&row.raw))]);
        Statement::with(sql, name().into_iter().chain(rows))
    };
    rows.chunks(CHUNK).map(same).collect()
}

/// The statement that removes what a load in parts replaces: all of the stream but what those runs have put there.
pub(crate) fn replaced_but(stream: &StreamName, tables: &Tables, runs: &[String]) -> Statement {
    let places: Vec<String> = (0..runs.len()).map(|run| format!("${}", run + 3)).collect();
    let sql = format!(
        "delete from {} where source = $1 and stream = $2 and run not in ({})",
        tables.table("quarantine"),
        places.join(", ")
    );
    let name = [Value::text(&stream.source), Value::text(&stream.stream)];
    Statement::with(sql, name.into_iter().chain(runs.iter().map(Value::text)))
}

/// The statements that record rows.
pub(crate) fn inserted(about: &About<'_>, tables: &Tables, rows: &[QuarantinedRow]) -> Vec<Statement> {
    const COLUMNS: usize = 11;
    let insert = |rows: &[QuarantinedRow]| {
        let places = (0..rows.len()).map(|row| {
            let numbers: Vec<_> = (1..=COLUMNS).map(|i| format!("${}", row * COLUMNS + i)).collect();
            format!("({})", numbers.join(", "))
        });
        let sql = format!(
            "insert into {} (source, stream, run, quarantined_at, file, line, column_name, code, reason, raw, raw_sha256) values {}",
            tables.table("quarantine"),
            places.collect::<Vec<_>>().join(", ")
        );
        let values = rows.iter().flat_map(|row| {
            [
                Value::text(&about.stream.source),
                Value::text(&about.stream.stream),
                Value::text(about.run),
                Value::TimestampTz(about.now),
                Value::text(&row.file),
                Value::Int(i128::from(row.line)),
                row.column.as_ref().map_or(Value::Null, Value::text),
                Value::text(row.code.as_str()),
                Value::text(&row.reason),
                if about.hide_raw { Value::Null } else { Value::Text(row.raw.replace('\0', "\u{fffd}")) },
                Value::text(sha256(&row.raw)),
            ]
        });
        Statement::with(sql, values)
    };
    rows.chunks(CHUNK).map(insert).collect()
}

//! The table of quarantined rows. It holds what is wrong at present: a row leaves it when it loads,
//! or when the place that it came from is read again.
//!
//! All functions return statements, which run in the transaction of the load.

use millrace_core::cursor::{Cursor, FileState};
use millrace_core::name::StreamName;
use millrace_core::value::Value;
use serde_json::Value as Json;

use crate::error::Result;
use crate::ports::warehouse::Statement;
use crate::state::Tables;
use crate::state::quarantine_buffer::{BufferedRow, BufferedRows, QuarantineBuffer};

/// Rows that one statement inserts at most.
const ROWS: usize = 500;

/// Values that one statement compares with at most.
const VALUES: usize = 200;

/// How long the text of a row is kept, in microseconds: 30 days. Its place and reason stay as long
/// as the row is wrong.
const TEXT_KEPT: i64 = 30 * 24 * 60 * 60 * 1_000_000;

/// What is recorded with each row of a load, beside the row.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) stream: StreamName,
    pub(crate) run: String,
    /// Time of the load, in microseconds since 1970 UTC.
    pub(crate) now: i64,
    pub(crate) tables: Tables,
}

/// The statement that removes all rows of a stream.
pub(crate) fn replaced(stream: &StreamName, tables: &Tables) -> Statement {
    let sql = format!("delete from {} where source = $1 and stream = $2", tables.table("quarantine"));
    Statement::with(sql, stream.params())
}

/// The statement that removes what a load in parts replaces: all rows of the stream except those
/// that the given runs, which loaded the earlier parts, have put there.
pub(crate) fn replaced_but(stream: &StreamName, tables: &Tables, runs: &[String]) -> Statement {
    let places: Vec<String> = (0..runs.len()).map(|run| format!("${}", run + 3)).collect();
    let sql = format!(
        "delete from {} where source = $1 and stream = $2 and run not in ({})",
        tables.table("quarantine"),
        places.join(", ")
    );
    Statement::with(sql, stream.params().into_iter().chain(runs.iter().map(Value::text)))
}

/// The statements that remove rows of a stream whose `column` has one of the values, in chunks of
/// [`VALUES`].
fn removed(stream: &StreamName, tables: &Tables, column: &str, values: &[&str]) -> Vec<Statement> {
    let of_chunk = |values: &[&str]| {
        let places: Vec<String> = (0..values.len()).map(|at| format!("${}", at + 3)).collect();
        let sql = format!(
            "delete from {} where source = $1 and stream = $2 and {column} in ({})",
            tables.table("quarantine"),
            places.join(", ")
        );
        Statement::with(
            sql,
            stream.params().into_iter().chain(values.iter().map(|value| Value::text(*value))),
        )
    };
    values.chunks(VALUES).map(of_chunk).collect()
}

/// The statements that remove rows whose key was loaded or quarantined since. `keys` are digests.
pub(crate) fn resolved(stream: &StreamName, tables: &Tables, keys: &[&str]) -> Vec<Statement> {
    removed(stream, tables, "key_sha256", keys)
}

/// The statements that remove rows of files that the load has read again because they had changed
/// or are unknown. A row that the warehouse quarantined has the stream's name in place of a file;
/// it is removed if all files were read.
pub(crate) fn read_again(
    stream: &StreamName,
    tables: &Tables,
    before: Option<&Cursor>,
    after: Option<&Cursor>,
    merges: bool,
) -> Vec<Statement> {
    let files = |cursor: Option<&Cursor>| match cursor {
        Some(Cursor::Files { files, .. }) => files.clone(),
        _ => Vec::new(),
    };
    let known = files(before);
    let is_known = |file: &FileState| known.iter().any(|known| known.is_same(file));
    let now = files(after);
    let mut read: Vec<&str> =
        now.iter().filter(|file| !is_known(file)).map(|file| file.path.as_str()).collect();
    let name = stream.to_string();
    // A merging load reads all files from the first changed one on, so if that is the first of all,
    // everything was read.
    let from_the_first = now.first().is_some_and(|file| !is_known(file));
    if from_the_first && (merges || read.len() == now.len()) {
        read.push(&name);
    }
    removed(stream, tables, "file", &read)
}

/// The statement that deletes the texts of rows quarantined more than [`TEXT_KEPT`] before `now`
/// (microseconds since 1970 UTC).
pub(crate) fn without_old_texts(tables: &Tables, now: i64) -> Statement {
    let sql = format!(
        "update {} set raw = null where raw is not null and quarantined_at < $1",
        tables.table("quarantine")
    );
    Statement::with(sql, [Value::TimestampTz(now - TEXT_KEPT)])
}

/// The statements that insert the buffered rows. With `replaces`, equal rows (same file and text)
/// of earlier loads are removed, including those of this run.
pub(crate) fn recorded(about: About, buffer: QuarantineBuffer, replaces: bool) -> Result<Recording> {
    let replaces = replaces && buffer.len() > 0;
    Ok(Recording { about, rows: buffer.into_rows()?, replaces, pass: Pass::Insert })
}

/// The next kind of statement. Rows that replace others are inserted under a temporary run name
/// until the others are removed. Old and new rows can so be told apart in a single statement,
/// however many they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Insert,
    Remove,
    Rename,
    Done,
}

/// The iterator of these statements. It creates them one by one, because all rows together may not
/// fit into memory.
#[derive(Debug)]
pub(crate) struct Recording {
    about: About,
    rows: BufferedRows,
    replaces: bool,
    pass: Pass,
}

impl Recording {
    /// The next statement, or `None` at the end. An empty insert moves on to the next pass.
    fn step(&mut self) -> Result<Option<Statement>> {
        if self.pass == Pass::Insert {
            let rows = self.rows.next(ROWS)?;
            if !rows.is_empty() {
                return Ok(Some(self.insertion(&rows)));
            }
            self.pass = if self.replaces { Pass::Remove } else { Pass::Done };
        }
        Ok(match self.pass {
            Pass::Remove => {
                self.pass = Pass::Rename;
                Some(self.removal())
            }
            Pass::Rename => {
                self.pass = Pass::Done;
                Some(self.renaming())
            }
            Pass::Insert | Pass::Done => None,
        })
    }

    /// The run name of inserted rows until the transaction's end. The suffix makes it differ from
    /// every id of a run.
    fn for_now(&self) -> String {
        if self.replaces { format!("{} (new)", self.about.run) } else { self.about.run.clone() }
    }

    /// Deletes earlier rows with the same file and text as the inserted ones.
    fn removal(&self) -> Statement {
        let table = self.about.tables.table("quarantine");
        let sql = format!(
            "delete from {table} where source = $1 and stream = $2 and run <> $3 and (file, raw_sha256) in \
             (select file, raw_sha256 from {table} where source = $1 and stream = $2 and run = $3)"
        );
        Statement::with(sql, self.about.stream.params().into_iter().chain([Value::Text(self.for_now())]))
    }

    /// Gives the inserted rows the id of their run.
    fn renaming(&self) -> Statement {
        let table = self.about.tables.table("quarantine");
        let sql = format!("update {table} set run = $4 where source = $1 and stream = $2 and run = $3");
        let runs = [Value::Text(self.for_now()), Value::text(&self.about.run)];
        Statement::with(sql, self.about.stream.params().into_iter().chain(runs))
    }

    /// Inserts rows that travel as JSON in a single parameter. With one parameter per cell,
    /// planning the statement would take longer than writing the rows.
    fn insertion(&self, rows: &[BufferedRow]) -> Statement {
        let About { stream, now, tables, .. } = &self.about;
        let sql = format!(
            "insert into {} (source, stream, run, quarantined_at, file, line, column_name, code, reason, raw, raw_sha256, key_sha256) \
             select cast($1 as varchar), cast($2 as varchar), cast($3 as varchar), cast($4 as timestamptz), value->>'file', cast(value->>'line' as bigint), value->>'column', value->>'code', value->>'reason', \
             value->>'raw', value->>'raw_sha256', value->>'key_sha256' from json_each(cast(cast($5 as varchar) as json))",
            tables.table("quarantine")
        );
        let entry = |(at, row): (usize, &BufferedRow)| (at.to_string(), cells(row));
        let rows: serde_json::Map<String, Json> = rows.iter().enumerate().map(entry).collect();
        let values = [
            Value::Text(self.for_now()),
            Value::TimestampTz(*now),
            Value::Text(Json::Object(rows).to_string()),
        ];
        Statement::with(sql, stream.params().into_iter().chain(values))
    }
}

/// A row as a JSON object without absent values. U+0000 is replaced, because not every warehouse
/// can store it in a text.
fn cells(row: &BufferedRow) -> Json {
    let texts = [
        ("file", Some(&row.file)),
        ("column", row.column.as_ref()),
        ("reason", Some(&row.reason)),
        ("raw", row.raw.as_ref()),
        ("raw_sha256", Some(&row.raw_sha256)),
        ("key_sha256", row.key_sha256.as_ref()),
    ];
    let texts =
        texts.into_iter().filter_map(|(name, text)| Some((name, text?.replace('\0', "\u{fffd}").into())));
    let others = [("line", row.line.into()), ("code", row.code.as_str().into())];
    texts.chain(others).map(|(name, value): (_, Json)| (name.to_owned(), value)).collect()
}

impl Iterator for Recording {
    type Item = Result<Statement>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

#[cfg(test)]
mod tests {
    use millrace_core::quarantine::{QuarantineCode, QuarantinedRow};

    use super::*;

    #[test]
    fn rows_that_replace_others_take_two_statements_more_however_many_they_are() {
        for (rows, replaces, expected) in
            [(0, true, 0), (1, false, 1), (1, true, 3), (5_000, false, 10), (5_000, true, 12)]
        {
            let mut buffer = QuarantineBuffer::default();
            for line in 0..rows {
                let row = QuarantinedRow {
                    file: "a.csv".into(),
                    line,
                    column: None,
                    code: QuarantineCode::WrongType,
                    reason: String::new(),
                    raw: line.to_string(),
                };
                buffer.push(&BufferedRow::of(&row, false, None), &row).expect("room");
            }
            let tables = Tables::in_schema("state");
            let about = About { stream: StreamName::new("s", "t"), run: "r".into(), now: 0, tables };
            let made: Result<Vec<Statement>> = recorded(about, buffer, replaces).expect("rows").collect();
            let made = made.expect("statements");
            assert_eq!(made.len(), expected, "{rows} {replaces}");
            let renamed = made.last().filter(|_| replaces).map(|last| last.params.last().cloned());
            assert!(renamed.is_none_or(|run| run == Some(Value::text("r"))));
        }
    }
}

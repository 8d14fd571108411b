//! Rows that were set aside, in the warehouse's state: what is wrong now. A row of it ends when it loads, or when what it came from is read again.

use millrace_core::cursor::{Cursor, FileState};
use millrace_core::name::StreamName;
use millrace_core::value::Value;

use crate::aside::{Aside, AsideRow, AsideRows};
use crate::error::Result;
use crate::state::Tables;
use crate::warehouse::Statement;

/// Rows of one statement.
const CHUNK: usize = 50;

/// How long the text of a row is kept, in microseconds: 30 days. The row itself, its place and its reason stay as long as it is wrong.
const TEXT_KEPT: i64 = 30 * 24 * 60 * 60 * 1_000_000;

/// What is recorded with each row of a load.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) stream: StreamName,
    pub(crate) run: String,
    /// In microseconds since 1970 UTC.
    pub(crate) now: i64,
    pub(crate) tables: Tables,
}

fn name(stream: &StreamName) -> [Value; 2] {
    [Value::text(&stream.source), Value::text(&stream.stream)]
}

/// The statement that removes all rows of a stream.
pub(crate) fn replaced(stream: &StreamName, tables: &Tables) -> Statement {
    let sql = format!("delete from {} where source = $1 and stream = $2", tables.table("quarantine"));
    Statement::with(sql, name(stream))
}

/// The statement that removes what a load in parts replaces: all of the stream but what those runs have put there.
pub(crate) fn replaced_but(stream: &StreamName, tables: &Tables, runs: &[String]) -> Statement {
    let places: Vec<String> = (0..runs.len()).map(|run| format!("${}", run + 3)).collect();
    let sql = format!(
        "delete from {} where source = $1 and stream = $2 and run not in ({})",
        tables.table("quarantine"),
        places.join(", ")
    );
    Statement::with(sql, name(stream).into_iter().chain(runs.iter().map(Value::text)))
}

/// The statements that remove rows of a stream by what a column says of them.
fn removed(stream: &StreamName, tables: &Tables, column: &str, values: &[&str]) -> Vec<Statement> {
    let of_chunk = |values: &[&str]| {
        let places: Vec<String> = (0..values.len()).map(|at| format!("${}", at + 3)).collect();
        let sql = format!(
            "delete from {} where source = $1 and stream = $2 and {column} in ({})",
            tables.table("quarantine"),
            places.join(", ")
        );
        Statement::with(sql, name(stream).into_iter().chain(values.iter().map(|value| Value::text(*value))))
    };
    values.chunks(CHUNK * 4).map(of_chunk).collect()
}

/// The statements that remove rows whose key was loaded since, or set aside once more.
pub(crate) fn mended(stream: &StreamName, tables: &Tables, keys: &[&str]) -> Vec<Statement> {
    removed(stream, tables, "key_sha256", keys)
}

/// The statements that remove rows of files that a merged load has read again because they are others than they were.
pub(crate) fn read_again(
    stream: &StreamName,
    tables: &Tables,
    before: Option<&Cursor>,
    after: Option<&Cursor>,
) -> Vec<Statement> {
    let files = |cursor: Option<&Cursor>| match cursor {
        Some(Cursor::Files { files, .. }) => files.clone(),
        _ => Vec::new(),
    };
    let known = files(before);
    let is_known = |file: &FileState| known.iter().any(|known| known.is_same(file));
    let now = files(after);
    let read: Vec<&str> = now.iter().filter(|file| !is_known(file)).map(|file| file.path.as_str()).collect();
    removed(stream, tables, "file", &read)
}

/// The statement that forgets the texts of rows that were set aside long before `now` (microseconds of UTC).
pub(crate) fn without_old_texts(tables: &Tables, now: i64) -> Statement {
    let sql = format!(
        "update {} set raw = null where raw is not null and quarantined_at < $1",
        tables.table("quarantine")
    );
    Statement::with(sql, [Value::TimestampTz(now - TEXT_KEPT)])
}

/// The statements that record rows. `replaces`: the same rows may be there from an earlier load, and are removed first.
pub(crate) fn recorded(about: About, aside: Aside, replaces: bool) -> Result<Recording> {
    let pass = if replaces { Pass::Remove } else { Pass::Insert };
    Ok(Recording { about, rows: aside.into_rows()?, pass })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Remove,
    Insert,
    Done,
}

/// Makes those statements one by one.
#[derive(Debug)]
pub(crate) struct Recording {
    about: About,
    rows: AsideRows,
    pass: Pass,
}

impl Recording {
    fn step(&mut self) -> Result<Option<Statement>> {
        loop {
            let rows = match self.pass {
                Pass::Done => return Ok(None),
                Pass::Remove | Pass::Insert => self.rows.next(CHUNK)?,
            };
            if !rows.is_empty() {
                return Ok(Some(match self.pass {
                    Pass::Remove => self.removal(&rows),
                    _ => self.insertion(&rows),
                }));
            }
            self.pass = if self.pass == Pass::Remove { Pass::Insert } else { Pass::Done };
            self.rows.rewind()?;
        }
    }

    fn removal(&self, rows: &[AsideRow]) -> Statement {
        let places: Vec<String> =
            (0..rows.len()).map(|row| format!("(${}, ${})", row * 2 + 3, row * 2 + 4)).collect();
        let sql = format!(
            "delete from {} where source = $1 and stream = $2 and (file, raw_sha256) in ({})",
            self.about.tables.table("quarantine"),
            places.join(", ")
        );
        let rows = rows.iter().flat_map(|row| [Value::text(&row.file), Value::text(&row.raw_sha256)]);
        Statement::with(sql, name(&self.about.stream).into_iter().chain(rows))
    }

    fn insertion(&self, rows: &[AsideRow]) -> Statement {
        const COLUMNS: usize = 12;
        let places = (0..rows.len()).map(|row| {
            let numbers: Vec<_> = (1..=COLUMNS).map(|i| format!("${}", row * COLUMNS + i)).collect();
            format!("({})", numbers.join(", "))
        });
        let About { stream, run, now, tables } = &self.about;
        let sql = format!(
            "insert into {} (source, stream, run, quarantined_at, file, line, column_name, code, reason, raw, raw_sha256, key_sha256) \
             values {}",
            tables.table("quarantine"),
            places.collect::<Vec<_>>().join(", ")
        );
        let or_null = |text: &Option<String>| text.as_ref().map_or(Value::Null, Value::text);
        let values = rows.iter().flat_map(|row| {
            [
                Value::text(&stream.source),
                Value::text(&stream.stream),
                Value::text(run),
                Value::TimestampTz(*now),
                Value::text(&row.file),
                Value::Int(i128::from(row.line)),
                or_null(&row.column),
                Value::text(row.code.as_str()),
                Value::text(&row.reason),
                row.raw.as_ref().map_or(Value::Null, |raw| Value::Text(raw.replace('\0', "\u{fffd}"))),
                Value::text(&row.raw_sha256),
                or_null(&row.key_sha256),
            ]
        });
        Statement::with(sql, values)
    }
}

impl Iterator for Recording {
    type Item = Result<Statement>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

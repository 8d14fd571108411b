//! `millrace query`: runs one SELECT and prints the result as a table or as JSON.
//!
//! Bare names of published models and `source.stream` names are replaced by the relations that
//! readers see, so a query reads what was published and not a table in the making.

use std::io::Read as _;
use std::time::Duration;

use millrace_core::code::Code;
use millrace_core::diagnostic::Diagnostic;
use millrace_core::name::{Ident, Relation};
use millrace_core::sql::text;
use millrace_core::value::Value;
use millrace_core::visible::{fitting, visible};
use millrace_engine::ports::warehouse::{QueryLimits, Rows, Statement, Warehouse};
use millrace_engine::state::State;
use serde_json::{Value as Json, json};

use super::Outcome;
use crate::cli::Query;
use crate::failure::Failure;
use crate::workspace::Workspace;
use crate::{exit, terminal};

/// Runs the verb. `-` as the statement reads it from stdin. The timeout of the query is one hour.
pub(super) async fn query(args: &Query) -> Outcome {
    let workspace = Workspace::read(&args.place).await?;
    let warehouse = workspace.warehouse(args.patience.wait).await?;
    let mut sql = args.sql.clone();
    if sql == "-" {
        sql.clear();
        let read = std::io::stdin().read_to_string(&mut sql);
        read.map_err(|error| usage("stdin cannot be read as text").caused(&error.to_string()))?;
    }
    let sql = resolved(&workspace, &*warehouse, sql.trim().trim_end_matches(';')).await?;
    let limits = QueryLimits { rows: args.limit, time: Duration::from_hours(1) };
    let rows = warehouse.query(&Statement::new(sql), limits).await?;
    if args.place.json {
        terminal::json_line(&as_json(&rows));
    } else {
        print_table(&rows);
    }
    Ok(exit::DONE)
}

/// A failure of the command line.
fn usage(message: &str) -> Failure {
    Failure::new(Diagnostic::error(Code::Usage, message), exit::PROJECT)
}

impl Failure {
    /// Adds a cause to each diagnostic.
    fn caused(mut self, cause: &str) -> Self {
        for diagnostic in &mut self.diagnostics {
            diagnostic.causes.push(cause.to_owned());
        }
        self
    }
}

/// Replaces bare names of published models by `schema.model`, and `source.stream` names by the
/// stream's raw table. Refuses anything but a single SELECT. Names that it does not know stay as
/// they are, so physical names work too.
async fn resolved(workspace: &Workspace, warehouse: &dyn Warehouse, sql: &str) -> Result<String, Failure> {
    let Some((analyzer, _)) = workspace.registry.portable() else { return Ok(sql.to_owned()) };
    let parsed = analyzer.analyze(sql).map_err(|error| {
        let (code, message) = if error.not_a_select {
            (Code::NotASelect, "`query` only reads: give it a select".to_owned())
        } else {
            (Code::SqlSyntax, format!("this is not SQL: {}", error.message))
        };
        let near = error.position.and_then(|at| Some(format!("near `{}`", sql.get(at..)?.lines().next()?)));
        let failure = Failure::new(Diagnostic::error(code, message), exit::PROJECT);
        match near.filter(|near| near.len() > "near ``".len()) {
            Some(near) => failure.caused(&near),
            None => failure,
        }
    })?;
    if parsed.statements != 1 {
        return Err(usage("`query` takes one statement"));
    }
    let state = State::of(warehouse, &workspace.compiled.schemas);
    if state.version().await?.is_none() {
        return Ok(sql.to_owned());
    }
    let published = state.publications(1).await?;
    let streams = state.streams().await?;
    let schemas = &workspace.compiled.schemas;
    let physical = |path: &[String]| match path {
        [name] => {
            let models =
                published.first().map(|publication| publication.models.as_slice()).unwrap_or_default();
            let model =
                models.iter().find(|model| model.published && model.model.eq_ignore_ascii_case(name))?;
            Some(Relation::new(&schemas.publish, &model.model))
        }
        [source, stream] => {
            let found = streams.iter().find(|loaded| {
                loaded.name.source.eq_ignore_ascii_case(source)
                    && loaded.name.stream.eq_ignore_ascii_case(stream)
            })?;
            Some(found.table.clone())
        }
        _ => None,
    };
    let mut replacements = Vec::new();
    for table in &parsed.tables {
        if let Some(relation) = physical(&table.path) {
            // Without an alias, the statement may qualify columns by the name that is replaced
            // here.
            let alias = table.path.last().filter(|_| !table.has_alias);
            let alias = alias.map(|alias| format!(" as {}", Ident::new(alias))).unwrap_or_default();
            replacements.push((text::path_range(sql, table.at), format!("{relation}{alias}")));
        }
    }
    replacements.sort_by_key(|(range, _)| range.start);
    Ok(text::replace(sql, &replacements))
}

/// A result as JSON: `columns` (each with `name` and `type`), `rows` (arrays) and `truncated`.
/// Numbers that readers of JSON would round are strings.
pub(super) fn as_json(rows: &Rows) -> Json {
    let columns: Vec<Json> = rows
        .columns
        .iter()
        .map(|column| json!({"name": column.name, "type": column.data_type.map(|t| t.to_string())}))
        .collect();
    let data: Vec<Vec<Json>> =
        (0..rows.len()).map(|at| rows.row(at).into_iter().map(value_json).collect()).collect();
    json!({"columns": columns, "rows": data, "truncated": rows.truncated})
}

/// A value as JSON. Integers beyond 2^53 − 1 and decimals are strings, because JSON numbers are
/// doubles.
fn value_json(value: &Value) -> Json {
    const EXACT: i128 = (1 << 53) - 1;
    match value {
        Value::Null => Json::Null,
        Value::Bool(b) => json!(b),
        Value::Int(n) if (-EXACT..=EXACT).contains(n) => json!(*n as i64),
        Value::Float(x) if x.is_finite() => json!(x),
        other => Json::String(other.to_string()),
    }
}

/// Largest width of a value in columns of the terminal, so that a row stays one readable line.
const MOST_COLUMNS: usize = 120;

/// Prints the table to stdout, and the count of rows to stderr.
fn print_table(rows: &Rows) {
    let (table, cut) = as_table(rows);
    terminal::data_line(&table);
    let more = if rows.truncated { ", more were left out (`--limit`)" } else { "" };
    terminal::note(&format!("{}{more}", terminal::counted(rows.len(), "row")));
    tell_cut(cut);
}

/// Tells on stderr how many values of a table were cut off by [`as_table`].
pub(super) fn tell_cut(cut: usize) {
    if cut > 0 {
        let (values, end) = (terminal::counted(cut, "long value"), if cut == 1 { "s" } else { "" });
        terminal::note(&format!("{values} end{end} with `…`; `--json` has all of it"));
    }
}

/// A result as a table, and the number of values that were cut off at [`MOST_COLUMNS`].
pub(super) fn as_table(rows: &Rows) -> (String, usize) {
    let mut cut = 0;
    let head: Vec<String> = rows.columns.iter().map(|column| column.name.clone()).collect();
    let mut shown = |value: &Value| {
        let text = if value.is_null() { "NULL".to_owned() } else { value.to_string() };
        let text = visible(&text);
        let (text, was_cut) = fitting(&text, MOST_COLUMNS);
        cut += usize::from(was_cut);
        text.into_owned()
    };
    let cells: Vec<Vec<String>> =
        (0..rows.len()).map(|at| rows.row(at).into_iter().map(&mut shown).collect()).collect();
    let right: Vec<bool> = rows
        .columns
        .iter()
        .map(|c| c.data_type.is_some_and(millrace_core::schema::DataType::is_numeric))
        .collect();
    (terminal::table(&head, &cells, &right), cut)
}

#[cfg(test)]
mod tests {
    use millrace_core::schema::DataType;
    use millrace_engine::ports::warehouse::ResultColumn;

    use super::*;

    #[test]
    fn a_row_is_one_line_whatever_is_in_it() {
        let column = |name: &str, data_type| ResultColumn { name: name.into(), data_type: Some(data_type) };
        let text = |text: &str| Value::Text(text.into());
        let long = "x".repeat(500);
        let values = [
            "one\ntwo",
            "tab\there",
            "\u{1b}[2J\u{1b}]0;title\u{7}",
            "日本",
            "e\u{301}",
            &long,
            "a\u{202e}b",
        ];
        let rows = Rows {
            columns: vec![column("t\next", DataType::Text), column("n", DataType::Int64)],
            data: vec![values.map(text).into(), (0..values.len()).map(|n| Value::Int(n as i128)).collect()],
            truncated: false,
        };
        let (table, cut) = as_table(&rows);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!((lines.len(), cut), (values.len() + 2, 1), "{table}");
        assert!(!table.contains(|c: char| c.is_control() && c != '\n'), "{table}");
        // The numbers stand below each other.
        let widths: Vec<usize> = lines.iter().map(|line| millrace_core::visible::columns(line)).collect();
        assert!(widths.iter().all(|width| *width == MOST_COLUMNS + 3), "{widths:?}\n{table}");
        assert!(table.contains("one\\ntwo") && table.contains("\\u{1b}[2J"), "{table}");
    }
}

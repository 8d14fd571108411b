//! A lint of published models: columns that other tools cannot read.
//!
//! Such tools connect through JDBC, ODBC or Python's DB-API. There, JSON, UUIDs, intervals, lists
//! and records arrive as objects that the tools omit or show as text without aggregation. A number
//! without declared precision arrives without the digits after the point.

use std::collections::BTreeMap;

use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, Span};
use millrace_core::graph::Model;
use millrace_core::name::{is_plain_name, snake_case};
use millrace_core::schema::DataType;
use millrace_core::sql::analyzer::{Output, SqlAnalyzer};
use millrace_core::sql::text;
use millrace_core::value::Value;

use crate::compile::compiled::Compiled;
use crate::error::Result;
use crate::ports::bi_type::{Unreadable, is_plain, written};
use crate::ports::registry::Registry;
use crate::ports::warehouse::{QueryLimits, ResultColumn, Statement, Warehouse};

/// Placeholder for an expression in a hint.
pub const SOMETHING: &str = "…";

/// Appends a warning for each unreadable column or name that needs quotes. The published models
/// exist as views in the schema `build` of the scratch warehouse; `columns` are their described
/// columns by model.
pub(crate) async fn look(
    compiled: &Compiled,
    registry: &Registry,
    scratch: &dyn Warehouse,
    columns: &BTreeMap<String, Vec<ResultColumn>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<()> {
    let Some((analyzer, _)) = registry.portable() else { return Ok(()) };
    let types = type_names(scratch).await?;
    // In a warehouse that other tools connect to, calculated numbers have no declared precision.
    // The warning names the first environment with such a warehouse.
    let environments = &compiled.project.manifest.environments;
    let shared = environments.iter().find(|environment| {
        registry
            .warehouse(&environment.kind)
            .is_some_and(crate::ports::registry::WarehouseConnector::has_readers)
    });
    for model in compiled.graph.models.iter().filter(|model| model.published) {
        let Some(described) = columns.get(&model.name) else { continue };
        let places = Places::of(compiled, model, &**analyzer, described.len());
        names(model, described, &places, diagnostics);
        for (at, column) in described.iter().enumerate() {
            let type_name = types.get(&(model.name.clone(), column.name.clone()));
            let type_name = type_name.map_or("?", String::as_str);
            let found = Unreadable::of(column.data_type, type_name);
            let what = format!("column `{}` of model `{}`", column.name, model.name);
            let said = match (found, shared) {
                (Some(kind), _) => Some((format!("{what} {}", kind.wrong(type_name)), kind.mend(&places.origin(at, column), &column.name))),
                (None, Some(environment)) if places.is_calculated(at, column) => {
                    bounds(column).map(|cast| {
                        let message = format!(
                            "{what} is calculated, so in environment `{}` it is a number without bounds, of which other tools \
                             show no digits after the point",
                            environment.name
                        );
                        (message, format!("Write `cast({SOMETHING} as {cast}) as {}`.", written(&column.name)))
                    })
                }
                _ => None,
            };
            if let Some((message, hint)) = said {
                let place = places.of_column(at, column);
                diagnostics.push(Diagnostic::warning(Code::UnreadableType, message).at(place, "").hint(hint));
            }
        }
    }
    Ok(())
}

/// The engine's own type names by (model, column). Logical types do not suffice, because a UUID has
/// the same logical type as a text.
async fn type_names(scratch: &dyn Warehouse) -> Result<BTreeMap<(String, String), String>> {
    let sql =
        "select table_name, column_name, data_type from information_schema.columns where table_schema = $1";
    let statement = Statement::with(sql, [Value::Text("build".to_owned())]);
    let rows = scratch.query(&statement, QueryLimits::STATE).await?;
    let texts = (0..rows.len()).map(|at| rows.row(at).iter().map(ToString::to_string).collect::<Vec<_>>());
    let entry = |row: Vec<String>| match <[String; 3]>::try_from(row) {
        Ok([model, column, type_name]) => Some(((model, column), type_name)),
        Err(_) => None,
    };
    Ok(texts.filter_map(entry).collect())
}

/// The type to cast a calculated exact number to; `None` for other columns.
fn bounds(column: &ResultColumn) -> Option<String> {
    match column.data_type? {
        DataType::Decimal { precision, scale } => Some(format!("decimal({precision}, {scale})")),
        DataType::UInt64 => Some("decimal(20, 0)".to_owned()),
        _ => None,
    }
}

/// Warns of names that must be quoted, at most once per model.
fn names(model: &Model, described: &[ResultColumn], places: &Places<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let odd: Vec<(usize, &ResultColumn)> =
        described.iter().enumerate().filter(|(_, column)| !is_plain(&column.name)).collect();
    let (message, place) = match odd.as_slice() {
        [] if model.name.bytes().all(|b| !b.is_ascii_uppercase()) => return,
        [] => (format!("the name of model `{}` has upper-case letters", model.name), model.place(0)),
        [(at, column)] => {
            let what = format!("column `{}` of model `{}` has a name", column.name, model.name);
            (format!("{what} that other tools must quote"), places.of_column(*at, column))
        }
        [(at, column), ..] => {
            let what = format!("{} columns of model `{}` have names", odd.len(), model.name);
            (
                format!("{what} that other tools must quote, such as `{}`", column.name),
                places.of_column(*at, column),
            )
        }
    };
    let hint = match odd.first() {
        None => format!("Rename its file to `{}.sql`.", model.name.to_ascii_lowercase()),
        Some((at, column)) => {
            let plain = snake_case(&column.name);
            let plain =
                if is_plain(&plain) && is_plain_name(&plain) { plain } else { "plain_name".to_owned() };
            format!("Give plain names: `{} as {plain}`.", places.origin(*at, column))
        }
    };
    diagnostics.push(Diagnostic::warning(Code::QuotedName, message).at(place, "").hint(hint));
}

/// Finds the places of a model's columns in the project's files.
struct Places<'a> {
    model: &'a Model,
    outputs: Vec<Output>,
    /// Whether outputs and columns correspond by index. They do not if a star expands to several
    /// columns.
    in_order: bool,
    documented: Vec<(&'a str, &'a Span)>,
}

impl<'a> Places<'a> {
    /// Parses the model's select list; if that fails, no outputs are known.
    fn of(compiled: &'a Compiled, model: &'a Model, analyzer: &dyn SqlAnalyzer, columns: usize) -> Self {
        let outputs = analyzer.analyze(&model.sql).map(|parsed| parsed.outputs).unwrap_or_default();
        let def = compiled.project.models.iter().find(|def| def.name == model.name);
        let documented = def.into_iter().flat_map(|def| &def.columns);
        Self {
            model,
            in_order: outputs.len() == columns,
            outputs,
            documented: documented.map(|doc| (doc.name.text.as_str(), &doc.name.span)).collect(),
        }
    }

    /// The output that produces a column: by index if possible, otherwise by name.
    fn output(&self, at: usize, column: &ResultColumn) -> Option<&Output> {
        if self.in_order {
            return self.outputs.get(at);
        }
        let named = |output: &&Output| {
            output.name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(&column.name))
        };
        self.outputs.iter().find(named)
    }

    fn is_calculated(&self, at: usize, column: &ResultColumn) -> bool {
        self.output(at, column).is_some_and(|output| output.calculated)
    }

    /// The SQL that produces a column, if it is a plain reference to another column. A column that
    /// comes from a star is its own name. Anything else is [`SOMETHING`].
    fn origin(&self, at: usize, column: &ResultColumn) -> String {
        let sql = &self.model.sql;
        let Some(output) = self.output(at, column) else { return written(&column.name) };
        let start = output.at.unwrap_or(0);
        let range = text::path_range(sql, start);
        let follows = sql.get(range.end..).unwrap_or_default().trim_start();
        let word = follows.split_whitespace().next().unwrap_or_default();
        let alone =
            word.starts_with(',') || ["as", "from"].iter().any(|known| word.eq_ignore_ascii_case(known));
        if alone && !output.calculated { sql[range].to_owned() } else { SOMETHING.to_owned() }
    }

    /// The place of a column: its expression in the SQL, else its description in YAML, else the
    /// star that it comes from.
    fn of_column(&self, at: usize, column: &ResultColumn) -> Span {
        if let Some(place) = self.output(at, column).and_then(|output| output.at) {
            return self.model.place(place);
        }
        let described = self.documented.iter().find(|(name, _)| name.eq_ignore_ascii_case(&column.name));
        described.map_or_else(|| self.model.place(self.star().unwrap_or(0)), |(_, span)| (*span).clone())
    }

    /// The byte of the first star in the select list.
    fn star(&self) -> Option<usize> {
        let sql = &self.model.sql;
        let is_star = |at: &usize| {
            let path = text::path_range(sql, *at);
            sql.get(path.end..).is_some_and(|rest| rest.starts_with('*') || rest.starts_with(".*"))
        };
        self.outputs
            .iter()
            .filter(|output| output.name.is_none())
            .filter_map(|output| output.at)
            .find(is_star)
    }
}

//! The check of a whole project: everything is compiled against empty tables in a scratch
//! warehouse, so that errors of a nightly run appear at once.
//!
//! Streams become empty tables and models become views, in the order of the graph. Whatever reads
//! something that failed is skipped, because the cause is reported already. The real warehouse is
//! not touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, Span, Spanned, has_errors};
use millrace_core::graph::{Input, Model};
use millrace_core::name::{Ident, Naming, Relation, StreamName};
use millrace_core::project::environment::LONGEST_NAME;
use millrace_core::sql::column_names::KnownColumns;
use millrace_core::sql::text;
use millrace_core::suggest::did_you_mean;
use millrace_core::visible::grouped;

use crate::compile::bi_types;
use crate::compile::compiled::Compiled;
use crate::error::{Error, ErrorKind, Result};
use crate::ports::registry::Registry;
use crate::ports::warehouse::{ResultColumn, Statement, Warehouse};

mod digest;
mod streams;
mod views;

pub use digest::digest;

/// How many elements were checked without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checked {
    /// Streams whose columns are known.
    pub streams: usize,
    /// Models whose SQL was described.
    pub models: usize,
    /// Data tests whose columns were found.
    pub tests: usize,
    /// Metrics whose query was described.
    pub metrics: usize,
    /// Tiles whose query was described.
    pub tiles: usize,
}

/// How thoroughly streams without a captured schema are examined. Their columns decide on
/// everything that reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// As far as is needed to know their columns. A source that cannot be read is reported.
    Whole,
    /// Only their beginning, if that is almost free, because a run reads them right afterwards and
    /// reports their errors itself. No other machine is contacted. Models whose columns stay
    /// unknown are skipped, and only errors are reported.
    Beginning,
}

/// The errors that prevent a run, found before it touches anything. First only the beginnings of
/// local files are read. If something that depends on such a beginning seems wrong, everything is
/// checked again with all of the files, because later records may have further columns.
pub async fn before_run(compiled: &Compiled, registry: &Registry) -> Result<Vec<Diagnostic>> {
    let mut found = Vec::new();
    if look(compiled, registry, Depth::Beginning, &mut found).await?.is_doubtful {
        found.clear();
        look(compiled, registry, Depth::Whole, &mut found).await?;
    }
    found.retain(Diagnostic::is_error);
    Ok(found)
}

/// Checks every stream, model, data test, metric and tile.
pub async fn check(
    compiled: &Compiled,
    registry: &Registry,
    depth: Depth,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Checked> {
    Ok(look(compiled, registry, depth, diagnostics).await?.checked)
}

/// The result of one pass.
struct Looked {
    checked: Checked,
    /// Whether an error concerns something that depends on a stream that was read only in part.
    is_doubtful: bool,
}

/// One pass over the project with a fresh scratch warehouse. Fails only if that warehouse fails;
/// errors of the project are diagnostics.
async fn look(
    compiled: &Compiled,
    registry: &Registry,
    depth: Depth,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Looked> {
    let Some((_, open_scratch)) = registry.portable() else {
        return Err(Error::new(ErrorKind::Internal, "this build has no engine that describes SQL"));
    };
    // Opening the engine blocks.
    let scratch = tokio::task::spawn_blocking(open_scratch)
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "the engine did not start").caused_by(error))??;
    let scratch = compiled.in_its_time_zone(scratch);
    let schemas = ["raw", "build"].map(|name| Statement::new(format!("create schema {}", Ident::new(name))));
    scratch.transact(&schemas).await?;
    let mut checker = Checker {
        compiled,
        depth,
        scratch: &*scratch,
        diagnostics,
        streams: BTreeMap::new(),
        guessed: BTreeSet::new(),
        is_doubtful: false,
        tables: Vec::new(),
        columns: BTreeMap::new(),
        silent: BTreeSet::new(),
        most_columns: compiled.most_columns(registry),
        missing: Vec::new(),
        checked: Checked::default(),
    };
    for stream in compiled.catalog.streams.values() {
        let before = checker.diagnostics.len();
        checker.stream(stream).await;
        checker.doubt(before, [Input::Stream(stream.name.clone())]);
    }
    checker.scratch.transact(&checker.tables).await?;
    for model in &compiled.graph.models {
        let before = checker.diagnostics.len();
        checker.model(model).await?;
        checker.doubt(before, [Input::Model(model.name.clone())]);
    }
    // Lints are warnings, so a check before a run can do without them.
    if depth == Depth::Whole {
        bi_types::look(compiled, registry, checker.scratch, &checker.columns, checker.diagnostics).await?;
    }
    checker.documented_columns();
    checker.tests().await;
    for view in &compiled.views {
        let before = checker.diagnostics.len();
        checker.view(view).await?;
        checker.doubt(before, view.models().into_iter().map(|model| Input::Model(model.text.clone())));
    }
    let Checker { checked, missing, is_doubtful, .. } = checker;
    // Missing files matter less than errors in the project, and would hide them.
    if !has_errors(diagnostics) {
        diagnostics.extend(missing);
    }
    Ok(Looked { checked, is_doubtful })
}

/// The state of one pass.
struct Checker<'a> {
    compiled: &'a Compiled,
    depth: Depth,
    scratch: &'a dyn Warehouse,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// Streams that have a table in the scratch warehouse, with the names of their columns.
    streams: BTreeMap<StreamName, Vec<String>>,
    /// Streams that were read only in part, and the models that read them, directly or not.
    guessed: BTreeSet<Input>,
    /// Whether an error concerns one of those.
    is_doubtful: bool,
    /// The statements that create the streams' tables, run together for speed.
    tables: Vec<Statement>,
    /// The columns of the models that could be described.
    columns: BTreeMap<String, Vec<ResultColumn>>,
    /// Sources that did not answer, which has been reported.
    silent: BTreeSet<String>,
    /// The most columns of a table in the environment's warehouse, if there is a limit.
    most_columns: Option<usize>,
    /// Warnings about missing files.
    missing: Vec<Diagnostic>,
    checked: Checked,
}

/// A stream's table in the scratch warehouse.
fn raw_table(name: &StreamName) -> Relation {
    Relation::new("raw", name.to_string())
}

impl Checker<'_> {
    /// Notes a doubt if an error among the diagnostics from index `before` on concerns one of these
    /// inputs and is based on a guess.
    fn doubt(&mut self, before: usize, about: impl IntoIterator<Item = Input>) {
        let is_guessed = about.into_iter().any(|input| self.guessed.contains(&input));
        self.is_doubtful |= is_guessed && has_errors(&self.diagnostics[before..]);
    }

    /// Whether a table would have more columns than the warehouse allows; if so, reports it.
    fn has_too_many(&mut self, what: &str, columns: usize, place: &Span, hint: &str) -> bool {
        let Some(most) = self.most_columns.filter(|most| columns > *most) else { return false };
        let message = format!(
            "{what} has {} columns; a table in environment `{}` has at most {}",
            grouped(columns as u64),
            self.compiled.environment,
            grouped(most as u64)
        );
        self.diagnostics
            .push(Diagnostic::error(Code::TooManyColumns, message).at(place.clone(), "").hint(hint));
        true
    }

    /// Describes a model and creates its view. Does nothing if one of its inputs failed. Refuses
    /// too many columns and duplicate names, and warns of names that a warehouse may cut.
    async fn model(&mut self, model: &Model) -> Result<()> {
        // An input that failed has been reported.
        let known = model.inputs().into_iter().all(|input| match input {
            Input::Stream(name) => self.streams.contains_key(name),
            Input::Model(name) => self.columns.contains_key(name),
        });
        if model.inputs().into_iter().any(|input| self.guessed.contains(input)) {
            self.guessed.insert(Input::Model(model.name.clone()));
        }
        if !known {
            return Ok(());
        }
        let physical = |input: &Input| match input {
            Input::Stream(name) => raw_table(name),
            Input::Model(name) => Relation::new("build", name),
        };
        let known = self.known_columns(model);
        let replacements = model.replacements(physical, &known);
        let sql = text::replace(&model.sql, &replacements);
        let described = match self.scratch.describe(&sql).await {
            Ok(columns) => columns,
            Err(error) => {
                // The SQL was changed by replacements, so positions in it are mapped back.
                let position = error.position().map(|at| text::original_position(&replacements, at));
                let place = model.place(position.unwrap_or(0));
                let what = format!("model `{}` does not compile", model.name);
                self.diagnostics.push(sql_diagnostic(&what, &error, place));
                return Ok(());
            }
        };
        let what = format!("model `{}`", model.name);
        if self.has_too_many(&what, described.len(), &model.place(0), "Select fewer.") {
            return Ok(());
        }
        if let Some(twice) = twin(&described) {
            let message = format!("model `{}` has two columns named `{twice}`", model.name);
            let hint = "Give one another name with `as`.";
            self.diagnostics
                .push(Diagnostic::error(Code::NameCollision, message).at(model.place(0), "").hint(hint));
            return Ok(());
        }
        if let Some(long) = described.iter().find(|column| column.name.len() > LONGEST_NAME) {
            let message = format!(
                "column `{}` of model `{}` has more than {LONGEST_NAME} bytes",
                long.name, model.name
            );
            let hint = "A warehouse may cut its name. Give it a shorter one with `as`.";
            let warning = Diagnostic::warning(Code::NameTooLong, message).at(model.place(0), "");
            self.diagnostics.push(warning.hint(hint));
        }
        let view = Relation::new("build", &model.name);
        self.scratch.transact(&[Statement::new(format!("create view {view} as {sql}"))]).await?;
        self.columns.insert(model.name.clone(), described);
        self.checked.models += 1;
        Ok(())
    }

    /// The columns of a model's inputs, as [`crate::compile::known_columns::known_columns`] reads
    /// them from a warehouse. Empty unless names keep the source's letter case.
    fn known_columns(&self, model: &Model) -> KnownColumns {
        let mut known = KnownColumns::default();
        let naming = self.compiled.project.manifest.naming;
        for input in model.inputs().into_iter().filter(|_| naming == Naming::Source) {
            match input {
                Input::Stream(name) => known.add(self.streams.get(name).into_iter().flatten().cloned()),
                Input::Model(name) => {
                    let columns = self.columns.get(name).into_iter().flatten();
                    known.add(columns.map(|column| column.name.clone()));
                }
            }
        }
        known
    }

    /// A column of a model; `None` also if the model could not be described.
    fn column(&self, model: &str, name: &str) -> Option<&ResultColumn> {
        self.columns.get(model)?.iter().find(|known| known.name.eq_ignore_ascii_case(name))
    }

    /// Whether a model has a column; if not, reports it. Returns false without a report if the
    /// model could not be described, because that has been reported.
    fn has_column(&mut self, model: &str, column: &Spanned, what: &str) -> bool {
        let Some(columns) = self.columns.get(model) else { return false };
        if columns.iter().any(|known| known.name.eq_ignore_ascii_case(&column.text)) {
            return true;
        }
        let names: Vec<&str> = columns.iter().map(|known| known.name.as_str()).collect();
        let message = format!("{what} names column `{}`, which model `{model}` does not have", column.text);
        let hint = did_you_mean(&column.text, names, "it has");
        self.diagnostics.push(
            Diagnostic::error(Code::UnknownColumn, message)
                .at(column.span.clone(), "no such column")
                .maybe_hint(hint),
        );
        false
    }

    /// Reports descriptions of columns that their models do not have.
    fn documented_columns(&mut self) {
        let compiled = self.compiled;
        for model in &compiled.project.models {
            let before = self.diagnostics.len();
            for column in &model.columns {
                self.has_column(&model.name, &column.name, "the description");
            }
            self.doubt(before, [Input::Model(model.name.clone())]);
        }
    }

    /// Checks the columns and the `where` of each data test.
    async fn tests(&mut self) {
        let compiled = self.compiled;
        let place = |span: &Span| (Arc::clone(&span.file), span.range.start, span.range.end);
        let columns = compiled.project.models.iter().flat_map(|model| &model.columns);
        let documented: BTreeSet<_> = columns.map(|column| place(&column.name.span)).collect();
        for test in &compiled.tests {
            let before = self.diagnostics.len();
            let name = format!("data test `{}`", test.name());
            let mut there = self.columns.contains_key(&test.model);
            for column in std::iter::once(&test.column).chain(&test.with) {
                // Missing columns of descriptions and of joins are reported at their own places.
                if !documented.contains(&place(&column.span)) && test.derived_from.is_none() {
                    there &= self.has_column(&test.model, column, &name);
                }
            }
            if let millrace_core::quality::Check::Relationships { to, field } = &test.check {
                let field = Spanned { text: field.clone(), span: to.span.clone() };
                there &= self.has_column(&to.text, &field, &name);
            }
            if let Some(filter) = test.filter.as_ref().filter(|_| there) {
                there = self.filter(&test.model, filter, &name).await;
            }
            self.checked.tests += usize::from(there);
            let models = [Some(test.model.as_str()), test.other_model()];
            self.doubt(before, models.into_iter().flatten().map(|model| Input::Model(model.to_owned())));
        }
    }

    /// Whether the `where` of a data test compiles over its model; if not, reports it. The line
    /// breaks keep a trailing SQL comment from swallowing the parenthesis.
    async fn filter(&mut self, model: &str, filter: &Spanned, test: &str) -> bool {
        let sql = format!("select 1 from {} where (\n{}\n)", Relation::new("build", model), filter.text);
        match self.scratch.describe(&sql).await {
            Ok(_) => true,
            Err(error) => {
                let what = format!("`where` of {test} does not compile");
                self.diagnostics.push(sql_diagnostic(&what, &error, filter.span.clone()));
                false
            }
        }
    }
}

/// The first column whose name occurs before, ignoring letter case.
fn twin(columns: &[ResultColumn]) -> Option<String> {
    let mut seen = BTreeSet::new();
    columns.iter().find(|column| !seen.insert(column.name.to_lowercase())).map(|column| column.name.clone())
}

/// A diagnostic for an engine's error in SQL. Missing columns are recognized by the engine's
/// message and get a code of their own.
fn sql_diagnostic(what: &str, error: &Error, span: Span) -> Diagnostic {
    let inner = error.to_diagnostic();
    let missing_column = error.message().contains("column") && error.message().contains("not found")
        || error.message().contains("does not have a column");
    let code = if missing_column { Code::UnknownColumn } else { Code::SqlError };
    let mut diagnostic = Diagnostic::error(code, format!("{what}: {}", error.message())).at(span, "");
    diagnostic.causes = inner.causes;
    diagnostic.maybe_hint(inner.hint)
}

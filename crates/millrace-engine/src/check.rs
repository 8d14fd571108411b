//! The whole project compiled against empty tables, without touching the warehouse: what would fail at night fails here.

use std::collections::{BTreeMap, BTreeSet};

use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, Span, has_errors};
use millrace_core::graph::{Input, Model};
use millrace_core::name::{Ident, Relation, StreamName};
use millrace_core::project::decode::Spanned;
use millrace_core::project::settings::Settings;
use millrace_core::project::source_file::ReadMode;
use millrace_core::sql::text;
use millrace_core::suggest::did_you_mean;

use crate::catalog::Stream;
use crate::compiled::Compiled;
use crate::contract::{naming_problems, reconcile};
use crate::diagnosis::{Finding, Layer, Verdict};
use crate::error::{Error, ErrorKind, Result};
use crate::model_run::known_columns;
use crate::names::LONGEST;
use crate::readable;
use crate::registry::Registry;
use crate::strangers::strangers;
use crate::sync::{grouped, no_append, not_captured};
use crate::warehouse::{ResultColumn, Statement, Warehouse};

mod views;

/// What `check` looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checked {
    /// Streams whose columns are known.
    pub streams: usize,
    /// Models that were described.
    pub models: usize,
    /// Data tests whose columns were found.
    pub tests: usize,
    /// Metrics that were described.
    pub metrics: usize,
    /// Tiles that were described.
    pub tiles: usize,
}

/// How far streams without a captured schema are looked at, since their columns decide on all that reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// As far as it takes to know their columns. A source that cannot be read is told of.
    Whole,
    /// Their beginning, where that costs next to nothing: a run reads them in a moment, and says itself what is wrong with them. Models
    /// whose columns cannot be known so are passed over.
    Beginning,
}

/// What `check` refuses, before a run touches anything. Costs next to nothing where all is well: streams without a captured schema are
/// read as far as to know their columns only where something seems to be wrong.
pub async fn before_run(compiled: &Compiled, registry: &Registry) -> Result<Vec<Diagnostic>> {
    let mut found = Vec::new();
    check(compiled, registry, Depth::Beginning, &mut found).await?;
    let guessed = compiled.catalog.streams.values().any(|stream| stream.captured.is_none());
    if has_errors(&found) && guessed {
        found.clear();
        check(compiled, registry, Depth::Whole, &mut found).await?;
    }
    found.retain(Diagnostic::is_error);
    Ok(found)
}

/// Describes every model, test, metric and tile.
pub async fn check(
    compiled: &Compiled,
    registry: &Registry,
    depth: Depth,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Checked> {
    let Some((_, open_scratch)) = registry.portable() else {
        return Err(Error::new(ErrorKind::Internal, "this build has no engine that describes SQL"));
    };
    let scratch = tokio::task::spawn_blocking(open_scratch)
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "the engine did not start").caused_by(error))??;
    let schemas = ["raw", "build"].map(|name| Statement::new(format!("create schema {}", Ident::new(name))));
    scratch.use_time_zone(&compiled.project.manifest.time_zone);
    scratch.transact(&schemas).await?;
    let mut checker = Checker {
        compiled,
        depth,
        scratch: &*scratch,
        diagnostics,
        streams: BTreeSet::new(),
        columns: BTreeMap::new(),
        silent: BTreeSet::new(),
        most_columns: compiled.most_columns(registry),
        missing: Vec::new(),
        checked: Checked::default(),
    };
    for stream in compiled.catalog.streams.values() {
        checker.stream(stream).await?;
    }
    for model in &compiled.graph.models {
        checker.model(model).await?;
    }
    readable::look(compiled, registry, checker.scratch, &checker.columns, checker.diagnostics).await?;
    checker.documented_columns();
    checker.tests().await;
    for view in &compiled.views {
        checker.view(view).await?;
    }
    let (checked, missing) = (checker.checked, checker.missing);
    // Of little weight beside what is wrong with the project itself.
    if !has_errors(diagnostics) {
        diagnostics.extend(missing);
    }
    Ok(checked)
}

struct Checker<'a> {
    compiled: &'a Compiled,
    depth: Depth,
    scratch: &'a dyn Warehouse,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// Streams that have a table in the scratch warehouse.
    streams: BTreeSet<StreamName>,
    /// Columns of the models that could be described.
    columns: BTreeMap<String, Vec<ResultColumn>>,
    /// Sources that do not answer, which has been reported.
    silent: BTreeSet<String>,
    /// Columns that a table of the environment's warehouse has at most, where there is such a limit.
    most_columns: Option<usize>,
    /// What is said of missing files.
    missing: Vec<Diagnostic>,
    checked: Checked,
}

/// A warning for a stream whose files may have been loaded and removed.
fn emptied(name: &StreamName) -> Diagnostic {
    let message = format!(
        "none of the files of stream `{name}` is there, and it has no captured schema: models that read it are not checked"
    );
    let hint =
        format!("Run `millrace capture {}` when there are files, and commit what it writes.", name.source);
    Diagnostic::warning(Code::NotCaptured, message).hint(hint)
}

fn raw_table(name: &StreamName) -> Relation {
    Relation::new("raw", name.to_string())
}

impl Checker<'_> {
    async fn stream(&mut self, stream: &Stream) -> Result<()> {
        let observed = match &stream.captured {
            Some(captured) => {
                self.warn_of_missing_files(stream).await;
                captured.clone()
            }
            // Of a table that is merged the columns of earlier loads stay, which nothing here knows; and to look at a file that is elsewhere is
            // a request, which a run with nothing new does without.
            None if self.depth == Depth::Beginning
                && (stream.options.mode.keeps()
                    || stream.source.discovers_by_reading() && !self.is_here(stream)) =>
            {
                return Ok(());
            }
            None if self.depth == Depth::Beginning && stream.source.discovers_by_reading() => {
                // What cannot be read now is an error of the load, which knows better what to say of it.
                match stream.source.glance(&stream.request()).await {
                    Ok(Some(schema)) => schema,
                    Ok(None) | Err(_) => return Ok(()),
                }
            }
            // Each of its streams would say the same again, and after as long a wait.
            None if self.silent.contains(&stream.name.source) => return Ok(()),
            None => match stream.discover().await {
                Ok(discovered) => discovered.schema,
                Err(error) if stream.may_be_emptied(&error) => {
                    self.diagnostics.push(emptied(&stream.name));
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::UnsetVariable => {
                    self.unset(stream, &error);
                    return Ok(());
                }
                Err(error) => {
                    if error.kind() == ErrorKind::SourceUnreachable && !stream.source.discovers_by_reading() {
                        self.silent.insert(stream.name.source.clone());
                    }
                    if self.depth == Depth::Beginning {
                        return Ok(());
                    }
                    // What is there and cannot be read cannot be captured either.
                    if error.kind() != ErrorKind::SourceUnreadable {
                        self.diagnostics.push(not_captured(&stream.name));
                    }
                    self.diagnostics.push(error.to_diagnostic().at(stream.span.clone(), ""));
                    return Ok(());
                }
            },
        };
        if stream.options.mode == ReadMode::Append && !stream.source.appends() {
            self.diagnostics.push(no_append(&stream.name).to_diagnostic().at(stream.span.clone(), ""));
        }
        if stream.deletes_unseen() {
            let message = format!("stream `{}` does not see rows that its source deletes", stream.name);
            let hint =
                "Have them found (`deletes: reconcile`), or say that they may stay: `deletes: ignore`.";
            let warning = Diagnostic::warning(Code::DeletesUnseen, message).at(stream.span.clone(), "");
            self.diagnostics.push(warning.hint(hint));
        }
        let strange = strangers(stream, &observed, stream.captured.is_none());
        let is_wrong = has_errors(&strange);
        self.diagnostics.extend(strange);
        if is_wrong {
            return Ok(());
        }
        let naming = self.compiled.project.manifest.naming;
        let left_out = stream.options.choice.left_out();
        let kept = observed.columns.iter().filter(|column| !left_out.contains(&column.name));
        let problems =
            naming_problems(&stream.name, &stream.options, &kept.cloned().collect::<Vec<_>>(), naming);
        if !problems.is_empty() {
            self.diagnostics.extend(problems.into_iter().map(|(code, message, hint)| {
                Diagnostic::error(code, message).at(stream.span.clone(), "").hint(hint)
            }));
            return Ok(());
        }
        let mut drift = Vec::new();
        let target =
            reconcile(&stream.name, &stream.options, stream.captured.as_ref(), &observed, naming, &mut drift);
        let target = match target {
            Ok(target) if !target.warehouse_columns.is_empty() => target,
            Ok(_) => {
                self.diagnostics.push(not_captured(&stream.name));
                return Ok(());
            }
            Err(error) => {
                self.diagnostics.push(error.to_diagnostic().at(stream.span.clone(), ""));
                return Ok(());
            }
        };
        let what = format!("stream `{}`", stream.name);
        let hint = "Load fewer with `columns:` or `exclude_columns:`.";
        if self.has_too_many(&what, target.warehouse_columns.len(), &stream.span, hint) {
            return Ok(());
        }
        let dialect = self.scratch.dialect();
        let columns = target
            .warehouse_columns
            .iter()
            .map(|column| format!("{} {}", Ident::new(&column.name), dialect.column_type(column.data_type)));
        let columns = columns.collect::<Vec<_>>().join(", ");
        self.scratch
            .transact(&[Statement::new(format!("create table {} ({columns})", raw_table(&stream.name)))])
            .await?;
        self.streams.insert(stream.name.clone());
        self.checked.streams += 1;
        Ok(())
    }

    /// Whether a stream is of files of this machine.
    fn is_here(&self, stream: &Stream) -> bool {
        let of_source = self.compiled.project.sources.iter().find(|source| source.name == stream.name.source);
        let path = |settings: &Settings| settings.text("path").map(str::to_owned);
        let path =
            path(&stream.options.settings).or_else(|| of_source.and_then(|source| path(&source.settings)));
        path.is_some_and(|path| !path.contains("://"))
    }

    /// Warns where the files of a stream are missing or cannot be opened, which stops a run. What is elsewhere is not asked for.
    async fn warn_of_missing_files(&mut self, stream: &Stream) {
        if self.depth != Depth::Whole || !stream.source.discovers_by_reading() || !self.is_here(stream) {
            return;
        }
        let looked = stream.source.diagnose(&[stream.request()]).await;
        let failed = |finding: &&Finding| finding.layer == Layer::Files && finding.verdict == Verdict::Failed;
        for finding in looked.findings().iter().filter(failed) {
            let warning = Diagnostic::warning(Code::SourceUnreachable, finding.saw.clone());
            let hint =
                finding.hint.clone().unwrap_or_else(|| "A run needs it, and would stop here.".to_owned());
            self.missing.push(warning.at(stream.span.clone(), "").hint(hint));
        }
    }

    /// Whether something has more columns than a table of the warehouse; reports it.
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

    /// Each variable for want of which a source was not asked, once and at its place.
    fn unset(&mut self, stream: &Stream, error: &Error) {
        let sources = &self.compiled.project.sources;
        let unset = sources.iter().find(|source| source.name == stream.name.source).map(|def| &def.unset);
        let told = unset.cloned().unwrap_or_else(|| vec![error.to_diagnostic()]);
        let new: Vec<_> = told.into_iter().filter(|one| !self.diagnostics.contains(one)).collect();
        self.diagnostics.extend(new);
    }

    async fn model(&mut self, model: &Model) -> Result<()> {
        // What it reads has a diagnostic of its own already.
        let known = model.inputs().into_iter().all(|input| match input {
            Input::Stream(name) => self.streams.contains(name),
            Input::Model(name) => self.columns.contains_key(name),
        });
        if !known {
            return Ok(());
        }
        let physical = |input: &Input| match input {
            Input::Stream(name) => raw_table(name),
            Input::Model(name) => Relation::new("build", name),
        };
        let naming = self.compiled.project.manifest.naming;
        let known = known_columns(self.scratch, naming, model, physical).await?;
        let replacements = model.replacements(physical, &known);
        let sql = text::replace(&model.sql, &replacements);
        let described = match self.scratch.describe(&sql).await {
            Ok(columns) => columns,
            Err(error) => {
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
        if let Some(long) = described.iter().find(|column| column.name.len() > LONGEST) {
            let message =
                format!("column `{}` of model `{}` has more than {LONGEST} bytes", long.name, model.name);
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

    /// Whether a model has a column; reports where it has not. A model that could not be described has been reported.
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

    fn documented_columns(&mut self) {
        let compiled = self.compiled;
        for model in &compiled.project.models {
            for column in &model.columns {
                self.has_column(&model.name, &column.name, "the description");
            }
        }
    }

    async fn tests(&mut self) {
        let compiled = self.compiled;
        for test in &compiled.tests {
            let name = format!("data test `{}`", test.name());
            let mut there = self.columns.contains_key(&test.model);
            for column in std::iter::once(&test.column).chain(&test.with) {
                let documented = compiled
                    .project
                    .models
                    .iter()
                    .any(|model| model.columns.iter().any(|known| known.name.span == column.span));
                // A described column that is missing, and a join's, are reported where they stand.
                if !documented && test.derived_from.is_none() {
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
        }
    }

    /// Whether the `where` of a data test is a condition over its model; reports where it is not.
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

fn twin(columns: &[ResultColumn]) -> Option<String> {
    let mut seen = BTreeSet::new();
    columns.iter().find(|column| !seen.insert(column.name.to_lowercase())).map(|column| column.name.clone())
}

/// An engine's error about SQL, at its place.
fn sql_diagnostic(what: &str, error: &Error, span: Span) -> Diagnostic {
    let inner = error.to_diagnostic();
    let missing_column = error.message().contains("column") && error.message().contains("not found")
        || error.message().contains("does not have a column");
    let code = if missing_column { Code::UnknownColumn } else { Code::SqlError };
    let mut diagnostic = Diagnostic::error(code, format!("{what}: {}", error.message())).at(span, "");
    diagnostic.causes = inner.causes;
    diagnostic.maybe_hint(inner.hint)
}

//! The whole project compiled against empty tables, without touching the warehouse: what would fail at night fails here.

use std::collections::{BTreeMap, BTreeSet};

use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, Label, Span, has_errors};
use millrace_core::graph::{Input, Model};
use millrace_core::metric::query::{MetricQuery, Table, Tables};
use millrace_core::metric::tile::{Choice, queries};
use millrace_core::metric::time_range::Days;
use millrace_core::metric::view::SemanticView;
use millrace_core::name::{Ident, Relation, StreamName};
use millrace_core::project::decode::Spanned;
use millrace_core::project::source_file::ReadMode;
use millrace_core::schema::DataType;
use millrace_core::sql::spelling::Spelling;
use millrace_core::sql::text;
use millrace_core::suggest::did_you_mean;

use crate::catalog::Stream;
use crate::compiled::Compiled;
use crate::contract::{naming_problems, reconcile};
use crate::error::{Error, ErrorKind, Result};
use crate::model_run::known_columns;
use crate::names::LONGEST;
use crate::readable;
use crate::registry::Registry;
use crate::strangers::strangers;
use crate::sync::{no_append, not_captured};
use crate::warehouse::{ResultColumn, Statement, Warehouse};

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

/// Describes every model, test, metric and tile.
pub async fn check(
    compiled: &Compiled,
    registry: &Registry,
    diagnostics: &mut Vec<Diagnostic>,
) -> Result<Checked> {
    let Some((_, open_scratch)) = registry.portable() else {
        return Err(Error::new(ErrorKind::Internal, "this build has no engine that describes SQL"));
    };
    let scratch = tokio::task::spawn_blocking(open_scratch)
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "the engine did not start").caused_by(error))??;
    let schemas = ["raw", "build"].map(|name| Statement::new(format!("create schema {}", Ident::new(name))));
    scratch.transact(&schemas).await?;
    let mut checker = Checker {
        compiled,
        scratch: &*scratch,
        diagnostics,
        streams: BTreeSet::new(),
        columns: BTreeMap::new(),
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
    checker.tests();
    for view in &compiled.views {
        checker.view(view).await?;
    }
    Ok(checker.checked)
}

struct Checker<'a> {
    compiled: &'a Compiled,
    scratch: &'a dyn Warehouse,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// Streams that have a table in the scratch warehouse.
    streams: BTreeSet<StreamName>,
    /// Columns of the models that could be described.
    columns: BTreeMap<String, Vec<ResultColumn>>,
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
            Some(captured) => captured.clone(),
            None => match stream.discover().await {
                Ok(discovered) => discovered.schema,
                Err(error) if stream.may_be_emptied(&error) => {
                    self.diagnostics.push(emptied(&stream.name));
                    return Ok(());
                }
                Err(error) => {
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

    fn tests(&mut self) {
        let compiled = self.compiled;
        for test in &compiled.tests {
            let name = format!("data test `{}`", test.name());
            let documented = compiled
                .project
                .models
                .iter()
                .any(|model| model.columns.iter().any(|column| column.name.span == test.column.span));
            // A described column that is missing has been reported.
            let mut there = self.columns.contains_key(&test.model);
            if !documented {
                there &= self.has_column(&test.model, &test.column, &name);
            }
            if let millrace_core::quality::Check::Relationships { to, field } = &test.check {
                let field = Spanned { text: field.clone(), span: to.span.clone() };
                there &= self.has_column(&to.text, &field, &name);
            }
            self.checked.tests += usize::from(there);
        }
    }

    async fn view(&mut self, view: &SemanticView) -> Result<()> {
        let what = format!("semantic view `{}`", view.name);
        let mut whole = true;
        if let Some(time) = &view.time {
            whole &= self.has_column(&view.base.text, time, &what);
            let temporal = self.columns.get(&view.base.text).and_then(|columns| {
                columns.iter().find(|column| column.name.eq_ignore_ascii_case(&time.text))?.data_type
            });
            if temporal.is_some_and(|data_type: DataType| !data_type.is_temporal()) {
                let message =
                    format!("`{}` is no date or timestamp, so it cannot be the time of {what}", time.text);
                let hint = format!("Cast it in model `{}`: `cast({} as date)`.", view.base.text, time.text);
                self.diagnostics
                    .push(Diagnostic::error(Code::BadQuery, message).at(time.span.clone(), "").hint(hint));
                whole = false;
            }
        }
        for join in &view.joins {
            for (ours, theirs) in &join.on {
                whole &= self.has_column(&view.base.text, ours, &what);
                whole &= self.has_column(&join.to.text, theirs, &what);
            }
        }
        for dimension in &view.dimensions {
            if view.time.as_ref().is_none_or(|time| time.span != dimension.column.span) {
                let there = self.has_column(
                    &dimension.model,
                    &dimension.column,
                    &format!("dimension `{}`", dimension.name.text),
                );
                if !there {
                    self.name_users(view, &dimension.name.text);
                }
                whole &= there;
            }
        }
        if !whole {
            return Ok(());
        }
        let tables: Tables = view
            .models()
            .into_iter()
            .map(|model| {
                let relation = Relation::new("build", &model.text);
                (model.text.clone(), Table { relation, spelling: Spelling::default() })
            })
            .collect();
        for metric in &view.metrics {
            let query = MetricQuery { metrics: vec![metric.name.text.clone()], ..MetricQuery::default() };
            let what = format!("metric `{}` does not compile", metric.name.text);
            if self.query(view, &query, &tables, &what, &metric.name.span).await {
                self.checked.metrics += 1;
            } else {
                self.name_users(view, &metric.name.text);
            }
        }
        self.tiles(view, &tables).await;
        Ok(())
    }

    /// Adds the tiles that use a broken dimension or metric to its diagnostic, the last one: they are what a reader misses.
    fn name_users(&mut self, view: &SemanticView, name: &str) {
        let compiled = self.compiled;
        let Some(diagnostic) = self.diagnostics.last_mut() else { return };
        for dashboard in compiled.project.dashboards.iter().filter(|d| d.semantic_view.text == view.name) {
            for tile in dashboard.rows.iter().flatten() {
                let used = tile.by.iter().chain(&tile.metrics).find(|used| used.text == name);
                if let Some(used) = used {
                    let text = format!("tile {} of dashboard `{}` needs it", tile.id, dashboard.name.text);
                    diagnostic.labels.push(Label { span: used.span.clone(), text });
                }
            }
        }
    }

    async fn tiles(&mut self, view: &SemanticView, tables: &Tables) {
        let compiled = self.compiled;
        let days = view.time.as_ref().map(|_| Days { from: 0, to: 30 });
        let choice = Choice { days, compare: days.map(|days| days.previous()), ..Choice::default() };
        let dashboards = compiled.project.dashboards.iter().filter(|d| d.semantic_view.text == view.name);
        for dashboard in dashboards {
            for tile in dashboard.rows.iter().flatten() {
                let known = tile.metrics.iter().all(|metric| view.metric(&metric.text).is_some())
                    && tile.by.iter().all(|by| view.dimension(&by.text).is_some());
                let Some(span) = tile.metrics.first().map(|metric| &metric.span).filter(|_| known) else {
                    continue;
                };
                let queries = queries(dashboard, tile, view, &choice);
                let what =
                    format!("tile {} of dashboard `{}` does not compile", tile.id, dashboard.name.text);
                if let Some(rows) = &queries.rows {
                    if self.query(view, rows, tables, &what, span).await {
                        self.checked.tiles += 1;
                    }
                } else {
                    // A figure alone asks for its metric, which has been described.
                    self.checked.tiles += 1;
                }
            }
        }
    }

    async fn query(
        &mut self,
        view: &SemanticView,
        query: &MetricQuery,
        tables: &Tables,
        what: &str,
        span: &Span,
    ) -> bool {
        let compiled = match view.compile_query(query, tables) {
            Ok(compiled) => compiled,
            Err(mut diagnostic) => {
                // A metric that is wrong is reported once, not again with each tile.
                if diagnostic.labels.is_empty() {
                    *diagnostic = diagnostic.at(span.clone(), "");
                }
                self.diagnostics.push(*diagnostic);
                return false;
            }
        };
        let sql = compiled.params.iter().enumerate().rev().fold(compiled.sql, |sql, (at, value)| {
            // Descriptions take no parameters; their types are what counts.
            let stand_in = match value {
                millrace_core::value::Value::Date(_) => "cast(null as date)",
                _ => "cast(null as varchar)",
            };
            sql.replace(&format!("${}", at + 1), stand_in)
        });
        match self.scratch.describe(&sql).await {
            Ok(_) => true,
            Err(error) => {
                let known = self
                    .diagnostics
                    .iter()
                    .any(|d| d.labels.first().is_some_and(|label| label.span == *span));
                if !known {
                    self.diagnostics.push(sql_diagnostic(what, &error, span.clone()));
                }
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

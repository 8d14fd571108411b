//! Resolves the models of a project into a build graph.
//!
//! Each name in FROM becomes a stream or a model, models are sorted so that inputs come first, and
//! each model is marked as published or not. A model with an error is left out and reported; the
//! others are still resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Span};
use crate::digest::sha256;
use crate::materialization::Materialization;
use crate::name::{Ident, Relation, StreamName};
use crate::project::Project;
use crate::project::model_file::{ModelDef, start_of};
use crate::sql::analyzer::{ColumnReference, SqlAnalyzer, TableReference};
use crate::sql::column_names::{KnownColumns, quoted_columns};
use crate::sql::columns_read::ColumnsRead;
use crate::sql::template::{self, Hook, TemplateContext};
use crate::sql::text;
use crate::sql::volatile::{self, Changes};
use crate::suggest::did_you_mean;
use crate::time_zone::ProjectZone;

/// What a name in FROM refers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// A stream: its raw table.
    Stream(StreamName),
    /// Another model.
    Model(String),
}

/// A table name in a model's SQL, with the input that it refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Byte range of the name in the rendered SQL.
    pub range: Range<usize>,
    /// The stream or model that the name refers to.
    pub input: Input,
    /// The name by which the rest of the SQL refers to the table; `Some` only if the text gives no
    /// alias.
    pub alias: Option<String>,
    /// The columns of the table that the SQL reads.
    pub read: ColumnsRead,
}

/// A resolved model, ready to be built.
#[derive(Debug, Clone)]
pub struct Model {
    /// Name of the model.
    pub name: String,
    /// Path of the SQL file.
    pub file: Arc<str>,
    /// Text of the file: a template, or the SQL itself.
    pub source: String,
    /// SQL after template rendering, without a byte order mark and a final semicolon.
    pub sql: String,
    /// Whether it becomes a table or a view.
    pub materialization: Materialization,
    /// Statements that run on the table after it has been built.
    pub post_hooks: Vec<Hook>,
    /// Requested indexes, each a list of columns.
    pub indexes: Vec<Vec<String>>,
    /// Table names in FROM, in the order of the text.
    pub references: Vec<Reference>,
    /// Column references in the SQL.
    pub columns: Vec<ColumnReference>,
    /// Aliases that the SQL defines, in lower case.
    pub aliases: BTreeSet<String>,
    /// When its rows can change although none of its inputs has changed.
    pub changes: Changes,
    /// Whether readers see it. A view that reads a raw table, directly or through other views, is
    /// not published, because nothing published may depend on a raw table.
    pub published: bool,
    /// SHA-256, in hex, of what determines its content apart from its inputs: SQL, materialization,
    /// hooks, indexes, and the project's time zone unless that is UTC.
    pub fingerprint: String,
}

impl Model {
    /// Its inputs, each once.
    pub fn inputs(&self) -> BTreeSet<&Input> {
        self.references.iter().map(|reference| &reference.input).collect()
    }

    /// Whether it reads a column of a stream. `column` is the column's name in the warehouse.
    pub fn reads(&self, stream: &StreamName, column: &str) -> bool {
        let of_stream = |input: &Input| matches!(input, Input::Stream(name) if name == stream);
        self.references.iter().any(|reference| of_stream(&reference.input) && reference.read.reads(column))
    }

    /// The replacements that make its SQL read physical tables, sorted by position. `known` holds
    /// the columns of these tables.
    pub fn replacements(
        &self,
        physical: impl Fn(&Input) -> Relation,
        known: &KnownColumns,
    ) -> Vec<(Range<usize>, String)> {
        let replacement = |reference: &Reference| {
            let relation = physical(&reference.input);
            let text = match &reference.alias {
                Some(alias) => format!("{relation} as {}", Ident::new(alias)),
                None => relation.to_string(),
            };
            (reference.range.clone(), text)
        };
        let tables = self.references.iter().map(replacement);
        let columns = quoted_columns(&self.sql, &self.columns, &self.aliases, known);
        let mut all: Vec<(Range<usize>, String)> = tables.chain(columns).collect();
        all.sort_by_key(|(range, _)| range.start);
        all
    }

    /// The place in the model's file that corresponds to a byte of its SQL. For a template it is
    /// the line with the same text, if there is exactly one.
    pub fn place(&self, position: usize) -> Span {
        place(&self.file, &self.source, &self.sql, position)
    }
}

/// Maps a byte of the rendered SQL to the identifier there in the file. A template is searched for
/// the same line; if there is none or more than one, the result is the start of the file.
fn place(file: &Arc<str>, source: &str, sql: &str, position: usize) -> Span {
    let word = |text: &str, at: usize| {
        let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let range = text::path_range(text, at);
        Span::new(file, range)
    };
    if source == sql {
        return word(sql, position);
    }
    let line_start = sql.get(..position).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line = sql.get(line_start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let mut twins =
        source.match_indices(line).filter(|(at, _)| *at == 0 || source.as_bytes()[at - 1] == b'\n');
    match (line.trim().is_empty(), twins.next(), twins.next()) {
        (false, Some((at, _)), None) => word(source, at + position.saturating_sub(line_start)),
        _ => start_of(file),
    }
}

/// The models of a project, in build order.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    /// Inputs come before the models that read them; otherwise the order is alphabetical.
    pub models: Vec<Model>,
}

impl Graph {
    /// The model with this name.
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name == name)
    }

    /// Resolves the models of a project. `streams` holds all known streams. `unknown` names the
    /// sources whose streams could not be listed: that has been reported, so a reference to one of
    /// their streams adds no further error.
    pub fn resolve(
        project: &Project,
        streams: &BTreeSet<StreamName>,
        unknown: &BTreeSet<String>,
        analyzer: &dyn SqlAnalyzer,
        context: &TemplateContext,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Self {
        let names: Vec<&str> = project.models.iter().map(|model| model.name.as_str()).collect();
        let in_error = diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.is_error())
            .filter_map(|diagnostic| Some(diagnostic.labels.first()?.span.file.to_string()))
            .collect();
        let resolver = Resolver { names, streams, unknown, project, analyzer, context, in_error };
        let mut models: Vec<_> =
            project.models.iter().filter_map(|def| resolver.model(def, diagnostics)).collect();
        models.sort_by(|a, b| a.name.cmp(&b.name));
        let mut models = in_order(models, diagnostics);
        mark_published(&mut models);
        Self { models }
    }
}

/// What every model is resolved against.
struct Resolver<'a> {
    names: Vec<&'a str>,
    streams: &'a BTreeSet<StreamName>,
    unknown: &'a BTreeSet<String>,
    project: &'a Project,
    analyzer: &'a dyn SqlAnalyzer,
    context: &'a TemplateContext,
    /// Files for which an error has already been reported.
    in_error: BTreeSet<String>,
}

impl Resolver<'_> {
    /// Renders and parses a model, and resolves the names in its FROM clauses. Returns `None` if an
    /// error was reported or a reference cannot be resolved.
    fn model(&self, def: &ModelDef, diagnostics: &mut Vec<Diagnostic>) -> Option<Model> {
        let mut rendered = template::Rendered { sql: def.text.clone(), ..template::Rendered::default() };
        if template::is_template(&def.text) {
            match template::render(&def.file, &def.text, self.context) {
                Ok(done) => rendered = done,
                Err(diagnostic) => {
                    diagnostics.push(*diagnostic);
                    return None;
                }
            }
        }
        // Editors add byte order marks and people write a final semicolon; the SQL is embedded in a
        // statement, where neither is valid.
        let sql = rendered.sql.trim_start_matches('\u{feff}');
        let sql = sql.trim_end().trim_end_matches(';').to_owned();
        let source = if template::is_template(&def.text) { def.text.clone() } else { sql.clone() };
        let parsed = match self.analyzer.analyze(&sql) {
            Ok(parsed) if parsed.statements == 1 => parsed,
            Ok(parsed) => {
                let message = format!(
                    "model `{}` holds {} statements; a model is one select",
                    def.name, parsed.statements
                );
                diagnostics.push(Diagnostic::error(Code::NotASelect, message).at(start_of(&def.file), ""));
                return None;
            }
            Err(error) => {
                let span = place(&def.file, &source, &sql, error.position.unwrap_or(0));
                let (code, message) = if error.not_a_select {
                    (Code::NotASelect, format!("model `{}` is not a select", def.name))
                } else {
                    (Code::SqlSyntax, format!("model `{}` is not SQL: {}", def.name, error.message))
                };
                diagnostics.push(Diagnostic::error(code, message).at(span, ""));
                return None;
            }
        };
        let mut references = Vec::new();
        let mut whole = true;
        let mut told = BTreeSet::new();
        for table in &parsed.tables {
            let range = text::path_range(&sql, table.at);
            match self.input(table) {
                Some(input) => {
                    let alias = (!table.has_alias).then(|| table.path.last().cloned().unwrap_or_default());
                    let read = table.read.clone();
                    references.push(Reference { range, input, alias, read });
                }
                None => {
                    whole = false;
                    // Report each name once, and not at all if its source has an error of its own.
                    if told.insert(&table.path) && !self.is_of_broken_file(table) {
                        diagnostics.push(self.unknown_ref(def, &source, &sql, table));
                    }
                }
            }
        }
        if !whole {
            return None;
        }
        references.sort_by_key(|reference| reference.range.start);
        let changes = volatile::changes(&parsed);
        let materialization = rendered.materialization.or(def.materialization).unwrap_or_default();
        let post_hooks = self.hooks(def, materialization, &rendered.post_hooks, diagnostics)?;
        let mut fingerprint = format!("{materialization:?}\n{sql}");
        for hook in &post_hooks {
            fingerprint.push_str(&format!("\nhook {}", hook.text()));
        }
        for index in &def.indexes {
            fingerprint.push_str(&format!("\nindex {index:?}"));
        }
        // The zone determines which day a moment belongs to.
        let zone = &self.project.manifest.time_zone;
        if *zone != ProjectZone::default() {
            fingerprint.push_str(&format!("\ntime zone {}", zone.name()));
        }
        let fingerprint = sha256(fingerprint);
        Some(Model {
            name: def.name.clone(),
            file: Arc::clone(&def.file),
            source,
            sql,
            materialization,
            post_hooks,
            indexes: def.indexes.clone(),
            references,
            columns: parsed.columns,
            aliases: parsed.aliases,
            changes,
            published: false,
            fingerprint,
        })
    }

    /// Renders the hooks of a model. Returns `None` if one is invalid, which is reported.
    fn hooks(
        &self,
        def: &ModelDef,
        materialization: Materialization,
        in_sql: &[String],
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Vec<Hook>> {
        let mut hooks = Vec::new();
        let in_yaml = def.post_hooks.iter().map(|hook| (hook.text.as_str(), Some(&hook.span)));
        for (hook, span) in in_sql.iter().map(|hook| (hook.as_str(), None)).chain(in_yaml) {
            let span = span.cloned().unwrap_or_else(|| template::find(&def.file, &def.text, hook));
            if materialization == Materialization::View {
                let message = format!("model `{}` is a view, on which no `post_hook` can run", def.name);
                let hint = "Make it a table, or move the hook to the table that it reads.";
                diagnostics.push(Diagnostic::error(Code::WrongValue, message).at(span, "").hint(hint));
                return None;
            }
            match template::render_hook(&def.file, &def.text, hook, self.context) {
                Ok(hook) => hooks.push(hook),
                Err(mut diagnostic) => {
                    diagnostic.labels.clear();
                    diagnostics.push(diagnostic.at(span, ""));
                    return None;
                }
            }
        }
        Some(hooks)
    }

    /// The input that a table name refers to: `model` or `source.stream`. An exact match of a model
    /// name wins over one that ignores case.
    fn input(&self, table: &TableReference) -> Option<Input> {
        match table.path.as_slice() {
            [name] => {
                let found = self.names.iter().find(|known| **known == name.as_str());
                let found =
                    found.or_else(|| self.names.iter().find(|known| known.eq_ignore_ascii_case(name)));
                found.map(|name| Input::Model((*name).to_owned()))
            }
            [source, stream] => {
                let same = |known: &&StreamName| {
                    known.source.eq_ignore_ascii_case(source) && known.stream.eq_ignore_ascii_case(stream)
                };
                self.streams.iter().find(same).map(|name| Input::Stream(name.clone()))
            }
            _ => None,
        }
    }

    /// Whether the name belongs to a source that has an error: in its file, or because its streams
    /// could not be listed.
    fn is_of_broken_file(&self, table: &TableReference) -> bool {
        let [source, _] = table.path.as_slice() else { return false };
        let source = source.to_lowercase();
        self.unknown.iter().any(|unknown| unknown.to_lowercase() == source)
            || self.in_error.iter().any(|file| {
                let stem = file.strip_prefix("sources/").and_then(|rest| rest.split('.').next());
                stem.is_some_and(|stem| stem.to_lowercase() == source)
            })
            || self
                .project
                .sources
                .iter()
                .any(|known| known.name.to_lowercase() == source && self.in_error.contains(&*known.span.file))
    }

    /// The error for a name that refers to nothing, with the most likely intended name as hint.
    fn unknown_ref(&self, def: &ModelDef, source: &str, sql: &str, table: &TableReference) -> Diagnostic {
        let written = table.path.join(".");
        let mut span = place(&def.file, source, sql, table.at);
        if source != sql {
            let found = template::find(&def.file, source, table.path.last().map_or("", String::as_str));
            if found.range != (0..0) {
                span = found;
            }
        }
        let streams: Vec<String> = self.streams.iter().map(ToString::to_string).collect();
        // The user may have omitted the source of a stream.
        let bare = self.streams.iter().find(|name| name.stream.eq_ignore_ascii_case(&written));
        let hint = match bare {
            Some(stream) => Some(format!("did you mean the stream `{stream}`?")),
            None if table.path.len() == 2
                && !self.project.sources.iter().any(|s| s.name == table.path[0]) =>
            {
                let sources: Vec<_> = self.project.sources.iter().map(|s| s.name.as_str()).collect();
                did_you_mean(&written, streams.iter().map(String::as_str), "there are")
                    .or_else(|| did_you_mean(&table.path[0], sources, "there are the sources"))
            }
            None if table.path.len() == 2 => {
                did_you_mean(&written, streams.iter().map(String::as_str), "there are")
            }
            None if self.project.disabled.iter().any(|name| name.eq_ignore_ascii_case(&written)) => {
                Some(format!("`{written}` is there, but left out: `enabled: false`."))
            }
            None => did_you_mean(
                &written,
                self.names.iter().copied().filter(|name| *name != def.name),
                "there are",
            ),
        };
        let text = if table.path.len() == 1 { "no model has this name" } else { "no stream has this name" };
        Diagnostic::error(
            Code::UnknownRef,
            format!("model `{}` refers to `{written}`, which does not exist", def.name),
        )
        .at(span, text)
        .maybe_hint(hint)
    }
}

/// Sorts models topologically, inputs first. Models in a cycle, and models that read them, are left
/// out; each cycle is reported.
fn in_order(models: Vec<Model>, diagnostics: &mut Vec<Diagnostic>) -> Vec<Model> {
    let mut left: BTreeMap<String, Model> =
        models.into_iter().map(|model| (model.name.clone(), model)).collect();
    let mut done: Vec<Model> = Vec::with_capacity(left.len());
    loop {
        let ready = left.values().find(|model| {
            model.inputs().iter().all(|input| match input {
                Input::Stream(_) => true,
                Input::Model(name) => !left.contains_key(name),
            })
        });
        let Some(name) = ready.map(|model| model.name.clone()) else { break };
        done.extend(left.remove(&name));
    }
    while let Some(way) = circle(&left) {
        let first = &left[&way[0]];
        let around: Vec<_> = way.iter().chain(way.first()).map(|name| format!("`{name}`")).collect();
        let next = first.references.iter().find(|r| r.input == Input::Model(way[1 % way.len()].clone()));
        let span = next.map_or_else(|| start_of(&first.file), |reference| first.place(reference.range.start));
        diagnostics.push(
            Diagnostic::error(
                Code::Cycle,
                format!("models refer to each other in a circle: {}", around.join(" → ")),
            )
            .at(span, "")
            .hint("Move what both need into a model of its own."),
        );
        for name in way {
            left.remove(&name);
        }
    }
    done
}

/// Finds one cycle, rotated to start with its alphabetically first name.
fn circle(left: &BTreeMap<String, Model>) -> Option<Vec<String>> {
    for start in left.keys() {
        let mut way = vec![start.clone()];
        let mut seen = BTreeSet::new();
        loop {
            let last = &left[way.last()?];
            let next = last.inputs().into_iter().find_map(|input| match input {
                Input::Model(name) if left.contains_key(name) => Some(name.clone()),
                _ => None,
            });
            let Some(next) = next else { break };
            if let Some(at) = way.iter().position(|name| *name == next) {
                let mut around = way.split_off(at);
                let least =
                    around.iter().enumerate().min_by_key(|(_, name)| (*name).clone()).map_or(0, |(i, _)| i);
                around.rotate_left(least);
                return Some(around);
            }
            if !seen.insert(next.clone()) {
                break;
            }
            way.push(next);
        }
    }
    None
}

/// Marks published models. Expects build order, because a view needs the marks of its inputs.
fn mark_published(models: &mut [Model]) {
    let mut published: BTreeSet<String> = BTreeSet::new();
    for model in models {
        model.published = match model.materialization {
            Materialization::Table => true,
            Materialization::View => model.inputs().iter().all(|input| match input {
                Input::Stream(_) => false,
                Input::Model(name) => published.contains(name),
            }),
        };
        if model.published {
            published.insert(model.name.clone());
        }
    }
}

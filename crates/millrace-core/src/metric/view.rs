//! Compiles semantic views: resolves their names, and splits metrics into SQL aggregates.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::code::Code;
use crate::diagnostic::Spanned;
use crate::diagnostic::{Diagnostic, Span};
use crate::metric::filter::DimensionTypes;
use crate::name::Ident;
use crate::project::Project;
use crate::project::localized::Localized;
use crate::project::semantic_file::{Format, MetricDef, MetricDefinition, SemanticViewDef};
use crate::quality::{Check, DataTest, TestSeverity};
use crate::schema::DataType;
use crate::sql::analyzer::{Output, ParsedSql, SqlAnalyzer};
use crate::sql::text;
use crate::suggest::did_you_mean;
use crate::time_zone::ProjectZone;

/// A compiled semantic view, from which queries are made.
#[derive(Debug, Clone)]
pub struct SemanticView {
    /// Name of the view.
    pub name: String,
    /// Path of its file.
    pub file: Arc<str>,
    /// Description for people.
    pub description: Option<String>,
    /// The model whose rows are aggregated.
    pub base: Spanned,
    /// The time column of the base model.
    pub time: Option<Spanned>,
    /// Joined models, in join order.
    pub joins: Vec<Join>,
    /// Dimensions, in the order of the file.
    pub dimensions: Vec<Dimension>,
    /// Metrics, in the order of the file.
    pub metrics: Vec<Metric>,
    /// The time zone in which its days begin.
    pub zone: ProjectZone,
}

/// A joined model.
#[derive(Debug, Clone)]
pub struct Join {
    /// The joined model.
    pub to: Spanned,
    /// Pairs of columns: one of the base, one of the joined model.
    pub on: Vec<(Spanned, Spanned)>,
    /// `many_to_one` or `one_to_one`.
    pub cardinality: String,
}

/// A column that metrics are grouped and filtered by.
#[derive(Debug, Clone)]
pub struct Dimension {
    /// Name.
    pub name: Spanned,
    /// The model that has the column: the base or a joined one.
    pub model: String,
    /// The column.
    pub column: Spanned,
    /// Label for pages.
    pub label: Localized,
    /// Whether it is the view's time dimension.
    pub is_time: bool,
}

/// A named aggregate.
#[derive(Debug, Clone)]
pub struct Metric {
    /// Name.
    pub name: Spanned,
    /// How it is computed.
    pub formula: Formula,
    /// Label for pages.
    pub label: Localized,
    /// Number format, if the file sets one.
    pub format: Option<Format>,
    /// Description for people.
    pub description: Option<String>,
}

/// How a metric is computed.
#[derive(Debug, Clone)]
pub enum Formula {
    /// One SQL aggregate.
    Aggregate(Aggregate),
    /// An average, as sum and count. It is divided here because `avg` differs between engines.
    Average(Aggregate, Aggregate),
    /// One metric divided by another, as indexes into [`SemanticView::metrics`].
    Ratio(usize, usize),
}

/// An SQL aggregate whose columns are all qualified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aggregate {
    /// The expression, including its filter.
    pub sql: String,
    /// The joined models that it reads.
    pub needs: BTreeSet<String>,
    /// Its columns, each with its model, in the spelling of the project.
    pub columns: BTreeSet<(String, String)>,
    /// The same columns with their places in the file.
    pub places: Vec<(String, Spanned)>,
}

impl SemanticView {
    /// The metric with this name.
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name.text == name)
    }

    /// The dimension with this name.
    pub fn dimension(&self, name: &str) -> Option<&Dimension> {
        self.dimensions.iter().find(|dimension| dimension.name.text == name)
    }

    /// The type of the time column, if it is known.
    pub fn time_type(&self, types: &DimensionTypes) -> Option<DataType> {
        let time = self.dimensions.iter().find(|dimension| dimension.is_time)?;
        types.get(&time.name.text).copied().flatten()
    }

    /// All models that it reads, the base first.
    pub fn models(&self) -> Vec<&Spanned> {
        std::iter::once(&self.base).chain(self.joins.iter().map(|join| &join.to)).collect()
    }

    /// Tests implied by joins: unique (combined) keys in the joined model; `one_to_one`: in both.
    pub fn derived_tests(&self) -> Vec<DataTest> {
        let mut tests = Vec::new();
        for join in &self.joins {
            let (ours, theirs): (Vec<Spanned>, Vec<Spanned>) = join.on.iter().cloned().unzip();
            let word = &join.cardinality;
            tests.extend(Self::unique(
                &join.to,
                theirs,
                format!("semantic view `{}` joins it {word}", self.name),
            ));
            if word == "one_to_one" {
                let why = format!("semantic view `{}` joins `{}` to it {word}", self.name, join.to.text);
                tests.extend(
                    Self::unique(&self.base, ours, why)
                        .map(|test| DataTest { span: join.to.span.clone(), ..test }),
                );
            }
        }
        tests
    }

    fn unique(model: &Spanned, columns: Vec<Spanned>, why: String) -> Option<DataTest> {
        let mut columns = columns.into_iter();
        Some(DataTest {
            model: model.text.clone(),
            column: columns.next()?,
            with: columns.collect(),
            check: Check::Unique,
            severity: TestSeverity::Error,
            filter: None,
            given_name: None,
            suffix: None,
            span: model.span.clone(),
            derived_from: Some(why),
        })
    }

    /// Compiles all semantic views of a project. A view with errors is left out.
    pub fn compile_all(
        project: &Project,
        analyzer: &dyn SqlAnalyzer,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Vec<Self> {
        project.semantic_views.iter().filter_map(|def| compile(def, project, analyzer, diagnostics)).collect()
    }
}

fn compile(
    def: &SemanticViewDef,
    project: &Project,
    analyzer: &dyn SqlAnalyzer,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<SemanticView> {
    let before = diagnostics.len();
    let models: Vec<&str> = project.models.iter().map(|model| model.name.as_str()).collect();
    for name in std::iter::once(&def.base).chain(def.joins.iter().map(|join| &join.to)) {
        if !models.contains(&name.text.as_str()) {
            diagnostics.push(
                Diagnostic::error(
                    Code::UnknownRef,
                    format!(
                        "semantic view `{}` refers to model `{}`, which does not exist",
                        def.name.text, name.text
                    ),
                )
                .at(name.span.clone(), "")
                .maybe_hint(did_you_mean(&name.text, models.iter().copied(), "there are")),
            );
        }
    }
    let joined: Vec<&str> = def.joins.iter().map(|join| join.to.text.as_str()).collect();
    let mut dimensions = Vec::new();
    for dimension in &def.dimensions {
        let (model, column) = match dimension.column.text.split_once('.') {
            None => (def.base.text.as_str(), dimension.column.text.as_str()),
            Some((model, column)) if model == def.base.text || joined.contains(&model) => (model, column),
            Some((model, _)) => {
                let hint = did_you_mean(model, joined.iter().copied(), "it joins").unwrap_or_else(|| {
                    format!("Add `{{to: {model}, on: …, cardinality: many_to_one}}` to `joins`.")
                });
                let message =
                    format!("dimension `{}` is of `{model}`, which is not joined", dimension.name.text);
                let diagnostic = Diagnostic::error(Code::UnknownRef, message);
                diagnostics.push(diagnostic.at(dimension.column.span.clone(), "").hint(hint));
                continue;
            }
        };
        dimensions.push(Dimension {
            name: dimension.name.clone(),
            model: model.to_owned(),
            column: Spanned { text: column.to_owned(), span: dimension.column.span.clone() },
            label: dimension.label.clone(),
            is_time: def.time.as_ref().is_some_and(|time| model == def.base.text && time.text == column),
        });
    }
    if let Some(time) = &def.time
        && !dimensions.iter().any(|dimension| dimension.is_time)
    {
        dimensions.push(Dimension {
            name: time.clone(),
            model: def.base.text.clone(),
            column: time.clone(),
            label: Localized::from_name(&time.text),
            is_time: true,
        });
    }
    let compiler = MetricCompiler { def, joined: &joined, analyzer };
    let metrics: Vec<_> =
        def.metrics.iter().filter_map(|metric| compiler.metric(metric, diagnostics)).collect();
    if diagnostics[before..].iter().any(Diagnostic::is_error) {
        return None;
    }
    let joins = def
        .joins
        .iter()
        .map(|join| Join {
            to: join.to.clone(),
            on: join.on.clone(),
            cardinality: join.cardinality.text.clone(),
        })
        .collect();
    Some(SemanticView {
        name: def.name.text.clone(),
        file: Arc::clone(&def.file),
        description: def.description.clone(),
        base: def.base.clone(),
        time: def.time.clone(),
        joins,
        dimensions,
        metrics,
        zone: project.manifest.time_zone.clone(),
    })
}

struct MetricCompiler<'a> {
    def: &'a SemanticViewDef,
    joined: &'a [&'a str],
    analyzer: &'a dyn SqlAnalyzer,
}

impl MetricCompiler<'_> {
    fn metric(&self, metric: &MetricDef, diagnostics: &mut Vec<Diagnostic>) -> Option<Metric> {
        let formula = match &metric.definition {
            MetricDefinition::Aggregate { sql, filter } => {
                self.aggregate(metric, sql, filter.as_ref(), diagnostics)?
            }
            MetricDefinition::Ratio { numerator, denominator } => {
                let place = |name: &Spanned, diagnostics: &mut Vec<Diagnostic>| {
                    self.ratio_part(metric, name, diagnostics)
                };
                let parts = (place(numerator, diagnostics), place(denominator, diagnostics));
                self.compare_filters(metric, diagnostics);
                Formula::Ratio(parts.0?, parts.1?)
            }
        };
        Some(Metric {
            name: metric.name.clone(),
            formula,
            label: metric.label.clone(),
            format: metric.format.clone(),
            description: metric.description.clone(),
        })
    }

    /// Warns if the parts of a ratio count different rows without `filters: differ`.
    fn compare_filters(&self, metric: &MetricDef, diagnostics: &mut Vec<Diagnostic>) {
        let MetricDefinition::Ratio { numerator, denominator } = &metric.definition else { return };
        let filter = |name: &Spanned| {
            let part = self.def.metrics.iter().find(|other| other.name.text == name.text)?;
            let MetricDefinition::Aggregate { sql, filter } = &part.definition else { return None };
            let text = match filter {
                // On its own line, because it may end with a `--` comment.
                Some(filter) => format!("select count(*) filter (where {}\n)", filter.text),
                None => format!("select {}", sql.text),
            };
            // A parse error is reported when the part itself is compiled.
            let parsed = self.analyzer.analyze(&text).ok()?;
            Some(parsed.outputs.into_iter().next()?.filter)
        };
        let (Some(above), Some(below)) = (filter(numerator), filter(denominator)) else { return };
        let span = || metric.name.span.clone();
        match &metric.filters_differ {
            None if above != below => {
                let message = format!(
                    "metric `{}` divides `{}` by `{}`, which count different rows",
                    metric.name.text, numerator.text, denominator.text
                );
                let hint = "Give both the same `where`, or say that it is meant: `filters: differ`.";
                let warning = Diagnostic::warning(Code::RatioOfDifferentFilters, message);
                diagnostics.push(warning.at(span(), "").hint(hint));
            }
            Some(said) if above == below => {
                let message = format!("the parts of metric `{}` count the same rows", metric.name.text);
                let error = Diagnostic::error(Code::WrongValue, message).at(said.clone(), "");
                diagnostics.push(error.hint("Take `filters: differ` away."));
            }
            _ => {}
        }
    }

    fn ratio_part(
        &self,
        metric: &MetricDef,
        name: &Spanned,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<usize> {
        let found = self.def.metrics.iter().position(|other| other.name.text == name.text);
        let of_ratio =
            found.is_some_and(|at| matches!(self.def.metrics[at].definition, MetricDefinition::Ratio { .. }));
        if let Some(at) = found.filter(|_| !of_ratio) {
            return Some(at);
        }
        let diagnostic = if of_ratio {
            Diagnostic::error(Code::BadMetric, format!("`{}` is a ratio of a ratio", metric.name.text))
                .hint("Write it as a ratio of two aggregates.")
        } else {
            let names = self.def.metrics.iter().map(|other| other.name.text.as_str());
            let message = format!(
                "metric `{}` refers to metric `{}`, which does not exist",
                metric.name.text, name.text
            );
            Diagnostic::error(Code::UnknownMetric, message).maybe_hint(did_you_mean(
                &name.text,
                names,
                "there are",
            ))
        };
        diagnostics.push(diagnostic.at(name.span.clone(), ""));
        None
    }

    /// Compiles an aggregate: `avg` becomes sum and count, `where` becomes a `filter` clause.
    fn aggregate(
        &self,
        metric: &MetricDef,
        sql: &Spanned,
        filter: Option<&Spanned>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Formula> {
        let mut columns = Vec::new();
        let (expression, parsed) = self.qualified(metric, sql, &mut columns, diagnostics)?;
        let (call, has_filter) = match parsed.outputs.as_slice() {
            [Output { call: Some(call), filter, .. }] => (call.as_str(), filter.is_some()),
            _ => {
                let message = format!("metric `{}` is not one aggregate function", metric.name.text);
                diagnostics.push(
                    Diagnostic::error(Code::BadMetric, message)
                        .at(sql.span.clone(), "")
                        .hint("Write `sum(…)`, `count(…)`, `min(…)`, …; for a quotient use `ratio: [a, b]`."),
                );
                return None;
            }
        };
        if has_filter && filter.is_some() {
            let message = format!("metric `{}` has a `where` and a `filter` of its own", metric.name.text);
            diagnostics
                .push(Diagnostic::error(Code::BadMetric, message).at(sql.span.clone(), "").hint("Keep one."));
            return None;
        }
        let mut suffix = String::new();
        if let Some(filter) = filter {
            let (condition, _) = self.qualified(metric, filter, &mut columns, diagnostics)?;
            suffix = format!(" filter (where {condition})");
        }
        let places = columns;
        let columns: BTreeSet<(String, String)> =
            places.iter().map(|(model, column)| (model.clone(), column.text.clone())).collect();
        let joined = columns.iter().map(|(model, _)| model).filter(|model| **model != self.def.base.text);
        let needs: BTreeSet<String> = joined.cloned().collect();
        let aggregate = |sql: String| Aggregate {
            sql: format!("{sql}{suffix}"),
            needs: needs.clone(),
            columns: columns.clone(),
            places: places.clone(),
        };
        if call == "avg"
            && let Some(argument) = expression.find('(').map(|at| &expression[at..])
        {
            return Some(Formula::Average(
                aggregate(format!("sum{argument}")),
                aggregate(format!("count{argument}")),
            ));
        }
        Some(Formula::Aggregate(aggregate(expression)))
    }

    /// Qualifies each column of an expression with its model, and appends it to `columns`.
    fn qualified(
        &self,
        metric: &MetricDef,
        written: &Spanned,
        columns: &mut Vec<(String, Spanned)>,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<(String, ParsedSql)> {
        const BEFORE: &str = "select ";
        let sql = format!("{BEFORE}{}", written.text);
        let parsed = match self.analyzer.analyze(&sql) {
            Ok(parsed) if parsed.tables.is_empty() && parsed.statements == 1 => parsed,
            Ok(_) => {
                let message = format!("metric `{}` reads tables of its own", metric.name.text);
                let hint = "A metric is an expression over the columns of its semantic view.";
                diagnostics.push(
                    Diagnostic::error(Code::BadMetric, message).at(written.span.clone(), "").hint(hint),
                );
                return None;
            }
            Err(error) => {
                let message = format!("metric `{}` is not SQL: {}", metric.name.text, error.message);
                let at = error.position.map(|at| at.saturating_sub(BEFORE.len()));
                let span = inner_span(&written.span, &written.text, at);
                diagnostics.push(Diagnostic::error(Code::SqlSyntax, message).at(span, ""));
                return None;
            }
        };
        let mut replacements = Vec::new();
        for column in &parsed.columns {
            let model = match column.path.as_slice() {
                [_] => self.def.base.text.clone(),
                [model, _] if *model == self.def.base.text => model.clone(),
                [model, _] if self.joined.contains(&model.as_str()) => model.clone(),
                path => {
                    let message = format!(
                        "metric `{}` names `{}`, which is not joined",
                        metric.name.text,
                        path.join(".")
                    );
                    let span = inner_span(&written.span, &written.text, column.at.checked_sub(BEFORE.len()));
                    let hint = did_you_mean(&path[0], self.joined.iter().copied(), "it joins");
                    diagnostics
                        .push(Diagnostic::error(Code::UnknownColumn, message).at(span, "").maybe_hint(hint));
                    return None;
                }
            };
            let name = column.path.last().cloned().unwrap_or_default();
            let range = text::path_range(&sql, column.at);
            replacements.push((range, format!("{}.{}", Ident::new(&model), Ident::new(&name))));
            let span = inner_span(&written.span, &written.text, column.at.checked_sub(BEFORE.len()));
            columns.push((model, Spanned { text: name, span }));
        }
        replacements.sort_by_key(|(range, _)| range.start);
        let qualified = text::replace(&sql, &replacements);
        Some((qualified[BEFORE.len()..].to_owned(), parsed))
    }
}

/// The place of byte `at` of a scalar; the whole scalar if it has escapes or `at` is `None`.
pub fn inner_span(span: &Span, text: &str, at: Option<usize>) -> Span {
    let written = span.range.len();
    let quotes = match written.checked_sub(text.len()) {
        Some(0) => 0,
        Some(2) => 1,
        _ => return span.clone(),
    };
    let Some(at) = at.filter(|at| *at < text.len() && text.is_char_boundary(*at)) else {
        return span.clone();
    };
    let range = text::path_range(text, at);
    Span {
        file: Arc::clone(&span.file),
        range: span.range.start + quotes + range.start..span.range.start + quotes + range.end,
    }
}

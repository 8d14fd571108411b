//! The check of streams: finds their columns as far as the depth allows, reports what is wrong with
//! them, and creates their empty tables.

use millrace_core::code::Code;
use millrace_core::diagnostic::{Diagnostic, has_errors};
use millrace_core::graph::Input;
use millrace_core::name::{Ident, StreamName};
use millrace_core::project::source_file::ReadMode;
use millrace_core::schema::StreamSchema;

use super::{Checker, Depth, raw_table};
use crate::compile::catalog::Stream;
use crate::compile::contract::{naming_problems, no_append, reconcile};
use crate::compile::unknown_columns::unknown_columns;
use crate::error::{Error, ErrorKind};
use crate::ports::diagnosis::{Finding, Layer, Verdict};
use crate::ports::warehouse::Statement;

/// The warning for a stream without files: they may have been removed after they were loaded.
fn emptied(name: &StreamName) -> Diagnostic {
    let message = format!(
        "none of the files of stream `{name}` is there, and it has no captured schema: models that read it are not checked"
    );
    let hint =
        format!("Run `millrace capture {}` when there are files, and commit what it writes.", name.source);
    Diagnostic::warning(Code::NotCaptured, message).hint(hint)
}

/// Whether a stream without a captured schema is examined before a run. Streams that keep earlier
/// rows are not: their tables keep columns of earlier loads, which are unknown here. Remote streams
/// are not either: examining them is a request, which a run without new data avoids.
pub(super) fn is_looked_at(stream: &Stream) -> bool {
    !stream.options.mode.keeps() && stream.source.is_local(&stream.request())
}

impl Checker<'_> {
    /// The columns of a stream without a captured schema, if finding them is almost free. Errors
    /// are ignored, because the load follows at once and reports them better.
    async fn beginning(&mut self, stream: &Stream) -> Option<StreamSchema> {
        if !is_looked_at(stream) {
            return None;
        }
        let request = stream.request();
        if stream.source.discovers_at_once(&request) {
            return Some(stream.discover().await.ok()?.schema);
        }
        let schema = stream.source.glance(&request).await.ok()??;
        self.guessed.insert(Input::Stream(stream.name.clone()));
        Some(stream.options.with_chosen_types(schema))
    }

    /// The columns of a stream; `None` if they cannot be known, which is reported if it is an
    /// error.
    async fn observed(&mut self, stream: &Stream) -> Option<StreamSchema> {
        if let Some(captured) = &stream.captured {
            self.warn_of_missing_files(stream).await;
            return Some(captured.clone());
        }
        if self.depth == Depth::Beginning {
            return self.beginning(stream).await;
        }
        // Each further stream of the source would report the same after the same timeout.
        if self.silent.contains(&stream.name.source) {
            return None;
        }
        match stream.discover().await {
            Ok(discovered) => return Some(discovered.schema),
            Err(error) if stream.may_be_emptied(&error) => self.diagnostics.push(emptied(&stream.name)),
            Err(error) if error.kind() == ErrorKind::UnsetVariable => self.unset(stream, &error),
            Err(error) => {
                if error.kind() == ErrorKind::SourceUnreachable && !stream.source.discovers_by_reading() {
                    self.silent.insert(stream.name.source.clone());
                }
                // Advice to capture would not help: a stream that cannot be read cannot be
                // captured.
                if error.kind() != ErrorKind::SourceUnreadable {
                    self.diagnostics.push(not_captured(&stream.name));
                }
                self.diagnostics.push(error.to_diagnostic().at(stream.span.clone(), ""));
            }
        }
        None
    }

    /// Checks a stream. Creates its table if the columns are known and correct; otherwise
    /// everything that reads it is skipped.
    pub(super) async fn stream(&mut self, stream: &Stream) {
        let Some(observed) = self.observed(stream).await else { return };
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
        let strange = unknown_columns(stream, &observed, stream.captured.is_none());
        let is_wrong = has_errors(&strange);
        self.diagnostics.extend(strange);
        if is_wrong {
            return;
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
            return;
        }
        // Drift is reported by the run that loads; here it only decides on the columns.
        let mut drift = Vec::new();
        let target =
            reconcile(&stream.name, &stream.options, stream.captured.as_ref(), &observed, naming, &mut drift);
        let target = match target {
            Ok(target) if !target.warehouse_columns.is_empty() => target,
            Ok(_) => {
                self.diagnostics.push(not_captured(&stream.name));
                return;
            }
            Err(error) => {
                self.diagnostics.push(error.to_diagnostic().at(stream.span.clone(), ""));
                return;
            }
        };
        let what = format!("stream `{}`", stream.name);
        let hint = "Load fewer with `columns:` or `exclude_columns:`.";
        if self.has_too_many(&what, target.warehouse_columns.len(), &stream.span, hint) {
            return;
        }
        let dialect = self.scratch.dialect();
        let columns = target
            .warehouse_columns
            .iter()
            .map(|column| format!("{} {}", Ident::new(&column.name), dialect.column_type(column.data_type)));
        let columns = columns.collect::<Vec<_>>().join(", ");
        self.tables.push(Statement::new(format!("create table {} ({columns})", raw_table(&stream.name))));
        let names = target.warehouse_columns.into_iter().map(|column| column.name);
        self.streams.insert(stream.name.clone(), names.collect());
        self.checked.streams += 1;
    }

    /// Warns if files of a stream are missing or cannot be opened, which would end a run. Remote
    /// files are not looked for.
    async fn warn_of_missing_files(&mut self, stream: &Stream) {
        let is_looked_for = stream.source.discovers_by_reading() && stream.source.is_local(&stream.request());
        if self.depth != Depth::Whole || !is_looked_for {
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

    /// Reports each unset variable that keeps a source from being asked, once and at its place.
    fn unset(&mut self, stream: &Stream, error: &Error) {
        let sources = &self.compiled.project.sources;
        let unset = sources.iter().find(|source| source.name == stream.name.source).map(|def| &def.unset);
        let told = unset.cloned().unwrap_or_else(|| vec![error.to_diagnostic()]);
        let new: Vec<_> = told.into_iter().filter(|one| !self.diagnostics.contains(one)).collect();
        self.diagnostics.extend(new);
    }
}

/// The warning for a stream without a captured schema, for commands that do not load.
fn not_captured(name: &StreamName) -> Diagnostic {
    Diagnostic::warning(Code::NotCaptured, format!("stream `{name}` has no captured schema"))
        .hint(format!("Run `millrace capture {}` and commit the file that it writes.", name.source))
}
